//! The operator's own listener: `/healthz` and `/metrics`, in plain answers over connections of their own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Live, accept, bind};
use crate::api::HEALTH_PATH;

/// How many programs ask at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take to ask, and to ask again.
const IDLE: Duration = Duration::from_secs(30);
/// The text format of Prometheus.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const TEXT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// Writes the page `/metrics`.
pub type MetricsPage = dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync;

/// A listener that answers until it is dropped.
pub struct Admin {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Pages {
    live: Live,
    metrics: Box<MetricsPage>,
}

impl Admin {
    /// Binds the address and begins to answer, on the current tokio runtime.
    ///
    /// # Errors
    /// The system's, if the address is in use or not ours.
    pub fn start(address: SocketAddr, live: Live, metrics: Box<MetricsPage>) -> io::Result<Self> {
        let listener = bind(address)?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(serve(listener, Arc::new(Pages { live, metrics })));
        Ok(Self { address, accepting })
    }

    /// The bound address, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Some((stream, _, slot)) = accept(&listener, &slots).await else { continue };
        let pages = pages.clone();
        tokio::spawn(async move {
            pages.serve(stream).await;
            drop(slot);
        });
    }
}

impl Pages {
    async fn serve(&self, stream: TcpStream) {
        let service = service_fn(async |request: Request<hyper::body::Incoming>| Ok::<_, Infallible>(self.answer(&request).await));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_header_size(16 * 1024);
        // Whoever breaks off has what it wanted.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, "only GET and HEAD are answered here\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            HEALTH_PATH => {
                let (good, document) = self.live.now().api.health().await;
                page(if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, JSON_TYPE, document)
            }
            "/metrics" => page(StatusCode::OK, METRICS_TYPE, (self.metrics)().await),
            _ => page(StatusCode::NOT_FOUND, TEXT_TYPE, "there are /healthz and /metrics here\n"),
        }
    }
}

fn page(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
