//! Which channel each connection has, by the connection's id.
//!
//! A transport of libp2p knows what it made and not for which connection, and the swarm knows the
//! connections and not what made them. They meet here, by the order in which the swarm calls its
//! parts, which is the same thread without anything in between:
//! - for a dial it asks the behaviours ([`Behaviour`]) and then dials each address ([`Watched`]);
//! - for an arrival it polls the transport, and then asks the behaviours.
//!
//! So each attempt gets a *slot*, into which the transport puts the channel when it is made, before
//! the swarm hears that it is.
//!
//! # Invariants
//! - A connection whose slot is not found or empty is denied (`tests`): nothing is ever taken for
//!   post-quantum by default.
//! - Slots go when their attempt ends, so that they are bounded as the attempts are.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Endpoint,
        muxing::StreamMuxerBox,
        transport::{
            Boxed, DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent,
        },
    },
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use super::{
    Channel,
    gate::Gate,
    upgrade::{Upgraded, begin},
};
use crate::network::{
    book::peer_of,
    connections::{Carrier, socket_address},
};

/// How long a dial by QUIC waits, so that one by TCP to the same peer comes first: TCP is what the
/// post-quantum channel runs over. Three round trips of a connection between continents.
const TCP_HEAD_START: Duration = Duration::from_millis(500);

/// Where the transport notes the channel of one attempt.
type Slot = Arc<OnceLock<Channel>>;

/// The channels of all connections. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::network) struct Registry(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The connection whose addresses are dialled now.
    dialling: Option<ConnectionId>,
    /// The attempt that has just arrived.
    arrived: Option<Slot>,
    /// Attempts that are not connections yet. A dial has one for each address, and more when the swarm
    /// dials one address several times; an arrival has one for the empty address.
    attempts: HashMap<ConnectionId, BTreeMap<Multiaddr, Vec<Slot>>>,
    connections: HashMap<ConnectionId, Channel>,
}

/// The transport did not say by which channel a connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not known by which channel the connection was made")]
pub(in crate::network) struct UnknownChannel;

impl Registry {
    /// The channel of a connection.
    pub(in crate::network) fn channel(&self, connection: ConnectionId) -> Option<Channel> {
        self.lock().connections.get(&connection).copied()
    }

    /// The slot of the address that is dialled now.
    fn dial(&self, address: &Multiaddr) -> Slot {
        let slot = Slot::default();
        let mut state = self.lock();
        if let Some(connection) = state.dialling {
            let slots = state.attempts.entry(connection).or_default();
            let same = slots.entry(address.clone()).or_default();
            same.push(Arc::clone(&slot));
        }
        slot
    }

    /// The slot of what arrives now.
    fn arrive(&self) -> Slot {
        let slot = Slot::default();
        self.lock().arrived = Some(Arc::clone(&slot));
        slot
    }

    /// An attempt became a connection. When there were several of one address, nobody says which it
    /// was, and it counts as the least of those that were made.
    fn establish(
        &self,
        connection: ConnectionId,
        address: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let mut state = self.lock();
        let slots = state.attempts.remove(&connection);
        let slots = slots.and_then(|mut slots| slots.remove(address));
        let made = slots.iter().flatten().filter_map(|slot| slot.get());
        let channel = made.min().copied();
        let channel = channel.ok_or_else(|| ConnectionDenied::new(UnknownChannel))?;
        state.connections.insert(connection, channel);
        Ok(())
    }

