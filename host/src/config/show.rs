//! The configuration that takes effect, for `longshore config show`: each value with where it comes from, secrets hidden.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use longshore_loader::api::schema::{Property, Schema, Unit};
use serde_json::{Value as Json, json};

use super::checked::Row;
use super::document::Document;
use super::explain::InEffect;
use super::fault::Faults;
use super::settings::Resolved;
use super::storage::Instance;
use super::userinfo;
use super::written::{Entry, Origin, Value};

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Every value that takes effect, in the order of the file's sections.
#[derive(Debug)]
pub struct Shown(Vec<Line>);

#[derive(Debug)]
struct Line {
    path: Vec<String>,
    value: Json,
    unit: Option<Unit>,
    origin: &'static str,
    /// The file's line, the variable, or where a secret is kept.
    line: Option<usize>,
    variable: Option<String>,
    reference: Option<String>,
    /// Tells a value from another one where it is hidden.
    print: Fingerprint,
}

impl Shown {
    pub(super) fn new(document: &Document, rows: &[Row]) -> Self {
        Self(rows.iter().map(|row| Line::new(document, row.path.clone(), row.value.clone(), row.unit, &row.origin)).collect())
    }

    /// Adds an instance's settings, checked and completed.
    pub(super) fn add_settings(
        &mut self,
        document: &Document,
        instance: &Instance,
        schema: &Schema,
        resolved: &Resolved<'_>,
    ) -> Result<(), Faults> {
        let mut leaves = Vec::new();
        flatten(&mut Vec::new(), resolved.check()?, &mut leaves);
        let line = |(path, value): (Vec<String>, Json)| {
            let property = schema.property(&path);
            let reference = resolved.reference(&path).map(str::to_owned);
            let print = Fingerprint::of(&value);
            let value = without_secrets(value, property, &mut path.clone(), resolved);
            let origin = resolved.origin(&path).unwrap_or(&Origin::Default);
            Line { reference, print, ..Line::new(document, full_path(instance, path), value, property.and_then(Property::unit), origin) }
        };
        self.insert(instance, leaves.into_iter().map(line).collect());
        Ok(())
    }

    /// Adds settings whose schema is not at hand: any of them may be a secret.
    pub(super) fn add_unknown(&mut self, document: &Document, instance: &Instance) {
        let Value::Table(table) = &instance.settings.value else { return };
        let line = |(key, entry): (&String, &Entry)| {
            Line::new(document, full_path(instance, vec![key.clone()]), HIDDEN.into(), None, &entry.node.origin)
        };
        self.insert(instance, table.iter().map(line).collect());
    }

    /// Puts the settings' lines behind the instance's others.
    fn insert(&mut self, instance: &Instance, lines: Vec<Line>) {
        let own =
            |path: &[String]| path.strip_prefix(instance.path.as_slice()).is_some_and(|key| key.first().is_some_and(|key| key != "layers"));
        let last = self.0.iter().rposition(|line| own(&line.path));
        let position = last.map_or(self.0.len(), |last| last + 1);
        self.0.splice(position..position, lines);
    }

    /// Tells the secrets of a key apart whose value is shown hidden.
    pub(super) fn add_print(&mut self, path: &[&str], secret: &Json) {
        if let Some(line) = self.0.iter_mut().find(|line| line.path == path) {
            line.print = Fingerprint::of(secret);
        }
    }

    /// What is otherwise than in `before`, in the order of the keys here, then those that are gone.
    pub fn changes_from(&self, before: &Self) -> Vec<Change> {
        let old: HashMap<&[String], &Line> = before.0.iter().map(|line| (line.path.as_slice(), line)).collect();
        let now: HashSet<&[String]> = self.0.iter().map(|line| line.path.as_slice()).collect();
        let changed = self.0.iter().filter_map(|line| {
            let was = old.get(line.path.as_slice());
            let same = was.is_some_and(|was| was.value == line.value && was.print == line.print);
            (!same).then(|| Change { key: dotted(&line.path), from: was.map(|was| toml(&was.value)), to: Some(toml(&line.value)) })
        });
        let gone = before.0.iter().filter(|line| !now.contains(line.path.as_slice()));
        let gone = gone.map(|line| Change { key: dotted(&line.path), from: Some(toml(&line.value)), to: None });
        changed.chain(gone).collect()
    }

