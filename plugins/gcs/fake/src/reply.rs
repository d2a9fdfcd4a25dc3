//! An answer and its body.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response};
use hyper::body::{Body, Frame, SizeHint};

/// An answer.
pub(crate) struct Reply(Response<Pieces>);

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self::pieces(status, Vec::new())
    }

    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        let reply = Self::pieces(status, vec![Bytes::from(value.to_string())]);
        reply.with("content-type", "application/json; charset=UTF-8")
    }

    pub(crate) fn xml(status: u16, text: &str) -> Self {
        let text = format!("<?xml version='1.0' encoding='UTF-8'?>{text}");
        Self::pieces(status, vec![Bytes::from(text)]).with("content-type", "application/xml; charset=UTF-8")
    }

    pub(crate) fn pieces(status: u16, pieces: Vec<Bytes>) -> Self {
        let mut response = Response::new(Pieces::new(pieces));
        // Statuses are written in this crate, all of them legal.
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        Self(response)
    }

    /// Adds a field; a value that no field can have is left out.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// Adds a field whose name is not known in advance.
    pub(crate) fn with_metadata(mut self, name: &str, value: &str) -> Self {
        let name = http::HeaderName::try_from(format!("x-goog-meta-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// The same without its body, but with the body's length.
    pub(crate) fn head_only(self) -> Self {
        let length = self.0.body().left;
        let mut reply = Self(self.0.map(|_| Pieces::new(Vec::new())));
        reply.0.headers_mut().insert("content-length", HeaderValue::from(length));
        reply
    }

    /// The same, with a body that breaks off after `length` bytes.
    pub(crate) fn cut_after(mut self, length: u64) -> Self {
        self.0.body_mut().cut = Some(length);
        self
    }

    pub(crate) fn into_response(self) -> Response<Pieces> {
        self.0
    }

    /// As the text of a part of a batch.
    pub(crate) fn into_text(self) -> String {
        let (parts, body) = self.0.into_parts();
        let reason = parts.status.canonical_reason().unwrap_or("-");
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16());
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", body.left));
        for piece in body.pieces {
            text.push_str(&String::from_utf8_lossy(&piece));
        }
        text
    }
}

/// A body of known length.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
    /// After how many bytes the connection is to break.
    cut: Option<u64>,
}

impl Pieces {
    fn new(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.into(), left, cut: None }
    }
}

/// Why a body breaks off: a test wants it.
#[derive(Debug)]
pub(crate) struct Cut;

impl Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("cut off on purpose")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(None) };
        if let Some(cut) = self.cut.as_mut() {
            if *cut == 0 {
                return Poll::Ready(Some(Err(Cut)));
            }
            piece.truncate(usize::try_from(*cut).unwrap_or(usize::MAX));
            *cut -= piece.len() as u64;
            // What is left over of this piece is never asked for: the next poll breaks off.
            self.pieces.push_front(Bytes::new());
        }
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
