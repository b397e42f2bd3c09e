//! A few seeds of the simulator, and what must be noticed. CI runs 200 seeds in a release build.

#![cfg(feature = "sim")]

use decube_testnet::sim::{Fault, Options, Outcome, Report, run, run_all};

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
