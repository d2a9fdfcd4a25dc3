//! Which account, at which URL, with which credentials: from settings, a connection string, and the environment.

use longshore_plugin_api::{DriverError, ErrorClass};

use crate::settings::{AzureSettings, CredentialsFrom, is_url};

/// An account, and how to prove that it may be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    /// URL of its blob service, without a slash at its end.
    pub(super) endpoint: String,
    pub(super) proof: Proof,
}

/// How requests are authorised.
#[derive(PartialEq, Eq)]
pub(super) enum Proof {
    /// An account key, in base64.
    Key(String),
    /// A shared access signature.
    Sas(String),
    /// A token of Entra for an application, by its secret.
    Secret { tenant: String, client: String, secret: String, authority: Option<String> },
    /// A token of Entra for a workload, by a token that the platform puts into a file.
    Workload { tenant: String, client: String, file: String, authority: Option<String> },
    /// A token of Entra for the machine; which one, if it has several identities.
    Machine { client: Option<String> },
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Sas(_) => "Sas",
            Self::Secret { .. } => "Secret",
            Self::Workload { .. } => "Workload",
            Self::Machine { .. } => "Machine",
        })
    }
}

impl Account {
    /// The account of these settings; `environment` answers the value of a variable.
    ///
    /// # Errors
    /// `config`, beginning with the key that is at fault.
    pub(super) fn of(settings: &AzureSettings, environment: impl Fn(&str) -> Option<String>) -> Result<Self, DriverError> {
        let variable = |names: &[&str]| names.iter().find_map(|name| environment(name).filter(|value| !value.is_empty()));
        let text = settings.connection_string.clone().or_else(|| match settings.credentials {
            CredentialsFrom::Auto if settings.writes_credentials() => None,
            CredentialsFrom::Auto | CredentialsFrom::Environment => variable(&["AZURE_STORAGE_CONNECTION_STRING"]),
            _ => None,
        });
        let string = text.as_deref().map(ConnectionString::parse).transpose()?.unwrap_or_default();
        let name = settings.account.clone();
        if let Some(other) = string.account.as_ref().filter(|other| **other != name) {
            return Err(fault(&format!("connection_string: is of account {other}, and account is {name}")));
        }
        let endpoint = settings.endpoint.clone().or_else(|| string.endpoint(&name));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://{name}.blob.core.windows.net"));
        if !is_url(&endpoint) {
            return Err(fault("connection_string: its endpoint must be a URL that begins with http:// or https://"));
        }
        let proof = proof(settings, &string, &variable)?;
        Ok(Self { name, endpoint: endpoint.trim_end_matches('/').to_owned(), proof })
    }
}

