//! Power losses: what a peer did to the files of its store is logged, and the files are laid out as a machine could find them that lost power
//! at some moment of it. Then another peer opens them.
//!
//! | file | is |
//! |---|---|
//! | `replay` | which changes are durable, told from the log |

mod replay;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::peer::{Peer, PeerOptions, Question};
use super::strace::{Scene, Traced, log, parse};
use super::{Random, Trial};
use crate::verdict::Stop;

use replay::{Order, Pending};

pub(crate) use replay::Replay;

/// The name of the folder whose store loses power.
const LIVE: &str = "powered";

/// What a machine that loses power forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: a copy of the files must be as good as the files.
    Nothing,
    /// Bytes that were not synced; all names are kept.
    Bytes,
    /// Names that were not synced; all bytes are kept.
    Names,
    /// Some of both, as the random choice wants.
    Some,
}

/// Files of a store before and after questions were answered, and every call between.
pub(crate) struct Recording {
    settings: Value,
    live: PathBuf,
    start: PathBuf,
    end: PathBuf,
    before: Replay,
    /// The calls up to the moment when the last answer was sent.
    calls: Vec<Traced>,
    /// How many calls there were when each answer was sent.
    pub(crate) answers: Vec<usize>,
    /// Where in the end each file is.
    last: BTreeMap<usize, PathBuf>,
}

impl Recording {
    /// How many calls there were until the last answer.
    pub(crate) fn length(&self) -> usize {
        self.calls.len()
    }

    /// Asks the questions of a peer with an empty store of its own, and kills it once they are answered.
    pub(crate) async fn make(trial: &Trial, before: &[Question], asked: &[Question]) -> Result<Self, Stop> {
        let settings = trial.settings_elsewhere(LIVE)?;
        let live = trial.folder().join(LIVE);
        let (start, end) = (trial.folder().join("before-it"), trial.folder().join("after-it"));
        let scene = Scene { before, asked, settings: Some(settings.clone()), ..Scene::default() };
        let peer = scene.prepare(trial).await?;
        let there = copy_tree(&live, &start)?;
        let order = if keeps_order(&live) { Order::Journal } else { Order::Any };
        let (answer, log) = log(trial, &scene, &peer).await?;
        answer?;
        let mut calls = parse(&log);
        peer.kill();
        copy_tree(&live, &end)?;
        if calls.iter().any(|call| call.call == "io_uring_enter") {
            return Err(Stop::not_testable("the driver uses io_uring, whose writes strace does not see"));
        }
        // The answer is what the peer sends last; whatever is synced after it comes too late.
        let is_answer = |call: &Traced| call.call == "sendto" && call.argument(1).starts_with("\"[");
        let answers: Vec<usize> = calls.iter().enumerate().filter(|(_, call)| is_answer(call)).map(|(index, _)| index).collect();
        if answers.len() != asked.len() {
            return Err(Stop::harness("the log of strace", format!("it has {} answers to {} questions", answers.len(), asked.len())));
        }
        calls.truncate(answers.last().copied().unwrap_or_default());
        let before = Replay::new(&live, order, &there);
        let mut replay = before.clone();
        calls.iter().for_each(|call| replay.apply(call));
        if !calls.iter().any(|call| call.is_below(&live)) {
            return Err(Stop::not_testable("strace sees no system call of the driver on its files"));
        }
        let last = replay.all().into_iter().map(|(path, inode)| (inode, path)).collect();
        Ok(Self { settings, live, start, end, before, calls, answers, last })
    }

