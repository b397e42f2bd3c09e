//! Rules 1 to 7 of the protocol: entering a view, proposing, notarizing, finalizing, giving up,
//! delivering.
//!
//! The words are those of the paper (Chan and Pass, "Simplex Consensus", TCC 2023). Every rule is a
//! function that looks at what is known and does what follows, so the order in which messages came
//! does not matter.
//!
//! # Invariants
//! - One view has at most one notarization, and not both a finalization and a nullification, as
//!   long as the faulty power is below a third.
//! - What is missing is waited for and fetched; only what is wrong makes a proposal invalid.
//! - A view is given up for a timer, an invalid proposal, or a leader who gave it up; never merely
//!   because others did.

use std::sync::Arc;
use std::time::Duration;

#[cfg(any(test, feature = "mutants"))]
use super::core::Mutant;
use super::core::{Core, Failure};
use super::fetch::Want;
use super::guard::GuardRefusal;
use super::io::{ChainSource, ConsensusMessage, Effect, Event, FinalAnnouncement, Offence, Record};
use super::views::{BadVote, Kind};
use crate::types::{
    BlockId, Certificate, Height, Now, PeerId, Proposal, Subject, Transaction, ValidatorIndex,
    View, Vote,
};

/// Beyond this many blocks that are not final, leaders propose empty ones only: a range of blocks
/// with one finalization at its end must fit into a message, and memory is finite.
const MAX_FULL_UNFINAL: u64 = 4;

/// The most bytes of transactions that an announcement of a final block carries.
const MAX_INLINE: usize = 64 << 10;

/// What a validator makes of a proposal.
enum Verdict {
    Valid,
    /// Something is missing, or the time has not come.
    Wait,
    Invalid,
}

/// Whether a block's state is at hand.
pub(super) enum Readiness {
    Executed,
    Missing(BlockId),
    Invalid,
    /// It does not descend from the final tip: it has another block at that height.
    Forked(Height),
}

impl<S: ChainSource> Core<S> {
    pub(super) fn take_proposal(&mut self, from: PeerId, sender: ValidatorIndex, new: Proposal) {
        if new.epoch != self.epoch() || !self.views.accepts(new.view, self.view) {
            return;
        }
        let leader = self.views.validators().leader(new.view);
        if leader != sender {
            return self.penalize(from, Offence::Unexpected);
        }
        if new.block.header.view != new.view || new.parent_view >= new.view {
            return self.penalize(from, Offence::BadChain);
        }
        let known = self.views.round(new.view).and_then(|round| round.proposal);
        if known == Some(new.block.id()) {
            return;
        }
        let key = self
            .views
            .validators()
            .get(leader)
            .map(|validator| validator.key.clone());
        if key.is_none_or(|key| new.verify(&self.network, &key).is_err()) {
            return self.penalize(from, Offence::BadSignature);
        }
        if known.is_some() {
            return self.penalize(from, Offence::Equivocation);
        }
        self.hold(new);
    }

    /// Counts a vote of its sender; false when it shows a fault.
    pub(super) fn take_vote(&mut self, from: PeerId, sender: ValidatorIndex, vote: &Vote) -> bool {
        if vote.signer != sender {
            self.penalize(from, Offence::Unexpected);
            return false;
        }
        if !self.views.accepts(vote.view, self.view) {
            return true;
        }
        let offence = match self.views.add_vote(vote) {
            // A certificate that is complete now is found by its view.
            Ok(_) => return true,
            Err(BadVote::Unknown) => Offence::Unexpected,
            Err(BadVote::Signature) => Offence::BadSignature,
            Err(BadVote::Equivocation(first)) => {
                self.notify(Event::Evidence {
                    first,
                    second: Box::new(vote.clone()),
                });
                Offence::Equivocation
            }
        };
        self.penalize(from, offence);
        false
    }

    pub(super) fn take_certificate(&mut self, from: PeerId, certificate: Certificate) {
        if self.views.add_certificate(certificate).is_err() {
            self.penalize(from, Offence::BadSignature);
        }
    }

