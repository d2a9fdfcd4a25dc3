//! The text of `registry.toml`, and where in it things stand.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::fault::{Excerpt, Fault, Faults, Place};

/// Bytes of the text.
pub(super) type Span = Range<usize>;

/// The largest `registry.toml`, in bytes.
pub const DOCUMENT_MAX_BYTES: u64 = 1 << 20;

const HOW_TO_MAKE_ONE: &str =
    r#"make one with [storage.main], driver = "filesystem" and settings = { root = "data" }, or name another with --config"#;
/// How much of a line an excerpt keeps on each side of its fault, in bytes.
const EXCERPT_SIDE_MAX_BYTES: usize = 120;

/// A configuration file as text.
pub(super) struct Document {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Texts that an excerpt does not show, because a secret may have been written there; in their order.
    hidden: Vec<Span>,
}

impl Document {
    pub(super) fn new(name: &str, text: String) -> Self {
        let starts = text.match_indices('\n').map(|(position, _)| position + 1);
        let lines = [0].into_iter().chain(starts).collect();
        Self { name: name.to_owned(), text, lines, hidden: Vec::new() }
    }

    /// Reads a file of at most [`DOCUMENT_MAX_BYTES`].
    pub(super) fn read(path: &Path) -> Result<Self, Faults> {
        let name = path.display().to_string();
        let fault = |message: String| Fault::new(Place::File(name.clone()), message);
        let bytes = read_bounded(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => fault("there is no such file".to_owned()).hint(HOW_TO_MAKE_ONE),
            _ => fault(format!("cannot be read: {error}")),
        })?;
        if bytes.len() as u64 > DOCUMENT_MAX_BYTES {
            return Err(fault(format!("is larger than {DOCUMENT_MAX_BYTES} bytes, which no configuration needs")).into());
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(&name, text)),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
                Err(fault(format!("is not UTF-8 in line {line}")).into())
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Keeps texts out of every excerpt.
    pub(super) fn hide(&mut self, spans: impl IntoIterator<Item = Span>) {
        self.hidden.extend(spans);
        self.hidden.sort_by_key(|span| span.start);
    }

