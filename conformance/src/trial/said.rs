//! What the driver said in the process of a case: what it printed, and what it logged through the host.

use std::io::Read;
use std::os::unix::fs::MetadataExt;

use super::Trial;
use crate::verdict::Stop;

/// What was printed to stdout and stderr so far, by whatever runs in this process.
pub(crate) fn printed() -> Result<String, Stop> {
    let mut text = String::new();
    let mut known = Vec::new();
    for fd in [1, 2] {
        // Both are files that whoever started this process reads afterwards; opened anew they are read from their beginning.
        let path = format!("/proc/self/fd/{fd}");
        let mut file = std::fs::File::open(path).map_err(|error| Stop::not_testable(format!("what is printed cannot be read: {error}")))?;
        let metadata = file.metadata().map_err(|error| Stop::harness("what is printed cannot be read", error))?;
        if !metadata.is_file() {
            return Err(Stop::not_testable("stdout and stderr of the case are no files"));
        }
        let identity = (metadata.dev(), metadata.ino());
        if known.contains(&identity) {
            continue;
        }
        known.push(identity);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| Stop::harness("what is printed cannot be read", error))?;
        text += &String::from_utf8_lossy(&bytes);
    }
    Ok(text)
}

/// All that this process has logged so far: the driver through the host's table, and the harness.
pub(crate) fn log(trial: &Trial) -> Result<String, Stop> {
    let path = trial.folder().parent().unwrap_or(trial.folder()).join("log");
    let bytes = std::fs::read(path).map_err(|error| Stop::harness("the log of the case", error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines that the driver has logged so far.
pub(crate) fn logged(trial: &Trial) -> Result<Vec<String>, Stop> {
    Ok(log(trial)?.lines().filter(|line| line.contains("longshore::driver")).map(str::to_owned).collect())
}
