//! The timers of a view, as a value.
//!
//! ```text
//! D(v) = min(16 D0, D0 * 1.1^max(0, v - last_final - 2))
//! ```
//! A view runs (`leader` after 2D, `certify` after 3D) or idles: while nothing is pending and every
//! notarized block is final, the timers stand still for at most `idle`. When that ends, they start
//! afresh from that moment.
//!
//! # Invariants
//! - A timer belongs to one view: entering another one replaces it, so that none fires after its
//!   view is over (`tests::bug_8_no_timer_outlives_its_view`).
//! - A view that idled for the whole of `idle` does not idle again.

use std::time::Duration;

use crate::types::{Parameters, View};

/// How much slower than D0 a view may get: 16 times.
const MAX_SLOWDOWN: u32 = 16;

/// After this many views without a final block the slowdown has reached [`MAX_SLOWDOWN`], since
/// 1.1^30 is above 17.
const MAX_STEPS: u64 = 30;

/// Repeating stored votes every two delays gives an answer time to come first.
const RETRY_DELAYS: u32 = 2;

/// Without a final block for this many delays, everything newer is offered: several leaders in a
/// row had their turn.
const STANDSTILL_DELAYS: u32 = 20;

/// What a view's timers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Nothing to do: the timers stand still until then.
    Idle { until: Duration },
    /// The leader's proposal is due, then a certificate.
    Running { leader: Duration, certify: Duration },
    /// The view was nullified here; `retry` goes on.
    Over,
}

/// The timers of the current view.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    delta: Duration,
    idle: Duration,
    delay: Duration,
    entered: Duration,
    pace: Pace,
    woken: bool,
    retry: Option<Duration>,
    standstill: Option<Duration>,
}

impl Timers {
    pub(super) fn new(parameters: &Parameters, now: Duration) -> Self {
        let delta = Duration::from_millis(parameters.delta_ms);
        let mut timers = Self {
            delta,
            idle: Duration::from_millis(parameters.idle_ms),
            delay: delta,
            entered: now,
            pace: Pace::Over,
            woken: false,
            retry: None,
            standstill: None,
        };
        timers.run(now);
        timers
    }

    /// D of `view` when `last_final` is the newest final one.
    pub(super) fn delay_of(delta: Duration, view: View, last_final: View) -> Duration {
        let steps = view
            .0
            .saturating_sub(last_final.0)
            .saturating_sub(2)
            .min(MAX_STEPS);
        let grown = (0..steps).fold(delta, |delay, _| delay.saturating_mul(11) / 10);
        grown.min(delta.saturating_mul(MAX_SLOWDOWN))
    }

    /// A view is entered.
    pub(super) fn enter(&mut self, now: Duration, view: View, last_final: View) {
        self.delay = Self::delay_of(self.delta, view, last_final);
        self.entered = now;
        self.woken = false;
        self.retry = None;
        self.run(now);
    }

    /// A block became final: the pace is reset, and nothing stands still.
    pub(super) fn finalized(&mut self, now: Duration, view: View, last_final: View) {
        self.delay = Self::delay_of(self.delta, view, last_final);
        self.standstill = None;
        if let Pace::Running { leader, certify } = &mut self.pace {
            *leader = (*leader).min(now.saturating_add(self.delay * 2));
            *certify = (*certify).min(now.saturating_add(self.delay * 3));
        }
    }

    /// Lets the view idle when there is nothing to do, and starts the timers when there is.
    pub(super) fn pace(&mut self, now: Duration, quiet: bool) {
        match self.pace {
            Pace::Running { .. } if quiet && !self.woken => {
                self.pace = Pace::Idle {
                    until: now.saturating_add(self.idle),
                };
            }
            Pace::Idle { until } if now >= until => {
                self.woken = true;
                self.run(now);
            }
            Pace::Idle { .. } if !quiet => self.run(now),
            Pace::Running { .. } | Pace::Idle { .. } | Pace::Over => {}
        }
        if quiet {
            self.standstill = None;
        } else if self.standstill.is_none() {
            self.standstill = Some(now.saturating_add(self.delay * STANDSTILL_DELAYS));
        }
    }

    /// The view was nullified here: from now on the votes are repeated.
    pub(super) fn nullified(&mut self, now: Duration) {
        self.pace = Pace::Over;
        self.retry = Some(now.saturating_add(self.delay * RETRY_DELAYS));
    }

