//! The peer-to-peer network of a node: connections, request and response, gossip and the streams
//! between validators. It carries bytes and knows nothing of documents, blocks or votes.
//!
//! [`spawn`] starts one task that owns the swarm and returns a [`NetworkHandle`] for what the node
//! wants from the network, and [`Inboxes`] for what the network has for the node.
//!
//! Messages in: [`Command`], and [`NetworkHandle::send`]/[`NetworkHandle::broadcast`] for frames
//! between validators, which go straight into the queue of the receiver. Messages out: [`Event`],
//! in three bounded inboxes ([`Inboxes`]), so that a flood of one kind of traffic cannot hold up
//! another.
//!
//! # Protocols
//! `/decube/<network>/{kad,gossip,headers,sync,transactions,chain,echo,consensus}/1`, where `<network>` is
//! [`NetworkName`]. Peers of two networks therefore share only identify and ping; identify carries
//! `/decube/<network>/1` as its protocol version, and a peer that shows another one is
//! disconnected and its addresses are forgotten.
//!
//! # What happens when a queue is full
//! - *A frame to a validator*: the least urgent, oldest frame of that validator's queue is dropped
//!   (`consensus::queue`). Consensus repeats what matters.
//! - *A frame from a validator*: never dropped; its stream is not read on until there is room, so
//!   the sender is slowed down.
//! - *A request or a gossip message from a peer*: dropped; the requester sees a failure and the
//!   message is not forwarded.
//! - *Connections, disconnections and the answers to own requests*: never dropped; they wait in a
//!   backlog, and no further command is taken while one is long (`outlet`).
//!
//! # Invariants
//! - A peer is reported, by [`Event::PeerConnected`], once, and only after it has shown that it is
//!   of this network; [`Event::PeerDisconnected`] follows when its last connection has closed.
//! - Every length that a peer names is checked before memory is set aside for it
//!   (`codec::tests`).
//! - Only validators can open a consensus stream: the protocol is not offered to others.
//! - The node never dials itself and never dials a banned peer (`book::tests`).

mod backoff;
mod behaviour;
mod book;
pub mod channel;
mod codec;
mod config;
mod connections;
mod consensus;
mod handle;
mod message;
mod outlet;
mod penalty;
mod swarm;
mod transport;

pub use config::{Config, InvalidNetworkName, Limits, NetworkName, StartError};
pub use handle::{Inboxes, NetworkHandle, Stopped, spawn};
pub use message::{
    Acceptance, Audience, Command, DialError, Event, GossipId, Lane, Misbehaviour, PeerInfo,
    Penalty, PingError, Priority, Protocol, Refusal, RequestError, ResponseToken, Traffic,
};

pub use behaviour::MAX_GOSSIP_MESSAGE;
pub use codec::{MAX_CHAIN_FRAME, MAX_CONSENSUS_FRAME, MAX_SYNC_FRAME, MAX_TRANSACTION_FRAME};
