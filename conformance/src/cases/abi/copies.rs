//! Several libraries in one process.

use std::fs;
use std::path::Path;

use longshore_loader::api::{Condition, Driver};
use longshore_loader::{Inspection, LoadedDriver, inspect, load, verify};

use super::loading::patched;
use crate::case::Outcome;
use crate::trial::workload::mixed;
use crate::trial::{CALL, Instance, LIMITS, Trial, get, key};
use crate::verdict::{Stop, hold};

/// How many copies of the file are loaded before it.
const COPIES: usize = 9;
/// How much disk the copies may take together, in bytes.
const COPIES_MAX_BYTES: u64 = 1 << 30;

fn loaded(it: &Trial, path: &Path) -> Result<(Inspection, LoadedDriver), Stop> {
    let refused = |refusal: longshore_loader::Refusal| Stop::breach(refusal.to_string());
    let inspection = inspect(path).map_err(refused)?;
    verify(&inspection, &it.policy()).map_err(refused)?;
    let driver = load(&inspection).map_err(refused)?;
    Ok((inspection, driver))
}

/// Opens an instance of a library on a store of its own.
async fn opened(it: &Trial, driver: &LoadedDriver, name: &str) -> Result<Instance, Stop> {
    let schema = crate::config::schema(it.info()).map_err(|error| Stop::breach(error.to_string()))?;
    let settings = schema.check(&it.settings_elsewhere(name)?);
    let settings = settings.map_err(|_| Stop::Harness("the settings of another store do not fit".to_owned()))?;
    Ok(Instance::new(driver.open(name, &settings, &LIMITS).await?, &it.setting.config, it.trace.clone()))
}

/// Puts to one and finds nothing of it in the other, and the reverse.
async fn independent(first: &Instance, second: &Instance) -> Outcome {
    first.put(&CALL, key("whose"), "of the first".into(), Condition::Always).await?;
    let found = second.stat(&CALL, key("whose")).await;
    hold!(found.is_err(), "an object of one driver is seen by another one");
    second.put(&CALL, key("whose"), "of the second".into(), Condition::Always).await?;
    let got = get(first, "whose").await?;
    hold!(got == "of the first", "after another driver wrote the same key, {got:?} is read");
    for driver in [first, second] {
        driver.delete(&CALL, key("whose")).await?;
    }
    Ok(())
}

pub(super) async fn two_drivers_keep_their_identities(it: &Trial) -> Outcome {
    let name = &it.info().name;
    // As long as the name, and another one.
    let other: String = std::iter::once(if name.starts_with('z') { 'y' } else { 'z' }).chain(name.chars().skip(1)).collect();
    let path = patched(it, "other.so", &[("name", &format!("\"{name}\""), &format!("\"{other}\""))])?;
    let first = it.load()?;
    let (inspection, second) = loaded(it, &path)?;
    hold!(second.info().name == other, "the second driver says that it is {:?}, not {other:?}", second.info().name);
    hold!(first.describes_itself(&it.inspection), "the first driver does not describe itself once there is a second one");
    hold!(second.describes_itself(&inspection), "the second driver describes the first one");
    let (one, two) = (opened(it, &first, "one").await?, opened(it, &second, "two").await?);
    independent(&one, &two).await?;
    let error = two.stat(&CALL, key("absent")).await.err();
    let origin = error.as_ref().and_then(|error| error.origin()).unwrap_or("").to_owned();
    hold!(origin.starts_with(&other), "an error of the driver {other:?} says that it is of {origin:?}");
    one.close(&CALL).await?;
    mixed(&two).await?;
    two.close(&CALL).await?;
    Ok(())
}

/// How many parts of files called `name` this process has mapped to run them. A driver runs from a copy in memory, called like its file.
fn mapped(name: &str) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let copy = format!("/memfd:{name} (deleted)");
    maps.lines().filter(|line| line.contains(" r-xp ") && line.ends_with(&copy)).count()
}

pub(super) async fn one_file_is_one_library(it: &Trial) -> Outcome {
    let copy = patched(it, "driver.so", &[])?;
    let (linked, symbolic) = (it.folder().join("linked.so"), it.folder().join("symbolic.so"));
    fs::hard_link(&copy, &linked).map_err(|error| Stop::not_testable(format!("no hard links here: {error}")))?;
    std::os::unix::fs::symlink(&copy, &symbolic).map_err(|error| Stop::not_testable(format!("no links here: {error}")))?;
    let (_, first) = loaded(it, &copy)?;
    let parts = mapped("driver.so");
    hold!(parts > 0, "the loaded file is not mapped");
    let mut instances = vec![opened(it, &first, "first").await?];
    for (path, name) in [(&linked, "linked"), (&symbolic, "symbolic")] {
        let (_, again) = loaded(it, path)?;
        hold!(mapped("driver.so") == parts && mapped(&format!("{name}.so")) == 0, "the same file by a {name} path is loaded twice");
        instances.push(opened(it, &again, name).await?);
    }
    independent(&instances[0], &instances[1]).await?;
    instances[0].close(&CALL).await?;
    independent(&instances[2], &instances[1]).await?;
    for instance in &instances[1..] {
        instance.close(&CALL).await?;
    }
    Ok(())
}

pub(super) async fn tenth_library_loads(it: &Trial) -> Outcome {
    let size = it.inspection.size();
    let copies = usize::try_from(COPIES_MAX_BYTES / size.max(1)).unwrap_or(0).min(COPIES);
    if copies == 0 {
        return Err(Stop::not_testable(format!("a copy of the file takes {size} bytes of disk")));
    }
    for number in 0..copies {
        // With its own symbols, its own thread-local memory, its own statics.
        let path = patched(it, &format!("copy-{number}.so"), &[])?;
        loaded(it, &path).map_err(|stop| match stop {
            Stop::Breach(breach) => Stop::breach(format!("after {number} other libraries: {}", breach.sentence)),
            other => other,
        })?;
        // It is mapped, and stays: its name is not needed any more.
        let _ = fs::remove_file(&path);
    }
    let driver = opened(it, &it.load()?, "last").await?;
    mixed(&driver).await?;
    driver.close(&CALL).await?;
    Ok(())
}
