//! What is known of each view: its first proposal, its votes, its certificates.
//!
//! # Invariants
//! - A vote counts only after its signature was verified, strictly; the same statement of the same
//!   signer is verified once, and none of a kind whose certificate is held.
//! - Each signer has one vote per kind and view; a second one that differs is returned as evidence
//!   and does not count.
//! - Votes and proposals are taken for views above the last final one and at most [`LOOKAHEAD`]
//!   above the current one, so memory is bounded (`tests::bug_9_far_views_fill_no_memory`).
//!   Certificates are taken for any view: they are proof that a quorum was there.
//! - A certificate that is held was verified, or formed here of verified votes, or read from this
//!   node's own log.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{
    BlockId, Certificate, InvalidCertificate, NetworkId, Power, Statement, Subject, ValidatorIndex,
    ValidatorSet, View, Vote, VoteSignature,
};

/// How far above the current view votes and proposals are taken. Honest validators are at most a
/// few views apart before a certificate pulls the slower one along.
pub(super) const LOOKAHEAD: u64 = 16;

/// For how many views below the current one votes are kept beside the certificate that ended the
/// view: late votes are harmless, and a view without end must not cost memory for ever.
const VOTES_KEPT: u64 = 32;

/// The kinds of votes and certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Notarize,
    Nullify,
    Finalize,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Notarize, Self::Nullify, Self::Finalize];

    pub(super) const fn of(statement: &Statement) -> Self {
        match statement {
            Statement::Notarize(_) => Self::Notarize,
            Statement::Nullify => Self::Nullify,
            Statement::Finalize(_) => Self::Finalize,
        }
    }
}

/// What is known of one view.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// The first block that the view's leader proposed.
    pub(super) proposal: Option<BlockId>,
    /// Whether that block was found invalid.
    pub(super) invalid: bool,
    votes: BTreeMap<Kind, BTreeMap<ValidatorIndex, (Statement, VoteSignature)>>,
    certificates: BTreeMap<Kind, Certificate>,
    // Invariant: a subset of the kinds in `certificates`.
    persisted: BTreeSet<Kind>,
}

impl Round {
    pub(super) fn certificate(&self, kind: Kind) -> Option<&Certificate> {
        self.certificates.get(&kind)
    }

    /// All certificates of the view, notarization first.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values()
    }

    pub(super) fn is_nullified(&self) -> bool {
        self.certificates.contains_key(&Kind::Nullify)
    }

    /// The block that a quorum notarized or finalized, as the certificate names it.
    pub(super) fn certified(&self) -> Option<Subject> {
        [Kind::Finalize, Kind::Notarize]
            .into_iter()
            .find_map(|kind| self.certificates.get(&kind))
            .and_then(|certificate| certificate.statement.subject())
    }

    /// Whether that validator's nullify of the view is here.
    pub(super) fn has_nullify_of(&self, signer: ValidatorIndex) -> bool {
        self.votes
            .get(&Kind::Nullify)
            .is_some_and(|votes| votes.contains_key(&signer))
    }

    /// Whether any certificate ended the view.
    pub(super) fn is_ended(&self) -> bool {
        !self.certificates.is_empty()
    }
}

/// Why a vote does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadVote {
    /// No validator of the epoch, or another epoch.
    Unknown,
    /// Its signature does not hold.
    Signature,
    /// The signer said something else before: here is that vote.
    Equivocation(Box<Vote>),
}

/// All views above the last final one.
#[derive(Clone, Debug)]
pub(super) struct Views {
    network: NetworkId,
    validators: ValidatorSet,
    quorum: Power,
    // Invariant: holds views above `floor` only.
    rounds: BTreeMap<View, Round>,
    floor: View,
    /// The highest view with a certificate.
    highest_certified: Option<View>,
    /// Views with a notarization that rule 4 has not looked at yet.
    unseen_notarizations: BTreeSet<View>,
    /// Below this view the votes of ended views were dropped.
    votes_dropped: View,
}

