//! A hostile validator: it votes for everything to whom it likes, proposes two blocks in one view,
//! on parents that it should not build on, and tells each of the others something else.

use std::collections::BTreeSet;

use super::super::core::Core;
use super::super::io::ConsensusMessage;
use super::disk::Disk;
use super::net::{Delivery, Net, vote_key};
use crate::types::{
    BlockId, Epoch, Proposal, Statement, Subject, Timestamp, ValidatorIndex, View, Vote,
};

/// What the hostile validator remembers.
#[derive(Debug, Default)]
pub(super) struct Evil {
    led: BTreeSet<View>,
}

impl Net {
    /// What follows from a message that the hostile validator saw.
    pub(super) fn misbehave(&mut self, me: usize, message: &ConsensusMessage) {
        match message {
            ConsensusMessage::Proposal(proposal) => {
                self.vote_at_will(me, proposal.view, Some(proposal.subject()));
            }
            ConsensusMessage::Vote { vote, .. } => {
                self.vote_at_will(me, vote.view, vote.statement.subject());
            }
            ConsensusMessage::Certificate(_) | ConsensusMessage::Transactions(_) => {}
        }
        self.lead(me);
    }

    fn vote_at_will(&mut self, me: usize, view: View, subject: Option<Subject>) {
        let mut statements = vec![Statement::Nullify];
        if let Some(subject) = subject {
            statements.extend([Statement::Notarize(subject), Statement::Finalize(subject)]);
        }
        for statement in statements {
            for to in 0..self.validators {
                if to != me && self.random.percent(40) {
                    let vote = self.sign(me, view, statement);
                    let message = ConsensusMessage::Vote {
                        vote,
                        repeated: false,
                    };
                    self.send(me, to, Delivery::Message(message));
                }
            }
        }
    }

    fn sign(&self, me: usize, view: View, statement: Statement) -> Vote {
        let epoch = Epoch(0);
        let signed = statement.to_sign(&self.network, epoch, view);
        let signature = vote_key(me).sign(&signed);
        let signer = ValidatorIndex(u16::try_from(me).unwrap());
        Vote {
            epoch,
            view,
            statement,
            signer,
            signature,
        }
    }

    /// Proposes several blocks when it leads, each to some.
    fn lead(&mut self, me: usize) {
        let core = self.nodes[me].core.as_ref().unwrap();
        let view = core.view();
        let index = ValidatorIndex(u16::try_from(me).unwrap());
        if core.views.validators().leader(view) != index || !self.evil.led.insert(view) {
            return;
        }
        for attempt in 0..2 {
            let clock = self.clock(me);
            let choice = self.random.next();
            let core = self.nodes[me].core.as_mut().unwrap();
            let Some((parent_view, parent)) = some_parent(core, choice) else {
                continue;
            };
            // The first block, mostly on an old parent, goes to all; the second confuses some.
            let reach = if attempt == 0 { 100 } else { 50 };
            let time = Timestamp(clock.wall.0 + attempt);
            let Ok(Some(block)) = core.chain.build(&parent, view, time, Vec::new()) else {
                continue;
            };
            let subject = Subject {
                parent_view,
                block: block.id(),
            };
            let signed = Proposal::to_sign(&self.network, Epoch(0), view, &subject);
            let signature = vote_key(me).sign(&signed);
            let proposal = Proposal {
                epoch: Epoch(0),
                view,
                parent_view,
                block,
                signature,
            };
            for to in 0..self.validators {
                if to != me && self.random.percent(reach) {
                    let message = ConsensusMessage::Proposal(proposal.clone());
                    self.send(me, to, Delivery::Message(message));
                }
            }
            self.vote_at_will(me, view, Some(subject));
        }
    }
}

/// A block that can be built on: the final tip, or the oldest certified one above it.
fn some_parent(core: &mut Core<Disk>, choice: u64) -> Option<(View, BlockId)> {
    let mut parents = vec![(core.final_header().view, core.final_header().id())];
    let certified: Vec<_> = core
        .views
        .rounds_down()
        .filter(|(view, _)| *view < core.view())
        .filter_map(|(view, round)| Some((view, round.certified()?.block)))
        .collect();
    for (view, block) in certified {
        let _ = core.ready(&block).ok()?;
        if core.chain.is_executed(&block) {
            parents.push((view, block));
        }
    }
    // Two times out of three the oldest, the final tip.
    let index = if choice.is_multiple_of(3) {
        parents.len() - 1
    } else {
        0
    };
    parents.get(index).copied()
}
