//! Final blocks, what they hold, and collections.

use decube_crypto::{Digest, PublicKey};
use decube_protocols::types::{
    AuthorId, BlockId, CollectionId, CollectionName, CommitEntry, DocumentId, Epoch, Height,
    Outcome, Timestamp, TransactionId, View,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Final blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockList {
    /// The newest final height.
    #[schema(value_type = u64)]
    pub final_height: Height,
    /// The blocks, newest first.
    pub blocks: Vec<BlockSummary>,
}

/// A final block in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockSummary {
    /// Its height.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its id: the digest of its header.
    #[schema(value_type = String)]
    pub id: BlockId,
    /// The view in which it was proposed.
    #[schema(value_type = u64)]
    pub view: View,
    /// When its leader made it.
    #[schema(value_type = u64)]
    pub time: Timestamp,
    /// How many transactions it holds.
    pub transactions: usize,
    /// How many of them took effect.
    pub applied: usize,
}

/// A final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Block {
    /// Its height.
    #[schema(value_type = u64)]
    pub height: Height,
    /// Its id: the digest of its header.
    #[schema(value_type = String)]
    pub id: BlockId,
    /// The parent's id.
    #[schema(value_type = String)]
    pub parent: BlockId,
    /// Its epoch.
    #[schema(value_type = u64)]
    pub epoch: Epoch,
    /// The view in which it was proposed.
    #[schema(value_type = u64)]
    pub view: View,
    /// When its leader made it.
    #[schema(value_type = u64)]
    pub time: Timestamp,
    /// Root over transactions and outcomes.
    #[schema(value_type = String)]
    pub transactions_root: Digest,
    /// Root of the committed state after the block.
    #[schema(value_type = String)]
    pub state_root: Digest,
    /// Root over the ids of all earlier blocks.
    #[schema(value_type = String)]
    pub history_root: Digest,
    /// Digest of the validators.
    #[schema(value_type = String)]
    pub validators: Digest,
    /// The transactions in the order of execution.
    pub transactions: Vec<TransactionInfo>,
    /// The certificate that makes it final: its own, or that of the next block that has one.
    pub finalization: Option<Finalization>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finalization {
    /// The height of the block it certifies, and with it all blocks below.
    #[schema(value_type = u64)]
    pub height: Height,
    /// The names of the validators that signed.
    pub signers: Vec<String>,
}

/// A transaction in a final block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransactionInfo {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TransactionId,
    /// Who signed it.
    #[schema(value_type = String)]
    pub author: AuthorId,
    /// Its number among the author's.
    pub nonce: u64,
    /// The last height at which it could be included.
    #[schema(value_type = u64)]
    pub expires: Height,
    /// What it does.
    pub action: ActionInfo,
    /// What came of it.
    #[schema(value_type = Object)]
    pub outcome: Outcome,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ActionInfo {
    /// It makes versions final.
    Commit {
        /// The versions.
        #[schema(value_type = Vec<Object>)]
        entries: Vec<CommitEntry>,
        /// Who holds them.
        receipts: Vec<ReceiptInfo>,
    },
    /// It creates a collection.
    CreateCollection {
        /// Its name.
        #[schema(value_type = String)]
        name: CollectionName,
        /// How many receipts its commits need, when it is not the default.
        write_quorum: Option<u16>,
    },
}

/// A replica's statement that it holds a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptInfo {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// The replica's peer key.
    #[schema(value_type = String)]
    pub replica: PublicKey,
}

/// All collections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectionList {
    /// The collections.
    pub collections: Vec<Collection>,
}

/// A collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Collection {
    /// Its id: the digest of network and name.
    #[schema(value_type = String)]
    pub id: CollectionId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: CollectionName,
    /// Who created it.
    #[schema(value_type = String)]
    pub creator: AuthorId,
    /// The height of the block that created it.
    #[schema(value_type = u64)]
    pub height: Height,
    /// How many replicas must have signed a receipt for each commit.
    pub write_quorum: u16,
    /// The root of its tree here: equal roots are equal collections.
    #[schema(value_type = String)]
    pub root: Digest,
}
