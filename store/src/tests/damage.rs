//! Damaged files are reported with their path and what to do, and left as they are.

use std::fs;
use std::path::Path;

use crate::{Store, StoreError};

use super::{ALL, Rows, identity, in_directory, rows};

const FILES: [&str; 2] = ["votes.redb", "state.redb"];

/// A data directory that was closed in order, and its rows.
fn sound() -> (tempfile::TempDir, Rows) {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path(), ALL);
    let store = Store::open(directory.path(), &identity()).unwrap();
    let expected = rows(&store);
    drop(store);
    (directory, expected)
}

/// Opens the directory with a changed file: the rows, or the error, after seeing that the file is
/// left as it is.
fn open_changed(directory: &Path, file: &str, content: &[u8]) -> Result<Rows, StoreError> {
    let path = directory.join(file);
    fs::write(&path, content).unwrap();
    let opened = Store::open(directory, &identity()).map(|store| rows(&store));
    if let Err(error) = &opened {
        assert!(
            fs::read(&path).unwrap() == content,
            "{file} was changed: {error}"
        );
    }
    opened
}

fn assert_damaged(directory: &Path, file: &str, content: &[u8], what: &str) {
    let Err(error) = open_changed(directory, file, content) else {
        panic!("{file}, {what}: it was opened");
    };
    assert!(
        matches!(error, StoreError::Damaged { .. }),
        "{file}, {what}: {error}"
    );
    let (text, path) = (error.to_string(), directory.join(file));
    assert!(
        text.contains(path.to_str().unwrap()),
        "it names the file: {text}"
    );
    assert!(
        text.contains("move it away") || text.contains("sound copy"),
        "a remedy: {text}"
    );
}

#[test]
fn empty_cut_and_foreign_files_are_reported() {
    let (directory, _) = sound();
    for file in FILES {
        let good = fs::read(directory.path().join(file)).unwrap();
        let cuts = [
            1,
            9,
            100,
            320,
            4096,
            good.len() / 2,
            good.len() - 4096,
            good.len() - 1,
        ];
        for length in cuts {
            assert_damaged(
                directory.path(),
                file,
                &good[..length],
                &format!("cut at {length}"),
            );
        }
        assert_damaged(directory.path(), file, &[], "empty");
        assert_damaged(directory.path(), file, &[0; 8192], "zeros");
        assert_damaged(directory.path(), file, b"not a database at all", "text");
        let headless = [&[0xa5; 4096][..], &good[4096..]].concat();
        assert_damaged(directory.path(), file, &headless, "garbage for a header");
        let hollow = [&good[..4096], &vec![0xa5; good.len() - 4096][..]].concat();
        assert_damaged(directory.path(), file, &hollow, "garbage behind the header");
        fs::write(directory.path().join(file), good).unwrap();
    }
    assert!(
        Store::open(directory.path(), &identity()).is_ok(),
        "the undamaged files open"
    );
}

#[test]
fn a_flipped_bit_is_reported_or_lies_where_nothing_is_stored() {
    let (directory, expected) = sound();
    for file in FILES {
        let good = fs::read(directory.path().join(file)).unwrap();
        // The byte that says which of the two headers holds has no checksum; all of its bits.
        let selector = (0..8).map(|bit| (9, bit));
        let header = (0..320).step_by(3).map(|at| (at, at % 8));
        // A step that shares no factor with the page size visits all places within pages.
        let step = (good.len() / 100) | 1;
        let elsewhere = (4096..good.len()).step_by(step).map(|at| (at, at % 8));
        let (mut reported, mut harmless) = (0, 0);
        for (at, bit) in selector.chain(header).chain(elsewhere) {
            let mut changed = good.clone();
            changed[at] ^= 1 << bit;
            match open_changed(directory.path(), file, &changed) {
                Ok(found) => {
                    assert!(found == expected, "{file}, byte {at}, bit {bit}: lost rows");
                    harmless += 1;
                }
                Err(error) => {
                    let damaged = matches!(error, StoreError::Damaged { .. });
                    assert!(damaged, "{file}, byte {at}, bit {bit}: {error}");
                    reported += 1;
                }
            }
        }
        assert!(
            reported > 40 && harmless > 0,
            "{file}: {reported} reported, {harmless} harmless"
        );
        fs::write(directory.path().join(file), good).unwrap();
    }
}

#[test]
fn a_row_that_is_no_row_is_reported_when_it_is_read() {
    use crate::tables;
    use decube_protocols::commit::ChainSource;
    use decube_protocols::types::Height;

    let (directory, _) = sound();
    let path = directory.path().join("state.redb");
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(tables::FINAL_BLOCKS)
        .unwrap()
        .insert(1, [9_u8; 5].as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let store = Store::open(directory.path(), &identity()).unwrap();
    let error = store.chain().final_block(Height(1)).unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { path: named, .. } if *named == path),
        "{error}"
    );
    assert!(error.to_string().contains("final_blocks"), "{error}");
    assert!(store.chain().final_block(Height(2)).unwrap().is_some());
}

#[test]
fn tables_of_other_types_are_reported() {
    let (directory, _) = sound();
    let path = directory.path().join("state.redb");
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let other: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("pending");
    write.delete_table(other).unwrap_or_default();
    write.delete_table(crate::tables::PENDING).unwrap();
    write.open_table(other).unwrap();
    write.commit().unwrap();
    drop(database);
    let content = fs::read(&path).unwrap();
    assert_damaged(directory.path(), "state.redb", &content, "another table");
}
