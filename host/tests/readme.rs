//! What the README and its neighbours show is what is there: the driver, the commands, the configurations, the links.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use longshore::config::Config;

const DOCUMENTS: [&str; 13] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/configuration.md",
    "docs/conformance.md",
    "docs/driver-contract.md",
    "docs/driver-guide.md",
    "docs/reload.md",
    "docs/storage-layout.md",
    "docs/trust.md",
    "examples/deployments/README.md",
    "examples/minimal-driver/README.md",
];

/// Where the README's driver comes from.
const DRIVER: &str = "plugins/memory/src/lib.rs";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(place: &str) -> String {
    fs::read_to_string(root().join(place)).unwrap_or_else(|error| panic!("cannot read {place}: {error}"))
}

/// The fenced blocks of a language in a document.
fn blocks(language: &str, document: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap_or("").to_owned()).collect()
}

#[test]
fn the_driver_of_the_readme_is_one_that_is_compiled() {
    let shown = blocks("rust", &text("README.md"));
    assert_eq!(shown.len(), 1, "the README shows one driver");
    let driver = text(DRIVER);
    let mut rest = driver.as_str();
    // What the README leaves out stands as a line of its own.
    for part in shown[0].split("// …").map(str::trim_end).filter(|part| !part.trim().is_empty()) {
        let part = part.trim_start_matches('\n');
        let found = rest.find(part).unwrap_or_else(|| panic!("{DRIVER}, which is compiled and tested, has no\n{part}"));
        rest = &rest[found + part.len()..];
    }
}

#[test]
fn the_commands_of_the_readme_are_those_that_ci_runs() {
    let readme = blocks("sh", &text("README.md")).join("\n");
    let ci = text(".ci/run");
    for (build, then) in
        [("cargo build --release", "target/release/longshore serve"), ("cargo build --workspace", "cargo test --workspace")]
    {
        assert!(
            readme.contains(&format!("{build} && {then}\n")) || readme.ends_with(&format!("{build} && {then}")),
            "the README has {build}"
        );
        assert!(ci.contains(build), ".ci/run has {build}");
    }
}

#[test]
fn configurations_in_the_documents_are_good() {
    let shown: Vec<(&str, String)> =
        DOCUMENTS.iter().flat_map(|place| blocks("toml", &text(place)).into_iter().map(|block| (*place, block))).collect();
    assert!(shown.len() >= 2, "configurations were found");
    let files = ["registry.toml", "examples/deployments/registry.toml"].map(|place| (place, text(place)));
    for (place, block) in shown.into_iter().chain(files) {
        if let Err(faults) = Config::from_text(place, &block, std::iter::empty()) {
            panic!("a configuration in {place} has faults:\n{}", faults.render(false));
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for place in DOCUMENTS {
        let document = text(place);
        let folder = root().join(place).parent().expect("a document is in a folder").to_owned();
        for link in document.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or("");
            let elsewhere = link.contains("://") || path.is_empty();
            assert!(elsewhere || folder.join(path).exists(), "{place} links to {link}, which is not there");
        }
    }
}
