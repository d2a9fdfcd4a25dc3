//! A relay in front of a service, which fails on purpose: it refuses, resets, stalls, slows, cuts, and answers in the service's place.
//!
//! What it does can be changed while connections are open, so that those of a driver's pool are hit too. It counts connections and faults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Instance, Trial};
use crate::config::Place;
use crate::verdict::Stop;

/// How much is held for one direction of a connection.
const BUFFER_BYTES: usize = 16 * 1024;

/// What is done to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing: bytes go on as they come.
    Pass,
    /// New connections are reset at once, and those that are open.
    Refuse,
    /// A connection is reset after so many bytes of its answers.
    ResetAfter(usize),
    /// A connection ends in good order after so many bytes of its answers.
    EndAfter(usize),
    /// The request goes on, and its answer never comes: the connection is reset instead. Once; after it bytes pass.
    LoseAnswer,
    /// Nothing goes on in either direction.
    Stall,
    /// Each piece of at most [`BUFFER_BYTES`] waits so long.
    Delay(Duration),
    /// So many bytes go on in a second.
    Throttle(usize),
    /// HTTP requests are answered with this status, and a `Retry-After` of one second, so many times; after it bytes pass.
    Status(u16, usize),
}

/// A running relay; it ends with all its connections when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    behaviour: watch::Sender<Behaviour>,
    connections: AtomicUsize,
    faults: AtomicUsize,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens on a port of this machine and relays to `service`.
    pub(crate) async fn start(service: &str) -> Result<Self, Stop> {
        let failed = |error: std::io::Error| Stop::harness("the relay does not start", error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            behaviour: watch::Sender::new(Behaviour::Pass),
            connections: AtomicUsize::new(0),
            faults: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, service.to_owned(), shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// In front of the service that the configuration names.
    pub(crate) async fn of(trial: &Trial) -> Result<Self, Stop> {
        let config = &trial.setting.config;
        let address = config.store.address.as_deref().unwrap_or_default();
        if !serde_json::to_string(&config.settings).is_ok_and(|text| text.contains("{proxy}")) {
            return Err(Stop::not_testable("the settings in the harness's configuration do not name {proxy}"));
        }
        Self::start(address).await
    }

    /// The settings of the case's store, reached through this relay.
    pub(crate) fn settings(&self, trial: &Trial) -> Value {
        let place = Place { proxy: Some(self.address.to_string()), ..trial.setting.place.clone() };
        trial.setting.config.settings(&place)
    }

    /// Opens the driver through this relay.
    pub(crate) async fn open(&self, trial: &Trial) -> Result<Instance, Stop> {
        let opened = trial.try_open(&self.settings(trial)).await?;
        opened.map_err(|error| Stop::breach(format!("the driver does not open through a relay: {error}")))
    }

    /// Changes what is done.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How often something else was done than passing bytes on.
    pub(crate) fn faults(&self) -> usize {
        self.shared.faults.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn now(&self) -> Behaviour {
        *self.behaviour.borrow()
    }

    fn fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, service: String, shared: Arc<Shared>) {
    // Connections end with the set that holds them.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        shared.connections.fetch_add(1, Ordering::Relaxed);
        if shared.now() == Behaviour::Refuse {
            shared.fault();
            reset(&client);
            continue;
        }
        let (service, shared) = (service.clone(), shared.clone());
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(&service).await else { return reset(&client) };
            relay(client, server, &shared).await;
        });
    }
}

/// Has the kernel send a reset when the connection is dropped.
fn reset(stream: &TcpStream) {
    // Without it the other side sees an end in good order, which is a fault as well.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// How a relay of two directions ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// One side has ended its half.
    InOrder,
    /// The connection is to be reset.
    Reset,
    /// The connection ends now, in good order.
    Closed,
}

async fn relay(client: TcpStream, server: TcpStream, shared: &Shared) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let to_client = tokio::sync::Mutex::new(to_client);
    let ended = {
        let mut requests = Box::pin(requests(from_client, to_server, &to_client, shared));
        let mut answers = Box::pin(answers(from_server, &to_client, shared));
        tokio::select! {
            // The answer to the last request may be under way.
            ended = &mut requests => if ended == Ended::InOrder { answers.await } else { ended },
            ended = &mut answers => ended,
        }
    };
    if ended == Ended::Reset {
        let to_client = to_client.into_inner();
        reset(to_client.as_ref());
        // Dropped otherwise, it would end in good order first.
        to_client.forget();
    }
}

