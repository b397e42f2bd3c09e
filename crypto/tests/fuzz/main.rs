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

use std::time::Instant;

use runner::{Plan, corpus, table};
use targets::{TARGETS, channel, keys, sealing};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

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

#[test]
fn every_target_takes_its_share() {
    let plan = Plan::from_environment();
    for (name, _) in TARGETS {
        if corpus::is_to_be_written() {
            corpus::write(FOLDER, name, &samples(name));
        }
    }
    println!("{}", table::head(&plan));
    for (name, _) in TARGETS.iter().filter(|(name, _)| plan.contains(name)) {
        let corpus = corpus::read(FOLDER, name);
        assert!(corpus.iter().any(|file| targets::run(name, file)), "{name} accepts no file");
        let start = Instant::now();
        let count = plan.run(name, &corpus, |bytes| targets::run(name, bytes));
        println!("{}", table::row(name, &count, start.elapsed(), None));
        assert!(count.refused > 0 && count.accepted > 0, "{name} is one-sided");
    }
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let mut names = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    names.sort();
    assert_eq!(corpus::named(FOLDER), (names.clone(), names));
}
