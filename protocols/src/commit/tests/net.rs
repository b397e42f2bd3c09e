//! A small network in virtual time: cores, disks, links that lose, delay and duplicate, crashes.
//!
//! Everything follows from one seed. The oracle keeps its own log of all votes that were sent and of
//! all blocks that became final, and notes every violation of agreement.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use decube_crypto::{SecretKey, ValidatorSecret, mldsa};

use super::super::core::Mutant;
use super::super::io::{
    ChainRequest, ChainResponse, ConsensusMessage, Effect, Event, FinalAnnouncement, Input, Record,
    RequestFailure,
};
use super::super::{Config, Core};
use super::disk::Disk;
use super::oracle::Oracle;
use crate::types::{
    Action, CollectionName, CreateCollection, Genesis, Height, NetworkId, Now, Parameters, PeerId,
    Power, Replica, RequestId, Statement, Timestamp, Transaction, Validator, View, Vote,
    VoteScheme, peer_id,
};

pub(super) const DELTA: u64 = 50;
pub(super) const IDLE: u64 = 3000;
pub(super) const START: u64 = 1_700_000_000_000;

/// SplitMix64: enough to choose faults by.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

#[derive(Clone, Debug)]
pub(super) enum Delivery {
    Message(ConsensusMessage),
    Request(RequestId, ChainRequest),
    Response(RequestId, Result<ChainResponse, RequestFailure>),
    Announced(FinalAnnouncement),
    Transactions(Vec<Transaction>),
    Connected,
    Disconnected,
}

#[derive(Clone, Debug)]
struct Packet {
    from: usize,
    to: usize,
    /// The receiver's life; what was on its way when it crashed is lost.
    life: u32,
    delivery: Delivery,
}

pub(super) struct Node {
    pub(super) core: Option<Core<Disk>>,
    pub(super) disk: Disk,
    config: Config,
    life: u32,
    restart_at: Option<Duration>,
    pub(super) events: Vec<Event>,
    /// Milliseconds by which the wall clock is off.
    pub(super) clock_error: i64,
}

/// How bad the network is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Of a hundred messages.
    pub(super) loss: u64,
    pub(super) duplication: u64,
    /// Of ten thousand effects.
    pub(super) crash: u64,
    /// The most milliseconds a message takes.
    pub(super) delay: u64,
    /// Whether the last validator is hostile.
    pub(super) byzantine: bool,
}

pub(super) struct Net {
    pub(super) seed: u64,
    pub(super) random: Random,
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    pub(super) validators: usize,
    pub(super) network: NetworkId,
    pub(super) faults: Faults,
    pub(super) oracle: Oracle,
    /// Directed links over which nothing gets.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// What of the consensus messages does not get through.
    pub(super) filter: Option<fn(from: usize, to: usize, &ConsensusMessage) -> bool>,
    queue: BTreeMap<(Duration, u64), Packet>,
    sequence: u64,
    pub(super) penalties: Vec<(usize, PeerId, super::super::Offence)>,
    pub(super) sent: u64,
    pub(super) crashes: u64,
    pub(super) evil: super::evil::Evil,
}

thread_local! {
    /// How the networks of this test vote.
    static SCHEME: Cell<VoteScheme> = const { Cell::new(VoteScheme::Ed25519) };
}

/// From now on, networks of this test vote with hybrid signatures.
pub(super) fn vote_hybrid() {
    SCHEME.set(VoteScheme::Hybrid);
}

pub(super) fn vote_key(index: usize) -> ValidatorSecret {
    let seed = [u8::try_from(index).unwrap() + 1; 32];
    let ed25519 = SecretKey::from_seed(&seed);
    match SCHEME.get() {
        VoteScheme::Ed25519 => ed25519.into(),
        VoteScheme::Hybrid => ValidatorSecret::hybrid(ed25519, mldsa::SecretKey::from_seed(&seed)),
    }
}

pub(super) fn peer_key(index: usize) -> SecretKey {
    SecretKey::from_seed(&[u8::try_from(index).unwrap() + 101; 32])
}

pub(super) fn genesis(validators: usize) -> Genesis {
    let member = |index: usize| Validator {
        name: format!("v{index}"),
        key: vote_key(index).public(),
        peer: peer_key(index).public(),
        power: Power(1),
    };
    Genesis {
        name: "test".into(),
        created: Timestamp(START),
        parameters: Parameters {
            delta_ms: DELTA,
            idle_ms: IDLE,
            drift_ms: 500,
            signature: SCHEME.get(),
            write_quorum: 1,
        },
        validators: (0..validators).map(member).collect(),
        replicas: vec![Replica {
            name: "r".into(),
            peer: peer_key(0).public(),
        }],
    }
}

