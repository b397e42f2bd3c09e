//! A validator that sends well-signed nonsense beside what it should say: votes for views far
//! ahead and long past, for blocks that do not exist, and proposals that break the rules.

use decube_crypto::Digest;
use decube_protocols::commit::{ChainResponse, ConsensusMessage, FinalAnnouncement};
use decube_protocols::types::{BlockId, Height, Statement, Subject, View};

use super::{Behaviour, Context, Signer};
use crate::sim::faults::Fault;
use crate::sim::plan::NodeIndex;

/// Talks nonsense.
#[derive(Debug)]
pub(super) struct Babbler {
    signer: Signer,
}

impl Babbler {
    pub(super) fn new(signer: Signer) -> Self {
        Self { signer }
    }

    fn nonsense(&self, context: &mut Context<'_>, view: View) -> ConsensusMessage {
        let other = match context.random.below(4) {
            0 => view,
            1 => View(view.0.saturating_sub(context.random.within(1, 40))),
            2 => View(view.0.saturating_add(context.random.within(1, 80))),
            _ => View(view.0.saturating_add(1 << context.random.within(10, 62))),
        };
        let block = BlockId(Digest::from_bytes(context.random.bytes()));
        let subject = Subject {
            parent_view: View(other.0.saturating_sub(1)),
            block,
        };
        let statement = match context.random.below(3) {
            0 => Statement::Notarize(subject),
            1 => Statement::Finalize(subject),
            _ => Statement::Nullify,
        };
        self.signer.vote(other, statement)
    }
}

impl Behaviour for Babbler {
    fn send(
        &mut self,
        context: &mut Context<'_>,
        _to: NodeIndex,
        message: ConsensusMessage,
    ) -> Vec<ConsensusMessage> {
        let view = match &message {
            ConsensusMessage::Proposal(proposal) => proposal.view,
            ConsensusMessage::Vote { vote, .. } => vote.view,
            ConsensusMessage::Certificate(certificate) => certificate.view,
            ConsensusMessage::Transactions(_) => return vec![message],
        };
        let mut said = vec![message];
        if context.random.chance(0.3) {
            context.count(Fault::Babble);
            said.push(self.nonsense(context, view));
        }
        if let Some(ConsensusMessage::Proposal(proposal)) = said.first_mut()
            && context.random.chance(0.5)
        {
            context.count(Fault::Babble);
            let header = &mut proposal.block.header;
            match context.random.below(4) {
                0 => header.state_root = Digest::from_bytes(context.random.bytes()),
                1 => header.height = Height(header.height.0.saturating_add(1)),
                2 => header.time.0 = 0,
                _ => proposal.parent_view = View(proposal.parent_view.0 / 2),
            }
            self.signer.sign(proposal);
        }
        said
    }

    fn publish(&mut self, context: &mut Context<'_>, announcement: &mut FinalAnnouncement) {
        if context.random.chance(0.3) {
            context.count(Fault::Babble);
            match context.random.below(3) {
                0 => announcement.header.time.0 += 1,
                1 => announcement.finalization.view.0 += 1,
                _ => announcement.finalization.signatures.truncate(1),
            }
        }
    }

    fn respond(
        &mut self,
        context: &mut Context<'_>,
        mut response: ChainResponse,
    ) -> Option<ChainResponse> {
        if let ChainResponse::Final(range) = &mut response
            && context.random.chance(0.3)
            && let Some(block) = range.blocks.first_mut()
        {
            context.count(Fault::Babble);
            block.header.state_root = Digest::from_bytes(context.random.bytes());
        }
        Some(response)
    }
}
