//! What travels between simulated nodes.

use decube_protocols::commit::{
    ChainRequest, ChainResponse, ConsensusMessage, FinalAnnouncement, PoolRefusal, RequestFailure,
};
use decube_protocols::documents::{Announcement, ReceiptRefusal, SyncRequest, SyncResponse};
use decube_protocols::types::{CollectionId, Receipt, Transaction};
use decube_protocols::wire::{self, TransactionsRequest, TransactionsResponse};

use super::oracle::{Check, Violation};

/// A request to another node.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
#[derive(Clone, Debug)]
pub(super) enum Question {
    Chain(ChainRequest),
    Sync(SyncRequest),
    Transactions(Vec<Transaction>),
}

/// The response to a [`Question`], of the same name.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Chain(ChainResponse),
    Sync(SyncResponse),
    Transactions(Vec<Result<(), PoolRefusal>>),
}

impl Answer {
    /// The answer about the chain.
    pub(super) fn into_chain(self) -> Result<ChainResponse, RequestFailure> {
        match self {
            Self::Chain(response) => Ok(response),
            Self::Sync(_) | Self::Transactions(_) => Err(RequestFailure::Garbage),
        }
    }

    /// The answer about documents.
    pub(super) fn into_sync(self) -> Result<SyncResponse, RequestFailure> {
        match self {
            Self::Sync(response) => Ok(response),
            Self::Chain(_) | Self::Transactions(_) => Err(RequestFailure::Garbage),
        }
    }

    /// The receipts.
    pub(super) fn into_receipts(
        self,
    ) -> Result<Vec<Result<Receipt, ReceiptRefusal>>, RequestFailure> {
        match self.into_sync()? {
            SyncResponse::Receipts(receipts) => Ok(receipts),
            SyncResponse::Roots(_)
            | SyncResponse::Compare(_)
            | SyncResponse::Document { .. }
            | SyncResponse::Removed(_)
            | SyncResponse::NotFollowed
            | SyncResponse::Acknowledged => Err(RequestFailure::Garbage),
        }
    }

    /// What was said of the one transaction that was handed over.
    pub(super) fn into_transaction(self) -> Result<Result<(), PoolRefusal>, RequestFailure> {
        match self {
            Self::Transactions(results) => {
                results.into_iter().next().ok_or(RequestFailure::Garbage)
            }
            Self::Chain(_) | Self::Sync(_) => Err(RequestFailure::Garbage),
        }
    }
}

/// What is published.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
#[derive(Clone, Debug)]
pub(super) enum Gossip {
    Final(Box<FinalAnnouncement>),
    Documents(CollectionId, Announcement),
}

/// Passes a message through its bytes, which must give it back.
fn through<T>(message: &T) -> Result<T, Violation>
where
    T: wire::Message + PartialEq + std::fmt::Debug,
{
    let bytes = wire::encode(message);
    match wire::decode::<T>(&bytes) {
        Ok(decoded) if decoded == *message => Ok(decoded),
        Ok(decoded) => {
            let what = format!("{message:?} was decoded as {decoded:?}");
            Err(Violation::new(Check::Failure, what))
        }
        Err(error) => {
            let what = format!("{message:?} cannot be decoded: {error}");
            Err(Violation::new(Check::Failure, what))
        }
    }
}

/// A message that has a wire format.
pub(super) trait Encoded: Sized {
    /// The message as its receiver decodes it.
    ///
    /// # Errors
    /// When that is another message or none.
    fn recode(self) -> Result<Self, Violation>;
}

impl Encoded for ConsensusMessage {
    fn recode(self) -> Result<Self, Violation> {
        through(&self)
    }
}

impl Encoded for Question {
    fn recode(self) -> Result<Self, Violation> {
        Ok(match self {
            Self::Chain(request) => Self::Chain(through(&request)?),
            Self::Sync(request) => Self::Sync(through(&request)?),
            Self::Transactions(list) => Self::Transactions(through(&TransactionsRequest(list))?.0),
        })
    }
}

