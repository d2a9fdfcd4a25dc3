//! Heads of HTTP/1.1 messages, which driver and service read and write alike.

use std::fmt::Write;
use std::io::{self, BufRead, Read};

/// How long a head may be, in bytes: two keys, each byte of which is written as three.
const HEAD_MAX_BYTES: u64 = 64 * 1024;

/// The first line of a message and its fields.
pub(crate) struct Head {
    pub(crate) first: String,
    fields: Vec<(String, String)>,
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Head {
    /// Reads a head; `None` if the connection ended in good order before one began.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut reader = reader.take(HEAD_MAX_BYTES);
        let Some(first) = line(&mut reader)? else { return Ok(None) };
        let mut fields = Vec::new();
        loop {
            let line = line(&mut reader)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            if line.is_empty() {
                return Ok(Some(Self { first, fields }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| nonsense("a field without a colon"))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The value of a field, whose name is given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// How many bytes follow. Neither side sends chunks.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self.field("content-length") {
            None => Ok(0),
            Some(length) => length.parse().map_err(|_| nonsense("a length that is no number")),
        }
    }
}

/// A line without its end; `None` if there is none.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| nonsense("a head that is no text"))
}

/// The text with everything escaped that means something in a path, a query or a field.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => escaped.push(char::from(byte)),
            // A string takes every write.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

/// What was escaped; `None` if it is no escaped text.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_comes_back_whole() {
        for text in ["", "a/b", "%41", "a b&c=d?#\u{e9}\r\n", "%"] {
            let escaped = escaped(text);
            assert!(!escaped.contains([' ', '&', '?', '\r', '\n']), "{escaped}");
            assert_eq!(unescaped(&escaped).as_deref(), Some(text));
        }
        assert_eq!(unescaped("%4"), None, "half an escape is none");
    }

    #[test]
    fn a_head_that_ends_early_is_an_error_and_none_is_none() {
        assert!(Head::read(&mut &b""[..]).unwrap().is_none());
        assert!(Head::read(&mut &b"HTTP/1.1 200 OK\r\nContent-Le"[..]).is_err());
        let head = Head::read(&mut &b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"[..]).unwrap().unwrap();
        assert_eq!(head.length().unwrap(), 7);
    }
}
