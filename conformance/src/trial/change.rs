//! Changes of a store that are interrupted or made to fail: what is there before, what is asked, and what may be there afterwards.

use longshore_loader::api::{Capabilities, Capability, ErrorClass};

use super::peer::{Content, Peer, Question, Unanswered};
use crate::case::Outcome;
use crate::verdict::{Stop, hold};

/// A change of a store, and the objects that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// What is asked before.
    pub(crate) before: Vec<Question>,
    /// What the change itself is.
    pub(crate) asked: Vec<Question>,
    effects: Vec<Effect>,
}

/// What a change makes of one object.
#[derive(Debug, Clone)]
struct Effect {
    key: String,
    old: Option<Content>,
    new: Option<Content>,
}

/// What must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// What the change makes.
    New,
    /// Either, each object whole.
    Either,
}

fn content(seed: u64, size: usize) -> Content {
    Content::Random { seed, size }
}

fn put(key: &str, content: &Content) -> Question {
    Question::Put { key: key.into(), content: content.clone(), if_absent: false }
}

/// The questions that write `parts` as an upload of that number.
fn upload(number: u64, key: &str, parts: &[Content]) -> Vec<Question> {
    let begin = Question::Begin { upload: number, destination: Some(key.into()) };
    let writes = parts.iter().map(|part| Question::Write { upload: number, content: part.clone() });
    let size = parts.iter().map(|part| part.bytes().len() as u64).sum();
    let commit = Question::Commit { upload: number, key: key.into(), size };
    std::iter::once(begin).chain(writes).chain([commit]).collect()
}

impl Change {
    /// A new object in new folders.
    pub(crate) fn create() -> Self {
        let new = content(1, 70_000);
        let asked = vec![put("create/new/a", &new)];
        let effects = vec![Effect { key: "create/new/a".into(), old: None, new: Some(new) }];
        Self { name: "a put", before: Vec::new(), asked, effects }
    }

    /// An object instead of an older one, which is longer.
    pub(crate) fn replace() -> Self {
        let (old, new) = (content(2, 90_000), content(3, 50_000));
        let (before, asked) = (vec![put("replace/a", &old)], vec![put("replace/a", &new)]);
        let effects = vec![Effect { key: "replace/a".into(), old: Some(old), new: Some(new) }];
        Self { name: "a put over an older object", before, asked, effects }
    }

    /// An upload of two chunks over an older object.
    pub(crate) fn commit() -> Self {
        let old = content(4, 3000);
        // One chunk, sent as random bytes of one number, so that the whole can be named too.
        let new = content(5, 150_000);
        let before = vec![put("commit/a", &old)];
        let asked = upload(1, "commit/a", std::slice::from_ref(&new));
        let effects = vec![Effect { key: "commit/a".into(), old: Some(old), new: Some(new) }];
        Self { name: "an upload", before, asked, effects }
    }

    /// An object less.
    pub(crate) fn delete() -> Self {
        let (old, other) = (content(6, 5000), content(7, 10));
        let before = vec![put("delete/in/a", &old), put("delete/b", &other)];
        let asked = vec![Question::Delete { key: "delete/in/a".into() }];
        let gone = Effect { key: "delete/in/a".into(), old: Some(old), new: None };
        let effects = vec![gone, Effect { key: "delete/b".into(), old: Some(other.clone()), new: Some(other) }];
        Self { name: "a delete", before, asked, effects }
    }

    /// All objects below a prefix less.
    pub(crate) fn delete_prefix() -> Self {
        let names = ["prune/in/a", "prune/in/b", "prune/in/c/d", "prune/inner"];
        let contents: Vec<Content> = (8_u64..).take(names.len()).map(|seed| content(seed, 500)).collect();
        let before = names.iter().zip(&contents).map(|(name, content)| put(name, content)).collect();
        let effect = |(name, content): (&&str, Content)| {
            let new = (*name == "prune/inner").then(|| content.clone());
            Effect { key: (*name).into(), old: Some(content), new }
        };
        let effects = names.iter().zip(contents).map(effect).collect();
        Self { name: "a delete_prefix", before, asked: vec![Question::DeletePrefix { prefix: "prune/in".into() }], effects }
    }

