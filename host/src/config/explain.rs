//! `longshore config explain`: what a key means, what it may be, which value takes effect and where that comes from.

use std::fmt::Write as _;

use longshore_loader::api::schema::{Kind, Object, Property, Schema, nearest};
use serde_json::{Value as Json, json};

use super::environment::variable_of;
use super::keys::{self, NAME, POSITION, Uptake};
use super::secret;
use super::show::{Shown, dotted};
use super::storage::{Instance, Storage};
use super::{Config, words};

/// Keys that were asked for, in the order of the file.
#[derive(Debug)]
pub struct Explanation(Vec<Explained>);

/// A key with all that is known of it.
#[derive(Debug, Clone)]
struct Explained {
    path: Vec<String>,
    property: Property,
    absent: &'static str,
    uptake: Uptake,
    /// Whose setting it is, if it is not the registry's own key.
    driver: Option<String>,
    /// Asked for by its whole name, not by that of its table.
    exactly: bool,
    values: Vec<InEffect>,
}

/// A value that takes effect: the key, and the value with its origin, for people and for programs.
#[derive(Debug, Clone)]
pub(super) struct InEffect {
    pub(super) path: Vec<String>,
    pub(super) words: String,
    pub(super) json: Json,
}

impl Config {
    /// Explains the key of that name, every key of the table of that name, or all keys. `*` stands for any storage and for any position in
    /// a list. `schema_of` tells the driver and the schema of an instance.
    ///
    /// # Errors
    /// A sentence, if there is no such key.
    pub fn explain(&self, asked: Option<&str>, schema_of: impl Fn(&Instance) -> Option<(String, Schema)>) -> Result<Explanation, String> {
        let mut all: Vec<Explained> = keys::all().into_iter().map(Explained::of_host).collect();
        for instance in self.storage.values().flat_map(Storage::stack) {
            if let Some((driver, schema)) = schema_of(instance) {
                let path = [instance.path.as_slice(), &["settings".to_owned()]].concat();
                settings(&driver, schema.as_object(), &path, &mut all);
            }
        }
        let steps: Vec<&str> = asked.map_or_else(Vec::new, |asked| asked.split('.').collect());
        let found: Vec<_> = all.iter().filter(|one| begins(&one.path, &steps)).cloned().collect();
        if found.is_empty() {
            return Err(no_such_key(asked.unwrap_or_default(), &steps, &all));
        }
        let shown = self.show_what_can_be(|instance| schema_of(instance).map(|(_, schema)| schema));
        Ok(Explanation(found.into_iter().map(|one| one.asked_as(&steps, &shown)).collect()))
    }
}

/// Every setting of an object and of those in it.
fn settings(driver: &str, object: &Object, above: &[String], all: &mut Vec<Explained>) {
    for (name, property) in object.properties() {
        let mut path = [above, &[name.to_owned()]].concat();
        all.push(Explained {
            path: path.clone(),
            property: property.clone(),
            absent: "",
            uptake: Uptake::Reload,
            driver: Some(driver.to_owned()),
            exactly: false,
            values: Vec::new(),
        });
        let below = match &property.kind {
            Kind::Array(items) => {
                path.push(POSITION.to_owned());
                &items.kind
            }
            kind => kind,
        };
        if let Kind::Object(below) = below {
            settings(driver, below, &path, all);
        }
    }
}

/// True if the key is the one that was asked for, or stands below it.
fn begins(path: &[String], asked: &[&str]) -> bool {
    path.len() >= asked.len() && path.iter().zip(asked).all(|(step, asked)| same(step, asked))
}

fn same(step: &str, asked: &str) -> bool {
    step == asked
        || asked == "*"
        || step == NAME
        || (step == POSITION && (asked == POSITION || asked.bytes().all(|byte| byte.is_ascii_digit())))
}

