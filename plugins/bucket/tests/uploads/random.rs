//! Uploads at random: sizes, sessions, hosts that are lost, faults at any request. What is committed is what was written.

use longshore_bucket::Options;
use longshore_plugin_api::{Bytes, Driver, ErrorClass, Upload, UploadToken};

use crate::memory::Wrong;
use crate::trial::{Answer, CALL, PART, Trial, bytes, copied, key, open, options, segmented, trial};

const CALLS: [&str; 10] = ["begin", "part", "parts", "part_copy", "put", "get", "head", "complete", "copy", "list"];
const WRONG: [Wrong; 4] = [Wrong::Lost, Wrong::Lost, Wrong::Refused(ErrorClass::Unauthorized), Wrong::Refused(ErrorClass::Throttled)];

/// Xorshift: enough to choose by.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// One upload from begin to commit.
///
/// A commit that failed may have been carried out, or its first step, after which there is no upload to go on with: then `not_found` is a right
/// end, and its caller begins anew (contract, 5).
async fn upload(it: &Trial, random: &mut Random, length: usize, faulty: bool) -> Answer {
    let whole = bytes(length, random.below(256) as u8);
    let hint = (random.below(2) == 0).then(|| key("k"));
    let mut upload = it.begin(hint.as_ref()).await?;
    let mut last: Option<(UploadToken, u64)> = None;
    let mut may_be_committed = false;
    for turn in 0.. {
        assert!(turn < 10_000, "the upload does not come to an end");
        if faulty && random.below(4) == 0 {
            it.content().fail(CALLS[random.below(CALLS.len())], WRONG[random.below(WRONG.len())], 1 + random.below(4) as u32);
        }
        match random.below(8) {
            0 => match upload.suspend(&CALL).await {
                Ok(token) => last = Some((copied(&token), upload.offset())),
                Err(error) if may_be_committed && error.class() == ErrorClass::NotFound => break,
                Err(_) => {}
            },
            // A host is lost, or hands on.
            1 => {
                if let Some((token, offset)) = &last {
                    drop(upload);
                    it.content().heal();
                    upload = it.drivers[random.below(2)].upload_resume(&CALL, token).await?;
                    assert_eq!(upload.offset(), *offset, "what was put down is there");
                }
            }
            2 if upload.offset() as usize == whole.len() => match upload.commit(&CALL, &key("k"), whole.len() as u64).await {
                Ok(_) => {
                    it.content().heal();
                    return it.holds(&key("k"), &whole, "at random").await;
                }
                Err(error) if may_be_committed && error.class() == ErrorClass::NotFound => break,
                Err(_) => may_be_committed = true,
            },
            _ => {
                let from = upload.offset() as usize;
                let piece = &whole[from..whole.len().min(from + random.below(3 * PART))];
                let written = upload.write(&CALL, Bytes::copy_from_slice(piece)).await;
                let accepted = upload.offset() as usize - from;
                assert!(accepted == piece.len() || accepted < piece.len() && written.is_err(), "{accepted} of {}", piece.len());
            }
        }
        it.content().heal();
    }
    it.content().heal();
    Ok(())
}

/// Removes what sessions left whose host was lost. By an instance of its own: the others do not tell what they are about to remove, and two
/// multipart uploads may have one name, if the answer to the first was lost.
async fn purge(it: &Trial) -> Answer {
    let driver = open(&it.name).await?;
    for token in driver.upload_list(&CALL, 0).await? {
        match driver.upload_resume(&CALL, &token).await {
            Ok(mut upload) => upload.abort(&CALL).await?,
            // Another instance has removed it meanwhile.
            Err(error) if error.class() == ErrorClass::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    driver.close(&CALL).await
}

#[expect(clippy::print_stdout, reason = "a failed test is run again with the seed that it printed")]
fn seed() -> u64 {
    let given = std::env::var("LONGSHORE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id())).max(1);
    println!("seed: LONGSHORE_TEST_SEED={seed}");
    seed
}

fn at_random(name: &str, options: Options, length: usize, faulty: bool) {
    let mut random = Random(seed().wrapping_mul(0x9e37_79b9_7f4a_7c15));
    trial(name, options, async move |it| {
        for _ in 0..40 {
            let length = random.below(length);
            upload(&it, &mut random, length, faulty).await?;
            purge(&it).await?;
        }
        Ok(())
    });
}

#[test]
fn uploads_arrive_whole() {
    at_random("random", options(), 20 * PART, false);
    at_random("random-equal", Options { equal_parts: true, ..options() }, 20 * PART, false);
}

#[test]
fn uploads_with_segments_arrive_whole() {
    // Sessions that end early use up parts, so there are more than the bytes alone would need.
    let options = || Options { parts_max: 100, ..segmented() };
    at_random("random-segments", options(), 30 * PART, false);
    at_random("random-segments-faults", Options { attempts: 2, ..options() }, 40 * PART, true);
}

#[test]
fn uploads_arrive_whole_over_a_bad_network() {
    at_random("random-faults", Options { attempts: 2, ..options() }, 20 * PART, true);
}
