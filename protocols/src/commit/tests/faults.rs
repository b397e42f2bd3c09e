//! Many seeds of a bad network, and what happens when a rule is dropped.

use std::time::Duration;

use super::super::core::Mutant;
use super::net::{Faults, Net, transaction};

/// Enough for every kind of fault to meet every phase of a view, and few enough for seconds.
const SEEDS: u64 = 15;

/// Within so many seeds a dropped rule must show.
const MUTANT_SEEDS: u64 = 60;

const BAD: Faults = Faults {
    loss: 8,
    duplication: 5,
    crash: 25,
    delay: 60,
    byzantine: false,
};

/// Four seconds of faults under load.
fn storm(seed: u64, faults: Faults, mutant: Option<Mutant>) -> Net {
    let mut net = Net::with_mutant(4, seed, faults, mutant);
    for step in 0..20 {
        let transaction = transaction(&net.network, 200 + u8::try_from(step % 3).unwrap(), step);
        let to = usize::try_from(net.random.below(3)).unwrap();
        net.submit(to, transaction);
        net.run(Duration::from_millis(200));
        if !net.oracle.violations.is_empty() || failed(&net) {
            break;
        }
    }
    net
}

fn failed(net: &Net) -> bool {
    net.nodes.iter().any(|node| {
        node.core
            .as_ref()
            .is_some_and(|core| core.failure().is_some())
    })
}

/// The network is good again: everyone is up and agrees, and something new is committed.
fn heals(net: &mut Net) -> bool {
    net.faults = Faults {
        delay: 10,
        byzantine: net.faults.byzantine,
        ..Faults::default()
    };
    let honest: Vec<_> = (0..net.nodes.len())
        .filter(|index| !net.is_hostile(*index))
        .collect();
    for index in &honest {
        if net.nodes[*index].core.is_none() {
            net.restart(*index);
        }
    }
    net.run(Duration::from_millis(500));
    let before = net.oracle.final_height().0;
    let transaction = transaction(&net.network, 210, 1);
    net.submit(0, transaction);
    let end = net.now + Duration::from_secs(60);
    net.run_until(end, |net| {
        let heights: Vec<_> = honest.iter().map(|index| net.height(*index)).collect();
        heights
            .iter()
            .all(|height| *height > before && *height == heights[0])
            && honest.iter().all(|index| {
                net.nodes[*index]
                    .core
                    .as_ref()
                    .is_some_and(|c| c.is_ready())
            })
    })
}

fn check(seed: u64, faults: Faults) -> (u64, u64) {
    let mut net = storm(seed, faults, None);
    let during = net.oracle.final_height().0;
    assert_eq!(net.oracle.violations, Vec::<String>::new(), "seed {seed}");
    assert!(!failed(&net), "seed {seed}: a core failed");
    if !faults.byzantine {
        assert_eq!(
            net.penalties,
            Vec::new(),
            "seed {seed}: an honest node looks guilty"
        );
    }
    let heights = net.heights();
    assert!(
        heals(&mut net),
        "seed {seed}: {heights:?} became {:?} only",
        net.heights()
    );
    assert_eq!(net.oracle.violations, Vec::<String>::new(), "seed {seed}");
    (during, net.crashes)
}

#[test]
fn honest_validators_agree_and_recover_on_a_bad_network() {
    let totals: Vec<_> = (0..SEEDS).map(|seed| check(seed, BAD)).collect();
    let finals: u64 = totals.iter().map(|(finals, _)| finals).sum();
    let crashes: u64 = totals.iter().map(|(_, crashes)| crashes).sum();
    println!("{finals} finals, {crashes} crashes");
    assert!(
        finals > 5 * SEEDS,
        "only {finals} final blocks: the faults leave nothing to check"
    );
    assert!(crashes > SEEDS / 2, "only {crashes} crashes");
}

#[test]
fn a_hostile_validator_neither_forks_nor_stops_the_others() {
    let faults = Faults {
        byzantine: true,
        ..BAD
    };
    let finals: u64 = (1070..1070 + SEEDS).map(|seed| check(seed, faults).0).sum();
    println!("{finals} finals");
    assert!(
        finals > 2 * SEEDS,
        "only {finals} final blocks: the faults leave nothing to check"
    );
}

/// The first seed at which the oracle objects when a rule is dropped. With the rule in place it has
/// nothing to object to at the same seed.
fn first_violation(faults: Faults, mutant: Mutant) -> Option<u64> {
    let objects = |seed, mutant| {
        let net = storm(seed, faults, mutant);
        !net.oracle.violations.is_empty() || failed(&net)
    };
    let found = (0..MUTANT_SEEDS).find(|seed| objects(*seed, Some(mutant)));
    println!("{mutant:?} shows at seed {found:?}");
    found.filter(|seed| !objects(*seed, None))
}

#[test]
fn without_the_finalize_or_nullify_guard_the_oracle_objects() {
    let faults = Faults {
        byzantine: true,
        delay: 120,
        ..BAD
    };
    assert!(first_violation(faults, Mutant::FinalizeAndNullify).is_some());
}

#[test]
fn without_the_check_of_skipped_views_the_oracle_objects() {
    let faults = Faults {
        byzantine: true,
        ..BAD
    };
    assert!(first_violation(faults, Mutant::SkippedNullifications).is_some());
}
