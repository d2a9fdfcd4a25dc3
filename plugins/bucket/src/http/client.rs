//! Connections: TLS, proxy, and what they trust.

use std::error::Error;

use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use crate::{StoreSettings, one_line};

/// Connections of ours, also for object_store and its tokens.
#[derive(Debug, Clone)]
pub struct Connections(Client);

impl Connections {
    /// A client that uses them.
    pub fn client(&self) -> HttpClient {
        HttpClient::new(self.0.clone())
    }
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client())
    }
}

/// Connections to a store, with the settings' certificates, proxy and time to connect.
///
/// # Errors
/// `config`, beginning with the key that is at fault.
pub fn connections(settings: &StoreSettings) -> Result<Connections, DriverError> {
    let mut builder = plain(settings);
    if let Some(file) = &settings.ca_file {
        builder = builder.tls_certs_merge(certificates(file)?);
    }
    if let Some(url) = &settings.proxy {
        builder = builder.proxy(Proxy::all(url).map_err(|error| fault("proxy", &error))?);
    }
    built(builder)
}

/// Connections to the machine's own metadata service, which is never behind a proxy.
///
/// # Errors
/// `internal` if none can be made.
pub fn local_connections(settings: &StoreSettings) -> Result<Connections, DriverError> {
    built(plain(settings))
}

fn plain(settings: &StoreSettings) -> ClientBuilder {
    // Of this file's own copy of the library. `Err` if another instance was earlier.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        // Over HTTP/2 all requests would share one connection, which is slower, and whose end is the end of all of them.
        .http1_only()
        .connect_timeout(settings.connect_timeout())
        // Settings alone say where requests go: the environment is the host's, and changes no driver.
        .no_proxy()
        .tcp_nodelay(true)
        // These stores never redirect; whoever does it is not to see the credentials.
        .redirect(Policy::none())
        .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Connections, DriverError> {
    let failed = |error| DriverError::new(ErrorClass::Internal, format!("no HTTP client can be made: {}", one_line(&error)));
    builder.build().map(Connections).map_err(failed)
}

fn certificates(file: &str) -> Result<Vec<Certificate>, DriverError> {
    let pem =
        std::fs::read(file).map_err(|error| DriverError::new(ErrorClass::Config, format!("ca_file: {file:?} cannot be read: {error}")))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| fault("ca_file", &error))?;
    if certificates.is_empty() {
        return Err(DriverError::new(ErrorClass::Config, format!("ca_file: there is no PEM certificate in {file:?}")));
    }
    Ok(certificates)
}

fn fault(key: &str, error: &(dyn Error + 'static)) -> DriverError {
    DriverError::new(ErrorClass::Config, format!("{key}: {}", one_line(error)))
}
