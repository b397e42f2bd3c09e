//! The channel of a connection: what encrypts it, who may use it, and what can be seen of it.
//!
//! A connection over TCP is made in these steps, each with the peer's part checked before the next:
//! the pre-shared key, if the network has one (libp2p's `pnet`); the choice of the channel
//! (multistream-select); the handshake, which proves the peer's identity; whether this peer may
//! come, and by this channel; after a classic handshake, the signed capabilities
//! ([`CAPABILITIES`]); the multiplexer. All of it within [`HANDSHAKE_TIMEOUT`].
//!
//! | policy | offered and accepted over TCP | QUIC |
//! |---|---|---|
//! | [`Policy::Require`] | the post-quantum channel | refused at the start |
//! | [`Policy::Prefer`] | the post-quantum channel, then `/noise` | counts as classic |
//!
//! A connection that is not post-quantum is *classic*. It carries identify, ping, echo, Kademlia,
//! the chain protocol and the topics that are for everyone, and nothing else: on it, the other
//! protocols are not offered (`restrict`), so that they fail in multistream-select.
//!
//! # Against stripping
//! Multistream-select is not authenticated: one who sits on the path can take the post-quantum
//! channel out of an offer. Two things answer that.
//! - *Pins.* A peer that has used the post-quantum channel once, and every member of the genesis, is
//!   pinned: a classic connection with it, over TCP or QUIC, is refused and reported.
//! - *Capabilities.* In the negotiation of the multiplexer, which the classic handshake already
//!   protects, a node proposes [`CAPABILITIES`] first. Who does not know it answers that it does
//!   not, and the multiplexer follows. Two who do exchange what they can, signed by their identity
//!   keys, and close when both can do the post-quantum channel: somebody kept them from it.
//!
//! Both fail against one who breaks X25519 and Ed25519 while the connection is made, which is
//! beyond what the channel promises: that what is recorded now stays secret later.
//!
//! # Invariants
//! - Under [`Policy::Require`] there is no classic connection (`tests/network/channel.rs`).
//! - What a peer may do on a connection depends on the channel of that connection, by its id
//!   (`registry`), and never on what the peer says.
//! - No peer gets further than the handshake while the allow-list does not name it.
//! - Every refusal is counted; the first ones of each second are also logged and reported
//!   (`report`).

mod capabilities;
mod gate;
mod handshake;
mod progress;
mod registry;
mod report;
mod restrict;
mod stream;
mod upgrade;

use std::{fmt, str::FromStr, time::Duration};

pub use capabilities::CAPABILITIES;
pub use gate::MAX_PINS;
pub use handshake::{HandshakeError, PostQuantum};
pub use progress::{MAX_INBOUND, MAX_INBOUND_PER_ADDRESS};
pub use report::{ChannelCounts, RefusalKind};
pub use stream::SecureStream;

pub(super) use gate::{Gate, Rules};
pub(super) use registry::{Behaviour, Registry, Watched};
pub(super) use report::{Report, Reports};
pub(super) use restrict::PostQuantumOnly;
pub(super) use upgrade::{Upgraded, judge_quic, upgrade};

/// How long a connection may take from its first byte to its multiplexer, and a dial with the
/// connection itself. A round trip around the world takes a third of a second, and there are six.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which channels a node takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// The post-quantum channel and no other.
    #[default]
    Require,
    /// The post-quantum channel where the peer can do it, and classic ones for light service.
    Prefer,
}

impl Policy {
    /// The word for it in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Prefer => "prefer",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "require" => Ok(Self::Require),
            "prefer" => Ok(Self::Prefer),
            _ => Err(UnknownPolicy(text.to_owned())),
        }
    }
}

/// A word that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no policy for channels: require or prefer")]
pub struct UnknownPolicy(pub String);

/// What encrypts a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// QUIC, of which libp2p does not say which group was negotiated.
    Quic,
    /// The classic Noise channel of libp2p.
    ClassicNoise,
    /// Noise with hybrid forward secrecy ([`decube_crypto::noise`]).
    PostQuantum,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 3] = [Self::Quic, Self::ClassicNoise, Self::PostQuantum];

    /// Its name for people and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::ClassicNoise => "classic noise",
            Self::PostQuantum => "post-quantum",
        }
    }

    /// The group of the key exchange, or `unknown`.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Quic => "unknown",
            Self::ClassicNoise => "X25519",
            Self::PostQuantum => "X25519MLKEM768",
        }
    }

    /// Whether what travels on it stays secret from a quantum computer, as far as this node sees.
    #[must_use]
    pub const fn is_post_quantum(self) -> bool {
        match self {
            Self::PostQuantum => true,
            Self::Quic | Self::ClassicNoise => false,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
