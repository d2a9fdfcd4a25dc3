//! What each request does.
//!
//! | request | does |
//! |---|---|
//! | `GET /N/health` | nothing |
//! | `HEAD`, `GET`, `PUT`, `DELETE /N/objects/KEY` | an object; `Range`, `If-None-Match: *`, `X-Copy-From` |
//! | `GET /N/list?prefix=&after=&limit=&recursive=` | a page; `DELETE` removes all below the prefix |
//! | `POST /N/uploads` | begins an upload, or goes on from `X-Token` |
//! | `PATCH /N/uploads/ID` | appends at `X-Offset` |
//! | `POST /N/uploads/ID/token`, `/commit` | suspends it; publishes it as `X-Key` if it has `X-Size` bytes |
//! | `DELETE /N/uploads/ID` | aborts it |
//! | `GET /N/tokens?older_than_ms=` | suspended uploads |

use std::fmt::Write;

use super::content::{Content, Growing, content};
use super::store::{Namespace, Object, Session};
use crate::message::{Head, now_ms, unescaped};

/// An answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    fields: String,
    text: String,
    /// Part of an object: its offset and length.
    part: Option<(Content, u64, u64)>,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { status, fields: String::new(), text: String::new(), part: None }
    }

    fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        // A string takes every write.
        let _ = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    fn of(status: u16, object: &Object) -> Self {
        let reply = Self::status(status).with("X-Size", object.content.size());
        reply.with("X-Modified", object.modified).with("ETag", object.version)
    }

    pub(super) fn head(&self) -> String {
        let length = self.part.as_ref().map_or(self.text.len() as u64, |(_, _, length)| *length);
        format!("HTTP/1.1 {} -\r\nContent-Length: {length}\r\n{}\r\n", self.status, self.fields)
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let part = self.part.iter().flat_map(|(content, offset, length)| content.range(*offset, *length));
        part.chain([self.text.as_bytes()])
    }
}

