//! Processes that are killed at a system call, and syncs that fail.

use crate::case::Outcome;
use crate::trial::change::{Change, State};
use crate::trial::peer::{Peer, PeerOptions, Question};
use crate::trial::power::Replay;
use crate::trial::strace::{Fault, Faulted, Scene, Site, log, opened_under, parse, sites, with_fault};
use crate::trial::{Random, Trial};
use crate::verdict::{Stop, hold};

/// How often a site is tried until a process dies there: which thread makes a call is not always the same.
const ATTEMPTS: usize = 3;

pub(super) async fn killed_at_every_call(trial: &Trial) -> Outcome {
    let mut reached = 0;
    for change in Change::all(trial.info().known_capabilities()) {
        // A store for each kill, so that every one begins with the same state.
        let settings = trial.settings_elsewhere(&format!("sites of {}", change.name))?;
        let scene = Scene { before: &change.before, asked: &change.asked, settings: Some(settings), ..Scene::default() };
        for (number, site) in sites(trial, &scene, true).await?.into_iter().enumerate() {
            let settings = trial.settings_elsewhere(&format!("{} killed at {number:03}", change.name))?;
            let scene = Scene { settings: Some(settings), ..scene.clone() };
            if killed_at(trial, &change, &scene, &site).await? {
                reached += 1;
            }
        }
    }
    trial.note("kills at system calls", reached);
    if reached == 0 { Err(Stop::not_testable("no process died at a system call")) } else { Ok(()) }
}

/// Kills at one site, and looks at the store. False if the process did not die.
async fn killed_at(trial: &Trial, change: &Change, scene: &Scene<'_>, site: &Site) -> Result<bool, Stop> {
    let after = format!("a kill at {} of {}", site.line, change.name);
    for _ in 0..ATTEMPTS {
        let faulted = with_fault(trial, scene, site, Fault::Kill).await?;
        faulted.peer.kill();
        let state = if faulted.reached { State::Either } else { State::New };
        let peer = reopened(trial, scene, &after).await?;
        change.judge(&peer, state, &after).await?;
        change.goes_on(&peer, &after).await?;
        peer.kill();
        if faulted.reached {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Another peer on the store of a scene.
async fn reopened(trial: &Trial, scene: &Scene<'_>, after: &str) -> Result<Peer, Stop> {
    let options = PeerOptions { settings: scene.settings.clone(), ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(trial, options).await?;
    opened.map_err(|error| Stop::breach(format!("after {after} the driver does not open: {error:?}")))?;
    Ok(peer)
}

pub(super) async fn killed_while_it_recovers(trial: &Trial) -> Outcome {
    let change = Change::commit();
    let settings = trial.settings_elsewhere("recovered")?;
    let scene = Scene { before: &change.before, asked: &change.asked, settings: Some(settings), ..Scene::default() };
    let at = sites(trial, &scene, true).await?;
    // The crash that is recovered from: in the middle of the change.
    let crashed = with_fault(trial, &scene, &at[at.len() / 2], Fault::Kill).await?;
    crashed.peer.kill();
    let (_, starts) = opened_under(trial, &scene, None).await?;
    let mut starts: Vec<Site> = starts.into_iter().filter(|site| site.call != "close").collect();
    // Each kind of call is tried, the rest as far as time allows.
    let mut random = Random::new(trial.seed());
    while starts.len() > 40 {
        starts.swap_remove(random.below(starts.len()));
    }
    let mut reached = 0;
    for site in &starts {
        let (opened, _) = opened_under(trial, &scene, Some(site)).await?;
        reached += usize::from(!opened);
        let after = format!("a crash, and a kill at {} of the next start", site.line);
        let peer = reopened(trial, &scene, &after).await?;
        change.judge(&peer, State::Either, &after).await?;
        change.goes_on(&peer, &after).await?;
        peer.kill();
    }
    trial.note("kills during start", reached);
    if reached == 0 { Err(Stop::not_testable("no process died during its start")) } else { Ok(()) }
}

pub(super) async fn failed_sync_is_no_success(trial: &Trial) -> Outcome {
    let mut reached = 0;
    for change in [Change::create(), Change::replace(), Change::commit()] {
        let settings = trial.settings_elsewhere(&format!("syncs of {}", change.name))?;
        let scene = Scene { before: &change.before, asked: &change.asked, settings: Some(settings), ..Scene::default() };
        let syncs = sites(trial, &scene, true).await?;
        let syncs = syncs.iter().filter(|site| ["fsync", "fdatasync", "syncfs", "sync"].contains(&site.call.as_str()));
        for (number, site) in syncs.enumerate() {
            let name = format!("{} without sync {number:03}", change.name);
            let settings = trial.settings_elsewhere(&name)?;
            let folder = trial.folder().join(name);
            let scene = Scene { settings: Some(settings), ..scene.clone() };
            let faulted = with_fault(trial, &scene, site, Fault::Once("EIO")).await?;
            if faulted.reached {
                reached += 1;
                after_failed_sync(trial, &change, &faulted, site, &folder).await?;
            }
        }
    }
    trial.note("failed syncs", reached);
    if reached == 0 { Err(Stop::not_testable("the driver makes no system call that syncs")) } else { Ok(()) }
}

async fn after_failed_sync(trial: &Trial, change: &Change, faulted: &Faulted, site: &Site, folder: &std::path::Path) -> Outcome {
    let after = format!("EIO at {} of {}", site.line, change.name);
    let peer = &faulted.peer;
    let Err(error) = &faulted.answer else {
        // It may have begun anew; but then the bytes were written again, and the names synced again.
        let mut replay = Replay::of_folders_in(&faulted.calls, folder);
        faulted.calls.iter().for_each(|call| replay.apply(call));
        let lost = replay.all().values().find_map(|inode| replay.inodes[*inode].forgotten.clone());
        hold!(
            lost.is_none(),
            "after {after} it succeeded, though the file whose bytes were lost is still used: {}",
            lost.unwrap_or_default()
        );
        let failed = faulted.calls.iter().position(|call| call.injected).unwrap_or_default();
        let again = faulted.calls[failed + 1..].iter().any(|call| call.succeeded() && call.call.contains("sync"));
        hold!(again, "after {after} it succeeded, and nothing was synced again");
        return change.judge(peer, State::New, &after).await;
    };
    hold!(error.class().is_some(), "{after} ended the process");
    change.judge(peer, State::Either, &after).await?;
    // The last question once more: an upload must not say now that its lost bytes are safe; a put writes them again.
    let Some(last @ Question::Commit { .. }) = change.asked.last() else { return change.goes_on(peer, &after).await };
    let again = [last.clone()];
    let scene = Scene { asked: &again, ..Scene::default() };
    let (answer, text) = log(trial, &scene, peer).await?;
    let wrote = parse(&text).iter().any(|call| call.succeeded() && call.call.contains("write") && call.is_below(folder));
    hold!(answer.is_err() || wrote, "after {after} the commit failed, and repeating it succeeded without writing the bytes again");
    if answer.is_ok() {
        change.judge(peer, State::New, &after).await?;
    }
    change.goes_on(peer, &after).await
}