pub(super) fn transaction(network: &NetworkId, author: u8, nonce: u64) -> Transaction {
    let name = CollectionName::new(format!("c-{author}-{nonce}")).unwrap();
    let action = Action::CreateCollection(CreateCollection {
        name,
        write_quorum: None,
    });
    let key = SecretKey::from_seed(&[author; 32]);
    Transaction::sign(network, action, nonce, Height(5000), &key)
}

impl Net {
    /// So many validators and one node that follows.
    pub(super) fn new(validators: usize, seed: u64, faults: Faults) -> Self {
        Self::with_mutant(validators, seed, faults, None)
    }

    pub(super) fn with_mutant(
        validators: usize,
        seed: u64,
        faults: Faults,
        mutant: Option<Mutant>,
    ) -> Self {
        let genesis = genesis(validators);
        let node = |index: usize| {
            let hostile = faults.byzantine && index + 1 == validators;
            let key = (index < validators && !hostile).then(|| vote_key(index));
            let mut config = Config::new(genesis.clone(), id(index), key);
            config.mutant = mutant;
            Node {
                core: None,
                disk: Disk::default(),
                config,
                life: 0,
                restart_at: Some(Duration::ZERO),
                events: Vec::new(),
                clock_error: 0,
            }
        };
        Self {
            seed,
            random: Random(seed),
            now: Duration::ZERO,
            nodes: (0..=validators).map(node).collect(),
            validators,
            network: genesis.network_id(),
            faults,
            oracle: Oracle::new(validators * 2 / 3 + 1),
            cut: BTreeSet::new(),
            filter: None,
            queue: BTreeMap::new(),
            sequence: 0,
            penalties: Vec::new(),
            sent: 0,
            crashes: 0,
            evil: super::evil::Evil::default(),
        }
    }

    pub(super) fn core(&self, index: usize) -> &Core<Disk> {
        self.nodes[index].core.as_ref().unwrap()
    }

    pub(super) fn height(&self, index: usize) -> u64 {
        self.nodes[index].disk.0.borrow().finals.len() as u64
    }

    pub(super) fn heights(&self) -> Vec<u64> {
        (0..self.nodes.len())
            .map(|index| self.height(index))
            .collect()
    }

    pub(super) fn clock(&self, index: usize) -> Now {
        let milliseconds = START + 1 + u64::try_from(self.now.as_millis()).unwrap();
        let wall = milliseconds.saturating_add_signed(self.nodes[index].clock_error);
        Now {
            monotonic: self.now,
            wall: Timestamp(wall),
        }
    }

    /// Stops a node; it comes back after `away` if given.
    pub(super) fn crash(&mut self, index: usize, away: Option<Duration>) {
        let (now, node) = (self.now, &mut self.nodes[index]);
        node.core = None;
        node.life += 1;
        node.restart_at = away.map(|away| now + away);
        self.crashes += 1;
        for other in 0..self.nodes.len() {
            self.schedule(index, other, Duration::ZERO, Delivery::Disconnected);
        }
    }

    /// From its next start on a node has no validator key.
    pub(super) fn lose_key(&mut self, index: usize) {
        let mutant = self.nodes[index].config.mutant;
        self.nodes[index].config = Config::new(genesis(self.validators), id(index), None);
        self.nodes[index].config.mutant = mutant;
    }

    pub(super) fn restart(&mut self, index: usize) {
        self.nodes[index].restart_at = Some(self.now);
    }

