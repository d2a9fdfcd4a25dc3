//! `longshore driver probe`: files that misbehave when they are loaded. Each is the driver in C of the examples, linked with one thing more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::driver_cli::{file, run};
use crate::support::{command, in_time};

const INCLUDES: &str = "#define _GNU_SOURCE\n#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
                        #include <sys/stat.h>\n#include <sys/wait.h>\n#include <unistd.h>\n#include <fcntl.h>\n\
                        #define C __attribute__((constructor)) static void at_load(void)\n";

/// Drivers that are linked with something that runs when they are loaded.
pub(crate) struct Breaches(TempDir);

impl Breaches {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-driver");
        let made =
            Command::new("make").arg("-C").arg(source).arg(format!("BUILD={}", folder.path().display())).output().expect("make is there");
        assert!(made.status.success(), "make: {}", String::from_utf8_lossy(&made.stderr));
        Self(folder)
    }

    fn objects(&self) -> Vec<PathBuf> {
        let entries = self.0.path().read_dir().expect("the folder is there").flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "o")).collect()
    }

    /// The driver with `code`, whose function `C` runs when it is loaded.
    pub(crate) fn with(&self, code: &str) -> String {
        self.wrapping(&[], code)
    }

    /// The driver with `code`, which has a `__wrap_f` for each `f` of these functions: it is called in the place of `f`, which is `__real_f` there.
    pub(crate) fn wrapping(&self, functions: &[&str], code: &str) -> String {
        let source = self.0.path().join("breach.c");
        let driver = self.0.path().join("liblongshore_driver_c_files.so");
        fs::write(&source, format!("{INCLUDES}{code}\n")).expect("it is written");
        let mut link = Command::new("cc");
        link.args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,relro,-z,now,-z,noexecstack", "-o"]).arg(&driver);
        link.args(functions.iter().map(|function| format!("-Wl,--wrap={function}")));
        link.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/c"));
        let linked = link.args(self.objects()).arg(&source).arg("-pthread").output().expect("a C compiler is there");
        assert!(linked.status.success(), "cc: {}", String::from_utf8_lossy(&linked.stderr));
        driver.display().to_string()
    }
}

/// The findings of a probe as `code: what`, and its exit code.
fn probed(path: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let (code, out, err) = run(&[&["driver", "probe", path, "--json"], arguments].concat());
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: it is JSON: {out}{err}"));
    let findings = json["findings"].as_array().expect("a list").iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().expect("it is a text").to_owned();
    let findings: Vec<_> = findings.map(|finding| format!("{}: {}", text(finding, "code"), text(finding, "what"))).collect();
    (code, json, findings.join("\n"))
}

#[test]
fn driver_that_behaves_says_what_it_is() {
    for name in ["memory", "filesystem", "count"] {
        let (code, out, err) = run(&["driver", "probe", &file(name)]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        for line in [format!("name          {name}\n"), "reached       handshake\n".into(), "ended         exit code 0\n".into()] {
            assert!(out.contains(&line), "{line} is in\n{out}");
        }
        assert!(out.ends_with("findings  none\n"), "{out}");
        let (_, json, findings) = probed(&file(name), &[]);
        assert_eq!((&json["says"]["name"], &json["reached"], findings.as_str()), (&name.into(), &"handshake".into(), ""), "{json}");
    }
    let breaches = Breaches::new();
    let (code, json, findings) = probed(&breaches.with(""), &[]);
    assert_eq!((code, &json["reached"], findings.as_str()), (Some(0), &"handshake".into(), ""), "the driver in C without a breach: {json}");
}

#[test]
fn file_that_ends_its_process_is_reported_with_signal_and_stderr() {
    let breaches = Breaches::new();
    for (code, expected) in [
        (
            "C { fputs(\"cannot find my licence\\n\", stderr); abort(); }",
            "probe-killed: signal 6 (SIGABRT) while it was loaded; stderr ends with \"cannot find my licence\"",
        ),
        ("C { *(volatile int *)0 = 1; }", "probe-killed: signal 11 (SIGSEGV) while it was loaded"),
        ("C { exit(0); }", "probe-exit: it ended the process with exit code 0 while it was loaded"),
        ("C { _exit(3); }", "probe-exit: it ended the process with exit code 3 while it was loaded"),
        ("C { raise(SIGTERM); }", "probe-killed: signal 15 (SIGTERM) while it was loaded"),
        ("__attribute__((destructor)) static void at_end(void) { abort(); }", "probe-killed: signal 6 (SIGABRT) at the end of the process"),
    ] {
        let (exit, json, findings) = probed(&breaches.with(code), &[]);
        assert_eq!(exit, Some(4), "{code}: {json}");
        assert!(findings.starts_with(expected), "{code}:\n{findings}");
        let reached = if code.contains("at_end") { "handshake".into() } else { Value::Null };
        assert_eq!(json["reached"], reached, "{code}");
    }
    let (code, out, err) = run(&["driver", "probe", &breaches.with("C { fputs(\"one\\ntwo\\033[2J\\n\", stderr); abort(); }")]);
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("ended    signal 6 (SIGABRT)\n") && out.contains("stderr (12 bytes)\n  one\n  two\u{fffd}[2J\n"), "{out}");
    assert!(err.starts_with("probe of driver \"c-files\" from \"/") && err.ends_with("[probe-killed]\n"), "{err}");
}

