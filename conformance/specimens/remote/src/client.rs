//! Requests: connections that are kept, times that are limited, and when a request is sent again.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use longshore_plugin_api::{Bytes, DriverError};

use crate::failure::{Failure, refused};
use crate::flaw::Flaw;
use crate::message::{Head, escaped, now_ms};

/// How many connections wait for the next request.
const IDLE_MAX: usize = 16;
/// What is read at once and kept; a longer body is a stream.
pub(crate) const WHOLE_MAX_BYTES: u64 = 64 * 1024;
/// How long the first pause is before a request is sent again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A body may take a second more for so many bytes.
const SLOWEST_BYTES_A_SECOND: u64 = 4 << 20;

/// An open store: where it is, and how it is asked.
pub(crate) struct Client {
    endpoint: String,
    namespace: String,
    password: String,
    timeout: Duration,
    retry_budget: Duration,
    flaw: Flaw,
    idle: Mutex<Vec<Connection>>,
    closed: AtomicBool,
    /// Tells requests of this instance apart, with `instance`.
    last: AtomicU64,
    instance: u64,
    /// Uploads that were dropped: the service is told with the next one.
    dropped: Mutex<Vec<String>>,
}

/// What is asked.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// What follows the namespace, escaped.
    pub(crate) path: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) body: &'a [u8],
    /// The name of what it is about, for people.
    pub(crate) what: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'static str, path: impl Into<String>, what: impl std::fmt::Display) -> Self {
        Self { method, path: path.into(), fields: Vec::new(), body: &[], what: what.to_string() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    pub(crate) fn carrying(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Body,
}

/// The bytes of an answer.
pub(crate) enum Body {
    Whole(Bytes),
    /// Too many to wait for.
    Stream {
        connection: Connection,
        length: u64,
    },
}

impl Body {
    /// The bytes of an answer that is never long enough to be a stream, or that is read to its end here.
    pub(crate) fn whole(self) -> io::Result<Bytes> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::Stream { mut connection, length } => exactly(&mut connection, length, Flaw::None).map(Bytes::from),
        }
    }
}

/// A connection, whose every wait has an end.
pub(crate) type Connection = BufReader<Timed>;

/// A stream whose reads and writes fail when their time is over.
pub(crate) struct Timed {
    stream: TcpStream,
    /// `None` for the flaw that waits for ever.
    until: Option<Instant>,
}

impl Timed {
    pub(crate) fn wait_until(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(until) = self.until else { return Ok(None) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What a client is made of.
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) namespace: String,
    pub(crate) password: String,
    pub(crate) timeout: Duration,
    pub(crate) retry_budget: Duration,
    pub(crate) flaw: Flaw,
}

impl Client {
    pub(crate) fn new(place: Place) -> Self {
        let Place { endpoint, namespace, password, timeout, retry_budget, flaw } = place;
        Self {
            endpoint,
            namespace,
            password,
            timeout,
            retry_budget,
            flaw,
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
            last: AtomicU64::new(0),
            instance: RandomState::new().hash_one(now_ms()),
            dropped: Mutex::default(),
        }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a flaw tells.
    pub(crate) fn secret(&self) -> String {
        format!(" (password {})", self.password)
    }

    /// How long one wait for bytes may be.
    pub(crate) fn patience(&self) -> Option<Instant> {
        (!self.has(Flaw::HangsInSilence)).then(|| Instant::now() + self.timeout)
    }

    /// Asks for something, and takes only `expected` for an answer.
    pub(crate) fn ask(&self, request: &Request<'_>, expected: &[u16]) -> Result<Answer, DriverError> {
        let answer = self.answer(request)?;
        if expected.contains(&answer.status) { Ok(answer) } else { Err(refused(self, answer.status, &request.what)) }
    }

    /// Sends a request until it is answered or the budget is used up. A read may be sent as often as one likes; a write has a key by which
    /// the service knows it again, and answers what it answered before.
    fn answer(&self, request: &Request<'_>) -> Result<Answer, DriverError> {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let key = format!("{:016x}-{number}", self.instance);
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match self.attempt(request, &key) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if self.has(Flaw::RetriesForEver) && matches!(failure, Failure::Busy { .. }) {
                continue;
            }
            let wait = failure.after().unwrap_or_default().max(jittered(pause));
            if !failure.may_pass() || begin.elapsed() + wait > self.retry_budget {
                return Err(failure.told(self, &request.what));
            }
            std::thread::sleep(wait);
            pause *= 2;
        }
    }

