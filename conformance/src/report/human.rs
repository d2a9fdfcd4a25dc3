//! The report on a terminal: one line a case, the failures at the end as sentences.

use std::io::Write;

use crate::case::Case;
use crate::record::{CaseRecord, Header, Standing, Summary, Tally};
use crate::run::Progress;

use super::sentences::{explain, word};

/// Writes for people.
pub struct Human<W> {
    to: W,
    /// True on a terminal: colours, and a line that shows what is running.
    terminal: bool,
    /// True to show the cases that passed and that were skipped, too.
    all: bool,
    total: usize,
    ended: usize,
    seed: u64,
    failures: Vec<CaseRecord>,
}

/// The colours of words.
#[derive(Clone, Copy)]
enum Colour {
    Green,
    Red,
    Yellow,
    Grey,
}

impl<W: Write> Human<W> {
    /// Writes to `to`.
    pub fn new(to: W, terminal: bool, all: bool) -> Self {
        Self { to, terminal, all, total: 0, ended: 0, seed: 0, failures: Vec::new() }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Green => 32,
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Grey => 90,
        };
        if self.terminal { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes lines. Nobody is left to be told if a terminal is gone.
    fn say(&mut self, text: &str) {
        let _ = self.to.write_all(text.as_bytes());
        let _ = self.to.flush();
    }

    fn show_running(&mut self, running: &[&str]) {
        if self.terminal {
            let line = format!("\r\x1b[K[{}/{}] {}", self.ended, self.total, running.join(" "));
            self.say(&line);
        }
    }

    fn clear_running(&mut self) {
        if self.terminal {
            self.say("\r\x1b[K");
        }
    }
}

impl<W: Write> Progress for Human<W> {
    fn begins(&mut self, header: &Header) {
        (self.total, self.seed) = (header.cases, header.seed);
        let text = format!(
            "{} {} ({}), {} cases of the profile {}, seed {}\n",
            header.driver, header.driver_version, header.file, header.cases, header.profile, header.seed
        );
        self.say(&text);
    }

    fn case_begins(&mut self, _: &Case, running: &[&str]) {
        self.show_running(running);
    }

    fn case_ends(&mut self, case: &CaseRecord, running: &[&str]) {
        self.ended += 1;
        let standing = case.standing();
        let colour = match standing {
            Standing::Passed => Colour::Green,
            Standing::Skipped | Standing::Untested => Colour::Grey,
            Standing::Warned | Standing::ExpectedFailure => Colour::Yellow,
            Standing::Failed | Standing::Unknown | Standing::UnexpectedPass => Colour::Red,
        };
        if self.all || !matches!(standing, Standing::Passed | Standing::Skipped) {
            self.clear_running();
            let why = match standing {
                Standing::Passed => String::new(),
                Standing::UnexpectedPass => ": the baseline expects a failure; take it out".to_owned(),
                _ => format!(": {}", case.verdict.sentence()),
            };
            let word = self.paint(colour, &format!("{:<14}", word(case)));
            let line = format!("{word} {:<7} {:>6.2} s  {}{why}\n", case.id, case.seconds, case.rule);
            self.say(&line);
        }
        if matches!(standing, Standing::Failed | Standing::Unknown | Standing::Warned) {
            self.failures.push(case.clone());
        }
        self.show_running(running);
    }

    fn ends(&mut self, summary: &Summary) {
        self.clear_running();
        let failures = std::mem::take(&mut self.failures);
        let text: String =
            failures.iter().map(|case| format!("\n{}", explain(case).replacen(&case.id, &self.paint(Colour::Red, &case.id), 1))).collect();
        self.say(&text);
        let mut text = String::from("\n         passed  failed  skipped  not testable  expected  harness errors\n");
        for (name, tally) in [("MUST", &summary.must), ("SHOULD", &summary.should), ("MAY", &summary.may)] {
            let Tally { passed, failed, skipped, not_testable, expected, harness_errors } = tally;
            text += &format!("{name:<8} {passed:>6}  {failed:>6}  {skipped:>7}  {not_testable:>12}  {expected:>8}  {harness_errors:>14}\n");
        }
        if !summary.untested_must.is_empty() {
            text += &format!("every MUST must be tried; these could not: {}\n", summary.untested_must.join(", "));
        }
        let verdict = if summary.conformant {
            self.paint(Colour::Green, "the driver keeps the contract, as far as it was tried")
        } else {
            self.paint(Colour::Red, "the driver does not pass")
        };
        text += &format!("{verdict}; {:.1} s, exit code {}\n", summary.seconds, summary.exit_code);
        self.say(&text);
    }
}
