//! The registry's end of the control socket.

use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::task::JoinSet;

use super::protocol::{self, Answer, Asked, Failure, FailureCode, REQUEST_MAX_BYTES};

/// How many operators may be heard at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 8;
/// How many may wait there.
const BACKLOG: u32 = 16;
/// How long a request may take to come, and its answer to be taken.
const LINE_MAX: Duration = Duration::from_secs(5);

/// A socket file with a listener behind it; the file goes with it.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, to remove no other registry's socket.
    identity: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {path:?} (server.control): {why}")]
pub struct NotBound {
    path: PathBuf,
    why: String,
}

impl ControlSocket {
    /// Makes the socket, for the owner alone. One that nobody listens at is replaced. Needs a tokio runtime.
    ///
    /// # Errors
    /// If somebody listens at it, if something else is there, or the system's.
    pub fn bind(path: &Path) -> Result<Self, NotBound> {
        let failed = |why: String| NotBound { path: path.to_owned(), why };
        remove_stale(path).map_err(failed)?;
        let bound = || {
            let socket = UnixSocket::new_stream()?;
            socket.bind(path)?;
            // Before anybody can connect.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            let metadata = std::fs::symlink_metadata(path)?;
            Ok(Self { listener: socket.listen(BACKLOG)?, path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) })
        };
        bound().map_err(|error: io::Error| failed(error.to_string()))
    }

    /// Answers requests with `answer` until the future is dropped, which ends those under way. A request is answered to its end even if who
    /// asked goes away.
    pub async fn serve<F>(self, answer: impl Fn(Asked) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Answer> + Send,
    {
        let answer = Arc::new(answer);
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if conversations.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        let answer = answer.clone();
                        conversations.spawn(async move { converse(stream, &*answer).await });
                    }
                    // Out of descriptors: trying again at once would only burn the processor.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = conversations.join_next() => {}
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What is left is replaced by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket that a registry which was killed has left.
fn remove_stale(path: &Path) -> Result<(), String> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if !kind.is_socket() {
        return Err("it is there, and is no socket; remove it, or name another path".to_owned());
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| format!("the socket of a registry that has ended cannot be removed: {error}"))
        }
        Err(error) => Err(format!("whether somebody listens at it cannot be told: {error}")),
        Ok(_) => Err("another registry listens at it; stop that, or name another path".to_owned()),
    }
}

async fn converse<F: Future<Output = Answer>>(stream: UnixStream, answer: &(impl Fn(Asked) -> F + ?Sized)) {
    let mut stream = BufReader::new(stream);
    let answer = match tokio::time::timeout(LINE_MAX, request(&mut stream)).await {
        Ok(Ok(asked)) => answer(asked).await,
        Ok(Err(message)) => Answer::Failed(Failure { code: FailureCode::Request, message }),
        Err(_) => {
            let message = format!("no request came within {} s", LINE_MAX.as_secs());
            Answer::Failed(Failure { code: FailureCode::Request, message })
        }
    };
    let line = protocol::encode(&answer);
    // Whoever asked may have gone away.
    let _ = tokio::time::timeout(LINE_MAX, stream.get_mut().write_all(line.as_bytes())).await;
}

async fn request(stream: &mut BufReader<UnixStream>) -> Result<Asked, String> {
    let mut line = Vec::new();
    let read = stream.take(REQUEST_MAX_BYTES as u64).read_until(b'\n', &mut line).await;
    read.map_err(|error| format!("the request cannot be read: {error}"))?;
    if line.last() != Some(&b'\n') {
        return Err(format!("a request is one line of at most {REQUEST_MAX_BYTES} bytes"));
    }
    protocol::decode(&line)
}
