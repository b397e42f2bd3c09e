//! Who signs what the guard allows: the key itself, or a process that keeps it.
//!
//! A signer in another process has a guard and a durable log of its own, a [`Keeper`], so that two
//! nodes with one key cannot both vote. It may then refuse what the guard of this node allows, or
//! not answer at all. The node does not vote in either case, and goes on.
//!
//! # Invariants
//! - A refused request is not made again; after silence, nothing is asked for a while, which grows
//!   up to [`MAX_PAUSE`] (`tests`, and `super::tests::signer`).
//! - A keeper signs nothing that its log does not allow, and hands out what must be durable before
//!   the signature leaves.

use std::fmt;
use std::time::Duration;

use decube_crypto::{Statement as Signed, ValidatorKey, ValidatorSecret};

use super::guard::{ForeignLog, Guard, GuardRefusal};
use super::io::{Record, Restored};
use crate::types::{
    Block, Epoch, Genesis, NetworkId, Proposal, Statement, Subject, View, Vote, VoteSignature,
};

/// How long nothing is asked after the first silence.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: so long at most a validator stays silent after its signer is back.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub enum Draft<'a> {
    /// A block as this validator's proposal.
    Proposal {
        /// The view of the parent.
        parent_view: View,
        /// The whole block.
        block: &'a Block,
    },
    /// A vote.
    Vote(Statement),
}

/// A request to sign. It holds all that the signature covers, so that a signer can judge it.
#[derive(Clone, Copy, Debug)]
pub struct SignRequest<'a> {
    /// The network.
    pub network: NetworkId,
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// At or below which view the node will never ask again, so that the signer may forget it.
    pub floor: View,
    /// What is to be signed.
    pub draft: Draft<'a>,
}

impl SignRequest<'_> {
    /// The statement that the signature covers.
    #[must_use]
    pub fn statement(&self) -> Signed {
        match &self.draft {
            Draft::Proposal { parent_view, block } => {
                let subject = Subject {
                    parent_view: *parent_view,
                    block: block.id(),
                };
                Proposal::to_sign(&self.network, self.epoch, self.view, &subject)
            }
            Draft::Vote(statement) => statement.to_sign(&self.network, self.epoch, self.view),
        }
    }
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The signer refuses this request for ever, since it would contradict what it signed.
    #[error("the signer refuses: {0}")]
    Refused(String),
    /// The signer did not answer, or cannot sign now.
    #[error("the signer does not sign: {0}")]
    Unavailable(String),
}

/// Signs for a validator. Called from inside the core, so it answers within seconds at most.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half of the key that it signs with.
    fn public(&self) -> ValidatorKey;

    /// Signs, or says why not. The same request may come again, also after a restart.
    ///
    /// # Errors
    /// [`NotSigned`].
    fn sign(&self, request: &SignRequest<'_>) -> Result<VoteSignature, NotSigned>;
}

/// A key in this process, which signs all that the guard allows.
#[derive(Debug)]
pub(super) struct Local(pub(super) ValidatorSecret);

impl Signer for Local {
    fn public(&self) -> ValidatorKey {
        self.0.public()
    }

    fn sign(&self, request: &SignRequest<'_>) -> Result<VoteSignature, NotSigned> {
        Ok(self.0.sign(&request.statement()))
    }
}

/// When to ask a signer again that did not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Pause {
    /// How long the pause is; zero without one.
    length: Duration,
    /// When it ends; absent before the first call after the silence, which may have taken long.
    until: Option<Duration>,
    /// Why nothing was signed last.
    trouble: Option<String>,
}

impl Pause {
    /// A call of the core begins.
    pub(super) fn begin(&mut self, now: Duration) {
        if !self.length.is_zero() && self.until.is_none() {
            self.until = Some(now.saturating_add(self.length));
        }
    }

    /// Whether nothing may be asked now.
    pub(super) fn holds(&self, now: Duration) -> bool {
        !self.length.is_zero() && self.until.is_none_or(|until| now < until)
    }

    /// When the core wants to be called about it.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        self.holds(now).then(|| self.until.unwrap_or(now))
    }

    /// Something was signed.
    pub(super) fn signed(&mut self) {
        *self = Self::default();
    }

    /// Something was not signed.
    pub(super) fn failed(&mut self, why: &NotSigned) {
        self.trouble = Some(why.to_string());
        match why {
            NotSigned::Refused(_) => {}
            NotSigned::Unavailable(_) => {
                self.length = (self.length * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
                self.until = None;
            }
        }
    }

    /// Why nothing was signed last.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

/// Why a keeper cannot be made of its key, its network and its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeeperError {
    /// The vote log is not this key's.
    #[error(transparent)]
    ForeignLog(#[from] ForeignLog),
    /// The key lacks the ML-DSA-65 part that the network's votes need.
    #[error("the validator key has no ML-DSA-65 part, which the votes of this network need")]
    NoHybridKey,
    /// The genesis names no validator with this key.
    #[error("the genesis names no validator with this key")]
    NotAValidator,
}

/// The safety guard with the key and without a node: what a signing process runs.
#[derive(Clone, Debug)]
pub struct Keeper {
    guard: Guard,
}

/// A signature, and what must be durable before it leaves the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// To be made durable first; nothing when all of it is already.
    pub records: Vec<Record>,
    /// The signature.
    pub signature: VoteSignature,
}