    /// As a `registry.toml` with a comment on each line. Where nothing is hidden it means the same as the configuration shown.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section: &[String] = &[];
        for line in &self.0 {
            let (key, table) = line.section();
            if table != section {
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{}", header(table)); // writing to a string cannot fail
                section = table;
            }
            let _ = writeln!(text, "{} = {}  # {}", dotted(key), toml(&line.value), line.comment());
        }
        text
    }

    /// As a JSON list of objects: `key` as a list of steps, `value`, `origin` (`default`, `file`, `environment`), and with it `line`,
    /// `variable`, and `reference` for what is kept elsewhere.
    pub fn to_json(&self) -> Json {
        self.0.iter().map(Line::to_json).collect()
    }

    /// Each value for `config explain`.
    pub(super) fn in_effect(&self) -> impl Iterator<Item = InEffect> {
        let words = |line: &Line| format!("{} ({})", toml(&line.value), line.comment());
        self.0.iter().map(move |line| InEffect { path: line.path.clone(), words: words(line), json: line.to_json() })
    }
}

/// A key whose value is another one than before; secrets are hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, its steps joined by dots.
    pub key: String,
    /// What it was, as TOML; none if the key was not there.
    pub from: Option<String>,
    /// What it is; none if it is gone.
    pub to: Option<String>,
}

/// Equal for equal values, and of no use to whoever wants to know one: it is keyed by what only this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint(u64);

impl Fingerprint {
    fn of(value: &Json) -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        Self(KEY.get_or_init(RandomState::new).hash_one(value.to_string()))
    }
}

impl Line {
    fn new(document: &Document, path: Vec<String>, value: Json, unit: Option<Unit>, origin: &Origin) -> Self {
        let (origin, line, variable) = match origin {
            Origin::Default => ("default", None, None),
            Origin::File(span) => ("file", Some(document.line(span.start)), None),
            Origin::Environment(name) => ("environment", None, Some(name.clone())),
        };
        let print = Fingerprint::of(&value);
        Self { path, value, unit, origin, line, variable, reference: None, print }
    }

