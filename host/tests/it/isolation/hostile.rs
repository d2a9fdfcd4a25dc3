//! Drivers that do to their process, and to its socket, what a driver in safe Rust cannot: the driver in C of the examples, with some of its
//! functions replaced.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{READ, child, is_alive};
use crate::driver_probe::Breaches;
use crate::support::{Registry, Request, Start, bytes, in_time, sha256};

/// C: what the driver does where nothing is replaced.
const REALLY_READ: &str = "return __real_reader_open(driver, call, key, offset, length, answer, error);";

/// A registry whose driver, in a process of its own, has `code` in the place of some functions; `STORE` there is the store's folder.
fn registry(functions: &[&str], code: &str, keys: &'static str) -> Registry {
    let breaches = Breaches::new();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = folder.path().join("store");
    let real = READ.replace("__wrap_", "__real_");
    let file = breaches.wrapping(functions, &format!("#include <sys/socket.h>\n#define STORE {store:?}\n{real};\n{code}"));
    let storage = format!("path = {file:?}\nisolation = \"process\"\nrestarts_max = 100\nsettings = {{ root = {store:?}, sync = false }}");
    Registry::start_with(Start { storage: Some(storage), keys, folder: Some(folder.into()), ..Start::default() })
}

fn says(line: &Value, what: &str) -> bool {
    line["message"].as_str().is_some_and(|message| message.contains(what))
}

/// Writes what the file `garbage` of the store has to all sockets of the process, once, before the driver reads or writes an object.
fn sends_garbage() -> String {
    let write = "_Bool __real_write_all(int file, const uint8_t *bytes, size_t len, uint64_t at)";
    format!(
        "static void send_garbage(void) {{\n\
           int garbage = open(STORE \"/garbage\", O_RDONLY);\n\
           if (garbage < 0 || unlink(STORE \"/garbage\") != 0) return;\n\
           char bytes[4096];\n\
           ssize_t length = read(garbage, bytes, sizeof bytes);\n\
           for (int file = 3; file < 1024; file++) {{\n\
             int type;\n\
             socklen_t size = sizeof type;\n\
             if (getsockopt(file, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && write(file, bytes, length) != length) abort();\n\
           }}\n\
         }}\n\
         {READ} {{ send_garbage(); {REALLY_READ} }}\n\
         {write};\n\
         {} {{ send_garbage(); return __real_write_all(file, bytes, len, at); }}",
        write.replace("__real_", "__wrap_")
    )
}

/// A frame as a child sends it: length, kind, flags, the call's number, payload.
fn frame(kind: u8, flags: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(10 + payload.len()).expect("it is short");
    [&length.to_le_bytes(), &[kind, flags][..], &id.to_le_bytes(), payload].concat()
}

/// Has the driver send `garbage` with its next call.
fn send_next(registry: &Registry, garbage: &[u8]) {
    let store = registry.folder.path().join("store");
    fs::write(store.join("begun"), garbage).expect("the store is writable");
    fs::rename(store.join("begun"), store.join("garbage")).expect("the store is writable");
}

#[test]
fn garbage_on_the_socket_ends_the_process_and_costs_its_calls() {
    let garbage = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "a frame of 1347703880 bytes, which have 10 to 33554432"),
        (frame(99, 0, 1, b""), "a frame of the unknown kind 99"),
        (frame(3, 0, 1, b""), "a frame Cancel, which only the host sends"),
        (frame(10, 0, u64::MAX, b"\0"), "an answer to a call that was never made"),
        (frame(10, 0, 0, b"\x63"), "an answer of the unknown kind 99"),
        (frame(10, 1, 0, b"\0"), "a frame that lacks its descriptor"),
        (frame(10, 0, 0, b"\0more"), "a frame with 4 bytes after its last value"),
        (frame(11, 0, 0, b"\0"), "a frame that ends before its value of 4 bytes"),
        (frame(12, 0, u64::MAX, b"\0"), "the end of a call that was never made"),
        (frame(13, 0, 0, b"\x09\0\0\0\0"), "a log line of the unknown level 9"),
        (frame(14, 0, 0, b"\x02\0\0\0\xff\xfe"), "a text that is not UTF-8"),
    ];
    // The wait before a restart doubles, so few of them are for one registry.
    for some in garbage.chunks(4) {
        let registry = registry(&["reader_open", "write_all"], &sends_garbage(), "");
        let blob = bytes(1, 50_000);
        let digest = registry.push_blob("a", &blob);
        for (garbage, what) in some {
            let before = child(&registry);
            send_next(&registry, garbage);
            let read = registry.get(format!("/v2/a/blobs/{digest}"));
            assert!(read.status == 200 && read.body == blob, "{what}: a read is asked once more of the next process: {}", read.status);
            let ended = format!("the driver's process ended by its host, since it sent {what}");
            let line = registry.logged(&ended, |line| says(line, &ended));
            assert!(says(&line, " during read of ") && line["driver"] == "c-files/main", "{line}");
            assert!(child(&registry) != before && !is_alive(before), "{what}: another process serves");
        }
    }
}