impl Views {
    pub(super) fn new(network: NetworkId, validators: ValidatorSet, floor: View) -> Self {
        let quorum = validators.quorum();
        Self {
            network,
            validators,
            quorum,
            rounds: BTreeMap::new(),
            floor,
            highest_certified: None,
            unseen_notarizations: BTreeSet::new(),
            votes_dropped: View(0),
        }
    }

    pub(super) const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    pub(super) fn round(&self, view: View) -> Option<&Round> {
        self.rounds.get(&view)
    }

    /// The round of a view above the last final one; none below, where nothing is kept.
    pub(super) fn round_mut(&mut self, view: View) -> Option<&mut Round> {
        (view > self.floor).then(|| self.rounds.entry(view).or_default())
    }

    /// The rounds above the last final view, the highest first.
    pub(super) fn rounds_down(&self) -> impl Iterator<Item = (View, &Round)> {
        self.rounds.iter().rev().map(|(view, round)| (*view, round))
    }

    pub(super) const fn highest_certified(&self) -> Option<View> {
        self.highest_certified
    }

    /// Whether votes and proposals of `view` are taken while `current` is the current view.
    pub(super) const fn accepts(&self, view: View, current: View) -> bool {
        view.0 > self.floor.0 && view.0 <= current.0.saturating_add(LOOKAHEAD)
    }

    /// Whether a notarized block is not final.
    pub(super) fn has_unfinal(&self) -> bool {
        self.rounds
            .values()
            .any(|round| round.certified().is_some())
    }

    /// The highest view with a finalization that is not delivered yet.
    pub(super) fn highest_finalization(&self) -> Option<(View, &Certificate)> {
        self.rounds_down()
            .find_map(|(view, round)| Some((view, round.certificate(Kind::Finalize)?)))
    }

    /// The finalization of this block in this view, when it is held and not delivered yet.
    pub(super) fn finalization_of(&self, view: View, block: &BlockId) -> Option<&Certificate> {
        let held = self.round(view)?.certificate(Kind::Finalize)?;
        let about = held.statement.subject().map(|subject| subject.block);
        (about == Some(*block)).then_some(held)
    }

    /// The views that became notarized since the last call.
    pub(super) fn take_notarized(&mut self) -> BTreeSet<View> {
        std::mem::take(&mut self.unseen_notarizations)
    }

    /// Names a view again in the next [`Self::take_notarized`], unless it is pruned before.
    pub(super) fn keep_notarized(&mut self, view: View) {
        self.unseen_notarizations.insert(view);
    }

    /// Counts a vote of another validator, and forms a certificate when it completes a quorum.
    pub(super) fn add_vote(&mut self, vote: &Vote) -> Result<Option<Certificate>, BadVote> {
        if vote.epoch != self.validators.epoch() {
            return Err(BadVote::Unknown);
        }
        let Some(validator) = self.validators.get(vote.signer) else {
            return Err(BadVote::Unknown);
        };
        let kind = Kind::of(&vote.statement);
        if let Some(round) = self.rounds.get(&vote.view) {
            if round.certificates.contains_key(&kind) {
                return Ok(None);
            }
            match round
                .votes
                .get(&kind)
                .and_then(|votes| votes.get(&vote.signer))
            {
                Some((statement, _)) if *statement == vote.statement => return Ok(None),
                Some(_) if vote.verify(&self.network, &validator.key).is_err() => {
                    return Err(BadVote::Signature);
                }
                Some((statement, signature)) => {
                    let first = Vote {
                        statement: *statement,
                        signature: signature.clone(),
                        ..vote.clone()
                    };
                    return Err(BadVote::Equivocation(Box::new(first)));
                }
                None => {}
            }
        }
        if vote.verify(&self.network, &validator.key).is_err() {
            return Err(BadVote::Signature);
        }
        Ok(self.count(vote))
    }

