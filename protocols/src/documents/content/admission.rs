//! Admission: what a change from elsewhere must be before Automerge sees it.
//!
//! Automerge 0.12 checks little of this itself: a gap in an actor's sequence panics, two changes
//! of one actor and number make replicas differ for good, changes without their dependencies pile
//! up in its queue and its files, a compressed change may unfold without bound, and bytes that
//! are not as Automerge would write them come out of it as another change. A few bytes of runs make
//! it work for hours or take all memory, before a checksum is compared.
//!
//! A change is admitted when
//! - it is one uncompressed change of at most [`MAX_CHANGE`] bytes with a right checksum, of whose
//!   columns none says that it has more than [`MAX_ROWS`] rows;
//! - its actor has this network's form ([`Actor`]);
//! - its dependencies are admitted (else it is not refused: the rest must be asked for);
//! - its number is the actor's last plus one, and its direct dependencies contain that last one;
//! - its first operation comes after all operations of its dependencies, by no more than
//!   [`MAX_OPERATIONS`], which are the most that it may have, and below [`MAX_OPERATION`];
//! - Automerge takes it, and gives back the very bytes.
//!
//! All but the last depend on the change and what it rests on only, so every replica decides the
//! same. Signed tips of authors, and roles, are checked in the same place once they exist:
//! [`Content::admit`] is the only way in.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Change, ReadDoc};

use super::graph::Link;
use super::{Actor, Content, Graph, InvalidActor, columns, from_automerge};
use crate::types::ChangeHash;

/// The largest raw change in bytes: with its envelope it fits in a frame of 1 MiB.
pub const MAX_CHANGE: usize = 1024 * 1024 - 16 * 1024;
/// The most direct dependencies of a change; an honest one has the document's heads.
pub(super) const MAX_DEPENDENCIES: usize = 1024;
/// Automerge numbers operations with 32 bits; half of them is far beyond any document.
pub(super) const MAX_OPERATION: u64 = 1 << 31;
/// The most operations of one change, each of which weighs at least a byte of
/// [`Edit::MAX_WEIGHT`](super::Edit::MAX_WEIGHT), and the most numbers that it may pass over: an
/// edit of a past version is numbered after all that its author's document has. It keeps a few
/// hostile changes from using all numbers up, after which every honest edit would be refused.
pub(super) const MAX_OPERATIONS: u64 = 1 << 20;
/// The most rows of a column of a change. An operation has one in most columns, and in two of them
/// one for each that it replaces, which is one but for what was edited at the same time.
const MAX_ROWS: u64 = 2 * MAX_OPERATIONS;
/// The most actors of one document: each costs memory in every version that is read.
pub(super) const MAX_ACTORS: usize = 65_536;
/// The most trials when Automerge refuses a batch and the culprit is searched; each copies the
/// document. What is left after them is refused untried.
const MAX_TRIALS: usize = 64;

/// Why a change was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too large.
    #[error("it has {size} bytes, more than {MAX_CHANGE}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not one Automerge change in its uncompressed form.
    #[error("it is no uncompressed Automerge change: {0}")]
    Malformed(String),
    /// The checksum in its header is wrong.
    #[error("its checksum is wrong")]
    Checksum,
    /// The actor is of another form.
    #[error(transparent)]
    Actor(#[from] InvalidActor),
    /// More dependencies than allowed.
    #[error("it has {count} dependencies, more than {MAX_DEPENDENCIES}")]
    Dependencies {
        /// How many.
        count: usize,
    },
    /// The number does not follow the actor's last.
    #[error("its number is {found}, but the actor's next is {expected}")]
    Sequence {
        /// The actor's next.
        expected: u64,
        /// The change's.
        found: u64,
    },
    /// It does not directly rest on the actor's change before.
    #[error("it does not rest on the actor's change before it")]
    NotAChain,
    /// It has too many operations, or they are numbered below those it rests on, or too far above.
    #[error("its operations start at {start}, not between {above} and the limit")]
    Operations {
        /// Its first operation.
        start: u64,
        /// The last operation of its dependencies.
        above: u64,
    },
    /// The document has too many actors.
    #[error("the document has {MAX_ACTORS} actors already")]
    TooManyActors,
    /// It rests on a change that was refused.
    #[error("it rests on {0}, which was refused")]
    RestsOn(ChangeHash),
    /// Automerge refused it or changed it.
    #[error("Automerge does not take it as it is: {0}")]
    Automerge(String),
}

