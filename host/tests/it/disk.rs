//! What a push leaves in the folder: distribution's files, our own beside them, and nothing half-made whatever happened.
//!
//! A registry is stopped before its folder is looked at: then nothing is under way any more.

use std::fs;

use crate::support::{OCI_INDEX, OCI_MANIFEST, Registry, Request, bytes, image, in_time, index, sha256, sha512};

const LARGE: usize = 1_000_000;
const KEY: &str = "docker/registry/longshore/upload-key";

fn hex(digest: &str) -> &str {
    digest.split_once(':').expect("a digest has a colon").1
}

fn blob(digest: &str) -> String {
    format!("docker/registry/v2/blobs/sha256/{}/{}/data", &hex(digest)[..2], hex(digest))
}

fn link(name: &str, place: &str, digest: &str) -> String {
    format!("docker/registry/v2/repositories/{name}/{place}/{}/link", digest.replace(':', "/"))
}

/// Stops the registry, compares its files with what they should be, and reads every link. The store's key for upload states, which comes
/// with the first session, is left out.
fn holds(registry: Registry, mut expected: Vec<String>, rule: &str) {
    let data = registry.data();
    let folder = registry.folder.clone();
    registry.terminate();
    drop(registry);
    expected.sort_unstable();
    let found: Vec<String> = crate::support::files(&data).into_iter().filter(|file| file != KEY).collect();
    assert_eq!(found, expected, "{rule}");
    for link in expected.iter().filter(|file| file.contains("/_manifests/revisions/") || file.contains("/_layers/sha256/")) {
        let text = fs::read_to_string(data.join(link)).expect("a link is text");
        let parts: Vec<&str> = link.split('/').rev().take(3).collect();
        assert_eq!(text, format!("{}:{}", parts[2], parts[1]), "a link is the digest and nothing else: {link}");
    }
    drop(folder);
}

#[test]
fn disk_holds_nothing_until_the_first_session_needs_a_key() {
    let registry = Registry::filesystem();
    registry.get("/v2/_catalog").is(200, "it serves");
    assert_eq!(registry.files(), Vec::<String>::new(), "a start and a read write nothing");
    registry.begin("a");
    assert_eq!(registry.files(), [KEY], "the first session needs the key that seals its state");
}

#[test]
fn disk_after_a_push_holds_the_layout_of_distribution() {
    let registry = Registry::filesystem();
    let manifest = registry.push_image("team/a", "v1", b"layer");
    let digest = sha256(&manifest);
    let (config, layer) = (sha256(b"{}"), sha256(b"layer"));
    assert_eq!(fs::read(registry.blob_file(&digest)).expect("it is there"), manifest, "a manifest lies among the blobs, byte for byte");
    let current = registry.data().join("docker/registry/v2/repositories/team/a/_manifests/tags/v1/current/link");
    assert_eq!(fs::read_to_string(current).expect("it is there"), digest, "a tag is the digest and nothing else");
    let expected = vec![
        blob(&config),
        blob(&layer),
        blob(&digest),
        link("team/a", "_layers", &config),
        link("team/a", "_layers", &layer),
        link("team/a", "_manifests/revisions", &digest),
        link("team/a", "_manifests/tags/v1/index", &digest),
        "docker/registry/v2/repositories/team/a/_manifests/tags/v1/current/link".to_owned(),
    ];
    holds(registry, expected, "an image with one tag is these files");
}

#[test]
fn disk_after_a_push_by_sha512_holds_the_bytes_under_sha256() {
    let registry = Registry::filesystem();
    let (short, long) = (sha256(b"layer"), sha512(b"layer"));
    registry.finish(&registry.begin("a"), &long, b"layer").is(201, "a blob is pushed by sha512");
    let data = registry.data();
    let alias = link("a", "_layers", &long);
    assert_eq!(fs::read_to_string(data.join(&alias)).expect("it is there"), short, "the link by sha512 holds the sha256 digest");
    let ours = format!("docker/registry/longshore/aliases/{}/link", long.replace(':', "/"));
    let expected = vec![blob(&short), link("a", "_layers", &short), alias, ours];
    holds(registry, expected, "bytes lie under sha256 only, as distribution wants");
}

