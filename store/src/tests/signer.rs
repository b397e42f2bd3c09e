//! A vote log apart from the state, and a state whose key is kept by a signer.

use std::fs;

use decube_crypto::{PublicKey, SecretKey};
use decube_protocols::commit::{Record, Restored};
use decube_protocols::types::Epoch;

use super::history::steps;
use super::{ALL, Step, identity, in_directory};
use crate::{Identity, LostVoteLog, SignerLog, SignerLogError, Store, StoreError, VoteLog, keys};

/// The records of the vote log, step by step.
fn records() -> Vec<Vec<Record>> {
    let mut all = Vec::new();
    for step in steps() {
        if let Step::Commit(records) = step {
            let votes: Vec<_> = records
                .iter()
                .filter(|record| !matches!(record, Record::Final(_)))
                .cloned()
                .collect();
            all.push(votes);
        }
    }
    all
}

fn open(directory: &std::path::Path) -> SignerLog {
    SignerLog::open(directory, &identity()).unwrap()
}

#[test]
fn the_log_of_a_signer_keeps_what_the_log_of_a_node_keeps() {
    let (node, signer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    in_directory(node.path(), ALL);
    let expected = Store::open(node.path(), &identity()).unwrap();
    let expected = expected.restored(Epoch(0)).unwrap();
    let key = super::validator();
    keys::create(signer.path(), keys::KeyKind::Validator, &key).unwrap();
    for records in records() {
        open(signer.path()).persist(&records).unwrap();
    }
    assert_ne!(expected, Restored::default());
    let log = open(signer.path());
    assert_eq!(log.restored(Epoch(0)).unwrap(), expected);
    let twice = SignerLog::open(signer.path(), &identity()).unwrap_err();
    assert!(matches!(
        twice,
        SignerLogError::Store(StoreError::InUse { .. })
    ));
}

#[test]
fn a_signer_without_the_log_of_its_key_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let missing = SignerLog::open(directory.path(), &identity()).unwrap_err();
    assert!(matches!(
        missing,
        SignerLogError::Lost(LostVoteLog::Missing { .. })
    ));
    let key = super::validator();
    keys::create(directory.path(), keys::KeyKind::Validator, &key).unwrap();
    let other: PublicKey = SecretKey::from_seed(&[77; 32]).public();
    let foreign = Identity {
        validator: Some(other),
        ..identity()
    };
    let refused = SignerLog::open(directory.path(), &foreign).unwrap_err();
    assert!(matches!(
        refused,
        SignerLogError::Lost(LostVoteLog::OtherKey { .. })
    ));
    drop(open(directory.path()));
}

/// With a signer, only that one's log says what was signed.
#[test]
fn a_node_with_a_signer_makes_its_own_log_again() {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path(), ALL);
    let log = directory.path().join("votes.redb");
    fs::remove_file(&log).unwrap();
    let with_key = Store::open(directory.path(), &identity()).unwrap();
    assert!(matches!(with_key.vote_log(), VoteLog::Lost(_)));
    assert!(!log.exists(), "without a signer none is made");
    drop(with_key);
    for _ in 0..2 {
        let with_signer = Store::open_with_signer(directory.path(), &identity()).unwrap();
        assert_eq!(*with_signer.vote_log(), VoteLog::Held);
    }
    let with_key = Store::open(directory.path(), &identity()).unwrap();
    let lost = VoteLog::Lost(LostVoteLog::OfSigner {
        path: log,
        validator: super::validator().public(),
    });
    assert_eq!(*with_key.vote_log(), lost);
    drop(with_key);
    let refused = SignerLog::open(directory.path(), &identity()).unwrap_err();
    assert!(matches!(
        refused,
        SignerLogError::Lost(LostVoteLog::OfSigner { .. })
    ));
}
