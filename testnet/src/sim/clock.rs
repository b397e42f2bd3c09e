//! The clocks of a simulated node.

use std::time::Duration;

use decube_protocols::types::{Now, Timestamp};

/// The wall-clock time at which every run starts: 2026-01-01T00:00:00Z in milliseconds.
pub(super) const EPOCH_MS: u64 = 1_767_225_600_000;

/// A node's monotonic clock, which starts anew with the node, and its wall clock, which may be off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    origin: Duration,
    offset_ms: i64,
}

impl Clock {
    /// The node starts at that virtual time; monotonic time counts from there.
    pub(super) fn restart(&mut self, at: Duration) {
        self.origin = at;
    }

    /// Sets how far the wall clock is ahead of the true time, in milliseconds.
    pub(super) fn set_offset(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
    }

    /// What the node reads at that virtual time.
    pub(super) fn read(&self, at: Duration) -> Now {
        let elapsed = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let truth = EPOCH_MS.saturating_add(elapsed);
        Now {
            monotonic: at.saturating_sub(self.origin),
            wall: Timestamp(truth.saturating_add_signed(self.offset_ms)),
        }
    }

    /// The virtual time of a moment on the node's monotonic clock.
    pub(super) fn at(&self, monotonic: Duration) -> Duration {
        self.origin.saturating_add(monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_starts_with_the_node_and_wall_time_jumps() {
        let mut clock = Clock::default();
        clock.restart(Duration::from_secs(10));
        clock.set_offset(-2_000);
        let now = clock.read(Duration::from_secs(13));
        assert_eq!(now.monotonic, Duration::from_secs(3));
        assert_eq!(now.wall, Timestamp(EPOCH_MS + 11_000));
        assert_eq!(clock.at(now.monotonic), Duration::from_secs(13));
    }
}
