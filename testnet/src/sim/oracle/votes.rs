//! Every vote, proposal and certificate that was seen on the wire.
//!
//! # Invariants
//! - An honest key notarizes and proposes one block per view, finalizes one, and never finalizes
//!   and nullifies a view, whatever it forgot in a crash.
//! - The votes of a view, of all validators taken together, never make a finalization beside a
//!   nullification, nor two notarizations; so no node could ever hold both.

use std::collections::{BTreeMap, BTreeSet};

use decube_protocols::commit::{ChainResponse, ConsensusMessage, FinalAnnouncement};
use decube_protocols::types::{
    Certificate, NetworkId, Power, Proposal, Statement, Subject, ValidatorIndex, ValidatorSet,
    View, Vote,
};

use super::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// Who said what in one view.
#[derive(Clone, Debug, Default)]
struct Tally {
    notarize: BTreeMap<Subject, BTreeSet<ValidatorIndex>>,
    nullify: BTreeSet<ValidatorIndex>,
    finalize: BTreeMap<Subject, BTreeSet<ValidatorIndex>>,
    proposed: BTreeMap<ValidatorIndex, Subject>,
}

/// The log of all that was signed.
#[derive(Debug)]
pub(in crate::sim) struct Votes {
    network: NetworkId,
    validators: ValidatorSet,
    byzantine: BTreeSet<ValidatorIndex>,
    views: BTreeMap<View, Tally>,
}

type Checked = Result<(), Violation>;

impl Votes {
    pub(in crate::sim) fn new(
        network: NetworkId,
        validators: ValidatorSet,
        byzantine: impl IntoIterator<Item = ValidatorIndex>,
    ) -> Self {
        Self {
            network,
            validators,
            byzantine: byzantine.into_iter().collect(),
            views: BTreeMap::new(),
        }
    }

    /// A message left `from`, which is honest or not.
    pub(in crate::sim) fn message(
        &mut self,
        from: NodeIndex,
        honest: bool,
        message: &ConsensusMessage,
    ) -> Checked {
        match message {
            ConsensusMessage::Proposal(proposal) => self.proposal(from, honest, proposal),
            ConsensusMessage::Vote { vote, .. } => self.vote(from, honest, vote),
            ConsensusMessage::Certificate(certificate) => {
                self.certificate(from, honest, certificate)
            }
            ConsensusMessage::Transactions(_) => Ok(()),
        }
    }

    /// An announcement left `from`.
    pub(in crate::sim) fn announcement(
        &mut self,
        from: NodeIndex,
        honest: bool,
        announcement: &FinalAnnouncement,
    ) -> Checked {
        self.certificate(from, honest, &announcement.finalization)
    }

    /// A response left `from`.
    pub(in crate::sim) fn response(
        &mut self,
        from: NodeIndex,
        honest: bool,
        response: &ChainResponse,
    ) -> Checked {
        match response {
            ChainResponse::Tip(tip) => tip
                .iter()
                .try_for_each(|tip| self.announcement(from, honest, tip)),
            ChainResponse::Final(range) => range
                .finalization
                .iter()
                .try_for_each(|c| self.certificate(from, honest, c)),
            ChainResponse::Proposal(proposal) => proposal
                .iter()
                .try_for_each(|p| self.proposal(from, honest, p)),
            ChainResponse::Certificates(certificates) => certificates
                .iter()
                .try_for_each(|c| self.certificate(from, honest, c)),
        }
    }

    fn certificate(&mut self, from: NodeIndex, honest: bool, certificate: &Certificate) -> Checked {
        let Certificate {
            epoch,
            view,
            statement,
            signatures,
        } = certificate;
        let mut power = Power(0);
        for (signer, signature) in signatures {
            let vote = Vote {
                epoch: *epoch,
                view: *view,
                statement: *statement,
                signer: *signer,
                signature: signature.clone(),
            };
            self.vote(from, honest, &vote)?;
            let found = self
                .validators
                .get(*signer)
                .map_or(0, |validator| validator.power.0);
            power = Power(power.0.saturating_add(found));
        }
        if honest && power < self.validators.quorum() {
            let what = format!("node {from} sent a certificate of {view} without a quorum");
            return Err(Violation::new(Check::Forgery, what));
        }
        Ok(())
    }