fn proof(settings: &AzureSettings, string: &ConnectionString, variable: &impl Fn(&[&str]) -> Option<String>) -> Result<Proof, DriverError> {
    use CredentialsFrom as From;
    let from = match settings.credentials {
        From::Auto if settings.account_key.is_some() => From::AccountKey,
        From::Auto if settings.sas_token.is_some() => From::Sas,
        From::Auto if settings.client_secret.is_some() => From::ClientSecret,
        From::Auto if settings.token_file.is_some() => From::WorkloadIdentity,
        From::Auto if settings.connection_string.is_some() && string.key.is_none() => From::Sas,
        From::Auto if settings.connection_string.is_some() => From::AccountKey,
        From::Auto => From::Environment,
        from => from,
    };
    let need = |value: Option<String>, what: &str| value.ok_or_else(|| fault(what));
    let client = settings.client_id.clone().or_else(|| variable(&["AZURE_CLIENT_ID"]));
    let authority = settings.authority.clone().or_else(|| variable(&["AZURE_AUTHORITY_HOST"]));
    let authority = authority.map(|url| url.trim_end_matches('/').to_owned());
    let tenant = || need(settings.tenant_id.clone().or_else(|| variable(&["AZURE_TENANT_ID"])), "tenant_id: must be given");
    let named = |client: Option<String>| need(client, "client_id: must be given");
    match from {
        From::AccountKey => {
            let key = settings.account_key.clone().or_else(|| string.key.clone());
            Ok(Proof::Key(need(key, "account_key: must be given, here or in connection_string")?))
        }
        From::Sas => {
            let sas = settings.sas_token.clone().or_else(|| string.sas.clone());
            Ok(Proof::Sas(need(sas, "sas_token: must be given, here or in connection_string")?))
        }
        From::ClientSecret => {
            let secret = settings.client_secret.clone().or_else(|| variable(&["AZURE_CLIENT_SECRET"]));
            let secret = need(secret, "client_secret: must be given")?;
            Ok(Proof::Secret { tenant: tenant()?, client: named(client)?, secret, authority })
        }
        From::WorkloadIdentity => {
            let file = settings.token_file.clone().or_else(|| variable(&["AZURE_FEDERATED_TOKEN_FILE"]));
            let file = need(file, "token_file: must be given, here or as AZURE_FEDERATED_TOKEN_FILE in the environment")?;
            Ok(Proof::Workload { tenant: tenant()?, client: named(client)?, file, authority })
        }
        From::ManagedIdentity => Ok(Proof::Machine { client: settings.client_id.clone() }),
        From::Auto | From::Environment => {
            let key = string.key.clone().or_else(|| variable(&["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"]));
            let sas = string.sas.clone().or_else(|| variable(&["AZURE_STORAGE_SAS_TOKEN"]));
            let file = variable(&["AZURE_FEDERATED_TOKEN_FILE"]);
            let secret = variable(&["AZURE_CLIENT_SECRET"]);
            match (key, sas, file, secret) {
                (Some(key), ..) => Ok(Proof::Key(key)),
                (_, Some(sas), ..) => Ok(Proof::Sas(sas)),
                (.., Some(file), _) => Ok(Proof::Workload { tenant: tenant()?, client: named(client)?, file, authority }),
                (.., Some(secret)) => Ok(Proof::Secret { tenant: tenant()?, client: named(client)?, secret, authority }),
                _ => Ok(Proof::Machine { client }),
            }
        }
    }
}

/// What a connection string says of the blob service ("Configure Azure Storage connection strings").
#[derive(Default)]
struct ConnectionString {
    account: Option<String>,
    key: Option<String>,
    sas: Option<String>,
    endpoint: Option<String>,
    protocol: Option<String>,
    suffix: Option<String>,
}

impl ConnectionString {
    fn parse(text: &str) -> Result<Self, DriverError> {
        let mut string = Self::default();
        for field in text.split(';').map(str::trim).filter(|field| !field.is_empty()) {
            let Some((name, value)) = field.split_once('=') else {
                return Err(fault("connection_string: its fields must have the form NAME=VALUE, separated by ;"));
            };
            let value = Some(value.to_owned());
            match name.to_ascii_lowercase().as_str() {
                "accountname" => string.account = value,
                "accountkey" => string.key = value,
                "sharedaccesssignature" => string.sas = value,
                "blobendpoint" => string.endpoint = value,
                "defaultendpointsprotocol" => string.protocol = value,
                "endpointsuffix" => string.suffix = value,
                "usedevelopmentstorage" => {
                    return Err(fault(
                        "connection_string: UseDevelopmentStorage is not understood; write the emulator's account, key and endpoint",
                    ));
                }
                // Those of queues, tables and files.
                _ => {}
            }
        }
        Ok(string)
    }

    fn endpoint(&self, account: &str) -> Option<String> {
        self.endpoint.clone().or_else(|| {
            let (protocol, suffix) = (self.protocol.as_deref(), self.suffix.as_deref());
            let written = protocol.is_some() || suffix.is_some();
            let url = || format!("{}://{account}.blob.{}", protocol.unwrap_or("https"), suffix.unwrap_or("core.windows.net"));
            written.then(url)
        })
    }
}

