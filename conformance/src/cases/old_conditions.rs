//! Exactly one creator wins.

use longshore_loader::api::ErrorClass::AlreadyExists;
use longshore_loader::api::{Bytes, Capability, Condition, Driver};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, key};
use crate::{Breach, Need, Subject};

checks! {
    creation_is_once (Need::Capability(Capability::PutIfAbsent)) =
        "`put` if absent creates an object once; later ones answer `already_exists` and change nothing";
    one_racing_creator_wins (Need::Capability(Capability::PutIfAbsent)) = "among any number of racing creators exactly one wins";
    racing_instances_have_one_winner (Need::Capability(Capability::PutIfAbsent), Need::SecondInstance) =
        "among racing creators of several instances exactly one wins";
}

async fn creation_is_once<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let info = it.driver.put(&CALL, key("a/b"), "first".into(), Condition::IfAbsent).await?;
    hold!(info.size == 5, "put tells a size of {}", info.size);
    for bytes in ["second", "", "first"] {
        refused(
            it.driver.put(&CALL, key("a/b"), bytes.into(), Condition::IfAbsent).await,
            &[AlreadyExists],
            "put if absent of what is there",
        )?;
    }
    hold!(it.get("a/b").await? == "first", "a lost put changed the object");
    hold!(it.objects().await? == ["a/b"], "a lost put left something");
    it.upload("a/c", &[Bytes::new()]).await?;
    refused(it.driver.put(&CALL, key("a/c"), "x".into(), Condition::IfAbsent).await, &[AlreadyExists], "put if absent of an empty object")?;
    it.driver.delete(&CALL, key("a/b")).await?;
    it.driver.put(&CALL, key("a/b"), "third".into(), Condition::IfAbsent).await?;
    hold!(it.get("a/b").await? == "third", "a deleted key is not absent");
    Ok(())
}

async fn one_racing_creator_wins<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    race(it, false).await
}

async fn racing_instances_have_one_winner<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    race(it, true).await
}

async fn race<D: Driver>(it: &Subject<D>, with_second: bool) -> Result<(), Breach> {
    for round in 0..20 {
        let name = format!("race/{round}");
        let mut racers = tokio::task::JoinSet::new();
        for number in 0..16_u8 {
            let second = it.second.clone().filter(|_| with_second && number % 2 == 1);
            let (driver, name) = (second.unwrap_or_else(|| it.driver.clone()), name.clone());
            racers.spawn(async move {
                let put = driver.put(&CALL, key(&name), vec![number; 1000].into(), Condition::IfAbsent).await;
                (number, put)
            });
        }
        let mut winners = Vec::new();
        for (number, put) in racers.join_all().await {
            match put {
                Ok(_) => winners.push(number),
                lost => refused(lost, &[AlreadyExists], "a lost race")?,
            }
        }
        hold!(winners.len() == 1, "{} of 16 creators won: {winners:?}", winners.len());
        let got = it.get(&name).await?;
        hold!(got == vec![winners[0]; 1000], "creator {} won, but the object is not its own", winners[0]);
    }
    Ok(())
}
