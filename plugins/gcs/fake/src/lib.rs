//! A strict stand-in for Google Cloud Storage, for tests: it enforces what the store enforces, and keeps everything in memory.
//!
//! `tests/sdk.py` puts it to the vendor's own SDK, so that it is not only our reading of the store's documents. Where those leave something
//! open, it does what is harder for a client: pages end early, a rewrite takes several calls, an answer has no field that nobody promised.
//!
//! `serve` joins everything; `json` and `xml` are the two interfaces, over `store`.
#![forbid(unsafe_code)]

mod account;
mod condition;
mod control;
mod json;
mod object;
mod page;
mod refusal;
mod reply;
mod request;
mod serve;
mod signed;
mod store;
mod xml;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use account::Account;
use control::Control;
use store::Store;

/// What a fake is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The buckets that exist.
    pub buckets: Vec<String>,
    /// Buckets that exist, and on which its account has no rights.
    pub forbidden: Vec<String>,
    /// Buckets whose names begin so are made when they are first used: a store of its own for each of many tests.
    pub made: Option<String>,
    /// True to let everybody in, as emulators do.
    pub anonymous: bool,
    /// The most results of one page, whatever is asked for.
    pub page_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            buckets: vec!["bucket".into()],
            forbidden: vec!["forbidden".into()],
            made: None,
            anonymous: false,
            page_max: 1000,
        }
    }
}

/// A server; it ends when this is dropped.
pub struct Fake {
    address: SocketAddr,
    key_file: String,
    // Last: its threads end with it.
    _runtime: Runtime,
}

/// What a request is answered from.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) options: Options,
    pub(crate) account: Account,
    pub(crate) store: Store,
    pub(crate) control: Control,
}

impl Fake {
    /// Starts a server on threads of its own.
    ///
    /// # Errors
    /// The address cannot be listened at, or the system gives no threads.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(options.listen))?;
        let address = listener.local_addr()?;
        let account = Account::new()?;
        let key_file = Account::key_file(address)?;
        let store = Store::new(options.buckets.iter().chain(&options.forbidden), options.made.clone());
        let service = Arc::new(Service { address, options, account, store, control: Control::default() });
        runtime.spawn(serve::serve(listener, service));
        Ok(Self { address, key_file, _runtime: runtime })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key file of its service account, as the vendor's console makes them: JSON, with the fake's own token endpoint.
    #[must_use]
    pub fn key_file(&self) -> &str {
        &self.key_file
    }
}
