//! Instances that share a store, and instances that do not.

use longshore_loader::api::ErrorClass::{AlreadyExists, NotFound};
use longshore_loader::api::{Bytes, Capability, Condition, Driver, Upload};

use crate::case::Outcome;
use crate::trial::peer::{Peer, Question};
use crate::trial::{CALL, Instance, Subject, get, key, walk};
use crate::verdict::{Stop, hold, refused};

pub(super) async fn second_instance_sees_every_write(it: &Subject) -> Outcome {
    let second = it.second().await?;
    for round in 0..10 {
        let text = format!("round {round}");
        it.put("a/put", text.clone()).await?;
        it.upload("a/uploaded", &[text.clone().into()]).await?;
        for name in ["a/put", "a/uploaded"] {
            let got = get(&second, name).await?;
            hold!(got == text, "{name}, written as {text:?}, is {got:?} to another instance");
        }
        it.driver.delete(&CALL, key("a/put")).await?;
        refused(second.stat(&CALL, key("a/put")).await, &[NotFound], "stat by another instance of a deleted key")?;
        let listed = walk(&second, "", true, 10).await?;
        hold!(listed == ["a/uploaded"], "another instance lists {listed:?}, not only \"a/uploaded\"");
    }
    if it.capabilities.has(Capability::PutIfAbsent) {
        let again = second.put(&CALL, key("a/uploaded"), Bytes::new(), Condition::IfAbsent).await;
        refused(again, &[AlreadyExists], "put if absent by another instance of a key that is there")?;
    }
    second.close(&CALL).await?;
    // One that opens after all of it.
    let third = it.second().await?;
    let got = get(&third, "a/uploaded").await?;
    hold!(got == "round 9", "an instance that was opened later reads {got:?}");
    third.close(&CALL).await?;
    Ok(())
}

pub(super) async fn another_process_sees_every_write(it: &Subject) -> Outcome {
    it.put("a/put", "written here").await?;
    it.upload("a/uploaded", &["uploaded ".into(), "here".into()]).await?;
    it.driver.close(&CALL).await?;
    let peer = Peer::start(it).await?;
    for (name, text) in [("a/put", "written here"), ("a/uploaded", "uploaded here")] {
        let answer = peer.ask(Question::Get { key: name.into() }).await?;
        hold!(answer.text.as_deref() == Some(text), "another process reads {:?} of {name:?}, not {text:?}", answer.text);
    }
    let listed = peer.ask(Question::List).await?.keys;
    hold!(listed == ["a/put", "a/uploaded"], "another process lists {listed:?}");
    peer.end().await?;
    Ok(())
}

pub(super) async fn instances_are_independent(it: &Subject) -> Outcome {
    let settings = it.settings_elsewhere("elsewhere")?;
    if settings == it.settings() && it.setting.config.is_shared(it.info()) {
        let advice = "write {folder} or {unique} in the settings";
        return Err(Stop::not_testable(format!("the settings name no place, so two instances have one store: {advice}")));
    }
    it.put("a/b", "the first's").await?;
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a/c"))).await?;
    upload.write(&CALL, "the first's upload".into()).await?;
    let opened = it.try_open(&settings).await?;
    let other = opened.map_err(|error| Stop::breach(format!("a second instance, of another store, does not open: {error}")))?;

    let listed = walk(&other, "", true, 10).await?;
    hold!(listed.is_empty(), "an instance of another, new store lists {listed:?}");
    refused(other.stat(&CALL, key("a/b")).await, &[NotFound], "stat of a key that another store has")?;
    refused(other.delete(&CALL, key("a/b")).await, &[NotFound], "delete of a key that another store has")?;
    other.put(&CALL, key("a/b"), "the second's".into(), Condition::Always).await?;
    other.put(&CALL, key("a/d"), "the second's".into(), Condition::Always).await?;
    upload.commit(&CALL, key("a/c"), 18).await?;
    drop(upload);
    each_has_its_own(it, &other).await?;

    other.delete(&CALL, key("a/b")).await?;
    let got = it.get("a/b").await?;
    hold!(got == "the first's", "a/b is {got:?} after a delete in another store");
    other.close(&CALL).await?;
    it.put("a/e", "after").await?;
    let listed = it.objects().await?;
    hold!(listed == ["a/b", "a/c", "a/e"], "once an instance of another store is closed, {listed:?} are listed");
    Ok(())
}

async fn each_has_its_own(it: &Subject, other: &Instance) -> Outcome {
    let listed = it.objects().await?;
    hold!(listed == ["a/b", "a/c"], "the first instance lists {listed:?}, \"a/b\" and \"a/c\" were written to it");
    let listed = walk(other, "", true, 10).await?;
    hold!(listed == ["a/b", "a/d"], "the second instance lists {listed:?}, \"a/b\" and \"a/d\" were written to it");
    let got = it.get("a/b").await?;
    hold!(got == "the first's", "the first instance's a/b is {got:?}");
    let got = get(other, "a/b").await?;
    hold!(got == "the second's", "the second instance's a/b is {got:?}");
    Ok(())
}
