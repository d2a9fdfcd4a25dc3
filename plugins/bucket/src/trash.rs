//! Private objects that nobody needs any more: removed together, a moment after the call that ended them.
//!
//! A registry ends an upload for each layer that is pushed. Removing its record in the call would make every push a request longer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use longshore_plugin_api::{Call, Level};

use crate::Bucket;
use crate::store::Store;

/// How long names are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// How long removing them may take, in all attempts.
const REMOVE_MAX: Duration = Duration::from_secs(30);
/// How many names one request removes.
const AT_ONCE: usize = 1000;
/// How many names are kept at the most. Those beyond it stay in the store, as abandoned uploads.
const NAMES_MAX: usize = 100_000;

/// Names to remove.
#[derive(Default)]
pub(crate) struct Trash {
    names: Mutex<Names>,
    /// Held by whoever removes some: a store that closes waits for what is under way.
    emptying: tokio::sync::Mutex<()>,
    /// Shared by those who cancel multipart uploads, and taken alone by a store that closes.
    cancelling: Arc<tokio::sync::RwLock<()>>,
}

#[derive(Default)]
struct Names {
    /// Not yet removed; absent for this instance already.
    all: HashSet<String>,
    waiting: Vec<String>,
    /// Whether a task will come for those that wait.
    awaited: bool,
}

impl Trash {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the object only seems to be there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.lock().all.contains(name)
    }

    fn some(&self) -> Vec<String> {
        let mut names = self.lock();
        let from = names.waiting.len().saturating_sub(AT_ONCE);
        let some = names.waiting.split_off(from);
        names.awaited &= !some.is_empty();
        some
    }
}

/// The call of work that nobody waits for.
pub(crate) fn soon() -> Call {
    let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + REMOVE_MAX;
    Call::new(deadline.as_millis().try_into().unwrap_or(u64::MAX), 0)
}

/// Removes objects soon.
pub(crate) fn discard<B: Bucket>(store: &Arc<Store<B>>, discarded: impl IntoIterator<Item = String>) {
    let mut names = store.trash.lock();
    for name in discarded {
        if names.all.len() < NAMES_MAX && names.all.insert(name.clone()) {
            names.waiting.push(name);
        }
    }
    if names.waiting.is_empty() || names.awaited {
        return;
    }
    names.awaited = true;
    let store = store.clone();
    let runs_on = store.reactor.handle().clone();
    runs_on.spawn(async move {
        tokio::time::sleep(GATHER).await;
        empty(&store).await;
    });
}

/// Cancels a multipart upload soon. If that fails it is an abandoned upload, which is purged.
pub(crate) fn cancel<B: Bucket>(store: &Arc<Store<B>>, object: &str, upload: &str) {
    // A store that closes has no time left; so has one that closed.
    let Ok(under_way) = store.trash.cancelling.clone().try_read_owned() else { return };
    let (store, object, upload) = (store.clone(), object.to_owned(), upload.to_owned());
    let runs_on = store.reactor.handle().clone();
    runs_on.spawn(async move {
        let _ = store.request(&soon(), |_| store.bucket.cancel(&object, &upload)).await;
        drop(under_way);
    });
}

/// Waits for what is under way, which ends within [`REMOVE_MAX`], and removes all that wait.
pub(crate) async fn close<B: Bucket>(store: &Arc<Store<B>>) {
    let _alone = store.trash.cancelling.write().await;
    empty(store).await;
}

/// Removes all that wait, and answers when they are gone or were given up.
async fn empty<B: Bucket>(store: &Arc<Store<B>>) {
    let _alone = store.trash.emptying.lock().await;
    loop {
        let some = store.trash.some();
        if some.is_empty() {
            return;
        }
        if let Err(error) = store.request(&soon(), |_| store.bucket.delete_all(&some)).await {
            let number = some.len();
            store.host.log(Level::Warn, format_args!("{number} records of ended uploads stay in the store until they are purged: {error}"));
        }
        let mut names = store.trash.lock();
        for name in &some {
            names.all.remove(name);
        }
    }
}
