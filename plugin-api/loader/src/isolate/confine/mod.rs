//! What a child may not do: decided by the host from the driver's schema and settings, applied by the child before it loads the driver.
//!
//! A schema says what a driver reaches: settings of the format `path` are files it may use, one of the format `url` lets it use the network, and
//! `x-environment` names its variables. It gets these and what every program needs: libraries, certificates, the resolver's files.

mod files;
mod syscalls;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use longshore_plugin_api::schema::{Format, Kind, Object, Property, Schema};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Isolation;

/// Open files of a child at the most, as far as the host may have as many.
const FILES_MAX: u64 = 65_536;
/// What any driver that uses the network may connect to: HTTP, HTTPS, and names that do not fit in a datagram.
const PORTS: [u16; 3] = [80, 443, 53];

/// What a child may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confinement {
    memory_limit_bytes: u64,
    /// Files and folders that the settings name.
    paths: Vec<PathBuf>,
    /// Folders of the files that variables name, such as that of a token; they are only read.
    read: Vec<PathBuf>,
    /// Ports that it may connect to; `None` for a driver without network.
    ports: Option<Vec<u16>>,
    /// Names of variables; a final `*` stands for any ending.
    variables: Vec<String>,
}

impl Confinement {
    /// That of a driver with this schema, opened with these settings. Without a readable schema there is nothing that it may reach.
    pub(super) fn of(schema: Option<&Schema>, settings: &Value, isolation: &Isolation) -> Self {
        let (mut paths, mut urls) = (Vec::new(), Urls::default());
        if let Some(schema) = schema {
            reach(schema.as_object(), settings, &mut paths, &mut urls);
        }
        let variables = schema.map_or(Vec::new(), |schema| schema.environment().to_vec());
        let values = environment(&variables);
        let values = || values.iter().filter_map(|(_, value)| value.to_str());
        let folder = |value: &str| Path::new(value).parent().filter(|it| it.is_absolute() && it.parent().is_some()).map(Path::to_owned);
        let read = values().filter_map(folder).collect();
        urls.ports.extend(values().filter(|value| value.contains("://")).filter_map(port));
        let mut ports = urls.are_known.then(|| PORTS.into_iter().chain(urls.ports).collect::<Vec<_>>());
        if let Some(ports) = &mut ports {
            ports.sort_unstable();
            ports.dedup();
        }
        Self { memory_limit_bytes: isolation.memory_limit_bytes, paths, read, ports, variables }
    }

    /// All of the child's environment, out of this process's.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        environment(&self.variables)
    }

    /// Confines this process, for ever; answers what this kernel cannot do, in sentences. It has to have no second thread yet.
    ///
    /// # Errors
    /// That the system refuses what it can do.
    pub(super) fn apply(&self, driver: &OwnedFd) -> io::Result<Vec<String>> {
        self.limit()?;
        rustix::thread::set_no_new_privs(true)?;
        drop_capabilities()?;
        let mut lacking = files::restrict(driver, (&self.paths, &self.read), self.ports.as_deref())?;
        lacking.extend(syscalls::restrict(self.ports.is_some())?);
        Ok(lacking)
    }

    fn limit(&self) -> io::Result<()> {
        let limit = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
        // What it allocates, stacks of threads included; the address space is no measure, since allocators reserve more than they use.
        setrlimit(Resource::Data, limit(self.memory_limit_bytes))?;
        // A core would hold the settings' secrets.
        setrlimit(Resource::Core, limit(0))?;
        let files = getrlimit(Resource::Nofile).maximum.unwrap_or(FILES_MAX).min(FILES_MAX);
        setrlimit(Resource::Nofile, limit(files))?;
        Ok(())
    }
}

/// The variables of this process that have one of these names; a final `*` stands for any ending.
fn environment(names: &[String]) -> Vec<(OsString, OsString)> {
    let is_named = |name: &str| {
        names.iter().any(|known| match known.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == known,
        })
    };
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_named)).collect()
}