    fn proposal(&mut self, from: NodeIndex, honest: bool, proposal: &Proposal) -> Checked {
        let leader = self.validators.leader(proposal.view);
        let subject = proposal.subject();
        let known = self
            .views
            .get(&proposal.view)
            .and_then(|tally| tally.proposed.get(&leader));
        if known == Some(&subject) {
            return Ok(());
        }
        let key = self.validators.get(leader).map(|validator| &validator.key);
        if key.is_none_or(|key| proposal.verify(&self.network, key).is_err()) {
            return self.forged(
                from,
                honest,
                format!("a proposal of view {}", proposal.view),
            );
        }
        if let Some(known) = known
            && !self.byzantine.contains(&leader)
        {
            let what = format!(
                "validator {leader} proposed {} and {} in view {}",
                known.block, subject.block, proposal.view
            );
            return Err(Violation::new(Check::DoubleVote, what));
        }
        self.views
            .entry(proposal.view)
            .or_default()
            .proposed
            .insert(leader, subject);
        Ok(())
    }

    fn forged(&self, from: NodeIndex, honest: bool, what: String) -> Checked {
        if honest {
            let what = format!("node {from} sent {what} whose signature does not hold");
            return Err(Violation::new(Check::Forgery, what));
        }
        Ok(())
    }

    fn vote(&mut self, from: NodeIndex, honest: bool, vote: &Vote) -> Checked {
        let Vote {
            view,
            statement,
            signer,
            ..
        } = vote;
        if self
            .views
            .get(view)
            .is_some_and(|tally| tally.has(statement, *signer))
        {
            return Ok(());
        }
        let key = self.validators.get(*signer).map(|validator| &validator.key);
        if key.is_none_or(|key| vote.verify(&self.network, key).is_err()) {
            return self.forged(from, honest, format!("a vote {statement:?} of view {view}"));
        }
        let tally = self.views.entry(*view).or_default();
        tally.add(statement, *signer);
        if !self.byzantine.contains(signer)
            && let Some(contradiction) = tally.contradiction(*signer)
        {
            let what = format!("validator {signer} {contradiction} in view {view}");
            return Err(Violation::new(Check::DoubleVote, what));
        }
        self.quorums(*view)
    }

    fn quorums(&self, view: View) -> Checked {
        let Some(tally) = self.views.get(&view) else {
            return Ok(());
        };
        let quorum = |signers: &BTreeSet<ValidatorIndex>| {
            let power = signers
                .iter()
                .filter_map(|signer| self.validators.get(*signer));
            Power(power.map(|validator| validator.power.0).sum()) >= self.validators.quorum()
        };
        if quorum(&tally.nullify) && tally.finalize.values().any(quorum) {
            let what = format!("view {view} has a finalization and a nullification");
            return Err(Violation::new(Check::Certificates, what));
        }
        if tally
            .notarize
            .values()
            .filter(|signers| quorum(signers))
            .count()
            > 1
        {
            let what = format!("view {view} has two notarizations");
            return Err(Violation::new(Check::Certificates, what));
        }
        Ok(())
    }

    /// How many views anyone voted in.
    pub(in crate::sim) fn views(&self) -> usize {
        self.views.len()
    }
}

impl Tally {
    fn has(&self, statement: &Statement, signer: ValidatorIndex) -> bool {
        let signers = match statement {
            Statement::Notarize(subject) => self.notarize.get(subject),
            Statement::Nullify => Some(&self.nullify),
            Statement::Finalize(subject) => self.finalize.get(subject),
        };
        signers.is_some_and(|signers| signers.contains(&signer))
    }

    fn add(&mut self, statement: &Statement, signer: ValidatorIndex) {
        let signers = match statement {
            Statement::Notarize(subject) => self.notarize.entry(*subject).or_default(),
            Statement::Nullify => &mut self.nullify,
            Statement::Finalize(subject) => self.finalize.entry(*subject).or_default(),
        };
        signers.insert(signer);
    }