/// Beside the manifest's link, where distribution looks for files called `link` and for nothing else.
#[test]
fn disk_after_a_manifest_by_sha512_holds_its_name_until_a_push_by_sha256() {
    let push = |registry: &Registry, by: fn(&[u8]) -> String| {
        let manifest = index(&[]).to_string().into_bytes();
        registry.put_manifest("a", &format!("{}?tag=v1", by(&manifest)), OCI_INDEX, &manifest).is(201, "a manifest is pushed");
    };
    let manifest = index(&[]).to_string().into_bytes();
    let (short, long) = (sha256(&manifest), sha512(&manifest));
    let plain = [
        blob(&short),
        link("a", "_layers", &short),
        link("a", "_manifests/revisions", &short),
        link("a", "_manifests/tags/v1/index", &short),
        "docker/registry/v2/repositories/a/_manifests/tags/v1/current/link".to_owned(),
        link("a", "_longshore/manifests", &long),
    ];
    let name = link("a", "_manifests/revisions", &short).replace("/link", &format!("/longshore-sha512-{}", hex(&long)));
    let registry = Registry::filesystem();
    push(&registry, sha512);
    let kept = fs::read_to_string(registry.data().join(&name)).expect("the name is there");
    assert_eq!(kept, long, "it is a link to the other digest");
    push(&registry, sha256);
    assert!(!registry.data().join(&name).exists(), "it is announced by sha256 again");
    holds(registry, plain.to_vec(), "the alias by which it can be asked for stays");
}

/// Distribution's deletes can leave one, if they are cut off.
#[test]
fn disk_with_a_tag_of_a_manifest_that_was_deleted_does_not_serve_it() {
    let registry = Registry::start("filesystem", "cache.ttl_secs = 0");
    let manifest = registry.push_image("a", "v1", b"layer");
    fs::remove_file(registry.data().join(link("a", "_manifests/revisions", &sha256(&manifest)))).expect("it is there");
    for reference in ["v1", &sha256(&manifest)] {
        let target = format!("/v2/a/manifests/{reference}");
        registry.get(target).expect_error(404, "MANIFEST_UNKNOWN", "the repository does not hold it any more");
    }
}

#[test]
fn disk_after_a_referrer_holds_its_entry_outside_of_distribution() {
    let registry = Registry::filesystem();
    let subject = sha256(b"subject");
    let mut referrer = image(b"{}", b"layer");
    referrer["subject"] = serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 7 });
    let referrer = referrer.to_string().into_bytes();
    let digest = sha256(&referrer);
    for part in [&b"{}"[..], b"layer"] {
        registry.push_blob("a", part);
    }
    registry.put_manifest("a", &digest, OCI_MANIFEST, &referrer).is(201, "a referrer is pushed");
    registry.delete(format!("/v2/a/manifests/{digest}")).is(202, "a referrer is deleted");
    let bare = [sha256(b"{}"), sha256(b"layer")].iter().flat_map(|part| [blob(part), link("a", "_layers", part)]).collect::<Vec<_>>();
    holds(registry, [bare, vec![blob(&digest)]].concat(), "a deleted manifest leaves its bytes and nothing else");
}

#[test]
fn disk_after_an_index_links_one_layer_at_least() {
    let registry = Registry::start("filesystem", "registry.missing_references = \"accept\"");
    let sparse = index(&[b"a child that was never pushed"]).to_string().into_bytes();
    registry.put_manifest("a", "v1", OCI_INDEX, &sparse).is(201, "a sparse index is pushed");
    let digest = sha256(&sparse);
    let expected = vec![
        blob(&digest),
        link("a", "_layers", &digest),
        link("a", "_manifests/revisions", &digest),
        link("a", "_manifests/tags/v1/index", &digest),
        "docker/registry/v2/repositories/a/_manifests/tags/v1/current/link".to_owned(),
    ];
    holds(registry, expected, "distribution's garbage collection stops at a repository without _layers");
}

#[test]
fn disk_after_a_wrong_digest_holds_nothing() {
    for length in [1000, LARGE] {
        let registry = Registry::filesystem();
        let content = bytes(1, length);
        let wrong = sha256(b"something else");
        let target = format!("/v2/a/blobs/uploads/?digest={wrong}");
        registry.send(&Request::new("POST", target).body(content.clone())).expect_error(400, "DIGEST_INVALID", "a single POST is checked");
        registry.finish(&registry.begin("a"), &wrong, &content).expect_error(400, "DIGEST_INVALID", "a PUT is checked");
        let location = registry.patch(&registry.begin("a"), &content).is(202, "a chunk is appended").location();
        registry.finish(&location, &wrong, b"").expect_error(400, "DIGEST_INVALID", "a session is checked");
        registry.put_manifest("a", &wrong, OCI_MANIFEST, b"{}");
        holds(registry, Vec::new(), "nothing is left of content with another digest");
    }
}

#[test]
fn disk_after_a_cancelled_upload_holds_nothing() {
    let registry = Registry::filesystem();
    let location = registry.patch(&registry.begin("a"), &bytes(2, LARGE)).is(202, "a chunk is appended").location();
    registry.delete(&location).is(204, "the upload is cancelled");
    registry.delete(registry.begin("a")).is(204, "an upload without a byte is cancelled");
    holds(registry, Vec::new(), "nothing is left of a cancelled upload");
}

