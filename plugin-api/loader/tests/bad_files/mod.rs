//! Makes driver files with one defect each: patched copies of the memory driver, and a library in C that leaves a mark when it runs.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_loader::{Inspection, Policy, Refusal, inspect};
use serde_json::Value;
use tempfile::TempDir;

/// The memory driver that the workspace builds, beside the folder of the test binary.
pub(crate) fn memory_driver() -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its file");
    let path = test.parent().and_then(Path::parent).expect("tests run in target/<profile>/deps").join("liblongshore_driver_memory.so");
    assert!(path.exists(), "{path:?} is missing: run `cargo build --workspace` first");
    path
}

/// What the memory driver says of itself.
pub(crate) fn memory_note() -> Value {
    let inspection = inspect(&memory_driver()).expect("the memory driver is sound");
    serde_json::from_str(inspection.raw_note()).expect("a note is JSON")
}

/// A driver file in a folder of its own, to be damaged.
pub(crate) struct DriverFile {
    folder: TempDir,
    pub(crate) bytes: Vec<u8>,
}

impl DriverFile {
    pub(crate) const NAME: &str = "liblongshore_driver_memory.so";

    pub(crate) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), bytes: bytes.into() }
    }

    /// A copy of the memory driver.
    pub(crate) fn memory() -> Self {
        Self::of(fs::read(memory_driver()).expect("the memory driver is readable"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(Self::NAME)
    }

    /// Writes the bytes and answers the path.
    pub(crate) fn write(&self) -> PathBuf {
        fs::write(self.path(), &self.bytes).expect("the temporary folder is writable");
        self.path()
    }

    /// Puts `to` in every place of `from`, which is equally long.
    pub(crate) fn replace(mut self, from: &[u8], to: &[u8]) -> Self {
        assert_eq!(from.len(), to.len(), "a patch keeps the file's layout");
        let places = places_of(&self.bytes, from);
        assert!(!places.is_empty(), "the driver does not hold {:?}", String::from_utf8_lossy(from));
        for at in places {
            self.bytes[at..at + to.len()].copy_from_slice(to);
        }
        self
    }

    /// Changes the note's JSON in its place. Texts that no test reads make room for what grows.
    pub(crate) fn note(self, change: impl FnOnce(&mut Value)) -> Self {
        let raw = inspect(&self.write()).expect("the driver is sound so far").raw_note().to_owned();
        let mut note: Value = serde_json::from_str(&raw).expect("a note is JSON");
        change(&mut note);
        if note.to_string().len() > raw.len() {
            note["documentation"] = "".into();
            note["vendor"] = "".into();
        }
        let note = note.to_string();
        assert!(note.len() <= raw.len(), "the note has no room for {note}");
        let padded = format!("{note:<width$}", width = raw.len());
        self.replace(raw.as_bytes(), padded.as_bytes())
    }
}

fn places_of(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let first = wanted.first().expect("something is looked for");
    let starts = bytes.iter().enumerate().filter(|(_, byte)| *byte == first).map(|(at, _)| at);
    starts.filter(|at| bytes[*at..].starts_with(wanted)).collect()
}

/// A library in C whose constructor writes a mark, with the note of a driver and its entry symbol.
pub(crate) struct Marker {
    folder: TempDir,
    note: String,
    notes: usize,
    entry: &'static str,
    flags: Vec<String>,
}

const MARKER_SOURCE: &str = r#"
#include <fcntl.h>
#include <unistd.h>

#define DRIVER_NOTE __attribute__((section(".note.longshore.driver"), used, aligned(4)))
typedef struct { unsigned owner_size, size, type; char owner[12]; char json[sizeof(NOTE) - 1]; } driver_note;
#if NOTES > 0
DRIVER_NOTE static const driver_note note = { 10, sizeof(NOTE) - 1, 1, "longshore", NOTE };
#endif
#if NOTES > 1
DRIVER_NOTE static const driver_note other_note = { 10, sizeof(NOTE) - 1, 1, "longshore", NOTE };
#endif

#ifndef QUIET
__attribute__((constructor)) static void run(void) { close(open(MARK, O_CREAT | O_WRONLY, 0600)); }
#endif
#ifdef CONSTRUCTORS
__attribute__((constructor)) static void run_too(void) {}
#endif
#ifdef BEGIN
void begin(void) { write(2, "", 0); }
#endif
#ifdef OTHER
void other(void) {}
#endif

#ifdef ENTRY_IS_SEEN
__attribute__((visibility("default")))
#endif
const char ENTRY[8] = "";

#ifdef TLS
#ifndef TLS_BYTES
#define TLS_BYTES 4
#endif
__attribute__((tls_model("initial-exec"))) __thread char early[TLS_BYTES];
char *use_early(void) { return early; }
#endif

#ifdef CHANGED_CODE
__asm__(".text\n.quad call_me_when_loaded\n");
void call_me_when_loaded(void) {}
#endif

#ifdef WRITABLE_CODE
__asm__(".section .changing,\"awx\"\n.quad 0\n.text\n");
#endif

#ifdef CALL
#define TEXT(name) #name
#define TEXT_OF(name) TEXT(name)
/* Under another name, for the headers may declare it too. */
extern void called(void) __asm__(TEXT_OF(CALL));
void call(void) { called(); }
#endif
"#;

impl Marker {
    /// One without a defect: the note of the memory driver.
    pub(crate) fn new() -> Self {
        let entry = Policy::of_this_host().entry_symbol;
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            note: memory_note().to_string(),
            notes: 1,
            entry,
            flags: Vec::new(),
        }
    }

    pub(crate) fn with_notes(mut self, notes: usize) -> Self {
        self.notes = notes;
        self
    }

    pub(crate) fn with_note(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut note = memory_note();
        change(&mut note);
        self.note = note.to_string();
        self
    }

    pub(crate) fn with_entry(mut self, symbol: &'static str) -> Self {
        self.entry = symbol;
        self
    }

    /// Calls a function of no library.
    pub(crate) fn with_undefined_symbol(self) -> Self {
        self.with_flag("-DCALL=longshore_test_not_there")
    }

    /// Links a library that is gone when the driver is loaded.
    pub(crate) fn with_missing_library(self, name: &str) -> Self {
        let folder = self.folder.path().join("gone");
        fs::create_dir(&folder).expect("the temporary folder is writable");
        fs::write(folder.join("gone.c"), "void gone(void) {}\n").expect("the temporary folder is writable");
        compile(&[format!("-Wl,-soname={name}")], &folder.join("gone.c"), &folder.join(name));
        let library = folder.join(name).display().to_string();
        self.with_flag("-DCALL=gone").with_flag(&library)
    }

    /// Links `count` libraries, each under a name of its own.
    pub(crate) fn with_libraries(mut self, count: usize) -> Self {
        let source = self.folder.path().join("library.c");
        fs::write(&source, "").expect("the temporary folder is writable");
        compile(&[], &source, &self.folder.path().join("library.so"));
        self.flags.push("-Wl,--no-as-needed".into());
        for number in 0..count {
            let name = self.folder.path().join(format!("{number}.so"));
            fs::hard_link(self.folder.path().join("library.so"), &name).expect("the temporary folder is writable");
            self.flags.push(name.display().to_string());
        }
        self
    }

    /// Needs `count` versions of the symbols of one library.
    pub(crate) fn with_versions(self, count: usize) -> Self {
        let file = |name: &str, line: &dyn Fn(usize) -> String| {
            let path = self.folder.path().join(name);
            let text: String = (0..count).map(line).collect();
            fs::write(&path, text).expect("the temporary folder is writable");
            path.display().to_string()
        };
        let source = file("versions.c", &|number| format!("void f{number}(void) {{}}\n"));
        let script = file("versions.map", &|number| format!("V{number} {{ f{number}; }};\n"));
        let callers = file("callers.c", &|number| format!("void f{number}(void); void call{number}(void) {{ f{number}(); }}\n"));
        let library = self.folder.path().join("versions.so");
        compile(&[format!("-Wl,--version-script={script}")], Path::new(&source), &library);
        self.with_flag(&callers).with_flag(&library.display().to_string())
    }

    /// Compiles and links with `flag` too.
    pub(crate) fn with_flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Compiles and links without a flag that was given.
    pub(crate) fn without_flag(mut self, flag: &str) -> Self {
        self.flags.retain(|other| other != flag);
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("liblongshore_driver_marker.so")
    }

    /// Compiles it and answers the path.
    pub(crate) fn build(&self) -> PathBuf {
        let source = self.folder.path().join("marker.c");
        fs::write(&source, MARKER_SOURCE).expect("the temporary folder is writable");
        let mut flags = vec![format!("-DENTRY={}", self.entry), format!("-DMARK={:?}", self.mark())];
        // The note's length is a multiple of four, as the export macro makes it.
        let note = format!("{:<width$}", self.note, width = self.note.len().next_multiple_of(4));
        flags.extend([format!("-DNOTES={}", self.notes), format!("-DNOTE={note:?}")]);
        flags.extend(self.flags.iter().cloned());
        compile(&flags, &source, &self.path());
        self.path()
    }

    fn mark(&self) -> PathBuf {
        self.folder.path().join("ran")
    }

    /// True if any code of the library ran.
    pub(crate) fn ran(&self) -> bool {
        self.mark().exists()
    }
}

