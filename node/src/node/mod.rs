//! A node: the cores of [`decube_protocols`], joined with the store and the network.
//!
//! [`Node::start`] starts it and gives a [`Handle`], which the control API and applications use.
//! Two workers run the cores, each on a thread of its own: `consensus` (commit and submission) and
//! `documents`. They translate between the cores' enums and the network's bytes, and decide
//! nothing.
//!
//! # Invariants
//! - Bytes of peers are decoded into checked types before a core sees them.
//! - When a write fails, the node stops and says why: memory is then ahead of the disk.

mod books;
mod clock;
mod config;
mod consensus;
mod documents;
mod error;
mod requests;
mod start;
mod status;
mod topics;

use std::sync::Arc;
use std::time::Instant;

use decube_protocols::documents::{Command as DocumentCommand, Reply};
use decube_protocols::submission::{Progress, Wish};
use decube_protocols::types::{Genesis, NetworkId, PeerId};
use decube_store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use crate::network::NetworkHandle;

pub use config::NodeConfig;
pub use error::{RequestError, StartError, StopReason};
pub use start::Node;
pub use status::{NodeStatus, Role};

/// The way to a running node. Clones are equal.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    genesis: Genesis,
    network_id: NetworkId,
    me: PeerId,
    role: Role,
    has_signer: bool,
    store: Store,
    network: NetworkHandle,
    consensus: mpsc::Sender<consensus::Work>,
    documents: mpsc::Sender<documents::Work>,
    chain: watch::Receiver<status::ChainStatus>,
    synced: watch::Receiver<bool>,
    events: watch::Receiver<u64>,
    started: Instant,
    stop: watch::Sender<bool>,
}

impl Handle {
    /// Has a command on documents carried out. Its answer comes after everything that it changed
    /// is durable.
    ///
    /// # Errors
    /// [`RequestError::Command`] when it was not carried out, the others when the node stops.
    pub async fn documents(&self, command: DocumentCommand) -> Result<Reply, RequestError> {
        let (reply, answer) = oneshot::channel();
        let work = documents::Work::Command {
            command: Box::new(command),
            reply,
        };
        self.shared
            .documents
            .send(work)
            .await
            .map_err(|_unsent| RequestError::Stopping)?;
        let answer = answer.await.map_err(|_dropped| RequestError::Stopping)?;
        answer.map_err(RequestError::Command)
    }

    /// Hands over a wish for the committed state; its progress comes through the receiver, the
    /// last of it being final or failed.
    ///
    /// # Errors
    /// When the node stops.
    pub async fn submit(&self, wish: Wish) -> Result<mpsc::Receiver<Progress>, RequestError> {
        let (reports, progress) = mpsc::channel(consensus::REPORTS);
        let work = consensus::Work::Wish { wish, reports };
        self.shared
            .consensus
            .send(work)
            .await
            .map_err(|_unsent| RequestError::Stopping)?;
        Ok(progress)
    }

    /// What is on disk.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkHandle {
        &self.shared.network
    }

    /// The genesis of the node's network.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.shared.genesis
    }

    /// The id of the node's network.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        self.shared.network_id
    }

    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.shared.me
    }

    /// The newest event's cursor; changes with every event. The events themselves are in the
    /// store.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<u64> {
        self.shared.events.clone()
    }

    /// The node's state at this moment.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let chain = self.shared.chain.borrow().clone();
        let synced = *self.shared.synced.borrow();
        let waiting_for = if let Some(reason) = &chain.halted {
            Some(reason.clone())
        } else if !chain.caught_up {
            Some("the chain is being caught up with".to_owned())
        } else if !synced {
            Some("documents are being compared with peers".to_owned())
        } else {
            None
        };
        let me = self.shared.me;
        let is_me = |replica: &decube_protocols::types::Replica| {
            decube_protocols::types::peer_id(&replica.peer) == me
        };
        NodeStatus {
            role: self.shared.role,
            replica: self.shared.genesis.replicas.iter().any(is_me),
            view: chain.view,
            height: chain.height,
            pool: chain.pool,
            ready: waiting_for.is_none(),
            waiting_for,
            signer: self.shared.has_signer.then_some(chain.signing_trouble),
            uptime: self.shared.started.elapsed(),
        }
    }

    /// Asks the node to stop; [`Node::stopped`] tells when it did.
    pub fn shutdown(&self) {
        // The node is gone already when nobody listens.
        let _nobody = self.shared.stop.send(true);
    }
}

/// Sleeps until a moment, or for ever.
async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Tells those who follow events that there may be new ones.
fn publish_cursor(events: &watch::Sender<u64>, store: &Store) {
    // A store that cannot be read stops the node at its next write; until then nothing is new.
    let Ok(newest) = store.last_cursor() else {
        return;
    };
    events.send_if_modified(|cursor| {
        let changed = *cursor != newest;
        *cursor = newest;
        changed
    });
}
