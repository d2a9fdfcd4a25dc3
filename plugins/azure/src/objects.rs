//! Objects: read, written whole, removed.

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method};
use longshore_bucket::http::no_answer;
use longshore_bucket::{Facts, Fetched, Mark, Payload, Span};
use longshore_plugin_api::{DriverError, ErrorClass, ObjectInfo};

use crate::refusal::{PLACE, time};
use crate::request::Request;
use crate::{Azure, listing};

/// What a mark is called in a blob's metadata, where names are identifiers of C#.
const MARK: &str = "x-ms-meta-longshore_mark";
/// How many blobs are removed at once. A batch would be one request, and counts as many with the store.
const DELETES_AT_ONCE: usize = 32;

pub(super) async fn head(azure: &Azure, name: &str) -> Result<Facts, DriverError> {
    let action = format!("read the properties of {name}");
    let answer = azure.send(&action, azure.blob(Method::HEAD, name, &[])).await?;
    let headers = answer.headers();
    let size = number(headers, "content-length").ok_or_else(|| incomplete(&action, "content-length"))?;
    Ok(Facts { info: info(headers, size), mark: text(headers, MARK).map(str::to_owned) })
}

pub(super) async fn get(azure: &Azure, name: &str, span: &Span) -> Result<Fetched, DriverError> {
    let action = format!("read {name}");
    let mut request = azure.blob(Method::GET, name, &[]);
    match span.length.map(|length| span.offset.saturating_add(length - 1)) {
        Some(last) => request = request.header("range", &format!("bytes={}-{last}", span.offset)),
        None if span.offset > 0 => request = request.header("range", &format!("bytes={}-", span.offset)),
        None => {}
    }
    if let Some(version) = &span.version {
        request = request.header("if-match", &format!("\"{version}\""));
    }
    let answer = match azure.send(&action, request).await {
        // The condition was lost, and nothing of what was asked for will come back.
        Err(error) if span.version.is_some() && matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::NotFound) => {
            let gone =
                DriverError::new(ErrorClass::Broken, format!("{name} was replaced or deleted while it was read")).with_retryable(false);
            return Err(error.causes().iter().fold(gone, |gone, cause| gone.caused_by(&cause.kind, &cause.value)));
        }
        answer => answer?,
    };
    let headers = answer.headers();
    let whole = text(headers, "content-range").and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let size = whole.or_else(|| number(headers, "content-length")).ok_or_else(|| incomplete(&action, "content-length"))?;
    let info = info(headers, size);
    let body = answer.into_body().bytes_stream().map_err(move |error| no_answer(&action, PLACE, &error));
    Ok(Fetched { info, body: Box::pin(body) })
}

pub(super) async fn put(azure: &Azure, name: &str, payload: &Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
    let mut request = azure.blob(Method::PUT, name, &[]).header("x-ms-blob-type", "BlockBlob").body(payload);
    if let Some(mark) = only_new {
        request = request.header("if-none-match", "*").header(MARK, mark.as_str());
    }
    let answer = azure.send(&format!("write {name}"), azure.kept(request)).await?;
    Ok(info(answer.headers(), payload.len() as u64))
}

pub(super) async fn delete(azure: &Azure, name: &str) -> Result<(), DriverError> {
    let request = azure.blob(Method::DELETE, name, &[]).header("x-ms-delete-snapshots", "include");
    azure.send(&format!("delete {name}"), request).await.map(drop)
}

pub(super) async fn delete_all(azure: &Azure, names: &[String]) -> Result<(), DriverError> {
    let deletes: Vec<_> = names.iter().map(|name| make_absent(azure, name)).collect();
    // All are tried, whatever becomes of one.
    let answers: Vec<Result<(), DriverError>> = stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE).collect().await;
    answers.into_iter().collect()
}

async fn make_absent(azure: &Azure, name: &str) -> Result<(), DriverError> {
    match delete(azure, name).await {
        Err(error) if error.class() != ErrorClass::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Azure {
    /// A request that makes a blob, with how the operator wants it kept.
    pub(super) fn kept(&self, mut request: Request) -> Request {
        if let Some(tier) = &self.access_tier {
            request = request.header("x-ms-access-tier", tier);
        }
        self.encrypted(request)
    }

    /// A request that writes bytes.
    pub(super) fn encrypted(&self, request: Request) -> Request {
        match &self.encryption_scope {
            Some(scope) => request.header("x-ms-encryption-scope", scope),
            None => request,
        }
    }
}

/// Facts of an answer about a blob of `size` bytes.
pub(super) fn info(headers: &HeaderMap, size: u64) -> ObjectInfo {
    let modified = text(headers, "last-modified").and_then(time).unwrap_or_default();
    ObjectInfo { version: text(headers, "etag").and_then(listing::version), ..ObjectInfo::new(size, modified) }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn incomplete(action: &str, header: &str) -> DriverError {
    DriverError::new(ErrorClass::Broken, format!("cannot {action}: the store's answer has no {header}"))
}
