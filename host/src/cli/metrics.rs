//! `/metrics`: everything that is counted anywhere, on one page.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_loader::{CallKind, DriverHandle};

use super::{Exit, say};
use crate::observe::Exposition;
use crate::server::{Admin, DURATION_BOUNDS, Live, MetricsPage, Server, Traffic};
use crate::store::{StorageHealth, StorageState, Store};

/// Starts the operator's listener, if there is to be one.
pub(super) fn listen(address: Option<SocketAddr>, server: &Server) -> Result<Option<Admin>, Exit> {
    let Some(address) = address else { return Ok(None) };
    let admin = Admin::start(address, server.live().clone(), page(server.live().clone(), server.traffic())).map_err(|error| {
        say(&format!("cannot listen on {address} (server.admin): {error}"));
        Exit::Listen
    })?;
    tracing::info!(address = %admin.address(), "serving /healthz and /metrics");
    Ok(Some(admin))
}

fn page(live: Live, traffic: Arc<Traffic>) -> Box<MetricsPage> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Box::new(move || {
        let (store, traffic) = (live.store(), traffic.clone());
        Box::pin(async move {
            let mut page = Exposition::default();
            process(&mut page, started);
            http(&mut page, &traffic);
            storages(&mut page, &store.health().await);
            uploads(&mut page, &store);
            calls(&mut page, &store);
            restarts(&mut page, &store);
            counters(&mut page, &store);
            page.into_text()
        })
    })
}

fn process(page: &mut Exposition, started: u64) {
    page.family("longshore_build_info", "gauge", "The program that runs; the value is always 1.");
    page.sample("longshore_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single("process_start_time_seconds", "gauge", "When the process began to serve, in seconds since 1970.", started);
}

fn http(page: &mut Exposition, traffic: &Traffic) {
    const REQUESTS: &str = "longshore_http_requests_total";
    page.family(REQUESTS, "counter", "Requests that were answered.");
    for one in traffic.requests() {
        let status = if one.status == 0 { "other".to_owned() } else { one.status.to_string() };
        page.sample(REQUESTS, &[("method", one.method), ("resource", one.resource.name()), ("status", &status)], one.count);
    }
    const DURATION: &str = "longshore_http_request_duration_seconds";
    page.family(DURATION, "histogram", "From a request's head to the head of its answer; an upload's body lies between them.");
    for one in traffic.durations() {
        let labels = [("method", one.method), ("resource", one.resource.name())];
        page.histogram(DURATION, &labels, &DURATION_BOUNDS, &one.buckets, one.sum);
    }
    let ((received, sent), (open, accepted)) = (traffic.bytes(), traffic.connections());
    page.single("longshore_http_received_bytes_total", "counter", "Bytes that came from clients, heads included.", received);
    page.single("longshore_http_sent_bytes_total", "counter", "Bytes that went to clients, heads included.", sent);
    page.single("longshore_http_connections_open", "gauge", "Connections that are open.", open);
    page.single("longshore_http_connections_accepted_total", "counter", "Connections that were accepted.", accepted);
}

fn storages(page: &mut Exposition, storages: &[StorageHealth]) {
    const STATE: &str = "longshore_storage_state";
    page.family(STATE, "gauge", "1 for the state that a storage is in, 0 for the others.");
    for storage in storages {
        for state in StorageState::NAMES {
            page.sample(STATE, &[("storage", &storage.name), ("state", state)], u8::from(storage.state.name() == state));
        }
    }
}

fn uploads(page: &mut Exposition, store: &Store) {
    const UPLOADS: &str = "longshore_uploads_total";
    page.family(
        UPLOADS,
        "counter",
        "Uploads that began, made a blob, were cancelled by their client, or purged because nobody went on with them, on this host.",
    );
    for storage in store.storages() {
        for (event, count) in storage.upload_counts().events() {
            page.sample(UPLOADS, &[("storage", storage.name()), ("event", event)], count);
        }
    }
}

/// Every driver of every storage, with the storage's name, the driver's, and its place: 0 keeps the bytes, the layers above count upwards.
fn drivers(store: &Store) -> impl Iterator<Item = (&str, &str, String, &DriverHandle)> {
    store.storages().iter().flat_map(|storage| {
        let depth = storage.driver().stack().count();
        let handles = storage.driver().stack().enumerate();
        handles.map(move |(index, handle)| (storage.name(), handle.info().name.as_str(), (depth - 1 - index).to_string(), handle))
    })
}

fn calls(page: &mut Exposition, store: &Store) {
    const CALLS: &str = "longshore_driver_calls_total";
    page.family(CALLS, "counter", "Calls of drivers that ended, by outcome: ok or an error's class. Layer 0 keeps the bytes.");
    for (storage, driver, layer, handle) in drivers(store) {
        for kind in CallKind::ALL {
            for (outcome, count) in handle.counts().outcomes(*kind).filter(|(_, count)| *count > 0) {
                let labels = [("storage", storage), ("driver", driver), ("layer", &layer), ("call", kind.name()), ("outcome", outcome)];
                page.sample(CALLS, &labels, count);
            }
        }
    }
}

fn restarts(page: &mut Exposition, store: &Store) {
    const RESTARTS: &str = "longshore_driver_restarts_total";
    page.family(RESTARTS, "counter", "How often the process of an isolated driver was started again.");
    for (storage, driver, layer, handle) in drivers(store).filter(|(.., handle)| handle.is_isolated()) {
        page.sample(RESTARTS, &[("storage", storage), ("driver", driver), ("layer", &layer)], handle.restarts());
    }
}

/// What drivers count themselves. The driver's name in the metric's keeps one driver's words from meaning another's.
fn counters(page: &mut Exposition, store: &Store) {
    let mut families: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (storage, driver, layer, handle) in drivers(store) {
        for (name, value) in handle.counters() {
            let family = format!("longshore_driver_{}_{name}_total", driver.replace('-', "_"));
            families.entry(family).or_default().push((storage, driver, layer.clone(), value));
        }
    }
    for (family, samples) in families {
        page.family(&family, "counter", "Counted by the driver itself; its documentation says what.");
        for (storage, driver, layer, value) in samples {
            page.sample(&family, &[("storage", storage), ("driver", driver), ("layer", &layer)], value);
        }
    }
}
