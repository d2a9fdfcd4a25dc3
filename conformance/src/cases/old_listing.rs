//! Every page is that of a sorted set of texts.

use std::collections::BTreeSet;

use longshore_loader::api::ErrorClass::{InvalidArgument, NotFound};
use longshore_loader::api::{Capability, Driver, Entry, LIMIT_MAX, ListPage, ListRequest};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, key, prefix};
use crate::{Breach, Random, Subject};

checks! {
    pages_are_those_of_the_model = "any page of any store is that of its keys, sorted by the bytes of the returned text";
    order_is_that_of_bytes = "order is the byte order of the returned text, prefixes with their final `/`";
    every_page_size_gives_the_same = "pages of every size give the same names, each once, and `more` is true unless nothing follows";
    prefix_holds_by_component = "a prefix is whole components: `a/b` lists nothing of `a/bc`";
    absent_prefix_is_not_found = "an absent prefix, or one whose last key was removed, is `not_found`; the root never is";
    limit_outside_of_its_range_is_refused = "a limit is 1 to 10,000; anything else is `invalid_argument`";
    start_may_be_any_text = "`start_after` is exclusive and need not exist";
    listed_facts_are_true = "the facts that a page tells of an object are those of `stat`";
    walk_survives_changes = "keys that are there during the whole walk appear once, whatever is deleted or written meanwhile";
}

async fn pages_are_those_of_the_model<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    const ROUNDS: usize = 12;
    const PAGES: usize = 60;
    let mut random = Random::new(it.seed);
    let mut keys = BTreeSet::new();
    for _ in 0..ROUNDS {
        change(it, &mut random, &mut keys).await?;
        let listed = it.objects().await?;
        hold!(listed.iter().eq(&keys), "{listed:?} are listed, there are {keys:?}");
        for _ in 0..PAGES {
            random_page(it, &mut random, &keys).await?;
        }
    }
    Ok(())
}

/// Writes and deletes a few keys.
async fn change<D: Driver>(it: &Subject<D>, random: &mut Random, keys: &mut BTreeSet<String>) -> Result<(), Breach> {
    for _ in 0..12 {
        let name = random_key(random);
        if keys.contains(&name) {
            it.driver.delete(&CALL, key(&name)).await?;
            keys.remove(&name);
        } else if it.capabilities.has(Capability::NestedObjects) || !clashes(keys, &name) {
            it.put(&name, name.clone()).await?;
            keys.insert(name);
        }
    }
    Ok(())
}

/// Few components, so that keys meet; characters on both sides of `/`, so that order matters.
fn random_key(random: &mut Random) -> String {
    const COMPONENTS: [&str; 12] = ["a", "a-b", "a.b", "a0", "aa", "b", "v1", "v1-rc", "v1.0", "v10", "~", "%41"];
    let components: Vec<_> = (0..=random.below(3)).map(|_| *random.one_of(&COMPONENTS)).collect();
    components.join("/")
}

/// True if one of the keys is a component-wise prefix of `name`, or the other way round.
fn clashes(keys: &BTreeSet<String>, name: &str) -> bool {
    keys.iter().any(|key| prefix(key).strip(name).is_some() || prefix(name).strip(key).is_some())
}

async fn random_page<D: Driver>(it: &Subject<D>, random: &mut Random, keys: &BTreeSet<String>) -> Result<(), Breach> {
    let below = random_prefix(random, keys);
    let after = random_start(random, keys);
    let limit = *random.one_of(&[1, 2, 3, 5, 10, LIMIT_MAX]);
    let recursive = random.below(2) == 1;
    let request = ListRequest { prefix: prefix(&below), start_after: after.as_deref(), limit, recursive };
    let expected = model(keys, &request);
    let got = it.page(&request).await;
    let Some((texts, more)) = expected else {
        return refused(got, &[NotFound], format_args!("{request:?} of {keys:?}"));
    };
    let ListPage { entries, more: got_more } = got?;
    let got: Vec<_> = entries.iter().map(Entry::text).collect();
    hold!(got == texts, "{request:?} of {keys:?} answers {got:?}, not {texts:?}");
    hold!(got_more == more, "{request:?} of {keys:?} answers more = {got_more}");
    Ok(())
}

/// The root, a level that exists, or any key (which may have nothing below).
fn random_prefix(random: &mut Random, keys: &BTreeSet<String>) -> String {
    let name = match random.below(4) {
        0 => return String::new(),
        1 => return random_key(random),
        _ => random_text(random, keys),
    };
    let slashes: Vec<_> = name.match_indices('/').map(|(at, _)| at).collect();
    if slashes.is_empty() { name } else { name[..*random.one_of(&slashes)].to_owned() }
}

