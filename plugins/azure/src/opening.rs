//! What is found out when the driver opens, and when somebody asks how the store is.

use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use longshore_bucket::http::{connections, local_connections};
use longshore_bucket::{Faults, Options};
use longshore_plugin_api::{DriverError, ErrorClass, Host};
use serde::de::IgnoredAny;

use crate::Azure;
use crate::account::Account;
use crate::credentials::Credentials;
use crate::settings::AzureSettings;

/// How long the store may take to prove that it can be used, in all.
const PROVED_IN: Duration = Duration::from_secs(10);

/// Makes a client of the settings, and proves that the container can be used.
pub(super) async fn open(settings: AzureSettings, _: &Host) -> Result<(Azure, Options), DriverError> {
    let options = settings.options();
    let azure = client(settings)?;
    let proved = async { tokio::join!(probe(&azure), is_flat(&azure)) };
    let late = |_| {
        let message = format!("cannot open: {} does not answer in {} s; is the endpoint right?", azure.endpoint, PROVED_IN.as_secs());
        DriverError::new(ErrorClass::Timeout, message)
    };
    let (probed, flat) = tokio::time::timeout(PROVED_IN, proved).await.map_err(late)?;
    probed?;
    flat?;
    Ok((azure, options))
}

/// A client, without a request.
///
/// # Errors
/// `config` with all faults that do not follow from each other.
fn client(settings: AzureSettings) -> Result<Azure, DriverError> {
    let mut faults = Faults::default();
    faults.take(settings.check());
    let account = faults.take(Account::of(&settings, |name| std::env::var(name).ok()));
    let connections = faults.take(connections(&settings.store));
    faults.into_result()?;
    let (Some(account), Some(connections)) = (account, connections) else {
        return Err(DriverError::new(ErrorClass::Internal, "settings without a fault make no client"));
    };
    let client = connections.client();
    let credentials = Credentials::of(&account, connections, local_connections(&settings.store)?)?;
    Ok(Azure {
        client,
        account: account.name,
        endpoint: account.endpoint,
        answer_timeout: settings.store.answer_timeout(),
        container: settings.container,
        credentials,
        access_tier: settings.access_tier,
        encryption_scope: settings.encryption_scope,
        copy_block_bytes: settings.copy_block_bytes,
        delegation: Mutex::new(None),
    })
}

/// One name of the container: this is permitted wherever the driver can work, other than asking for the container's properties.
pub(super) async fn probe(azure: &Azure) -> Result<(), DriverError> {
    let request = azure.container(Method::GET, &[("restype", "container"), ("comp", "list"), ("maxresults", "1")]);
    let action = format!("list container {} of account {}", azure.container, azure.account);
    azure.ask::<IgnoredAny>(&action, request).await.map(drop)
}

/// Whether lists are in the order of names. Who may not know is believed.
///
/// # Errors
/// `config` for an account with a hierarchical namespace: `a-b` comes after `a/b` there, and no blob may lie below another.
async fn is_flat(azure: &Azure) -> Result<(), DriverError> {
    let request = azure.container(Method::GET, &[("restype", "account"), ("comp", "properties")]);
    let Ok(answer) = azure.send("read the account's properties", request).await else { return Ok(()) };
    if answer.headers().get("x-ms-is-hns-enabled").is_some_and(|value| value == "true") {
        let message =
            format!("account: {} has a hierarchical namespace, whose lists are in another order; use an account without", azure.account);
        return Err(DriverError::new(ErrorClass::Config, message));
    }
    Ok(())
}