#[test]
fn file_that_hangs_is_ended_at_the_limit() {
    let breaches = Breaches::new();
    for code in ["C { for (;;) pause(); }", "C { signal(SIGTERM, SIG_IGN); for (;;) ; }"] {
        let (exit, json, findings) = probed(&breaches.with(code), &["--limit-secs", "1"]);
        assert_eq!(exit, Some(4), "{json}");
        assert!(findings.contains("probe-hang: it did not go on within 1 s while it was loaded"), "{findings}");
    }
}

#[test]
fn file_that_changes_its_process_is_found_out() {
    let breaches = Breaches::new();
    for (code, expected) in [
        ("C { setenv(\"A\", \"secret\", 1); }", "probe-change: loading it changed: environment variable \"A\""),
        ("C { umask(0); }", "probe-change: loading it changed: umask (was "),
        ("C { chdir(\"/usr\"); }", "probe-change: loading it changed: working directory (was "),
        ("static void f(int s) { (void)s; } C { signal(SIGTERM, f); }", "probe-change: loading it changed: handled signals (was "),
        ("C { sigset_t s; sigfillset(&s); sigprocmask(SIG_BLOCK, &s, 0); }", "probe-change: loading it changed: blocked signals (was "),
        ("C { puts(\"hello\"); fflush(stdout); }", "probe-output: it printed 6 bytes to stdout, which end with \"hello\""),
        ("C { open(\"/dev/null\", O_RDONLY); }", "probe-left: loading it left descriptor "),
        (
            "static void *f(void *p) { for (;;) pause(); return p; } C { pthread_t t; pthread_create(&t, 0, f, 0); }",
            "probe-left: loading it left thread ",
        ),
        ("C { if (!fork()) for (;;) pause(); }", "probe-process: it started processes"),
        ("C { if (!fork()) _exit(0); wait(0); }", "probe-process: it started processes"),
        ("C { (void)!system(\"true\"); }", "probe-process: it started processes"),
        // The copy goes on as if it had loaded the file itself.
        ("C { fork(); }", "probe-process: it started processes"),
    ] {
        let (exit, json, findings) = probed(&breaches.with(code), &[]);
        assert!(findings.starts_with(expected), "{code}:\n{findings}\n{json}");
        assert_eq!(json["reached"], "handshake", "{code}");
        assert!(!findings.contains("secret"), "values of variables are not told: {findings}");
        let is_warning = expected.starts_with("probe-output") || expected.starts_with("probe-left");
        assert_eq!(exit, Some(if is_warning { 0 } else { 4 }), "{code}: {findings}");
        assert_eq!(findings.lines().count(), 1, "{code} does one thing:\n{findings}");
    }
}

#[test]
fn flood_of_output_is_counted_and_its_end_kept() {
    let breaches = Breaches::new();
    let (_, json, findings) =
        probed(&breaches.with("C { for (int i = 0; i < 1000000; i++) puts(\"flood\"); puts(\"the end\"); fflush(stdout); }"), &[]);
    assert!(findings.starts_with("probe-output: it printed 6000008 bytes to stdout"), "{findings}");
    let tail = json["stdout"]["tail"].as_str().expect("a text");
    assert!(tail.len() <= 16 * 1024 && tail.ends_with("the end\n"), "{} bytes are kept", tail.len());
}

/// What the file sees: nothing of the environment, no descriptors, no way to more rights.
#[test]
fn process_has_nothing_but_what_it_needs() {
    let breaches = Breaches::new();
    let seen = breaches.0.path().join("seen");
    let look = format!(
        "C {{ if (!fork()) {{ char *a[] = {{ \"sh\", \"-c\", \"(env; ls -l /proc/$PPID/fd; grep NoNewPrivs /proc/$PPID/status; \
         grep -E 'core|open files' /proc/$PPID/limits) >{}\", 0 }}; execve(\"/bin/sh\", a, environ); }} wait(0); }}",
        seen.display()
    );
    let path = breaches.with(&look);
    let output =
        command().args(["driver", "probe", &path]).env("SECRET_OF_THE_OPERATOR", "x").stdin(Stdio::null()).output().expect("it can be run");
    let text = fs::read_to_string(&seen).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)));
    assert!(!text.contains("SECRET_OF_THE_OPERATOR") && !text.contains("HOME="), "{text}");
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("Max core file size") && line.split_whitespace().nth(4) == Some("0")), "{text}");
    // The three standard ones, and the socket to whoever watches. The loader's own file is closed by then, or open to read only.
    let descriptors: Vec<_> = text.lines().filter(|line| line.contains(" -> ")).collect();
    assert!(descriptors.len() <= 6 && descriptors.iter().any(|line| line.ends_with("0 -> /dev/null")), "{descriptors:#?}");
}

