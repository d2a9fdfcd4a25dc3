//! Whose requests they are: a service account with a key, the application default credentials, the machine that this runs on, or nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use longshore_bucket::http::{Connections, connections};
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::gcp::{GcpCredentialProvider, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{BackoffConfig, RetryConfig};
use ring::rsa::KeyPair;
use serde::Deserialize;

use crate::settings::{Credentials, GcsSettings};

/// What requests are made with.
pub(super) struct Identity {
    pub(super) http: Connections,
    /// Gives tokens, and keeps them as long as they are good; `None` for nobody's requests.
    pub(super) tokens: Option<GcpCredentialProvider>,
    /// Signs URLs here.
    pub(super) key: Option<Arc<Key>>,
    /// The library's client, which has the vendor's service sign URLs where there is no key.
    pub(super) remote: Option<GoogleCloudStorage>,
}

/// A service account's key.
pub(super) struct Key {
    pub(super) email: String,
    pub(super) pair: KeyPair,
}

/// What a file of credentials says.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key: Option<String>,
}

/// # Errors
/// `config`: credentials or certificates cannot be read, or are of a kind that this driver does not know.
pub(super) fn identity(settings: &GcsSettings) -> Result<Identity, DriverError> {
    let http = connections(&settings.store)?;
    if settings.credentials == Credentials::Anonymous {
        return Ok(Identity { http, tokens: None, key: None, remote: None });
    }
    let builder =
        GoogleCloudStorageBuilder::new().with_bucket_name(&settings.bucket).with_http_connector(http.clone()).with_retry(no_retries());
    let (builder, key) = match source(settings) {
        Source::Text(from, text) => with_file(builder, from, &text, None)?,
        Source::Path(from, path) => {
            let text = std::fs::read_to_string(&path).map_err(|error| unread(settings, from, &path, &error))?;
            with_file(builder, from, &text, Some(path))?
        }
        // Without a file the library asks the metadata server; one that is where such files are it would take all the same.
        Source::Metadata => match well_known().filter(|path| path.exists()) {
            Some(path) => {
                let message =
                    format!("credentials: the metadata server is not asked while {} exists; remove it, or use it", path.display());
                return Err(DriverError::new(ErrorClass::Unauthorized, message));
            }
            None => (builder, None),
        },
    };
    let remote = builder.build().map_err(|error| config(&format!("credentials: {error}")))?;
    Ok(Identity { http, tokens: Some(remote.credentials().clone()), key, remote: Some(remote) })
}

/// A file of credentials that cannot be read.
fn unread(settings: &GcsSettings, from: &str, path: &Path, error: &std::io::Error) -> DriverError {
    let path = path.display();
    if settings.credentials == Credentials::ApplicationDefault {
        // What the machine has, and not what the settings say, is at fault.
        let message = format!("there are no application default credentials: {path} cannot be read: {error}");
        return DriverError::new(ErrorClass::Unauthorized, message);
    }
    config(&format!("{from}: {path} cannot be read: {error}"))
}

fn config(message: &str) -> DriverError {
    DriverError::new(ErrorClass::Config, message)
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

/// Where credentials are read from: the key of the settings, for messages, and the place.
enum Source {
    Text(&'static str, String),
    Path(&'static str, PathBuf),
    Metadata,
}

fn source(settings: &GcsSettings) -> Source {
    match (settings.credentials, &settings.key, &settings.key_file) {
        (Credentials::Auto | Credentials::Key, Some(text), _) => Source::Text("key", text.clone()),
        (Credentials::Auto | Credentials::Key, _, Some(path)) => Source::Path("key_file", path.into()),
        (Credentials::Auto | Credentials::ApplicationDefault, ..) => match (named_by_environment(), well_known()) {
            (Some(path), _) => Source::Path("GOOGLE_APPLICATION_CREDENTIALS", path),
            (None, Some(path)) if settings.credentials == Credentials::ApplicationDefault || path.exists() => {
                Source::Path("credentials", path)
            }
            _ => Source::Metadata,
        },
        _ => Source::Metadata,
    }
}

/// The file of application default credentials that the environment names.
fn named_by_environment() -> Option<PathBuf> {
    std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The file of them that `gcloud auth application-default login` writes.
fn well_known() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".config/gcloud/application_default_credentials.json"))
}

type WithKey = (GoogleCloudStorageBuilder, Option<Arc<Key>>);

fn with_file(builder: GoogleCloudStorageBuilder, from: &str, text: &str, path: Option<PathBuf>) -> Result<WithKey, DriverError> {
    // A parser's message may quote what it read, which is a secret.
    let file: File = serde_json::from_str(text).map_err(|_| config(&format!("{from}: is no JSON of credentials with a type")))?;
    match (file.kind.as_str(), path) {
        ("service_account", _) => {
            let key = key(from, file)?;
            Ok((builder.with_service_account_key(text), Some(Arc::new(key))))
        }
        ("authorized_user", Some(path)) => {
            let path = path.to_str().ok_or_else(|| config(&format!("{from}: the path is not UTF-8")))?;
            Ok((builder.with_application_credentials(path), None))
        }
        ("authorized_user", None) => {
            Err(config(&format!("{from}: a user's credentials must be in a file, named by GOOGLE_APPLICATION_CREDENTIALS")))
        }
        (other, _) => Err(config(&format!(
            "{from}: credentials of type {other:?} are not known here; use a service account's key, or in Google's cloud its metadata server"
        ))),
    }
}

/// # Errors
/// `config`; the message has nothing of the key.
fn key(from: &str, file: File) -> Result<Key, DriverError> {
    let wrong = |what: &str| config(&format!("{from}: {what}; download the service account's key anew"));
    let (Some(email), Some(pem)) = (file.client_email, file.private_key) else {
        return Err(wrong("client_email or private_key is missing"));
    };
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(base64).map_err(|_| wrong("private_key is no PEM"))?;
    let pair = KeyPair::from_pkcs8(&der).map_err(|_| wrong("private_key is no RSA key in PKCS#8"))?;
    Ok(Key { email, pair })
}
