//! A plain round robin before several hosts: each request goes to the next one that takes connections, whatever connection it came on.
//!
//! It knows as much of HTTP/1.1 as it takes to see where a request ends. Nothing is retried: a host that dies in the middle of a request
//! costs that request, and its client gets 502.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The longest head of a request or an answer, in bytes: upload states are long.
const HEAD_MAX_BYTES: usize = 64 * 1024;
const PIECE_BYTES: usize = 64 * 1024;

/// It stands before the hosts until it is dropped.
pub(crate) struct RoundRobin {
    pub(crate) address: SocketAddr,
    hosts: Arc<Hosts>,
}

struct Hosts {
    /// `None` where a host is down.
    addresses: Mutex<Vec<Option<SocketAddr>>>,
    turn: AtomicUsize,
    ended: AtomicBool,
}

impl RoundRobin {
    pub(crate) fn start(addresses: Vec<Option<SocketAddr>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let hosts = Arc::new(Hosts { addresses: Mutex::new(addresses), turn: AtomicUsize::new(0), ended: AtomicBool::new(false) });
        let accepting = hosts.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let hosts = accepting.clone();
                // A client that goes away in the middle of anything ends its thread, and that is all.
                thread::spawn(move || drop(serve(&client, &hosts)));
            }
        });
        Self { address, hosts }
    }

    /// Whose turn the next request is, if nobody else sends one and all hosts run.
    pub(crate) fn turn(&self) -> usize {
        self.hosts.turn.load(Ordering::Relaxed) % self.hosts.addresses.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A host has come back at another address, or is down.
    pub(crate) fn set(&self, index: usize, address: Option<SocketAddr>) {
        self.hosts.addresses.lock().unwrap_or_else(PoisonError::into_inner)[index] = address;
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.hosts.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

impl Hosts {
    /// A connection to the next host that takes one.
    fn next(&self) -> Option<TcpStream> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (0..addresses.len()).find_map(|_| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            TcpStream::connect(addresses[turn % addresses.len()]?).ok()
        })
    }
}

/// Serves the requests of one connection.
fn serve(client: &TcpStream, hosts: &Hosts) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(PIECE_BYTES, client);
    while let Some(head) = Head::read(&mut reader)? {
        let Some(host) = hosts.next() else { return bad_gateway(client) };
        host.set_nodelay(true)?;
        // One request a connection: the next one goes to another host.
        if (&host).write_all(&head.closing()).is_err() {
            return bad_gateway(client);
        }
        let whole = AtomicBool::new(matches!(head.length, Length::Of(0)));
        let kept = thread::scope(|scope| {
            scope.spawn(|| {
                let sent = copy(&mut reader, &host, head.length, &whole);
                // The host learns that no more will come.
                sent.or_else(|_| host.shutdown(Shutdown::Both))
            });
            answer(client, &host, head.is("HEAD"), &whole)
        })?;
        if !kept || !whole.load(Ordering::Acquire) {
            client.shutdown(Shutdown::Both)?;
            return Ok(());
        }
    }
    Ok(())
}

/// Hands the host's answer to the client; true if the client's connection can go on.
fn answer(client: &TcpStream, host: &TcpStream, head_only: bool, whole: &AtomicBool) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(PIECE_BYTES, host);
    loop {
        let Ok(Some(head)) = Head::read(&mut reader) else {
            bad_gateway(client)?;
            return Ok(false);
        };
        let status = head.status();
        if status == 100 {
            (&*client).write_all(&head.bytes)?;
            continue;
        }
        // An answer before the end of the body: the rest of it is for nobody.
        let kept = whole.load(Ordering::Acquire);
        (&*client).write_all(&if kept { head.kept_alive() } else { head.closing() })?;
        let length = if head_only || status == 204 || status == 304 { Length::Of(0) } else { head.length };
        copy(&mut reader, client, length, &AtomicBool::new(false)).inspect_err(|_| drop(client.shutdown(Shutdown::Both)))?;
        return Ok(kept);
    }
}

fn bad_gateway(mut client: &TcpStream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    client.shutdown(Shutdown::Write)
}

/// How long a body is.
#[derive(Clone, Copy)]
enum Length {
    Of(u64),
    Chunked,
}

/// Copies a body; `whole` becomes true when its last byte has been read. What a receiver no longer takes is read all the same, or a client
/// would not read the answer that it got instead.
fn copy(reader: &mut impl BufRead, to: &TcpStream, length: Length, whole: &AtomicBool) -> io::Result<()> {
    let mut to = Some(to);
    let mut left = match length {
        Length::Of(bytes) => return copy_bytes(reader, &mut to, bytes, whole),
        Length::Chunked => next_chunk(reader, &mut to)?,
    };
    let within = AtomicBool::new(false);
    while left > 0 {
        copy_bytes(reader, &mut to, left + 2, &within)?;
        left = next_chunk(reader, &mut to)?;
    }
    loop {
        // Trailers, up to an empty line.
        let line = read_line(reader)?;
        let last = line == b"\r\n";
        whole.store(last, Ordering::Release);
        send(&mut to, &line);
        if last {
            return Ok(());
        }
    }
}

/// Copies the line before a chunk; how many bytes the chunk has.
fn next_chunk(reader: &mut impl BufRead, to: &mut Option<&TcpStream>) -> io::Result<u64> {
    let line = read_line(reader)?;
    let size = std::str::from_utf8(&line).ok().and_then(|text| u64::from_str_radix(text.split(';').next()?.trim(), 16).ok());
    send(to, &line);
    size.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn copy_bytes(reader: &mut impl BufRead, to: &mut Option<&TcpStream>, mut left: u64, whole: &AtomicBool) -> io::Result<()> {
    while left > 0 {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= count as u64;
        whole.store(left == 0, Ordering::Release);
        send(to, &piece[..count]);
        reader.consume(count);
    }
    Ok(())
}

fn send(to: &mut Option<&TcpStream>, bytes: &[u8]) {
    if to.is_some_and(|mut to| to.write_all(bytes).is_err()) {
        *to = None;
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(HEAD_MAX_BYTES as u64).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The head of a request or an answer.
struct Head {
    bytes: Vec<u8>,
    length: Length,
}

impl Head {
    /// `None` at the end of the connection.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        if reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut head = Self { bytes: read_line(reader)?, length: Length::Of(0) };
        loop {
            let line = read_line(reader)?;
            head.bytes.extend_from_slice(&line);
            if line == b"\r\n" {
                return Ok(Some(head));
            }
            if head.bytes.len() > HEAD_MAX_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => head.length = Length::Of(value.parse().map_err(|_| io::ErrorKind::InvalidData)?),
                Some(("transfer-encoding", "chunked")) => head.length = Length::Chunked,
                _ => {}
            }
        }
    }

    fn is(&self, method: &str) -> bool {
        self.bytes.starts_with(method.as_bytes())
    }

    fn status(&self) -> u16 {
        let status = self.bytes.get(9..12).and_then(|status| std::str::from_utf8(status).ok());
        status.and_then(|status| status.parse().ok()).unwrap_or(502)
    }

    /// Without what it says about its connection.
    fn kept_alive(&self) -> Vec<u8> {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| !line.to_ascii_lowercase().starts_with(b"connection:")).flatten().copied().collect()
    }

    /// Saying that its connection ends with it.
    fn closing(&self) -> Vec<u8> {
        let mut bytes = self.kept_alive();
        bytes.truncate(bytes.len() - 2);
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        bytes
    }
}
