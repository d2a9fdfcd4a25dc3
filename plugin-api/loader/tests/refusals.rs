//! Each way in which a file is no driver for this machine has a code and a sentence of its own.

mod bad_files;

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use bad_files::{DriverFile, Marker, NAMED, UNNAMED, memory_driver, refused, try_load};
use longshore_loader::{DriverSource, Policy, RefusalCode, inspect, locate};

const COPY_AGAIN: &str = "copy the file again, whole, and rename it into place";
const USE_LIBRARY: &str = "give the driver's shared library (lib….so)";

#[test]
fn sound_driver_is_loaded() {
    let driver = DriverFile::memory();
    let inspection = try_load(&driver.write()).expect("the memory driver fits this host");
    assert_eq!(inspection.info().name, "memory");
    assert_eq!(inspection.size(), driver.bytes.len() as u64);
    assert!(inspection.needed().iter().any(|library| library.starts_with("libc.so")), "{:?}", inspection.needed());
    assert!(inspection.glibc_floor().is_some_and(|floor| floor >= (2, 2)), "{:?}", inspection.version_needs());
}

#[test]
fn inspection_outlives_the_section_headers() {
    let mut driver = DriverFile::memory();
    let before = inspect(&driver.write()).expect("the memory driver is sound");
    // e_shoff, e_shentsize, e_shnum, e_shstrndx: what `strip` and packers may remove.
    driver.bytes[0x28..0x30].fill(0);
    driver.bytes[0x3a..0x40].fill(0);
    let after = try_load(&driver.write()).expect("section headers are not needed");
    assert_eq!((before.needed(), before.version_needs()), (after.needed(), after.version_needs()));
}

#[test]
fn inspection_tells_what_the_dynamic_table_says() {
    let plain = inspect(&Marker::new().build()).expect("the library has no defect");
    assert_eq!((plain.search_path(), plain.static_tls()), (Vec::new(), false));
    let other = Marker::new().with_flag("-Wl,-rpath,/opt/a:/opt/b").with_flag("-DTLS").with_flag("-Wl,--hash-style=sysv");
    let other = inspect(&other.build()).expect("the library has no defect");
    assert_eq!((other.search_path(), other.static_tls()), (vec!["/opt/a:/opt/b".to_owned()], true));
    for (inspection, hash) in [(plain, "gnu"), (other, "sysv")] {
        let entry = Policy::of_this_host().entry_symbol;
        assert_eq!(inspection.exports(entry), Ok(true), "{hash}");
        assert_eq!(inspection.exports("open"), Ok(false), "imported, not exported: {hash}");
        assert_eq!(inspection.exports("nothing_of_this_name"), Ok(false), "{hash}");
    }
}

#[test]
fn missing_file_is_refused() {
    let file = DriverFile::of("");
    let sentence = format!("{UNNAMED}: there is no such file; give the path of an existing driver file");
    refused(&file.path(), "file-not-found", &sentence);

    let refusal = inspect(&file.folder().join("none/x.so")).expect_err("there is no folder");
    assert!(refusal.why.starts_with("there is no such file, and no folder "), "{refusal}");

    symlink("nowhere", file.path()).expect("the temporary folder is writable");
    let sentence = format!("{UNNAMED}: it is a link to a file that does not exist; give the path of an existing driver file");
    refused(&file.path(), "file-not-found", &sentence);
}

#[test]
fn missing_name_tells_every_place_looked_in() {
    let file = DriverFile::of("");
    file.write();
    let folders = ["/no/such/folder".into(), file.folder().to_owned()];
    let refusal = locate(&DriverSource::Name("memmory".into()), &folders).expect_err("no such driver");
    assert_eq!(refusal.code, RefusalCode::FileNotFound);
    assert_eq!(
        refusal.to_string().replace(file.folder().to_str().expect("a path in UTF-8"), "DIR"),
        "cannot load driver \"memmory\" from \"liblongshore_driver_memmory.so\": there is no such file in \"/no/such/folder\" (no such \
         folder), \"DIR\"; use driver \"memory\", which is there, or add the folder of \"memmory\" to drivers.path"
    );
}

