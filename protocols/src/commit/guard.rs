//! The safety guard: the one place of the program that signs votes and proposals.
//!
//! It alone has the validator's signer, which is the key itself or a process that keeps it, and
//! keeps its own record of what was signed. A caller makes each signed vote durable before it is
//! sent, and hands all of them back when it starts again.
//!
//! ```text
//! propose(e,v,s)   allowed iff e current, v > floor, proposed[v] is none or s
//! notarize(e,v,s)  allowed iff e current, v > floor, notarized[v] is none or s, not nullified[v]
//! nullify(e,v)     allowed iff e current, v > floor, finalized[v] is none
//! finalize(e,v,s)  allowed iff e current, v > floor, not nullified[v], finalized[v] is none or s
//! ```
//!
//! # Invariants
//! - The table above, also over a restart (`tests`).
//! - The floor only rises, and nothing at or below it is ever signed, so forgetting the record of
//!   pruned views is safe (`tests::bug_1_a_pruned_flag_never_allows_a_second_signature`).
//! - What was signed before is returned as it was, never signed again.
//! - What a signer refused is never asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use decube_crypto::ValidatorKey;

use super::io::Restored;
use super::signer::{Draft, NotSigned, SignRequest, Signer};
use crate::types::{
    Block, Epoch, NetworkId, Proposal, Statement, Subject, ValidatorIndex, ValidatorSet, View,
    Vote, VoteSignature,
};

/// Why the guard does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefusal {
    /// The epoch is not the one that the guard signs in.
    #[error("epoch {asked} is not the current epoch {current}")]
    OtherEpoch {
        /// The epoch asked for.
        asked: Epoch,
        /// The epoch that the guard signs in.
        current: Epoch,
    },
    /// The view is at or below the floor.
    #[error("view {view} is not above the floor {floor}")]
    BelowFloor {
        /// The view asked for.
        view: View,
        /// The floor.
        floor: View,
    },
    /// What is asked for contradicts what was signed in the view.
    #[error("it contradicts what was signed in view {0}")]
    Contradiction(View),
    /// The network is not the one that the guard signs for.
    #[error("network {0} is not the one of this key")]
    OtherNetwork(NetworkId),
    /// Another validator proposes in the view.
    #[error("another validator leads view {0}")]
    NotTheLeader(View),
    /// The signer gave no signature.
    #[error(transparent)]
    Signer(#[from] NotSigned),
}

/// Why a vote log cannot be continued. Nothing is signed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignLog {
    /// The log holds a vote of another epoch.
    #[error("the vote log holds a vote of epoch {found}, not of {current}")]
    OtherEpoch {
        /// The vote's epoch.
        found: Epoch,
        /// The current epoch.
        current: Epoch,
    },
    /// The log holds a vote that this key did not sign.
    #[error("the vote log holds a vote of view {0} that another key signed")]
    OtherKey(View),
    /// The log holds two votes that contradict each other.
    #[error("the vote log holds votes of view {0} that contradict each other")]
    Contradiction(View),
}

/// What was signed in one view.
#[derive(Clone, Debug, Default)]
struct Signed {
    proposed: Option<(Subject, VoteSignature)>,
    notarize: Option<Vote>,
    nullify: Option<Vote>,
    finalize: Option<Vote>,
    refused: Refused,
}

/// What the signer refused in one view.
#[derive(Clone, Debug, Default)]
struct Refused {
    propose: Option<NotSigned>,
    notarize: Option<NotSigned>,
    nullify: Option<NotSigned>,
    finalize: Option<NotSigned>,
}

impl Refused {
    fn slot(&mut self, draft: &Draft<'_>) -> &mut Option<NotSigned> {
        match draft {
            Draft::Proposal { .. } => &mut self.propose,
            Draft::Vote(Statement::Notarize(_)) => &mut self.notarize,
            Draft::Vote(Statement::Nullify) => &mut self.nullify,
            Draft::Vote(Statement::Finalize(_)) => &mut self.finalize,
        }
    }
}

