//! Arrows out of a text drawing: `a → b ← c` says that a and c depend on b.

use std::collections::BTreeSet;

/// The arrows of a drawing, from who knows to who is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drawing(BTreeSet<(String, String)>);

impl Drawing {
    /// Reads lines of names with arrows between them; other words on a line are remarks.
    pub(crate) fn parse(text: &str) -> Self {
        let mut arrows = BTreeSet::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            for step in words.windows(3) {
                match step {
                    [from, "→", to] | [to, "←", from] => arrows.insert(((*from).to_owned(), (*to).to_owned())),
                    _ => false,
                };
            }
        }
        Self(arrows)
    }

    /// The first fenced block under a heading of a Markdown document, if it has arrows.
    pub(crate) fn under(heading: &str, document: &str) -> Option<Self> {
        let is_heading = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
        let section = document.lines().skip_while(|line| !is_heading(line)).skip(1);
        let block = section.skip_while(|line| !line.starts_with("```")).skip(1).take_while(|line| !line.starts_with("```"));
        let drawing = Self::parse(&block.collect::<Vec<_>>().join("\n"));
        (!drawing.0.is_empty()).then_some(drawing)
    }

    /// True if this very arrow is drawn.
    pub(crate) fn has(&self, from: &str, to: &str) -> bool {
        self.0.contains(&(from.to_owned(), to.to_owned()))
    }

    /// True if arrows lead from one to the other, over whatever lies between.
    pub(crate) fn leads(&self, from: &str, to: &str) -> bool {
        let mut reached = BTreeSet::from([from]);
        loop {
            let before = reached.len();
            let next: Vec<&str> = self.0.iter().filter(|(from, _)| reached.contains(from.as_str())).map(|(_, to)| to.as_str()).collect();
            reached.extend(next);
            if reached.len() == before {
                return from != to && reached.contains(to);
            }
        }
    }
}

#[test]
fn arrows_are_read_in_both_directions() {
    let drawing = Drawing::parse("plugins → plugin-api ← loader ← host\n  loader ← conformance   the judge");
    let expected = [("plugins", "plugin-api"), ("loader", "plugin-api"), ("host", "loader"), ("conformance", "loader")];
    assert_eq!(drawing, Drawing(expected.map(|(from, to)| (from.to_owned(), to.to_owned())).into()));
}

#[test]
fn a_path_is_not_an_arrow() {
    let drawing = Drawing::parse("server → api → store");
    assert!(drawing.leads("server", "store") && !drawing.has("server", "store"));
    assert!(!drawing.leads("store", "server"), "arrows have a direction");
    assert!(!drawing.leads("api", "api"), "nothing leads to itself without a circle");
}

#[test]
fn the_block_under_the_heading_is_taken() {
    let document = "# A\n```text\na → b\n```\n## B\nwords\n```text\nc → d\n```\n```text\ne → f\n```\n";
    assert_eq!(Drawing::under("B", document), Some(Drawing::parse("c → d")));
    assert_eq!(Drawing::under("C", document), None, "a missing drawing is a failure, not freedom");
}
