//! Random pages of random stores, beside a model.

use std::collections::BTreeSet;

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{Capability, Driver, Entry, LIMIT_MAX, ListPage, ListRequest};

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, key, prefix};
use crate::verdict::{hold, refused};

pub(super) async fn pages_are_those_of_the_model(it: &Subject) -> Outcome {
    const ROUNDS: usize = 8;
    const PAGES: usize = 60;
    let mut random = Random::new(it.seed());
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
async fn change(it: &Subject, random: &mut Random, keys: &mut BTreeSet<String>) -> Outcome {
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

async fn random_page(it: &Subject, random: &mut Random, keys: &BTreeSet<String>) -> Outcome {
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
