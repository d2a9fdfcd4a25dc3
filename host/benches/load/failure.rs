//! What can go wrong with a request.

use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to {address}: {cause}")]
    Connect { address: String, cause: io::Error },
    #[error("{request}: {cause}")]
    Broken { request: String, cause: io::Error },
    #[error("{request}: status {got} where {want} was expected{body}")]
    Status { request: String, want: u16, got: u16, body: String },
    #[error("{request}: {got} bytes where {want} were expected")]
    Length { request: String, want: u64, got: u64 },
    #[error("{request}: no Location in the answer")]
    NoLocation { request: String },
}
