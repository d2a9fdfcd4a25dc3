//! Values of each kind: what is accepted, and in which words it is refused.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use longshore_loader::api::schema::{Kind, Unit, nearest};
use serde_json::Value as Json;

use super::{Refusal, Section};
use crate::config::keys;
use crate::config::written::{Node, Origin, Value};

impl Section<'_> {
    /// A number without a unit.
    pub(in crate::config) fn count(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.number(key, None, default, range)
    }

    /// A size in bytes.
    pub(in crate::config) fn bytes(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.number(key, Some(Unit::Bytes), default, range)
    }

    /// A duration in seconds.
    pub(in crate::config) fn seconds(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, Some(Unit::Seconds), default, range))
    }

    fn number(&mut self, key: &'static str, unit: Option<Unit>, default: u64, range: RangeInclusive<u64>) -> u64 {
        let words = |number: &u64| unit.map_or_else(|| number.to_string(), |unit| unit.words(*number));
        let parse = |node: &Node| {
            let number = node.as_integer(unit).ok_or(unit.map_or("must be a whole number", Unit::rule))?;
            let within = u64::try_from(number).ok().filter(|number| range.contains(number));
            within.ok_or_else(|| format!("must be {} to {}", words(range.start()), words(range.end())).into())
        };
        let (number, origin) = self.read(key, parse).unwrap_or((default, Origin::Default));
        let [minimum, maximum] = [range.start(), range.end()].map(|end| i64::try_from(*end).ok());
        self.takes(Kind::Integer { minimum, maximum, unit }, Some(default.into()));
        self.note(key, number, unit, origin);
        number
    }

    pub(in crate::config) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let parse = |node: &Node| node.as_flag().ok_or_else(|| "must be true or false".into());
        let (flag, origin) = self.read(key, parse).unwrap_or((default, Origin::Default));
        self.takes(Kind::Boolean, Some(default.into()));
        self.note(key, flag, None, origin);
        flag
    }

    /// One of the names in `choices`; the first is the default.
    pub(in crate::config) fn choice<T: Copy, const N: usize>(&mut self, key: &'static str, choices: [(&'static str, T); N]) -> T {
        const { assert!(N > 0, "a choice needs a default") };
        let names = choices.map(|(name, _)| name);
        let parse = |node: &Node| {
            let found = node.as_text().unwrap_or_default();
            choices.iter().find(|(name, _)| *name == found).copied().ok_or_else(|| Refusal {
                rule: format!("must be one of {}", names.join(", ")),
                near: nearest(found, names).map(str::to_owned),
            })
        };
        let ((name, choice), origin) = self.read(key, parse).unwrap_or((choices[0], Origin::Default));
        self.takes(keys::text().kind, Some(names[0].into())).allowed = names.map(Json::from).to_vec();
        self.note(key, name, None, origin);
        choice
    }

    pub(in crate::config) fn address(&mut self, key: &'static str, default: SocketAddr) -> SocketAddr {
        let (address, origin) = self.read(key, address).unwrap_or((default, Origin::Default));
        self.takes(keys::text().kind, Some(default.to_string().into()));
        self.note(key, address.to_string(), None, origin);
        address
    }

    /// An address that may be left out.
    pub(in crate::config) fn optional_address(&mut self, key: &'static str) -> Option<SocketAddr> {
        let (address, origin) = self.read(key, address)?;
        self.note(key, address.to_string(), None, origin);
        Some(address)
    }

    /// A path that may be left out.
    pub(in crate::config) fn optional_path(&mut self, key: &'static str, rule: &'static str) -> Option<PathBuf> {
        let parse = |node: &Node| node.as_text().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| rule.into());
        let (path, origin) = self.read(key, parse)?;
        self.note(key, path.as_str(), None, origin);
        Some(path.into())
    }

    /// A list of texts, none of them empty.
    pub(in crate::config) fn texts(&mut self, key: &'static str, default: Vec<String>) -> Vec<String> {
        let parse = |node: &Node| {
            let Value::List(list) = &node.value else {
                return Err("must be a list of texts".into());
            };
            let texts = list.iter().map(|node| node.as_text().filter(|text| !text.is_empty()).map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().ok_or_else(|| "must be a list of texts, none of them empty".into())
        };
        let (texts, origin) = self.read(key, parse).unwrap_or_else(|| (default.clone(), Origin::Default));
        self.takes(Kind::Array(Box::new(keys::text())), Some(default.into()));
        self.note(key, texts.clone(), None, origin);
        texts
    }

    /// A list of texts, each read with `parse`; a refusal stands at its element, which is left out.
    pub(in crate::config) fn each<T: ToString>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Vec<T> {
        let entry = self.take(key);
        let texts = default.iter().map(|value| Json::from(value.to_string())).collect();
        self.takes(Kind::Array(Box::new(keys::text())), Some(texts));
        let (values, origin) = match entry.map(|entry| entry.node) {
            None => (default, Origin::Default),
            Some(node) => {
                self.reveal(&node);
                (self.elements(key, &node, parse), node.origin)
            }
        };
        self.note(key, values.iter().map(ToString::to_string).collect::<Vec<_>>(), None, origin);
        values
    }

    fn elements<T>(&mut self, key: &str, node: &Node, parse: impl Fn(&str) -> Result<T, Refusal>) -> Vec<T> {
        let Value::List(list) = &node.value else {
            self.fault(&node.origin, format!("{key} is {}, must be a list of texts", node.found()));
            return Vec::new();
        };
        let mut values = Vec::new();
        for node in list {
            match node.as_text().ok_or_else(|| "must be a text".into()).and_then(&parse) {
                Ok(value) => values.push(value),
                Err(Refusal { rule, near }) => {
                    self.checker.misnamed(&node.origin, format!("{key} has {}, {rule}", node.found()), near.as_deref());
                }
            }
        }
        values
    }

    /// A list whose elements the caller reads one by one.
    pub(in crate::config) fn list(&mut self, key: &'static str, rule: &str) -> (Vec<Node>, Origin) {
        let entry = self.take(key);
        self.takes(Kind::Array(Box::new(keys::text())), None);
        match entry.map(|entry| entry.node) {
            None => (Vec::new(), Origin::Default),
            Some(Node { value: Value::List(list), origin }) => (list, origin),
            Some(other) => {
                // The value is not quoted: it may be a secret.
                self.fault(&other.origin, format!("{key} {rule}"));
                (Vec::new(), other.origin)
            }
        }
    }
}

fn address(node: &Node) -> Result<SocketAddr, Refusal> {
    let address = node.as_text().and_then(|text| text.parse().ok());
    address.ok_or_else(|| r#"must be an IP address and a port like "127.0.0.1:5000" or "[::]:5000""#.into())
}
