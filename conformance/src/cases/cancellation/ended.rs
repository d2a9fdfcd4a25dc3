//! Futures, reads and uploads that are dropped: when there is nothing left to cancel, from other threads, while the instance is closed.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Capability, Condition, Driver, DriverError, ErrorClass, Upload};

use crate::case::Outcome;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Subject, drain, get, key};
use crate::verdict::{Stop, hold, refused, same};

/// How long closing may take while calls are given up.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn answered_calls_stay_answered(it: &Subject) -> Outcome {
    for (number, size) in [0, 1000, 300_000].into_iter().enumerate() {
        let bytes = signed("a/put", number, size);
        // The future outlives its answer.
        let mut put = Box::pin(it.driver.put(&CALL, key("a/put"), bytes.clone(), Condition::Always));
        put.as_mut().await?;
        drop(put);
        same(&bytes, &it.get("a/put").await?, "a put whose future was dropped after its answer")?;
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a/upload"))).await?;
        upload.write(&CALL, signed("a/upload", number, size)).await?;
        upload.commit(&CALL, key("a/upload"), upload.offset()).await?;
        drop(upload);
        hold!(
            number_of("a/upload", &it.get("a/upload").await?)? == number,
            "an upload that was dropped after its commit is not what is read"
        );
        let mut body = Body::new(it.driver.read(&CALL, key("a/upload"), ByteRange::ALL).await?.body);
        let mut got = Vec::new();
        drain(&mut body, &mut got).await?;
        drop(body);
        number_of("a/upload", &got)?;
        let mut aborted = it.driver.upload_begin(&CALL, Some(key("a/upload"))).await?;
        aborted.write(&CALL, signed("a/upload", 99, size)).await?;
        aborted.abort(&CALL).await?;
        drop(aborted);
        hold!(
            number_of("a/upload", &it.get("a/upload").await?)? == number,
            "an upload that was dropped after its abort has changed its destination"
        );
    }
    it.driver.delete(&CALL, key("a/put")).await?;
    let left = it.objects().await?;
    hold!(left == ["a/upload"], "{left:?} are left of calls that were answered and dropped");
    Ok(())
}

type Work = Pin<Box<dyn Future<Output = Result<(), DriverError>> + Send>>;

/// Calls of every kind, none of them begun.
async fn calls(driver: &Instance, number: usize) -> Result<Vec<Work>, DriverError> {
    let name = format!("a/{number}");
    let mut upload = driver.upload_begin(&CALL, Some(key("b"))).await?;
    upload.write(&CALL, signed("b", number, 150_000)).await?;
    let [one, two, three, four, five] = std::array::from_fn(|_| driver.clone());
    let put = name.clone();
    Ok(vec![
        Box::pin(async move { one.put(&CALL, key(&put), signed(&put, number, 100_000), Condition::Always).await.map(drop) }),
        Box::pin(async move { get(&two, "c").await.map(drop) }),
        Box::pin(async move { upload.commit(&CALL, key("b"), upload.offset()).await.map(drop) }),
        Box::pin(async move { three.delete(&CALL, key(&name)).await }),
        Box::pin(async move { four.health(&CALL).await }),
        Box::pin(async move { five.upload_begin(&CALL, None).await.map(drop) }),
    ])
}

/// Polls once.
async fn begin(work: &mut Work) -> bool {
    poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await
}

