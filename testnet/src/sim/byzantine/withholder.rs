//! A validator that keeps things from some: its votes reach one or two others, chosen anew for
//! each view, and its proposals and certificates a part of them. What honest validators build on
//! its votes alone can therefore not be built again by the others.

use std::collections::BTreeMap;

use decube_protocols::commit::{ChainResponse, ConsensusMessage};
use decube_protocols::types::View;

use super::{Behaviour, Context};
use crate::sim::faults::Fault;
use crate::sim::plan::NodeIndex;

/// The views whose choice it remembers.
const REMEMBERED: usize = 64;

/// Keeps things from some.
#[derive(Debug, Default)]
pub(super) struct Withholder {
    /// Who hears of a view: a node does when its bit is set.
    heard: BTreeMap<View, u64>,
}

impl Withholder {
    fn hears(&mut self, context: &mut Context<'_>, view: View, to: NodeIndex) -> bool {
        let heard = *self.heard.entry(view).or_insert_with(|| {
            // One validator, two of four, or now and then everyone.
            match context.random.below(5) {
                0 => u64::MAX,
                1 | 2 => 1 << context.random.below(4),
                _ => (1 << context.random.below(4)) | (1 << context.random.below(4)),
            }
        });
        if self.heard.len() > REMEMBERED {
            self.heard.pop_first();
        }
        heard & (1 << (to % 64)) != 0
    }
}

impl Behaviour for Withholder {
    fn send(
        &mut self,
        context: &mut Context<'_>,
        to: NodeIndex,
        message: ConsensusMessage,
    ) -> Vec<ConsensusMessage> {
        let view = match &message {
            ConsensusMessage::Proposal(proposal) => proposal.view,
            ConsensusMessage::Vote { vote, .. } => vote.view,
            ConsensusMessage::Certificate(certificate) => certificate.view,
            ConsensusMessage::Transactions(_) => return vec![message],
        };
        if self.hears(context, view, to) {
            return vec![message];
        }
        context.count(Fault::Withholding);
        Vec::new()
    }

    fn respond(
        &mut self,
        context: &mut Context<'_>,
        response: ChainResponse,
    ) -> Option<ChainResponse> {
        if context.random.chance(0.5) {
            context.count(Fault::Withholding);
            return None;
        }
        Some(response)
    }
}
