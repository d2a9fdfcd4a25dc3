//! A body that a child sends in chunks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use longshore_plugin_api::{Bytes, DriverError, ErrorClass};
use tokio::sync::mpsc;

use super::codec::Writer;
use super::frame::Kind;
use super::link::Ticket;

/// How many chunks of a stream a child may send before they are read: with chunks of 1 MiB, half of what a read may hold.
pub(super) const WINDOW: usize = 8;

/// The chunks of one read.
pub(super) struct Chunks {
    chunks: mpsc::Receiver<Result<Bytes, DriverError>>,
    /// `None` after the end.
    ticket: Option<Ticket>,
    /// Chunks that were read and that the child has not been told of.
    read: u32,
    origin: Arc<str>,
}

impl Chunks {
    pub(super) fn new(chunks: mpsc::Receiver<Result<Bytes, DriverError>>, ticket: Ticket, origin: Arc<str>) -> Self {
        Self { chunks, ticket: Some(ticket), read: 0, origin }
    }

    fn end(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.done();
        }
    }

    /// Lets the child send more, several chunks at a time.
    fn credit(&mut self) {
        self.read += 1;
        if self.read as usize * 2 >= WINDOW
            && let Some(ticket) = &self.ticket
        {
            let count = std::mem::take(&mut self.read);
            ticket.link().outbox.send(Kind::Credit, 0, ticket.id(), |out| Writer(out).u32(count));
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ticket.is_none() {
            return Poll::Ready(None);
        }
        match std::task::ready!(this.chunks.poll_recv(context)) {
            // The child sends no empty chunk: this is the end.
            Some(Ok(bytes)) if bytes.is_empty() => {
                this.end();
                Poll::Ready(None)
            }
            Some(Ok(bytes)) => {
                this.credit();
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => {
                this.end();
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.end();
                let message = "the driver's process ended in the middle of the body";
                Poll::Ready(Some(Err(DriverError::new(ErrorClass::Broken, message).from_instance(&this.origin))))
            }
        }
    }
}
