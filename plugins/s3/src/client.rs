//! The client: TLS, proxy, time limits. Its own retries are off; `longshore-bucket` retries for all stores alike.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::SdkError;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder as HttpBuilder, ConnectorBuilder};
use longshore_plugin_api::{DriverError, ErrorClass};
use tokio::task::JoinSet;

use crate::headers::Headers;
use crate::identity::credentials;
use crate::settings::{Credentials, FROM_ENVIRONMENT, S3Settings};

/// The region that stores without regions go by.
const NO_REGION: &str = "us-east-1";

/// The client of a bucket, and one that signs for clients of the registry.
///
/// # Errors
/// `config` for files and URLs that cannot be used.
pub(super) async fn clients(settings: &S3Settings) -> Result<(Client, Option<Client>), DriverError> {
    let http = http_client(settings)?;
    let region = Region::new(settings.region.clone().unwrap_or_else(|| NO_REGION.to_owned()));
    let credentials = credentials(settings, &http, &region).await?;
    let timeouts =
        TimeoutConfig::builder().connect_timeout(settings.store.connect_timeout()).read_timeout(settings.store.answer_timeout()).build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .force_path_style(settings.path_style.unwrap_or(settings.endpoint.is_some()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // One for both clients, so that credentials are asked for once.
        .identity_cache(IdentityCache::lazy().build())
        // A store's time is only told by who answers, and URLs for clients would be signed by ours all the same: a wrong clock is said, not hidden.
        .disable_clock_skew_correction(true)
        // Bodies have an idle limit of ours.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .interceptor(Headers::new(settings));
    config = match credentials {
        Some(credentials) => config.credentials_provider(credentials),
        None => config.allow_no_auth(),
    };
    let at = |endpoint: &Option<String>, mut config: Builder| {
        config.set_endpoint_url(endpoint.clone());
        Client::from_conf(config.build())
    };
    let signs = settings.credentials != Credentials::Anonymous && settings.customer_key.is_none();
    let public = settings.public_endpoint.clone().or_else(|| settings.endpoint.clone());
    let signer = signs.then(|| at(&public, config.clone()));
    Ok((at(&settings.endpoint, config), signer))
}

/// Makes a request on the driver's own thread: the client's frames are too large for the stacks that a host may poll with.
pub(super) fn send<T, E>(
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'static,
) -> impl Future<Output = Result<T, SdkError<E, HttpResponse>>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let mut running = JoinSet::new();
    // Boxed before it becomes a part of the caller's future; aborted when the set is dropped with the call.
    running.spawn(Box::pin(request));
    async move {
        match running.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => Err(SdkError::construction_failure(error)),
            None => Err(SdkError::construction_failure("the request was lost")),
        }
    }
}

fn http_client(settings: &S3Settings) -> Result<SharedHttpClient, DriverError> {
    let mut trusted = TrustStore::default();
    if let Some(file) = &settings.store.ca_file {
        trusted.add_pem_certificate(certificates(file)?);
    }
    let wrong = |key: &str, why: &dyn std::fmt::Display| DriverError::new(ErrorClass::Config, format!("{key}: cannot be used: {why}"));
    let tls = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| wrong("ca_file", &error))?;
    let proxy = match &settings.store.proxy {
        None => ProxyConfig::disabled(),
        Some(word) if word == FROM_ENVIRONMENT => ProxyConfig::from_env(),
        Some(url) => ProxyConfig::all(url).map_err(|error| wrong("proxy", &error))?,
    };
    Ok(HttpBuilder::new().build_with_connector_fn(move |client, _| {
        let mut connector = ConnectorBuilder::default().proxy_config(proxy.clone()).pool_max_idle_per_host(64);
        connector.set_connector_settings(client.cloned());
        connector.enable_tcp_nodelay(true).tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls.clone()).build()
    }))
}

/// A file of PEM certificates. It is looked into here, because the client finds a bad one only when it connects, and ends the process.
fn certificates(file: &str) -> Result<Vec<u8>, DriverError> {
    let wrong = |why: String| DriverError::new(ErrorClass::Config, format!("ca_file: {file:?} {why}"));
    let bytes = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not a PEM file".into()))?;
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong("has no certificate in PEM form".into()));
    }
    Ok(bytes)
}
