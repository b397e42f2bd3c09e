//! What a node is started with.

use std::sync::Arc;
use std::time::Duration;

use decube_crypto::{SecretKey, ValidatorSecret};
use decube_protocols::commit::Signer;
use decube_protocols::types::{Genesis, PeerId};
use decube_store::Store;
use libp2p::{Multiaddr, pnet::PreSharedKey};

use crate::network::{Limits, channel::Policy};

/// Everything that a node needs: no part of it reads files or the environment by itself, except
/// through the store.
#[derive(Debug)]
pub struct NodeConfig {
    /// The network.
    pub genesis: Genesis,
    /// What is on disk, opened.
    pub store: Store,
    /// The key that proves who this node is, and signs receipts.
    pub peer: SecretKey,
    /// The key that signs this node's changes and transactions.
    pub author: SecretKey,
    /// The key that signs votes; only with the vote log that was made with it.
    pub validator: Option<ValidatorSecret>,
    /// What signs votes where the validator key is kept by another process.
    pub signer: Option<Arc<dyn Signer>>,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// Peers to start from, each address ending in `/p2p/<peer id>`.
    pub bootstrap: Vec<Multiaddr>,
    /// Which channels there are.
    pub channel: Policy,
    /// The key that every node of a private network has.
    pub preshared_key: Option<PreSharedKey>,
    /// Who may connect besides the members of the genesis; everyone when there is no list.
    pub allowed: Option<Vec<PeerId>>,
    /// Whether to look for peers by multicast DNS.
    pub mdns: bool,
    /// How much the network may take.
    pub limits: Limits,
    /// How often documents are compared with peers, give or take a jitter.
    pub anti_entropy_interval: Duration,
}