    fn start(&mut self, index: usize) {
        let (clock, node) = (self.clock(index), &mut self.nodes[index]);
        node.restart_at = None;
        let restored = node.disk.0.borrow().log.clone();
        let started = Core::new(node.config.clone(), node.disk.clone(), restored, clock);
        let (core, effects) = started.unwrap_or_else(|error| {
            panic!("seed {}: node {index} does not start: {error}", self.seed)
        });
        node.core = Some(core);
        self.perform(index, effects);
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].core.is_some() {
                let delay = Duration::from_millis(self.random.below(20));
                self.schedule(index, other, delay, Delivery::Connected);
                self.schedule(other, index, delay, Delivery::Connected);
            }
        }
    }

    /// Hands a transaction to a node, as its own program would.
    pub(super) fn submit(&mut self, index: usize, transaction: Transaction) {
        let delivery = Delivery::Transactions(vec![transaction]);
        self.schedule(index, index, Duration::ZERO, delivery);
    }

    fn schedule(&mut self, from: usize, to: usize, delay: Duration, delivery: Delivery) {
        self.sequence += 1;
        let life = self.nodes[to].life;
        let packet = Packet {
            from,
            to,
            life,
            delivery,
        };
        self.queue.insert((self.now + delay, self.sequence), packet);
    }

    /// Sends over a link with its faults.
    pub(super) fn send(&mut self, from: usize, to: usize, delivery: Delivery) {
        if from == to {
            return;
        }
        self.sent += 1;
        if let Delivery::Message(message) = &delivery {
            if let ConsensusMessage::Vote { vote, .. } = message {
                self.oracle.saw_vote(vote);
            }
            if let ConsensusMessage::Proposal(proposal) = message {
                self.oracle.saw_block(&proposal.block.header);
            }
            if self.filter.is_some_and(|filter| !filter(from, to, message)) {
                return;
            }
        }
        let lost = self.cut.contains(&(from, to)) || self.random.percent(self.faults.loss);
        if lost {
            if let Delivery::Request(id, _) = delivery {
                let late = Delivery::Response(id, Err(RequestFailure::TimedOut));
                self.schedule(to, from, Duration::from_millis(400), late);
            }
            return;
        }
        if self.random.percent(self.faults.duplication) {
            let delay = self.delay();
            self.schedule(from, to, delay, delivery.clone());
        }
        let delay = self.delay();
        self.schedule(from, to, delay, delivery);
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(1 + self.random.below(self.faults.delay.max(1)))
    }

    fn perform(&mut self, index: usize, effects: Vec<Effect>) {
        self.check_prune(&effects);
        let hostile = self.is_hostile(index);
        for effect in effects {
            if !hostile && self.random.below(10_000) < self.faults.crash {
                let away = Duration::from_millis(self.random.below(1500));
                self.crash(index, Some(away));
                return;
            }
            self.perform_one(index, effect);
        }
    }

    fn perform_one(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Persist(record) => {
                if let Record::Final(record) = &record {
                    let header = &record.block.block.header;
                    self.oracle.saw_final(index, header.height, header.id());
                }
                self.nodes[index].disk.write(record);
            }
            Effect::Send { to, message } => {
                let to = self.index(&to);
                self.send(index, to, Delivery::Message(message));
            }
            Effect::Broadcast(message) => {
                match &message {
                    ConsensusMessage::Vote { vote, .. } => self.check_durable(index, vote),
                    ConsensusMessage::Proposal(proposal) => {
                        let kept = self.nodes[index].disk.0.borrow();
                        assert!(kept.log.proposals.contains(proposal), "seed {}", self.seed);
                    }
                    _ => {}
                }
                for to in 0..self.validators {
                    self.send(index, to, Delivery::Message(message.clone()));
                }
            }
            Effect::Request { to, id, request } => {
                let to = self.index(&to);
                self.send(index, to, Delivery::Request(id, request));
            }
            Effect::Publish(announcement) => {
                for to in 0..self.nodes.len() {
                    self.send(
                        index,
                        to,
                        Delivery::Announced(announcement.as_ref().clone()),
                    );
                }
            }
            Effect::Notify(event) => self.nodes[index].events.push(event),
            Effect::Penalize { peer, offence } => self.penalties.push((index, peer, offence)),
            Effect::Respond { .. } | Effect::RespondTransactions { .. } => {}
        }
    }

    /// What a log is pruned for must have been durable before.
    fn check_prune(&self, effects: &[Effect]) {
        let mut last_final = None;
        for effect in effects {
            match effect {
                Effect::Persist(Record::Final(record)) => {
                    last_final = Some(record.block.block.header.view);
                }
                Effect::Persist(Record::Prune { view, .. }) => {
                    assert!(
                        last_final.is_none_or(|last| *view < last),
                        "seed {}",
                        self.seed
                    );
                }
                _ => {}
            }
        }
    }

    /// A vote that leaves a node is in its log, with all that it rests on.
    fn check_durable(&self, index: usize, vote: &Vote) {
        let kept = self.nodes[index].disk.0.borrow();
        let (log, seed) = (&kept.log, self.seed);
        let last_final = kept
            .finals
            .last()
            .map_or(View(0), |it| it.block.header.view);
        assert!(
            log.votes.contains(vote),
            "seed {seed}: {vote:?} of node {index} is not durable"
        );
        let certified = |view: View, wanted: &dyn Fn(&Statement) -> bool| {
            view <= last_final
                || log
                    .certificates
                    .iter()
                    .any(|it| it.view == view && wanted(&it.statement))
        };
        let entry = vote.view.previous().unwrap();
        if matches!(vote.statement, Statement::Finalize(_)) {
            let notarized = |it: &Statement| matches!(it, Statement::Notarize(_));
            assert!(
                certified(vote.view, &notarized),
                "seed {seed}: no notarization"
            );
        } else {
            assert!(
                certified(entry, &|_| true),
                "seed {seed}: nothing led into {}",
                vote.view
            );
        }
        let Statement::Notarize(subject) = vote.statement else {
            return;
        };
        let held = log
            .proposals
            .iter()
            .any(|it| it.block.id() == subject.block);
        assert!(held, "seed {seed}: the notarized block is not durable");
        let parent = |it: &Statement| *it != Statement::Nullify;
        assert!(
            certified(subject.parent_view, &parent),
            "seed {seed}: no notarized parent"
        );
        let nullified = |it: &Statement| *it == Statement::Nullify;
        for view in subject.parent_view.0 + 1..vote.view.0 {
            let skips = self.nodes[index].config.mutant == Some(Mutant::SkippedNullifications);
            assert!(
                skips || certified(View(view), &nullified),
                "seed {seed}: {view} not nullified"
            );
        }
    }

    fn index(&self, peer: &PeerId) -> usize {
        (0..self.nodes.len())
            .find(|index| id(*index) == *peer)
            .unwrap()
    }

    pub(super) fn is_hostile(&self, index: usize) -> bool {
        self.faults.byzantine && index + 1 == self.validators
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            from,
            to,
            life,
            delivery,
        } = packet;
        if self.nodes[to].life != life || self.nodes[to].core.is_none() {
            if let Delivery::Request(id, _) = delivery {
                let gone = Delivery::Response(id, Err(RequestFailure::NotConnected));
                self.schedule(to, from, Duration::from_millis(5), gone);
            }
            return;
        }
        let seen = match &delivery {
            Delivery::Message(message) if self.is_hostile(to) => Some(message.clone()),
            _ => None,
        };
        let from_id = id(from);
        let mut asked = None;
        let input = match delivery {
            Delivery::Message(message) => Input::Message {
                from: from_id,
                message,
            },
            Delivery::Request(id, request) => {
                asked = Some(id);
                Input::Request {
                    from: from_id,
                    id,
                    request,
                }
            }
            Delivery::Response(id, result) => Input::Response {
                id,
                from: from_id,
                result,
            },
            Delivery::Announced(announcement) => Input::Announced {
                from: from_id,
                announcement: Box::new(announcement),
            },
            Delivery::Transactions(transactions) => Input::Transactions {
                from: from_id,
                id: RequestId(0),
                transactions,
            },
            Delivery::Connected => Input::Connected(from_id),
            Delivery::Disconnected => Input::Disconnected(from_id),
        };
        let clock = self.clock(to);
        let effects = self.nodes[to].core.as_mut().unwrap().handle(clock, input);
        if let Some(id) = asked {
            for effect in &effects {
                if let Effect::Respond { response, .. } = effect {
                    self.send(to, from, Delivery::Response(id, Ok(response.clone())));
                }
            }
        }
        self.perform(to, effects);
        if let Some(message) = seen {
            self.misbehave(to, &message);
        }
    }

    fn next_at(&self) -> Option<Duration> {
        let packets = self.queue.first_key_value().map(|((at, _), _)| *at);
        let nodes = self.nodes.iter().filter_map(|node| match &node.core {
            Some(core) => core.poll_timeout(),
            None => node.restart_at,
        });
        nodes.chain(packets).min()
    }

    /// Lets virtual time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until `done`, at most until `end`; whether it was done.
    pub(super) fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let mut busy = 0_u32;
        while !done(self) {
            let Some(at) = self.next_at().filter(|at| *at <= end) else {
                self.now = end;
                return done(self);
            };
            busy = if at > self.now { 0 } else { busy + 1 };
            assert!(
                busy < 5000,
                "seed {}: busy without end at {:?}",
                self.seed,
                self.now
            );
            self.now = self.now.max(at);
            self.step();
        }
        true
    }

    fn step(&mut self) {
        if let Some(first) = self.queue.first_entry()
            && first.key().0 <= self.now
        {
            let packet = first.remove();
            return self.deliver(packet);
        }
        for index in 0..self.nodes.len() {
            let now = self.now;
            if self.nodes[index].core.is_none() {
                if self.nodes[index].restart_at.is_some_and(|at| at <= now) {
                    return self.start(index);
                }
                continue;
            }
            let clock = self.clock(index);
            let core = self.nodes[index].core.as_mut().unwrap();
            if core.poll_timeout().is_some_and(|at| at <= now) {
                let effects = core.handle_timeout(clock);
                return self.perform(index, effects);
            }
        }
    }
}

pub(super) fn id(index: usize) -> PeerId {
    peer_id(&peer_key(index).public())
}
