//! Bodies on their way out: bytes, chunks of a driver, or a place in a file that the socket takes without our reading it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use longshore_loader::api::{ByteStream, FileRegion, ReadBody};

use super::answering::Answer;
use super::wire::{Regions, placeholder};
use crate::api::Body;

/// A body as hyper sends it.
pub(super) struct Outgoing {
    part: Part,
    /// How many bytes are still to come.
    left: u64,
    regions: Arc<Regions>,
    /// Ends with the body.
    _answer: Option<Answer>,
}

enum Part {
    Done,
    Bytes(Bytes),
    Stream(ByteStream),
    File(FileRegion),
}

impl Outgoing {
    /// `body`, over the connection whose socket sends `regions`. `answer` is kept until it has been sent.
    pub(super) fn new(body: Body, regions: Arc<Regions>, answer: Option<Answer>) -> Self {
        let (part, left) = match body {
            Body::Empty => (Part::Done, 0),
            Body::Bytes(bytes) => {
                let length = bytes.len() as u64;
                (Part::Bytes(bytes), length)
            }
            Body::Blob(ReadBody::Bytes(bytes), length) => (Part::Bytes(bytes), length),
            Body::Blob(ReadBody::Stream(stream), length) => (Part::Stream(stream), length),
            Body::Blob(ReadBody::File(region), length) => (Part::File(region), length),
        };
        Self { part: if left == 0 { Part::Done } else { part }, left, regions, _answer: answer }
    }

    /// Takes `length` off what is to come. A driver that delivers another number of bytes than was announced must not get its body out as if
    /// it were whole: the connection is cut, and the client sees that.
    fn deliver(&mut self, length: u64) -> io::Result<()> {
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(io::Error::other("the driver delivered more bytes than it announced")),
        }
    }

    fn ended(&mut self) -> Poll<Option<io::Result<Frame<Chunk>>>> {
        self.part = Part::Done;
        match self.left {
            0 => Poll::Ready(None),
            left => {
                self.left = 0;
                Poll::Ready(Some(Err(io::Error::other(format!("the driver delivered {left} bytes less than it announced")))))
            }
        }
    }
}

impl HttpBody for Outgoing {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Chunk>>>> {
        let this = self.get_mut();
        let chunk = match std::mem::replace(&mut this.part, Part::Done) {
            Part::Done => return this.ended(),
            Part::Bytes(bytes) => Chunk::Bytes(bytes),
            Part::File(region) => {
                let length = region.length;
                this.regions.push(region);
                Chunk::File(length)
            }
            Part::Stream(mut stream) => {
                let polled = stream.as_mut().poll_next(context);
                this.part = Part::Stream(stream);
                match polled {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => return this.ended(),
                    Poll::Ready(Some(Err(error))) => {
                        tracing::error!(%error, "a blob broke off while it was sent");
                        return Poll::Ready(Some(Err(io::Error::other(error))));
                    }
                    Poll::Ready(Some(Ok(bytes))) => Chunk::Bytes(bytes),
                }
            }
        };
        let delivered = this.deliver(chunk.remaining() as u64);
        Poll::Ready(Some(delivered.map(|()| Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.part, Part::Done) && self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A piece of a body as hyper buffers it.
pub(super) enum Chunk {
    /// In memory.
    Bytes(Bytes),
    /// So many bytes of the connection's next region. In hyper's buffer a placeholder stands for them, which the socket recognises.
    File(u64),
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(left) => usize::try_from(*left).unwrap_or(usize::MAX),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::File(left) => placeholder(*left),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::File(left) => *left -= count as u64,
        }
    }
}
