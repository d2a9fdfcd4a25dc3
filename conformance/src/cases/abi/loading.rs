//! What loading does, and what is refused before it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longshore_loader::api::metadata::CONTRACT;
use longshore_loader::api::{Condition, Driver};
use longshore_loader::probe::Surroundings;
use longshore_loader::{Refusal, RefusalCode, inspect, load, verify};

use super::is_c;
use crate::case::{Need, Outcome};
use crate::trial::observe::Held;
use crate::trial::said::printed;
use crate::trial::workload::{mixed, provoke};
use crate::trial::{CALL, Trial, get, key};
use crate::verdict::{Stop, hold};

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
    // The loader makes a copy of the file first, which is no doing of the driver's.
    it.inspection.content().map_err(|refusal| Stop::breach(refusal.to_string()))?;
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

/// A copy of the driver's file under a name of its own. `changes` are members of the note with their value, as JSON, and another one that is
/// equally long.
pub(super) fn patched(it: &Trial, name: &str, changes: &[(&str, &str, &str)]) -> Result<PathBuf, Stop> {
    let mut bytes = fs::read(it.inspection.path()).map_err(|error| Stop::harness("the driver's file cannot be read", error))?;
    for (member, from, to) in changes {
        let places = places_of(&bytes, member, from);
        if places.is_empty() || from.len() != to.len() {
            return Err(Stop::not_testable(format!("the note of this file cannot have another {member} of the same length")));
        }
        for place in places {
            bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    // The same content would be the same library. Behind the last section, this is no part of what a linker reads.
    bytes.extend_from_slice(name.as_bytes());
    written(it, name, &bytes)
}

fn written(it: &Trial, name: &str, bytes: &[u8]) -> Result<PathBuf, Stop> {
    let path = it.folder().join(name);
    fs::write(&path, bytes).map_err(|error| Stop::harness("a copy of the driver's file cannot be written", error))?;
    Ok(path)
}

/// Every place of the value: in the note, and in the same text where `describe` finds it. The SDK puts no space around the colon, people do.
fn places_of(bytes: &[u8], member: &str, value: &str) -> Vec<usize> {
    let member = format!("\"{member}\"");
    let blanks = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let names = bytes.windows(member.len()).enumerate().filter(|(_, window)| *window == member.as_bytes());
    let colons = names.map(|(at, _)| blanks(at + member.len())).filter(|colon| bytes.get(*colon) == Some(&b':'));
    colons.map(|colon| blanks(colon + 1)).filter(|place| bytes[*place..].starts_with(value.as_bytes())).collect()
}

/// Loads nothing: the code and the sentence with which a file is refused.
fn refusal(it: &Trial, path: &Path) -> Result<(RefusalCode, String), Stop> {
    let refused = inspect(path).and_then(|inspection| verify(&inspection, &it.policy()));
    match refused {
        Ok(_) => Err(Stop::breach("a copy with a changed note is not refused")),
        Err(refusal) => Ok((refusal.code, refusal.to_string())),
    }
}

pub(super) async fn future_major_is_refused(it: &Trial) -> Outcome {
    let (info, host) = (it.info(), it.policy());
    let ours = if is_c(it) { host.host_c_major } else { host.host_abi_major };
    hold!(info.abi.major == ours, "the ABI major is {}, this host's {ours}", info.abi.major);
    hold!(info.contract == CONTRACT, "the contract is {}, this host's {CONTRACT}", info.contract);
    let next = ours + 1;
    let path = patched(it, "future.so", &[("major", &ours.to_string(), &next.to_string())])?;
    let (code, sentence) = refusal(it, &path)?;
    hold!(code == RefusalCode::AbiMajor, "a file that claims the ABI major {next} is refused as {code}: {sentence}");
    let has_both = sentence.contains(&next.to_string()) && sentence.contains(&ours.to_string());
    hold!(has_both, "the refusal of the ABI major {next} does not name both numbers: {sentence}");
    Ok(())
}

pub(super) async fn changed_tables_are_refused(it: &Trial) -> Outcome {
    if is_c(it) {
        changed_head_is_refused(it)?;
    } else {
        changed_layout_is_refused(it)?;
    }
    // The tables themselves are compared, field by field, before the first is called.
    let driver = it.load()?;
    hold!(driver.describes_itself(&it.inspection), "`describe` does not answer what the note says");
    Ok(())
}

fn changed_layout_is_refused(it: &Trial) -> Outcome {
    let layout = &it.info().abi.layout;
    let ours = it.policy().host_layout;
    hold!(*layout == ours, "the file's tables are {layout:?}, this host's {ours:?}");
    let other: String = layout.chars().rev().collect();
    let changed = if other == *layout { format!("{}x", &layout[..layout.len().saturating_sub(1)]) } else { other };
    let path = patched(it, "changed.so", &[("layout", &format!("{layout:?}"), &format!("{changed:?}"))])?;
    let (code, sentence) = refusal(it, &path)?;
    hold!(code == RefusalCode::AbiLayout, "a file whose tables are laid out otherwise is refused as {code}: {sentence}");
    Ok(())
}

/// The table of a driver in C begins with its size (four bytes) and its major (two), and its note tells no layout.
fn changed_head_is_refused(it: &Trial) -> Outcome {
    /// Too small for any table of the major.
    const SIZE: u32 = 8;
    const MAJOR_AT: usize = 4;
    let host = it.policy();
    let refused = |refusal: Refusal| Stop::breach(refusal.to_string());
    let table = it.inspection.offset_of(host.c_entry_symbol).map_err(refused)?;
    let table = table.and_then(|offset| usize::try_from(offset).ok());
    let table = table.ok_or_else(|| Stop::breach(format!("the file does not export {}", host.c_entry_symbol)))?;
    let major = u16::try_from(host.host_c_major + 1).unwrap_or(u16::MAX);
    for (what, at, head) in [("size", table, &SIZE.to_ne_bytes()[..]), ("major", table + MAJOR_AT, &major.to_ne_bytes()[..])] {
        let mut bytes = fs::read(it.inspection.path()).map_err(|error| Stop::harness("the driver's file cannot be read", error))?;
        bytes[at..at + head.len()].copy_from_slice(head);
        let inspection = inspect(&written(it, &format!("{what}.so"), &bytes)?).map_err(refused)?;
        verify(&inspection, &host).map_err(refused)?;
        let Err(refusal) = load(&inspection) else { return Err(Stop::breach(format!("a table of another {what} is not refused"))) };
        hold!(refusal.code == RefusalCode::OpenHeader, "a table of another {what} is refused as {}: {refusal}", refusal.code);
    }
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