/// The guard of one validator in one epoch.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    signer: Arc<dyn Signer>,
    key: ValidatorKey,
    network: NetworkId,
    validators: ValidatorSet,
    epoch: Epoch,
    index: ValidatorIndex,
    // Invariant: only rises.
    floor: View,
    // Invariant: holds views above the floor only.
    signed: BTreeMap<View, Signed>,
    /// Drops the rule that a view is finalized or nullified but not both; for tests of the tests.
    mutant: bool,
}

impl Guard {
    /// A guard that continues the record of `restored`; `floor` is at least the last final view.
    pub(super) fn restore(
        signer: Arc<dyn Signer>,
        network: NetworkId,
        validators: &ValidatorSet,
        index: ValidatorIndex,
        floor: View,
        restored: &Restored,
        mutant: bool,
    ) -> Result<Self, ForeignLog> {
        let mut guard = Self {
            key: signer.public(),
            signer,
            network,
            validators: validators.clone(),
            epoch: validators.epoch(),
            index,
            floor: floor.max(restored.floor),
            signed: BTreeMap::new(),
            mutant,
        };
        for vote in &restored.votes {
            guard.replay(vote)?;
        }
        for proposal in &restored.proposals {
            if validators.leader(proposal.view) == index && proposal.view > guard.floor {
                guard.replay_proposal(proposal)?;
            }
        }
        Ok(guard)
    }

    /// The key that signs.
    pub(super) const fn key(&self) -> &ValidatorKey {
        &self.key
    }

    /// The network that is signed for.
    pub(super) const fn network(&self) -> &NetworkId {
        &self.network
    }

    /// At or below which view nothing is signed.
    pub(super) const fn floor(&self) -> View {
        self.floor
    }

    /// The validator that signs.
    pub(super) const fn index(&self) -> ValidatorIndex {
        self.index
    }

    /// Signs `block` as the proposal for `view`.
    pub(super) fn propose(
        &mut self,
        epoch: Epoch,
        view: View,
        parent_view: View,
        block: &Block,
    ) -> Result<VoteSignature, GuardRefusal> {
        self.check(epoch, view)?;
        if self.validators.leader(view) != self.index {
            return Err(GuardRefusal::NotTheLeader(view));
        }
        let subject = Subject {
            parent_view,
            block: block.id(),
        };
        let before = self.signed.get(&view).and_then(|one| one.proposed.clone());
        match before {
            Some((before, signature)) if before == subject => Ok(signature),
            Some(_) => Err(GuardRefusal::Contradiction(view)),
            None => {
                let signature = self.sign(view, Draft::Proposal { parent_view, block })?;
                let signed = self.signed.entry(view).or_default();
                signed.proposed = Some((subject, signature.clone()));
                Ok(signature)
            }
        }
    }

    /// Signs that `subject` is the valid block of `view`.
    pub(super) fn notarize(
        &mut self,
        epoch: Epoch,
        view: View,
        subject: Subject,
    ) -> Result<Vote, GuardRefusal> {
        self.check(epoch, view)?;
        let signed = self.signed.get(&view);
        if signed.is_some_and(|signed| signed.nullify.is_some()) {
            return Err(GuardRefusal::Contradiction(view));
        }
        let before = signed.and_then(|signed| signed.notarize.clone());
        let vote = self.vote(view, Statement::Notarize(subject), before)?;
        self.signed.entry(view).or_default().notarize = Some(vote.clone());
        Ok(vote)
    }

    /// Signs that `view` is given up.
    pub(super) fn nullify(&mut self, epoch: Epoch, view: View) -> Result<Vote, GuardRefusal> {
        self.check(epoch, view)?;
        let signed = self.signed.get(&view);
        if !self.mutant && signed.is_some_and(|signed| signed.finalize.is_some()) {
            return Err(GuardRefusal::Contradiction(view));
        }
        let before = signed.and_then(|signed| signed.nullify.clone());
        let vote = self.vote(view, Statement::Nullify, before)?;
        self.signed.entry(view).or_default().nullify = Some(vote.clone());
        Ok(vote)
    }