impl Keeper {
    /// Takes up the key of a validator of `genesis`, and its log.
    ///
    /// # Errors
    /// [`KeeperError`]; nothing was signed.
    pub fn new(
        genesis: &Genesis,
        key: &ValidatorSecret,
        restored: &Restored,
    ) -> Result<Self, KeeperError> {
        let validators = genesis.validator_set();
        let key = key
            .under(genesis.parameters.signature)
            .ok_or(KeeperError::NoHybridKey)?;
        let index = validators
            .index_of(&key.public())
            .ok_or(KeeperError::NotAValidator)?;
        let signer = std::sync::Arc::new(Local(key));
        let network = genesis.network_id();
        let floor = View(0);
        let guard = Guard::restore(signer, network, &validators, index, floor, restored, false)?;
        Ok(Self { guard })
    }

    /// The public half of the key.
    #[must_use]
    pub fn public(&self) -> &ValidatorKey {
        self.guard.key()
    }

    /// The network that it signs for.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        self.guard.network()
    }

    /// Signs what the log allows; what was signed before is returned as it was.
    ///
    /// # Errors
    /// [`GuardRefusal`]; nothing was signed.
    pub fn sign(&mut self, request: &SignRequest<'_>) -> Result<Kept, GuardRefusal> {
        let SignRequest {
            network,
            epoch,
            view,
            floor,
            draft,
        } = *request;
        if network != *self.guard.network() {
            return Err(GuardRefusal::OtherNetwork(network));
        }
        let (record, signature) = match draft {
            Draft::Proposal { parent_view, block } => {
                let is_new = !self.guard.proposed(view);
                let signature = self.guard.propose(epoch, view, parent_view, block)?;
                let record = is_new.then(|| {
                    Record::Proposal(Proposal {
                        epoch,
                        view,
                        parent_view,
                        block: block.clone(),
                        signature: signature.clone(),
                    })
                });
                (record, signature)
            }
            Draft::Vote(statement) => {
                let before = self.guard.votes(view).len();
                let vote = self.vote(epoch, view, statement)?;
                let is_new = self.guard.votes(view).len() > before;
                let signature = vote.signature.clone();
                (is_new.then_some(Record::Vote(vote)), signature)
            }
        };
        let mut records: Vec<_> = record.into_iter().collect();
        // What was just signed stays above the floor.
        let floor = floor.min(view.previous().unwrap_or_default());
        if floor > self.guard.floor() && !records.is_empty() {
            self.guard.raise(floor);
            records.push(Record::Prune { epoch, view: floor });
        }
        Ok(Kept { records, signature })
    }

    fn vote(
        &mut self,
        epoch: Epoch,
        view: View,
        statement: Statement,
    ) -> Result<Vote, GuardRefusal> {
        match statement {
            Statement::Notarize(subject) => self.guard.notarize(epoch, view, subject),
            Statement::Nullify => self.guard.nullify(epoch, view),
            Statement::Finalize(subject) => self.guard.finalize(epoch, view, subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> NotSigned {
        NotSigned::Unavailable("no answer".into())
    }

    #[test]
    fn pauses_grow_from_the_first_call_after_the_silence_and_are_bounded() {
        let at = Duration::from_millis;
        let mut pause = Pause::default();
        assert!(!pause.holds(at(0)) && pause.next(at(0)).is_none());
        pause.failed(&silent());
        assert!(pause.holds(at(0)), "before the next call nothing is asked");
        assert_eq!(pause.next(at(0)), Some(at(0)));
        // The silence took two seconds, which do not count.
        pause.begin(at(2000));
        assert!(pause.holds(at(2099)) && !pause.holds(at(2100)));
        pause.failed(&silent());
        pause.begin(at(3000));
        assert!(pause.holds(at(3199)) && !pause.holds(at(3200)));
        for _ in 0..20 {
            pause.failed(&silent());
        }
        pause.begin(at(9000));
        assert_eq!(pause.next(at(9000)), Some(at(9000) + MAX_PAUSE));
        assert!(pause.trouble().is_some_and(|why| why.contains("no answer")));
        pause.signed();
        assert!(!pause.holds(at(9000)) && pause.trouble().is_none());
    }

    #[test]
    fn a_refusal_is_told_and_pauses_nothing() {
        let mut pause = Pause::default();
        pause.failed(&NotSigned::Refused("no".into()));
        pause.begin(Duration::ZERO);
        assert!(!pause.holds(Duration::ZERO) && pause.trouble().is_some());
    }
}
