//! Starting a node, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use decube_crypto::ValidatorSecret;
use decube_protocols::types::{CollectionId, Epoch, Genesis, Height, NetworkId, PeerId, peer_id};
use decube_protocols::{commit, documents as documents_core, submission};
use decube_store::{StoreError, VoteLog};
use libp2p::Multiaddr;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::clock::Clock;
use super::config::NodeConfig;
use super::error::{StartError, StopReason};
use super::requests::Open;
use super::status::{ChainStatus, Role};
use super::topics::Topics;
use super::{Handle, Shared, books, consensus, documents};
use crate::network::{self, Audience, Command, Event, Lane, NetworkHandle};

/// How much work may wait for a worker. Senders that may wait do, others drop and ask again.
const WORK: usize = 1024;

/// A running node. Dropping it stops it, without waiting.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    ended: mpsc::Receiver<StopReason>,
    network: NetworkHandle,
    stop: watch::Receiver<bool>,
    bookkeeping: JoinHandle<()>,
}

impl Node {
    /// Starts a node: restores the cores from the store, opens the network, and runs the workers.
    /// Must be called inside a multi-threaded tokio runtime with IO and time.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        config.genesis.validate()?;
        let parts = Parts::restore(&config)?;
        let (network, inboxes) = network::spawn(network_config(&config, &parts)?)?;
        subscribe(&network, &parts).await;
        let (stop_sender, stop) = watch::channel(false);
        let (ended_sender, ended) = mpsc::channel(4);
        let (cursor, events) = watch::channel(config.store.last_cursor()?);
        let books = books::keep(config.store.clone(), cursor.clone(), inboxes.bookkeeping);
        let bookkeeping = tokio::spawn(books);
        let inboxes = (inboxes.consensus, inboxes.documents);
        let news = (cursor, events);
        let shared = parts.run(&config, &network, inboxes, news, stop_sender, &ended_sender)?;
        let handle = Handle {
            shared: Arc::new(shared),
        };
        info!(peer = %handle.peer_id(), network = %handle.network_id().short(), "node started");
        Ok(Self {
            handle,
            ended,
            network,
            stop,
            bookkeeping,
        })
    }

    /// The way to the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node stops, by [`Handle::shutdown`] or by a failure, and until what it has
    /// to end is ended.
    pub async fn stopped(mut self) -> StopReason {
        let reason = tokio::select! {
            reason = self.ended.recv() => reason.unwrap_or(StopReason::Ended("workers")),
            // The sender lives in the handle that this node holds.
            _asked = self.stop.wait_for(|stop| *stop) => StopReason::Asked,
        };
        self.network.shutdown().await;
        self.bookkeeping.abort();
        // Both workers end when the network closes their inboxes.
        while self.ended.recv().await.is_some() {}
        reason
    }
}

/// What a node consists of before it runs.
struct Parts {
    clock: Clock,
    me: PeerId,
    network_id: NetworkId,
    topics: Topics,
    role: Role,
    has_signer: bool,
    commit: commit::Core<decube_store::ChainReader>,
    first: Vec<commit::Effect>,
    documents: documents_core::Core<decube_store::DocumentReader>,
    submission: submission::Core<decube_store::ChainReader>,
    collections: Vec<CollectionId>,
    commit_height: Height,
}

