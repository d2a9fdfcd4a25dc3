//! One request of the blob service: its URL, its signature, its answer or its error.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use longshore_bucket::Payload;
use longshore_bucket::http::{broken, no_answer, read_whole};
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::PutPayload;
use object_store::azure::AzureAuthorizer;
use object_store::client::{HttpRequest, HttpRequestBody, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::{Azure, refusal};

/// The version of the service that requests are written for: the first one with `startFrom` in lists.
const VERSION: HeaderValue = HeaderValue::from_static("2026-02-06");
/// What a URL has as it is ("Naming and Referencing Containers, Blobs, and Metadata").
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');
/// The longest answer that is read as a whole, in bytes: 50,000 blocks have one of 6 MB.
const ANSWER_MAX_BYTES: usize = 32 << 20;
/// How much of the explanation of an error is read, in bytes.
const EXPLANATION_MAX_BYTES: usize = 16 << 10;
/// The least speed at which a body must go out, in bytes a second.
const SENT_AT_LEAST: u64 = 256 << 10;
/// The least speed at which the store must copy, in bytes a second.
const COPIED_AT_LEAST: u64 = 4 << 20;

/// A request before it is signed.
pub(super) struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: HttpRequestBody,
    /// Bytes that the store itself copies before it answers.
    copied_bytes: u64,
}

impl Request {
    /// Sets a header. A value that no header may have is left out; ours are numbers, names and base64.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Sets a header whose value must not be logged.
    pub(super) fn secret_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Says how many bytes the store copies before it answers.
    pub(super) fn copies(self, copied_bytes: u64) -> Self {
        Self { copied_bytes, ..self }
    }

    pub(super) fn body(mut self, payload: &Payload) -> Self {
        self.body = match payload.is_empty() {
            true => HttpRequestBody::empty(),
            false => payload.frames().collect::<PutPayload>().into(),
        };
        self
    }
}

impl Azure {
    /// A request about a blob.
    pub(super) fn blob(&self, method: Method, name: &str, query: &[(&str, &str)]) -> Request {
        request(method, self.blob_url(name), query)
    }

    /// A request about the container.
    pub(super) fn container(&self, method: Method, query: &[(&str, &str)]) -> Request {
        request(method, format!("{}/{}", self.endpoint, self.container), query)
    }

    /// A request about the account.
    pub(super) fn service(&self, method: Method, query: &[(&str, &str)]) -> Request {
        request(method, format!("{}/", self.endpoint), query)
    }

    pub(super) fn blob_url(&self, name: &str) -> String {
        format!("{}/{}/{}", self.endpoint, self.container, utf8_percent_encode(name, IN_PATH))
    }

    /// Signs a request, which is to `action`, and sends it.
    ///
    /// # Errors
    /// What the store refuses, or why it could not be asked.
    pub(super) async fn send(&self, action: &str, request: Request) -> Result<HttpResponse, DriverError> {
        let length = request.body.content_length() as u64;
        let allowed = self.answer_timeout + Duration::from_secs(length / SENT_AT_LEAST + request.copied_bytes / COPIED_AT_LEAST);
        let answer = tokio::time::timeout(allowed, async {
            let signed = self.signed(request).await?;
            let answer = self.client.execute(signed).await.map_err(|error| no_answer(action, refusal::PLACE, &error))?;
            if answer.status().is_success() { Ok(answer) } else { Err(refused(action, answer).await) }
        });
        let late =
            || DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the store did not answer in {} s", allowed.as_secs()));
        answer.await.unwrap_or_else(|_| Err(late()))
    }

    /// Sends a request whose answer is XML.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); `broken` if the answer is not what the service's reference says.
    pub(super) async fn ask<T: DeserializeOwned>(&self, action: &str, request: Request) -> Result<T, DriverError> {
        let answer = self.send(action, request).await?;
        let read = tokio::time::timeout(self.answer_timeout, read_whole(answer.into_body(), ANSWER_MAX_BYTES));
        let late = |_| DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the store's answer does not end"));
        let body = read.await.map_err(late)?.map_err(|why| broken(action, &why))?;
        quick_xml::de::from_reader(&*body).map_err(|error| broken(action, &error.to_string()))
    }

    async fn signed(&self, request: Request) -> Result<HttpRequest, DriverError> {
        let credential = self.credentials.now().await?;
        let unsigned = |error: String| DriverError::new(ErrorClass::Internal, format!("a request cannot be signed: {error}"));
        let mut signed = http::Request::builder().method(request.method).uri(request.url).body(request.body);
        let signed = signed.as_mut().map_err(|error| unsigned(error.to_string()))?;
        *signed.headers_mut() = request.headers;
        signed.headers_mut().insert("x-ms-version", VERSION);
        if *signed.method() == Method::PUT || *signed.method() == Method::POST {
            let length = signed.body().content_length();
            signed.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        let authorizer = AzureAuthorizer::new(&credential, &self.account);
        authorizer.try_authorize(signed).map_err(|error| unsigned(error.to_string()))?;
        Ok(std::mem::replace(signed, HttpRequest::new(HttpRequestBody::empty())))
    }
}

fn request(method: Method, mut url: String, query: &[(&str, &str)]) -> Request {
    for (at, (name, value)) in query.iter().enumerate() {
        url.push(if at == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(value, IN_QUERY));
    }
    Request { method, url, headers: HeaderMap::new(), body: HttpRequestBody::empty(), copied_bytes: 0 }
}

/// A text as the value of a query's parameter.
pub(super) fn in_query(text: &str) -> String {
    utf8_percent_encode(text, IN_QUERY).to_string()
}

async fn refused(action: &str, answer: HttpResponse) -> DriverError {
    let (head, body) = answer.into_parts();
    // Whatever came of it: the status tells most.
    let explanation = read_whole(body, EXPLANATION_MAX_BYTES).await.unwrap_or_default();
    refusal::answered(action, head.status.as_u16(), &head.headers, &explanation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_urls() {
        let escaped = |name: &str| utf8_percent_encode(name, IN_PATH).to_string();
        assert_eq!(escaped("/docker/a b/%41/+,@=!~"), "/docker/a%20b/%2541/%2B%2C%40%3D%21~");
        let request = request(Method::GET, "http://h/c".into(), &[("comp", "list"), ("prefix", "a/&b=")]);
        assert_eq!(request.url, "http://h/c?comp=list&prefix=a%2F%26b%3D");
    }
}
