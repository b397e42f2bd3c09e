//! A few seeds of the simulator, and what must be noticed. CI runs 200 seeds in a release build.

#![cfg(feature = "sim")]

use decube_testnet::sim::oracle::Check;
use decube_testnet::sim::{Fault, Kind, Mutant, Options, Outcome, Report, run, run_all};

#[allow(clippy::panic, reason = "a helper of tests")]
fn held(report: &Report) {
    if let Outcome::Violated { violation, tail } = &report.outcome {
        panic!("{}\nseed {}: {violation}", tail.join("\n"), report.seed);
    }
}

#[test]
fn everything_holds_over_a_few_seeds() {
    let reports = run_all(1_000..1_006, Options::default(), 2, false, |_| {});
    assert_eq!(reports.len(), 6);
    reports.iter().for_each(held);
    for fault in [
        Fault::Crash,
        Fault::Partition,
        Fault::Disconnect,
        Fault::GossipLoss,
    ] {
        assert!(
            reports.iter().any(|report| report.counts.of(fault) > 0),
            "{fault:?}"
        );
    }
}

#[test]
fn a_seed_repeats() {
    let (one, two) = (
        run(1_003, Options::default()),
        run(1_003, Options::default()),
    );
    assert_eq!((one.digest, one.lines), (two.digest, two.lines));
    assert_ne!(one.digest, run(1_004, Options::default()).digest);
}

/// How many seeds a broken rule has to be noticed in.
const SEEDS_FOR_A_MUTANT: u64 = 24;

#[test]
fn a_broken_rule_is_noticed() {
    for (mutant, byzantine) in [
        (Mutant::FinalizeOrNullify, None),
        (Mutant::SkippedNullifications, Some(Kind::Skipper)),
        (Mutant::VoteFsync, None),
        (Mutant::StateFsync, None),
    ] {
        let options = Options {
            mutant: Some(mutant),
            byzantine,
            trace: false,
        };
        let mut found = None;
        run_all(0..SEEDS_FOR_A_MUTANT, options, 2, false, |report| {
            if let Outcome::Violated { violation, .. } = &report.outcome {
                found = Some(violation.check);
            }
        });
        let expected: &[Check] = match mutant {
            // The vote log refuses the second vote before anyone hears it.
            Mutant::FinalizeOrNullify => &[Check::Failure],
            // Two blocks at one height; or the nodes are split over it, and nothing goes on.
            Mutant::SkippedNullifications => &[Check::Agreement, Check::Progress],
            Mutant::VoteFsync => &[Check::DoubleVote],
            // What is left is older than what was acknowledged, or no store at all.
            Mutant::StateFsync => &[Check::Lost, Check::Failure],
        };
        assert!(
            found.is_some_and(|found| expected.contains(&found)),
            "{mutant:?}: {found:?}"
        );
    }
}
