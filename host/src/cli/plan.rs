//! `longshore plan`: what a start would do, and what each operation would cost in driver calls. Nothing of a driver runs.

use std::fmt::Write as _;

use longshore_loader::CallKind;
use longshore_loader::api::Capability;
use longshore_loader::api::metadata::{Consistency, Durability};
use serde_json::{Value, json};

use super::driver::columns;
use super::storages::{Ready, ReadyDriver};
use super::{Exit, print};
use crate::config::{Config, MAIN_STORAGE, MissingReferences};
use crate::store::plan::{Cost, Operation, Push, USES, is_round_trip, push_limit};

/// What stands in every table and JSON: an operation or a push, with its costs.
struct Row {
    name: &'static str,
    unit: Option<&'static str>,
    note: Option<&'static str>,
    cold: Cost,
    warm: Cost,
}

pub(super) fn plan(config: &Config, ready: &[Ready], json: bool) -> Result<(), Exit> {
    if json {
        return print(&format!("{:#}\n", as_json(config, ready)));
    }
    let mut text = limits(config);
    for one in ready {
        text.push_str(&storage(config, one));
    }
    text.push_str(&legend());
    print(&text)
}

fn rows(ready: &Ready) -> Vec<Row> {
    let capabilities = ready.capabilities();
    let operation = |operation: Operation| Row {
        name: operation.name(),
        unit: operation.unit(),
        note: operation.note(),
        cold: operation.cold(capabilities),
        warm: operation.warm(capabilities),
    };
    // What was pushed before does not matter to new layers, so a push is as cold as it is warm.
    let push = |push: Push| {
        let cost = push.cost(capabilities);
        Row { name: push.name(), unit: Some("new layers"), note: None, cold: cost.clone(), warm: cost }
    };
    Operation::ALL.into_iter().map(operation).chain(Push::ALL.into_iter().map(push)).collect()
}

/// The capabilities in three lists: used, wanted but absent, and offered for nothing.
fn capabilities(ready: &Ready) -> [Vec<&'static str>; 3] {
    let has = ready.capabilities();
    let used = |capability: Capability| USES.iter().any(|one| one.capability == capability);
    let wanted = || USES.iter().map(|one| one.capability);
    [
        wanted().filter(|one| has.has(*one)).map(Capability::name).collect(),
        wanted().filter(|one| !has.has(*one)).map(Capability::name).collect(),
        has.iter().filter(|one| !used(*one)).map(Capability::name).collect(),
    ]
}

/// The weakest of the stack.
fn promises(ready: &Ready) -> (Consistency, Durability) {
    let infos = || ready.stack.iter().map(|one| one.inspection.info());
    let eventual = infos().any(|info| info.consistency == Consistency::Eventual);
    let strength =
        |durability: Durability| [Durability::Memory, Durability::Process, Durability::Disk].iter().position(|one| *one == durability);
    let durability = infos().map(|info| info.durability).min_by_key(|one| strength(*one)).unwrap_or(Durability::Memory);
    (if eventual { Consistency::Eventual } else { Consistency::Strong }, durability)
}

