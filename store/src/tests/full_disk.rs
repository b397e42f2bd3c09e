//! The disk is full, or breaks, at every operation: the write fails with an error that says so,
//! nothing more is written, and opening again shows what was acknowledged.

use crate::StoreError;
use crate::faulty::{FaultyDisk, Refusal, Unsynced};

use super::history::{self, Step};
use super::{Rows, on_disk, rows};

/// The rows before the first step and after each, and the number of operations of all.
fn undisturbed(steps: &[Step]) -> (Vec<Rows>, u64, u64) {
    let disk = FaultyDisk::new();
    let store = on_disk(&disk).unwrap();
    let first = disk.operations();
    let mut expected = vec![rows(&store)];
    for step in steps {
        step.persist(&store).unwrap();
        expected.push(rows(&store));
    }
    (expected, first, disk.operations())
}

/// Refuses from `operation` on. Returns how many steps were acknowledged, and the error if a step
/// failed.
fn run(
    disk: &FaultyDisk,
    steps: &[Step],
    operation: u64,
    refusal: Refusal,
) -> Option<(usize, StoreError)> {
    let store = on_disk(disk).unwrap();
    disk.refuse_from(operation, refusal);
    let mut failures = steps
        .iter()
        .enumerate()
        .filter_map(|(n, step)| Some((n, step.persist(&store).err()?)));
    let (done, error) = failures.next()?;
    let before = disk.operations();
    for step in steps {
        let stopped = StoreError::Stopped(Box::new(error.clone()));
        assert_eq!(step.persist(&store), Err(stopped));
    }
    assert_eq!(
        disk.operations(),
        before,
        "nothing reaches the disk any more"
    );
    assert_eq!(store.stopped(), Some(error.clone()));
    Some((done, error))
}

/// Everything acknowledged is there; the step that failed may be there, whole in each file.
fn assert_kept(found: &Rows, before: &Rows, after: &Rows, place: &str) {
    assert!(
        found.state == before.state || found.state == after.state,
        "{place}"
    );
    assert!(
        found.votes == before.votes || found.votes == after.votes,
        "{place}"
    );
}

fn refuse_everywhere(refusal: Refusal, expected_error: fn(&StoreError) -> bool) {
    let steps = history::steps();
    let (expected, first, last) = undisturbed(&steps);
    for operation in first..last {
        let disk = FaultyDisk::new();
        let Some((done, error)) = run(&disk, &steps, operation, refusal) else {
            assert!(
                operation + 1 == last,
                "operation {operation} was not refused"
            );
            continue;
        };
        assert!(expected_error(&error), "operation {operation}: {error}");
        disk.repair();
        for found in [disk.crash(Unsynced::Kept), disk.crash(Unsynced::Dropped)] {
            let found = rows(&on_disk(&found).unwrap());
            let place = format!("operation {operation}, step {done}");
            assert_kept(&found, &expected[done], &expected[done + 1], &place);
        }
    }
    assert!(last - first > 2 * steps.len() as u64, "{first} to {last}");
}

#[test]
fn a_full_disk_is_named_at_every_write_and_nothing_acknowledged_is_lost() {
    // Syncs still succeed on a full disk, so the very last operation is not refused.
    refuse_everywhere(Refusal::Full, |error| {
        matches!(error, StoreError::Full { .. })
    });
}

#[test]
fn a_broken_disk_is_named_at_every_operation_and_nothing_acknowledged_is_lost() {
    refuse_everywhere(Refusal::Broken, |error| {
        matches!(error, StoreError::Io { .. })
    });
}

#[test]
fn a_node_goes_on_when_there_is_room_again() {
    let disk = FaultyDisk::new();
    let steps = history::steps();
    let (expected, first, last) = undisturbed(&steps);
    let middle = first + (last - first) / 2;
    let (done, _) = run(&disk, &steps, middle, Refusal::Full).unwrap();
    disk.repair();
    let store = on_disk(&disk).unwrap();
    assert_kept(
        &rows(&store),
        &expected[done],
        &expected[done + 1],
        "after opening again",
    );
    for step in &steps[done..] {
        step.persist(&store).unwrap();
    }
    let last = expected.last().unwrap();
    // What counts writes may differ, since one step may have happened twice.
    assert!(rows(&store).votes[1..] == last.votes[1..]);
    assert_eq!(store.stopped(), None);
}