    /// Signs that `subject` was seen notarized in `view` and the view is not given up.
    pub(super) fn finalize(
        &mut self,
        epoch: Epoch,
        view: View,
        subject: Subject,
    ) -> Result<Vote, GuardRefusal> {
        self.check(epoch, view)?;
        let signed = self.signed.get(&view);
        if !self.mutant && signed.is_some_and(|signed| signed.nullify.is_some()) {
            return Err(GuardRefusal::Contradiction(view));
        }
        let before = signed.and_then(|signed| signed.finalize.clone());
        let vote = self.vote(view, Statement::Finalize(subject), before)?;
        self.signed.entry(view).or_default().finalize = Some(vote.clone());
        Ok(vote)
    }

    /// Never signs at or below `view` from now on, and forgets what was signed there.
    pub(super) fn raise(&mut self, view: View) {
        if view > self.floor {
            self.floor = view;
            self.signed = self.signed.split_off(&view.next());
        }
    }

    /// Whether a proposal of `view` was signed.
    pub(super) fn proposed(&self, view: View) -> bool {
        self.signed
            .get(&view)
            .is_some_and(|signed| signed.proposed.is_some())
    }

    /// Whether a notarize of `view` was signed.
    pub(super) fn notarized(&self, view: View) -> bool {
        self.signed
            .get(&view)
            .is_some_and(|signed| signed.notarize.is_some())
    }

    /// Whether a nullify of `view` was signed.
    pub(super) fn nullified(&self, view: View) -> bool {
        self.signed
            .get(&view)
            .is_some_and(|signed| signed.nullify.is_some())
    }

    /// Whether a finalize of `view` was signed.
    pub(super) fn finalized(&self, view: View) -> bool {
        self.signed
            .get(&view)
            .is_some_and(|signed| signed.finalize.is_some())
    }

    /// Whether the signer refused a proposal of `view`.
    pub(super) fn refused_to_propose(&self, view: View) -> bool {
        self.refused(view, |refused| &refused.propose)
    }

    /// Whether the signer refused a notarize of `view`.
    pub(super) fn refused_to_notarize(&self, view: View) -> bool {
        self.refused(view, |refused| &refused.notarize)
    }

    /// Whether the signer refused a nullify of `view`.
    pub(super) fn refused_to_nullify(&self, view: View) -> bool {
        self.refused(view, |refused| &refused.nullify)
    }

    fn refused(&self, view: View, of: impl Fn(&Refused) -> &Option<NotSigned>) -> bool {
        let signed = self.signed.get(&view);
        signed.is_some_and(|signed| of(&signed.refused).is_some())
    }

