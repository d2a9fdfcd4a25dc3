//! What a driver in C answered, checked: errors, facts, tokens, URLs.

use std::ffi::c_char;

use longshore_plugin_api::{DriverError, ErrorClass, ObjectInfo, UploadToken};

use super::buffer::empty_buffer;
use super::values::{
    Chunk, Error, Info, LONGSHORE_MESSAGE_MAX, LONGSHORE_OK, LONGSHORE_TOKEN_MAX, LONGSHORE_URL_MAX, LONGSHORE_VERSION_MAX,
    LONGSHORE_VERSION_ROOM, ReadAnswer, Token, Url,
};

/// An answer that no driver may give.
pub(crate) fn broken(what: impl std::fmt::Display) -> DriverError {
    DriverError::new(ErrorClass::Broken, format!("the driver answered {what}"))
}

/// The text in an array of C, up to its NUL or its end.
fn text(array: &[c_char]) -> Vec<u8> {
    array.iter().map(|character| character.cast_unsigned()).take_while(|byte| *byte != 0).collect()
}

impl Error {
    pub(crate) const fn empty() -> Self {
        Self { retryable: 0, retry_after_ms: 0, system_errno: 0, reserved_first: 0, reserved: [0; 4], message: [0; LONGSHORE_MESSAGE_MAX] }
    }

    /// What a call's answer means.
    pub(crate) fn outcome(&self, answer: i32) -> Result<(), DriverError> {
        if answer == LONGSHORE_OK {
            return Ok(());
        }
        // Numbers that the contract does not know are read as `internal`, which is what 0 stands for there.
        let class = ErrorClass::from_number(u32::try_from(answer).unwrap_or(0));
        let mut error = DriverError::new(class, self.sentence());
        error = match self.retryable {
            1 => error.with_retryable(true),
            2 => error.with_retryable(false),
            _ => error,
        };
        if self.retry_after_ms != 0 && self.retryable != 2 {
            error = error.retry_after_ms(self.retry_after_ms);
        }
        if self.system_errno != 0 {
            error = error.caused_by("errno", self.system_errno);
        }
        Err(error)
    }

    fn sentence(&self) -> String {
        let message = text(&self.message);
        if !message.is_empty() {
            return String::from_utf8_lossy(&message).into_owned();
        }
        match self.system_errno {
            0 => "the driver gave no reason".into(),
            errno => std::io::Error::from_raw_os_error(errno).to_string(),
        }
    }
}

impl Info {
    pub(crate) const fn empty() -> Self {
        Self { size: 0, modified_ms: 0, reserved: [0; 4], version: [0; LONGSHORE_VERSION_ROOM] }
    }

    /// The facts, if they are such.
    pub(crate) fn checked(&self) -> Result<ObjectInfo, DriverError> {
        let version = String::from_utf8(text(&self.version)).map_err(|_| broken("a version that is not UTF-8"))?;
        if version.len() > LONGSHORE_VERSION_MAX {
            return Err(broken(format_args!("a version of {} bytes, at most {LONGSHORE_VERSION_MAX} are allowed", version.len())));
        }
        let version = (!version.is_empty()).then(|| version.into());
        Ok(ObjectInfo { size: self.size, modified: self.modified_ms, version })
    }

    /// The facts of an object of `size` bytes that was just written.
    pub(crate) fn checked_size(&self, size: u64) -> Result<ObjectInfo, DriverError> {
        match self.checked()? {
            info if info.size == size => Ok(info),
            info => Err(broken(format_args!("a size of {} bytes to a write of {size}", info.size))),
        }
    }
}

impl ReadAnswer {
    pub(crate) const fn empty() -> Self {
        Self { info: Info::empty(), reader: std::ptr::null_mut(), fd: -1, reserved_first: 0, fd_offset: 0, reserved: [0; 4] }
    }
}

impl Chunk {
    pub(crate) fn with_room(room: &mut [u8]) -> Self {
        Self { room: room.as_mut_ptr(), room_len: room.len(), used: 0, own: empty_buffer() }
    }
}

impl Token {
    pub(crate) const fn empty() -> Self {
        Self { len: 0, reserved_first: 0, bytes: [0; LONGSHORE_TOKEN_MAX] }
    }

    pub(crate) fn checked(&self) -> Result<UploadToken, DriverError> {
        let bytes = self.bytes.get(..self.len as usize);
        bytes.map_or_else(
            || Err(broken(format_args!("a token of {} bytes, at most {LONGSHORE_TOKEN_MAX} are allowed", self.len))),
            UploadToken::new,
        )
    }
}

impl Url {
    pub(crate) const fn empty() -> Self {
        Self { text: [0; LONGSHORE_URL_MAX] }
    }

