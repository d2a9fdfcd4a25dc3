//! A registry over a driver in a process of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{child, is_alive};
use crate::support::{Registry, Request, Start, bytes, in_time, sha256};

fn isolated(keys: &str) -> Registry {
    let folder = tempfile::tempdir().expect("a folder can be made").into();
    let storage =
        format!("driver = \"filesystem\"\nisolation = \"process\"\n{keys}\nsettings = {{ root = \"data\", durability = \"process\" }}");
    Registry::start_with(Start { folder: Some(folder), storage: Some(storage), ..Start::default() })
}

fn kill(process: u32) {
    let process = Pid::from_raw(process.cast_signed()).expect("it is a number");
    kill_process(process, Signal::KILL).expect("the process is ours");
}

#[test]
fn registry_serves_while_its_driver_is_killed_under_load() {
    let registry = isolated("restarts_max = 100");
    let blobs: Vec<Vec<u8>> = (0..8).map(|seed| bytes(seed, 600_000)).collect();
    let digests: Vec<String> = blobs.iter().map(|blob| registry.push_blob("kept", blob)).collect();
    let (done, pushed, pulled) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (registry, digests, blobs, done, pushed, pulled) = (&registry, &digests, &blobs, &done, &pushed, &pulled);
            scope.spawn(move || {
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let index = (round + worker as usize) % blobs.len();
                    let read = registry.get(format!("/v2/kept/blobs/{}", digests[index]));
                    assert!(read.status != 404, "what is stored is never said to be absent");
                    if read.status == 200 && read.body == blobs[index] {
                        pulled.fetch_add(1, Ordering::Relaxed);
                    }
                    let blob = bytes(1000 * worker + round as u64, 50_000);
                    let target = format!("/v2/new/blobs/uploads/?digest={}", sha256(&blob));
                    let write = registry.send(&Request::new("POST", target).body(blob));
                    assert!([201, 500, 502, 503].contains(&write.status), "a write is done or lost: {}", write.status);
                    pushed.fetch_add(usize::from(write.status == 201), Ordering::Relaxed);
                }
            });
        }
        for _ in 0..5 {
            let before = (pushed.load(Ordering::Relaxed), pulled.load(Ordering::Relaxed));
            let process = child(&registry);
            kill(process);
            in_time("the process is gone", || (!is_alive(process)).then_some(()));
            in_time("pushes and pulls go on", || {
                let now = (pushed.load(Ordering::Relaxed), pulled.load(Ordering::Relaxed));
                (now.0 > before.0 + 3 && now.1 > before.1 + 3).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    for (digest, blob) in digests.iter().zip(&blobs) {
        assert!(registry.get(format!("/v2/kept/blobs/{digest}")).is(200, "it is there").body == *blob, "and whole");
    }
    registry.logged("the log tells what ended it", |line| line["message"].as_str().is_some_and(|it| it.contains("ended by signal 9")));
}

#[test]
fn killed_host_leaves_no_process() {
    let registry = isolated("");
    registry.push_blob("a", b"x");
    let process = child(&registry);
    registry.kill();
    in_time("the driver's process ends with its host", || (!is_alive(process)).then_some(()));
}

#[test]
fn stopped_host_leaves_no_process() {
    let registry = isolated("");
    registry.push_blob("a", b"x");
    let process = child(&registry);
    assert_eq!(registry.stop().code, Some(0));
    assert!(!is_alive(process), "it ended before its host did");
}

#[test]
fn lines_of_a_crash_name_signal_and_driver() {
    let registry = isolated("restarts_max = 0");
    registry.push_blob("a", b"x");
    kill(child(&registry));
    let line = registry.logged("the log tells", |line| line["message"].as_str().is_some_and(|it| it.starts_with("degraded: ")));
    assert_eq!(line["driver"], "filesystem/main", "{line}");
    assert_eq!(registry.get("/v2/a/tags/list").status, 503, "the store cannot be reached");
    assert_eq!(registry.get("/v2/").status, 200, "the registry itself serves");
}

/// A core would hold the secrets of the settings.
#[test]
fn process_may_leave_no_core() {
    let registry = isolated("");
    registry.push_blob("a", b"x");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child(&registry))).expect("it runs");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("it is a limit of the system's");
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "neither now, nor by a change of its own");
}