    /// Rules 1 and 6: a certificate of any kind ends its view and all before it.
    pub(super) fn enter_certified(&mut self, now: Now) {
        let last_final = self.chain.tip().header.view;
        let ended = self
            .views
            .highest_certified()
            .unwrap_or_default()
            .max(last_final);
        if ended < self.view {
            return;
        }
        self.view = ended.next();
        self.timers.enter(now.monotonic, self.view, last_final);
        self.views.drop_old_votes(self.view);
        self.changed = true;
        self.notify(Event::Entered { view: self.view });
    }

    /// Rule 2: the leader proposes on the highest notarized block that it can build on.
    pub(super) fn propose(&mut self, now: Now) -> Result<(), Failure<S::Failure>> {
        let view = self.view;
        if self.pause.holds(self.now) || !self.is_to_propose() {
            return Ok(());
        }
        let Some(Subject {
            parent_view,
            block: parent,
        }) = self.find_parent(view)?
        else {
            return Ok(());
        };
        let transactions = self.select(&parent)?;
        if transactions.is_empty() && self.waits_before_empty_block(now) {
            return Ok(());
        }
        let Some(block) = self.chain.build(&parent, view, now.wall, transactions)? else {
            return Ok(());
        };
        let epoch = self.epoch();
        let Some(guard) = &mut self.guard else {
            return Ok(());
        };
        let signed = guard.propose(epoch, view, parent_view, &block);
        let Some(signature) = self.granted(signed) else {
            return Ok(());
        };
        let proposal = Proposal {
            epoch,
            view,
            parent_view,
            block,
            signature,
        };
        self.log_proposal(&proposal);
        self.hold(proposal.clone());
        self.broadcast(ConsensusMessage::Proposal(proposal));
        self.changed = true;
        Ok(())
    }

    /// Whether this node leads the current view and has neither proposed nor given it up.
    pub(super) fn is_to_propose(&self) -> bool {
        let (view, leader) = (self.view, self.views.validators().leader(self.view));
        self.guard.as_ref().is_some_and(|guard| {
            leader == guard.index()
                && !guard.proposed(view)
                && !guard.refused_to_propose(view)
                && !guard.nullified(view)
        })
    }

    /// With nothing to do a leader waits for the end of idling; with a parent that is not final, it
    /// waits one delay for the finalization, so that blocks don't answer blocks for ever.
    fn waits_before_empty_block(&self, now: Now) -> bool {
        if self.is_quiet() {
            !self.timers.is_woken()
        } else {
            now.monotonic < self.timers.patience()
        }
    }

    fn select(&self, parent: &BlockId) -> Result<Vec<Transaction>, Failure<S::Failure>> {
        if self.chain.depth(parent) >= MAX_FULL_UNFINAL {
            return Ok(Vec::new());
        }
        let height = self
            .chain
            .header(parent)
            .map_or_else(Default::default, |h| h.height.next());
        let mut nonces = Vec::new();
        for author in self.pool.authors(height) {
            nonces.push((author, self.chain.last_nonce(parent, &author)?));
        }
        Ok(self.pool.select(height, &nonces))
    }

    /// The highest notarized block below `view` that is executed, when every view between is
    /// nullified; else what is missing is fetched.
    fn find_parent(&mut self, view: View) -> Result<Option<Subject>, Failure<S::Failure>> {
        let (last_final, tip) = (self.chain.tip().header.view, self.chain.tip().id);
        let mut complete = true;
        let mut below = view.previous();
        while let Some(view) = below
            && view > last_final
        {
            let round = self.views.round(view);
            let certified = round.and_then(|round| round.certified());
            let nullified = round.is_some_and(|round| round.is_nullified());
            if let Some(subject) = certified {
                match self.ready(&subject.block)? {
                    Readiness::Executed => {
                        let parent = Subject {
                            parent_view: view,
                            block: subject.block,
                        };
                        return Ok(complete.then_some(parent));
                    }
                    Readiness::Missing(block) => self.want(Want::Block(block), view),
                    Readiness::Invalid | Readiness::Forked(_) => {}
                }
            }
            if !nullified {
                complete = false;
                if certified.is_none() {
                    self.want(Want::Certificates(view), view);
                }
            }
            below = view.previous();
        }
        Ok(complete.then_some(Subject {
            parent_view: last_final,
            block: tip,
        }))
    }

