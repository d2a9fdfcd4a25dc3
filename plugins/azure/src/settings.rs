//! The settings of an instance, as `settings.schema.json` describes them.

use longshore_bucket::{Faults, Options, Segments, StoreSettings};
use longshore_plugin_api::DriverError;
use serde::Deserialize;

/// How many blocks a blob may have ("Scalability targets for Blob Storage").
const BLOCKS_MAX: u32 = 50_000;
/// How many blocks of a blob are those of the upload itself: 195 GiB with blocks of 5 MiB. Further ones are each made of a private blob of 700 MiB,
/// 6.7 TiB in all.
const BLOCKS_OF_ITS_OWN: u32 = 40_000;
/// Less than this is kept in an upload's record instead of being a block, in bytes: clients that send little at a time would use up the blocks.
const BLOCK_MIN_BYTES: usize = 4 << 20;

/// What the operator wrote, with the schema's defaults filled in.
#[derive(Clone, Deserialize)]
pub(super) struct AzureSettings {
    pub(super) account: String,
    pub(super) container: String,
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    leading_slash: bool,
    #[serde(default)]
    pub(super) credentials: CredentialsFrom,
    pub(super) account_key: Option<String>,
    pub(super) connection_string: Option<String>,
    pub(super) sas_token: Option<String>,
    pub(super) tenant_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<String>,
    pub(super) token_file: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) access_tier: Option<String>,
    pub(super) encryption_scope: Option<String>,
    pub(super) copy_block_bytes: u64,
    #[serde(flatten)]
    pub(super) store: StoreSettings,
}

/// Where the credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CredentialsFrom {
    /// What is written in the settings, else the environment.
    #[default]
    Auto,
    AccountKey,
    Sas,
    ClientSecret,
    WorkloadIdentity,
    ManagedIdentity,
    /// The variables that Azure's own tools read, else the managed identity.
    Environment,
}

impl AzureSettings {
    /// Checks what a schema cannot.
    ///
    /// # Errors
    /// `config` with every fault, each beginning with its key.
    pub(super) fn check(&self) -> Result<(), DriverError> {
        use CredentialsFrom as From;
        let mut faults = Faults::default();
        let mut need = |wrong, fault: String| faults.add_if(wrong, fault);
        let written = [
            ("account_key", self.account_key.is_some(), From::AccountKey),
            ("connection_string", self.connection_string.is_some(), self.credentials),
            ("sas_token", self.sas_token.is_some(), From::Sas),
            ("client_secret", self.client_secret.is_some(), From::ClientSecret),
            ("token_file", self.token_file.is_some(), From::WorkloadIdentity),
        ];
        let several: Vec<&str> = written.iter().filter(|(_, written, _)| *written).map(|(key, ..)| *key).collect();
        need(several.len() > 1, format!("{}: only one kind of credentials can be used; leave the others out", several.join(", ")));
        for (key, written, of) in written {
            let other = written && self.credentials != From::Auto && self.credentials != of;
            need(other, format!("{key}: is of no use with the credentials chosen; leave one of the two out"));
        }
        let identity = matches!(self.credentials, From::ClientSecret | From::WorkloadIdentity | From::ManagedIdentity | From::Environment);
        need(identity && self.connection_string.is_some(), "connection_string: is of no use with the credentials chosen".into());
        for (key, url) in [("endpoint", &self.endpoint), ("proxy", &self.store.proxy), ("authority", &self.authority)] {
            need(url.as_ref().is_some_and(|url| !is_url(url)), format!("{key}: must be a URL that begins with http:// or https://"));
        }
        let odd = |name: &str| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-$_".contains(&byte));
        let names =
            [("account", Some(&self.account)), ("container", Some(&self.container)), ("encryption_scope", self.encryption_scope.as_ref())];
        for (key, name) in names {
            need(name.is_some_and(|name| odd(name)), format!("{key}: must have letters, digits and - only"));
        }
        need(self.store.written_root().contains('\\'), "root: must not contain a backslash".into());
        self.store.check(&mut faults);
        faults.into_result()
    }

    /// Whether credentials are written here, and not in the environment.
    pub(super) fn writes_credentials(&self) -> bool {
        [&self.account_key, &self.connection_string, &self.sas_token, &self.client_secret, &self.token_file].iter().any(|key| key.is_some())
    }

    pub(super) fn options(&self) -> Options {
        let slash = if self.leading_slash { "/" } else { "" };
        Options {
            root: format!("{slash}{}", self.store.root()),
            part_min_bytes: BLOCK_MIN_BYTES,
            parts_max: BLOCKS_MAX,
            segments: Some(Segments { after_parts: BLOCKS_OF_ITS_OWN, ..Segments::default() }),
            ..self.store.options()
        }
    }
}

/// Whether a text is a URL that requests can be made of: of no query, and of letters that need no escape.
pub(super) fn is_url(text: &str) -> bool {
    let http = text.starts_with("http://") || text.starts_with("https://");
    http && text.is_ascii()
        && !text.contains(['?', '#'])
        && text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
}
