//! The commit core: the value that the driver and the simulator run.
//!
//! The rules are in `rules`, getting unstuck in `relay`, fetching what is missing in `fetch`, final
//! blocks from others in `follower`, answers to others in `serve`, transactions in `submit`.
//!
//! # The driver's side of the contract
//! - By the next call, the source shows every final block that earlier calls persisted.
//! - `now.monotonic` never goes back.
//!
//! # Invariants
//! - Only the guard signs, and what it signed stands in a `Persist` before the `Send`; with it,
//!   or earlier, stands what it rests on: the block, and the certificates that justify the vote
//!   and the entry into its view.
//! - A node whose source failed signs nothing more and answers nothing.
//! - `Persist(Prune)` comes in a later call than the `Persist(Final)` it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use decube_crypto::ValidatorSecret;

use super::chain::Chain;
use super::execution::ExecutionError;
use super::fetch::Fetcher;
use super::follower::Follower;
use super::guard::{ForeignLog, Guard};
use super::io::{
    ChainRequest, ChainSource, ConsensusMessage, Effect, Event, FinalAnnouncement, Input, Offence,
    Record, Restored,
};
use super::pool::Pool;
use super::relay::Relay;
use super::signer::{Local, Pause, Signer};
use super::timers::Timers;
use super::views::{Kind, Views};
use crate::history::HistoryError;
use crate::types::{
    BlockId, Certificate, Epoch, Genesis, Header, Height, NetworkId, Now, PeerId, Proposal,
    RequestId, ValidatorIndex, ValidatorSet, View, Vote,
};

/// The most views that one call goes through: with a single validator every one of them makes a
/// block, and the rest waits for the next call.
const MAX_STEPS: u32 = 16;

/// What a commit core is made of besides its past.
#[derive(Clone, Debug)]
pub struct Config {
    genesis: Genesis,
    peer: PeerId,
    key: Option<ValidatorSecret>,
    signer: Option<Arc<dyn Signer>>,
    /// A rule to break, to show that the tests notice.
    #[cfg(any(test, feature = "mutants"))]
    pub(super) mutant: Option<Mutant>,
}

impl Config {
    /// For the node `peer` of the network of `genesis`; with the key of a validator it votes, and
    /// without one it follows. A validator whose vote log is lost runs without its key.
    #[must_use]
    pub fn new(genesis: Genesis, peer: PeerId, key: Option<ValidatorSecret>) -> Self {
        Self {
            genesis,
            peer,
            key,
            signer: None,
            #[cfg(any(test, feature = "mutants"))]
            mutant: None,
        }
    }

    /// The same for a validator whose key is kept by a signer.
    #[must_use]
    pub fn with_signer(genesis: Genesis, peer: PeerId, signer: Arc<dyn Signer>) -> Self {
        Self {
            signer: Some(signer),
            ..Self::new(genesis, peer, None)
        }
    }

    /// The same with a rule broken. Only the simulator is built with this.
    #[cfg(feature = "mutants")]
    #[doc(hidden)]
    #[must_use]
    pub fn with_mutant(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }
}

/// A guard of the protocol that is dropped, to show that the tests notice.
#[cfg(any(test, feature = "mutants"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A view may be both finalized and nullified by one validator.
    FinalizeAndNullify,
    /// Skipped views need no nullification.
    SkippedNullifications,
}

/// Why a core stopped: its past cannot be read, or more validators are faulty than it tolerates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure<E> {
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Source(E),
    /// The committed state cannot be read.
    #[error("the committed state cannot be read: {0}")]
    State(#[from] ExecutionError<E>),
    /// The history cannot be read.
    #[error("the history cannot be read: {0}")]
    History(#[from] HistoryError<E>),
    /// A final block that should be stored is not.
    #[error("the final block at height {0} is missing in the store")]
    MissingBlock(Height),
    /// Another block is certified as final at this height: a third of the power or more signed
    /// two histories.
    #[error("two different blocks are certified as final at height {0}")]
    Fork(Height),
}

/// Why a core does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError<E> {
    /// What it keeps cannot be read.
    #[error(transparent)]
    Failure(#[from] Failure<E>),
    /// The vote log is not this validator's.
    #[error(transparent)]
    ForeignLog(#[from] ForeignLog),
    /// The key lacks a part that the network's votes need.
    #[error(
        "the validator key has no ML-DSA-65 part, which the hybrid votes of this network need; make a \
         new validator key and have it registered"
    )]
    NoHybridKey,
    /// The key votes for no validator of the network that this node is.
    #[error("the validator key is not the one that the genesis names for this node")]
    NotTheValidator,
}