    /// Lays the files out as they may be after a power loss behind the first `calls` calls. Answers what was lost; `None` if that cannot be
    /// known, because a file that was there for a moment would be needed.
    pub(crate) fn lose(&self, calls: usize, loss: Loss, random: &mut Random) -> Result<Option<Vec<String>>, Stop> {
        let mut replay = self.before.clone();
        self.calls[..calls].iter().for_each(|call| replay.apply(call));
        let (mut lost, mut files) = (Vec::new(), BTreeMap::new());
        for (path, inode) in self.names(&replay, loss, random, &mut lost) {
            let about = &replay.inodes[inode];
            let drops = match loss {
                Loss::Nothing | Loss::Names => false,
                Loss::Bytes => true,
                Loss::Some => random.below(2) == 0,
            };
            let from = match &about.dirty {
                _ if about.is_folder => From::Folder,
                Some(line) if drops => {
                    lost.push(format!("the bytes of {} ({line})", path.display()));
                    about.start.as_ref().map_or(From::Nothing, |start| From::File(self.start.join(start)))
                }
                _ => match (self.last.get(&inode), &about.start) {
                    (Some(last), _) => From::File(self.end.join(last)),
                    (None, Some(start)) => From::File(self.start.join(start)),
                    (None, None) => return Ok(None),
                },
            };
            files.insert(path, from);
        }
        lay_out(&self.live, &files)?;
        Ok(Some(lost))
    }

    fn names(&self, replay: &Replay, loss: Loss, random: &mut Random, lost: &mut Vec<String>) -> BTreeMap<PathBuf, usize> {
        let in_order = random.below(replay.pending.len() + 1);
        let mut index = 0;
        let mut keep = |pending: &Pending| {
            index += 1;
            let kept = match loss {
                Loss::Nothing | Loss::Bytes => true,
                Loss::Names => false,
                Loss::Some if replay.is_in_order() => index <= in_order,
                Loss::Some => random.below(2) == 0,
            };
            if !kept {
                lost.push(format!("the name of {}", pending.line));
            }
            kept
        };
        replay.left(&mut keep)
    }

    /// Opens the driver on the files as they are laid out.
    pub(crate) async fn open(&self, trial: &Trial, lost: &[String]) -> Result<Peer, Stop> {
        let options = PeerOptions { settings: Some(self.settings.clone()), ..PeerOptions::default() };
        let (peer, opened) = Peer::start_with(trial, options).await?;
        match opened {
            Ok(_) => Ok(peer),
            Err(error) => {
                Err(Stop::breach(format!("after a power loss that took {} the driver does not open: {error:?}", lost.join(", "))))
            }
        }
    }
}

enum From {
    Folder,
    Nothing,
    File(PathBuf),
}

fn failed(error: std::io::Error) -> Stop {
    Stop::harness("the files of a store cannot be copied", error)
}

fn lay_out(root: &Path, files: &BTreeMap<PathBuf, From>) -> Result<(), Stop> {
    std::fs::remove_dir_all(root).map_err(failed)?;
    std::fs::create_dir_all(root).map_err(failed)?;
    for (path, from) in files {
        let path = root.join(path);
        match from {
            From::Folder => std::fs::create_dir(&path),
            From::Nothing => std::fs::write(&path, []),
            From::File(from) => std::fs::copy(from, &path).map(drop),
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// Copies files and folders; answers their paths, and whether they are folders.
fn copy_tree(from: &Path, to: &Path) -> Result<Vec<(PathBuf, bool)>, Stop> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        std::fs::create_dir_all(to.join(&folder)).map_err(failed)?;
        for entry in std::fs::read_dir(from.join(&folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(path.clone());
            } else if kind.is_file() {
                match std::fs::copy(entry.path(), to.join(&path)) {
                    // The driver has just removed it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    copied => copied.map_err(failed)?,
                };
            } else {
                continue;
            }
            found.push((path, kind.is_dir()));
        }
    }
    Ok(found)
}

/// True if the file system makes changes of names durable in the order in which they were made.
fn keeps_order(folder: &Path) -> bool {
    const JOURNALS: [u64; 3] = [0xEF53 /* ext4 */, 0x5846_5342 /* XFS */, 0x9123_683E /* Btrfs */];
    // The type is a signed word on some processors; only its low 32 bits are the magic number.
    rustix::fs::statfs(folder).is_ok_and(|found| JOURNALS.contains(&((found.f_type as u64) & 0xFFFF_FFFF)))
}
