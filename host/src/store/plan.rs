//! What each operation costs in driver calls: one table, which `longshore plan` prints and against which the tests count.
//!
//! *Cold* means that the host remembers nothing of what is asked for, *warm* that it remembers all it may. A cost is for the usual case: content
//! by sha256, a body that does not break, an answer that is no error. The key that seals uploads is a cost of its own ([`Operation::UploadKey`]),
//! once for a host.
//!
//! *Calls* are all calls of the driver but `write`, which carries the bytes of a body. *Round trips* are those of them for which a remote store
//! has to be asked: not `upload_begin`, which a driver may put off to the first bytes, not `upload_resume`, whose token tells a driver all that it
//! needs, and not `presign`, which is a calculation.

use longshore_loader::CallKind;
use longshore_loader::api::{Capabilities, Capability};

use CallKind::{Abort, Commit, Delete, DeletePrefix, List, Presign, Put, Read, Stat, Suspend, UploadBegin, UploadResume};

pub use super::cost::{Cost, Term, is_round_trip};
use super::cost::{grows, once};

/// What a host may be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each has its name in words")]
pub enum Operation {
    BlobHead,
    BlobGet,
    BlobRange,
    BlobRedirect,
    BlobMissing,
    BlobDelete,
    ManifestByTag,
    ManifestByDigest,
    ManifestPut,
    ManifestDelete,
    TagDelete,
    TagsPage,
    CatalogPage,
    ReferrersPage,
    UploadKey,
    UploadPost,
    UploadPatch,
    UploadPut,
    UploadStatus,
    UploadCancel,
    PushSmall,
    PushLarge,
    Mount,
}

impl Operation {
    /// All of them, pulls first.
    pub const ALL: [Self; 23] = [
        Self::BlobHead,
        Self::BlobGet,
        Self::BlobRange,
        Self::BlobRedirect,
        Self::BlobMissing,
        Self::ManifestByTag,
        Self::ManifestByDigest,
        Self::TagsPage,
        Self::CatalogPage,
        Self::ReferrersPage,
        Self::UploadKey,
        Self::UploadPost,
        Self::UploadPatch,
        Self::UploadPut,
        Self::UploadStatus,
        Self::UploadCancel,
        Self::PushSmall,
        Self::PushLarge,
        Self::Mount,
        Self::ManifestPut,
        Self::TagDelete,
        Self::ManifestDelete,
        Self::BlobDelete,
    ];

