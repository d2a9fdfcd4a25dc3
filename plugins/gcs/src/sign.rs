//! URLs that need no credentials.
//!
//! Source: <https://cloud.google.com/storage/docs/access-control/signed-urls>, version 4.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use longshore_plugin_api::{DriverError, ErrorClass, Method};
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::signer::Signer as _;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use sha2::{Digest, Sha256};

use crate::client::{encoded, encoded_path};
use crate::identity::{Identity, Key};
use crate::settings::{GOOGLE, GcsSettings};

/// The longest that one may be good for: seven days, in seconds.
const EXPIRES_MAX_SECS: u64 = 604_800;

/// Makes them.
pub(super) struct Signer {
    endpoint: String,
    bucket: String,
    key: Option<Arc<Key>>,
    remote: Option<GoogleCloudStorage>,
}

impl Signer {
    pub(super) fn new(settings: &GcsSettings, identity: &Identity) -> Self {
        Self {
            endpoint: settings.public_endpoint().to_owned(),
            bucket: settings.bucket.clone(),
            key: identity.key.clone(),
            remote: identity.remote.clone(),
        }
    }

    /// # Errors
    /// `invalid_argument` if it were good for no time or more than seven days; `unsupported` if the credentials cannot sign.
    pub(super) async fn url(&self, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let expires_secs = expires_ms.div_ceil(1000);
        if !(1..=EXPIRES_MAX_SECS).contains(&expires_secs) {
            let message = format!("a URL may be good for 1 s to 7 days, and {expires_ms} ms are asked for");
            return Err(DriverError::new(ErrorClass::InvalidArgument, message));
        }
        let method = match method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Put => http::Method::PUT,
        };
        match (&self.key, &self.remote) {
            (Some(key), _) => self.signed(key, name, &method, expires_secs, Timestamp::now()),
            // The vendor's service signs for those who have no key; the library asks it, and knows one host only.
            (None, Some(remote)) if self.endpoint == GOOGLE => {
                let path = Path::parse(name).map_err(|error| DriverError::new(ErrorClass::Unsupported, error.to_string()))?;
                let url = remote.signed_url(method, &path, Duration::from_secs(expires_secs)).await;
                url.map(String::from).map_err(|error| crate::refusal::no_token(&format!("sign a URL for {name:?}"), &error))
            }
            _ => {
                let message =
                    "these credentials cannot sign URLs; give a service account's key, or, without one, use Google's own endpoint";
                Err(DriverError::new(ErrorClass::Unsupported, message))
            }
        }
    }

    fn signed(&self, key: &Key, name: &str, method: &http::Method, expires_secs: u64, now: Timestamp) -> Result<String, DriverError> {
        let host = self.endpoint.split_once("://").map_or(self.endpoint.as_str(), |(_, host)| host);
        let path = format!("/{}/{}", self.bucket, encoded_path(name));
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/auto/storage/goog4_request", &date[..8]);
        let credential = encoded(&format!("{}/{scope}", key.email));
        // In the order of their names, as they must be signed.
        let query = format!(
            "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential={credential}&X-Goog-Date={date}&X-Goog-Expires={expires_secs}\
             &X-Goog-SignedHeaders=host"
        );
        let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let to_sign = format!("GOOG4-RSA-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut signature = vec![0; key.pair.public().modulus_len()];
        let signed = key.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), to_sign.as_bytes(), &mut signature);
        signed.map_err(|_| DriverError::new(ErrorClass::Internal, "the service account's key does not sign"))?;
        Ok(format!("{}{path}?{query}&X-Goog-Signature={}", self.endpoint, hex(&signature)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // A string takes every write.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
