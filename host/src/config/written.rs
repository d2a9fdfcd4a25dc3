//! `registry.toml` as it is written: a tree of values, each of which knows where it came from.

use std::collections::BTreeMap;
use std::fmt;

use longshore_loader::api::schema::Unit;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, Span};
use super::fault::{Fault, Faults, Place};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nobody wrote it.
    Default,
    /// Bytes of the file.
    File(Span),
    /// The variable of this name.
    Environment(String),
}

impl Origin {
    /// Where a fault of it is, for people.
    pub(super) fn place(&self, document: &Document, revealed: &[Span]) -> Place {
        match self {
            Self::Default => Place::File(document.name().to_owned()),
            Self::File(span) => document.place(span.clone(), revealed),
            Self::Environment(name) => Place::Variable(name.clone()),
        }
    }
}

/// A value and its origin.
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// The types of TOML, and one of the environment.
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    /// A date or time; no key of ours takes one.
    Time(String),
    List(Vec<Node>),
    Table(Table),
    /// A variable's text, of whatever type its reader expects.
    Unquoted(String),
}

pub(super) type Table = BTreeMap<String, Entry>;

/// A key of a table and its value.
pub(super) struct Entry {
    /// Where the key itself stands.
    pub(super) key: Origin,
    pub(super) node: Node,
}

/// Reads the document's tree.
pub(super) fn tree(document: &Document) -> Result<Table, Faults> {
    let (root, errors) = DeTable::parse_recoverable(document.text());
    let mut reader = Reader { origin: &Origin::File, faults: Vec::new() };
    let mut errors: Vec<_> = errors.into_iter().map(|error| (error.span().unwrap_or(0..0), error)).collect();
    // One broken place often breaks the rest of its line as well; the first error is the one that explains.
    errors.sort_by_key(|(span, _)| span.start);
    errors.dedup_by_key(|(span, _)| document.line(span.start));
    for (span, error) in errors {
        reader.faults.push((span, format!("cannot be read as TOML: {}", error.message())));
    }
    if reader.faults.is_empty() {
        let table = reader.table(root.get_ref());
        if reader.faults.is_empty() {
            return Ok(table);
        }
    }
    Err(reader.faults.into_iter().map(|(span, message)| Fault::new(document.place_in_broken(span), message)).collect())
}

/// Reads what stands in a variable: a TOML list, table or quoted text, and everything else as it is.
pub(super) fn variable(name: &str, text: &str) -> Node {
    let origin = |_| Origin::Environment(name.to_owned());
    let mut reader = Reader { origin: &origin, faults: Vec::new() };
    let parsed =
        DeValue::parse(text).ok().filter(|value| value.get_ref().is_array() || value.get_ref().is_table() || value.get_ref().is_str());
    match parsed.map(|value| reader.node(&value)) {
        Some(node) if reader.faults.is_empty() => node,
        _ => Node { value: Value::Unquoted(text.to_owned()), origin: origin(0..0) },
    }
}

/// From the parser's tree to ours.
struct Reader<'o> {
    origin: &'o dyn Fn(Span) -> Origin,
    faults: Vec<(Span, String)>,
}

impl Reader<'_> {
    // The parser refuses more than 80 levels, so this recursion is shallow.
    fn table(&mut self, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, _)| {
            let key_name: &std::borrow::Cow<'_, str> = key.get_ref();
            (key_name.to_string(), Entry { key: (self.origin)(key.span()), node: self.node(value) })
        };
        table.iter().map(entry).collect()
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(time) => Value::Time(time.to_string()),
            DeValue::Array(list) => Value::List(list.iter().map(|value| self.node(value)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => self.fault(value, "does not fit in 64 bits with a sign"),
            },
            DeValue::Float(digits) => match digits.as_str().parse() {
                Ok(number) => Value::Number(number),
                Err(_) => self.fault(value, "is not a number"),
            },
        };
        Node { value: read, origin: (self.origin)(value.span()) }
    }

    fn fault(&mut self, value: &Spanned<DeValue<'_>>, message: &str) -> Value {
        self.faults.push((value.span(), format!("the number {message}")));
        Value::Integer(0)
    }
}

