//! What is seen before and after a write has answered.

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Capability, Condition, Driver, Upload};
use tokio::task::JoinSet;

use crate::case::{Need, Outcome};
use crate::trial::peer::{Content, Peer, Question, Unanswered};
use crate::trial::{CALL, Instance, Random, Subject, drain, get, key};
use crate::verdict::{hold, refused, same};

pub(super) async fn nothing_is_visible_before_commit(it: &Subject) -> Outcome {
    it.put("p/old", "old").await?;
    let mut new = it.driver.upload_begin(&CALL, Some(key("p/new"))).await?;
    let mut over = it.driver.upload_begin(&CALL, Some(key("p/old"))).await?;
    let mut anywhere = it.driver.upload_begin(&CALL, None).await?;
    for round in 0..3 {
        for upload in [&mut new, &mut over, &mut anywhere] {
            upload.write(&CALL, vec![1; 400_000].into()).await?;
            if round > 0 {
                upload.suspend(&CALL).await?;
            }
        }
        refused(it.driver.stat(&CALL, key("p/new")).await, &[NotFound], "stat of an upload's destination before its commit")?;
        refused(it.get("p/new").await, &[NotFound], "read of an upload's destination before its commit")?;
        refused(it.driver.delete(&CALL, key("p/new")).await, &[NotFound], "delete of an upload's destination before its commit")?;
        same(b"old", &it.get("p/old").await?, "an object that an upload is about to replace")?;
        let listed = it.objects().await?;
        hold!(listed == ["p/old"], "{listed:?} are listed while three uploads go on");
        let root = it.walk("", false, 10).await?;
        hold!(root == ["p/"], "{root:?} is at the root while three uploads go on");
    }
    new.commit(&CALL, key("p/new"), 1_200_000).await?;
    over.commit(&CALL, key("p/old"), 1_200_000).await?;
    anywhere.abort(&CALL).await?;
    for name in ["p/new", "p/old"] {
        same(&[1; 1_200_000], &it.get(name).await?, format_args!("a committed upload to {name:?}"))?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["p/new", "p/old"], "{listed:?} are listed after two commits");
    Ok(())
}

/// What `driver` must see of `name`: these bytes.
async fn sees(driver: &Instance, name: &str, bytes: &[u8], who: &str) -> Outcome {
    let info = driver.stat(&CALL, key(name)).await?;
    hold!(info.size == bytes.len() as u64, "{who} is told a size of {} by stat, {} bytes were written", info.size, bytes.len());
    same(bytes, &get(driver, name).await?, format_args!("{name:?}, which {who} reads right after a write"))
}

pub(super) async fn writes_are_seen_at_once(it: &Subject) -> Outcome {
    let has_copy = it.capabilities.has(Capability::Copy);
    for round in 0..20 {
        // What was read or listed before must not be remembered; each round is longer than the last.
        let bytes = format!("round {round:>0$}", round + 3).into_bytes();
        for bytes in [b"first", &bytes[..]] {
            it.put("p/put", bytes.to_vec()).await?;
            sees(&it.driver, "p/put", bytes, "the writer").await?;
        }
        it.upload("p/uploaded", &[bytes.clone().into()]).await?;
        sees(&it.driver, "p/uploaded", &bytes, "the writer").await?;
        let mut expected = vec!["p/put", "p/uploaded"];
        if has_copy {
            it.driver.copy(&CALL, key("p/put"), key("p/copied")).await?;
            sees(&it.driver, "p/copied", &bytes, "the copier").await?;
            expected.insert(0, "p/copied");
        }
        let listed = it.objects().await?;
        hold!(listed == expected, "{listed:?} are listed right after {expected:?} were written");
        it.driver.delete(&CALL, key("p/put")).await?;
        refused(it.get("p/put").await, &[NotFound], "read right after a delete")?;
        refused(it.driver.stat(&CALL, key("p/put")).await, &[NotFound], "stat right after a delete")?;
        let listed = it.objects().await?;
        hold!(!listed.contains(&"p/put".to_owned()), "{listed:?} are listed right after p/put was deleted");
    }
    Ok(())
}

