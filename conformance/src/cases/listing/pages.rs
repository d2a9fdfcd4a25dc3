//! Order, page sizes, starts and prefixes.

use longshore_loader::api::ErrorClass::{InvalidArgument, NotFound};
use longshore_loader::api::{Driver, Entry, LIMIT_MAX, ListPage, ListRequest};

use crate::case::Outcome;
use crate::trial::many::put_many;
use crate::trial::observe::{memory_bytes, peak_memory_bytes};
use crate::trial::{CALL, Random, Subject, get, key, prefix};
use crate::verdict::{Stop, hold, refused, same};

fn texts(page: &ListPage) -> Vec<String> {
    page.entries.iter().map(Entry::text).collect()
}

pub(super) async fn order_is_that_of_bytes(it: &Subject) -> Outcome {
    // Neither the order of writing, nor that of people, nor that of names without their final slash.
    it.put_all(&["t/v1/x", "t/z", "t/v1-rc/x", "t/A", "t/v1.0", "t/v10", "t/a", "t/V1", "t/v1~", "t/Z", "t/v1%", "t/_", "t/0/x", "t/v1,"])
        .await?;
    let children = ["t/0/", "t/A", "t/V1", "t/Z", "t/_", "t/a", "t/v1%", "t/v1,", "t/v1-rc/", "t/v1.0", "t/v1/", "t/v10", "t/v1~", "t/z"];
    let objects = ["t/0/x", "t/A", "t/V1", "t/Z", "t/_", "t/a", "t/v1%", "t/v1,", "t/v1-rc/x", "t/v1.0", "t/v1/x", "t/v10", "t/v1~", "t/z"];
    for limit in (1..=15).chain([100, LIMIT_MAX]) {
        for (recursive, expected) in [(false, children), (true, objects)] {
            let got = it.walk("t", recursive, limit).await?;
            hold!(got == expected, "by pages of {limit} (recursive: {recursive}) {got:?} are listed, not {expected:?}");
        }
    }
    Ok(())
}

/// Walks by pages of `limit`; every page but the last must be full, and only the last may say that nothing follows.
async fn by_pages_of(it: &Subject, below: &str, expected: &[String], limit: u32) -> Outcome {
    let got = it.walk(below, false, limit).await?;
    let first = got.iter().zip(expected).position(|(got, expected)| got != expected);
    hold!(
        got == expected,
        "by pages of {limit} {} names are listed, not {}; the first that differs is number {first:?}",
        got.len(),
        expected.len()
    );
    for start in [0, limit as usize, expected.len().saturating_sub(limit as usize)] {
        let start = start.min(expected.len());
        let after = start.checked_sub(1).and_then(|last| expected.get(last));
        let page = it.page(&ListRequest::children(prefix(below), limit).after(after.map(String::as_str))).await?;
        let left = expected.len().saturating_sub(start);
        let (count, more) = (left.min(limit as usize), left > limit as usize);
        hold!(
            page.entries.len() == count && page.more == more,
            "a page of {limit} after {after:?}, which {left} names follow, has {} names and answers more = {}",
            page.entries.len(),
            page.more
        );
    }
    Ok(())
}

pub(super) async fn every_page_size_gives_the_same(it: &Subject) -> Outcome {
    const FEW: usize = 60;
    const MANY: usize = 2002;
    // Every third is a level of its own.
    let name = |number: usize| if number.is_multiple_of(3) { format!("few/{number:02}/x") } else { format!("few/{number:02}") };
    let text = |number: usize| if number.is_multiple_of(3) { format!("few/{number:02}/") } else { format!("few/{number:02}") };
    put_many(&it.driver, (0..FEW).map(name)).await?;
    let few: Vec<_> = (0..FEW).map(text).collect();
    for limit in (1..=10).chain([19, 20, 21, 30, 59, 60, 61, 1000, LIMIT_MAX]) {
        by_pages_of(it, "few", &few, limit).await?;
    }
    let many: Vec<_> = (0..MANY).map(|number| format!("many/{number:04}")).collect();
    put_many(&it.driver, many.iter().cloned()).await?;
    // Services answer at most 1000; 1001 and 2002 end with a page that is exactly full.
    for limit in [256, 999, 1000, 1001, 2001, 2002, 2003, LIMIT_MAX] {
        by_pages_of(it, "many", &many, limit).await?;
    }
    Ok(())
}

