//! What the contract does not ask, over servers that speak the protocol. Ceph's gateway: why a bucket cannot be opened, URLs for clients, copies,
//! encryption. Moto: where credentials come from, and what it takes a real AWS for otherwise. Without its server a test says that it was skipped.

mod access;
mod encryption;
mod foreign;
mod identity;
mod objects;
mod opening;
mod proxy;
mod server;
mod store_side;

use longshore_plugin_api::{ByteRange, Bytes, Call, Driver, DriverError, ErrorClass, Key, ReadBody, Upload};

use server::{Server, Store};

const CALL: Call = Call::unbounded();

fn run(test: impl AsyncFnOnce(&Server)) {
    run_on("ceph", test);
}

fn run_on(name: &'static str, test: impl AsyncFnOnce(&Server)) {
    if let Some(server) = Server::start(name) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(test(&server));
    }
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("it is a key")
}

/// What cannot be compressed, nor be mistaken for a part of itself elsewhere.
fn content(size: u32) -> Vec<u8> {
    (0..size).map(|at| (at / 7) as u8 ^ (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn bytes(store: &Store, name: &str) -> Result<Bytes, DriverError> {
    range(store, name, ByteRange::ALL).await
}

async fn range(store: &Store, name: &str, range: ByteRange) -> Result<Bytes, DriverError> {
    match store.read(&CALL, key(name), range).await?.body {
        ReadBody::Bytes(bytes) => Ok(bytes),
        ReadBody::Stream(stream) => Ok(futures_util::TryStreamExt::try_collect::<Vec<Bytes>>(stream).await?.concat().into()),
        ReadBody::File(_) => panic!("a remote store has no files"),
    }
}

/// An upload in chunks that fit no part, to a key that is told at the begin or only at the end.
async fn push(store: &Store, name: &str, whole: &[u8], told: bool) -> Result<(), DriverError> {
    let mut upload = store.upload_begin(&CALL, told.then(|| key(name))).await?;
    for chunk in whole.chunks(700_000) {
        upload.write(&CALL, Bytes::copy_from_slice(chunk)).await?;
    }
    upload.commit(&CALL, key(name), whole.len() as u64).await.map(drop)
}

/// That it was refused for this reason and in these words, and that the store told the number of the request.
fn refused<T>(answer: Result<T, DriverError>, class: ErrorClass, words: &str) {
    let error = answer.err().expect("it is refused");
    assert_eq!(error.class(), class, "{error}");
    assert!(error.message().contains(words), "{words:?}: {error}");
    assert!(error.causes().iter().any(|cause| cause.kind == "request_id" && !cause.value.is_empty()), "{error}");
}
