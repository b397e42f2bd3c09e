//! Running a node from a data directory until it is told to stop: what `decube up` does, and what
//! every other program does that starts nodes.
//!
//! Reads `network.toml` and the keys, opens the store, starts the node and its control API, and
//! ends both in order.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;

use decube_store::keys::{self, KeyError, KeyKind};
use decube_store::network::{self, NETWORK_FILE, NetworkError};
use decube_store::{Identity, Store, StoreError, preshared};
use libp2p::Multiaddr;
use libp2p::pnet::PreSharedKey;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{self, ApiConfig, ListenError, TcpConfig, Token, TokenError};
use crate::node::{Handle, Node, NodeConfig, StartError, StopReason};
use crate::settings::Settings;

/// The name of the control API's socket in a data directory.
pub const SOCKET_FILE: &str = "decube.sock";
/// The name of the file with the control API's token in a data directory.
pub const TOKEN_FILE: &str = "api-token";

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The network file.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A bootstrap address of the network file.
    #[error("the bootstrap address {address:?} in {path} is no address: {reason}", path = path.display())]
    Bootstrap {
        /// The file.
        path: PathBuf,
        /// The address.
        address: String,
        /// Why not.
        reason: String,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The token of the control API.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The control API.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system gives no signals.
    #[error("the system's signals cannot be waited for: {0}")]
    Signals(#[source] io::Error),
    /// The node stopped by itself.
    #[error(transparent)]
    Stopped(StopReason),
}

/// Where the control API of a data directory's node listens.
#[must_use]
pub fn socket(directory: &Path) -> PathBuf {
    directory.join(SOCKET_FILE)
}

/// Runs the node of a data directory until `stop` is done or the node fails. `started` is told when
/// the node and its control API are up, which is before the node has caught up.
///
/// # Errors
/// [`RunError`] says what is missing or wrong, and what to do; nothing is left running.
pub async fn run(
    directory: &Path,
    settings: &Settings,
    started: impl FnOnce(&Handle, Option<std::net::SocketAddr>),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let config = load(directory, settings)?;
    let tcp = match settings.api_tcp {
        Some(address) => {
            let token = Token::load_or_create(&directory.join(TOKEN_FILE))?;
            Some(TcpConfig { address, token })
        }
        None => None,
    };
    let node = Node::start(config).await?;
    let handle = node.handle();
    let mut stopped = pin!(node.stopped());
    let api = ApiConfig {
        socket: socket(directory),
        tcp,
    };
    let server = match api::serve(handle.clone(), api).await {
        Ok(server) => server,
        Err(error) => {
            handle.shutdown();
            stopped.await;
            return Err(error.into());
        }
    };
    started(&handle, server.tcp_address());
    let reason = tokio::select! {
        reason = &mut stopped => {
            server.stop().await;
            reason
        }
        () = stop => {
            tracing::info!("stopping");
            // What the API was asked is finished while the node still runs.
            server.stop().await;
            handle.shutdown();
            stopped.await
        }
    };
    match reason {
        StopReason::Asked => Ok(()),
        reason @ (StopReason::Store(_) | StopReason::Ended(_)) => Err(RunError::Stopped(reason)),
    }
}

/// Everything that the node of a data directory is started with.
///
/// # Errors
/// [`RunError`] names the file that is missing or wrong.
pub fn load(directory: &Path, settings: &Settings) -> Result<NodeConfig, RunError> {
    let path = directory.join(NETWORK_FILE);
    let file = network::read(&path)?;
    let mut bootstrap = settings.bootstrap.clone();
    for address in &file.bootstrap {
        match address.parse::<Multiaddr>() {
            Ok(address) => bootstrap.push(address),
            Err(error) => {
                let (address, reason) = (address.clone(), error.to_string());
                return Err(RunError::Bootstrap {
                    path,
                    address,
                    reason,
                });
            }
        }
    }
    let peer = keys::read(directory, KeyKind::Peer)?;
    let author = keys::read(directory, KeyKind::Author)?;
    let validator = match keys::exists(directory, KeyKind::Validator) {
        true => Some(keys::read(directory, KeyKind::Validator)?),
        false => None,
    };
    let identity = Identity {
        network: file.genesis.network_id(),
        validator: validator.as_ref().map(decube_crypto::SecretKey::public),
    };
    Ok(NodeConfig {
        store: Store::open(directory, &identity)?,
        genesis: file.genesis,
        peer,
        author,
        validator,
        listen: settings.listen.clone(),
        bootstrap,
        channel: settings.channel,
        preshared_key: preshared::read(directory)?.map(|key| PreSharedKey::new(*key)),
        allowed: settings.allowed_peers.clone(),
        mdns: settings.mdns,
        limits: settings.limits.clone(),
        anti_entropy_interval: settings.anti_entropy_interval,
    })
}

/// Done when the process is told to stop: by Ctrl-C or by a request to terminate. From the call on,
/// these signals no longer end the process at once.
///
/// # Errors
/// [`RunError::Signals`].
pub fn stop_signal() -> Result<impl Future<Output = ()>, RunError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    Ok(async move {
        tokio::select! {
            _signal = interrupt.recv() => {}
            _signal = terminate.recv() => {}
        }
    })
}
