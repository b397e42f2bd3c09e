//! All messages, for tests that hold for each.

use decube_protocols::commit::{
    ChainRequest, ChainResponse, ConsensusMessage, FinalAnnouncement, FinalBlock, FinalRange,
};
use decube_protocols::documents::{
    Announcement, QuarantineEntry, StoredDocument, SyncRequest, SyncResponse,
};
use decube_protocols::light::Proof;
use decube_protocols::types::{
    Block, Certificate, CollectionState, CommitEntry, CommittedDocument, Descriptor, Genesis,
    Header, Outcome, Proposal, Receipt, Tombstone, Transaction, Vote,
};
use decube_protocols::wire::{Message, TransactionsRequest, TransactionsResponse};

use crate::sample::Sample;

/// A test that is run for every message.
pub(crate) trait EveryMessage {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self);
}

pub(crate) fn for_every_message(test: &mut impl EveryMessage) {
    test.run::<Genesis>();
    test.run::<Header>();
    test.run::<Block>();
    test.run::<Proposal>();
    test.run::<Vote>();
    test.run::<Certificate>();
    test.run::<Transaction>();
    test.run::<CommitEntry>();
    test.run::<Receipt>();
    test.run::<Outcome>();
    test.run::<CommittedDocument>();
    test.run::<CollectionState>();
    test.run::<Descriptor>();
    test.run::<Tombstone>();
    test.run::<ConsensusMessage>();
    test.run::<ChainRequest>();
    test.run::<ChainResponse>();
    test.run::<FinalAnnouncement>();
    test.run::<FinalRange>();
    test.run::<FinalBlock>();
    test.run::<TransactionsRequest>();
    test.run::<TransactionsResponse>();
    test.run::<Announcement>();
    test.run::<SyncRequest>();
    test.run::<SyncResponse>();
    test.run::<StoredDocument>();
    test.run::<QuarantineEntry>();
    test.run::<Proof>();
}
