//! What happens to connections: they open, show their network, and close.

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    identify, kad, mdns, ping,
    swarm::{
        ConnectionId, DialError as SwarmDialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};

use super::{Network, answer, commands::dial_error, is_quic, random};
use crate::network::{
    behaviour::BehaviourEvent,
    book::without_peer,
    channel::Channel,
    connections::{Connection, Outbound, Peer},
    message::{DialError, Event, Protocol, Refusal},
};

/// How much of what a peer calls itself is kept: a name and a version.
const MAX_AGENT: usize = 64;

impl Network {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is non-exhaustive, and its other events are of no concern here"
    )]
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id,
                connection_id,
                error,
            } => {
                self.on_dial_failure(peer_id, connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                tracing::debug!(from = %send_back_addr, %error, "a connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.bookkeeping.deliver(Event::Listening(address));
            }
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::warn!(?addresses, ?reason, "a listener has closed");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(%error, "a listener failed to accept");
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Kademlia(event) => self.on_kademlia(event),
            BehaviourEvent::Gossip(event) | BehaviourEvent::Headers(event) => self.on_gossip(event),
            BehaviourEvent::Sync(event) => self.on_request_event(Protocol::Sync, event),
            BehaviourEvent::Transactions(event) => {
                self.on_request_event(Protocol::Transactions, event);
            }
            BehaviourEvent::Chain(event) => self.on_request_event(Protocol::Chain, event),
            BehaviourEvent::Echo(event) => self.on_echo_event(event),
            BehaviourEvent::Consensus(event) => self.on_stream(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.book.add(peer, Some(address), false, Instant::now());
                    self.keep_book_of_connected(&peer);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(_)) => {}
            // These only refuse connections and have nothing to say.
            BehaviourEvent::Channels(never)
            | BehaviourEvent::Blocked(never)
            | BehaviourEvent::Limits(never)
            | BehaviourEvent::Memory(never) => match never {},
        }
    }

    fn on_connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let address = without_peer(endpoint.get_remote_address().clone());
        let outbound = endpoint.is_dialer();
        // A connection of which nothing is known was denied before this.
        let channel = self.registry.channel(connection).unwrap_or(Channel::Quic);
        self.on_channel(id, connection, channel, &address, outbound);
        self.book.connected(&id);
        let peer = self
            .peers
            .entry(id)
            .or_insert_with(|| Peer::new(Instant::now()));
        let known = Connection {
            address: address.clone(),
            outbound,
            channel,
            since: Instant::now(),
        };
        peer.connections.insert(connection, known);
        let confirmed = peer.confirmed;
        if let Some(reply) = self.dials.remove(&connection) {
            self.arrivals.push((id, reply));
        }
        if confirmed {
            self.answer_arrivals(&id, &Ok(id));
            self.announce(id);
            if outbound && channel.is_post_quantum() {
                self.learn(id, address, true);
            }
        }
    }

    /// Pins a peer that came by the post-quantum channel, and closes what it has besides; notes one
    /// that came by a classic channel.
    fn on_channel(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        channel: Channel,
        address: &Multiaddr,
        outbound: bool,
    ) {
        self.gate.made(channel);
        let address = address.clone();
        if channel.is_post_quantum() {
            if self.gate.pin(peer) {
                self.bookkeeping.offer(Event::Pinned(peer));
            }
            let others = self.peers.get(&peer).into_iter();
            let others = others.flat_map(|peer| &peer.connections);
            let classic = others.filter(|(_, it)| !it.channel.is_post_quantum());
            for (classic, _) in classic {
                self.swarm.close_connection(*classic);
            }
        } else if self.gate.takes(&peer, channel) {
            tracing::info!(%peer, %address, outbound, %channel, "a classic connection");
            self.bookkeeping.offer(Event::ClassicConnection {
                peer,
                address,
                outbound,
                channel,
            });
        } else {
            // It was pinned while this connection was made.
            self.swarm.close_connection(connection);
        }
    }

    fn on_closed(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.connections.remove(&connection);
        let was_announced = peer.announced;
        if peer.post_quantum().is_some() {
            // A stream that was being opened on this connection will not come.
            if matches!(peer.outbound, Outbound::Opening(on) if on == connection) {
                peer.outbound = Outbound::Due(Instant::now());
            }
            return;
        }
        peer.announced = false;
        peer.stop_streams();
        if was_announced {
            tracing::info!(peer = %id, "peer disconnected");
            self.consensus.deliver(Event::PeerDisconnected(id));
            self.documents.deliver(Event::PeerDisconnected(id));
        }
        if !peer.connections.is_empty() {
            return;
        }
        self.peers.remove(&id);
        self.book.failed(&id, Instant::now(), random());
        let gone = "the connection closed before the peer showed its network; it may be of another \
                    network";
        self.answer_arrivals(&id, &Err(DialError::Failed(gone.to_owned())));
    }

    fn on_dial_failure(
        &mut self,
        peer: Option<PeerId>,
        connection: ConnectionId,
        error: &SwarmDialError,
    ) {
        tracing::debug!(?peer, %error, "a dial failed");
        if let Some(reply) = self.dials.remove(&connection) {
            answer(reply, Err(dial_error(error)));
        }
        if let Some(peer) = peer.filter(|peer| !self.peers.contains_key(peer)) {
            self.book.failed(&peer, Instant::now(), random());
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        match event {
            identify::Event::Received {
                peer_id,
                connection_id,
                info,
            } => self.on_identified(peer_id, connection_id, info),
            identify::Event::Error { peer_id, error, .. } => {
                tracing::debug!(peer = %peer_id, %error, "identify failed");
            }
            identify::Event::Sent { .. } | identify::Event::Pushed { .. } => {}
        }
    }

    /// A node names the version and can sync; a plain peer on a classic connection, where sync is
    /// not offered, has any protocol of this network.
    fn is_of_this_network(&self, connection: ConnectionId, info: &identify::Info) -> bool {
        let channel = self.registry.channel(connection);
        let mut protocols = info.protocols.iter();
        match channel.is_some_and(Channel::is_post_quantum) {
            true => {
                let sync = self.name.protocol("sync").ok();
                info.protocol_version == self.name.version()
                    && protocols.any(|protocol| Some(protocol) == sync.as_ref())
            }
            false => {
                let prefix = self.name.prefix();
                protocols.any(|protocol| protocol.as_ref().starts_with(&prefix))
            }
        }
    }

    fn on_identified(&mut self, id: PeerId, connection: ConnectionId, info: identify::Info) {
        if !self.is_of_this_network(connection, &info) {
            let shown = printable(&info.protocol_version);
            return self.refuse(id, Refusal::OtherNetwork { shown });
        }
        self.confirm(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.agent = printable(&info.agent_version);
        if peer.post_quantum().is_none() {
            return self.go_over(id, &info);
        }
        let mut claimed: Vec<Multiaddr> = info.listen_addrs.into_iter().map(without_peer).collect();
        claimed.retain(|address| peer.may_be_at(address));
        claimed.truncate(crate::network::book::MAX_ADDRESSES);
        let claimed = claimed
            .into_iter()
            .map(|address| (peer.is_at_host_of(&address), address));
        for (at_host, address) in claimed.collect::<Vec<_>>() {
            self.learn(id, address, at_host);
        }
    }

    /// A node that came by QUIC can have more by TCP, which is dialled once it has said where. Whom
    /// else a classic channel serves comes by itself.
    fn go_over(&mut self, id: PeerId, info: &identify::Info) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let is_by_quic = peer
            .connections
            .values()
            .all(|it| it.channel == Channel::Quic);
        if info.protocol_version != self.name.version() || !is_by_quic {
            return;
        }
        let claimed = info.listen_addrs.iter().cloned().map(without_peer);
        let by_tcp = claimed.filter(|address| !is_quic(address) && peer.may_be_at(address));
        let addresses: Vec<_> = by_tcp.take(crate::network::book::MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return;
        }
        let options = DialOpts::peer_id(id)
            .condition(PeerCondition::NotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(peer = %id, %error, "cannot go over to the post-quantum channel");
        }
    }

    /// A peer has shown that it is of this network, by what it said it is or by speaking one of the
    /// network's protocols.
    pub(super) fn confirm(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.confirmed) else {
            return;
        };
        peer.confirmed = true;
        let connections: Vec<_> = peer.connections.values().cloned().collect();
        self.book.confirmed(&id);
        self.announce(id);
        let lasting = connections.into_iter();
        let lasting = lasting.filter(|it| it.outbound && it.channel.is_post_quantum());
        for connection in lasting {
            self.learn(id, connection.address, true);
        }
        self.answer_arrivals(&id, &Ok(id));
        if !std::mem::replace(&mut self.bootstrapped, true) {
            // It fails only when the table is empty, and then the first entry does the same.
            let _query = self.swarm.behaviour_mut().kademlia.bootstrap();
        }
    }

    /// Tells the node of a peer that is confirmed and has a post-quantum connection, once.
    fn announce(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let connection = peer.post_quantum();
        let connection = connection.and_then(|connection| peer.connections.get(&connection));
        let Some(connection) = connection.filter(|_| peer.confirmed && !peer.announced) else {
            return;
        };
        let Connection {
            address, outbound, ..
        } = connection.clone();
        peer.announced = true;
        tracing::info!(peer = %id, %address, "peer connected");
        let event = || Event::PeerConnected {
            peer: id,
            address: address.clone(),
            outbound,
        };
        self.consensus.deliver(event());
        self.documents.deliver(event());
        self.open_stream(id);
    }

    /// Notes an address of a connected peer, and reports it when it is known to work.
    fn learn(&mut self, peer: PeerId, address: Multiaddr, works: bool) {
        self.swarm
            .behaviour_mut()
            .kademlia
            .add_address(&peer, address.clone());
        self.book
            .add(peer, Some(address.clone()), false, Instant::now());
        self.keep_book_of_connected(&peer);
        if works && self.book.worked(&peer, address.clone()) {
            self.bookkeeping
                .offer(Event::AddressLearned { peer, address });
        }
    }

    /// After a change of the book: a peer that is connected is not to be dialled.
    pub(super) fn keep_book_of_connected(&mut self, peer: &PeerId) {
        if self.peers.contains_key(peer) {
            self.book.connected(peer);
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        let (id, connection) = (event.peer, event.connection);
        match event.result {
            Ok(round_trip) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.round_trip = Some(round_trip);
                }
                // Penalties fade with time; the pings are the occasion to let gossip know.
                let points = self.standings.points(&id, Instant::now());
                self.show_standing(&id, points);
            }
            Err(ping::Failure::Unsupported) => {}
            // Nothing else tells of a peer behind a cut cable; a new connection is tried instead.
            Err(error @ (ping::Failure::Timeout | ping::Failure::Other { .. })) => {
                tracing::info!(peer = %id, %error, "closing a connection that does not answer");
                self.swarm.close_connection(connection);
            }
        }
    }

    fn on_kademlia(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed {
            id,
            result: kad::QueryResult::GetClosestPeers(result),
            step,
            ..
        } = event
        else {
            return;
        };
        let Some((wanted, _)) = self.searches.get(&id).filter(|_| step.last) else {
            return;
        };
        let wanted = *wanted;
        let found = match result {
            Ok(kad::GetClosestPeersOk { peers, .. })
            | Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        let found = found.into_iter().find(|info| info.peer_id == wanted);
        let addresses = found.map(|info| info.addrs).unwrap_or_default();
        let addresses: Vec<_> = addresses.into_iter().map(without_peer).collect();
        match self.searches.remove(&id) {
            Some((_, Some(reply))) => answer(reply, addresses),
            // The search was for a peer that is to be dialled.
            _ => {
                for address in addresses {
                    self.book.add(wanted, Some(address), false, Instant::now());
                }
            }
        }
    }
}

/// The beginning of a text of a peer, without anything that could upset a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|it| it.is_ascii_graphic() || *it == ' ')
        .take(MAX_AGENT)
        .collect()
}
