//! An object whose key is another one's prefix.

use longshore_loader::api::ErrorClass::{Conflict, NotFound};
use longshore_loader::api::{Bytes, Capability, Condition, Driver, DriverError};

use crate::case::Outcome;
use crate::trial::{CALL, Subject, key};
use crate::verdict::{hold, refused};

pub(super) async fn object_below_an_object(it: &Subject) -> Outcome {
    if it.capabilities.has(Capability::NestedObjects) { both_are_kept(it).await } else { second_is_a_conflict(it).await }
}

async fn both_are_kept(it: &Subject) -> Outcome {
    for [first, second] in [["a", "a/b"], ["c/d/e", "c"], ["f/g", "f/g/h"]] {
        it.put(first, first).await?;
        it.upload(second, &[Bytes::copy_from_slice(second.as_bytes())]).await?;
        for name in [first, second] {
            let got = it.get(name).await?;
            hold!(got == name, "{name:?} holds {got:?} beside its neighbour");
        }
    }
    let root = it.walk("", false, 2).await?;
    hold!(root == ["a", "a/", "c", "c/", "f/"], "at the root are {root:?}: an object and the level of its name are both listed");
    it.driver.delete(&CALL, key("a")).await?;
    hold!(it.exists("a/b").await? && !it.exists("a").await?, "deleting \"a\" is about \"a/b\" too");
    it.driver.delete(&CALL, key("c/d/e")).await?;
    hold!(it.exists("c").await? && !it.exists("c/d/e").await?, "deleting \"c/d/e\" is about \"c\" too");
    Ok(())
}

/// Every way to write `name`, with what it is called.
async fn every_write(it: &Subject, name: &str) -> Vec<(&'static str, Result<(), DriverError>)> {
    let mut answers =
        vec![("put", it.put(name, "second").await.map(drop)), ("commit", it.upload(name, &[Bytes::from("second")]).await.map(drop))];
    if it.capabilities.has(Capability::PutIfAbsent) {
        let put = it.driver.put(&CALL, key(name), "second".into(), Condition::IfAbsent).await;
        answers.push(("put if absent", put.map(drop)));
    }
    if it.capabilities.has(Capability::Copy) {
        answers.push(("copy", it.driver.copy(&CALL, key("source"), key(name)).await.map(drop)));
    }
    answers
}

async fn second_is_a_conflict(it: &Subject) -> Outcome {
    it.put("source", "second").await?;
    for [first, second] in [["a", "a/b"], ["a", "a/b/c"], ["a/b", "a"], ["a/b/c", "a"], ["a/b/c", "a/b"]] {
        it.put(first, "first").await?;
        // Twice: always the same way.
        for _ in 0..2 {
            for (write, answer) in every_write(it, second).await {
                refused(answer, &[Conflict], format_args!("{write} to {second:?} beside {first:?}"))?;
                refused(it.get(second).await, &[NotFound], format_args!("read of {second:?} after its {write} beside {first:?}"))?;
                refused(it.driver.delete(&CALL, key(second)).await, &[NotFound], format_args!("delete of {second:?} beside {first:?}"))?;
                let got = it.get(first).await?;
                hold!(got == "first", "{first:?} holds {got:?} after a {write} to {second:?}");
            }
        }
        let listed = it.objects().await?;
        hold!(listed == [first, "source"], "{listed:?} are listed after conflicts of {second:?} with {first:?}");
        it.driver.delete(&CALL, key(first)).await?;
        // What was in the way is gone.
        it.put(second, "second").await?;
        it.driver.delete(&CALL, key(second)).await?;
    }
    Ok(())
}