    /// Whether its signer really said this: it was verified before, or is now.
    pub(super) fn is_genuine(&self, vote: &Vote) -> bool {
        let Some(validator) = self.validators.get(vote.signer) else {
            return false;
        };
        if vote.epoch != self.validators.epoch() {
            return false;
        }
        let known = self.rounds.get(&vote.view).is_some_and(|round| {
            let kind = Kind::of(&vote.statement);
            let counted = round
                .votes
                .get(&kind)
                .and_then(|votes| votes.get(&vote.signer));
            counted.is_some_and(|(statement, _)| *statement == vote.statement)
                || round.certificates.get(&kind).is_some_and(|certificate| {
                    let mut signers = certificate.signatures.iter().map(|(signer, _)| *signer);
                    certificate.statement == vote.statement
                        && signers.any(|signer| signer == vote.signer)
                })
        });
        known || vote.verify(&self.network, &validator.key).is_ok()
    }

    /// Counts a vote that this node's guard signed.
    pub(super) fn count(&mut self, vote: &Vote) -> Option<Certificate> {
        let (quorum, kind) = (self.quorum, Kind::of(&vote.statement));
        let round = self.round_mut(vote.view)?;
        if round.certificates.contains_key(&kind) {
            return None;
        }
        let votes = round.votes.entry(kind).or_default();
        votes
            .entry(vote.signer)
            .or_insert((vote.statement, vote.signature.clone()));
        let agreeing: Vec<_> = votes
            .iter()
            .filter(|(_, (statement, _))| *statement == vote.statement)
            .map(|(signer, (_, signature))| (*signer, signature.clone()))
            .collect();
        let power = self.power(agreeing.iter().map(|(signer, _)| *signer));
        if power < quorum {
            return None;
        }
        let certificate = Certificate {
            epoch: vote.epoch,
            view: vote.view,
            statement: vote.statement,
            signatures: agreeing,
        };
        self.insert(certificate.clone());
        Some(certificate)
    }

    /// Takes a certificate from elsewhere; true when it is new.
    pub(super) fn add_certificate(
        &mut self,
        certificate: Certificate,
    ) -> Result<bool, InvalidCertificate> {
        let kind = Kind::of(&certificate.statement);
        let known = self
            .rounds
            .get(&certificate.view)
            .is_some_and(|round| round.certificates.contains_key(&kind));
        if known || certificate.view <= self.floor {
            return Ok(false);
        }
        certificate.verify(&self.network, &self.validators)?;
        self.insert(certificate);
        Ok(true)
    }

    /// Takes a certificate that was verified before.
    pub(super) fn insert(&mut self, certificate: Certificate) {
        let (view, kind) = (certificate.view, Kind::of(&certificate.statement));
        let Some(round) = self.round_mut(view) else {
            return;
        };
        round.votes.remove(&kind);
        round.certificates.entry(kind).or_insert(certificate);
        if kind == Kind::Notarize {
            self.unseen_notarizations.insert(view);
        }
        self.highest_certified = self.highest_certified.max(Some(view));
    }

    /// The certificates of these kinds and views that are held and not in the log yet, each once.
    pub(super) fn take_unpersisted(&mut self, view: View, kinds: &[Kind]) -> Vec<Certificate> {
        let Some(round) = self.rounds.get_mut(&view) else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        for kind in kinds {
            if let Some(certificate) = round.certificates.get(kind)
                && round.persisted.insert(*kind)
            {
                taken.push(certificate.clone());
            }
        }
        taken
    }

    /// Marks what came from the log.
    pub(super) fn restore(&mut self, certificate: Certificate) {
        let (view, kind) = (certificate.view, Kind::of(&certificate.statement));
        self.insert(certificate);
        if let Some(round) = self.rounds.get_mut(&view) {
            round.persisted.insert(kind);
        }
    }

    /// Forgets everything at or below `view`.
    pub(super) fn prune(&mut self, view: View) {
        if view > self.floor {
            self.floor = view;
            self.rounds = self.rounds.split_off(&view.next());
            self.unseen_notarizations = self.unseen_notarizations.split_off(&view.next());
        }
    }

    /// Forgets the votes of views that ended long before `current`.
    pub(super) fn drop_old_votes(&mut self, current: View) {
        let old = View(current.0.saturating_sub(VOTES_KEPT));
        if old <= self.votes_dropped {
            return;
        }
        for round in self
            .rounds
            .range_mut(self.votes_dropped..old)
            .map(|(_, round)| round)
        {
            if round.is_ended() {
                round.votes.clear();
            }
        }
        self.votes_dropped = old;
    }