    /// An object twice.
    pub(crate) fn copy() -> Self {
        let (from, old) = (content(20, 60_000), content(21, 900));
        let before = vec![put("copy/from", &from), put("copy/to/a", &old)];
        let asked = vec![Question::Copy { from: "copy/from".into(), to: "copy/to/a".into() }];
        let source = Effect { key: "copy/from".into(), old: Some(from.clone()), new: Some(from.clone()) };
        let effects = vec![source, Effect { key: "copy/to/a".into(), old: Some(old), new: Some(from) }];
        Self { name: "a copy", before, asked, effects }
    }

    /// Every change that a driver with these capabilities can make.
    pub(crate) fn all(capabilities: Capabilities) -> Vec<Self> {
        let mut all = vec![Self::create(), Self::replace(), Self::commit(), Self::delete()];
        if capabilities.has(Capability::DeletePrefix) {
            all.push(Self::delete_prefix());
        }
        if capabilities.has(Capability::Copy) {
            all.push(Self::copy());
        }
        all
    }

    /// Holds the objects that a peer sees to what they may be; `after` tells what happened.
    pub(crate) async fn judge(&self, peer: &Peer, state: State, after: &str) -> Outcome {
        let mut there = Vec::new();
        for effect in &self.effects {
            let got = match peer.ask(Question::Get { key: effect.key.clone() }).await {
                Ok(answer) => Some((answer.size, answer.sha256)),
                Err(error) if error.class() == Some(ErrorClass::NotFound) => None,
                Err(Unanswered::Failed(failure)) => {
                    return Err(Stop::breach(format!("after {after}, {:?} cannot be read: {failure}", effect.key)));
                }
                Err(Unanswered::Gone) => return Err(Stop::breach(format!("after {after}, reading {:?} ended the process", effect.key))),
            };
            effect.judge(got.as_ref(), state, after)?;
            there.extend(got.map(|_| effect.key.clone()));
        }
        let listed = peer.ask(Question::List).await?.keys;
        let own = |key: &&String| self.effects.iter().any(|effect| effect.key.split('/').next() == key.split('/').next());
        let mut listed: Vec<_> = listed.iter().filter(own).cloned().collect();
        listed.sort();
        there.sort();
        hold!(listed == there, "after {after}, the list has {listed:?}, and {there:?} can be read");
        Ok(())
    }

    /// The change, and a new object, can be made now.
    pub(crate) async fn goes_on(&self, peer: &Peer, after: &str) -> Outcome {
        let new = Content::Text("made afterwards".into());
        peer.ask(put("afterwards/a", &new)).await.map_err(|error| Stop::breach(format!("after {after}, a put answers {error:?}")))?;
        let got = peer.ask(Question::Get { key: "afterwards/a".into() }).await?;
        hold!(got.sha256 == new.sha256(), "after {after}, a new object of 15 bytes is read as {} others", got.size);
        Ok(())
    }
}

impl Effect {
    fn judge(&self, got: Option<&(u64, String)>, state: State, after: &str) -> Outcome {
        let is = |content: &Option<Content>| match (content, got) {
            (None, None) => true,
            (Some(content), Some((_, sha256))) => content.sha256() == *sha256,
            _ => false,
        };
        let found = match got {
            None => "is absent".to_owned(),
            Some((size, _)) if is(&self.old) => format!("is the old one, of {size} bytes"),
            Some((size, _)) if is(&self.new) => format!("is the new one, of {size} bytes"),
            Some((size, _)) => format!("has {size} bytes, which are neither the old nor the new ones"),
        };
        let tell =
            |content: &Option<Content>| content.as_ref().map_or("none".to_owned(), |content| format!("{} bytes", content.bytes().len()));
        let fits = match state {
            State::New => is(&self.new),
            State::Either => is(&self.old) || is(&self.new),
        };
        let (old, new) = (tell(&self.old), tell(&self.new));
        hold!(fits, "after {after}, {:?} {found} (old: {old}, new: {new}; it must be {state:?})", self.key);
        Ok(())
    }
}
