//! The task that owns the swarm: it waits for whatever comes first of a command, an event of the
//! swarm, the end of a stream, room in an inbox, or the time of the next dial. It never waits for
//! anything else and never polls.
//!
//! - `commands`: what the node asks for.
//! - `events`: what happens to connections.
//! - `traffic`: requests, responses, gossip and consensus streams.

mod commands;
mod events;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{TcpListener, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, Transport, kad,
    request_response::OutboundRequestId,
    swarm::{self, ConnectionId, dial_opts::DialOpts},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    behaviour::Behaviour,
    book::{Book, peer_of, without_peer},
    channel::{Gate, RefusalKind, Registry, Report, Reports},
    config::{Config, NetworkName, StartError},
    connections::{Carrier, Outbound, Peer, socket_address},
    consensus::{LinkEnd, Links},
    handle::Inboxes,
    message::{
        Audience, Command, DialError, Event, Lane, Misbehaviour, Penalty, PingError, Protocol,
        Refusal,
    },
    outlet::Outlet,
    penalty::Standings,
    transport::{self, Counters},
};

/// Events that may wait for the consensus part of the node. Frames are small but for proposals, of
/// which a sender has one at a time.
const CONSENSUS_INBOX: usize = 1024;

/// Events that may wait for the documents part of the node; each at most a gossip message or a
/// sync frame.
const DOCUMENTS_INBOX: usize = 256;

/// Bookkeeping events that may wait. They are rare.
const BOOKKEEPING_INBOX: usize = 256;

/// Own requests that may wait for an answer at once.
const MAX_REQUESTS: usize = 1024;

/// Dials, pings and searches that people wait for at once, of each kind.
const MAX_WAITING: usize = 64;

/// Refused connections of each kind that are reported within a second. A flood is counted, and does
/// not fill the log.
const REFUSALS_PER_SECOND: u32 = 10;

/// Connections stay open though nothing is said: peers of a network stay connected.
const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the outcome of a dial goes.
type DialReply = oneshot::Sender<Result<PeerId, DialError>>;

/// A search for a peer, and who asked for it; nobody when it is for a dial.
type Search = (PeerId, Option<oneshot::Sender<Vec<Multiaddr>>>);

/// The task that owns the swarm.
///
/// The fields drop in their order: the swarm, and with it the listeners, before the receiver of
/// commands, by whose end others see that the network has stopped.
pub(super) struct Network {
    swarm: Swarm<Behaviour>,
    tasks: JoinSet<LinkEnd>,
    name: NetworkName,
    validators: BTreeSet<PeerId>,
    links: Links,
    book: Book,
    standings: Standings,
    peers: BTreeMap<PeerId, Peer>,
    consensus: Outlet,
    documents: Outlet,
    bookkeeping: Outlet,
    topics: BTreeMap<String, (Lane, Audience)>,
    requests: BTreeMap<(Protocol, OutboundRequestId), (u64, PeerId)>,
    pings: BTreeMap<OutboundRequestId, (Instant, oneshot::Sender<Result<Duration, PingError>>)>,
    /// Dials in progress, by connection.
    dials: BTreeMap<ConnectionId, DialReply>,
    /// Dials that connected, waiting for the peer to show its network.
    arrivals: Vec<(PeerId, DialReply)>,
    searches: HashMap<kad::QueryId, Search>,
    /// Whether the Kademlia table was asked to fill itself.
    bootstrapped: bool,
    gate: Arc<Gate>,
    registry: Registry,
    refusals: mpsc::Receiver<Report>,
    /// How many refusals of each kind were reported since when.
    reported: BTreeMap<RefusalKind, (Instant, u32)>,
    commands: mpsc::Receiver<Command>,
}

/// What the network shares with its handle.
pub(super) struct Ways {
    pub(super) links: Links,
    pub(super) counters: Counters,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) reports: Reports,
    pub(super) refusals: mpsc::Receiver<Report>,
}

