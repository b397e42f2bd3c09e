//! Answering others: about the final chain, and validators about what is not final yet.
//!
//! # Invariants
//! - A range ends at a block with its own finalization, and is bounded by [`MAX_SERVED_BLOCKS`] and
//!   about [`MAX_SERVED_BYTES`].
//! - What is not final goes to validators only; certificates of an ended view are served as long as
//!   no final block is above it, and then the finalization above (no rule ever needs more).

use super::core::{Core, Failure};
use super::execution;
use super::io::{ChainRequest, ChainResponse, ChainSource, Effect, FinalAnnouncement, FinalRange};
use crate::types::{Block, Header, Height, PeerId, RequestId, Transaction};

/// The most blocks of one range: small ones, so that few messages suffice; the receiver executes
/// them in one go.
pub(super) const MAX_SERVED_BLOCKS: u16 = 128;

/// At this many bytes a range ends at the next finalization.
const MAX_SERVED_BYTES: usize = 1 << 20;

/// About how much a block takes besides its transactions.
const EMPTY_BLOCK_BYTES: usize = 512;

/// How transactions that came with an announcement compare with the block's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// They are the same, or none came.
    Same,
    /// The block's are not at hand, or the signatures differ, which a block's id does not bind: an
    /// honest node may have them so, but nobody vouches for them here.
    Unknown,
    /// They are not the block's.
    Other,
}

impl<S: ChainSource> Core<S> {
    pub(super) fn serve(
        &mut self,
        from: PeerId,
        id: RequestId,
        request: ChainRequest,
    ) -> Result<(), Failure<S::Failure>> {
        let validator = self.views.validators().index_of_peer(&from).is_some();
        let response = match request {
            ChainRequest::Tip => ChainResponse::Tip(self.newest.clone()),
            ChainRequest::Final { from, max } => {
                ChainResponse::Final(self.range(from, max.min(MAX_SERVED_BLOCKS))?)
            }
            ChainRequest::Proposal(block) => {
                let held = self.held.get(&block).filter(|_| validator);
                ChainResponse::Proposal(held.map(|proposal| proposal.as_ref().clone()))
            }
            ChainRequest::Certificates { epoch, view } => {
                let known = validator && epoch == self.epoch();
                ChainResponse::Certificates(if known { self.ending(view) } else { Vec::new() })
            }
        };
        self.out.push(Effect::Respond { id, response });
        Ok(())
    }

    fn range(&self, from: Height, max: u16) -> Result<FinalRange, Failure<S::Failure>> {
        let mut range = FinalRange::default();
        let mut next = from.max(Height(1));
        let mut bytes = 0;
        while range.blocks.len() < usize::from(max) && bytes < MAX_SERVED_BYTES {
            let found = self
                .chain
                .source()
                .finalization_from(next)
                .map_err(Failure::Source)?;
            let Some((end, finalization)) = found else {
                break;
            };
            let mut blocks = Vec::new();
            while next <= end {
                let block = self.final_block(next)?;
                bytes += block
                    .transactions
                    .iter()
                    .map(execution::size)
                    .sum::<usize>();
                bytes += EMPTY_BLOCK_BYTES;
                blocks.push(block);
                next = next.next();
            }
            range.blocks.append(&mut blocks);
            range.finalization = Some(finalization);
        }
        Ok(range)
    }

    fn final_block(&self, height: Height) -> Result<Block, Failure<S::Failure>> {
        let found = self
            .chain
            .source()
            .final_block(height)
            .map_err(Failure::Source)?;
        Ok(found.ok_or(Failure::MissingBlock(height))?.block)
    }

    /// Whether this is about the newest final block, whose finalization is held.
    pub(super) fn holds(&self, announced: &FinalAnnouncement) -> bool {
        self.newest.is_some() && announced.header.id() == self.chain.tip().id
    }

    /// Whether a tip is the newest final block with the finalization that is kept of it.
    pub(super) fn is_newest(&self, announced: &FinalAnnouncement) -> bool {
        self.newest.as_ref().is_some_and(|newest| {
            newest.header == announced.header && newest.finalization == announced.finalization
        })
    }

    /// Compares what is said to be a block's transactions with those that were executed.
    pub(super) fn compare(
        &self,
        own: Option<&[Transaction]>,
        said: Option<&[Transaction]>,
    ) -> Comparison {
        let ids = |transactions: &[Transaction]| -> Vec<_> {
            let ids = transactions.iter().map(|it| it.id(&self.network));
            ids.collect()
        };
        match (own, said) {
            (_, None) => Comparison::Same,
            (None, Some(_)) => Comparison::Unknown,
            (Some(own), Some(said)) if own == said => Comparison::Same,
            (Some(own), Some(said)) if ids(own) == ids(said) => Comparison::Unknown,
            (Some(_), Some(_)) => Comparison::Other,
        }
    }

    /// This call's announcement is passed on when its block is final at the end of the call.
    pub(super) fn pass_on_later(&mut self, header: &Header) {
        self.heard = Some((header.height, header.id()));
    }

    /// Decides whether the announcement that this call took is passed on.
    pub(super) fn decide_pass_on(&mut self) {
        let tip = self.chain.tip().header.height;
        let heard = self.heard.take().filter(|(height, _)| *height <= tip);
        let new = heard.filter(|(_, id)| self.passed_on != Some(*id));
        self.passes_on = new.is_some();
        if let Some((_, id)) = new {
            self.passed_on = Some(id);
        }
    }

    /// Whether an announcement's finalization is one of its header.
    pub(super) fn is_certified(&self, announced: &FinalAnnouncement) -> bool {
        let FinalAnnouncement {
            header,
            finalization,
            ..
        } = announced;
        self.finalizes(finalization, header)
            && finalization
                .verify(&self.network, self.views.validators())
                .is_ok()
    }

    /// Whether a finalization is about this header; its signatures are checked elsewhere.
    pub(super) fn finalizes(
        &self,
        finalization: &crate::types::Certificate,
        header: &Header,
    ) -> bool {
        let about = match finalization.statement {
            crate::types::Statement::Finalize(subject) => Some(subject.block),
            crate::types::Statement::Notarize(_) | crate::types::Statement::Nullify => None,
        };
        header.network == self.network && about == Some(header.id())
    }
}
