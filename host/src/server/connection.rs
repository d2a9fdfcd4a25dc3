//! One client's connection: HTTP/1.1, kept alive, until either side has had enough.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, Request, Response};
use http_body::Body as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::answering::Answer;
use super::incoming::IdleLimited;
use super::outgoing::Outgoing;
use super::traffic::Traffic;
use super::wire::{Regions, Wire};
use super::{Live, RequestId, ServerOptions};
use crate::store::Incoming;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What all connections have in common.
pub(super) struct Connection {
    live: Live,
    traffic: Arc<Traffic>,
}

fn http(options: &ServerOptions) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.keep_alive_idle).max_header_size(options.header_max_bytes);
    http.max_buf_size(options.receive_max_bytes);
    http
}

impl Connection {
    pub(super) fn new(live: Live, traffic: Arc<Traffic>) -> Self {
        Self { live, traffic }
    }

    /// Serves the client at `peer` until it goes, or until `stopped` turns true and the request under way is answered. The limits are those of
    /// now; each request is answered by what is live when it comes.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: IpAddr, mut stopped: watch::Receiver<bool>) {
        let _open = self.traffic.connection();
        // Answers are whole when they are written: waiting for more to send with them only delays them.
        let _ = stream.set_nodelay(true);
        let options = self.live.now().options.clone();
        let wire = Wire::new(stream, options.body_idle, self.traffic.clone());
        let (regions, answering) = (wire.regions(), wire.answering());
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            // Here and not in the future: hyper looks whether the client is there before it polls that. A body that ends early is broken.
            let answer = request.body().is_end_stream().then(|| answering.begin());
            self.answer(request, peer, regions.clone(), answer)
        });
        let connection = http(&options).serve_connection(TokioIo::new(wire), service);
        tokio::pin!(connection);
        let stopping = async { drop(stopped.wait_for(|stopped| *stopped).await) };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // hyper says where it was, the cause what happened.
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::debug!(%error, cause, "a connection ended with an error");
        }
    }

    async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
        peer: IpAddr,
        regions: Arc<Regions>,
        answering: Option<Answer>,
    ) -> Result<Response<Outgoing>, Infallible> {
        let (id, began) = (RequestId::next(), Instant::now());
        let (parts, body) = request.into_parts();
        // Held until the answer has begun, and with it the storages that it needs.
        let now = self.live.now();
        let incoming = Incoming::new(IdleLimited::new(body, now.options.body_idle));
        let (resource, answer) = now.api.answer(&parts, incoming, peer, id.as_trace_id()).await;
        self.traffic.answered(&parts.method, resource, answer.status(), began.elapsed());
        let status = answer.status().as_u16();
        tracing::debug!(request = %id, method = %parts.method, path = parts.uri.path(), status, "answered");
        let mut answer = answer.map(|body| Outgoing::new(body, regions, answering));
        answer.headers_mut().insert(REQUEST_ID, id.header());
        Ok(answer)
    }
}
