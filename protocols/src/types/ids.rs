//! Identifiers and counters, each a type of its own.

use std::fmt;

use decube_crypto::{Digest, PublicKey};
use serde::{Deserialize, Serialize};

/// The Ed25519 public key of an author: who signs changes and transactions.
pub type AuthorId = PublicKey;

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = decube_crypto::ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $number:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $number);

        impl $name {
            /// The one after this; stays at the largest number instead of wrapping.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before this, or none before the first.
            #[must_use]
            pub const fn previous(self) -> Option<Self> {
                match self.0.checked_sub(1) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

digest_id!(
    /// A network: the digest of its canonical binary genesis.
    NetworkId
);
digest_id!(
    /// A block: the digest of its header.
    BlockId
);
digest_id!(
    /// A transaction: the digest of all that its author signed.
    TransactionId
);
digest_id!(
    /// A collection: the digest of the network and its name.
    CollectionId
);
digest_id!(
    /// A document: the digest of collection, author and a nonce.
    DocumentId
);
digest_id!(
    /// A version of a document: the digest of its sorted heads.
    Version
);

counter!(
    /// An epoch: the span during which the validators stay the same.
    Epoch, u64
);
counter!(
    /// A view: one leader's turn within an epoch. View 0 is the epoch's genesis.
    View, u64
);
counter!(
    /// The height of a block; the genesis block has height 0.
    Height, u64
);
counter!(
    /// A validator's place in the epoch's ordered list.
    ValidatorIndex, u16
);
counter!(
    /// Voting power.
    Power, u64
);
counter!(
    /// Joins a request that a core makes to its response; unique within that core's life.
    RequestId, u64
);

impl NetworkId {
    /// The first 16 hexadecimal digits, as they stand in protocol ids.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl CollectionId {
    /// The id of the collection called `name` in `network`; a name is taken once per network.
    #[must_use]
    pub fn of(network: &NetworkId, name: &str) -> Self {
        Self(Digest::of(
            "decube/collection/1",
            &[network.0.as_bytes(), name.as_bytes()],
        ))
    }
}

impl DocumentId {
    /// The id of the document that `author` created in `collection` with `nonce`.
    #[must_use]
    pub fn of(collection: &CollectionId, author: &AuthorId, nonce: u64) -> Self {
        Self(Digest::of(
            "decube/document/1",
            &[
                collection.0.as_bytes(),
                author.as_bytes(),
                &nonce.to_le_bytes(),
            ],
        ))
    }
}
