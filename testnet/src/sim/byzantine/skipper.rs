//! A validator that, as leader, skips the view before: instead of building on its block it proposes
//! a sibling of that block, as valid in everything but that nobody gave the skipped view up. It keeps
//! its finalize votes of other views to itself, so that the block before becomes final later.

use std::collections::BTreeMap;

use decube_protocols::commit::ConsensusMessage;
use decube_protocols::types::{Proposal, Statement, Subject, View};

use super::{Behaviour, Context, Signer};
use crate::sim::faults::Fault;
use crate::sim::plan::NodeIndex;

/// The views whose proposals it remembers.
const REMEMBERED: usize = 16;

/// Skips the view before its own.
#[derive(Debug)]
pub(super) struct Skipper {
    signer: Signer,
    heard: BTreeMap<View, Proposal>,
    /// What it proposed instead, by view.
    said: BTreeMap<View, Subject>,
}

impl Skipper {
    pub(super) fn new(signer: Signer) -> Self {
        Self {
            signer,
            heard: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// The sibling of the parent of `proposal`, if that was heard.
    fn sibling(&self, proposal: &Proposal) -> Option<Proposal> {
        let parent = self.heard.get(&proposal.parent_view)?;
        let mut sibling = parent.clone();
        sibling.view = proposal.view;
        sibling.block.header.view = proposal.view;
        sibling.block.header.time = proposal.block.header.time;
        self.signer.sign(&mut sibling);
        Some(sibling)
    }
}

impl Behaviour for Skipper {
    fn hear(&mut self, message: &ConsensusMessage) {
        if let ConsensusMessage::Proposal(proposal) = message {
            self.heard.insert(proposal.view, proposal.clone());
            if self.heard.len() > REMEMBERED {
                self.heard.pop_first();
            }
        }
    }

    fn send(
        &mut self,
        context: &mut Context<'_>,
        _to: NodeIndex,
        message: ConsensusMessage,
    ) -> Vec<ConsensusMessage> {
        match message {
            ConsensusMessage::Proposal(proposal) => match self.sibling(&proposal) {
                Some(sibling) if proposal.view == proposal.block.header.view => {
                    context.count(Fault::Skip);
                    self.said.insert(sibling.view, sibling.subject());
                    vec![ConsensusMessage::Proposal(sibling)]
                }
                Some(_) | None => vec![ConsensusMessage::Proposal(proposal)],
            },
            ConsensusMessage::Vote { vote, repeated } => {
                let said = self.said.get(&vote.view);
                match (vote.statement, said) {
                    (Statement::Notarize(_), Some(subject)) => {
                        vec![self.signer.vote(vote.view, Statement::Notarize(*subject))]
                    }
                    (Statement::Finalize(_), None) => Vec::new(),
                    (Statement::Notarize(_), None)
                    | (Statement::Finalize(_), Some(_))
                    | (Statement::Nullify, _) => vec![ConsensusMessage::Vote { vote, repeated }],
                }
            }
            ConsensusMessage::Certificate(_) | ConsensusMessage::Transactions(_) => vec![message],
        }
    }
}
