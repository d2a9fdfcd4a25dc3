//! `blobs/uploads/`: beginning, appending, finishing, asking, cancelling; single POST and mount.

use http::header::{CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderValue, Response, StatusCode};

use super::{Answer, Api, ApiError, Body, Request, empty};
use crate::oci::headers::{DOCKER_CONTENT_DIGEST, DOCKER_UPLOAD_UUID, digest_value};
use crate::oci::range::{ChunkRange, received};
use crate::oci::{Digest, ErrorCode, ProtocolError, RepositoryName, Route, SigningKeys, UploadId, UploadState, media_type};
use crate::store::{Repository, StoreError};

impl Api {
    /// POST: begins a session; with `digest` takes the whole blob; with `mount` takes it over from another repository.
    ///
    /// Source: distribution specification, "Pushing blobs".
    pub(super) async fn begin_upload(&self, request: Request<'_>, name: &RepositoryName) -> Answer {
        let repository = self.repository(&request, name)?;
        if let Some(digest) = request.query.mount()? {
            let from = request.query.from()?.map(|from| self.repository(&request, &from)).transpose()?;
            if repository.mount(&digest, from).await? {
                return Ok(created(name, &digest));
            }
        }
        let announced = request.query.digest_algorithm()?;
        if let Some(digest) = request.query.digest()? {
            check_octets(&request)?;
            let finished = repository.push(request.body, digest).await?;
            return Ok(created(name, &finished.digest));
        }
        let state = repository.begin_upload(announced)?;
        Ok(accepted(StatusCode::ACCEPTED, repository.keys().await?, &state))
    }

    /// PATCH: a chunk, or a stream.
    pub(super) async fn append(&self, request: Request<'_>, name: &RepositoryName, id: &UploadId) -> Answer {
        check_octets(&request)?;
        let repository = self.repository(&request, name)?;
        let (state, keys) = session(&request, &repository, name, id).await?;
        let range = ChunkRange::requested(&request.parts.headers)?;
        let appended = repository.append(state.clone(), request.body, range).await;
        let state = appended.map_err(|error| still_there(error, keys, &state))?;
        Ok(accepted(StatusCode::ACCEPTED, keys, &state))
    }

    /// PUT: the last chunk, if any, and the digest of everything.
    pub(super) async fn finish_upload(&self, request: Request<'_>, name: &RepositoryName, id: &UploadId) -> Answer {
        let Some(digest) = request.query.digest()? else {
            let message = "a PUT finishes an upload and needs the blob's digest: add the parameter digest to the URL";
            return Err(ProtocolError::new(ErrorCode::DigestInvalid, message).into());
        };
        check_octets(&request)?;
        let repository = self.repository(&request, name)?;
        let (state, keys) = session(&request, &repository, name, id).await?;
        let range = ChunkRange::requested(&request.parts.headers)?;
        let finished = repository.finish(state.clone(), request.body, range, digest).await;
        let finished = finished.map_err(|error| still_there(error, keys, &state))?;
        Ok(created(name, &finished.digest))
    }

    /// GET: where the session stands.
    pub(super) async fn upload_status(&self, request: &Request<'_>, name: &RepositoryName, id: &UploadId) -> Answer {
        let repository = self.repository(request, name)?;
        let (state, keys) = session(request, &repository, name, id).await?;
        let state = repository.upload_status(state).await?;
        Ok(accepted(StatusCode::NO_CONTENT, keys, &state))
    }

    /// DELETE: ends the session.
    pub(super) async fn cancel_upload(&self, request: &Request<'_>, name: &RepositoryName, id: &UploadId) -> Answer {
        let repository = self.repository(request, name)?;
        let (state, _) = session(request, &repository, name, id).await?;
        repository.cancel(state).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

/// The session that the URL's state names, and the keys that seal what follows.
async fn session<'r>(
    request: &Request<'_>,
    repository: &'r Repository,
    name: &RepositoryName,
    id: &UploadId,
) -> Result<(UploadState, &'r SigningKeys), ApiError> {
    let Some(sealed) = request.query.state.as_deref() else {
        let message = "the URL has no parameter _state; use the last Location header exactly as it was given";
        return Err(ProtocolError::new(ErrorCode::BlobUploadUnknown, message).into());
    };
    let keys = repository.keys().await?;
    Ok((UploadState::open(sealed, keys, name, id)?, keys))
}

/// A chunk in the wrong place does not end the session: the answer says where it stands.
fn still_there(error: StoreError, keys: &SigningKeys, state: &UploadState) -> ApiError {
    let out_of_order = matches!(error, StoreError::Chunk(_));
    let error = ApiError::from(error);
    if !out_of_order {
        return error;
    }
    error.with_header(LOCATION, state.location(keys)).with_header(RANGE, received(state.offset))
}

fn check_octets(request: &Request<'_>) -> Result<(), ApiError> {
    let content_type = request.header(&CONTENT_TYPE);
    if media_type::is_octets(content_type) {
        return Ok(());
    }
    let message = format!("the bytes of a blob are sent as {}, not as {:?}", media_type::OCTET_STREAM, content_type.unwrap_or_default());
    Err(ProtocolError::new(ErrorCode::BlobUploadInvalid, message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE).into())
}

/// Where the session goes on.
fn accepted(status: StatusCode, keys: &SigningKeys, state: &UploadState) -> Response<Body> {
    let mut answer = empty(status);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, state.location(keys));
    headers.insert(RANGE, received(state.offset));
    if let Ok(id) = HeaderValue::from_str(state.id.as_str()) {
        headers.insert(DOCKER_UPLOAD_UUID, id);
    }
    answer
}

/// The blob is there.
fn created(name: &RepositoryName, digest: &Digest) -> Response<Body> {
    let mut answer = empty(StatusCode::CREATED);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, Route::Blob { name: name.clone(), digest: *digest }.location());
    headers.insert(DOCKER_CONTENT_DIGEST, digest_value(digest));
    answer
}
