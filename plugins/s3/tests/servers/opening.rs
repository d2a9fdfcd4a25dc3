//! Why a bucket cannot be opened.

use std::net::TcpListener;

use longshore_plugin_api::{Condition, Driver, ErrorClass};
use serde_json::{Value, json};

use super::{CALL, bytes, key, run};

#[test]
fn what_cannot_be_opened_says_why_with_the_stores_request_id() {
    run(async |ceph| {
        let refused: [(Value, ErrorClass, &str); 4] = [
            (json!({ "secret_key": "wrong" }), ErrorClass::Unauthorized, "is secret_key right?"),
            (json!({ "access_key": "nobody" }), ErrorClass::Unauthorized, "does not know access_key"),
            (json!({ "bucket": "absent" }), ErrorClass::Missing, "is bucket right"),
            (json!({ "credentials": "anonymous", "access_key": null, "secret_key": null }), ErrorClass::Unauthorized, "credentials"),
        ];
        for (settings, class, words) in refused {
            let error = ceph.open(settings.clone()).await.err().expect("it cannot be opened");
            assert_eq!(error.class(), class, "{settings}: {error}");
            assert!(error.message().contains(words), "{settings}: {error}");
            assert!(error.causes().iter().any(|cause| cause.kind == "request_id" && !cause.value.is_empty()), "{settings}: {error}");
        }
    });
}

#[test]
fn what_is_no_store_says_so_in_time() {
    run(async |ceph| {
        let silent = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port");
        let at = |address: std::net::SocketAddr| format!("http://{address}");
        let unanswered = at(silent.local_addr().expect("it listens"));
        let error = ceph.open(json!({ "endpoint": unanswered, "answer_timeout_ms": 500 })).await.err().expect("nobody answers");
        assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
        let error = ceph.open(json!({ "endpoint": at(nobody) })).await.err().expect("nobody listens");
        assert_eq!(error.class(), ErrorClass::Unreachable, "{error}");
        assert!(error.message().contains("is the endpoint right, "), "{error}");
        let error = ceph.open(json!({ "ca_file": file!() })).await.err().expect("this file has no certificate");
        assert_eq!(error.class(), ErrorClass::Config, "{error}");
    });
}

/// As they are for everybody who has not `ca_file`: at once, for no later attempt would find another certificate.
#[test]
fn a_certificate_is_trusted_by_its_authority_and_for_its_name_only() {
    run(async |ceph| {
        let (url, authority) = (ceph.env("TLS_ENDPOINT"), ceph.env("CA_FILE"));
        let other_name = url.replace("127.0.0.1", "localhost");
        let other_authority = authority.replace("authority.pem", "gateway.crt");
        let refused = [
            (json!({ "endpoint": url }), "is its authority in ca_file"),
            (json!({ "endpoint": other_name, "ca_file": authority }), "is the endpoint's name right?"),
            (json!({ "endpoint": ceph.env("ENDPOINT").replace("http:", "https:"), "ca_file": authority }), "must it be http://?"),
            (json!({ "endpoint": url, "ca_file": other_authority }), "ca_file"),
        ];
        for (settings, words) in refused {
            let error = ceph.open(settings.clone()).await.err().expect("it cannot be opened");
            assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Unreachable, false), "{settings}: {error}");
            assert!(error.message().contains(words), "{settings}: {error}");
        }
        let store = ceph.open(json!({ "endpoint": url, "ca_file": authority })).await.expect("the authority is trusted");
        store.put(&CALL, key("by/tls"), "bytes".into(), Condition::Always).await.expect("it can be written");
        assert_eq!(bytes(&store, "by/tls").await.expect("it can be read"), "bytes");
    });
}
