//! An open store: the bucket, and what all its calls share.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass, Host, Settings};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::blocks::Blocks;
use crate::names::Root;
use crate::reactor::Reactor;
use crate::trash::Trash;
use crate::tries::{Attempt, Tries};
use crate::upload::Kept;
use crate::{Bucket, Options};

/// The bucket of an instance, with what bounds its use.
pub(crate) struct Store<B> {
    pub(crate) bucket: B,
    pub(crate) root: Root,
    pub(crate) options: Options,
    pub(crate) tries: Tries,
    /// A permit for each KiB of parts that are on their way.
    pub(crate) sending: Arc<Semaphore>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) trash: Trash,
    pub(crate) kept: Kept,
    pub(crate) host: Host,
    pub(crate) reactor: Reactor,
}

impl<B: Bucket> Store<B> {
    /// Opens the bucket, and changes it before its first use.
    pub(crate) async fn open(
        settings: Settings,
        host: Host,
        change: impl FnOnce(&mut B, &mut Options) + Send + 'static,
    ) -> Result<Arc<Self>, DriverError> {
        let reactor = Reactor::start(host.instance())?;
        // On a thread of ours: clients are made of much that is too large for the stacks that a host may poll with.
        let mut opening = JoinSet::new();
        let of_bucket = host.clone();
        opening.spawn_on(async move { Box::pin(B::open(settings, &of_bucket)).await }, reactor.handle());
        let opened = opening.join_next().await.and_then(Result::ok);
        let panicked = || Err(DriverError::new(ErrorClass::Internal, "the driver panicked while it opened; its log says where"));
        let (mut bucket, mut options) = match opened.unwrap_or_else(panicked) {
            Ok(opened) => opened,
            Err(error) => {
                // What did not open holds nothing when it says so (driver contract, section 3, `open`).
                reactor.end();
                return Err(error);
            }
        };
        change(&mut bucket, &mut options);
        Ok(Arc::new(Self {
            bucket,
            root: Root::new(&options.root),
            tries: Tries::new(options.attempts, options.requests_max),
            blocks: Arc::default(),
            sending: Arc::new(Semaphore::new(options.sending_max() >> 10)),
            trash: Trash::default(),
            kept: Kept::default(),
            options,
            host,
            reactor,
        }))
    }

    /// Makes a request of the bucket, again where that helps.
    pub(crate) async fn request<'s, T, F>(&'s self, call: &Call, request: impl FnMut(Attempt) -> F) -> Result<T, DriverError>
    where
        F: Future<Output = Result<T, DriverError>> + 's,
    {
        self.tries.run(call, request).await
    }
}
