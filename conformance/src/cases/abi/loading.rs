//! What loading does, and what is refused before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longshore_loader::api::metadata::CONTRACT;
use longshore_loader::api::{Condition, Driver};
use longshore_loader::{Policy, RefusalCode, inspect, verify};

use crate::case::{Need, Outcome};
use crate::trial::observe::Held;
use crate::trial::said::printed;
use crate::trial::surroundings::Surroundings;
use crate::trial::workload::{mixed, provoke};
use crate::trial::{CALL, Trial, get, key};
use crate::verdict::{Stop, hold};

/// The policy under which the harness loads; see [`Trial::load`].
pub(super) fn policy() -> Policy {
    Policy { allow_writable: true, ..Policy::of_this_host() }
}

pub(super) async fn every_symbol_is_found(it: &Trial) -> Outcome {
    // The loader binds all of them (RTLD_NOW), and names the one that is missing.
    it.load()?;
    Ok(())
}

/// What the calling thread wrote, in bytes and in calls, as the kernel counts it.
fn written_by_this_thread() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/thread-self/io").unwrap_or_default();
    let counts = text.lines().filter_map(|line| line.split_once(": "));
    let counts = counts.filter(|(name, _)| ["wchar", "syscw"].contains(name));
    counts.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

/// The names of all files in a folder and below it, with their sizes.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        found.insert(entry.path(), metadata.len());
        if metadata.is_dir() {
            found.extend(files_below(&entry.path()));
        }
    }
    found
}

pub(super) async fn loading_does_nothing(it: &Trial) -> Outcome {
    // A place of its own, so that a file made in the working directory is seen too.
    std::env::set_current_dir(it.folder()).map_err(|error| Stop::harness("the case's folder cannot be entered", error))?;
    let (held, text, files, written) = (Held::now(), printed()?, files_below(it.folder()), written_by_this_thread());
    it.load()?;
    let wrote = written_by_this_thread();
    // At once: a thread that ends a moment later was started all the same.
    let new = Held::now().since(&held);
    hold!(new.is_empty(), "loading the file left {}", new.join(", "));
    let more = printed()?;
    hold!(more == text, "loading the file printed {:?}", more.strip_prefix(&text).unwrap_or(&more));
    hold!(wrote == written, "loading the file wrote: {written:?} before, {wrote:?} after");
    hold!(files_below(it.folder()) == files, "loading the file changed the working directory");
    Ok(())
}

pub(super) async fn process_stays_as_it_was(it: &Trial) -> Outcome {
    let before = Surroundings::now();
    it.load()?;
    let changed = Surroundings::now().changes(&before);
    hold!(changed.is_empty(), "loading the file changed: {}", changed.join(", "));
    let driver = it.open().await?;
    let changed = Surroundings::now().changes(&before);
    hold!(changed.is_empty(), "opening the driver changed: {}", changed.join(", "));
    mixed(&driver).await?;
    provoke(&driver).await?;
    let changed = Surroundings::now().changes(&before);
    hold!(changed.is_empty(), "calls changed: {}", changed.join(", "));
    driver.close(&CALL).await?;
    drop(driver);
    let changed = Surroundings::now().changes(&before);
    hold!(changed.is_empty(), "closing the driver changed: {}", changed.join(", "));
    Ok(())
}

/// A copy of the driver's file in which `from` is `to`, which is equally long, under a name of its own.
pub(super) fn patched(it: &Trial, name: &str, changes: &[(String, String)]) -> Result<PathBuf, Stop> {
    let mut bytes = fs::read(it.inspection.path()).map_err(|error| Stop::harness("the driver's file cannot be read", error))?;
    for (from, to) in changes {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        // Every place: the note, and the same text where `describe` finds it.
        let mut at = 0;
        let mut places = 0;
        while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
            bytes[at + found..at + found + to.len()].copy_from_slice(to);
            at += found + to.len();
            places += 1;
        }
        if places == 0 || from.len() != to.len() {
            return Err(Stop::not_testable("the note of this file is not written as the SDK writes it"));
        }
    }
    let path = it.folder().join(name);
    fs::write(&path, bytes).map_err(|error| Stop::harness("a copy of the driver's file cannot be written", error))?;
    Ok(path)
}

/// Loads nothing: the code and the sentence with which a file is refused.
fn refusal(path: &Path) -> Result<(RefusalCode, String), Stop> {
    let refused = inspect(path).and_then(|inspection| verify(&inspection, &policy()));
    match refused {
        Ok(()) => Err(Stop::breach("a copy with a changed note is not refused")),
        Err(refusal) => Ok((refusal.code, refusal.to_string())),
    }
}

pub(super) async fn future_major_is_refused(it: &Trial) -> Outcome {
    let (info, host) = (it.info(), policy());
    hold!(info.abi.major == host.host_abi_major, "the ABI major is {}, this host's {}", info.abi.major, host.host_abi_major);
    hold!(info.contract == CONTRACT, "the contract is {}, this host's {CONTRACT}", info.contract);
    let next = info.abi.major + 1;
    let path = patched(it, "future.so", &[(format!("\"major\":{}", info.abi.major), format!("\"major\":{next}"))])?;
    let (code, sentence) = refusal(&path)?;
    hold!(code == RefusalCode::AbiMajor, "a file that claims the ABI major {next} is refused as {code}: {sentence}");
    let has_both = sentence.contains(&next.to_string()) && sentence.contains(&host.host_abi_major.to_string());
    hold!(has_both, "the refusal of the ABI major {next} does not name both numbers: {sentence}");
    Ok(())
}

pub(super) async fn changed_tables_are_refused(it: &Trial) -> Outcome {
    let layout = &it.info().abi.layout;
    hold!(*layout == policy().host_layout, "the file's tables are {layout:?}, this host's {:?}", policy().host_layout);
    let other: String = layout.chars().rev().collect();
    let changed = if other == *layout { format!("{}x", &layout[..layout.len().saturating_sub(1)]) } else { other };
    let path = patched(it, "changed.so", &[(format!("\"layout\":\"{layout}\""), format!("\"layout\":\"{changed}\""))])?;
    let (code, sentence) = refusal(&path)?;
    hold!(code == RefusalCode::AbiLayout, "a file whose tables are laid out otherwise is refused as {code}: {sentence}");
    // The tables themselves are compared, field by field, before the first is called.
    let driver = it.load()?;
    hold!(driver.describes_itself(&it.inspection), "`describe` does not answer what the note says");
    Ok(())
}

pub(super) async fn instances_follow_each_other(it: &Trial) -> Outcome {
    it.load()?;
    let shared = it.lacks(&[Need::SharedStore]).is_none();
    // What an instance leaves behind is looked for at the end of every case.
    for round in 0..5 {
        let driver = it.open().await?;
        if shared && round > 0 {
            let text = get(&driver, "kept").await?;
            hold!(text == format!("by instance {}", round - 1), "instance {round} reads {text:?}");
        }
        let text = format!("by instance {round}");
        driver.put(&CALL, key("kept"), text.into(), Condition::Always).await?;
        driver.close(&CALL).await?;
    }
    Ok(())
}