#[test]
fn disk_after_a_refused_manifest_holds_nothing() {
    let registry = Registry::filesystem();
    let manifest = image(b"{}", b"layer").to_string().into_bytes();
    registry.put_manifest("a", "v1", OCI_MANIFEST, &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN", "its blobs are missing");
    registry.put_manifest("a", "v1", OCI_MANIFEST, &bytes(3, 5 << 20)).expect_error(413, "MANIFEST_INVALID", "it is too large");
    registry.put_manifest("a", "v1", OCI_MANIFEST, b"{").expect_error(400, "MANIFEST_INVALID", "it is no JSON");
    registry.put_manifest("a", &sha256(b"x"), OCI_MANIFEST, &manifest).expect_error(400, "DIGEST_INVALID", "it has another digest");
    holds(registry, Vec::new(), "nothing is left of a refused manifest");
}

#[test]
fn disk_after_a_single_post_that_broke_holds_nothing() {
    let registry = Registry::filesystem();
    for length in [1000, LARGE] {
        let content = bytes(4, length);
        let request = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content);
        let whole = request.encode();
        let mut connection = registry.connect();
        connection.write(&whole[..whole.len() - 100]);
        connection.end_sending();
        assert!(connection.is_closed_after_any_answer(), "a request whose body broke is over");
    }
    holds(registry, Vec::new(), "nobody knows of a session, so nothing is kept");
}

#[test]
fn disk_after_an_upload_that_broke_and_was_pushed_whole_holds_the_blob() {
    let registry = Registry::filesystem();
    let content = bytes(5, LARGE);
    let location = registry.begin("a");
    let whole = Request::new("PATCH", &location).body(content.clone()).encode();
    let connection = registry.connect();
    connection.write(&whole[..whole.len() - 1000]);
    drop(connection);
    let status = || registry.get(&location).is(204, "the session survives").need("range").to_owned();
    in_time("what came is kept", || (status() != "0-0").then_some(()));
    let digest = registry.push_blob("b", &content);
    registry.finish(&location, &digest, &content).is(201, "the client begins at zero in the same session");
    let expected = vec![blob(&digest), link("a", "_layers", &digest), link("b", "_layers", &digest)];
    holds(registry, expected, "a finished session leaves nothing but its blob");
}

#[test]
fn disk_after_a_manifest_that_broke_holds_nothing() {
    let registry = Registry::filesystem();
    let whole =
        Request::new("PUT", "/v2/a/manifests/v1").header("content-type", OCI_MANIFEST).body(image(b"{}", b"x").to_string()).encode();
    let mut connection = registry.connect();
    connection.write(&whole[..whole.len() - 10]);
    connection.end_sending();
    assert!(connection.is_closed_after_any_answer(), "a request whose body broke is over");
    holds(registry, Vec::new(), "nothing is left of half a manifest");
}

#[test]
fn disk_with_a_damaged_blob_is_healed_by_a_push() {
    let registry = Registry::filesystem();
    for length in [1000, LARGE] {
        let content = bytes(6, length);
        let digest = registry.push_blob("a", &content);
        let file = registry.blob_file(&digest);
        for damage in [&content[..length / 2], b"", &[content.as_slice(), b"more"].concat()] {
            fs::write(&file, damage).expect("the test may write there");
            registry.push_blob("b", &content);
            assert_eq!(fs::read(&file).expect("it is there"), content, "a push replaces a damaged copy");
            assert_eq!(registry.get(format!("/v2/a/blobs/{digest}")).is(200, "it is served again").body, content, "it is whole");
        }
        let location = registry.patch(&registry.begin("c"), &content).is(202, "a chunk is appended").location();
        fs::write(&file, b"damaged").expect("the test may write there");
        registry.finish(&location, &digest, b"").is(201, "a session replaces it too");
        assert_eq!(fs::read(&file).expect("it is there"), content, "a session replaces a damaged copy");
    }
}

#[test]
fn disk_with_a_damaged_manifest_is_healed_by_a_push() {
    let registry = Registry::start("filesystem", "cache.ttl_secs = 0");
    let manifest = registry.push_image("a", "v1", b"layer");
    fs::write(registry.blob_file(&sha256(&manifest)), b"{}").expect("the test may write there");
    registry.get("/v2/a/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN", "damaged bytes are never served as a manifest");
    registry.logged("the operator is told", |line| line["level"] == "ERROR" && line["manifest"] == sha256(&manifest).as_str());
    registry.push_image("a", "v1", b"layer");
    assert_eq!(registry.get("/v2/a/manifests/v1").is(200, "it is served again").body, manifest, "it is whole");
}