    /// The operation in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobHead => "HEAD of a blob",
            Self::BlobGet => "GET of a blob",
            Self::BlobRange => "GET of a part of a blob",
            Self::BlobRedirect => "GET of a blob that redirect takes",
            Self::BlobMissing => "HEAD or GET of a blob that is not there",
            Self::BlobDelete => "DELETE of a blob",
            Self::ManifestByTag => "HEAD or GET of a manifest by tag",
            Self::ManifestByDigest => "HEAD or GET of a manifest by digest",
            Self::ManifestPut => "PUT of a new manifest with a tag",
            Self::ManifestDelete => "DELETE of a manifest without tags",
            Self::TagDelete => "DELETE of a tag",
            Self::TagsPage => "a page of n tags",
            Self::CatalogPage => "a page of n repositories",
            Self::ReferrersPage => "a page of n referrers",
            Self::UploadKey => "the store's key, for a host's first upload",
            Self::UploadPost => "POST that begins an upload",
            Self::UploadPatch => "PATCH of an upload, whole",
            Self::UploadPut => "PUT that finishes it, without a body",
            Self::UploadStatus => "GET of an upload",
            Self::UploadCancel => "DELETE of an upload",
            Self::PushSmall => "PUT or POST of a whole blob up to 256 KiB",
            Self::PushLarge => "PUT or POST of a whole blob above 256 KiB",
            Self::Mount => "POST that mounts a blob",
        }
    }

    /// What `n` counts, if the cost grows.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Self::ManifestPut => Some("blobs that it refers to"),
            Self::ManifestDelete => Some("tags of the repository"),
            Self::TagsPage => Some("tags on the page"),
            Self::CatalogPage => Some("repositories on the page"),
            Self::ReferrersPage => Some("referrers on the page"),
            _ => None,
        }
    }

    /// What the figures leave out.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::TagsPage => Some("and one for each - or . of the last name on it, if the names before these are not on it"),
            Self::CatalogPage => Some("and one for each folder that is no repository"),
            Self::ReferrersPage => Some("without a filter"),
            Self::ManifestDelete => Some("and a deleted tag for each that means it"),
            Self::BlobRedirect => Some("and a read, if the blob turns out to be smaller than redirect.min_bytes"),
            Self::BlobRange => Some("and a stat, when nothing is remembered, for the last bytes of it (bytes=-5)"),
            Self::ManifestPut => Some("cold, one read less if cache.ttl_secs is not 0"),
            Self::UploadPatch => Some("and a put for each chunk after the first"),
            Self::TagDelete => Some("if it has meant one manifest only"),
            Self::UploadKey => Some("none with registry.upload_signing_keys; one put more for the first host of a new store"),
            _ => None,
        }
    }

    /// The most that it may cost, cold and warm, where that is promised.
    pub const fn limit(self) -> Option<(u64, u64)> {
        match self {
            Self::BlobHead | Self::BlobGet | Self::BlobRange | Self::BlobRedirect => Some((2, 1)),
            Self::ManifestByTag => Some((3, 1)),
            _ => None,
        }
    }

    /// What it costs when nothing is remembered, on a storage with these capabilities.
    pub fn cold(self, capabilities: Capabilities) -> Cost {
        let terms: &[Term] = match self {
            Self::BlobHead => const { &[once(Read, 1), once(Stat, 1)] },
            Self::BlobGet | Self::BlobRange => const { &[once(Read, 2)] },
            Self::BlobRedirect => const { &[once(Read, 1), once(Stat, 1), once(Presign, 1)] },
            Self::ManifestByTag => const { &[once(Read, 2), once(List, 1)] },
            Self::ManifestByDigest => const { &[once(Read, 1), once(List, 1)] },
            Self::ManifestPut => return Cost::from(const { &[grows(Read, 1, 1, 1)] as &[Term] }).and(&self.warm(capabilities)),
            Self::ManifestDelete => const { &[grows(Read, 1, 2, 1), grows(List, 2, 2, 1000), once(Delete, 3)] },
            Self::Mount => const { &[once(Read, 1), once(Stat, 1), once(Put, 1)] },
            _ => return self.warm(capabilities),
        };
        Cost::from(terms)
    }

    /// What it costs when all that may be remembered is.
    pub fn warm(self, capabilities: Capabilities) -> Cost {
        let terms: &[Term] = match self {
            Self::BlobHead | Self::ManifestByDigest | Self::UploadPost => &[],
            Self::BlobGet | Self::BlobRange | Self::BlobMissing | Self::ManifestByTag | Self::UploadKey => const { &[once(Read, 1)] },
            Self::BlobRedirect => const { &[once(Presign, 1)] },
            Self::BlobDelete => const { &[once(Read, 1), once(List, 1), once(Delete, 1)] },
            Self::ManifestPut if capabilities.has(Capability::PutIfAbsent) => const { &[once(Put, 4)] },
            Self::ManifestPut => const { &[once(Put, 4), once(List, 1)] },
            Self::ManifestDelete => const { &[grows(Read, 0, 2, 1), grows(List, 2, 2, 1000), once(Delete, 3)] },
            Self::TagDelete if capabilities.has(Capability::DeletePrefix) => const { &[once(Delete, 1), once(DeletePrefix, 1)] },
            Self::TagDelete => const { &[once(Delete, 2), once(List, 1)] },
            Self::TagsPage => const { &[grows(List, 1, 1, 1000)] },
            Self::CatalogPage => const { &[grows(List, 3, 1, 1)] },
            Self::ReferrersPage => const { &[grows(Read, 2, 1, 1), grows(List, 1, 1, 100)] },
            Self::UploadPatch => const { &[once(UploadBegin, 1), once(Suspend, 1)] },
            Self::UploadPut => const { &[once(UploadResume, 1), once(Commit, 1), once(Put, 1)] },
            Self::UploadStatus => const { &[once(Read, 1), once(UploadResume, 1)] },
            Self::UploadCancel => const { &[once(UploadResume, 1), once(Abort, 1), once(Read, 1)] },
            Self::PushSmall => const { &[once(Put, 2)] },
            Self::PushLarge => const { &[once(UploadBegin, 1), once(Commit, 1), once(Put, 1)] },
            Self::Mount => const { &[once(Stat, 1), once(Put, 1)] },
        };
        Cost::from(terms)
    }
}

/// How a client pushes a blob that the registry does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// HEAD, POST, PATCH with all of it, PUT: docker, podman, skopeo, buildah, crane.
    Stream,
    /// HEAD, POST, PUT with all of it: oras, containerd.
    Whole,
}

