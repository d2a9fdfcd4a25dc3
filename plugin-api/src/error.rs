//! Errors of drivers: a class that the host acts on, a sentence for people, the cause as data.

use std::fmt;

/// The longest message, in bytes (driver contract, section 7).
pub const MESSAGE_MAX_BYTES: usize = 4096;

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal $retry:literal,)*) => {
        /// What kind of failure it is; the host decides by it.
        ///
        /// Source: driver contract, section 7. It crosses the boundary as its number; an unknown number is read as `internal`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum ErrorClass { $($(#[$doc])* $variant = $number,)* }

        impl ErrorClass {
            /// Every class, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name used in logs and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// True if the same call may succeed later without anybody changing anything.
            pub const fn is_transient(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }

            /// The class of a number from the other side of the boundary.
            pub const fn from_number(number: u32) -> Self {
                match number { $($number => Self::$variant,)* _ => Self::Internal }
            }
        }
    };
}

classes! {
    /// A bug or a panic in the driver.
    Internal = 0 "internal" false,
    /// No such key or prefix.
    NotFound = 1 "not_found" false,
    /// The condition of a `put` was lost.
    AlreadyExists = 2 "already_exists" false,
    /// A key clashes with a prefix, or an upload token is in use.
    Conflict = 3 "conflict" false,
    /// The text is not a key.
    InvalidKey = 4 "invalid_key" false,
    /// The range begins after the end or does not fit in 64 bits.
    InvalidRange = 5 "invalid_range" false,
    /// Another argument is out of its range.
    InvalidArgument = 6 "invalid_argument" false,
    /// The call does not fit the state of the upload.
    InvalidState = 7 "invalid_state" false,
    /// The capability was not declared.
    Unsupported = 8 "unsupported" false,
    /// The settings are wrong.
    Config = 9 "config" false,
    /// The back-end refuses the credentials or the permission.
    Unauthorized = 10 "unauthorized" false,
    /// The back-end cannot be written.
    ReadOnly = 11 "read_only" false,
    /// The container itself (bucket, root folder) is not there.
    Missing = 12 "missing" false,
    /// The back-end cannot be reached now.
    Unreachable = 13 "unreachable" true,
    /// The back-end took too long.
    Timeout = 14 "timeout" true,
    /// The back-end asks for fewer requests.
    Throttled = 15 "throttled" true,
    /// The back-end answered nonsense or dropped the connection half-way.
    Broken = 16 "broken" true,
    /// No space or quota.
    Full = 17 "full" false,
    /// Bytes do not match what was stored, or a size does not match what was written.
    Corrupt = 18 "corrupt" false,
    /// The host gave up.
    Cancelled = 19 "cancelled" false,
    /// The instance was closed.
    Closed = 20 "closed" false,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One link of an error's cause, as data: `("errno", "28 ENOSPC")`, `("http_status", "503")`, `("request_id", "…")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What kind of fact it is.
    pub kind: String,
    /// The fact.
    pub value: String,
}

/// A failed call.
///
/// One word wide, so that results stay small. The message is one line without secrets; the host adds driver and instance names.
#[derive(Clone, PartialEq, Eq)]
pub struct DriverError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    class: ErrorClass,
    message: String,
    causes: Vec<Cause>,
    retryable: bool,
    retry_after_ms: Option<u32>,
    origin: Option<Box<str>>,
}

