//! Requests: how one is made, signed with a token and answered.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use longshore_bucket::Payload;
use longshore_bucket::http::{broken, no_answer, read_whole};
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::PutPayload;
use object_store::client::{HttpClient, HttpRequestBody, HttpResponse};
use object_store::gcp::GcpCredentialProvider;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::identity::Identity;
use crate::refusal;
use crate::settings::GcsSettings;

/// What stays as it is in a path or query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
/// The longest name of an object.
const NAME_MAX_BYTES: usize = 1024;
/// The slowest network that is waited for, in bytes a second.
const SLOWEST_BYTES: u64 = 256 * 1024;
/// The largest answer that is read whole, in bytes: a page of 1,000 names of 1 KiB, with what stands around them.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// Makes requests of one bucket.
pub(super) struct Client {
    http: HttpClient,
    tokens: Option<GcpCredentialProvider>,
    endpoint: String,
    pub(super) bucket: String,
    user_project: Option<HeaderValue>,
    answer_timeout: Duration,
}

/// A request.
pub(super) struct Ask {
    method: Method,
    /// With the query, encoded.
    target: String,
    headers: HeaderMap,
    body: Vec<Bytes>,
    /// What it is to do, for messages: `read "a/b"`.
    action: String,
}

/// A name as a part of a path or query.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, UNRESERVED).to_string()
}

/// A name as a path, with its slashes.
pub(super) fn encoded_path(name: &str) -> String {
    utf8_percent_encode(name, PATH).to_string()
}

impl Ask {
    /// `target` is a path below the endpoint.
    pub(super) fn new(method: Method, target: String, action: String) -> Self {
        Self { method, target, headers: HeaderMap::new(), body: Vec::new(), action }
    }

    /// Adds a parameter to the query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        let sign = if self.target.contains('?') { '&' } else { '?' };
        self.target = format!("{}{sign}{name}={}", self.target, encoded(value));
        self
    }

    /// Adds a field. A value with control characters, which no setting or answer has, is left out.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(super) fn body(mut self, body: impl IntoIterator<Item = Bytes>) -> Self {
        self.body.extend(body);
        self
    }

    pub(super) fn payload(self, payload: &Payload) -> Self {
        self.body(payload.frames())
    }
}

impl Client {
    pub(super) fn new(settings: &GcsSettings, identity: &Identity) -> Result<Self, DriverError> {
        let project = settings.user_project.as_deref().map(HeaderValue::from_str).transpose();
        Ok(Self {
            http: identity.http.client(),
            tokens: identity.tokens.clone(),
            endpoint: settings.endpoint().to_owned(),
            bucket: settings.bucket.clone(),
            user_project: project.map_err(|_| DriverError::new(ErrorClass::Config, "user_project: is no project's name"))?,
            answer_timeout: settings.store.answer_timeout(),
        })
    }

    /// # Errors
    /// `invalid_key`: the store has no name of that length.
    pub(super) fn check(name: &str) -> Result<(), DriverError> {
        if name.len() <= NAME_MAX_BYTES {
            return Ok(());
        }
        let message = format!("the store's names have {NAME_MAX_BYTES} bytes at the most, root included, and this one has {}", name.len());
        Err(DriverError::new(ErrorClass::InvalidKey, message))
    }

    /// A request about an object in the XML interface.
    ///
    /// # Errors
    /// As [`Client::check`].
    pub(super) fn xml(&self, method: Method, name: &str, action: &str) -> Result<Ask, DriverError> {
        Self::check(name)?;
        Ok(Ask::new(method, format!("/{}/{}", self.bucket, encoded_path(name)), format!("{action} {name:?}")))
    }

    /// A request about an object in the JSON interface.
    ///
    /// # Errors
    /// As [`Client::check`].
    pub(super) fn json(&self, method: Method, name: &str, action: &str) -> Result<Ask, DriverError> {
        self.json_of(method, name, "", action)
    }

    /// The same, about something of the object, such as `/compose`.
    ///
    /// # Errors
    /// As [`Client::check`].
    pub(super) fn json_of(&self, method: Method, name: &str, of: &str, action: &str) -> Result<Ask, DriverError> {
        Self::check(name)?;
        Ok(Ask::new(method, format!("/storage/v1/b/{}/o/{}{of}", self.bucket, encoded(name)), format!("{action} {name:?}")))
    }

    /// Makes a request, and takes only an answer that grants it.
    ///
    /// # Errors
    /// What the store's refusal means; `unreachable`, `timeout` or `broken` without an answer; `unauthorized` without a token.
    pub(super) async fn send(&self, ask: Ask) -> Result<HttpResponse, DriverError> {
        let Ask { method, target, headers, body, action } = ask;
        let length: usize = body.iter().map(Bytes::len).sum();
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{target}", self.endpoint));
        if let Some(fields) = request.headers_mut() {
            *fields = headers;
            if method != Method::GET || length > 0 {
                fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            if let Some(project) = &self.user_project {
                fields.insert("x-goog-user-project", project.clone());
            }
        }
        let patience = self.answer_timeout + Duration::from_secs(length as u64 / SLOWEST_BYTES);
        let exchange = async {
            if let (Some(fields), Some(token)) = (request.headers_mut(), self.token(&action).await?) {
                fields.insert(AUTHORIZATION, token);
            }
            let body = if length == 0 { HttpRequestBody::empty() } else { PutPayload::from_iter(body).into() };
            let request =
                request.body(body).map_err(|error| DriverError::new(ErrorClass::Internal, format!("cannot {action}: {error}")))?;
            self.http.execute(request).await.map_err(|error| no_answer(&action, refusal::PLACE, &error))
        };
        let late = |_| {
            DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the store does not answer within {} ms", patience.as_millis()))
        };
        let answer = tokio::time::timeout(patience, exchange).await.map_err(late)??;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal::refused(&action, answer, self.tokens.is_some()).await) }
    }

    async fn token(&self, action: &str) -> Result<Option<HeaderValue>, DriverError> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let credential = tokens.get_credential().await.map_err(|error| refusal::no_token(action, &error))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", credential.bearer))
            .map_err(|_| DriverError::new(ErrorClass::Unauthorized, format!("cannot {action}: the token that was got is no text")))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Makes a request, and reads its answer whole.
    ///
    /// # Errors
    /// As [`Client::send`]; `broken` if the answer breaks off.
    pub(super) async fn send_for_text(&self, ask: Ask) -> Result<Bytes, DriverError> {
        let action = ask.action.clone();
        let answer = self.send(ask).await?;
        let whole = read_whole(answer.into_body(), ANSWER_MAX_BYTES);
        let late = |_| Err(DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the store's answer does not end")));
        tokio::time::timeout(self.answer_timeout, async { whole.await.map_err(|why| broken(&action, &why)) }).await.unwrap_or_else(late)
    }
}
