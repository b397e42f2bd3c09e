//! A validator that says nothing: its vote is missing from every quorum, and its turns as leader
//! pass without a proposal.

use decube_protocols::commit::{ChainResponse, ConsensusMessage};

use super::{Behaviour, Context};
use crate::sim::faults::Fault;
use crate::sim::plan::NodeIndex;

/// Says nothing.
#[derive(Debug)]
pub(super) struct Silent;

impl Behaviour for Silent {
    fn send(
        &mut self,
        context: &mut Context<'_>,
        _to: NodeIndex,
        _message: ConsensusMessage,
    ) -> Vec<ConsensusMessage> {
        context.count(Fault::Silence);
        Vec::new()
    }

    fn respond(
        &mut self,
        context: &mut Context<'_>,
        _response: ChainResponse,
    ) -> Option<ChainResponse> {
        context.count(Fault::Silence);
        None
    }
}
