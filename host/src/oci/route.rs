//! From a URL's path to the resource it names, and back. Names contain slashes, so paths are read from their end.

use std::fmt;

use http::{HeaderValue, Method};

use super::digest::{Digest, DigestError};
use super::error::clip;
use super::headers::printable;
use super::name::{NameError, RepositoryName, UploadId, UploadIdError};
use super::percent::decode;
use super::reference::{Reference, ReferenceError};

/// A resource of the registry. Displayed, it is the path that [`Route::parse`] reads.
///
/// Source: distribution specification, "Endpoints".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`: is this a registry?
    Version,
    /// `/v2/_catalog`: the repositories. Distribution's, reserved by the specification.
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/manifests/<tag-or-digest>`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest in it.
        reference: Reference,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        name: RepositoryName,
        /// The blob in it.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`: where uploads begin.
    Uploads {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload {
        /// The repository.
        name: RepositoryName,
        /// The upload session in it.
        id: UploadId,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        name: RepositoryName,
        /// The subject, which need not exist.
        digest: Digest,
    },
}

impl Route {
    /// Reads a path as it stands in the request, without its query.
    ///
    /// Escapes are decoded once, except one of a slash, which is refused: a name's slashes divide its parts, and other software on the way
    /// would see other paths than we do. A repository may be called `a/blobs/uploads` or `manifests/tags`; what follows its name decides.
    ///
    /// # Errors
    /// A [`RouteError`] that says which part of the path is wrong.
    pub fn parse(path: &str) -> Result<Self, RouteError> {
        let decoded = decode(path, Some(b'/')).map_err(|fault| RouteError::Escape { position: fault.position })?;
        let not_found = || RouteError::NotFound { path: clip(path) };
        let rest = match decoded.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Version),
            Some("/_catalog" | "/_catalog/") => return Ok(Self::Catalog),
            Some(rest) => rest.strip_prefix('/').ok_or_else(not_found)?,
            None => return Err(not_found()),
        };
        let (before, last) = rest.rsplit_once('/').ok_or_else(not_found)?;
        if let Some(name) = name_before(before, "manifests") {
            return Ok(Self::Manifest { name: name.parse()?, reference: last.parse()? });
        }
        if let Some(name) = name_before(before, "blobs") {
            let name = name.parse()?;
            return Ok(if last == "uploads" { Self::Uploads { name } } else { Self::Blob { name, digest: last.parse()? } });
        }
        if let Some(name) = name_before(before, "blobs/uploads") {
            let name = name.parse()?;
            return Ok(if last.is_empty() { Self::Uploads { name } } else { Self::Upload { name, id: last.parse()? } });
        }
        if let Some(name) = name_before(before, "tags").filter(|_| last == "list") {
            return Ok(Self::Tags { name: name.parse()? });
        }
        if let Some(name) = name_before(before, "referrers") {
            return Ok(Self::Referrers { name: name.parse()?, digest: last.parse()? });
        }
        Err(not_found())
    }

    /// The repository that the resource belongs to.
    #[must_use]
    pub const fn name(&self) -> Option<&RepositoryName> {
        match self {
            Self::Version | Self::Catalog => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Referrers { name, .. } => Some(name),
        }
    }

    /// The methods that the resource knows, as the `Allow` header lists them.
    #[must_use]
    pub const fn allow(&self) -> &'static str {
        match self {
            Self::Version | Self::Catalog | Self::Tags { .. } | Self::Referrers { .. } => "GET, HEAD",
            Self::Manifest { .. } => "GET, HEAD, PUT, DELETE",
            Self::Blob { .. } => "GET, HEAD, DELETE",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }

    /// Checks that the resource knows `method`.
    ///
    /// # Errors
    /// [`MethodError`], to be answered with 405 and an `Allow` header.
    pub fn check(&self, method: &Method) -> Result<(), MethodError> {
        if self.allow().split(", ").any(|allowed| allowed == method.as_str()) {
            return Ok(());
        }
        Err(MethodError { method: clip(method.as_str()), allow: self.allow() })
    }

    /// The value of a `Location` header that leads to this resource: a path, right behind any proxy.
    #[must_use]
    pub fn location(&self) -> HeaderValue {
        // Every part has passed its grammar, and none allows anything that must be escaped in a path.
        printable(self.to_string())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("/v2/"),
            Self::Catalog => f.write_str("/v2/_catalog"),
            Self::Tags { name } => write!(f, "/v2/{name}/tags/list"),
            Self::Manifest { name, reference } => write!(f, "/v2/{name}/manifests/{reference}"),
            Self::Blob { name, digest } => write!(f, "/v2/{name}/blobs/{digest}"),
            Self::Uploads { name } => write!(f, "/v2/{name}/blobs/uploads/"),
            Self::Upload { name, id } => write!(f, "/v2/{name}/blobs/uploads/{id}"),
            Self::Referrers { name, digest } => write!(f, "/v2/{name}/referrers/{digest}"),
        }
    }
}

