//! Commits and the creation of collections: what is asked of the validators.

use decube_protocols::types::{ChangeHash, CollectionName, Height, Outcome, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::HashPrefix;

/// How long to wait before the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Not at all; nothing is promised yet.
    None,
    /// Until the transaction is signed and durable at this node, which from then on hands it to
    /// the validators until it is final or expired.
    #[default]
    Submitted,
    /// Until it stands in a final block.
    Final,
}

/// Versions to commit together, all or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitRequest {
    /// The documents, each once.
    pub documents: Vec<CommitTarget>,
    /// How long to wait.
    #[serde(default)]
    pub wait: Wait,
    /// How long to wait at most, in milliseconds; 60000 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// One version to commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitTarget {
    /// The document: an id, a unique prefix of one, or `collection/name`.
    pub document: String,
    /// The heads of the version; the current ones without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub heads: Option<Vec<ChangeHash>>,
    /// Compare-and-set: commit only if this is the last committed version, which is given by its
    /// digits, the first 8 or more of them, or those of its only head. Without it, the one that is
    /// the last at this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub previous: Option<HashPrefix>,
    /// Compare-and-set: commit only if no version was committed before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}

/// A collection to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCollection {
    /// Its name, taken once per network.
    #[schema(value_type = String)]
    pub name: CollectionName,
    /// How many replicas must have signed a receipt for each commit; the network's default
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_quorum: Option<u16>,
    /// How long to wait.
    #[serde(default)]
    pub wait: Wait,
    /// How long to wait at most, in milliseconds; 60000 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How far a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Submission {
    /// How far it is.
    pub state: SubmissionState,
    /// The transaction; absent when nothing was waited for.
    #[schema(value_type = Option<String>)]
    pub transaction: Option<TransactionId>,
    /// The last height at which it can be included.
    #[schema(value_type = Option<u64>)]
    pub expires: Option<Height>,
    /// The height of the final block that holds it.
    #[schema(value_type = Option<u64>)]
    pub height: Option<Height>,
    /// What came of it; one that was rejected is a problem with the code `rejected` instead.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<Outcome>,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionState {
    /// The node took it on.
    Accepted,
    /// It is durable at this node.
    Submitted,
    /// It is final.
    Final,
}
