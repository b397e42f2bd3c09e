//! The two clocks that the cores are given.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use decube_protocols::types::{Now, Timestamp};

/// Reads the system's clocks; monotonic time counts from when the node started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    pub(super) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Both clocks at this moment. A wall clock before 1970 reads as 1970.
    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            monotonic: self.origin.elapsed(),
            wall: Timestamp(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// The moment at which a core wants to be woken, for tokio's timer.
    pub(super) fn at(&self, monotonic: Duration) -> tokio::time::Instant {
        // A deadline beyond what the clock can hold is never reached; a year stands for it.
        let year = Duration::from_secs(365 * 24 * 3600);
        tokio::time::Instant::from_std(self.origin + monotonic.min(self.origin.elapsed() + year))
    }
}