    fn to_json(&self) -> Json {
        let all = json!({
            "key": self.path, "value": self.value, "origin": self.origin,
            "line": self.line, "variable": self.variable, "reference": self.reference,
        });
        let Json::Object(all) = all else { return all };
        Json::Object(all.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    /// The key and the table that it stands in.
    fn section(&self) -> (&[String], &[String]) {
        let depth = match self.path[0].as_str() {
            "storage" if self.path.get(2).is_some_and(|key| key == "settings") => 3,
            "storage" if self.path.get(2).is_some_and(|key| key == "layers") => 4,
            "storage" | "route" => 2,
            _ => 1,
        };
        let (table, key) = self.path.split_at(depth);
        (key, table)
    }

    fn comment(&self) -> String {
        let origin = match (self.line, &self.variable) {
            (Some(line), _) => format!("from line {line}"),
            (None, Some(variable)) => format!("from environment {variable}"),
            (None, None) => "default".to_owned(),
        };
        let words = match (self.unit, self.value.as_u64()) {
            (Some(unit), Some(number)) if unit.words(number) != number.to_string() => format!("{}, ", unit.words(number)),
            _ => String::new(),
        };
        let reference = self.reference.as_ref().map_or_else(String::new, |reference| format!(", kept in {reference}"));
        format!("{words}{origin}{reference}")
    }
}

fn full_path(instance: &Instance, path: Vec<String>) -> Vec<String> {
    instance.path.iter().cloned().chain(["settings".to_owned()]).chain(path).collect()
}

/// One entry a value; a list is a value.
fn flatten(path: &mut Vec<String>, value: Json, leaves: &mut Vec<(Vec<String>, Json)>) {
    match value {
        Json::Object(map) if !map.is_empty() || path.is_empty() => {
            for (key, value) in map {
                path.push(key);
                flatten(path, value, leaves);
                path.pop();
            }
        }
        leaf => leaves.push((path.clone(), leaf)),
    }
}

fn without_secrets(value: Json, property: Option<&Property>, path: &mut Vec<String>, resolved: &Resolved<'_>) -> Json {
    if property.is_some_and(|property| property.secret) || resolved.reference(path).is_some() {
        return HIDDEN.into();
    }
    let mut below = |step: String, value| {
        path.push(step);
        let shown = without_secrets(value, property.and_then(|property| property.child(&path[path.len() - 1])), path, resolved);
        path.pop();
        shown
    };
    match value {
        Json::Array(list) => list.into_iter().enumerate().map(|(index, value)| below(index.to_string(), value)).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (key.clone(), below(key, value))).collect(),
        Json::String(text) => userinfo::hidden(&text).into(),
        leaf => leaf,
    }
}

fn header(table: &[String]) -> String {
    match table[0].as_str() {
        "route" => "[[route]]".to_owned(),
        // The last step is the number in the list, which the header's place says.
        "storage" if table.len() == 4 => format!("[[{}]]", dotted(&table[..3])),
        _ => format!("[{}]", dotted(table)),
    }
}

pub(super) fn dotted(path: &[String]) -> String {
    let is_bare = |key: &&String| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    path.iter().map(|key| if is_bare(&key) { key.clone() } else { toml_text(key) }).collect::<Vec<_>>().join(".")
}

pub(super) fn toml(value: &Json) -> String {
    match value {
        Json::String(text) => toml_text(text),
        Json::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{} = {}", dotted(std::slice::from_ref(key)), toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        number_or_flag => number_or_flag.to_string(),
    }
}

/// JSON's escapes are TOML's, but for one character that TOML wants escaped.
fn toml_text(text: &str) -> String {
    Json::from(text).to_string().replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DriverFile};
    use super::*;

