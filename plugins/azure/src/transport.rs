//! The HTTP client: TLS, proxy, and what it trusts.

use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Proxy};

use crate::settings::AzureSettings;

/// A client for the store, with the settings' certificates, proxy and time to connect.
///
/// # Errors
/// `config`, beginning with the key that is at fault.
pub(super) fn client(settings: &AzureSettings) -> Result<HttpClient, DriverError> {
    let mut builder = plain(settings);
    if let Some(file) = &settings.ca_file {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    if let Some(url) = &settings.proxy {
        let proxy = Proxy::all(url).map_err(|error| fault("proxy", &error))?;
        builder = builder.proxy(proxy);
    }
    built(builder)
}

/// A client for the machine's own metadata service, which is never behind a proxy.
///
/// # Errors
/// `internal` if none can be made.
pub(super) fn local_client(settings: &AzureSettings) -> Result<HttpClient, DriverError> {
    built(plain(settings))
}

fn plain(settings: &AzureSettings) -> ClientBuilder {
    // Of this file's own copy of the library. `Err` if another instance was earlier.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(settings.connect_timeout())
        // Settings alone say where requests go, not the environment.
        .no_proxy()
        .tcp_nodelay(true)
        // The store never redirects; whoever does it is not to see the credentials.
        .redirect(Policy::none())
        .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<HttpClient, DriverError> {
    let failed = |error| DriverError::new(ErrorClass::Internal, format!("no HTTP client can be made: {}", chain(&error)));
    builder.build().map(HttpClient::new).map_err(failed)
}

fn certificates(file: &str) -> Result<Vec<Certificate>, DriverError> {
    let pem = std::fs::read(file).map_err(|error| fault("ca_file", &error))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fault("ca_file", &error))?;
    if certificates.is_empty() {
        return Err(DriverError::new(ErrorClass::Config, format!("ca_file: there is no PEM certificate in {file:?}")));
    }
    Ok(certificates)
}

fn fault(key: &str, error: &(dyn std::error::Error + 'static)) -> DriverError {
    DriverError::new(ErrorClass::Config, format!("{key}: {}", chain(error)))
}

/// An error with all that caused it, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Gives a client of ours to the library, for its tokens.
#[derive(Debug)]
pub(super) struct Ours(pub(super) HttpClient);

impl HttpConnector for Ours {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
