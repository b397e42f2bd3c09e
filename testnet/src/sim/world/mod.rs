//! The world of one run: nodes, links, users and faults, moved on event by event in virtual time.
//!
//! # Invariants
//! - Everything that happens follows from the seed: events of one moment come in the order in
//!   which they were added, and all chance is drawn from [`Random`].
//! - The contract between a core and its driver is kept: a record is durable before any effect
//!   behind it is performed, and a crash can fall between any two effects and within a write.
//! - Every request gets one response, or the news that none comes.

mod chaos;
mod clients;
mod finish;
mod net;
mod perform;
mod start;
mod turn;

use std::collections::BTreeMap;
use std::time::Duration;

use decube_protocols::types::{CollectionId, DocumentId, Height, RequestId};

use super::faults::Counts;
use super::links::Links;
use super::message::{Answer, Gossip};
use super::mutant::Mutant;
use super::node::{Asked, Node, WorkerName};
use super::oracle::chain::Chain;
use super::oracle::promises::Promises;
use super::oracle::votes::Votes;
use super::oracle::{Check, Violation};
use super::plan::{NodeIndex, Plan, votes_of};
use super::queue::Queue;
use super::random::Random;
use super::runner::Options;
use super::trace::Trace;

use decube_protocols::commit::ConsensusMessage;

/// How many events one run may have: tens of times what one needs, so that a network which drowns
/// itself is found.
const MAX_EVENTS: u64 = 3_000_000;

/// How many events may share one moment before something is said to spin.
const MAX_EVENTS_AT_ONCE: u32 = 50_000;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Event {
    /// A message on the long-lived stream arrives.
    Message {
        from: NodeIndex,
        to: NodeIndex,
        generation: u64,
        message: ConsensusMessage,
    },
    /// A request arrives.
    Request {
        to: NodeIndex,
        generation: u64,
        asked: Asked,
    },
    /// A response arrives.
    Response {
        from: NodeIndex,
        to: NodeIndex,
        life: u64,
        token: u64,
        generation: u64,
        answer: Answer,
    },
    /// A request had its time.
    RequestDue {
        node: NodeIndex,
        life: u64,
        token: u64,
    },
    /// A gossip message arrives from a neighbour.
    Gossip {
        from: NodeIndex,
        to: NodeIndex,
        source: NodeIndex,
        id: u64,
        again: bool,
        gossip: Gossip,
    },
    /// A write reached the disk.
    Written {
        node: NodeIndex,
        life: u64,
        worker: WorkerName,
    },
    /// A core wants to be woken.
    Wake {
        node: NodeIndex,
        life: u64,
        worker: WorkerName,
    },
    /// A node notices that a connection is gone, if it is.
    Notice {
        node: NodeIndex,
        peer: NodeIndex,
        generation: u64,
    },
    /// Two nodes try to connect.
    Dial(NodeIndex, NodeIndex),
    /// A node starts.
    Start(NodeIndex),
    /// Something breaks.
    Break(chaos::Kind),
    /// A partition ends.
    Reunite(Vec<(NodeIndex, NodeIndex)>),
    /// A wall clock is set right.
    SetClock(NodeIndex),
    /// Users ask for something.
    Users,
    /// Nothing breaks any more, and what is broken is repaired.
    Heal,
    /// Users ask for what must succeed now.
    LastWishes,
    /// Is everything equal by now?
    Look,
}

/// What a user waits for.
#[derive(Clone, Debug)]
enum Intent {
    Create,
    Edit(DocumentId),
    Remove(DocumentId),
}

/// The world of one run.
pub(super) struct World {
    plan: Plan,
    random: Random,
    now: Duration,
    queue: Queue<Event>,
    nodes: Vec<Node>,
    links: Links,
    counts: Counts,
    pub(super) trace: Trace,
    mutant: Option<Mutant>,
    // The oracle.
    votes: Votes,
    chain: Chain,
    promises: Promises,
    // The users.
    intents: BTreeMap<(NodeIndex, u64, RequestId), Intent>,
    collections: BTreeMap<CollectionId, Height>,
    names: u64,
    healed: Option<Healed>,
    done: bool,
    next_gossip: u64,
}

/// When and where the network was healed.
#[derive(Clone, Copy, Debug)]
struct Healed {
    at: Duration,
    height: Height,
}

