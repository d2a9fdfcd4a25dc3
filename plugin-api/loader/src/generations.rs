//! Several versions of a driver in one process, each loaded once.

use std::sync::{Arc, Mutex, PoisonError};

use crate::inspect::Inspection;
use crate::open::{LoadedDriver, load};
use crate::refusal::{Fault, Refusal, RefusalCode};
use crate::trust::Content;

/// The driver files in this process, by their content.
///
/// A library cannot be unloaded (see the crate's own documentation), so each version of a driver that was ever loaded stays. Loading a
/// content again, from wherever, answers the library that is there.
#[derive(Default)]
pub struct Generations(Mutex<Vec<(Arc<Content>, LoadedDriver)>>);

impl Generations {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Loads an inspected and verified file, or answers the library of the same content. At most `max` versions of a driver are loaded.
    ///
    /// # Errors
    /// `load-generations` beyond `max`; those of [`load`](crate::load()).
    pub fn load(&self, inspection: &Inspection, max: usize) -> Result<LoadedDriver, Refusal> {
        let content = inspection.content()?;
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, driver)) = loaded.iter().find(|(one, _)| Arc::ptr_eq(one, content)) {
            return Ok(driver.clone());
        }
        let name = &inspection.info().name;
        let refused = |fault: Fault| fault.refuse(inspection.path()).named(name);
        let versions = loaded.iter().filter(|(_, driver)| driver.info().name == *name).count();
        if versions >= max {
            return Err(refused(too_many(versions)));
        }
        let driver = load(inspection)?;
        loaded.push((content.clone(), driver.clone()));
        Ok(driver)
    }

    /// True if this content is loaded.
    pub fn contains(&self, content: &Arc<Content>) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(one, _)| Arc::ptr_eq(one, content))
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