pub(super) async fn prefix_holds_by_component(it: &Subject) -> Outcome {
    it.put_all(&["a/b/c", "a/bc", "a/b-c/d", "a/b.c", "ab/c", "a-b/c", "b/a/b/c"]).await?;
    for (below, children, objects) in [
        ("a/b", vec!["a/b/c"], vec!["a/b/c"]),
        ("a", vec!["a/b-c/", "a/b.c", "a/b/", "a/bc"], vec!["a/b-c/d", "a/b.c", "a/b/c", "a/bc"]),
        ("ab", vec!["ab/c"], vec!["ab/c"]),
        ("b", vec!["b/a/"], vec!["b/a/b/c"]),
    ] {
        for limit in [1, 10] {
            let got = it.walk(below, false, limit).await?;
            hold!(got == children, "below {below:?} are {got:?}, not {children:?}");
            let got = it.walk(below, true, limit).await?;
            hold!(got == objects, "below {below:?} are, recursively, {got:?}, not {objects:?}");
        }
    }
    Ok(())
}

pub(super) async fn absent_prefix_is_not_found(it: &Subject) -> Outcome {
    it.put_all(&["a/b", "deep/er/x"]).await?;
    let absent = async |below: &str, why: &str| -> Outcome {
        for recursive in [false, true] {
            // Where to start does not matter.
            for start in [None, Some("zz")] {
                let request = ListRequest { prefix: prefix(below), start_after: start, limit: 10, recursive };
                let what = format!("list of {below:?}, {why} (recursive: {recursive}, after {start:?})");
                refused(it.page(&request).await, &[NotFound], what)?;
            }
        }
        Ok(())
    };
    for (below, why) in [
        ("nothing", "of which nobody wrote anything"),
        ("a/b", "an object"),
        ("dee", "half of a component"),
        ("a/b/c", "below an object"),
        ("deep/er/x/y", "below an object"),
    ] {
        absent(below, why).await?;
    }
    it.driver.delete(&CALL, key("deep/er/x")).await?;
    for below in ["deep/er", "deep"] {
        absent(below, "whose last key was deleted").await?;
    }
    let root = it.walk("", false, 10).await?;
    hold!(root == ["a/"], "{root:?} is at the root, not only \"a/\"");
    it.driver.delete(&CALL, key("a/b")).await?;
    for recursive in [false, true] {
        let root = it.walk("", recursive, 10).await?;
        hold!(root.is_empty(), "{root:?} is at the root of a store whose last key was deleted");
    }
    Ok(())
}

pub(super) async fn limit_outside_of_its_range_is_refused(it: &Subject) -> Outcome {
    it.put_all(&["a", "b"]).await?;
    for recursive in [false, true] {
        for limit in [0, LIMIT_MAX + 1, u32::MAX] {
            let request = ListRequest { prefix: prefix(""), start_after: None, limit, recursive };
            refused(it.page(&request).await, &[InvalidArgument], format_args!("a list with the limit {limit}"))?;
        }
        let page = it.page(&ListRequest { prefix: prefix(""), start_after: None, limit: LIMIT_MAX, recursive }).await?;
        hold!(texts(&page) == ["a", "b"] && !page.more, "a list with the limit {LIMIT_MAX} answers {page:?}");
        let page = it.page(&ListRequest { prefix: prefix(""), start_after: None, limit: 1, recursive }).await?;
        hold!(texts(&page) == ["a"] && page.more, "a list with the limit 1 answers {page:?}");
    }
    Ok(())
}

