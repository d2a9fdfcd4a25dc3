//! System calls that fail, one at a time.

use longshore_loader::api::ErrorClass;

use super::disk::{short_writes_are_not_whole, space_of};
use crate::case::{Need, Outcome};
use crate::trial::change::{Change, State};
use crate::trial::peer::{Content, Question, Unanswered};
use crate::trial::power::Replay;
use crate::trial::strace::{Fault, Faulted, Scene, Site, sites, with_fault};
use crate::trial::{Random, Trial};
use crate::verdict::{Stop, hold};

/// Faults at the calls of one scene after the other, and how many of them were reached.
pub(super) struct Campaign<'t> {
    trial: &'t Trial,
    tried: usize,
    reached: usize,
}

impl<'t> Campaign<'t> {
    pub(super) fn new(trial: &'t Trial) -> Self {
        Self { trial, tried: 0, reached: 0 }
    }

    /// The calls of a change on a store of its own.
    pub(super) async fn sites(&mut self, change: &Change, changes: bool) -> Result<Vec<Site>, Stop> {
        let scene = self.scene(change)?;
        sites(self.trial, &scene, changes).await
    }

    fn scene<'c>(&mut self, change: &'c Change) -> Result<Scene<'c>, Stop> {
        self.tried += 1;
        let settings = self.trial.settings_elsewhere(&format!("fault{:05}", self.tried))?;
        Ok(Scene { before: &change.before, asked: &change.asked, settings: Some(settings), ..Scene::default() })
    }

    /// The folder of the last store.
    pub(super) fn folder(&self) -> std::path::PathBuf {
        self.trial.folder().join(format!("fault{:05}", self.tried))
    }

    /// Makes a change under a fault on a new store; `None` if the fault was not reached.
    pub(super) async fn fault(&mut self, change: &Change, site: &Site, fault: Fault) -> Result<Option<(Faulted, String)>, Stop> {
        // The store before is of no use any more.
        let _ = std::fs::remove_dir_all(self.folder());
        let scene = self.scene(change)?;
        let faulted = with_fault(self.trial, &scene, site, fault).await?;
        let after = format!("{fault:?} at {} of {}", site.line, change.name);
        if !faulted.reached {
            return Ok(None);
        }
        self.reached += 1;
        if matches!(faulted.answer, Err(Unanswered::Gone)) {
            return Err(Stop::breach(format!("{after} ended the process")));
        }
        Ok(Some((faulted, after)))
    }

    /// The end: a case whose faults were not reached has tried nothing.
    pub(super) fn end(&self) -> Outcome {
        self.trial.note("faults reached", self.reached);
        if self.reached == 0 { Err(Stop::not_testable("no fault was reached")) } else { Ok(()) }
    }
}

/// Holds the store, and the driver's further work, to what a change that failed or not may leave.
pub(super) async fn settled(change: &Change, faulted: &Faulted, after: &str) -> Outcome {
    let state = if faulted.answer.is_ok() { State::New } else { State::Either };
    change.judge(&faulted.peer, state, after).await?;
    change.goes_on(&faulted.peer, after).await
}

/// A question that reads, as a change that changes nothing.
fn reading() -> Change {
    let mut change = Change::commit();
    change.before = vec![Question::Put { key: "commit/a".into(), content: Content::Random { seed: 5, size: 150_000 }, if_absent: false }];
    change.asked = vec![Question::Get { key: "commit/a".into() }];
    change.name = "a read";
    change
}

