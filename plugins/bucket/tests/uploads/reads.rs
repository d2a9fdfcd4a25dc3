//! Bodies arrive whole and of one version, whatever breaks.

use futures_util::StreamExt;
use longshore_plugin_api::{ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, ReadBody};

use crate::memory::Wrong::{Lost, Refused};
use crate::trial::{Answer, CALL, Trial, bytes, class, key, options, trial};

/// Answered as a stream, as all bodies from 64 KiB on.
const LENGTH: usize = 200_007;

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
    trial("ranges", options(), async |it| {
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
    trial("no-bytes", options(), async |it| {
        put(&it, b"").await?;
        assert_eq!(read(&it, ByteRange::ALL).await?, b"");
        Ok(())
    });
}

#[test]
fn a_body_that_breaks_is_gone_on_with() {
    trial("broken-bodies", options(), async |it| {
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
    trial("breaking-bodies", options(), async |it| {
        put(&it, &bytes(LENGTH, 5)).await?;
        it.content().fail("body", Lost, u32::MAX);
        assert_eq!(class(read(&it, ByteRange::ALL).await), Some(ErrorClass::Broken));
        it.content().heal();
        Ok(())
    });
}

#[test]
fn no_byte_is_of_another_object() {
    trial("replaced", options(), async |it| {
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
