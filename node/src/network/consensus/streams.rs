//! Opens and accepts consensus streams on connections. The protocol is offered on connections with
//! validators only; to everyone else it does not exist.
//!
//! # Invariants
//! - At most one inbound and one outbound stream of a connection wait to be handed over; a newer
//!   inbound one replaces the older, as it does after the hand-over.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};

/// A stream of a connection with a validator.
#[derive(Debug)]
pub(in crate::network) struct Event {
    /// The validator.
    pub(in crate::network) peer: PeerId,
    /// What happened.
    pub(in crate::network) what: Opened,
}

/// What became of a stream.
#[derive(Debug)]
pub(in crate::network) enum Opened {
    /// The validator opened a stream to this node.
    Inbound(Stream),
    /// The stream that was asked for.
    Outbound(Stream),
    /// The stream that was asked for could not be opened.
    Failed(String),
}

/// Opens and accepts consensus streams.
#[derive(Debug)]
pub(in crate::network) struct Behaviour {
    protocol: StreamProtocol,
    validators: Arc<BTreeSet<PeerId>>,
    events: VecDeque<ToSwarm<Event, Open>>,
}

/// Asks a connection for an outbound stream.
#[derive(Clone, Copy, Debug)]
pub(in crate::network) struct Open;

impl Behaviour {
    /// Offers `protocol` to `validators`.
    pub(in crate::network) fn new(
        protocol: StreamProtocol,
        validators: impl IntoIterator<Item = PeerId>,
    ) -> Self {
        Self {
            protocol,
            validators: Arc::new(validators.into_iter().collect()),
            events: VecDeque::new(),
        }
    }

    /// Asks for a stream on a connection; the answer is an [`Event`], or the end of the
    /// connection. The owner asks once per connection and end of a stream, which bounds the queue.
    pub(in crate::network) fn open(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler,
            event: Open,
        });
    }

    fn handler(&self, peer: &PeerId) -> Handler {
        Handler {
            protocol: self.protocol.clone(),
            accepts: self.validators.contains(peer),
            wanted: false,
            inbound: None,
            outbound: None,
            waker: None,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        what: THandlerOutEvent<Self>,
    ) {
        self.events
            .push_back(ToSwarm::GenerateEvent(Event { peer, what }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The part of the behaviour that belongs to one connection.
#[derive(Debug)]
pub(in crate::network) struct Handler {
    protocol: StreamProtocol,
    accepts: bool,
    wanted: bool,
    inbound: Option<Opened>,
    outbound: Option<Opened>,
    waker: Option<Waker>,
}

impl Handler {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Opened;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer(self.accepts.then(|| self.protocol.clone())), ())
    }

    fn on_behaviour_event(&mut self, Open: Open) {
        self.wanted = true;
        self.wake();
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, (), Opened>> {
        if let Some(opened) = self.inbound.take().or_else(|| self.outbound.take()) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(opened));
        }
        if std::mem::take(&mut self.wanted) {
            let protocol = SubstreamProtocol::new(Offer(Some(self.protocol.clone())), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is non-exhaustive, and its other events are of no concern here"
    )]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.inbound = Some(Opened::Inbound(protocol)),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.outbound = Some(Opened::Outbound(protocol)),
            ConnectionEvent::DialUpgradeError(error) => {
                self.outbound = Some(Opened::Failed(error.error.to_string()));
            }
            _ => return,
        }
        self.wake();
    }
}

/// Offers the protocol, or none.
#[derive(Clone, Debug)]
pub(in crate::network) struct Offer(Option<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
