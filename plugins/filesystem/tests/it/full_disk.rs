//! A filesystem of one MiB: what does not fit is refused with `full`, and its space comes back. Needs the right to mount.

use std::process::{Command, Stdio};

use super::*;

/// A small filesystem in memory, unmounted at the end.
struct Small(TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", folder.path().to_str()?]);
        if !mounted {
            say("skipped: mounting a tmpfs needs root");
        }
        mounted.then_some(Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.path().to_str().expect("a text")]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Errors: "`full`: no space or quota; space of the failed write is given back".
#[test]
fn what_does_not_fit_is_refused_and_leaves_its_space() {
    let Some(small) = Small::mount() else { return };
    let driver = open(small.0.path(), "disk").expect("open");
    let put = |name: &str, size: usize| block_on(driver.put(&CALL, key(name), Bytes::from(vec![1; size]), Condition::Always));
    put("a", 300_000).expect("it fits");
    for _ in 0..5 {
        let error = put("a", 900_000).expect_err("two versions do not fit");
        assert_eq!(error.class(), ErrorClass::Full);
        assert_eq!(error.causes()[0].value, "28 ENOSPC");
        assert_eq!(class(put("new/folder/b", 900_000)), ErrorClass::Full);
    }
    assert!(!small.0.path().join("new").exists(), "no folder is left of it");
    let got = block_on(convenience::get(&driver, &CALL, key("a"), u64::MAX)).expect("the old object is whole");
    assert_eq!(got, vec![1; 300_000]);
    put("b", 500_000).expect("the space was given back");
}

/// Uploads: "`full` if there is no space; what was accepted before stays good."
#[test]
fn an_upload_that_runs_into_the_end_keeps_what_was_accepted() {
    let Some(small) = Small::mount() else { return };
    let driver = open(small.0.path(), "disk").expect("open");
    let mut upload = block_on(driver.upload_begin(&CALL, None)).expect("begin");
    write(&mut upload, vec![1; 100_000]);
    write(&mut upload, vec![2; 300_000]);
    for _ in 0..3 {
        assert_eq!(class(block_on(upload.write(&CALL, Bytes::from(vec![3; 2_000_000])))), ErrorClass::Full);
        assert_eq!(upload.offset(), 400_000);
    }
    block_on(driver.put(&CALL, key("other"), Bytes::from(vec![4; 400_000]), Condition::Always)).expect("the space was given back");
    commit(&mut upload, "a").expect("commit");
    let got = block_on(convenience::get(&driver, &CALL, key("a"), u64::MAX)).expect("get");
    assert_eq!(got, [vec![1; 100_000], vec![2; 300_000]].concat());
}

/// A store on a medium that cannot be written is read, and every write says so.
#[test]
fn a_read_only_filesystem_is_readable() {
    let Some(small) = Small::mount() else { return };
    std::fs::write(small.0.path().join("a"), "1").expect("a file");
    let path = small.0.path().to_str().expect("a text");
    assert!(run("mount", &["-o", "remount,ro", path]), "it is made read-only");
    let driver = open(small.0.path(), "disk").expect("open");
    assert_eq!(block_on(convenience::get(&driver, &CALL, key("a"), 10)).expect("get"), "1");
    assert_eq!(class(block_on(driver.put(&CALL, key("b"), Bytes::new(), Condition::Always))), ErrorClass::ReadOnly);
    assert_eq!(class(block_on(driver.delete(&CALL, key("a")))), ErrorClass::ReadOnly);
    assert_eq!(class(block_on(driver.delete(&CALL, key("b")))), ErrorClass::NotFound);
    assert_eq!(class(block_on(driver.upload_begin(&CALL, None))), ErrorClass::ReadOnly);
    assert_eq!(class(block_on(driver.health(&CALL))), ErrorClass::ReadOnly);
}
