//! Disks that are full, and limits of the process that the kernel keeps.

use std::path::Path;

use longshore_loader::api::ErrorClass;

use super::calls::no_space_at_every_call;
use crate::case::Outcome;
use crate::trial::Trial;
use crate::trial::observe::memory_bytes;
use crate::trial::peer::{Content, Peer, PeerOptions, Question, Unanswered};
use crate::verdict::{Stop, hold};

const MIB: usize = 1 << 20;

/// The bytes of all files below a folder, as far as they take space.
pub(super) fn space_of(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let space = entries.filter_map(|entry| {
        let about = entry.metadata().ok()?;
        Some(if about.is_dir() { space_of(&entry.path()) } else { about.blocks() * 512 })
    });
    space.sum()
}

pub(super) async fn full_disk_is_told(trial: &Trial) -> Outcome {
    no_space_at_every_call(trial).await?;
    let Some(peer) = on_small_disk(trial).await? else {
        trial.note("a really full disk", "not tried: no name space for mounts of one's own is allowed here");
        return Ok(());
    };
    fill(&peer).await
}

/// A peer whose store lies on a file system of 8 MiB of its own; `None` if that is not allowed here.
async fn on_small_disk(trial: &Trial) -> Result<Option<Peer>, Stop> {
    let allowed = std::process::Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let settings = trial.settings_elsewhere("small")?;
    let folder = trial.folder().join("small");
    let script = r#"mount -t tmpfs -o size=8m,mode=0755 tmpfs "$0" && exec "$@""#;
    let wrapper = ["unshare", "-rm", "sh", "-c", script].map(str::to_owned).into_iter().chain([folder.to_string_lossy().into_owned()]);
    let options = PeerOptions { settings: Some(settings), wrapper: wrapper.collect(), ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(trial, options).await?;
    match opened {
        Ok(_) => Ok(Some(peer)),
        Err(Unanswered::Failed(failure)) => Err(Stop::not_testable(format!("the driver does not open on a disk of 8 MiB: {failure}"))),
        Err(Unanswered::Gone) => Ok(None),
    }
}

fn put(key: &str, seed: u64, size: usize) -> Question {
    Question::Put { key: key.into(), content: Content::Random { seed, size }, if_absent: false }
}

/// Fills a disk of 8 MiB again and again; the kernel writes short at its end.
async fn fill(peer: &Peer) -> Outcome {
    let old = Content::Random { seed: 1, size: 4 * MIB };
    peer.ask(put("a", 1, 4 * MIB)).await?;
    peer.ask(put("c", 3, MIB)).await?;
    for round in 0..5 {
        match peer.ask(put("a", 2, 4 * MIB)).await {
            Err(error) if error.class() == Some(ErrorClass::Full) => {}
            answer => return Err(Stop::breach(format!("a put that does not fit on the disk must be `full`, and answers {answer:?}"))),
        }
        let full = peer.ask(put(&format!("new/{round}"), 2, 4 * MIB)).await.err().and_then(|error| error.class());
        hold!(full == Some(ErrorClass::Full), "a put of a new key that does not fit must be `full`, and is {full:?}");
        peer.ask(Question::Begin { upload: round, destination: None }).await?;
        let mut failed = None;
        for part in 0..4 {
            let write = peer.ask(Question::Write { upload: round, content: Content::Random { seed: part, size: MIB } }).await;
            failed = failed.or(write.err());
        }
        let committed = match failed {
            Some(error) => Err(error),
            None => peer.ask(Question::Commit { upload: round, key: "a".into(), size: 4 * MIB as u64 }).await,
        };
        let full = committed.err().and_then(|error| error.class());
        hold!(full == Some(ErrorClass::Full), "an upload that does not fit must be `full`, and is {full:?}");
        peer.ask(Question::Abort { upload: round }).await?;
        let got = peer.ask(Question::Get { key: "a".into() }).await?;
        hold!(got.sha256 == old.sha256(), "after writes that did not fit, the old object of 4 MiB has {} other bytes", got.size);
    }
    let listed = peer.ask(Question::List).await?.keys;
    hold!(listed == ["a", "c"], "after writes that did not fit the list has {listed:?}, not a and c");
    let fits = peer.ask(put("b", 4, 2 * MIB)).await;
    hold!(fits.is_ok(), "the space of failed writes is not given back: 2 of 3 free MiB are refused with {fits:?}");
    Ok(())
}

/// With a limit on the size of files the kernel writes short once, and then not at all.
pub(super) async fn short_writes_are_not_whole(trial: &Trial) -> Outcome {
    const LIMIT: &str = "--fsize=50001";
    let settings = trial.settings_elsewhere("short")?;
    let script = r#"trap "" XFSZ; exec "$@""#;
    let wrapper = ["sh", "-c", script, "sh", "prlimit", LIMIT].map(str::to_owned).to_vec();
    let options = PeerOptions { settings: Some(settings), wrapper, ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(trial, options).await?;
    if opened.is_err() {
        trial.note("short writes", "not tried: the program prlimit is not there, or the driver needs files of more than 50,001 bytes");
        return Ok(());
    }
    let questions = [
        vec![put("short/a", 1, 70_000)],
        vec![
            Question::Begin { upload: 1, destination: None },
            Question::Write { upload: 1, content: Content::Random { seed: 1, size: 70_000 } },
            Question::Commit { upload: 1, key: "short/a".into(), size: 70_000 },
        ],
    ];
    for asked in questions {
        let mut answer = Ok(());
        for question in asked {
            if answer.is_ok() {
                answer = peer.ask(question).await.map(drop);
            }
        }
        hold!(!matches!(answer, Err(Unanswered::Gone)), "a write that the kernel makes short ended the process");
        match (answer, peer.ask(Question::Get { key: "short/a".into() }).await) {
            // A store that is no file for each object.
            (Ok(()), Ok(got)) if got.sha256 == (Content::Random { seed: 1, size: 70_000 }).sha256() => {}
            (Ok(()), got) => {
                return Err(Stop::breach(format!("of 70000 bytes the kernel took 50001, the write succeeded, and a read answers {got:?}")));
            }
            (Err(_), Err(error)) if error.class() == Some(ErrorClass::NotFound) => {}
            (Err(error), got) => {
                return Err(Stop::breach(format!("a write that was short failed with {error:?}, and a read answers {got:?}")));
            }
        }
    }
    Ok(())
}

pub(super) async fn memory_is_bounded(trial: &Trial) -> Outcome {
    const MORE_BYTES: u64 = 64 << 20;
    const PARTS: u64 = 32;
    let peer = Peer::start(trial).await?;
    let write = Question::Write { upload: 1, content: Content::Random { seed: 1, size: 4 * MIB } };
    peer.ask(Question::Begin { upload: 1, destination: None }).await?;
    peer.ask(write.clone()).await?;
    let limit = (memory_bytes(&peer.id().to_string()) + MORE_BYTES).to_string();
    // The limit counts what is written to, and the stacks of threads, which are not.
    let data = data_bytes(peer.id()).unwrap_or_default() + MORE_BYTES;
    let set = std::process::Command::new("prlimit").args(["--pid", &peer.id().to_string(), &format!("--data={data}")]).status();
    if !set.is_ok_and(|status| status.success()) {
        return Err(Stop::not_testable("the program prlimit is not there (Debian: apt-get install util-linux)"));
    }
    let mut peak = 0;
    for _ in 1..PARTS {
        match peer.ask(write.clone()).await {
            Ok(_) => {}
            Err(error) => {
                return Err(Stop::breach(format!("an upload of 128 MiB with a limit of {data} bytes of memory failed: {error:?}")));
            }
        }
        peak = peak.max(memory_bytes(&peer.id().to_string()));
    }
    peer.ask(Question::Commit { upload: 1, key: "a".into(), size: PARTS * 4 * MIB as u64 }).await?;
    trial.note("memory of an upload of 128 MiB", format!("{} MiB, limit {} MiB", peak >> 20, limit.parse::<u64>().unwrap_or(0) >> 20));
    Ok(())
}

/// How much private memory a process may write to, in bytes.
fn data_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
