//! The contract's basics: bytes in, the same bytes out; optional calls; the end of an instance.

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{ByteRange, Driver};

use crate::case::{Need, Outcome, cases};
use crate::trial::peer::{Peer, Question};
use crate::trial::{CALL, Subject, get, key};
use crate::verdict::{hold, refused};

cases! { "basics":
    store "BAS-04" Must Functional Core [] empty_store_is_empty, "section 4" =
        "a new store opens, lists as empty at its root and has no object";
    store "BAS-05" Must Functional Core [] what_was_put_is_read, "section 3, put and read" =
        "what was put is what is read, and `stat` tells its size";
    store "BAS-06" Must Functional Core [Need::SharedStore] second_instance_sees_every_write, "section 2" =
        "another instance with the same settings sees what an earlier one wrote";
    store "BAS-07" Must Functional Core [Need::SharedStore, Need::Durable] another_process_sees_every_write, "section 2" =
        "another process sees what an earlier, closed one wrote";
}

async fn empty_store_is_empty(it: &Subject) -> Outcome {
    for recursive in [false, true] {
        let texts = it.walk("", recursive, 10).await?;
        hold!(texts.is_empty(), "a new store lists {texts:?}");
    }
    hold!(!it.exists("a").await?, "a new store has an object \"a\"");
    Ok(())
}

async fn what_was_put_is_read(it: &Subject) -> Outcome {
    let put = it.put("a/b", "hello").await?;
    hold!(put.size == 5, "put tells a size of {}, not 5", put.size);
    let stat = it.driver.stat(&CALL, key("a/b")).await?;
    hold!(stat == put, "stat tells {stat:?}, put told {put:?}");
    let (read, bytes) = it.read("a/b", ByteRange::ALL).await?;
    hold!(read == put, "read tells {read:?}, put told {put:?}");
    hold!(bytes == "hello", "{bytes:?} came back");
    Ok(())
}

async fn second_instance_sees_every_write(it: &Subject) -> Outcome {
    let second = it.second().await?;
    for round in 0..20 {
        let text = format!("round {round}");
        it.put("a/put", text.clone()).await?;
        let got = get(&second, "a/put").await?;
        hold!(got == text, "a/put, written as {text:?}, is {got:?} to another instance");
        it.driver.delete(&CALL, key("a/put")).await?;
        refused(second.stat(&CALL, key("a/put")).await, &[NotFound], "stat by another instance of a deleted key")?;
    }
    second.close(&CALL).await?;
    Ok(())
}

async fn another_process_sees_every_write(it: &Subject) -> Outcome {
    it.put("a/b", "written here").await?;
    it.driver.close(&CALL).await?;
    let peer = Peer::start(it).await?;
    let answer = peer.ask(Question::Get { key: "a/b".into() }).await?;
    hold!(answer.text.as_deref() == Some("written here"), "another process reads {:?}", answer.text);
    peer.end().await?;
    Ok(())
}
