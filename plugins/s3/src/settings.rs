//! The settings of an instance, as `settings.schema.json` describes them.

use std::time::Duration;

use longshore_bucket::Options;
use longshore_plugin_api::{DriverError, ErrorClass};
use serde::Deserialize;

/// The value of `proxy` that leaves the choice to `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
pub(super) const FROM_ENVIRONMENT: &str = "environment";

/// What the operator wrote, with the schema's defaults filled in.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct S3Settings {
    pub(super) bucket: String,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    /// Where clients reach the store, if that is elsewhere.
    pub(super) public_endpoint: Option<String>,
    #[serde(default)]
    root: String,
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
    pub(super) ca_file: Option<String>,
    pub(super) proxy: Option<String>,
    #[serde(default)]
    pub(super) sign_payloads: bool,
    #[serde(default)]
    pub(super) conditional_create: ConditionalCreate,
    part_bytes: usize,
    #[serde(default)]
    equal_parts: bool,
    pub(super) copy_part_bytes: u64,
    sending_max_bytes: usize,
    attempts: u32,
    requests_max: usize,
    connect_timeout_ms: u64,
    answer_timeout_ms: u64,
    idle_timeout_ms: u64,
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
        let mut faults = Vec::new();
        let mut need = |wrong: bool, fault: &str| {
            if wrong {
                faults.push(fault.to_owned());
            }
        };
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
        for (key, url) in [("endpoint", &self.endpoint), ("public_endpoint", &self.public_endpoint), ("proxy", &self.proxy)] {
            let is_url =
                |url: &String| url.starts_with("http://") || url.starts_with("https://") || key == "proxy" && url == FROM_ENVIRONMENT;
            need(url.as_ref().is_some_and(|url| !is_url(url)), &format!("{key}: must begin with http:// or https://"));
        }
        need(self.region.is_none() && self.endpoint.is_none(), "region: must be given unless there is an endpoint");
        let odd = |root: &str| root.split('/').any(|component| matches!(component, "." | ".."));
        need(odd(&self.root), "root: must not contain . or .. as a component");
        if faults.is_empty() { Ok(()) } else { Err(DriverError::new(ErrorClass::Config, faults.join("; "))) }
    }

    /// What stands in headers and URLs, by its key.
    fn sent(&self) -> [(&'static str, Option<&str>); 12] {
        [
            ("bucket", Some(&self.bucket)),
            ("region", self.region.as_deref()),
            ("endpoint", self.endpoint.as_deref()),
            ("public_endpoint", self.public_endpoint.as_deref()),
            ("root", Some(&self.root)),
            ("access_key", self.access_key.as_deref()),
            ("secret_key", self.secret_key.as_deref()),
            ("session_token", self.session_token.as_deref()),
            ("kms_key", self.kms_key.as_deref()),
            ("storage_class", self.storage_class.as_deref()),
            ("bucket_owner", self.bucket_owner.as_deref()),
            ("proxy", self.proxy.as_deref()),
        ]
    }

    /// The root as names begin with it: distribution takes it with and without slashes around it.
    pub(super) fn root(&self) -> String {
        match self.root.trim_matches('/') {
            "" => String::new(),
            root => format!("{root}/"),
        }
    }

    pub(super) fn options(&self) -> Options {
        Options {
            root: self.root(),
            part_bytes: self.part_bytes,
            equal_parts: self.equal_parts,
            sending_max_bytes: self.sending_max_bytes,
            attempts: self.attempts,
            requests_max: self.requests_max,
            idle: Duration::from_millis(self.idle_timeout_ms),
            ..Options::default()
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }
}
