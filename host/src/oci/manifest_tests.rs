//! Tests of `manifest.rs`, in a file of their own because the bodies are long.

use serde_json::{Value, json};

use super::super::digest::Algorithm;
use super::super::media_type::{DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST};
use super::*;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(Algorithm::Sha256, content), "size": content.len() })
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, b"config"),
        "layers": [descriptor(LAYER, b"one"), descriptor(LAYER, b"two")],
    })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, b"child"), descriptor(LAYER, b"cached")] })
}

fn with(mut manifest: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    manifest.pointer_mut(parent).expect("a parent")[key] = value;
    manifest
}

fn parse(manifest: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(manifest.to_string().as_bytes(), None)
}

fn fault(manifest: &Value) -> ManifestError {
    parse(manifest).expect_err("must be refused")
}

#[test]
fn image_refers_to_config_and_layers() {
    let manifest = parse(&image()).expect("an image");
    let referenced: Vec<(String, ReferenceKind, bool)> =
        manifest.referenced().map(|one| (one.field.to_string(), one.kind, one.may_be_absent)).collect();
    let blob = |field: &str| (field.to_owned(), ReferenceKind::Blob, false);
    assert_eq!(referenced, [blob("config"), blob("layers[0]"), blob("layers[1]")]);
    assert_eq!(manifest.artifact_type.as_deref(), Some(CONFIG), "the config's type stands in for artifactType");
}

#[test]
fn index_refers_to_manifests_and_to_what_build_caches_list() {
    let manifest = parse(&index()).expect("an index");
    let kinds: Vec<ReferenceKind> = manifest.referenced().map(|one| one.kind).collect();
    assert_eq!(kinds, [ReferenceKind::Manifest, ReferenceKind::Either]);
    assert_eq!(manifest.artifact_type, None, "an index has no type to fall back to");
}

#[test]
fn layer_to_be_had_elsewhere_may_be_absent() {
    let foreign = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"foreign");
    let linked = with(json!({ "layer": descriptor(LAYER, b"linked") }), "/layer/urls", json!(["https://example.com/layer"]));
    let manifest = with(
        image(),
        "/layers",
        json!([
            descriptor(LAYER, b"own"),
            foreign,
            linked["layer"],
            with(json!({ "x": descriptor(LAYER, b"e") }), "/x/urls", json!([]))["x"]
        ]),
    );
    let absent: Vec<bool> = parse(&manifest).expect("an image").referenced().map(|one| one.may_be_absent).collect();
    assert_eq!(absent, [false, false, true, true, false]);
}

#[test]
fn subject_is_kept_but_not_required() {
    let manifest = parse(&with(image(), "/subject", descriptor(OCI_MANIFEST, b"subject"))).expect("an image");
    assert_eq!(manifest.subject.as_ref().map(|subject| subject.digest), Some(Digest::of(Algorithm::Sha256, b"subject")));
    assert!(manifest.referenced().all(|one| one.field != Field::Subject));
}

#[test]
fn description_carries_type_and_annotations() {
    let artifact = with(with(image(), "/artifactType", json!("application/vnd.example")), "/annotations", json!({ "k": "v" }));
    let digest = Digest::of(Algorithm::Sha256, b"whole");
    let described = parse(&artifact).expect("an artifact").describe(digest, 5);
    assert_eq!((described.digest, described.size, described.media_type.as_str()), (digest, 5, OCI_MANIFEST));
    assert_eq!(described.artifact_type.as_deref(), Some("application/vnd.example"));
    assert_eq!(described.annotations.get("k").map(String::as_str), Some("v"));
    let nameless = with(image(), "/artifactType", json!(""));
    assert_eq!(parse(&nameless).expect("an image").artifact_type.as_deref(), Some(CONFIG), "empty counts as missing");
}

#[test]
fn type_comes_from_the_body_when_nothing_declares_it() {
    let bare = |manifest: Value| with(manifest, "/mediaType", Value::Null);
    for (manifest, media_type) in [
        (image(), ManifestType::OciManifest),
        (index(), ManifestType::OciIndex),
        (bare(image()), ManifestType::OciManifest),
        (bare(index()), ManifestType::OciIndex),
        (with(image(), "/mediaType", json!(DOCKER_MANIFEST)), ManifestType::DockerManifest),
        (with(index(), "/mediaType", json!(DOCKER_LIST)), ManifestType::DockerList),
        (with(image(), "/mediaType", json!("")), ManifestType::OciManifest),
    ] {
        assert_eq!(parse(&manifest).map(|manifest| manifest.media_type), Ok(media_type));
        assert_eq!(Manifest::sniff(manifest.to_string().as_bytes()), Ok(media_type));
    }
}

#[test]
fn type_declared_must_be_the_one_that_will_be_read_again() {
    let push = |manifest: &Value, content_type: &str| Manifest::parse(manifest.to_string().as_bytes(), Some(content_type)).map(|_| ());
    let bare = with(image(), "/mediaType", Value::Null);
    assert_eq!(push(&image(), &format!("{OCI_MANIFEST}; charset=utf-8")), Ok(()));
    assert_eq!(push(&bare, OCI_MANIFEST), Ok(()));
    let mismatch = ManifestError::TypeMismatch { content_type: ManifestType::OciIndex, media_type: ManifestType::OciManifest };
    assert_eq!(push(&image(), OCI_INDEX), Err(mismatch));
    let missing = ManifestError::TypeMissing { content_type: ManifestType::DockerManifest, assumed: ManifestType::OciManifest };
    assert_eq!(push(&bare, DOCKER_MANIFEST), Err(missing));
    assert!(matches!(push(&image(), "application/json"), Err(ManifestError::UnknownType { .. })));
}

