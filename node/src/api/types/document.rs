//! Documents: what is known of them, their content, edits and history.

use decube_protocols::types::{
    AuthorId, ChangeHash, CollectionId, CollectionName, DocumentId, DocumentName, Height,
    TransactionId, Version,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is known of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its id.
    #[schema(value_type = String)]
    pub id: DocumentId,
    /// Its collection.
    #[schema(value_type = String)]
    pub collection: CollectionId,
    /// The collection's name, when this node has the block that created it.
    #[schema(value_type = Option<String>)]
    pub collection_name: Option<CollectionName>,
    /// Its alias: two documents may have the same.
    #[schema(value_type = Option<String>)]
    pub name: Option<DocumentName>,
    /// Who created it.
    #[schema(value_type = Option<String>)]
    pub author: Option<AuthorId>,
    /// The heads here, sorted; empty when the document is removed or forgotten.
    #[schema(value_type = Vec<String>)]
    pub heads: Vec<ChangeHash>,
    /// The version that the heads name.
    #[schema(value_type = Option<String>)]
    pub version: Option<Version>,
    /// Whether it is removed for everyone.
    pub removed: bool,
    /// Whether this node forgot its copy.
    pub forgotten: bool,
    /// Bytes of its changes.
    pub bytes: u64,
    /// The last committed version; absent when none is final at this node.
    pub committed: Option<FinalVersion>,
    /// Whether the heads here are those of the last committed version.
    pub is_final: bool,
}

/// A committed version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinalVersion {
    /// The version.
    #[schema(value_type = String)]
    pub version: Version,
    /// Its heads, sorted.
    #[schema(value_type = Vec<String>)]
    pub heads: Vec<ChangeHash>,
    /// The height of the block that committed it.
    #[schema(value_type = u64)]
    pub height: Height,
    /// The transaction that committed it.
    #[schema(value_type = String)]
    pub transaction: TransactionId,
    /// The height at which the version before it was committed.
    #[schema(value_type = Option<u64>)]
    pub previous: Option<Height>,
}

/// A page of documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentList {
    /// The documents, in order of collection and id.
    pub documents: Vec<Document>,
    /// Ask for the next page with this as `after`; absent on the last page.
    pub next: Option<String>,
}

/// A document to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDocument {
    /// The collection, by name or id.
    pub collection: String,
    /// The alias.
    #[schema(value_type = String)]
    pub name: DocumentName,
    /// The content, a JSON object; an empty document without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
}

/// An ordered patch that is applied as one change, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditDocument {
    /// The edits: objects with `op` (`set`, `remove`, `splice`, `insert`, `increment`,
    /// `replace_text`), `pointer` (RFC 6901) and the operation's own members.
    #[schema(value_type = Vec<Object>)]
    pub edits: Value,
    /// The heads to edit at; the current ones without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub at: Option<Vec<ChangeHash>>,
    /// A message for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An edit that is durable at this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Edited {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// Its heads now.
    #[schema(value_type = Vec<String>)]
    pub heads: Vec<ChangeHash>,
    /// The new change; absent when the patch had no effect.
    #[schema(value_type = Option<String>)]
    pub change: Option<ChangeHash>,
}

/// Content that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Content {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// The heads that the content belongs to.
    #[schema(value_type = Vec<String>)]
    pub heads: Vec<ChangeHash>,
    /// The version that these heads name.
    #[schema(value_type = String)]
    pub version: Version,
    /// The value at the pointer.
    #[schema(value_type = Object)]
    pub value: Value,
    /// Places with several concurrent values, if asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub conflicts: Vec<Value>,
    /// The committed version with exactly these heads, when the last one has them or a committed
    /// one was asked for.
    pub committed: Option<FinalVersion>,
}

/// The version that a request named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedVersion {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// The version.
    #[schema(value_type = String)]
    pub version: Version,
    /// Its heads.
    #[schema(value_type = Vec<String>)]
    pub heads: Vec<ChangeHash>,
}

/// The changes of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// The changes, oldest first.
    pub changes: Vec<HistoryItem>,
    /// The committed versions, newest first, at most 1000.
    pub committed: Vec<FinalVersion>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryItem {
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: ChangeHash,
    /// Who made it; absent for an imported change of an actor that is no author here.
    #[schema(value_type = Option<String>)]
    pub author: Option<AuthorId>,
    /// The actor, in hexadecimal digits.
    pub actor: String,
    /// Its number among the actor's changes, from 1.
    pub seq: u64,
    /// When, in seconds since 1970, as the author's clock said.
    pub time: i64,
    /// What the author said about it.
    pub message: Option<String>,
    /// How many operations it has.
    pub operations: u64,
    /// The changes that it directly rests on.
    #[schema(value_type = Vec<String>)]
    pub dependencies: Vec<ChangeHash>,
    /// Whether it belongs to the last committed version.
    pub is_final: bool,
    /// The heights at which versions with this change as a head were committed.
    #[schema(value_type = Vec<u64>)]
    pub committed_at: Vec<Height>,
}

/// A file that became a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// The new document.
    pub document: Document,
    /// True when all changes of the file were kept; false when its content was taken without its
    /// history, because the file has changes of actors that are no authors of this network.
    pub history_kept: bool,
}

/// What waits outside of documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineList {
    /// The entries.
    pub entries: Vec<Quarantined>,
}

/// A change or a whole document that waits outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// The change; absent when the whole document is refused.
    #[schema(value_type = Option<String>)]
    pub change: Option<ChangeHash>,
    /// How many bytes of it are kept.
    pub bytes: usize,
    /// Why.
    pub reason: String,
}
