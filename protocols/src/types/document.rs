//! Names, and what replicates of a document besides its changes.

use std::fmt;
use std::str::FromStr;

use decube_crypto::{InvalidSignature, SecretKey, Signature, Statement};
use serde::{Deserialize, Serialize};

use super::{AuthorId, CollectionId, DocumentId, NetworkId};

/// A name that may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {name:?} is not allowed: {reason}")]
pub struct InvalidName {
    name: String,
    reason: &'static str,
}

/// The longest name in bytes: long enough for a path, short enough for every message.
const MAX_NAME: usize = 128;

fn check(name: &str, slashes: bool) -> Result<(), InvalidName> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME {
        "it is longer than 128 bytes"
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "it has white space or control characters"
    } else if !slashes && name.contains('/') {
        "it has a slash, which separates collection from document"
    } else if name.starts_with('-') {
        "it starts with a dash, so it looks like a flag"
    } else {
        return Ok(());
    };
    Err(InvalidName {
        name: name.chars().take(MAX_NAME).collect(),
        reason,
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $slashes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a name.
            ///
            /// # Errors
            /// [`InvalidName`] says why it is not allowed.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                check(&name, $slashes)?;
                Ok(Self(name))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// The name of a collection: 1 to 128 bytes, no white space, no slash; taken once per network.
    CollectionName, false
);
name!(
    /// The name of a document: 1 to 128 bytes, no white space. An alias: two may share one.
    DocumentName, true
);

/// What names a document, signed by the author who created it and replicated with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Where the document belongs.
    pub collection: CollectionId,
    /// Who created it.
    pub author: AuthorId,
    /// Makes the author's documents differ.
    pub nonce: u64,
    /// The alias it was created under.
    pub name: DocumentName,
    /// The author's signature over all of the above.
    pub signature: Signature,
}

impl Descriptor {
    /// Makes and signs the descriptor of a new document.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        collection: CollectionId,
        nonce: u64,
        name: DocumentName,
        key: &SecretKey,
    ) -> Self {
        let author = key.public();
        let signature = key.sign(&Self::to_sign(network, &collection, &author, nonce, &name));
        Self {
            collection,
            author,
            nonce,
            name,
            signature,
        }
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> DocumentId {
        DocumentId::of(&self.collection, &self.author, self.nonce)
    }

    /// Checks the author's signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold.
    pub fn verify(&self, network: &NetworkId) -> Result<(), InvalidSignature> {
        let signed = Self::to_sign(
            network,
            &self.collection,
            &self.author,
            self.nonce,
            &self.name,
        );
        self.author.verify(&signed, &self.signature)
    }

    fn to_sign(
        network: &NetworkId,
        collection: &CollectionId,
        author: &AuthorId,
        nonce: u64,
        name: &DocumentName,
    ) -> Statement {
        Statement::new("decube/descriptor/1", &network.0)
            .digest(&collection.0)
            .field(author.as_bytes())
            .number(nonce)
            .field(name.as_str().as_bytes())
    }
}

/// "This document is removed": replicates like a document and wins over any of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Where the document belonged.
    pub collection: CollectionId,
    /// The removed document.
    pub document: DocumentId,
    /// Who removed it.
    pub author: AuthorId,
    /// The remover's signature over all of the above.
    pub signature: Signature,
}

impl Tombstone {
    /// Makes and signs a tombstone.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        collection: CollectionId,
        document: DocumentId,
        key: &SecretKey,
    ) -> Self {
        let author = key.public();
        let signature = key.sign(&Self::to_sign(network, &collection, &document, &author));
        Self {
            collection,
            document,
            author,
            signature,
        }
    }

    /// Checks the remover's signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold.
    pub fn verify(&self, network: &NetworkId) -> Result<(), InvalidSignature> {
        let signed = Self::to_sign(network, &self.collection, &self.document, &self.author);
        self.author.verify(&signed, &self.signature)
    }

    fn to_sign(
        network: &NetworkId,
        collection: &CollectionId,
        document: &DocumentId,
        author: &AuthorId,
    ) -> Statement {
        Statement::new("decube/tombstone/1", &network.0)
            .digest(&collection.0)
            .digest(&document.0)
            .field(author.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;

    #[test]
    fn names_are_checked() {
        for bad in ["", "a b", "a\n", "-x", &"x".repeat(129)] {
            assert!(CollectionName::new(bad).is_err(), "{bad:?}");
            assert!(DocumentName::new(bad).is_err(), "{bad:?}");
        }
        assert!(CollectionName::new("a/b").is_err());
        assert!(DocumentName::new("a/b").is_ok());
    }

    #[test]
    fn a_descriptor_binds_its_name_and_network() {
        let (network, other) = (NetworkId(Digest::ZERO), NetworkId(Digest::of("n", &[])));
        let key = SecretKey::from_seed(&[1; 32]);
        let collection = CollectionId::of(&network, "notes");
        let name = DocumentName::new("readme").unwrap();
        let signed = Descriptor::sign(&network, collection, 7, name, &key);
        assert_eq!(signed.verify(&network), Ok(()));
        assert!(signed.verify(&other).is_err());
        let renamed = Descriptor {
            name: DocumentName::new("x").unwrap(),
            ..signed
        };
        assert!(renamed.verify(&network).is_err());
    }
}
