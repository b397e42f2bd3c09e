//! Single stories: the plain case, and bugs of real engines by name.

use std::time::Duration;

use super::net::{Faults, Net, transaction};

const GOOD: Faults =
    Faults { loss: 0, duplication: 0, crash: 0, delay: 5, byzantine: false };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn four_validators_commit_and_a_follower_sees_it() {
    let mut net = Net::new(4, 1, GOOD);
    net.run(Duration::from_millis(100));
    let wish = transaction(&net.network, 200, 1);
    net.submit(2, wish);
    let start = net.now;
    assert!(net.run_until(start + seconds(1), |net| net.heights().iter().all(|h| *h >= 1)));
    assert_eq!(net.penalties, Vec::new());
}

#[test]
fn a_single_validator_commits_alone() {
    let mut net = Net::new(1, 1, GOOD);
    net.run(Duration::from_millis(30));
    for nonce in 1..=5 {
        let wish = transaction(&net.network, 200, nonce);
        net.submit(0, wish);
        net.run(Duration::from_millis(20));
        assert_eq!(net.heights(), vec![nonce, nonce]);
    }
}