fn lives(id: i32) -> bool {
    let is_zombie = fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    Pid::from_raw(id).is_some_and(|id| test_kill_process(id).is_ok()) && !is_zombie
}

/// Ids that a file of the test's folder tells, once all are there.
fn ids(file: &Path, count: usize) -> Vec<i32> {
    in_time("the processes tell their ids", || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (ids.len() == count && text.ends_with('\n')).then_some(ids)
    })
}

/// The file's process, a child of it, and one that went as far away as it can: a session of its own, and no parent.
fn scatters(file: &Path, then: &str) -> String {
    format!(
        "static void tell(void) {{ FILE *f = fopen({file:?}, \"a\"); fprintf(f, \"%d\\n\", getpid()); fclose(f); }}\n\
         C {{ if (!fork()) {{ tell(); for (;;) pause(); }}\n\
         if (!fork()) {{ setsid(); if (fork()) _exit(0); signal(SIGTERM, SIG_IGN); signal(SIGHUP, SIG_IGN); close(0); close(1); close(2); tell(); \
         for (;;) pause(); }}\n\
         tell(); {then} }}"
    )
}

#[test]
fn nothing_that_the_file_started_is_left() {
    let breaches = Breaches::new();
    let told = breaches.0.path().join("ids");
    // It waits until all have told their ids.
    let wait = format!(
        "for (;;) {{ struct stat s; int n = 0, c; FILE *f = fopen({told:?}, \"r\"); while ((c = getc(f)) != EOF) n += c == '\\n'; fclose(f); \
                        (void)s; if (n == 3) break; usleep(1000); }}"
    );
    for (end, finding) in [("", "probe-process"), ("abort();", "probe-killed"), ("for (;;) pause();", "probe-hang")] {
        let _ = fs::remove_file(&told);
        let (exit, _, findings) = probed(&breaches.with(&scatters(&told, &format!("{wait} {end}"))), &["--limit-secs", "2"]);
        assert_eq!(exit, Some(4), "{findings}");
        assert!(findings.contains(finding) && findings.contains("probe-process"), "{findings}");
        let left: Vec<_> = ids(&told, 3).into_iter().filter(|id| lives(*id)).collect();
        assert!(left.is_empty(), "after {finding}, these live: {left:?}");
    }
}

#[test]
fn nothing_outlives_a_probe_that_is_killed() {
    let breaches = Breaches::new();
    let told = breaches.0.path().join("ids");
    let path = breaches.with(&scatters(&told, "for (;;) pause();"));
    let mut probe = command().args(["driver", "probe", &path, "--limit-secs", "600"]).stdout(Stdio::null()).spawn().expect("it can be run");
    let ids = ids(&told, 3);
    assert!(ids.iter().all(|id| lives(*id)), "they run");
    let id = Pid::from_raw(probe.id() as i32).expect("an id");
    kill_process(id, Signal::KILL).expect("it is ours");
    probe.wait().expect("it was started here");
    in_time("everything that the file started ends with the probe", || ids.iter().all(|id| !lives(*id)).then_some(()));
}

#[test]
fn file_that_no_host_would_load_is_not_loaded() {
    let breaches = Breaches::new();
    let mark = breaches.0.path().join("ran");
    let path = breaches.with(&format!("C {{ close(open({mark:?}, O_CREAT | O_WRONLY, 0600)); }}"));
    let (exit, _, findings) = probed(&path, &[]);
    assert!(exit == Some(0) && mark.exists(), "it leaves its mark when it is loaded: {findings}");
    fs::remove_file(&mark).expect("it is there");
    let bytes = fs::read(&path).expect("it can be read");
    let bytes = String::from_utf8_lossy(&bytes).contains("\"contract\": 1").then_some(bytes).expect("its note is written so");
    let at = bytes.windows(13).position(|window| window == b"\"contract\": 1").expect("it was found") + 12;
    let mut changed = bytes;
    changed[at] = b'7';
    fs::remove_file(&path).and_then(|()| fs::write(&path, changed)).expect("the test may write there");
    let (code, json, findings) = probed(&path, &[]);
    assert_eq!((code, &json["reached"]), (Some(4), &Value::Null), "{json}");
    assert!(findings.starts_with("contract-version: "), "{findings}");
    assert!(!mark.exists(), "nothing of it has run");
}

#[test]
fn driver_is_probed_by_its_name_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("registry.toml");
    fs::write(&config, "[storage.main]\ndriver = \"memory\"\n").expect("the test may write there");
    let (code, out, err) = run(&["driver", "probe", "memory", "--config", &config.display().to_string()]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = run(&["driver", "probe", "memroy", "--config", &config.display().to_string()]);
    assert_eq!(code, Some(4));
    assert!(err.contains("use driver \"memory\", which is there") && err.contains("[file-not-found]"), "{err}");
}