    fn end(&self, connection: ConnectionId) {
        let mut state = self.lock();
        state.attempts.remove(&connection);
        state.connections.remove(&connection);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The few lines that hold the lock leave the state whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport that notes the channel of each connection, and bounds the handshakes of arrivals.
pub(in crate::network) struct Watched {
    inner: Boxed<Upgraded>,
    gate: Arc<Gate>,
    registry: Registry,
}

impl Watched {
    /// Watches `inner`.
    pub(in crate::network) fn new(
        inner: Boxed<Upgraded>,
        gate: Arc<Gate>,
        registry: Registry,
    ) -> Self {
        Self {
            inner,
            gate,
            registry,
        }
    }
}

type Upgrade = BoxFuture<'static, io::Result<(PeerId, StreamMuxerBox)>>;

/// Notes the channel before anyone hears of the connection.
fn noted(
    slot: Slot,
    upgrade: impl Future<Output = io::Result<Upgraded>> + Send + 'static,
) -> Upgrade {
    let note = move |upgraded: io::Result<Upgraded>| {
        let Upgraded {
            peer,
            muxer,
            channel,
        } = upgraded?;
        // The slot is of this attempt only, so it is empty.
        let _ = slot.set(channel);
        Ok((peer, muxer))
    };
    upgrade.map(note).boxed()
}

impl Transport for Watched {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = Upgrade;
    type Dial = Upgrade;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Upgrade, TransportError<io::Error>> {
        let slot = self.registry.dial(&address);
        let is_tcp = matches!(socket_address(&address), Some((_, Carrier::Tcp)));
        // It would be refused when it stands, and look like an attack.
        if !is_tcp && peer_of(&address).is_some_and(|peer| self.gate.is_pinned(&peer)) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let upgrade = self.inner.dial(address, options)?;
        Ok(match is_tcp {
            true => noted(slot, upgrade),
            false => noted(slot, async {
                tokio::time::sleep(TCP_HEAD_START).await;
                upgrade.await
            }),
        })
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Upgrade, io::Error>> {
        let this = &mut *self;
        let event = std::task::ready!(Pin::new(&mut this.inner).poll(context));
        let from = match &event {
            TransportEvent::Incoming { send_back_addr, .. } => send_back_addr.clone(),
            TransportEvent::NewAddress { .. }
            | TransportEvent::AddressExpired { .. }
            | TransportEvent::ListenerClosed { .. }
            | TransportEvent::ListenerError { .. } => Multiaddr::empty(),
        };
        let (gate, registry) = (&this.gate, &this.registry);
        Poll::Ready(event.map_upgrade(|upgrade| {
            let permit = begin(gate, &from);
            noted(registry.arrive(), async {
                let _permit = permit.map_err(io::Error::other)?;
                upgrade.await
            })
        }))
    }
}

/// Takes the swarm's word for which connection an attempt is. It must stand before every behaviour
/// that asks the [`Registry`].
#[derive(Debug)]
pub(in crate::network) struct Behaviour(Registry);

impl Behaviour {
    /// Fills `registry`.
    pub(in crate::network) fn new(registry: Registry) -> Self {
        Self(registry)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let mut state = self.0.lock();
        if let Some(slot) = state.arrived.take() {
            let slots = BTreeMap::from([(Multiaddr::empty(), vec![slot])]);
            state.attempts.insert(id, slots);
        }
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.establish(id, &Multiaddr::empty())?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.0.lock().dialling = Some(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.establish(id, address)?;
        Ok(dummy::ConnectionHandler)
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "only the end of an attempt or a connection matters here"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(event) => self.0.end(event.connection_id),
            FromSwarm::DialFailure(event) => self.0.end(event.connection_id),
            FromSwarm::ListenFailure(event) => self.0.end(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn two_dials_of_one_address_are_told_apart() {
        let registry = Registry::default();
        let address: Multiaddr = "/ip4/192.0.2.7/tcp/1".parse().unwrap();
        let mut slots = Vec::new();
        for number in 0..2 {
            registry.lock().dialling = Some(id(number));
            slots.push(registry.dial(&address));
        }
        slots[1].set(Channel::PostQuantum).unwrap();
        slots[0].set(Channel::ClassicNoise).unwrap();
        registry.establish(id(0), &address).unwrap();
        registry.establish(id(1), &address).unwrap();
        assert_eq!(registry.channel(id(0)), Some(Channel::ClassicNoise));
        assert_eq!(registry.channel(id(1)), Some(Channel::PostQuantum));
        registry.end(id(0));
        registry.end(id(1));
        let state = registry.lock();
        assert!(state.attempts.is_empty() && state.connections.is_empty());
    }

    /// The address book and Kademlia know one address, with and without the peer at its end; the
    /// swarm dials it twice then, for one connection.
    #[test]
    fn of_two_attempts_of_one_connection_the_least_counts() {
        let registry = Registry::default();
        let address: Multiaddr = "/ip4/192.0.2.7/tcp/1".parse().unwrap();
        for (number, second) in [(0, None), (1, Some(Channel::ClassicNoise))] {
            registry.lock().dialling = Some(id(number));
            let slots = [registry.dial(&address), registry.dial(&address)];
            slots[0].set(Channel::PostQuantum).unwrap();
            if let Some(channel) = second {
                slots[1].set(channel).unwrap();
            }
            registry.establish(id(number), &address).unwrap();
            let least = second.unwrap_or(Channel::PostQuantum);
            assert_eq!(registry.channel(id(number)), Some(least));
        }
    }

    #[test]
    fn what_is_not_known_is_denied() {
        let registry = Registry::default();
        let address: Multiaddr = "/ip4/192.0.2.7/tcp/1".parse().unwrap();
        assert!(registry.establish(id(1), &address).is_err());
        registry.lock().dialling = Some(id(2));
        let _empty = registry.dial(&address);
        assert!(registry.establish(id(2), &address).is_err());
        assert_eq!(registry.channel(id(2)), None);
    }
}
