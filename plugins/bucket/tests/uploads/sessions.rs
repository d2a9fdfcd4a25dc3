//! One upload, in one session or in many.

use longshore_bucket::Options;
use longshore_plugin_api::{Bytes, Driver, ErrorClass, Upload};

use crate::trial::{Answer, CALL, PART, bytes, class, commit, handed_on, key, options, trial, write};

const SIZES: [usize; 14] =
    [0, 1, 599, 600, PART - 1, PART, PART + 1, PART + 599, 2 * PART - 1, 2 * PART, 2 * PART + 1, 5 * PART - 1, 5 * PART, 5 * PART + 601];

fn kinds() -> [(&'static str, Options); 2] {
    [("any", options()), ("equal", Options { equal_parts: true, ..options() })]
}

#[test]
fn every_size_in_every_chunk_arrives_whole() {
    for (kind, options) in kinds() {
        trial(&format!("sizes-{kind}"), options, async |it| {
            for hint in [None, Some(key("a/b"))] {
                for size in SIZES {
                    for chunk in [7, 100, 1000, PART, 1500, 3 * PART + 1, 9999] {
                        let whole = bytes(size, chunk as u8);
                        let mut upload = it.begin(hint.as_ref()).await?;
                        write(&mut upload, &whole, chunk).await?;
                        assert_eq!(upload.offset(), size as u64);
                        commit(&mut upload, &key("a/b")).await?;
                        it.holds(&key("a/b"), &whole, &format!("{size} bytes in chunks of {chunk}")).await?;
                    }
                }
            }
            Ok(())
        });
    }
}

#[test]
fn an_upload_goes_on_elsewhere_from_every_size() {
    for (kind, options) in kinds() {
        trial(&format!("handed-{kind}"), options, async |it| {
            for hint in [None, Some(key("k"))] {
                for before in SIZES {
                    for after in [0, 1, 500, PART, 2 * PART + 1] {
                        let whole = bytes(before + after, after as u8);
                        let mut upload = it.begin(hint.as_ref()).await?;
                        write(&mut upload, &whole[..before], 333).await?;
                        let mut upload = handed_on(upload, &it.drivers[1]).await?;
                        write(&mut upload, &whole[before..], 777).await?;
                        commit(&mut upload, &key("k")).await?;
                        it.holds(&key("k"), &whole, &format!("{before} and {after} bytes")).await?;
                    }
                }
            }
            Ok(())
        });
    }
}

#[test]
fn many_sessions_add_up() {
    for (kind, options) in kinds() {
        trial(&format!("sessions-{kind}"), options, async |it| {
            for session in [1, 300, 599, 600, 601, PART, PART + 1, 2 * PART + 5] {
                let whole = bytes(session * 12, session as u8);
                let mut upload = it.begin(None).await?;
                for (number, piece) in whole.chunks(session).enumerate() {
                    write(&mut upload, piece, 200).await?;
                    // Twice elsewhere, twice by the instance that has kept the tail.
                    upload = handed_on(upload, &it.drivers[number / 2 % 2]).await?;
                }
                commit(&mut upload, &key("k")).await?;
                it.holds(&key("k"), &whole, &format!("12 sessions of {session} bytes")).await?;
            }
            Ok(())
        });
    }
}

#[test]
fn an_upload_goes_on_after_suspend_without_a_resume() {
    trial("onward", options(), async |it| {
        let whole = bytes(20 * 450, 3);
        let mut upload = it.begin(None).await?;
        for piece in whole.chunks(450) {
            write(&mut upload, piece, 450).await?;
            upload.suspend(&CALL).await?;
        }
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &whole, "20 suspensions").await
    });
}

#[test]
fn a_small_upload_is_one_request() {
    trial("small", options(), async |it| {
        let mut upload = it.begin(Some(&key("k"))).await?;
        write(&mut upload, &bytes(PART, 0), PART).await?;
        commit(&mut upload, &key("k")).await?;
        assert_eq!(it.content().requests, ["put r/k"], "an upload of one part is a plain object");
        Ok(())
    });
}

#[test]
fn a_tail_larger_than_the_parts_of_the_next_instance_is_sent() {
    // Put down by an instance with parts of 16 KiB, gone on with by one whose limit of what it sends at once is less than that.
    let large = Options { part_bytes: 16 * PART, part_min_bytes: 16 * PART, ..options() };
    trial("larger", large, async |it| {
        let whole = bytes(15 * PART, 1);
        let mut upload = it.begin(None).await?;
        write(&mut upload, &whole, PART).await?;
        let token = upload.suspend(&CALL).await?;
        it.content().options = options();
        let other = it.another().await?;
        let mut upload = other.upload_resume(&CALL, &token).await?;
        write(&mut upload, b"more", 4).await?;
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &[&whole[..], b"more"].concat(), "a large tail").await?;
        other.close(&CALL).await
    });
}

#[test]
fn the_parts_of_an_upload_are_bounded() {
    let few = Options { parts_max: 4, ..options() };
    trial("few", few, async |it| {
        let whole = bytes(4 * PART + 1, 9);
        let mut upload = it.begin(Some(&key("k"))).await?;
        write(&mut upload, &whole[..4 * PART], 100).await?;
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &whole[..4 * PART], "as many parts as there may be").await?;
        let mut upload = it.begin(Some(&key("k"))).await?;
        write(&mut upload, &whole[..4 * PART], 100).await?;
        let more: Answer = async {
            upload.write(&CALL, Bytes::from(vec![0; PART])).await?;
            commit(&mut upload, &key("k")).await
        }
        .await;
        let error = more.expect_err("one part more is refused");
        assert_eq!(error.class(), ErrorClass::Full);
        assert!(error.message().contains("part_bytes"), "{error}");
        upload.abort(&CALL).await?;
        assert_eq!(class(it.drivers[0].stat(&CALL, &key("other")).await), Some(ErrorClass::NotFound));
        Ok(())
    });
}
