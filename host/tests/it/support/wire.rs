//! A small HTTP/1.1 client that sends what a test wants, right or wrong, and reads one answer at a time.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for bytes before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to write.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.to_owned(), target: target.into(), headers: Vec::new(), body: Body::None }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A body with its length announced.
    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(bytes.into());
        self
    }

    /// A body in HTTP chunks, its length not announced.
    pub(crate) fn chunked<'a>(mut self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().map(<[u8]>::to_vec).collect());
        self
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The bytes on the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: registry.test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut encoded = Vec::new();
        match &self.body {
            Body::None if ["POST", "PUT", "PATCH"].contains(&self.method.as_str()) => head.push_str("content-length: 0\r\n"),
            Body::None => {}
            Body::Sized(bytes) => {
                head.push_str(&format!("content-length: {}\r\n", bytes.len()));
                encoded.extend_from_slice(bytes);
            }
            Body::Chunked(chunks) => {
                head.push_str("transfer-encoding: chunked\r\n");
                for chunk in chunks {
                    encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    encoded.extend_from_slice(chunk);
                    encoded.extend_from_slice(b"\r\n");
                }
                encoded.extend_from_slice(b"0\r\n\r\n");
            }
        }
        head.push_str("\r\n");
        [head.into_bytes(), encoded].concat()
    }
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header that comes at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "header {name} comes once");
        first
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn need(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("the answer has the header {name}: {self:?}"))
    }

    pub(crate) fn location(&self) -> String {
        self.need("location").to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is JSON ({error}): {:?}", self.text()))
    }

    /// The code of the first error in the body.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The sentence of the first error in the body.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Fails unless the status is `status`, naming the rule.
    #[track_caller]
    pub(crate) fn is(self, status: u16, rule: &str) -> Self {
        assert_eq!(self.status, status, "{rule}: {}", self.text());
        self
    }

    /// Fails unless it is this error.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, code: &str, rule: &str) -> Self {
        let answer = self.is(status, rule);
        assert_eq!(answer.code(), code, "{rule}: {}", answer.text());
        answer
    }

    /// The path and query of a `Link` to the next page.
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.header("link")?;
        let target = link.strip_prefix('<').and_then(|link| link.split_once('>')).expect("a link stands in angle brackets");
        assert_eq!(target.1, "; rel=\"next\"", "a link says that it leads to the next page");
        Some(target.0.to_owned())
    }
}

/// A connection to a registry.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the registry accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self(BufReader::new(stream))
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Writes raw bytes, all of which the registry or the system takes.
    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).expect("the registry still listens");
    }

    /// Writes a request and reads its answer. A registry that answers before it has read everything may close, so that is no failure.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        let _ = self.stream().write_all(&request.encode());
        self.read(request.is_head())
    }

    /// True if an answer has come, or the end of the connection.
    pub(crate) fn has_something_to_read(&self) -> bool {
        let stream = self.stream();
        stream.set_nonblocking(true).expect("the stream is open");
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("the stream is open");
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn end_sending(&self) {
        self.stream().shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// Reads whatever comes until the registry closes the connection; false if it does not.
    pub(crate) fn is_closed_after_any_answer(&mut self) -> bool {
        let mut answer = Vec::new();
        let read = self.0.read_to_end(&mut answer);
        read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    }

    /// True once the registry has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.0.fill_buf(), Ok([]) | Err(_))
    }

    /// Reads an answer; one to HEAD has no body, whatever its headers say.
    #[track_caller]
    pub(crate) fn read(&mut self, head: bool) -> Answer {
        self.try_read(head).unwrap_or_else(|error| panic!("a whole answer comes: {error}"))
    }

    /// As [`read`](Self::read), where the connection may break.
    pub(crate) fn try_read(&mut self, head: bool) -> io::Result<Answer> {
        loop {
            let mut answer = self.read_head()?;
            if answer.status == 100 {
                continue;
            }
            if !head && ![204, 304].contains(&answer.status) {
                answer.body = self.read_body(&answer)?;
            }
            return Ok(answer);
        }
    }

    /// A line of an answer's head.
    #[track_caller]
    pub(crate) fn read_line(&mut self) -> String {
        self.try_read_line().unwrap_or_else(|error| panic!("an answer comes: {error}"))
    }

    fn try_read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn read_head(&mut self) -> io::Result<Answer> {
        let first = self.try_read_line()?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.try_read_line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Answer { status: status.unwrap_or_else(|| panic!("{first:?} is a status line")), headers, body: Vec::new() })
    }

    fn read_body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = answer.header("content-length") {
            // Not into a buffer of that length: filling it takes a debug build longer than a registry may be willing to wait.
            let length: u64 = length.parse().expect("content-length is a number");
            (&mut self.0).take(length).read_to_end(&mut body)?;
            let cut = || io::Error::new(ErrorKind::UnexpectedEof, format!("{} of {length} bytes that content-length says", body.len()));
            return if body.len() as u64 == length { Ok(body) } else { Err(cut()) };
        }
        assert_eq!(answer.header("transfer-encoding"), None, "every answer tells its length");
        self.0.read_to_end(&mut body)?;
        Ok(body)
    }
}
