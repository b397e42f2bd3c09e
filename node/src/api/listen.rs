//! Where requests come in: a Unix socket, and TCP when configured.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

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
pub(crate) fn unix(path: &Path) -> Result<UnixListener, ListenError> {
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
    Ok(listener)
}

/// Listens on TCP; says which address it became.
pub(super) async fn tcp(address: SocketAddr) -> Result<(NoDelay, SocketAddr), ListenError> {
    let failed = |reason| ListenError::Tcp { address, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((NoDelay(listener), bound))
}

/// Answers requests until `stopping` is true, and then those that are open.
pub(super) fn run<L: Listener>(
    listener: L,
    routes: Router,
    stopping: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(accept(listener, routes, stopping, MAX_CONNECTIONS))
}

/// Takes connections, at most `max` at a time.
async fn accept<L: Listener>(
    mut listener: L,
    routes: Router,
    mut stopping: watch::Receiver<bool>,
    max: usize,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (io, _) = listener.accept(), if connections.len() < max => {
                connections.spawn(answer(io, routes.clone(), stopping.clone()));
            }
            Some(_ended) = connections.join_next() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection. One whose client sends no more is still answered, as
/// HTTP allows it (RFC 9112, section 9.6), which axum's own server does not do.
async fn answer<I>(io: I, routes: Router, mut stopping: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(routes);
    let mut server = http1::Builder::new();
    let connection = server
        .half_close(true)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection of the control API broke");
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    let _stopped = stopping.wait_for(|stop| *stop).await;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

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
        let _second = unix(&path).unwrap();
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

    /// Sends a request and reads its answer, which says `ok`.
    async fn ask(stream: &mut UnixStream, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok") {
            assert!(
                stream.read_buf(&mut answer).await.unwrap() > 0,
                "{answer:?}"
            );
        }
    }

    fn counting(seen: &Arc<AtomicUsize>) -> Router {
        let seen = Arc::clone(seen);
        let second = move || async move {
            seen.fetch_add(1, Ordering::SeqCst);
            "ok"
        };
        Router::new()
            .route("/first", get(|| async { "ok" }))
            .route("/second", get(second))
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decube.sock");
        let seen = Arc::default();
        let (stop, stopping) = watch::channel(false);
        let listener = unix(&path).unwrap();
        let server = tokio::spawn(accept(listener, counting(&seen), stopping, 1));
        let mut first = UnixStream::connect(&path).await.unwrap();
        ask(&mut first, "/first").await;
        let mut second = UnixStream::connect(&path).await.unwrap();
        let waiting = tokio::spawn(async move { ask(&mut second, "/second").await });
        for _ in 0..10 {
            ask(&mut first, "/first").await;
        }
        assert_eq!(
            seen.load(Ordering::SeqCst),
            0,
            "the first connection is still open"
        );
        drop(first);
        waiting.await.unwrap();
        assert_eq!(seen.load(Ordering::SeqCst), 1);
        stop.send(true).unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn one_who_sends_no_more_is_still_answered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decube.sock");
        let (_stop, stopping) = watch::channel(false);
        let seen = Arc::default();
        let _server = run(unix(&path).unwrap(), counting(&seen), stopping);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream
            .write_all(b"GET /second HTTP/1.1\r\nhost: node\r\n\r\n")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"),
            "{answer}"
        );
    }
}