    /// What a validator said that contradicts itself.
    fn contradiction(&self, signer: ValidatorIndex) -> Option<&'static str> {
        let count = |said: &BTreeMap<Subject, BTreeSet<ValidatorIndex>>| {
            said.values()
                .filter(|signers| signers.contains(&signer))
                .count()
        };
        if count(&self.notarize) > 1 {
            return Some("notarized two blocks");
        }
        if count(&self.finalize) > 1 {
            return Some("finalized two blocks");
        }
        if count(&self.finalize) > 0 && self.nullify.contains(&signer) {
            return Some("finalized and nullified");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::Plan;
    use crate::sim::random::Random;
    use decube_crypto::Digest;
    use decube_protocols::types::{BlockId, VoteScheme, VoteSignature};

    struct Table {
        plan: Plan,
        votes: Votes,
    }

    fn table(byzantine: &[u16]) -> Table {
        let plan = Plan::draw(&mut Random::new(1), VoteScheme::Hybrid, None);
        let byzantine = byzantine.iter().copied().map(ValidatorIndex);
        let votes = Votes::new(plan.network, plan.validators.clone(), byzantine);
        Table { plan, votes }
    }

    impl Table {
        fn says(&mut self, signer: u16, statement: Statement) -> Result<(), Check> {
            let (view, epoch) = (View(3), self.plan.validators.epoch());
            let signed = statement.to_sign(&self.plan.network, epoch, view);
            let key = self.plan.keys[usize::from(signer)]
                .validator
                .as_ref()
                .unwrap();
            let signature = key.sign(&signed);
            let vote = Vote {
                epoch,
                view,
                statement,
                signer: ValidatorIndex(signer),
                signature,
            };
            let message = ConsensusMessage::Vote {
                vote,
                repeated: false,
            };
            self.votes
                .message(usize::from(signer), true, &message)
                .map_err(|found| found.check)
        }
    }

    fn block(name: &'static [u8]) -> Subject {
        Subject {
            parent_view: View(2),
            block: BlockId(Digest::of("decube/test/1", &[name])),
        }
    }

    #[test]
    fn an_honest_key_that_contradicts_itself_is_found() {
        for (first, second, found) in [
            (Statement::Notarize(block(b"a")), Statement::Nullify, None),
            (
                Statement::Notarize(block(b"a")),
                Statement::Finalize(block(b"a")),
                None,
            ),
            (
                Statement::Notarize(block(b"a")),
                Statement::Notarize(block(b"b")),
                Some(Check::DoubleVote),
            ),
            (
                Statement::Nullify,
                Statement::Finalize(block(b"a")),
                Some(Check::DoubleVote),
            ),
            (
                Statement::Finalize(block(b"a")),
                Statement::Nullify,
                Some(Check::DoubleVote),
            ),
        ] {
            let mut table = table(&[]);
            assert_eq!(table.says(0, first), Ok(()));
            assert_eq!(
                table.says(0, second).err(),
                found,
                "{first:?} then {second:?}"
            );
            let mut known_cheat = self::table(&[0]);
            assert_eq!(known_cheat.says(0, first), Ok(()));
            assert_eq!(known_cheat.says(0, second), Ok(()));
        }
    }

    #[test]
    fn a_finalization_beside_a_nullification_is_found_even_in_pieces() {
        // With half of the validators Byzantine no honest one needs to contradict itself.
        let mut table = table(&[0, 1]);
        for (signer, statement) in [
            (0, Statement::Nullify),
            (1, Statement::Nullify),
            (2, Statement::Nullify),
            (0, Statement::Finalize(block(b"a"))),
            (1, Statement::Finalize(block(b"a"))),
        ] {
            assert_eq!(table.says(signer, statement), Ok(()));
        }
        let last = table.says(3, Statement::Finalize(block(b"a")));
        assert_eq!(last, Err(Check::Certificates));
    }

    #[test]
    fn two_notarizations_of_a_view_are_found() {
        let mut table = table(&[0, 1]);
        for (signer, name) in [(0, b"a"), (1, b"a"), (2, b"a"), (0, b"b"), (1, b"b")] {
            assert_eq!(table.says(signer, Statement::Notarize(block(name))), Ok(()));
        }
        let last = table.says(3, Statement::Notarize(block(b"b")));
        assert_eq!(last, Err(Check::Certificates));
    }

    #[test]
    fn an_honest_node_must_not_pass_on_what_does_not_verify() {
        let mut table = table(&[]);
        let vote = Vote {
            epoch: table.plan.validators.epoch(),
            view: View(3),
            statement: Statement::Nullify,
            signer: ValidatorIndex(1),
            signature: VoteSignature::Ed25519(decube_crypto::Signature::from_bytes([7; 64])),
        };
        let message = ConsensusMessage::Vote {
            vote,
            repeated: false,
        };
        assert_eq!(table.votes.message(0, false, &message), Ok(()));
        let found = table
            .votes
            .message(0, true, &message)
            .map_err(|found| found.check);
        assert_eq!(found, Err(Check::Forgery));
    }
}
