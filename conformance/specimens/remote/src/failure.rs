//! Why a request failed, and the class that the contract has for it (section 7).

use std::io;
use std::time::Duration;

use longshore_plugin_api::{DriverError, ErrorClass};

use crate::client::Client;
use crate::flaw::Flaw;
use crate::message::Head;

/// Why one attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection was made.
    Connect(io::Error),
    /// The connection failed between the request and the end of the answer.
    Exchange(io::Error),
    /// The service says that it cannot answer now.
    Busy { status: u16, after: Option<Duration> },
}

fn is_timeout(error: &io::Error) -> bool {
    // What a system call answers whose time is over.
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl Failure {
    /// The failure that a status is, if it may pass.
    pub(crate) fn of(status: u16, head: &Head) -> Option<Self> {
        let after = head.number("retry-after").map(Duration::from_secs);
        (status == 429 || status >= 500 && status != 507).then_some(Self::Busy { status, after })
    }

    /// True if the same request may fare better at once. One that took its whole time has had it.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) | Self::Exchange(error) => !is_timeout(error),
            Self::Busy { .. } => true,
        }
    }

    /// How long the service asks to be left alone.
    pub(crate) fn after(&self) -> Option<Duration> {
        if let Self::Busy { after, .. } = self { *after } else { None }
    }

    /// What the caller is told.
    pub(crate) fn told(self, client: &Client, what: &str) -> DriverError {
        match self {
            Self::Connect(error) | Self::Exchange(error) if is_timeout(&error) => {
                DriverError::new(ErrorClass::Timeout, format!("{what}: the service at {} did not answer in time", client.endpoint()))
            }
            Self::Connect(error) => {
                let class = if client.has(Flaw::RefusedIsNotFound) { ErrorClass::NotFound } else { ErrorClass::Unreachable };
                let secret = if client.has(Flaw::TellsSecret) { client.secret() } else { String::new() };
                let message = format!("{what}: no connection to {}{secret}: {error}", client.endpoint());
                with_errno(DriverError::new(class, message), &error)
            }
            Self::Exchange(error) => {
                let message = format!("{what}: the service at {} broke off: {error}", client.endpoint());
                with_errno(DriverError::new(ErrorClass::Broken, message), &error)
            }
            Self::Busy { status, after } => {
                let class = if matches!(status, 429 | 503) { ErrorClass::Throttled } else { ErrorClass::Unreachable };
                let error = DriverError::new(class, format!("{what}: the service at {} is busy", client.endpoint()));
                let error = error.caused_by("http status", status);
                match after.and_then(|after| u32::try_from(after.as_millis()).ok()) {
                    Some(after) => error.retry_after_ms(after),
                    None => error,
                }
            }
        }
    }
}

fn with_errno(error: DriverError, cause: &io::Error) -> DriverError {
    match cause.raw_os_error() {
        Some(errno) => error.caused_by("errno", errno),
        None => error,
    }
}

/// The error that an answer is which refuses a request.
pub(crate) fn refused(client: &Client, status: u16, what: &str) -> DriverError {
    let class = match status {
        404 => return DriverError::not_found(what),
        401 | 403 if client.has(Flaw::HidesDenial) => return DriverError::not_found(what),
        400 => ErrorClass::InvalidArgument,
        401 | 403 => ErrorClass::Unauthorized,
        // The service was asked too late to do it: nothing was done.
        410 => ErrorClass::Timeout,
        412 => ErrorClass::AlreadyExists,
        422 => ErrorClass::Corrupt,
        507 => ErrorClass::Full,
        _ => ErrorClass::Broken,
    };
    let message = match class {
        ErrorClass::AlreadyExists => format!("{what} exists"),
        _ => format!("{what}: the service at {} refuses with {status}", client.endpoint()),
    };
    DriverError::new(class, message).caused_by("http status", status)
}