pub(super) async fn failed_reads_are_no_short_objects(trial: &Trial) -> Outcome {
    const READS: [&str; 8] = ["read", "pread64", "readv", "preadv", "preadv2", "sendfile", "splice", "copy_file_range"];
    let mut campaign = Campaign::new(trial);
    let change = reading();
    let expected = Content::Random { seed: 5, size: 150_000 }.sha256();
    for site in campaign.sites(&change, false).await?.iter().filter(|site| READS.contains(&site.call.as_str())) {
        for fault in [Fault::Once("EIO"), Fault::FromThere("EIO")] {
            let Some((faulted, after)) = campaign.fault(&change, site, fault).await? else { continue };
            match &faulted.answer {
                Ok(answer) => {
                    let wrong = answer.sha256 != expected;
                    hold!(!wrong, "{after} succeeded with {} bytes that are not the object's 150000", answer.size);
                }
                Err(error) => hold!(error.class() != Some(ErrorClass::NotFound), "{after} is told as `not_found`"),
            }
            change.judge(&faulted.peer, State::New, &after).await?;
        }
    }
    let mut listing = change;
    (listing.asked, listing.name) = (vec![Question::List], "a list");
    for site in campaign.sites(&listing, false).await?.iter().filter(|site| site.call == "getdents64") {
        let Some((faulted, after)) = campaign.fault(&listing, site, Fault::FromThere("EIO")).await? else { continue };
        let short = faulted.answer.as_ref().is_ok_and(|answer| answer.keys != ["commit/a"]);
        hold!(!short, "{after} succeeded without an object that is there");
    }
    campaign.end()
}

pub(super) async fn failed_writes_surface(trial: &Trial) -> Outcome {
    let mut campaign = Campaign::new(trial);
    let on_disk = trial.lacks(&[Need::OnDisk]).is_none();
    for change in Change::all(trial.info().known_capabilities()) {
        for site in campaign.sites(&change, false).await? {
            let is_sync = site.call.contains("sync");
            if ["read", "pread64", "preadv2", "getdents64", "openat2"].contains(&site.call.as_str()) {
                continue;
            }
            let Some((faulted, after)) = campaign.fault(&change, &site, Fault::Once("EIO")).await? else { continue };
            if faulted.answer.is_ok() {
                let mut replay = Replay::of_folders_in(&faulted.calls, &campaign.folder());
                for call in &faulted.calls {
                    replay.apply(call);
                    // Whoever closes a file whose bytes are not synced learns only then that they are lost.
                    let dirty = call.injected && call.call == "close" && replay.is_dirty(call);
                    hold!(!dirty, "{after} succeeded, though the bytes of that file were not synced before");
                }
                let failed = faulted.calls.iter().position(|call| call.injected).unwrap_or_default();
                let again = faulted.calls[failed + 1..].iter().any(|call| call.succeeded() && call.call.contains("sync"));
                hold!(!(is_sync && on_disk) || again, "{after} succeeded, and nothing was synced again");
            }
            settled(&change, &faulted, &after).await?;
        }
    }
    campaign.end()
}

pub(super) async fn no_descriptor_is_told_and_passes(trial: &Trial) -> Outcome {
    use ErrorClass::{AlreadyExists, Conflict, Corrupt, Internal, InvalidArgument, InvalidKey, NotFound, Unsupported};
    const WRONG: [ErrorClass; 8] = [NotFound, AlreadyExists, Conflict, Corrupt, Internal, InvalidArgument, InvalidKey, Unsupported];
    let mut campaign = Campaign::new(trial);
    let mut changes = Change::all(trial.info().known_capabilities());
    changes.push(reading());
    for change in changes {
        let sites = campaign.sites(&change, false).await?;
        for site in sites.iter().filter(|site| site.call.starts_with("open")) {
            for fault in [Fault::Once("EMFILE"), Fault::FromThere("ENFILE")] {
                let Some((faulted, after)) = campaign.fault(&change, site, fault).await? else { continue };
                if let Err(error) = &faulted.answer {
                    let wrong = error.class().is_some_and(|class| WRONG.contains(&class));
                    hold!(!wrong, "{after} is told as {error:?}");
                }
                let state = if change.name == "a read" { State::New } else { State::Either };
                change.judge(&faulted.peer, state, &after).await?;
                change.goes_on(&faulted.peer, &after).await?;
            }
        }
    }
    campaign.end()
}

