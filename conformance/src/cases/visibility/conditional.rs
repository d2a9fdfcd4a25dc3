//! Exactly one creator wins.

use std::sync::Arc;

use longshore_loader::api::ErrorClass::AlreadyExists;
use longshore_loader::api::{Bytes, Condition, Driver};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::case::{Need, Outcome};
use crate::trial::{CALL, Instance, Subject, key};
use crate::verdict::{hold, refused, same};

pub(super) async fn creation_is_once(it: &Subject) -> Outcome {
    let info = it.driver.put(&CALL, key("a/b"), "first".into(), Condition::IfAbsent).await?;
    hold!(info.size == 5, "put of 5 bytes tells a size of {}", info.size);
    for bytes in ["second", "", "first"] {
        let again = it.driver.put(&CALL, key("a/b"), bytes.into(), Condition::IfAbsent).await;
        refused(again, &[AlreadyExists], "put if absent of what is there")?;
    }
    same(b"first", &it.get("a/b").await?, "an object after a put that lost its condition")?;
    let listed = it.objects().await?;
    hold!(listed == ["a/b"], "a put that lost its condition left {listed:?}");
    it.upload("a/c", &[Bytes::new()]).await?;
    let again = it.driver.put(&CALL, key("a/c"), "x".into(), Condition::IfAbsent).await;
    refused(again, &[AlreadyExists], "put if absent of an empty object")?;
    it.driver.delete(&CALL, key("a/b")).await?;
    it.driver.put(&CALL, key("a/b"), "third".into(), Condition::IfAbsent).await?;
    same(b"third", &it.get("a/b").await?, "an object that was created again after its delete")
}

pub(super) async fn one_racing_creator_wins(it: &Subject) -> Outcome {
    let instances = vec![it.driver.clone()];
    race(it, &instances, "one").await?;
    if it.lacks(&[Need::SharedStore]).is_some() {
        return Ok(());
    }
    let second = it.second().await?;
    race(it, &[it.driver.clone(), second.clone()], "several").await?;
    second.close(&CALL).await?;
    Ok(())
}

async fn race(it: &Subject, instances: &[Instance], named: &str) -> Outcome {
    const CREATORS: u8 = 16;
    for round in 0..20 {
        let name = format!("{named}/{round}");
        // They begin together, so that all look before the first has written.
        let start = Arc::new(Barrier::new(usize::from(CREATORS)));
        let mut racers = JoinSet::new();
        for number in 0..CREATORS {
            let driver = instances[usize::from(number) % instances.len()].clone();
            let (name, start) = (name.clone(), start.clone());
            racers.spawn(async move {
                start.wait().await;
                let put = driver.put(&CALL, key(&name), vec![number; 1000].into(), Condition::IfAbsent).await;
                (number, put)
            });
        }
        let mut winners = Vec::new();
        for (number, put) in racers.join_all().await {
            match put {
                Ok(_) => winners.push(number),
                lost => refused(lost, &[AlreadyExists], "put if absent that lost a race")?,
            }
        }
        hold!(winners.len() == 1, "{} of {CREATORS} creators of {named} instances won: {winners:?}", winners.len());
        same(&vec![winners[0]; 1000], &it.get(&name).await?, format_args!("the object of the creator {} that won", winners[0]))?;
    }
    Ok(())
}
