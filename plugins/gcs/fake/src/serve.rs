//! Connections, and which interface a request is for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::object::http_date;
use crate::refusal::Refusal;
use crate::reply::{Pieces, Reply};
use crate::request::Request;
use crate::{Service, account, json, xml};

/// The largest body of one request, in bytes.
const BODY_MAX_BYTES: usize = 1 << 30;

/// Serves connections until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no descriptors left; some will be free when connections end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it, small answers wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(service.clone(), request));
            // A connection that breaks is the client's business.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(service: Arc<Service>, request: hyper::Request<Incoming>) -> Result<Response<Pieces>, Infallible> {
    let reply = match read(request).await {
        Ok(request) => reply(&service, &request),
        Err(refusal) => refusal.into_xml(),
    };
    let id = service.store.lock().new_id();
    let date = http_date(service.control.now());
    Ok(reply.with("x-guploader-uploadid", id).with("date", date).into_response())
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Refusal> {
    let (parts, mut body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::new(parts.method, target, parts.headers)?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) if bytes.len() + data.len() > BODY_MAX_BYTES => {
                return Err(Refusal::new(413, "uploadTooLarge", "EntityTooLarge", "more than this server keeps of one request"));
            }
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_)) => {}
            Err(_) => {
                request.is_whole = false;
                break;
            }
        }
    }
    request.body = Bytes::from(bytes);
    Ok(request)
}

/// The answer, or what a test has ordered in its stead.
fn reply(service: &Service, request: &Request) -> Reply {
    if request.path.starts_with("/_fake/") {
        return service.control.answer(request).unwrap_or_else(Refusal::into_json);
    }
    let Some(fault) = service.control.fault(request) else { return route(service, request) };
    let Some(refusal) = fault.refusal() else {
        let reply = route(service, request);
        return match fault.cut {
            Some(length) => reply.cut_after(length),
            None => reply,
        };
    };
    if fault.done {
        route(service, request);
    }
    let reply = if is_json(&request.path) { refusal.into_json() } else { refusal.into_xml() };
    match fault.retry_after {
        Some(secs) => reply.with("retry-after", secs),
        None => reply,
    }
}

fn is_json(path: &str) -> bool {
    ["/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/batch/storage/v1"].iter().any(|root| path.starts_with(root))
}

fn route(service: &Service, request: &Request) -> Reply {
    // A body that broke off has done nothing, but in a resumable upload.
    if !request.is_whole && !json::is_session(request) {
        return Refusal::invalid("the body broke off").into_xml();
    }
    match request.path.as_str() {
        "/token" if request.method == "POST" => account::token(service, request),
        path if path.starts_with("/computeMetadata/") => account::metadata(service, request),
        path if is_json(path) => json::answer(service, request).unwrap_or_else(Refusal::into_json),
        _ => {
            let reply = xml::answer(service, request).unwrap_or_else(Refusal::into_xml);
            if request.method == "HEAD" { reply.head_only() } else { reply }
        }
    }
}
