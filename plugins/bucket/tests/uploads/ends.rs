//! What is left of uploads, and how it is found.

use longshore_plugin_api::{Driver, ErrorClass, Upload};

use crate::memory::Wrong::{Lost, Refused};
use crate::trial::{Answer, CALL, PART, Trial, bytes, class, commit, handed_on, key, options, trial, write};

async fn purge(it: &Trial) -> Answer<usize> {
    let listed = it.drivers[1].upload_list(&CALL, 0).await?;
    for token in &listed {
        it.drivers[1].upload_resume(&CALL, token).await?.abort(&CALL).await?;
    }
    Ok(listed.len())
}

#[test]
fn abort_removes_every_trace_at_once() {
    trial("abort", options(), async |it| {
        for hint in [None, Some(key("k"))] {
            for size in [0, 10, 3 * PART + 10] {
                for sessions in 0..3 {
                    let mut upload = it.begin(hint.as_ref()).await?;
                    for _ in 0..sessions {
                        write(&mut upload, &bytes(size, 1), 100).await?;
                        upload = handed_on(upload, &it.drivers[1]).await?;
                    }
                    write(&mut upload, &bytes(size, 1), 100).await?;
                    upload.abort(&CALL).await?;
                    let content = it.content();
                    assert!(content.uploads.is_empty(), "{size} bytes, {sessions} sessions");
                    assert!(content.objects.is_empty(), "{size} bytes, {sessions} sessions: {:?}", content.objects.keys());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn an_abort_that_failed_can_be_made_again() {
    trial("abort-again", options(), async |it| {
        for call in ["cancel", "delete_all", "list"] {
            for wrong in [Lost, Refused(ErrorClass::Unauthorized)] {
                let mut upload = it.begin(None).await?;
                write(&mut upload, &bytes(3 * PART + 10, 1), 100).await?;
                upload.suspend(&CALL).await?;
                it.content().fail(call, wrong, 3);
                if upload.abort(&CALL).await.is_err() {
                    it.content().heal();
                    upload.abort(&CALL).await?;
                }
                it.content().heal();
                assert!(it.content().objects.is_empty() && it.content().uploads.is_empty(), "{call} {wrong:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_dropped_upload_leaves_what_its_token_promised_and_no_more() {
    trial("drop", options(), async |it| {
        for hint in [None, Some(key("k"))] {
            let mut upload = it.begin(hint.as_ref()).await?;
            write(&mut upload, &bytes(3 * PART, 1), 100).await?;
            drop(upload);
            it.no_upload_is_pending().await;
            // Put down before its first part was sent: what was begun later goes with the drop.
            let mut upload = it.begin(hint.as_ref()).await?;
            write(&mut upload, b"begin", 5).await?;
            let token = upload.suspend(&CALL).await?;
            write(&mut upload, &bytes(3 * PART, 1), 100).await?;
            drop(upload);
            it.no_upload_is_pending().await;
            let mut upload = it.drivers[1].upload_resume(&CALL, &token).await?;
            assert_eq!(upload.offset(), 5);
            commit(&mut upload, &key("k")).await?;
            it.holds(&key("k"), b"begin", "what was put down").await?;
            // Completed, not published, never put down.
            let mut upload = it.begin(hint.as_ref()).await?;
            write(&mut upload, &bytes(3 * PART, 1), 100).await?;
            it.content().fail("copy", Refused(ErrorClass::Unauthorized), 1);
            drop(commit(&mut upload, &key("k")).await);
            it.content().heal();
        }
        Ok(())
    });
}

#[test]
fn parts_of_one_key_are_not_published_under_another() {
    trial("elsewhere", options(), async |it| {
        let mut upload = it.begin(Some(&key("k"))).await?;
        write(&mut upload, &bytes(3 * PART, 1), 100).await?;
        assert_eq!(class(commit(&mut upload, &key("other")).await), Some(ErrorClass::Unsupported));
        assert!(it.content().objects.is_empty(), "nothing was published");
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &bytes(3 * PART, 1), "at its own key").await
    });
}

#[test]
fn abandoned_uploads_are_found_whatever_their_state() {
    trial("abandoned", options(), async |it| {
        let mut expected = 0;
        for hint in [None, Some(key("k"))] {
            for size in [10, 3 * PART + 10] {
                // Put down.
                let mut upload = it.begin(hint.as_ref()).await?;
                write(&mut upload, &bytes(size, 1), 100).await?;
                upload.suspend(&CALL).await?;
                expected += 1;
            }
            // Never put down, by a host that is gone: the drop tells the store nothing.
            let mut upload = it.begin(hint.as_ref()).await?;
            write(&mut upload, &bytes(3 * PART, 1), 100).await?;
            it.content().fail("cancel", Refused(ErrorClass::Unauthorized), 1);
            drop(upload);
            expected += 1;
            while it.content().requests.last().is_none_or(|request| !request.starts_with("cancel")) {
                tokio::task::yield_now().await;
            }
        }
        // Of another program.
        let foreign = "r/not a key".to_owned();
        let mut upload = it.begin(Some(&key("foreign"))).await?;
        write(&mut upload, &bytes(3 * PART, 1), 100).await?;
        let taken: Vec<_> = it.content().uploads.extract_if(.., |_, upload| upload.name == "r/foreign").collect();
        for (id, mut multipart) in taken {
            multipart.name.clone_from(&foreign);
            it.content().uploads.insert(id, multipart);
        }
        drop(upload);
        assert!(it.drivers[1].upload_list(&CALL, 3_600_000).await?.is_empty(), "none is an hour old");
        assert_eq!(purge(&it).await?, expected);
        assert_eq!(purge(&it).await?, 0, "all are gone");
        let left: Vec<String> = it.content().uploads.values().map(|upload| upload.name.clone()).collect();
        assert_eq!(left, [foreign]);
        it.content().uploads.clear();
        Ok(())
    });
}

#[test]
fn a_listed_upload_goes_on_from_its_token() {
    trial("listed", options(), async |it| {
        let whole = bytes(5 * PART, 1);
        for put_down in [true, false] {
            for hint in [None, Some(key("k"))] {
                let mut upload = it.begin(hint.as_ref()).await?;
                write(&mut upload, &whole[..3 * PART + 10], 100).await?;
                it.parts_arrive(3).await;
                let kept = if put_down { upload.suspend(&CALL).await.map(|_| 3 * PART + 10)? } else { 0 };
                let listed = it.drivers[1].upload_list(&CALL, 0).await?;
                assert_eq!(listed.len(), 1);
                let mut found = it.drivers[1].upload_resume(&CALL, &listed[0]).await?;
                assert_eq!(found.offset(), kept as u64);
                write(&mut found, &whole[kept..], 100).await?;
                let mut found = handed_on(found, &it.drivers[0]).await?;
                commit(&mut found, &key("k")).await?;
                it.holds(&key("k"), &whole, "gone on from a list").await?;
                drop(upload);
                it.nothing_private_is_left().await;
            }
        }
        Ok(())
    });
}

#[test]
fn a_found_upload_without_bytes_becomes_an_empty_object() {
    trial("nothing", options(), async |it| {
        let mut upload = it.begin(Some(&key("k"))).await?;
        write(&mut upload, &bytes(3 * PART, 1), 100).await?;
        it.parts_arrive(3).await;
        let listed = it.drivers[1].upload_list(&CALL, 0).await?;
        let mut found = it.drivers[1].upload_resume(&CALL, &listed[0]).await?;
        commit(&mut found, &key("k")).await?;
        it.holds(&key("k"), b"", "no bytes").await?;
        drop(upload);
        Ok(())
    });
}

#[test]
fn what_was_completed_and_never_published_is_found() {
    trial("completed-left", options(), async |it| {
        let mut upload = it.begin(None).await?;
        write(&mut upload, &bytes(3 * PART, 1), 100).await?;
        it.content().fail("copy", Refused(ErrorClass::Unauthorized), 1);
        assert!(commit(&mut upload, &key("k")).await.is_err());
        // Its host is gone.
        let listed = it.drivers[1].upload_list(&CALL, 0).await?;
        assert_eq!(listed.len(), 1);
        it.drivers[1].upload_resume(&CALL, &listed[0]).await?.abort(&CALL).await?;
        assert!(it.content().objects.is_empty());
        assert_eq!(class(it.drivers[1].upload_resume(&CALL, &listed[0]).await), Some(ErrorClass::NotFound));
        drop(upload);
        Ok(())
    });
}
