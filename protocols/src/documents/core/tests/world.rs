//! A few nodes in virtual time, over links that delay, lose and reorder from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use decube_crypto::{Digest, SecretKey};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::commit::RequestFailure;
use crate::documents::content::{Edit, Pointer, parse_patch};
use crate::documents::{
    Announcement, Command, CommandError, Config, Core, Effect, Input, MemorySource, Reply,
    SyncRequest, SyncResponse, SyncState,
};
use crate::types::{
    ChangeHash, CollectionId, DocumentId, DocumentName, NetworkId, Now, PeerId, RequestId,
    Timestamp, peer_id,
};

pub(super) fn network() -> NetworkId {
    NetworkId(Digest::of("decube/test/1", &[b"network"]))
}

pub(super) fn notes() -> CollectionId {
    CollectionId::of(&network(), "notes")
}

pub(super) fn key(node: usize) -> SecretKey {
    SecretKey::from_seed(&[u8::try_from(node).unwrap() + 1; 32])
}

pub(super) fn peer(node: usize) -> PeerId {
    peer_id(&key(node).public())
}

pub(super) fn config(node: usize, life: u8) -> Config {
    Config {
        network: network(),
        author: key(node),
        peer_key: key(node),
        nonce: [life; 8],
        seed: node as u64,
        anti_entropy_interval: Duration::from_secs(10),
        cache_bytes: 1 << 20,
    }
}

/// Something on its way.
enum Delivery {
    Announcement(Announcement),
    Request(RequestId, SyncRequest),
    Response(RequestId, Result<SyncResponse, RequestFailure>),
}

/// How links behave.
#[derive(Clone, Copy, Default)]
pub(super) struct Links {
    /// Percentage of announcements and requests that are lost.
    pub(super) loss: u32,
    /// The longest delay in milliseconds; deliveries overtake each other within it.
    pub(super) delay: u64,
}

pub(super) struct World {
    pub(super) cores: Vec<Core<MemorySource>>,
    pub(super) links: Links,
    pub(super) now: Duration,
    pub(super) penalties: Vec<&'static str>,
    pub(super) messages: usize,
    queue: BTreeMap<(Duration, u64), (usize, usize, Delivery)>,
    /// Requests that each node has to answer: who asked under which id.
    open: BTreeMap<(usize, RequestId), (usize, RequestId)>,
    replies: BTreeMap<RequestId, Result<Reply, CommandError>>,
    cut: Vec<bool>,
    random: ChaCha8Rng,
    counter: u64,
}

