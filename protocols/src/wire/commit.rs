//! The messages of the commit protocol, of those who follow it, and of transaction pools.

use super::codec::{Codec, digest, inner, list, nested, optional};
use super::generated::commit::{
    self as pb, mod_ChainRequest::OneOfrequest, mod_ChainResponse::OneOfresponse,
    mod_ConsensusMessage::OneOfmessage,
};
use super::{DecodeError, Message, limits};
use crate::commit::{
    ChainRequest, ChainResponse, ConsensusMessage, FinalAnnouncement, FinalBlock, FinalRange,
    PoolRefusal,
};
use crate::types::{BlockId, Epoch, Height, Transaction, View};

impl Message for ConsensusMessage {
    const MAX_SIZE: usize = limits::MAX_CONSENSUS_MESSAGE;
}

impl Codec for ConsensusMessage {
    const NAME: &'static str = "ConsensusMessage";
    type Wire<'a> = pb::ConsensusMessage<'a>;

    fn to_wire(&self) -> pb::ConsensusMessage<'_> {
        let message = match self {
            Self::Proposal(proposal) => OneOfmessage::proposal(nested(proposal)),
            Self::Vote { vote, repeated } => OneOfmessage::vote(inner(&pb::SentVote {
                vote: nested(vote),
                repeated_vote: *repeated,
            })),
            Self::Certificate(certificate) => OneOfmessage::certificate(nested(certificate)),
            Self::Transactions(transactions) => {
                OneOfmessage::transactions(inner(&pb::TransactionList {
                    transactions: list(transactions),
                }))
            }
        };
        pb::ConsensusMessage { message }
    }

    fn from_wire(wire: pb::ConsensusMessage<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.message {
            OneOfmessage::proposal(bytes) => Self::Proposal(at("proposal").message(&bytes)?),
            OneOfmessage::vote(bytes) => {
                let wire: pb::SentVote<'_> = at("vote").generated(&bytes)?;
                Self::Vote {
                    vote: at("vote").message(&wire.vote)?,
                    repeated: wire.repeated_vote,
                }
            }
            OneOfmessage::certificate(bytes) => {
                Self::Certificate(at("certificate").message(&bytes)?)
            }
            OneOfmessage::transactions(bytes) => {
                let at = at("transactions");
                let wire: pb::TransactionList<'_> = at.generated(&bytes)?;
                Self::Transactions(at.list(&wire.transactions, limits::MAX_POOL_TRANSACTIONS)?)
            }
            OneOfmessage::None => return Err(at("message").missing()),
        })
    }
}

impl Message for ChainRequest {
    const MAX_SIZE: usize = 64;
}

impl Codec for ChainRequest {
    const NAME: &'static str = "ChainRequest";
    type Wire<'a> = pb::ChainRequest<'a>;

    fn to_wire(&self) -> pb::ChainRequest<'_> {
        let request = match self {
            Self::Tip => OneOfrequest::tip(true),
            Self::Final { from, max } => OneOfrequest::final_range(inner(&pb::FinalRequest {
                from: from.0,
                max: u32::from(*max),
            })),
            Self::Proposal(block) => OneOfrequest::proposal(digest(&block.0)),
            Self::Certificates { epoch, view } => {
                OneOfrequest::certificates(inner(&pb::ViewRequest {
                    epoch: epoch.0,
                    view: view.0,
                }))
            }
        };
        pb::ChainRequest { request }
    }

    fn from_wire(wire: pb::ChainRequest<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.request {
            OneOfrequest::tip(_) => Self::Tip,
            OneOfrequest::final_range(bytes) => {
                let at = at("final_range");
                let wire: pb::FinalRequest = at.generated(&bytes)?;
                Self::Final {
                    from: Height(wire.from),
                    max: at.u16(wire.max)?,
                }
            }
            OneOfrequest::proposal(bytes) => {
                Self::Proposal(BlockId(at("proposal").digest(&bytes)?))
            }
            OneOfrequest::certificates(bytes) => {
                let wire: pb::ViewRequest = at("certificates").generated(&bytes)?;
                Self::Certificates {
                    epoch: Epoch(wire.epoch),
                    view: View(wire.view),
                }
            }
            OneOfrequest::None => return Err(at("request").missing()),
        })
    }
}

