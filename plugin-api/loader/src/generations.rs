//! Several versions of a driver in one process, each loaded once, from a copy of its file that nobody can change.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, SealFlags};
use sha2::Digest;

use crate::elf::unreadable;
use crate::inspect::{Inspection, Sha256};
use crate::open::{LoadedDriver, load_from};
use crate::refusal::{Fault, Refusal, RefusalCode};

/// How many versions of one driver a process may have, if nobody says otherwise.
pub const GENERATIONS_MAX: usize = 8;

/// The driver files in this process, by their content.
///
/// A library cannot be unloaded (see the crate's own documentation), so each version of a driver that was ever loaded stays. Loading a
/// content again, from wherever, answers the library that is there.
#[derive(Default)]
pub struct Generations(Mutex<Vec<(Sha256, LoadedDriver)>>);

impl Generations {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Loads an inspected and verified file whose digest was `sha256` then, from a private copy: what happens to the file later, also to its
    /// bytes in their place, is no matter of the copy. At most `max` versions of a driver are loaded.
    ///
    /// # Errors
    /// `file-changed` if the file has another digest now; `load-generations` beyond `max`; those of [`load`](crate::load()).
    pub fn load(&self, inspection: &Inspection, sha256: Sha256, max: usize) -> Result<LoadedDriver, Refusal> {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, driver)) = loaded.iter().find(|(digest, _)| *digest == sha256) {
            return Ok(driver.clone());
        }
        let name = &inspection.info().name;
        let refused = |fault: Fault| fault.refuse(inspection.path()).named(name);
        let versions = loaded.iter().filter(|(_, driver)| driver.info().name == *name).count();
        if versions >= max {
            return Err(refused(too_many(versions)));
        }
        let place = private_copy(inspection, sha256).map_err(refused)?;
        let driver = load_from(inspection, &place)?;
        loaded.push((sha256, driver.clone()));
        Ok(driver)
    }

    /// How many versions of the driver `name` are loaded.
    pub fn count(&self, name: &str) -> usize {
        let loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().filter(|(_, driver)| driver.info().name == name).count()
    }
}

fn too_many(versions: usize) -> Fault {
    Fault::new(
        RefusalCode::LoadGenerations,
        format!("{versions} versions of it are in this process, which can unload none (drivers.generations_max)"),
        "restart the registry, or give the storage isolation = \"process\", where an old version ends with its process",
    )
}

/// Copies the file into memory that nobody can write to any more; the path that leads there.
///
/// The descriptor stays open for ever, because the dynamic linker takes two libraries of one path for one.
fn private_copy(inspection: &Inspection, sha256: Sha256) -> Result<PathBuf, Fault> {
    let name = format!("{}-{sha256}", inspection.info().name);
    let failed = |error: io::Error| {
        Fault::new(
            RefusalCode::LoadFailed,
            format!("its private copy cannot be made: {error}"),
            "give the registry more memory, or allow it memory files (memfd_create)",
        )
    };
    let memory = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(|error| failed(error.into()))?;
    let mut memory = File::from(memory);
    let copied = copy(inspection.file(), &mut memory, failed)?;
    if copied != sha256 {
        return Err(Fault::new(
            RefusalCode::FileChanged,
            format!("its sha256 was {sha256} when it was checked, and is {copied} now"),
            "install drivers by renaming a finished file into place, then try again",
        ));
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&memory, seals).map_err(|error| failed(error.into()))?;
    Ok(PathBuf::from(format!("/proc/self/fd/{}", memory.into_raw_fd())))
}

fn copy(file: &File, memory: &mut File, failed: impl Fn(io::Error) -> Fault) -> Result<Sha256, Fault> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at).map_err(|error| unreadable(&error))? {
            0 => return Ok(Sha256(hasher.finalize().into())),
            read => {
                hasher.update(&buffer[..read]);
                memory.write_all(&buffer[..read]).map_err(&failed)?;
                at += read as u64;
            }
        }
    }
}