impl Parts {
    fn restore(config: &NodeConfig) -> Result<Self, StartError> {
        let clock = Clock::start();
        let now = clock.now();
        let me = peer_id(&config.peer.public());
        let network_id = config.genesis.network_id();
        let (role, votes_with) = role(config, &me);
        let chain = config.store.chain();
        let restored = match votes_with {
            VotesWith::Key(_) | VotesWith::Signer(_) => config.store.restored(Epoch(0))?,
            VotesWith::Nothing => commit::Restored::default(),
        };
        let has_signer = matches!(votes_with, VotesWith::Signer(_));
        let genesis = config.genesis.clone();
        let settings = match votes_with {
            VotesWith::Key(key) => commit::Config::new(genesis, me, Some(*key)),
            VotesWith::Signer(signer) => commit::Config::with_signer(genesis, me, signer),
            VotesWith::Nothing => commit::Config::new(genesis, me, None),
        };
        let (commit, first) = commit::Core::new(settings, chain.clone(), restored, now)
            .map_err(|error| StartError::State(error.to_string()))?;
        let collections: Vec<CollectionId> = commit::ChainSource::collections(&chain)?
            .iter()
            .map(|collection| CollectionId::of(&network_id, collection.name.as_str()))
            .collect();
        let documents = documents_core::Core::new(
            documents_settings(config, network_id)?,
            config.store.documents(),
        )
        .map_err(|error| StartError::State(error.to_string()))?;
        let submission = submission::Core::new(
            submission::Config::new(config.genesis.clone(), me, config.author.clone()),
            chain,
            config.store.pending()?,
            now,
        );
        let topics = Topics::of(&network_id);
        let commit_height = commit.final_height();
        Ok(Self {
            clock,
            me,
            network_id,
            topics,
            role,
            has_signer,
            commit,
            first,
            documents,
            submission,
            collections,
            commit_height,
        })
    }

    /// Starts the workers, each on a thread of its own.
    fn run(
        self,
        config: &NodeConfig,
        network: &NetworkHandle,
        inboxes: (mpsc::Receiver<Event>, mpsc::Receiver<Event>),
        news: (watch::Sender<u64>, watch::Receiver<u64>),
        stop: watch::Sender<bool>,
        ended: &mpsc::Sender<StopReason>,
    ) -> Result<Shared, StartError> {
        let (consensus_work, consensus_queue) = mpsc::channel(WORK);
        let (documents_work, documents_queue) = mpsc::channel(WORK);
        let (status, chain) = watch::channel(ChainStatus::of(&self.commit));
        let (synced_sender, synced) = watch::channel(self.documents.is_synced());
        let (cursor, events) = news;
        let documents = documents::Worker {
            clock: self.clock,
            me: self.me,
            store: config.store.clone(),
            network: network.clone(),
            topics: self.topics.clone(),
            core: self.documents,
            consensus: consensus_work.clone(),
            events: cursor.clone(),
            synced: synced_sender,
            open: Open::default(),
            replies: BTreeMap::new(),
            next_command: 0,
        };
        let consensus = consensus::Worker {
            clock: self.clock,
            me: self.me,
            store: config.store.clone(),
            network: network.clone(),
            topics: self.topics,
            commit: self.commit,
            submission: self.submission,
            documents: documents_work.clone(),
            status,
            events: cursor,
            open: Open::default(),
            wishes: BTreeMap::new(),
            next_wish: 0,
        };
        let first = self.first;
        let known = documents::known(self.collections, self.commit_height);
        let (inbox, documents_inbox) = inboxes;
        worker(
            "consensus",
            ended.clone(),
            consensus.run(inbox, consensus_queue, first),
        )?;
        worker(
            "documents",
            ended.clone(),
            documents.run(documents_inbox, documents_queue, known),
        )?;
        Ok(Shared {
            genesis: config.genesis.clone(),
            network_id: self.network_id,
            me: self.me,
            role: self.role,
            has_signer: self.has_signer,
            store: config.store.clone(),
            network: network.clone(),
            consensus: consensus_work,
            documents: documents_work,
            chain,
            synced,
            events,
            started: Instant::now(),
            stop,
        })
    }
}

/// What a node votes with.
enum VotesWith {
    Key(Box<ValidatorSecret>),
    Signer(Arc<dyn commit::Signer>),
    Nothing,
}

/// Whether the node votes, and with what.
fn role(config: &NodeConfig, me: &PeerId) -> (Role, VotesWith) {
    let validators = config.genesis.validator_set();
    let Some(index) = validators.index_of_peer(me) else {
        return (Role::Follower, VotesWith::Nothing);
    };
    let role = Role::Validator { index };
    match (&config.validator, &config.signer, config.store.vote_log()) {
        (Some(key), _, VoteLog::Held) => (role, VotesWith::Key(Box::new(key.clone()))),
        (None, Some(signer), VoteLog::Held) => (role, VotesWith::Signer(Arc::clone(signer))),
        (_, _, log) => {
            warn!(
                validator = index.0,
                ?log,
                "this node does not vote: its vote log is not there"
            );
            (Role::ValidatorWithoutLog { index }, VotesWith::Nothing)
        }
    }
}

