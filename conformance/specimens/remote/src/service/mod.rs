//! The service: HTTP/1.1 over plain connections, each with a thread of its own; everything is in memory.
//!
//! | file | is |
//! |---|---|
//! | `mod` | connections, requests as they come and answers as they go |
//! | `answer` | what each request does |
//! | `store` | what a namespace holds |
//! | `content` | bytes that are counted |

mod answer;
mod content;
mod store;

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use answer::{Reply, Request};
use store::Store;

use crate::message::{Head, escaped, now_ms};

/// The password that it asks for if it is started without one.
pub const PASSWORD: &str = "correct-horse";
/// What all namespaces may hold together.
const ROOM_BYTES: u64 = 6 << 30;
/// The largest body of a request.
const BODY_MAX_BYTES: u64 = 64 << 20;
/// How many connections may be open; those beyond are told to come back.
const CONNECTIONS_MAX: usize = 2048;
/// How long a connection may be without a request, and a request or an answer without a byte: a reader may pause.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// A connection's thread needs little.
const STACK_BYTES: usize = 256 * 1024;

struct Service {
    password: String,
    store: Mutex<Store>,
    connections: AtomicUsize,
}

/// Starts a service on a free port of this machine; it ends with the process.
///
/// # Errors
/// That no port or no thread is free.
pub fn start(password: &str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let store = Mutex::new(Store::new(ROOM_BYTES));
    let service = Arc::new(Service { password: escaped(password), store, connections: AtomicUsize::new(0) });
    std::thread::Builder::new().name("service".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            service.clone().accept(stream);
        }
    })?;
    Ok(address)
}

impl Service {
    fn accept(self: Arc<Self>, mut stream: TcpStream) {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            // The other side may be gone already.
            let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        let service = self.clone();
        let spawned = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            // Its errors are the other side's, which has seen them or is gone.
            let _ = service.serve(stream);
            service.connections.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some(head) = Head::read(&mut reader)? {
            let length = head.length()?;
            if length > BODY_MAX_BYTES {
                return write(&mut writer, &Reply::status(413), true);
            }
            let mut body = Vec::with_capacity(usize::try_from(length.min(1 << 20)).unwrap_or(0));
            reader.by_ref().take(length).read_to_end(&mut body)?;
            // Half a request is none.
            if body.len() as u64 != length {
                return Ok(());
            }
            let is_head = head.first.starts_with("HEAD ");
            write(&mut writer, &self.answer(&head, body), !is_head)?;
        }
        Ok(())
    }

    fn answer(&self, head: &Head, body: Vec<u8>) -> Reply {
        if head.field("x-password") != Some(&self.password) {
            return Reply::status(401);
        }
        let Some(request) = Request::parse(head, body) else { return Reply::status(400) };
        // A panic cannot leave the maps half-changed.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = store.namespace(&request.namespace);
        let key = head.field("idempotency-key");
        if let Some(reply) = key.and_then(|key| namespace.answered(key)) {
            return reply;
        }
        // Under the lock: what comes after it has seen that it is in time.
        if key.is_some() && head.number("x-expires").is_some_and(|expires| expires < now_ms()) {
            return Reply::status(410);
        }
        let reply = request.answer(namespace);
        if let Some(key) = key {
            namespace.remember(key, &reply);
        }
        reply
    }
}

fn write(writer: &mut TcpStream, reply: &Reply, with_body: bool) -> io::Result<()> {
    writer.write_all(reply.head().as_bytes())?;
    if with_body { reply.pieces().try_for_each(|piece| writer.write_all(piece)) } else { Ok(()) }
}
