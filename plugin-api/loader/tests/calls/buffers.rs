//! Bytes cross the boundary where they lie, in both directions, and are given back by whoever made them.

use std::sync::Arc;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver, ReadBody};
use serde_json::json;

use crate::files::{CALL, key, memory, put, specimen, uploaded};

/// Bytes that tell how many hold them.
struct Watched(Vec<u8>, #[expect(dead_code, reason = "its count is what is looked at")] Arc<()>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn watched(length: usize) -> (Bytes, Arc<()>) {
    let count = Arc::new(());
    (Bytes::from_owner(Watched(vec![7; length], count.clone())), count)
}

/// The specimen keeps what it is given by reference: the address on the way in and on the way out is one.
#[tokio::test]
async fn put_and_read_keep_the_address() {
    let driver = specimen("specimen-streams", "addresses", &json!({})).await.expect("the specimen opens");
    for length in [1, 100, 64 << 10, 4 << 20] {
        let (bytes, count) = watched(length);
        let address = bytes.as_ptr();
        put(&driver, "a", bytes).await.expect("put works");
        let read = driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works");
        let ReadBody::Bytes(back) = read.body else { panic!("one chunk is answered as it is") };
        assert_eq!((back.as_ptr(), back.len()), (address, length), "no copy was made");
        let read = driver.read(&CALL, key("a"), ByteRange::from(1)).await.expect("read works");
        let ReadBody::Bytes(tail) = read.body else { panic!("one chunk is answered as it is") };
        assert!(length == 1 || tail.as_ptr() == address.wrapping_add(1), "a range is no copy either");
        driver.delete(&CALL, key("a")).await.expect("delete works");
        drop(tail);
        assert_eq!(Arc::strong_count(&count), 2, "what was read is good after the object is gone");
        drop(back);
        assert_eq!(Arc::strong_count(&count), 1, "the bytes were given back to their maker, once");
    }
}

#[tokio::test]
async fn uploaded_and_streamed_chunks_keep_their_addresses() {
    let driver = specimen("specimen-streams", "chunks", &json!({})).await.expect("the specimen opens");
    let (chunks, counts): (Vec<_>, Vec<_>) = (1..=5).map(|number| watched(number * 100_000)).unzip();
    let addresses: Vec<_> = chunks.iter().map(|chunk| (chunk.as_ptr(), chunk.len())).collect();
    uploaded(&driver, "a", &chunks).await.expect("an upload works");
    drop(chunks);
    let mut body = Body::new(driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works").body);
    let mut got = Vec::new();
    while let Some(chunk) = body.next().await.expect("a chunk comes") {
        got.push((chunk.as_ptr(), chunk.len()));
    }
    assert_eq!(got, addresses, "no chunk was copied, on the way in or on the way out");
    drop(body);
    driver.delete(&CALL, key("a")).await.expect("delete works");
    assert!(counts.iter().all(|count| Arc::strong_count(count) == 1), "every chunk was given back");
}

/// The memory driver copies what is put, on purpose (a small part of a large buffer would keep all of it), and answers by reference.
#[tokio::test]
async fn memory_driver_answers_where_its_bytes_lie() {
    let driver = memory("addresses").await;
    let (bytes, count) = watched(100_000);
    put(&driver, "a", bytes).await.expect("put works");
    assert_eq!(Arc::strong_count(&count), 1, "the caller's buffer is not kept");
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let read = driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works");
        let ReadBody::Bytes(bytes) = read.body else { panic!("memory is answered as it is") };
        addresses.push(bytes.as_ptr());
    }
    assert_eq!(addresses[0], addresses[1], "two reads are of one buffer");
}

/// What was read outlives the instance, and the handle: the library that frees it is never unloaded.
#[tokio::test]
async fn bytes_outlive_their_instance() {
    let driver = memory("outlived").await;
    put(&driver, "a", "still here").await.expect("put works");
    let read = driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works");
    driver.close(&CALL).await.expect("close works");
    drop(driver);
    let ReadBody::Bytes(bytes) = read.body else { panic!("memory is answered as it is") };
    assert_eq!(bytes, "still here");
    std::thread::spawn(move || drop(bytes)).join().expect("bytes can be freed on any thread");
}
