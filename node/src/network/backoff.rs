//! How long to wait before trying again: a value that grows with each failure.

use std::time::Duration;

/// The wait after the first failure: a peer that restarts is back about then.
pub(super) const BASE: Duration = Duration::from_millis(200);

/// The longest wait, so that a peer that was away for hours is found again within half a minute.
pub(super) const CAP: Duration = Duration::from_secs(30);

/// How often the wait doubles before it reaches [`CAP`] for certain; bounds the exponent.
const MAX_DOUBLINGS: u32 = 8;

/// Counts failures and says how long to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure and returns how long to wait: between half and all of
    /// `min(CAP, BASE * 2^failures)`, where in between is chosen by `random`, so that nodes that
    /// lost each other at one moment do not all return at one moment.
    pub(super) fn fail(&mut self, random: u32) -> Duration {
        let doublings = self.failures.min(MAX_DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        let full = BASE.saturating_mul(1 << doublings).min(CAP);
        let half = full / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Forgets the failures, after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_the_base_to_the_cap_and_stays_there() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.fail(u32::MAX)).collect();
        assert_eq!(waits[0], BASE);
        for pair in waits.windows(2) {
            assert_eq!(pair[1], (pair[0] * 2).min(CAP));
        }
        assert_eq!(waits[11], CAP);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        for failures in 0..12 {
            for random in [0, 1, u32::MAX / 3, u32::MAX - 1, u32::MAX] {
                let mut backoff = Backoff { failures };
                let full = Backoff { failures }.fail(u32::MAX);
                let wait = backoff.fail(random);
                assert!(
                    wait >= full / 2 && wait <= full,
                    "{failures} {random}: {wait:?}"
                );
            }
        }
    }

    #[test]
    fn a_success_starts_over_and_failures_never_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.fail(u32::MAX), CAP);
        backoff.reset();
        assert_eq!(backoff.fail(u32::MAX), BASE);
    }
}