fn compile(flags: &[String], source: &Path, library: &Path) {
    let answer = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).args(flags).output();
    let answer = answer.expect("a C compiler is installed as `cc`");
    assert!(answer.status.success(), "cc: {}", String::from_utf8_lossy(&answer.stderr));
}

/// Inspects, verifies and loads, as the host does, up to the first refusal.
pub(crate) fn try_load(path: &Path) -> Result<Inspection, Refusal> {
    try_load_with(path, &Policy::of_this_host())
}

pub(crate) fn try_load_with(path: &Path, policy: &Policy) -> Result<Inspection, Refusal> {
    let inspection = inspect(path)?;
    longshore_loader::verify(&inspection, policy)?;
    longshore_loader::load(&inspection)?;
    Ok(inspection)
}

/// Asserts the code and the whole sentence, in which `DIR` stands for the file's folder.
#[track_caller]
pub(crate) fn refused(path: &Path, code: &str, sentence: &str) {
    refused_with(path, &Policy::of_this_host(), code, sentence);
}

#[track_caller]
pub(crate) fn refused_with(path: &Path, policy: &Policy, code: &str, sentence: &str) {
    let refusal = try_load_with(path, policy).expect_err("the file has a defect");
    let folder = path.parent().and_then(Path::to_str).expect("a path in UTF-8");
    assert_eq!((refusal.code.as_str(), refusal.to_string().replace(folder, "DIR").as_str()), (code, sentence));
}

/// The beginning of each sentence about a copy of the memory driver while its name is unknown.
pub(crate) const UNNAMED: &str = r#"cannot load driver from "DIR/liblongshore_driver_memory.so""#;
/// And once it is known.
pub(crate) const NAMED: &str = r#"cannot load driver "memory" from "DIR/liblongshore_driver_memory.so""#;
