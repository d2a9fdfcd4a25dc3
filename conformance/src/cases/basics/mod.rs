//! The contract's basics: bytes in, the same bytes out; optional calls; independent instances; the end of an instance.

mod capabilities;
mod closing;
mod describe;
mod instances;
mod place;

use std::time::{SystemTime, UNIX_EPOCH};

use longshore_loader::api::{ByteRange, Driver};

use crate::case::{Need, Outcome, cases};
use crate::trial::{CALL, Subject, key};
use crate::verdict::{hold, same};

use capabilities::{declared_capabilities_work, undeclared_capabilities_are_unsupported};
use closing::{closed_instance_answers_closed, open_bodies_and_uploads_are_closed};
use describe::{describe_is_pure, errors_name_the_driver, name_is_legal};
use instances::{another_process_sees_every_write, instances_are_independent, second_instance_sees_every_write};
use place::{health_tells_the_truth, spelling_of_the_folder_does_not_matter, working_directory_does_not_matter};

cases! { "basics":
    file "BAS-01" Must Load Core [] describe_is_pure, "section 3, describe; section 6" =
        "`describe` answers what the file's note says, every time, before, while and after an instance is open";
    file "BAS-02" Must Load Core [] name_is_legal, "section 6" =
        "the driver's name is `[a-z][a-z0-9-]{0,31}`, and is the same wherever the driver tells it";
    store "BAS-03" Must Functional Core [] errors_name_the_driver, "section 7" =
        "every error carries the names of the driver and the instance";
    store "BAS-04" Must Functional Core [] empty_store_is_empty, "section 4" =
        "a new store opens, lists as empty at its root and has no object";
    store "BAS-05" Must Functional Core [] what_was_put_is_read, "section 3, put and read" =
        "what was put is what is read, and `stat` tells its size and the time of its write";
    store "BAS-06" Must Functional Core [Need::SharedStore] second_instance_sees_every_write, "section 2" =
        "another instance with the same settings sees what an earlier one wrote";
    store "BAS-07" Must Functional Core [Need::SharedStore, Need::Durable] another_process_sees_every_write, "section 2" =
        "another process sees what an earlier, closed one wrote";
    store "BAS-08" Must Functional Core [] instances_are_independent, "section 3, open" =
        "two instances with different stores never see each other's objects";
    store "BAS-09" Must Functional Core [] declared_capabilities_work, "section 3, capabilities" =
        "each capability that is declared works";
    store "BAS-10" Must Functional Core [] undeclared_capabilities_are_unsupported, "section 3, capabilities" =
        "a call whose capability was not declared answers `unsupported`, without side effect";
    store "BAS-11" Should Functional Core [] health_tells_the_truth, "section 3, health" =
        "`health` succeeds on a good store and changes nothing; it fails with `missing` once the store is gone";
    store "BAS-12" Must Functional Core [] closed_instance_answers_closed, "section 3, close" =
        "`close` is idempotent; every later call answers `closed`";
    store "BAS-13" Must Functional Core [] open_bodies_and_uploads_are_closed, "section 3, close" =
        "`close` answers while bodies and uploads are open, which then fail with `closed`";
    store "BAS-14" Should Functional Core [Need::Files, Need::SharedStore] spelling_of_the_folder_does_not_matter, "section 3, open" =
        "a store is the same however the path of its folder is spelled, and may lie deep";
    store "BAS-15" Must Functional Core [] working_directory_does_not_matter, "section 8" =
        "no call depends on the process's working directory or on HOME, and none leaves anything there";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("BAS-16", "the contract has no read-only mode; what a back-end refuses is `read_only`, and is about errors")];

async fn empty_store_is_empty(it: &Subject) -> Outcome {
    for recursive in [false, true] {
        let texts = it.walk("", recursive, 10).await?;
        hold!(texts.is_empty(), "a new store lists {texts:?}");
    }
    for name in ["a", "a/b", "docker/registry/v2"] {
        hold!(!it.exists(name).await?, "a new store has an object {name:?}");
    }
    Ok(())
}

async fn what_was_put_is_read(it: &Subject) -> Outcome {
    // Wide enough for a back-end whose clock is wrong; narrow enough for seconds or microseconds in place of milliseconds.
    const DAY_MS: u128 = 24 * 60 * 60 * 1000;
    let put = it.put("a/b", "hello").await?;
    hold!(put.size == 5, "put tells a size of {}, not 5", put.size);
    let stat = it.driver.stat(&CALL, key("a/b")).await?;
    it.told_as_stat(&put, &stat, "put")?;
    let (read, bytes) = it.read("a/b", ByteRange::ALL).await?;
    hold!(read == stat, "read tells {read:?}, stat told {stat:?}");
    same(b"hello", &bytes, "an object of five bytes")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let modified = u128::try_from(put.modified).unwrap_or(0);
    hold!(modified.abs_diff(now) < DAY_MS, "modified is {modified}, the time is {now} ms");
    Ok(())
}
