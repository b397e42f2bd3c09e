//! What goes into and comes out of the submission core.

use crate::commit::{Event, PoolRefusal, RequestFailure};
use crate::documents::{ReceiptRefusal, ReceiptRequest};
use crate::types::{
    CollectionName, DocumentId, Height, Outcome, PeerId, Receipt, RequestId, Transaction,
    TransactionId,
};

/// What a user wants committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// These versions, all or none, by strictly ascending collection and document.
    Commit(Vec<ReceiptRequest>),
    /// A new collection.
    CreateCollection {
        /// Its name.
        name: CollectionName,
        /// How many receipts its commits need; the network's default if absent.
        write_quorum: Option<u16>,
    },
    /// A transaction that was signed elsewhere.
    Submit(Box<Transaction>),
}

/// What the submission core reacts to.
#[derive(Clone, Debug)]
pub enum Input {
    /// A user's wish; answered by one or more [`Effect::Report`]s with the same id.
    Wish {
        /// The driver's name for it.
        id: RequestId,
        /// What is wanted.
        wish: Wish,
    },
    /// A replica answered an [`Effect::RequestReceipts`].
    Receipts {
        /// The request's id.
        id: RequestId,
        /// The replica.
        from: PeerId,
        /// One result per requested receipt, or why there is no response.
        result: Result<Vec<Result<Receipt, ReceiptRefusal>>, RequestFailure>,
    },
    /// A validator answered an [`Effect::RequestTransaction`].
    Transaction {
        /// The request's id.
        id: RequestId,
        /// The validator.
        from: PeerId,
        /// What it said of the transaction, or why there is no response.
        result: Result<Result<(), PoolRefusal>, RequestFailure>,
    },
    /// The commit core's events; [`Event::Final`] carries outcomes.
    Chain(Event),
    /// A peer of this network is connected.
    Connected(PeerId),
    /// The last connection to a peer closed.
    Disconnected(PeerId),
}

/// What the submission core asks its driver to do, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make the record durable before anything after it.
    Persist(Record),
    /// Ask a replica (perhaps this node) for receipts.
    RequestReceipts {
        /// Whom.
        to: PeerId,
        /// Stands in the [`Input::Receipts`].
        id: RequestId,
        /// What to sign.
        requests: Vec<ReceiptRequest>,
    },
    /// Hand a transaction to a validator (perhaps this node).
    RequestTransaction {
        /// Whom.
        to: PeerId,
        /// Stands in the [`Input::Transaction`].
        id: RequestId,
        /// The transaction.
        transaction: Box<Transaction>,
    },
    /// Tell the user.
    Report {
        /// The wish's id.
        id: RequestId,
        /// How far it is.
        progress: Progress,
    },
}

/// How far a wish is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is signed and durable here, and is being handed to the validators until it is final or
    /// expired, also after a restart. Reported again, with another transaction, when its nonce was
    /// used elsewhere at the same time and it was signed anew; the one before took no effect.
    Submitted {
        /// The transaction.
        transaction: TransactionId,
        /// The last height at which it can be included.
        expires: Height,
    },
    /// It stands in a final block; the last report of a wish.
    Final {
        /// The transaction.
        transaction: TransactionId,
        /// The block's height.
        height: Height,
        /// What came of it.
        outcome: Outcome,
    },
    /// It came to nothing; the last report of a wish.
    Failed(SubmissionError),
}

/// Why a wish came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// Too few replicas signed in time; nothing was submitted.
    #[error(
        "{found} of {needed} replicas signed that they hold document {document}; \
        are they connected? last refusal: {last}"
    )]
    TooFewReceipts {
        /// The document.
        document: DocumentId,
        /// How many signed.
        found: u16,
        /// How many are needed.
        needed: u16,
        /// The last reason given by a replica.
        last: String,
    },
    /// The wish cannot be put into a transaction; nothing was submitted.
    #[error("{0}")]
    Malformed(String),
    /// Too many wishes are under way; nothing was submitted.
    #[error("too many commits are under way, try again when some are final")]
    Busy,
    /// It was not included up to its last height; it took no effect and never will.
    #[error("transaction {transaction} expired after height {expires} without being included")]
    Expired {
        /// The transaction.
        transaction: TransactionId,
        /// The last height at which it could be included.
        expires: Height,
    },
    /// The committed state cannot be read; nothing was submitted.
    #[error("the committed state cannot be read: {0}")]
    Store(String),
}

/// What the submission core keeps on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A transaction is under way; it is handed over again after a restart.
    Pending(Transaction),
    /// A transaction is final or expired.
    Done(TransactionId),
}
