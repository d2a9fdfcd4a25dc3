//! Bodies that come in: chunk by chunk, never more in memory than the connection's buffer.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, SizeHint};

/// The body of a request.
pub struct Incoming(Pin<Box<dyn Body<Data = Bytes, Error = IncomingError> + Send + Sync>>);

/// Why a body did not come whole.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IncomingError {
    /// Nothing came for too long.
    #[error("no byte of the body came for {} s (server.body_idle_secs)", .0.as_secs())]
    Idle(Duration),
    /// The connection broke, or the framing did.
    #[error("the connection broke in the middle of the body: {0}")]
    Broken(String),
    /// More came than is read into memory.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
}

impl Incoming {
    /// Wraps a body.
    pub fn new(body: impl Body<Data = Bytes, Error = IncomingError> + Send + Sync + 'static) -> Self {
        Self(Box::pin(body))
    }

    /// The next chunk, `None` at the end. Trailers are passed over.
    ///
    /// # Errors
    /// [`IncomingError`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, IncomingError> {
        loop {
            match poll_fn(|context| self.0.as_mut().poll_frame(context)).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// What is known of the length before it came.
    pub fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// [`IncomingError::TooLarge`] as soon as that is known.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, IncomingError> {
        let too_large = || IncomingError::TooLarge(limit);
        if self.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else {
            return if first.len() > limit { Err(too_large()) } else { Ok(first) };
        };
        let mut whole = Vec::with_capacity(first.len() + second.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
            if whole.len() > limit {
                return Err(too_large());
            }
        }
        if whole.len() > limit { Err(too_large()) } else { Ok(whole.into()) }
    }
}
