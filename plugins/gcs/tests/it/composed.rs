//! Uploads of more parts than a multipart upload has: the store composes them. Here after four parts, or one, and not after 2,000.

use longshore_bucket::{Bucket, Mark, Options, Part, Payload, Segments, Span};
use longshore_driver_gcs::Gcs;
use longshore_gcs_fake::Fake;
use longshore_plugin_api::{Bytes, Driver as _, DriverError, ErrorClass, Host, ObjectInfo, Upload};
use serde_json::{Value, json};

use crate::support::{CALL, Driver, ask, key, open_to_all, order, read, settings};

const MIB: usize = 1 << 20;

/// A bucket without a driver around it has timers of its caller's runtime.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

/// Bytes of which no two MiB are alike, nor those of two seeds.
fn content(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at ^ (at / 4096) ^ (at / MIB) ^ (seed * 37)) as u8).collect::<Vec<u8>>().into()
}

/// Four parts of 5 MiB, then segments of two.
async fn gathering(fake: &Fake) -> Driver {
    let settings = settings(fake, &json!({ "part_bytes": 5 * MIB, "attempts": 1 }));
    let few = |gcs: &mut Gcs, options: &mut Options| gcs.gather(options, Segments { after_parts: 4, bytes: 10 << 20 });
    Driver::open_changed(settings, Host::detached(), few).await.expect("the driver opens")
}

/// A bucket whose uploads have one part themselves.
async fn bucket(fake: &Fake, more: &Value) -> Gcs {
    let (mut gcs, mut options) = Gcs::open(settings(fake, more), &Host::detached()).await.expect("it opens");
    gcs.gather(&mut options, Segments { after_parts: 1, bytes: 1 });
    gcs
}

/// The names of all objects.
fn names(fake: &Fake) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let (status, body) = ask(fake, "GET", &format!("/storage/v1/b/bucket/o?pageToken={token}"), &[], b"");
        let page: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().into_iter().flatten();
        names.extend(items.map(|item| item["name"].as_str().expect("a name").to_owned()));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return names,
        }
    }
}

struct Begun {
    upload: String,
    mark: Mark,
    parts: Vec<Part>,
    content: Vec<u8>,
}

/// An upload at `name` with a part of its own and so many small ones.
async fn begun(gcs: &Gcs, name: &str, further: u32) -> Begun {
    let mark = Mark::random().expect("there are random bytes");
    let upload = gcs.begin(name, &mark).await.expect("it begins");
    let (mut parts, mut content) = (Vec::new(), Vec::new());
    for number in 1..=1 + further {
        let bytes = if number == 1 { self::content(1, 5 * MIB) } else { Bytes::from(format!("part {number}, ")) };
        content.extend_from_slice(&bytes);
        parts.push(Part { number, tag: gcs.part(name, &upload, number, bytes.into()).await.expect("it is written") });
    }
    Begun { upload, mark, parts, content }
}

async fn complete(gcs: &Gcs, name: &str, begun: &Begun) -> Result<ObjectInfo, DriverError> {
    gcs.complete(name, &begun.upload, &begun.parts, begun.content.len() as u64).await
}

async fn whole(gcs: &Gcs, name: &str) -> Vec<u8> {
    let fetched = gcs.get(name, &Span::default()).await.expect("it is there");
    futures_util::TryStreamExt::try_collect::<Vec<Bytes>>(fetched.body).await.expect("it can be read").concat()
}

#[test]
fn any_number_of_parts_becomes_one_object_with_nothing_beside_it() {
    let fake = open_to_all();
    run(async {
        let more = json!({ "storage_class": "NEARLINE", "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k" });
        let gcs = bucket(&fake, &more).await;
        // As many as one request composes with the first, one more, and more than those can be composed of.
        for further in [0, 1, 31, 32, 33, 31 * 32 + 1] {
            let name = &format!("r/{further}");
            let begun = begun(&gcs, name, further).await;
            assert_eq!(gcs.parts(name, &begun.upload).await.expect("they are listed"), begun.parts, "{further} further parts");
            let info = complete(&gcs, name, &begun).await.expect("it is complete");
            let facts = gcs.head(name).await.expect("it is there");
            let size = begun.content.len() as u64;
            assert_eq!((info.size, facts.info.size, facts.mark.as_deref()), (size, size, Some(begun.mark.as_str())));
            assert!(whole(&gcs, name).await == begun.content, "{further} further parts: the bytes are others");
            let (_, body) = ask(&fake, "GET", &format!("/storage/v1/b/bucket/o/r%2F{further}"), &[], b"");
            let resource: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!((&resource["storageClass"], &resource["kmsKeyName"]), (&more["storage_class"], &more["kms_key"]), "{further}");
            assert_eq!(names(&fake), [&**name]);
            gcs.delete(name).await.expect("it is removed");
        }
    });
}

