//! A driver that is not isolated takes the host with it, and the last line of the log says which driver it was.

use std::io;
use std::net::TcpStream;

use super::READ;
use crate::driver_probe::Breaches;
use crate::support::{Registry, Start, sha256};

/// What each read of these drivers is about.
const KEY: &[u8] = b"docker/registry/v2/repositories/a/_manifests/tags/v1/current/link";
/// The message of the last line of a registry whose driver ends it while a manifest is asked for.
fn last_line(start: Start) -> String {
    let mut registry = Registry::start_with(start);
    let asked = TcpStream::connect(registry.address).and_then(|mut socket| {
        io::Write::write_all(&mut socket, b"GET /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\n\r\n")?;
        io::copy(&mut socket, &mut io::sink())
    });
    let ended = registry.wait();
    assert_eq!(ended.code, None, "the signal takes its course (asked: {asked:?})");
    let last = ended.log.last().expect("it has logged");
    last["message"].as_str().expect("a line has a message").to_owned()
}

fn blamed(driver: &str) -> String {
    format!("in driver {driver}/main during read of {}", &sha256(KEY)["sha256:".len()..][..16])
}

#[test]
fn crash_of_a_driver_in_the_host_is_told_with_driver_call_and_key() {
    let file = super::driver_file("specimen-dies");
    for (how, signal) in [("overflow", "signal 11 (SIGSEGV"), ("abort", "signal 6 (SIGABRT")] {
        let storage = format!("path = {file:?}\nsettings = {{ at = \"read\", how = {how:?} }}");
        let message = last_line(Start { storage: Some(storage), ..Start::default() });
        let wanted = blamed("specimen-dies");
        assert!(message.contains(signal) && message.ends_with(&wanted), "{how}: {message}, not {wanted}");
    }
}

/// Each call of a driver in C runs on one of the host's threads for work that blocks.
#[test]
fn crash_on_a_thread_that_blocks_is_told_with_driver_call_and_key() {
    let breaches = Breaches::new();
    for (code, signal) in [
        ("*nothing = 1;", "signal 11 (SIGSEGV"),
        ("((void (*)(void))nothing)();", "signal 11 (SIGSEGV"),
        ("abort();", "signal 6 (SIGABRT"),
        ("__builtin_trap();", "signal 4 (SIGILL"),
    ] {
        let message = last_line(in_the_host(&breaches, &format!("static int *volatile nothing;\n{READ} {{ {code} }}")));
        let wanted = blamed("c-files");
        assert!(message.contains(signal) && message.ends_with(&wanted), "{code}: {message}, not {wanted}");
    }
}

/// What a driver does on threads of its own is no call's, and no call is blamed for it.
#[test]
fn crash_on_a_thread_of_the_drivers_own_blames_no_call() {
    let code = format!(
        "static void *crashes(void *nothing) {{ *(volatile int *)nothing = 1; return nothing; }}\n\
         {READ} {{ pthread_t thread; pthread_create(&thread, 0, crashes, 0); pthread_join(thread, 0); }}"
    );
    let message = last_line(in_the_host(&Breaches::new(), &code));
    assert!(message.contains("signal 11 (SIGSEGV") && message.ends_with("on a thread that runs no driver's call"), "{message}");
}

/// The driver in C with `code` in the place of its function that reads, loaded into the host.
fn in_the_host(breaches: &Breaches, code: &str) -> Start {
    let file = breaches.wrapping(&["reader_open"], code);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let storage = format!("path = {file:?}\nsettings = {{ root = {:?} }}", folder.path().join("store"));
    Start { storage: Some(storage), keys: "drivers.trust = \"any\"", folder: Some(folder.into()), ..Start::default() }
}
