//! The class of each failure, and the instance after it.

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{ByteRange, Capability, Driver, DriverError, ListRequest};

use crate::case::Outcome;
use crate::trial::workload::{Provoked, mixed, provoke};
use crate::trial::{CALL, Subject, key, prefix};
use crate::verdict::{Stop, hold, refused};

/// Holds that a call on an absent key answers `not_found`, and names the key.
fn not_found<T>(result: Result<T, DriverError>, name: &str, call: &str) -> Outcome {
    let said = result.as_ref().err().map(|error| error.message().to_owned()).unwrap_or_default();
    refused(result, &[NotFound], format_args!("{call} of {name:?}"))?;
    hold!(said.contains(name), "{call} of {name:?} answers not_found and does not name the key: {said:?}");
    Ok(())
}

pub(super) async fn absent_key_is_not_found(it: &Subject) -> Outcome {
    it.put("there/is", "one").await?;
    // Nothing at all; beside an object; a prefix; below a prefix that is the beginning of another name.
    for name in ["nothing/here", "there/isnt", "there", "there/i"] {
        not_found(it.driver.stat(&CALL, key(name)).await, name, "stat")?;
        not_found(it.driver.read(&CALL, key(name), ByteRange::ALL).await, name, "read")?;
        not_found(it.driver.read(&CALL, key(name), ByteRange::new(1 << 40, 1)).await, name, "read beyond all ends")?;
        not_found(it.driver.delete(&CALL, key(name)).await, name, "delete")?;
        if it.capabilities.has(Capability::Copy) {
            not_found(it.driver.copy(&CALL, key(name), key("to")).await, name, "copy")?;
        }
    }
    for name in ["nothing", "nothing/here", "there/isnt"] {
        for recursive in [false, true] {
            let request = ListRequest { prefix: prefix(name), start_after: None, limit: 10, recursive };
            not_found(it.page(&request).await, name, "list")?;
        }
        if it.capabilities.has(Capability::DeletePrefix) {
            not_found(it.driver.delete_prefix(&CALL, prefix(name)).await, name, "delete_prefix")?;
        }
    }
    let left = it.objects().await?;
    hold!(left == ["there/is"], "the failed calls changed the store: it lists {left:?}");
    Ok(())
}

pub(super) async fn every_failure_has_its_class(it: &Subject) -> Outcome {
    let provoked = provoke(&it.driver).await?;
    let mut classes = Vec::new();
    for Provoked { what, expected, error } in provoked {
        let Some(error) = error else {
            return Err(Stop::breach(format!("{what} must answer {expected}, and succeeded")));
        };
        hold!(error.class() == expected, "{what} must answer {expected}, and answered: {error}");
        classes.push(expected.name());
    }
    classes.sort_unstable();
    classes.dedup();
    it.note("classes", classes.join(" "));
    Ok(())
}

pub(super) async fn instance_is_usable_after_errors(it: &Subject) -> Outcome {
    let mut last = String::new();
    for round in 0..3 {
        for Provoked { what, error, .. } in provoke(&it.driver).await? {
            hold!(error.is_some(), "{what} must fail, and succeeded");
            what.clone_into(&mut last);
        }
        mixed(&it.driver).await.map_err(|stop| match stop {
            Stop::Breach(breach) => Stop::breach(format!("after errors, the last of them of {last}: {}", breach.sentence)),
            other => other,
        })?;
        let left = it.objects().await?;
        hold!(left == ["there"], "after round {round} of failed calls the store lists {left:?}");
    }
    hold!(it.get("there").await? == "one", "a failed call changed an object");
    Ok(())
}
