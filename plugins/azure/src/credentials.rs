//! Credentials for requests: an account key, a shared access signature, or a token that the library fetches and renews.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use longshore_bucket::http::{Connections, no_answer};
use longshore_bucket::one_line;
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::azure::{AzureAccessKey, AzureCredential, AzureCredentialProvider, MicrosoftAzureBuilder, split_sas};
use object_store::client::{HttpError, StaticCredentialProvider};
use object_store::{BackoffConfig, RetryConfig};

use crate::account::{Account, Proof};
use crate::refusal;

/// What proves that we may use the account.
pub(super) struct Credentials {
    provider: AzureCredentialProvider,
    /// The account key's bytes, which sign URLs too.
    pub(super) key: Option<Vec<u8>>,
}

impl Credentials {
    /// Those of an account; `client` fetches tokens of Entra, `local` those of the machine.
    ///
    /// # Errors
    /// `config`, beginning with the key that is at fault.
    pub(super) fn of(account: &Account, client: Connections, local: Connections) -> Result<Self, DriverError> {
        let (provider, key) = match &account.proof {
            Proof::Key(text) => {
                let key = BASE64_STANDARD.decode(text).map_err(|_| fault("account_key: is not base64"))?;
                let access = AzureAccessKey::try_new(text).map_err(|_| fault("account_key: is not base64"))?;
                (fixed(AzureCredential::AccessKey(access)), Some(key))
            }
            Proof::Sas(text) => {
                let pairs = split_sas(text.trim_start_matches('?')).map_err(|_| fault("sas_token: must have the form NAME=VALUE&…"))?;
                if !pairs.iter().any(|(name, _)| name == "sig") {
                    return Err(fault("sas_token: has no signature (sig=)"));
                }
                if !pairs.iter().all(|(name, value)| name.is_ascii() && value.is_ascii()) {
                    return Err(fault("sas_token: has letters that no signature has"));
                }
                (fixed(AzureCredential::SASToken(pairs)), None)
            }
            Proof::Secret { tenant, client: id, secret, authority } => {
                let builder = builder(account, client, authority.as_ref()).with_credential_type("client_secret");
                (built(builder.with_client_secret_authorization(id, secret, tenant))?, None)
            }
            Proof::Workload { tenant, client: id, file, authority } => {
                let builder = builder(account, client, authority.as_ref()).with_credential_type("workload_identity");
                (built(builder.with_client_id(id).with_tenant_id(tenant).with_federated_token_file(file))?, None)
            }
            Proof::Machine { client: id } => {
                let mut builder = builder(account, local, None).with_credential_type("managed_identity");
                if let Some(id) = id {
                    builder = builder.with_client_id(id);
                }
                if let Ok(endpoint) = std::env::var("IDENTITY_ENDPOINT") {
                    builder = builder.with_msi_endpoint(endpoint);
                }
                (built(builder)?, None)
            }
        };
        Ok(Self { provider, key })
    }

    /// The credential of now; a token is fetched if there is none that is good for some minutes.
    ///
    /// # Errors
    /// `unauthorized` if there is no token for us, or that of why nobody could be asked.
    pub(super) async fn now(&self) -> Result<Arc<AzureCredential>, DriverError> {
        self.provider.get_credential().await.map_err(|error| no_token(&error))
    }
}

fn fixed(credential: AzureCredential) -> AzureCredentialProvider {
    Arc::new(StaticCredentialProvider::new(credential))
}

/// The library's store, of which only the credentials are used.
fn builder(account: &Account, client: Connections, authority: Option<&String>) -> MicrosoftAzureBuilder {
    // The shared crate makes requests again, and tells when.
    let once = RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::from_secs(60) };
    let builder = MicrosoftAzureBuilder::new()
        .with_account(&account.name)
        .with_container_name("unused")
        .with_endpoint(account.endpoint.clone())
        .with_http_connector(client)
        .with_retry(once);
    match authority {
        Some(authority) => builder.with_authority_host(authority),
        None => builder,
    }
}

fn built(builder: MicrosoftAzureBuilder) -> Result<AzureCredentialProvider, DriverError> {
    let store = builder.build().map_err(|error| fault(&format!("credentials: {}", one_line(&error))))?;
    Ok(store.credentials().clone())
}

/// Why there is no token. The library has no type for what the identity service answered: its text tells the status.
fn no_token(error: &object_store::Error) -> DriverError {
    const ACTION: &str = "get a token from the identity service";
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return no_answer(ACTION, refusal::PLACE, error);
        }
        cause = error.source();
    }
    let text = one_line(error);
    let status = text.split("status code: ").nth(1).and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    let (class, hint) = match status {
        Some(429) => (ErrorClass::Throttled, ""),
        Some(500..) => (ErrorClass::Broken, ""),
        Some(_) => (ErrorClass::Unauthorized, "; are tenant_id, client_id and the secret, token or identity right?"),
        None if text.contains("federated token file") => (ErrorClass::Unauthorized, "; may token_file be read, and is it there?"),
        None => (ErrorClass::Broken, ""),
    };
    let error = DriverError::new(class, format!("cannot {ACTION}: {text}{hint}"));
    status.map_or(error.clone(), |status| error.caused_by("http_status", status))
}

fn fault(text: &str) -> DriverError {
    DriverError::new(ErrorClass::Config, text)
}
