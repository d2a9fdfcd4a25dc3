//! `/healthz` and `/metrics`: what load balancers and operators ask of a registry that runs.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde_json::json;

use crate::support::{Client, Registry, Request, Start, bytes, in_time, sha256};

const ADMIN: &str = "server.admin = \"127.0.0.1:0\"";

/// The operator's listener of a registry that was started with one.
pub(crate) fn admin(registry: &Registry) -> Client {
    let line = registry.logged("the registry logs the address", |line| line["message"] == "serving /healthz and /metrics");
    Client { address: line["address"].as_str().expect("the line has an address").parse().expect("the address is one") }
}

/// Every sample of a page, by its name and labels as they are written. Fails on a page that Prometheus would refuse.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
    let mut family = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a family has a type");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared once");
            family = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            let bare = name.split('{').next().expect("a sample has a name");
            let parts: &[&str] = if families[&family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.iter().any(|part| bare == format!("{family}{part}")), "{bare} stands in its family {family}");
            assert!(families[&family] != "counter" || bare.ends_with("_total"), "{bare} is a counter");
            let value = value.parse().expect("a value is a number");
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} is there once");
        }
    }
    samples
}

fn metrics(registry: &Registry) -> BTreeMap<String, f64> {
    let answer = admin(registry).get("/metrics").is(200, "metrics are served");
    assert_eq!(answer.need("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    samples(&answer.text())
}

#[test]
fn health_of_a_registry_that_serves_is_told_on_both_listeners() {
    let registry = Registry::start("memory", ADMIN);
    let expected = json!({ "status": "serving", "storages": { "main": { "state": "serving", "required": true } } });
    let admin = admin(&registry);
    for client in [&*registry, &admin] {
        let answer = client.get("/healthz").is(200, "all is well");
        assert_eq!((answer.json(), answer.need("cache-control")), (expected.clone(), "no-store"));
        assert!(client.head("/healthz").is(200, "HEAD too").body.is_empty());
        assert_eq!(client.post("/healthz").is(405, "there is nothing to write").need("allow"), "GET, HEAD");
    }
    registry.get("/metrics").is(404, "clients of the registry see no metrics");
    admin.get("/v2/").is(404, "the operator's listener is no registry");
}

#[test]
fn health_is_503_while_a_required_storage_is_degraded() {
    let registry = Registry::start("filesystem", ADMIN);
    let away = registry.folder.path().join("away");
    fs::rename(registry.data(), &away).expect("the store can be taken away");
    let answer =
        in_time("the registry notices that its store is gone", || Some(registry.get("/healthz")).filter(|answer| answer.status == 503));
    let main = json!({ "state": "degraded", "required": true, "reason": "missing" });
    assert_eq!(answer.json(), json!({ "status": "degraded", "storages": { "main": main } }), "and tells no stranger where it was");
    registry.logged("the log says what the driver said", |line| {
        line["message"] == "the storage is degraded" && line["error"].as_str().is_some_and(|error| error.contains("missing"))
    });
    assert_eq!(metrics(&registry)[r#"longshore_storage_state{storage="main",state="degraded"}"#], 1.0);
    registry.get("/v2/").is(200, "the process lives, and is not to be started anew for its store");
    fs::rename(&away, registry.data()).expect("the store can be brought back");
    in_time("the registry notices that its store is back", || Some(registry.get("/healthz")).filter(|answer| answer.status == 200));
    assert_eq!(metrics(&registry)[r#"longshore_storage_state{storage="main",state="serving"}"#], 1.0);
}

#[test]
fn health_is_200_without_a_storage_that_is_not_required() {
    let tables = "[storage.old]\ndriver = \"filesystem\"\nsettings = { root = \"/nonexistent/folder/store\" }\nrequired = false\n";
    let registry = Registry::start_with(Start { driver: "memory", keys: ADMIN, tables, ..Start::default() });
    let answer = registry.get("/healthz").is(200, "the operator said that the registry may go on without it");
    let old = json!({ "state": "closed", "required": false, "reason": "not_opened" });
    assert_eq!((answer.json()["status"].clone(), answer.json()["storages"]["old"].clone()), (json!("serving"), old));
    assert_eq!(metrics(&registry)[r#"longshore_storage_state{storage="old",state="closed"}"#], 1.0);
}

#[test]
fn health_of_a_driver_that_does_not_answer_is_told_by_a_deadline() {
    let registry = Registry::start_with(Start { driver: "specimen-stalls", settings: "at = \"health\"", ..Start::default() });
    let answer = registry.get("/healthz").is(503, "a load balancer has its answer before the driver has");
    assert_eq!(answer.json()["storages"]["main"]["reason"], "timeout");
}

#[test]
fn health_asked_by_many_costs_few_driver_calls() {
    let began = Instant::now();
    let registry = Registry::start("memory", ADMIN);
    for _ in 0..50 {
        registry.get("/healthz").is(200, "all is well");
    }
    let calls = metrics(&registry)[r#"longshore_driver_calls_total{storage="main",driver="memory",layer="0",call="health",outcome="ok"}"#];
    // An answer counts for 3 s, so there are as many calls as such spans, whatever the machine's speed.
    assert!(calls <= (began.elapsed().as_secs() / 3 + 1) as f64, "50 requests make {calls} calls");
}

#[test]
fn metrics_count_what_clients_did() {
    let layer = "[[storage.main.layers]]\ndriver = \"count\"\n";
    let registry = Registry::start_with(Start { driver: "memory", keys: ADMIN, tables: layer, ..Start::default() });
    let content = bytes(1, 1_000_000);
    let digest = registry.push_blob("a", &content);
    registry.get(format!("/v2/a/blobs/{digest}")).is(200, "the blob is there");
    registry.get(format!("/v2/a/blobs/{}", sha256(b"none"))).is(404, "this one is not");
    registry.send(&Request::new("OPTIONS", "/elsewhere")).is(404, "nor is this resource");
    let location = registry.begin("a");
    registry.delete(location).is(204, "an upload can be cancelled");

    let samples = metrics(&registry);
    let request = |labels: &str| samples[&format!("longshore_http_requests_total{{{labels}}}")];
    assert_eq!(request(r#"method="POST",resource="upload",status="201""#), 1.0);
    assert_eq!(request(r#"method="POST",resource="upload",status="202""#), 1.0);
    assert_eq!(request(r#"method="GET",resource="blob",status="200""#), 1.0);
    assert_eq!(request(r#"method="GET",resource="blob",status="404""#), 1.0);
    assert_eq!(request(r#"method="other",resource="other",status="404""#), 1.0);
    let duration = |part: &str| samples[&format!("longshore_http_request_duration_seconds_{part}")];
    assert_eq!(duration(r#"count{method="GET",resource="blob"}"#), 2.0);
    assert_eq!(duration(r#"bucket{method="GET",resource="blob",le="+Inf"}"#), 2.0);
    for bytes in ["received", "sent"] {
        let counted = samples[&format!("longshore_http_{bytes}_bytes_total")];
        assert!((1_000_000.0..1_010_000.0).contains(&counted), "{bytes} is the blob once, and heads: {counted}");
    }
    let upload = |event: &str| samples[&format!(r#"longshore_uploads_total{{storage="main",event="{event}"}}"#)];
    assert_eq!((upload("begun"), upload("finished"), upload("cancelled")), (2.0, 1.0, 1.0));
    assert_eq!(samples["longshore_http_connections_accepted_total"], 6.0, "one for each request of this test, the metrics' own apart");
    assert!(samples.keys().any(|name| name.starts_with("longshore_build_info{version=\"")));

    let call = |driver: &str, layer: u8, rest: &str| {
        samples[&format!(r#"longshore_driver_calls_total{{storage="main",driver="{driver}",layer="{layer}",{rest}}}"#)]
    };
    assert_eq!(call("memory", 0, r#"call="commit",outcome="ok""#), 1.0);
    assert_eq!(call("count", 1, r#"call="commit",outcome="ok""#), 1.0);
    let own = samples[r#"longshore_driver_count_commit_calls_total{storage="main",driver="count",layer="1"}"#];
    assert_eq!(own, 1.0, "what a driver counts itself is there too");
    assert!(call("memory", 0, r#"call="read",outcome="not_found""#) >= 1.0, "a failed call is told by its class");
}

#[test]
fn driver_whose_process_ends_too_often_is_degraded_in_health_and_metrics() {
    let storage = "driver = \"specimen-dies\"\nisolation = \"process\"\nrestarts_max = 1\nsettings = { at = \"read\", how = \"abort\" }\n";
    let registry = Registry::start_with(Start { keys: ADMIN, storage: Some(storage.to_owned()), ..Start::default() });
    registry.get("/healthz").is(200, "it has not ended yet");
    let answer = in_time("the registry says so once the budget is used up", || {
        registry.get("/v2/a/manifests/latest");
        Some(registry.get("/healthz")).filter(|answer| answer.status == 503)
    });
    assert_eq!(answer.json()["storages"]["main"]["reason"], "unreachable");
    let samples = metrics(&registry);
    assert_eq!(samples[r#"longshore_storage_state{storage="main",state="degraded"}"#], 1.0);
    assert_eq!(samples[r#"longshore_driver_restarts_total{storage="main",driver="specimen-dies",layer="0"}"#], 1.0);
}

#[test]
fn metrics_are_served_nowhere_unless_asked_for() {
    let registry = Registry::memory();
    registry.get("/v2/").is(200, "the registry serves");
    let log = registry.stop().log;
    assert!(log.iter().all(|line| line["message"] != "serving /healthz and /metrics"), "one listener is enough: {log:?}");
}