#[test]
fn disk_without_a_blob_that_is_remembered_answers_404() {
    let registry = Registry::filesystem();
    let digest = registry.push_blob("a", b"layer");
    registry.head(format!("/v2/a/blobs/{digest}")).is(200, "it is remembered");
    fs::remove_file(registry.blob_file(&digest)).expect("the test may remove it");
    registry.get(format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN", "a garbage collection has taken the bytes");
    registry.head(format!("/v2/a/blobs/{digest}")).is(404, "HEAD has learned it too");
    registry.push_blob("a", b"layer");
    assert_eq!(registry.get(format!("/v2/a/blobs/{digest}")).body, b"layer", "a push brings it back");
}

#[test]
fn disk_with_a_blob_that_became_shorter_never_serves_it_as_the_old_one() {
    let registry = Registry::filesystem();
    let digest = registry.push_blob("a", &bytes(7, 1000));
    fs::write(registry.blob_file(&digest), "short").expect("the test may write there");
    for range in ["bytes=0-", "bytes=100-199"] {
        let request = Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", range);
        let answer = registry.send(&request);
        assert!(answer.status >= 400, "what is remembered of the size is not what the file has: {}", answer.status);
    }
    registry.logged("the operator is told", |line| {
        line["level"] == "ERROR" && line["path"].as_str().is_some_and(|path| path.contains(&digest))
    });
}

#[test]
fn disk_with_a_blob_that_was_cut_short_does_not_serve_it_as_whole() {
    let registry = Registry::filesystem();
    for length in [1000, LARGE] {
        let content = bytes(8, length);
        let digest = registry.push_blob("a", &content);
        fs::write(registry.blob_file(&digest), &content[..length / 2]).expect("the test may write there");
        for _ in 0..2 {
            let answer = registry.get(format!("/v2/a/blobs/{digest}"));
            answer.expect_error(500, "UNKNOWN", "half of a blob is not the blob, however often it is asked for");
        }
        registry.logged("the operator is told", |line| {
            line["level"] == "ERROR" && line["message"].as_str().is_some_and(|text| text.contains("push it again to repair it"))
        });
        registry.push_blob("b", &content);
        assert_eq!(registry.get(format!("/v2/a/blobs/{digest}")).is(200, "a push heals it").body, content, "it is whole");
    }
}

#[test]
fn disk_with_a_blob_that_is_cut_short_while_it_is_sent_breaks_the_answer() {
    let registry = Registry::filesystem();
    let content = bytes(9, 64 << 20);
    let digest = registry.push_blob("a", &content);
    let mut connection = registry.connect();
    connection.write(Request::new("GET", format!("/v2/a/blobs/{digest}")).encode());
    // The head is there, so the file is open, and more than the buffers of a socket take is still to be sent.
    assert_eq!(connection.read_line(), "HTTP/1.1 200 OK", "it is being sent");
    let file = fs::OpenOptions::new().write(true).open(registry.blob_file(&digest)).expect("the test may write there");
    file.set_len(content.len() as u64 / 2).expect("the test may cut it");
    let mut received = Vec::new();
    let _ = std::io::Read::read_to_end(&mut connection.stream(), &mut received);
    assert!(received.len() < content.len(), "the connection ends before the announced length: {}", received.len());
}

#[test]
fn disk_with_strays_serves_what_is_there() {
    let registry = Registry::start("filesystem", "cache.ttl_secs = 0");
    let manifest = registry.push_image("a", "v1", b"layer");
    let repositories = registry.data().join("docker/registry/v2/repositories");
    let tags = repositories.join("a/_manifests/tags");
    for folder in
        ["a/_manifests/revisions/sha256/00/signatures", "a/_manifests/tags/UP per", "a/_future/x", "_strange/_manifests", "B/_manifests"]
    {
        fs::create_dir_all(repositories.join(folder)).expect("the test may write there");
        fs::write(repositories.join(folder).join("stray"), "x").expect("the test may write there");
    }
    fs::write(tags.join("v1/current/link.1234.tmp"), "x").expect("the test may write there");
    fs::write(registry.blob_file(&sha256(&manifest)).with_file_name("data.9.tmp"), "x").expect("the test may write there");
    fs::write(tags.join("file"), "x").expect("the test may write there");
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], serde_json::json!(["v1"]), "strays are no tags");
    assert_eq!(registry.get("/v2/_catalog").json()["repositories"], serde_json::json!(["a"]), "strays are no repositories");
    assert_eq!(registry.get("/v2/a/manifests/v1").body, manifest, "the manifest is served");
    fs::write(tags.join("v1/current/link"), format!("{}\n", sha256(&manifest))).expect("the test may write there");
    registry.get("/v2/a/manifests/v1").is(404, "a link with a newline is no link, as for distribution");
}
