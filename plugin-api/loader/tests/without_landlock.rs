//! A driver in a process of its own on a kernel without landlock, which a filter makes of this one. A test program of its own: the filter is for
//! ever, and the thread that starts processes has to have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_loader::api::{Driver, ErrorClass, Key};
use longshore_loader::{Isolation, OpenOptions, Policy, inspect, open_isolated, verify};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The messages of the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "longshore::driver"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{value:?}"));
        }
    }
}

/// This thread, and all that it starts, find no landlock from now on.
fn do_without_landlock() {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("seccomp knows the processor");
    let calls = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()), arch);
    let program: BpfProgram = filter.expect("it has one rule").try_into().expect("it is short");
    apply_filter(&program).expect("a process may confine itself");
}

/// A file that `cargo build --workspace` makes, beside the folder of the test's own.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its file");
    let path = test.parent().and_then(Path::parent).expect("tests run in target/<profile>/deps").join(name);
    assert!(path.exists(), "{path:?} is missing: run `cargo build --workspace` first");
    path
}

#[tokio::test]
async fn driver_opens_without_landlock_and_the_log_says_what_that_lets_it_do() {
    do_without_landlock();
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).expect("nobody else keeps the log");
    let inspection = inspect(&built("liblongshore_driver_specimen_dies.so")).expect("it is a driver");
    verify(&inspection, &Policy { allow_writable: true, ..Policy::of_this_host() }).expect("it is for this host");
    let settings = json!({ "at": "stat", "how": "open", "target": "/etc/hostname" });
    let options = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(60) };
    let isolation = Isolation { program: Some(built("longshore")), ..Isolation::default() };
    let driver = open_isolated(&inspection, "main", &settings, &options, &isolation).await.expect("it opens all the same");
    let error = driver.stat(&driver.call(0), Key::parse("a").expect("it is a key")).await.expect_err("the specimen tells in an error");
    assert_eq!(error.class(), ErrorClass::InvalidState, "{error}");
    // What the process logged while it opened came before its answer to that.
    let lines = log.lines();
    for what in [
        "files that its settings do not name: that needs Linux 5.13",
        "cutting such files short: that needs Linux 6.2",
        "TCP ports that its settings do not name: that needs Linux 6.7",
        "commands to devices: that needs Linux 6.10",
        "signals to other processes, and their abstract sockets: that needs Linux 6.12",
    ] {
        let wanted = format!("this kernel does not keep the driver's process from {what}");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&wanted)).count(), 1, "{wanted}: {lines:#?}");
    }
    assert_eq!(lines.len(), 5, "the rest is in place: {lines:#?}");
    driver.close(&driver.call(0)).await.expect("it closes");
}