#[test]
fn folder_is_refused() {
    let file = DriverFile::of("");
    fs::create_dir(file.path()).expect("the temporary folder is writable");
    let fix = "give the path of the driver's file in it, or add the folder to drivers.path and name the driver";
    refused(&file.path(), "file-is-folder", &format!("{UNNAMED}: it is a folder; {fix}"));
}

#[test]
fn pipe_is_refused_without_waiting_for_its_writer() {
    let file = DriverFile::of("");
    let made = Command::new("mkfifo").arg(file.path()).status().expect("coreutils are installed");
    assert!(made.success());
    refused(&file.path(), "file-is-special", &format!("{UNNAMED}: it is a pipe, not a file; give the path of the driver's file"));
}

#[test]
fn unreadable_file_is_refused() {
    // A link to itself, because the tests may run as root, whom no mode stops.
    let file = DriverFile::of("");
    symlink(DriverFile::NAME, file.path()).expect("the temporary folder is writable");
    let sentence = format!(
        "{UNNAMED}: it cannot be read: Too many levels of symbolic links (os error 40); let the user that runs the host read the file and \
         enter its folders"
    );
    refused(&file.path(), "file-not-readable", &sentence);
}

#[test]
fn files_of_other_kinds_are_refused() {
    for (content, kind, fix) in [
        (&b"#!/bin/sh\necho hello\n"[..], "a text file", USE_LIBRARY),
        (b"!<arch>\ndebian-binary   ", "a static library or a package", USE_LIBRARY),
        (b"\x1f\x8b\x08\0\0\0\0\0", "a compressed file", "unpack it and give the shared library in it"),
        (b"MZ\x90\0\x03", "a file for Windows", "install the driver's build for Linux"),
        (b"\xcf\xfa\xed\xfe\x07", "a file for macOS", "install the driver's build for Linux"),
        (b"\0\x01\x02", "a file of an unknown kind", USE_LIBRARY),
    ] {
        let sentence = format!("{UNNAMED}: it is {kind}, not an ELF shared library; {fix}");
        refused(&DriverFile::of(content).write(), "file-not-elf", &sentence);
    }
}

#[test]
fn empty_file_is_refused() {
    refused(&DriverFile::of("").write(), "file-empty", &format!("{UNNAMED}: the file is empty; {COPY_AGAIN}"));
}

#[test]
fn truncated_file_is_refused() {
    let mut file = DriverFile::memory();
    file.bytes.truncate(20);
    let sentence = format!("{UNNAMED}: the file is cut off: its header reaches to byte 64, the file has 20 bytes; {COPY_AGAIN}");
    refused(&file.write(), "file-truncated", &sentence);

    let mut file = DriverFile::memory();
    file.bytes.truncate(64 * 1024);
    let refusal = try_load(&file.write()).expect_err("the file is cut off");
    assert_eq!(refusal.code, RefusalCode::FileTruncated);
    assert!(refusal.why.starts_with("the file is cut off: its loaded part reaches to byte "), "{refusal}");
    assert!(refusal.why.ends_with(", the file has 65536 bytes"), "{refusal}");
}

#[test]
fn program_is_refused() {
    let program = fs::read("/bin/true").expect("/bin/true is readable");
    let fix = "give the shared library (lib….so) that the build of the driver makes: a crate with crate-type = [\"cdylib\"]";
    let sentence = format!("{UNNAMED}: it is a program, not a shared library; {fix}");
    refused(&DriverFile::of(program).write(), "file-is-executable", &sentence);
}

#[test]
fn object_file_is_refused() {
    let mut file = DriverFile::memory();
    file.bytes[16] = 1; // ET_REL
    let fix = "give the shared library (lib….so) that the build of the driver makes";
    refused(&file.write(), "file-not-library", &format!("{UNNAMED}: it is an object file that was not linked; {fix}"));
}

