//! Deletes beside readers and other deletes.

use std::sync::Arc;

use longshore_loader::api::{Bytes, Capability, Driver, ErrorClass};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::case::{Need, Outcome};
use crate::trial::reader::Paused;
use crate::trial::{CALL, Instance, Random, Subject, key, prefix};
use crate::verdict::{hold, refused};

pub(super) async fn open_readers_outlive_a_delete(it: &Subject) -> Outcome {
    let second = if it.lacks(&[Need::SharedStore]).is_none() { Some(it.second().await?) } else { None };
    let mut ways = vec!["delete", "delete and put"];
    if it.capabilities.has(Capability::DeletePrefix) {
        ways.push("delete_prefix");
    }
    for how in ways {
        for remover in [Some(&it.driver), second.as_ref()].into_iter().flatten() {
            readers_outlive(it, remover, how).await?;
        }
    }
    if let Some(second) = second {
        second.close(&CALL).await?;
    }
    Ok(())
}

async fn readers_outlive(it: &Subject, remover: &Instance, how: &str) -> Outcome {
    let old = Random::new(it.seed()).bytes(3 << 20);
    it.upload("a/b", &old.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    let readers = [Paused::begin(&it.driver, "a/b", 0, 0).await?, Paused::begin(&it.driver, "a/b", 0, 1).await?];
    match how {
        "delete_prefix" => remover.delete_prefix(&CALL, prefix("a")).await?,
        _ => remover.delete(&CALL, key("a/b")).await?,
    }
    refused(it.get("a/b").await, &[ErrorClass::NotFound], format_args!("read after {how} while readers have the object open"))?;
    if how == "delete and put" {
        it.put("a/b", vec![7; 3 << 20]).await?;
    }
    for reader in readers {
        reader.finish(&old, how).await?;
    }
    Ok(())
}

pub(super) async fn deletes_race_to_one_winner(it: &Subject) -> Outcome {
    const REMOVERS: usize = 8;
    for round in 0..20 {
        // The last key of its prefix, and one that has neighbours.
        let name = ["p/alone/a", "q/a"][round % 2];
        it.put_all(&[name, "q/b"]).await?;
        let start = Arc::new(Barrier::new(REMOVERS));
        let mut racers = JoinSet::new();
        for _ in 0..REMOVERS {
            let (driver, start) = (it.driver.clone(), start.clone());
            racers.spawn(async move {
                start.wait().await;
                driver.delete(&CALL, key(name)).await
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
        for lost in lost {
            refused(lost, &[ErrorClass::NotFound], "a delete that came after another")?;
        }
        // A service may delete without telling: then each has seen the object.
        let most = if it.is_service() { REMOVERS } else { 1 };
        hold!((1..=most).contains(&won.len()), "{} of {REMOVERS} deletes of one key at once succeeded", won.len());
        refused(it.driver.delete(&CALL, key(name)).await, &[ErrorClass::NotFound], "a delete that began after the others had ended")?;
        let listed = it.objects().await?;
        hold!(listed == ["q/b"], "after racing deletes of {name:?} {listed:?} are listed");
    }
    Ok(())
}
