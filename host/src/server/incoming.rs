//! Bodies on their way in, with a limit on how long they may pause.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::store::IncomingError;

/// A hyper body that ends with an error when it pauses for too long.
pub(super) struct IdleLimited {
    body: hyper::body::Incoming,
    limit: Duration,
    /// Made when the body first pauses; armed while it does.
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl IdleLimited {
    pub(super) fn new(body: hyper::body::Incoming, limit: Duration) -> Self {
        Self { body, limit, timer: None, armed: false }
    }
}

impl Body for IdleLimited {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.armed = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| IncomingError::Broken(error.to_string()))));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.limit)));
        if !this.armed {
            timer.as_mut().reset(Instant::now() + this.limit);
            this.armed = true;
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err(IncomingError::Idle(this.limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