    fn config() -> Config {
        let text = r#"
server.drain_secs = "1m"
drivers.path = ["/a b", "/c\"\u007f"]
[storage.main]
driver = "s3"
settings = { token = { env = "TOKEN" }, retry = { "max tries" = 3 }, keys = [{ key = { env = "TOKEN" } }] }
layers = [{ driver = "count", settings = { name = "a" } }, { path = "/x.so" }]
[[route]]
repository = "**"
storage = "main"
"#;
        let variables = [("TOKEN", "hunter2"), ("LONGSHORE_LOG__LEVEL", "debug")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_text("registry.toml", text, variables.into_iter()).unwrap()
    }

    fn schema_of(instance: &Instance) -> Option<Schema> {
        let of_the_layer = json!({ "properties": { "each_call": { "type": "boolean", "default": false }, "name": { "type": "string" } } });
        let schema = json!({ "properties": {
            "token": { "type": "string", "x-secret": true },
            "part": { "type": "integer", "x-unit": "bytes", "default": "8MiB" },
            "retry": { "type": "object", "properties": { "max tries": { "type": "integer" } } },
            "keys": { "type": "array", "items": { "type": "object", "properties": { "key": { "type": "string" } } } }
        } });
        let is_layer = instance.file == DriverFile::Name("count".to_owned());
        Some(Schema::from_json(if is_layer { &of_the_layer } else { &schema }).unwrap())
    }

    #[test]
    fn shown_values_carry_their_origin_and_no_secret() {
        let text = config().show(schema_of).unwrap().to_toml();
        for line in [
            "[server]\nlisten = \"127.0.0.1:5000\"  # default\n",
            "\nconnections_max = 10000  # default\n",
            "\nheader_max_bytes = 65536  # 64KiB, default\n",
            "\ndrain_secs = 60  # 1m, from line 2\n",
            "\n[log]\nlevel = \"debug\"  # from environment LONGSHORE_LOG__LEVEL\n",
            "\n[storage.main]\ndriver = \"s3\"  # from line 5\n",
            "\n[storage.main.settings]\nkeys = [{ key = \"(hidden)\" }]  # from line 6\npart = 8388608  # 8MiB, default\n",
            "\nretry.\"max tries\" = 3  # from line 6\ntoken = \"(hidden)\"  # from line 6, kept in environment TOKEN\n",
            "\n[[storage.main.layers]]\ndriver = \"count\"  # from line 7\nsettings.each_call = false  # default\nsettings.name = \"a\"  # from line 7\n",
            "\n[[storage.main.layers]]\npath = \"/x.so\"  # from line 7\nsettings.part = 8388608  # 8MiB, default\n",
            "\n[[route]]\nrepository = \"**\"  # from line 9\n",
        ] {
            assert!(text.contains(line), "{line} is in\n{text}");
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn shown_toml_read_again_shows_the_same_values() {
        let shown = config().show(schema_of).unwrap();
        let again = Config::from_text("again.toml", &shown.to_toml(), std::iter::empty()).map_err(|faults| faults.to_string()).unwrap();
        let values = |rows: &[Row]| rows.iter().map(|row| (row.path.clone(), row.value.clone())).collect::<Vec<_>>();
        assert_eq!(values(&again.rows), values(&config().rows));
    }

    #[test]
    fn shown_json_is_a_list_of_keys_with_value_and_origin() {
        let json = config().show(schema_of).unwrap().to_json();
        let list = json.as_array().unwrap();
        assert!(list.contains(&json!({ "key": ["server", "drain_secs"], "value": 60, "origin": "file", "line": 2 })));
        assert!(
            list.contains(
                &json!({ "key": ["log", "level"], "value": "debug", "origin": "environment", "variable": "LONGSHORE_LOG__LEVEL" })
            )
        );
        assert!(list.contains(&json!({
            "key": ["storage", "main", "settings", "token"], "value": "(hidden)", "origin": "file", "line": 6, "reference": "environment TOKEN"
        })));
        assert!(!json.to_string().contains("hunter2"));
    }

    #[test]
    fn changes_name_keys_and_values_and_hide_secrets() {
        let read = |level: &str, token: &str, key: &str, tail: &str| {
            let text = format!(
                "registry.upload_signing_keys = [{{ env = 'KEY' }}]\nlog.level = '{level}'\n[storage.main]\ndriver = 's3'\n\
                 settings = {{ token = {{ env = 'TOKEN' }} }}\n{tail}"
            );
            let variables = [("TOKEN", token), ("KEY", key)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            Config::from_text("registry.toml", &text, variables.into_iter()).unwrap().show(schema_of).unwrap()
        };
        let old = read("info", "hunter2", "correct horse battery", "[[route]]\nrepository = 'a'\nstorage = 'main'\n");
        assert_eq!(old.changes_from(&old), []);
        let new = read("debug", "hunter3", "another long key", "accept_eventual = true\n");
        let line = |change: Change| format!("{} {:?} {:?}", change.key, change.from, change.to);
        let changes: Vec<_> = new.changes_from(&old).into_iter().map(line).collect();
        let expected = [
            r#"registry.upload_signing_keys Some("[\"(hidden)\"]") Some("[\"(hidden)\"]")"#,
            r#"log.level Some("\"info\"") Some("\"debug\"")"#,
            r#"storage.main.accept_eventual Some("false") Some("true")"#,
            r#"storage.main.settings.token Some("\"(hidden)\"") Some("\"(hidden)\"")"#,
            r#"route.0.repository Some("\"a\"") None"#,
            r#"route.0.storage Some("\"main\"") None"#,
        ];
        let (mut changes, mut expected) = (changes, expected.map(str::to_owned));
        changes.sort();
        expected.sort();
        assert_eq!(changes, expected);
        assert!(!format!("{new:?}").contains("hunter"));
    }

    #[test]
    fn settings_without_a_schema_are_hidden() {
        let text = config().show(|_| None).unwrap().to_toml();
        assert!(text.contains("[storage.main.settings]\nkeys = \"(hidden)\"  # from line 6\nretry = \"(hidden)\""), "{text}");
    }
}
