//! Many requests in one.
//!
//! Source: <https://cloud.google.com/storage/docs/batch>.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::insert::{head_and_body, split};
use crate::Service;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;

/// The most requests in one.
const BATCH_MAX: usize = 100;

pub(super) fn batch(service: &Service, request: &Request) -> Result<Reply, Refusal> {
    let wrong = || Refusal::new(400, "badRequest", "InvalidArgument", "Failed to parse batch request, error: malformed multipart body");
    let content_type = request.header("content-type").filter(|value| value.starts_with("multipart/mixed")).ok_or_else(wrong)?;
    let boundary = content_type.split("boundary=").nth(1).ok_or_else(wrong)?.split(';').next().ok_or_else(wrong)?.trim_matches('"');
    let parts = split(&request.body, boundary).ok_or_else(wrong)?;
    if parts.len() > BATCH_MAX {
        let message = format!("The batch request could not be processed. The number of calls ({}) exceeds {BATCH_MAX}", parts.len());
        return Err(Refusal::new(400, "badRequest", "InvalidArgument", message));
    }
    let mut text = String::new();
    for part in &parts {
        let (head, inner) = head_and_body(part).ok_or_else(wrong)?;
        let inner = inner_request(&inner, &request.headers).ok_or_else(wrong)?;
        let is_allowed = inner.path.starts_with("/storage/v1/") && inner.parameter("alt") != Some("media");
        let reply = if is_allowed { super::answer(service, &inner) } else { Err(Refusal::invalid("not in a batch")) };
        let reply = reply.unwrap_or_else(Refusal::into_json).into_text();
        let id = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-id"));
        let id = id.map(|(_, id)| format!("Content-ID: <response-{}>\r\n", id.trim().trim_matches(['<', '>']))).unwrap_or_default();
        text.push_str(&format!("--batch_fake\r\nContent-Type: application/http\r\n{id}\r\n{reply}\r\n"));
    }
    text.push_str("--batch_fake--\r\n");
    Ok(Reply::pieces(200, vec![text.into()]).with("content-type", "multipart/mixed; boundary=batch_fake"))
}

/// A request in a part; what it has no credentials for, it has those of the whole.
fn inner_request(bytes: &bytes::Bytes, outer: &HeaderMap) -> Option<Request> {
    let (head, body) = head_and_body(bytes).unwrap_or_else(|| (String::from_utf8_lossy(bytes).into_owned(), bytes::Bytes::new()));
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (Method::try_from(words.next()?).ok()?, words.next()?);
    // The SDK writes whole URLs.
    let target = match target.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => target,
    };
    let mut headers = HeaderMap::new();
    if let Some(authorization) = outer.get("authorization") {
        headers.insert("authorization", authorization.clone());
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    let request = Request::new(method, target, headers).ok()?;
    Some(Request { body, ..request })
}
