//! Copies.

use longshore_loader::api::{Bytes, Driver};

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{hold, same};

pub(super) async fn copy_is_an_object_of_its_own(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 1, 4096, 300_000, 1 << 20] {
        let bytes = random.bytes(size);
        it.upload("from", &bytes.chunks(100_000).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
        it.put("deep/to", "older").await?;
        for to in ["deep/to", "not/there/yet"] {
            let info = it.driver.copy(&CALL, key("from"), key(to)).await?;
            hold!(info.size == size as u64, "copy of {size} bytes tells a size of {}", info.size);
            let stat = it.driver.stat(&CALL, key(to)).await?;
            it.told_as_stat(&info, &stat, "copy")?;
            same(&bytes, &it.get(to).await?, format_args!("a copy of {size} bytes"))?;
            same(&bytes, &it.get("from").await?, format_args!("the source of a copy of {size} bytes"))?;
        }
        it.put("from", "newer").await?;
        same(&bytes, &it.get("deep/to").await?, "a copy whose source was replaced")?;
        it.put("deep/to", "other").await?;
        same(b"newer", &it.get("from").await?, "the source of a copy that was replaced")?;
        it.driver.delete(&CALL, key("from")).await?;
        same(&bytes, &it.get("not/there/yet").await?, "a copy whose source was deleted")?;
        it.driver.delete(&CALL, key("not/there/yet")).await?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["deep/to"], "after copies and deletes {listed:?} are listed");
    Ok(())
}

pub(super) async fn copy_onto_itself_loses_nothing(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 10, 300_000] {
        let bytes = random.bytes(size);
        it.put("p/a", bytes.clone()).await?;
        for _ in 0..2 {
            let info = it.driver.copy(&CALL, key("p/a"), key("p/a")).await?;
            hold!(info.size == size as u64, "copy of {size} bytes onto itself tells a size of {}", info.size);
            same(&bytes, &it.get("p/a").await?, format_args!("an object of {size} bytes that was copied onto itself"))?;
        }
        let listed = it.objects().await?;
        hold!(listed == ["p/a"], "an object was copied onto itself, and {listed:?} are listed");
    }
    Ok(())
}
