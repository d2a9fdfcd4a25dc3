//! A reader that has begun and pauses, while others change what it reads.

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Driver, DriverError, ErrorClass};

use super::{CALL, Instance, drain, key};
use crate::verdict::{Stop, same};

/// A reader that has taken a few chunks.
pub(crate) struct Paused {
    from: usize,
    body: Body,
    got: Vec<u8>,
}

impl Paused {
    /// Begins at the offset `from` and takes so many chunks.
    pub(crate) async fn begin(driver: &Instance, name: &str, from: usize, chunks: usize) -> Result<Self, DriverError> {
        let mut body = Body::new(driver.read(&CALL, key(name), ByteRange::from(from as u64)).await?.body);
        let mut got = Vec::new();
        for _ in 0..chunks {
            got.extend_from_slice(&body.next().await?.unwrap_or_default());
        }
        Ok(Self { from, body, got })
    }

    /// Reads to the end: what comes is the rest of `old`, which was the object at the beginning, or the reader fails with `broken`.
    pub(crate) async fn finish(mut self, old: &[u8], meanwhile: &str) -> Result<(), Stop> {
        match drain(&mut self.body, &mut self.got).await {
            Err(error) if error.class() == ErrorClass::Broken => Ok(()),
            Err(error) => Err(Stop::breach(format!(
                "a reader from {} on, during {meanwhile}, must fail with broken, and does with: {error}",
                self.from
            ))),
            // It began within the object.
            Ok(()) => same(&old[self.from..], &self.got, format_args!("a reader from {} on, which began before {meanwhile}", self.from)),
        }
    }
}
