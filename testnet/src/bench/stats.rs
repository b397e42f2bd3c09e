//! Samples and what is told of them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The middle one of some values; of two middle ones the upper. None when there are none.
#[must_use]
pub(super) fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50)
}

/// The value that `percent` of a hundred do not exceed (nearest rank). None when there are none.
#[must_use]
pub(super) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(rank).copied()
}

/// Times in milliseconds that were measured in one round.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1000.0);
    }
}

/// What several rounds of the same measurement say, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The median over the rounds of each round's median.
    pub p50_ms: f64,
    /// The median over the rounds of each round's 99th percentile.
    pub p99_ms: f64,
    /// The median of each round.
    pub p50_of_rounds_ms: Vec<f64>,
    /// How many times were measured in all rounds.
    pub samples: usize,
}

impl Latency {
    /// Sums rounds up; none when nothing was measured.
    pub(super) fn of(rounds: &[Times]) -> Option<Self> {
        let of_rounds = |percent: usize| -> Vec<f64> {
            let rounds = rounds.iter();
            rounds
                .filter_map(|round| percentile(&round.0, percent))
                .collect()
        };
        let middles = of_rounds(50);
        Some(Self {
            p50_ms: median(&middles)?,
            p99_ms: median(&of_rounds(99))?,
            p50_of_rounds_ms: middles,
            samples: rounds.iter().map(|round| round.0.len()).sum(),
        })
    }
}

/// One figure of each round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The median over the rounds.
    pub median: f64,
    /// The figure of each round.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// Sums rounds up; none when there were none.
    #[must_use]
    pub fn of(rounds: Vec<f64>) -> Option<Self> {
        let median = median(&rounds)?;
        Some(Self { median, rounds })
    }

    /// The smallest and the largest figure.
    fn range(&self) -> (f64, f64) {
        let fold =
            |start, choose: fn(f64, f64) -> f64| self.rounds.iter().copied().fold(start, choose);
        (
            fold(f64::INFINITY, f64::min),
            fold(f64::NEG_INFINITY, f64::max),
        )
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.range();
        match self.rounds.len() {
            1 => write!(f, "{:.1}", self.median),
            _ => write!(f, "{:.1} ({least:.1} to {most:.1})", self.median),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(median(&values), Some(50.0));
        assert_eq!(percentile(&values, 99), Some(99.0));
        assert_eq!(percentile(&values, 0), Some(0.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_slow_round_does_not_move_the_median_over_the_rounds() {
        let round = |millis: u64| {
            let mut times = Times::default();
            (0..10).for_each(|_| times.push(Duration::from_millis(millis)));
            times
        };
        let latency = Latency::of(&[round(2), round(90), round(3)]).unwrap();
        assert!((latency.p50_ms - 3.0).abs() < 1e-9, "{latency:?}");
        assert_eq!((latency.samples, latency.p50_of_rounds_ms.len()), (30, 3));
        assert_eq!(Latency::of(&[]), None);
        let figure = Figure::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(figure.to_string(), "2.0 (1.0 to 3.0)");
    }
}
