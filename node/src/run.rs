//! Running a node from a data directory until it is told to stop: what `decube up` does, and what
//! every other program does that starts nodes.
//!
//! Reads `network.toml` and the keys, opens the store, starts the node and its control API, and
//! ends both in order.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use decube_crypto::{SecretKey, ValidatorSecret};
use decube_protocols::commit::Signer;
use decube_store::keys::{self, KeyError, KeyKind};
use decube_store::network::{self, NETWORK_FILE, NetworkError};
use decube_store::{Identity, Store, StoreError, preshared};
use libp2p::Multiaddr;
use libp2p::pnet::PreSharedKey;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::{self, ApiConfig, ListenError, TcpConfig, Token, TokenError};
use crate::node::{Handle, Node, NodeConfig, StartError, StopReason};
use crate::settings::Settings;
use crate::signer::{RemoteSigner, TIME_OUT};

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
    /// There is a key here, and a signer that keeps it as well.
    #[error("{path} exists although {settings} names a signer; a validator key is in one place only: \
        move it with votes.redb to the signer's data directory, or take `signer` out",
        path = path.display(), settings = crate::settings::SETTINGS_FILE)]
    KeyBesideSigner {
        /// The key's file.
        path: PathBuf,
    },
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

/// The keys of a data directory, opened.
#[derive(Debug)]
pub struct Keys {
    /// Proves who the node is.
    pub peer: SecretKey,
    /// Signs the node's changes and transactions.
    pub author: SecretKey,
    /// Signs votes, at a validator that has its key here.
    pub validator: Option<ValidatorSecret>,
}

impl Keys {
    /// Opens the keys of a data directory, each by `open`, which knows the passphrases of those that
    /// are sealed.
    ///
    /// # Errors
    /// What `open` returns.
    pub fn open(
        directory: &Path,
        mut open: impl FnMut(KeyKind) -> Result<ValidatorSecret, KeyError>,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            peer: open(KeyKind::Peer)?.ed25519().clone(),
            author: open(KeyKind::Author)?.ed25519().clone(),
            validator: match keys::exists(directory, KeyKind::Validator) {
                true => Some(open(KeyKind::Validator)?),
                false => None,
            },
        })
    }

    /// Reads the keys of a data directory, of which none is sealed.
    ///
    /// # Errors
    /// [`KeyError`] names the file and what to do.
    pub fn read(directory: &Path) -> Result<Self, KeyError> {
        let sealed = |path: &Path| KeyError::Sealed { path: path.into() };
        Self::open(directory, |kind| {
            keys::open(directory, kind, |path| Err(sealed(path)))
        })
    }
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
    keys: Keys,
    started: impl FnOnce(&Handle, Option<std::net::SocketAddr>),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let config = load(directory, settings, keys)?;
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
pub fn load(directory: &Path, settings: &Settings, keys: Keys) -> Result<NodeConfig, RunError> {
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
    let Keys {
        peer,
        author,
        validator,
    } = keys;
    let scheme = file.genesis.parameters.signature;
    let me = peer.public();
    let named = file.genesis.validators.iter().find(|one| one.peer == me);
    let validator = match (validator, named) {
        (Some(key), Some(_)) => Some(keys::voter(directory, &key, scheme)?),
        // It signs nothing here, so a key that lacks a part is in nobody's way.
        (Some(key), None) => key.under(scheme),
        (None, _) => None,
    };
    if settings.signer.is_some() && keys::exists(directory, KeyKind::Validator) {
        let path = keys::path(directory, KeyKind::Validator);
        return Err(RunError::KeyBesideSigner { path });
    }
    let network = file.genesis.network_id();
    let signer = settings.signer.as_ref().and_then(|socket| {
        named.map(|one| RemoteSigner::new(socket.clone(), network, one.key.clone(), TIME_OUT))
    });
    if settings.signer.is_some() && signer.is_none() {
        tracing::warn!("a signer is named, but the genesis names no validator with this peer key");
    }
    let key = match (&validator, &signer) {
        (Some(key), _) => Some(key.ed25519().public()),
        (None, Some(signer)) => Some(*signer.public().ed25519()),
        (None, None) => None,
    };
    let identity = Identity {
        network,
        validator: key,
    };
    let store = match signer {
        Some(_) => Store::open_with_signer(directory, &identity)?,
        None => Store::open(directory, &identity)?,
    };
    Ok(NodeConfig {
        store,
        signer: signer.map(|signer| Arc::new(signer) as Arc<dyn Signer>),
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

#[cfg(test)]
mod tests {
    use super::*;
    use decube_protocols::types::{
        Genesis, NetworkFile, Parameters, Power, Replica, Timestamp, Validator, VoteScheme,
    };

    /// A data directory with a key for Ed25519 votes only, in a network with hybrid votes.
    fn directory(is_validator: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        keys::make(path, KeyKind::Peer).unwrap();
        keys::make(path, KeyKind::Author).unwrap();
        keys::create(path, KeyKind::Validator, &keys::generate().unwrap()).unwrap();
        let me = keys::read(path, KeyKind::Peer).unwrap().public();
        let other = keys::generate().unwrap().public();
        let genesis = Genesis {
            name: "mixed".into(),
            created: Timestamp(1_700_000_000_000),
            parameters: Parameters {
                delta_ms: 30,
                idle_ms: 10_000,
                drift_ms: 5_000,
                signature: VoteScheme::Hybrid,
                write_quorum: 1,
            },
            validators: vec![Validator {
                name: "v1".into(),
                key: keys::generate_validator().unwrap().public(),
                peer: if is_validator { me } else { other },
                power: Power(1),
            }],
            replicas: vec![Replica {
                name: "r1".into(),
                peer: me,
            }],
        };
        Store::create(path, &genesis.network_id()).unwrap();
        let file = NetworkFile {
            bootstrap: vec![],
            genesis,
        };
        network::write(&path.join(NETWORK_FILE), &file).unwrap();
        folder
    }

    fn loaded(folder: &Path) -> Result<NodeConfig, RunError> {
        let settings = Settings::resolve(&[]).unwrap();
        load(folder, &settings, Keys::read(folder).unwrap())
    }

    /// `init` makes a validator key everywhere, so an old one lies about where nobody votes.
    #[test]
    fn a_key_that_lacks_a_part_stops_a_validator_and_nobody_else() {
        let folder = directory(false);
        assert!(loaded(folder.path()).unwrap().validator.is_none());
        let folder = directory(true);
        let refused = loaded(folder.path()).unwrap_err();
        let is_named = matches!(refused, RunError::Key(KeyError::NoMlDsa { .. }));
        assert!(is_named, "{refused}");
    }
}
