//! What happens when the driver opens: settings, credentials, the bucket, and what this store can do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longshore_bucket::{Bucket, Mark, Options};
use longshore_plugin_api::{DriverError, ErrorClass, Host, Level};

use crate::settings::{ConditionalCreate, S3Settings};
use crate::{Payload, S3, client, refusal};

/// How long a bucket that was seen is believed to be there still, when the store only says that an object is not.
const BELIEVED: Duration = Duration::from_secs(10);

/// How long opening may take, all attempts together: shorter than the host's own patience (30 s by default), so that the driver's words are read.
const OPEN_MAX: Duration = Duration::from_secs(15);

/// When the bucket was seen.
pub(super) struct Seen {
    start: Instant,
    /// Milliseconds after `start`, plus one; 0 for never.
    at: AtomicU64,
}

impl Seen {
    fn never() -> Self {
        Self { start: Instant::now(), at: AtomicU64::new(0) }
    }

    pub(super) fn now(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.at.store(now + 1, Ordering::Relaxed);
    }

    fn lately(&self) -> bool {
        match self.at.load(Ordering::Relaxed) {
            0 => false,
            at => self.start.elapsed().saturating_sub(Duration::from_millis(at - 1)) < BELIEVED,
        }
    }
}

/// Opens a bucket.
pub(super) async fn open(settings: S3Settings, host: &Host) -> Result<(S3, Options), DriverError> {
    settings.check()?;
    let bucket = settings.bucket.clone();
    tokio::time::timeout(OPEN_MAX, open_in_time(settings, host)).await.unwrap_or_else(|_| {
        let message =
            format!("cannot use bucket {bucket:?}: the store did not answer within {} s; is the endpoint right?", OPEN_MAX.as_secs());
        Err(DriverError::new(ErrorClass::Timeout, message))
    })
}

async fn open_in_time(settings: S3Settings, host: &Host) -> Result<(S3, Options), DriverError> {
    let (client, signer) = client::clients(&settings).await?;
    let mut s3 = S3 {
        client,
        signer,
        bucket: settings.bucket.clone(),
        creates: settings.conditional_create != ConditionalCreate::No,
        sign_payloads: settings.sign_payloads,
        copy_part_bytes: settings.copy_part_bytes,
        seen: Seen::never(),
    };
    let options = settings.options();
    patient(options.attempts, || probe(&s3)).await?;
    if settings.conditional_create == ConditionalCreate::Probe {
        s3.creates = creates(&s3, &options, host).await?;
    }
    Ok((s3, options))
}

/// Waits for a store that starts at the same time.
async fn patient<T, F>(attempts: u32, mut ask: impl FnMut() -> F) -> Result<T, DriverError>
where
    F: Future<Output = Result<T, DriverError>>,
{
    let mut attempt = 1;
    loop {
        match ask().await {
            // An endpoint where nothing listens is most often a wrong one: said at once.
            Err(error) if error.is_retryable() && error.class() != ErrorClass::Unreachable && attempt < attempts => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(100) * attempt).await;
            }
            answer => return answer,
        }
    }
}

/// One request for a page of one name: unlike a HEAD of the bucket its refusal has a body that says why.
pub(super) async fn probe(s3: &S3) -> Result<(), DriverError> {
    let answer = client::send(s3.client.list_objects_v2().bucket(&s3.bucket).max_keys(1).send()).await;
    let action = format!("use bucket {:?}", s3.bucket);
    answer.map_err(|error| of_bucket(refusal::refused(&action, &error)))?;
    s3.seen.now();
    Ok(())
}

/// Not found, asked for the bucket itself, is the bucket.
fn of_bucket(error: DriverError) -> DriverError {
    if error.class() != ErrorClass::NotFound {
        return error;
    }
    let missing = DriverError::new(ErrorClass::Missing, format!("{}; is this the endpoint of an S3 store?", error.message()));
    error.causes().iter().fold(missing, |missing, cause| missing.caused_by(&cause.kind, &cause.value))
}

/// Tells a missing object from a missing bucket, where the store's answer did not.
pub(super) async fn not_found_or_missing(s3: &S3, error: DriverError) -> DriverError {
    if error.class() != ErrorClass::NotFound || s3.seen.lately() {
        return error;
    }
    match probe(s3).await {
        Ok(()) => error,
        Err(of_bucket) => of_bucket,
    }
}

/// Whether the store creates an object only where there is none: some ignore the condition and write all the same.
async fn creates(s3: &S3, options: &Options, host: &Host) -> Result<bool, DriverError> {
    let mark = Mark::random()?;
    let name = format!("{}!uploads/probe-{mark}", options.root);
    let create = || s3.put(&name, Payload::default(), Some(&mark));
    let creates = match create().await {
        Err(error) => Err(error),
        Ok(_) => {
            let again = create().await;
            s3.delete_all(std::slice::from_ref(&name)).await?;
            again
        }
    };
    match creates {
        Err(error) if error.class() == ErrorClass::AlreadyExists => return Ok(true),
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) if error.class() == ErrorClass::Unauthorized => {
            host.log(Level::Warn, format_args!("the store may only be read with these credentials: {error}"));
            return Ok(false);
        }
        // Is it the condition that is refused, or would any write be?
        Err(error) if error.class() == ErrorClass::Config => {
            s3.put(&name, Payload::default(), None).await?;
            s3.delete_all(std::slice::from_ref(&name)).await?;
        }
        _ => {}
    }
    host.log(Level::Info, "this store has no conditional writes: put_if_absent is not offered");
    Ok(false)
}
