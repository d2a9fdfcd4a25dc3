//! The catalog: repositories in byte order, page by page, over nested folders and several storages.

use serde_json::json;

use crate::support::{Answer, OCI_INDEX, Random, Registry, Start, index, sha256};

const NAMES: [&str; 15] =
    ["a", "a-b", "a.b", "a/b", "a0", "a/b/c", "a/b-c", "a-b/c", "a.b/c", "a_b", "a__b/c", "b/c/d", "b/c-d", "0/a", "z"];

/// Pushes a manifest without references to each.
fn make(registry: &Registry, names: &[String]) {
    let content = index(&[]).to_string().into_bytes();
    for name in names {
        registry.put_manifest(name, &sha256(&content), OCI_INDEX, &content).is(201, name);
    }
}

fn texts(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let list = json["repositories"].as_array().expect("repositories are a list");
    list.iter().map(|name| name.as_str().expect("a name is text").to_owned()).collect()
}

/// All pages from `target` on, joined; no page may be larger than `size`.
fn pages(registry: &Registry, target: String, size: usize) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(target));
    while let Some(target) = next {
        let answer = registry.get(target).is(200, "a page is there");
        let some = texts(&answer);
        assert!(some.len() <= size, "a page has at most {size} names: {some:?}");
        next = answer.next_page();
        assert!(next.is_none() || some.len() == size, "a page that is not the last is full: {some:?}");
        all.extend(some);
    }
    all
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

#[test]
fn catalog_is_in_byte_order_by_pages_of_any_size() {
    for registry in Registry::of_each_driver() {
        assert_eq!(
            registry.get("/v2/_catalog").is(200, "an empty registry has a catalog").json(),
            json!({ "repositories": [] }),
            "it is empty"
        );
        let names: Vec<String> = NAMES.map(str::to_owned).into();
        make(&registry, &names);
        let expected = sorted(&names);
        assert_eq!(registry.get("/v2/_catalog").json(), json!({ "repositories": expected }), "all repositories in byte order");
        for size in [1, 2, 3, 14, 15, 16] {
            assert_eq!(pages(&registry, format!("/v2/_catalog?n={size}"), size), expected, "pages of {size} joined are the catalog");
        }
    }
}

#[test]
fn catalog_after_last_follows_whether_it_exists_or_not() {
    let registry = Registry::filesystem();
    let names: Vec<String> = NAMES.map(str::to_owned).into();
    make(&registry, &names);
    let others = ["a/a", "a/c", "a-a", "a-b/d", "a/b/d", "a/b-a", "0", "9", "b", "b/c", "b/c/e", "b/d", "zz", "a.b/c/d", "a1/x", "a/b.x/y"];
    for last in NAMES.iter().chain(&others) {
        let expected: Vec<String> = sorted(&names).into_iter().filter(|name| name.as_str() > *last).collect();
        let escaped = last.replace('/', "%2F");
        for size in [1, 2, 3, 100] {
            let paged = pages(&registry, format!("/v2/_catalog?n={size}&last={escaped}"), size);
            assert_eq!(paged, expected, "after {last}, by pages of {size}");
        }
    }
}

#[test]
fn catalog_of_random_names_is_as_a_sorted_list_would_be() {
    let mut random = Random::any();
    for registry in Registry::of_each_driver() {
        let name = |random: &mut Random| -> String {
            let mut name = String::new();
            for part in 0..1 + random.below(3) {
                name.push_str(if part > 0 { "/" } else { "" });
                name.push(['a', 'b', '0'][random.below(3)]);
                for _ in 0..random.below(3) {
                    name.push_str(["-a", ".a", "_a", "__0", "--0", "a", "0"][random.below(7)]);
                }
            }
            name
        };
        let names: Vec<String> = (0..120).map(|_| name(&mut random)).collect();
        make(&registry, &names);
        let model = sorted(&names);
        assert_eq!(pages(&registry, "/v2/_catalog?n=1000".into(), 1000), model, "the whole catalog");
        for _ in 0..60 {
            let (last, size) = (name(&mut random), 1 + random.below(20));
            let expected: Vec<String> = model.iter().filter(|name| **name > last).cloned().collect();
            let target = format!("/v2/_catalog?n={size}&last={}", last.replace('/', "%2F"));
            assert_eq!(pages(&registry, target, size), expected, "{size} after {last}");
        }
    }
}

#[test]
fn catalog_page_of_an_absurd_size_is_refused_or_clamped() {
    let registry = Registry::start("memory", "registry.catalog_page_max = 3\nregistry.catalog_page_default = 2");
    let names: Vec<String> = (0..5).map(|number| format!("r{number}")).collect();
    make(&registry, &names);
    let none = registry.get("/v2/_catalog?n=0").is(200, "n=0 asks for nothing");
    assert_eq!((texts(&none), none.next_page()), (Vec::new(), None), "nothing is answered, and no next page");
    for n in ["-1", "abc", "1.5", "%20"] {
        registry.get(format!("/v2/_catalog?n={n}")).expect_error(400, "PAGINATION_NUMBER_INVALID", &format!("n={n} is no number"));
    }
    assert_eq!(pages(&registry, "/v2/_catalog".into(), 2), names, "without n registry.catalog_page_default holds");
    assert_eq!(pages(&registry, "/v2/_catalog?n=99999999999999999999".into(), 3), names, "registry.catalog_page_max is the most");
    registry.get("/v2/_catalog?last=A").expect_error(400, "NAME_INVALID", "last is a name");
}

#[test]
fn catalog_lists_repositories_that_hold_or_held_manifests() {
    let registry = Registry::memory();
    registry.push_blob("only/blobs", b"layer");
    registry.patch(&registry.begin("only/uploads"), b"some").is(202, "a chunk is appended");
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], json!([]), "blobs and uploads make no repository");
    registry.push_image("a", "v1", b"layer");
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], json!(["a"]), "a manifest does");
}

#[test]
fn catalog_of_several_storages_is_merged() {
    let tables = "[storage.other]\ndriver = \"memory\"\n[[route]]\nrepository = \"b/**\"\nstorage = \"other\"\n";
    let registry = Registry::start_with(Start { driver: "filesystem", tables, ..Start::default() });
    let names = ["a", "b", "b/c", "c", "b/a/d", "a/b"].map(str::to_owned);
    make(&registry, &names);
    for size in [1, 2, 4, 100] {
        assert_eq!(pages(&registry, format!("/v2/_catalog?n={size}"), size), sorted(&names), "pages of {size} joined are the catalog");
    }
    let on_disk = registry.files().iter().filter(|file| file.contains("/repositories/b/")).count();
    assert_eq!(on_disk, 0, "what is routed elsewhere does not lie in the main storage");
}