/// The effects of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    finals: Vec<Effect>,
    log: Vec<Effect>,
    rest: Vec<Effect>,
}

impl Outbox {
    pub(super) fn log(&mut self, record: Record) {
        self.log.push(Effect::Persist(record));
    }

    pub(super) fn finals(&mut self, record: Record) {
        self.finals.push(Effect::Persist(record));
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.rest.push(effect);
    }

    /// All that must be durable comes first, in one run that a driver can join.
    fn take(&mut self) -> Vec<Effect> {
        let Self { finals, log, rest } = std::mem::take(self);
        finals.into_iter().chain(log).chain(rest).collect()
    }
}

/// The commit protocol of one node.
#[derive(Clone, Debug)]
pub struct Core<S: ChainSource> {
    pub(super) network: NetworkId,
    pub(super) peer: PeerId,
    pub(super) me: Option<ValidatorIndex>,
    pub(super) drift: Duration,
    // Invariant: absent on a node that does not vote.
    pub(super) guard: Option<Guard>,
    pub(super) pause: Pause,
    pub(super) views: Views,
    pub(super) chain: Chain<S>,
    /// The final tip as it is served and published; none at the genesis.
    pub(super) newest: Option<FinalAnnouncement>,
    /// The block whose announcement was last published or passed on.
    pub(super) passed_on: Option<BlockId>,
    /// What this call's announcement is about, when it may be passed on.
    pub(super) heard: Option<(Height, BlockId)>,
    pub(super) passes_on: bool,
    pub(super) pool: Pool,
    pub(super) timers: Timers,
    pub(super) fetcher: Fetcher,
    pub(super) follower: Follower,
    pub(super) relay: Relay,
    // Invariant: proposals above the final view, signed by their view's leader.
    pub(super) held: BTreeMap<BlockId, Arc<Proposal>>,
    // Invariant: blocks in `held` that are in the log.
    pub(super) logged: BTreeSet<BlockId>,
    pub(super) view: View,
    /// When the current proposal's time is no longer in the future.
    pub(super) header_due: Option<Duration>,
    pub(super) connected: BTreeSet<PeerId>,
    pub(super) next_request: RequestId,
    /// A floor whose final block was persisted in this call.
    prune_next: Option<View>,
    /// A floor whose final block was persisted in an earlier call.
    prune_ready: Option<View>,
    pub(super) out: Outbox,
    pub(super) changed: bool,
    /// Set when a call ended with work left.
    again: bool,
    pub(super) now: Duration,
    failure: Option<Failure<S::Failure>>,
    #[cfg(any(test, feature = "mutants"))]
    pub(super) mutant: Option<Mutant>,
}

type Started<S> = (Core<S>, Vec<Effect>);