fn lower_case(value: impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn stack(ready: &Ready) -> String {
    let place = |one: &ReadyDriver| if one.isolation.is_some() { " (isolated: in a process of its own)" } else { "" };
    let name = |one: &ReadyDriver| format!("{} {}{}", one.inspection.info().name, one.inspection.info().version, place(one));
    ready.stack.iter().map(name).collect::<Vec<_>>().join(" > ")
}

/// Which repositories lie there: patterns of routes, and what no route takes.
fn repositories(config: &Config, storage: &str) -> Vec<String> {
    let routes = config.routes.iter().filter(|route| route.storage == storage).map(|route| route.repository.to_string());
    let rest = (storage == MAIN_STORAGE).then(|| "all that no route takes".to_owned());
    routes.chain(rest).collect()
}

fn or_none(list: &[impl AsRef<str>]) -> String {
    let list: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

fn storage(config: &Config, ready: &Ready) -> String {
    let [used, absent, idle] = capabilities(ready);
    let (consistency, durability) = promises(ready);
    let facts = [
        ("drivers", stack(ready)),
        ("repositories", or_none(&repositories(config, &ready.name))),
        ("required", if config.storage[&ready.name].required { "yes" } else { "no: the registry starts without it" }.to_owned()),
        ("consistency", lower_case(consistency)),
        ("durability", lower_case(durability)),
        ("capabilities used", or_none(&used)),
        ("done without", or_none(&absent)),
        ("not used", or_none(&idle)),
    ];
    let facts: Vec<Vec<String>> = facts.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    let mut text = format!("\nstorage {}\n{}", ready.name, columns(&facts));
    for one in USES.iter().filter(|one| absent.contains(&one.capability.name())) {
        let _ = writeln!(text, "  without {}: {}", one.capability, one.without); // writing to a string cannot fail
    }
    let head = ["  OPERATION", "COLD", "WARM", "CALLS COLD", "CALLS WARM"].map(str::to_owned).to_vec();
    let cells = |row: &Row| {
        let [cold, warm] = [&row.cold, &row.warm].map(|cost| cost.only_round_trips().to_string());
        let of_warm = if row.warm == row.cold { "the same".to_owned() } else { kinds(&row.warm) };
        vec![format!("  {}", row.name), cold, warm, kinds(&row.cold), of_warm]
    };
    let rows = rows(ready);
    let table: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let _ = write!(text, "\n{}", columns(&table));
    for row in rows.iter().filter(|row| row.unit.is_some() || row.note.is_some()) {
        let unit = row.unit.map(|unit| format!("n counts {unit}"));
        let _ = writeln!(text, "  {}: {}", row.name, [unit.as_deref(), row.note].into_iter().flatten().collect::<Vec<_>>().join("; "));
    }
    text
}

/// `2 read, n + 3 list`
fn kinds(cost: &Cost) -> String {
    let kind = |term: &crate::store::plan::Term| format!("{} {}", Cost::from(std::slice::from_ref(term)), term.kind.name());
    or_none(&cost.terms().iter().map(kind).collect::<Vec<_>>())
}

fn legend() -> String {
    let free: Vec<&str> = CallKind::ALL.iter().filter(|kind| !is_round_trip(**kind)).map(|kind| kind.name()).collect();
    format!(
        "\nCold: nothing is remembered. Warm: all that may be is, for cache.ttl_secs. The columns COLD and WARM are round trips: calls without\n\
         {}, for which a driver need not ask its store.\n\
         A push of n new layers costs at most {} round trips where a driver can put_if_absent.\n",
        free.join(", "),
        format_args!("{}n + {}", push_limit(1) - push_limit(0), push_limit(0)),
    )
}

fn limits(config: &Config) -> String {
    let rows: Vec<Vec<String>> = limit_list(config).into_iter().map(|(key, value)| vec![key.to_owned(), text(&value)]).collect();
    format!("limits\n{}", columns(&rows.into_iter().map(|row| vec![format!("  {}", row[0]), row[1].clone()]).collect::<Vec<_>>()))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What bounds a host that runs with this configuration.
fn limit_list(config: &Config) -> Vec<(&'static str, Value)> {
    let (server, registry, cache, drivers) = (&config.server, &config.registry, &config.cache, &config.drivers);
    let missing = match registry.missing_references {
        MissingReferences::Refuse => "refuse",
        MissingReferences::Accept => "accept",
    };
    vec![
        ("server.listen", server.listen.to_string().into()),
        ("server.connections_max", server.connections_max.into()),
        ("registry.manifest_max_bytes", registry.manifest_max_bytes.into()),
        ("registry.blob_max_bytes", registry.blob_max_bytes.into()),
        ("registry.missing_references", missing.into()),
        ("registry.upload_max_secs", registry.upload_max.as_secs().into()),
        ("registry.upload_purge_secs", registry.upload_purge.map_or(0, |every| every.as_secs()).into()),
        ("registry.upload_signing_keys", registry.upload_signing_keys.len().into()),
        ("registry.tags_page_max", registry.tags_page_max.into()),
        ("cache.manifests_max_bytes", cache.manifests_max_bytes.into()),
        ("cache.facts_max", cache.facts_max.into()),
        ("cache.ttl_secs", cache.ttl.as_secs().into()),
        ("drivers.open_secs", drivers.open.as_secs().into()),
        ("drivers.call_secs", drivers.call.as_secs().into()),
        ("drivers.blocking_threads", drivers.blocking_threads.into()),
    ]
}

fn as_json(config: &Config, ready: &[Ready]) -> Value {
    let storages: Vec<Value> = ready.iter().map(|one| storage_json(config, one)).collect();
    let limits: serde_json::Map<String, Value> = limit_list(config).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    json!({ "limits": limits, "storages": storages })
}

fn storage_json(config: &Config, ready: &Ready) -> Value {
    let [used, absent, idle] = capabilities(ready);
    let (consistency, durability) = promises(ready);
    let drivers = ready.stack.iter().map(|one| {
        let (info, path) = (one.inspection.info(), one.inspection.path().display().to_string());
        let isolation = if one.isolation.is_some() { "process" } else { "in-process" };
        let layer = info.known_capabilities().has(Capability::Layer);
        json!({ "name": info.name, "version": info.version, "path": path, "layer": layer, "isolation": isolation })
    });
    let operations = rows(ready).into_iter().map(|row| {
        json!({ "operation": row.name, "unit": row.unit, "note": row.note, "cold": cost_json(&row.cold), "warm": cost_json(&row.warm) })
    });
    json!({
        "name": ready.name,
        "drivers": drivers.collect::<Vec<_>>(),
        "repositories": repositories(config, &ready.name),
        "required": config.storage[&ready.name].required,
        "consistency": consistency,
        "durability": durability,
        "capabilities": { "used": used, "absent": absent, "unused": idle },
        "operations": operations.collect::<Vec<_>>(),
    })
}

fn cost_json(cost: &Cost) -> Value {
    let kinds = cost.terms().iter().map(|term| {
        json!({ "kind": term.kind.name(), "once": term.once, "each": term.each, "per": term.per, "round_trip": is_round_trip(term.kind) })
    });
    json!({
        "calls": cost.to_string(),
        "round_trips": cost.only_round_trips().to_string(),
        "kinds": kinds.collect::<Vec<_>>(),
    })
}
