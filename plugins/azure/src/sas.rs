//! URLs that let a client read one blob: shared access signatures by the account key, or by a key that Entra delegates.

use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use longshore_plugin_api::{Bytes, DriverError, ErrorClass, Method};
use object_store::azure::AzureCredential;
use serde::Deserialize;
use sha2::Sha256;

use crate::Azure;
use crate::request::in_query;

/// The version whose text to sign this is ("Create a service SAS", "Create a user delegation SAS").
const VERSION: &str = "2021-12-02";
/// The permission to read, and the kind of resource: a blob.
const READ_BLOB: [(&str, &str); 2] = [("sp", "r"), ("sr", "b")];
/// How long a delegated key can be good, less a margin for clocks that differ.
const DELEGATED_MAX: Duration = Duration::from_secs(7 * 24 * 3600 - 3600);
/// How long a key is asked for; a URL that is good for longer asks for a longer one.
const DELEGATED_FOR: Duration = Duration::from_secs(24 * 3600);
/// By how much clocks may differ.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// A key of the store that signs in the name of an identity ("Get User Delegation Key").
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DelegationKey {
    signed_oid: String,
    signed_tid: String,
    signed_start: String,
    signed_expiry: String,
    signed_service: String,
    signed_version: String,
    value: String,
}

/// A URL that permits to read a blob for `expires_ms` milliseconds.
pub(super) async fn presign(azure: &Azure, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
    if method == Method::Put {
        // The client would have to know of a header of this store.
        return Err(DriverError::new(ErrorClass::Unsupported, "this store signs URLs for reading only"));
    }
    let until = until(expires_ms)?;
    let signature = match (&*azure.credentials.now().await?, &azure.credentials.key) {
        (AzureCredential::AccessKey(_), Some(key)) => by_account_key(azure, key, name, until),
        (AzureCredential::BearerToken(_), _) => by_delegated_key(&delegated(azure, until).await?, azure, name, until)?,
        _ => {
            return Err(DriverError::new(
                ErrorClass::Unsupported,
                "a shared access signature cannot sign URLs; an account key or an identity can",
            ));
        }
    };
    Ok(format!("{}?{signature}", azure.blob_url(name)))
}

/// The moment that is so many milliseconds from now.
///
/// # Errors
/// `invalid_argument` if the calendar has no such moment.
pub(super) fn until(expires_ms: u64) -> Result<Timestamp, DriverError> {
    let until = Timestamp::now().checked_add(Duration::from_millis(expires_ms));
    until.map_err(|_| DriverError::new(ErrorClass::InvalidArgument, format!("the store signs no URL that is good for {expires_ms} ms")))
}

/// The query that permits to read a blob, signed by the account key.
pub(super) fn by_account_key(azure: &Azure, key: &[u8], name: &str, until: Timestamp) -> String {
    let (expiry, resource) = (iso(until), canonical(azure, name));
    // In this order: permission, start, expiry, resource, identifier, address, protocol, version, kind, snapshot, scope, five headers of the answer.
    let text = ["r", "", &expiry, &resource, "", "", "", VERSION, "b", "", "", "", "", "", "", ""].join("\n");
    query(&[&[("sv", VERSION), ("se", &*expiry)], &READ_BLOB[..], &[("sig", &*signed(key, &text))]].concat())
}

/// The query that permits to read a blob, signed by a delegated key.
fn by_delegated_key(key: &DelegationKey, azure: &Azure, name: &str, until: Timestamp) -> Result<String, DriverError> {
    let (expiry, resource) = (iso(until), canonical(azure, name));
    let of_key = [
        ("skoid", &*key.signed_oid),
        ("sktid", &key.signed_tid),
        ("skt", &key.signed_start),
        ("ske", &key.signed_expiry),
        ("sks", &key.signed_service),
        ("skv", &key.signed_version),
    ];
    // As above, with the key's facts after the resource, and two users and a correlation after those.
    let mut text = vec!["r", "", &expiry, &resource];
    text.extend(of_key.iter().map(|(_, value)| *value));
    text.extend(["", "", "", "", "", VERSION, "b", "", "", "", "", "", "", ""]);
    let value = BASE64_STANDARD.decode(&key.value);
    let value = value.map_err(|_| DriverError::new(ErrorClass::Broken, "the store delegated a key that is not base64"))?;
    let signature = signed(&value, &text.join("\n"));
    Ok(query(&[&[("sv", VERSION), ("se", &*expiry)], &READ_BLOB[..], &of_key[..], &[("sig", &*signature)]].concat()))
}

/// A delegated key that is good until then.
async fn delegated(azure: &Azure, until: Timestamp) -> Result<DelegationKey, DriverError> {
    let kept = azure.delegation.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(key) = kept.filter(|key| key.signed_expiry.parse::<Timestamp>().is_ok_and(|expiry| expiry >= until)) {
        return Ok(key);
    }
    let now = Timestamp::now();
    if until > now + DELEGATED_MAX {
        return Err(DriverError::new(
            ErrorClass::InvalidArgument,
            "with an identity, the store signs no URL that is good for longer than 7 days",
        ));
    }
    let (start, expiry) = (iso(now - SKEW), iso(until.max(now + DELEGATED_FOR)));
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>");
    let request = azure.service(http::Method::POST, &[("restype", "service"), ("comp", "userdelegationkey")]);
    let key: DelegationKey = azure.ask("get a key that signs URLs", request.body(&Bytes::from(body).into())).await?;
    *azure.delegation.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
    Ok(key)
}

/// A blob as signatures name it.
fn canonical(azure: &Azure, name: &str) -> String {
    format!("/blob/{}/{}/{name}", azure.account, azure.container)
}

fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn signed(key: &[u8], text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return String::new();
    };
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn query(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", in_query(value))).collect::<Vec<_>>().join("&")
}
