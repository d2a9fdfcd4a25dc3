//! A driver made of a bucket.

use std::sync::Arc;

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, ListPage, ListRequest, Method, ObjectInfo, OpenDriver,
    Prefix, Read, Settings, UploadToken,
};

use crate::bucket::{Bucket, Mark, Query};
use crate::names::random_name;
use crate::store::Store;
use crate::tries::Attempt;
use crate::upload::{self, BucketUpload};
use crate::{Options, Payload, listing, reading, trash};

/// A driver over `B`; the type that a driver's crate exports.
pub struct BucketDriver<B: Bucket>(Arc<Store<B>>);

impl<B: Bucket> BucketDriver<B> {
    /// Opens a store that is used otherwise than its driver says, as tests do that cannot wait for what takes gigabytes.
    ///
    /// # Errors
    /// As [`OpenDriver::open`].
    pub async fn open_changed(
        settings: Settings,
        host: Host,
        change: impl FnOnce(&mut B, &mut Options) + Send + 'static,
    ) -> Result<Self, DriverError> {
        Store::open(settings, host, change).await.map(Self)
    }
}

impl<B: Bucket> OpenDriver for BucketDriver<B> {
    async fn open(settings: Settings, host: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        Store::open(settings, host, |_, _| {}).await.map(Self)
    }
}

impl<B: Bucket> Driver for BucketDriver<B> {
    type Upload = BucketUpload<B>;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.reactor.enter(reading::stat(&self.0, call, key)).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        self.0.reactor.enter(reading::read(&self.0, call, key, range)).await
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.0.reactor.enter(put(&self.0, call, key, bytes.into(), condition)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.0.reactor.enter(listing::page(&self.0, call, request)).await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        self.0.reactor.enter(delete(&self.0, call, key)).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<BucketUpload<B>, DriverError> {
        self.0.reactor.enter(async { upload::begin(&self.0, call, destination) }).await
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<BucketUpload<B>, DriverError> {
        self.0.reactor.enter(upload::resume(&self.0, call, token)).await
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.0.reactor.enter(crate::tries::within(call, self.0.bucket.probe())).await
    }

    async fn close(&self, _: &Call) -> Result<(), DriverError> {
        self.0.reactor.enter(trash::close(&self.0)).await;
        self.0.reactor.stop();
        Ok(())
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.0.reactor.enter(delete_prefix(&self.0, call, prefix)).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.reactor.enter(copy(&self.0, call, from, to)).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let name = self.0.root.object(key)?;
        self.0.reactor.enter(crate::tries::within(call, self.0.bucket.presign(&name, method, expires_ms))).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.0.reactor.enter(upload::abandoned(&self.0, call, older_than_ms)).await
    }
}

async fn put<B: Bucket>(
    store: &Arc<Store<B>>,
    call: &Call,
    key: &Key,
    payload: Payload,
    condition: Condition,
) -> Result<ObjectInfo, DriverError> {
    let name = store.root.object(key)?;
    if condition == Condition::Always {
        return replace(store, call, &name, payload).await;
    }
    let mark = Mark::random()?;
    let (name, mark) = (&name, &mark);
    let create = |attempt: Attempt| {
        let created = store.bucket.put(name, payload.clone(), Some(mark));
        async move {
            match created.await {
                // The answer of an earlier attempt may have been lost: whose object is it?
                Err(error) if error.class() == ErrorClass::AlreadyExists && attempt.is_again() => {
                    let there = store.bucket.head(name).await?;
                    if there.mark.as_deref() == Some(mark.as_str()) { Ok(there.info) } else { Err(error) }
                }
                answer => answer,
            }
        }
    };
    store.request(call, create).await
}

/// Writes an object, in place of another one if there is one.
pub(crate) async fn replace<B: Bucket>(
    store: &Arc<Store<B>>,
    call: &Call,
    name: &str,
    payload: Payload,
) -> Result<ObjectInfo, DriverError> {
    if store.options.apart_from_bytes.is_none_or(|least| payload.len() < least) {
        return store.request(call, |_| store.bucket.put(name, payload.clone(), None)).await;
    }
    let apart = Apart { store: store.clone(), name: store.root.upload_data(&random_name()?) };
    store.request(call, |_| store.bucket.put(&apart.name, payload.clone(), None)).await?;
    store.request(call, |_| store.bucket.copy(&apart.name, name, payload.len() as u64)).await
}

/// An object that is removed when nobody needs it any more. What stays when the process is killed is an upload that nobody goes on with.
struct Apart<B: Bucket> {
    store: Arc<Store<B>>,
    name: String,
}

impl<B: Bucket> Drop for Apart<B> {
    fn drop(&mut self) {
        trash::discard(&self.store, [std::mem::take(&mut self.name)]);
    }
}

async fn delete<B: Bucket>(store: &Store<B>, call: &Call, key: &Key) -> Result<(), DriverError> {
    let name = &store.root.object(key)?;
    let delete = |attempt: Attempt| async move {
        match store.bucket.delete(name).await {
            // Gone, by an earlier attempt whose answer was lost.
            Err(error) if error.class() == ErrorClass::NotFound && attempt.is_again() => Ok(()),
            answer => answer,
        }
    };
    store.request(call, delete).await
}

async fn delete_prefix<B: Bucket>(store: &Store<B>, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
    let below = store.root.below(prefix);
    let mut query = Query { prefix: below, after: None, token: None, joined: false, limit: 1000 };
    let mut some = false;
    loop {
        let names = store.request(call, |_| store.bucket.list(&query)).await?;
        let mut all: Vec<String> = names.objects.into_iter().map(|(name, _)| name).collect();
        query.after = all.last().cloned().or(query.after);
        // What is no key is another program's, as in lists.
        all.retain(|name| store.root.strip(name).is_some_and(|key| Key::parse(key).is_ok()));
        if !all.is_empty() {
            some = true;
            all.sort_unstable();
            store.request(call, |_| store.bucket.delete_all(&all)).await?;
        }
        match names.token {
            // The page after, by name: a store's own place may be lost with what was deleted.
            Some(token) => query.token = query.after.is_none().then_some(token),
            None if some => return Ok(()),
            None => return Err(DriverError::not_found(prefix)),
        }
    }
}

async fn copy<B: Bucket>(store: &Store<B>, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
    let destination = store.root.object(to)?;
    let info = reading::stat(store, call, from).await?;
    if from == to {
        // Stores refuse that, since nothing would change.
        return Ok(info);
    }
    let size = info.size;
    let source = store.root.object(from)?;
    store.request(call, |_| store.bucket.copy(&source, &destination, size)).await
}
