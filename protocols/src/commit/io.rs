//! What goes into and comes out of the commit core.

use std::collections::BTreeMap;

use decube_crypto::Digest;

use crate::history::HistorySource;
use crate::tree::{Node, NodeSource};
use crate::types::{
    Block, Certificate, CollectionState, CommitEntry, Epoch, Header, Height, Outcome, PeerId,
    Proposal, RequestId, Transaction, TransactionId, View, Vote,
};

/// A message on the long-lived stream between two validators.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a proposal holds a block; each lives for one hop, in a vector of few"
)]
pub enum ConsensusMessage {
    /// The leader's block for a view.
    Proposal(Proposal),
    /// A vote; `repeated` when its sender is stuck and sends stored bytes again (rule 8).
    Vote {
        /// The vote.
        vote: Vote,
        /// Whether it was sent before.
        repeated: bool,
    },
    /// A certificate: the one that ended a view, for a validator that lags.
    Certificate(Certificate),
    /// Transactions for the receiver's pool.
    Transactions(Vec<Transaction>),
}

/// A question about the chain, which any peer may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainRequest {
    /// The newest final block's announcement.
    Tip,
    /// Final blocks from a height on, in order.
    Final {
        /// The first height wanted.
        from: Height,
        /// The most blocks wanted.
        max: u16,
    },
    /// The proposal of a block that need not be final; from validators only.
    Proposal(crate::types::BlockId),
    /// The certificates of a view: what justifies moving on from it; from validators only.
    Certificates {
        /// The epoch.
        epoch: Epoch,
        /// The view.
        view: View,
    },
}

/// The answer to a [`ChainRequest`], of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainResponse {
    /// The newest final block's announcement; absent at the genesis.
    Tip(Option<FinalAnnouncement>),
    /// A range of final blocks; empty when the responder has none from that height on.
    Final(FinalRange),
    /// The proposal, when the responder holds it.
    Proposal(Option<Proposal>),
    /// The certificates of the view that the responder holds, or a finalization above it.
    Certificates(Vec<Certificate>),
}

/// Consecutive final blocks, with the finalization of the last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalRange {
    /// The blocks in height order.
    pub blocks: Vec<Block>,
    /// The finalization of the last block; absent only when there are no blocks.
    pub finalization: Option<Certificate>,
}

/// What is published of each final block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalAnnouncement {
    /// The block's header.
    pub header: Header,
    /// The finalization of that block.
    pub finalization: Certificate,
    /// The block's transactions, inline when the whole stays small.
    pub transactions: Option<Vec<Transaction>>,
}

/// Why a transaction was not taken into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolRefusal {
    /// It is not well formed, or a signature in it does not hold.
    #[error("the transaction is malformed or a signature in it does not hold")]
    Malformed,
    /// Its author's nonce was used already, it expired, or it expires too far ahead.
    #[error("the transaction's nonce is used, it has expired, or it expires too far ahead")]
    Stale,
    /// The pool, or the author's share of it, is full.
    #[error("the transaction pool is full")]
    Full,
    /// This node does not vote, so it keeps no pool.
    #[error("this node is no validator")]
    NotAValidator,
}

/// Why no response came to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// The peer is not connected.
    #[error("the peer is not connected")]
    NotConnected,
    /// No response in time.
    #[error("the peer did not respond in time")]
    TimedOut,
    /// The peer does not speak the protocol, or sent what cannot be decoded.
    #[error("the peer's response cannot be understood")]
    Garbage,
    /// The connection broke, or the peer dropped the request.
    #[error("the connection broke before a response came")]
    Broken,
}

/// What the commit core reacts to.
#[derive(Clone, Debug)]
pub enum Input {
    /// A validator's message.
    Message {
        /// The authenticated sender.
        from: PeerId,
        /// The message.
        message: ConsensusMessage,
    },
    /// A peer asks; answered by [`Effect::Respond`] with the same id, or never.
    Request {
        /// The authenticated sender.
        from: PeerId,
        /// The driver's name for the request.
        id: RequestId,
        /// The question.
        request: ChainRequest,
    },
    /// The answer to an [`Effect::Request`].
    Response {
        /// The request's id.
        id: RequestId,
        /// Who was asked.
        from: PeerId,
        /// The response, or why there is none.
        result: Result<ChainResponse, RequestFailure>,
    },
    /// An announcement of a final block from gossip; [`Core::passes_on`] says whether it goes on.
    ///
    /// [`Core::passes_on`]: super::Core::passes_on
    Announced {
        /// Who forwarded it.
        from: PeerId,
        /// The announcement; boxed, since it is much larger than the others.
        announcement: Box<FinalAnnouncement>,
    },
    /// A peer (or this node itself) hands over transactions; answered by
    /// [`Effect::RespondTransactions`] with the same id.
    Transactions {
        /// The authenticated sender; this node's own id for its own.
        from: PeerId,
        /// The driver's name for the request.
        id: RequestId,
        /// The transactions.
        transactions: Vec<Transaction>,
    },
    /// A peer of this network is connected.
    Connected(PeerId),
    /// The last connection to a peer closed.
    Disconnected(PeerId),
}

