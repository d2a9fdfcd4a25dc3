//! Everything below a prefix.

use longshore_loader::api::ErrorClass::{InvalidArgument, NotFound};
use longshore_loader::api::{Capability, Condition, Driver, DriverError, convenience};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::abandon::due_in;
use crate::trial::peer::{Content, Question, Unanswered};
use crate::trial::strace::{Fault, Faulted, Scene, Site, sites, with_fault};
use crate::trial::{CALL, Subject, key, prefix};
use crate::verdict::{Stop, hold, refused, same};

/// How long a host waits for a call unless it is told otherwise (`drivers.call_secs`), in milliseconds: some services remove one object at a time.
const REMOVED_WITHIN_MS: i64 = 60_000;

/// Removes what is below, as a host does it.
async fn remove(it: &Subject, below: &str) -> Result<(), DriverError> {
    let call = due_in(REMOVED_WITHIN_MS);
    if it.capabilities.has(Capability::DeletePrefix) {
        it.driver.delete_prefix(&call, prefix(below)).await
    } else {
        convenience::delete_by_listing(&it.driver, &call, prefix(below)).await
    }
}

pub(super) async fn tree_is_removed_and_nothing_else(it: &Subject) -> Outcome {
    it.put_all(&["a/b/c", "a/b/d/e", "a/b/d/f/g", "a/bc", "a/b.c", "a/b-c/d", "ab/b/c", "z"]).await?;
    remove(it, "a/b").await?;
    let expected = ["a/b-c/d", "a/b.c", "a/bc", "ab/b/c", "z"];
    let left = it.objects().await?;
    hold!(left == expected, "everything below \"a/b\" was removed, {left:?} are left, and {expected:?} should be");
    for absent in ["a/b", "a/nothing", "z"] {
        refused(remove(it, absent).await, &[NotFound], format_args!("the removal of all below {absent:?}, where nothing is,"))?;
    }
    remove(it, "a").await?;
    let left = it.objects().await?;
    hold!(left == ["ab/b/c", "z"], "everything below \"a\" was removed, and {left:?} are left");
    for name in ["ab/b/c", "z"] {
        same(name.as_bytes(), &it.get(name).await?, format_args!("{name:?}, whose neighbours were removed"))?;
    }
    it.put("a/b/c", "again").await?;
    same(b"again", &it.get("a/b/c").await?, "an object below a prefix that was removed")
}

pub(super) async fn thousands_are_removed(it: &Subject) -> Outcome {
    const KEYS: usize = 5000;
    const AT_ONCE: usize = 16;
    let mut writers = JoinSet::new();
    for part in 0..AT_ONCE {
        let driver = it.driver.clone();
        writers.spawn(async move {
            for number in (part..KEYS).step_by(AT_ONCE) {
                // Most of them on one level, some on others.
                let name = if number % 10 == 0 { format!("many/deeper{}/{number}", number % 7) } else { format!("many/{number}") };
                driver.put(&CALL, key(&name), "x".into(), Condition::Always).await?;
            }
            Ok::<_, DriverError>(())
        });
    }
    writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    it.put_all(&["many.more", "manyfold/a"]).await?;
    let listed = it.walk("many", true, 1000).await?.len();
    hold!(listed == KEYS, "{KEYS} keys were written, {listed} are listed");
    remove(it, "many").await?;
    let left = it.objects().await?;
    hold!(left.len() == 2, "{KEYS} keys were removed with their prefix, and {} keys are left", left.len());
    hold!(left == ["many.more", "manyfold/a"], "{KEYS} keys were removed with their prefix, and {left:?} are left");
    Ok(())
}

pub(super) async fn root_is_refused(it: &Subject) -> Outcome {
    for objects in [&[][..], &["a/b", "z"]] {
        it.put_all(objects).await?;
        refused(it.driver.delete_prefix(&CALL, prefix("")).await, &[InvalidArgument], "delete_prefix of the root")?;
        let left = it.objects().await?;
        hold!(left == objects, "delete_prefix of the root was refused, and {left:?} of {objects:?} are left");
    }
    Ok(())
}

const INSIDE: [&str; 6] = ["t/a", "t/b", "t/c/d", "t/c/e", "t/f/g/h", "t/z"];
const OUTSIDE: [&str; 2] = ["t.a", "ta/b"];

pub(super) async fn faulty_delete_can_be_repeated(it: &Subject) -> Outcome {
    it.put_all(&OUTSIDE).await?;
    let before: Vec<_> =
        INSIDE.iter().map(|name| Question::Put { key: (*name).into(), content: Content::Text((*name).into()), if_absent: false }).collect();
    let scene = Scene { before: &before, asked: &[Question::DeletePrefix { prefix: "t".into() }], ..Scene::default() };
    // Reading a folder may fail as well as changing it.
    let found = sites(it, &scene, false).await?;
    let (mut reached, mut failed) = (0, 0);
    for site in found.iter().filter(|site| site.call != "close") {
        for fault in [Fault::Once("EIO"), Fault::FromThere("EIO")] {
            let faulted = with_fault(it, &scene, site, fault).await?;
            if faulted.reached {
                reached += 1;
                failed += usize::from(faulted.answer.is_err());
                is_safe_to_repeat(it, site, faulted).await?;
            } else {
                // The objects of the next round may be there or not.
                faulted.peer.end().await?;
            }
        }
    }
    it.note("faults during delete_prefix", format!("{reached}, of which {failed} made it fail"));
    if reached == 0 {
        return Err(Stop::not_testable("no fault was reached: delete_prefix makes no system call on the store that is known here"));
    }
    Ok(())
}

async fn is_safe_to_repeat(it: &Subject, site: &Site, faulted: Faulted) -> Outcome {
    let left = it.objects().await?;
    let inside: Vec<_> = left.iter().filter(|text| text.starts_with("t/")).collect();
    match faulted.answer {
        Ok(_) => hold!(inside.is_empty(), "delete_prefix answered, with EIO at {}, and {inside:?} are left", site.line),
        Err(Unanswered::Gone) => return Err(Unanswered::Gone.into()),
        // By the instance that failed, and it may be that the keys were gone before the fault.
        Err(Unanswered::Failed(_)) => match faulted.peer.ask(Question::DeletePrefix { prefix: "t".into() }).await {
            Ok(_) => {}
            Err(unanswered) if unanswered.class() == Some(NotFound) && inside.is_empty() => {}
            Err(unanswered) => {
                return Err(Stop::breach(format!("delete_prefix failed with EIO at {}; again it answers {unanswered:?}", site.line)));
            }
        },
    }
    let left = it.objects().await?;
    hold!(
        left == OUTSIDE,
        "delete_prefix with EIO at {} was repeated, and {left:?} are left of {OUTSIDE:?} that it must not touch",
        site.line
    );
    faulted.peer.end().await?;
    Ok(())
}