/// Reads a piece, or learns that connections are to be reset.
async fn piece(from: &mut OwnedReadHalf, buffer: &mut [u8], shared: &Shared) -> Result<usize, Ended> {
    let mut changes = shared.behaviour.subscribe();
    loop {
        tokio::select! {
            read = from.read(buffer) => return read.map_err(|_| Ended::Reset),
            _ = changes.changed() => if shared.now() == Behaviour::Refuse {
                shared.fault();
                return Err(Ended::Reset);
            },
        }
    }
}

/// Waits as long as a piece has to wait.
async fn hold_back(bytes: usize, shared: &Shared) {
    let mut changes = shared.behaviour.subscribe();
    let wait = match shared.now() {
        Behaviour::Delay(wait) => wait,
        Behaviour::Throttle(rate) => Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64),
        Behaviour::Stall => {
            shared.fault();
            // An error means that the relay has ended.
            let _ = changes.wait_for(|behaviour| *behaviour != Behaviour::Stall).await;
            return;
        }
        _ => return,
    };
    shared.fault();
    // The fault is the waiting itself; a change of behaviour ends it.
    let _ = tokio::time::timeout(wait, changes.changed()).await;
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, client: &tokio::sync::Mutex<OwnedWriteHalf>, shared: &Shared) -> Ended {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match piece(&mut from, &mut buffer, shared).await {
            Ok(0) => {
                // The service may have ended first.
                let _ = to.shutdown().await;
                return Ended::InOrder;
            }
            Ok(read) => read,
            Err(ended) => return ended,
        };
        hold_back(read, shared).await;
        match shared.now() {
            Behaviour::Status(code, times) if times > 0 => {
                let left = if times == 1 { Behaviour::Pass } else { Behaviour::Status(code, times.saturating_sub(1)) };
                shared.fault();
                shared.behaviour.send_replace(left);
                return answer(&mut from, client, &mut buffer, code).await;
            }
            Behaviour::Refuse => {
                shared.fault();
                return Ended::Reset;
            }
            _ => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return Ended::Reset;
        }
    }
}

/// Answers a request in the service's place, and takes the rest of it so that the answer is not lost in a reset.
async fn answer(from: &mut OwnedReadHalf, client: &tokio::sync::Mutex<OwnedWriteHalf>, buffer: &mut [u8], code: u16) -> Ended {
    let text = format!("HTTP/1.1 {code} Failure\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    {
        let mut client = client.lock().await;
        if client.write_all(text.as_bytes()).await.is_err() || client.shutdown().await.is_err() {
            return Ended::Closed;
        }
    }
    while from.read(buffer).await.is_ok_and(|read| read > 0) {}
    Ended::Closed
}

async fn answers(mut from: OwnedReadHalf, to: &tokio::sync::Mutex<OwnedWriteHalf>, shared: &Shared) -> Ended {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut passed = 0;
    loop {
        let read = match piece(&mut from, &mut buffer, shared).await {
            Ok(0) => return Ended::Closed,
            Ok(read) => read,
            Err(ended) => return ended,
        };
        hold_back(read, shared).await;
        let (send, after) = match shared.now() {
            Behaviour::Refuse => (0, Some(Ended::Reset)),
            Behaviour::LoseAnswer => {
                shared.behaviour.send_replace(Behaviour::Pass);
                (0, Some(Ended::Reset))
            }
            Behaviour::ResetAfter(limit) if passed + read > limit => (limit.saturating_sub(passed), Some(Ended::Reset)),
            Behaviour::EndAfter(limit) if passed + read > limit => (limit.saturating_sub(passed), Some(Ended::Closed)),
            _ => (read, None),
        };
        if to.lock().await.write_all(&buffer[..send]).await.is_err() {
            return Ended::Reset;
        }
        passed += send;
        if let Some(ended) = after {
            shared.fault();
            return ended;
        }
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