pub(super) async fn others_see_every_write(it: &Subject) -> Outcome {
    let second = it.second().await?;
    for round in 0..10 {
        let bytes = format!("round {round:>0$}", round + 3).into_bytes();
        for (writer, reader, who) in [(&it.driver, &second, "another instance"), (&second, &it.driver, "the first instance")] {
            writer.put(&CALL, key("a"), bytes.clone().into(), Condition::Always).await?;
            sees(reader, "a", &bytes, who).await?;
            writer.delete(&CALL, key("a")).await?;
            refused(reader.stat(&CALL, key("a")).await, &[NotFound], format_args!("stat by {who} of what was deleted"))?;
            refused(get(reader, "a").await, &[NotFound], format_args!("read by {who} of what was deleted"))?;
        }
    }
    second.close(&CALL).await?;
    if it.lacks(&[Need::Durable]).is_none() {
        processes_see_every_write(it).await?;
    }
    Ok(())
}

async fn processes_see_every_write(it: &Subject) -> Outcome {
    let peer = Peer::start(it).await?;
    let named = || "a/b".to_owned();
    for round in 0..10 {
        let text = format!("round {round:>0$}", round + 3);
        it.put("a/b", text.clone()).await?;
        let got = peer.ask(Question::Get { key: named() }).await?;
        hold!(got.text.as_ref() == Some(&text), "a text was replaced by {text:?}, and another process reads {:?}", got.text);
        let text = format!("again {text}");
        peer.ask(Question::Put { key: named(), content: Content::Text(text.clone()), if_absent: false }).await?;
        sees(&it.driver, "a/b", text.as_bytes(), "another process than the writer").await?;
        let keys = peer.ask(Question::List).await?.keys;
        hold!(keys == ["a/b"], "another process lists {keys:?}, \"a/b\" is there");
        it.driver.delete(&CALL, key("a/b")).await?;
        let gone = peer.ask(Question::Stat { key: named() }).await;
        let class = gone.as_ref().err().and_then(Unanswered::class);
        hold!(class == Some(NotFound), "stat by another process of what was deleted must answer not_found, and came to {gone:?}");
    }
    peer.end().await?;
    Ok(())
}

pub(super) async fn size_is_what_is_read(it: &Subject) -> Outcome {
    const SIZES: [usize; 5] = [0, 1, 4097, 70_000, 1 << 20];
    let mut random = Random::new(it.seed());
    for round in 0..4 {
        let mut writers = JoinSet::new();
        for number in 0..12 {
            let size = *random.one_of(&SIZES);
            let (driver, bytes) = (it.driver.clone(), Bytes::from(random.bytes(size)));
            // Two writers a key, of which either may be the last.
            let name = format!("p/{}", number / 2);
            writers.spawn(async move { write(&driver, &name, (number + round) % 2 == 0, &bytes).await });
        }
        writers.join_all().await.into_iter().collect::<Outcome>()?;
        let mut readers = JoinSet::new();
        for number in 0..6 {
            let driver = it.driver.clone();
            readers.spawn(async move { tells_what_it_reads(&driver, &format!("p/{number}")).await });
        }
        readers.join_all().await.into_iter().collect::<Outcome>()?;
    }
    Ok(())
}

async fn write(driver: &Instance, name: &str, as_put: bool, bytes: &Bytes) -> Outcome {
    if as_put {
        driver.put(&CALL, key(name), bytes.clone(), Condition::Always).await?;
        return Ok(());
    }
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
    upload.write(&CALL, bytes.clone()).await?;
    upload.commit(&CALL, key(name), bytes.len() as u64).await?;
    Ok(())
}

async fn tells_what_it_reads(driver: &Instance, name: &str) -> Outcome {
    let stat = driver.stat(&CALL, key(name)).await?;
    let read = driver.read(&CALL, key(name), ByteRange::ALL).await?;
    let told = read.info;
    let mut got = Vec::new();
    drain(&mut Body::new(read.body), &mut got).await?;
    hold!(stat == told, "stat of {name:?} tells {stat:?}, a read right after it {told:?}, and nobody writes");
    hold!(got.len() as u64 == stat.size, "stat of {name:?} tells {} bytes, a read right after it delivers {}", stat.size, got.len());
    Ok(())
}
