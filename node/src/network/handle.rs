//! The node's side of the network: starting it and talking to it.

use std::time::Duration;

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::{
    channel::{ChannelCounts, Policy, Reports},
    config::{Config, StartError},
    consensus::Links,
    message::{
        Command, DialError, Event, PeerInfo, Penalty, PingError, Priority, RequestError, Traffic,
    },
    swarm,
    transport::Counters,
};

/// Commands that may wait for the network task, which answers each in microseconds.
pub(super) const COMMANDS: usize = 1024;

/// Where the network puts its events. Each inbox wants a reader of its own; a full one delays or
/// drops only its own traffic. All end when the network task ends.
#[derive(Debug)]
pub struct Inboxes {
    /// Frames of validators; requests and responses about transactions and the chain; topics that
    /// were subscribed with this lane; connections and disconnections.
    pub consensus: mpsc::Receiver<Event>,
    /// Requests and responses of sync; topics that were subscribed with this lane; connections and
    /// disconnections.
    pub documents: mpsc::Receiver<Event>,
    /// Listen addresses, learned addresses, refusals and misbehaviour.
    pub bookkeeping: mpsc::Receiver<Event>,
}

/// The network task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network has stopped")]
pub struct Stopped;

/// The way to the network. Clones are equal; the network ends with the last of them.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    own: PeerId,
    commands: mpsc::Sender<Command>,
    links: Links,
    counters: Counters,
    policy: Policy,
    reports: Reports,
}

/// Starts the network of a node. Must be called inside a tokio runtime with IO and time.
///
/// # Errors
/// When an address cannot be listened on, with that address, and when a setting is refused;
/// nothing is left running then.
pub fn spawn(config: Config) -> Result<(NetworkHandle, Inboxes), StartError> {
    let own = config.keypair.public().to_peer_id();
    let links = Links::new(own, &config.validators);
    let counters = Counters::default();
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let policy = config.channel;
    let (reports, refusals) = Reports::new();
    let ways = swarm::Ways {
        links: links.clone(),
        counters: counters.clone(),
        commands: receiver,
        reports: reports.clone(),
        refusals,
    };
    let (network, inboxes) = swarm::Network::new(config, ways)?;
    tokio::spawn(network.run());
    Ok((
        NetworkHandle {
            own,
            commands,
            links,
            counters,
            policy,
            reports,
        },
        inboxes,
    ))
}

impl NetworkHandle {
    /// The peer id of this node.
    pub fn own_peer(&self) -> PeerId {
        self.own
    }

    /// Queues a frame for a validator, connected or not, and returns at once. Says whether `to` is
    /// another validator; a frame to anyone else is dropped.
    pub fn send(&self, to: &PeerId, priority: Priority, frame: Bytes) -> bool {
        self.links.send(to, priority, frame)
    }

    /// Queues a frame for every other validator and returns at once.
    pub fn broadcast(&self, priority: Priority, frame: &Bytes) {
        self.links.broadcast(priority, frame);
    }

    /// Gives a command, waiting while the network is busy.
    ///
    /// # Errors
    /// When the network has stopped.
    pub async fn command(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_unsent| Stopped)
    }

    /// Gives a command without waiting, and says whether it was taken; it is not when the network
    /// is busy with more than it can do, or has stopped.
    pub fn try_command(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    /// Lowers the standing of a peer whose bytes turned out wrong.
    pub fn penalize(&self, peer: PeerId, penalty: Penalty) {
        self.try_command(Command::Penalize { peer, penalty });
    }

    /// The bytes that went over the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    /// Which channels this node takes part in.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// How many connections were made, by channel, and refused so far.
    pub fn channels(&self) -> ChannelCounts {
        self.reports.counts()
    }

    /// The connected peers.
    ///
    /// # Errors
    /// When the network has stopped.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Stopped> {
        self.ask(Command::Peers).await
    }

    /// The addresses that the node listens on.
    ///
    /// # Errors
    /// When the network has stopped.
    pub async fn listeners(&self) -> Result<Vec<Multiaddr>, Stopped> {
        self.ask(Command::Listeners).await
    }

    /// The addresses of a peer: of the address book, else of the Kademlia network; empty when
    /// nobody knows it.
    ///
    /// # Errors
    /// When the network has stopped.
    pub async fn find(&self, peer: PeerId) -> Result<Vec<Multiaddr>, Stopped> {
        self.ask(|reply| Command::Find(peer, reply)).await
    }

    /// Dials an address and waits until the peer there is connected and known to be of this
    /// network.
    ///
    /// # Errors
    /// When there is no such peer.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, DialError> {
        self.ask(|reply| Command::Dial { address, reply })
            .await
            .unwrap_or_else(|stopped| Err(DialError::Failed(stopped.to_string())))
    }

    /// Measures the round trip to a connected peer.
    ///
    /// # Errors
    /// When the peer is not connected or does not answer in time.
    pub async fn ping(&self, peer: PeerId) -> Result<Duration, PingError> {
        self.ask(|reply| Command::Ping(peer, reply))
            .await
            .unwrap_or_else(|stopped| Err(RequestError::Closed(stopped.to_string()).into()))
    }

    /// Ends the network and waits until its listeners are closed.
    pub async fn shutdown(&self) {
        if self.command(Command::Shutdown).await.is_ok() {
            self.commands.closed().await;
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.command(command(reply)).await?;
        answer.await.map_err(|_dropped| Stopped)
    }
}