pub(super) async fn any_thread_may_give_up(it: &Subject) -> Outcome {
    it.put("c", signed("c", 1, 300_000)).await?;
    let mut begun = 0;
    for number in 0..10 {
        let mut works = calls(&it.driver, number).await?;
        for work in &mut works {
            begun += usize::from(begin(work).await);
        }
        // Dropped where they were never polled.
        let thread = std::thread::spawn(move || drop(works));
        thread.join().map_err(|_| Stop::breach("dropping calls in another thread panicked"))?;
        let tasks: Vec<_> = calls(&it.driver, number).await?.into_iter().map(tokio::spawn).collect();
        let handles: Vec<_> = tasks.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        let aborting = std::thread::spawn(move || handles.iter().chain(&handles).for_each(tokio::task::AbortHandle::abort));
        for task in tasks {
            // It was answered or given up; a panic of the driver's is an answer, too.
            if task.await.is_err_and(|error| error.is_panic()) {
                return Err(Stop::harness("a call of the case", "it panicked"));
            }
        }
        aborting.join().map_err(|_| Stop::harness("a thread of the case", "it panicked"))?;
    }
    it.note("calls given up", begun);
    number_of("c", &it.get("c").await?)?;
    // And while it is closed.
    let mut works = calls(&it.driver, 99).await?;
    for work in &mut works {
        begin(work).await;
    }
    let closer = it.driver.clone();
    let closing = tokio::spawn(async move { closer.close(&CALL).await });
    std::thread::spawn(move || drop(works)).join().map_err(|_| Stop::breach("dropping calls while closing panicked"))?;
    let closed = tokio::time::timeout(CLOSE_LIMIT, closing).await;
    let closed = closed.map_err(|_| Stop::breach(format!("close, while calls were given up, did not answer within {CLOSE_LIMIT:?}")))?;
    closed.map_err(|error| Stop::harness("closing", error))??;
    refused(it.driver.stat(&CALL, key("c")).await, &[ErrorClass::Closed], "stat after close")
}

pub(super) async fn dropped_uploads_publish_nothing(it: &Subject) -> Outcome {
    it.put("old", signed("old", 1, 1000)).await?;
    for size in [0, 10, 300_000, 3_000_000] {
        for (destination, hint) in [("new", true), ("new", false), ("old", true)] {
            let mut upload = it.driver.upload_begin(&CALL, hint.then(|| key(destination))).await?;
            upload.write(&CALL, signed(destination, 2, size)).await?;
            drop(upload);
            is_unpublished(it, &format!("an upload of {size} bytes for {destination:?} (told: {hint}) was dropped")).await?;
        }
    }
    let first = signed("new", 3, 200_000);
    let mut upload = it.driver.upload_begin(&CALL, Some(key("new"))).await?;
    upload.write(&CALL, first.clone()).await?;
    let token = upload.suspend(&CALL).await?;
    upload.write(&CALL, signed("new", 4, 100_000)).await?;
    drop(upload);
    is_unpublished(it, "an upload was suspended, written on and dropped").await?;
    let mut upload = it.driver.upload_resume(&CALL, &token).await?;
    let (offset, promised) = (upload.offset(), first.len() as u64);
    hold!(offset >= promised, "an upload that was suspended at {promised} and dropped is resumed at {offset}");
    upload.commit(&CALL, key("new"), offset).await?;
    let got = it.get("new").await?;
    same(&first, &got.slice(..first.len()), "the suspended part of a dropped upload")?;
    if it.capabilities.has(Capability::UploadList) {
        purge(it).await?;
    }
    Ok(())
}

async fn is_unpublished(it: &Subject, what: &str) -> Outcome {
    let listed = it.objects().await?;
    hold!(listed == ["old"], "{what}, and {listed:?} are listed; only \"old\" was committed");
    hold!(!it.exists("new").await?, "{what}, and \"new\" exists");
    let number = number_of("old", &it.get("old").await?)?;
    hold!(number == 1, "{what}, and \"old\" holds write {number}");
    Ok(())
}

/// Aborts every upload that nobody holds; afterwards there is none. A service may still make a part of one whose write was given up.
pub(super) async fn purge(it: &Subject) -> Outcome {
    let begin = Instant::now();
    loop {
        purge_once(&it.driver).await?;
        let left = it.driver.upload_list(&CALL, 0).await?.len();
        if left == 0 {
            return Ok(());
        }
        hold!(begin.elapsed() < it.asked_ends_within(), "after every listed upload was resumed and aborted, {left} are listed");
    }
}

async fn purge_once(driver: &Instance) -> Outcome {
    for token in driver.upload_list(&CALL, 0).await? {
        match driver.upload_resume(&CALL, &token).await {
            Ok(mut upload) => upload.abort(&CALL).await?,
            // It ended meanwhile.
            Err(error) if error.class() == ErrorClass::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
