//! Where requests come in: a Unix socket, and TCP when configured.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

/// The most connections of each listener; more wait until one closes. A program needs one for its
/// requests and one for each stream of events.
pub const MAX_CONNECTIONS: usize = 256;
/// The longest path of a Unix socket in bytes: the system keeps it in 108 bytes with a zero at the
/// end (`unix(7)`), and the socket is made under a name that is four bytes longer.
pub const MAX_SOCKET_PATH: usize = 108 - 1 - TEMPORARY.len();
/// What is appended to the name of a socket until its permissions are set.
const TEMPORARY: &str = ".new";

/// Why the API cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The socket's path is too long for the system.
    #[error(
        "the path of the socket, {path}, has {length} bytes and the system takes at most {max}; \
         choose a data directory with a shorter path", max = MAX_SOCKET_PATH
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Another process answers on the socket.
    #[error("another process listens on {path}; stop it first, or use another data directory")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has the socket's name.
    #[error("{path} exists and is no socket; move it away")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {path}: {reason}")]
    Socket {
        /// The path.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The TCP address cannot be had.
    #[error(
        "the control API cannot listen on {address}: {reason}; choose another address with \
         --api-tcp or api.tcp"
    )]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
}

/// Makes the Unix socket, readable and writable by its owner only.
///
/// It gets its permissions under another name, so that nobody can connect before. The socket of a
/// process that is gone is replaced; one that answers is not.
pub(super) fn unix(path: &Path) -> Result<Bounded<UnixListener>, ListenError> {
    let length = path.as_os_str().as_bytes().len();
    if length > MAX_SOCKET_PATH {
        return Err(ListenError::PathTooLong {
            path: path.into(),
            length,
        });
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NoSocket { path: path.into() });
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(ListenError::InUse { path: path.into() });
        }
        Ok(_) | Err(_) => {}
    }
    let failed = |reason| ListenError::Socket {
        path: path.into(),
        reason,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&temporary).map_err(failed)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    Ok(Bounded::new(listener))
}

/// Listens on TCP; says which address it became.
pub(super) async fn tcp(
    address: SocketAddr,
) -> Result<(Bounded<NoDelay>, SocketAddr), ListenError> {
    let failed = |reason| ListenError::Tcp { address, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((Bounded::new(NoDelay(listener)), bound))
}

/// Answers requests until `stopping` is true.
pub(super) fn run<L>(
    listener: Bounded<L>,
    routes: Router,
    mut stopping: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move {
        let stopped = async move {
            // An error means that the server is gone, which is the same.
            let _stopped = stopping.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(listener, routes)
            .with_graceful_shutdown(stopped)
            .await
        {
            tracing::error!(%error, "the control API ended");
        }
    })
}

/// A TCP listener whose connections send small answers at once.
pub(super) struct NoDelay(TcpListener);

impl Listener for NoDelay {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection of the control API has the usual delay");
        }
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A listener with at most [`MAX_CONNECTIONS`] connections.
pub(super) struct Bounded<L> {
    listener: L,
    free: Arc<Semaphore>,
}

impl<L> Bounded<L> {
    fn new(listener: L) -> Self {
        Self {
            listener,
            free: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Counted<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a permit the connection would just not count.
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (io, address) = self.listener.accept().await;
        (
            Counted {
                io,
                _permit: permit,
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that counts until it is dropped.
pub(super) struct Counted<I> {
    io: I,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_private_and_a_stale_one_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decube.sock");
        let first = unix(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(unix(&path), Err(ListenError::InUse { .. })));
        drop(first);
        assert!(path.exists(), "a killed process leaves its socket behind");
        unix(&path).unwrap();
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decube.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(unix(&path), Err(ListenError::NoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_named_with_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(100)).join("decube.sock");
        let error = unix(&path).err().unwrap().to_string();
        assert!(error.contains("at most 103"), "{error}");
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decube.sock");
        let mut listener = unix(&path).unwrap();
        listener.free = Arc::new(Semaphore::new(1));
        let _clients = [(); 2].map(|()| std::os::unix::net::UnixStream::connect(&path).unwrap());
        let (first, _) = listener.accept().await;
        let waiting = futures::FutureExt::now_or_never(listener.accept());
        assert!(
            waiting.is_none(),
            "the second connection came although the first is open"
        );
        drop(first);
        listener.accept().await;
    }
}
