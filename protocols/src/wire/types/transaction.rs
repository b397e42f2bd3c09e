//! Transactions and receipts.

use std::borrow::Cow;

use super::super::codec::{Codec, digest, hashes, key, list, nested, optional_digest, signature};
use super::super::generated::types::{self as pb, mod_Transaction::OneOfaction};
use super::super::{DecodeError, Message, limits};
use crate::types::{
    Action, CollectionId, CollectionName, Commit, CommitEntry, CreateCollection, DocumentId,
    Height, Receipt, Transaction, Version,
};

impl Message for Transaction {
    const MAX_SIZE: usize = limits::MAX_TRANSACTION;
}

impl Codec for Transaction {
    const NAME: &'static str = "Transaction";
    type Wire<'a> = pb::Transaction<'a>;

    fn to_wire(&self) -> pb::Transaction<'_> {
        pb::Transaction {
            author: key(&self.author),
            nonce: self.nonce,
            expires: self.expires.0,
            signature: signature(&self.signature),
            action: match &self.action {
                Action::Commit(commit) => OneOfaction::commit(nested(commit)),
                Action::CreateCollection(create) => OneOfaction::create_collection(nested(create)),
            },
        }
    }

    fn from_wire(wire: pb::Transaction<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            author: Self::field("author").key(&wire.author)?,
            nonce: wire.nonce,
            expires: Height(wire.expires),
            signature: Self::field("signature").signature(&wire.signature)?,
            action: match wire.action {
                OneOfaction::commit(bytes) => {
                    Action::Commit(Self::field("commit").message(&bytes)?)
                }
                OneOfaction::create_collection(bytes) => {
                    Action::CreateCollection(Self::field("create_collection").message(&bytes)?)
                }
                OneOfaction::None => return Err(Self::field("action").missing()),
            },
        })
    }
}

impl Codec for Commit {
    const NAME: &'static str = "Commit";
    type Wire<'a> = pb::Commit<'a>;

    fn to_wire(&self) -> pb::Commit<'_> {
        pb::Commit {
            entries: list(&self.entries),
            receipts: list(&self.receipts),
        }
    }

    fn from_wire(wire: pb::Commit<'_>) -> Result<Self, DecodeError> {
        let (entries, receipts) = (Self::field("entries"), Self::field("receipts"));
        let commit = Self {
            entries: entries.list(&wire.entries, Transaction::MAX_ENTRIES)?,
            receipts: receipts.list(&wire.receipts, Transaction::MAX_RECEIPTS)?,
        };
        entries.ascending(
            commit
                .entries
                .iter()
                .map(|entry| (entry.collection, entry.document)),
        )?;
        receipts.ascending(commit.receipts.iter().map(|it| (it.document, it.replica)))?;
        Ok(commit)
    }
}

impl Message for CommitEntry {
    const MAX_SIZE: usize = 4096;
}

impl Codec for CommitEntry {
    const NAME: &'static str = "CommitEntry";
    type Wire<'a> = pb::CommitEntry<'a>;

    fn to_wire(&self) -> pb::CommitEntry<'_> {
        pb::CommitEntry {
            collection: digest(&self.collection.0),
            document: digest(&self.document.0),
            previous: optional_digest(self.previous.as_ref().map(|version| &version.0)),
            heads: hashes(self.heads.as_slice()),
        }
    }

    fn from_wire(wire: pb::CommitEntry<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            collection: CollectionId(Self::field("collection").digest(&wire.collection)?),
            document: DocumentId(Self::field("document").digest(&wire.document)?),
            previous: Self::field("previous")
                .optional_digest(&wire.previous)?
                .map(Version),
            heads: Self::field("heads").heads(&wire.heads)?,
        })
    }
}

impl Message for Receipt {
    const MAX_SIZE: usize = 256;
}

impl Codec for Receipt {
    const NAME: &'static str = "Receipt";
    type Wire<'a> = pb::Receipt<'a>;

    fn to_wire(&self) -> pb::Receipt<'_> {
        pb::Receipt {
            document: digest(&self.document.0),
            replica: key(&self.replica),
            roles_height: self.roles_height.0,
            signature: signature(&self.signature),
        }
    }

    fn from_wire(wire: pb::Receipt<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            document: DocumentId(Self::field("document").digest(&wire.document)?),
            replica: Self::field("replica").key(&wire.replica)?,
            roles_height: Height(wire.roles_height),
            signature: Self::field("signature").signature(&wire.signature)?,
        })
    }
}

impl Codec for CreateCollection {
    const NAME: &'static str = "CreateCollection";
    type Wire<'a> = pb::CreateCollection<'a>;

    fn to_wire(&self) -> pb::CreateCollection<'_> {
        pb::CreateCollection {
            name: Cow::Borrowed(self.name.as_str()),
            write_quorum: self.write_quorum.into_iter().map(u32::from).collect(),
        }
    }

    fn from_wire(wire: pb::CreateCollection<'_>) -> Result<Self, DecodeError> {
        let write_quorum = Self::field("write_quorum");
        Ok(Self {
            name: CollectionName::new(wire.name)
                .map_err(|error| Self::field("name").invalid(error))?,
            write_quorum: write_quorum
                .optional_number(&wire.write_quorum)?
                .map(|number| write_quorum.u16(number))
                .transpose()?,
        })
    }
}