#[test]
fn upload_goes_on_after_a_failure_at_any_step_of_its_end() {
    let fake = open_to_all();
    // The list of parts, the upload's own object, a group of parts, the whole: each fails, or is done and its answer lost.
    let last = "r%2Fa/compose";
    let steps = ["/upload/", "/a?uploadId=", "a%21joined-0-00001/compose", last];
    run(async {
        let gcs = bucket(&fake, &json!({})).await;
        for (step, done) in steps.iter().flat_map(|step| [(step, false), (step, true)]) {
            let begun = begun(&gcs, "r/a", 40).await;
            order(&fake, "faults", &json!({ "method": "POST", "target": step, "status": 503, "done": done }));
            let failed = complete(&gcs, "r/a", &begun).await.map(drop).map_err(|error| error.is_retryable());
            assert_eq!(failed, Err(true), "{step} {done}");
            // Another process knows the parts by asking only, as long as they are not composed.
            if (*step, done) != (last, true) {
                assert_eq!(gcs.parts("r/a", &begun.upload).await.expect("they are listed"), begun.parts, "{step} {done}");
            }
            complete(&gcs, "r/a", &begun).await.expect("it is complete");
            assert!(whole(&gcs, "r/a").await == begun.content, "{step} {done}: the bytes are others");
            assert_eq!(names(&fake), ["r/a"], "{step} {done}");
            gcs.delete("r/a").await.expect("it is removed");
        }
    });
}

#[test]
fn part_that_somebody_wrote_over_is_a_conflict_and_never_another_object() {
    let fake = open_to_all();
    run(async {
        let gcs = bucket(&fake, &json!({})).await;
        let class = |answer: Result<ObjectInfo, DriverError>| answer.map(drop).map_err(|error| error.class());
        for (number, bytes) in [(1, content(2, 5 * MIB)), (2, Bytes::from("other bytes"))] {
            let begun = begun(&gcs, "r/a", 3).await;
            let written = gcs.part("r/a", &begun.upload, number, bytes.into()).await.expect("it is written");
            assert_ne!(begun.parts[number as usize - 1].tag, written);
            assert_eq!(class(complete(&gcs, "r/a", &begun).await), Err(ErrorClass::Conflict), "part {number}");
            gcs.cancel("r/a", &begun.upload).await.ok();
        }
        // Whoever has other parts of its own than the upload was completed with does not go on with those.
        let mut begun = begun(&gcs, "r/b", 1).await;
        order(&fake, "faults", &json!({ "method": "POST", "target": "/r/b?uploadId=", "status": 503, "done": true }));
        assert!(complete(&gcs, "r/b", &begun).await.is_err());
        begun.parts[0].tag = "\"of other bytes\"".into();
        assert_eq!(class(complete(&gcs, "r/b", &begun).await), Err(ErrorClass::Conflict));
    });
}

#[test]
fn upload_that_is_cancelled_leaves_nothing() {
    let fake = open_to_all();
    run(async {
        let gcs = bucket(&fake, &json!({})).await;
        let begun = begun(&gcs, "r/a", 3).await;
        let kept = Payload::from(Bytes::from("of another"));
        gcs.put("r/a.part-00002", kept, None).await.expect("it is written");
        gcs.cancel("r/a", &begun.upload).await.expect("it is cancelled");
        assert_eq!(names(&fake), ["r/a.part-00002"]);
        assert_eq!(gcs.parts("r/a", &begun.upload).await.map_err(|error| error.class()), Err(ErrorClass::NotFound));
        assert_eq!(gcs.cancel("r/a", &begun.upload).await.map_err(|error| error.class()), Err(ErrorClass::NotFound));
    });
}

