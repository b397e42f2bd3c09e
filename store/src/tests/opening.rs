//! Who may open a data directory, and with which vote log.

use std::fs;
use std::path::Path;

use decube_crypto::SecretKey;
use decube_protocols::types::{Epoch, NetworkId};
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use crate::error::{Fault, Work};
use crate::file::{File, Kind};
use crate::keys::{self, KeyKind};
use crate::schema::{Migration, Schema};
use crate::store::STATE_FILE;
use crate::tables::{STATE_META, VOTES_META};
use crate::{Identity, LostVoteLog, Store, StoreError, VoteLog};

use super::history::{digest, final_step, network, notarize, steps, validator, vote};
use super::{ALL, identity, in_directory, rows};

fn directory(steps: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path(), steps);
    directory
}

#[test]
fn a_second_opener_is_refused_and_told_who_is_first() {
    let directory = directory(1);
    let first = Store::open(directory.path(), &identity()).unwrap();
    let refused = Store::open(directory.path(), &identity()).unwrap_err();
    let holder = format!("process {}", std::process::id());
    let expected = StoreError::InUse {
        directory: directory.path().into(),
        holder: holder.clone(),
    };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains(&holder));
    assert!(matches!(
        Store::create(directory.path(), &network()),
        Err(StoreError::InUse { .. })
    ));
    let clone = first.clone();
    drop(first);
    assert!(
        Store::open(directory.path(), &identity()).is_err(),
        "a clone still has it open"
    );
    drop(clone);
    assert!(Store::open(directory.path(), &identity()).is_ok());
}

#[test]
fn nothing_is_made_or_replaced_by_opening() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Store::open(directory.path(), &identity()).unwrap_err();
    assert!(matches!(&missing, StoreError::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("state.redb"));
    assert!(!Store::exists(directory.path()));
    Store::create(directory.path(), &network()).unwrap();
    assert!(Store::exists(directory.path()));
    let again = Store::create(directory.path(), &network()).unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }));
    let elsewhere = Store::open(&directory.path().join("none"), &identity()).unwrap_err();
    assert!(matches!(elsewhere, StoreError::Io { .. }), "{elsewhere}");
}

#[test]
fn an_interrupted_creation_leaves_nothing_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("state.redb.new"),
        b"cut off while it was made",
    )
    .unwrap();
    Store::create(directory.path(), &network()).unwrap();
    let follower = Identity {
        network: network(),
        validator: None,
    };
    let store = Store::open(directory.path(), &follower).unwrap();
    assert_eq!(*store.vote_log(), VoteLog::NoValidator);
    assert!(!directory.path().join("state.redb.new").exists());
}

#[test]
fn the_state_of_another_network_is_refused() {
    let directory = directory(ALL);
    let other = Identity {
        network: NetworkId(digest("other")),
        ..identity()
    };
    let content = || fs::read(directory.path().join("state.redb")).unwrap();
    let before = content();
    let error = Store::open(directory.path(), &other).unwrap_err();
    assert!(matches!(error, StoreError::OtherNetwork { .. }), "{error}");
    assert!(error.to_string().contains(&network().to_string()));
    assert!(content() == before, "it is left as it is");
}

/// The store follows, and takes no vote.
fn assert_follower(store: &Store) {
    assert_eq!(store.restored(Epoch(0)).unwrap(), Default::default());
    assert_eq!(
        store.persist_commit(&[vote(9, notarize(9))]),
        Err(StoreError::NoVoteLog)
    );
    let height = decube_protocols::commit::ChainSource::final_height(&store.chain()).unwrap();
    store.persist_commit(&[final_step(height.0 + 1)]).unwrap();
}

fn lost(directory: &Path, identity: &Identity) -> LostVoteLog {
    let store = Store::open(directory, identity).unwrap();
    assert_follower(&store);
    match store.vote_log() {
        VoteLog::Lost(lost) => {
            let text = lost.to_string();
            assert!(
                text.contains("votes.redb") && text.contains("make a new"),
                "{text}"
            );
            lost.clone()
        }
        VoteLog::Held | VoteLog::NoValidator => panic!("{:?}", store.vote_log()),
    }
}

#[test]
fn a_validator_without_its_own_vote_log_only_follows() {
    let directory = directory(ALL);
    let path = directory.path().join("votes.redb");
    let held = Store::open(directory.path(), &identity()).unwrap();
    assert_eq!(*held.vote_log(), VoteLog::Held);
    assert!(!held.restored(Epoch(0)).unwrap().votes.is_empty());
    assert_eq!(held.restored(Epoch(1)).unwrap().votes, []);
    drop(held);

    let stranger = SecretKey::from_seed(&[99; 32]).public();
    let foreign = Identity {
        validator: Some(stranger),
        ..identity()
    };
    let found = validator().public();
    let expected = LostVoteLog::OtherKey {
        path: path.clone(),
        validator: stranger,
        found,
    };
    assert_eq!(lost(directory.path(), &foreign), expected);

    let before = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let expected = LostVoteLog::Missing {
        path: path.clone(),
        validator: found,
    };
    assert_eq!(lost(directory.path(), &identity()), expected);
    assert!(!path.exists(), "a lost log is not made anew");
    fs::write(&path, before).unwrap();
    assert_eq!(
        *Store::open(directory.path(), &identity())
            .unwrap()
            .vote_log(),
        VoteLog::Held
    );
}