fn fault(text: &str) -> DriverError {
    DriverError::new(ErrorClass::Config, text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn account(settings: &Value, environment: &[(&str, &str)]) -> Result<Account, DriverError> {
        let mut all = json!({ "account": "a12", "container": "c", "part_bytes": 0, "copy_block_bytes": 0, "sending_max_bytes": 0, "attempts": 0,
            "requests_max": 0, "parallel_reads": 1, "connect_timeout_ms": 0, "answer_timeout_ms": 0, "idle_timeout_ms": 0 });
        for (key, value) in settings.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        let settings: AzureSettings = serde_json::from_value(all).expect("they are complete");
        settings.check()?;
        Account::of(&settings, |name| environment.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned()))
    }

    fn proof(settings: &Value, environment: &[(&str, &str)]) -> Proof {
        account(settings, environment).expect("they are right").proof
    }

    #[test]
    fn a_connection_string_has_all() {
        let cloud = "DefaultEndpointsProtocol=https;AccountName=a12;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn";
        let found = account(&json!({ "connection_string": cloud }), &[]).expect("it is right");
        assert_eq!((&*found.name, &*found.endpoint), ("a12", "https://a12.blob.core.chinacloudapi.cn"));
        assert_eq!(found.proof, Proof::Key("a2V5==".into()));
        let signed = "BlobEndpoint=http://127.0.0.1:1/a12/;SharedAccessSignature=sv=1&sig=x%3D";
        let found = account(&json!({ "connection_string": signed }), &[]).expect("it is right");
        assert_eq!((&*found.endpoint, found.proof), ("http://127.0.0.1:1/a12", Proof::Sas("sv=1&sig=x%3D".into())));
    }

    #[test]
    fn what_is_written_wins_over_the_environment() {
        let environment = [("AZURE_STORAGE_ACCOUNT_KEY", "other"), ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=mine;AccountKey=x")];
        let found = account(&json!({ "account": "mine", "account_key": "a2V5" }), &environment).expect("it is right");
        assert_eq!((&*found.name, found.proof), ("mine", Proof::Key("a2V5".into())));
        assert_eq!(proof(&json!({ "account": "mine" }), &environment), Proof::Key("x".into()));
    }

    #[test]
    fn identities_come_from_the_environment_of_a_workload() {
        let pod = [
            ("AZURE_CLIENT_ID", "c1"),
            ("AZURE_TENANT_ID", "t1"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"),
            ("AZURE_AUTHORITY_HOST", "https://login.example/"),
        ];
        let authority = Some("https://login.example".to_owned());
        let expected = Proof::Workload { tenant: "t1".into(), client: "c1".into(), file: "/var/run/token".into(), authority };
        assert_eq!(proof(&json!({ "account": "a12" }), &pod), expected);
        assert_eq!(proof(&json!({ "account": "a12", "credentials": "workload_identity" }), &pod), expected);
        assert_eq!(proof(&json!({ "account": "a12" }), &[]), Proof::Machine { client: None });
    }

    #[test]
    fn faults_name_their_key() {
        for (settings, key) in [
            (json!({ "account": "\u{e9}\u{e9}\u{e9}" }), "account:"),
            (json!({ "connection_string": "AccountName=other;AccountKey=x" }), "connection_string:"),
            (json!({ "account": "a12", "credentials": "sas" }), "sas_token:"),
            (json!({ "account": "a12", "client_secret": "s" }), "tenant_id:"),
            (json!({ "account": "a12", "credentials": "sas", "account_key": "k" }), "account_key:"),
            (json!({ "account": "a12", "sas_token": "s", "account_key": "k" }), "account_key, sas_token:"),
            (json!({ "account": "a12", "endpoint": "ftp://x", "account_key": "k" }), "endpoint:"),
            (json!({ "connection_string": "nonsense" }), "connection_string:"),
        ] {
            let error = account(&settings, &[]).expect_err("there is a fault");
            assert_eq!(error.class(), ErrorClass::Config);
            assert!(error.message().starts_with(key), "{settings}: {error}");
        }
    }
}
