//! Secrets in other people's words. The registry prints none, but a driver may put its password into an error, a log line or a panic: whatever
//! goes to standard error passes here, and known secrets are taken out of it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";
/// The shortest secret that is looked for, in bytes: a shorter one stands in ordinary words, and hiding it there would tell what it is.
const SECRET_MIN_BYTES: usize = 4;
/// How many texts are looked for; the oldest are forgotten, which reloads have replaced long ago.
const TEXTS_MAX: usize = 1_024;

static TEXTS: RwLock<VecDeque<String>> = RwLock::new(VecDeque::new());

/// Keeps these out of all that is written from now on, as they are and as JSON and messages quote them; of those with several lines each long one, too.
pub fn hide(secrets: impl IntoIterator<Item = String>) {
    let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
    for text in secrets.into_iter().flat_map(forms).filter(|text| text.len() >= SECRET_MIN_BYTES) {
        if !texts.contains(&text) {
            texts.push_back(text);
        }
    }
    while texts.len() > TEXTS_MAX {
        texts.pop_front();
    }
}

fn forms(secret: String) -> Vec<String> {
    const LINE_MIN_BYTES: usize = 16;
    let escaped = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    // Twice: a message quotes it, and the log quotes the message.
    let once = escaped(&secret);
    let mut forms = vec![escaped(&once), once];
    forms.extend(secret.lines().filter(|line| line.len() >= LINE_MIN_BYTES).map(str::to_owned));
    forms.push(secret);
    forms
}

/// The text without known secrets.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let texts = TEXTS.read().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<&String> = texts.iter().filter(|secret| text.contains(secret.as_str())).collect();
    // A secret may be a part of another one.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found.into_iter().fold(Cow::Borrowed(text), |text, secret| Cow::Owned(text.replace(secret.as_str(), HIDDEN)))
}

/// Standard error, for log lines: each comes in one piece.
#[derive(Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().lock().write_all(without_secrets(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_are_taken_out_of_a_text_in_each_form() {
        hide(["canary-one".to_owned(), "canary-one-longer".to_owned(), "two\"lines\nof-a-private-key-here".to_owned(), "abc".to_owned()]);
        let cases = [
            ("a canary-one, abc", "a (hidden), abc"),
            ("canary-one-longer!", "(hidden)!"),
            (r#"{"message":"two\"lines\nof-a-private-key-here"}"#, r#"{"message":"(hidden)"}"#),
            (r#"{"message":"\"two\\\"lines\\nof-a-private-key-here\""}"#, r#"{"message":"\"(hidden)\""}"#),
            ("of-a-private-key-here alone", "(hidden) alone"),
            ("nothing of it", "nothing of it"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_secrets(text), expected);
        }
    }
}