pub(super) async fn interrupted_calls_are_repeated(trial: &Trial) -> Outcome {
    // Those that POSIX lets answer EINTR, except `close`, which nobody may repeat.
    const INTERRUPTED: [&str; 14] = [
        "open",
        "openat",
        "openat2",
        "creat",
        "read",
        "pread64",
        "preadv2",
        "write",
        "pwrite64",
        "writev",
        "pwritev",
        "pwritev2",
        "fsync",
        "fdatasync",
    ];
    let mut campaign = Campaign::new(trial);
    for change in [Change::replace(), Change::commit(), reading()] {
        let sites = campaign.sites(&change, false).await?;
        for site in sites.iter().filter(|site| INTERRUPTED.contains(&site.call.as_str())) {
            let Some((faulted, after)) = campaign.fault(&change, site, Fault::Once("EINTR")).await? else { continue };
            if let Err(error) = &faulted.answer {
                return Err(Stop::breach(format!("{after} must change nothing, and answers {error:?}")));
            }
            settled(&change, &faulted, &after).await?;
        }
    }
    short_writes_are_not_whole(trial).await?;
    campaign.end()
}

pub(super) async fn read_only_disk_is_told(trial: &Trial) -> Outcome {
    let mut campaign = Campaign::new(trial);
    for change in Change::all(trial.info().known_capabilities()) {
        for site in campaign.sites(&change, true).await? {
            let Some((faulted, after)) = campaign.fault(&change, &site, Fault::FromThere("EROFS")).await? else { continue };
            if let Err(error) = &faulted.answer {
                hold!(error.class() == Some(ErrorClass::ReadOnly), "{after} must be `read_only`, and is {error:?}");
            }
            settled(&change, &faulted, &after).await?;
        }
    }
    campaign.end()
}

/// `full` at every call that changes something.
pub(super) async fn no_space_at_every_call(trial: &Trial) -> Outcome {
    // What a store may keep of a failed write: folders and records of its own.
    const KEPT_MAX_BYTES: u64 = 32 * 1024;
    let mut campaign = Campaign::new(trial);
    for change in [Change::create(), Change::replace(), Change::commit()] {
        let sites = campaign.sites(&change, true).await?;
        for site in sites.iter().filter(|site| !["unlink", "unlinkat", "rmdir", "ftruncate"].contains(&site.call.as_str())) {
            let Some((faulted, after)) = campaign.fault(&change, site, Fault::FromThere("ENOSPC")).await? else { continue };
            if let Err(error) = &faulted.answer {
                hold!(error.class() == Some(ErrorClass::Full), "{after} must be `full`, and is {error:?}");
                // An upload that failed is kept until it is aborted.
                if matches!(change.asked.last(), Some(Question::Commit { .. })) {
                    let _ = faulted.peer.ask(Question::Abort { upload: 1 }).await;
                }
                let old: u64 = change
                    .before
                    .iter()
                    .map(|question| match question {
                        Question::Put { content, .. } => content.bytes().len() as u64,
                        _ => 0,
                    })
                    .sum();
                let space = space_of(&campaign.folder());
                let new = if site.call.contains("sync") { 160_000 } else { 0 };
                hold!(space <= old.next_multiple_of(4096) + new + KEPT_MAX_BYTES, "{after} left {space} bytes where {old} were before");
            }
            settled(&change, &faulted, &after).await?;
        }
    }
    campaign.end()
}

pub(super) async fn random_single_faults(trial: &Trial) -> Outcome {
    const FAULTS: [&str; 7] = ["EIO", "ENOSPC", "EMFILE", "EINTR", "EROFS", "EACCES", "ENOMEM"];
    let mut random = Random::new(trial.seed());
    let mut campaign = Campaign::new(trial);
    let mut scenes = Vec::new();
    for change in Change::all(trial.info().known_capabilities()) {
        let sites = campaign.sites(&change, false).await?;
        scenes.push((change, sites));
    }
    for _ in 0..1000 {
        let (change, sites) = random.one_of(&scenes);
        let site = random.one_of(sites);
        let errno = random.one_of(&FAULTS);
        // A call that is interrupted is made again; no system interrupts it for ever.
        let once = random.below(2) == 0 || *errno == "EINTR";
        let fault = if once { Fault::Once(errno) } else { Fault::FromThere(errno) };
        if let Some((faulted, after)) = campaign.fault(change, site, fault).await? {
            settled(change, &faulted, &after).await?;
        }
    }
    campaign.end()
}
