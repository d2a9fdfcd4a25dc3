//! Chunks and buffers, at sizes where a driver may cut or gather them.

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver, Upload};

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, drain, key};
use crate::verdict::{hold, same};

pub(super) async fn chunks_are_joined(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for sizes in
        [vec![], vec![0], vec![0, 0, 1, 0], vec![1; 50], vec![7, 997, 0, 65_537], vec![1 << 20, 3, (1 << 20) + 1], vec![262_144; 9]]
    {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a/b"))).await?;
        let mut whole = Vec::new();
        for size in &sizes {
            let chunk = random.bytes(*size);
            upload.write(&CALL, chunk.clone().into()).await?;
            whole.extend(chunk);
        }
        let info = upload.commit(&CALL, key("a/b"), whole.len() as u64).await?;
        hold!(info.size == whole.len() as u64, "chunks of {sizes:?}: commit tells a size of {}", info.size);
        same(&whole, &it.get("a/b").await?, format_args!("an upload in chunks of {sizes:?}"))?;
    }
    Ok(())
}

pub(super) async fn reads_of_any_length_join(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for (size, lengths) in
        [(it.rounds(257), &[1, 2, 7][..]), (70_001, &[997, 4096, 65_536, 70_000]), (3_000_001, &[262_145, 1 << 20, 3_000_001])]
    {
        let whole = random.bytes(size);
        it.upload("a", &whole.chunks(400_000).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
        for length in lengths {
            let mut got = Vec::new();
            // One read more than needed: it begins at the end.
            while got.len() < size {
                let range = ByteRange::new(got.len() as u64, *length);
                let (_, part) = it.read("a", range).await?;
                hold!(!part.is_empty(), "a read of {range:?} of {size} bytes delivers nothing");
                got.extend_from_slice(&part);
            }
            let (_, past) = it.read("a", ByteRange::new(size as u64, *length)).await?;
            hold!(past.is_empty(), "a read at the end of {size} bytes delivers {} more", past.len());
            same(&whole, &got, format_args!("reads of {length} bytes"))?;
        }
    }
    Ok(())
}

pub(super) async fn end_of_a_body_stays(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 1, 4096, 262_144, 1 << 20, 3_000_001] {
        let whole = random.bytes(size);
        it.upload("a", &[whole.clone().into()]).await?;
        for from in [0, size / 2, size] {
            let mut body = Body::new(it.driver.read(&CALL, key("a"), ByteRange::from(from as u64)).await?.body);
            let mut got = Vec::new();
            drain(&mut body, &mut got).await?;
            same(&whole[from..], &got, format_args!("a body from {from} on of {size} bytes"))?;
            for _ in 0..3 {
                let after = body.next().await?;
                hold!(after.is_none(), "a body of {size} bytes goes on after its end, with {after:?}");
            }
        }
    }
    Ok(())
}

/// A buffer that nobody can mistake for what it was, once the last of its owners has let go of it.
struct Poisoned(Vec<u8>);

impl AsRef<[u8]> for Poisoned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Poisoned {
    fn drop(&mut self) {
        self.0.fill(0xdb);
        // Else the compiler leaves out a write to what is freed next.
        std::hint::black_box(&mut self.0);
    }
}

pub(super) async fn buffers_are_left_alone(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    let sizes = [1, 100, 4095, 4096, 70_000, 300_000, 1 << 20];
    let mut upload = it.driver.upload_begin(&CALL, Some(key("uploaded"))).await?;
    let (mut whole, mut put) = (Vec::new(), Vec::new());
    for (number, size) in sizes.into_iter().enumerate() {
        let content = random.bytes(size);
        let buffer = Bytes::from_owner(Poisoned(content.clone()));
        it.put(&format!("put/{number}"), buffer.clone()).await?;
        same(&content, &buffer, format_args!("the host's buffer of {size} bytes after a put"))?;
        drop(buffer);
        let buffer = Bytes::from_owner(Poisoned(content.clone()));
        upload.write(&CALL, buffer.clone()).await?;
        same(&content, &buffer, format_args!("the host's buffer of {size} bytes after a write"))?;
        drop(buffer);
        // Memory that was let go of is soon somebody else's.
        std::hint::black_box(vec![0xee_u8; size]);
        whole.extend_from_slice(&content);
        put.push(content);
    }
    upload.commit(&CALL, key("uploaded"), whole.len() as u64).await?;
    for (number, content) in put.iter().enumerate() {
        same(content, &it.get(&format!("put/{number}")).await?, format_args!("an object of {} bytes whose buffer is gone", content.len()))?;
    }
    same(&whole, &it.get("uploaded").await?, "an upload whose buffers are gone")
}