    fn attempt(&self, request: &Request<'_>, key: &str) -> Result<Answer, Failure> {
        let more = Duration::from_millis(request.body.len() as u64 * 1000 / SLOWEST_BYTES_A_SECOND);
        let until = self.patience().map(|until| until + more);
        let mut connection = self.connection(until).map_err(Failure::Connect)?;
        connection.get_mut().wait_until(until);
        let head = self.head(request, key, until);
        let exchanged = (|| {
            connection.get_mut().write_all(head.as_bytes())?;
            connection.get_mut().write_all(request.body)?;
            Head::read(&mut connection)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
        })();
        let head = exchanged.map_err(|error| self.failed(error))?;
        let status = head.first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| self.failed(io::Error::new(io::ErrorKind::InvalidData, "an answer without a status")))?;
        if let Some(busy) = Failure::of(status, &head) {
            return Err(busy);
        }
        let length = if request.method == "HEAD" { 0 } else { head.length().map_err(|error| self.failed(error))? };
        if length > WHOLE_MAX_BYTES {
            return Ok(Answer { status, head, body: Body::Stream { connection, length } });
        }
        let bytes = exactly(&mut connection, length, self.flaw).map_err(|error| self.failed(error))?;
        if head.field("connection") != Some("close") {
            self.keep(connection);
        }
        Ok(Answer { status, head, body: Body::Whole(bytes.into()) })
    }

    /// Where one kept connection is broken, the others are likely to be.
    fn failed(&self, error: io::Error) -> Failure {
        self.idle().clear();
        Failure::Exchange(error)
    }

    fn head(&self, request: &Request<'_>, key: &str, until: Option<Instant>) -> String {
        let mut head = format!("{} /{}{} HTTP/1.1\r\n", request.method, self.namespace, request.path);
        let mut field = |name: &str, value: &str| [name, ": ", value, "\r\n"].iter().for_each(|part| head.push_str(part));
        field("Host", &self.endpoint);
        field("X-Password", &escaped(&self.password));
        field("Content-Length", &request.body.len().to_string());
        let is_write = !matches!(request.method, "GET" | "HEAD");
        let is_unknown = match request.method {
            "PATCH" => self.has(Flaw::AppendsTwice),
            "PUT" | "DELETE" => self.has(Flaw::RetriesBlindly),
            _ => false,
        };
        if is_write && !is_unknown {
            field("Idempotency-Key", key);
        }
        if let Some(until) = until {
            // What comes later than this, out of a network that was slow, is not done: its caller has been told so.
            let left = until.saturating_duration_since(Instant::now());
            field("X-Expires", &(now_ms() + u64::try_from(left.as_millis()).unwrap_or(0)).to_string());
        }
        request.fields.iter().for_each(|(name, value)| field(name, value));
        head.push_str("\r\n");
        head
    }

    fn connection(&self, until: Option<Instant>) -> io::Result<Connection> {
        if let Some(connection) = self.idle().pop() {
            return Ok(connection);
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.endpoint.to_socket_addrs()? {
            let connected = match until {
                Some(until) => TcpStream::connect_timeout(&address, until.saturating_duration_since(Instant::now()).max(FIRST_PAUSE)),
                None => TcpStream::connect(address),
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(BufReader::new(Timed { stream, until }));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Keeps a connection whose answer was read to its end.
    pub(crate) fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        // Looked at under the lock: `close` sets it before it empties the list.
        if idle.len() < IDLE_MAX && connection.buffer().is_empty() && !self.closed.load(Ordering::Acquire) {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an upload that was dropped, for the service to be told.
    pub(crate) fn forget(&self, session: String) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    /// The uploads that were dropped since this was asked, up to `most`.
    pub(crate) fn forgotten(&self, most: usize) -> Vec<String> {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let first = dropped.len().saturating_sub(most);
        dropped.split_off(first)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.idle().clear();
    }
}

/// Reads as many bytes as the head has told.
fn exactly(connection: &mut Connection, length: u64, flaw: Flaw) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(WHOLE_MAX_BYTES)).unwrap_or(0));
    connection.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length && flaw != Flaw::CutBodyIsWhole {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} of {length} bytes came", bytes.len())));
    }
    Ok(bytes)
}

/// Between half of the pause and one and a half of it, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0_u8) % 1000).unwrap_or(0);
    pause / 2 + pause * random / 1000
}
