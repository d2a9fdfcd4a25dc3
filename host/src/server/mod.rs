//! hyper: listener, connections, request ids, shutdown. Everything behind it is [`Api`].
//!
//! | file | subject |
//! |---|---|
//! | `live` | what is served now |
//! | `connection` | one client's connection |
//! | `wire` | its socket: idle limits, and files that are sent without being read |
//! | `outgoing`, `incoming` | bodies in both directions |
//! | `answering` | clients that have stopped to send and wait for their answer |
//! | `traffic` | what is counted |
//! | `admin` | the operator's own listener |
//! | `request_id` | what joins an answer and its log lines |

mod admin;
mod answering;
mod connection;
mod incoming;
mod live;
mod outgoing;
mod request_id;
mod traffic;
mod wire;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::api::Api;
use connection::Connection;

pub use admin::{Admin, MetricsPage};
pub use live::Live;
pub use request_id::RequestId;
pub use traffic::{Answered, DURATION_BOUNDS, Durations, Traffic};

/// How many connections the system keeps until they are accepted; the system's own limit may be lower.
const BACKLOG: u32 = 1024;

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// How many clients are connected at once; more wait in the system's queue.
    pub connections_max: usize,
    /// The largest head of a request, in bytes.
    pub header_max_bytes: usize,
    /// The largest piece of a body that is received at once, in bytes.
    pub receive_max_bytes: usize,
    /// From the end of a request to the last header of the next one.
    pub keep_alive_idle: Duration,
    /// How long a body may pause, in either direction.
    pub body_idle: Duration,
    /// How long requests under way may take after a shutdown began.
    pub drain: Duration,
}

/// A bound listener with what it serves.
pub struct Server {
    listener: TcpListener,
    live: Live,
    traffic: Arc<Traffic>,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    /// The system's, if the address is in use or not ours.
    pub fn bind(address: SocketAddr, api: Api, options: ServerOptions) -> io::Result<Self> {
        Ok(Self { listener: bind(address)?, live: Live::new(api, options), traffic: Arc::default() })
    }

    /// What it serves, to be exchanged.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// What is counted of this listener.
    pub fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    /// The bound address, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` completes, then lets requests under way end, at most for the drain time. Answers how many were cut off.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> usize {
        let (stop, stopped) = watch::channel(false);
        let connection = Arc::new(Connection::new(self.live.clone(), self.traffic));
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&self.listener, self.live.slots()) => accepted,
            };
            let Some((stream, peer, slot)) = accepted else { continue };
            let (connection, stopped) = (connection.clone(), stopped.clone());
            tokio::spawn(async move {
                connection.serve(stream, peer, stopped).await;
                drop(slot);
            });
        }
        drop(self.listener);
        drop(stopped);
        // Nobody listens if there is no connection.
        let _ = stop.send(true);
        drain(&stop, self.live.now().options.drain).await
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Or a restart waits until the connections of the last run are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A client, where it is, and its slot. An error of one client (it went away while it waited) is no error of ours.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), slot)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            // Out of descriptors: trying again at once would only burn the processor.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Waits until no connection listens to `stop` any more; answers how many do when time is up.
async fn drain(stop: &watch::Sender<bool>, limit: Duration) -> usize {
    match tokio::time::timeout(limit, stop.closed()).await {
        Ok(()) => 0,
        Err(_) => stop.receiver_count(),
    }
}