pub(super) async fn start_may_be_any_text(it: &Subject) -> Outcome {
    it.put_all(&["p/a", "p/b/x", "p/c"]).await?;
    // The text to start after; how many of the three children, and of the three objects, follow.
    for (after, children, objects) in [
        ("", 3, 3),
        ("a", 3, 3),
        ("p", 3, 3),
        ("p/", 3, 3),
        ("p/a", 2, 2),
        ("p/a!", 2, 2),
        ("p/a\0", 2, 2),
        ("p/b", 2, 2),
        ("p/b/", 1, 2),
        ("p/b/a", 1, 2),
        ("p/b/x", 1, 1),
        ("p/b/z", 1, 1),
        ("p/b0", 1, 1),
        ("p/c", 0, 0),
        ("p/c/", 0, 0),
        ("p0", 0, 0),
        ("q", 0, 0),
        ("\u{10ffff}", 0, 0),
    ] {
        for (recursive, all, follow) in [(false, ["p/a", "p/b/", "p/c"], children), (true, ["p/a", "p/b/x", "p/c"], objects)] {
            let expected = &all[3 - follow..];
            let request = ListRequest { prefix: prefix("p"), start_after: Some(after), limit: 10, recursive };
            let page = it.page(&request).await?;
            let got = texts(&page);
            let as_expected = got == expected && !page.more;
            hold!(as_expected, "after {after:?} (recursive: {recursive}) come {got:?} (more: {}), not {expected:?}", page.more);
        }
    }
    Ok(())
}

pub(super) async fn walk_goes_on_in_another_instance(it: &Subject) -> Outcome {
    let names: Vec<_> = (0..12).map(|number| format!("p/{number:02}")).collect();
    for name in &names {
        it.put(name, "x").await?;
    }
    let mut walked: Vec<String> = Vec::new();
    loop {
        // Each page from an instance that never saw the one before.
        let instance = it.second().await?;
        let request = ListRequest::objects(prefix("p"), 5).after(walked.last().map(String::as_str));
        let page = instance.list(&CALL, &request).await?;
        instance.close(&CALL).await?;
        hold!(!page.entries.is_empty(), "a page after {:?} is empty", walked.last());
        walked.extend(texts(&page));
        if !page.more {
            break;
        }
        hold!(walked.len() <= names.len(), "{walked:?} were walked so far, of {names:?}");
    }
    hold!(walked == names, "page after page, each of a new instance, {walked:?} are listed, not {names:?}");
    // What no page could end with.
    let mut random = Random::new(it.seed());
    let noise = random.bytes(3000).iter().map(|byte| char::from(*byte)).collect::<String>();
    for start in ["\0", "\n", "../..", "//", "p//", "p/\u{7f}", "%", "{\"token\":1}", &"p/05".repeat(10_000), &noise] {
        let shown: String = start.chars().take(20).collect();
        let page = it.page(&ListRequest::objects(prefix("p"), 20).after(Some(start))).await;
        let page = page.map_err(|error| Stop::breach(format!("a list after the text {shown:?}…: {error}")))?;
        let expected: Vec<_> = names.iter().filter(|name| name.as_str() > start).cloned().collect();
        hold!(texts(&page) == expected, "after the text {shown:?}… come {:?}, not {expected:?}", texts(&page));
    }
    Ok(())
}