    /// Rule 3: notarizes the first proposal of this view's leader when it is valid.
    pub(super) fn notarize(&mut self, now: Now) -> Result<(), Failure<S::Failure>> {
        let view = self.view;
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        let is_over = guard.notarized(view) || guard.nullified(view);
        if is_over || guard.refused_to_notarize(view) || self.pause.holds(self.now) {
            return Ok(());
        }
        let Some(round) = self.views.round(view).filter(|round| !round.invalid) else {
            return Ok(());
        };
        let Some(proposal) = round
            .proposal
            .and_then(|id| self.held.get(&id))
            .map(Arc::clone)
        else {
            return Ok(());
        };
        match self.judge(now, &proposal)? {
            Verdict::Wait => {}
            Verdict::Invalid => {
                if let Some(round) = self.views.round_mut(view) {
                    round.invalid = true;
                }
                self.changed = true;
            }
            Verdict::Valid => self.cast_notarize(&proposal),
        }
        Ok(())
    }

    fn cast_notarize(&mut self, proposal: &Proposal) {
        let (epoch, view) = (self.epoch(), proposal.view);
        let Some(guard) = &mut self.guard else { return };
        let signed = guard.notarize(epoch, view, proposal.subject());
        let Some(vote) = self.granted(signed) else {
            return;
        };
        self.log_proposal(proposal);
        self.cast(vote);
    }

    fn judge(&mut self, now: Now, proposal: &Proposal) -> Result<Verdict, Failure<S::Failure>> {
        let header = &proposal.block.header;
        let tip = self.chain.tip();
        // Below the final view there is nothing to build on: it can't have been nullified.
        if proposal.parent_view < tip.header.view {
            return Ok(Verdict::Invalid);
        }
        if proposal.parent_view == tip.header.view {
            if header.parent != tip.id {
                return Ok(Verdict::Invalid);
            }
        } else {
            let parent = self
                .views
                .round(proposal.parent_view)
                .and_then(|round| round.certified());
            match parent {
                Some(parent) if parent.block != header.parent => return Ok(Verdict::Invalid),
                Some(_) => {}
                None => {
                    self.want(Want::Certificates(proposal.parent_view), proposal.view);
                    return Ok(Verdict::Wait);
                }
            }
        }
        if !self.skipped_are_nullified(proposal) {
            return Ok(Verdict::Wait);
        }
        match self.ready(&header.parent)? {
            Readiness::Executed => {}
            Readiness::Invalid | Readiness::Forked(_) => return Ok(Verdict::Wait),
            Readiness::Missing(block) => {
                self.want(Want::Block(block), proposal.view);
                return Ok(Verdict::Wait);
            }
        }
        if let Some(wait) = self.too_early(now, proposal) {
            self.header_due = Some(now.monotonic.saturating_add(wait));
            return Ok(Verdict::Wait);
        }
        let id = proposal.block.id();
        match self.ready(&id)? {
            Readiness::Executed => Ok(Verdict::Valid),
            Readiness::Missing(_) | Readiness::Invalid | Readiness::Forked(_) => {
                Ok(Verdict::Invalid)
            }
        }
    }

    fn skipped_are_nullified(&mut self, proposal: &Proposal) -> bool {
        #[cfg(any(test, feature = "mutants"))]
        if self.mutant == Some(Mutant::SkippedNullifications) {
            return true;
        }
        let mut complete = true;
        let mut skipped = proposal.parent_view.next();
        while skipped < proposal.view {
            if !self
                .views
                .round(skipped)
                .is_some_and(|round| round.is_nullified())
            {
                complete = false;
                self.want(Want::Certificates(skipped), proposal.view);
            }
            skipped = skipped.next();
        }
        complete
    }