    /// Whether the view must be given up: no proposal, or no certificate, in time.
    pub(super) fn is_due(&self, now: Duration, has_proposal: bool) -> bool {
        match self.pace {
            Pace::Running { leader, certify } => now >= certify || (now >= leader && !has_proposal),
            Pace::Idle { .. } | Pace::Over => false,
        }
    }

    /// Whether the votes of this view are to be repeated now; then the next time is set.
    pub(super) fn take_retry(&mut self, now: Duration) -> bool {
        let due = self.retry.is_some_and(|at| now >= at);
        if due {
            self.retry = Some(now.saturating_add(self.delay * RETRY_DELAYS));
        }
        due
    }

    /// Whether everything newer is to be offered now; then the next time is set.
    pub(super) fn take_standstill(&mut self, now: Duration) -> bool {
        let due = self.standstill.is_some_and(|at| now >= at);
        if due {
            self.standstill = Some(now.saturating_add(self.delay * STANDSTILL_DELAYS));
        }
        due
    }

    /// When a leader without transactions stops waiting for the finalization of its parent.
    pub(super) fn patience(&self) -> Duration {
        self.entered.saturating_add(self.delay)
    }

    /// Whether this view's time to idle is over.
    pub(super) const fn is_woken(&self) -> bool {
        self.woken
    }

    /// Whether the timers stand still.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.pace, Pace::Idle { .. })
    }

    /// The current D.
    pub(super) const fn delay(&self) -> Duration {
        self.delay
    }

    /// The next moment at which something is due.
    pub(super) fn next(&self, has_proposal: bool) -> Option<Duration> {
        let pace = match self.pace {
            Pace::Idle { until } => Some(until),
            Pace::Running { certify, .. } if has_proposal => Some(certify),
            Pace::Running { leader, .. } => Some(leader),
            Pace::Over => None,
        };
        [pace, self.retry, self.standstill]
            .into_iter()
            .flatten()
            .min()
    }

    fn run(&mut self, now: Duration) {
        self.pace = Pace::Running {
            leader: now.saturating_add(self.delay * 2),
            certify: now.saturating_add(self.delay * 3),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::VoteScheme;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn timers() -> Timers {
        let parameters = Parameters {
            delta_ms: 100,
            idle_ms: 10_000,
            drift_ms: 500,
            signature: VoteScheme::Ed25519,
            write_quorum: 1,
        };
        Timers::new(&parameters, at(0))
    }

    #[test]
    fn the_delay_grows_without_finals_and_is_bounded() {
        let delay = |view, last| Timers::delay_of(at(100), View(view), View(last));
        assert_eq!(delay(2, 0), at(100));
        assert_eq!(delay(3, 0), at(110));
        assert_eq!(delay(4, 0), at(121));
        assert_eq!(delay(1000, 0), at(1600));
        assert_eq!(delay(1000, 999), at(100));
    }

    #[test]
    fn a_quiet_view_stands_still_and_starts_afresh() {
        let mut timers = timers();
        timers.enter(at(0), View(1), View(0));
        timers.pace(at(10), true);
        assert!(timers.is_idle() && !timers.is_due(at(9_000), false));
        timers.pace(at(5_000), false);
        assert!(!timers.is_due(at(5_199), false) && timers.is_due(at(5_200), false));
        assert!(!timers.is_due(at(5_299), true) && timers.is_due(at(5_300), true));
    }

    #[test]
    fn idling_ends_once() {
        let mut timers = timers();
        timers.enter(at(0), View(1), View(0));
        timers.pace(at(0), true);
        assert_eq!(timers.next(false), Some(at(10_000)));
        timers.pace(at(10_000), true);
        assert!(timers.is_woken());
        timers.pace(at(10_001), true);
        assert!(!timers.is_idle());
        assert!(timers.is_due(at(10_200), false));
    }

    /// A timer of a view that was over fired, and the validator gave up the next view.
    #[test]
    fn bug_8_no_timer_outlives_its_view() {
        let mut timers = timers();
        timers.enter(at(0), View(1), View(0));
        timers.nullified(at(200));
        assert!(!timers.take_retry(at(399)) && timers.take_retry(at(400)));
        timers.enter(at(450), View(2), View(0));
        assert!(!timers.take_retry(at(10_000)));
        assert!(!timers.is_due(at(649), false) && timers.is_due(at(650), false));
    }
}
