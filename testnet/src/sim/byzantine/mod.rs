//! Byzantine validators: each a node that runs the honest cores with real keys, and a
//! [`Behaviour`] that decides what leaves it instead of what they say.
//!
//! At most one of four validators is Byzantine, so everything that the oracle checks of the honest
//! ones must hold beside any of these.

mod babbler;
mod equivocator;
mod silent;
mod skipper;
mod withholder;

use std::fmt;

use clap::ValueEnum;
use decube_crypto::ValidatorSecret;
use decube_protocols::commit::{ChainResponse, ConsensusMessage, FinalAnnouncement};
use decube_protocols::types::{
    Epoch, NetworkId, Proposal, Statement, Subject, ValidatorIndex, View, Vote,
};

use super::faults::{Counts, Fault};
use super::plan::NodeIndex;
use super::random::Random;

/// What a Byzantine validator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Says different things to different validators.
    Equivocator,
    /// Says nothing.
    Silent,
    /// Keeps votes and proposals from some.
    Withholder,
    /// Sends well-signed nonsense.
    Babbler,
    /// Proposes beside the block before instead of on top of it.
    Skipper,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Equivocator,
        Self::Silent,
        Self::Withholder,
        Self::Babbler,
        Self::Skipper,
    ];

    /// One of the kinds.
    pub(super) fn draw(random: &mut Random) -> Self {
        random.pick(&Self::ALL).copied().unwrap_or(Self::Silent)
    }

    /// The behaviour of that kind, with the validator's key.
    pub(super) fn behaviour(self, signer: Signer) -> Box<dyn Behaviour> {
        match self {
            Self::Equivocator => Box::new(equivocator::Equivocator::new(signer)),
            Self::Silent => Box::new(silent::Silent),
            Self::Withholder => Box::new(withholder::Withholder::default()),
            Self::Babbler => Box::new(babbler::Babbler::new(signer)),
            Self::Skipper => Box::new(skipper::Skipper::new(signer)),
        }
    }
}

/// What a behaviour may draw from and count.
pub(super) struct Context<'a> {
    pub(super) random: &'a mut Random,
    pub(super) counts: &'a mut Counts,
}

impl Context<'_> {
    fn count(&mut self, fault: Fault) {
        self.counts.count(fault);
    }
}

/// Decides what leaves a Byzantine validator.
pub(super) trait Behaviour: fmt::Debug {
    /// A message reached the validator.
    fn hear(&mut self, _message: &ConsensusMessage) {}

    /// What goes to `to` instead of `message`, in order.
    fn send(
        &mut self,
        context: &mut Context<'_>,
        to: NodeIndex,
        message: ConsensusMessage,
    ) -> Vec<ConsensusMessage>;

    /// What is published instead of the announcement of a final block.
    fn publish(&mut self, _context: &mut Context<'_>, _announcement: &mut FinalAnnouncement) {}

    /// What answers a question about the chain instead of `response`; nothing when it stays
    /// unanswered.
    fn respond(
        &mut self,
        _context: &mut Context<'_>,
        response: ChainResponse,
    ) -> Option<ChainResponse> {
        Some(response)
    }
}

/// The key of a Byzantine validator, without a guard in front of it.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) network: NetworkId,
    pub(super) epoch: Epoch,
    pub(super) index: ValidatorIndex,
    pub(super) key: ValidatorSecret,
}

impl Signer {
    /// Any vote.
    fn vote(&self, view: View, statement: Statement) -> ConsensusMessage {
        let signed = statement.to_sign(&self.network, self.epoch, view);
        let signature = self.key.sign(&signed);
        let vote = Vote {
            epoch: self.epoch,
            view,
            statement,
            signer: self.index,
            signature,
        };
        ConsensusMessage::Vote {
            vote,
            repeated: false,
        }
    }

    /// Signs a changed proposal.
    fn sign(&self, proposal: &mut Proposal) {
        let subject = proposal.subject();
        let signed = Proposal::to_sign(&self.network, proposal.epoch, proposal.view, &subject);
        proposal.signature = self.key.sign(&signed);
    }

    /// A block that differs from the proposal's in its time alone, so that it is as valid.
    fn twin(&self, proposal: &Proposal) -> (Proposal, Subject) {
        let mut twin = proposal.clone();
        twin.block.header.time.0 += 1;
        self.sign(&mut twin);
        let subject = twin.subject();
        (twin, subject)
    }
}