/// A change that was not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its hash; zeros when it could not be decoded.
    pub hash: ChangeHash,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why.
    pub reason: Refusal,
}

/// A change that is well formed by itself.
#[derive(Clone, Debug)]
pub struct Decoded {
    change: Change,
    hash: ChangeHash,
}

/// What came of a batch of changes.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// New changes that the document has now, in order: hash and raw bytes.
    pub changes: Vec<(ChangeHash, Vec<u8>)>,
    /// What was refused.
    pub refused: Vec<Refused>,
    /// Changes whose dependencies are missing.
    pub waiting: Vec<Decoded>,
}

/// Automerge failed in the middle of a batch: the [`Content`] is of no use any more and has to be
/// loaded again, and the batch goes through [`Content::admit_carefully`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Automerge failed on a batch of changes: {0}")]
pub struct Broken(pub String);

impl Decoded {
    /// Decodes a change and checks what does not depend on the document.
    ///
    /// # Errors
    /// [`Refused`] with the bytes and the reason.
    pub fn new(bytes: &[u8]) -> Result<Self, Refused> {
        match Self::check(bytes) {
            Ok(decoded) => Ok(decoded),
            Err((hash, reason)) => {
                // What is too large to be a change is too large to be kept.
                let kept = if bytes.len() > MAX_CHANGE { &[] } else { bytes };
                Err(Refused {
                    hash,
                    bytes: kept.to_vec(),
                    reason,
                })
            }
        }
    }

    fn check(bytes: &[u8]) -> Result<Self, (ChangeHash, Refusal)> {
        /// Where the chunk's type stands: after four magic bytes and four of checksum.
        const TYPE: usize = 8;
        /// The type of an uncompressed change.
        const CHANGE: u8 = 1;
        let unnamed = |reason| (ChangeHash(decube_crypto::Digest::ZERO), reason);
        if bytes.len() > MAX_CHANGE {
            return Err(unnamed(Refusal::TooLarge { size: bytes.len() }));
        }
        if bytes.get(TYPE) != Some(&CHANGE) {
            return Err(unnamed(Refusal::Malformed("it is of another kind".into())));
        }
        if !columns::are_bounded(bytes, MAX_ROWS) {
            let what = format!("a column has more than {MAX_ROWS} rows, or ends in the middle");
            return Err(unnamed(Refusal::Malformed(what)));
        }
        let change = match catch_unwind(AssertUnwindSafe(|| Change::try_from(bytes))) {
            Ok(Ok(change)) => change,
            Ok(Err(error)) => return Err(unnamed(Refusal::Malformed(error.to_string()))),
            Err(_) => {
                return Err(unnamed(Refusal::Malformed(
                    "Automerge gave up on it".into(),
                )));
            }
        };
        let hash = from_automerge(change.hash());
        let refuse = |reason| Err((hash, reason));
        if bytes.get(4..TYPE) != change.hash().0.get(..4) {
            return refuse(Refusal::Checksum);
        }
        if change.deps().len() > MAX_DEPENDENCIES {
            return refuse(Refusal::Dependencies {
                count: change.deps().len(),
            });
        }
        if let Err(invalid) = Actor::parse(change.actor_id()) {
            return refuse(invalid.into());
        }
        let start = change.start_op().get();
        let count = change.len() as u64;
        if count > MAX_OPERATIONS || start.saturating_add(count) > MAX_OPERATION {
            return refuse(Refusal::Operations { start, above: 0 });
        }
        Ok(Self { change, hash })
    }

