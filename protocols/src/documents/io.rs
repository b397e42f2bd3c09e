//! What goes into and comes out of the documents core.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::Digest;

use super::content::{Edit, Pointer};
use crate::commit::RequestFailure;
use crate::tree::{Node, NodeSource, Prefix};
use crate::types::{
    ChangeHash, CollectionId, CommitEntry, Descriptor, DocumentId, DocumentName, Heads, Height,
    PeerId, Receipt, RequestId, Tombstone, Version,
};

/// What is announced on a collection's topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A document has new changes.
    Changed {
        /// Names the document; its creator's signature is checked.
        descriptor: Descriptor,
        /// The heads after the changes, sorted.
        heads: Vec<ChangeHash>,
        /// The changes in an order in which they can be applied; empty when they are too large to
        /// be inline.
        changes: Vec<Vec<u8>>,
    },
    /// A document was removed.
    Removed(Tombstone),
}

/// What a node asks another of one collection or document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncRequest {
    /// Root and number of documents of each collection that the asker replicates.
    Roots(Vec<CollectionSummary>),
    /// Which of these subtrees differ, and how.
    Compare {
        /// The collection.
        collection: CollectionId,
        /// Prefixes with the asker's digests of the leaves below them.
        prefixes: Vec<(Prefix, Digest)>,
    },
    /// One step of Automerge's sync protocol for a document.
    Document {
        /// The collection.
        collection: CollectionId,
        /// The document.
        document: DocumentId,
        /// Its descriptor, when the asker has it.
        descriptor: Option<Descriptor>,
        /// Automerge's sync message; empty when the asker has nothing to say.
        message: Vec<u8>,
        /// True in the first message of a session: the responder forgets an older session.
        first: bool,
    },
    /// The document is removed.
    Removed(Tombstone),
    /// Please sign that you hold these versions.
    Receipts(Vec<ReceiptRequest>),
}

/// One version to sign a receipt for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRequest {
    /// The entry as it will stand in the transaction.
    pub entry: CommitEntry,
    /// The heads that `entry.previous` is the digest of; empty when it is absent.
    pub previous: Heads,
}

/// Root and size of a collection at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionSummary {
    /// The collection.
    pub collection: CollectionId,
    /// The root of its tree.
    pub root: Digest,
    /// How many documents are below it, removed ones included.
    pub documents: u64,
    /// How many bytes of changes they have.
    pub bytes: u64,
    /// How many documents are quarantined or forgotten at this node.
    pub excepted: u64,
}

/// The answer to a [`SyncRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncResponse {
    /// The responder's own summaries of those collections that both replicate.
    Roots(Vec<CollectionSummary>),
    /// One answer per prefix, in the same order.
    Compare(Vec<Comparison>),
    /// The responder's next step; an empty message when it has nothing to say.
    Document {
        /// Its descriptor of the document, when it has one.
        descriptor: Option<Descriptor>,
        /// Automerge's sync message.
        message: Vec<u8>,
    },
    /// The document is removed at the responder.
    Removed(Tombstone),
    /// The responder does not follow the document, or does not know it and was not told enough.
    NotFollowed,
    /// Noted.
    Acknowledged,
    /// One result per requested receipt, in the same order.
    Receipts(Vec<Result<Receipt, ReceiptRefusal>>),
}

/// How the leaves below a prefix compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The digests are equal.
    Equal,
    /// The responder's subtrees one level down.
    Children(Vec<(Prefix, Digest, u64)>),
    /// The responder's leaves, when fewer than 32 are below: each document with its leaf's value.
    Leaves(Vec<(DocumentId, LeafVersion)>),
}

/// What a leaf of a collection's tree says of its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeafVersion {
    /// The document is at this version.
    Live(Version),
    /// The document is removed.
    Removed,
}

/// Why a replica signs no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptRefusal {
    /// It lacks changes; ask again when it has caught up.
    #[error("the replica does not hold every change of that version yet")]
    Missing,
    /// The heads do not descend from the previous ones.
    #[error("the version does not descend from the one committed before")]
    NotADescendant,
    /// The document is removed there.
    #[error("the document is removed")]
    Removed,
    /// It does not follow the document.
    #[error("the replica does not follow this document")]
    NotFollowed,
}