    /// The power of a set of validators.
    pub(super) fn power(&self, signers: impl Iterator<Item = ValidatorIndex>) -> Power {
        let sum = signers
            .filter_map(|signer| self.validators.get(signer))
            .fold(0_u64, |sum, validator| {
                sum.saturating_add(validator.power.0)
            });
        Power(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Epoch, Validator, VoteScheme};
    use decube_crypto::{Digest, InvalidVoteSignature, SecretKey, ValidatorSecret, mldsa};

    const NETWORK: NetworkId = NetworkId(Digest::ZERO);

    /// Hybrid, so that no signature is made twice with the same bytes.
    fn key(index: u16) -> ValidatorSecret {
        let seed = u8::try_from(index).unwrap() + 1;
        ValidatorSecret::hybrid(
            SecretKey::from_seed(&[seed; 32]),
            mldsa::SecretKey::from_seed(&[seed; 32]),
        )
    }

    fn views() -> Views {
        let validators = (0..4).map(|index| Validator {
            name: format!("v{index}"),
            key: key(index).public(),
            peer: SecretKey::from_seed(&[u8::try_from(index).unwrap() + 101; 32]).public(),
            power: Power(1),
        });
        Views::new(
            NETWORK,
            ValidatorSet::new(Epoch(0), validators.collect()),
            View(0),
        )
    }

    fn block(name: &'static [u8]) -> Subject {
        Subject {
            parent_view: View(0),
            block: BlockId(Digest::of("decube/test/1", &[name])),
        }
    }

    fn vote(signer: u16, view: u64, statement: Statement) -> Vote {
        let (epoch, view) = (Epoch(0), View(view));
        let signature = key(signer).sign(&statement.to_sign(&NETWORK, epoch, view));
        Vote {
            epoch,
            view,
            statement,
            signer: ValidatorIndex(signer),
            signature,
        }
    }

    #[test]
    fn a_quorum_of_one_statement_makes_a_certificate() {
        let mut views = views();
        let notarize = Statement::Notarize(block(b"a"));
        for signer in [0, 1] {
            assert_eq!(views.add_vote(&vote(signer, 1, notarize)), Ok(None));
        }
        let other = Statement::Notarize(block(b"b"));
        assert_eq!(
            views.add_vote(&vote(2, 1, other)),
            Ok(None),
            "another block's vote"
        );
        assert_eq!(
            views.add_vote(&vote(0, 1, notarize)),
            Ok(None),
            "the same vote again"
        );
        let certificate = views.add_vote(&vote(3, 1, notarize)).unwrap().unwrap();
        assert_eq!(certificate.verify(&NETWORK, views.validators()), Ok(()));
        assert_eq!(views.take_notarized(), [View(1)].into());
        assert_eq!(views.highest_certified(), Some(View(1)));
    }

    #[test]
    fn a_second_vote_that_differs_is_evidence_and_does_not_count() {
        let mut views = views();
        let first = vote(0, 1, Statement::Notarize(block(b"a")));
        views.add_vote(&first).unwrap();
        let second = vote(0, 1, Statement::Notarize(block(b"b")));
        assert_eq!(
            views.add_vote(&second),
            Err(BadVote::Equivocation(Box::new(first)))
        );
        // Giving up a view after notarizing it contradicts nothing.
        assert_eq!(views.add_vote(&vote(0, 1, Statement::Nullify)), Ok(None));
    }

    /// Votes were compared by their signatures, so that one of another view or kind was taken.
    #[test]
    fn bug_18_a_vote_holds_in_its_own_view_kind_and_network_only() {
        let good = vote(0, 1, Statement::Nullify);
        for bad in [
            Vote {
                view: View(2),
                ..good.clone()
            },
            Vote {
                signer: ValidatorIndex(1),
                ..good.clone()
            },
            Vote {
                statement: Statement::Finalize(block(b"a")),
                ..good.clone()
            },
        ] {
            assert_eq!(views().add_vote(&bad), Err(BadVote::Signature), "{bad:?}");
        }
        let elsewhere = NetworkId(Digest::of("decube/test/1", &[b"other"]));
        let signed = Statement::Nullify.to_sign(&elsewhere, Epoch(0), View(1));
        let signature = key(0).sign(&signed);
        let bad = Vote {
            signature,
            ..good.clone()
        };
        assert_eq!(views().add_vote(&bad), Err(BadVote::Signature));
        let old = Vote {
            epoch: Epoch(1),
            ..good
        };
        assert_eq!(views().add_vote(&old), Err(BadVote::Unknown));
    }

    /// A hostile validator voted for views that nobody would reach, and memory ran out.
    #[test]
    fn bug_9_far_views_fill_no_memory() {
        let mut views = views();
        assert!(views.accepts(View(1 + LOOKAHEAD), View(1)));
        assert!(!views.accepts(View(2 + LOOKAHEAD), View(1)));
        assert!(!views.accepts(View(u64::MAX), View(1)));
        views.prune(View(5));
        assert!(!views.accepts(View(5), View(6)));
        assert_eq!(views.count(&vote(0, 5, Statement::Nullify)), None);
        assert!(views.round(View(5)).is_none());
    }

    /// A certificate was accepted whose signers were listed twice, so that two made a quorum.
    #[test]
    fn bug_17_signers_are_counted_once_and_in_order() {
        let signed = |signer: u16| {
            let vote = vote(signer, 1, Statement::Nullify);
            (vote.signer, vote.signature)
        };
        let certificate = |signers: &[u16]| Certificate {
            epoch: Epoch(0),
            view: View(1),
            statement: Statement::Nullify,
            signatures: signers.iter().map(|signer| signed(*signer)).collect(),
        };
        for (signers, error) in [
            (
                &[0, 1, 1][..],
                InvalidCertificate::Unsorted(ValidatorIndex(1)),
            ),
            (&[0, 2, 1], InvalidCertificate::Unsorted(ValidatorIndex(1))),
            (
                &[0, 1],
                InvalidCertificate::NoQuorum {
                    found: Power(2),
                    needed: Power(3),
                },
            ),
            (
                &[0, 1, 7],
                InvalidCertificate::UnknownSigner(ValidatorIndex(7)),
            ),
        ] {
            assert_eq!(
                views().add_certificate(certificate(signers)),
                Err(error),
                "{signers:?}"
            );
        }
        let mut forged = certificate(&[0, 1, 2]);
        forged.signatures[2].1 = signed(1).1;
        let refused = InvalidCertificate::BadSignature {
            signer: ValidatorIndex(2),
            error: InvalidVoteSignature::Ed25519,
        };
        assert_eq!(views().add_certificate(forged), Err(refused));
        let mut mixed = certificate(&[0, 1, 2]);
        let VoteSignature::Hybrid(ed25519, _) = mixed.signatures[1].1 else {
            panic!("the keys are hybrid")
        };
        mixed.signatures[1].1 = VoteSignature::Ed25519(ed25519);
        // Which is seen before any signature is checked, also one that does not hold.
        mixed.signatures[0].1 = signed(1).1;
        let refused = InvalidCertificate::BadSignature {
            signer: ValidatorIndex(1),
            error: InvalidVoteSignature::Scheme {
                found: VoteScheme::Ed25519,
                expected: VoteScheme::Hybrid,
            },
        };
        assert_eq!(views().add_certificate(mixed), Err(refused));
        assert_eq!(views().add_certificate(certificate(&[0, 1, 3])), Ok(true));
    }

    /// A signature of ML-DSA has other bytes each time: a vote signed again says the same.
    #[test]
    fn a_vote_with_another_signature_is_the_same_vote() {
        let mut views = views();
        let notarize = Statement::Notarize(block(b"a"));
        let (first, again) = (vote(0, 1, notarize), vote(0, 1, notarize));
        assert_ne!(first.signature, again.signature);
        assert_eq!(views.add_vote(&first), Ok(None));
        assert_eq!(views.add_vote(&again), Ok(None), "no equivocation");
    }
}