impl<S: ChainSource> Core<S> {
    /// A core that continues where its records end: in the highest view that it voted in or was
    /// certified into. Returns it with the first effects.
    ///
    /// # Errors
    /// [`StartError`]; nothing was signed.
    pub fn new(
        config: Config,
        source: S,
        restored: Restored,
        now: Now,
    ) -> Result<Started<S>, StartError<S::Failure>> {
        let validators = config.genesis.validator_set();
        let network = config.genesis.network_id();
        let chain = Chain::load(&config.genesis, source)?;
        let floor = chain.tip().header.view;
        let guard = start_guard(&config, network, &validators, floor, &restored)?;
        let newest = newest_of(&chain)?;
        let mut core = Self {
            network,
            peer: config.peer,
            me: validators.index_of_peer(&config.peer),
            drift: Duration::from_millis(config.genesis.parameters.drift_ms),
            guard,
            pause: Pause::default(),
            views: Views::new(network, validators, floor),
            chain,
            newest,
            passed_on: None,
            heard: None,
            passes_on: false,
            pool: Pool::default(),
            timers: Timers::new(&config.genesis.parameters, now.monotonic),
            fetcher: Fetcher::default(),
            follower: Follower::new(now.monotonic),
            relay: Relay::default(),
            held: BTreeMap::new(),
            logged: BTreeSet::new(),
            view: floor.next(),
            header_due: None,
            connected: BTreeSet::new(),
            next_request: RequestId(0),
            prune_next: None,
            prune_ready: None,
            out: Outbox::default(),
            changed: false,
            again: false,
            now: now.monotonic,
            failure: None,
            #[cfg(any(test, feature = "mutants"))]
            mutant: config.mutant,
        };
        core.restore(restored, now);
        let effects = core.finish(now, |_| Ok(()));
        Ok((core, effects))
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.finish(now, |core| core.take(now, input))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Effect> {
        self.finish(now, |_| Ok(()))
    }

    /// When [`Self::handle_timeout`] is to be called, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.failure.is_some() {
            return None;
        }
        if self.again {
            return Some(self.now);
        }
        let votes = self.guard.is_some();
        let timers = votes
            .then(|| self.timers.next(self.has_proposal()))
            .flatten();
        let pause = self.pause.next(self.now);
        // What a timer asks for is not done before the end of a pause.
        let timers = timers.map(|at| at.max(pause.unwrap_or_default()));
        let patience = Some(self.timers.patience())
            .filter(|at| *at > self.now && !self.timers.is_idle() && self.is_to_propose());
        [
            timers,
            pause,
            patience,
            self.header_due,
            self.fetcher.next(),
            self.follower.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Why the core stopped, if it did: then it signs and answers nothing any more.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure<S::Failure>> {
        self.failure.as_ref()
    }

    /// The current view.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// The newest final block's header; the genesis block's at first.
    #[must_use]
    pub fn final_header(&self) -> &Header {
        &self.chain.tip().header
    }

    /// The newest final height.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.chain.tip().header.height
    }

    /// The newest final block's finalization; none at the genesis.
    #[must_use]
    pub fn finalization(&self) -> Option<&Certificate> {
        self.newest.as_ref().map(|newest| &newest.finalization)
    }

    /// The genesis block's header.
    #[must_use]
    pub fn genesis_header(&self) -> &Header {
        self.chain.genesis()
    }

    /// Whether the announcement that the last call took is to be passed on: it was verified, its block
    /// is final here, and none of the same block was passed on before.
    #[must_use]
    pub const fn passes_on(&self) -> bool {
        self.passes_on
    }

    /// How many transactions wait for a block.
    #[must_use]
    pub fn pool_size(&self) -> usize {
        self.pool.len()
    }

