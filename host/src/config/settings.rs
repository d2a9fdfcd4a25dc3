//! A storage's `settings` against the schema in its driver's file, each fault at its place in `registry.toml`.

use longshore_loader::api::schema::{Kind, Object, Property, Schema, SettingFault, SettingFaultKind};
use serde_json::Value as Json;

use super::document::{Document, Span};
use super::environment::Environment;
use super::fault::{Fault, Faults};
use super::secret::{self, Reference};
use super::userinfo;
use super::written::{Entry, Node, Origin, Table, Value};

/// Settings as JSON, read with the schema at hand.
pub(super) struct Resolved<'c> {
    document: &'c Document,
    settings: &'c Node,
    schema: &'c Schema,
    /// Secrets included.
    json: Json,
    /// Settings that a reference gave, with the reference in words.
    referred: Vec<(Vec<String>, String)>,
    /// Places that have had their fault; what the schema says of them does not matter.
    settled: Vec<Vec<String>>,
    /// Texts that are no secrets.
    revealed: Vec<Span>,
    faults: Vec<(Origin, String)>,
}

impl<'c> Resolved<'c> {
    /// Reads settings, following references.
    pub(super) fn new(document: &'c Document, environment: &Environment, settings: &'c Node, schema: &'c Schema) -> Self {
        let (referred, settled, revealed, faults) = Default::default();
        let mut resolved = Self { document, settings, schema, json: Json::Null, referred, settled, revealed, faults };
        resolved.json = match &settings.value {
            Value::Table(table) => Reader { environment, path: Vec::new(), resolved: &mut resolved }.table(table, Some(schema.as_object())),
            _ => Json::Null, // refused when the file was read
        };
        resolved
    }

    /// What the driver receives, defaults included.
    ///
    /// # Errors
    /// All faults, each at its line.
    pub(super) fn check(&self) -> Result<Json, Faults> {
        let fault = |(origin, sentence): &(Origin, String)| Fault::new(origin.place(self.document, &self.revealed), sentence.as_str());
        let mut faults: Faults = self.faults.iter().map(fault).collect();
        let checked = self.schema.check(&self.json).unwrap_or_else(|found| {
            let found = found.into_iter().filter(|fault| !self.settled.contains(&fault.path));
            faults.merge(found.map(|fault| self.located(fault)).collect());
            Json::Null
        });
        faults.or(checked)
    }

    /// Every text that nobody may see.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.secrets_in(&self.json, &mut Vec::new(), &mut found);
        found
    }

    fn secrets_in(&self, value: &Json, path: &mut Vec<String>, found: &mut Vec<String>) {
        let mut below = |step: String, value| {
            path.push(step);
            self.secrets_in(value, path, found);
            path.pop();
        };
        match value {
            Json::Object(map) => map.iter().for_each(|(key, value)| below(key.clone(), value)),
            Json::Array(list) => list.iter().enumerate().for_each(|(index, value)| below(index.to_string(), value)),
            Json::String(text) if self.schema.is_secret(path) || self.reference(path).is_some() => found.push(text.clone()),
            Json::String(text) => {
                let password = userinfo::of(text).map(|userinfo| userinfo.split_once(':').map_or(userinfo, |(_, password)| password));
                found.extend(password.map(str::to_owned));
            }
            _ => {}
        }
    }

    /// The deprecated keys in use.
    pub(super) fn warnings(&self) -> Faults {
        self.schema.deprecations(&self.json).into_iter().map(|fault| self.located(fault)).collect()
    }

    /// The reference that gave the setting at `path`, in words.
    pub(super) fn reference(&self, path: &[String]) -> Option<&str> {
        self.referred.iter().find(|(referred, _)| referred == path).map(|(_, reference)| reference.as_str())
    }

    /// Where the setting at `path` was written, if it was.
    pub(super) fn origin(&self, path: &[String]) -> Option<&Origin> {
        path.iter().try_fold(self.settings, |node, step| child(node, step).map(|(_, node)| node)).map(|node| &node.origin)
    }

    fn located(&self, mut fault: SettingFault) -> Fault {
        let has_password = fault.found.as_deref().is_some_and(|found| userinfo::of(found).is_some());
        if has_password || self.reference(&fault.path).is_some() {
            // Whatever the schema thinks, a value that the operator keeps elsewhere is not for printing.
            fault.found = None;
        }
        let (mut key, mut node) = (&self.settings.origin, self.settings);
        for step in &fault.path {
            let Some((key_below, below)) = child(node, step) else { break };
            (key, node) = (key_below, below);
        }
        let at_key = matches!(fault.kind, SettingFaultKind::UnknownKey | SettingFaultKind::Deprecated);
        let place = if at_key { key } else { &node.origin }.place(self.document, &self.revealed);
        Fault::new(place, fault.to_string()).did_you_mean(fault.nearest.as_deref())
    }
}

