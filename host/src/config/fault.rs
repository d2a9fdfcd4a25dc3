//! What is wrong with a configuration, as a person reads it: every fault with its line, a caret and the nearest right name.

use std::fmt::{self, Write as _};

/// How many faults one report shows; it counts the rest.
pub const FAULTS_SHOWN_MAX: usize = 100;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is found and what is allowed: one sentence, lower case, no full stop.
    pub message: String,
    /// What to do, such as `did you mean "listen"?`.
    pub hint: Option<String>,
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File(String),
    /// One place in it.
    Line {
        /// The file's name as it was given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The line itself.
        excerpt: Excerpt,
    },
    /// An environment variable.
    Variable(String),
}

/// A line of the file in three parts, without what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What stands before the fault.
    pub before: String,
    /// What the carets point at; may be empty.
    pub marked: String,
    /// The rest of the line.
    pub after: String,
}

/// All faults of a configuration, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Fault {
    /// A fault without a hint.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None }
    }

    /// The fault with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The fault with the nearest right name, if one is near.
    #[must_use]
    pub fn did_you_mean(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(name) => self.hint(format!("did you mean {name:?}?")),
            None => self,
        }
    }

    fn write(&self, report: &mut String, paint: Paint) -> fmt::Result {
        writeln!(report, "{}: {}", paint.bold(&self.place), self.message)?;
        let hint = self.hint.as_deref().unwrap_or_default();
        match &self.place {
            Place::Line { excerpt, .. } => {
                let (line, indent, carets) = excerpt.drawn();
                writeln!(report, "  {line}")?;
                writeln!(report, "{}", format!("  {indent}{} {hint}", paint.red(&carets)).trim_end())
            }
            _ if hint.is_empty() => Ok(()),
            _ => writeln!(report, "  {hint}"),
        }
    }
}

impl Faults {
    /// Adds one, at its place.
    pub fn push(&mut self, fault: Fault) {
        let position = self.0.partition_point(|other| other.place.rank() <= fault.place.rank());
        self.0.insert(position, fault);
    }

    /// Adds those of another part of the configuration.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.sort();
    }

    /// True if nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// Each sentence once, at its first place; the others are told with it.
    pub(super) fn each_once(self) -> Self {
        let mut all: Vec<(Fault, Vec<String>)> = Vec::new();
        for fault in self {
            match all.iter_mut().find(|(first, _)| first.message == fault.message) {
                Some((_, others)) => others.push(fault.place.to_string()),
                None => all.push((fault, Vec::new())),
            }
        }
        let told = |(fault, others): (Fault, Vec<String>)| {
            if others.is_empty() { fault } else { fault.hint(format!("also at {}", others.join(", "))) }
        };
        all.into_iter().map(told).collect()
    }

    /// `value` if nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The whole report, one fault after another; with colours for a terminal.
    pub fn render(&self, colours: bool) -> String {
        let mut report = String::new();
        for fault in self.iter().take(FAULTS_SHOWN_MAX) {
            // Writing to a string cannot fail.
            let _ = fault.write(&mut report, Paint { colours });
        }
        if let Some(more) = self.len().checked_sub(FAULTS_SHOWN_MAX).filter(|more| *more > 0) {
            let _ = writeln!(report, "and {more} more");
        }
        report
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| a.place.rank().cmp(&b.place.rank()));
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut faults = Self(faults.into_iter().collect());
        faults.sort();
        faults
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Faults {}

impl Place {
    /// The file first, then its lines, then the environment.
    fn rank(&self) -> (u8, usize, usize, &str) {
        match self {
            Self::File(_) => (0, 0, 0, ""),
            Self::Line { line, column, .. } => (1, *line, *column, ""),
            Self::Variable(name) => (2, 0, 0, name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) | Self::Variable(name) => f.write_str(name),
            Self::Line { file, line, column, .. } => write!(f, "{file}:{line}:{column}"),
        }
    }
}

impl Excerpt {
    /// The line, the blanks below it up to the fault, and the carets.
    fn drawn(&self) -> (String, String, String) {
        let line: String = printable(&self.before).chain(printable(&self.marked)).chain(printable(&self.after)).collect();
        // A tab stays a tab, so that the caret stands below its character whatever the terminal's tab stops are.
        let indent = self.before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(self.marked.trim_end().chars().count().max(1));
        (line.trim_end().to_owned(), indent, carets)
    }
}

/// A broken file may hold anything, and its bytes must not command the terminal.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
}

#[derive(Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn bold(self, text: impl fmt::Display) -> String {
        if self.colours { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
    }

    fn red(self, text: &str) -> String {
        if self.colours { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, before: &str, marked: &str, after: &str) -> Place {
        let excerpt = Excerpt { before: before.to_owned(), marked: marked.to_owned(), after: after.to_owned() };
        Place::Line { file: "registry.toml".to_owned(), line, column: before.chars().count() + 1, excerpt }
    }

    #[test]
    fn report_shows_every_fault_in_the_order_of_the_file() {
        let mut faults = Faults::from(Fault::new(Place::Variable("LONGSHORE_X".to_owned()), "names no key").hint("did nothing"));
        faults.merge(Fault::new(at(14, "", "listn", " = 1"), "listn is not a key").did_you_mean(Some("listen")).into());
        faults.merge(Fault::new(at(3, "\tport = ", "\"é\"", "  # why"), "port is \"é\"").into());
        faults.merge(Fault::new(Place::File("registry.toml".to_owned()), "no storage").into());
        let expected = concat!(
            "registry.toml: no storage\n",
            "registry.toml:3:9: port is \"é\"\n",
            "  \tport = \"é\"  # why\n",
            "  \t       ^^^\n",
            "registry.toml:14:1: listn is not a key\n",
            "  listn = 1\n",
            "  ^^^^^ did you mean \"listen\"?\n",
            "LONGSHORE_X: names no key\n",
            "  did nothing\n",
        );
        assert_eq!(faults.render(false), expected);
        assert_eq!(faults.to_string(), expected.trim_end());
        assert!(faults.render(true).contains("\x1b[31m^^^^^\x1b[0m did you mean"));
    }

    #[test]
    fn excerpt_of_a_hostile_line_is_made_printable() {
        let report = Faults::from(Fault::new(at(1, "\x1b[2J", "", "\u{9b}\r"), "is wrong")).render(false);
        assert_eq!(report, "registry.toml:1:5: is wrong\n  \u{fffd}[2J\u{fffd}\u{fffd}\n      ^\n");
    }

    #[test]
    fn report_of_too_many_faults_counts_the_rest() {
        let faults: Faults = (0..150).map(|line| Fault::new(at(line, "", "x", ""), "is wrong")).collect();
        assert!(faults.render(false).ends_with("and 50 more\n"));
    }
}
