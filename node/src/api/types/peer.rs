//! Other nodes.

use decube_protocols::types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The connected peers of this network, and those that are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeerList {
    /// The connected peers.
    pub peers: Vec<Peer>,
    /// The peers that are refused.
    pub banned: Vec<BannedPeer>,
}

/// A peer that is refused in both directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BannedPeer {
    /// Its peer id.
    pub peer: String,
    /// When it was banned.
    #[schema(value_type = u64)]
    pub since: Timestamp,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its peer id.
    pub peer: String,
    /// The remote addresses of its connections.
    pub addresses: Vec<String>,
    /// Whether this node dialled it.
    pub outbound: bool,
    /// Whether it is a validator.
    pub validator: bool,
    /// The name that the genesis gives it.
    pub name: Option<String>,
    /// The program that it says it runs.
    pub agent: String,
    /// The last measured round trip in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// How long it has been connected, in seconds.
    pub connected_seconds: u64,
    /// What encrypts the connection: `post-quantum`, `classic noise` or `quic`; the least of them
    /// while there are several connections.
    pub channel: String,
    /// The group of the key exchange: `X25519MLKEM768`, `X25519` or `unknown`.
    pub group: String,
    /// Since when the connection with that channel has stood.
    #[schema(value_type = u64)]
    pub channel_since: Timestamp,
}

/// A peer to connect with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddPeer {
    /// Where it is, for example `/ip4/192.0.2.7/tcp/7070/p2p/12D3Koo...`.
    pub address: String,
}

/// A peer that was dialled and is of this network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Added {
    /// Its peer id.
    pub peer: String,
}

/// A measured round trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ping {
    /// The peer.
    pub peer: String,
    /// The round trip in milliseconds.
    pub round_trip_ms: f64,
}

/// Where a peer may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Addresses {
    /// The peer.
    pub peer: String,
    /// Its addresses; empty when nobody knows one.
    pub addresses: Vec<String>,
}