/// What the documents core reacts to.
#[derive(Clone, Debug)]
pub enum Input {
    /// Something that this node's user asks; answered by [`Effect::Reply`] with the same id.
    Command {
        /// The driver's name for the command.
        id: RequestId,
        /// What to do.
        command: Command,
    },
    /// An announcement from gossip.
    Announced {
        /// The authenticated publisher, who has what it announced.
        from: PeerId,
        /// The announcement.
        announcement: Announcement,
    },
    /// A peer asks; answered by [`Effect::Respond`] with the same id.
    Request {
        /// The authenticated sender.
        from: PeerId,
        /// The driver's name for the request.
        id: RequestId,
        /// The question.
        request: SyncRequest,
    },
    /// The answer to an [`Effect::Request`].
    Response {
        /// The request's id.
        id: RequestId,
        /// Who was asked.
        from: PeerId,
        /// The response, or why there is none.
        result: Result<SyncResponse, RequestFailure>,
    },
    /// A peer of this network is connected.
    Connected(PeerId),
    /// The last connection to a peer closed.
    Disconnected(PeerId),
    /// A collection exists in the committed state, so this node replicates it.
    Collection(CollectionId),
    /// The committed state advanced; receipts name this height's roles.
    Final(Height),
}

/// What a user asks of documents. Heads are given as lists, since a document may have more heads
/// than a committed version.
#[derive(Clone, Debug)]
pub enum Command {
    /// Create a document, with JSON content or empty.
    Create {
        /// Where.
        collection: CollectionId,
        /// Its alias.
        name: DocumentName,
        /// The content; an object.
        content: Option<serde_json::Value>,
    },
    /// Apply an ordered patch as one change, all of it or nothing.
    Edit {
        /// The document.
        document: DocumentId,
        /// The heads to edit at; the current ones if absent.
        at: Option<Vec<ChangeHash>>,
        /// The patch.
        edits: Vec<Edit>,
        /// A message for the history.
        message: Option<String>,
    },
    /// Read the content as JSON.
    Read {
        /// The document.
        document: DocumentId,
        /// The heads to read at; the current ones if absent.
        at: Option<Vec<ChangeHash>>,
        /// The place to read.
        pointer: Pointer,
        /// Whether to list the concurrent values of each place that has several.
        conflicts: bool,
    },
    /// List documents.
    List {
        /// Only those of this collection.
        collection: Option<CollectionId>,
    },
    /// Find documents by name.
    Named {
        /// The collection.
        collection: CollectionId,
        /// The alias.
        name: DocumentName,
    },
    /// One document's entry, as in a list.
    Describe {
        /// The document.
        document: DocumentId,
    },
    /// The changes of a document, oldest first.
    History {
        /// The document.
        document: DocumentId,
    },
    /// Remove a document for everyone.
    Remove {
        /// The document.
        document: DocumentId,
    },
    /// Forget this node's copy and follow the document no longer.
    Forget {
        /// The document.
        document: DocumentId,
    },
    /// Create a document from an Automerge file.
    Import {
        /// Where.
        collection: CollectionId,
        /// Its alias.
        name: DocumentName,
        /// The file.
        bytes: Vec<u8>,
    },
    /// Write a document as an Automerge file with exactly the history of the given heads.
    Export {
        /// The document.
        document: DocumentId,
        /// The heads; the current ones if absent.
        at: Option<Vec<ChangeHash>>,
    },
    /// How each collection compares with each connected peer.
    SyncStatus,
    /// Compare with all connected peers now.
    SyncNow,
    /// What waits outside of documents, with reasons.
    Quarantine,
}

/// What the documents core asks its driver to do, in order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make the record durable before anything after it.
    Persist(Record),
    /// Publish on a collection's topic.
    Publish {
        /// The collection.
        collection: CollectionId,
        /// The announcement.
        announcement: Announcement,
    },
    /// Ask a peer.
    Request {
        /// Whom.
        to: PeerId,
        /// Stands in the [`Input::Response`].
        id: RequestId,
        /// The question.
        request: SyncRequest,
    },
    /// Answer an [`Input::Request`].
    Respond {
        /// The request's id.
        id: RequestId,
        /// The answer.
        response: SyncResponse,
    },
    /// Answer an [`Input::Command`].
    Reply {
        /// The command's id.
        id: RequestId,
        /// What came of it.
        result: Result<super::Reply, super::CommandError>,
    },
    /// A peer sent what an honest one never sends.
    Penalize {
        /// Who.
        peer: PeerId,
        /// What it did, for the log.
        reason: &'static str,
    },
}

