//! Keys and values of the committed state.

use decube_crypto::{Digest, Hasher, PublicKey};
use serde::{Deserialize, Serialize};

use super::{AuthorId, CollectionId, CollectionName, DocumentId, Heads, Height, TransactionId};

/// Where a value stands in the tree of the committed state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKey {
    /// A [`CommittedDocument`].
    Document(CollectionId, DocumentId),
    /// A [`CollectionState`].
    Collection(CollectionId),
    /// An author's last nonce, as eight little-endian bytes.
    Nonce(AuthorId),
    /// A registered replica; its value is empty.
    Replica(PublicKey),
    /// How many replicas are registered, as eight little-endian bytes.
    ReplicaCount,
}

impl StateKey {
    /// The key in the tree.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Document(collection, document) => Hasher::new("decube/state/document/1")
                .digest(&collection.0)
                .digest(&document.0)
                .finish(),
            Self::Collection(collection) => Hasher::new("decube/state/collection/1")
                .digest(&collection.0)
                .finish(),
            Self::Nonce(author) => Hasher::new("decube/state/nonce/1")
                .field(author.as_bytes())
                .finish(),
            Self::Replica(key) => Hasher::new("decube/state/replica/1")
                .field(key.as_bytes())
                .finish(),
            Self::ReplicaCount => Hasher::new("decube/state/replica-count/1").finish(),
        }
    }
}

/// The last committed version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedDocument {
    /// The heads of the version.
    pub heads: Heads,
    /// The height of the block that committed it.
    pub height: Height,
    /// The transaction that committed it.
    pub transaction: TransactionId,
    /// The height at which the version before it was committed.
    pub previous: Option<Height>,
}

/// A collection as its creation made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionState {
    /// Its name.
    pub name: CollectionName,
    /// Who created it.
    pub creator: AuthorId,
    /// The height of the block that created it.
    pub height: Height,
    /// How many replicas must have signed a receipt for each commit.
    pub write_quorum: u16,
}