#[test]
fn the_vote_log_of_another_network_is_no_log() {
    let (here, there) = (directory(2), tempfile::tempdir().unwrap());
    let other = Identity {
        network: NetworkId(digest("other")),
        ..identity()
    };
    Store::create(there.path(), &other.network).unwrap();
    fs::copy(
        here.path().join("votes.redb"),
        there.path().join("votes.redb"),
    )
    .unwrap();
    let store = Store::open(there.path(), &other).unwrap();
    let VoteLog::Lost(lost) = store.vote_log() else {
        panic!("{:?}", store.vote_log())
    };
    assert!(
        matches!(lost, LostVoteLog::OtherNetwork { found, .. } if *found == network()),
        "{lost}"
    );
}

#[test]
fn an_old_copy_of_the_vote_log_is_no_log() {
    let directory = directory(2);
    let path = directory.path().join("votes.redb");
    let copy = fs::read(&path).unwrap();
    let store = Store::open(directory.path(), &identity()).unwrap();
    for step in steps().iter().skip(2) {
        step.persist(&store).unwrap();
    }
    drop(store);
    fs::write(&path, copy).unwrap();
    let lost = lost(directory.path(), &identity());
    assert!(
        matches!(lost, LostVoteLog::Old { expected, found, .. } if found < expected),
        "{lost}"
    );
}

#[test]
fn a_validator_key_comes_with_its_log_and_an_unused_log_without_key_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    keys::create(
        directory.path(),
        KeyKind::Validator,
        &SecretKey::from_seed(&[50; 32]),
    )
    .unwrap();
    assert!(directory.path().join("votes.redb").exists());
    // As when the power failed between log and key.
    fs::remove_file(keys::path(directory.path(), KeyKind::Validator)).unwrap();
    keys::create(directory.path(), KeyKind::Validator, &validator()).unwrap();
    Store::create(directory.path(), &network()).unwrap();
    let store = Store::open(directory.path(), &identity()).unwrap();
    assert_eq!(*store.vote_log(), VoteLog::Held);
    let in_use = keys::create(directory.path(), KeyKind::Validator, &validator()).unwrap_err();
    assert!(matches!(in_use, keys::KeyError::Exists { .. }));
    drop(store);
    // Now the log is bound to a network: it may have votes, so it is not replaced.
    fs::remove_file(keys::path(directory.path(), KeyKind::Validator)).unwrap();
    let kept = keys::create(directory.path(), KeyKind::Validator, &validator()).unwrap_err();
    assert!(
        matches!(kept, keys::KeyError::Store(StoreError::Exists { .. })),
        "{kept}"
    );
}

const META: [TableDefinition<'static, &'static str, &'static [u8]>; 2] = [VOTES_META, STATE_META];

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    for (file, meta) in ["votes.redb", "state.redb"].into_iter().zip(META) {
        let directory = directory(ALL);
        let path = directory.path().join(file);
        let database = redb::Database::open(&path).unwrap();
        let write = database.begin_write().unwrap();
        let version = 2_u32.to_le_bytes();
        write
            .open_table(meta)
            .unwrap()
            .insert("schema", version.as_slice())
            .unwrap();
        write.commit().unwrap();
        drop(database);
        let content = fs::read(&path).unwrap();
        let error = Store::open(directory.path(), &identity()).unwrap_err();
        let expected = StoreError::NewerSchema {
            path: path.clone(),
            found: 2,
            supported: 1,
        };
        assert_eq!(error, expected);
        assert!(fs::read(&path).unwrap() == content);
    }
}

const ADDED: TableDefinition<'static, &'static str, u64> = TableDefinition::new("added");

fn add_table(transaction: &WriteTransaction) -> Work<()> {
    transaction.open_table(ADDED)?.insert("first", 1)?;
    Ok(())
}

fn double(transaction: &WriteTransaction) -> Work<()> {
    let mut table = transaction.open_table(ADDED)?;
    let first = table.get("first")?.map(|first| first.value());
    table.insert("second", first.unwrap_or_default() * 2)?;
    Ok(())
}

fn fail(transaction: &WriteTransaction) -> Work<()> {
    double(transaction)?;
    Err(Fault::Damaged("on purpose".into()))
}

fn kind(migrations: &'static [Migration]) -> Kind {
    Kind {
        schema: Schema {
            migrations,
            ..STATE_FILE.schema
        },
        ..STATE_FILE
    }
}

fn open(kind: Kind, directory: &Path) -> Result<File, StoreError> {
    File::check(kind, directory, |_| Ok(()))?.open()
}

fn version(file: &File) -> u32 {
    file.read(|transaction| STATE_FILE.schema.version(transaction))
        .unwrap()
}

#[test]
fn an_older_schema_is_brought_up_step_by_step() {
    let directory = directory(ALL);
    let before = rows(&Store::open(directory.path(), &identity()).unwrap());
    let interrupted = open(kind(&[add_table, fail]), directory.path()).unwrap_err();
    assert!(interrupted.to_string().contains("on purpose"));
    // The first step is done and noted; the second has left nothing.
    let file = open(kind(&[add_table]), directory.path()).unwrap();
    assert_eq!(version(&file), 2);
    let second = |file: &File| {
        let read =
            file.read(|transaction| Ok(transaction.open_table(ADDED)?.get("second")?.is_some()));
        read.unwrap()
    };
    assert!(!second(&file));
    drop(file);
    let file = open(kind(&[add_table, double]), directory.path()).unwrap();
    assert_eq!(version(&file), 3);
    assert!(second(&file));
    assert_eq!(
        file.read(crate::tables::state::dump).unwrap()[1..],
        before.state[1..]
    );
    drop(file);
    let error = Store::open(directory.path(), &identity()).unwrap_err();
    assert!(
        matches!(error, StoreError::NewerSchema { found: 3, .. }),
        "{error}"
    );
}