/// What a run that found nothing wrong did.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) finals: u64,
    pub(super) finals_in_chaos: u64,
    pub(super) views: usize,
    pub(super) edits: u64,
    pub(super) submitted: usize,
    pub(super) virtual_time: Duration,
    pub(super) healing_time: Duration,
    pub(super) proofs: usize,
}

impl World {
    /// A world in which nothing has happened yet.
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mutant = options.mutant;
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random, votes_of(seed), options.byzantine);
        let byzantine = plan.byzantine.and_then(|(node, _)| plan.validator(node));
        let nodes: Vec<Node> = (0..plan.keys.len())
            .map(|node| start::new_node(&plan, node, mutant))
            .collect();
        let mut world = Self {
            links: Links::new(plan.link, nodes.len()),
            votes: Votes::new(plan.network, plan.validators.clone(), byzantine),
            plan,
            random,
            now: Duration::ZERO,
            queue: Queue::new(),
            nodes,
            counts: Counts::default(),
            trace: Trace::new(options.trace),
            mutant,
            chain: Chain::default(),
            promises: Promises::default(),
            intents: BTreeMap::new(),
            collections: BTreeMap::new(),
            names: 0,
            healed: None,
            done: false,
            next_gossip: 0,
        };
        world.begin(seed);
        world
    }

    fn begin(&mut self, seed: u64) {
        let Plan {
            keys,
            byzantine,
            link,
            joined,
            encoded,
            chaos,
            ..
        } = &self.plan;
        let (nodes, chaos) = (keys.len(), *chaos);
        let text = format!(
            "seed {seed}: {nodes} nodes, {} validators, byzantine {byzantine:?}, {link:?}, \
             joined {joined}, encoded {encoded}, votes {}",
            self.plan.validators.validators().len(),
            self.plan.genesis.parameters.signature,
        );
        self.log(format_args!("{text}"));
        for node in 0..nodes {
            let at = self.random.millis(0, 50);
            self.queue.push(at, Event::Start(node));
        }
        self.queue.push(Duration::from_millis(100), Event::Users);
        for kind in chaos::Kind::ALL {
            self.schedule_break(kind);
        }
        self.queue.push(chaos, Event::Heal);
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first [`Violation`] that was found.
    pub(super) fn run(&mut self) -> Result<Summary, Violation> {
        let (mut events, mut at_once) = (0_u64, 0_u32);
        while !self.done {
            let Some((at, event)) = self.queue.pop() else {
                return Err(Violation::new(Check::Progress, "nothing is left to happen"));
            };
            at_once = if at == self.now { at_once + 1 } else { 0 };
            events += 1;
            if events > MAX_EVENTS || at_once > MAX_EVENTS_AT_ONCE {
                let what = format!(
                    "{events} events, {at_once} of them at one moment, {} waiting",
                    self.queue.len()
                );
                return Err(Violation::new(Check::Failure, what));
            }
            self.now = self.now.max(at);
            self.step(event)?;
        }
        self.summary()
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Message {
                from,
                to,
                generation,
                message,
            } => self.message_arrives(from, to, generation, message),
            Event::Request {
                to,
                generation,
                asked,
            } => self.request_arrives(to, generation, asked),
            Event::Response {
                from,
                to,
                life,
                token,
                generation,
                answer,
            } => {
                if !self.links.arrives(from, to, generation) {
                    return Ok(());
                }
                self.response_arrives(to, life, token, Ok(answer))
            }
            Event::RequestDue { node, life, token } => self.request_due(node, life, token),
            Event::Gossip {
                from,
                to,
                source,
                id,
                again,
                gossip,
            } => self.gossip_arrives(from, to, source, id, again, gossip),
            Event::Written { node, life, worker } => self.written(node, life, worker),
            Event::Wake { node, life, worker } => self.woken(node, life, worker),
            Event::Notice {
                node,
                peer,
                generation,
            } => self.notice(node, peer, generation),
            Event::Dial(node, peer) => self.dialed(node, peer),
            Event::Start(node) => self.start(node),
            Event::Break(kind) => self.break_something(kind),
            Event::Reunite(directions) => {
                self.reunite(&directions);
                Ok(())
            }
            Event::SetClock(node) => {
                self.nodes[node].clock.set_offset(0);
                Ok(())
            }
            Event::Users => self.users(),
            Event::Heal => self.heal(),
            Event::LastWishes => self.last_wishes(),
            Event::Look => self.look(),
        }
    }

    fn log(&mut self, text: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, text);
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.queue.push(self.now.saturating_add(delay), event);
    }

    /// What was counted, also after a violation.
    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }
}
