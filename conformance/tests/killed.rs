//! The driver in C after `kill -9` of its process.

mod files;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use files::c::c_driver_file;
use files::{loaded_file, opened};
use longshore_loader::DriverHandle;
use longshore_loader::api::convenience::get;
use longshore_loader::api::{Call, Condition, Driver, Key, Upload, UploadToken};
use serde_json::json;

const CALL: Call = Call::unbounded();
/// Where the store of a process lies that is to be killed.
const STORE: &str = "LONGSHORE_TEST_STORE_OF_THE_KILLED";
const SUSPENDED: usize = 300_000;

async fn instance(file: &Path, root: &str) -> DriverHandle {
    opened(&loaded_file(file), &json!({ "root": root })).await
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

/// Not a test of its own: what the process does that is killed.
#[tokio::test]
async fn writes_until_it_is_killed() {
    let (Ok(root), Some(file)) = (std::env::var(STORE), c_driver_file()) else { return };
    let driver = instance(&file, &root).await;
    driver.put(&CALL, key("put"), "answered".into(), Condition::Always).await.expect("put works");
    let mut upload = driver.upload_begin(&CALL, None).await.expect("upload_begin works");
    upload.write(&CALL, vec![1; SUSPENDED].into()).await.expect("write works");
    let token = upload.suspend(&CALL).await.expect("suspend works");
    println!("\ntoken {}", String::from_utf8_lossy(token.as_bytes()));
    loop {
        upload.write(&CALL, vec![2; 1000].into()).await.expect("write works");
    }
}

/// Driver contract, section 5: "After `kill -9`, `upload_resume` reports an offset between the last suspended one and what was written, and the
/// bytes up to it are intact"; section 2: "the object survives `kill -9` of the process".
#[tokio::test]
async fn what_was_answered_survives_the_process() {
    let Some(file) = c_driver_file() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().to_str().expect("a path in UTF-8");
    let mut writer = Command::new(std::env::current_exe().expect("a process knows its file"));
    writer.args(["writes_until_it_is_killed", "--exact", "--nocapture"]).env(STORE, root).stdout(Stdio::piped());
    let mut writer = writer.spawn().expect("a second process starts");
    let lines = BufReader::new(writer.stdout.take().expect("it was asked for")).lines();
    let token = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("token ")?.to_owned())).expect("it suspends");
    writer.kill().expect("it runs until now");
    writer.wait().expect("it was killed");

    let driver = instance(&file, root).await;
    assert_eq!(get(&driver, &CALL, key("put"), 100).await.expect("the object is there"), "answered");
    let mut upload = driver.upload_resume(&CALL, &UploadToken::new(token).expect("short")).await.expect("nobody has the upload any more");
    let offset = upload.offset();
    assert!(offset >= SUSPENDED as u64, "{SUSPENDED} bytes were suspended, the upload goes on at {offset}");
    upload.write(&CALL, "end".into()).await.expect("write works");
    upload.commit(&CALL, key("uploaded"), offset + 3).await.expect("commit works");
    let bytes = get(&driver, &CALL, key("uploaded"), u64::MAX).await.expect("the object is there");
    assert!(bytes[..SUSPENDED].iter().all(|byte| *byte == 1), "suspended bytes are intact");
    assert!(bytes[SUSPENDED..bytes.len() - 3].iter().all(|byte| *byte == 2) && bytes.ends_with(b"end"), "what follows is intact or gone");
}
