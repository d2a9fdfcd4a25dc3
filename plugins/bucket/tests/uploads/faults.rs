//! Answers that are lost, parts that fail, deadlines that pass.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_bucket::Options;
use longshore_plugin_api::{Bytes, Call, Condition, Driver, ErrorClass, Upload};

use crate::memory::Wrong::{Lost, Refused, Silent};
use crate::trial::{CALL, PART, bytes, class, commit, copied, handed_on, insist, key, options, trial, write};

/// Every call that an upload makes.
const CALLS: [&str; 9] = ["begin", "part", "parts", "put", "get", "head", "complete", "copy", "delete_all"];

#[test]
fn a_passing_fault_is_never_noticed() {
    trial("passing", options(), async |it| {
        for hint in [None, Some(key("k"))] {
            for call in CALLS {
                for wrong in [Lost, Refused(ErrorClass::Throttled)] {
                    for size in [100, 3 * PART + 100] {
                        let (what, whole) = (format!("{call} {wrong:?} {size}"), bytes(2 * size, 5));
                        it.content().fail(call, wrong, 1);
                        let mut upload = it.begin(hint.as_ref()).await?;
                        write(&mut upload, &whole[..size], 900).await?;
                        let mut upload = handed_on(upload, &it.drivers[1]).await?;
                        write(&mut upload, &whole[size..], 900).await?;
                        commit(&mut upload, &key("k")).await?;
                        it.holds(&key("k"), &whole, &what).await?;
                        it.content().heal();
                        // An upload whose id was lost with the answer.
                        it.content().uploads.clear();
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_commit_that_failed_can_be_made_again_here_or_elsewhere() {
    for (at, elsewhere) in [("here", false), ("elsewhere", true)] {
        trial(&format!("commit-{at}"), options(), async move |it| {
            for hint in [None, Some(key("k"))] {
                for call in ["part", "put", "complete", "copy", "parts"] {
                    for wrong in [Lost, Refused(ErrorClass::Unreachable), Refused(ErrorClass::Unauthorized)] {
                        let (what, whole) = (format!("{call} {wrong:?}"), bytes(3 * PART + 300, 6));
                        let mut upload = it.begin(hint.as_ref()).await?;
                        write(&mut upload, &whole, 900).await?;
                        let token = upload.suspend(&CALL).await?;
                        let mut upload = it.drivers[0].upload_resume(&CALL, &token).await?;
                        it.content().fail(call, wrong, 3);
                        let failed = commit(&mut upload, &key("k")).await;
                        it.content().heal();
                        if failed.is_err() {
                            if elsewhere {
                                drop(upload);
                                upload = it.drivers[1].upload_resume(&CALL, &copied(&token)).await?;
                            }
                            commit(&mut upload, &key("k")).await?;
                        }
                        it.holds(&key("k"), &whole, &what).await?;
                    }
                }
            }
            Ok(())
        });
    }
}

#[test]
fn an_upload_goes_on_after_a_commit_that_failed() {
    trial("onward-after-commit", options(), async |it| {
        for call in ["part", "complete", "parts"] {
            for suspended in [false, true] {
                let whole = bytes(7 * PART, 8);
                let mut upload = it.begin(Some(&key("k"))).await?;
                write(&mut upload, &whole[..2 * PART + 100], 900).await?;
                upload.suspend(&CALL).await?;
                write(&mut upload, &whole[2 * PART + 100..3 * PART + 100], 900).await?;
                it.content().fail(call, Refused(ErrorClass::Unauthorized), 1);
                assert_eq!(class(commit(&mut upload, &key("k")).await), Some(ErrorClass::Unauthorized), "{call}");
                it.content().heal();
                if suspended {
                    upload = handed_on(upload, &it.drivers[1]).await?;
                }
                // The tail was sent as the last part, which it is not any more.
                let from = upload.offset() as usize;
                write(&mut upload, &whole[from..], 900).await?;
                commit(&mut upload, &key("k")).await?;
                it.holds(&key("k"), &whole, call).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_completed_upload_is_published_by_another() {
    trial("completed", options(), async |it| {
        let whole = bytes(3 * PART + 50, 2);
        for suspended in [false, true] {
            let mut upload = it.begin(None).await?;
            write(&mut upload, &whole, 900).await?;
            let mut token = upload.suspend(&CALL).await?;
            it.content().fail("copy", Refused(ErrorClass::Unreachable), 3);
            assert!(commit(&mut upload, &key("k")).await.is_err());
            let more = upload.write(&CALL, Bytes::from_static(b"more")).await;
            assert_eq!((class(more), upload.offset()), (Some(ErrorClass::InvalidState), whole.len() as u64), "the object is made already");
            if suspended {
                token = upload.suspend(&CALL).await?;
            }
            drop(upload);
            // Not with other bytes than those that it was completed with.
            let mut longer = it.drivers[1].upload_resume(&CALL, &token).await?;
            longer.write(&CALL, Bytes::from_static(b"more")).await?;
            assert_eq!(class(commit(&mut longer, &key("other")).await), Some(ErrorClass::NotFound));
            assert_eq!(class(it.get(&key("other")).await), Some(ErrorClass::NotFound));
            drop(longer);
            let mut upload = it.drivers[1].upload_resume(&CALL, &token).await?;
            commit(&mut upload, &key("k")).await?;
            it.holds(&key("k"), &whole, "completed here, published there").await?;
        }
        Ok(())
    });
}

#[test]
fn a_part_that_failed_is_sent_again_by_the_next_call() {
    trial("parts", options(), async |it| {
        for class in [ErrorClass::Unauthorized, ErrorClass::Throttled] {
            for times in [1, 3, 4, 7, 10] {
                let whole = bytes(30 * PART + 10, 4);
                let mut upload = it.begin(None).await?;
                it.content().fail("part", Refused(class), times);
                insist(&mut upload, &whole[..20 * PART]).await?;
                let token = loop {
                    if let Ok(token) = upload.suspend(&CALL).await {
                        break token;
                    }
                };
                assert_eq!(upload.offset(), 20 * PART as u64);
                drop(upload);
                let mut upload = it.drivers[1].upload_resume(&CALL, &token).await?;
                insist(&mut upload, &whole).await?;
                while commit(&mut upload, &key("k")).await.is_err() {}
                it.holds(&key("k"), &whole, &format!("{times} parts failed: {class}")).await?;
                it.content().heal();
            }
        }
        Ok(())
    });
}

#[test]
fn the_offset_tells_what_was_accepted_of_a_write_that_failed() {
    trial("accepted", options(), async |it| {
        for call in ["begin", "part"] {
            let whole = bytes(40 * PART, 4);
            let mut upload = it.begin(None).await?;
            it.content().fail(call, Refused(ErrorClass::Unauthorized), 2);
            insist(&mut upload, &whole).await?;
            // The last parts may fail later than any write.
            while commit(&mut upload, &key("k")).await.is_err() {}
            it.holds(&key("k"), &whole, call).await?;
            it.content().heal();
        }
        Ok(())
    });
}

#[test]
fn parts_are_counted_once_when_their_record_fails() {
    trial("records", options(), async |it| {
        for wrong in [Lost, Refused(ErrorClass::Unreachable)] {
            let whole = bytes(9 * PART + 10, 4);
            let mut upload = it.begin(None).await?;
            for piece in whole.chunks(3 * PART + 5) {
                write(&mut upload, piece, 500).await?;
                it.content().fail("put", wrong, 6);
                assert!(upload.suspend(&CALL).await.is_err());
                assert!(upload.suspend(&CALL).await.is_err());
                it.content().heal();
            }
            let mut upload = handed_on(upload, &it.drivers[1]).await?;
            commit(&mut upload, &key("k")).await?;
            it.holds(&key("k"), &whole, &format!("{wrong:?}")).await?;
        }
        Ok(())
    });
}

#[test]
fn lost_answers_of_creation_and_deletion_are_made_up_for() {
    trial("plain", options(), async |it| {
        let driver = &it.drivers[0];
        it.content().fail("put", Lost, 1);
        driver.put(&CALL, &key("k"), Bytes::from_static(b"mine"), Condition::IfAbsent).await?;
        it.holds(&key("k"), b"mine", "created").await?;
        it.content().fail("put", Refused(ErrorClass::Broken), 1);
        let again = driver.put(&CALL, &key("k"), Bytes::from_static(b"other"), Condition::IfAbsent).await;
        assert_eq!(class(again), Some(ErrorClass::AlreadyExists), "it is another's");
        it.content().fail("delete", Lost, 1);
        driver.delete(&CALL, &key("k")).await?;
        assert_eq!(class(driver.delete(&CALL, &key("k")).await), Some(ErrorClass::NotFound));
        Ok(())
    });
}

fn soon() -> Call {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_millis(100);
    Call::new(now.as_millis() as u64, 0)
}

#[test]
fn a_deadline_that_passes_leaves_the_upload_whole() {
    trial("deadlines", options(), async |it| {
        let whole = bytes(3 * PART + 50, 2);
        let over = Call::new(1, 0);
        for hint in [None, Some(key("k"))] {
            for call in ["complete", "copy", "put", "begin"] {
                let mut upload = it.begin(hint.as_ref()).await?;
                assert_eq!(class(upload.write(&over, Bytes::from_static(b"late")).await), Some(ErrorClass::Timeout));
                assert_eq!(upload.offset(), 0, "nothing of it was accepted");
                it.content().fail(call, Silent, 1);
                let mut passed = 0;
                while (upload.offset() as usize) < whole.len() {
                    let rest = Bytes::copy_from_slice(&whole[upload.offset() as usize..]);
                    passed += u32::from(class(upload.write(&soon(), rest).await) == Some(ErrorClass::Timeout));
                }
                let token = match upload.suspend(&soon()).await {
                    Err(error) => {
                        assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
                        passed += 1;
                        upload.suspend(&CALL).await?
                    }
                    Ok(token) => token,
                };
                upload = it.drivers[1].upload_resume(&CALL, &token).await?;
                let size = upload.offset();
                if let Err(error) = upload.commit(&soon(), &key("k"), size).await {
                    assert_eq!(error.class(), ErrorClass::Timeout, "{call}: {error}");
                    passed += 1;
                    commit(&mut upload, &key("k")).await?;
                }
                it.holds(&key("k"), &whole, call).await?;
                assert_eq!(passed, u32::from(call != "copy" || hint.is_none()), "{call} was silent once");
                it.content().heal();
                // An upload whose id was lost with the answer, and the record of a token that was never answered.
                for token in it.drivers[0].upload_list(&CALL, 0).await? {
                    it.drivers[0].upload_resume(&CALL, &token).await?.abort(&CALL).await?;
                }
                it.holds(&key("k"), &whole, "after the purge").await?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_crowd_of_uploads_holds_what_is_on_its_way_and_a_part_each() {
    trial("crowd", Options { sending_max_bytes: PART, ..options() }, async |it| {
        let mut crowd = Vec::new();
        it.content().fail("part", Silent, u32::MAX);
        for _ in 0..4 {
            let mut upload = it.begin(Some(&key("k"))).await?;
            let late = upload.write(&soon(), Bytes::from(bytes(4 * PART, 7))).await;
            assert_eq!(class(late), Some(ErrorClass::Timeout), "no part is answered");
            crowd.push(upload);
        }
        let held: u64 = crowd.iter().map(Upload::offset).sum();
        assert!(held <= 5 * PART as u64, "{held} bytes are held, of parts of {PART}");
        it.content().heal();
        for mut upload in crowd {
            upload.abort(&CALL).await?;
        }
        Ok(())
    });
}

#[test]
fn an_object_that_a_write_could_take_away_is_written_apart() {
    trial("apart", Options { apart_from_bytes: Some(100), ..options() }, async |it| {
        let (driver, put) = (&it.drivers[0], "put r/k".to_owned());
        driver.put(&CALL, &key("k"), bytes(99, 1).into(), Condition::Always).await?;
        assert_eq!(it.content().requests, [&*put], "a small one is one request");
        it.content().requests.clear();
        for whole in [bytes(100, 2), bytes(PART, 3)] {
            driver.put(&CALL, &key("k"), whole.clone().into(), Condition::Always).await?;
            it.holds(&key("k"), &whole, "a put").await?;
            let mut upload = it.begin(Some(&key("l"))).await?;
            write(&mut upload, &whole, 900).await?;
            commit(&mut upload, &key("l")).await?;
            it.holds(&key("l"), &whole, "an upload").await?;
        }
        let before = bytes(PART, 3);
        for call in ["put", "copy"] {
            it.content().fail(call, Refused(ErrorClass::Unauthorized), 1);
            let failed = driver.put(&CALL, &key("k"), bytes(100, 4).into(), Condition::Always).await;
            assert_eq!(class(failed), Some(ErrorClass::Unauthorized), "{call}");
            it.holds(&key("k"), &before, call).await?;
        }
        let requests = std::mem::take(&mut it.content().requests);
        assert!(!requests.contains(&put) && !requests.contains(&"put r/l".to_owned()), "{requests:?}");
        Ok(())
    });
}
