//! What a node's network is made of: the checked settings and the errors of a start.

use std::{fmt, io, str::FromStr};

use libp2p::{Multiaddr, PeerId, StreamProtocol, identity::Keypair, pnet::PreSharedKey};

use super::channel::{Policy, Rules};

/// The first 16 hexadecimal digits of the network id, which is part of every protocol name, so
/// that peers of two networks have no protocol in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkName(String);

impl NetworkName {
    /// How many hexadecimal digits a name has: 64 bits, enough that two networks do not meet in
    /// one name by chance, and short enough for a protocol name.
    pub const DIGITS: usize = 16;

    /// The name of the network whose id begins with these bytes.
    pub fn new(prefix: [u8; Self::DIGITS / 2]) -> Self {
        Self(hex::encode(prefix))
    }

    /// The sixteen digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What identify shows as the protocol version.
    pub(super) fn version(&self) -> String {
        format!("/decube/{}/1", self.0)
    }

    /// What the protocols of this network begin with.
    pub(super) fn prefix(&self) -> String {
        format!("/decube/{}/", self.0)
    }

    /// The protocol `name` of this network.
    pub(super) fn protocol(&self, name: &str) -> Result<StreamProtocol, StartError> {
        StreamProtocol::try_from_owned(format!("/decube/{}/{name}/1", self.0))
            .map_err(|error| StartError::Setup(error.to_string()))
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NetworkName {
    type Err = InvalidNetworkName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower_hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if text.len() == Self::DIGITS && text.bytes().all(lower_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNetworkName(text.to_owned()))
        }
    }
}

/// A text that is not the name of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network name: it has 16 lower-case hexadecimal digits")]
pub struct InvalidNetworkName(pub String);

/// What a node's network is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network whose protocols are spoken.
    pub network: NetworkName,
    /// The peer key of this node.
    pub keypair: Keypair,
    /// Where to listen: `/ip4/…/tcp/…` and `/ip4/…/udp/…/quic-v1` (also `ip6`); port 0 is any free
    /// port. With an empty list the node only dials.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected with, each address ending in `/p2p/<peer id>`.
    pub bootstrap: Vec<Multiaddr>,
    /// The address book as it was kept: addresses that worked before.
    pub known: Vec<(PeerId, Multiaddr)>,
    /// Peers that are refused in both directions.
    pub banned: Vec<PeerId>,
    /// The validators of the network; when this node is in it, it keeps a stream to each other.
    pub validators: Vec<PeerId>,
    /// The replicas that the genesis names. They and the validators are *members*.
    pub replicas: Vec<PeerId>,
    /// Which channels there are.
    pub channel: Policy,
    /// The key that every node of a private network has, in libp2p's `pnet`.
    pub preshared_key: Option<PreSharedKey>,
    /// Who may connect besides the members; everyone when there is no list.
    pub allowed: Option<Vec<PeerId>>,
    /// The peers that have used the post-quantum channel, as they were kept.
    pub pinned: Vec<PeerId>,
    /// Whether to look for peers on the local network by multicast DNS.
    pub mdns: bool,
    /// How much the network may take.
    pub limits: Limits,
}

impl Config {
    /// What the channels are allowed.
    pub(super) fn rules(&self) -> Rules {
        let members = self.validators.iter().chain(&self.replicas);
        Rules {
            policy: self.channel,
            preshared_key: self.preshared_key,
            members: members.copied().collect(),
            allowed: self
                .allowed
                .as_ref()
                .map(|list| list.iter().copied().collect()),
        }
    }
}

/// How many connections there may be, and up to which memory new ones are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: u32,
    /// Connections to one peer. Both sides may dial at the same moment, over two transports.
    pub connections_per_peer: u32,
    /// Handshakes in progress, for each direction.
    pub pending: u32,
    /// Resident memory of the process in bytes from which on no new connection is taken.
    pub memory_bytes: usize,
}

impl Default for Limits {
    /// 256 connections suit the 200 validators of a large network; 2 GiB is a quarter of a small
    /// server.
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_peer: 4,
            pending: 64,
            memory_bytes: 2 << 30,
        }
    }
}

/// Why the network did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is not possible to listen on an address.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: io::Error,
    },
    /// The port of an address is taken by another program or another node.
    #[error(
        "cannot listen on {address}: the port is in use; stop the program that has it or choose \
         another port"
    )]
    PortInUse {
        /// The address.
        address: Multiaddr,
    },
    /// QUIC is excluded, as nobody can see whether it is post-quantum, and it takes no pre-shared
    /// key.
    #[error(
        "cannot listen on {address}: QUIC is off where the post-quantum channel is required or a \
         pre-shared key is set; take the address out of `listen`, or set channel = \"prefer\""
    )]
    QuicExcluded {
        /// The address.
        address: Multiaddr,
    },
    /// A bootstrap address does not say which peer is there.
    #[error("the bootstrap address {address} does not end in /p2p/<peer id>")]
    BootstrapWithoutPeer {
        /// The address.
        address: Multiaddr,
    },
    /// A part of the network stack refused its settings.
    #[error("cannot set the network up: {0}")]
    Setup(String),
    /// Multicast DNS is not possible here.
    #[error("cannot start multicast DNS: {0}")]
    Mdns(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_name_has_sixteen_lower_case_digits() {
        let name: NetworkName = "00ff00ff00ff00ff".parse().unwrap();
        assert_eq!(name, NetworkName::new([0, 255, 0, 255, 0, 255, 0, 255]));
        assert_eq!(name.version(), "/decube/00ff00ff00ff00ff/1");
        assert_eq!(
            name.protocol("sync").unwrap().as_ref(),
            "/decube/00ff00ff00ff00ff/sync/1"
        );
        for wrong in [
            "",
            "00ff",
            "00FF00FF00FF00FF",
            "00ff00ff00ff00ff0",
            "00ff00ff00ff00fg",
        ] {
            assert!(wrong.parse::<NetworkName>().is_err(), "{wrong}");
        }
    }
}
