//! `kill -9` at a random moment: what was acknowledged is there, and whatever is there is whole.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const ROOT: &str = "LONGSHORE_TEST_CRASH_ROOT";

/// Semantics: "the object survives `kill -9` of the process", "Writing is whole or nothing".
#[test]
fn acknowledged_writes_survive_the_process() {
    let mut random = Random::new("crash");
    let folder = TempDir::new().expect("a folder");
    for _ in 0..10 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(ROOT, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts");
        let wanted = 1 + random.below(60);
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut acknowledged: Vec<String> =
            lines.by_ref().map_while(Result::ok).filter_map(|line| acknowledgement(&line)).take(wanted).collect();
        child.kill().expect("killed");
        child.wait().expect("ended");
        // What it said before it died counts as well.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| acknowledgement(&line)));
        let driver = open(folder.path(), "disk").expect("it opens without repair");
        for name in &acknowledged {
            let bytes = block_on(convenience::get(&driver, &CALL, key(name), u64::MAX)).expect("acknowledged, so there");
            assert_eq!(bytes, content(name), "{name}");
        }
        let page = block_on(driver.list(&CALL, &ListRequest::objects(Prefix::root(), 10_000))).expect("list");
        for entry in page.entries {
            let name = entry.text();
            assert_eq!(block_on(convenience::get(&driver, &CALL, key(&name), u64::MAX)).expect("get"), content(&name), "{name} is whole");
        }
    }
}

fn acknowledgement(line: &str) -> Option<String> {
    // The last line may be cut.
    line.rsplit_once("wrote ")?.1.strip_suffix(" whole").map(str::to_owned)
}

fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(name.bytes().map(usize::from).sum::<usize>() * 137).collect()
}

/// Writes until it is killed.
#[test]
#[ignore = "the child of another test"]
fn child() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let driver = open(Path::new(&root), "disk").expect("open");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let driver = &driver;
            scope.spawn(move || {
                for round in 0.. {
                    let name = format!("{writer}/{}/{round}", std::process::id());
                    if round % 2 == 0 {
                        block_on(driver.put(&CALL, key(&name), Bytes::from(content(&name)), Condition::Always)).expect("put");
                    } else {
                        let mut upload = block_on(driver.upload_begin(&CALL, None)).expect("begin");
                        content(&name).chunks(50_000).for_each(|chunk| write(&mut upload, chunk.to_vec()));
                        commit(&mut upload, &name).expect("commit");
                    }
                    println!("wrote {name} whole");
                }
            });
        }
    });
}