impl Encoded for Answer {
    fn recode(self) -> Result<Self, Violation> {
        Ok(match self {
            Self::Chain(response) => Self::Chain(through(&response)?),
            Self::Sync(response) => Self::Sync(through(&response)?),
            Self::Transactions(list) => Self::Transactions(through(&TransactionsResponse(list))?.0),
        })
    }
}

impl Encoded for Gossip {
    fn recode(self) -> Result<Self, Violation> {
        Ok(match self {
            Self::Final(announcement) => Self::Final(Box::new(through(&*announcement)?)),
            Self::Documents(collection, announcement) => {
                Self::Documents(collection, through(&announcement)?)
            }
        })
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(request) => write!(f, "{request:?}"),
            Self::Transactions(list) => write!(f, "{} transactions", list.len()),
            Self::Sync(SyncRequest::Roots(roots)) => {
                let roots = roots.iter().map(|summary| summary.root.short());
                write!(f, "roots {}", roots.collect::<Vec<_>>().join(" "))
            }
            Self::Sync(SyncRequest::Compare { prefixes, .. }) => {
                write!(f, "compare {} subtrees", prefixes.len())
            }
            Self::Sync(SyncRequest::Document {
                document,
                descriptor,
                message,
                first,
                ..
            }) => {
                let (described, bytes) = (descriptor.is_some(), message.len());
                write!(
                    f,
                    "sync {document:?} described {described}, {bytes} bytes, first {first}"
                )
            }
            Self::Sync(SyncRequest::Removed(tombstone)) => {
                write!(f, "removed {:?}", tombstone.document)
            }
            Self::Sync(SyncRequest::Receipts(requests)) => {
                write!(f, "{} receipts", requests.len())
            }
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(ChainResponse::Tip(tip)) => {
                write!(f, "tip {:?}", tip.as_ref().map(|tip| tip.header.height))
            }
            Self::Chain(ChainResponse::Final(range)) => {
                write!(f, "{} final blocks", range.blocks.len())
            }
            Self::Chain(ChainResponse::Proposal(proposal)) => {
                write!(
                    f,
                    "proposal {:?}",
                    proposal.as_ref().map(|proposal| proposal.view)
                )
            }
            Self::Chain(ChainResponse::Certificates(list)) => {
                let list = list
                    .iter()
                    .map(|certificate| (certificate.view, certificate.statement));
                write!(f, "certificates {:?}", list.collect::<Vec<_>>())
            }
            Self::Transactions(results) => write!(f, "transactions {results:?}"),
            Self::Sync(SyncResponse::Roots(roots)) => {
                let roots = roots.iter().map(|summary| summary.root.short());
                write!(f, "roots {}", roots.collect::<Vec<_>>().join(" "))
            }
            Self::Sync(SyncResponse::Compare(comparisons)) => {
                write!(f, "{} comparisons", comparisons.len())
            }
            Self::Sync(SyncResponse::Document {
                descriptor,
                message,
            }) => {
                let (described, bytes) = (descriptor.is_some(), message.len());
                write!(f, "sync described {described}, {bytes} bytes")
            }
            Self::Sync(SyncResponse::Removed(tombstone)) => {
                write!(f, "removed {:?}", tombstone.document)
            }
            Self::Sync(SyncResponse::NotFollowed) => write!(f, "not followed"),
            Self::Sync(SyncResponse::Acknowledged) => write!(f, "acknowledged"),
            Self::Sync(SyncResponse::Receipts(results)) => {
                let signed = results.iter().filter(|result| result.is_ok()).count();
                write!(f, "{signed} of {} receipts", results.len())
            }
        }
    }
}

impl std::fmt::Display for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Final(announcement) => write!(f, "final {}", announcement.header.height),
            Self::Documents(
                _,
                Announcement::Changed {
                    descriptor,
                    heads,
                    changes,
                },
            ) => {
                let (id, changes) = (descriptor.id(), changes.len());
                write!(f, "changed {id:?} heads {heads:?} with {changes} changes")
            }
            Self::Documents(_, Announcement::Removed(tombstone)) => {
                write!(f, "removed {:?}", tombstone.document)
            }
        }
    }
}
