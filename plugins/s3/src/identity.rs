//! Where credentials come from.

use std::ffi::OsString;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::config::{Credentials as Keys, Region, SharedCredentialsProvider, SharedHttpClient};
use longshore_plugin_api::{DriverError, ErrorClass};

use crate::settings::{Credentials, S3Settings};

/// What signs requests; nothing if nobody does.
///
/// # Errors
/// `config` if a source that was named lacks what it consists of.
pub(super) async fn credentials(
    settings: &S3Settings,
    http: &SharedHttpClient,
    region: &Region,
) -> Result<Option<SharedCredentialsProvider>, DriverError> {
    if let (Some(id), Some(secret)) = (&settings.access_key, &settings.secret_key) {
        let keys = Keys::new(id, secret, settings.session_token.clone(), None, "settings");
        return Ok(Some(SharedCredentialsProvider::new(keys)));
    }
    let with = ProviderConfig::without_region().with_http_client(http.clone()).with_region(Some(region.clone()));
    Ok(Some(match settings.credentials {
        Credentials::Anonymous => return Ok(None),
        Credentials::Environment => {
            variable("AWS_ACCESS_KEY_ID")?;
            variable("AWS_SECRET_ACCESS_KEY")?;
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        Credentials::WebIdentity => {
            variable("AWS_ROLE_ARN")?;
            let file = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
            // The client does not say which file it could not read.
            std::fs::read(&file).map_err(|error| lacking(&format!("the token in {}: {error}", file.display())))?;
            SharedCredentialsProvider::new(WebIdentityTokenCredentialsProvider::builder().configure(&with).build())
        }
        Credentials::Instance => SharedCredentialsProvider::new(ImdsCredentialsProvider::builder().configure(&with).build()),
        Credentials::Profile => {
            let mut profile = ProfileFileCredentialsProvider::builder().configure(&with);
            if let Some(name) = &settings.profile {
                profile = profile.profile_name(name);
            }
            if let Some(file) = &settings.credentials_file {
                profile = profile.profile_files(EnvConfigFiles::builder().with_file(EnvConfigFileKind::Credentials, file).build());
            }
            SharedCredentialsProvider::new(profile.build())
        }
        Credentials::Auto | Credentials::Static => {
            let mut chain = DefaultCredentialsChain::builder().configure(with).region(region.clone());
            if let Some(name) = &settings.profile {
                chain = chain.profile_name(name);
            }
            SharedCredentialsProvider::new(chain.build().await)
        }
    }))
}

/// A variable of the process, which must be there.
fn variable(name: &str) -> Result<OsString, DriverError> {
    std::env::var_os(name).filter(|value| !value.is_empty()).ok_or_else(|| lacking(&format!("the variable {name}, which is not set")))
}

fn lacking(what: &str) -> DriverError {
    DriverError::new(ErrorClass::Config, format!("credentials: this source of them needs {what}"))
}
