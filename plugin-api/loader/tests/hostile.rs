//! Files made to hurt: whatever their bytes say, inspecting them ends with an answer.

mod bad_files;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

use bad_files::{DriverFile, Marker};
use longshore_loader::{Inspection, Policy, Refusal, RefusalCode, inspect};

/// A small driver of a few KiB, so that random changes hit what is read.
fn small_driver() -> DriverFile {
    DriverFile::of(fs::read(Marker::new().build()).expect("it was just built"))
}

/// Reads all that can be read of a file.
fn examine(file: &DriverFile) -> Result<Inspection, Refusal> {
    let inspection = inspect(&file.path())?;
    inspection.exports(Policy::of_this_host().entry_symbol)?;
    Ok(inspection)
}

#[test]
fn cut_anywhere_it_is_refused_or_whole() {
    let file = small_driver();
    let path = file.write();
    let whole = examine(&file).expect("it is sound");
    let open = File::options().write(true).open(path).expect("the file is ours");
    for size in (0..file.bytes.len()).rev() {
        open.set_len(size as u64).expect("the file is ours");
        match examine(&file) {
            // What the dynamic linker maps is whole, only section headers were cut.
            Ok(cut) => assert_eq!(cut.info(), whole.info(), "{size} bytes"),
            Err(refusal) => {
                assert!([RefusalCode::FileEmpty, RefusalCode::FileTruncated].contains(&refusal.code), "{size} bytes: {refusal}");
            }
        }
    }
}

#[test]
fn file_that_shrinks_after_it_was_opened_is_refused() {
    let file = small_driver();
    let path = file.write();
    let inspection = inspect(&path).expect("it is sound");
    File::options().write(true).open(path).and_then(|open| open.set_len(100)).expect("the file is ours");
    let refusal = inspection.exports(Policy::of_this_host().entry_symbol).expect_err("its tables are gone");
    assert_eq!(refusal.code, RefusalCode::FileTruncated, "{refusal}");
}

// Offsets in the header of a 64-bit file.
const PROGRAM_HEADERS_AT: usize = 0x20;
const PROGRAM_HEADER_SIZE: usize = 0x36;
const PROGRAM_HEADER_COUNT: usize = 0x38;

/// Looks for everything that is to be said of a file, which also follows its libraries.
fn examine_all(file: &DriverFile) {
    let examined = longshore_loader::examine(&file.path(), &Policy::of_this_host());
    assert!(examined.inspection.is_ok() || !examined.findings.is_empty(), "a file that cannot be read has a finding that says so");
}

/// The small driver with `value` written at `at`.
fn changed(sound: &[u8], at: usize, value: &[u8]) -> Result<Inspection, Refusal> {
    let mut file = DriverFile::of(sound);
    file.bytes[at..at + value.len()].copy_from_slice(value);
    file.write();
    examine_all(&file);
    examine(&file)
}

#[test]
fn absurd_headers_are_refused() {
    let sound = small_driver().bytes;
    let offsets = [1 << 40, u64::MAX - 7, u64::MAX].map(|absurd| (PROGRAM_HEADERS_AT, absurd.to_ne_bytes().to_vec()));
    let sizes = [0, 55, u16::MAX].map(|absurd| (PROGRAM_HEADER_SIZE, absurd.to_ne_bytes().to_vec()));
    let counts = [0, 60_000, u16::MAX].map(|absurd| (PROGRAM_HEADER_COUNT, absurd.to_ne_bytes().to_vec()));
    for (at, absurd) in offsets.into_iter().chain(sizes).chain(counts) {
        let refusal = changed(&sound, at, &absurd).expect_err("the header is absurd");
        let code = refusal.code;
        assert!([RefusalCode::FileMalformed, RefusalCode::FileTruncated].contains(&code), "{absurd:?} at {at:#x}: {refusal}");
    }
}

/// Where each program header begins.
fn program_headers(sound: &[u8]) -> impl Iterator<Item = usize> {
    let first = u64::from_ne_bytes(sound[PROGRAM_HEADERS_AT..][..8].try_into().expect("8 bytes")) as usize;
    let count = u16::from_ne_bytes(sound[PROGRAM_HEADER_COUNT..][..2].try_into().expect("2 bytes")) as usize;
    (0..count).map(move |number| first + number * 56)
}

/// The dynamic linker would map such a part over the host's own memory.
#[test]
fn parts_out_of_order_are_refused() {
    const LOAD: u32 = 1;
    let sound = small_driver().bytes;
    let second = program_headers(&sound).filter(|at| sound[*at..][..4] == LOAD.to_ne_bytes()).nth(1).expect("code is a part of its own");
    let refusal = changed(&sound, second + 16, &0_u64.to_ne_bytes()).expect_err("two parts for one address");
    assert_eq!(refusal.code, RefusalCode::FileMalformed);
    assert!(refusal.why.ends_with("overlaps or precedes another one"), "{refusal}");
}

#[test]
fn absurd_segments_are_answered() {
    let sound = small_driver().bytes;
    for header in program_headers(&sound) {
        // Offset, address, size in the file, size in memory.
        for field in [8, 16, 32, 40] {
            for absurd in [0, 1, 0xffff_ffff, 1 << 62, u64::MAX - 7, u64::MAX] {
                // Some of it is harmless. What counts is that there is an answer.
                let _ = changed(&sound, header + field, &absurd.to_ne_bytes());
            }
        }
    }
}

/// Semantics: no table is read beyond its limit, however large the file is.
#[test]
fn tables_beyond_the_limits_are_refused() {
    #[track_caller]
    fn malformed(answer: Result<Inspection, Refusal>, why: &str) {
        let refusal = answer.expect_err("a table is too large");
        assert_eq!(refusal.code, RefusalCode::FileMalformed, "{refusal}");
        assert!(refusal.why.ends_with(why), "{refusal}");
    }
    malformed(inspect(&Marker::new().with_versions(1100).build()), "it needs more than 1024 symbol versions");
    malformed(inspect(&Marker::new().with_libraries(256).build()), " libraries and search folders, at most 256 are read");

    const NOTE: u32 = 4;
    let mut file = small_driver();
    let note = program_headers(&file.bytes).find(|at| file.bytes[*at..][..4] == NOTE.to_ne_bytes()).expect("a driver has notes");
    file.bytes[note + 32..note + 40].copy_from_slice(&(1_u64 << 30).to_ne_bytes());
    let open = File::options().write(true).open(file.write()).expect("the file is ours");
    open.set_len(1 << 31).expect("a file with a hole takes no room");
    malformed(examine(&file), "its notes are larger than 1048576 bytes together");
}

#[test]
fn random_bytes_never_panic_the_reader() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos() as u64;
    let file = small_driver();
    let open = File::create(file.path()).expect("the folder is ours");
    let mut random = Random(seed | 1);
    for round in 0..20_000 {
        let mut bytes = file.bytes.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(bytes.len());
            // Small values, all ones and single bits lead further than noise does.
            bytes[at] = match random.below(4) {
                0 => 0,
                1 => 0xff,
                2 => bytes[at] ^ (1 << random.below(8)),
                _ => random.below(256) as u8,
            };
        }
        open.write_all_at(&bytes, 0).expect("the file is ours");
        let answer = std::panic::catch_unwind(|| {
            let _ = examine(&file);
            // It takes longer, for it also reads the libraries of this machine.
            if round % 16 == 0 {
                examine_all(&file);
            }
        });
        assert!(answer.is_ok(), "the reader panicked with seed {seed} in round {round}");
    }
}

/// Xorshift: repeatable from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
