//! Connections that are kept open and used again.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::{ClientError, Endpoint};

/// How many idle connections are kept: as many as a program has requests in flight at a time;
/// beyond it they are closed.
const MAX_IDLE: usize = 16;

pub(super) type Connection = SendRequest<Full<Bytes>>;

/// The connections to one node.
#[derive(Debug)]
pub(super) struct Pool {
    endpoint: Endpoint,
    idle: Mutex<Vec<Connection>>, // Invariant: at most MAX_IDLE.
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            idle: Mutex::default(),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request on an idle connection or a new one. The connection is to be given back when
    /// the answer's body was read.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), ClientError> {
        while let Some(mut connection) = self.take() {
            match connection.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => match error.take_message() {
                    // It was closed while idle, and nothing was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Broken(error.into_error().to_string())),
                },
            }
        }
        let mut connection = self.connect().await?;
        match connection.send_request(request).await {
            Ok(response) => Ok((response, connection)),
            Err(error) => Err(ClientError::Broken(error.to_string())),
        }
    }

    /// Sends a request on a new connection, which ends with the answer.
    pub(super) async fn send_alone(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut connection = self.connect().await?;
        match connection.send_request(request).await {
            Ok(response) => Ok(response),
            Err(error) => Err(ClientError::Broken(error.to_string())),
        }
    }

    pub(super) fn give_back(&self, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn take(&self) -> Option<Connection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        match &self.endpoint {
            Endpoint::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => handshake(stream).await,
                Err(reason) if is_absent(&reason) => Err(ClientError::NotRunning {
                    path: path.clone(),
                    reason,
                }),
                Err(reason) => Err(ClientError::Connect {
                    place: path.display().to_string(),
                    reason,
                }),
            },
            Endpoint::Tcp { address, .. } => {
                let failed = |reason| ClientError::Connect {
                    place: address.to_string(),
                    reason,
                };
                let stream = TcpStream::connect(address).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                handshake(stream).await
            }
        }
    }
}

/// Whether nothing listens on a socket: it is not there, or its process is gone.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

async fn handshake<S>(stream: S) -> Result<Connection, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Broken(error.to_string()))?;
    // It ends when the sender is dropped or the node closes it; the sender is told of errors.
    tokio::spawn(connection);
    Ok(sender)
}
