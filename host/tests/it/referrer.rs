//! Referrers: who refers to a manifest, filtered, paged, and joined with what older clients wrote under a tag.

use serde_json::{Value, json};

use crate::support::{Answer, OCI_INDEX, OCI_MANIFEST, Registry, descriptor, image, sha256, sha512};

/// Pushes a manifest that refers to `subject`; its digest.
fn refer(registry: &Registry, subject: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut content = image(b"{}", b"layer");
    content["subject"] = json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 7 });
    change(&mut content);
    let media_type = content["mediaType"].as_str().expect("it has a type").to_owned();
    let content = content.to_string().into_bytes();
    let digest = sha256(&content);
    registry.put_manifest("a", &digest, &media_type, &content).is(201, "a referrer is pushed");
    digest
}

fn numbered(registry: &Registry, subject: &str, numbers: std::ops::Range<usize>, artifact_type: &str) -> Vec<String> {
    let one = |number: usize| {
        refer(registry, subject, |content| {
            content["artifactType"] = artifact_type.into();
            content["annotations"] = json!({ "number": number.to_string() });
        })
    };
    numbers.map(one).collect()
}

fn registry() -> Registry {
    let registry = Registry::filesystem();
    registry.push_blob("a", b"{}");
    registry.push_blob("a", b"layer");
    registry
}

fn digests(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let list = json["manifests"].as_array().expect("referrers are a list");
    list.iter().map(|entry| entry["digest"].as_str().expect("a digest is text").to_owned()).collect()
}

/// All pages from `target` on, joined.
fn pages(registry: &Registry, target: String, size: usize) -> Vec<String> {
    let (mut all, mut next) = (Vec::new(), Some(target));
    while let Some(target) = next {
        let answer = registry.get(target).is(200, "a page is there");
        let some = digests(&answer);
        assert!(some.len() <= size, "a page has at most {size} entries");
        next = answer.next_page();
        all.extend(some);
    }
    all
}

fn sorted(mut digests: Vec<String>) -> Vec<String> {
    digests.sort_unstable();
    digests
}

#[test]
fn referrers_of_nothing_are_an_empty_index() {
    let registry = Registry::memory();
    let empty = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
    for subject in [sha256(b"never pushed"), sha512(b"never pushed")] {
        let answer = registry.get(format!("/v2/nowhere/referrers/{subject}")).is(200, "what does not exist has no referrers");
        assert_eq!(answer.need("content-type"), OCI_INDEX, "the list is an index");
        assert_eq!(answer.json(), empty, "it is empty");
    }
    registry.get("/v2/a/referrers/latest").expect_error(400, "DIGEST_INVALID", "a subject is named by its digest");
    registry.get("/v2/a/referrers/sha256:ab").expect_error(400, "DIGEST_INVALID", "a subject is named by its digest");
}

#[test]
fn referrers_carry_type_size_and_annotations() {
    let registry = registry();
    let subject = sha256(b"subject");
    let typed = refer(&registry, &subject, |content| {
        content["artifactType"] = "application/vnd.sbom".into();
        content["annotations"] = json!({ "created": "today", "empty": "" });
    });
    let untyped = refer(&registry, &subject, |content| {
        content["config"]["mediaType"] = "application/vnd.config".into();
    });
    let index = refer(&registry, &subject, |content| {
        *content = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": content["subject"] });
    });
    let size = |digest: &str| registry.head(format!("/v2/a/manifests/{digest}")).need("content-length").parse::<u64>().expect("a number");
    let mut expected = vec![
        json!({ "mediaType": OCI_MANIFEST, "digest": typed, "size": size(&typed), "artifactType": "application/vnd.sbom",
                "annotations": { "created": "today", "empty": "" } }),
        json!({ "mediaType": OCI_MANIFEST, "digest": untyped, "size": size(&untyped), "artifactType": "application/vnd.config" }),
        json!({ "mediaType": OCI_INDEX, "digest": index, "size": size(&index) }),
    ];
    expected.sort_unstable_by_key(|entry| entry["digest"].as_str().expect("text").to_owned());
    let listed = registry.get(format!("/v2/a/referrers/{subject}"));
    assert_eq!(listed.json()["manifests"], Value::from(expected), "each entry describes its manifest, in the order of digests");
    assert_eq!(listed.header("oci-filters-applied"), None, "no filter was asked for");
}

#[test]
fn referrers_filtered_by_type_say_so() {
    let registry = registry();
    let subject = sha256(b"subject");
    let wanted = numbered(&registry, &subject, 0..5, "application/vnd.a+json");
    numbered(&registry, &subject, 5..10, "application/vnd.b+json");
    let target = format!("/v2/a/referrers/{subject}?artifactType=application%2Fvnd.a%2Bjson");
    let answer = registry.get(&target).is(200, "a filter is no fault");
    assert_eq!(answer.need("oci-filters-applied"), "artifactType", "the filter is told");
    assert_eq!(digests(&answer), sorted(wanted.clone()), "only those of the type are listed");
    let plain = registry.get(format!("/v2/a/referrers/{subject}?artifactType=application/vnd.a+json"));
    assert_eq!(digests(&plain), sorted(wanted.clone()), "a plus is a plus, escaped or not");
    assert_eq!(pages(&registry, format!("{target}&n=2"), 2), sorted(wanted), "the filter goes along to the next page");
    let none = registry.get(format!("/v2/a/referrers/{subject}?artifactType=none"));
    assert_eq!((digests(&none), none.need("oci-filters-applied")), (Vec::new(), "artifactType"), "nothing fits, and that is told");
}