impl Push {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stream, Self::Whole];

    /// The way in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "push of an image with n new layers, by PATCH and PUT",
            Self::Whole => "push of an image with n new layers, by PUT alone",
        }
    }

    /// A push of an image with `n` new layers, all of them large, a config and a manifest under a tag, each blob looked for before.
    pub fn cost(self, capabilities: Capabilities) -> Cost {
        let parts: &[Operation] = match self {
            Self::Stream => &[Operation::BlobMissing, Operation::UploadPost, Operation::UploadPatch, Operation::UploadPut],
            Self::Whole => &[Operation::BlobMissing, Operation::UploadPost, Operation::PushLarge],
        };
        let blob = parts.iter().fold(Cost::default(), |sum, part| sum.and(&part.warm(capabilities)));
        blob.for_each().and(&blob).and(&Operation::ManifestPut.warm(capabilities))
    }
}

/// The most round trips of a push of an image with `layers` new layers, on a storage that can `put_if_absent`.
pub const fn push_limit(layers: u64) -> u64 {
    4 * layers + 8
}

/// What a capability is used for, and what is done without it.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// The capability.
    pub capability: Capability,
    /// What it is used for.
    pub with: &'static str,
    /// What happens without it.
    pub without: &'static str,
}

/// The capabilities that this host uses; it does without the others.
pub const USES: [Use; 5] = [
    Use {
        capability: Capability::PutIfAbsent,
        with: "tells new manifests, and which host makes the store's key",
        without: "one listing more for each manifest pushed; of two hosts that make the store's key at once the later one wins",
    },
    Use { capability: Capability::DeletePrefix, with: "deletes tags", without: "tags are deleted by listing and single deletes" },
    Use { capability: Capability::FileRegion, with: "blobs are sent by the kernel", without: "blobs pass through the host's memory" },
    Use {
        capability: Capability::Presign,
        with: "redirects clients, where redirect says so",
        without: "the host serves every blob itself",
    },
    Use {
        capability: Capability::UploadList,
        with: "finds uploads that nobody goes on with, to remove them",
        without: "what abandoned uploads left stays until the driver itself removes it",
    },
];

/// One line for the log at the start.
pub fn summary(capabilities: Capabilities) -> String {
    let both = |operation: Operation| {
        format!("{} {}/{}", operation.name(), operation.cold(capabilities).calls(1), operation.warm(capabilities).calls(1))
    };
    let single = [Operation::BlobHead, Operation::BlobGet, Operation::ManifestByTag].map(both).join(", ");
    let tags = Operation::TagsPage.warm(capabilities);
    let [stream, whole] = Push::ALL.map(|push| push.cost(capabilities).only_round_trips());
    format!("cold/warm: {single}; a page of n tags {tags}; round trips of a push of n new layers: {stream} by PATCH, {whole} by PUT alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Capabilities {
        Capabilities::of(&Capability::ALL)
    }

    #[test]
    fn costs_keep_the_limits_with_every_capability_and_without_any() {
        for capabilities in [all(), Capabilities::default()] {
            for operation in Operation::ALL {
                let Some((cold, warm)) = operation.limit() else { continue };
                assert!(operation.cold(capabilities).round_trips(1) <= cold, "{} cold", operation.name());
                assert!(operation.warm(capabilities).round_trips(1) <= warm, "{} warm", operation.name());
            }
        }
    }

    #[test]
    fn pushes_keep_their_limit() {
        for layers in 0..100 {
            for push in Push::ALL {
                let cost = push.cost(all());
                assert!(cost.round_trips(layers) <= push_limit(layers), "{} of {layers}: {}", push.name(), cost.round_trips(layers));
            }
            let whole = Push::Whole.cost(all());
            assert!(whole.calls(layers) <= push_limit(layers), "by PUT alone with upload_begin counted: {}", whole.calls(layers));
        }
    }

    #[test]
    fn formulas_are_sums() {
        assert_eq!(Push::Stream.cost(all()).only_round_trips().to_string(), "4n + 8");
        assert_eq!(Operation::TagsPage.warm(all()).to_string(), "n/1000 + 1");
        assert_eq!(Operation::BlobHead.warm(all()).to_string(), "0");
        assert_eq!(Operation::CatalogPage.warm(all()).to_string(), "n + 3");
        assert_eq!(Operation::ManifestPut.cold(Capabilities::default()).to_string(), "n + 6");
        assert_eq!(Operation::TagsPage.warm(all()).calls(999), 1);
        assert_eq!(Operation::TagsPage.warm(all()).calls(1000), 2);
    }
}