fn no_such_key(asked: &str, steps: &[&str], all: &[Explained]) -> String {
    let concrete = |one: &Explained| {
        let steps = one.path.iter().enumerate().map(|(index, step)| match steps.get(index) {
            Some(asked) if step == NAME || step == POSITION => (*asked).to_owned(),
            _ => step.clone(),
        });
        steps.collect::<Vec<_>>().join(".")
    };
    let names: Vec<String> = all.iter().map(concrete).collect();
    // Whoever names the last step alone means the key that ends so.
    let ending = names.iter().map(String::as_str).find(|name| name.rsplit('.').next() == steps.last().copied());
    let near = ending.filter(|_| steps.len() == 1).or_else(|| nearest(asked, names.iter().map(String::as_str)));
    let hint = match near {
        Some(name) => format!("did you mean {name:?}?"),
        None => "`longshore config explain` lists them all".to_owned(),
    };
    format!("no key is called {asked:?}; {hint}")
}

impl Explained {
    fn of_host(key: keys::HostKey) -> Self {
        Self {
            path: key.about.key.split('.').map(str::to_owned).collect(),
            property: key.property,
            absent: key.about.absent,
            uptake: key.about.uptake,
            driver: None,
            exactly: false,
            values: Vec::new(),
        }
    }

    /// The key by the names that it was asked for, with the values that take effect there.
    fn asked_as(mut self, steps: &[&str], shown: &Shown) -> Self {
        self.exactly = steps.len() == self.path.len();
        for (step, asked) in self.path.iter_mut().zip(steps) {
            if *asked != "*" {
                *step = (*asked).to_owned();
            }
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let is_here = |one: &InEffect| one.path.len() == path.len() && path.iter().zip(&one.path).all(|(own, step)| same(own, step));
        self.values = shown.in_effect().filter(is_here).collect();
        self
    }

    fn default(&self) -> String {
        match (words::default(&self.property), self.absent) {
            (Some(default), _) => default,
            (None, "") if self.property.required => "none: it has to be written".to_owned(),
            (None, "") => "none".to_owned(),
            (None, absent) => absent.to_owned(),
        }
    }

    /// The variable that stands above the file; a list is given as a whole.
    fn variable(&self) -> Option<String> {
        let in_a_list = |step: &String| step == POSITION || step.bytes().all(|byte| byte.is_ascii_digit());
        (!self.path.iter().any(in_a_list)).then(|| variable_of(&self.path))
    }

    /// What it means and all that goes with it, a line each.
    fn write(&self, text: &mut String) {
        let whose = self.driver.as_ref().map_or_else(String::new, |driver| format!("  (setting of the driver {driver})"));
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "{name}{value}"); // writing to a string cannot fail, here and below
        };
        line("", format!("{}{whose}\n  {}\n", dotted(&self.path), self.property.description));
        line("  type        ", words::kind(&self.property));
        let is_table = matches!(self.property.kind, Kind::Object(_));
        if !is_table {
            line("  default     ", self.default());
        }
        for value in &self.values {
            let key = if value.path == self.path { String::new() } else { format!("{}: ", dotted(&value.path)) };
            line("  in effect   ", format!("{key}{}", value.words));
        }
        if self.values.is_empty() && !is_table {
            line("  in effect   ", "not set".to_owned());
        }
        let uptake = match self.uptake {
            Uptake::Reload => "takes effect with a reload",
            Uptake::Restart => "takes effect when the registry is started again",
        };
        line("  a change    ", uptake.to_owned());
        if self.property.secret {
            line("  secret      ", format!("never printed; it {}", secret::RULE));
        }
        if let Some(variable) = self.variable() {
            line("  variable    ", variable);
        }
        for example in &self.property.examples {
            line("  example     ", words::written(&self.property, example));
        }
        if let Some(deprecation) = words::deprecation(&self.property) {
            line("  ", deprecation);
        }
    }

    fn to_json(&self) -> Json {
        let property = &self.property;
        let (minimum, maximum) = match property.kind {
            Kind::Integer { minimum, maximum, .. } => (json!(minimum), json!(maximum)),
            Kind::Number { minimum, maximum } => (json!(minimum), json!(maximum)),
            Kind::String { min_length, max_length } => (json!(min_length), json!(max_length)),
            _ => (Json::Null, Json::Null),
        };
        let range = if matches!(property.kind, Kind::String { .. }) { ["min_length", "max_length"] } else { ["minimum", "maximum"] };
        let mut all = json!({
            "key": dotted(&self.path), "description": property.description, "type": property.kind.name(),
            "unit": property.unit().map(|unit| unit.name()), "allowed": property.allowed, "default": property.default,
            "without": self.absent, "required": property.required, "secret": property.secret, "change": self.uptake.name(),
            "variable": self.variable(), "examples": property.examples, "driver": self.driver,
            "values": self.values.iter().map(|value| value.json.clone()).collect::<Vec<_>>(),
        });
        all[range[0]] = minimum;
        all[range[1]] = maximum;
        if let Some(deprecated) = &property.deprecated {
            all["deprecated"] = json!({ "use": deprecated.replaced_by });
        }
        let Json::Object(all) = all else { return all };
        let says_nothing = |value: &Json| value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
        Json::Object(all.into_iter().filter(|(key, value)| key == "values" || !says_nothing(value)).collect())
    }
}

