//! What the documents core answers to its user.

use serde::Serialize;
use serde_json::Value;

use super::content::{Conflict, EditError, FileError, HistoryEntry, PathError, UnknownHead};
use super::io::QuarantineEntry;
use crate::types::{
    AuthorId, ChangeHash, CollectionId, DocumentId, DocumentName, PeerId, Timestamp, Version,
};

/// The answer to a [`super::Command`] that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The document was created, durably.
    Created(DocumentEntry),
    /// The patch was applied, durably.
    Edited {
        /// The document's heads now.
        heads: Vec<ChangeHash>,
        /// The new change; absent when the patch had no effect.
        change: Option<ChangeHash>,
    },
    /// The content that was read.
    Content {
        /// The heads that it belongs to.
        heads: Vec<ChangeHash>,
        /// The value at the pointer.
        value: Value,
        /// Places with several concurrent values, if asked for.
        conflicts: Vec<Conflict>,
    },
    /// The documents, in order of collection and id.
    Documents(Vec<DocumentEntry>),
    /// The documents of a name, also those that are removed or forgotten; several when it was
    /// taken more than once.
    Named(Vec<DocumentEntry>),
    /// One document.
    Document(DocumentEntry),
    /// Changes, oldest first.
    History(Vec<HistoryEntry>),
    /// The document is removed for everyone, durably.
    Removed,
    /// This node's copy is gone.
    Forgotten,
    /// The file is a document now, durably.
    Imported {
        /// The new document.
        document: DocumentEntry,
        /// True when all of the file's changes were kept; false when the file has changes of
        /// actors that this network does not know, so that its content was taken as one change.
        history_kept: bool,
    },
    /// The document as an Automerge file.
    Exported {
        /// The heads it has, exactly.
        heads: Vec<ChangeHash>,
        /// The file.
        bytes: Vec<u8>,
    },
    /// How collections compare with peers.
    SyncStatus(Vec<CollectionStatus>),
    /// The comparison with connected peers began.
    SyncStarted,
    /// What waits outside of documents.
    Quarantine(Vec<QuarantineEntry>),
}

/// A document in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentEntry {
    /// Its id.
    pub id: DocumentId,
    /// Its collection.
    pub collection: CollectionId,
    /// Its alias; absent for a document that was removed before this node saw it.
    pub name: Option<DocumentName>,
    /// Who created it; absent as the name is.
    pub author: Option<AuthorId>,
    /// The heads, sorted; empty when it is removed or forgotten.
    pub heads: Vec<ChangeHash>,
    /// The version that the heads name; absent when it is removed or forgotten.
    pub version: Option<Version>,
    /// Whether it is removed for everyone.
    pub removed: bool,
    /// Whether this node forgot it.
    pub forgotten: bool,
    /// Bytes of raw changes.
    pub bytes: u64,
}

/// How a collection compares with each connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectionStatus {
    /// The collection.
    pub collection: CollectionId,
    /// The root of this node's tree.
    pub root: decube_crypto::Digest,
    /// How many documents are below it, removed ones included.
    pub documents: u64,
    /// How many bytes of changes they have.
    pub bytes: u64,
    /// Documents that are quarantined whole, or with a change in quarantine, or forgotten.
    pub excepted: u64,
    /// One entry per connected peer.
    pub peers: Vec<PeerStatus>,
}

/// How a collection compares with one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    /// The peer.
    #[serde(serialize_with = "display")]
    pub peer: PeerId,
    /// The result of the last comparison.
    pub state: SyncState,
    /// When the roots were last found equal; absent if never while connected.
    pub proven: Option<Timestamp>,
    /// How many documents still differ; an estimate until the descent is done.
    pub apart: u64,
    /// Documents that are quarantined or forgotten at the peer, as it said last.
    pub excepted: u64,
    /// Bytes of changes that the peer has beyond this node's, as far as the totals tell.
    pub bytes_to_go: u64,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Not compared yet.
    Unknown,
    /// The roots were equal when last compared, and nothing changed here since.
    Equal,
    /// Only documents differ that are quarantined or forgotten at one of the two.
    EqualExcept,
    /// Documents differ; a repair is under way or due.
    Apart,
    /// The peer does not replicate this collection.
    NotReplicated,
}

fn display<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Why a [`super::Command`] was not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// The collection does not exist, or not yet at this node.
    #[error("there is no collection {0}; create it first, or wait until this node has caught up")]
    UnknownCollection(CollectionId),
    /// No such document here.
    #[error("there is no document {0} at this node")]
    UnknownDocument(DocumentId),
    /// The document is removed.
    #[error("the document {0} was removed")]
    Removed(DocumentId),
    /// The document was forgotten here.
    #[error("this node forgot its copy of {0} and does not follow it")]
    Forgotten(DocumentId),
    /// The patch does not apply.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The document lacks one of the heads.
    #[error(transparent)]
    UnknownHead(#[from] UnknownHead),
    /// The pointer names nothing.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The file is no usable Automerge file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content cannot be shown as JSON.
    #[error("{0}")]
    Unreadable(String),
    /// The document on disk cannot be loaded.
    #[error("the document {document} cannot be loaded: {reason}")]
    Damaged {
        /// The document.
        document: DocumentId,
        /// What is wrong with it.
        reason: String,
    },
    /// The store failed.
    #[error("the store cannot be read: {0}")]
    Store(String),
}
