//! What a node says of itself.

use decube_protocols::documents::SyncState;
use decube_protocols::types::{CollectionId, CollectionName, Height, NetworkId, Timestamp, View};
use decube_store::Writes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a node is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The process that the node runs in.
    pub process_id: u32,
    /// When the node started.
    #[schema(value_type = u64)]
    pub started_at: Timestamp,
    /// True when the node has caught up with its network; a node that only started is not ready.
    pub ready: bool,
    /// What a node that is not ready waits for.
    pub waiting_for: Option<String>,
    /// The node's peer id.
    pub peer_id: String,
    /// The network.
    pub network: NetworkInfo,
    /// What the node does in its network.
    pub role: Role,
    /// Its place among the validators, when it is one.
    pub validator_index: Option<u16>,
    /// The view that a validator is in.
    #[schema(value_type = u64)]
    pub view: View,
    /// The newest final height.
    #[schema(value_type = u64)]
    pub final_height: Height,
    /// How many transactions wait in the pool.
    pub pool: usize,
    /// `held`, or why the vote log is lost, so that the node does not vote; absent at a node without
    /// a validator key.
    pub vote_log: Option<String>,
    /// At a validator whose key is kept by a signing process: `signs`, or why it did not sign last,
    /// so that the node does not vote; absent elsewhere.
    pub signer: Option<String>,
    /// How many peers are connected.
    pub peers: usize,
    /// What encrypts its connections.
    pub channel: ChannelStatus,
    /// The addresses that the node listens on.
    pub listen: Vec<String>,
    /// Bytes on the wire since the start.
    pub traffic: TrafficCount,
    /// How often the files were written since the start.
    pub writes: WriteCount,
    /// The cursor of the newest event.
    pub newest_event: u64,
}

/// What encrypts the connections of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelStatus {
    /// `require`: the post-quantum channel and no other; `prefer`: classic ones for light service.
    pub policy: String,
    /// Whether every connection that stands is post-quantum. Under `require` it is by construction.
    pub all_post_quantum: bool,
    /// How many peers are connected by a classic channel now.
    pub classic_peers: usize,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkInfo {
    /// Its id: the digest of its genesis.
    #[schema(value_type = String)]
    pub id: NetworkId,
    /// Its name, for people.
    pub name: String,
}

/// What a node does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It votes.
    Validator,
    /// It does not vote; its receipts count.
    Replica,
    /// It follows, and neither votes nor signs receipts that count.
    Follower,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Validator => "validator",
            Self::Replica => "replica",
            Self::Follower => "follower",
        })
    }
}

/// Bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficCount {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// How often each file was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WriteCount {
    /// The vote log; zeros at a node that does not vote.
    pub votes: FileWrites,
    /// Documents and chain.
    pub state: FileWrites,
}

/// How often one file was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileWrites {
    /// Durable write transactions.
    pub transactions: u64,
    /// Calls that wait for the disk (fsync or fdatasync), those of opening included.
    pub syncs: u64,
}

impl From<Writes> for FileWrites {
    fn from(writes: Writes) -> Self {
        Self {
            transactions: writes.transactions,
            syncs: writes.syncs,
        }
    }
}

/// How the collections compare with those of the connected peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SyncReport {
    /// True when every collection was compared with every connected replica and found equal, or
    /// equal except for quarantined or forgotten documents.
    pub synced: bool,
    /// The collections.
    pub collections: Vec<CollectionSync>,
}

/// How one collection compares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CollectionSync {
    /// The collection.
    #[schema(value_type = String)]
    pub collection: CollectionId,
    /// Its name, when this node has the block that created it.
    #[schema(value_type = Option<String>)]
    pub name: Option<CollectionName>,
    /// The root of this node's tree: equal roots are equal collections.
    pub root: String,
    /// Documents below it, removed ones included.
    pub documents: u64,
    /// Bytes of their changes.
    pub bytes: u64,
    /// Documents that are quarantined or forgotten here.
    pub excepted: u64,
    /// One entry per connected peer.
    pub peers: Vec<PeerSync>,
}

/// How a collection compares with one peer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerSync {
    /// The peer.
    pub peer: String,
    /// `unknown`, `equal`, `equal_except`, `apart` or `not_replicated`.
    pub state: String,
    /// When the roots were last found equal.
    #[schema(value_type = Option<u64>)]
    pub proven: Option<Timestamp>,
    /// How many documents still differ, an estimate until all are compared.
    pub apart: u64,
    /// Documents that are quarantined or forgotten at the peer.
    pub excepted: u64,
    /// Bytes of changes that the peer has beyond this node's.
    pub bytes_to_go: u64,
}

/// The word for a result of a comparison.
pub(in crate::api) const fn state_name(state: SyncState) -> &'static str {
    match state {
        SyncState::Unknown => "unknown",
        SyncState::Equal => "equal",
        SyncState::EqualExcept => "equal_except",
        SyncState::Apart => "apart",
        SyncState::NotReplicated => "not_replicated",
    }
}