/// One step down: where the key stands, and the value.
fn child<'n>(node: &'n Node, step: &str) -> Option<(&'n Origin, &'n Node)> {
    match &node.value {
        Value::Table(table) => table.get(step).map(|Entry { key, node }| (key, node)),
        Value::List(list) => list.get(step.parse::<usize>().ok()?).map(|node| (&node.origin, node)),
        _ => None,
    }
}

struct Reader<'r, 'c> {
    environment: &'r Environment,
    path: Vec<String>,
    resolved: &'r mut Resolved<'c>,
}

impl Reader<'_, '_> {
    fn table(&mut self, table: &Table, object: Option<&Object>) -> Json {
        let read = |(name, entry): (&String, &Entry)| {
            let property = object.and_then(|object| object.property(name));
            (name.clone(), self.at(name, |reader| reader.node(&entry.node, property)))
        };
        Json::Object(table.iter().map(read).collect())
    }

    fn node(&mut self, node: &Node, property: Option<&Property>) -> Json {
        if property.is_some_and(|property| matches!(property.kind, Kind::String { .. }))
            && let Some(reference) = Reference::of(node)
        {
            return self.follow(&reference, node);
        }
        if property.is_some_and(|property| property.secret) {
            return self.secret(node);
        }
        self.reveal(node, property);
        match &node.value {
            Value::Text(text) | Value::Time(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Number(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::Unquoted(text) => unquoted(node, text, property),
            Value::List(list) => {
                let items = property.and_then(|property| property.child(""));
                list.iter().enumerate().map(|(index, node)| self.at(&index.to_string(), |reader| reader.node(node, items))).collect()
            }
            Value::Table(table) => match property.map(|property| &property.kind) {
                Some(Kind::Object(object)) => self.table(table, Some(object)),
                _ => self.table(table, None),
            },
        }
    }

    fn follow(&mut self, reference: &Reference<'_>, node: &Node) -> Json {
        node.walk(&mut |node| self.resolved.revealed.extend(node.text_span())); // it names a place
        self.resolved.referred.push((self.path.clone(), reference.to_string()));
        match reference.resolve(self.environment) {
            Ok(text) => text.into(),
            Err(sentence) => self.settle(node, format!("{}: {sentence}", self.path.join("."))),
        }
    }

    fn secret(&mut self, node: &Node) -> Json {
        match (node.as_text(), &node.origin) {
            // A variable is one of the places where secrets are kept.
            (Some(text), Origin::Environment(_)) => text.into(),
            _ => self.settle(node, format!("{} is a secret, {}", self.path.join("."), secret::RULE)),
        }
    }

    fn settle(&mut self, node: &Node, sentence: String) -> Json {
        self.resolved.faults.push((node.origin.clone(), sentence));
        self.resolved.settled.push(self.path.clone());
        Json::Null
    }

    /// A text that the schema knows, and does not call a secret, may be shown, unless it is a URL with a password.
    fn reveal(&mut self, node: &Node, property: Option<&Property>) {
        if property.is_some() && node.as_text().is_none_or(|text| userinfo::of(text).is_none()) {
            self.resolved.revealed.extend(node.text_span());
        }
    }

    fn at<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let answer = read(self);
        self.path.pop();
        answer
    }
}

/// A variable's text as the type that the schema asks for, or as text if it is none.
fn unquoted(node: &Node, text: &str, property: Option<&Property>) -> Json {
    let typed = match property.map(|property| &property.kind) {
        Some(Kind::Integer { unit, .. }) => node.as_integer(*unit).map(Json::from),
        Some(Kind::Number { .. }) => node.as_number().map(Json::from),
        Some(Kind::Boolean) => node.as_flag().map(Json::from),
        _ => None,
    };
    typed.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Config;
    use super::*;

    fn schema() -> Schema {
        Schema::from_json(&json!({
            "required": ["root"],
            "properties": {
                "root": { "type": "string", "description": "folder that holds the store" },
                "durability": { "type": "string", "enum": ["disk", "process"], "default": "disk" },
                "buffer": { "type": "integer", "x-unit": "bytes", "minimum": 4096, "default": "64KiB" },
                "ratio": { "type": "number", "default": 0.5 },
                "sync": { "type": "boolean", "x-replaced-by": "durability" },
                "token": { "type": "string", "x-secret": true, "minLength": 8 },
                "mirrors": { "type": "array", "items": { "type": "object", "properties": { "key": { "type": "string", "writeOnly": true } } } }
            }
        }))
        .unwrap()
    }

    fn config(text: &str, variables: &[(&str, &str)]) -> Config {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_text("registry.toml", text, variables).unwrap()
    }

    fn report(text: &str, variables: &[(&str, &str)]) -> String {
        let config = config(text, variables);
        config.check_settings(&config.storage["main"].driver, &schema()).unwrap_err().render(false)
    }

    #[test]
    fn settings_come_with_defaults_units_references_and_variables() {
        let text =
            "[storage.main]\ndriver = 's3'\n[storage.main.settings]\nroot = { env = 'ROOT' }\ntoken = { env = 'TOKEN' }\nbuffer = '1MiB'\n";
        let variables = [
            ("ROOT", "/srv"),
            ("TOKEN", "hunter2hunter2"),
            ("LONGSHORE_STORAGE__MAIN__SETTINGS__RATIO", "1"),
            ("LONGSHORE_STORAGE__MAIN__SETTINGS__SYNC", "true"),
            ("LONGSHORE_STORAGE__MAIN__SETTINGS__MIRRORS", "[{ key = { env = 'TOKEN' } }]"),
        ];
        let config = config(text, &variables);
        let expected = json!({
            "root": "/srv", "token": "hunter2hunter2", "buffer": 1_048_576, "ratio": 1.0, "sync": true, "durability": "disk",
            "mirrors": [{ "key": "hunter2hunter2" }]
        });
        assert_eq!(config.check_settings(&config.storage["main"].driver, &schema()).unwrap(), expected);
        let warnings = config.setting_warnings(&config.storage["main"].driver, &schema()).render(false);
        assert_eq!(warnings, "LONGSHORE_STORAGE__MAIN__SETTINGS__SYNC: sync is deprecated, use durability\n");
    }

    #[test]
    fn variable_of_digits_is_a_text_where_a_text_is_expected() {
        let variables = [("LONGSHORE_STORAGE__MAIN__SETTINGS__ROOT", "42"), ("LONGSHORE_STORAGE__MAIN__SETTINGS__TOKEN", "1234567890")];
        let config = config("storage.main.driver = 's3'", &variables);
        let settings = config.check_settings(&config.storage["main"].driver, &schema()).unwrap();
        assert_eq!((&settings["root"], &settings["token"]), (&json!("42"), &json!("1234567890")));
    }

    #[test]
    fn settings_that_do_not_fit_are_reported_at_their_places() {
        let text = "[storage.main]\ndriver = 's3'\nsettings = { rot = 'x', durability = 'fast', buffer = 1, mirrors = [{ key = { env = 'GONE' } }, 3] }\n";
        let line = "settings = { rot = (hidden), durability = 'fast', buffer = 1, mirrors = [{ key = { env = 'GONE' } }, 3] }";
        let under = |column: usize, carets: usize, hint: &str| format!("  {line}\n  {}{}{hint}\n", " ".repeat(column), "^".repeat(carets));
        let expected = [
            format!("registry.toml:3:12: root is missing: folder that holds the store\n{}", under(11, line.len() - 11, "")),
            format!("registry.toml:3:14: rot is not a setting\n{}", under(13, 3, " did you mean \"root\"?")),
            format!("registry.toml:3:38: durability is \"fast\", must be \"disk\" or \"process\"\n{}", under(42, 6, "")),
            format!("registry.toml:3:55: buffer is 1, must be at least 4KiB\n{}", under(59, 1, "")),
            format!("registry.toml:3:77: mirrors.0.key: the environment variable \"GONE\" is not set\n{}", under(81, 16, "")),
            format!("registry.toml:3:97: mirrors.1 is 3, must be an object\n{}", under(101, 1, "")),
        ];
        assert_eq!(report(text, &[]), expected.concat());
    }

    #[test]
    fn secret_written_into_the_file_is_refused_and_not_shown() {
        let text = "[storage.main]\ndriver = 's3'\nsettings = { root = 'data', token = 'hunter2' }\n";
        let expected = r#"registry.toml:3:37: token is a secret, must name where the secret is: { env = "NAME" } or { file = "PATH" }
  settings = { root = 'data', token = (hidden) }
                                      ^^^^^^^^
"#;
        assert_eq!(report(text, &[]), expected);
    }

    #[test]
    fn value_behind_a_reference_is_never_quoted() {
        let text = "[storage.main]\ndriver = 's3'\nsettings = { root = 'x', durability = { env = 'D' }, token = { env = 'T' } }\n";
        let report = report(text, &[("D", "hunter2"), ("T", "short")]);
        assert!(report.contains("durability must be \"disk\" or \"process\"\n"), "{report}");
        assert!(report.contains("token must be at least 8 characters long\n"), "{report}");
        assert!(!report.contains("hunter2") && !report.contains("short"), "{report}");
    }

    #[test]
    fn settings_of_a_storage_without_any_point_at_the_storage() {
        let expected = "registry.toml:1:1: root is missing: folder that holds the store\n  [storage.main]\n  ^^^^^^^^^^^^^^\n";
        assert_eq!(report("[storage.main]\ndriver = 's3'\n", &[]), expected);
    }
}
