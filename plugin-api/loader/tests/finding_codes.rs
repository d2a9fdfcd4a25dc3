//! The page of finding codes is what the code says of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use longshore_loader::{FindingCode, Group};

const HEAD: &str = "# Findings about driver files

What `longshore driver inspect`, `list`, `probe` and `why` say of a driver's file, by code. A code never changes its meaning; new ones may come.
`longshore driver explain CODE` prints the same. This page is written by a test of the loader (`finding_codes`).

- **refused**: the host does not load the file, or should not. `inspect` and `probe` end with exit code 4.
- **warning**: something to mend; the host loads the file all the same.
- **notice**: something to know.
";

fn page() -> String {
    let mut groups: BTreeMap<Group, Vec<FindingCode>> = BTreeMap::new();
    for code in FindingCode::all() {
        groups.entry(code.group()).or_default().push(code);
    }
    let mut page = HEAD.to_owned();
    for (group, codes) in groups {
        let _ = write!(page, "\n## {}\n\n| code | severity | meaning |\n|---|---|---|\n", group.as_str());
        for code in codes {
            let _ = writeln!(page, "| `{code}` | {} | {} |", code.severity().as_str(), code.meaning().replace('|', "\\|"));
        }
    }
    page
}

/// Operators look codes up there: run this test with LONGSHORE_WRITE_FINDINGS=1 after a change.
#[test]
fn every_code_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/driver-findings.md");
    let now = page();
    if std::env::var_os("LONGSHORE_WRITE_FINDINGS").is_some() {
        std::fs::write(&path, &now).expect("the page is writable");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("the page is readable");
    let changed: Vec<_> = now.lines().filter(|line| !committed.lines().any(|old| old == *line)).collect();
    assert!(
        now == committed,
        "docs/driver-findings.md is not what the codes say; write it again with LONGSHORE_WRITE_FINDINGS=1: {changed:#?}"
    );
}
