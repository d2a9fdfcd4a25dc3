//! One token used by two, and tokens that are over.

use longshore_plugin_api::{Driver, ErrorClass, Upload};

use crate::trial::{CALL, PART, bytes, class, commit, copied, handed_on, key, options, trial, write};

#[test]
fn two_who_go_on_from_one_token_never_mix() {
    trial("twice", options(), async |it| {
        for hint in [None, Some(key("k"))] {
            for before in [0, 10, 700, 2 * PART, 2 * PART + 100] {
                for (one, other) in [(10, 10), (3 * PART, 3 * PART), (3 * PART, 100), (2 * PART + 700, 2 * PART + 700), (0, 5 * PART)] {
                    let start = bytes(before, 1);
                    let mut upload = it.begin(hint.as_ref()).await?;
                    write(&mut upload, &start, 500).await?;
                    let token = upload.suspend(&CALL).await?;
                    drop(upload);
                    let mut uploads = Vec::new();
                    for (driver, length) in it.drivers.iter().zip([one, other]) {
                        let mut upload = driver.upload_resume(&CALL, &copied(&token)).await?;
                        let more = bytes(length, 40 + uploads.len() as u8);
                        write(&mut upload, &more[..length / 2], 400).await?;
                        uploads.push((upload, more));
                    }
                    let mut committed = 0;
                    for (number, (upload, more)) in uploads.iter_mut().enumerate() {
                        let to = if hint.is_some() { key("k") } else { key(&format!("k{number}")) };
                        let what = format!("{before} bytes, then {one} and {other}, number {number}");
                        let ended = async {
                            write(upload, &more[more.len() / 2..], 400).await?;
                            commit(upload, &to).await
                        };
                        match ended.await {
                            Ok(()) => {
                                committed += 1;
                                it.holds(&to, &[&start[..], more].concat(), &what).await?;
                            }
                            Err(error) => assert!(matches!(error.class(), ErrorClass::Conflict | ErrorClass::NotFound), "{what}: {error}"),
                        }
                    }
                    // Before the first part there is nothing that they share.
                    assert!(committed == 2 || before >= 600 && committed == 1, "{before} bytes, then {one} and {other}: {committed} of 2");
                    it.content().uploads.clear();
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_token_ends_when_a_newer_one_is_used() {
    trial("older", options(), async |it| {
        let [here, there] = &it.drivers;
        for size in [10, 3 * PART] {
            let mut upload = it.begin(None).await?;
            write(&mut upload, &bytes(size, 0), 100).await?;
            let older = upload.suspend(&CALL).await?;
            write(&mut upload, &bytes(size, 1), 100).await?;
            let newer = upload.suspend(&CALL).await?;
            drop(upload);
            let mut upload = here.upload_resume(&CALL, &newer).await?;
            assert_eq!(class(here.upload_resume(&CALL, &older).await), Some(ErrorClass::NotFound), "the older token");
            commit(&mut upload, &key("k")).await?;
            for token in [&older, &newer] {
                assert_eq!(class(here.upload_resume(&CALL, token).await), Some(ErrorClass::NotFound), "a token of what was committed");
            }
        }
        // This instance has kept the tail; what happens elsewhere ends it all the same.
        let mut upload = it.begin(None).await?;
        write(&mut upload, b"begin", 5).await?;
        let older = upload.suspend(&CALL).await?;
        let elsewhere = it.another().await?;
        let upload = elsewhere.upload_resume(&CALL, &older).await?;
        let mut upload = handed_on(upload, &elsewhere).await?;
        elsewhere.close(&CALL).await?;
        assert_eq!(class(here.upload_resume(&CALL, &older).await), Some(ErrorClass::NotFound), "a token that was used elsewhere");
        let token = upload.suspend(&CALL).await;
        assert!(token.is_ok() || class(token) == Some(ErrorClass::Closed), "whether a closed instance goes on is its own affair");
        for token in there.upload_list(&CALL, 0).await? {
            there.upload_resume(&CALL, &token).await?.abort(&CALL).await?;
        }
        Ok(())
    });
}

#[test]
fn the_token_before_stays_good_until_the_newer_one_is_used() {
    trial("before", options(), async |it| {
        let whole = bytes(4 * PART, 2);
        let mut upload = it.begin(None).await?;
        write(&mut upload, &whole[..1500], 100).await?;
        let older = upload.suspend(&CALL).await?;
        write(&mut upload, &bytes(2000, 77), 100).await?;
        // The answer of this one is lost, and its host with it.
        upload.suspend(&CALL).await?;
        drop(upload);
        let mut upload = it.drivers[1].upload_resume(&CALL, &older).await?;
        assert_eq!(upload.offset(), 1500);
        write(&mut upload, &whole[1500..], 100).await?;
        commit(&mut upload, &key("k")).await?;
        it.holds(&key("k"), &whole, "from the older token").await?;
        // What the lost one left is an abandoned upload.
        let left = it.drivers[1].upload_list(&CALL, 0).await?;
        assert_eq!(left.len(), 1);
        it.drivers[1].upload_resume(&CALL, &left[0]).await?.abort(&CALL).await?;
        it.holds(&key("k"), &whole, "after the purge").await
    });
}

#[test]
fn what_ended_is_not_gone_on_with_from_memory() {
    trial("memory", options(), async |it| {
        let driver = it.another().await?;
        for end in ["commit", "abort"] {
            let mut upload = driver.upload_begin(&CALL, None).await?;
            write(&mut upload, b"bytes", 5).await?;
            let token = upload.suspend(&CALL).await?;
            match end {
                "commit" => commit(&mut upload, &key("k")).await?,
                _ => upload.abort(&CALL).await?,
            }
            it.nothing_private_is_left().await;
            assert_eq!(class(driver.upload_resume(&CALL, &token).await), Some(ErrorClass::NotFound), "after {end}");
        }
        driver.close(&CALL).await
    });
}
