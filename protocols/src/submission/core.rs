//! The submission core.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use decube_crypto::{Digest, PublicKey, SecretKey};

use super::handover::Submitted;
use super::receipts::{self, Collecting, Outcome as Receipts};
use super::{Effect, Input, Progress, SubmissionError, Wish};
use crate::commit::{ChainSource, Event};
use crate::documents::ReceiptRequest;
use crate::state_reader::{CommittedState, StateError};
use crate::types::{
    Action, CreateCollection, Genesis, Height, NetworkId, Now, PeerId, RequestId, Transaction,
    TransactionId, peer_id,
};

/// The most wishes under way: as many as a validator's pool takes of one author.
pub const MAX_WISHES: usize = 256;
/// What a submission core is made of.
#[derive(Clone, Debug)]
pub struct Config {
    genesis: Genesis,
    me: PeerId,
    author: SecretKey,
}

impl Config {
    /// The settings of the node `me`, whose user signs with `author`.
    #[must_use]
    pub const fn new(genesis: Genesis, me: PeerId, author: SecretKey) -> Self {
        Self {
            genesis,
            me,
            author,
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Receipts for that wish.
    Receipts(RequestId),
    /// A place in the pool for that transaction.
    Transaction(TransactionId),
}

/// The submission core; see the module.
#[derive(Clone, Debug)]
pub struct Core<S> {
    pub(super) source: S,
    pub(super) network: NetworkId,
    me: PeerId,
    pub(super) author: SecretKey,
    replicas: BTreeMap<PeerId, (String, PublicKey)>,
    pub(super) validators: BTreeSet<PeerId>,
    // Invariant: this node is among them.
    pub(super) reachable: BTreeSet<PeerId>,
    // Invariant: with `submitted` and `resuming` at most `MAX_WISHES`, and what a start found.
    collecting: BTreeMap<RequestId, Collecting>,
    pub(super) submitted: BTreeMap<TransactionId, Submitted>,
    /// What a start found on disk and is not looked up in the chain yet.
    pub(super) resuming: Vec<Transaction>,
    // Invariant: only requests of what is under way.
    pub(super) requests: BTreeMap<RequestId, (Asked, PeerId)>,
    next_request: RequestId,
    /// The largest nonce that this core signed.
    pub(super) last_nonce: u64,
    /// Height and state root of the newest final block, once one was reported.
    pub(super) tip: Option<(Height, Digest)>,
    pub(super) now: Duration,
    pub(super) out: Vec<Effect>,
}

impl<S: ChainSource> Core<S> {
    /// Starts with the transactions that were under way, which are taken up again in the first
    /// call after this.
    #[must_use]
    pub fn new(config: Config, source: S, pending: Vec<Transaction>, now: Now) -> Self {
        let Config {
            genesis,
            me,
            author,
        } = config;
        let replica = |name: &str, key: PublicKey| (peer_id(&key), (name.to_owned(), key));
        let own = author.public();
        let nonces = pending
            .iter()
            .filter(|it| it.author == own)
            .map(|it| it.nonce);
        Self {
            network: genesis.network_id(),
            me,
            replicas: genesis
                .replicas
                .iter()
                .map(|it| replica(&it.name, it.peer))
                .collect(),
            validators: genesis
                .validators
                .iter()
                .map(|it| peer_id(&it.peer))
                .collect(),
            reachable: BTreeSet::from([me]),
            collecting: BTreeMap::new(),
            submitted: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: RequestId(0),
            last_nonce: nonces.max().unwrap_or(0),
            tip: None,
            now: now.monotonic,
            out: Vec::new(),
            resuming: pending,
            source,
            author,
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now.monotonic);
        self.resume();
        match input {
            Input::Wish { id, wish } => self.wish(id, wish),
            Input::Receipts { id, from, result } => {
                if let Some(Asked::Receipts(wish)) = self.take_request(id, &from)
                    && let Some(collecting) = self.collecting.get_mut(&wish)
                {
                    collecting.answered(self.now, &self.network, &from, result);
                    self.advance(wish);
                }
            }
            Input::Transaction { id, from, result } => {
                if let Some(Asked::Transaction(transaction)) = self.take_request(id, &from)
                    && let Some(submitted) = self.submitted.get_mut(&transaction)
                {
                    submitted.answered(&from, result);
                }
            }
            Input::Chain(Event::Final {
                header, outcomes, ..
            }) => {
                self.tip = Some((header.height, header.state_root));
                self.on_final(header.height, outcomes);
            }
            Input::Chain(
                Event::CaughtUp { .. }
                | Event::Behind { .. }
                | Event::Entered { .. }
                | Event::Evidence { .. },
            ) => {}
            Input::Connected(peer) => self.connected(peer),
            Input::Disconnected(peer) => {
                // A node is never cut off from itself.
                if peer != self.me {
                    self.reachable.remove(&peer);
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Effect> {
        self.now = self.now.max(now.monotonic);
        self.resume();
        for wish in self.collecting.keys().copied().collect::<Vec<_>>() {
            self.advance(wish);
        }
        for transaction in self.submitted.keys().copied().collect::<Vec<_>>() {
            self.hand_over(transaction);
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Self::handle_timeout`] is to be called, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.resuming.is_empty() {
            return Some(self.now);
        }
        let reachable = |peer: &PeerId| self.reachable.contains(peer);
        let collecting = self.collecting.values().map(|it| it.next(reachable));
        collecting
            .chain(self.submitted.values().map(Submitted::next))
            .min()
    }

    /// How many wishes are under way, those of before a restart included.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.collecting.len() + self.submitted.len() + self.resuming.len()
    }

    fn wish(&mut self, id: RequestId, wish: Wish) {
        if self.under_way() >= MAX_WISHES {
            return self.fail(id, SubmissionError::Busy);
        }
        match wish {
            Wish::Commit(requests) => self.collect(id, requests),
            Wish::CreateCollection { name, write_quorum } => {
                let action = Action::CreateCollection(CreateCollection { name, write_quorum });
                self.sign(Some(id), action, 1, None);
            }
            Wish::Submit(transaction) => match self.check_foreign(&transaction) {
                Ok(()) => self.submit(Some(id), *transaction, 0, None),
                Err(error) => self.fail(id, error),
            },
        }
    }

    /// Begins to collect receipts.
    fn collect(&mut self, id: RequestId, requests: Vec<ReceiptRequest>) {
        match self.needed(&requests) {
            Ok(needed) => {
                let collecting = Collecting::new(self.now, requests, needed, &self.replicas);
                self.collecting.insert(id, collecting);
                self.advance(id);
            }
            Err(error) => self.fail(id, error),
        }
    }

    /// The write quorum of each entry's collection.
    fn needed(&self, requests: &[ReceiptRequest]) -> Result<Vec<u16>, SubmissionError> {
        receipts::check(requests).map_err(SubmissionError::Malformed)?;
        let state = self.state().map_err(unreadable)?;
        let mut needed = Vec::new();
        for ReceiptRequest { entry, .. } in requests {
            let collection = state.collection(entry.collection).map_err(unreadable)?;
            let missing = || format!("there is no collection {} yet", entry.collection);
            let collection = collection.ok_or_else(|| SubmissionError::Malformed(missing()))?;
            needed.push(collection.write_quorum);
        }
        let total: usize = needed.iter().copied().map(usize::from).sum();
        if total > Transaction::MAX_RECEIPTS {
            return Err(SubmissionError::Malformed(format!(
                "the commit needs {total} receipts, more than the {} of one transaction; commit \
                 fewer documents at once",
                Transaction::MAX_RECEIPTS
            )));
        }
        Ok(needed)
    }

    /// Goes on with a wish that collects receipts.
    fn advance(&mut self, wish: RequestId) {
        let Some(collecting) = self.collecting.get_mut(&wish) else {
            return;
        };
        match collecting.outcome(self.now) {
            Receipts::Complete(commit) => {
                self.end_collecting(wish);
                self.sign(Some(wish), Action::Commit(commit), 1, None);
            }
            Receipts::Failed(error) => {
                self.end_collecting(wish);
                self.fail(wish, error);
            }
            Receipts::Waiting => {
                let reachable = &self.reachable;
                let due = collecting.ask(self.now, |peer| reachable.contains(peer));
                let requests = collecting.requests().to_vec();
                for to in due {
                    let id = self.request(Asked::Receipts(wish), to);
                    let requests = requests.clone();
                    self.out.push(Effect::RequestReceipts { to, id, requests });
                }
            }
        }
    }

    fn end_collecting(&mut self, wish: RequestId) {
        self.collecting.remove(&wish);
        self.requests
            .retain(|_, (asked, _)| *asked != Asked::Receipts(wish));
    }

    fn connected(&mut self, peer: PeerId) {
        let (is_replica, is_validator) = (
            self.replicas.contains_key(&peer),
            self.validators.contains(&peer),
        );
        if !is_replica && !is_validator {
            return;
        }
        self.reachable.insert(peer);
        if is_replica {
            for wish in self.collecting.keys().copied().collect::<Vec<_>>() {
                if let Some(collecting) = self.collecting.get_mut(&wish) {
                    collecting.connected(self.now, &peer);
                }
                self.advance(wish);
            }
        }
        if is_validator {
            let now = self.now;
            let due: Vec<_> = self
                .submitted
                .iter_mut()
                .filter_map(|(id, submitted)| submitted.connected(now, &peer).then_some(*id))
                .collect();
            for id in due {
                self.send(id, peer);
            }
        }
    }

    /// The committed state after the newest final block.
    pub(super) fn state(&self) -> Result<CommittedState<'_, S>, StateError<S::Failure>> {
        match self.tip {
            Some((height, root)) => Ok(CommittedState::of(&self.source, height, root)),
            None => CommittedState::newest(&self.source),
        }
    }

    pub(super) fn request(&mut self, asked: Asked, to: PeerId) -> RequestId {
        self.next_request = self.next_request.next();
        self.requests.insert(self.next_request, (asked, to));
        self.next_request
    }

    fn take_request(&mut self, id: RequestId, from: &PeerId) -> Option<Asked> {
        let (_, to) = self.requests.get(&id)?;
        if to != from {
            return None;
        }
        self.requests.remove(&id).map(|(asked, _)| asked)
    }

    pub(super) fn end(&mut self, wish: Option<RequestId>, progress: Progress) {
        if let Some(id) = wish {
            self.out.push(Effect::Report { id, progress });
        }
    }

    fn fail(&mut self, id: RequestId, error: SubmissionError) {
        self.end(Some(id), Progress::Failed(error));
    }
}

pub(super) fn unreadable<E: std::fmt::Display>(error: StateError<E>) -> SubmissionError {
    SubmissionError::Store(error.to_string())
}