    /// The change's hash.
    #[must_use]
    pub const fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// The raw bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.change.raw_bytes()
    }

    /// What the change directly rests on.
    pub fn dependencies(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.change.deps().iter().map(|hash| from_automerge(*hash))
    }

    /// How many operations it has.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.change.len() as u64
    }

    fn refused(&self, reason: Refusal) -> Refused {
        Refused {
            hash: self.hash,
            bytes: self.bytes().to_vec(),
            reason,
        }
    }
}

impl Content {
    /// Takes those of `batch` that may be taken, in one step of Automerge. Changes that the
    /// document has are passed over.
    ///
    /// # Errors
    /// [`Broken`] when Automerge failed; this content must not be used any more.
    pub fn admit(&mut self, batch: Vec<Decoded>) -> Result<Admitted, Broken> {
        let Plan {
            ready,
            mut admitted,
            ..
        } = Plan::of(self.graph(), batch);
        self.take(&ready)?;
        admitted.changes = ready
            .iter()
            .map(|change| (change.hash, change.bytes().to_vec()))
            .collect();
        Ok(admitted)
    }

    /// As [`Content::admit`], for a batch that broke another content: works on copies, and finds
    /// the changes that Automerge does not take. Costs a copy of the document per trial.
    #[must_use]
    pub fn admit_carefully(&mut self, batch: Vec<Decoded>) -> Admitted {
        let mut result = Admitted::default();
        let mut trials = 0;
        // Halves of a broken batch wait on a stack, the earlier half on top.
        let mut stack = vec![batch];
        while let Some(batch) = stack.pop() {
            trials += 1;
            if trials > MAX_TRIALS {
                let untried = Refusal::Automerge("it came with others that it refused".into());
                result
                    .refused
                    .extend(batch.iter().map(|change| change.refused(untried.clone())));
                continue;
            }
            let mut copy = self.clone();
            match copy.admit(batch.clone()) {
                Ok(admitted) => {
                    *self = copy;
                    result.changes.extend(admitted.changes);
                    result.refused.extend(admitted.refused);
                    result.waiting.extend(admitted.waiting);
                }
                Err(Broken(reason)) => {
                    // In order, so that the earlier half rests on nothing of the later one.
                    let plan = Plan::of(self.graph(), batch);
                    result.refused.extend(plan.admitted.refused);
                    result.waiting.extend(plan.admitted.waiting);
                    let mut first = plan.ready;
                    let second = first.split_off(first.len() / 2);
                    match (first.is_empty(), second.as_slice()) {
                        (true, [culprit]) => {
                            result
                                .refused
                                .push(culprit.refused(Refusal::Automerge(reason)));
                        }
                        _ => stack.extend([second, first]),
                    }
                }
            }
        }
        result.separate()
    }

    /// Gives planned changes to Automerge and checks that it keeps them as they are.
    fn take(&mut self, ready: &[Decoded]) -> Result<(), Broken> {
        if ready.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> = ready.iter().map(|decoded| decoded.change.clone()).collect();
        let automerge = self.automerge_mut();
        let applied = catch_unwind(AssertUnwindSafe(|| -> Result<(), String> {
            automerge
                .apply_changes(changes)
                .map_err(|error| error.to_string())?;
            for Decoded { change, hash } in ready {
                let kept = automerge.get_change_by_hash(&change.hash());
                if kept.is_none_or(|kept| kept.raw_bytes() != change.raw_bytes()) {
                    return Err(format!("it does not keep {hash} as it is"));
                }
            }
            Ok(())
        }));
        match applied {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(Broken(reason)),
            Err(_) => return Err(Broken("it gave up".into())),
        }
        for decoded in ready {
            self.link(&decoded.change);
        }
        Ok(())
    }
}

impl Admitted {
    /// Changes that wait for a refused one are refused too.
    fn separate(mut self) -> Self {
        let mut refused: BTreeSet<ChangeHash> = self.refused.iter().map(|r| r.hash).collect();
        loop {
            let rests_on = |change: &Decoded| change.dependencies().find(|d| refused.contains(d));
            let Some(at) = self
                .waiting
                .iter()
                .position(|change| rests_on(change).is_some())
            else {
                return self;
            };
            let change = self.waiting.swap_remove(at);
            let cause = change
                .dependencies()
                .find(|d| refused.contains(d))
                .unwrap_or(change.hash);
            refused.insert(change.hash);
            self.refused.push(change.refused(Refusal::RestsOn(cause)));
        }
    }
}

