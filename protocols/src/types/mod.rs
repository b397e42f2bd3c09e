//! The words that all protocols share: identifiers, keys' roles, blocks, votes, transactions,
//! and the values of the committed state.

mod block;
mod certificate;
mod document;
mod genesis;
mod heads;
mod ids;
mod state;
mod time;
mod transaction;
mod vote;

pub use block::{Block, Header, Proposal};
#[cfg(test)]
pub(crate) use certificate::CHECKED;
pub use certificate::{Certificate, InvalidCertificate};
pub use decube_crypto::{ValidatorKey, VoteScheme, VoteSignature};
pub use document::{CollectionName, Descriptor, DocumentName, InvalidName, Tombstone};
pub use genesis::{
    Genesis, InvalidGenesis, NetworkFile, Parameters, Replica, Validator, ValidatorSet,
};
pub use heads::{ChangeHash, Heads, TooManyHeads};
pub use ids::{
    AuthorId, BlockId, CollectionId, DocumentId, Epoch, Height, NetworkId, Power, RequestId,
    TransactionId, ValidatorIndex, Version, View,
};
pub use libp2p_identity::PeerId;
pub use state::{CollectionState, CommittedDocument, StateKey};
pub use time::{Now, Timestamp};
pub use transaction::{
    Action, Commit, CommitEntry, CreateCollection, Outcome, Receipt, ReceiptStatement, Rejection,
    Transaction,
};
pub use vote::{Statement, Subject, Vote};

/// The peer id of an Ed25519 peer key, as libp2p derives it.
#[must_use]
pub fn peer_id(key: &decube_crypto::PublicKey) -> PeerId {
    let key = libp2p_identity::ed25519::PublicKey::try_from_bytes(key.as_bytes())
        .expect("a checked key is a point of the curve");
    libp2p_identity::PublicKey::from(key).to_peer_id()
}
