//! Breaches of a driver's file, and of what it does while it is loaded: each is a driver in C that keeps the contract otherwise, linked with
//! one thing more.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What is linked in, with which flags, and the case that must fail.
const BREACHES: &[(&str, &str, &[&str], &str)] = &[
    ("exports another symbol", "__attribute__((visibility(\"default\"))) void *malloc_usable(void) { return 0; }", &[], "ABI-03"),
    ("has a search path of its own", "", &["-Wl,-rpath,."], "ABI-04"),
    ("has an executable stack", "", &["-Wl,-z,execstack"], "ABI-07"),
    ("binds its symbols late", "", &["-Wl,-z,lazy"], "ABI-07"),
    ("brings constructors", "C(one) {} C(two) {} C(three) {}", &[], "ABI-09"),
    ("prints while it is loaded", "C(prints) { puts(\"hello\"); fflush(stdout); }", &[], "ABI-11"),
    (
        "starts a thread while it is loaded",
        "static void *wait(void *p) { for (;;) pause(); return p; } C(starts) { pthread_t t; pthread_create(&t, 0, wait, 0); }",
        &[],
        "ABI-11",
    ),
    ("changes the umask while it is loaded", "C(changes) { umask(0); }", &[], "ABI-12"),
    ("handles a signal", "static void handle(int s) { (void)s; } C(handles) { signal(SIGTERM, handle); }", &[], "ABI-12"),
];

const INCLUDES: &str = "#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n#include <sys/stat.h>\n#include <unistd.h>\n\
                        #define C(name) __attribute__((constructor)) static void name(void)\n";

fn run(command: &mut Command) {
    let output = command.output().expect("a C compiler and make are there");
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The objects of the driver in C.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-driver");
    run(Command::new("make").arg("-C").arg(driver).arg(format!("BUILD={}", folder.display())));
    let entries = folder.read_dir().expect("the folder is there").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "o")).collect()
}

/// The verdict of a case on a driver's file.
fn fails(file: &Path, case: &str) -> (bool, String) {
    let mut judge = Command::new(env!("CARGO_BIN_EXE_longshore-conformance"));
    let output = judge.arg("run").arg(file).args(["--filter", case, "-v"]).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (said.contains(&format!("{case} fail\n")) || said.contains(&format!("{case} leak\n")), said)
}

#[test]
fn each_is_caught_by_its_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = objects(folder.path());
    let sound = folder.path().join("liblongshore_driver_c_files.so");
    let mut cases: Vec<_> = BREACHES.iter().map(|(.., case)| *case).collect();
    cases.dedup();
    for case in cases {
        let (failed, said) = fails(&sound, case);
        assert!(!failed, "the driver without a breach fails {case}:\n{said}");
    }
    for (number, (what, code, flags, case)) in BREACHES.iter().enumerate() {
        let (source, file) = (folder.path().join("breach.c"), folder.path().join(format!("breach-{number}.so")));
        std::fs::write(&source, format!("{INCLUDES}{code}\n")).expect("it is written");
        // As the driver's Makefile links it; the breach's own flags come last and win.
        let mut link = Command::new("cc");
        link.args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,relro,-z,now,-z,noexecstack", "-o"]).arg(&file);
        run(link.args(&objects).arg(&source).args(["-pthread"]).args(*flags));
        let (failed, said) = fails(&file, case);
        assert!(failed, "the driver that {what} passes {case}:\n{said}");
    }
}
