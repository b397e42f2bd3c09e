//! The power fails at every operation on the disk, and what was not synced is lost, kept or torn:
//! everything acknowledged is there afterwards, and nothing is there in part.

use crate::Store;
use crate::faulty::{FaultyDisk, Unsynced};

use super::{Rows, history, on_disk, rows};

/// What is left out in a run that must be found to lose something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weakness {
    None,
    /// The state's write transactions are not durable.
    VolatileState,
    /// The vote log's write transactions are not durable.
    VolatileVotes,
    /// The disk does not sync.
    LyingDisk,
}

/// What the crashes showed.
#[derive(Debug, Default)]
struct Seen {
    sync_points: usize,
    crashes: usize,
    // How often a step that was under way turned out to be done, or not.
    done: usize,
    undone: usize,
    // How often the state of a step was there and its votes were not.
    between: usize,
}

const FATES: [Unsynced; 5] = [
    Unsynced::Dropped,
    Unsynced::Kept,
    Unsynced::Torn { seed: 1 },
    Unsynced::Torn { seed: 2 },
    Unsynced::Torn { seed: 3 },
];

/// Runs the history, then crashes behind every operation and compares what is found with what was
/// acknowledged.
fn crash_everywhere(weakness: Weakness) -> Result<Seen, String> {
    let disk = FaultyDisk::recording();
    let mut store = on_disk(&disk).map_err(|error| error.to_string())?;
    match weakness {
        Weakness::None => {}
        Weakness::VolatileState => store.make_volatile(false),
        Weakness::VolatileVotes => store.make_volatile(true),
        Weakness::LyingDisk => disk.ignore_syncs(),
    }
    // Behind which operation each step was acknowledged, and the rows then.
    let mut acknowledged = vec![(disk.operations(), rows(&store))];
    for step in history::steps() {
        step.persist(&store).map_err(|error| error.to_string())?;
        acknowledged.push((disk.operations(), rows(&store)));
    }
    let (first, last) = (acknowledged[0].0, disk.operations());
    let mut seen = Seen {
        sync_points: disk
            .sync_points()
            .iter()
            .filter(|point| **point > first)
            .count(),
        ..Seen::default()
    };
    for operations in first..=last {
        let done = acknowledged
            .iter()
            .filter(|(at, _)| *at <= operations)
            .count()
            - 1;
        let before = &acknowledged[done].1;
        let after = acknowledged.get(done + 1).map_or(before, |(_, rows)| rows);
        for fate in FATES {
            let place = format!("step {done}, operation {operations}, {fate:?}");
            let store = on_disk(&disk.crash_after(operations, fate))
                .map_err(|error| format!("{place}: {error}"))?;
            compare(&store, before, after, &mut seen).map_err(|what| format!("{place}: {what}"))?;
        }
    }
    Ok(seen)
}

fn compare(store: &Store, before: &Rows, after: &Rows, seen: &mut Seen) -> Result<(), String> {
    let found = rows(store);
    let state_is_new = found.state == after.state && before.state != after.state;
    let votes_are_new = found.votes == after.votes && before.votes != after.votes;
    if !state_is_new && found.state != before.state {
        return Err("an acknowledged change of the state is lost, or one is there in part".into());
    }
    if !votes_are_new && found.votes != before.votes {
        return Err("an acknowledged vote is lost, or one is there in part".into());
    }
    if votes_are_new && before.state != after.state && !state_is_new {
        return Err("the vote log is ahead of the state".into());
    }
    seen.crashes += 1;
    seen.done += usize::from(found == *after && before != after);
    seen.undone += usize::from(found == *before && before != after);
    seen.between += usize::from(state_is_new && !votes_are_new && before.votes != after.votes);
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_every_point() {
    let seen = crash_everywhere(Weakness::None).unwrap();
    let steps = history::steps().len();
    assert!(seen.sync_points >= steps, "every step syncs: {seen:?}");
    assert!(seen.crashes > 5 * seen.sync_points, "{seen:?}");
    // A step that was under way is done only when all of its writes happen to be there.
    assert!(
        seen.done > steps / 2 && seen.undone > steps && seen.between > 0,
        "{seen:?}"
    );
}

#[test]
fn a_write_that_is_not_durable_is_found_out() {
    for weakness in [
        Weakness::VolatileState,
        Weakness::VolatileVotes,
        Weakness::LyingDisk,
    ] {
        let found = crash_everywhere(weakness).expect_err("a loss");
        let expected = match weakness {
            Weakness::VolatileVotes => found.contains("acknowledged vote is lost"),
            Weakness::VolatileState => found.contains("change of the state is lost"),
            Weakness::LyingDisk => !found.is_empty(),
            Weakness::None => false,
        };
        assert!(expected, "{weakness:?}: {found}");
    }
}

#[test]
fn a_second_crash_while_the_first_is_repaired_loses_nothing() {
    let disk = FaultyDisk::new();
    let store = on_disk(&disk).unwrap();
    for step in history::steps() {
        step.persist(&store).unwrap();
    }
    let expected = rows(&store);
    let found = disk.crash(Unsynced::Dropped);
    for count in 0.. {
        // A copy of the disk breaks while it is opened for the first time after the crash.
        let repaired = found.crash(Unsynced::Kept);
        repaired.refuse_from(count, crate::faulty::Refusal::Broken);
        let opened = on_disk(&repaired).is_ok();
        for fate in FATES {
            let again = on_disk(&repaired.crash(fate)).unwrap();
            assert!(rows(&again) == expected, "operation {count}, {fate:?}");
        }
        if opened {
            assert!(count > 0, "opening after a crash writes");
            break;
        }
    }
}