    /// Whether the chain here is as new as that of the peers asked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.follower.is_ready()
    }

    /// Why the signer of a validator did not sign last, if it did not.
    #[must_use]
    pub fn signing_trouble(&self) -> Option<&str> {
        self.pause.trouble()
    }

    /// Whether this node votes.
    #[must_use]
    pub fn is_validator(&self) -> bool {
        self.guard.is_some()
    }

    fn restore(&mut self, restored: Restored, now: Now) {
        for proposal in restored.proposals {
            if proposal.view > self.chain.tip().header.view {
                self.logged.insert(proposal.block.id());
                self.hold(proposal);
            }
        }
        for certificate in restored.certificates {
            self.views.restore(certificate);
        }
        let Some(guard) = &self.guard else { return };
        for vote in restored.votes {
            // A certificate that this completes is found like any other, by its view.
            let _ = self.views.count(&vote);
        }
        let certified = self.views.highest_certified().map(View::next);
        self.view = self.view.max(certified.unwrap_or_default());
        self.view = self.view.max(guard.highest().unwrap_or_default());
        self.timers
            .enter(now.monotonic, self.view, self.chain.tip().header.view);
        if guard.nullified(self.view) {
            self.timers.nullified(now.monotonic);
        }
    }

    fn finish(
        &mut self,
        now: Now,
        start: impl FnOnce(&mut Self) -> Result<(), Failure<S::Failure>>,
    ) -> Vec<Effect> {
        self.passes_on = false;
        if self.failure.is_some() {
            return Vec::new();
        }
        self.now = self.now.max(now.monotonic);
        self.pause.begin(self.now);
        self.chain.begin();
        self.prune_ready = self.prune_ready.max(self.prune_next.take());
        if let Err(failure) = start(self).and_then(|()| self.progress(now)) {
            self.failure = Some(failure);
        }
        self.decide_pass_on();
        if !self.out.log.is_empty()
            && let Some(view) = self.prune_ready.take()
        {
            self.out.log(Record::Prune {
                epoch: self.epoch(),
                view,
            });
        }
        self.out.take()
    }

    fn take(&mut self, now: Now, input: Input) -> Result<(), Failure<S::Failure>> {
        match input {
            Input::Message { from, message } => self.take_message(now, from, message),
            Input::Request { from, id, request } => self.serve(from, id, request),
            Input::Response { id, from, result } => self.take_response(now, id, from, result),
            Input::Announced { from, announcement } => {
                self.take_announced(now, from, *announcement)
            }
            Input::Transactions {
                from,
                id,
                transactions,
            } => self.take_transactions(from, id, transactions),
            Input::Connected(peer) => {
                self.connect(now, peer);
                Ok(())
            }
            Input::Disconnected(peer) => {
                self.connected.remove(&peer);
                self.follower.disconnected(&peer);
                self.fetcher.disconnected(&peer);
                Ok(())
            }
        }
    }

    fn take_message(
        &mut self,
        now: Now,
        from: PeerId,
        message: ConsensusMessage,
    ) -> Result<(), Failure<S::Failure>> {
        let Some(index) = self.views.validators().index_of_peer(&from) else {
            self.penalize(from, Offence::Unexpected);
            return Ok(());
        };
        if self.me.is_none() {
            return Ok(());
        }
        match message {
            ConsensusMessage::Proposal(proposal) => self.take_proposal(from, index, proposal),
            ConsensusMessage::Vote { vote, repeated } => {
                if self.take_vote(from, index, &vote) && repeated {
                    self.answer_repeated(now, from, &vote);
                }
            }
            ConsensusMessage::Certificate(certificate) => self.take_certificate(from, certificate),
            ConsensusMessage::Transactions(transactions) => {
                return self.take_forwarded(from, transactions);
            }
        }
        Ok(())
    }

    fn connect(&mut self, now: Now, peer: PeerId) {
        if peer == self.peer {
            return;
        }
        self.connected.insert(peer);
        self.follower.connected(peer);
        if self.views.validators().index_of_peer(&peer).is_some() {
            self.greet(now, peer);
        }
    }

    /// Applies the rules until nothing more follows.
    fn progress(&mut self, now: Now) -> Result<(), Failure<S::Failure>> {
        self.again = false;
        self.header_due = None;
        for step in 0..MAX_STEPS {
            self.changed = false;
            self.fetcher.clear_wanted();
            self.enter_certified(now);
            self.finalize_notarized();
            self.deliver(now)?;
            let quiet = self.is_quiet();
            self.timers.pace(now.monotonic, quiet);
            self.give_up(now);
            self.propose(now)?;
            self.notarize(now)?;
            if !self.changed {
                break;
            }
            self.again = step + 1 == MAX_STEPS;
        }
        self.repeat(now);
        self.fetch(now);
        self.follow(now);
        Ok(())
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.views.validators().epoch()
    }

    pub(super) fn hold(&mut self, proposal: Proposal) {
        let (view, id) = (proposal.view, proposal.block.id());
        if let Some(round) = self.views.round_mut(view) {
            round.proposal.get_or_insert(id);
            self.held.entry(id).or_insert_with(|| Arc::new(proposal));
        }
    }

    pub(super) fn has_proposal(&self) -> bool {
        self.views
            .round(self.view)
            .is_some_and(|round| round.proposal.is_some())
    }

    /// Nothing is pending, and every notarized block is final.
    pub(super) fn is_quiet(&self) -> bool {
        self.pool.is_empty() && !self.views.has_unfinal() && !self.has_proposal()
    }

    pub(super) fn penalize(&mut self, peer: PeerId, offence: Offence) {
        self.out.push(Effect::Penalize { peer, offence });
    }

    pub(super) fn notify(&mut self, event: Event) {
        self.out.push(Effect::Notify(event));
    }

    pub(super) fn broadcast(&mut self, message: ConsensusMessage) {
        self.out.push(Effect::Broadcast(message));
    }

    pub(super) fn request(&mut self, to: PeerId, request: ChainRequest) -> RequestId {
        let id = self.next_request;
        self.next_request = id.next();
        self.out.push(Effect::Request { to, id, request });
        id
    }

    /// Puts certificates into the log that are not there yet.
    pub(super) fn log_certificates(&mut self, view: View, kinds: &[Kind]) {
        for certificate in self.views.take_unpersisted(view, kinds) {
            self.out.log(Record::Certificate(certificate));
        }
    }

    /// Puts what led into `view` into the log.
    pub(super) fn log_entry(&mut self, view: View) {
        if let Some(before) = view.previous() {
            self.log_certificates(before, &Kind::ALL);
        }
    }

    /// Logs, sends and counts a vote of this node.
    pub(super) fn cast(&mut self, vote: Vote) {
        self.log_entry(vote.view);
        self.out.log(Record::Vote(vote.clone()));
        // A certificate that this completes is found like any other, by its view.
        let _ = self.views.count(&vote);
        self.broadcast(ConsensusMessage::Vote {
            vote,
            repeated: false,
        });
        self.changed = true;
    }

    pub(super) fn prune_later(&mut self, view: View) {
        self.prune_next = Some(view);
    }
}

