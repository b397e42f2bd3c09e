//! How long a request may wait for what it asks for.

use std::time::Duration;

use super::{Code, Problem};

/// How long a request waits when it does not say.
const DEFAULT: Duration = Duration::from_secs(60);
/// How long a request may wait: an hour, since a connection is kept open for it.
const MAX: Duration = Duration::from_secs(3600);
/// How often a state without events of its own is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// The time that a request asked for, within bounds.
pub(super) fn time(timeout_ms: Option<u64>) -> Duration {
    timeout_ms.map_or(DEFAULT, Duration::from_millis).min(MAX)
}

/// The problem of one that waited in vain.
pub(super) fn timed_out(what: &str, after: Duration) -> Problem {
    Problem::new(
        Code::TimedOut,
        format!("{what} did not happen within {after:?}"),
    )
}
