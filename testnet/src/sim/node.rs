//! A simulated node: the cores of a real one, joined as the driver of `decube-node` joins them.
//!
//! Two workers run the cores: one the commit and the submission core, the other the documents
//! core. A worker takes inputs, makes records durable, then performs the other effects in order;
//! while a write is on its way to the disk its inputs wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use decube_protocols::commit::{self, RequestFailure};
use decube_protocols::types::{CollectionId, Now, RequestId};
use decube_protocols::{documents, submission};
use decube_store::{ChainReader, DocumentReader, Store};

use super::byzantine::Behaviour;
use super::clock::Clock;
use super::disk::Disk;
use super::message::{Answer, Gossip, Question};
use super::plan::NodeIndex;

/// Which of a node's workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WorkerName {
    /// Runs the commit and the submission core.
    Consensus,
    /// Runs the documents core.
    Documents,
}

/// Where a response belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Commit,
    Documents,
    Receipts,
    Transaction,
}

/// How a request that reached a core is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// Another node, in that life of it, under its number.
    Peer {
        node: NodeIndex,
        life: u64,
        token: u64,
        generation: u64,
    },
    /// The submission core of this very node, under its own number.
    Own(RequestId),
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    pub(super) to: NodeIndex,
    pub(super) origin: Origin,
    pub(super) id: RequestId,
}

/// What a worker takes.
#[derive(Debug)]
pub(super) enum Input {
    Commit(commit::Input),
    Submission(submission::Input),
    Documents(documents::Input),
    /// A gossip message, which is passed on unless the core blames someone for it.
    Gossip {
        id: u64,
        from: NodeIndex,
        source: NodeIndex,
        gossip: Gossip,
    },
}

/// What a worker does.
#[derive(Debug)]
pub(super) enum Effect {
    Commit(commit::Effect),
    Submission(submission::Effect),
    Documents(documents::Effect),
    /// Pass a gossip message on.
    Forward {
        id: u64,
        from: NodeIndex,
        source: NodeIndex,
        gossip: Gossip,
    },
}

/// Records that are written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) commit: Vec<commit::Record>,
    pub(super) submission: Vec<submission::Record>,
    pub(super) documents: Vec<documents::Record>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.commit.is_empty() && self.submission.is_empty() && self.documents.is_empty()
    }

    /// Takes an effect's record; gives back any other effect.
    fn take(&mut self, effect: Effect) -> Option<Effect> {
        if let Effect::Commit(commit::Effect::Persist(record)) = effect {
            self.commit.push(record);
        } else if let Effect::Submission(submission::Effect::Persist(record)) = effect {
            self.submission.push(record);
        } else if let Effect::Documents(documents::Effect::Persist(record)) = effect {
            self.documents.push(record);
        } else {
            return Some(effect);
        }
        None
    }
}

/// A worker's queues.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) inbox: VecDeque<Input>,
    pub(super) effects: VecDeque<Effect>,
    /// The records on their way to the disk.
    pub(super) writing: Option<Batch>,
    /// When the worker is woken next.
    pub(super) wake: Option<Duration>,
}

impl Worker {
    /// The records to make durable before any of the waiting effects is performed: all of them, or
    /// the adjacent ones at the front.
    pub(super) fn next_batch(&mut self, joined: bool) -> Batch {
        let mut batch = Batch::default();
        if joined {
            self.effects = self
                .effects
                .drain(..)
                .filter_map(|effect| batch.take(effect))
                .collect();
            return batch;
        }
        while let Some(effect) = self.effects.pop_front() {
            if let Some(other) = batch.take(effect) {
                self.effects.push_front(other);
                break;
            }
        }
        batch
    }
}

/// The cores of a node.
pub(super) struct Cores {
    pub(super) commit: commit::Core<ChainReader>,
    pub(super) submission: submission::Core<ChainReader>,
    pub(super) documents: documents::Core<DocumentReader>,
}