impl Explanation {
    /// The keys that were asked for by their whole names, explained; those that stand below them, a line each.
    pub fn to_text(&self) -> String {
        let (asked, below): (Vec<_>, Vec<_>) = self.0.iter().partition(|one| one.exactly);
        let mut text = String::new();
        for one in &asked {
            if !text.is_empty() {
                text.push('\n');
            }
            one.write(&mut text);
        }
        if !asked.is_empty() && !below.is_empty() {
            text.push('\n');
        }
        let width = below.iter().map(|one| dotted(&one.path).len()).max().unwrap_or(0);
        for one in below {
            let _ = writeln!(text, "{:<width$}  {}", dotted(&one.path), one.property.description);
        }
        text
    }

    /// A JSON list of objects, one a key.
    pub fn to_json(&self) -> Json {
        self.0.iter().map(Explained::to_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;

    const TEXT: &str = "server.drain_secs = '1m'\n[storage.main]\ndriver = 's3'\nsettings = { token = { env = 'TOKEN' } }\nlayers = [{ driver = 'count' }]\n[storage.other]\ndriver = 'memory'\nrequired = false\n";

    fn schema_of(instance: &Instance) -> Option<(String, Schema)> {
        let schema = json!({ "properties": {
            "part": { "type": "integer", "x-unit": "bytes", "minimum": 1024, "default": "8MiB", "description": "bytes of a part" },
            "token": { "type": "string", "x-secret": true, "description": "the password" },
            "sync": { "type": "boolean", "x-replaced-by": "part" },
            "mirrors": { "type": "array", "items": { "type": "object", "properties": { "key": { "type": "string" } } } }
        } });
        (instance.path == ["storage", "main"]).then(|| ("s3".to_owned(), Schema::from_json(&schema).unwrap()))
    }

    fn explain(key: Option<&str>) -> Result<Explanation, String> {
        read(TEXT, &[("TOKEN", "hunter2"), ("LONGSHORE_LOG__LEVEL", "debug")]).unwrap().explain(key, schema_of)
    }

    fn text(key: &str) -> String {
        explain(Some(key)).unwrap().to_text()
    }

    #[test]
    fn key_is_explained_with_its_value_and_where_that_comes_from() {
        let expected = r#"server.drain_secs
  how long requests under way may take when the registry is told to stop

  type        duration in seconds, 0 to 1h
  default     "30s"
  in effect   60 (1m, from line 1)
  a change    takes effect with a reload
  variable    LONGSHORE_SERVER__DRAIN_SECS
"#;
        assert_eq!(text("server.drain_secs"), expected);
        assert!(text("log.level").contains("in effect   \"debug\" (from environment LONGSHORE_LOG__LEVEL)\n"));
        assert!(text("log.level").contains(r#"type        "info" or "error" or "warn" or "debug" or "trace""#));
        assert!(
            text("server.worker_threads")
                .contains("in effect   0 (default)\n  a change    takes effect when the registry is started again\n")
        );
        assert!(text("registry.upload_signing_keys").contains("default     the store keeps one, which all its hosts use\n"));
    }

    #[test]
    fn setting_is_explained_from_the_drivers_schema_and_its_secret_hidden() {
        let part = text("storage.main.settings.part");
        assert!(part.starts_with("storage.main.settings.part  (setting of the driver s3)\n  bytes of a part\n"), "{part}");
        assert!(
            part.contains("  type        size in bytes, at least 1KiB\n  default     \"8MiB\"\n  in effect   8388608 (8MiB, default)\n"),
            "{part}"
        );
        let token = text("storage.main.settings.token");
        assert!(token.contains("in effect   \"(hidden)\" (from line 4, kept in environment TOKEN)\n"), "{token}");
        assert!(token.contains(r#"secret      never printed; it must name where the secret is: { env = "NAME" }"#), "{token}");
        assert!(text("storage.main.settings.sync").contains("  in effect   not set\n"));
        assert!(text("storage.main.settings.sync").ends_with("  deprecated, use part\n"));
        assert!(!explain(None).unwrap().to_json().to_string().contains("hunter2"));
    }

    #[test]
    fn star_stands_for_every_storage_and_a_table_for_its_keys() {
        let required = text("storage.*.required");
        assert!(required.contains("  in effect   storage.main.required: true (default)\n"), "{required}");
        assert!(required.contains("  in effect   storage.other.required: false (from line 8)\n"), "{required}");
        assert!(text("storage.main.required").contains("  in effect   true (default)\n"));
        assert!(text("storage.main.layers.0.driver").contains("  in effect   \"count\" (from line 5)\n"));
        assert!(
            text("storage.main.settings.mirrors.3.key").starts_with("storage.main.settings.mirrors.3.key  (setting of the driver s3)\n")
        );
        let lines = text("cache");
        assert_eq!(lines.lines().count(), 3, "{lines}");
        assert!(
            text("storage.main.settings").contains("\n\nstorage.main.settings.mirrors"),
            "a key that is a table is explained, with those in it"
        );
        assert!(explain(None).unwrap().to_text().lines().count() > 50);
    }

    #[test]
    fn explanation_as_json_has_what_the_text_has() {
        let json = explain(Some("server.drain_secs")).unwrap().to_json();
        let expected = json!([{
            "key": "server.drain_secs", "description": "how long requests under way may take when the registry is told to stop",
            "type": "integer", "unit": "seconds", "minimum": 0, "maximum": 3600, "default": 30, "required": false, "secret": false,
            "change": "reload", "variable": "LONGSHORE_SERVER__DRAIN_SECS",
            "values": [{ "key": ["server", "drain_secs"], "value": 60, "origin": "file", "line": 1 }]
        }]);
        assert_eq!(json, expected);
    }

    #[test]
    fn key_that_does_not_exist_gets_the_nearest_one() {
        let told = |key: &str| explain(Some(key)).unwrap_err();
        assert_eq!(told("server.drain_sec"), r#"no key is called "server.drain_sec"; did you mean "server.drain_secs"?"#);
        assert_eq!(told("storage.other.requird"), r#"no key is called "storage.other.requird"; did you mean "storage.other.required"?"#);
        assert_eq!(
            told("storage.main.settings.tokn"),
            r#"no key is called "storage.main.settings.tokn"; did you mean "storage.main.settings.token"?"#
        );
        assert_eq!(told("ttl_secs"), r#"no key is called "ttl_secs"; did you mean "cache.ttl_secs"?"#);
        assert_eq!(told("colour"), r#"no key is called "colour"; `longshore config explain` lists them all"#);
    }
}
