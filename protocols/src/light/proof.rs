//! A proof that a version of a document is committed.

use crate::history;
use crate::tree;
use crate::types::{Certificate, CollectionId, DocumentId, Header, NetworkId};

/// A proof that a version of a document is committed, or that the document was never committed up
/// to a height; verified against a genesis alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The network.
    pub network: NetworkId,
    /// The document's collection.
    pub collection: CollectionId,
    /// The document.
    pub document: DocumentId,
    /// The header that `finalization` certifies.
    pub certified: Header,
    /// The finalization of `certified`.
    pub finalization: Certificate,
    /// When the proof is about an earlier height: that block's header, and its path in the history
    /// that `certified` names. Absent when `certified` itself is meant.
    pub earlier: Option<(Header, history::Path)>,
    /// The document's leaf, or its absence, in the state tree of the header that is meant.
    pub state: tree::Proof,
}
