//! Uploads with more bytes than the store takes parts: three parts, then segments of four.

use longshore_bucket::{Options, Segments};
use longshore_plugin_api::{Bytes, Driver, ErrorClass, Key, TOKEN_MAX_BYTES, Upload};

use crate::memory::Wrong::{Lost, Refused};
use crate::trial::{Answer, CALL, PART, bytes, class, commit, copied, handed_on, insist, key, options, segmented, trial, write};

/// Three parts and eight segments of four, and one at the end.
const MOST: usize = (3 + 8 * 4 + 1) * PART;

#[test]
fn every_size_arrives_whole() {
    trial("segments-sizes", segmented(), async |it| {
        for hint in [None, Some(key("k"))] {
            for parts in [2, 3, 4, 6, 7, 8, 11, 12, 34, 35] {
                for size in [parts * PART - 1, parts * PART, parts * PART + 1, parts * PART + 700] {
                    let whole = bytes(size, parts as u8);
                    let mut upload = it.begin(hint.as_ref()).await?;
                    write(&mut upload, &whole, 1500).await?;
                    commit(&mut upload, &key("k")).await?;
                    it.holds(&key("k"), &whole, &format!("{size} bytes")).await?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn the_object_is_bounded_by_its_parts_all_the_same() {
    trial("segments-full", segmented(), async |it| {
        let whole = bytes(MOST, 1);
        let mut upload = it.begin(None).await?;
        write(&mut upload, &whole, 999).await?;
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &whole, "as many bytes as there may be").await?;
        let mut upload = it.begin(None).await?;
        write(&mut upload, &whole, 999).await?;
        let more: Answer = async {
            upload.write(&CALL, Bytes::from_static(b"m")).await?;
            commit(&mut upload, &key("k")).await
        }
        .await;
        assert_eq!(class(more), Some(ErrorClass::Full));
        upload.abort(&CALL).await
    });
}

#[test]
fn an_upload_goes_on_elsewhere_from_within_any_segment() {
    trial("segments-handed", segmented(), async |it| {
        for before in (0..13 * PART).step_by(PART / 2).flat_map(|size| [size, size + 1]) {
            for after in [0, 300, 3 * PART, 9 * PART] {
                let whole = bytes(before + after, 7);
                let mut upload = it.begin(None).await?;
                write(&mut upload, &whole[..before], 2000).await?;
                let mut upload = handed_on(upload, &it.drivers[1]).await?;
                write(&mut upload, &whole[before..], 3000).await?;
                commit(&mut upload, &key("k")).await?;
                it.holds(&key("k"), &whole, &format!("{before} and {after} bytes")).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn many_sessions_add_up() {
    trial("segments-sessions", segmented(), async |it| {
        for session in [100, 700, PART, 1500, 3 * PART + 7, 9 * PART] {
            let whole = bytes(21 * PART + 5, session as u8);
            let mut upload = it.begin(Some(&key("k"))).await?;
            for (number, piece) in whole.chunks(session).enumerate() {
                write(&mut upload, piece, 800).await?;
                if number % 3 == 0 {
                    upload.suspend(&CALL).await?;
                } else {
                    upload = handed_on(upload, &it.drivers[number / 2 % 2]).await?;
                }
            }
            commit(&mut upload, &key("k")).await?;
            it.holds(&key("k"), &whole, &format!("sessions of {session} bytes")).await?;
            it.nothing_private_is_left().await;
        }
        Ok(())
    });
}

/// The host is lost after it went on; what was put down is there, wherever that host stood.
#[test]
fn a_token_stays_good_whatever_became_of_its_segment() {
    trial("segments-lost", segmented(), async |it| {
        let whole = bytes(24 * PART + 9, 3);
        for before in [3, 4, 5, 7, 8, 10] {
            let before = before * PART + 100;
            for lost in [0, 10, 2 * PART, 3 * PART, 4 * PART, 6 * PART, 13 * PART] {
                for again in [false, true] {
                    let host = it.another().await?;
                    let mut upload = host.upload_begin(&CALL, None).await?;
                    write(&mut upload, &whole[..before], 900).await?;
                    let token = upload.suspend(&CALL).await?;
                    write(&mut upload, &bytes(lost, 99), 900).await?;
                    if again {
                        // This token is never answered.
                        upload.suspend(&CALL).await?;
                    }
                    drop(upload);
                    host.close(&CALL).await?;
                    let mut upload = it.drivers[1].upload_resume(&CALL, &copied(&token)).await?;
                    assert_eq!(upload.offset(), before as u64);
                    write(&mut upload, &whole[before..], 900).await?;
                    let mut upload = handed_on(upload, &it.drivers[0]).await?;
                    commit(&mut upload, &key("k")).await?;
                    it.holds(&key("k"), &whole, &format!("{before} bytes, {lost} lost")).await?;
                    for token in it.drivers[0].upload_list(&CALL, 0).await? {
                        it.drivers[0].upload_resume(&CALL, &token).await?.abort(&CALL).await?;
                    }
                }
            }
        }
        Ok(())
    });
}

#[test]
fn lost_answers_and_failures_are_made_up_for() {
    trial("segments-faults", segmented(), async |it| {
        for call in ["begin", "part", "parts", "part_copy", "complete", "head", "put", "list"] {
            for (wrong, times) in [(Lost, 1), (Lost, 3), (Refused(ErrorClass::Throttled), 1), (Refused(ErrorClass::Unauthorized), 2)] {
                for at in [3, 6, 9, 12] {
                    let whole = bytes(13 * PART + 77, at as u8);
                    let mut upload = it.begin(None).await?;
                    write(&mut upload, &whole[..at * PART + 50], 900).await?;
                    upload = handed_on(upload, &it.drivers[1]).await?;
                    it.content().fail(call, wrong, times);
                    insist(&mut upload, &whole).await?;
                    for _ in 0..5 {
                        if let Ok(token) = upload.suspend(&CALL).await {
                            if let Ok(resumed) = it.drivers[0].upload_resume(&CALL, &token).await {
                                upload = resumed;
                            }
                            break;
                        }
                    }
                    let mut tries = 0;
                    while let Err(error) = commit(&mut upload, &key("k")).await {
                        tries += 1;
                        assert!(tries < 5, "{call} {wrong:?} {times} at {at}: {error}");
                    }
                    it.holds(&key("k"), &whole, &format!("{call} {wrong:?} {times} at {at}")).await?;
                    it.content().heal();
                    // Uploads whose id was lost with the answer.
                    it.content().uploads.clear();
                }
            }
        }
        Ok(())
    });
}

#[test]
fn two_who_go_on_from_one_token_never_mix() {
    trial("segments-twice", segmented(), async |it| {
        for before in [4, 5, 7, 9] {
            for (one, other) in [(PART, PART), (5 * PART, 5 * PART), (9 * PART, 2 * PART), (0, 6 * PART)] {
                for interleaved in [false, true] {
                    let start = bytes(before * PART + 5, 1);
                    let mut upload = it.begin(None).await?;
                    write(&mut upload, &start, 500).await?;
                    let token = upload.suspend(&CALL).await?;
                    drop(upload);
                    let mut uploads = Vec::new();
                    for (driver, length) in it.drivers.iter().zip([one, other]) {
                        let mut upload = driver.upload_resume(&CALL, &copied(&token)).await?;
                        let more = bytes(length, 40 + uploads.len() as u8);
                        let first = if interleaved { length / 2 } else { 0 };
                        // The first may be refused already.
                        let _ = write(&mut upload, &more[..first], 400).await;
                        uploads.push((upload, more));
                    }
                    for (number, (upload, more)) in uploads.iter_mut().enumerate() {
                        let ended = async {
                            let from = upload.offset() as usize - start.len();
                            write(upload, &more[from..], 400).await?;
                            commit(upload, &key("k")).await
                        };
                        let what = format!("{before} parts, then {one} and {other}, number {number}");
                        match ended.await {
                            Ok(()) => it.holds(&key("k"), &[&start[..], more].concat(), &what).await?,
                            Err(error) => {
                                assert!(matches!(error.class(), ErrorClass::Conflict | ErrorClass::NotFound), "{what}: {error}");
                            }
                        }
                    }
                    drop(uploads);
                    for token in it.drivers[0].upload_list(&CALL, 0).await? {
                        if let Ok(mut upload) = it.drivers[0].upload_resume(&CALL, &token).await {
                            upload.abort(&CALL).await?;
                        }
                    }
                    it.nothing_private_is_left().await;
                    it.no_upload_is_pending().await;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn one_of_two_tokens_ends_the_other() {
    trial("segments-tokens", segmented(), async |it| {
        for older_first in [false, true] {
            let mut upload = it.begin(None).await?;
            write(&mut upload, &bytes(5 * PART, 1), 500).await?;
            let older = upload.suspend(&CALL).await?;
            write(&mut upload, &bytes(PART, 2), 500).await?;
            let newer = upload.suspend(&CALL).await?;
            let (used, ended) = if older_first { (older, newer) } else { (newer, older) };
            let mut other = it.drivers[1].upload_resume(&CALL, &used).await?;
            assert_eq!(class(it.drivers[0].upload_resume(&CALL, &ended).await), Some(ErrorClass::NotFound));
            if older_first {
                // The session that made the newer one finds that it is over.
                write(&mut upload, &bytes(100, 3), 500).await?;
                assert_eq!(class(upload.suspend(&CALL).await), Some(ErrorClass::Conflict));
            }
            other.abort(&CALL).await?;
        }
        Ok(())
    });
}

#[test]
fn abort_and_drop_leave_nothing() {
    trial("segments-ends", segmented(), async |it| {
        for parts in [4, 7, 8, 13] {
            for sessions in 0..3 {
                for ends in ["abort", "drop", "purge"] {
                    let mut upload = it.begin(None).await?;
                    for _ in 0..sessions {
                        write(&mut upload, &bytes(parts * PART / 2, 1), 700).await?;
                        upload = handed_on(upload, &it.drivers[1]).await?;
                    }
                    write(&mut upload, &bytes(parts * PART, 1), 700).await?;
                    match ends {
                        "abort" => upload.abort(&CALL).await?,
                        _ => drop(upload),
                    }
                    if ends != "abort" && sessions > 0 {
                        let listed = it.drivers[0].upload_list(&CALL, 0).await?;
                        assert!(!listed.is_empty(), "what was put down is found");
                        for token in listed {
                            // What was just let go may be gone before it is come to.
                            if let Ok(mut upload) = it.drivers[0].upload_resume(&CALL, &token).await {
                                upload.abort(&CALL).await?;
                            }
                        }
                    }
                    it.no_upload_is_pending().await;
                    it.nothing_private_is_left().await;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_token_fits_whatever_the_names() {
    let root = format!("{}/", "r".repeat(511));
    trial("segments-token", Options { root, ..segmented() }, async |it| {
        let name = [["k"; 100].concat(), ["l"; 200].concat(), ["m"; 210].concat()].join("/");
        let long = Key::parse(&name).expect("it has 512 bytes").to_owned();
        let mut upload = it.begin(Some(&long)).await?;
        write(&mut upload, &bytes(5 * PART, 1), 700).await?;
        upload.suspend(&CALL).await?;
        write(&mut upload, &bytes(4 * PART, 1), 700).await?;
        let token = upload.suspend(&CALL).await?;
        // The ids of this store have 10 bytes, those of others up to 300.
        assert!(token.as_bytes().len() + 2 * 300 <= TOKEN_MAX_BYTES, "{} bytes", token.as_bytes().len());
        upload.abort(&CALL).await
    });
}

#[test]
fn a_store_that_copies_no_part_says_which_setting_to_change() {
    trial("segments-none", Options { parts_max: 12, ..options() }, async |it| {
        let mut upload = it.begin(None).await?;
        let more = write(&mut upload, &bytes(14 * PART, 1), 700).await;
        let error = more.expect_err("12 parts are the most");
        assert!(error.class() == ErrorClass::Full && error.message().contains("part_bytes"), "{error}");
        upload.abort(&CALL).await
    });
}

#[test]
fn the_defaults_make_room_for_5_tib() {
    let (options, segments) = (Options::default(), Segments::default());
    let number = u64::from(options.parts_max - segments.after_parts - 1);
    assert!(number * segments.bytes >= 5 << 40, "{} bytes", number * segments.bytes);
    let most = segments.bytes + (16 << 20);
    assert!(most <= 5 << 30, "S3 copies a part of 5 GiB at the most");
    assert!(most / options.part_min_bytes as u64 <= 1000, "the parts of a segment are one page");
}
