//! Why a bucket cannot be opened.

use std::net::TcpListener;

use longshore_plugin_api::ErrorClass;
use serde_json::{Value, json};

use super::run;

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
        assert!(error.message().contains("is the endpoint right?"), "{error}");
        let error = ceph.open(json!({ "ca_file": file!() })).await.err().expect("this file has no certificate");
        assert_eq!(error.class(), ErrorClass::Config, "{error}");
    });
}
