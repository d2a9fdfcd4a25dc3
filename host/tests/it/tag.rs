//! The list of tags: in byte order, page by page, whatever order the driver has.

use serde_json::json;

use crate::support::{OCI_INDEX, Random, Registry, index, sha256};

/// Names that a driver sorts otherwise than clients do: a folder's final slash stands after `-` and `.` and before digits and letters.
const NAMES: [&str; 14] =
    ["v1", "v1-rc", "v1.0", "v10", "v1.0-rc.1", "v1.0-rc", "v1_", "v1.", "v1-", "latest", "V1", "_x", "0", "v1.0.0-rc.1.2"];

/// Sets these tags on a manifest without references.
fn set(registry: &Registry, name: &str, tags: &[String]) {
    let content = index(&[]).to_string().into_bytes();
    for some in tags.chunks(100) {
        let parameters: Vec<String> = some.iter().map(|tag| format!("tag={tag}")).collect();
        let reference = format!("{}?{}", sha256(&content), parameters.join("&"));
        registry.put_manifest(name, &reference, OCI_INDEX, &content).is(201, "tags are set");
    }
}

fn texts(answer: &crate::support::Answer) -> Vec<String> {
    let json = answer.json();
    json["tags"].as_array().expect("tags are a list").iter().map(|tag| tag.as_str().expect("a tag is text").to_owned()).collect()
}

/// All pages from `target` on, joined; no page may be larger than `size`.
fn pages(registry: &Registry, target: String, size: usize) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(target));
    while let Some(target) = next {
        let answer = registry.get(target).is(200, "a page is there");
        let some = texts(&answer);
        assert!(some.len() <= size, "a page has at most {size} tags: {some:?}");
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
fn tags_are_listed_in_byte_order_by_pages_of_any_size() {
    for registry in Registry::of_each_driver() {
        let names: Vec<String> = NAMES.map(str::to_owned).into();
        set(&registry, "team/a", &names);
        let expected = sorted(&names);
        let whole = registry.get("/v2/team/a/tags/list").is(200, "the list is there");
        assert_eq!(whole.json(), json!({ "name": "team/a", "tags": expected }), "all tags in byte order, with the repository's name");
        assert_eq!(whole.next_page(), None, "a list that is whole has no next page");
        assert_eq!(whole.need("content-type"), "application/json", "the list is JSON");
        for size in [1, 2, 3, 13, 14, 15] {
            let paged = pages(&registry, format!("/v2/team/a/tags/list?n={size}"), size);
            assert_eq!(paged, expected, "pages of {size} joined are the list");
        }
    }
}

#[test]
fn tags_after_last_follow_whether_it_exists_or_not() {
    let registry = Registry::filesystem();
    let names: Vec<String> = NAMES.map(str::to_owned).into();
    set(&registry, "a", &names);
    let others = ["v", "v1-r", "v1-rd", "v1.0-", "v1.00", "v0", "z", "A", "v2", "v1.0-rc.0", "v1.0-rc.2", "v1-rc.", "v1-rc-x", "v9.z-z"];
    for last in NAMES.iter().chain(&others) {
        let expected: Vec<String> = sorted(&names).into_iter().filter(|name| name.as_str() > *last).collect();
        assert_eq!(texts(&registry.get(format!("/v2/a/tags/list?last={last}"))), expected, "after {last} in byte order");
        for size in [1, 2, 3] {
            let paged = pages(&registry, format!("/v2/a/tags/list?n={size}&last={last}"), size);
            assert_eq!(paged, expected, "after {last}, by pages of {size}");
        }
    }
}

#[test]
fn tags_of_random_names_are_listed_as_a_sorted_list_would_be() {
    let mut random = Random::any();
    for registry in Registry::of_each_driver() {
        let name = |random: &mut Random| -> String {
            let inner = b"ab0.-_Zz";
            let first = b"ab0_Zz"[random.below(6)];
            let rest = (0..random.below(5)).map(|_| inner[random.below(inner.len())]);
            std::iter::once(first).chain(rest).map(char::from).collect()
        };
        let names: Vec<String> = (0..150).map(|_| name(&mut random)).collect();
        set(&registry, "a", &names);
        let model = sorted(&names);
        assert_eq!(pages(&registry, "/v2/a/tags/list".into(), 1000), model, "the whole list");
        for _ in 0..60 {
            let (last, size) = (name(&mut random), 1 + random.below(20));
            let expected: Vec<String> = model.iter().filter(|name| **name > last).cloned().collect();
            assert_eq!(pages(&registry, format!("/v2/a/tags/list?n={size}&last={last}"), size), expected, "{size} after {last}");
        }
    }
}

#[test]
fn tags_page_of_an_absurd_size_is_refused_or_clamped() {
    let registry = Registry::start("memory", "registry.tags_page_max = 3");
    let names: Vec<String> = (0..5).map(|number| format!("t{number}")).collect();
    set(&registry, "a", &names);
    let none = registry.get("/v2/a/tags/list?n=0").is(200, "n=0 asks for nothing");
    assert_eq!((texts(&none), none.next_page()), (Vec::new(), None), "nothing is answered, and no next page");
    for n in ["-1", "abc", "1.5", "0x1", "%20", "1%00", "+1"] {
        registry.get(format!("/v2/a/tags/list?n={n}")).expect_error(400, "PAGINATION_NUMBER_INVALID", &format!("n={n} is no number"));
    }
    for n in ["n=4", "n=99999999999999999999999999999999", "n=", ""] {
        assert_eq!(pages(&registry, format!("/v2/a/tags/list?{n}"), 3), names, "{n:?} is clamped to registry.tags_page_max");
    }
    registry.get("/v2/a/tags/list?last=a%2Fb").expect_error(400, "TAG_INVALID", "last is a tag");
}

#[test]
fn tags_of_a_repository_that_is_not_there_are_unknown() {
    let registry = Registry::memory();
    let answer = registry.get("/v2/nowhere/tags/list").expect_error(404, "NAME_UNKNOWN", "there is no such repository");
    assert_eq!(answer.json()["errors"][0]["detail"]["name"], "nowhere", "the error tells which");
    set(&registry, "a/b", &["v1".to_owned()]);
    registry.get("/v2/a/tags/list").expect_error(404, "NAME_UNKNOWN", "the repository above is none");
}

#[test]
fn tags_of_a_repository_without_any_are_an_empty_list() {
    for registry in Registry::of_each_driver() {
        let content = index(&[]).to_string().into_bytes();
        registry.put_manifest("a", &sha256(&content), OCI_INDEX, &content).is(201, "a manifest without a tag");
        assert_eq!(
            registry.get("/v2/a/tags/list").is(200, "the repository is there").json(),
            json!({ "name": "a", "tags": [] }),
            "no tags"
        );
        set(&registry, "a", &["v1".to_owned()]);
        registry.delete("/v2/a/manifests/v1").is(202, "the tag is deleted");
        assert_eq!(registry.get("/v2/a/tags/list").is(200, "the repository stays").json()["tags"], json!([]), "no tags");
    }
}

#[test]
fn tags_are_listed_for_head_without_a_body() {
    let registry = Registry::memory();
    set(&registry, "a", &["v1".to_owned()]);
    let length = registry.get("/v2/a/tags/list").body.len();
    assert_eq!(registry.head("/v2/a/tags/list").is(200, "HEAD is GET").need("content-length"), length.to_string(), "it tells the length");
}