/// What the commit core asks its driver to do, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make the record durable before anything after it.
    Persist(Record),
    /// Send to one validator.
    Send {
        /// The receiver.
        to: PeerId,
        /// The message.
        message: ConsensusMessage,
    },
    /// Send to all other validators.
    Broadcast(ConsensusMessage),
    /// Ask a peer.
    Request {
        /// Whom.
        to: PeerId,
        /// Stands in the [`Input::Response`].
        id: RequestId,
        /// The question.
        request: ChainRequest,
    },
    /// Answer an [`Input::Request`].
    Respond {
        /// The request's id.
        id: RequestId,
        /// The answer.
        response: ChainResponse,
    },
    /// Answer an [`Input::Transactions`], one result per transaction in order.
    RespondTransactions {
        /// The request's id.
        id: RequestId,
        /// What came of each.
        results: Vec<Result<(), PoolRefusal>>,
    },
    /// Publish to everyone on the topic of final headers.
    Publish(Box<FinalAnnouncement>),
    /// Tell the rest of the node.
    Notify(Event),
    /// A peer misbehaved: note it, and disconnect it when it goes on.
    Penalize {
        /// Who.
        peer: PeerId,
        /// What it did.
        offence: Offence,
    },
}

/// What a peer did that an honest one never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offence {
    /// A vote, proposal or certificate whose signature does not hold.
    BadSignature,
    /// Blocks or certificates that do not fit each other or the request.
    BadChain,
    /// Two votes or proposals that contradict each other.
    Equivocation,
    /// A consensus message from a peer that is no validator, or of an impossible view.
    Unexpected,
}

/// What the commit core tells the rest of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A block is final and durable here. Heights come without gaps, each once.
    Final {
        /// The block's header.
        header: Box<Header>,
        /// Each transaction's id, the author's nonce, and what came of it, in order.
        outcomes: Vec<(TransactionId, Outcome)>,
        /// The versions that the block committed.
        committed: Vec<CommitEntry>,
        /// The collections that the block created.
        collections: Vec<CollectionState>,
    },
    /// The chain here is as new as that of the peers asked: "ready" for the commit protocol.
    CaughtUp {
        /// The newest final height.
        height: Height,
    },
    /// A peer claims finals that are newer than those here; they are being fetched.
    Behind {
        /// The newest final height here.
        height: Height,
        /// The height that a verified finalization showed.
        target: Height,
    },
    /// A validator entered a view, for logs and status.
    Entered {
        /// The view.
        view: View,
    },
    /// Proof that a validator signed two contradicting statements.
    Evidence {
        /// One vote.
        first: Box<Vote>,
        /// The other.
        second: Box<Vote>,
    },
}

/// What the commit core keeps on disk.
///
/// [`Record::Final`] belongs to the state; all others to the vote log. A write that holds both
/// makes the state durable before the vote log, so that [`Record::Prune`] never removes what a
/// lost final block rested on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a proposal holds a block; each lives for one hop, in a vector of few"
)]
pub enum Record {
    /// A vote or, as the leader's, the fact of a proposal that this node signs.
    Vote(Vote),
    /// A block that is proposed and not final yet, with all that its leader signed. One signed by
    /// this node records its one proposal of that view.
    Proposal(Proposal),
    /// A certificate that a vote or the entry into a view rests on.
    Certificate(Certificate),
    /// The floor rises: forget everything of this epoch at or below the view, and never sign there
    /// again.
    Prune {
        /// The epoch.
        epoch: Epoch,
        /// The new floor.
        view: View,
    },
    /// A block is final.
    Final(Box<FinalRecord>),
}

/// A final block with all that changes with it, written in one write transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalRecord {
    /// The block and what came of its transactions.
    pub block: FinalBlock,
    /// The finalization of this very block, when there is one.
    pub finalization: Option<Certificate>,
    /// Nodes of the state tree that are new.
    pub state_nodes: BTreeMap<Digest, Node>,
    /// Nodes of the history that are new, by position.
    pub history: Vec<(u64, Digest)>,
    /// Collections that the block created.
    pub collections: Vec<CollectionState>,
}

/// A final block and what came of its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// One outcome per transaction.
    pub outcomes: Vec<Outcome>,
}

/// What the vote log holds when a node starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The floor, if one was ever set: nothing is signed at or below it.
    pub floor: View,
    /// This node's own votes, by view.
    pub votes: Vec<Vote>,
    /// Proposals held, by view.
    pub proposals: Vec<Proposal>,
    /// Certificates held, by view.
    pub certificates: Vec<Certificate>,
}

/// Read access to final blocks. `Error` is the store's; a core that meets one stops signing.
pub trait ChainSource:
    NodeSource<Error = <Self as ChainSource>::Failure>
    + HistorySource<Error = <Self as ChainSource>::Failure>
{
    /// Why a read failed.
    type Failure: std::error::Error + Clone + Send + Sync + 'static;

    /// The newest final height; the genesis block's 0 when nothing was persisted yet.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn final_height(&self) -> Result<Height, Self::Failure>;

    /// The final block at `height`, when it is persisted. The genesis block, at height 0, is
    /// computed and not stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn final_block(&self, height: Height) -> Result<Option<FinalBlock>, Self::Failure>;

    /// The lowest height at or above `height` that has a finalization of its own, with it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn finalization_from(
        &self,
        height: Height,
    ) -> Result<Option<(Height, Certificate)>, Self::Failure>;

    /// Every collection that was created, for a node that starts.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn collections(&self) -> Result<Vec<CollectionState>, Self::Failure>;
}
