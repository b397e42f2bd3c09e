//! Headers, blocks and proposals.

use super::super::codec::{Codec, digest, list, nested, optional_digest, vote_signature};
use super::super::{DecodeError, Message, generated::types as pb, limits};
use crate::types::{Block, BlockId, Epoch, Header, Height, NetworkId, Proposal, Timestamp, View};

impl Message for Header {
    const MAX_SIZE: usize = limits::MAX_HEADER;
}

impl Codec for Header {
    const NAME: &'static str = "Header";
    type Wire<'a> = pb::Header<'a>;

    fn to_wire(&self) -> pb::Header<'_> {
        pb::Header {
            network: digest(&self.network.0),
            epoch: self.epoch.0,
            view: self.view.0,
            height: self.height.0,
            parent: digest(&self.parent.0),
            transactions_root: digest(&self.transactions_root),
            state_root: digest(&self.state_root),
            history_root: digest(&self.history_root),
            validators: digest(&self.validators),
            next_validators: optional_digest(self.next_validators.as_ref()),
            time: self.time.0,
        }
    }

    fn from_wire(wire: pb::Header<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: NetworkId(Self::field("network").digest(&wire.network)?),
            epoch: Epoch(wire.epoch),
            view: View(wire.view),
            height: Height(wire.height),
            parent: BlockId(Self::field("parent").digest(&wire.parent)?),
            transactions_root: Self::field("transactions_root").digest(&wire.transactions_root)?,
            state_root: Self::field("state_root").digest(&wire.state_root)?,
            history_root: Self::field("history_root").digest(&wire.history_root)?,
            validators: Self::field("validators").digest(&wire.validators)?,
            next_validators: Self::field("next_validators")
                .optional_digest(&wire.next_validators)?,
            time: Timestamp(wire.time),
        })
    }
}

impl Message for Block {
    const MAX_SIZE: usize = limits::MAX_BLOCK;
}

impl Codec for Block {
    const NAME: &'static str = "Block";
    type Wire<'a> = pb::Block<'a>;

    fn to_wire(&self) -> pb::Block<'_> {
        pb::Block {
            header: nested(&self.header),
            transactions: list(&self.transactions),
        }
    }

    fn from_wire(wire: pb::Block<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            header: Self::field("header").message(&wire.header)?,
            transactions: Self::field("transactions")
                .list(&wire.transactions, limits::MAX_BLOCK_TRANSACTIONS)?,
        })
    }
}

impl Message for Proposal {
    const MAX_SIZE: usize = limits::MAX_PROPOSAL;
}

impl Codec for Proposal {
    const NAME: &'static str = "Proposal";
    type Wire<'a> = pb::Proposal<'a>;

    fn to_wire(&self) -> pb::Proposal<'_> {
        pb::Proposal {
            epoch: self.epoch.0,
            view: self.view.0,
            parent_view: self.parent_view.0,
            block: nested(&self.block),
            signature: vote_signature(&self.signature),
        }
    }

    fn from_wire(wire: pb::Proposal<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch(wire.epoch),
            view: View(wire.view),
            parent_view: View(wire.parent_view),
            block: Self::field("block").message(&wire.block)?,
            signature: Self::field("signature").vote_signature(&wire.signature)?,
        })
    }
}