pub(super) async fn listed_keys_can_be_read(it: &Subject) -> Outcome {
    let names = ["a", "b/c", "b/dd", "b/e/f/g", "%41/x", "v1-rc/x", "v1/x", "z.z/~"];
    it.put_all(&names).await?;
    let mut found = Vec::new();
    for entry in it.page(&ListRequest::objects(prefix(""), 10)).await?.entries {
        let Entry::Object(name, info) = entry else {
            return Err(Stop::breach(format!("a recursive list has the prefix {:?}", entry.text())));
        };
        let got = get(&it.driver, name.as_str()).await?;
        same(name.as_str().as_bytes(), &got, format!("the listed key {name}"))?;
        let stat = it.driver.stat(&CALL, &name).await?;
        hold!(info.as_ref().is_none_or(|info| *info == stat), "the list tells {info:?} of {name}, stat tells {stat:?}");
        found.push(name);
    }
    hold!(found.len() == names.len(), "{found:?} are listed, not {names:?}");
    // Level by level: each listed level is a prefix as it is.
    let (mut levels, mut objects) = (vec![String::new()], 0);
    while let Some(level) = levels.pop() {
        for entry in it.page(&ListRequest::children(prefix(&level), 10)).await?.entries {
            match entry {
                Entry::Prefix(deeper) => levels.push(deeper.as_str().to_owned()),
                Entry::Object(name, _) => {
                    it.driver.stat(&CALL, &name).await?;
                    objects += 1;
                }
            }
        }
        hold!(levels.len() <= names.len(), "the levels {levels:?} are listed of {names:?}");
    }
    hold!(objects == names.len(), "level by level {objects} objects are found, not {}", names.len());
    Ok(())
}

pub(super) async fn children_are_listed_once(it: &Subject) -> Outcome {
    let mut names = vec!["p/a".to_owned(), "p/z".to_owned(), "q".to_owned()];
    for level in ["l1", "l2", "l3"] {
        names.extend((0..10).map(|number| format!("p/{level}/{number}")));
        names.push(format!("p/{level}/deep/er/x"));
    }
    put_many(&it.driver, names).await?;
    for limit in [1, 2, 3, 4, 5, 6, 100] {
        let got = it.walk("p", false, limit).await?;
        let expected = ["p/a", "p/l1/", "p/l2/", "p/l3/", "p/z"];
        hold!(got == expected, "the children of \"p\" by pages of {limit} are {got:?}, not {expected:?}");
        let root = it.walk("", false, limit).await?;
        hold!(root == ["p/", "q"], "the children of the root by pages of {limit} are {root:?}");
    }
    let got = it.walk("p/l1", false, 100).await?;
    let expected: Vec<_> = (0..10).map(|number| format!("p/l1/{number}")).chain(["p/l1/deep/".to_owned()]).collect();
    hold!(got == expected, "the children of \"p/l1\" are {got:?}, not {expected:?}");
    Ok(())
}

pub(super) async fn memory_follows_the_page(it: &Subject) -> Outcome {
    const KEYS: usize = 100_000;
    /// Much more than a page of 100 takes, and much less than all names do.
    const MOST_BYTES: u64 = 8 << 20;
    let long = "n".repeat(240);
    put_many(&it.driver, (0..KEYS).map(|number| format!("many/{number:06}-{long}"))).await?;
    // Else what writing took would hide what listing takes. The value is the kernel's word for "forget the peak".
    std::fs::write("/proc/self/clear_refs", "5")
        .map_err(|error| Stop::not_testable(format!("the peak of the memory cannot be reset: {error}")))?;
    let before = memory_bytes("self");
    let peak_before = peak_memory_bytes("self");
    let (mut last, mut seen): (Option<String>, usize) = (None, 0);
    // A few pages from the beginning, and one from the middle and the end.
    for start in [None, None, None, Some(KEYS / 2), Some(KEYS - 50)] {
        let after = start.map(|number| format!("many/{number:06}")).or(last.take());
        let page = it.page(&ListRequest::children(prefix("many"), 100).after(after.as_deref())).await?;
        hold!(!page.entries.is_empty() && page.entries.len() <= 100, "a page of 100 after {after:?} has {}", page.entries.len());
        seen += page.entries.len();
        last = page.entries.last().map(Entry::text);
    }
    hold!(seen == 450, "five pages of 100, the last after all but 50 keys, have {seen} entries together");
    let grown = peak_memory_bytes("self").saturating_sub(peak_before);
    it.note("memory of a page of 100 of 100,000 keys", format!("{grown} bytes beside {before}"));
    hold!(grown <= MOST_BYTES, "pages of 100 of {KEYS} keys took {grown} bytes of memory, {MOST_BYTES} are plenty");
    Ok(())
}