#[test]
fn type_unknown_is_refused_with_those_accepted() {
    let error = fault(&with(image(), "/mediaType", json!("application/vnd.oci.artifact.manifest.v1+json")));
    let sentence = error.to_string();
    for known in ManifestType::ALL {
        assert!(sentence.contains(known.as_str()), "{sentence}");
    }
}

#[test]
fn schema_1_is_refused_by_header_type_and_version() {
    let old = json!({ "schemaVersion": 1, "name": "library/debian", "tag": "latest", "fsLayers": [], "history": [], "signatures": [] });
    assert_eq!(fault(&old), ManifestError::Schema1);
    assert_eq!(Manifest::sniff(old.to_string().as_bytes()), Err(ManifestError::Schema1));
    for header in [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED] {
        assert_eq!(Manifest::parse(b"not even json", Some(header)), Err(ManifestError::Schema1));
        assert_eq!(fault(&with(image(), "/mediaType", json!(header))), ManifestError::Schema1);
    }
}

#[test]
fn schema_version_must_be_two() {
    for (version, found) in [(Value::Null, "missing"), (json!(3), "3"), (json!(0), "0"), (json!(-2), "-2"), (json!(2.0), "2.0")] {
        assert_eq!(fault(&with(image(), "/schemaVersion", version)), ManifestError::SchemaVersion { found: found.to_owned() });
    }
}

#[test]
fn image_and_index_in_one_is_refused() {
    let ambiguous = |manifest: Value, field: &str| {
        assert!(matches!(fault(&manifest), ManifestError::Ambiguous { field: got, .. } if got == field), "{field}");
    };
    ambiguous(with(image(), "/manifests", json!([])), "manifests");
    ambiguous(with(index(), "/layers", json!([])), "layers");
    ambiguous(with(index(), "/config", descriptor(CONFIG, b"config")), "config");
    ambiguous(with(with(image(), "/mediaType", Value::Null), "/manifests", json!([])), "config");
}

#[test]
fn list_that_is_null_is_empty() {
    assert_eq!(parse(&with(image(), "/layers", Value::Null)).map(|manifest| manifest.layers), Ok(Vec::new()));
    assert_eq!(parse(&with(index(), "/manifests", Value::Null)).map(|manifest| manifest.manifests), Ok(Vec::new()));
    assert_eq!(fault(&with(image(), "/config", Value::Null)), ManifestError::Missing { path: "config".to_owned() });
}

#[test]
fn descriptor_fault_names_its_path() {
    let missing = |path: &str| ManifestError::Missing { path: path.to_owned() };
    assert_eq!(fault(&with(image(), "/layers/1/size", Value::Null)), missing("layers[1].size"));
    assert_eq!(fault(&with(image(), "/config/digest", Value::Null)), missing("config.digest"));
    assert_eq!(fault(&with(index(), "/manifests/0/mediaType", json!(""))), missing("manifests[0].mediaType"));
    let ManifestError::Digest { path, fault: cause } = fault(&with(image(), "/layers/0/digest", json!("sha256:abc"))) else {
        panic!("a digest error")
    };
    assert_eq!((path.as_str(), cause), ("layers[0].digest", DigestError::Length { algorithm: Algorithm::Sha256, got: 3 }));
    let subject = with(image(), "/subject", json!({ "mediaType": OCI_MANIFEST, "size": 1, "digest": "blake3:00" }));
    assert!(matches!(fault(&subject), ManifestError::Digest { path, .. } if path == "subject.digest"));
}

#[test]
fn size_must_be_a_count_that_clients_can_hold() {
    assert!(parse(&with(image(), "/config/size", json!(i64::MAX))).is_ok());
    for size in [json!(-1), json!(1.5), json!(i64::MAX as u64 + 1), json!(1e300)] {
        assert!(
            matches!(fault(&with(image(), "/config/size", size.clone())), ManifestError::Size { path, .. } if path == "config.size"),
            "{size}"
        );
    }
}

#[test]
fn json_fault_names_line_and_column() {
    let place = |body: &str| match Manifest::parse(body.as_bytes(), None) {
        Err(ManifestError::Json { line, column, reason }) => (line, column, reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(place("{\n  \"schemaVersion\": ]"), (2, 20, "expected value".to_owned()));
    assert_eq!(place("").0, 1);
    assert_eq!(place("{} {}").2, "trailing characters");
    assert_eq!(place(r#"{"schemaVersion":"2"}"#).0, 1);
    assert_eq!(place("\u{feff}{}").1, 1, "a byte order mark is not JSON");
    assert!(place(&format!("{{\"layers\":{}", "[".repeat(200_000))).2.len() < 400, "deep nesting is an error, not a stack overflow");
    assert!(place(&format!("{{\"config\":\"{}\"}}", "x".repeat(100_000))).2.len() < 400, "a client's text is not echoed whole");
    assert!(Manifest::parse(b"{\"mediaType\":\"\xff\"}", None).is_err());
    assert!(
        Manifest::parse(br#"{"schemaVersion":2,"schemaVersion":2}"#, None).is_err(),
        "a field given twice means different things to different readers"
    );
}

#[test]
fn fields_unknown_to_us_are_passed_over() {
    let custom = with(with(image(), "/org.example", json!({ "deep": [1, { "a": null }] })), "/config/data", json!("e30="));
    assert!(parse(&custom).is_ok());
}