impl Node {
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Unquoted(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        match &self.value {
            Value::Flag(flag) => Some(*flag),
            Value::Unquoted(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number, or a text with a unit if the number has one.
    pub(super) fn as_integer(&self, unit: Option<Unit>) -> Option<i64> {
        let with_unit = |text: &str| i64::try_from(unit?.parse(text)?).ok();
        match &self.value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => with_unit(text),
            Value::Unquoted(text) => text.parse().ok().or_else(|| with_unit(text)),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Unquoted(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as a fault shows it: quoted, and cut to a readable length.
    pub(super) fn found(&self) -> String {
        const FOUND_MAX_CHARS: usize = 60;
        match &self.value {
            Value::Text(text) | Value::Unquoted(text) if text.chars().count() > FOUND_MAX_CHARS => {
                format!("{:?}", text.chars().take(FOUND_MAX_CHARS).chain(['…']).collect::<String>())
            }
            Value::Text(text) | Value::Unquoted(text) => format!("{text:?}"),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Time(time) => time.clone(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// What it is, for a table of ours that is something else; unlike [`Self::found`] without its text.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) | Value::Unquoted(_) => "a text",
            Value::Integer(_) | Value::Number(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::Time(_) => "a time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// Where it stands in the file, if it is a text.
    pub(super) fn text_span(&self) -> Option<Span> {
        match (&self.value, &self.origin) {
            (Value::Text(_), Origin::File(span)) => Some(span.clone()),
            _ => None,
        }
    }

    /// Calls `visit` with this node and every one below it.
    pub(super) fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Self)) {
        visit(self);
        match &self.value {
            Value::List(list) => list.iter().for_each(|node| node.walk(visit)),
            Value::Table(table) => table.values().for_each(|entry| entry.node.walk(visit)),
            _ => {}
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be a secret that somebody wrote into the file.
        write!(f, "Node({:?})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_of_a_document_knows_where_keys_and_values_stand() {
        let document = Document::new("r.toml", "[server]\nlisten = 'x'\nlist = [1, 0x1_0]\n".to_owned());
        let tree = tree(&document).unwrap();
        let Value::Table(server) = &tree["server"].node.value else { panic!() };
        assert_eq!(server["listen"].key, Origin::File(9..15));
        assert_eq!(server["listen"].node.origin, Origin::File(18..21));
        let Value::List(list) = &server["list"].node.value else { panic!() };
        assert_eq!(list[1].as_integer(None), Some(16));
    }

    #[test]
    fn tree_of_a_broken_document_reports_one_fault_a_line() {
        let document = Document::new("r.toml", "a = tru\nb = 1 c = 2\nd = \n".to_owned());
        let faults = tree(&document).map(|_| ()).unwrap_err();
        let expected = concat!(
            "r.toml:1:5: cannot be read as TOML: invalid boolean, expected `true`\n  a = tru\n      ^^^\n",
            "r.toml:2:5: cannot be read as TOML: string values must be quoted, expected literal string\n  b = 1 c = 2\n      ^^^\n",
            "r.toml:3:5: cannot be read as TOML: string values must be quoted, expected literal string\n  d =\n      ^\n",
        );
        assert_eq!(faults.render(false), expected);
        let document = Document::new("r.toml", "a = 99999999999999999999".to_owned());
        let report = tree(&document).map(|_| ()).unwrap_err().render(false);
        assert!(report.starts_with("r.toml:1:5: the number does not fit in 64 bits with a sign\n"), "{report}");
    }

    #[test]
    fn variable_takes_the_type_that_its_reader_expects() {
        let read = |text: &str| variable("V", text);
        assert_eq!(read("12").as_text(), Some("12"));
        assert_eq!(read("12").as_integer(None), Some(12));
        assert_eq!(read("4MiB").as_integer(Some(Unit::Bytes)), Some(4 << 20));
        assert_eq!(read("true").as_flag(), Some(true));
        assert_eq!(read("0.0.0.0:5000").as_text(), Some("0.0.0.0:5000"));
        assert_eq!(read("\"quoted\"").as_text(), Some("quoted"));
        assert_eq!(read("\"half").as_text(), Some("\"half"));
        assert!(matches!(read("['a', 'b']").value, Value::List(list) if list.len() == 2));
        assert!(matches!(read("{ env = 'X' }").value, Value::Table(_)));
    }

    #[test]
    fn debug_of_a_node_does_not_show_its_value() {
        assert!(!format!("{:?}", variable("V", "hunter2")).contains("hunter2"));
    }
}
