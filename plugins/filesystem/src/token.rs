//! Upload tokens: which file, how far, and whether that much is on disk.

use longshore_plugin_api::{DriverError, ErrorClass, UploadToken};

use crate::private::Id;

/// What a token says. It reads `1.<id>.<offset>.<d or p>.<check>`, and leads nowhere but to a file of that id among the uploads.
pub(crate) struct Claim {
    /// The upload's file.
    pub(crate) id: Id,
    /// How many bytes the upload had when it was suspended.
    pub(crate) offset: u64,
    /// These bytes were synced.
    pub(crate) durable: bool,
}

impl Claim {
    /// # Errors
    /// Never in practice: a token of ours is short.
    pub(crate) fn seal(&self) -> Result<UploadToken, DriverError> {
        let text = format!("1.{}.{:x}.{}", self.id, self.offset, if self.durable { 'd' } else { 'p' });
        UploadToken::new(format!("{text}.{:08x}", check(&text)))
    }

    /// # Errors
    /// `invalid_argument` if this is no token that [`Self::seal`] made.
    pub(crate) fn open(token: &UploadToken) -> Result<Self, DriverError> {
        read(token.as_bytes())
            .ok_or_else(|| DriverError::new(ErrorClass::InvalidArgument, "this is no upload token of the filesystem driver"))
    }
}

fn read(bytes: &[u8]) -> Option<Claim> {
    let (text, sum) = std::str::from_utf8(bytes).ok()?.rsplit_once('.')?;
    if sum != format!("{:08x}", check(text)) {
        return None;
    }
    let mut parts = text.strip_prefix("1.")?.split('.');
    let id = Id::parse(parts.next()?)?;
    let offset = u64::from_str_radix(parts.next()?, 16).ok()?;
    let durable = match parts.next()? {
        "d" => true,
        "p" => false,
        _ => return None,
    };
    parts.next().is_none().then_some(Claim { id, offset, durable })
}

/// FNV-1a: tells a token that was cut or mistyped. Who may use a token is the host's concern.
fn check(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_damaged_ones_are_refused() {
        let id = Id::random().expect("random numbers can be had");
        let token = Claim { id: id.clone(), offset: 1 << 40, durable: true }.seal().expect("a token is short");
        let claim = Claim::open(&token).expect("a token of ours");
        assert!(claim.id == id && claim.offset == 1 << 40 && claim.durable);
        for at in 0..token.as_bytes().len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] ^= 1;
            let damaged = UploadToken::new(bytes).expect("short enough");
            assert_eq!(Claim::open(&damaged).err().map(|error| error.class()), Some(ErrorClass::InvalidArgument), "byte {at}");
        }
        assert!(Claim::open(&UploadToken::new([]).expect("short enough")).is_err());
    }
}