#[test]
fn part_is_copied_whole_or_as_the_beginning_of_an_object() {
    let fake = open_to_all();
    run(async {
        let gcs = bucket(&fake, &json!({})).await;
        let segment = content(3, 21 * MIB);
        gcs.put("r/segment", segment.clone().into(), None).await.expect("it is written");
        for size in [segment.len(), 20 * MIB + 17, 3] {
            let mut begun = begun(&gcs, "r/a", 0).await;
            let tag = gcs.part_copy("r/a", &begun.upload, 2, "r/segment", size as u64).await.expect("it is copied");
            let again = gcs.part_copy("r/a", &begun.upload, 2, "r/segment", size as u64).await.expect("it is copied again");
            assert_eq!(tag, again, "a part that is copied twice is one");
            begun.parts.push(Part { number: 2, tag });
            begun.content.extend_from_slice(&segment[..size]);
            complete(&gcs, "r/a", &begun).await.expect("it is complete");
            assert!(whole(&gcs, "r/a").await == begun.content, "the first {size} bytes");
            assert_eq!(names(&fake), ["r/a", "r/segment"]);
        }
        let begun = begun(&gcs, "r/a", 0).await;
        let more = gcs.part_copy("r/a", &begun.upload, 2, "r/segment", segment.len() as u64 + 1).await;
        assert_eq!(more.map_err(|error| error.class()), Err(ErrorClass::Conflict));
        assert!(gcs.uploads("r/a!").await.expect("they are listed").is_empty(), "what could not be copied whole is let go");
    });
}

#[test]
fn upload_goes_on_in_segments_over_sessions() {
    let fake = open_to_all();
    run(async {
        let store = gathering(&fake).await;
        let (size, piece) = (77 * MIB, 3 * MIB);
        let bytes = content(1, size);
        let mut upload = store.upload_begin(&CALL, Some(key("large"))).await.expect("it begins");
        for (number, start) in (0..size).step_by(piece).enumerate() {
            upload.write(&CALL, bytes.slice(start..size.min(start + piece))).await.expect("it is written");
            if number % 3 == 2 {
                let token = upload.suspend(&CALL).await.expect("it is put down");
                // Of a session that is never heard of again: other bytes, beyond the end of the segment.
                upload.write(&CALL, content(2, 23 * MIB)).await.expect("it is written");
                drop(upload);
                upload = store.upload_resume(&CALL, &token).await.expect("it is taken up");
                assert_eq!(upload.offset() as usize, size.min(start + piece), "it stands where it was put down");
            }
        }
        upload.commit(&CALL, key("large"), size as u64).await.expect("it is committed");
        drop(upload);
        store.close(&CALL).await.expect("it closes");
        let gcs = bucket(&fake, &json!({})).await;
        assert!(whole(&gcs, "r/large").await == bytes, "the object has the bytes that were written");
        assert_eq!(names(&fake), ["r/large"]);
        let again = gathering(&fake).await;
        assert!(again.upload_list(&CALL, 0).await.expect("it is listed").is_empty(), "nothing is left behind");
    });
}

#[test]
fn process_that_dies_before_the_parts_are_composed_costs_nothing() {
    let fake = open_to_all();
    run(async {
        let (store, bytes) = (gathering(&fake).await, content(1, 48 * MIB));
        let mut upload = store.upload_begin(&CALL, None).await.expect("it begins");
        upload.write(&CALL, bytes.clone()).await.expect("it is written");
        let token = upload.suspend(&CALL).await.expect("it is put down");
        order(&fake, "faults", &json!({ "method": "POST", "target": "/compose", "status": 503 }));
        upload.commit(&CALL, key("large"), bytes.len() as u64).await.expect_err("the store fails");
        drop(upload);
        store.close(&CALL).await.expect("it closes");
        let other = gathering(&fake).await;
        let mut upload = other.upload_resume(&CALL, &token).await.expect("it is taken up");
        assert_eq!(upload.offset(), bytes.len() as u64);
        let info = upload.commit(&CALL, key("large"), bytes.len() as u64).await.expect("it is committed");
        assert_eq!(info.size, bytes.len() as u64);
        drop(upload);
        assert!(read(&other, "large").await.expect("it is there") == bytes, "the object has the bytes that were written");
        other.close(&CALL).await.expect("it closes");
        assert_eq!(names(&fake), ["r/large"]);
    });
}
