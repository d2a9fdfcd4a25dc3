//! The end of an instance.

use std::time::Duration;

use longshore_loader::api::ErrorClass::Closed;
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{
    ByteRange, Bytes, Capability, Condition, Driver, DriverError, ListRequest, Method, ReadBody, Upload, UploadToken,
};

use crate::case::Outcome;
use crate::trial::{CALL, Subject, key, prefix};
use crate::verdict::{Stop, refused};

/// How long `close` may take here, however much is open.
const LIMIT: Duration = Duration::from_secs(10);

async fn close(it: &Subject) -> Outcome {
    match tokio::time::timeout(LIMIT, it.driver.close(&CALL)).await {
        Ok(answer) => answer.map_err(|error| Stop::breach(format!("close answers an error: {error}"))),
        Err(_) => Err(Stop::breach(format!("close does not answer within {} s", LIMIT.as_secs()))),
    }
}

pub(super) async fn closed_instance_answers_closed(it: &Subject) -> Outcome {
    it.put("a", "b").await?;
    // At the same time, and one after the other.
    let (one, other) = tokio::join!(close(it), close(it));
    one.and(other)?;
    for _ in 0..2 {
        close(it).await?;
    }
    let (driver, a) = (&it.driver, key("a"));
    refused(driver.stat(&CALL, a).await, &[Closed], "stat after close")?;
    refused(driver.stat(&CALL, key("absent")).await, &[Closed], "stat of an absent key after close")?;
    refused(it.get("a").await, &[Closed], "read after close")?;
    refused(it.put("b", "c").await, &[Closed], "put after close")?;
    refused(it.page(&ListRequest::children(prefix(""), 10)).await, &[Closed], "list after close")?;
    refused(driver.delete(&CALL, a).await, &[Closed], "delete after close")?;
    refused(driver.upload_begin(&CALL, None).await, &[Closed], "upload_begin after close")?;
    refused(driver.upload_resume(&CALL, &UploadToken::new([1])?).await, &[Closed], "upload_resume after close")?;
    refused(driver.health(&CALL).await, &[Closed], "health after close")?;
    for capability in it.capabilities.iter() {
        let answer: Result<(), DriverError> = match capability {
            Capability::PutIfAbsent => driver.put(&CALL, key("b"), "c".into(), Condition::IfAbsent).await.map(drop),
            Capability::DeletePrefix => driver.delete_prefix(&CALL, prefix("b")).await,
            Capability::Copy => driver.copy(&CALL, a, key("b")).await.map(drop),
            Capability::Presign => driver.presign(&CALL, a, Method::Get, 1000).await.map(drop),
            Capability::UploadList => driver.upload_list(&CALL, 0).await.map(drop),
            // These are no calls of their own.
            Capability::FileRegion | Capability::NestedObjects | Capability::Layer => continue,
        };
        refused(answer, &[Closed], format_args!("{capability} after close"))?;
    }
    Ok(())
}

pub(super) async fn open_bodies_and_uploads_are_closed(it: &Subject) -> Outcome {
    let chunks: Vec<Bytes> = (0..8).map(|_| Bytes::from(vec![7; 1 << 20])).collect();
    it.upload("a", &chunks).await?;
    it.put("b", "small").await?;
    let body = it.driver.read(&CALL, key("a"), ByteRange::ALL).await?.body;
    // Bytes and files that were handed over are the host's; a stream is the driver's to the end.
    let is_stream = matches!(body, ReadBody::Stream(_));
    let mut begun = Body::new(body);
    begun.next().await?;
    let untouched =
        [it.driver.read(&CALL, key("a"), ByteRange::ALL).await?.body, it.driver.read(&CALL, key("b"), ByteRange::ALL).await?.body];
    let mut uploads = Vec::new();
    for state in ["begun", "written", "suspended"] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("c"))).await?;
        if state != "begun" {
            upload.write(&CALL, "some".into()).await?;
        }
        if state == "suspended" {
            upload.suspend(&CALL).await?;
        }
        uploads.push((state, upload));
    }
    close(it).await?;
    for (state, mut upload) in uploads {
        let size = upload.offset();
        refused(upload.write(&CALL, "more".into()).await, &[Closed], format_args!("write to an upload ({state}) after close"))?;
        refused(upload.suspend(&CALL).await, &[Closed], format_args!("suspend of an upload ({state}) after close"))?;
        refused(upload.commit(&CALL, key("c"), size).await, &[Closed], format_args!("commit of an upload ({state}) after close"))?;
        refused(upload.abort(&CALL).await, &[Closed], format_args!("abort of an upload ({state}) after close"))?;
    }
    for body in untouched {
        if let ReadBody::Stream(_) = body {
            refused(Body::new(body).next().await, &[Closed], "the first chunk of a body after close")?;
        }
    }
    if is_stream {
        refused(begun.next().await, &[Closed], "a chunk of a body that was begun before close")?;
    }
    Ok(())
}