/// A batch in an order in which it can be applied.
struct Plan<'a> {
    graph: &'a Graph,
    tips: BTreeMap<ActorId, (u64, ChangeHash)>,
    planned: BTreeMap<ChangeHash, u64>,
    new_actors: usize,
    ready: Vec<Decoded>,
    admitted: Admitted,
}

impl<'a> Plan<'a> {
    fn of(graph: &'a Graph, batch: Vec<Decoded>) -> Self {
        let mut plan = Self {
            graph,
            tips: BTreeMap::new(),
            planned: BTreeMap::new(),
            new_actors: 0,
            ready: Vec::new(),
            admitted: Admitted::default(),
        };
        let mut blocked: BTreeMap<ChangeHash, Decoded> = BTreeMap::new();
        let mut dependents: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
        for change in batch {
            plan.place(change, &mut blocked, &mut dependents);
        }
        plan.admitted.waiting = blocked.into_values().collect();
        plan.admitted = plan.admitted.separate();
        plan
    }

    /// Plans a change and those that waited for it, or notes what it waits for.
    fn place(
        &mut self,
        change: Decoded,
        blocked: &mut BTreeMap<ChangeHash, Decoded>,
        dependents: &mut BTreeMap<ChangeHash, Vec<ChangeHash>>,
    ) {
        let mut stack = vec![change];
        while let Some(change) = stack.pop() {
            let hash = change.hash;
            if self.has(&hash) || blocked.contains_key(&hash) {
                continue;
            }
            let missing = change.dependencies().find(|d| !self.has(d));
            if let Some(missing) = missing {
                dependents.entry(missing).or_default().push(hash);
                blocked.insert(hash, change);
                continue;
            }
            match self.check(&change) {
                Ok(()) => {
                    self.plan(change);
                    let freed = dependents.remove(&hash).unwrap_or_default();
                    stack.extend(freed.iter().rev().filter_map(|hash| blocked.remove(hash)));
                }
                Err(reason) => self.admitted.refused.push(change.refused(reason)),
            }
        }
    }

    fn has(&self, hash: &ChangeHash) -> bool {
        self.graph.contains(hash) || self.planned.contains_key(hash)
    }

    fn tip(&self, actor: &ActorId) -> Option<(u64, ChangeHash)> {
        self.tips
            .get(actor)
            .copied()
            .or_else(|| self.graph.tip(actor))
    }

    fn plan(&mut self, change: Decoded) {
        let link = Link::of(&change.change);
        self.planned.insert(link.hash, link.max_op);
        self.tips.insert(link.actor, (link.seq, link.hash));
        self.ready.push(change);
    }

    /// Checks a change whose dependencies are all there.
    fn check(&mut self, change: &Decoded) -> Result<(), Refusal> {
        let raw = &change.change;
        let last = self.tip(raw.actor_id());
        let expected = last.map_or(1, |(seq, _)| seq.saturating_add(1));
        if raw.seq() != expected {
            return Err(Refusal::Sequence {
                expected,
                found: raw.seq(),
            });
        }
        match last {
            Some((_, last)) if !change.dependencies().any(|dependency| dependency == last) => {
                return Err(Refusal::NotAChain);
            }
            Some(_) => {}
            None if self.graph.actors() + self.new_actors >= MAX_ACTORS => {
                return Err(Refusal::TooManyActors);
            }
            None => self.new_actors += 1,
        }
        let max_op = |hash: ChangeHash| {
            self.planned
                .get(&hash)
                .copied()
                .or_else(|| self.graph.max_op(&hash))
        };
        let above = change.dependencies().filter_map(max_op).max().unwrap_or(0);
        let start = raw.start_op().get();
        if start <= above || start - above > MAX_OPERATIONS {
            return Err(Refusal::Operations { start, above });
        }
        Ok(())
    }
}
