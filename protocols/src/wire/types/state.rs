//! Values of the committed state, as they stand in leaves of its tree.

use std::borrow::Cow;

use super::super::codec::{Codec, digest, hashes, key};
use super::super::{DecodeError, Message, generated::types as pb};
use crate::tree::MAX_VALUE;
use crate::types::{CollectionName, CollectionState, CommittedDocument, Height, TransactionId};

impl Message for CommittedDocument {
    const MAX_SIZE: usize = MAX_VALUE;
}

impl Codec for CommittedDocument {
    const NAME: &'static str = "CommittedDocument";
    type Wire<'a> = pb::CommittedDocument<'a>;

    fn to_wire(&self) -> pb::CommittedDocument<'_> {
        pb::CommittedDocument {
            heads: hashes(self.heads.as_slice()),
            height: self.height.0,
            transaction: digest(&self.transaction.0),
            previous: self.previous.into_iter().map(|height| height.0).collect(),
        }
    }

    fn from_wire(wire: pb::CommittedDocument<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            heads: Self::field("heads").heads(&wire.heads)?,
            height: Height(wire.height),
            transaction: TransactionId(Self::field("transaction").digest(&wire.transaction)?),
            previous: Self::field("previous")
                .optional_number(&wire.previous)?
                .map(Height),
        })
    }
}

impl Message for CollectionState {
    const MAX_SIZE: usize = MAX_VALUE;
}

impl Codec for CollectionState {
    const NAME: &'static str = "CollectionState";
    type Wire<'a> = pb::CollectionState<'a>;

    fn to_wire(&self) -> pb::CollectionState<'_> {
        pb::CollectionState {
            name: Cow::Borrowed(self.name.as_str()),
            creator: key(&self.creator),
            height: self.height.0,
            write_quorum: self.write_quorum.into(),
        }
    }

    fn from_wire(wire: pb::CollectionState<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: CollectionName::new(wire.name)
                .map_err(|error| Self::field("name").invalid(error))?,
            creator: Self::field("creator").key(&wire.creator)?,
            height: Height(wire.height),
            write_quorum: Self::field("write_quorum").u16(wire.write_quorum)?,
        })
    }
}
