//! Bodies between the host's bytes and the client's.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use futures_util::stream;
use http_body::{Body, Frame, SizeHint};
use longshore_bucket::Payload;
use longshore_plugin_api::{ByteStream as DriverStream, DriverError, ErrorClass};

/// A payload as the client sends it: in small pieces, unless the request is to sign the bytes.
pub(super) fn outgoing(payload: &Payload, signed: bool) -> ByteStream {
    if signed || payload.frames().nth(1).is_none() {
        return SdkBody::from(payload.joined()).into();
    }
    let payload = payload.clone();
    ByteStream::new(SdkBody::retryable(move || SdkBody::from_body_1_x(Pieces::of(&payload))))
}

struct Pieces {
    frames: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Pieces {
    fn of(payload: &Payload) -> Self {
        Self { frames: payload.frames().collect::<Vec<_>>().into_iter(), left: payload.len() as u64 }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.frames.next();
        self.left -= piece.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What the client receives.
pub(super) fn incoming(body: ByteStream) -> DriverStream {
    Box::pin(stream::unfold(Some(body), |body| async {
        let mut body = body?;
        match body.next().await? {
            Ok(chunk) => Some((Ok(chunk), Some(body))),
            Err(error) => {
                let error =
                    DriverError::new(ErrorClass::Broken, format!("the store broke off the body: {}", longshore_bucket::one_line(&error)));
                Some((Err(error), None))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_in_order_and_tell_their_length() {
        let payload = Payload::from(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
        let mut pieces = Pieces::of(&payload);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut sizes = vec![pieces.size_hint().exact()];
        let mut all = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut pieces).poll_frame(&mut context) {
            all.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            sizes.push(pieces.size_hint().exact());
        }
        assert_eq!((all, sizes), (b"abc".to_vec(), vec![Some(3), Some(1), Some(0)]));
    }
}
