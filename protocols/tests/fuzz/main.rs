//! The targets of fuzzing with inputs from a seed; `docs/fuzzing.md` says how to run more of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "helpers of tests, which measure the time, print a table and draw from numbers"
)]

#[path = "../../../crypto/tests/fuzz/runner/mod.rs"]
mod runner;
mod samples;
mod targets;

use peak_alloc::PeakAlloc;
use runner::{Plan, Probe};
use samples::samples;
use targets::TARGETS;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// The most memory that a byte of an input may take while it is decoded.
const MAX_FACTOR: usize = 64;

/// What is allocated however short an input is: errors and their texts, and what Automerge has.
const MEMORY_FLOOR: usize = 16 << 10;

/// What Automerge takes beyond that for the predecessors of an operation, of which a change may name
/// as many as its columns may have rows, in a few bytes. Only these two targets hand bytes to it.
const AUTOMERGE: (usize, [&str; 2]) = (64 << 20, ["change", "sync_message"]);

/// The memory that decoders took beyond the floor, in hundredths of the size of their input.
#[derive(Default)]
struct Memory {
    worst: usize,
}

impl Probe for Memory {
    fn run(&mut self, name: &str, bytes: &[u8]) -> bool {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let accepted = targets::run(name, bytes);
        let taken = MEMORY.peak_usage().saturating_sub(before);
        let above = taken.saturating_sub(MEMORY_FLOOR);
        let room = if AUTOMERGE.1.contains(&name) {
            AUTOMERGE.0
        } else {
            0
        };
        assert!(
            above <= MAX_FACTOR * bytes.len() + room,
            "{name} took {taken} bytes of memory for {}",
            bytes.len()
        );
        let hundredths = (above * 100).checked_div(bytes.len());
        self.worst = self.worst.max(hundredths.unwrap_or_default());
        accepted
    }

    fn worst(&mut self) -> Option<usize> {
        Some(std::mem::take(&mut self.worst))
    }
}

/// The only test here, since what another allocates at the same time would be counted too.
#[test]
fn every_target_takes_its_share_and_little_memory() {
    targets::keep_quiet_about_automerge();
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    let samples = |name: &str| samples(FOLDER, name);
    Plan::from_environment().run(FOLDER, &names, samples, &mut Memory::default());
}