/// A request.
pub(super) struct Request<'a> {
    head: &'a Head,
    method: &'a str,
    pub(super) namespace: String,
    /// What is asked for, and what of it.
    place: &'a str,
    rest: &'a str,
    query: &'a str,
    body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(head: &'a Head, body: Vec<u8>) -> Option<Self> {
        let mut words = head.first.split(' ');
        let (method, target) = (words.next()?, words.next()?.strip_prefix('/')?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (namespace, path) = path.split_once('/')?;
        let (place, rest) = path.split_once('/').unwrap_or((path, ""));
        Some(Self { head, method, namespace: namespace.to_owned(), place, rest, query, body })
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let found = self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name);
        unescaped(found?.1)
    }

    pub(super) fn answer(self, namespace: &mut Namespace) -> Reply {
        let reply = match (self.method, self.place) {
            ("GET", "health") => Some(Reply::status(204)),
            (_, "objects") => self.object(namespace),
            ("GET", "list") => self.list(namespace),
            ("DELETE", "list") => self.delete_prefix(namespace),
            ("POST", "uploads") if self.rest.is_empty() => self.begin(namespace),
            (_, "uploads") => self.upload(namespace),
            ("GET", "tokens") => self.tokens(namespace),
            _ => None,
        };
        reply.unwrap_or_else(|| Reply::status(400))
    }

    fn object(self, namespace: &mut Namespace) -> Option<Reply> {
        let key = unescaped(self.rest)?;
        if self.method == "PUT" {
            return self.put(namespace, key);
        }
        let Some(object) = namespace.objects.get(&key) else { return Some(Reply::status(404)) };
        match self.method {
            "HEAD" => Some(Reply::of(200, object)),
            "GET" => self.get(object),
            "DELETE" => {
                namespace.objects.remove(&key);
                Some(Reply::status(204))
            }
            _ => None,
        }
    }

    fn get(&self, object: &Object) -> Option<Reply> {
        let size = object.content.size();
        let Some(range) = self.head.field("range") else {
            return Some(Reply { part: Some((object.content.clone(), 0, size)), ..Reply::of(200, object) });
        };
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let first: u64 = first.parse().ok()?;
        let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        if first >= size || last < first {
            return Some(Reply::of(416, object));
        }
        let length = last.min(size - 1) - first + 1;
        Some(Reply { part: Some((object.content.clone(), first, length)), ..Reply::of(206, object) })
    }

    fn put(self, namespace: &mut Namespace, key: String) -> Option<Reply> {
        if self.head.field("if-none-match") == Some("*") && namespace.objects.contains_key(&key) {
            return Some(Reply::status(412));
        }
        let content = match self.head.field("x-copy-from") {
            None => content(&namespace.room, self.body),
            Some(from) => match namespace.objects.get(&unescaped(from)?) {
                None => return Some(Reply::status(404)),
                Some(object) => Some(object.content.clone()),
            },
        };
        let Some(content) = content else { return Some(Reply::status(507)) };
        Some(Reply::of(201, &namespace.store(key, content)))
    }

    fn list(&self, namespace: &Namespace) -> Option<Reply> {
        let (prefix, after) = (self.parameter("prefix")?, self.parameter("after"));
        let (limit, recursive): (usize, bool) = (self.parameter("limit")?.parse().ok()?, self.parameter("recursive").is_some());
        if !prefix.is_empty() && namespace.below(&prefix, "").next().is_none() {
            return Some(Reply::status(404));
        }
        let skip = if prefix.is_empty() { 0 } else { prefix.len() + 1 };
        let mut from = after.as_ref().map_or_else(String::new, |after| format!("{after}\0"));
        let (mut text, mut entries, mut more) = (String::new(), 0, false);
        // One search for each entry: after a deeper level `a/` the next name is looked for from `a0` on (`0` follows `/`).
        while let Some((key, object)) = namespace.below(&prefix, &from).next() {
            if entries == limit {
                more = true;
                break;
            }
            match key[skip..].find('/').filter(|_| !recursive) {
                None => {
                    let Object { content, modified, version } = object;
                    let _ = writeln!(text, "o {} {modified} {version} {key}", content.size());
                    entries += 1;
                    from = format!("{key}\0");
                }
                Some(at) => {
                    let child = &key[..skip + at];
                    from = format!("{child}0");
                    // A level that `after` names, or points into, was on an earlier page.
                    if after.as_ref().is_none_or(|after| format!("{child}/") > *after) {
                        let _ = writeln!(text, "p {child}");
                        entries += 1;
                    }
                }
            }
        }
        Some(Reply { text, ..Reply::status(200).with("X-More", u8::from(more)) })
    }

    fn delete_prefix(&self, namespace: &mut Namespace) -> Option<Reply> {
        let prefix = self.parameter("prefix").filter(|prefix| !prefix.is_empty())?;
        let keys: Vec<String> = namespace.below(&prefix, "").map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| drop(namespace.objects.remove(key)));
        Some(Reply::status(if keys.is_empty() { 404 } else { 204 }))
    }

    fn begin(&self, namespace: &mut Namespace) -> Option<Reply> {
        for session in self.head.field("x-forget").into_iter().flat_map(|list| list.split(',')) {
            namespace.sessions.remove(&u64::from_str_radix(session, 16).ok()?);
        }
        // One that is no number is nobody's.
        let token = self.head.field("x-token").map(|token| u64::from_str_radix(token, 16).unwrap_or_default());
        let growing = match token {
            None => Some(Growing::new(&namespace.room)),
            Some(token) => match namespace.tokens.get(&token) {
                None => return Some(Reply::status(404)),
                Some(suspended) => Growing::from(&suspended.content),
            },
        };
        let Some(growing) = growing else { return Some(Reply::status(507)) };
        let size = growing.size();
        let session = namespace.begin(Session { growing, token });
        Some(Reply::status(201).with("X-Session", format_args!("{session:x}")).with("X-Offset", size))
    }

    fn upload(self, namespace: &mut Namespace) -> Option<Reply> {
        let (session, what) = self.rest.split_once('/').unwrap_or((self.rest, ""));
        let number = u64::from_str_radix(session, 16).ok()?;
        let Some(session) = namespace.sessions.get_mut(&number) else { return Some(Reply::status(404)) };
        let size = session.growing.size();
        match (self.method, what) {
            ("PATCH", "") if self.head.number("x-offset").is_some_and(|offset| offset != size) => Some(Reply::status(409)),
            ("PATCH", "") => Some(Reply::status(if session.growing.append(self.body).is_some() { 204 } else { 507 })),
            ("DELETE", "") => {
                let ended = namespace.sessions.remove(&number)?;
                ended.token.into_iter().for_each(|token| drop(namespace.tokens.remove(&token)));
                Some(Reply::status(204))
            }
            ("POST", _) if self.head.number("x-size").is_some_and(|told| told != size) => Some(Reply::status(422)),
            ("POST", "token") => {
                let before = session.token;
                let Some(token) = session.growing.frozen().and_then(|content| namespace.suspend(content, before)) else {
                    return Some(Reply::status(507));
                };
                namespace.sessions.get_mut(&number)?.token = Some(token);
                Some(Reply::status(201).with("X-Token", format_args!("{token:x}")))
            }
            ("POST", "commit") => {
                let key = unescaped(self.head.field("x-key")?)?;
                let Some(content) = session.growing.frozen() else { return Some(Reply::status(507)) };
                let ended = namespace.sessions.remove(&number)?;
                ended.token.into_iter().for_each(|token| drop(namespace.tokens.remove(&token)));
                Some(Reply::of(201, &namespace.store(key, content)))
            }
            _ => None,
        }
    }

    fn tokens(&self, namespace: &Namespace) -> Option<Reply> {
        let age: u64 = self.parameter("older_than_ms")?.parse().ok()?;
        let limit = now_ms().saturating_sub(age);
        let old = namespace.tokens.iter().filter(|(_, suspended)| suspended.since <= limit);
        let text = old.fold(String::new(), |mut text, (token, _)| {
            let _ = writeln!(text, "{token:x}");
            text
        });
        Some(Reply { text, ..Reply::status(200) })
    }
}
