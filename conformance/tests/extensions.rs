//! Hosts and drivers of different ages: what came after a major was frozen is an extension table, and either side does without it.
//!
//! `echo/1` stands for a table of a later time. A *new* driver offers it, a *new* host asks for it.

mod files;

use files::{driver_file, loaded, opened};
use longshore_loader::api::convenience::{get_text, put_text};
use longshore_loader::api::{Call, Key};
use longshore_loader::{DriverHandle, Policy, RefusalCode, inspect, verify};
use longshore_specimen_sound::echo::{EchoTable, NAME, OtherEchoTable};
use serde_json::json;

/// What every host does with every driver.
async fn works(driver: &DriverHandle) {
    let (call, key) = (Call::unbounded(), Key::parse("a/b").expect("a legal key"));
    put_text(driver, &call, key, "hello").await.expect("put works");
    assert_eq!(get_text(driver, &call, key, 100).await.expect("get works"), "hello");
}

/// A new host: it uses `echo/1` where it is, and has another way where it is not.
fn echo_or_else(driver: &DriverHandle, text: &str) -> String {
    match driver.foreign().extension::<EchoTable>(NAME) {
        Some(table) => table.echo()(text.into()).into(),
        None => format!("without echo: {text}"),
    }
}

/// Driver contract, section 9: "Same ABI major: every driver loads, older or newer than the host".
#[tokio::test]
async fn old_host_uses_a_new_driver() {
    let new_driver = loaded("specimen-echo");
    assert!(new_driver.info().abi.offers.contains(&NAME.to_owned()), "the note tells what is offered");
    works(&opened(&new_driver, &json!({})).await).await;
}

/// Driver contract, section 9: "A host does without an extension that a driver lacks".
#[tokio::test]
async fn new_host_does_without_in_an_old_driver() {
    let old_driver = opened(&loaded("memory"), &json!({})).await;
    assert_eq!(echo_or_else(&old_driver, "hello"), "without echo: hello");
    works(&old_driver).await;
}

#[tokio::test]
async fn new_host_uses_the_table_of_a_new_driver() {
    let new_driver = opened(&loaded("specimen-echo"), &json!({})).await;
    assert_eq!(echo_or_else(&new_driver, "hello"), "hello");
    works(&new_driver).await;
}

/// Driver contract, section 9: each extension table has its own layout check. A table that is meant otherwise is never called.
#[tokio::test]
async fn table_of_another_layout_under_the_same_name_is_as_good_as_none() {
    let driver = opened(&loaded("specimen-echo"), &json!({})).await;
    assert!(driver.foreign().extension::<OtherEchoTable>(NAME).is_none(), "the layouts differ");
    assert!(driver.foreign().extension::<EchoTable>("echo/2").is_none(), "a changed table has a new name");
    works(&driver).await;
}

/// Driver contract, section 9: "a driver without one that the host lacks"; one that cannot is refused before any of it runs.
#[test]
fn driver_that_needs_a_host_extension_is_refused_by_a_host_without_it() {
    let inspection = inspect(&driver_file("specimen-needs-clock")).expect("the file is a driver");
    let mut policy = Policy { allow_writable: true, ..Policy::of_this_host() };
    let refusal = verify(&inspection, &policy).expect_err("this host has no clock/1");
    assert_eq!(refusal.code, RefusalCode::AbiExtension);
    assert!(refusal.to_string().contains(r#"it cannot do without the host's "clock/1", which this host lacks"#), "{refusal}");

    policy.host_extensions.push("clock/1".into());
    verify(&inspection, &policy).expect("a host that has it loads the driver");
}