/// A host that runs as root has children that own its files, and may do nothing else that root may.
fn drop_capabilities() -> io::Result<()> {
    let files =
        CapabilitySet::CHOWN | CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER | CapabilitySet::FSETID;
    let had = rustix::thread::capabilities(None)?;
    let kept = had.permitted & files;
    Ok(rustix::thread::set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?)
}

/// What a schema's settings of the format `url` say.
#[derive(Default)]
struct Urls {
    /// The schema has such a setting.
    are_known: bool,
    ports: Vec<u16>,
}

fn reach(object: &Object, settings: &Value, paths: &mut Vec<PathBuf>, urls: &mut Urls) {
    for (name, property) in object.properties() {
        reach_by(property, settings.get(name), paths, urls);
    }
}

fn reach_by(property: &Property, value: Option<&Value>, paths: &mut Vec<PathBuf>, urls: &mut Urls) {
    urls.are_known |= property.format == Some(Format::Url);
    let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
    match (&property.kind, property.format) {
        (Kind::String { .. }, Some(Format::Path)) => paths.extend(text.map(PathBuf::from)),
        (Kind::String { .. }, Some(Format::Url)) => urls.ports.extend(text.and_then(port)),
        (Kind::Object(object), _) => reach(object, value.unwrap_or(&Value::Null), paths, urls),
        (Kind::Array(items), _) => {
            reach_by(items, None, paths, urls);
            value.and_then(Value::as_array).into_iter().flatten().for_each(|value| reach_by(items, Some(value), paths, urls));
        }
        _ => {}
    }
}

/// The port that `scheme://user@host:port/path` or `host:port` names.
fn port(url: &str) -> Option<u16> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn confinement(schema: &Value, settings: &Value) -> Confinement {
        Confinement::of(Some(&Schema::from_json(schema).unwrap()), settings, &Isolation::default())
    }

    #[test]
    fn settings_of_a_format_are_what_may_be_reached() {
        let schema = json!({ "properties": {
            "root": { "type": "string", "format": "path" },
            "name": { "type": "string" },
            "mirrors": { "type": "array", "items": { "type": "object", "properties": {
                "endpoint": { "type": "string", "format": "url" }, "ca": { "type": "string", "format": "path" } } } }
        } });
        let settings = json!({ "root": "data", "name": "/etc/shadow", "mirrors": [
            { "endpoint": "http://127.0.0.1:7480/x", "ca": "/ca.pem" }, { "endpoint": "https://s3.example.org" } ] });
        let found = confinement(&schema, &settings);
        assert_eq!(found.paths, ["/ca.pem", "data"].map(PathBuf::from));
        assert_eq!(found.ports, Some(vec![53, 80, 443, 7480]));
        assert_eq!(confinement(&schema, &json!({})).ports, Some(vec![53, 80, 443]), "it may need them, whatever is written");
    }

    #[test]
    fn driver_whose_schema_has_no_url_has_no_network() {
        let schema = json!({ "properties": { "root": { "type": "string", "format": "path" } } });
        assert_eq!(confinement(&schema, &json!({ "root": "x" })).ports, None);
    }

    #[test]
    fn environment_is_what_the_schema_names() {
        let found = confinement(&json!({ "x-environment": ["PATH", "CARGO_PKG_*"] }), &json!({})).environment();
        let names: Vec<_> = found.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert!(names.iter().all(|name| *name == "PATH" || name.starts_with("CARGO_PKG_")), "{names:?}");
        assert!(confinement(&json!({}), &json!({})).environment().is_empty());
    }

    #[test]
    fn port_of_a_url_is_found() {
        for (url, expected) in [
            ("http://127.0.0.1:7480", Some(7480)),
            ("https://user:word@[::1]:9000/bucket?x=1:2", Some(9000)),
            ("https://s3.example.org/", None),
            ("localhost:6379", Some(6379)),
            ("environment", None),
        ] {
            assert_eq!(port(url), expected, "{url}");
        }
    }
}
