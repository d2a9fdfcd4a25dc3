//! One object.

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{Bytes, Driver, ListRequest};

use crate::case::{Need, Outcome};
use crate::trial::{CALL, Subject, get, key, prefix};
use crate::verdict::{hold, refused, same};

/// What every call says of a key that is not there.
async fn is_gone(it: &Subject, name: &str) -> Outcome {
    refused(it.driver.stat(&CALL, key(name)).await, &[NotFound], format_args!("stat of {name:?}, which was deleted,"))?;
    refused(it.get(name).await, &[NotFound], format_args!("read of {name:?}, which was deleted,"))?;
    let listed = it.objects().await?;
    hold!(!listed.iter().any(|text| text == name), "{name:?} was deleted, and {listed:?} are listed");
    Ok(())
}

pub(super) async fn deleted_object_is_gone(it: &Subject) -> Outcome {
    it.put_all(&["a/b", "a/bc", "a/c", "ab"]).await?;
    it.upload("a/uploaded", &[Bytes::from(vec![1; 300_000])]).await?;
    it.put("a/empty", "").await?;
    let mut left = vec!["a/b", "a/bc", "a/c", "a/empty", "a/uploaded", "ab"];
    for name in ["a/b", "a/uploaded", "a/empty"] {
        it.driver.delete(&CALL, key(name)).await?;
        left.retain(|text| *text != name);
        is_gone(it, name).await?;
        let listed = it.objects().await?;
        hold!(listed == left, "{name:?} was deleted, {listed:?} are listed, and {left:?} should be");
    }
    for name in ["a/bc", "a/c", "ab"] {
        same(name.as_bytes(), &it.get(name).await?, format_args!("{name:?}, whose neighbours were deleted"))?;
    }
    Ok(())
}

pub(super) async fn absent_key_is_not_found_every_time(it: &Subject) -> Outcome {
    it.put_all(&["there/is", "there/was"]).await?;
    it.driver.delete(&CALL, key("there/was")).await?;
    // Deleted; never there; beside an object; a prefix; below an object.
    for name in ["there/was", "nothing/here", "there/isnt", "there", "there/is/below"] {
        for _ in 0..4 {
            refused(it.driver.delete(&CALL, key(name)).await, &[NotFound], format_args!("delete of {name:?}"))?;
        }
    }
    let listed = it.objects().await?;
    hold!(listed == ["there/is"], "after deletes of absent keys {listed:?} are listed");
    Ok(())
}

pub(super) async fn emptied_prefix_is_gone(it: &Subject) -> Outcome {
    it.put_all(&["a/b/c", "a/d", "z"]).await?;
    it.driver.delete(&CALL, key("a/b/c")).await?;
    for below in ["a/b", "a/b/c"] {
        let page = it.page(&ListRequest::objects(prefix(below), 10)).await;
        refused(page, &[NotFound], format_args!("list of {below:?}, whose last key was deleted,"))?;
    }
    let listed = it.walk("a", false, 10).await?;
    hold!(listed == ["a/d"], "{listed:?} are below \"a\", where \"a/b/c\" was deleted");
    refused(it.driver.stat(&CALL, key("a/b")).await, &[NotFound], "stat of a prefix whose last key was deleted")?;
    // Filled again, at the same depth and another; and an object where a prefix was.
    it.put("a/b/c", "again").await?;
    same(b"again", &it.get("a/b/c").await?, "an object below a prefix that was empty")?;
    it.driver.delete(&CALL, key("a/b/c")).await?;
    it.put("a/b", "an object now").await?;
    same(b"an object now", &it.get("a/b").await?, "an object where a prefix was")?;
    it.driver.delete(&CALL, key("a/b")).await?;
    it.put("a/b/c/d", "deeper").await?;
    let listed = it.objects().await?;
    hold!(listed == ["a/b/c/d", "a/d", "z"], "{listed:?} are listed");
    for name in ["a/b/c/d", "a/d", "z"] {
        it.driver.delete(&CALL, key(name)).await?;
    }
    for recursive in [false, true] {
        let root = it.walk("", recursive, 10).await?;
        hold!(root.is_empty(), "everything was deleted, and the root lists {root:?}");
    }
    Ok(())
}

pub(super) async fn new_object_outlives_an_old_delete(it: &Subject) -> Outcome {
    let names: Vec<_> = (0..12).map(|number| format!("p/{number:02}")).collect();
    for round in 0..3 {
        for name in &names {
            it.put(name, "old").await?;
            it.driver.delete(&CALL, key(name)).await?;
            let text = format!("new {round}");
            if round == 1 {
                it.upload(name, &[text.clone().into()]).await?
            } else {
                it.put(name, text.clone()).await?
            };
            same(text.as_bytes(), &it.get(name).await?, format_args!("{name:?}, written right after its delete"))?;
        }
    }
    // What a delete had put off would be done by now, or at the latest when the instance closes.
    let check = if it.lacks(&[Need::SharedStore, Need::Durable]).is_none() {
        it.driver.close(&CALL).await?;
        it.second().await?
    } else {
        it.driver.clone()
    };
    for name in &names {
        same(b"new 2", &get(&check, name).await?, format_args!("{name:?}, written after its delete, at the end"))?;
    }
    check.close(&CALL).await?;
    Ok(())
}
