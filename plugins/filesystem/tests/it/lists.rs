//! Lists: order, pages, prefixes that are none.

use std::collections::BTreeSet;

use super::*;

/// Names that extend one another in every way that a sort can get wrong, as objects and as levels.
const CORPUS: &[&str] = &[
    "a-b",
    "a.b",
    "a/b",
    "a/b-",
    "a/c/d",
    "a/c-d",
    "a0",
    "a0/x",
    "aa",
    "A",
    "tags/v1-rc/current/link",
    "tags/v1.0/current/link",
    "tags/v1/current/link",
    "tags/v1/index/sha256/ab/link",
    "tags/v10/current/link",
    "tags/v1%/current/link",
    "z~",
    "z,",
    "z/=/@",
    "z/+",
];

fn filled(names: &[&str]) -> Store {
    let store = Store::with("process");
    // Of two that clash the first stays.
    let _ = names.iter().map(|name| store.put(name, "1")).collect::<Vec<_>>();
    store
}

/// What a list must answer, by the rules alone.
fn model(names: &BTreeSet<String>, request: &ListRequest<'_>) -> (Vec<String>, bool) {
    let below = names.iter().filter_map(|name| Some((name, request.prefix.strip(name)?)));
    let texts: BTreeSet<String> = below
        .map(|(name, rest)| match rest.split_once('/') {
            Some((first, _)) if !request.recursive => format!("{}{first}/", &name[..name.len() - rest.len()]),
            _ => name.clone(),
        })
        .collect();
    let after = |text: &&String| request.start_after.is_none_or(|start_after| text.as_str() > start_after);
    let mut page: Vec<String> = texts.iter().filter(after).take(request.limit as usize + 1).cloned().collect();
    let more = page.len() > request.limit as usize;
    page.truncate(request.limit as usize);
    (page, more)
}

/// Semantics: "Order is the byte order of the returned text, prefixes including their final `/`."
#[test]
fn pages_of_any_size_are_those_of_the_model() {
    let store = filled(CORPUS);
    let names: BTreeSet<String> = store.objects("").expect("list").into_iter().collect();
    assert_eq!(names.len(), CORPUS.len() - 1, "all but a0/x, which clashes with a0");
    let alphabet = [
        "",
        "a",
        "a/",
        "a-",
        "a/b",
        "a/c/",
        "a0",
        "tags",
        "tags/",
        "tags/v1",
        "tags/v1/",
        "tags/v1/current/link",
        "tags/v1-",
        "z/",
        "~",
        "é",
        "/",
    ];
    for prefix_text in ["", "a", "a/c", "tags", "tags/v1", "z"] {
        for recursive in [false, true] {
            for limit in [1, 2, 3, 5, 100] {
                for start_after in alphabet.map(Some).into_iter().chain([None]) {
                    let request = ListRequest { prefix: prefix(prefix_text), start_after, limit, recursive };
                    assert_eq!(store.list(&request).expect("list"), model(&names, &request), "{request:?}");
                }
            }
        }
    }
}

/// Semantics: "Keys present during the whole walk appear exactly once."
#[test]
fn a_walk_in_random_pages_over_random_names_meets_each_once() {
    let mut random = Random::new("walk");
    let store = Store::with("process");
    let mut names = BTreeSet::new();
    for _ in 0..1500 {
        let depth = 1 + random.below(4);
        let parts: Vec<_> =
            (0..depth).map(|_| ["a", "a-", "a0", "b", "b.", "~", "-", "A", "aa", "%"][random.below(10)].to_owned()).collect();
        let name = format!("{}/{}", parts.join("/"), random.below(400));
        if store.put(&name, "").is_ok() {
            names.insert(name);
        }
    }
    for recursive in [false, true] {
        for prefix_text in ["", "a", "a-/a0"] {
            let mut after: Option<String> = None;
            loop {
                let largest = if random.below(4) == 0 { 700 } else { 20 };
                let limit = 1 + random.below(largest) as u32;
                let request = ListRequest { prefix: prefix(prefix_text), start_after: after.as_deref(), limit, recursive };
                let (page, more) = match store.list(&request) {
                    Err(error) => {
                        assert_eq!(error.class(), ErrorClass::NotFound);
                        assert!(!names.iter().any(|name| prefix(prefix_text).strip(name).is_some()));
                        break;
                    }
                    page => page.expect("list"),
                };
                assert_eq!((page.clone(), more), model(&names, &request), "{request:?}");
                let Some(last) = page.into_iter().next_back().filter(|_| more) else {
                    break;
                };
                after = Some(last);
            }
        }
    }
}

/// Semantics: "`more = false` means that nothing follows"; a folder larger than what is kept at once.
#[test]
fn a_large_folder_pages_completely() {
    let store = Store::with("process");
    std::fs::create_dir(store.path("many")).expect("a folder");
    let mut names: Vec<String> = (0..3000).map(|number: u64| format!("many/{:x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    names.iter().for_each(|name| std::fs::write(store.path(name), "").expect("a file"));
    names.sort_unstable();
    for limit in [1, 299, 1000, 3000, 10_000] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let (page, more) =
                store.list(&ListRequest::children(prefix("many"), limit).after(seen.last().map(String::as_str))).expect("list");
            seen.extend(page);
            if !more || limit == 1 && seen.len() == 20 {
                break;
            }
        }
        assert_eq!(seen, names[..seen.len()], "pages of {limit}");
        assert!(limit == 1 || seen.len() == names.len());
    }
}