fn start_guard<E>(
    config: &Config,
    network: NetworkId,
    validators: &ValidatorSet,
    floor: View,
    restored: &Restored,
) -> Result<Option<Guard>, StartError<E>> {
    let signer: Arc<dyn Signer> = match (&config.key, &config.signer) {
        (Some(key), _) => {
            let scheme = config.genesis.parameters.signature;
            Arc::new(Local(key.under(scheme).ok_or(StartError::NoHybridKey)?))
        }
        (None, Some(signer)) => Arc::clone(signer),
        (None, None) => return Ok(None),
    };
    let index = validators
        .index_of(&signer.public())
        .ok_or(StartError::NotTheValidator)?;
    if validators.index_of_peer(&config.peer) != Some(index) {
        return Err(StartError::NotTheValidator);
    }
    #[cfg(any(test, feature = "mutants"))]
    let mutant = config.mutant == Some(Mutant::FinalizeAndNullify);
    #[cfg(not(any(test, feature = "mutants")))]
    let mutant = false;
    let guard = Guard::restore(signer, network, validators, index, floor, restored, mutant)?;
    Ok(Some(guard))
}

/// The final tip with its finalization, as the source holds them.
fn newest_of<S: ChainSource>(
    chain: &Chain<S>,
) -> Result<Option<FinalAnnouncement>, Failure<S::Failure>> {
    let height = chain.tip().header.height;
    let found = chain
        .source()
        .finalization_from(height)
        .map_err(Failure::Source)?;
    Ok(found
        .filter(|(at, _)| *at == height)
        .map(|(_, finalization)| FinalAnnouncement {
            header: chain.tip().header.clone(),
            finalization,
            transactions: None,
        }))
}
