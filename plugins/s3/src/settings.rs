//! The settings of an instance, as `settings.schema.json` describes them.

use longshore_bucket::{Faults, Options, Segments, StoreSettings, is_url};
use longshore_plugin_api::DriverError;
use serde::Deserialize;

/// The value of `proxy` that leaves the choice to `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
pub(super) const FROM_ENVIRONMENT: &str = "environment";

/// What the operator wrote, with the schema's defaults filled in.
#[derive(Clone, Deserialize)]
pub(super) struct S3Settings {
    pub(super) bucket: String,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    /// Where clients reach the store, if that is elsewhere.
    pub(super) public_endpoint: Option<String>,
    pub(super) path_style: Option<bool>,
    #[serde(default)]
    pub(super) credentials: Credentials,
    pub(super) access_key: Option<String>,
    pub(super) secret_key: Option<String>,
    pub(super) session_token: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) credentials_file: Option<String>,
    #[serde(default)]
    pub(super) encryption: Encryption,
    pub(super) kms_key: Option<String>,
    pub(super) customer_key: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) bucket_owner: Option<String>,
    #[serde(default)]
    pub(super) sign_payloads: bool,
    #[serde(default)]
    pub(super) conditional_create: ConditionalCreate,
    #[serde(default)]
    equal_parts: bool,
    apart_from_bytes: Option<usize>,
    pub(super) copy_part_bytes: u64,
    #[serde(flatten)]
    pub(super) store: StoreSettings,
}

/// Where the credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Credentials {
    /// `access_key` if it is given, else the chain of AWS: environment, profile, web identity, container, instance.
    #[default]
    Auto,
    Static,
    Environment,
    Profile,
    WebIdentity,
    Instance,
    Anonymous,
}

/// How objects are encrypted by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encryption {
    /// As the bucket is set up.
    #[default]
    Bucket,
    S3,
    Kms,
    Customer,
}

/// Whether the store creates objects only where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConditionalCreate {
    #[default]
    Probe,
    Yes,
    No,
}

impl S3Settings {
    /// Checks what a schema cannot.
    ///
    /// # Errors
    /// `config` with every fault, each beginning with its key.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        let mut faults = Faults::default();
        let mut need = |wrong, fault: &str| faults.add_if(wrong, fault);
        let keys = self.access_key.is_some() && self.secret_key.is_some();
        let some_key = self.access_key.is_some() || self.secret_key.is_some();
        need(some_key && !keys, "access_key: must be given together with secret_key");
        need(self.credentials == Credentials::Static && !some_key, "credentials: \"static\" needs access_key and secret_key");
        need(self.session_token.is_some() && !some_key, "session_token: needs access_key and secret_key");
        let other = !matches!(self.credentials, Credentials::Auto | Credentials::Static);
        need(other && some_key, "access_key: is of no use with the credentials chosen; leave one of the two out");
        need(self.encryption == Encryption::Customer && self.customer_key.is_none(), "customer_key: encryption \"customer\" needs one");
        need(self.encryption != Encryption::Customer && self.customer_key.is_some(), "customer_key: needs encryption = \"customer\"");
        need(self.encryption != Encryption::Kms && self.kms_key.is_some(), "kms_key: needs encryption = \"kms\"");
        if let Some(key) = &self.customer_key {
            need(super::headers::customer_key(key).is_none(), "customer_key: must be 32 bytes in base64");
        }
        for (key, text) in self.sent() {
            let visible = text.iter().all(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
            need(!visible, &format!("{key}: must be of visible ASCII characters"));
        }
        for (key, url) in [("endpoint", &self.endpoint), ("public_endpoint", &self.public_endpoint), ("proxy", &self.store.proxy)] {
            let good = |url: &String| is_url(url) || key == "proxy" && url == FROM_ENVIRONMENT;
            need(url.as_ref().is_some_and(|url| !good(url)), &format!("{key}: must begin with http:// or https://"));
        }
        need(self.region.is_none() && self.endpoint.is_none(), "region: must be given unless there is an endpoint");
        self.store.check(&mut faults);
        faults.into_result()
    }

    /// What stands in headers and URLs, by its key.
    fn sent(&self) -> [(&'static str, Option<&str>); 12] {
        [
            ("bucket", Some(&self.bucket)),
            ("region", self.region.as_deref()),
            ("endpoint", self.endpoint.as_deref()),
            ("public_endpoint", self.public_endpoint.as_deref()),
            ("root", Some(self.store.written_root())),
            ("access_key", self.access_key.as_deref()),
            ("secret_key", self.secret_key.as_deref()),
            ("session_token", self.session_token.as_deref()),
            ("kms_key", self.kms_key.as_deref()),
            ("storage_class", self.storage_class.as_deref()),
            ("bucket_owner", self.bucket_owner.as_deref()),
            ("proxy", self.store.proxy.as_deref()),
        ]
    }

    pub(super) fn options(&self) -> Options {
        Options {
            equal_parts: self.equal_parts,
            apart_from_bytes: self.apart_from_bytes,
            // A segment has another size than the parts before it.
            segments: (!self.equal_parts).then(Segments::default),
            ..self.store.options()
        }
    }
}
