//! `blobs/<digest>`: HEAD, GET with ranges or elsewhere, DELETE.

use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use longshore_loader::api::ByteRange as DriverRange;

use super::{Answer, Api, ApiError, Body, Request, empty};
use crate::oci::headers::{DOCKER_CONTENT_DIGEST, digest_value, etag};
use crate::oci::range::{satisfied, unsatisfied};
use crate::oci::{ByteRange, Digest, ErrorCode, ProtocolError, RepositoryName, conditional, media_type};
use crate::store::{Repository, SignedUrl, StoreError};

/// Content never changes under its digest.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// A signed URL expires, and is nobody else's.
const NEVER: HeaderValue = HeaderValue::from_static("no-store");

impl Api {
    /// Source: distribution specification, "Pulling blobs".
    pub(super) async fn blob(&self, request: &Request<'_>, name: &RepositoryName, digest: &Digest) -> Answer {
        let repository = self.repository(request, name)?;
        if let Some(url) = elsewhere(request, &repository, digest).await? {
            return Ok(redirect(url, digest));
        }
        let headers = &request.parts.headers;
        let needs_bytes = !request.is_head() && !conditional::if_none_match(headers, digest);
        if needs_bytes && ByteRange::requested(headers, digest, u64::MAX) == ByteRange::Whole {
            let (blob, body) = repository.whole_blob(digest).await?;
            return Ok(sized(Response::new(Body::Blob(body, blob.size)), digest, blob.size));
        }
        // A driver tells the size with the bytes: where a part begins is often known before.
        let (blob, read) = match ByteRange::before_the_size_is_known(headers, digest).filter(|_| needs_bytes) {
            Some((offset, length)) => repository.part_of_blob(digest, DriverRange::new(offset, length)).await?,
            None => (repository.blob(digest).await?, None),
        };
        if conditional::if_none_match(headers, digest) {
            return Ok(described(empty(StatusCode::NOT_MODIFIED), digest));
        }
        let range = if request.is_head() { ByteRange::Whole } else { ByteRange::requested(headers, digest, blob.size) };
        let (offset, length) = match range {
            ByteRange::Whole => (0, blob.size),
            ByteRange::Part { first, last } => (first, last - first + 1),
            ByteRange::Unsatisfiable => return Err(outside(blob.size)),
        };
        let body = match read {
            _ if request.is_head() => Body::Empty,
            Some(body) => Body::Blob(body, length),
            None => Body::Blob(repository.read_blob(&blob, DriverRange::new(offset, length)).await?, length),
        };
        let mut answer = sized(Response::new(body), digest, length);
        if let ByteRange::Part { first, last } = range {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            answer.headers_mut().insert(CONTENT_RANGE, satisfied(first, last, blob.size));
        }
        Ok(answer)
    }

    /// Source: distribution specification, "Deleting Blobs".
    pub(super) async fn delete_blob(&self, request: &Request<'_>, name: &RepositoryName, digest: &Digest) -> Answer {
        self.check_delete()?;
        self.repository(request, name)?.delete_blob(digest).await?;
        Ok(empty(StatusCode::ACCEPTED))
    }
}

/// Where the client is sent for the bytes, if it is. A range goes with it: clients repeat their headers.
///
/// What needs no bytes is answered here (HEAD, 304, 416), and so is `If-Range`, for the store does not know our entity tags.
async fn elsewhere(request: &Request<'_>, repository: &Repository, digest: &Digest) -> Result<Option<SignedUrl>, StoreError> {
    let headers = &request.parts.headers;
    if request.is_head() || headers.contains_key(IF_RANGE) || !repository.redirects(&request.client()) {
        return Ok(None);
    }
    let blob = repository.blob(digest).await?;
    let outside = ByteRange::requested(headers, digest, blob.size) == ByteRange::Unsatisfiable;
    if outside || conditional::if_none_match(headers, digest) {
        return Ok(None);
    }
    Ok(repository.signed_url(&blob).await)
}

/// The client verifies what it gets by the digest, here as everywhere.
///
/// Source: distribution specification, "Pulling blobs"; RFC 9110, section 15.4.8.
fn redirect(url: SignedUrl, digest: &Digest) -> Response<Body> {
    let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, url.into_location());
    headers.insert(DOCKER_CONTENT_DIGEST, digest_value(digest));
    headers.insert(CACHE_CONTROL, NEVER);
    answer
}

/// An answer with `length` bytes of a blob.
fn sized(answer: Response<Body>, digest: &Digest, length: u64) -> Response<Body> {
    let mut answer = described(answer, digest);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type::OCTET_STREAM));
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}

fn described(mut answer: Response<Body>, digest: &Digest) -> Response<Body> {
    let headers = answer.headers_mut();
    headers.insert(DOCKER_CONTENT_DIGEST, digest_value(digest));
    headers.insert(ETAG, etag(digest));
    headers.insert(CACHE_CONTROL, FOR_A_YEAR);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer
}

fn outside(size: u64) -> ApiError {
    let message = format!("the range lies outside of the blob, which has {size} bytes");
    ApiError::from(ProtocolError::new(ErrorCode::RangeInvalid, message)).with_header(CONTENT_RANGE, unsatisfied(size))
}