fn documents_settings(
    config: &NodeConfig,
    network: NetworkId,
) -> Result<documents_core::Config, StartError> {
    Ok(documents_core::Config {
        network,
        author: config.author.clone(),
        peer_key: config.peer.clone(),
        nonce: random()?.to_le_bytes(),
        seed: random()?,
        anti_entropy_interval: config.anti_entropy_interval,
        cache_bytes: documents_core::Config::CACHE_BYTES,
    })
}

fn random() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System {
        what: "random bytes",
        reason: error.to_string(),
    })
}

fn network_config(config: &NodeConfig, parts: &Parts) -> Result<network::Config, StartError> {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&parts.network_id.0.as_bytes()[..8]);
    let seed = config.peer.to_seed();
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(*seed).map_err(|error| {
        StartError::System {
            what: "the peer key",
            reason: error.to_string(),
        }
    })?;
    let (mut known, mut pinned) = (Vec::new(), Vec::new());
    for peer in config.store.known_peers()? {
        pinned.extend(peer.post_quantum_since.map(|_| peer.peer));
        let addresses = peer
            .addresses
            .iter()
            .filter_map(|address| address.parse().ok());
        known.extend(addresses.map(|address: Multiaddr| (peer.peer, address)));
    }
    Ok(network::Config {
        network: network::NetworkName::new(prefix),
        keypair,
        listen: config.listen.clone(),
        bootstrap: own_left_out(&config.bootstrap, &parts.me),
        known,
        banned: config
            .store
            .banned_peers()?
            .into_iter()
            .map(|(peer, _)| peer)
            .collect(),
        validators: validators(&config.genesis),
        replicas: replicas(&config.genesis),
        channel: config.channel,
        preshared_key: config.preshared_key,
        allowed: config.allowed.clone(),
        pinned,
        mdns: config.mdns,
        limits: config.limits.clone(),
    })
}

/// The bootstrap list of a network names all nodes alike, so this one may be among them.
fn own_left_out(bootstrap: &[Multiaddr], me: &PeerId) -> Vec<Multiaddr> {
    let own = format!("/p2p/{me}");
    bootstrap
        .iter()
        .filter(|address| !address.to_string().ends_with(&own))
        .cloned()
        .collect()
}

fn validators(genesis: &Genesis) -> Vec<PeerId> {
    genesis
        .validators
        .iter()
        .map(|validator| peer_id(&validator.peer))
        .collect()
}

fn replicas(genesis: &Genesis) -> Vec<PeerId> {
    genesis
        .replicas
        .iter()
        .map(|replica| peer_id(&replica.peer))
        .collect()
}

async fn subscribe(network: &NetworkHandle, parts: &Parts) {
    // Light clients verify what is final by itself, so it is for everyone.
    let finals = (parts.topics.finals(), Lane::Consensus, Audience::Everyone);
    let collections = parts.collections.iter();
    let topics = collections.map(|id| {
        (
            parts.topics.collection(id),
            Lane::Documents,
            Audience::Nodes,
        )
    });
    for (topic, lane, audience) in std::iter::once(finals).chain(topics) {
        let subscribe = Command::Subscribe {
            topic,
            lane,
            audience,
        };
        // Starting the workers fails next when the network has ended already.
        let _stopped = network.command(subscribe).await;
    }
}

/// Runs a worker on a thread of its own, and reports its end.
fn worker(
    name: &'static str,
    ended: mpsc::Sender<StopReason>,
    run: impl Future<Output = Result<(), StoreError>> + Send + 'static,
) -> Result<(), StartError> {
    let runtime = Runtime::current();
    let body = move || {
        let reason = match runtime.block_on(run) {
            Ok(()) => StopReason::Ended(name),
            Err(failure) => {
                error!(%failure, worker = name, "the node cannot write its state and stops");
                StopReason::Store(failure)
            }
        };
        // The node is gone when nobody listens.
        let _nobody = ended.try_send(reason);
    };
    match std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
    {
        Ok(_) => Ok(()),
        Err(error) => Err(StartError::System {
            what: "a thread",
            reason: error.to_string(),
        }),
    }
}