impl Cores {
    /// When a worker's cores want to be woken.
    pub(super) fn poll_timeout(&self, worker: WorkerName) -> Option<Duration> {
        match worker {
            WorkerName::Consensus => {
                let (one, two) = (self.commit.poll_timeout(), self.submission.poll_timeout());
                one.into_iter().chain(two).min()
            }
            WorkerName::Documents => self.documents.poll_timeout(),
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, worker: WorkerName, now: Now) -> Vec<Effect> {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now.monotonic);
        let mut effects = Vec::new();
        match worker {
            WorkerName::Consensus => {
                if due(self.commit.poll_timeout()) {
                    effects.extend(
                        self.commit
                            .handle_timeout(now)
                            .into_iter()
                            .map(Effect::Commit),
                    );
                }
                if due(self.submission.poll_timeout()) {
                    let new = self.submission.handle_timeout(now);
                    effects.extend(new.into_iter().map(Effect::Submission));
                }
            }
            WorkerName::Documents => {
                if due(self.documents.poll_timeout()) {
                    let new = self.documents.handle_timeout(now);
                    effects.extend(new.into_iter().map(Effect::Documents));
                }
            }
        }
        effects
    }
}

/// A node between a start and a crash.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) cores: Cores,
    consensus: Worker,
    documents: Worker,
    pub(super) outstanding: BTreeMap<u64, Outstanding>,
    open: BTreeMap<RequestId, Asker>,
    next: u64,
    /// Gossip messages that it had already.
    pub(super) seen: BTreeSet<u64>,
    /// The collections whose announcements it listens to.
    pub(super) topics: BTreeSet<CollectionId>,
}

impl Running {
    pub(super) fn new(store: Store, cores: Cores) -> Self {
        Self {
            store,
            cores,
            consensus: Worker::default(),
            documents: Worker::default(),
            outstanding: BTreeMap::new(),
            open: BTreeMap::new(),
            next: 0,
            seen: BTreeSet::new(),
            topics: BTreeSet::new(),
        }
    }

    pub(super) fn worker(&mut self, name: WorkerName) -> &mut Worker {
        match name {
            WorkerName::Consensus => &mut self.consensus,
            WorkerName::Documents => &mut self.documents,
        }
    }

    /// A number that no other request of this node had in this life.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Names a request for a core.
    pub(super) fn open(&mut self, asker: Asker) -> RequestId {
        let id = RequestId(self.number());
        self.open.insert(id, asker);
        id
    }

    /// Takes the asker of a request that a core answers.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Asker> {
        self.open.remove(&id)
    }

    /// The input that tells a core what became of its request.
    pub(super) fn response(
        outstanding: &Outstanding,
        from: decube_protocols::types::PeerId,
        result: Result<Answer, RequestFailure>,
    ) -> (WorkerName, Input) {
        let id = outstanding.id;
        match outstanding.origin {
            Origin::Commit => {
                let result = result.and_then(Answer::into_chain);
                let input = commit::Input::Response { id, from, result };
                (WorkerName::Consensus, Input::Commit(input))
            }
            Origin::Documents => {
                let result = result.and_then(Answer::into_sync);
                let input = documents::Input::Response { id, from, result };
                (WorkerName::Documents, Input::Documents(input))
            }
            Origin::Receipts => {
                let result = result.and_then(Answer::into_receipts);
                let input = submission::Input::Receipts { id, from, result };
                (WorkerName::Consensus, Input::Submission(input))
            }
            Origin::Transaction => {
                let result = result.and_then(Answer::into_transaction);
                let input = submission::Input::Transaction { id, from, result };
                (WorkerName::Consensus, Input::Submission(input))
            }
        }
    }
}

/// When a node is killed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    /// After so many more effects.
    Effects(u32),
    /// When its next write is on its way: nothing of it is made.
    BeforeWrite,
    /// Within its writes, after so many more operations of the disk.
    InWrite(u32),
    /// When its next write is durable and nothing else was done.
    AfterWrite,
}

/// A node, running or not.
pub(super) struct Node {
    /// How often it was started or killed; what was meant for another life is ignored.
    pub(super) life: u64,
    pub(super) clock: Clock,
    pub(super) disk: Disk,
    pub(super) behaviour: Option<Box<dyn Behaviour>>,
    pub(super) doom: Option<Doom>,
    pub(super) running: Option<Running>,
}

/// A request as it travels.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) from: NodeIndex,
    pub(super) life: u64,
    pub(super) token: u64,
    pub(super) question: Question,
}
