//! A behaviour whose protocol exists on post-quantum connections only.
//!
//! # Invariants
//! - The inner behaviour never hears of a classic connection: neither of its opening nor of its
//!   end, and the numbers of other connections that it is told count the post-quantum ones.
//! - On a classic connection none of its protocols is offered, and nothing it says to one has any
//!   effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    task::{Context, Poll},
};

use either::Either;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent,
        ConnectionId, FromSwarm, NetworkBehaviour, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
        handler::ConnectionEvent,
    },
};

use super::Registry;

/// Keeps a behaviour to post-quantum connections.
#[derive(Debug)]
pub(in crate::network) struct PostQuantumOnly<B> {
    inner: B,
    registry: Registry,
    /// The post-quantum connections of each peer. Invariant: none is empty.
    connections: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
}

impl<B> PostQuantumOnly<B> {
    /// Keeps `inner` to the connections that `registry` knows as post-quantum.
    pub(in crate::network) fn new(inner: B, registry: Registry) -> Self {
        Self {
            inner,
            registry,
            connections: BTreeMap::new(),
        }
    }

    /// The behaviour itself.
    pub(in crate::network) fn inner(&mut self) -> &mut B {
        &mut self.inner
    }

    fn is_open_to(&self, connection: ConnectionId) -> bool {
        let channel = self.registry.channel(connection);
        channel.is_some_and(|channel| channel.is_post_quantum())
    }

    fn counts(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let connections = self.connections.get(peer);
        connections.is_some_and(|connections| connections.contains(&connection))
    }
}

impl<B: NetworkBehaviour> PostQuantumOnly<B> {
    fn on_established(&mut self, mut event: ConnectionEstablished<'_>) {
        if !self.is_open_to(event.connection_id) {
            return;
        }
        let connections = self.connections.entry(event.peer_id).or_default();
        event.other_established = connections.len();
        connections.insert(event.connection_id);
        self.inner
            .on_swarm_event(FromSwarm::ConnectionEstablished(event));
    }

    fn on_closed(&mut self, mut event: ConnectionClosed<'_>) {
        let Some(connections) = self.connections.get_mut(&event.peer_id) else {
            return;
        };
        if !connections.remove(&event.connection_id) {
            return;
        }
        event.remaining_established = connections.len();
        if connections.is_empty() {
            self.connections.remove(&event.peer_id);
        }
        self.inner
            .on_swarm_event(FromSwarm::ConnectionClosed(event));
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for PostQuantumOnly<B> {
    type ConnectionHandler = Gated<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.is_open_to(id) {
            return Ok(Gated::closed());
        }
        let inner = &mut self.inner;
        let handler = inner.handle_established_inbound_connection(id, peer, local, remote)?;
        Ok(Gated(Either::Left(handler)))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner
            .handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.is_open_to(id) {
            return Ok(Gated::closed());
        }
        let inner = &mut self.inner;
        let handler =
            inner.handle_established_outbound_connection(id, peer, address, role, port)?;
        Ok(Gated(Either::Left(handler)))
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "what is not of one connection goes to the inner behaviour as it is"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            FromSwarm::AddressChange(event) => {
                if self.counts(&event.peer_id, event.connection_id) {
                    self.inner.on_swarm_event(FromSwarm::AddressChange(event));
                }
            }
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self
                .inner
                .on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(context)
    }
}

/// The handler of the inner behaviour, or one that offers nothing.
pub(in crate::network) struct Gated<H>(Either<H, dummy::ConnectionHandler>);

impl<H> Gated<H> {
    fn closed() -> Self {
        Self(Either::Right(dummy::ConnectionHandler))
    }
}

/// The handler that has the upgrades of both.
type Both<H> = Either<H, dummy::ConnectionHandler>;

impl<H: ConnectionHandler> ConnectionHandler for Gated<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = Either<H::ToBehaviour, Infallible>;
    type InboundProtocol = <Both<H> as ConnectionHandler>::InboundProtocol;
    type OutboundProtocol = <Both<H> as ConnectionHandler>::OutboundProtocol;
    type InboundOpenInfo = <Both<H> as ConnectionHandler>::InboundOpenInfo;
    type OutboundOpenInfo = <Both<H> as ConnectionHandler>::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.0.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.0.connection_keep_alive()
    }

    /// A behaviour that speaks to any connection of a peer may meet a classic one, for the moment
    /// in which a peer has both.
    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match &mut self.0 {
            Either::Left(handler) => handler.on_behaviour_event(event),
            Either::Right(_) => tracing::debug!("nothing is said on a classic connection"),
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        self.0.poll(context)
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.0.poll_close(context)
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.0.on_connection_event(event);
    }
}
