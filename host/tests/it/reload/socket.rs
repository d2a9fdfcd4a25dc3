//! The control socket: who may speak, what is said, what stays.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{PART, waits};
use crate::support::{Exchanged, Registry, Request, Start, bytes, command, in_time, sha256};

#[test]
fn socket_is_for_the_owner_and_goes_with_the_registry() {
    let it = Exchanged::start("");
    let socket = it.registry.folder.path().join("control");
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = it.registry.folder.clone();
    assert_eq!(it.registry.stop().code, Some(0));
    assert!(!socket.exists(), "an orderly end removes it");

    // What a registry that was killed leaves behind is replaced; nothing else is.
    let first = Exchanged::start_with(Start { folder: Some(folder.clone()), ..Start::default() });
    first.registry.kill();
    assert!(socket.exists());
    let second = Exchanged::start_with(Start { folder: Some(folder.clone()), ..Start::default() });
    let said = second.ask(&["serve"]).ends(5, "somebody listens").text();
    assert!(said.contains("another registry listens at it"), "{said}");
    second.ask(&["reload"]).ends(0, "and still does");
    drop(second);
    std::fs::write(&socket, "a file").expect("the folder is ours");
    let third = Registry::start_with(Start { driver: "memory", folder: Some(folder), ..Start::default() });
    let text = "server.listen = \"127.0.0.1:0\"\nserver.control = \"control\"\n[storage.main]\ndriver = \"memory\"\n";
    std::fs::write(&third.file, text).expect("the folder is ours");
    let output = command().args(["serve", "--config"]).arg(&third.file).current_dir(third.folder.path()).output().expect("it starts");
    assert_eq!(output.status.code(), Some(5), "a file is in its place");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no socket"), "{output:?}");
    assert_eq!(std::fs::read_to_string(&socket).expect("it is there"), "a file", "and stays there");
}

#[test]
fn registry_that_is_not_there_or_has_no_socket_is_said() {
    let it = Exchanged::start("");
    it.registry.rewrite(|text| text.replace("server.control = \"control\"", ""));
    let said = it.ask(&["reload"]).ends(8, "no socket").text();
    assert!(said.contains("server.control is not set") && said.contains("SIGHUP"), "{said}");
    it.registry.rewrite(|text| format!("server.control = \"nowhere\"\n{text}"));
    let said = it.ask(&["driver", "reload", "main"]).ends(8, "nobody listens").text();
    assert!(said.contains("nowhere") && said.contains("is a registry running"), "{said}");
}

#[test]
fn socket_that_is_spoken_to_badly_answers_and_goes_on() {
    let it = Exchanged::start("");
    let path = it.registry.folder.path().join("control");
    let say = |line: &[u8]| {
        let mut stream = UnixStream::connect(&path).expect("it listens");
        // It may answer, and close, before it has read all.
        let _ = stream.write_all(line);
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("it answers");
        serde_json::from_str::<Value>(&answer).expect("in JSON")
    };
    for line in
        [&b"\n"[..], b"hello\n", b"{\"version\":2,\"request\":\"reload\"}\n", b"{\"version\":1,\"request\":\"fly\"}\n", b"\xff\xfe\n"]
    {
        let answer = say(line);
        assert_eq!((&answer["result"], &answer["code"]), (&json!("failed"), &json!("request")), "{line:?}: {answer}");
    }
    assert_eq!(say(&vec![b'x'; 5000])["code"], "request", "a line has a limit");
    // Silent ones neither block the others nor stay for ever.
    let silent: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).expect("it listens")).collect();
    assert_eq!(say(b"{\"version\":1,\"request\":\"reload\"}\n")["result"], "done");
    for stream in silent {
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("it answers");
        assert!(answer.contains("no request came within"), "{answer}");
    }
}

#[test]
fn registry_told_to_stop_during_a_reload_stops() {
    let mut it = Exchanged::start("server.drain_secs = 1");
    let content = bytes(5, 4 * PART);
    let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content.clone()).encode();
    let connection = it.registry.connect();
    connection.write(&whole[..2 * PART]);
    in_time("the upload has begun", || it.registry.files().iter().any(|file| !file.ends_with("upload-key")).then_some(()));
    it.renew();
    let mut reload = it.command(&["driver", "reload", "main"]).stderr(Stdio::null()).spawn().expect("it starts");
    waits(&it.registry);
    it.registry.terminate();
    let ended = it.registry.wait();
    assert_eq!(ended.code, Some(6), "the upload was cut off, by server.drain_secs: {:?}", ended.log);
    assert_eq!(reload.wait().expect("it is ours").code(), Some(8), "who waits for the reload is not left waiting");
}
