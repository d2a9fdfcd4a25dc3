//! The least of HTTP/1.1 that a registry needs: one request at a time on a kept connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::RecvFlags;

use crate::content::Content;
use crate::failure::Failure;

/// An answer's head must fit. A thousand idle connections have one each.
const BUFFER_BYTES: usize = 16 * 1024;
/// The most that the kernel drops in one call.
const DISCARD_MAX_BYTES: usize = 1024 * 1024;
/// A head and a body of up to this size leave in one packet burst.
const SMALL_BODY_MAX_BYTES: usize = 16 * 1024;
/// A server that is silent for so long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Request<'a> {
    method: &'static str,
    path: &'a str,
    /// Name and value.
    header: Option<(&'static str, &'static str)>,
    body: Body<'a>,
    keep: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Bytes(&'a [u8]),
    Made(&'a Content),
}

impl Body<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Made(content) => content.length,
        }
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, header: None, body: Body::Bytes(b""), keep: false }
    }

    pub(crate) fn get(path: &'a str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(crate) fn body(self, body: Body<'a>) -> Self {
        Self { body, ..self }
    }

    /// Receives the answer's body into memory of this process, as a client that reads it does; otherwise the kernel drops it.
    pub(crate) fn keep_answer(self) -> Self {
        Self { keep: true, ..self }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn head(&self, address: &str) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", self.method, self.path);
        if let Some((name, value)) = self.header {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !matches!(self.method, "GET" | "HEAD") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.length()));
        }
        head.push_str("\r\n");
        head
    }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    /// How long the body was.
    pub(crate) length: u64,
    /// The body, if it was asked for or the answer is a failure.
    pub(crate) body: Vec<u8>,
    head: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1);
        lines.filter_map(|line| line.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

pub(crate) struct Connection {
    address: String,
    stream: TcpStream,
    /// What was received; `unread` of it is still to be looked at.
    buffer: Vec<u8>,
    unread: std::ops::Range<usize>,
    /// Tells the kernel how much to drop. Never written to, so it takes address space and no memory.
    sink: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Self, Failure> {
        let stream = connect(address).map_err(|cause| Failure::Connect { address: address.to_owned(), cause })?;
        Ok(Self { address: address.to_owned(), stream, buffer: vec![0; BUFFER_BYTES], unread: 0..0, sink: Vec::new() })
    }

    /// Sends a request and receives the whole answer, which must have the status `want`.
    pub(crate) fn send(&mut self, request: &Request<'_>, want: u16) -> Result<Response, Failure> {
        let answered = self.exchange(request);
        let closes =
            answered.as_ref().map_or(true, |answer| answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")));
        if closes {
            *self = Self::open(&self.address)?;
        }
        let answer = answered.map_err(|cause| Failure::Broken { request: request.name(), cause })?;
        if answer.status == want {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body);
        let body = if body.is_empty() { String::new() } else { format!(": {}", body.trim()) };
        Err(Failure::Status { request: request.name(), want, got: answer.status, body })
    }

    /// Whether the server has left the connection open. Must not be called with an answer under way.
    pub(crate) fn is_open(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn exchange(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let mut head = request.head(&self.address).into_bytes();
        match request.body {
            Body::Bytes(bytes) if bytes.len() <= SMALL_BODY_MAX_BYTES => {
                head.extend_from_slice(bytes);
                self.stream.write_all(&head)?;
            }
            Body::Bytes(bytes) => {
                self.stream.write_all(&head)?;
                self.stream.write_all(bytes)?;
            }
            Body::Made(content) => {
                self.stream.write_all(&head)?;
                content.pieces(|piece| self.stream.write_all(piece))?;
            }
        }
        self.receive(request)
    }

    fn receive(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let mut answer = loop {
            let answer = self.receive_head()?;
            if answer.status >= 200 {
                break answer;
            }
        };
        if request.method == "HEAD" || matches!(answer.status, 204 | 304) {
            return Ok(answer);
        }
        let mut body = Vec::new();
        let mut kept = (request.keep || answer.status >= 400).then_some(&mut body);
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            answer.length = self.receive_chunks(&mut kept)?;
        } else {
            let length = answer.header("content-length").and_then(|length| length.parse().ok());
            answer.length = length.ok_or_else(|| malformed("the answer's body has no length"))?;
            self.receive_exactly(answer.length, &mut kept)?;
        }
        answer.body = body;
        Ok(answer)
    }

    fn receive_head(&mut self) -> io::Result<Response> {
        let head = self.receive_until(b"\r\n\r\n")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| malformed("the answer has no status"))?;
        Ok(Response { status, length: 0, body: Vec::new(), head })
    }

    fn receive_chunks(&mut self, kept: &mut Option<&mut Vec<u8>>) -> io::Result<u64> {
        let mut total = 0;
        loop {
            let line = self.receive_until(b"\r\n")?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| malformed("a chunk has no size"))?;
            if size == 0 {
                while !self.receive_until(b"\r\n")?.is_empty() {}
                return Ok(total);
            }
            self.receive_exactly(size, kept)?;
            self.receive_until(b"\r\n")?;
            total += size;
        }
    }

    /// Receives text up to a mark, which is consumed and not returned.
    fn receive_until(&mut self, mark: &[u8]) -> io::Result<String> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(length) = unread.windows(mark.len()).position(|window| window == mark) {
                let text = String::from_utf8_lossy(&unread[..length]).into_owned();
                self.unread.start += length + mark.len();
                return Ok(text);
            }
            self.fill()?;
        }
    }

    fn receive_exactly(&mut self, length: u64, kept: &mut Option<&mut Vec<u8>>) -> io::Result<()> {
        let mut left = length;
        loop {
            let here = self.unread.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(kept) = kept {
                kept.extend_from_slice(&self.buffer[self.unread.start..self.unread.start + here]);
            }
            self.unread.start += here;
            left -= here as u64;
            if left == 0 {
                return Ok(());
            }
            if kept.is_none() {
                return self.discard(left);
            }
            self.fill()?;
        }
    }

    /// Receives bytes that nobody looks at. Linux drops them in the kernel: nothing is copied to this process (tcp(7), `MSG_TRUNC`).
    fn discard(&mut self, length: u64) -> io::Result<()> {
        if self.sink.is_empty() {
            self.sink = vec![0; DISCARD_MAX_BYTES];
        }
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).map_or(DISCARD_MAX_BYTES, |left| left.min(DISCARD_MAX_BYTES));
            let (_, dropped) = rustix::net::recv(&self.stream, &mut self.sink[..most], RecvFlags::TRUNC)?;
            if dropped == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            left -= dropped as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.unread.end == self.buffer.len() {
            return Err(malformed("a line or head of the answer does not fit into 16 KiB"));
        }
        let received = self.stream.read(&mut self.buffer[self.unread.end..])?;
        if received == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread.end += received;
        Ok(())
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
