//! Descriptors and tombstones.

use std::borrow::Cow;

use super::super::codec::{Codec, digest, key, signature};
use super::super::{DecodeError, Message, generated::types as pb};
use crate::types::{CollectionId, Descriptor, DocumentId, DocumentName, Tombstone};

impl Message for Descriptor {
    const MAX_SIZE: usize = 512;
}

impl Codec for Descriptor {
    const NAME: &'static str = "Descriptor";
    type Wire<'a> = pb::Descriptor<'a>;

    fn to_wire(&self) -> pb::Descriptor<'_> {
        pb::Descriptor {
            collection: digest(&self.collection.0),
            author: key(&self.author),
            nonce: self.nonce,
            name: Cow::Borrowed(self.name.as_str()),
            signature: signature(&self.signature),
        }
    }

    fn from_wire(wire: pb::Descriptor<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            collection: CollectionId(Self::field("collection").digest(&wire.collection)?),
            author: Self::field("author").key(&wire.author)?,
            nonce: wire.nonce,
            name: DocumentName::new(wire.name)
                .map_err(|error| Self::field("name").invalid(error))?,
            signature: Self::field("signature").signature(&wire.signature)?,
        })
    }
}

impl Message for Tombstone {
    const MAX_SIZE: usize = 256;
}

impl Codec for Tombstone {
    const NAME: &'static str = "Tombstone";
    type Wire<'a> = pb::Tombstone<'a>;

    fn to_wire(&self) -> pb::Tombstone<'_> {
        pb::Tombstone {
            collection: digest(&self.collection.0),
            document: digest(&self.document.0),
            author: key(&self.author),
            signature: signature(&self.signature),
        }
    }

    fn from_wire(wire: pb::Tombstone<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            collection: CollectionId(Self::field("collection").digest(&wire.collection)?),
            document: DocumentId(Self::field("document").digest(&wire.document)?),
            author: Self::field("author").key(&wire.author)?,
            signature: Self::field("signature").signature(&wire.signature)?,
        })
    }
}