impl Network {
    /// Builds the swarm and listens.
    pub(super) fn new(config: Config, ways: Ways) -> Result<(Self, Inboxes), StartError> {
        let own = config.keypair.public().to_peer_id();
        let pinned = config.pinned.iter().copied();
        let gate = Gate::new(&config.keypair, config.rules(), pinned, ways.reports)?;
        let (gate, registry) = (Arc::new(gate), Registry::default());
        let transport = transport::build(&gate, &registry, &ways.counters);
        let behaviour = Behaviour::new(&config, &registry)?;
        let settings =
            swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIMEOUT);
        let mut swarm = Swarm::new(transport.boxed(), behaviour, own, settings);
        for address in &config.listen {
            if is_quic(address) && !gate.has_quic() {
                let address = address.clone();
                return Err(StartError::QuicExcluded { address });
            }
        }
        for address in &config.listen {
            listen(&mut swarm, address)?;
        }
        let mut book = fill_book(&config, own)?;
        for peer in &config.banned {
            book.ban(*peer);
            swarm.behaviour_mut().blocked.block_peer(*peer);
        }
        let (consensus, consensus_inbox) = Outlet::new(CONSENSUS_INBOX);
        let (documents, documents_inbox) = Outlet::new(DOCUMENTS_INBOX);
        let (bookkeeping, bookkeeping_inbox) = Outlet::new(BOOKKEEPING_INBOX);
        let network = Self {
            swarm,
            tasks: JoinSet::new(),
            name: config.network,
            validators: config.validators.into_iter().collect(),
            links: ways.links,
            book,
            standings: Standings::default(),
            peers: BTreeMap::new(),
            consensus,
            documents,
            bookkeeping,
            topics: BTreeMap::new(),
            requests: BTreeMap::new(),
            pings: BTreeMap::new(),
            dials: BTreeMap::new(),
            arrivals: Vec::new(),
            searches: HashMap::new(),
            bootstrapped: false,
            gate,
            registry,
            refusals: ways.refusals,
            reported: BTreeMap::new(),
            commands: ways.commands,
        };
        let inboxes = Inboxes {
            consensus: consensus_inbox,
            documents: documents_inbox,
            bookkeeping: bookkeeping_inbox,
        };
        Ok((network, inboxes))
    }

    /// Runs until the last handle is gone or [`Command::Shutdown`] comes.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.next_deadline();
            let at = next.unwrap_or_else(Instant::now);
            let behind = self.consensus.is_behind()
                || self.documents.is_behind()
                || self.bookkeeping.is_behind();
            tokio::select! {
                command = self.commands.recv(), if !behind => match command {
                    None | Some(Command::Shutdown) => return,
                    Some(command) => self.on_command(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(report) = self.refusals.recv() => self.on_refusal(report),
                Some(end) = self.tasks.join_next_with_id() => {
                    // A task that was stopped on purpose has nothing to say.
                    if let Ok((task, end)) = end {
                        self.on_stream_end(task, end);
                    }
                },
                () = self.consensus.flush_one(), if self.consensus.has_backlog() => {}
                () = self.documents.flush_one(), if self.documents.has_backlog() => {}
                () = self.bookkeeping.flush_one(), if self.bookkeeping.has_backlog() => {}
                () = tokio::time::sleep_until(at.into()), if next.is_some() => self.on_time(),
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let peers = self.peers.values().filter_map(Peer::deadline);
        peers.chain(self.book.next_due()).min()
    }

    /// Does what is due: dials, streams to open again, peers that did not say what they are.
    fn on_time(&mut self) {
        let now = Instant::now();
        for (peer, addresses) in self.book.due(now) {
            self.redial(peer, addresses);
        }
        let due = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.deadline().is_some_and(|at| at <= now));
        for peer in due.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            if self.is_confirmed(&peer) {
                self.open_stream(peer);
            } else {
                self.refuse(peer, Refusal::NotIdentified);
            }
        }
    }

    fn redial(&mut self, peer: PeerId, mut addresses: Vec<Multiaddr>) {
        // Where there is an address of TCP, the post-quantum channel can be had.
        if addresses.iter().any(|address| !is_quic(address)) || !self.gate.has_quic() {
            addresses.retain(|address| !is_quic(address));
        }
        // Kademlia's addresses end in the peer. What both know is to be dialled once.
        let addresses = addresses
            .into_iter()
            .filter_map(|address| address.with_p2p(peer).ok())
            .collect();
        // A port of its own for each dial: were the listening port used, two nodes that dial each
        // other at one moment would share one connection of which both are the dialler.
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .allocate_new_port()
            .build();
        let Err(error) = self.swarm.dial(options) else {
            return;
        };
        if self.swarm.is_connected(&peer) {
            self.book.connected(&peer);
            return;
        }
        tracing::debug!(%peer, %error, "cannot dial");
        self.book.failed(&peer, Instant::now(), random());
        let is_searched = self
            .searches
            .values()
            .any(|(searched, _)| *searched == peer);
        let nowhere = matches!(error, swarm::DialError::NoAddresses);
        if nowhere && !is_searched && !self.peers.is_empty() && self.searches.len() < MAX_WAITING {
            let search = self.swarm.behaviour_mut().kademlia.get_closest_peers(peer);
            self.searches.insert(search, (peer, None));
        }
    }

    fn is_confirmed(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.confirmed)
    }

    /// Whether a peer can be asked something on a protocol.
    fn serves(&self, peer: &PeerId, protocol: Protocol) -> bool {
        let peer = self.peers.get(peer).filter(|peer| peer.confirmed);
        peer.is_some_and(|peer| match protocol {
            Protocol::Sync | Protocol::Transactions => peer.post_quantum().is_some(),
            Protocol::Chain => true,
        })
    }

    /// Shows a refusal to the operator, unless there are too many of its kind.
    fn on_refusal(&mut self, report: Report) {
        let now = Instant::now();
        let (since, count) = self.reported.entry(report.kind).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > REFUSALS_PER_SECOND {
            return;
        }
        let Report {
            peer,
            address,
            outbound,
            kind,
            reason,
        } = report;
        if kind.is_alarming() {
            tracing::warn!(?peer, %address, outbound, %kind, reason, "refused a connection");
        } else {
            tracing::info!(?peer, %address, outbound, %kind, reason, "refused a connection");
        }
        self.bookkeeping.offer(Event::ConnectionRefused {
            peer,
            address,
            outbound,
            kind,
            reason,
        });
    }

    fn lane(&mut self, lane: Lane) -> &mut Outlet {
        match lane {
            Lane::Consensus => &mut self.consensus,
            Lane::Documents => &mut self.documents,
        }
    }

    /// Disconnects a peer that does not belong here and forgets where it is.
    fn refuse(&mut self, peer: PeerId, reason: Refusal) {
        match &reason {
            Refusal::OtherNetwork { shown } => {
                tracing::info!(%peer, shown, "refused: other network");
            }
            Refusal::NotIdentified => tracing::info!(%peer, "refused: not identified in time"),
        }
        self.answer_arrivals(&peer, &Err(DialError::OtherNetwork));
        self.forget(peer);
        self.bookkeeping.offer(Event::Refused { peer, reason });
    }

    /// Disconnects a peer and forgets where it is.
    fn forget(&mut self, peer: PeerId) {
        self.book.forget(&peer);
        self.swarm.behaviour_mut().kademlia.remove_peer(&peer);
        self.disconnect(peer);
    }

    fn disconnect(&mut self, peer: PeerId) {
        if self.swarm.disconnect_peer_id(peer).is_err() {
            tracing::trace!(%peer, "was not connected");
        }
    }

    /// Lowers the standing of a peer, and disconnects it when that was too much.
    fn penalize(&mut self, peer: PeerId, penalty: Penalty) {
        let points = self.standings.penalize(peer, penalty, Instant::now());
        self.show_standing(&peer, points);
        if points >= Penalty::LIMIT {
            tracing::info!(%peer, points, "disconnected: too many penalties");
            self.disconnect(peer);
            self.bookkeeping.offer(Event::Misbehaved {
                peer,
                reason: Misbehaviour::Penalties,
            });
        }
    }

    fn show_standing(&mut self, peer: &PeerId, points: u32) {
        for audience in Audience::ALL {
            let gossip = self.swarm.behaviour_mut().topics(audience);
            gossip.set_application_score(peer, -f64::from(points));
        }
    }

    /// Reports a peer that sent something which is no frame.
    fn report_frame(&mut self, peer: PeerId, reason: String) {
        tracing::info!(%peer, reason, "a peer sent an invalid frame");
        let reason = Misbehaviour::Frame(reason);
        self.bookkeeping.offer(Event::Misbehaved { peer, reason });
        self.penalize(peer, Penalty::Major);
    }

    /// Tells those who dialled this peer how it ended.
    fn answer_arrivals(&mut self, peer: &PeerId, outcome: &Result<PeerId, DialError>) {
        let all = std::mem::take(&mut self.arrivals);
        for (arrived, reply) in all {
            if arrived == *peer {
                answer(reply, outcome.clone());
            } else {
                self.arrivals.push((arrived, reply));
            }
        }
    }

    /// Opens the outbound stream to a confirmed validator, when that is due.
    fn open_stream(&mut self, id: PeerId) {
        let Some(peer) = self
            .peers
            .get_mut(&id)
            .filter(|_| self.links.get(&id).is_some())
        else {
            return;
        };
        let ready = matches!(peer.outbound, Outbound::None | Outbound::Due(_));
        if let Some(connection) = peer.post_quantum().filter(|_| ready) {
            peer.outbound = Outbound::Opening(connection);
            let consensus = self.swarm.behaviour_mut().consensus.inner();
            consensus.open(id, connection);
        }
    }
}