    pub(crate) fn checked(&self) -> Result<String, DriverError> {
        let bytes = text(&self.text);
        if bytes.is_empty() || bytes.len() == LONGSHORE_URL_MAX || bytes.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err(broken(format_args!("{:?} for a URL", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]))));
        }
        String::from_utf8(bytes).map_err(|_| broken("a URL that is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c::values::*;

    fn array<const N: usize>(text: &[u8]) -> [c_char; N] {
        std::array::from_fn(|at| text.get(at).copied().unwrap_or(0).cast_signed())
    }

    /// Driver contract, section 7: "an unknown number is read as `internal`".
    #[test]
    fn numbers_of_the_header_are_the_classes_of_the_contract() {
        let named = [
            (LONGSHORE_NOT_FOUND, "not_found"),
            (LONGSHORE_ALREADY_EXISTS, "already_exists"),
            (LONGSHORE_CONFLICT, "conflict"),
            (LONGSHORE_INVALID_KEY, "invalid_key"),
            (LONGSHORE_INVALID_RANGE, "invalid_range"),
            (LONGSHORE_INVALID_ARGUMENT, "invalid_argument"),
            (LONGSHORE_INVALID_STATE, "invalid_state"),
            (LONGSHORE_UNSUPPORTED, "unsupported"),
            (LONGSHORE_CONFIG, "config"),
            (LONGSHORE_UNAUTHORIZED, "unauthorized"),
            (LONGSHORE_READ_ONLY, "read_only"),
            (LONGSHORE_MISSING, "missing"),
            (LONGSHORE_UNREACHABLE, "unreachable"),
            (LONGSHORE_TIMEOUT, "timeout"),
            (LONGSHORE_THROTTLED, "throttled"),
            (LONGSHORE_BROKEN, "broken"),
            (LONGSHORE_FULL, "full"),
            (LONGSHORE_CORRUPT, "corrupt"),
            (LONGSHORE_CANCELLED, "cancelled"),
            (LONGSHORE_CLOSED, "closed"),
            (LONGSHORE_INTERNAL, "internal"),
            (4000, "internal"),
            (i32::MIN, "internal"),
        ];
        assert!(ErrorClass::ALL.iter().all(|class| named.iter().any(|(_, name)| *name == class.name())), "the header has every class");
        for (number, name) in named {
            let error = Error::empty().outcome(number).expect_err("it is a failure");
            assert_eq!(error.class().name(), name, "{number}");
        }
        assert_eq!(Error::empty().outcome(LONGSHORE_OK).ok(), Some(()));
    }

    #[test]
    fn errors_keep_what_the_driver_said() {
        let error = Error { retry_after_ms: 1500, system_errno: 28, message: array(b"no\nroom \xff"), ..Error::empty() };
        let error = error.outcome(LONGSHORE_FULL).expect_err("it is a failure");
        assert_eq!(error.to_string(), "no room \u{fffd} (full); errno 28");
        assert_eq!((error.is_retryable(), error.retry_after()), (true, Some(1500)));

        let error = Error { retryable: 2, ..Error::empty() }.outcome(LONGSHORE_TIMEOUT).expect_err("it is a failure");
        assert_eq!((error.message(), error.is_retryable()), ("the driver gave no reason", false));
        let error = Error { retryable: 9, message: [b'x'.cast_signed(); LONGSHORE_MESSAGE_MAX], ..Error::empty() };
        let error = error.outcome(LONGSHORE_TIMEOUT).expect_err("it is a failure");
        assert_eq!((error.message().len(), error.is_retryable()), (4096, true), "a message without NUL ends with its room");
    }

    #[test]
    fn facts_tokens_and_urls_are_checked() {
        let info = Info { size: 3, version: array(b"v1"), ..Info::empty() };
        assert_eq!(info.checked_size(3).ok().and_then(|info| info.version).as_deref(), Some("v1"));
        let refused = [info.checked_size(4), Info { version: array(b"\xff"), ..Info::empty() }.checked()];
        let long = Info { version: array(&[b'v'; 129]), ..Info::empty() }.checked();
        for answer in refused.into_iter().chain([long]) {
            assert_eq!(answer.map_err(|error| error.class()), Err(ErrorClass::Broken));
        }
        assert!(Token { len: 4096, ..Token::empty() }.checked().is_ok());
        assert!(Token { len: 4097, ..Token::empty() }.checked().is_err());
        assert_eq!(Url { text: array(b"https://x/y") }.checked().ok().as_deref(), Some("https://x/y"));
        for bad in [&b""[..], b"https://x/\n", b"https://\xc3\xa9", &[b'u'; LONGSHORE_URL_MAX]] {
            assert!(Url { text: array(bad) }.checked().is_err(), "{bad:?}");
        }
    }
}
