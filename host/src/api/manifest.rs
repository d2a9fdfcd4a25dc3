//! `manifests/<reference>`: HEAD, GET, PUT with tags, DELETE of a manifest or a tag.

use http::header::{CONTENT_TYPE, ETAG, LOCATION, WARNING};
use http::{HeaderValue, StatusCode};

use super::{Answer, Api, ApiError, Request, document, empty};
use crate::oci::headers::{DOCKER_CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG, digest_value, etag, tags_value, warnings};
use crate::oci::manifest::ManifestError;
use crate::oci::{Algorithm, Digest, Manifest, Reference, RepositoryName, Route, conditional};
use crate::store::{IncomingError, PushedManifest, StoreError};

impl Api {
    /// Served whatever `Accept` says: clients that cannot read a type say so better than a 404 would.
    ///
    /// Source: distribution specification, "Pulling manifests".
    pub(super) async fn manifest(&self, request: &Request<'_>, name: &RepositoryName, reference: &Reference) -> Answer {
        let stored = self.repository(request, name)?.manifest(reference).await?;
        let mut answer = match conditional::if_none_match(&request.parts.headers, &stored.digest) {
            true => empty(StatusCode::NOT_MODIFIED),
            false => document(request.is_head(), HeaderValue::from_static(stored.media_type.as_str()), stored.bytes),
        };
        answer.headers_mut().insert(DOCKER_CONTENT_DIGEST, digest_value(&stored.digest));
        answer.headers_mut().insert(ETAG, etag(&stored.digest));
        Ok(answer)
    }

    /// Source: distribution specification, "Pushing Manifests".
    pub(super) async fn put_manifest(&self, request: Request<'_>, name: &RepositoryName, reference: &Reference) -> Answer {
        let tags = match reference {
            // Tags beside a tag mean nothing by the specification.
            Reference::Tag(tag) => vec![tag.clone()],
            Reference::Digest(_) => request.query.tags(self.options.push_tags_max)?,
        };
        let repository = self.repository(&request, name)?;
        let content_type = request.header(&CONTENT_TYPE).map(str::to_owned);
        let limit = repository.manifest_max_bytes();
        let bytes = request.body.collect(usize::try_from(limit).unwrap_or(usize::MAX)).await.map_err(|error| too_large(error, limit))?;
        let manifest = Manifest::parse(&bytes, content_type.as_deref())?;
        let digest = match reference {
            Reference::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
            Reference::Digest(want) => {
                let got = Digest::of(want.algorithm(), &bytes);
                if got != *want {
                    return Err(StoreError::DigestMismatch { want: *want, got }.into());
                }
                got
            }
        };
        let pushed = PushedManifest { manifest, bytes, digest, tags };
        let missing = repository.put_manifest(&pushed).await?;
        let mut answer = empty(StatusCode::CREATED);
        let headers = answer.headers_mut();
        let by_digest = Reference::Digest(digest);
        headers.insert(LOCATION, Route::Manifest { name: name.clone(), reference: by_digest }.location());
        headers.insert(DOCKER_CONTENT_DIGEST, digest_value(&digest));
        if let Some(subject) = &pushed.manifest.subject {
            headers.insert(OCI_SUBJECT, digest_value(&subject.digest));
        }
        let lacks = missing.iter().map(|(digest, field)| format!("{field} refers to {digest}, which this repository does not have"));
        let lacks: Vec<String> = lacks.collect();
        for warning in warnings(lacks.iter().map(String::as_str)) {
            headers.append(WARNING, warning);
        }
        if matches!(reference, Reference::Digest(_)) && !pushed.tags.is_empty() {
            headers.insert(OCI_TAG, tags_value(&pushed.tags));
        }
        Ok(answer)
    }

    /// Source: distribution specification, "Deleting Manifests" and "Deleting tags".
    pub(super) async fn delete_manifest(&self, request: &Request<'_>, name: &RepositoryName, reference: &Reference) -> Answer {
        self.check_delete()?;
        let repository = self.repository(request, name)?;
        match reference {
            Reference::Tag(tag) => repository.delete_tag(tag).await?,
            Reference::Digest(digest) => repository.delete_manifest(digest).await?,
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}

fn too_large(error: IncomingError, limit: u64) -> ApiError {
    match error {
        IncomingError::TooLarge(_) => ManifestError::TooLarge { limit_bytes: limit }.into(),
        other => StoreError::Incoming(other).into(),
    }
}
