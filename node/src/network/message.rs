//! The words between the node and its network: commands, events and their errors.

use std::{fmt, time::Duration};

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, request_response::ResponseChannel};
use tokio::sync::oneshot;

use super::channel::{Channel, RefusalKind};

/// A protocol of requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Repair of collections and documents.
    Sync,
    /// Transactions and receipts.
    Transactions,
    /// Final blocks, certificates and headers.
    Chain,
}

impl Protocol {
    /// The inbox that gets the requests and responses of this protocol.
    pub fn lane(self) -> Lane {
        match self {
            Self::Sync => Lane::Documents,
            Self::Transactions | Self::Chain => Lane::Consensus,
        }
    }
}

/// One of the two inboxes for traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Frames of validators, transactions, the chain.
    Consensus,
    /// Collections and documents.
    Documents,
}

/// Whom a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Every peer, also on a classic connection.
    Everyone,
    /// Nodes, on post-quantum connections only.
    Nodes,
}

impl Audience {
    /// All audiences.
    pub(super) const ALL: [Self; 2] = [Self::Everyone, Self::Nodes];
}

/// How urgent a frame to a validator is; the smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Votes and what they rest on.
    Vote,
    /// Proposals.
    Proposal,
    /// Transactions on their way to the leader.
    Transaction,
    /// What a validator that lags behind asked for.
    CatchUp,
}

/// What the node asks of its network.
#[derive(Debug)]
pub enum Command {
    /// Ask a peer. Ends in exactly one [`Event::Response`] with the same `id`.
    Request {
        /// The peer to ask; asking oneself fails with [`RequestError::NotConnected`].
        to: PeerId,
        /// The protocol to use.
        protocol: Protocol,
        /// The caller's name for the request.
        id: u64,
        /// The question.
        body: Bytes,
    },
    /// Answer a peer's request. An answer that comes too late is dropped.
    Respond {
        /// The token that came with the request.
        token: ResponseToken,
        /// The answer.
        body: Bytes,
    },
    /// Publish on a topic, to the audience it was subscribed with. Two messages with the same bytes on the same topic are one message, so
    /// a message that must be seen again needs something that makes it unique.
    Publish {
        /// The topic's name.
        topic: String,
        /// The message, at most [`super::MAX_GOSSIP_MESSAGE`] with its envelope.
        data: Bytes,
    },
    /// Take part in a topic.
    Subscribe {
        /// The topic's name.
        topic: String,
        /// The inbox that gets its messages.
        lane: Lane,
        /// Whom the topic is for.
        audience: Audience,
    },
    /// Leave a topic.
    Unsubscribe(String),
    /// Say what a gossip message is worth; only an accepted one is forwarded. Every
    /// [`Event::Gossip`] wants one of these soon.
    Validate {
        /// The message.
        id: GossipId,
        /// The peer that forwarded it to us.
        forwarder: PeerId,
        /// The verdict.
        acceptance: Acceptance,
    },
    /// Lower the standing of a peer whose bytes turned out wrong.
    Penalize {
        /// The peer.
        peer: PeerId,
        /// How bad it was.
        penalty: Penalty,
    },
    /// Dial an address once, whether or not it names its peer, and keep the peer in the book.
    Dial {
        /// The address.
        address: Multiaddr,
        /// The peer, once it is connected and of this network.
        reply: oneshot::Sender<Result<PeerId, DialError>>,
    },
    /// Put a peer into the address book and stay connected with it.
    AddPeer {
        /// The peer.
        peer: PeerId,
        /// Where it may be.
        addresses: Vec<Multiaddr>,
    },
    /// Forget a peer's addresses and disconnect it. It may still come back by itself.
    RemovePeer(PeerId),
    /// Close the connections of a peer and refuse it in both directions.
    Ban(PeerId),
    /// Lift a ban; a peer in the address book is dialled at once.
    Unban(PeerId),
    /// Measure the round trip to a connected peer.
    Ping(PeerId, oneshot::Sender<Result<Duration, PingError>>),
    /// Look up where a peer is: in the address book, else in the Kademlia network.
    Find(PeerId, oneshot::Sender<Vec<Multiaddr>>),
    /// List the connected peers.
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    /// List the addresses that the node listens on.
    Listeners(oneshot::Sender<Vec<Multiaddr>>),
    /// End the network task.
    Shutdown,
}

