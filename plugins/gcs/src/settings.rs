//! The settings of an instance, as `settings.schema.json` describes them.

use longshore_bucket::{Faults, StoreSettings, is_url};
use longshore_plugin_api::DriverError;
use serde::Deserialize;

/// Where the store is for everybody.
pub(super) const GOOGLE: &str = "https://storage.googleapis.com";

/// What the operator wrote, with the schema's defaults filled in.
#[derive(Clone, Deserialize)]
pub(super) struct GcsSettings {
    pub(super) bucket: String,
    endpoint: String,
    public_endpoint: Option<String>,
    #[serde(default)]
    pub(super) credentials: Credentials,
    pub(super) key: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) user_project: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) kms_key: Option<String>,
    #[serde(flatten)]
    pub(super) store: StoreSettings,
}

/// Where the credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Credentials {
    /// The key if there is one, else the file of application default credentials if there is one, else the metadata server.
    #[default]
    Auto,
    Key,
    ApplicationDefault,
    Metadata,
    Anonymous,
}

impl GcsSettings {
    /// Checks what a schema cannot.
    ///
    /// # Errors
    /// `config` with every fault, each beginning with its key.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        let mut faults = Faults::default();
        let mut need = |wrong, fault: &str| faults.add_if(wrong, fault);
        let some_key = self.key.is_some() || self.key_file.is_some();
        need(self.key.is_some() && self.key_file.is_some(), "key: cannot be given together with key_file");
        need(self.credentials == Credentials::Key && !some_key, "credentials: \"key\" needs key or key_file");
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        need(!self.bucket.bytes().all(legal), "bucket: must be of lower-case letters, digits, hyphens, underscores and dots");
        for (key, url) in [("endpoint", Some(&self.endpoint)), ("public_endpoint", self.public_endpoint.as_ref())] {
            need(url.is_some_and(|url| !is_origin(url)), &format!("{key}: must be http:// or https:// and a host, without a path"));
        }
        need(self.store.proxy.as_ref().is_some_and(|proxy| !is_url(proxy)), "proxy: must begin with http:// or https://");
        self.store.check(&mut faults);
        faults.into_result()
    }

    /// Where requests go: scheme and host.
    pub(super) fn endpoint(&self) -> &str {
        self.endpoint.trim_end_matches('/')
    }

    /// Where clients of the registry find the store.
    pub(super) fn public_endpoint(&self) -> &str {
        self.public_endpoint.as_deref().map_or(self.endpoint(), |endpoint| endpoint.trim_end_matches('/'))
    }
}

fn is_origin(url: &str) -> bool {
    let host = url.trim_end_matches('/').split_once("://").map(|(_, host)| host);
    is_url(url) && url.parse::<http::Uri>().is_ok() && host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_and_host() {
        for good in [GOOGLE, "http://127.0.0.1:4443", "https://storage-x.p.googleapis.com/"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["storage.googleapis.com", "https://", "https://a/b", "ftp://a", "http://me@a", "http://a b"] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
