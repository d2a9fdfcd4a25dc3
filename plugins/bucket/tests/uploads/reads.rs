//! Bodies arrive whole and of one version, whatever breaks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use longshore_bucket::Options;
use longshore_plugin_api::{ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, ReadBody};

use crate::memory::Wrong::{Lost, Refused, Silent};
use crate::trial::{Answer, CALL, Trial, bytes, class, key, options, trial};

/// Answered as a stream, as all bodies from 64 KiB on.
const LENGTH: usize = 200_007;

/// Objects of one piece, of two and of three, by up to two requests at once.
fn in_pieces() -> Options {
    Options { parallel_reads: 2, piece_bytes: 70_000, ..options() }
}

/// Runs a test of bodies that come by one request, and by several.
fn both<F: Future<Output = Answer>>(name: &str, test: impl Fn(Arc<Trial>) -> F) {
    trial(name, options(), &test);
    trial(&format!("{name}-in-pieces"), in_pieces(), &test);
}

async fn put(it: &Trial, whole: &[u8]) -> Answer {
    it.drivers[0].put(&CALL, &key("k"), Bytes::copy_from_slice(whole), Condition::Always).await.map(drop)
}

async fn read(it: &Trial, range: ByteRange) -> Answer<Vec<u8>> {
    match it.drivers[0].read(&CALL, &key("k"), range).await?.body {
        ReadBody::Bytes(bytes) => Ok(bytes.to_vec()),
        ReadBody::Stream(mut chunks) => {
            let mut whole = Vec::new();
            while let Some(chunk) = chunks.next().await {
                whole.extend_from_slice(&chunk?);
            }
            Ok(whole)
        }
        _ => Err(DriverError::new(ErrorClass::Internal, "a bucket has no files")),
    }
}

#[test]
fn every_range_arrives() {
    both("ranges", async |it| {
        let whole = bytes(LENGTH, 3);
        put(&it, &whole).await?;
        assert!(read(&it, ByteRange::ALL).await? == whole, "the whole object");
        let edges = [0, 1, 65_535, 65_536, 65_537, LENGTH - 1, LENGTH];
        for from in edges {
            for to in edges.into_iter().filter(|to| *to > from) {
                let range = ByteRange { offset: from as u64, length: Some((to - from) as u64) };
                assert!(read(&it, range).await? == whole[from..to], "{from}..{to}");
            }
            let open = ByteRange { offset: from as u64, length: None };
            assert!(read(&it, open).await? == whole[from..], "{from}..");
        }
        Ok(())
    });
}

#[test]
fn an_object_without_bytes_has_a_body() {
    both("no-bytes", async |it| {
        put(&it, b"").await?;
        assert_eq!(read(&it, ByteRange::ALL).await?, b"");
        Ok(())
    });
}

#[test]
fn a_body_that_breaks_is_gone_on_with() {
    both("broken-bodies", async |it| {
        let whole = bytes(LENGTH, 5);
        put(&it, &whole).await?;
        for (call, wrong) in [("body", Lost), ("get", Lost), ("get", Refused(ErrorClass::Throttled))] {
            for times in 1..3 {
                it.content().fail(call, wrong, times);
                assert!(read(&it, ByteRange::ALL).await? == whole, "{call} {wrong:?} {times}");
                it.content().heal();
            }
        }
        Ok(())
    });
}

#[test]
fn what_breaks_again_and_again_is_an_error() {
    both("breaking-bodies", async |it| {
        put(&it, &bytes(LENGTH, 5)).await?;
        it.content().fail("body", Lost, u32::MAX);
        assert_eq!(class(read(&it, ByteRange::ALL).await), Some(ErrorClass::Broken));
        it.content().heal();
        Ok(())
    });
}

#[test]
fn no_byte_is_of_another_object() {
    both("replaced", async |it| {
        let old = bytes(LENGTH, 1);
        put(&it, &old).await?;
        let ReadBody::Stream(mut chunks) = it.drivers[0].read(&CALL, &key("k"), ByteRange::ALL).await?.body else {
            panic!("an object of {LENGTH} bytes is a stream");
        };
        let mut got = chunks.next().await.transpose()?.unwrap_or_default().to_vec();
        put(&it, &bytes(LENGTH, 2)).await?;
        let mut failed = None;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => got.extend_from_slice(&chunk),
                Err(error) => failed = Some(error.class()),
            }
        }
        assert!(old.starts_with(&got), "{} bytes, not all of the old object", got.len());
        assert!(failed == Some(ErrorClass::Broken) || got == old, "{failed:?} after {} bytes", got.len());
        Ok(())
    });
}

#[test]
fn pieces_are_asked_for_as_far_as_they_are_wanted() {
    trial("pieces", in_pieces(), async |it| {
        put(&it, &bytes(LENGTH, 1)).await?;
        let asked = |it: &Trial| it.content().requests.iter().filter(|request| request.starts_with("get ")).count();
        for (range, requests) in [(0..LENGTH, 3), (0..70_000, 1), (5..70_006, 2), (190_000..LENGTH, 1)] {
            let before = asked(&it);
            let length = Some((range.end - range.start) as u64);
            read(&it, ByteRange { offset: range.start as u64, length }).await?;
            assert_eq!(asked(&it) - before, requests, "{range:?}");
        }
        let before = asked(&it);
        let ReadBody::Stream(mut chunks) = it.drivers[0].read(&CALL, &key("k"), ByteRange::ALL).await?.body else {
            panic!("an object of {LENGTH} bytes is a stream");
        };
        chunks.next().await.transpose()?;
        drop(chunks);
        assert!(asked(&it) - before <= 2, "nobody waits for the third piece");
        Ok(())
    });
}

#[test]
fn what_a_store_sends_beyond_a_range_is_cut_off() {
    both("beyond", async |it| {
        let whole = bytes(LENGTH, 7);
        put(&it, &whole).await?;
        it.content().fail("length", Lost, u32::MAX);
        assert!(read(&it, ByteRange::ALL).await? == whole, "the whole object");
        let range = ByteRange { offset: 5, length: Some(150_000) };
        assert!(read(&it, range).await? == whole[5..150_005], "a range of it");
        it.content().heal();
        Ok(())
    });
}

#[test]
fn a_piece_that_never_comes_ends_the_body_in_time() {
    trial("silent-piece", Options { idle: Duration::from_millis(200), ..in_pieces() }, async |it| {
        put(&it, &bytes(LENGTH, 1)).await?;
        let ReadBody::Stream(mut chunks) = it.drivers[0].read(&CALL, &key("k"), ByteRange::ALL).await?.body else {
            panic!("an object of {LENGTH} bytes is a stream");
        };
        it.content().fail("get", Silent, u32::MAX);
        let mut failed = None;
        while let Some(chunk) = chunks.next().await {
            failed = chunk.err().map(|error| error.class());
        }
        it.content().heal();
        assert_eq!(failed, Some(ErrorClass::Timeout));
        Ok(())
    });
}