impl DriverError {
    /// An error of `class` with one sentence; control characters become spaces and the text is cut at 4 KiB.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.contains(char::is_control) {
            message = message.replace(char::is_control, " ");
        }
        if message.len() > MESSAGE_MAX_BYTES {
            message.truncate(message.floor_char_boundary(MESSAGE_MAX_BYTES));
        }
        Self(Box::new(Inner { class, message, causes: Vec::new(), retryable: class.is_transient(), retry_after_ms: None, origin: None }))
    }

    /// The key or prefix is not there.
    pub fn not_found(name: impl fmt::Display) -> Self {
        Self::new(ErrorClass::NotFound, format!("there is no {name}"))
    }

    /// The call belongs to a capability that was not declared.
    pub fn unsupported(what: &str) -> Self {
        Self::new(ErrorClass::Unsupported, format!("{what} is not offered by this driver"))
    }

    /// The instance was closed before the call.
    pub fn closed() -> Self {
        Self::new(ErrorClass::Closed, "the driver instance is closed")
    }

    /// A panic, with the text it carried.
    pub fn panicked(place: &str, text: &str) -> Self {
        Self::new(ErrorClass::Internal, format!("the driver panicked in {place}: {text}"))
    }

    /// Adds a fact to the cause chain.
    #[must_use]
    pub fn caused_by(mut self, kind: &str, value: impl fmt::Display) -> Self {
        self.0.causes.push(Cause { kind: kind.to_owned(), value: value.to_string() });
        self
    }

    /// Says how long to wait before trying again, and that trying again makes sense.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u32) -> Self {
        self.0.retryable = true;
        self.0.retry_after_ms = Some(milliseconds);
        self
    }

    /// Overrides what the class says about trying again.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Names the driver and the instance; the host side of the boundary does this.
    #[must_use]
    pub fn from_instance(mut self, origin: &str) -> Self {
        self.0.origin.get_or_insert_with(|| origin.into());
        self
    }

    /// The class.
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The cause, nearest first.
    pub fn causes(&self) -> &[Cause] {
        &self.0.causes
    }

    /// True if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// How long the back-end asks to wait, in milliseconds.
    pub fn retry_after(&self) -> Option<u32> {
        self.0.retry_after_ms
    }

    /// Driver and instance, once known.
    pub fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.0.origin {
            write!(f, "driver {origin}: ")?;
        }
        write!(f, "{} ({})", self.0.message, self.0.class)?;
        self.0.causes.iter().try_for_each(|cause| write!(f, "; {} {}", cause.kind, cause.value))
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DriverError {}

impl From<crate::KeyError> for DriverError {
    fn from(error: crate::KeyError) -> Self {
        Self::new(ErrorClass::InvalidKey, error.to_string())
    }
}

// Errors of Linux, by numbers that all its architectures share.
const EIO: i32 = 5;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

impl From<std::io::Error> for DriverError {
    /// Maps what means the same everywhere; everything else is `internal`. The errno, if there is one, is the cause (contract, section 7).
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let errno = error.raw_os_error();
        let class = match error.kind() {
            // Those without a kind of their own.
            _ if errno == Some(EIO) => ErrorClass::Broken,
            _ if matches!(errno, Some(EMFILE | ENFILE)) => ErrorClass::Throttled,
            K::OutOfMemory | K::ResourceBusy => ErrorClass::Throttled,
            K::NotFound => ErrorClass::NotFound,
            K::PermissionDenied => ErrorClass::Unauthorized,
            K::ReadOnlyFilesystem => ErrorClass::ReadOnly,
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => ErrorClass::Full,
            K::TimedOut => ErrorClass::Timeout,
            K::ConnectionRefused
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::NotConnected
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::StaleNetworkFileHandle => ErrorClass::Unreachable,
            K::BrokenPipe | K::UnexpectedEof => ErrorClass::Broken,
            _ => ErrorClass::Internal,
        };
        let error = Self::new(class, error.to_string());
        match errno {
            Some(errno) => error.caused_by("errno", errno),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cross_the_boundary_and_unknown_ones_are_internal() {
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::from_number(*class as u32), *class);
        }
        assert_eq!(ErrorClass::from_number(4000), ErrorClass::Internal);
    }

    #[test]
    fn messages_are_one_line_of_at_most_4_kib() {
        let error = DriverError::new(ErrorClass::Full, format!("a\nb\u{7}{}", "é".repeat(4096)));
        assert!(error.message().len() <= MESSAGE_MAX_BYTES);
        assert!(error.message().starts_with("a b "));
    }

    #[test]
    fn system_errors_keep_their_meaning_and_their_number() {
        let known = [(5, ErrorClass::Broken), (12, ErrorClass::Throttled), (23, ErrorClass::Throttled), (24, ErrorClass::Throttled)];
        let known = known.into_iter().chain([(2, ErrorClass::NotFound), (28, ErrorClass::Full), (116, ErrorClass::Unreachable)]);
        for (errno, class) in known.chain([(95, ErrorClass::Internal)]) {
            let error = DriverError::from(std::io::Error::from_raw_os_error(errno));
            assert_eq!(error.class(), class, "{errno}");
            assert!(error.causes().iter().any(|cause| cause.kind == "errno" && cause.value == errno.to_string()), "{error:?}");
        }
    }
}