    /// How long until a header's time is at most `drift` ahead of the local clock.
    fn too_early(&self, now: Now, proposal: &Proposal) -> Option<Duration> {
        let drift = u64::try_from(self.drift.as_millis()).unwrap_or(u64::MAX);
        let latest = now.wall.0.saturating_add(drift);
        let wait = proposal.block.header.time.0.checked_sub(latest)?;
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    /// Rule 4: a notarized view that was not given up here is finalized, also a past one.
    pub(super) fn finalize_notarized(&mut self) {
        for view in self.views.take_notarized() {
            if self.pause.holds(self.now) {
                self.views.keep_notarized(view);
                continue;
            }
            let round = self.views.round(view);
            let notarization = round.and_then(|round| round.certificate(Kind::Notarize));
            let Some(subject) = notarization.and_then(|it| it.statement.subject()) else {
                continue;
            };
            let epoch = self.epoch();
            let Some(guard) = &mut self.guard else {
                continue;
            };
            if guard.finalized(view) {
                continue;
            }
            // The guard refuses when the view was nullified: then the rule asks for nothing.
            let signed = guard.finalize(epoch, view, subject);
            let Some(vote) = self.granted(signed) else {
                if self.pause.holds(self.now) {
                    self.views.keep_notarized(view);
                }
                continue;
            };
            self.log_certificates(view, &[Kind::Notarize]);
            self.cast(vote);
        }
    }

    /// Rule 5: gives the current view up when a timer fired, its proposal is invalid, or its leader
    /// gave it up.
    pub(super) fn give_up(&mut self, now: Now) {
        let view = self.view;
        let has_proposal = self.has_proposal();
        let leader = self.views.validators().leader(view);
        let lost = self
            .views
            .round(view)
            .is_some_and(|round| round.invalid || round.has_nullify_of(leader));
        let due = lost || self.timers.is_due(now.monotonic, has_proposal);
        if !due || self.pause.holds(self.now) {
            return;
        }
        let epoch = self.epoch();
        let Some(guard) = &mut self.guard else { return };
        if guard.nullified(view) || guard.refused_to_nullify(view) {
            return;
        }
        let signed = guard.nullify(epoch, view);
        let refused = guard.refused_to_nullify(view);
        let vote = self.granted(signed);
        if vote.is_some() || refused {
            // Also a view that may not be given up is over here: only others can end it.
            self.timers.nullified(now.monotonic);
        }
        if let Some(vote) = vote {
            self.cast(vote);
        }
    }

    /// What was signed; when the signer was the reason that it was not, that is noted.
    fn granted<T>(&mut self, signed: Result<T, GuardRefusal>) -> Option<T> {
        match signed {
            Ok(signed) => {
                self.pause.signed();
                Some(signed)
            }
            Err(GuardRefusal::Signer(why)) => {
                self.pause.failed(&why);
                None
            }
            Err(
                GuardRefusal::OtherEpoch { .. }
                | GuardRefusal::BelowFloor { .. }
                | GuardRefusal::Contradiction(_)
                | GuardRefusal::OtherNetwork(_)
                | GuardRefusal::NotTheLeader(_),
            ) => None,
        }
    }

    /// Rule 7: a finalized block and all its ancestors are final.
    pub(super) fn deliver(&mut self, now: Now) -> Result<(), Failure<S::Failure>> {
        let Some((view, finalization)) = self.views.highest_finalization() else {
            return Ok(());
        };
        let finalization = finalization.clone();
        let Some(subject) = finalization.statement.subject() else {
            return Ok(());
        };
        match self.ready(&subject.block)? {
            Readiness::Executed => {
                self.finalize_chain(now, &subject.block, finalization);
                self.changed = true;
            }
            Readiness::Missing(block) => self.want(Want::Block(block), view),
            Readiness::Invalid => {}
            Readiness::Forked(height) => return Err(Failure::Fork(height)),
        }
        Ok(())
    }

    /// Makes an executed block and its ancestors final.
    pub(super) fn finalize_chain(&mut self, now: Now, id: &BlockId, finalization: Certificate) {
        let delivered = self.chain.deliver(id);
        for executed in &delivered {
            let header = &executed.block.header;
            let own = if header.id() == *id {
                Some(finalization.clone())
            } else {
                let round = self.views.round(header.view);
                round
                    .and_then(|round| round.certificate(Kind::Finalize))
                    .cloned()
            };
            self.out
                .finals(Record::Final(Box::new(self.chain.record(executed, own))));
            self.pool
                .finalized(header.height, &executed.block.transactions);
            let execution = &executed.execution;
            let outcomes = execution
                .ids
                .iter()
                .copied()
                .zip(execution.outcomes.iter().cloned());
            self.out.push(Effect::Notify(Event::Final {
                header: Box::new(header.clone()),
                outcomes: outcomes.collect(),
                committed: execution.committed.clone(),
                collections: execution.collections.clone(),
            }));
        }
        let Some(last) = delivered.into_iter().next_back() else {
            return;
        };
        let header = last.block.header;
        let bytes: usize = last
            .block
            .transactions
            .iter()
            .map(super::execution::size)
            .sum();
        let transactions = (bytes <= MAX_INLINE).then_some(last.block.transactions);
        let view = header.view;
        let newest = FinalAnnouncement {
            header,
            finalization,
            transactions,
        };
        if self.publishes(view) {
            self.passed_on = Some(*id);
            self.out.push(Effect::Publish(Box::new(newest.clone())));
        }
        self.newest = Some(newest);
        self.forget_up_to(view);
        self.timers.finalized(now.monotonic, self.view, view);
    }

    fn forget_up_to(&mut self, view: View) {
        if let Some(guard) = &mut self.guard {
            guard.raise(view);
        }
        self.views.prune(view);
        self.held.retain(|_, proposal| proposal.view > view);
        self.logged.retain(|id| self.held.contains_key(id));
        self.prune_later(view);
    }

    /// The block's leader and the next one tell everyone else: one that crashes is not missed, and
    /// the others do not say the same again.
    fn publishes(&self, view: View) -> bool {
        let validators = self.views.validators();
        self.guard.as_ref().is_some_and(|guard| {
            [view, view.next()]
                .into_iter()
                .any(|view| validators.leader(view) == guard.index())
        })
    }

    /// Executes a held block after its ancestors, as far as they are held.
    pub(super) fn ready(&mut self, id: &BlockId) -> Result<Readiness, Failure<S::Failure>> {
        let mut path = Vec::new();
        let mut next = *id;
        while !self.chain.is_executed(&next) {
            let Some(proposal) = self.held.get(&next) else {
                return Ok(Readiness::Missing(next));
            };
            if proposal.block.header.height <= self.chain.tip().header.height {
                return Ok(Readiness::Forked(proposal.block.header.height));
            }
            path.push(Arc::clone(proposal));
            next = proposal.block.header.parent;
        }
        for proposal in path.iter().rev() {
            if self.chain.execute(&proposal.block, &self.pool)?.is_err() {
                // Its id binds neither the transactions' signatures nor their order before it is
                // executed: when a quorum certified it, another validator has the right body.
                let id = proposal.block.id();
                self.held.remove(&id);
                self.logged.remove(&id);
                return Ok(Readiness::Invalid);
            }
        }
        Ok(Readiness::Executed)
    }

    /// Puts a proposal into the log, after what it rests on: what led into its view, its parent's
    /// notarization, and the nullifications of the skipped views.
    fn log_proposal(&mut self, proposal: &Proposal) {
        let (parent_view, view) = (proposal.parent_view, proposal.view);
        self.log_certificates(parent_view, &[Kind::Notarize, Kind::Finalize]);
        let mut skipped = parent_view.next();
        while skipped < view {
            self.log_certificates(skipped, &[Kind::Nullify]);
            skipped = skipped.next();
        }
        self.log_entry(view);
        if self.logged.insert(proposal.block.id()) {
            self.out.log(Record::Proposal(proposal.clone()));
        }
    }
}