#[test]
fn other_architecture_is_refused() {
    let mut file = DriverFile::memory();
    let (machine, name) = if ARCH == "aarch64" { (62_u16, "x86_64") } else { (183, "aarch64") };
    file.bytes[18..20].copy_from_slice(&machine.to_ne_bytes());
    let sentence = format!("{UNNAMED}: it was built for {name}, this host runs {ARCH}; install the driver's build for 64-bit {ARCH} Linux");
    refused(&file.write(), "platform-architecture", &sentence);
}

#[test]
fn file_of_32_bits_is_refused() {
    let mut file = DriverFile::memory();
    file.bytes[4] = 1;
    file.bytes[18..20].copy_from_slice(&3_u16.to_ne_bytes());
    let sentence = format!(
        "{UNNAMED}: it is a 32-bit library for x86, this host runs 64-bit {ARCH}; install the driver's build for 64-bit {ARCH} Linux"
    );
    refused(&file.write(), "platform-class", &sentence);
}

#[test]
fn other_byte_order_is_refused() {
    let mut file = DriverFile::memory();
    let (data, order) = if cfg!(target_endian = "little") { (2, "big") } else { (1, "little") };
    file.bytes[5] = data;
    file.bytes[18..20].copy_from_slice(&if data == 2 { 22_u16.to_be_bytes() } else { 22_u16.to_le_bytes() });
    let sentence = format!(
        "{UNNAMED}: it is a {order}-endian library for s390x, this host runs {ARCH} in the other byte order; install the driver's build \
         for 64-bit {ARCH} Linux"
    );
    refused(&file.write(), "platform-endianness", &sentence);
}

#[test]
fn newer_glibc_is_refused() {
    let floor = inspect(&memory_driver()).expect("the memory driver is sound").glibc_floor().expect("it needs glibc");
    let from = format!("\0GLIBC_{}.{}\0", floor.0, floor.1);
    let to = format!("\0GLIBC_9.{}\0", "9".repeat(floor.1.to_string().len()));
    let version = to.trim_matches('\0').to_owned();
    let number = version.trim_start_matches("GLIBC_").to_owned();
    let host = Policy::of_this_host().host_glibc;
    let host = format!("{}.{}", host.0, host.1);
    let file = DriverFile::memory().replace(from.as_bytes(), to.as_bytes());
    let refusal = try_load(&file.write()).expect_err("there is no glibc 9");
    assert_eq!(refusal.code, RefusalCode::PlatformLibc);
    assert!(refusal.why.starts_with(&format!("it needs glibc {number} ({version} of lib")), "{refusal}");
    assert!(refusal.why.ends_with(&format!(", this host runs on {host}")), "{refusal}");
    assert_eq!(refusal.fix, format!("build the driver on a system with glibc {host} or older, or run the host on a newer system"));
}

#[test]
fn driver_without_entry_is_refused() {
    let entry = Policy::of_this_host().entry_symbol;
    let from = format!("\0{entry}\0");
    let to = format!("\0{}\0", "x".repeat(entry.len()));
    let file = DriverFile::memory().replace(from.as_bytes(), to.as_bytes());
    let sentence = format!(
        "{NAMED}: it does not export {entry:?}, the symbol that a host calls first; keep the symbol: build a crate of type cdylib, and \
         leave it out of version scripts and of `strip` lists"
    );
    refused(&file.write(), "entry-missing", &sentence);
}

#[test]
fn missing_dependency_is_refused() {
    let file = DriverFile::memory().replace(b"\0libc.so.6\0", b"\0libq.so.6\0");
    let sentence = format!(
        "{NAMED}: the library \"libq.so.6\", which it needs, cannot be opened: No such file or directory; install the package that has \
         \"libq.so.6\", or put its folder into LD_LIBRARY_PATH"
    );
    refused(&file.write(), "dependency-missing", &sentence);
}

#[test]
fn unresolved_symbol_is_refused() {
    let file = DriverFile::memory().replace(b"\0malloc\0", b"\0malloq\0");
    let refusal = try_load(&file.write()).expect_err("there is no malloq");
    assert_eq!(refusal.code, RefusalCode::SymbolUnresolved);
    assert!(refusal.why.starts_with("the symbol \"malloq"), "{refusal}");
}