/// What the documents core keeps on disk. The store writes adjacent records in one write
/// transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "records are few and written at once"
)]
pub enum Record {
    /// Insert or replace what is known of a document. The store also appends a
    /// `document_changed` event.
    Document(StoredDocument),
    /// Append changes to a document, in order.
    Changes {
        /// The document.
        document: DocumentId,
        /// Raw Automerge changes.
        changes: Vec<Vec<u8>>,
    },
    /// Replace a document's snapshot and changes by one snapshot.
    Snapshot {
        /// The document.
        document: DocumentId,
        /// An Automerge file with all of the document's changes.
        snapshot: Vec<u8>,
    },
    /// Drop a document's snapshot and changes.
    Erase(DocumentId),
    /// A collection's tree changed.
    Tree {
        /// The collection.
        collection: CollectionId,
        /// The new root.
        root: Digest,
        /// Nodes to add.
        added: BTreeMap<Digest, Node>,
        /// Nodes to delete.
        removed: BTreeSet<Digest>,
    },
    /// Put a change, or a whole document, aside with the reason.
    Quarantine(QuarantineEntry),
    /// Take a change out of quarantine.
    Release(ChangeHash),
}

/// What is known of a document besides its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// The document.
    pub id: DocumentId,
    /// Its collection.
    pub collection: CollectionId,
    /// Its descriptor; absent only for a removed document that was never seen alive.
    pub descriptor: Option<Descriptor>,
    /// Where it stands.
    pub status: DocumentStatus,
    /// How many bytes of raw changes it has.
    pub bytes: u64,
}

/// Where a document stands at this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentStatus {
    /// It has these heads, sorted.
    Live(Vec<ChangeHash>),
    /// It is removed for everyone.
    Removed(Tombstone),
    /// This node forgot its copy and does not follow it.
    Forgotten,
}

/// Something that waits outside of its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// The document.
    pub document: DocumentId,
    /// The change; a document that is refused whole is named by zeros.
    pub change: ChangeHash,
    /// The raw change; empty when it is too large to be kept.
    pub bytes: Vec<u8>,
    /// Why.
    pub reason: String,
}

/// The changes of a document as they are on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredContent {
    /// An Automerge file, if the document was ever compacted.
    pub snapshot: Option<Vec<u8>>,
    /// Raw changes since, in order.
    pub changes: Vec<Vec<u8>>,
}

/// Read access to documents on disk. The nodes are those of the collections' trees.
pub trait Source: NodeSource<Error = <Self as Source>::Failure> {
    /// Why a read failed.
    type Failure: std::error::Error + Clone + Send + Sync + 'static;

    /// What is known of a document.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn document(&self, id: &DocumentId) -> Result<Option<StoredDocument>, Self::Failure>;

    /// The changes of a document.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn content(&self, id: &DocumentId) -> Result<StoredContent, Self::Failure>;

    /// At most `limit` documents of a collection (or of all), after `after`, in order of
    /// (collection, id).
    ///
    /// # Errors
    /// When the store cannot be read.
    fn documents(
        &self,
        collection: Option<&CollectionId>,
        after: Option<(CollectionId, DocumentId)>,
        limit: usize,
    ) -> Result<Vec<StoredDocument>, Self::Failure>;

    /// The documents of a collection that have a name.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn named(
        &self,
        collection: &CollectionId,
        name: &DocumentName,
    ) -> Result<Vec<DocumentId>, Self::Failure>;

    /// The root of a collection's tree; [`crate::tree::EMPTY_ROOT`] when it has no documents.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn collection_root(&self, collection: &CollectionId) -> Result<Digest, Self::Failure>;

    /// Everything in quarantine.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn quarantine(&self) -> Result<Vec<QuarantineEntry>, Self::Failure>;
}
