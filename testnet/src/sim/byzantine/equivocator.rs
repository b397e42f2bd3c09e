//! A validator that says different things to different validators: as leader it proposes two
//! blocks, and in every view some hear the opposite of the vote that others get.

use std::collections::BTreeMap;

use decube_protocols::commit::ConsensusMessage;
use decube_protocols::types::{Statement, Subject, View};

use super::{Behaviour, Context, Signer};
use crate::sim::faults::Fault;
use crate::sim::plan::NodeIndex;

/// The views whose blocks it remembers: more than honest validators are apart.
const REMEMBERED: usize = 64;

/// Contradicts itself.
#[derive(Debug)]
pub(super) struct Equivocator {
    signer: Signer,
    /// The block of each view that it was asked to vote for, and its second block if it led.
    blocks: BTreeMap<View, (Subject, Option<Subject>)>,
}

impl Equivocator {
    pub(super) fn new(signer: Signer) -> Self {
        Self {
            signer,
            blocks: BTreeMap::new(),
        }
    }

    fn remember(&mut self, view: View, subject: Subject, twin: Option<Subject>) {
        let entry = self.blocks.entry(view).or_insert((subject, twin));
        entry.1 = entry.1.or(twin);
        if self.blocks.len() > REMEMBERED {
            self.blocks.pop_first();
        }
    }
}

impl Behaviour for Equivocator {
    fn send(
        &mut self,
        context: &mut Context<'_>,
        to: NodeIndex,
        message: ConsensusMessage,
    ) -> Vec<ConsensusMessage> {
        // A fixed share hears the second story, so that it is consistent within a view.
        let second = to % 2 == 1;
        match message {
            ConsensusMessage::Proposal(proposal) => {
                // A block of another leader that is passed on can't be changed.
                if !second || proposal.view != proposal.block.header.view {
                    self.remember(proposal.view, proposal.subject(), None);
                    return vec![ConsensusMessage::Proposal(proposal)];
                }
                let (twin, subject) = self.signer.twin(&proposal);
                self.remember(proposal.view, proposal.subject(), Some(subject));
                context.count(Fault::Equivocation);
                vec![ConsensusMessage::Proposal(twin)]
            }
            ConsensusMessage::Vote { vote, repeated } => {
                let view = vote.view;
                let opposite = match vote.statement {
                    Statement::Notarize(subject) => {
                        self.remember(view, subject, None);
                        let twin = self.blocks.get(&view).and_then(|(_, twin)| *twin);
                        twin.filter(|_| second).map(Statement::Notarize)
                    }
                    Statement::Finalize(subject) => {
                        self.remember(view, subject, None);
                        second.then_some(Statement::Nullify)
                    }
                    Statement::Nullify => self
                        .blocks
                        .get(&view)
                        .filter(|_| second)
                        .map(|(subject, _)| Statement::Finalize(*subject)),
                };
                match opposite {
                    Some(statement) => {
                        context.count(Fault::Equivocation);
                        // Now and then one validator gets both.
                        let mut both = vec![self.signer.vote(view, statement)];
                        if context.random.chance(0.3) {
                            both.push(ConsensusMessage::Vote { vote, repeated });
                        }
                        both
                    }
                    None => vec![ConsensusMessage::Vote { vote, repeated }],
                }
            }
            ConsensusMessage::Certificate(_) | ConsensusMessage::Transactions(_) => vec![message],
        }
    }
}