/// What the network has for the node.
#[derive(Debug)]
pub enum Event {
    /// Bookkeeping: the node listens on an address.
    Listening(Multiaddr),
    /// Both lanes: a peer of this network is connected.
    PeerConnected {
        /// The peer.
        peer: PeerId,
        /// The address of its first connection.
        address: Multiaddr,
        /// Whether this node dialled it.
        outbound: bool,
    },
    /// Both lanes: the last connection to a peer has closed.
    PeerDisconnected(PeerId),
    /// Bookkeeping: an address of a peer that worked, for the address book to keep.
    AddressLearned {
        /// The peer.
        peer: PeerId,
        /// Its address, without the peer id.
        address: Multiaddr,
    },
    /// Bookkeeping: a peer is not, or no longer, welcome, and its addresses are forgotten.
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: Refusal,
    },
    /// Bookkeeping: a connection was refused before it could carry anything, or cut off because what
    /// it carried was tampered with. All refusals are
    /// counted ([`super::NetworkHandle::channels`]); only the first ones of a second are reported.
    ConnectionRefused {
        /// Who it was, when the handshake came so far.
        peer: Option<PeerId>,
        /// The remote address.
        address: Multiaddr,
        /// Whether this node dialled.
        outbound: bool,
        /// The kind of reason.
        kind: RefusalKind,
        /// Which check failed.
        reason: String,
    },
    /// Bookkeeping: a peer has connected by a channel that is not post-quantum.
    ClassicConnection {
        /// The peer.
        peer: PeerId,
        /// The remote address.
        address: Multiaddr,
        /// Whether this node dialled.
        outbound: bool,
        /// The channel.
        channel: Channel,
    },
    /// Bookkeeping: a peer has used the post-quantum channel, and is refused by any other from now
    /// on. To be kept.
    Pinned(PeerId),
    /// Bookkeeping: a peer broke a rule of the wire and was disconnected or cut off.
    Misbehaved {
        /// The peer.
        peer: PeerId,
        /// What it did.
        reason: Misbehaviour,
    },
    /// Consensus lane: a frame of a validator, in the order in which it sent those of one priority.
    /// It may overtake the [`Event::PeerConnected`] of its sender when the inbox was full.
    Frame {
        /// The validator, authenticated by its connection.
        from: PeerId,
        /// The frame.
        bytes: Bytes,
    },
    /// The lane of its protocol: a peer asks.
    Request {
        /// The peer.
        from: PeerId,
        /// The protocol.
        protocol: Protocol,
        /// Needed for the answer; dropping it refuses the request.
        token: ResponseToken,
        /// The question.
        body: Bytes,
    },
    /// The lane of its protocol: what became of an own request.
    Response {
        /// The name the request was given.
        id: u64,
        /// The peer that was asked.
        from: PeerId,
        /// The answer.
        result: Result<Bytes, RequestError>,
    },
    /// The lane of its topic: a message, which wants a [`Command::Validate`].
    Gossip {
        /// The topic's name.
        topic: String,
        /// Who signed and published it.
        source: PeerId,
        /// Who sent it to us.
        forwarder: PeerId,
        /// Its content-addressed id.
        id: GossipId,
        /// The message.
        data: Bytes,
    },
    /// The lane of its topic: a peer takes part in one of our topics from now on, so what is
    /// published now reaches it.
    Subscribed {
        /// The peer.
        peer: PeerId,
        /// The topic's name.
        topic: String,
    },
}

/// The right to answer one request, once.
#[derive(Debug)]
pub struct ResponseToken {
    pub(super) protocol: Protocol,
    pub(super) channel: ResponseChannel<Bytes>,
}

/// The id of a gossip message: the digest of its topic and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipId(pub(super) [u8; 32]);

impl GossipId {
    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for GossipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GossipId({})", hex::encode(self.0))
    }
}

/// What a gossip message is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is right: forward it.
    Accept,
    /// It is wrong and its forwarder should have known: drop it and lower the forwarder's standing.
    Reject,
    /// Drop it without blame.
    Ignore,
}

/// How bad something that a peer did was. Points fade with time; at
/// [`Penalty::LIMIT`] the peer is disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Penalty {
    /// It may happen to an honest peer now and then: 5 points.
    Minor,
    /// Bytes that no honest peer sends: 50 points.
    Major,
}

impl Penalty {
    /// At how many points a peer is disconnected.
    pub const LIMIT: u32 = 100;

    /// The points of this penalty.
    pub(super) fn points(self) -> u32 {
        match self {
            Self::Minor => 5,
            Self::Major => 50,
        }
    }
}

/// Why a peer is refused after it has connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is of another network, or of none.
    OtherNetwork {
        /// The protocol version it showed, cut to a printable length.
        shown: String,
    },
    /// It did not say in time what it is.
    NotIdentified,
}

/// What a peer did against the rules of the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It announced a frame that is too long, or none at all; the stream was closed.
    Frame(String),
    /// It got too many penalties; it was disconnected.
    Penalties,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The peer is not connected. Nothing was sent.
    #[error("the peer is not connected")]
    NotConnected,
    /// The request is longer than its protocol allows. Nothing was sent.
    #[error("the request has {length} bytes, the protocol allows {maximum}")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The most that is allowed.
        maximum: usize,
    },
    /// Too many requests wait for an answer. Nothing was sent.
    #[error("too many requests are waiting for an answer")]
    Busy,
    /// No answer came in time. The peer may have acted on the request.
    #[error("no answer came in time")]
    Timeout,
    /// The connection closed, or the peer refused to answer. It may have acted on the request.
    #[error("the peer closed the request: {0}")]
    Closed(String),
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the protocol")]
    Unsupported,
    /// The answer was longer than the protocol allows, or broken off.
    #[error("the answer was not a valid frame: {0}")]
    BadFrame(String),
}

/// Why a dial did not lead to a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The address leads to this node.
    #[error("the address leads to this node itself")]
    Own,
    /// The peer is banned.
    #[error("the peer is banned; unban it first")]
    Banned,
    /// The peer is of another network.
    #[error("the peer is of another network")]
    OtherNetwork,
    /// Too many dials wait for their end.
    #[error("too many dials are in progress")]
    Busy,
    /// The connection failed.
    #[error("{0}")]
    Failed(String),
}

/// Why a ping has no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct PingError(#[from] pub RequestError);

/// A connected peer of this network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer: PeerId,
    /// The remote addresses of its connections.
    pub addresses: Vec<Multiaddr>,
    /// Whether its first connection was dialled by this node.
    pub outbound: bool,
    /// Whether it is a validator.
    pub validator: bool,
    /// The program it says it runs.
    pub agent: String,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// How long it has been connected.
    pub connected_for: Duration,
    /// What encrypts its connections; the least, when they differ.
    pub channel: Channel,
    /// How long the connection with that channel has stood.
    pub channel_for: Duration,
}

/// How many bytes went over the wire since the start: over TCP all bytes of the connections, with
/// encryption and framing; over QUIC the bytes of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}
