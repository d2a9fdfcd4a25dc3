//! Reading the tree key by key: each read checks type and range, notes the value that takes effect, and goes on with the default after a
//! fault, so that one run finds them all. What nobody read is unknown.

mod values;

use longshore_loader::api::schema::{Kind, Property, Unit, nearest};
use serde_json::Value as Json;

use super::document::{Document, Span};
use super::environment::{VARIABLE_PREFIX, variable_of};
use super::fault::{Fault, Faults};
use super::keys::{self, About};
use super::written::{Entry, Node, Origin, Table, Value};

/// A value that takes effect.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) path: Vec<String>,
    /// Never a secret.
    pub(super) value: Json,
    pub(super) unit: Option<Unit>,
    pub(super) origin: Origin,
}

/// A key that was looked for, as its reader takes it: type, range and default.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) path: Vec<String>,
    pub(super) property: Property,
}

/// What one run over a tree finds.
#[derive(Default)]
pub(super) struct Checker {
    /// The words for keys, which know those that go out of use.
    about: &'static [About],
    faults: Vec<Found>,
    warnings: Vec<Found>,
    rows: Vec<Row>,
    known: Vec<Known>,
    /// Variables that name no key.
    strays: Vec<String>,
    /// Texts that are known to be no secrets.
    revealed: Vec<Span>,
}

/// All that one run has found.
pub(super) struct Checked {
    pub(super) faults: Faults,
    /// Keys in use that should no longer be used.
    pub(super) warnings: Faults,
    pub(super) rows: Vec<Row>,
    pub(super) known: Vec<Known>,
}

/// A fault whose place is not drawn yet: that waits until it is known which texts of its line may be shown.
struct Found {
    origin: Origin,
    message: String,
    hint: Option<String>,
}

/// A table that is being read.
pub(super) struct Section<'c> {
    checker: &'c mut Checker,
    path: Vec<String>,
    table: Table,
    taken: Vec<&'static str>,
    /// Where the table itself stands.
    at: Origin,
}

/// Why a value is not accepted.
pub(super) struct Refusal {
    rule: String,
    near: Option<String>,
}

impl Refusal {
    pub(super) fn near(rule: String, near: Option<&str>) -> Self {
        Self { rule, near: near.map(str::to_owned) }
    }
}

impl<T: Into<String>> From<T> for Refusal {
    fn from(rule: T) -> Self {
        Self { rule: rule.into(), near: None }
    }
}

impl Checker {
    /// A checker that warns of keys which have a successor in `about`.
    pub(super) fn new(about: &'static [About]) -> Self {
        Self { about, ..Self::default() }
    }

    /// Takes the sections out of the whole tree.
    pub(super) fn top<const N: usize>(&mut self, tree: Table, sections: [&'static str; N]) -> [Option<Entry>; N] {
        let mut top = Section { checker: self, path: Vec::new(), table: tree, taken: Vec::new(), at: Origin::Default };
        let entries = sections.map(|section| top.take(section));
        top.finish();
        entries
    }

    /// Opens a table, an empty one if it is absent or no table.
    pub(super) fn section(&mut self, path: &[&str], entry: Option<Entry>) -> Section<'_> {
        let path: Vec<_> = path.iter().map(|step| (*step).to_owned()).collect();
        let (table, at) = match entry.map(|entry| entry.node) {
            None => (Table::new(), Origin::Default),
            Some(Node { value: Value::Table(table), origin }) => (table, origin),
            Some(other) => {
                self.not_a_table(&path.join("."), &other);
                (Table::new(), other.origin)
            }
        };
        Section { checker: self, path, table, taken: Vec::new(), at }
    }

    fn not_a_table(&mut self, name: &str, found: &Node) {
        let message = format!("{name} is {}, must be a table [{name}]", found.kind());
        let hint = match &found.origin {
            Origin::Environment(variable) => Some(format!("one key of it is set as {variable}__KEY")),
            _ => None,
        };
        self.faults.push(Found { origin: found.origin.clone(), message, hint });
    }

    pub(super) fn fault(&mut self, origin: &Origin, message: impl Into<String>) {
        self.faults.push(Found { origin: origin.clone(), message: message.into(), hint: None });
    }

    fn misnamed(&mut self, origin: &Origin, message: String, near: Option<&str>) {
        let hint = near.map(|name| format!("did you mean {name:?}?"));
        self.faults.push(Found { origin: origin.clone(), message, hint });
    }

    /// The faults at their places, unknown variables among them, and the values that take effect.
    pub(super) fn finish(mut self, document: &mut Document) -> Checked {
        self.name_strays();
        document.reveal(&self.revealed);
        let fault = |found: Found| Fault { place: found.origin.place(document, &[]), message: found.message, hint: found.hint };
        let [faults, warnings] = [self.faults, self.warnings].map(|found| found.into_iter().map(fault).collect());
        Checked { faults, warnings, rows: self.rows, known: self.known }
    }

