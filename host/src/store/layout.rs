//! Where everything lies: CNCF distribution's layout, and our own data in the places that it ignores.
//!
//! Source: distribution's `registry/storage/paths.go`, as its documentation describes it.

use longshore_loader::api::{Key, KeyBuf, Prefix, PrefixBuf};

use crate::oci::{Algorithm, Digest, RepositoryName, Tag, UploadId};

const REPOSITORIES: &str = "docker/registry/v2/repositories";
const BLOBS: &str = "docker/registry/v2/blobs";
/// Beside `v2`, where distribution never looks.
const OURS: &str = "docker/registry/longshore";
/// With this begins the name of the file that says how else a manifest is announced.
const OTHER_NAME: &str = "longshore-";

/// Every part has passed its grammar, which allows nothing that a key forbids, and the longest sum is far below 1024 bytes: 255 of a name,
/// 128 of a tag, twice 138 of a digest and 60 of fixed text.
fn key(text: String) -> KeyBuf {
    KeyBuf::new(text).expect("parts within their grammars make a key")
}

/// As [`key`].
fn prefix(text: String) -> PrefixBuf {
    PrefixBuf::new(text).expect("parts within their grammars make a prefix")
}

/// `sha256/<hex>`
fn path(digest: &Digest) -> String {
    format!("{}/{}", digest.algorithm(), digest.encoded())
}

/// The bytes of a blob or manifest. Only sha256 digests have bytes; see `aliases`.
pub(super) fn blob(digest: &Digest) -> KeyBuf {
    key(format!("{BLOBS}/{}/{}/{}/data", digest.algorithm(), digest.shard(), digest.encoded()))
}

/// The repository may read the blob.
pub(super) fn layer_link(name: &RepositoryName, digest: &Digest) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_layers/{}/link", path(digest)))
}

/// All of them.
pub(super) fn layers(name: &RepositoryName) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_layers"))
}

/// All that are named by one algorithm.
pub(super) fn layers_by(name: &RepositoryName, algorithm: Algorithm) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_layers/{algorithm}"))
}

/// The repository holds the manifest.
pub(super) fn revision_link(name: &RepositoryName, digest: &Digest) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_manifests/revisions/{}/link", path(digest)))
}

/// All that lies beside the link of a manifest.
pub(super) fn revision(name: &RepositoryName, digest: &Digest) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_manifests/revisions/{}", path(digest)))
}

/// The manifests of a repository; there is one as soon as something was pushed.
pub(super) fn manifests(name: &RepositoryName) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_manifests"))
}

/// The tags of a repository.
pub(super) fn tags(name: &RepositoryName) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_manifests/tags"))
}

/// All of one tag.
pub(super) fn tag(name: &RepositoryName, tag: &Tag) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}"))
}

/// What the tag means now.
pub(super) fn tag_current(name: &RepositoryName, tag: &Tag) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}/current/link"))
}

/// The tag has meant this manifest at some time.
pub(super) fn tag_index(name: &RepositoryName, tag: &Tag, digest: &Digest) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_manifests/tags/{tag}/index/{}/link", path(digest)))
}

/// Everything below which repositories lie.
pub(super) fn repositories() -> &'static Prefix {
    Prefix::parse(REPOSITORIES).expect("the text above is a prefix")
}

/// What was received of an upload before its connection broke.
pub(super) fn upload_record(name: &RepositoryName, id: &UploadId) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_uploads/{id}/longshore"))
}

/// A referrer of a subject: its descriptor.
pub(super) fn referrer(name: &RepositoryName, subject: &Digest, referrer: &Digest) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_longshore/referrers/{}/{}", path(subject), path(referrer)))
}

/// The referrers of a subject.
pub(super) fn referrers(name: &RepositoryName, subject: &Digest) -> PrefixBuf {
    prefix(format!("{REPOSITORIES}/{name}/_longshore/referrers/{}", path(subject)))
}

/// The sha256 digest of a manifest that was pushed by another one.
pub(super) fn manifest_alias(name: &RepositoryName, digest: &Digest) -> KeyBuf {
    key(format!("{REPOSITORIES}/{name}/_longshore/manifests/{}/link", path(digest)))
}

/// Beside the manifest's link, so that one listing tells both: the other digest by which it is announced, if it was pushed by that one last.
/// Distribution passes over every file there that is not called `link`.
pub(super) fn manifest_name(name: &RepositoryName, sha256: &Digest, other: &Digest) -> KeyBuf {
    key(format!("{}/{OTHER_NAME}{}-{}", revision(name, sha256), other.algorithm(), other.encoded()))
}

/// The digest that the last component of a [`manifest_name`] stands for.
pub(super) fn other_name(component: &str) -> Option<Digest> {
    let (algorithm, encoded) = component.strip_prefix(OTHER_NAME)?.split_once('-')?;
    format!("{algorithm}:{encoded}").parse().ok()
}

/// The sha256 digest of a blob that was pushed by another one, wherever it was pushed.
pub(super) fn blob_alias(digest: &Digest) -> KeyBuf {
    key(format!("{OURS}/aliases/{}/link", path(digest)))
}

/// The key that seals upload states when the configuration names none.
pub(super) fn signing_key() -> &'static Key {
    Key::parse("docker/registry/longshore/upload-key").expect("the text is a key")
}
