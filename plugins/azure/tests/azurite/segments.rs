//! Uploads of more bytes than the store takes blocks: further ones are gathered in private blobs, each of which becomes one block.

use longshore_bucket::{Bucket, Mark, Options, Segments};
use longshore_driver_azure::Azure;
use longshore_plugin_api::{Bytes, Driver, Host, Settings, Upload};
use serde_json::json;

use crate::{Azurite, Store, bytes, call, key, run};

/// A container that gathers after two blocks already.
async fn open(azurite: &Azurite) -> Store {
    let settings = Settings::new(azurite.settings(&json!({ "root": "r" })));
    let few = |_: &mut Azure, options: &mut Options| options.segments = Some(Segments { after_parts: 2, bytes: 26 << 20 });
    Store::open_changed(settings, Host::detached(), few).await.expect("it opens")
}

/// Bytes of which no two blocks are alike.
fn content(seed: u8, length: usize) -> Bytes {
    (0..length).map(|at| (at / 4096) as u8 ^ (at / 1_048_576) as u8 ^ at as u8 ^ seed).collect::<Vec<u8>>().into()
}

#[test]
fn block_of_an_upload_can_be_another_blob() {
    run(async |azurite| {
        let (azure, _) = Azure::open(Settings::new(azurite.settings(&json!({}))), &Host::detached()).await.expect("it opens");
        let upload = azure.begin("r/upload", &Mark::random().expect("there are random bytes")).await.expect("it begins");
        azure.put("r/segment", Bytes::from("of another blob").into(), None).await.expect("it is written");
        let one = azure.part("r/upload", &upload, 1, Bytes::from("own, ").into()).await.expect("it is written");
        let two = azure.part_copy("r/upload", &upload, 2, "r/segment", 15).await.expect("it is copied");
        let again = azure.part_copy("r/upload", &upload, 2, "r/segment", 15).await.expect("it is copied again");
        assert_eq!(two, again, "a block that is copied twice is one");
        let parts = azure.parts("r/upload", &upload).await.expect("they are listed");
        assert_eq!(parts.iter().map(|part| (part.number, &*part.tag)).collect::<Vec<_>>(), [(1, &*one), (2, &*two)]);
        azure.complete("r/upload", &upload, &parts, 20).await.expect("it is complete");
        let store = azurite.open(json!({ "root": "r" })).await.expect("it opens");
        assert_eq!(bytes(&store, "upload").await, "own, of another blob");
    });
}

#[test]
fn upload_goes_on_in_segments_over_sessions() {
    run(async |azurite| {
        let store = open(azurite).await;
        let (size, piece) = (77 << 20, 3 << 20);
        let whole = content(1, size);
        let mut upload = store.upload_begin(&call(), Some(key("large"))).await.expect("it begins");
        for (number, start) in (0..size).step_by(piece).enumerate() {
            upload.write(&call(), whole.slice(start..size.min(start + piece))).await.expect("it is written");
            if number % 3 == 2 {
                let token = upload.suspend(&call()).await.expect("it is put down");
                // Of a session that is never heard of again: other bytes, also as blocks of the segment.
                upload.write(&call(), content(2, 23 << 20)).await.expect("it is written");
                drop(upload);
                upload = store.upload_resume(&call(), &token).await.expect("it is taken up");
                assert_eq!(upload.offset() as usize, size.min(start + piece), "it stands where it was put down");
            }
        }
        upload.commit(&call(), key("large"), size as u64).await.expect("it is committed");
        assert!(bytes(&store, "large").await == whole, "the blob has the bytes that were written");
        store.close(&call()).await.expect("it closes");
        let again = open(azurite).await;
        assert!(again.upload_list(&call(), 0).await.expect("it is listed").is_empty(), "nothing is left behind");
    });
}
