//! The typed client of the control API, for the command line, the testnet and applications.
//!
//! A [`Client`] keeps connections open and uses them again, so that a request costs one round trip.
//! Clones share the connections. [`Client::events`] takes a connection of its own.
//!
//! # Invariants
//! - A request is sent at most once: it is repeated on a new connection only when the old one
//!   closed before any of it was sent.
//! - An answer's size is bounded by [`MAX_ANSWER`].

mod calls;
mod connection;
mod error;
mod events;
mod query;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{Problem, Token};
use connection::Pool;

pub use calls::{Exported, Selection};
pub use error::ClientError;
pub use events::{EventFilter, EventStream, MAX_FRAME};

/// The largest answer that is read: a large document as an Automerge file.
pub const MAX_ANSWER: usize = 256 << 20;

/// Where a node's control API is.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// The Unix socket in its data directory.
    Unix(PathBuf),
    /// TCP, with the token.
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The token from the file `api-token` in the data directory.
        token: Token,
    },
}

/// A client of one node. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Arc<Pool>,
}

impl Client {
    /// A client of the node at `endpoint`. Connects with the first request.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            pool: Arc::new(Pool::new(endpoint)),
        }
    }

    /// Where the node is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.pool.endpoint()
    }

    /// Sends a request and reads a JSON answer.
    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let body = match body {
            Some(body) => Bytes::from(serde_json::to_vec(body).map_err(ClientError::Encode)?),
            None => Bytes::new(),
        };
        let (_, bytes) = self.call(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(ClientError::Decode)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, None::<&()>).await
    }

    /// Sends a request whose answer says no more than that it was carried out.
    async fn act(&self, method: Method, path: &str) -> Result<(), ClientError> {
        self.call(method, path, Bytes::new()).await.map(|_| ())
    }

    /// Sends a request and reads the whole answer; a problem is an error.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(hyper::HeaderMap, Bytes), ClientError> {
        let request = self.request(method, path, body)?;
        let (response, connection) = self.pool.send(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = collect(body).await?;
        // Only now is the connection free for the next request.
        self.pool.give_back(connection);
        check(parts.status, &bytes)?;
        Ok((parts.headers, bytes))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, "decube");
        if let Endpoint::Tcp { token, .. } = self.endpoint() {
            let mut value =
                HeaderValue::try_from(token.header()).map_err(|_bad| ClientError::BadToken)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request
            .body(Full::new(body))
            .map_err(ClientError::BadRequest)
    }

    /// Sends a request for a stream on a connection of its own.
    async fn stream(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        let response = self.pool.send_alone(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        check(parts.status, &collect(body).await?)?;
        Err(ClientError::NotAProblem {
            status: parts.status.as_u16(),
        })
    }
}

async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(ClientError::Broken(error.to_string())),
    }
}

fn check(status: StatusCode, bytes: &[u8]) -> Result<(), ClientError> {
    if status.is_success() {
        return Ok(());
    }
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
        Err(_other) => Err(ClientError::NotAProblem {
            status: status.as_u16(),
        }),
    }
}
