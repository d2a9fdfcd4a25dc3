//! Libraries that a driver file looks for in its own folder: nobody vouches for them.

use std::path::Path;

use crate::inspect::Inspection;
use crate::refusal::{Fault, RefusalCode, plain};

/// Refuses a file that needs a library out of its own folder (`$ORIGIN` in its RPATH or RUNPATH).
///
/// A digest or signature is of one file, so such a library would be code that nobody checked; and beside the private copy, which is what is
/// loaded, there is none.
pub(crate) fn check(inspection: &Inspection) -> Result<(), Fault> {
    let Some(folder) = inspection.path().parent() else { return Ok(()) };
    let folders = inspection.search_path().iter().flat_map(|path| path.split(':'));
    let own = folders.filter_map(|path| path.strip_prefix("$ORIGIN").or_else(|| path.strip_prefix("${ORIGIN}")));
    for rest in own {
        let beside = folder.join(rest.trim_start_matches('/'));
        if let Some(library) = inspection.needed().iter().find(|library| is_in(&beside, library)) {
            return Err(Fault::new(
                RefusalCode::DependencyBeside,
                format!("it needs {:?} out of {beside:?}, a library that comes with it and that nothing vouches for", plain(library)),
                "link the library into the driver, or install it where the system keeps its libraries",
            ));
        }
    }
    Ok(())
}

fn is_in(folder: &Path, library: &str) -> bool {
    !library.contains('/') && folder.join(library).exists()
}