impl Message for ChainResponse {
    const MAX_SIZE: usize = limits::MAX_CHAIN_MESSAGE;
}

impl Codec for ChainResponse {
    const NAME: &'static str = "ChainResponse";
    type Wire<'a> = pb::ChainResponse<'a>;

    fn to_wire(&self) -> pb::ChainResponse<'_> {
        let response = match self {
            Self::Tip(tip) => OneOfresponse::tip(inner(&pb::OptionalAnnouncement {
                announcement: optional(tip.as_ref()),
            })),
            Self::Final(range) => OneOfresponse::final_range(nested(range)),
            Self::Proposal(proposal) => OneOfresponse::proposal(inner(&pb::OptionalProposal {
                proposal: optional(proposal.as_ref()),
            })),
            Self::Certificates(certificates) => {
                OneOfresponse::certificates(inner(&pb::CertificateList {
                    certificates: list(certificates),
                }))
            }
        };
        pb::ChainResponse { response }
    }

    fn from_wire(wire: pb::ChainResponse<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.response {
            OneOfresponse::tip(bytes) => {
                let wire: pb::OptionalAnnouncement<'_> = at("tip").generated(&bytes)?;
                Self::Tip(at("tip").optional(&wire.announcement)?)
            }
            OneOfresponse::final_range(bytes) => Self::Final(at("final_range").message(&bytes)?),
            OneOfresponse::proposal(bytes) => {
                let wire: pb::OptionalProposal<'_> = at("proposal").generated(&bytes)?;
                Self::Proposal(at("proposal").optional(&wire.proposal)?)
            }
            OneOfresponse::certificates(bytes) => {
                let at = at("certificates");
                let wire: pb::CertificateList<'_> = at.generated(&bytes)?;
                Self::Certificates(at.list(&wire.certificates, limits::MAX_VIEW_CERTIFICATES)?)
            }
            OneOfresponse::None => return Err(at("response").missing()),
        })
    }
}

impl Message for FinalAnnouncement {
    const MAX_SIZE: usize = limits::MAX_FINAL_ANNOUNCEMENT;
}

impl Codec for FinalAnnouncement {
    const NAME: &'static str = "FinalAnnouncement";
    type Wire<'a> = pb::FinalAnnouncement<'a>;

    fn to_wire(&self) -> pb::FinalAnnouncement<'_> {
        pb::FinalAnnouncement {
            header: nested(&self.header),
            finalization: nested(&self.finalization),
            has_transactions: self.transactions.is_some(),
            transactions: list(self.transactions.as_deref().unwrap_or_default()),
        }
    }

    fn from_wire(wire: pb::FinalAnnouncement<'_>) -> Result<Self, DecodeError> {
        // Transactions without `has_transactions` are read here and fail the canonical comparison.
        let transactions =
            Self::field("transactions").list(&wire.transactions, limits::MAX_BLOCK_TRANSACTIONS)?;
        Ok(Self {
            header: Self::field("header").message(&wire.header)?,
            finalization: Self::field("finalization").message(&wire.finalization)?,
            transactions: wire.has_transactions.then_some(transactions),
        })
    }
}

impl FinalAnnouncement {
    /// What of it is published: all, or without the transactions, when the whole is larger than
    /// receivers take; nothing, when that is too large too. Receivers blame who sends them more.
    #[must_use]
    pub fn fitting(mut self) -> Option<Self> {
        let fits = |it: &Self| super::encoded_size(it) <= Self::MAX_SIZE;
        if !fits(&self) {
            self.transactions = None;
        }
        fits(&self).then_some(self)
    }
}

impl Message for FinalRange {
    const MAX_SIZE: usize = limits::MAX_CHAIN_MESSAGE;
}

impl Codec for FinalRange {
    const NAME: &'static str = "FinalRange";
    type Wire<'a> = pb::FinalRange<'a>;

