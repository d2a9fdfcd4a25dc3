//! A way to a service that can go silent: connections stay open, and nothing comes through any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::verdict::Stop;

/// A listener that passes everything on to a service, until it is told not to. It ends when it is dropped.
pub(crate) struct BlackHole {
    address: SocketAddr,
    silent: watch::Sender<bool>,
    swallowed: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl BlackHole {
    /// Listens before the service at `target`, `host:port`.
    pub(crate) async fn before(target: &str) -> Result<Self, Stop> {
        let failed = |error| Stop::harness("no listener before the service", error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (silent, seen) = watch::channel(false);
        let swallowed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target.to_owned(), Passing { silent: seen, swallowed: swallowed.clone() }));
        Ok(Self { address, silent, swallowed, _tasks: tasks })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Stops passing anything on, or goes on with all that came meanwhile.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// How often something came, connections and bytes, that was not passed on.
    pub(crate) fn swallowed(&self) -> u64 {
        self.swallowed.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Passing {
    silent: watch::Receiver<bool>,
    swallowed: Arc<AtomicU64>,
}

impl Passing {
    /// Returns at once, or when the silence is over.
    async fn allowed(&mut self) {
        if *self.silent.borrow_and_update() {
            self.swallowed.fetch_add(1, Ordering::Relaxed);
            // Without a sender everything ends anyway.
            let _ = self.silent.wait_for(|silent| !silent).await;
        }
    }

    async fn pass(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            self.allowed().await;
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
        self.allowed().await;
        // The other side may be gone.
        let _ = to.shutdown().await;
    }
}

async fn accept(listener: TcpListener, target: String, passing: Passing) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (target, mut passing) = (target.clone(), passing.clone());
        connections.spawn(async move {
            passing.allowed().await;
            let Ok(service) = TcpStream::connect(target).await else { return };
            let ((client_reads, client_writes), (service_reads, service_writes)) = (client.into_split(), service.into_split());
            tokio::join!(passing.clone().pass(client_reads, service_writes), passing.pass(service_reads, client_writes));
        });
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn echo(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
    }

    #[tokio::test]
    async fn silence_swallows_and_gives_back() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let service = tokio::spawn(echo(listener));
        let hole = BlackHole::before(&target).await.unwrap();
        let mut client = TcpStream::connect(hole.address()).await.unwrap();
        let mut got = [0; 3];
        client.write_all(b"one").await.unwrap();
        client.read_exact(&mut got).await.unwrap();
        hole.set_silent(true);
        client.write_all(b"two").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut got)).await.is_err());
        assert_eq!(hole.swallowed(), 1);
        hole.set_silent(false);
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"two");
        service.abort();
    }
}