    /// The votes signed in `view`, as they were signed.
    pub(super) fn votes(&self, view: View) -> Vec<Vote> {
        let Some(signed) = self.signed.get(&view) else {
            return Vec::new();
        };
        [&signed.notarize, &signed.nullify, &signed.finalize]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// The highest view voted in.
    pub(super) fn highest(&self) -> Option<View> {
        self.signed.last_key_value().map(|(view, _)| *view)
    }

    fn check(&self, epoch: Epoch, view: View) -> Result<(), GuardRefusal> {
        if epoch != self.epoch {
            return Err(GuardRefusal::OtherEpoch {
                asked: epoch,
                current: self.epoch,
            });
        }
        if view <= self.floor {
            return Err(GuardRefusal::BelowFloor {
                view,
                floor: self.floor,
            });
        }
        Ok(())
    }

    /// The vote signed before when it says the same, a new one when there is none.
    fn vote(
        &mut self,
        view: View,
        statement: Statement,
        before: Option<Vote>,
    ) -> Result<Vote, GuardRefusal> {
        match before {
            Some(vote) if vote.statement == statement => Ok(vote),
            Some(_) => Err(GuardRefusal::Contradiction(view)),
            None => {
                let signature = self.sign(view, Draft::Vote(statement))?;
                Ok(Vote {
                    epoch: self.epoch,
                    view,
                    statement,
                    signer: self.index,
                    signature,
                })
            }
        }
    }

    /// Has the signer sign what the guard allows, unless it refused that before.
    fn sign(&mut self, view: View, draft: Draft<'_>) -> Result<VoteSignature, NotSigned> {
        let known = self.signed.get_mut(&view);
        if let Some(refused) = known.and_then(|signed| signed.refused.slot(&draft).clone()) {
            return Err(refused);
        }
        let request = SignRequest {
            network: self.network,
            epoch: self.epoch,
            view,
            floor: self.floor,
            draft,
        };
        let result = self.signer.sign(&request);
        if let Err(refused @ NotSigned::Refused(_)) = &result {
            let signed = self.signed.entry(view).or_default();
            *signed.refused.slot(&draft) = Some(refused.clone());
        }
        result
    }

    fn replay(&mut self, vote: &Vote) -> Result<(), ForeignLog> {
        if vote.epoch != self.epoch {
            return Err(ForeignLog::OtherEpoch {
                found: vote.epoch,
                current: self.epoch,
            });
        }
        if vote.signer != self.index || vote.verify(&self.network, &self.key).is_err() {
            return Err(ForeignLog::OtherKey(vote.view));
        }
        if vote.view <= self.floor {
            return Ok(());
        }
        let mutant = self.mutant;
        let signed = self.signed.entry(vote.view).or_default();
        let slot = match vote.statement {
            Statement::Notarize(_) => &mut signed.notarize,
            Statement::Nullify => &mut signed.nullify,
            Statement::Finalize(_) => &mut signed.finalize,
        };
        if slot
            .as_ref()
            .is_some_and(|before| before.statement != vote.statement)
        {
            return Err(ForeignLog::Contradiction(vote.view));
        }
        *slot = Some(vote.clone());
        if !mutant && signed.nullify.is_some() && signed.finalize.is_some() {
            return Err(ForeignLog::Contradiction(vote.view));
        }
        Ok(())
    }

    fn replay_proposal(&mut self, proposal: &Proposal) -> Result<(), ForeignLog> {
        if proposal.verify(&self.network, &self.key).is_err() {
            return Err(ForeignLog::OtherKey(proposal.view));
        }
        let signed = self.signed.entry(proposal.view).or_default();
        let subject = proposal.subject();
        if signed
            .proposed
            .as_ref()
            .is_some_and(|(before, _)| *before != subject)
        {
            return Err(ForeignLog::Contradiction(proposal.view));
        }
        signed.proposed = Some((subject, proposal.signature.clone()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::signer::Local;
    use crate::types::{BlockId, Power, Validator};
    use decube_crypto::{Digest, SecretKey, ValidatorSecret, mldsa};

    const NETWORK: NetworkId = NetworkId(Digest::ZERO);

    /// Hybrid, so that no signature is made twice with the same bytes.
    fn key(seed: u8) -> ValidatorSecret {
        ValidatorSecret::hybrid(
            SecretKey::from_seed(&[seed; 32]),
            mldsa::SecretKey::from_seed(&[seed; 32]),
        )
    }

    fn alone() -> ValidatorSet {
        let validator = Validator {
            name: "alice".into(),
            key: key(1).public(),
            peer: SecretKey::from_seed(&[2; 32]).public(),
            power: Power(1),
        };
        ValidatorSet::new(Epoch(0), vec![validator])
    }

    fn guard(restored: &Restored) -> Result<Guard, ForeignLog> {
        Guard::restore(
            Arc::new(Local(key(1))),
            NETWORK,
            &alone(),
            ValidatorIndex(0),
            View(0),
            restored,
            false,
        )
    }

    fn subject(name: &'static [u8]) -> Subject {
        Subject {
            parent_view: View(0),
            block: BlockId(Digest::of("decube/test/1", &[name])),
        }
    }

    const EPOCH: Epoch = Epoch(0);
    const VIEW: View = View(7);

    #[derive(Clone, Copy, Debug)]
    enum Ask {
        Propose(&'static [u8]),
        Notarize(&'static [u8]),
        Nullify,
        Finalize(&'static [u8]),
    }

    fn ask(guard: &mut Guard, what: Ask) -> bool {
        match what {
            Ask::Propose(name) => guard.propose(EPOCH, VIEW, View(0), &block(name)).is_ok(),
            Ask::Notarize(name) => guard.notarize(EPOCH, VIEW, subject(name)).is_ok(),
            Ask::Nullify => guard.nullify(EPOCH, VIEW).is_ok(),
            Ask::Finalize(name) => guard.finalize(EPOCH, VIEW, subject(name)).is_ok(),
        }
    }

    /// Every pair of requests, and whether the second is granted after the first.
    const TABLE: &[(Ask, Ask, bool)] = &[
        (Ask::Propose(b"a"), Ask::Propose(b"a"), true),
        (Ask::Propose(b"a"), Ask::Propose(b"b"), false),
        (Ask::Propose(b"a"), Ask::Notarize(b"b"), true),
        (Ask::Propose(b"a"), Ask::Nullify, true),
        (Ask::Propose(b"a"), Ask::Finalize(b"b"), true),
        (Ask::Notarize(b"a"), Ask::Propose(b"b"), true),
        (Ask::Notarize(b"a"), Ask::Notarize(b"a"), true),
        (Ask::Notarize(b"a"), Ask::Notarize(b"b"), false),
        (Ask::Notarize(b"a"), Ask::Nullify, true),
        (Ask::Notarize(b"a"), Ask::Finalize(b"b"), true),
        (Ask::Nullify, Ask::Propose(b"a"), true),
        (Ask::Nullify, Ask::Notarize(b"a"), false),
        (Ask::Nullify, Ask::Nullify, true),
        (Ask::Nullify, Ask::Finalize(b"a"), false),
        (Ask::Finalize(b"a"), Ask::Propose(b"a"), true),
        (Ask::Finalize(b"a"), Ask::Notarize(b"b"), true),
        (Ask::Finalize(b"a"), Ask::Nullify, false),
        (Ask::Finalize(b"a"), Ask::Finalize(b"a"), true),
        (Ask::Finalize(b"a"), Ask::Finalize(b"b"), false),
    ];

    #[test]
    fn the_table_holds() {
        for (first, second, granted) in TABLE {
            let mut guard = guard(&Restored::default()).unwrap();
            assert!(ask(&mut guard, *first));
            assert_eq!(
                ask(&mut guard, *second),
                *granted,
                "{first:?} then {second:?}"
            );
        }
    }

    /// After a crash, a validator that had forgotten its vote signed another one.
    #[test]
    fn bug_3_the_table_holds_over_a_restart() {
        let votes_first = TABLE.iter().filter(|row| !matches!(row.0, Ask::Propose(_)));
        for (first, second, granted) in votes_first {
            let mut before = guard(&Restored::default()).unwrap();
            assert!(ask(&mut before, *first));
            let restored = Restored {
                votes: before.votes(VIEW),
                ..Restored::default()
            };
            let mut after = guard(&restored).unwrap();
            assert_eq!(
                ask(&mut after, *second),
                *granted,
                "{first:?}, restart, {second:?}"
            );
        }
    }

    #[test]
    fn bug_3_a_leader_proposes_once_also_over_a_restart() {
        let mut before = guard(&Restored::default()).unwrap();
        let proposal = proposal(&mut before, b"a");
        let restored = Restored {
            proposals: vec![proposal.clone()],
            ..Restored::default()
        };
        let mut after = guard(&restored).unwrap();
        assert_eq!(
            after.propose(EPOCH, VIEW, View(0), &proposal.block),
            Ok(proposal.signature)
        );
        assert!(!ask(&mut after, Ask::Propose(b"b")));
    }

    /// The block on the one called `name`.
    fn block(name: &'static [u8]) -> Block {
        let header = crate::types::Header {
            network: NETWORK,
            epoch: EPOCH,
            view: VIEW,
            height: crate::types::Height(1),
            parent: subject(name).block,
            transactions_root: Digest::ZERO,
            state_root: Digest::ZERO,
            history_root: Digest::ZERO,
            validators: Digest::ZERO,
            next_validators: None,
            time: crate::types::Timestamp(1),
        };
        Block {
            header,
            transactions: Vec::new(),
        }
    }

    /// A proposal on the block called `name`, signed by the guard.
    fn proposal(guard: &mut Guard, name: &'static [u8]) -> Proposal {
        let block = block(name);
        let signature = guard.propose(EPOCH, VIEW, View(0), &block).unwrap();
        Proposal {
            epoch: EPOCH,
            view: VIEW,
            parent_view: View(0),
            block,
            signature,
        }
    }

    /// The flag that forbade a vote was pruned, and a rebroadcast signed the opposite vote.
    #[test]
    fn bug_1_a_pruned_flag_never_allows_a_second_signature() {
        let mut guard = guard(&Restored::default()).unwrap();
        guard.nullify(EPOCH, VIEW).unwrap();
        guard.raise(VIEW);
        let below = Err(GuardRefusal::BelowFloor {
            view: VIEW,
            floor: VIEW,
        });
        assert_eq!(guard.finalize(EPOCH, VIEW, subject(b"a")), below.clone());
        assert!(guard.notarize(EPOCH, View(1), subject(b"a")).is_err());
        guard.raise(View(3));
        assert_eq!(guard.nullify(EPOCH, VIEW), below, "the floor never falls");
        assert!(guard.nullify(EPOCH, View(8)).is_ok());
    }

    #[test]
    fn the_same_vote_is_returned_and_not_signed_again() {
        let mut guard = guard(&Restored::default()).unwrap();
        let vote = guard.notarize(EPOCH, VIEW, subject(b"a")).unwrap();
        assert_eq!(guard.notarize(EPOCH, VIEW, subject(b"a")), Ok(vote.clone()));
        assert_eq!(guard.votes(VIEW), vec![vote]);
    }

    /// Votes of an old epoch, or of another key's log, were replayed as this validator's own.
    #[test]
    fn bug_16_a_log_of_another_key_or_epoch_is_refused() {
        let other = Guard::restore(
            Arc::new(Local(key(9))),
            NETWORK,
            &alone(),
            ValidatorIndex(0),
            View(0),
            &Restored::default(),
            false,
        );
        let foreign = other.unwrap().nullify(EPOCH, VIEW).unwrap();
        let restored = Restored {
            votes: vec![foreign.clone()],
            ..Restored::default()
        };
        assert_eq!(guard(&restored).unwrap_err(), ForeignLog::OtherKey(VIEW));
        let old = Vote {
            epoch: Epoch(3),
            ..foreign
        };
        let restored = Restored {
            votes: vec![old],
            ..Restored::default()
        };
        let refused = ForeignLog::OtherEpoch {
            found: Epoch(3),
            current: EPOCH,
        };
        assert_eq!(guard(&restored).unwrap_err(), refused);
        let mut ours = guard(&Restored::default()).unwrap();
        assert!(matches!(
            ours.nullify(Epoch(3), VIEW),
            Err(GuardRefusal::OtherEpoch { .. })
        ));
    }
}
