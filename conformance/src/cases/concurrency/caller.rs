//! The ways to a register: an instance in this process, or another process.

use std::sync::Arc;

use longshore_loader::api::{Call, Condition, Driver, DriverError, Entry, ErrorClass, ListRequest, Upload};

use super::register::Wish;
use crate::linear::Act;
use crate::trial::peer::{Answer, Content, Peer, Question, Unanswered};
use crate::trial::{CALL, Instance, InstanceUpload, key, prefix};
use crate::verdict::Stop;

/// A way to the driver.
#[derive(Clone)]
pub(super) enum Caller {
    Instance(Instance),
    Peer(Arc<Peer>),
}

/// Why there is no answer that belongs to a register.
pub(super) enum Refused {
    /// The driver's error.
    Class(ErrorClass, String),
    /// Anything else.
    Stop(Stop),
}

impl From<DriverError> for Refused {
    fn from(error: DriverError) -> Self {
        Self::Class(error.class(), error.to_string())
    }
}

impl From<Unanswered> for Refused {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Failed(failure) => Self::Class(failure.class(), failure.to_string()),
            Unanswered::Gone => Self::Stop(unanswered.into()),
        }
    }
}

/// What must be done before the call that counts.
pub(super) enum Prepared {
    Instance(Instance),
    Upload(InstanceUpload),
    Peer(Arc<Peer>),
}

impl Caller {
    /// Does all that comes before the call that counts: an upload up to its commit.
    pub(super) async fn prepare(&self, wish: Wish, value: u64) -> Result<Prepared, Stop> {
        match (self, wish) {
            (Self::Instance(driver), Wish::Upload) => {
                let mut upload = driver.upload_begin(&CALL, None).await?;
                upload.write(&CALL, text(value).into()).await?;
                Ok(Prepared::Upload(upload))
            }
            (Self::Peer(peer), Wish::Upload) => {
                peer.ask(Question::Begin { upload: value, destination: None }).await?;
                peer.ask(Question::Write { upload: value, content: Content::Text(text(value)) }).await?;
                Ok(Prepared::Peer(peer.clone()))
            }
            (Self::Instance(driver), _) => Ok(Prepared::Instance(driver.clone())),
            (Self::Peer(peer), _) => Ok(Prepared::Peer(peer.clone())),
        }
    }
}

impl Prepared {
    /// The call that counts.
    pub(super) async fn call(self, call: &Call, name: &str, wish: Wish, value: u64) -> Result<Act, Refused> {
        match self {
            Self::Instance(driver) => of_instance(&driver, call, name, wish, value).await,
            Self::Upload(mut upload) => {
                upload.commit(call, key(name), text(value).len() as u64).await?;
                Ok(Act::Put(value))
            }
            Self::Peer(peer) => of_peer(&peer, name, wish, value).await,
        }
    }
}

async fn of_instance(driver: &Instance, call: &Call, name: &str, wish: Wish, value: u64) -> Result<Act, Refused> {
    let key = key(name);
    match wish {
        Wish::Put | Wish::Upload => {
            driver.put(call, key, text(value).into(), Condition::Always).await?;
            Ok(Act::Put(value))
        }
        Wish::Create => created(value, driver.put(call, key, text(value).into(), Condition::IfAbsent).await.err().map(Refused::from)),
        Wish::Delete => deleted(driver.delete(call, key).await.err().map(Refused::from)),
        Wish::Get => {
            let read = longshore_loader::api::convenience::get(driver, call, key, 1 << 20).await;
            match found(read)? {
                Some(bytes) => read_value(name, &bytes),
                None => Ok(Act::Get(None)),
            }
        }
        Wish::Stat => Ok(Act::Stat(found(driver.stat(call, key).await)?.is_some())),
        Wish::List => {
            let below = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let page = found(driver.list(call, &ListRequest::objects(prefix(below), 10)).await)?;
            Ok(Act::List(page.is_some_and(|page| page.entries.iter().any(|entry| Entry::text(entry) == name))))
        }
    }
}

async fn of_peer(peer: &Peer, name: &str, wish: Wish, value: u64) -> Result<Act, Refused> {
    let key = name.to_owned();
    let put = |if_absent| Question::Put { key: name.to_owned(), content: Content::Text(text(value)), if_absent };
    match wish {
        Wish::Put => {
            peer.ask(put(false)).await?;
            Ok(Act::Put(value))
        }
        Wish::Upload => {
            peer.ask(Question::Commit { upload: value, key, size: text(value).len() as u64 }).await?;
            Ok(Act::Put(value))
        }
        Wish::Create => created(value, peer.ask(put(true)).await.err().map(Refused::from)),
        Wish::Delete => deleted(peer.ask(Question::Delete { key }).await.err().map(Refused::from)),
        Wish::Get => match found(peer.ask(Question::Get { key }).await)? {
            Some(Answer { text, size, .. }) => {
                let text = text.unwrap_or_else(|| format!("{size} bytes that are no text"));
                read_value(name, text.as_bytes())
            }
            None => Ok(Act::Get(None)),
        },
        Wish::Stat => Ok(Act::Stat(found(peer.ask(Question::Stat { key }).await)?.is_some())),
        Wish::List => Ok(Act::List(peer.ask(Question::List).await?.keys.contains(&key))),
    }
}

/// The answer, if the register is not empty.
fn found<T>(answer: Result<T, impl Into<Refused>>) -> Result<Option<T>, Refused> {
    match answer.map_err(Into::into) {
        Ok(found) => Ok(Some(found)),
        Err(Refused::Class(ErrorClass::NotFound, _)) => Ok(None),
        Err(refused) => Err(refused),
    }
}

fn created(value: u64, refused: Option<Refused>) -> Result<Act, Refused> {
    match refused {
        None => Ok(Act::Create { value, won: true }),
        Some(Refused::Class(ErrorClass::AlreadyExists, _)) => Ok(Act::Create { value, won: false }),
        Some(refused) => Err(refused),
    }
}

fn deleted(refused: Option<Refused>) -> Result<Act, Refused> {
    match refused {
        None => Ok(Act::Delete { found: true }),
        Some(Refused::Class(ErrorClass::NotFound, _)) => Ok(Act::Delete { found: false }),
        Some(refused) => Err(refused),
    }
}

/// What is written for a number: texts of different lengths, so that a mix of two is neither.
fn text(value: u64) -> String {
    let width = 8 + usize::try_from(value * 37 % 190).unwrap_or(0);
    format!("{value:.<width$}")
}

fn read_value(name: &str, bytes: &[u8]) -> Result<Act, Refused> {
    let got = String::from_utf8_lossy(bytes);
    let value = got.trim_end_matches('.').parse().ok().filter(|value| text(*value) == got);
    match value {
        Some(value) => Ok(Act::Get(Some(value))),
        None => Err(Refused::Stop(Stop::breach(format!("a read of {name:?} delivers {got:?}, which nobody wrote")))),
    }
}
