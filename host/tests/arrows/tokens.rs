//! Rust source as tokens, as far as names matter: comments, texts and lifetimes are left out.

/// A word, a number, `::` or a single sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The tokens of a file.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { chars: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while let Some(next) = reader.peek(0) {
        match (next, reader.peek(1)) {
            ('/', Some('/')) => reader.skip_until(|reader| reader.peek(0) == Some('\n')),
            ('/', Some('*')) => reader.comment(),
            ('"', _) => reader.text(),
            ('\'', _) => reader.quote(),
            (':', Some(':')) => reader.token(2),
            (next, _) if next.is_alphanumeric() || next == '_' => reader.word(),
            (next, _) if next.is_whitespace() => reader.step(1),
            _ => reader.token(1),
        }
    }
    reader.tokens
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self, count: usize) {
        for _ in 0..count {
            self.line += usize::from(self.peek(0) == Some('\n'));
            self.at += 1;
        }
    }

    fn skip_until(&mut self, found: impl Fn(&Self) -> bool) {
        while self.at < self.chars.len() && !found(self) {
            self.step(1);
        }
    }

    fn token(&mut self, length: usize) {
        let text = self.chars[self.at..self.at + length].iter().collect();
        self.tokens.push(Token { text, line: self.line });
        self.step(length);
    }

    /// Comments nest.
    fn comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.step(1);
                    continue;
                }
            }
            self.step(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn text(&mut self) {
        self.step(1);
        while let Some(next) = self.peek(0) {
            match next {
                '\\' => self.step(2),
                '"' => return self.step(1),
                _ => self.step(1),
            }
        }
    }

    /// `r#"…"#` with any number of `#`; false if it is none, as in `r#type`.
    fn raw_text(&mut self) -> bool {
        let hashes = self.chars[self.at..].iter().take_while(|next| **next == '#').count();
        if self.peek(hashes) != Some('"') {
            return false;
        }
        self.step(hashes + 1);
        let is_end = |reader: &Self| reader.peek(0) == Some('"') && (1..=hashes).all(|ahead| reader.peek(ahead) == Some('#'));
        self.skip_until(is_end);
        self.step(hashes + 1);
        true
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.step(3);
                self.skip_until(|reader| reader.peek(0) == Some('\''));
                self.step(1);
            }
            (_, Some('\'')) => self.step(3),
            _ => {
                self.step(1);
                self.skip_until(|reader| !reader.peek(0).is_some_and(|next| next.is_alphanumeric() || next == '_'));
            }
        }
    }

    fn word(&mut self) {
        let length = self.chars[self.at..].iter().take_while(|next| next.is_alphanumeric() || **next == '_').count();
        let text: String = self.chars[self.at..self.at + length].iter().collect();
        let line = self.line;
        self.step(length);
        let prefix = matches!(text.as_str(), "r" | "b" | "c" | "br" | "cr");
        match self.peek(0) {
            Some('"' | '#') if text.ends_with('r') && prefix && self.raw_text() => {}
            Some('"') if prefix => self.text(),
            Some('\'') if text == "b" => self.quote(),
            _ => self.tokens.push(Token { text, line }),
        }
    }
}

#[test]
fn only_code_is_read() {
    let source = r##"
        // unsafe in a comment
        /* unsafe /* nested */ unsafe */
        let a = "unsafe \" unsafe"; let b = r#"unsafe " unsafe"#; let c = b"unsafe"; let d = '"'; let e = '\''; let f = b'"';
        fn g<'unsafe_name>(r: &'unsafe_name u8) -> char { 'u' }
        use crate::x::{Y, r#type};
    "##;
    let texts: Vec<String> = tokens(source).into_iter().map(|token| token.text).collect();
    assert!(!texts.iter().any(|text| text.contains("unsafe")), "{texts:?}");
    let end = texts[texts.len() - 14..].join(" ");
    assert_eq!(end, "} use crate :: x :: { Y , r # type } ;", "what follows a text is read again");
}

#[test]
fn lines_are_counted_through_texts_and_comments() {
    let lines: Vec<usize> = tokens("a /*\n*/ \"\n\" b\nc").into_iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 3, 4]);
}
