//! Reads the dynamic linker's sentences: glibc says why in English text only.

use std::path::Path;

use super::{Fault, Refusal, RefusalCode, plain};

/// What `text`, the answer of `dlerror` to the attempt to load `path`, means for whoever installs drivers.
///
/// Texts of glibc 2.31 to 2.41. An unknown one becomes [`RefusalCode::LoadFailed`] and is quoted.
pub fn explain_dlopen_error(path: &Path, text: &str) -> Refusal {
    undefined_symbol(text)
        .or_else(|| missing_version(text))
        .or_else(|| missing_library(path, text))
        .or_else(|| static_tls(text))
        .or_else(|| not_executable(text))
        .unwrap_or_else(|| {
            Fault::new(
                RefusalCode::LoadFailed,
                format!("the dynamic linker refused it: {}", plain(text)),
                "`ldd` on the file shows its libraries; if they are all there, build the driver again on a system like this one",
            )
        })
        .refuse(path)
}

/// `FILE: undefined symbol: NAME` or `… NAME, version VERSION`.
fn undefined_symbol(text: &str) -> Option<Fault> {
    let (_, symbol) = text.split_once(": undefined symbol: ")?;
    Some(Fault::new(
        RefusalCode::SymbolUnresolved,
        format!("the symbol {:?} is in none of the libraries that it names", plain(symbol)),
        "link the library that has this symbol when building the driver, or install that library's newer version",
    ))
}

/// ``LIBRARY: version `VERSION' not found (required by FILE)``.
fn missing_version(text: &str) -> Option<Fault> {
    let (library, rest) = text.split_once(": version `")?;
    let (version, rest) = rest.split_once('\'')?;
    if !rest.trim_start().starts_with("not found") {
        return None;
    }
    let (library, version) = (plain(library), plain(version));
    Some(if version.starts_with("GLIBC_") {
        Fault::new(
            RefusalCode::PlatformLibc,
            format!("it needs {version}, which this host's {library:?} does not have"),
            "build the driver on a system whose glibc is not newer than this one's, or run the host on a newer system",
        )
    } else {
        Fault::new(
            RefusalCode::DependencyVersion,
            format!("it needs {version}, which the installed {library:?} does not have"),
            "install a newer version of this library, or build the driver against this one",
        )
    })
}

/// `NAME: cannot open shared object file: REASON`, where NAME is the file itself or one that it needs.
fn missing_library(path: &Path, text: &str) -> Option<Fault> {
    let (name, rest) = text.split_once(": cannot open shared object file")?;
    let reason = plain(rest.trim_start_matches(": "));
    if Path::new(name) == path || name.starts_with("/proc/self/fd/") {
        return Some(Fault::new(
            RefusalCode::FileNotReadable,
            format!("it went away or became unreadable while it was loaded: {reason}"),
            "install drivers by renaming a finished file into place",
        ));
    }
    let fix = if name.starts_with("libstd-") {
        "build the driver without `-C prefer-dynamic`: Rust's library belongs inside of it".to_owned()
    } else {
        format!("install the package that has {:?}, or put its folder into LD_LIBRARY_PATH", plain(name))
    };
    Some(Fault::new(
        RefusalCode::DependencyMissing,
        format!("the library {:?}, which it needs, cannot be opened: {reason}", plain(name)),
        fix,
    ))
}

fn static_tls(text: &str) -> Option<Fault> {
    text.contains("static TLS block").then(|| {
        Fault::new(
            RefusalCode::LoadStaticTls,
            "it wants more thread-local memory of the initial-exec kind than a running process can give",
            "build it without initial-exec thread-locals (jemalloc: feature `disable_initial_exec_tls`), \
             or start the host with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384",
        )
    })
}

fn not_executable(text: &str) -> Option<Fault> {
    text.contains("failed to map segment from shared object").then(|| {
        Fault::new(
            RefusalCode::LoadNoexec,
            "the system does not let code from this file run, as on a file system mounted with noexec",
            "move the driver to a file system mounted without noexec, or allow it in the security rules of the host",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, code: RefusalCode, why: &str) {
        let refusal = explain_dlopen_error(Path::new("/d/x.so"), text);
        assert_eq!((refusal.code, refusal.why.as_str()), (code, why), "{text}");
    }

    #[test]
    fn glibc_sentences_become_refusals() {
        check(
            "/d/x.so: undefined symbol: not_there",
            RefusalCode::SymbolUnresolved,
            r#"the symbol "not_there" is in none of the libraries that it names"#,
        );
        check(
            "/d/x.so: undefined symbol: malloq, version GLIBC_2.2.5",
            RefusalCode::SymbolUnresolved,
            r#"the symbol "malloq, version GLIBC_2.2.5" is in none of the libraries that it names"#,
        );
        check(
            "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.99' not found (required by /d/x.so)",
            RefusalCode::PlatformLibc,
            r#"it needs GLIBC_2.99, which this host's "/lib/x86_64-linux-gnu/libc.so.6" does not have"#,
        );
        check(
            "/usr/lib/libstdc++.so.6: version `GLIBCXX_3.4.99' not found (required by /d/x.so)",
            RefusalCode::DependencyVersion,
            r#"it needs GLIBCXX_3.4.99, which the installed "/usr/lib/libstdc++.so.6" does not have"#,
        );
        check(
            "libdep.so: cannot open shared object file: No such file or directory",
            RefusalCode::DependencyMissing,
            r#"the library "libdep.so", which it needs, cannot be opened: No such file or directory"#,
        );
        check(
            "/d/x.so: cannot open shared object file: No such file or directory",
            RefusalCode::FileNotReadable,
            "it went away or became unreadable while it was loaded: No such file or directory",
        );
        check(
            "/d/x.so: cannot allocate memory in static TLS block",
            RefusalCode::LoadStaticTls,
            "it wants more thread-local memory of the initial-exec kind than a running process can give",
        );
        check(
            "/d/x.so: failed to map segment from shared object",
            RefusalCode::LoadNoexec,
            "the system does not let code from this file run, as on a file system mounted with noexec",
        );
        check(
            "/d/x.so: ELF file OS ABI invalid",
            RefusalCode::LoadFailed,
            "the dynamic linker refused it: /d/x.so: ELF file OS ABI invalid",
        );
    }

    #[test]
    fn prefer_dynamic_is_told() {
        let refusal =
            explain_dlopen_error(Path::new("/d/x.so"), "libstd-0a1b.so: cannot open shared object file: No such file or directory");
        assert!(refusal.fix.contains("prefer-dynamic"), "{refusal}");
    }
}
