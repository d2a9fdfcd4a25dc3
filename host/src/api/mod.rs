//! The registry's HTTP interface: one file a resource, from a request's parts to an answer. hyper is not known here.

mod blob;
mod body;
mod catalog;
mod error;
mod health;
mod manifest;
mod referrer;
mod tag;
mod upload;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::oci::headers::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION};
use crate::oci::{Query, RepositoryName, Route, media_type};
use crate::store::{Client, Incoming, Repository, Store, StoreError};

pub use body::Body;
pub use error::ApiError;
pub use health::HEALTH_PATH;

/// Limits and choices of the interface.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Whether anything may be deleted.
    pub delete: bool,
    /// The most tags in an answer; also the number without `n`.
    pub tags_page_max: usize,
    /// The most repositories in an answer.
    pub catalog_page_max: usize,
    /// The number of repositories without `n`.
    pub catalog_page_default: usize,
    /// The most referrers in an answer; also the number without `n`.
    pub referrers_page_max: usize,
    /// The most `tag` parameters of one push.
    pub push_tags_max: usize,
}

/// The interface over a store.
pub struct Api {
    store: Arc<Store>,
    options: ApiOptions,
}

/// What a request is about, for statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Resource {
    Version,
    Catalog,
    Tags,
    Manifest,
    Blob,
    Upload,
    Referrers,
    Health,
    /// No resource of the registry.
    Other,
}

impl Resource {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 9] =
        [Self::Version, Self::Catalog, Self::Tags, Self::Manifest, Self::Blob, Self::Upload, Self::Referrers, Self::Health, Self::Other];

    /// The name, as metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Upload => "upload",
            Self::Referrers => "referrers",
            Self::Health => "health",
            Self::Other => "other",
        }
    }

    fn of(route: &Route) -> Self {
        match route {
            Route::Version => Self::Version,
            Route::Catalog => Self::Catalog,
            Route::Tags { .. } => Self::Tags,
            Route::Manifest { .. } => Self::Manifest,
            Route::Blob { .. } => Self::Blob,
            Route::Uploads { .. } | Route::Upload { .. } => Self::Upload,
            Route::Referrers { .. } => Self::Referrers,
        }
    }
}

/// An answer, or what is told of a failure.
type Answer = Result<Response<Body>, ApiError>;

/// A request on its way to its resource.
struct Request<'a> {
    parts: &'a Parts,
    query: Query<'a>,
    body: Incoming,
    peer: IpAddr,
    trace_id: u128,
}

impl Request<'_> {
    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// Whom the answer goes to.
    fn client(&self) -> Client<'_> {
        Client { address: self.peer, user_agent: self.parts.headers.get(USER_AGENT).map_or(b"", HeaderValue::as_bytes) }
    }

    /// A header's value, if it is text.
    fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Api {
    /// The interface of `store`.
    pub fn new(store: Arc<Store>, options: ApiOptions) -> Self {
        Self { store, options }
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Answers a request of the client at `peer`, and tells what it was about. Failures are answers too.
    ///
    /// When the client goes away, the future is dropped and with it every driver call under way; what was received of an upload whose body
    /// breaks is kept.
    pub async fn answer(&self, parts: &Parts, body: Incoming, peer: IpAddr, trace_id: u128) -> (Resource, Response<Body>) {
        if parts.uri.path() == HEALTH_PATH {
            return (Resource::Health, self.healthz(&parts.method).await);
        }
        let route = Route::parse(parts.uri.path());
        let resource = route.as_ref().map_or(Resource::Other, Resource::of);
        let answer = match route {
            Ok(route) => self.dispatch(route, parts, body, peer, trace_id).await,
            Err(error) => Err(error.into()),
        };
        let answer = answer.unwrap_or_else(|error| {
            error.log(parts, trace_id);
            error.answer(parts.method == Method::HEAD)
        });
        (resource, answer)
    }

    async fn dispatch(&self, route: Route, parts: &Parts, body: Incoming, peer: IpAddr, trace_id: u128) -> Answer {
        if let Err(error) = route.check(&parts.method) {
            return Err(ApiError::from(error).with_header(ALLOW, HeaderValue::from_static(route.allow())));
        }
        let request = Request { parts, query: Query::parse(parts.uri.query())?, body, peer, trace_id };
        let method = &parts.method;
        match &route {
            Route::Version => Ok(version(request.is_head())),
            Route::Catalog => self.catalog(&request).await,
            Route::Tags { name } => self.tags(&request, &route, name).await,
            Route::Referrers { name, digest } => self.referrers(&request, &route, name, digest).await,
            Route::Blob { name, digest } if method == Method::DELETE => self.delete_blob(&request, name, digest).await,
            Route::Blob { name, digest } => self.blob(&request, name, digest).await,
            Route::Manifest { name, reference } if method == Method::DELETE => self.delete_manifest(&request, name, reference).await,
            Route::Manifest { name, reference } if method == Method::PUT => self.put_manifest(request, name, reference).await,
            Route::Manifest { name, reference } => self.manifest(&request, name, reference).await,
            Route::Uploads { name } => self.begin_upload(request, name).await,
            Route::Upload { name, id } if method == Method::PATCH => self.append(request, name, id).await,
            Route::Upload { name, id } if method == Method::PUT => self.finish_upload(request, name, id).await,
            Route::Upload { name, id } if method == Method::DELETE => self.cancel_upload(&request, name, id).await,
            Route::Upload { name, id } => self.upload_status(&request, name, id).await,
        }
    }

    fn repository(&self, request: &Request<'_>, name: &RepositoryName) -> Result<Repository, StoreError> {
        self.store.repository(name.clone(), request.trace_id)
    }

    /// Refuses deletes where they are switched off.
    fn check_delete(&self) -> Result<(), ApiError> {
        if self.options.delete { Ok(()) } else { Err(error::deletes_are_off()) }
    }
}

/// `/v2/`: yes, this is a registry.
fn version(head: bool) -> Response<Body> {
    let mut answer = json(head, bytes::Bytes::from_static(b"{}"));
    answer.headers_mut().insert(DOCKER_DISTRIBUTION_API_VERSION, API_VERSION);
    answer
}

/// An empty answer. Its length is told, for some clients wait for it.
fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    }
    answer
}

/// A JSON document.
fn json(head: bool, body: bytes::Bytes) -> Response<Body> {
    document(head, HeaderValue::from_static(media_type::JSON), body)
}

/// A document in memory, with its length; for HEAD without its bytes.
fn document(head: bool, content_type: HeaderValue, body: bytes::Bytes) -> Response<Body> {
    let length = body.len();
    let mut answer = Response::new(if head { Body::Empty } else { Body::Bytes(body) });
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    answer
}