    /// Warns of a key that is written and should no longer be.
    fn deprecated(&mut self, path: &[String], entry: &Entry) {
        if let Some(About { key, successor: Some(successor), .. }) = About::of(self.about, path) {
            let message = format!("{key} is deprecated, use {successor}");
            self.warnings.push(Found { origin: entry.key.clone(), message, hint: None });
        }
    }

    fn name_strays(&mut self) {
        // The prefix is common to all variables and would make everything look near.
        let known: Vec<_> = self.rows.iter().map(|row| variable_of(&row.path).split_off(VARIABLE_PREFIX.len())).collect();
        for stray in std::mem::take(&mut self.strays) {
            let near = nearest(&stray[VARIABLE_PREFIX.len()..], known.iter().map(String::as_str));
            let near = near.map(|tail| format!("{VARIABLE_PREFIX}{tail}"));
            self.misnamed(&Origin::Environment(stray), "names no key of the configuration".to_owned(), near.as_deref());
        }
    }
}

impl Section<'_> {
    /// Where the table itself stands.
    pub(super) fn at(&self) -> &Origin {
        &self.at
    }

    /// The keys that lead to the table.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    pub(super) fn fault(&mut self, origin: &Origin, message: impl Into<String>) {
        self.checker.fault(origin, message);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Opens a table below this one.
    pub(super) fn below(&mut self, key: &str, table: Table, at: Origin) -> Section<'_> {
        let path = self.path.iter().cloned().chain([key.to_owned()]).collect();
        Section { checker: self.checker, path, table, taken: Vec::new(), at }
    }

    /// Takes a key out of the table, whatever its value.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.taken.push(key);
        let entry = self.table.remove(key);
        // The tables at the top are no keys.
        if !self.path.is_empty() {
            let path: Vec<_> = self.path.iter().cloned().chain([key.to_owned()]).collect();
            if let Some(entry) = &entry {
                self.checker.deprecated(&path, entry);
            }
            self.checker.known.push(Known { path, property: keys::text() });
        }
        entry
    }

    /// Notes what the key that was taken last may be.
    pub(super) fn takes(&mut self, kind: Kind, default: Option<Json>) -> &mut Property {
        // Whoever describes a key has just taken it, and only keys below the top are described.
        let known = self.checker.known.last_mut().expect("a key was taken");
        known.property = Property { default, ..keys::of_kind(kind) };
        &mut known.property
    }

    /// Notes the value that takes effect.
    pub(super) fn note(&mut self, key: &str, value: impl Into<Json>, unit: Option<Unit>, origin: Origin) {
        let path = self.path.iter().cloned().chain([key.to_owned()]).collect();
        self.checker.rows.push(Row { path, value: value.into(), unit, origin });
    }

    /// Reads a key with `parse`, whose refusal ends the sentence; `None` if it is absent or refused.
    pub(super) fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(&Node) -> Result<T, Refusal>) -> Option<(T, Origin)> {
        let node = self.take(key)?.node;
        self.reveal(&node);
        match parse(&node) {
            Ok(value) => Some((value, node.origin)),
            Err(Refusal { rule, near }) => {
                self.checker.misnamed(&node.origin, format!("{key} is {}, {rule}", node.found()), near.as_deref());
                None
            }
        }
    }

    /// Lets the texts of a value be shown: they are no secrets.
    pub(super) fn reveal(&mut self, node: &Node) {
        node.walk(&mut |node| self.checker.revealed.extend(node.text_span()));
    }

    /// Every key that is left, for a table whose keys are names.
    pub(super) fn named(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }

    /// Ends the section: what is left in it is unknown.
    pub(super) fn finish(mut self) {
        for (key, entry) in std::mem::take(&mut self.table) {
            let path: Vec<_> = self.path.iter().map(String::as_str).chain([key.as_str()]).collect();
            let strays = strays(&variable_of(&path), &entry);
            if strays.is_empty() {
                self.unknown(&key, &entry);
            }
            self.checker.strays.extend(strays);
        }
    }

    fn unknown(&mut self, key: &str, entry: &Entry) {
        // A setting that was written one level too high may be a password.
        if self.path.first().is_some_and(|first| first != "storage") {
            self.checker.revealed.extend(entry.node.text_span());
        }
        let place = if self.path.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.path.join(".")) };
        let near = nearest(key, self.taken.iter().copied());
        let known = if near.is_none() { format!("; the keys are {}", self.taken.join(", ")) } else { String::new() };
        self.checker.misnamed(&entry.key, format!("unknown key {key:?} {place}{known}"), near);
    }
}

/// The variables that made an unknown entry, if it was made by variables alone.
fn strays(variable: &str, entry: &Entry) -> Vec<String> {
    let mut strays: Vec<String> = Vec::new();
    let below = |name: &str| name.strip_prefix(variable).is_some_and(|rest| rest.is_empty() || rest.starts_with("__"));
    if matches!(&entry.key, Origin::Environment(name) if below(name)) {
        entry.node.walk(&mut |node| match &node.origin {
            Origin::Environment(name) if !strays.contains(name) => strays.push(name.clone()),
            _ => {}
        });
    }
    strays
}
