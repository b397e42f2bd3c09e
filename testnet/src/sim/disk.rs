//! A node's disk: one for the state and one for the vote log, whose writes are lost or torn by a
//! crash unless they were synced.

use std::time::Duration;

use decube_protocols::commit;
use decube_store::faulty::{FaultyDisk, Refusal, Unsynced};
use decube_store::{Identity, Store, StoreError};

use super::mutant::Mutant;
use super::node::Batch;
use super::plan::DiskPlan;
use super::random::Random;

/// The names of the files on the disks.
const STATE: &str = "state.redb";
const VOTES: &str = "votes.redb";

/// How much longer a write takes on a slow disk, at least and at most.
const SLOW: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(600));

/// The disks of a node, and what a missing sync leaves in memory.
#[derive(Debug)]
pub(super) struct Disk {
    plan: DiskPlan,
    state: FaultyDisk,
    votes: FaultyDisk,
    slow_until: Duration,
    /// Votes whose sync is left out, in a mutant.
    unsynced: Vec<commit::Record>,
    mutant: Option<Mutant>,
}

impl Disk {
    /// Empty disks.
    pub(super) fn new(plan: DiskPlan, mutant: Option<Mutant>) -> Self {
        let disk = Self {
            plan,
            state: FaultyDisk::new(),
            votes: FaultyDisk::new(),
            slow_until: Duration::ZERO,
            unsynced: Vec::new(),
            mutant,
        };
        disk.lie();
        disk
    }

    /// In a mutant, the disk of the state only says that it synced.
    fn lie(&self) {
        if self.mutant == Some(Mutant::StateFsync) {
            self.state.ignore_syncs();
        }
    }

    /// Opens the store; an empty one when it is the first time.
    ///
    /// # Errors
    /// What the store says.
    pub(super) fn open(&self, identity: &Identity) -> Result<Store, StoreError> {
        let votes = identity.validator.is_some().then(|| self.votes.file(VOTES));
        Store::open_with_backends(self.state.file(STATE), votes, identity)
    }

    /// How long a write that begins now takes.
    pub(super) fn latency(&self, now: Duration, random: &mut Random) -> Duration {
        let usual = random.time(self.plan.least, self.plan.most);
        if now < self.slow_until {
            usual + random.time(SLOW.0, SLOW.1)
        } else {
            usual
        }
    }

    /// Makes writes slow until then.
    pub(super) fn slow_until(&mut self, until: Duration) {
        self.slow_until = until;
    }

    /// Lets the disks fail after so many more operations.
    pub(super) fn break_after(&self, operations: u32) {
        for disk in [&self.state, &self.votes] {
            disk.refuse_from(disk.operations() + u64::from(operations), Refusal::Broken);
        }
    }

    /// Takes [`Self::break_after`] back.
    pub(super) fn repair(&self) {
        self.state.repair();
        self.votes.repair();
    }

    /// Makes records durable, as the driver does.
    ///
    /// # Errors
    /// When a record is refused, or the disk fails within the write.
    pub(super) fn write(&mut self, store: &Store, batch: &Batch) -> Result<(), StoreError> {
        let is_vote = |record: &commit::Record| matches!(record, commit::Record::Vote(_));
        if self.mutant == Some(Mutant::VoteFsync) && batch.commit.iter().any(is_vote) {
            let is_final = |record: &&commit::Record| matches!(record, commit::Record::Final(_));
            let finals: Vec<_> = batch.commit.iter().filter(is_final).cloned().collect();
            store.persist_commit(&finals)?;
            self.unsynced
                .extend(batch.commit.iter().filter(|r| !is_final(r)).cloned());
        } else if !batch.commit.is_empty() {
            let mut records = std::mem::take(&mut self.unsynced);
            records.extend(batch.commit.iter().cloned());
            store.persist_commit(&records)?;
        }
        store.persist_submission(&batch.submission)?;
        store.persist_documents(&batch.documents)
    }

    /// What is found after a loss of power now: what was not synced is kept, lost or torn. True
    /// when writes were torn.
    pub(super) fn crash(&mut self, random: &mut Random) -> bool {
        self.unsynced.clear();
        let torn = self.plan.tear || random.chance(0.5);
        let unsynced = if torn {
            Unsynced::Torn {
                seed: random.number(),
            }
        } else if random.chance(0.5) {
            Unsynced::Dropped
        } else {
            Unsynced::Kept
        };
        self.state = self.state.crash(unsynced);
        self.votes = self.votes.crash(unsynced);
        self.lie();
        torn
    }
}