impl World {
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let core = |node| Core::new(config(node, 0), MemorySource::default()).unwrap();
        let mut world = Self {
            cores: (0..nodes).map(core).collect(),
            links: Links::default(),
            now: Duration::from_secs(1),
            penalties: Vec::new(),
            messages: 0,
            queue: BTreeMap::new(),
            open: BTreeMap::new(),
            replies: BTreeMap::new(),
            cut: vec![false; nodes],
            random: ChaCha8Rng::seed_from_u64(seed),
            counter: 0,
        };
        for node in 0..nodes {
            world.input(node, Input::Collection(notes()));
            for other in (0..nodes).filter(|other| *other != node) {
                world.input(node, Input::Connected(peer(other)));
            }
        }
        world
    }

    fn time(&self) -> Now {
        let wall = Timestamp(u64::try_from(self.now.as_millis()).unwrap());
        Now {
            monotonic: self.now,
            wall,
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let now = self.time();
        let effects = self.cores[node].handle(now, input);
        self.perform(node, effects);
    }

    fn node(&self, id: &PeerId) -> usize {
        (0..self.cores.len())
            .find(|node| peer(*node) == *id)
            .unwrap()
    }

    fn send(&mut self, from: usize, to: usize, delivery: Delivery) {
        self.counter += 1;
        self.messages += 1;
        let delay = Duration::from_micros(self.random.random_range(0..=self.links.delay * 1000));
        self.queue
            .insert((self.now + delay, self.counter), (from, to, delivery));
    }

    fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist(record) => self.cores[node].source_mut().apply(record),
                Effect::Publish { announcement, .. } => {
                    for to in (0..self.cores.len()).filter(|to| *to != node) {
                        self.send(node, to, Delivery::Announcement(announcement.clone()));
                    }
                }
                Effect::Request { to, id, request } => {
                    let to = self.node(&to);
                    self.send(node, to, Delivery::Request(id, request));
                }
                Effect::Respond { id, response } => {
                    if let Some((to, asked)) = self.open.remove(&(node, id)) {
                        self.send(node, to, Delivery::Response(asked, Ok(response)));
                    }
                }
                Effect::Reply { id, result } => {
                    self.replies.insert(id, result);
                }
                Effect::Penalize { reason, .. } => self.penalties.push(reason),
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize, delivery: Delivery) {
        let lost =
            self.cut[from] || self.cut[to] || self.random.random_range(0..100) < self.links.loss;
        match delivery {
            Delivery::Announcement(_) if lost => {}
            Delivery::Announcement(announcement) => {
                self.input(
                    to,
                    Input::Announced {
                        from: peer(from),
                        announcement,
                    },
                );
            }
            Delivery::Request(id, _) if lost => {
                let failed = Err(RequestFailure::TimedOut);
                self.input(
                    from,
                    Input::Response {
                        id,
                        from: peer(to),
                        result: failed,
                    },
                );
            }
            Delivery::Request(asked, request) => {
                self.counter += 1;
                let id = RequestId(self.counter);
                self.open.insert((to, id), (from, asked));
                self.input(
                    to,
                    Input::Request {
                        from: peer(from),
                        id,
                        request,
                    },
                );
            }
            Delivery::Response(id, result) => {
                let result = if lost {
                    Err(RequestFailure::Broken)
                } else {
                    result
                };
                self.input(
                    to,
                    Input::Response {
                        id,
                        from: peer(from),
                        result,
                    },
                );
            }
        }
    }

    /// Lets `span` pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let delivery = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timers = (0..self.cores.len())
                .filter_map(|node| self.cores[node].poll_timeout().map(|at| (at, node)));
            let timer = timers.min();
            let next = delivery.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if delivery == Some(next) {
                let (_, (from, to, delivery)) = self.queue.pop_first().unwrap();
                self.deliver(from, to, delivery);
            } else if let Some((_, node)) = timer {
                let now = self.time();
                let effects = self.cores[node].handle_timeout(now);
                self.perform(node, effects);
            }
        }
        self.now = end;
    }

    pub(super) fn command(&mut self, node: usize, command: Command) -> Result<Reply, CommandError> {
        self.counter += 1;
        let id = RequestId(self.counter);
        self.input(node, Input::Command { id, command });
        self.replies.remove(&id).unwrap()
    }

    pub(super) fn create(&mut self, node: usize, name: &str, content: Value) -> DocumentId {
        let name = DocumentName::new(name).unwrap();
        let command = Command::Create {
            collection: notes(),
            name,
            content: Some(content),
        };
        match self.command(node, command) {
            Ok(Reply::Created(entry)) => entry.id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn edit(&mut self, node: usize, document: DocumentId, patch: Value) -> ChangeHash {
        let edits: Vec<Edit> = parse_patch(patch).unwrap();
        match self.command(
            node,
            Command::Edit {
                document,
                at: None,
                edits,
                message: None,
            },
        ) {
            Ok(Reply::Edited { change, .. }) => change.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn read(&mut self, node: usize, document: DocumentId) -> Value {
        let read = Command::Read {
            document,
            at: None,
            pointer: Pointer::root(),
            conflicts: false,
        };
        match self.command(node, read) {
            Ok(Reply::Content { value, .. }) => value,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn heads(&mut self, node: usize, document: DocumentId) -> Vec<ChangeHash> {
        match self.command(node, Command::Describe { document }) {
            Ok(Reply::Document(entry)) => entry.heads,
            other => panic!("{other:?}"),
        }
    }

    /// How the collection stands with each peer of `node`.
    pub(super) fn standing(&mut self, node: usize) -> Vec<SyncState> {
        match self.command(node, Command::SyncStatus) {
            Ok(Reply::SyncStatus(status)) => {
                status[0].peers.iter().map(|peer| peer.state).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn roots(&mut self) -> Vec<Digest> {
        self.cores
            .iter()
            .map(|core| core.library.root(&notes()))
            .collect()
    }

    /// Cuts a node off, or joins it again, without its noticing more than failed requests.
    pub(super) fn cut(&mut self, node: usize, cut: bool) {
        self.cut[node] = cut;
    }

    /// Kills a node and starts it from what it recorded.
    pub(super) fn restart(&mut self, node: usize, life: u8) {
        let disk = self.cores[node].source().clone();
        self.cores[node] = Core::new(config(node, life), disk).unwrap();
        self.open.retain(|(at, _), _| *at != node);
        self.input(node, Input::Collection(notes()));
        for other in (0..self.cores.len()).filter(|other| *other != node) {
            self.input(other, Input::Disconnected(peer(node)));
            self.input(other, Input::Connected(peer(node)));
            self.input(node, Input::Connected(peer(other)));
        }
    }
}