#[test]
fn referrers_are_paged_to_the_end() {
    let registry = registry();
    let subject = sha256(b"subject");
    let all = sorted(numbered(&registry, &subject, 0..12, "application/vnd.a"));
    for size in [1, 5, 12, 13] {
        assert_eq!(pages(&registry, format!("/v2/a/referrers/{subject}?n={size}"), size), all, "pages of {size} joined are the list");
    }
    let after = registry.get(format!("/v2/a/referrers/{subject}?last={}", all[6]));
    assert_eq!(digests(&after), all[7..], "last is where the page begins");
    registry.get(format!("/v2/a/referrers/{subject}?n=-1")).expect_error(400, "PAGINATION_NUMBER_INVALID", "n is a count");
    let none = registry.get(format!("/v2/a/referrers/{subject}?n=0")).is(200, "n=0 asks for nothing");
    assert_eq!((digests(&none), none.next_page()), (Vec::new(), None), "and gets it");
    let limited = registry.start_beside("registry.referrers_page_max = 5");
    assert_eq!(pages(&limited, format!("/v2/a/referrers/{subject}"), 5), all, "registry.referrers_page_max is the most");
}

#[test]
fn referrers_under_the_fallback_tag_are_listed_once() {
    let registry = registry();
    let subject = sha256(b"subject");
    let own = numbered(&registry, &subject, 0..4, "application/vnd.a");
    let mut entries: Vec<Value> = (0..4).map(|number| descriptor(OCI_MANIFEST, format!("old {number}").as_bytes())).collect();
    let old: Vec<String> = entries.iter().map(|entry| entry["digest"].as_str().expect("text").to_owned()).collect();
    entries[0]["artifactType"] = "application/vnd.old".into();
    entries.push(json!({ "mediaType": OCI_MANIFEST, "digest": own[0], "size": 7 }));
    let fallback = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }).to_string();
    let accepting = registry.start_beside("registry.missing_references = \"accept\"");
    let tag = subject.replace(':', "-");
    accepting.put_manifest("a", &tag, OCI_INDEX, fallback.as_bytes()).is(201, "an older client keeps its list under a tag");
    let expected = sorted([own.clone(), old.clone()].concat());
    for size in [1, 2, 3, 8, 9] {
        let paged = pages(&registry, format!("/v2/a/referrers/{subject}?n={size}"), size);
        assert_eq!(paged, expected, "both lists are joined, by pages of {size}");
    }
    let filtered = registry.get(format!("/v2/a/referrers/{subject}?artifactType=application/vnd.old"));
    assert_eq!(digests(&filtered), old[..1], "the filter holds for both");
}

#[test]
fn referrers_under_a_fallback_tag_that_is_no_index_are_ignored() {
    let registry = registry();
    let subject = sha256(b"subject");
    let own = numbered(&registry, &subject, 0..1, "application/vnd.a");
    registry.push_image("a", &subject.replace(':', "-"), b"layer");
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), own, "an image under that tag lists nothing");
}

#[test]
fn referrers_lose_what_is_deleted() {
    let registry = registry();
    let subject = sha256(b"subject");
    let all = numbered(&registry, &subject, 0..3, "application/vnd.a");
    registry.delete(format!("/v2/a/manifests/{}", all[1])).is(202, "a referrer is deleted");
    let left = sorted(vec![all[0].clone(), all[2].clone()]);
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), left, "it is no longer listed");
    refer(&registry, &subject, |content| {
        content["artifactType"] = "application/vnd.a".into();
        content["annotations"] = json!({ "number": "1" });
    });
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), sorted(all), "pushed again it is");
}

#[test]
fn referrers_outlive_their_subject() {
    let registry = registry();
    let subject = sha256(&registry.push_image("a", "v1", b"layer"));
    let all = numbered(&registry, &subject, 0..1, "application/vnd.a");
    registry.delete(format!("/v2/a/manifests/{subject}")).is(202, "the subject is deleted");
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), all, "its referrers are still listed");
    assert_eq!(digests(&registry.get(format!("/v2/b/referrers/{subject}"))), Vec::<String>::new(), "but in their repository only");
}

#[test]
fn referrers_pushed_by_both_digests_are_listed_once() {
    for registry in Registry::of_each_driver() {
        let subject = sha256(b"subject");
        for part in [&b"{}"[..], b"layer"] {
            registry.push_blob("a", part);
        }
        let mut content = image(b"{}", b"layer");
        content["subject"] = descriptor(OCI_MANIFEST, b"subject");
        let content = content.to_string().into_bytes();
        let listed = || digests(&registry.get(format!("/v2/a/referrers/{subject}")));
        for digest in [sha256(&content), sha512(&content), sha256(&content)] {
            registry.put_manifest("a", &digest, OCI_MANIFEST, &content).is(201, "the same referrer is pushed by another digest");
            assert_eq!(listed(), [digest.as_str()], "it is one manifest, listed by the digest that was used last");
        }
        registry.delete(format!("/v2/a/manifests/{}", sha512(&content))).is(202, "it is deleted by the other digest");
        assert!(listed().is_empty(), "no entry is left");
    }
}

#[test]
fn referrers_pushed_by_sha512_are_listed_by_it() {
    let registry = registry();
    let subject = sha512(b"subject");
    let mut content = image(b"{}", b"layer");
    content["subject"] = json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 7 });
    let content = content.to_string().into_bytes();
    let digest = sha512(&content);
    let pushed = registry.put_manifest("a", &digest, OCI_MANIFEST, &content).is(201, "a referrer is pushed by sha512");
    assert_eq!(pushed.need("oci-subject"), subject, "the subject's algorithm is kept");
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), [digest.as_str()], "it is listed by sha512");
    registry.delete(format!("/v2/a/manifests/{digest}")).is(202, "it is deleted");
    assert_eq!(digests(&registry.get(format!("/v2/a/referrers/{subject}"))), Vec::<String>::new(), "it is no longer listed");
}