/// The text before `/resource` at the end of `path`; empty if there is no name, so that its absence is told as such.
fn name_before<'a>(path: &'a str, resource: &str) -> Option<&'a str> {
    let before = path.strip_suffix(resource)?;
    if before.is_empty() { Some("") } else { before.strip_suffix('/') }
}

/// Why a path names no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No resource has such a path.
    #[error(
        "nothing is at {path:?}; a path is /v2/, /v2/_catalog, \
         or /v2/ and a repository name before manifests, blobs, tags/list or referrers"
    )]
    NotFound {
        /// The path, clipped.
        path: String,
    },
    /// A `%` without two hex digits, an escaped slash, or escapes that are not UTF-8.
    #[error("the path has an unusable percent-escape at byte {position}; escape no slash, and write % and two hex digits, of UTF-8 text")]
    Escape {
        /// The byte of the path at which the escape begins, from 0.
        position: usize,
    },
    /// The repository's name is wrong.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The tag or digest of a manifest is wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The digest of a blob or subject is wrong.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The upload's id is wrong.
    #[error(transparent)]
    UploadId(#[from] UploadIdError),
}

/// A method that a resource does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("method {method} is not for this resource; it knows {allow}")]
pub struct MethodError {
    /// The method, clipped.
    pub method: String,
    /// The methods that the resource knows.
    pub allow: &'static str,
}

#[cfg(test)]
mod tests {
    use super::super::digest::Algorithm;
    use super::super::error::{ErrorCode, ProtocolError};
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn code(path: &str) -> (ErrorCode, u16) {
        let error = ProtocolError::from(Route::parse(path).expect_err(path));
        (error.code, error.status().as_u16())
    }

    fn name_of(path: &str) -> String {
        Route::parse(path).expect(path).name().expect("a name").to_string()
    }

    #[test]
    fn route_written_is_the_route_read() {
        let blob = format!("/v2/library/debian/blobs/{EMPTY}");
        let by_digest = format!("/v2/library/debian/manifests/{EMPTY}");
        let referrers = format!("/v2/library/debian/referrers/{}", Digest::of(Algorithm::Sha512, b""));
        for (path, allow) in [
            ("/v2/", "GET, HEAD"),
            ("/v2/_catalog", "GET, HEAD"),
            ("/v2/library/debian/tags/list", "GET, HEAD"),
            ("/v2/library/debian/manifests/latest", "GET, HEAD, PUT, DELETE"),
            (&by_digest, "GET, HEAD, PUT, DELETE"),
            (&blob, "GET, HEAD, DELETE"),
            ("/v2/library/debian/blobs/uploads/", "POST"),
            ("/v2/library/debian/blobs/uploads/a=b_c.d", "GET, HEAD, PATCH, PUT, DELETE"),
            (&referrers, "GET, HEAD"),
        ] {
            let route = Route::parse(path).expect(path);
            assert_eq!((route.to_string().as_str(), route.allow()), (path, allow));
            assert_eq!(route.location(), path);
        }
    }

    #[test]
    fn route_tolerates_a_slash_more_or_less_where_it_is_clear() {
        assert_eq!(Route::parse("/v2"), Ok(Route::Version));
        assert_eq!(Route::parse("/v2/_catalog/"), Ok(Route::Catalog));
        assert_eq!(Route::parse("/v2/a/blobs/uploads"), Route::parse("/v2/a/blobs/uploads/"));
    }

    #[test]
    fn route_of_a_repository_named_like_a_resource_is_read_from_the_end() {
        for (path, name) in [
            ("/v2/a/blobs/uploads/blobs/uploads/", "a/blobs/uploads"),
            ("/v2/a/blobs/uploads/blobs/uploads", "a/blobs/uploads"),
            ("/v2/a/blobs/uploads/manifests/latest", "a/blobs/uploads"),
            ("/v2/a/blobs/uploads/tags/list", "a/blobs/uploads"),
            ("/v2/manifests/tags/manifests/tags", "manifests/tags"),
            ("/v2/manifests/tags/tags/list", "manifests/tags"),
            ("/v2/tags/list/tags/list", "tags/list"),
            ("/v2/a/referrers/manifests/x", "a/referrers"),
            ("/v2/blobs/blobs/uploads/blobs", "blobs"),
            ("/v2/v2/manifests/v2", "v2"),
        ] {
            assert_eq!(name_of(path), name, "{path}");
        }
        assert_eq!(name_of(&format!("/v2/a/blobs/blobs/{EMPTY}")), "a/blobs");
    }

