//! What a library could do to the process, told by the functions that it calls. Each may be harmless, so they are notices.
//!
//! What the standard library of Rust itself needs is not here: `abort`, `exit`, `sigaltstack`, `dlsym`, `syscall`. A library that makes system
//! calls by itself shows none of this.

use super::{Finding, FlawCode};
use crate::inspect::SharedObject;

/// The functions behind each code.
const SUSPICIOUS: &[(FlawCode, &[&str])] = &[
    (
        FlawCode::ImportsProcess,
        &[
            "execl",
            "execle",
            "execlp",
            "execv",
            "execve",
            "execvp",
            "execvpe",
            "execveat",
            "fexecve",
            "fork",
            "_Fork",
            "vfork",
            "clone",
            "clone3",
            "system",
            "popen",
            "posix_spawn",
            "posix_spawnp",
            "daemon",
            "wordexp",
        ],
    ),
    (
        FlawCode::ImportsPrivilege,
        &[
            "setuid",
            "seteuid",
            "setreuid",
            "setresuid",
            "setgid",
            "setegid",
            "setregid",
            "setresgid",
            "setgroups",
            "initgroups",
            "capset",
            "prctl",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "chroot",
            "pivot_root",
            "unshare",
            "setns",
            "mount",
            "umount",
            "umount2",
        ],
    ),
    (FlawCode::ImportsCode, &["dlopen", "dlmopen", "memfd_create"]),
    (
        FlawCode::ImportsSignal,
        &[
            "signal",
            "__sysv_signal",
            "bsd_signal",
            "sigaction",
            "__sigaction",
            "sigset",
            "sigprocmask",
            "pthread_sigmask",
            "signalfd",
            "kill",
            "killpg",
            "raise",
            "tgkill",
            "sigqueue",
            "alarm",
            "setitimer",
        ],
    ),
    (
        FlawCode::ImportsEnvironment,
        &[
            "setenv",
            "putenv",
            "unsetenv",
            "clearenv",
            "chdir",
            "fchdir",
            "umask",
            "setrlimit",
            "setrlimit64",
            "prlimit",
            "prlimit64",
            "setlocale",
            "setpriority",
            "nice",
            "setsid",
            "setpgid",
            "fesetround",
            "fesetenv",
        ],
    ),
    (FlawCode::ImportsExit, &["_exit", "_Exit", "quick_exit", "atexit", "on_exit", "at_quick_exit"]),
    (
        FlawCode::ImportsOutput,
        &[
            "printf",
            "__printf_chk",
            "vprintf",
            "__vprintf_chk",
            "puts",
            "putchar",
            "perror",
            "psignal",
            "err",
            "errx",
            "warn",
            "warnx",
            "error",
            "syslog",
            "__syslog_chk",
            "vsyslog",
            "stdout",
            "stderr",
        ],
    ),
];

/// One notice for each kind of function that the library calls.
pub(super) fn flaws(object: &SharedObject) -> Vec<Finding> {
    // A table that leads nowhere is refused by whoever needs it.
    let imported = object.dynamic.imported(&object.image).unwrap_or_default();
    let mut found = Vec::new();
    for (code, names) in SUSPICIOUS {
        let called: Vec<_> = imported.iter().map(String::as_str).filter(|name| names.contains(name)).collect();
        if !called.is_empty() {
            let what = format!("it can call {}", called.join(", "));
            found.push(Finding::new(*code, what, "ask its vendor what for, or confine it with isolation = \"process\""));
        }
    }
    found
}
