//! Copies within the store, which appear at once.
//!
//! "Copy Blob" would be one request for any size, but it is carried out some time after its answer, and until then an empty blob stands at the
//! destination. "Copy Blob From URL" has copied when it answers, up to 256 MiB. Larger blobs are copied block by block.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};
use http::Method;
use longshore_bucket::Mark;
use longshore_plugin_api::{Bytes, DriverError, ErrorClass, ObjectInfo};
use object_store::azure::AzureCredential;

use crate::blocks::{self, block_id, list_of};
use crate::objects::info;
use crate::request::{Request, in_query};
use crate::{Azure, sas};

/// How many blocks of one blob are copied at once.
const BLOCKS_AT_ONCE: usize = 8;
/// How long a signature for the source is good, in milliseconds.
const SOURCE_MS: u64 = 60 * 60 * 1000;

/// Copies a blob of `size` bytes.
pub(super) async fn copy(azure: &Azure, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
    if size > azure.copy_block_bytes {
        return by_blocks(azure, from, to, size).await;
    }
    let request = azure.blob(Method::PUT, to, &[]).header("x-ms-requires-sync", "true").copies(size);
    let answer = azure.send(&format!("copy {from} to {to}"), azure.sourced(azure.kept(request), from).await?).await?;
    Ok(info(answer.headers(), size))
}

async fn by_blocks(azure: &Azure, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
    // Of this copy alone: others may write blocks of the same blob.
    let ours = &Mark::random()?;
    let starts = (0..size).step_by(usize::try_from(azure.copy_block_bytes).unwrap_or(usize::MAX));
    let blocks = stream::iter((1_u32..).zip(starts)).map(|(number, start)| async move {
        let block = (number, ours.as_str());
        let id = block_id(block.0, block.1);
        copy_block(azure, (from, to), block, start..size.min(start + azure.copy_block_bytes)).await.map(|()| id)
    });
    let ids: Vec<String> = blocks.buffered(BLOCKS_AT_ONCE).try_collect().await?;
    let request = azure.blob(Method::PUT, to, &[("comp", "blocklist")]).body(&Bytes::from(list_of(ids.into_iter())).into());
    match azure.send(&format!("commit the blocks of {to}"), azure.kept(request)).await {
        // Somebody else wrote this blob meanwhile, and so discarded our blocks.
        Err(error) if error.class() == ErrorClass::Conflict => {
            let again = DriverError::new(ErrorClass::Broken, error.message());
            Err(error.causes().iter().fold(again, |again, cause| again.caused_by(&cause.kind, &cause.value)))
        }
        answer => Ok(info(answer?.headers(), size)),
    }
}

/// Makes a block, of a number and a tag, of bytes of another blob.
async fn copy_block(azure: &Azure, (from, to): (&str, &str), (number, tag): (u32, &str), bytes: Range<u64>) -> Result<(), DriverError> {
    let id = block_id(number, tag);
    let request = azure.blob(Method::PUT, to, &[("comp", "block"), ("blockid", &id)]).copies(bytes.end - bytes.start);
    let range = format!("bytes={}-{}", bytes.start, bytes.end.saturating_sub(1));
    let request = azure.sourced(azure.encrypted(request).header("x-ms-source-range", &range), from).await?;
    azure.send(&format!("copy block {number} of {from} to {to}"), request).await.map(drop)
}

/// Makes a block of an upload of the first `size` bytes of another private blob, whose name tells its bytes: it is never written twice.
pub(super) async fn part(azure: &Azure, name: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
    let tag = blocks::tag(&Bytes::copy_from_slice(from.as_bytes()).into());
    copy_block(azure, (from, name), (number, &tag), 0..size).await?;
    Ok(tag)
}

impl Azure {
    /// A request with a blob of ours as its source, which the store reads with a proof of its own.
    async fn sourced(&self, request: Request, from: &str) -> Result<Request, DriverError> {
        let url = self.blob_url(from);
        let credential = self.credentials.now().await?;
        Ok(match (&*credential, &self.credentials.key) {
            (AzureCredential::SASToken(pairs), _) => {
                let signature: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", in_query(value))).collect();
                request.secret_header("x-ms-copy-source", &format!("{url}?{}", signature.join("&")))
            }
            (AzureCredential::BearerToken(token), _) => {
                let request = request.header("x-ms-copy-source", &url);
                request.secret_header("x-ms-copy-source-authorization", &format!("Bearer {token}"))
            }
            (AzureCredential::AccessKey(_), Some(key)) => request
                .secret_header("x-ms-copy-source", &format!("{url}?{}", sas::by_account_key(self, key, from, sas::until(SOURCE_MS)?))),
            // There is no account key without its bytes; the store would say what it thinks of this.
            (AzureCredential::AccessKey(_), None) => request.header("x-ms-copy-source", &url),
        })
    }
}