/// Nothing, a name, or a text near one, which is no name.
fn random_start(random: &mut Random, keys: &BTreeSet<String>) -> Option<String> {
    let mut text = random_text(random, keys);
    match random.below(8) {
        0 | 1 => return None,
        2 => {}
        3 => text.push(*random.one_of(&['/', '-', '.', '0', '!', '\u{0}', '~', 'é'])),
        4 => drop(text.pop()),
        5 => text.truncate(text.find('/').map_or(text.len(), |at| at + 1)),
        6 => text.truncate(text.find('/').unwrap_or(text.len())),
        _ => text = (*random.one_of(&["", " ", "/", "a/", "zz", "~~~", "\u{10ffff}"])).to_owned(),
    }
    Some(text)
}

fn random_text(random: &mut Random, keys: &BTreeSet<String>) -> String {
    let known = random.below(keys.len().max(1));
    keys.iter().nth(known).cloned().unwrap_or_else(|| random_key(random))
}

/// The page of `keys`, by the contract; `None` for an absent prefix.
fn model(keys: &BTreeSet<String>, request: &ListRequest<'_>) -> Option<(Vec<String>, bool)> {
    let text = |key: &String| {
        let rest = request.prefix.strip(key)?;
        let level = rest.find('/').filter(|_| !request.recursive);
        Some(level.map_or(key.clone(), |at| key[..=key.len() - rest.len() + at].to_owned()))
    };
    let texts: BTreeSet<String> = keys.iter().filter_map(text).collect();
    if texts.is_empty() && !request.prefix.is_root() {
        return None;
    }
    let mut texts: Vec<_> = texts.into_iter().filter(|text| request.start_after.is_none_or(|after| text.as_str() > after)).collect();
    let more = texts.len() > request.limit as usize;
    texts.truncate(request.limit as usize);
    Some((texts, more))
}

async fn order_is_that_of_bytes<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["t/v1/x", "t/v1-rc/x", "t/v1.0", "t/v10", "t/V1", "t/v1~", "t/v1%", "t/_", "t/0/x"]).await?;
    let expected = ["t/0/", "t/V1", "t/_", "t/v1%", "t/v1-rc/", "t/v1.0", "t/v1/", "t/v10", "t/v1~"];
    let got = it.walk("t", false, 100).await?;
    hold!(got == expected, "{got:?} is listed, not {expected:?}");
    let expected = ["t/0/x", "t/V1", "t/_", "t/v1%", "t/v1-rc/x", "t/v1.0", "t/v1/x", "t/v10", "t/v1~"];
    let got = it.walk("t", true, 100).await?;
    hold!(got == expected, "{got:?} is listed recursively, not {expected:?}");
    Ok(())
}

async fn every_page_size_gives_the_same<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    const NAMES: usize = 60;
    let mut expected = Vec::new();
    for number in 0..NAMES {
        // Every third is a level of its own.
        let (name, text) = if number % 3 == 0 {
            (format!("p/{number:02}/x"), format!("p/{number:02}/"))
        } else {
            (format!("p/{number:02}"), format!("p/{number:02}"))
        };
        it.put(&name, "x").await?;
        expected.push(text);
    }
    for limit in (1..=10).chain([19, 20, 21, 30, 59, 60, 61, 1000, LIMIT_MAX]) {
        let got = it.walk("p", false, limit).await?;
        hold!(got == expected, "pages of {limit} give {got:?}, not {expected:?}");
        let full = it.page(&ListRequest::children(prefix("p"), limit)).await?;
        let more = (limit as usize) < NAMES;
        hold!(full.more == more, "the first page of {limit} of {NAMES} names answers more = {}", full.more);
    }
    Ok(())
}

async fn prefix_holds_by_component<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a/b/c", "a/bc", "a/b-c/d", "ab/c"]).await?;
    for (below, expected) in [("a/b", vec!["a/b/c"]), ("a", vec!["a/b-c/", "a/b/", "a/bc"]), ("ab", vec!["ab/c"])] {
        let got = it.walk(below, false, 10).await?;
        hold!(got == expected, "below {below:?} are {got:?}, not {expected:?}");
    }
    Ok(())
}

