//! The control API: how programs on this machine talk to a node.
//!
//! HTTP/1.1 and JSON on a Unix socket in the data directory, which only its owner may open; also
//! on TCP when configured, then only for those who show the bearer token. The OpenAPI document at
//! `/openapi.json` describes every route; [`crate::client`] is the typed way to call them.
//!
//! Errors are problem details (RFC 9457, [`Problem`]) with a stable [`Code`]. Events come as
//! server-sent events with a cursor: who reconnects with the last cursor misses nothing.
//!
//! A document is named by its id, by a unique prefix of the id with at least 4 digits, or as
//! `collection/name` (with `%2F` for the slashes in a path).
//!
//! # Invariants
//! - The socket has mode 0600 before anyone can connect to it (`listen::tests`).
//! - A request over TCP without the token reaches no route (`cli/tests/cli/running.rs`).
//! - Every body, page, wait, stream and number of connections is bounded by a named constant.
//! - The answer to a change comes after the change is durable.

#[allow(
    unused_qualifications,
    reason = "utoipa's macro writes the names of parameters qualified"
)]
mod events;
mod extract;
mod failure;
mod listen;
mod openapi;
mod problem;
mod reads;
mod reference;
#[allow(
    unused_qualifications,
    reason = "utoipa's macro writes the names of parameters qualified"
)]
mod routes;
mod token;
pub mod types;
mod versions;
mod wait;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::node::Handle;

pub(crate) use listen::unix as listen_unix;
pub use listen::{ListenError, MAX_CONNECTIONS, MAX_SOCKET_PATH};
pub use openapi::document as openapi_document;
pub use problem::{About, Code, MEDIA_TYPE, Problem};
pub(crate) use routes::documents::HEADS_HEADER;
pub use token::{Token, TokenError};

/// Where the API listens.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Also on TCP.
    pub tcp: Option<TcpConfig>,
}

/// The API on TCP.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// The address; port 0 is any free port.
    pub address: SocketAddr,
    /// What every request must show.
    pub token: Token,
}

/// The largest body of a request, except a file to import: a patch of
/// [`decube_protocols::documents::Edit::MAX_PATCH`] splices of a few characters.
pub const MAX_BODY: usize = 16 << 20;
/// How long open requests may go on after the node was asked to stop; streams end at once.
const GRACE: Duration = Duration::from_secs(3);

/// What all routes share.
#[derive(Clone, Debug)]
struct Api {
    handle: Handle,
    stopping: watch::Receiver<bool>,
}

/// The running API.
#[derive(Debug)]
pub struct Server {
    socket: PathBuf,
    tcp: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// The address on TCP, with the port that was chosen.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Takes no more requests, lets open ones end for a moment and removes the socket.
    pub async fn stop(self) {
        // Nobody listens when the tasks ended already.
        let _nobody = self.stop.send(true);
        for mut task in self.tasks {
            if tokio::time::timeout(GRACE, &mut task).await.is_err() {
                task.abort();
            }
        }
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the socket was gone already");
        }
    }
}

/// Starts the API of a node.
///
/// # Errors
/// [`ListenError`] when an address is not to be had; nothing is left running.
pub async fn serve(handle: Handle, config: ApiConfig) -> Result<Server, ListenError> {
    let (stop, stopping) = watch::channel(false);
    let routes = router(Api {
        handle,
        stopping: stopping.clone(),
    });
    let tcp = match &config.tcp {
        Some(tcp) => Some((listen::tcp(tcp.address).await?, tcp.token.clone())),
        None => None,
    };
    let unix = listen::unix(&config.socket)?;
    let mut tasks = Vec::new();
    let mut address = None;
    if let Some(((listener, bound), token)) = tcp {
        address = Some(bound);
        let guarded = routes.clone().layer(from_fn_with_state(token, authorize));
        tasks.push(listen::run(listener, guarded, stopping.clone()));
    }
    tasks.push(listen::run(unix, routes, stopping));
    Ok(Server {
        socket: config.socket,
        tcp: address,
        stop,
        tasks,
    })
}

/// Lets a request pass only with the bearer token.
async fn authorize(State(token): State<Token>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match shown.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(shown) if token.is(shown) => next.run(request).await,
        Some(_) | None => Problem::new(
            Code::Unauthorized,
            "send the header `Authorization: Bearer TOKEN` with the token from the file api-token \
             in the node's data directory",
        )
        .into_response(),
    }
}

/// All routes; `client::tests` holds the list against the OpenAPI document.
fn router(api: Api) -> Router {
    use routes::{chain, commit, documents, metrics, peers, status};
    Router::new()
        .route("/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/v1/status", get(status::status))
        .route("/v1/sync", get(status::sync).post(status::sync_now))
        .route("/v1/events", get(events::events))
        .route("/v1/metrics", get(metrics::metrics))
        .route(
            "/v1/documents",
            get(documents::list).post(documents::create),
        )
        .route(
            "/v1/documents/import",
            post(documents::import).layer(DefaultBodyLimit::max(documents::MAX_IMPORT)),
        )
        .route(
            "/v1/documents/{document}",
            get(documents::describe).delete(documents::remove),
        )
        .route("/v1/documents/{document}/content", get(documents::read))
        .route("/v1/documents/{document}/version", get(documents::version))
        .route("/v1/documents/{document}/edits", post(documents::edit))
        .route("/v1/documents/{document}/history", get(documents::history))
        .route("/v1/documents/{document}/export", get(documents::export))
        .route("/v1/documents/{document}/proof", get(chain::proof))
        .route("/v1/quarantine", get(documents::quarantine))
        .route(
            "/v1/collections",
            get(chain::collections).post(commit::create_collection),
        )
        .route("/v1/collections/{collection}", get(chain::collection))
        .route("/v1/commits", post(commit::commit))
        .route("/v1/transactions", post(commit::submit))
        .route("/v1/chain/blocks", get(chain::blocks))
        .route("/v1/chain/blocks/{height}", get(chain::block))
        .route("/v1/peers", get(peers::list).post(peers::add))
        .route("/v1/peers/{peer}", delete(peers::remove))
        .route(
            "/v1/peers/{peer}/ban",
            post(peers::ban).delete(peers::unban),
        )
        .route("/v1/peers/{peer}/ping", post(peers::ping))
        .route("/v1/peers/{peer}/addresses", get(peers::find))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

async fn unknown_route(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(
        Code::UnknownRoute,
        format!("there is no route {path}; GET /openapi.json lists them"),
    )
}

async fn unknown_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(
        Code::MethodNotAllowed,
        format!("{path} does not take {method}; GET /openapi.json says what it takes"),
    )
}
