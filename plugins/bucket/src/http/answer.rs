//! Answers that are read whole.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::client::HttpResponseBody;

/// All bytes of a body of at most `max_bytes`.
///
/// # Errors
/// Why it cannot be had, for [[`broken`].
pub async fn read_whole(body: HttpResponseBody, max_bytes: usize) -> Result<Bytes, String> {
    let (mut whole, mut chunks) = (BytesMut::new(), body.bytes_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        if whole.len() + chunk.len() > max_bytes {
            return Err(format!("it has more than {max_bytes} bytes"));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// An answer to a request, which was to `action`, that is not what the store's reference says.
pub fn broken(action: &str, why: &str) -> DriverError {
    DriverError::new(ErrorClass::Broken, format!("cannot {action}: the store's answer cannot be read: {why}"))
}