/// Sends an answer; whoever asked may have left.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("an answer came after its receiver had left");
    }
}

/// A random number for jitter, or one in the middle when the system has none.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// The book at the start: bootstrap peers and validators, which stay, and the known.
fn fill_book(config: &Config, own: PeerId) -> Result<Book, StartError> {
    let now = Instant::now();
    let mut book = Book::new(own);
    for address in &config.bootstrap {
        let Some(peer) = peer_of(address) else {
            return Err(StartError::BootstrapWithoutPeer {
                address: address.clone(),
            });
        };
        book.add(peer, Some(address.clone()), true, now);
    }
    for peer in &config.validators {
        book.add(*peer, None, true, now);
    }
    for (peer, address) in &config.known {
        book.add(*peer, Some(address.clone()), false, now);
        book.worked(peer, without_peer(address.clone()));
    }
    Ok(book)
}

/// Whether an address is one of QUIC, or of anything else over UDP.
fn is_quic(address: &Multiaddr) -> bool {
    matches!(socket_address(address), Some((_, Carrier::Udp)))
}

/// Listens on an address. The port is tried alone first, because libp2p lets several listeners
/// share one port, and then two nodes would each get half of the connections.
fn listen(swarm: &mut Swarm<Behaviour>, address: &Multiaddr) -> Result<(), StartError> {
    let failed = |reason: io::Error| {
        let address = address.clone();
        if reason.kind() == io::ErrorKind::AddrInUse {
            StartError::PortInUse { address }
        } else {
            StartError::Listen { address, reason }
        }
    };
    match socket_address(address) {
        Some((socket, Carrier::Tcp)) => TcpListener::bind(socket).map(drop).map_err(failed)?,
        Some((socket, Carrier::Udp)) => UdpSocket::bind(socket).map(drop).map_err(failed)?,
        None => {}
    }
    match swarm.listen_on(address.clone()) {
        Ok(_listener) => Ok(()),
        Err(libp2p::TransportError::Other(error)) => Err(failed(error)),
        Err(error) => Err(failed(io::Error::other(error))),
    }
}