/// Semantics: "An absent prefix, or one whose last key was removed, is `not_found`."
#[test]
fn folders_without_an_object_are_no_prefixes() {
    let store = Store::with("process");
    for folder in ["a/b/c", "a/d", "e/f", "only/empty/ones"] {
        std::fs::create_dir_all(store.path(folder)).expect("folders");
    }
    (0..600).for_each(|number| std::fs::create_dir_all(store.path(&format!("hollow/{number:03}/x"))).expect("folders"));
    store.put("a/b/c/object", "").expect("put");
    store.put("hollow/599/x/y", "").expect("put");
    assert_eq!(store.children("").expect("list"), ["a/", "hollow/"]);
    assert_eq!(store.children("a").expect("list"), ["a/b/"]);
    assert_eq!(store.list(&ListRequest::children(prefix("hollow"), 1)).expect("list"), (vec!["hollow/599/".to_owned()], false));
    assert_eq!(store.list(&ListRequest::objects(prefix("hollow"), 1)).expect("list"), (vec!["hollow/599/x/y".to_owned()], false));
    for absent in ["a/d", "e", "only/empty", "never", "a/b/c/object", "a/b/c/object/below"] {
        for request in [ListRequest::children(prefix(absent), 10), ListRequest::objects(prefix(absent), 10)] {
            assert_eq!(class(store.list(&request)), ErrorClass::NotFound, "{absent}");
            assert_eq!(class(store.list(&request.after(Some("zzz")))), ErrorClass::NotFound, "{absent}");
        }
    }
    assert_eq!(store.list(&ListRequest::children(prefix("a"), 10).after(Some("zzz"))).expect("nothing follows"), (vec![], false));
    assert_eq!(class(store.list(&ListRequest::children(prefix("a"), 0))), ErrorClass::InvalidArgument);
}

/// Semantics: "Uploads in progress are never listed."
#[test]
fn uploads_and_temporary_names_are_never_listed() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, vec![0; 500_000]);
    assert_eq!(store.objects("").expect("list"), [""; 0]);
    let _token = suspend(&mut upload);
    assert_eq!(store.objects("").expect("list"), [""; 0]);
    assert_eq!(store.children("").expect("list"), [""; 0]);
}

/// A path deeper than any key is walked neither for a list nor for a removal.
#[test]
fn deeper_than_any_key_is_out_of_sight() {
    let store = Store::with("process");
    let longest = vec!["abc"; 256].join("/");
    store.put(&longest, "1").expect("the longest key");
    let long_name = "n".repeat(255);
    store.put(&long_name, "1").expect("the longest component");
    let mut folder = store.path("deep");
    for _ in 0..12 {
        std::fs::create_dir(&folder).expect("a folder");
        folder.push("d".repeat(200));
    }
    std::fs::write(&folder, "beyond").expect("a file");
    assert_eq!(class(store.children("deep")), ErrorClass::NotFound);
    assert_eq!(store.objects("").expect("list"), [longest.as_str(), &long_name]);
    store.put("deep/shallow", "1").expect("put");
    store.delete_prefix("deep").expect("a tree of any depth is removed");
    assert!(!store.path("deep").exists());
    assert_eq!(store.private("temporary"), [""; 0]);
}

/// Section 5: a list shows what is there when it is asked, also where the driver has looked a moment ago.
#[test]
fn list_asked_again_follows_every_change() {
    let store = Store::new();
    for name in ["a/b/c/one", "a/d/two"] {
        store.put(name, "x").expect("put");
    }
    for _ in 0..3 {
        assert_eq!(store.children("a").expect("list"), ["a/b/", "a/d/"], "the same twice");
    }
    store.put("a/e/three", "x").expect("put");
    assert_eq!(store.children("a").expect("list"), ["a/b/", "a/d/", "a/e/"], "a new folder is there at once");
    store.put("a/b/c/other", "x").expect("put");
    store.delete("a/b/c/one").expect("delete");
    assert_eq!(store.children("a").expect("list"), ["a/b/", "a/d/", "a/e/"], "another object takes the place of the one that was seen");
    // Another program leaves empty folders, which are no prefixes.
    std::fs::remove_file(store.path("a/b/c/other")).expect("the test may remove it");
    assert_eq!(store.children("a").expect("list"), ["a/d/", "a/e/"], "a folder without objects is no prefix");
    store.delete_prefix("a").expect("delete");
    assert_eq!(class(store.children("a")), ErrorClass::NotFound, "nothing is left");
}

/// Section 1: "never outside its root even with planted symlinks".
#[test]
fn list_asked_again_does_not_follow_a_link_that_was_planted_meanwhile() {
    let store = Store::new();
    store.put("a/b/c/one", "x").expect("put");
    store.put("a/d/two", "x").expect("put");
    assert_eq!(store.children("a").expect("list"), ["a/b/", "a/d/"], "both are there");
    let outside = TempDir::new().expect("a folder");
    std::fs::rename(store.path("a/b/c"), outside.path().join("c")).expect("the test may move it");
    std::os::unix::fs::symlink(outside.path().join("c"), store.path("a/b/c")).expect("a link");
    assert_eq!(store.children("a").expect("list"), ["a/d/"], "what lies behind a link is not below the folder");
}