    fn to_wire(&self) -> pb::FinalRange<'_> {
        pb::FinalRange {
            blocks: list(&self.blocks),
            finalization: optional(self.finalization.as_ref()),
        }
    }

    fn from_wire(wire: pb::FinalRange<'_>) -> Result<Self, DecodeError> {
        let at = Self::field("finalization");
        let range = Self {
            blocks: Self::field("blocks").list(&wire.blocks, limits::MAX_RANGE_BLOCKS)?,
            finalization: at.optional(&wire.finalization)?,
        };
        if range.blocks.is_empty() != range.finalization.is_none() {
            return Err(at.missing());
        }
        Ok(range)
    }
}

impl Message for FinalBlock {
    const MAX_SIZE: usize = limits::MAX_BLOCK + limits::MAX_BLOCK_TRANSACTIONS * 128;
}

impl Codec for FinalBlock {
    const NAME: &'static str = "FinalBlock";
    type Wire<'a> = pb::FinalBlock<'a>;

    fn to_wire(&self) -> pb::FinalBlock<'_> {
        pb::FinalBlock {
            block: nested(&self.block),
            outcomes: list(&self.outcomes),
        }
    }

    fn from_wire(wire: pb::FinalBlock<'_>) -> Result<Self, DecodeError> {
        let at = Self::field("outcomes");
        let block = Self {
            block: Self::field("block").message(&wire.block)?,
            outcomes: at.list(&wire.outcomes, limits::MAX_BLOCK_TRANSACTIONS)?,
        };
        at.as_many(block.outcomes.len(), block.block.transactions.len())?;
        Ok(block)
    }
}

/// Transactions that are handed to a validator's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionsRequest(pub Vec<Transaction>);

impl Message for TransactionsRequest {
    const MAX_SIZE: usize = limits::MAX_TRANSACTIONS_MESSAGE;
}

impl Codec for TransactionsRequest {
    const NAME: &'static str = "TransactionsRequest";
    type Wire<'a> = pb::TransactionsRequest<'a>;

    fn to_wire(&self) -> pb::TransactionsRequest<'_> {
        pb::TransactionsRequest {
            transactions: list(&self.0),
        }
    }

    fn from_wire(wire: pb::TransactionsRequest<'_>) -> Result<Self, DecodeError> {
        Self::field("transactions")
            .list(&wire.transactions, limits::MAX_POOL_TRANSACTIONS)
            .map(Self)
    }
}

/// The answer to a [`TransactionsRequest`]: one result per transaction, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionsResponse(pub Vec<Result<(), PoolRefusal>>);

impl Message for TransactionsResponse {
    const MAX_SIZE: usize = limits::MAX_POOL_TRANSACTIONS + 16;
}

impl Codec for TransactionsResponse {
    const NAME: &'static str = "TransactionsResponse";
    type Wire<'a> = pb::TransactionsResponse;

    fn to_wire(&self) -> pb::TransactionsResponse {
        let results = self.0.iter().map(|result| match result {
            Ok(()) => 0,
            Err(PoolRefusal::Malformed) => 1,
            Err(PoolRefusal::Stale) => 2,
            Err(PoolRefusal::Full) => 3,
            Err(PoolRefusal::NotAValidator) => 4,
        });
        pb::TransactionsResponse {
            results: results.collect(),
        }
    }

    fn from_wire(wire: pb::TransactionsResponse) -> Result<Self, DecodeError> {
        let at = Self::field("results");
        at.at_most(wire.results.len(), limits::MAX_POOL_TRANSACTIONS)?;
        let results = wire.results.into_iter().map(|code| match code {
            0 => Ok(Ok(())),
            1 => Ok(Err(PoolRefusal::Malformed)),
            2 => Ok(Err(PoolRefusal::Stale)),
            3 => Ok(Err(PoolRefusal::Full)),
            4 => Ok(Err(PoolRefusal::NotAValidator)),
            _ => Err(at.missing()),
        });
        results.collect::<Result<_, _>>().map(Self)
    }
}
