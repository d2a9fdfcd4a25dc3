//! The environment: variables that stand above the file, and the place where secrets may be.
//!
//! `LONGSHORE_SERVER__LISTEN` is the key `listen` of `[server]`: `__` goes one level down, capitals are small letters, `_` also finds a
//! key with `-`. The value is a TOML list, table or quoted text, or else plain text of whatever type the key takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::fault::{Fault, Faults, Place};
use super::secret::Reference;
use super::written::{self, Entry, Node, Table, Value};

/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "LONGSHORE_";

/// The variables of the process, taken once.
pub(super) struct Environment(BTreeMap<String, String>);

/// The variables of this process that are UTF-8, for [`Config::load`](super::Config::load).
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl Environment {
    pub(super) fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self(variables.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Writes every variable of ours into the tree. Whether a key exists is not decided here: the reader of the tree knows.
    ///
    /// A variable that a reference names holds a secret and is no override, whatever it is called.
    pub(super) fn override_tree(&self, root: &mut Table) -> Faults {
        let ours = self.0.iter().filter_map(|(name, value)| Some((name, name.strip_prefix(VARIABLE_PREFIX)?, value)));
        let ours = ours.filter(|(_, path, _)| !is_of_kubernetes(path));
        let ours: Vec<_> = ours.map(|(name, path, value)| (name, path, written::variable(name, value))).collect();

        let mut secrets = BTreeSet::new();
        for node in root.values().map(|entry| &entry.node).chain(ours.iter().map(|(.., node)| node)) {
            node.walk(&mut |node| {
                if let Some(Reference::Environment(name)) = Reference::of(node) {
                    secrets.insert(name.to_owned());
                }
            });
        }
        let mut faults = Faults::default();
        for (name, path, node) in ours {
            if secrets.contains(name) {
                continue;
            }
            if let Err(sentence) = place(root, path, node) {
                faults.push(Fault::new(Place::Variable(name.clone()), sentence));
            }
        }
        faults
    }
}

/// The variable that overrides the key at `path`.
pub(super) fn variable_of(path: &[impl AsRef<str>]) -> String {
    let steps: Vec<_> = path.iter().map(|step| step.as_ref().to_uppercase().replace('-', "_")).collect();
    format!("{VARIABLE_PREFIX}{}", steps.join("__"))
}

/// Kubernetes gives every container `<SERVICE>_SERVICE_HOST` and `<SERVICE>_PORT…`; a service called "longshore" must not stop its own pods.
fn is_of_kubernetes(path: &str) -> bool {
    path == "PORT" || path.starts_with("PORT_") || path.starts_with("SERVICE_")
}

fn place(root: &mut Table, path: &str, node: Node) -> Result<(), String> {
    let steps: Vec<_> = path.split("__").collect();
    if steps.contains(&"") {
        return Err("has an empty name between its underscores, must be a key such as SERVER__LISTEN".to_owned());
    }
    let origin = node.origin.clone();
    let Some((last, levels)) = steps.split_last() else { return Ok(()) };
    let mut table = root;
    for step in levels {
        let key = key_in(table, step);
        let level = || Entry { key: origin.clone(), node: Node { value: Value::Table(Table::new()), origin: origin.clone() } };
        table = match &mut table.entry(key.clone()).or_insert_with(level).node.value {
            Value::Table(table) => table,
            _ => return Err(format!("goes below {key}, which is not a table; give {key} as a whole")),
        };
    }
    table.insert(key_in(table, last), Entry { key: origin, node });
    Ok(())
}

/// The written key that a step means, or the key that it would be.
fn key_in(table: &Table, step: &str) -> String {
    let exact = table.keys().find(|key| key.eq_ignore_ascii_case(step));
    let dashed = || table.keys().find(|key| key.replace('-', "_").eq_ignore_ascii_case(step));
    exact.or_else(dashed).cloned().unwrap_or_else(|| step.to_lowercase())
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::super::written::Origin;
    use super::*;

    fn overridden(text: &str, variables: &[(&str, &str)]) -> (Table, Faults) {
        let mut tree = written::tree(&Document::new("r.toml", text.to_owned())).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let faults = Environment::new(variables).override_tree(&mut tree);
        (tree, faults)
    }

    fn at<'t>(table: &'t Table, path: &[&str]) -> &'t Node {
        let node = &table[path[0]].node;
        match &node.value {
            Value::Table(table) if path.len() > 1 => at(table, &path[1..]),
            _ => node,
        }
    }

    #[test]
    fn override_replaces_a_written_key_and_makes_an_absent_one() {
        let (tree, faults) = overridden(
            "[storage.team-a]\nsettings = { rootFolder = 'x' }\n",
            &[
                ("LONGSHORE_STORAGE__TEAM_A__SETTINGS__ROOTFOLDER", "/srv"),
                ("LONGSHORE_SERVER__LISTEN", "0.0.0.0:80"),
                ("PATH", "/bin"),
                ("LONGSHORE_SERVICE_HOST", "10.0.0.1"),
                ("LONGSHORE_PORT", "tcp://10.0.0.1:5000"),
                ("LONGSHORE_PORT_5000_TCP_ADDR", "10.0.0.1"),
            ],
        );
        assert!(faults.is_empty());
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["server", "storage"]);
        assert_eq!(at(&tree, &["storage", "team-a", "settings", "rootFolder"]).as_text(), Some("/srv"));
        assert_eq!(at(&tree, &["server", "listen"]).as_text(), Some("0.0.0.0:80"));
        assert_eq!(at(&tree, &["server", "listen"]).origin, Origin::Environment("LONGSHORE_SERVER__LISTEN".to_owned()));
    }

    #[test]
    fn override_that_cannot_be_a_key_is_a_fault() {
        let (_, faults) = overridden("[[route]]\nstorage = 'a'\n", &[("LONGSHORE_ROUTE__0__STORAGE", "b"), ("LONGSHORE_A____B", "")]);
        let expected = concat!(
            "LONGSHORE_A____B: has an empty name between its underscores, must be a key such as SERVER__LISTEN\n",
            "LONGSHORE_ROUTE__0__STORAGE: goes below route, which is not a table; give route as a whole\n",
        );
        assert_eq!(faults.render(false), expected);
    }

    #[test]
    fn variable_that_a_reference_names_is_no_override() {
        let file = "[storage.main.settings]\nkey = { env = 'LONGSHORE_KEY' }\n";
        let token = ("LONGSHORE_STORAGE__MAIN__SETTINGS__TOKEN", "{ env = 'LONGSHORE_TOKEN' }");
        let (tree, faults) = overridden(file, &[("LONGSHORE_KEY", "a"), ("LONGSHORE_TOKEN", "b"), token]);
        assert!(faults.is_empty());
        assert_eq!(tree.keys().collect::<Vec<_>>(), ["storage"]);
    }

    #[test]
    fn variable_of_a_path_is_the_one_that_overrides_it() {
        assert_eq!(variable_of(&["storage", "team-a", "driver"]), "LONGSHORE_STORAGE__TEAM_A__DRIVER");
    }
}