    #[test]
    fn route_with_escapes_is_decoded_once() {
        let escaped = EMPTY.replace(':', "%3A");
        for (path, plain) in [
            (format!("/v2/a%2db/blobs/{escaped}"), format!("/v2/a-b/blobs/{EMPTY}")),
            (format!("/v2/a-b/manifests/{escaped}"), format!("/v2/a-b/manifests/{EMPTY}")),
        ] {
            assert_eq!(Route::parse(&path).map(|route| route.to_string()), Ok(plain));
        }
    }

    #[test]
    fn route_out_of_grammar_says_which_part() {
        assert_eq!(code("/v2/A/manifests/latest"), (ErrorCode::NameInvalid, 400));
        assert_eq!(code("/v2/manifests/latest"), (ErrorCode::NameInvalid, 400), "no name at all");
        assert_eq!(code("/v2//manifests/latest"), (ErrorCode::NameInvalid, 400));
        assert_eq!(code("/v2/a/manifests/"), (ErrorCode::TagInvalid, 400));
        assert_eq!(code("/v2/a/manifests/-x"), (ErrorCode::TagInvalid, 400));
        assert_eq!(code("/v2/a/manifests/sha256:baddigeststring"), (ErrorCode::DigestInvalid, 400));
        assert_eq!(code("/v2/a/blobs/latest"), (ErrorCode::DigestInvalid, 400));
        assert_eq!(code("/v2/a/referrers/sha384:ab"), (ErrorCode::DigestInvalid, 400));
        assert_eq!(code("/v2/a/blobs/uploads/x$y"), (ErrorCode::BlobUploadInvalid, 404));
    }

    #[test]
    fn route_elsewhere_is_not_found() {
        let paths = " / * v2/ /v1/ /v22/ //v2/ /V2/ /v2/a /v2/a/b /v2/a/tags/ /v2/a/tags/other /v2/a/manifest/x";
        for path in paths.split(' ') {
            assert_eq!(code(path).1, 404, "{path:?}");
        }
    }

    #[test]
    fn route_never_leaves_the_repository() {
        for path in [
            "/v2/../manifests/x",
            "/v2/a/../b/manifests/x",
            "/v2/a/./manifests/x",
            "/v2/a/%2e%2e/b/manifests/x",
            "/v2/a%2F..%2Fb/manifests/x",
            "/v2/a%2fb/manifests/x",
            "/v2/a%00/manifests/x",
            "/v2/a%/manifests/x",
            "/v2/a%zz/manifests/x",
            "/v2/%ff%fe/manifests/x",
            "/v2/_uploads/manifests/x",
            "/v2/a/_manifests/tags/list",
            "/v2/a\\..\\b/manifests/x",
            "/v2/a%252Fb/manifests/x",
            "/v2/a/manifests/..%2f..%2fetc",
        ] {
            assert_eq!(code(path), (ErrorCode::NameInvalid, 400), "{path}");
        }
        assert_eq!(code("/v2/a/manifests/.."), (ErrorCode::TagInvalid, 400));
        assert_eq!(code("/v2/a/blobs/.."), (ErrorCode::DigestInvalid, 400));
        assert_eq!(code("/v2/a/blobs/uploads/.."), (ErrorCode::BlobUploadInvalid, 404));
    }

    #[test]
    fn route_of_any_bytes_is_an_answer_and_no_panic() {
        // A small generator instead of a random one: the same paths on every run.
        let words = "/,v2,a,..,%,%2,%2F,%00,%ff,manifests,blobs,uploads,tags,list,referrers,é,:,\0";
        let pieces: Vec<&str> = words.split(',').chain([EMPTY]).collect();
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut path = String::from("/v2/");
            for _ in 0..seed % 12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                path.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if let Ok(route) = Route::parse(&path) {
                assert_eq!(Route::parse(&route.to_string()), Ok(route), "{path:?} has one meaning");
            }
        }
        assert!(Route::parse(&format!("/v2/{}/manifests/x", "a/".repeat(100_000))).is_err());
    }

    #[test]
    fn method_unknown_to_a_resource_lists_those_it_knows() {
        assert_eq!(Route::Version.check(&Method::GET), Ok(()));
        let error = Route::Version.check(&Method::PUT).expect_err("no PUT of the version");
        assert_eq!(error.allow, "GET, HEAD");
        assert_eq!(ProtocolError::from(error).status().as_u16(), 405);
        let part = Method::from_bytes(b"GE").expect("a token");
        assert!(Route::Version.check(&part).is_err(), "a part of a method is another method");
    }
}
