//! Tests of the store as a whole, over a small history of a network.

mod concurrent;
mod crash;
mod damage;
mod format;
mod full_disk;
mod history;
mod opening;
mod records;
mod signer;

use std::path::Path;

use crate::faulty::FaultyDisk;
use crate::tables::{self, Dump};
use crate::{Identity, Store, StoreError, keys};

pub(crate) use history::genesis;
use history::{Step, network, validator};

/// The rows of both files.
#[derive(Clone, PartialEq, Eq)]
struct Rows {
    state: Dump,
    votes: Dump,
}

fn identity() -> Identity {
    Identity {
        network: network(),
        validator: Some(validator().public()),
    }
}

fn rows(store: &Store) -> Rows {
    let (state, votes) = store.files();
    let votes = votes.map(|file| file.read(tables::votes::dump).unwrap());
    Rows {
        state: state.read(tables::state::dump).unwrap(),
        votes: votes.unwrap_or_default(),
    }
}

fn on_disk(disk: &FaultyDisk) -> Result<Store, StoreError> {
    Store::open_with_backends(disk.file("state"), Some(disk.file("votes")), &identity())
}

/// A data directory with its validator key and the first `steps` of the history.
fn in_directory(directory: &Path, steps: usize) {
    keys::create(directory, keys::KeyKind::Validator, &validator()).unwrap();
    Store::create(directory, &network()).unwrap();
    let store = Store::open(directory, &identity()).unwrap();
    for step in history::steps().iter().take(steps) {
        step.persist(&store).unwrap();
    }
}

/// Every step, for a whole history.
const ALL: usize = usize::MAX;

impl Step {
    fn persist(&self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::Commit(records) => store.persist_commit(records),
            Self::Documents(records) => store.persist_documents(records),
            Self::Submission(records) => store.persist_submission(records),
            Self::Peers(peers) => store.remember_peers(peers),
            Self::Ban(peer, when) => store.ban_peer(peer, *when),
        }
    }
}