async fn absent_prefix_is_not_found<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a/b", "deep/er/x"]).await?;
    for recursive in [false, true] {
        // Nothing of the name; an object; half of a component; below an object.
        for below in ["nothing", "a/b", "dee", "a/b/c", "deep/er/x/y"] {
            let request = ListRequest { recursive, ..ListRequest::children(prefix(below), 10) };
            refused(it.page(&request).await, &[NotFound], format_args!("list of {below:?} (recursive: {recursive})"))?;
            // Where to start does not matter.
            let request = request.after(Some("zz"));
            refused(it.page(&request).await, &[NotFound], format_args!("list of {below:?} from \"zz\" (recursive: {recursive})"))?;
        }
    }
    it.driver.delete(&CALL, key("deep/er/x")).await?;
    for below in ["deep/er", "deep"] {
        refused(
            it.page(&ListRequest::children(prefix(below), 10)).await,
            &[NotFound],
            format_args!("list of {below:?}, which is empty now"),
        )?;
    }
    let root = it.walk("", false, 10).await?;
    hold!(root == ["a/"], "{root:?} is at the root, not only \"a/\"");
    it.driver.delete(&CALL, key("a/b")).await?;
    let root = it.walk("", false, 10).await?;
    hold!(root.is_empty(), "{root:?} is at the root of an empty store");
    Ok(())
}

async fn limit_outside_of_its_range_is_refused<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a", "b"]).await?;
    for limit in [0, LIMIT_MAX + 1, u32::MAX] {
        refused(it.page(&ListRequest::children(prefix(""), limit)).await, &[InvalidArgument], format_args!("a limit of {limit}"))?;
    }
    let page = it.page(&ListRequest::children(prefix(""), LIMIT_MAX)).await?;
    hold!(page.entries.len() == 2 && !page.more, "a limit of {LIMIT_MAX} answers {page:?}");
    Ok(())
}

async fn start_may_be_any_text<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["p/a", "p/b/x", "p/c"]).await?;
    for (after, expected) in [
        ("", vec!["p/a", "p/b/", "p/c"]),
        ("a", vec!["p/a", "p/b/", "p/c"]),
        ("p", vec!["p/a", "p/b/", "p/c"]),
        ("p/a", vec!["p/b/", "p/c"]),
        ("p/a!", vec!["p/b/", "p/c"]),
        ("p/b", vec!["p/b/", "p/c"]),
        ("p/b/", vec!["p/c"]),
        ("p/b/a", vec!["p/c"]),
        ("p/b/z", vec!["p/c"]),
        ("p/b0", vec!["p/c"]),
        ("p/c", vec![]),
        ("q", vec![]),
        ("\u{10ffff}", vec![]),
    ] {
        let page = it.page(&ListRequest::children(prefix("p"), 10).after(Some(after))).await?;
        let got: Vec<_> = page.entries.iter().map(Entry::text).collect();
        hold!(got == expected && !page.more, "after {after:?} come {got:?} (more: {}), not {expected:?}", page.more);
    }
    Ok(())
}

async fn listed_facts_are_true<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a", "b/c", "b/dd"]).await?;
    for entry in it.page(&ListRequest::objects(prefix(""), 10)).await?.entries {
        let Entry::Object(name, info) = entry else {
            return Err(Breach::new(format!("a recursive list has the prefix {:?}", entry.text())));
        };
        let stat = it.driver.stat(&CALL, &name).await?;
        hold!(info.as_ref().is_none_or(|info| *info == stat), "the list tells {info:?} of {name}, stat tells {stat:?}");
    }
    Ok(())
}

async fn walk_survives_changes<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let names: Vec<_> = (0..30).map(|number| format!("p/{number:02}")).collect();
    for name in &names {
        it.put(name, "x").await?;
    }
    let mut walked: Vec<String> = Vec::new();
    let mut deleted: Vec<String> = Vec::new();
    loop {
        let request = ListRequest::children(prefix("p"), 4).after(walked.last().map(String::as_str));
        let page = it.page(&request).await?;
        walked.extend(page.entries.iter().map(Entry::text));
        if !page.more {
            break;
        }
        // The page's last key, which the next one starts after; and a new key before it.
        let last = walked.last().cloned().unwrap_or_default();
        it.driver.delete(&CALL, key(&last)).await?;
        it.put(&format!("{last}-new"), "x").await?;
        deleted.push(last);
    }
    for name in names.iter().filter(|name| !deleted.contains(name)) {
        let times = walked.iter().filter(|walked| *walked == name).count();
        hold!(times == 1, "{name:?} was there all the time and appeared {times} times in {walked:?}");
    }
    hold!(walked.is_sorted(), "{walked:?} is not in order");
    Ok(())
}
