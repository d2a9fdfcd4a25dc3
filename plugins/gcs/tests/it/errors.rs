//! What an operator is told: one sentence that says what to do, with the store's request id.

use std::net::TcpListener;

use longshore_gcs_fake::{Fake, Options};
use longshore_plugin_api::{DriverError, ErrorClass};
use serde_json::{Value, json};

use crate::support::{opened, order, run};

fn refused(fake: &Fake, more: &Value) -> DriverError {
    run(async { opened(fake, more).await.err() }).expect("the driver does not open")
}

#[track_caller]
fn says(error: &DriverError, class: ErrorClass, words: &[&str], by_the_store: bool) {
    assert_eq!(error.class(), class, "{error}");
    for word in words {
        assert!(error.message().contains(word), "{error} does not say {word:?}");
    }
    assert_eq!(error.causes().iter().any(|cause| cause.kind == "request_id"), by_the_store, "{error}");
    assert!(!error.message().contains("PRIVATE KEY"), "{error}");
}

#[test]
fn wrong_bucket_is_missing_and_a_forbidden_one_is_unauthorized() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    let error = refused(&fake, &json!({ "bucket": "nobodys" }));
    says(&error, ErrorClass::Missing, &["\"nobodys\"", "bucket does not exist", "is bucket right"], true);
    let error = refused(&fake, &json!({ "bucket": "forbidden" }));
    says(&error, ErrorClass::Unauthorized, &["\"forbidden\"", "403", "Storage Object User"], true);
}

#[test]
fn wrong_credentials_are_unauthorized() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    // A key that the store does not know: of another id, which was deleted say.
    let deleted = fake.key_file().replace("0123456789abcdef", "fedcba9876543210");
    says(&refused(&fake, &json!({ "key": deleted })), ErrorClass::Unauthorized, &["401", "are the credentials right"], true);
    says(&refused(&fake, &json!({ "credentials": "anonymous" })), ErrorClass::Unauthorized, &["401", "not public"], true);
}

#[test]
fn wrong_clock_is_told_from_wrong_credentials() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    order(&fake, "clock", &json!({ "ahead_secs": 7200 }));
    says(&refused(&fake, &json!({})), ErrorClass::Unauthorized, &["the clock of this machine", "behind the store's"], true);
    order(&fake, "clock", &json!({ "ahead_secs": -7200 }));
    says(&refused(&fake, &json!({})), ErrorClass::Unauthorized, &["the clock of this machine", "ahead of the store's"], true);
}

#[test]
fn dead_endpoint_is_unreachable() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let error = refused(&fake, &json!({ "endpoint": format!("http://{free}") }));
    says(&error, ErrorClass::Unreachable, &["cannot use the bucket \"bucket\"", "is the endpoint right"], false);
    assert!(error.is_retryable());
}

#[test]
fn faults_of_the_settings_are_told_with_their_keys() {
    let fake = Fake::start(Options::default()).expect("the fake starts");
    let both = json!({ "key": "{}", "key_file": "/nowhere", "bucket": "Upper/case", "endpoint": "127.0.0.1:1" });
    says(&refused(&fake, &both), ErrorClass::Config, &["key: ", "bucket: ", "endpoint: "], false);
    for (key, words) in [
        ("{}", "key: is no JSON of credentials with a type"),
        (r#"{"type":"external_account"}"#, "metadata server"),
        (r#"{"type":"service_account","client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n"}"#, "download"),
    ] {
        says(&refused(&fake, &json!({ "key": key })), ErrorClass::Config, &[words], false);
    }
    says(&refused(&fake, &json!({ "ca_file": "/nowhere.pem" })), ErrorClass::Config, &["ca_file: ", "/nowhere.pem"], false);
}
