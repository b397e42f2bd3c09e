//! The targets of fuzzing with inputs from a seed; `docs/fuzzing.md` says how to run more of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::disallowed_types,
    reason = "helpers of tests, which measure the time, print a table and draw from numbers"
)]

mod runner;
mod runner_tests;
mod targets;

use runner::{Plan, Probe};
use targets::{TARGETS, channel, keys, sealing};

fn samples(target: &str) -> Vec<Vec<u8>> {
    let world = channel::world();
    match target {
        "message_a" => vec![world.a.clone()],
        "message_b" => vec![world.b.clone()],
        "message_c" => vec![world.c.clone()],
        "frames" => vec![world.stream()],
        "identity" => channel::valid_claims().to_vec(),
        "sealed_box" => vec![sealing::sample()],
        other => keys::samples(other),
    }
}

struct Unmeasured;

impl Probe for Unmeasured {
    fn run(&mut self, name: &str, bytes: &[u8]) -> bool {
        targets::run(name, bytes)
    }

    fn worst(&mut self) -> Option<usize> {
        None
    }
}

#[test]
fn every_target_takes_its_share() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let names = TARGETS.map(|(name, _)| name);
    Plan::from_environment().run(folder, &names, samples, &mut Unmeasured);
}
