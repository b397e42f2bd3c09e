//! What the node knows about a peer while it is connected, and which of the addresses that a peer
//! claims are worth trying.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use tokio::task::AbortHandle;

use super::{backoff::Backoff, channel::Channel, message::PeerInfo};

/// A peer that has not shown by then that it is of this network is disconnected. A round trip
/// suffices; the rest is for a busy machine.
pub(super) const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// The remote address.
    pub(super) address: Multiaddr,
    /// Whether this node dialled.
    pub(super) outbound: bool,
    /// What encrypts it.
    pub(super) channel: Channel,
    pub(super) since: Instant,
}

/// The outbound consensus stream to a peer.
#[derive(Debug)]
pub(super) enum Outbound {
    /// There is none: the peer is no validator, or not confirmed yet.
    None,
    /// To be opened at this time.
    Due(Instant),
    /// Asked for on this connection.
    Opening(ConnectionId),
    /// A task writes to it.
    Open {
        /// The task.
        writer: AbortHandle,
        /// Since when.
        since: Instant,
    },
}

/// A connected peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    /// Whether it has shown that it is of this network.
    pub(super) confirmed: bool,
    /// Whether the node was told that it is connected. Invariant: it is confirmed then, and has a
    /// post-quantum connection.
    pub(super) announced: bool,
    pub(super) since: Instant,
    pub(super) agent: String,
    pub(super) round_trip: Option<Duration>,
    pub(super) outbound: Outbound,
    stream_backoff: Backoff,
    pub(super) reader: Option<AbortHandle>,
}

impl Peer {
    /// A peer whose first connection was opened now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connections: BTreeMap::new(),
            confirmed: false,
            announced: false,
            since: now,
            agent: String::new(),
            round_trip: None,
            outbound: Outbound::None,
            stream_backoff: Backoff::default(),
            reader: None,
        }
    }

    /// When something has to be done about the peer, without anything happening before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.outbound {
            _ if !self.confirmed => Some(self.since + IDENTIFY_TIMEOUT),
            Outbound::Due(at) => Some(at),
            Outbound::None | Outbound::Opening(_) | Outbound::Open { .. } => None,
        }
    }

    /// The connection that is used for what is kept to post-quantum connections.
    pub(super) fn post_quantum(&self) -> Option<ConnectionId> {
        let mut connections = self.connections.iter();
        let found = connections.find(|(_, it)| it.channel.is_post_quantum());
        found.map(|(id, _)| *id)
    }

    /// What is shown of the peer.
    pub(super) fn info(&self, peer: PeerId, validator: bool, now: Instant) -> PeerInfo {
        let connections = self.connections.values();
        let least = connections.min_by_key(|it| (it.channel, it.since));
        PeerInfo {
            peer,
            addresses: self
                .connections
                .values()
                .map(|it| it.address.clone())
                .collect(),
            outbound: self
                .connections
                .values()
                .next()
                .is_some_and(|first| first.outbound),
            validator,
            agent: self.agent.clone(),
            round_trip: self.round_trip,
            connected_for: now.saturating_duration_since(self.since),
            // A peer has a connection as long as it is listed.
            channel: least.map_or(Channel::Quic, |it| it.channel),
            channel_for: least.map_or(Duration::ZERO, |it| now.saturating_duration_since(it.since)),
        }
    }

    /// Whether the peer is connected from, or at, the host of `address`.
    pub(super) fn is_at_host_of(&self, address: &Multiaddr) -> bool {
        let host = socket_address(address).map(|(socket, _)| socket.ip());
        host.is_some() && self.hosts().any(|remote| Some(remote) == host)
    }

    /// Whether an address that the peer claims may lead to it: an address of this machine only
    /// when the peer is on this machine, and never an unspecified one.
    pub(super) fn may_be_at(&self, address: &Multiaddr) -> bool {
        let Some((socket, _)) = socket_address(address) else {
            return false;
        };
        let claimed = socket.ip();
        let local = self.hosts().any(|remote| remote.is_loopback());
        !claimed.is_unspecified() && socket.port() != 0 && (local || !claimed.is_loopback())
    }

    fn hosts(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.connections.values();
        addresses
            .filter_map(|it| socket_address(&it.address))
            .map(|(socket, _)| socket.ip())
    }

    /// The outbound stream broke, or did not open: it is due again after a pause, which is short
    /// when the stream has held for long.
    pub(super) fn stream_failed(&mut self, now: Instant, random: u32) {
        if let Outbound::Open { since, .. } = self.outbound
            && now.saturating_duration_since(since) >= super::backoff::CAP
        {
            self.stream_backoff.reset();
        }
        self.outbound = Outbound::Due(now + self.stream_backoff.fail(random));
    }

    /// Ends the tasks that use streams of the peer.
    pub(super) fn stop_streams(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
        if let Outbound::Open { writer, .. } = std::mem::replace(&mut self.outbound, Outbound::None)
        {
            writer.abort();
        }
    }
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Tcp,
    Udp,
}

/// The socket address at the front of a multiaddress.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "a multiaddress has dozens of kinds of parts, of which these are served"
)]
pub(super) fn socket_address(address: &Multiaddr) -> Option<(SocketAddr, Carrier)> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some((SocketAddr::new(ip, port), Carrier::Tcp)),
        Protocol::Udp(port) => Some((SocketAddr::new(ip, port), Carrier::Udp)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_at(address: &str) -> Peer {
        let mut peer = Peer::new(Instant::now());
        let connection = Connection {
            address: address.parse().unwrap(),
            outbound: false,
            channel: Channel::PostQuantum,
            since: peer.since,
        };
        peer.connections
            .insert(ConnectionId::new_unchecked(1), connection);
        peer
    }

    #[test]
    fn a_remote_peer_cannot_send_us_to_our_own_machine() {
        let remote = peer_at("/ip4/192.0.2.1/tcp/5000");
        let local = peer_at("/ip4/127.0.0.1/tcp/5000");
        let cases = [
            ("/ip4/127.0.0.1/tcp/1", false, true),
            ("/ip4/192.0.2.1/tcp/1", true, true),
            ("/ip4/192.0.2.7/udp/1/quic-v1", true, true),
            ("/ip4/0.0.0.0/tcp/1", false, false),
            ("/ip4/192.0.2.1/tcp/0", false, false),
            ("/unix/socket", false, false),
        ];
        for (claimed, by_remote, by_local) in cases {
            let address = claimed.parse().unwrap();
            assert_eq!(remote.may_be_at(&address), by_remote, "{claimed}");
            assert_eq!(local.may_be_at(&address), by_local, "{claimed}");
        }
        assert!(remote.is_at_host_of(&"/ip4/192.0.2.1/udp/7/quic-v1".parse().unwrap()));
        assert!(!remote.is_at_host_of(&"/ip4/192.0.2.2/tcp/7".parse().unwrap()));
    }
}
