//! What reads bytes of strangers in this crate, as functions that libFuzzer and the seeded runner
//! call alike. Each panics when bytes do what they must not, and otherwise says whether it accepted
//! them.

mod others;

use std::panic;

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
use decube_protocols::wire::{
    Message, TransactionsRequest, TransactionsResponse, decode, encode, encoded_size,
};

/// A decoder with its name.
pub(crate) type Target = (&'static str, fn(&[u8]) -> bool);

/// The messages, each a target of its name, and other decoders.
macro_rules! targets {
    (messages: $($message:ident),+; others: $($other:ident),+ $(,)?) => {
        /// Every target, in the order in which the table is printed.
        pub(crate) const TARGETS: &[Target] = &[
            $((stringify!($message), message::<$message>),)+
            $((stringify!($other), others::$other),)+
        ];

        /// The names of those that are messages, which have fixtures.
        pub(crate) const MESSAGES: &[&str] = &[$(stringify!($message)),+];
    };
}

targets! {
    messages: Genesis, Header, Block, Proposal, Vote, Certificate, Transaction, CommitEntry, Receipt,
        Outcome, CommittedDocument, CollectionState, Descriptor, Tombstone, ConsensusMessage,
        ChainRequest, ChainResponse, FinalAnnouncement, FinalRange, FinalBlock, TransactionsRequest,
        TransactionsResponse, Announcement, SyncRequest, SyncResponse, StoredDocument,
        QuarantineEntry, Proof;
    others: proof_file, tree_proof, tree_node, tree_prefix, history_path, history_peaks,
        network_file, sync_message, change
}

/// Runs a target by its name.
pub(crate) fn run(name: &str, bytes: &[u8]) -> bool {
    let named = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = named.expect("the names of binaries and corpora are compared with the list");
    target(bytes)
}

/// Automerge panics at some bytes; that is caught where it is called, and nothing to be told of. This
/// also takes the place of libFuzzer's own hook, which ends the process at a panic that is caught.
pub(crate) fn keep_quiet_about_automerge() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let inside = |at: &panic::Location<'_>| {
            let file = at.file();
            file.contains("automerge-") || file.contains("hexane-")
        };
        if !panic.location().is_some_and(inside) {
            usual(panic);
        }
    }));
}

/// A message of the wire format: what is accepted is exactly the encoding of what it gives.
fn message<T: Message>(bytes: &[u8]) -> bool {
    match decode::<T>(bytes) {
        Ok(message) => {
            assert_eq!(encoded_size(&message), bytes.len(), "{}", T::NAME);
            assert!(encode(&message) == bytes, "{} is not canonical", T::NAME);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
