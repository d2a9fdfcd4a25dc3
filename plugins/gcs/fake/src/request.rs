//! A request, taken apart as both interfaces do it.

use bytes::Bytes;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;

/// A request with its whole body.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// As it was sent: still encoded, without the query.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// False if the connection broke before the body's end; only a resumable upload has a use for such a one.
    pub(crate) is_whole: bool,
}

impl Request {
    /// A request line and fields, without a body.
    ///
    /// # Errors
    /// The target is not percent-encoded UTF-8.
    pub(crate) fn new(method: Method, target: &str, headers: HeaderMap) -> Result<Self, Refusal> {
        let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
        let mut query = Vec::new();
        for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // In a query, a plus stands for a space.
            query.push((decoded(name)?, decoded(&value.replace('+', "%20"))?));
        }
        Ok(Self { method, path: path.to_owned(), raw_query: raw_query.to_owned(), query, headers, body: Bytes::new(), is_whole: true })
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter or field that is a number.
    ///
    /// # Errors
    /// It is there and is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.parameter(name).map(|value| number(name, value)).transpose()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn header_number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.header(name).map(|value| number(name, value)).transpose()
    }
}

fn number(name: &str, value: &str) -> Result<u64, Refusal> {
    value.parse().map_err(|_| Refusal::invalid(format!("Invalid value for {name}: '{value}'")))
}

/// Undoes percent-encoding.
///
/// # Errors
/// What comes out is not UTF-8.
pub(crate) fn decoded(text: &str) -> Result<String, Refusal> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| text.into_owned()).map_err(|_| Refusal::invalid("The name is not UTF-8"))
}

/// An object's name, as the store allows it.
///
/// # Errors
/// It is empty, too long, has a line end, or is one of the names that are taken.
/// Source: <https://cloud.google.com/storage/docs/objects#naming>.
pub(crate) fn object_name(encoded: &str) -> Result<String, Refusal> {
    let name = decoded(encoded)?;
    let is_taken = name == "." || name == ".." || name.starts_with(".well-known/acme-challenge/");
    if name.is_empty() || name.len() > 1024 || name.contains(['\r', '\n']) || is_taken {
        return Err(Refusal::invalid(format!("Invalid object name: '{name}'")));
    }
    Ok(name)
}