#[test]
fn garbage_during_a_write_loses_it() {
    let registry = registry(&["reader_open", "write_all"], &sends_garbage(), "");
    let blob = bytes(2, 50_000);
    let push = || registry.send(&Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&blob))).body(blob.clone())).status;
    send_next(&registry, &frame(12, 0, u64::MAX, b"\0"));
    let status = push();
    assert!([500, 502, 503].contains(&status), "a write is never made twice: {status}");
    let ended = "ended by its host, since it sent the end of a call that was never made during ";
    registry.logged(ended, |line| says(line, ended));
    assert_eq!(push(), 201, "the next process takes it");
    assert_eq!(registry.get("/v2/").status, 200, "the registry serves as before");
}

/// A frame that never ends swallows all that the process sends after it.
#[test]
fn frame_without_an_end_is_taken_for_a_process_that_hangs() {
    let registry = registry(&["reader_open", "write_all"], &sends_garbage(), "drivers.call_secs = 1");
    let digest = registry.push_blob("a", b"x");
    let before = child(&registry);
    let begun = frame(10, 0, 0, b"").into_iter().skip(4);
    send_next(&registry, &(32_u32 * 1024 * 1024).to_le_bytes().into_iter().chain(begun).collect::<Vec<_>>());
    assert_eq!(registry.get(format!("/v2/a/blobs/{digest}")).status, 503, "the call passes its deadline");
    let ended = "ended by its host, since it let a call's deadline pass and then did not answer for 5 s";
    registry.logged(ended, |line| says(line, ended));
    registry.logged("another one serves", |line| says(line, "the driver's process serves again"));
    assert!(registry.get(format!("/v2/a/blobs/{digest}")).is(200, "it serves").body == b"x" && child(&registry) != before);
}

/// A service is stopped by telling all of its processes at once, and the host has requests to finish first. Whatever a driver does about signals,
/// and also if it never returns from `close`, it ends with its host.
#[test]
fn driver_that_ignores_signals_and_blocks_in_close_ends_with_its_host() {
    let code = format!(
        "C {{ signal(SIGTERM, SIG_IGN); sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, 0); }}\n\
         static void *instance;\n\
         {READ} {{ instance = driver; {REALLY_READ} }}\n\
         void __real_free(void *memory);\n\
         void __wrap_free(void *memory) {{ while (memory && memory == instance) pause(); __real_free(memory); }}"
    );
    let registry = registry(&["reader_open", "free"], &code, "drivers.call_secs = 1");
    let digest = registry.push_blob("a", b"x");
    let process = child(&registry);
    let pid = Pid::from_raw(process.cast_signed()).expect("it is a number");
    kill_process(pid, Signal::TERM).expect("the process is ours");
    registry.get(format!("/v2/a/blobs/{digest}")).is(200, "it serves on");
    assert_eq!(registry.children(), [process], "the same process");
    let ended = registry.stop();
    assert_eq!(ended.code, Some(0), "what a driver does not answer holds up nobody");
    let line = ended.log.iter().find(|line| says(line, "a driver did not close")).expect("the log tells");
    assert!(line["error"].as_str().is_some_and(|it| it.contains("close did not answer within")), "{line}");
    in_time("it ends with its host", || (!is_alive(process)).then_some(()));
}

/// No driver has to do anything for it: a process of a service that is told to stop serves until its host ends it.
#[test]
fn process_that_is_told_to_stop_beside_its_host_serves_on() {
    let registry = registry(&["reader_open"], &format!("{READ} {{ {REALLY_READ} }}"), "");
    let process = child(&registry);
    kill_process(Pid::from_raw(process.cast_signed()).expect("it is a number"), Signal::TERM).expect("the process is ours");
    registry.push_blob("a", b"x");
    assert_eq!(registry.children(), [process], "the same process");
    assert_eq!(registry.stop().code, Some(0));
    assert!(!is_alive(process), "it ended before its host did");
}