    /// Lets them be shown again: they are known to be no secrets.
    pub(super) fn reveal(&mut self, spans: &[Span]) {
        let shown: HashSet<_> = spans.iter().collect();
        self.hidden.retain(|span| !shown.contains(span));
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// The place of a span, with its line as it may be shown: without hidden texts other than those `revealed` here.
    pub(super) fn place(&self, span: Span, revealed: &[Span]) -> Place {
        self.drawn(span, &self.hidden, revealed)
    }

    /// The place of a span in a line that is not understood: it is shown up to its first quote, for behind that a secret may be.
    pub(super) fn place_in_broken(&self, span: Span) -> Place {
        let Span { start, end } = self.line_span(span.start);
        let quote = self.text[start..end].find(['"', '\'']).map(|found| start + found..end);
        self.drawn(span, quote.as_slice(), &[])
    }

    fn line_span(&self, offset: usize) -> Span {
        let start = self.lines[self.line(offset) - 1];
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        start..end
    }

    fn drawn(&self, span: Span, hidden: &[Span], revealed: &[Span]) -> Place {
        let Span { start, end } = self.line_span(span.start);
        let from = span.start.min(end);
        let to = span.end.clamp(from, end);
        // A file may be one line, and each of its faults keeps an excerpt: an excerpt is cut when it is made, not when it is shown.
        let first = self.text.ceil_char_boundary(start.max(from.saturating_sub(EXCERPT_SIDE_MAX_BYTES)));
        let last = self.text.floor_char_boundary(end.min(from + EXCERPT_SIDE_MAX_BYTES));
        let show = |range: Span| {
            if range.is_empty() { String::new() } else { masked(&self.text, range, hidden, revealed) }
        };
        let excerpt = Excerpt {
            before: format!("{}{}", if first > start { "…" } else { "" }, show(first..from)),
            marked: show(from..to.min(last)),
            after: format!("{}{}", show(to..last), if last < end { "…" } else { "" }),
        };
        Place::Line { file: self.name.clone(), line: self.line(span.start), column: self.text[start..from].chars().count() + 1, excerpt }
    }
}

/// The text of `range`, with hidden parts replaced by a word where they begin.
fn masked(text: &str, range: Span, hidden: &[Span], revealed: &[Span]) -> String {
    let mut shown = String::new();
    let mut position = range.start;
    let first = hidden.partition_point(|hidden| hidden.end <= range.start);
    let hidden = hidden[first..].iter().take_while(|hidden| hidden.start < range.end);
    for hidden in hidden.filter(|hidden| !revealed.contains(hidden)) {
        if hidden.start >= range.start {
            shown.push_str(&text[position..hidden.start]);
            shown.push_str("(hidden)");
        }
        position = hidden.end.min(range.end);
    }
    shown.push_str(&text[position..range.end]);
    shown
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(DOCUMENT_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({:?})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(document: &Document, span: Span) -> (usize, usize, String, String) {
        match document.place(span, &[]) {
            Place::Line { line, column, excerpt, .. } => (line, column, excerpt.before, excerpt.marked),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn place_of_a_span_counts_lines_and_characters_from_one() {
        let document = Document::new("r.toml", "é = 1\nlisten = 2\n".to_owned());
        assert_eq!(place(&document, 0..2), (1, 1, String::new(), "é".to_owned()));
        assert_eq!(place(&document, 5..6), (1, 5, "é = ".to_owned(), "1".to_owned()));
        assert_eq!(place(&document, 16..17), (2, 10, "listen = ".to_owned(), "2".to_owned()));
        assert_eq!(place(&document, 7..18), (2, 1, String::new(), "listen = 2".to_owned()));
        assert_eq!(place(&document, 18..18), (3, 1, String::new(), String::new()));
    }

    #[test]
    fn excerpt_of_a_line_masks_hidden_texts_unless_revealed() {
        let mut document = Document::new("r.toml", r#"a = "one", b = "two""#.to_owned());
        document.hide([15..20, 4..9]);
        assert_eq!(place(&document, 15..20), (1, 16, "a = (hidden), b = ".to_owned(), "(hidden)".to_owned()));
        let Place::Line { excerpt, .. } = document.place(15..20, &[0..1, 15..20]) else { panic!() };
        assert_eq!((excerpt.before.as_str(), excerpt.marked.as_str()), ("a = (hidden), b = ", r#""two""#));
    }

    #[test]
    fn excerpt_of_a_broken_line_ends_at_its_first_quote() {
        let shown = |text: &str, span: Span| match Document::new("r.toml", format!("a = 1\n{text}\nb = 'c'")).place_in_broken(span) {
            Place::Line { excerpt, .. } => (excerpt.before, excerpt.marked, excerpt.after),
            other => panic!("{other:?}"),
        };
        let parts = |before: &str, marked: &str, after: &str| (before.to_owned(), marked.to_owned(), after.to_owned());
        assert_eq!(shown("k = 9x9 'c' d", 10..11), parts("k = ", "9", "x9 (hidden)"));
        assert_eq!(shown(r#"k = "a' d""#, 16..16), parts("k = (hidden)", "", ""));
        assert_eq!(shown("k = 'é' é", 10..14), parts("k = ", "(hidden)", ""));
    }

    #[test]
    fn excerpt_of_a_long_line_is_cut_around_the_fault() {
        let document = Document::new("r.toml", format!("{} = 1 # {}", "é".repeat(50_000), "x".repeat(50_000)));
        let Place::Line { column, excerpt, .. } = document.place(100_003..100_004, &[]) else { panic!() };
        assert_eq!((column, excerpt.marked.as_str()), (50_004, "1"));
        assert!(excerpt.before.starts_with("…é") && excerpt.after.ends_with("x…"));
        assert!(excerpt.before.len() + excerpt.after.len() <= 250);
        let Place::Line { excerpt, .. } = document.place(0..100_000, &[]) else { panic!() };
        assert_eq!((excerpt.before.as_str(), excerpt.marked.chars().count(), excerpt.after.as_str()), ("", 60, "…"));
    }

    #[test]
    fn read_of_a_file_that_cannot_be_one_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| Document::read(&folder.path().join(name)).unwrap_err().into_iter().next().unwrap();
        assert_eq!(read("none.toml").message, "there is no such file");
        assert_eq!(read("").message, "cannot be read: Is a directory (os error 21)");
        std::fs::write(folder.path().join("large"), vec![b'#'; 1_048_577]).unwrap();
        assert_eq!(read("large").message, "is larger than 1048576 bytes, which no configuration needs");
        std::fs::write(folder.path().join("latin"), b"a = 1\nb = \"\xe9\"\n").unwrap();
        assert_eq!(read("latin").message, "is not UTF-8 in line 2");
    }
}
