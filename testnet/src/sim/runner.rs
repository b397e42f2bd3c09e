//! Running seeds, several at a time.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use decube_crypto::Digest;

use super::byzantine::Kind;
use super::faults::Counts;
use super::mutant::Mutant;
use super::oracle::{Check, Violation};
use super::world::{Summary, World};

/// How a run is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// A rule to break.
    pub mutant: Option<Mutant>,
    /// The Byzantine validator to have, instead of what the seed decides.
    pub byzantine: Option<Kind>,
    /// Whether every line of the trace is printed.
    pub trace: bool,
}

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was found.
    pub outcome: Outcome,
    /// How often each fault occurred.
    pub counts: Counts,
    /// The digest over the whole trace.
    pub digest: Digest,
    /// The number of lines of the trace.
    pub lines: u64,
}

/// Whether everything held.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Everything held.
    Held(Box<Held>),
    /// Something did not.
    Violated {
        /// What.
        violation: Violation,
        /// The last lines of the trace.
        tail: Vec<String>,
    },
}

/// A run in which everything held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Final blocks.
    pub finals: u64,
    /// Final blocks before healing.
    pub finals_in_chaos: u64,
    /// Views that anyone voted in.
    pub views: usize,
    /// Acknowledged edits.
    pub edits: u64,
    /// Submitted transactions.
    pub submitted: usize,
    /// Verified proofs.
    pub proofs: usize,
    /// Virtual time in milliseconds.
    pub virtual_ms: u128,
    /// Virtual time from healing to equality in milliseconds.
    pub healing_ms: u128,
}

impl From<Summary> for Held {
    fn from(summary: Summary) -> Self {
        Self {
            finals: summary.finals,
            finals_in_chaos: summary.finals_in_chaos,
            views: summary.views,
            edits: summary.edits,
            submitted: summary.submitted,
            proofs: summary.proofs,
            virtual_ms: summary.virtual_time.as_millis(),
            healing_ms: summary.healing_time.as_millis(),
        }
    }
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(seed, options);
    // A panic of a core is a finding like any other, and must name its seed.
    let result = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        Err(Violation::new(
            Check::Failure,
            format!("a panic: {}", panic_text(&*panic)),
        ))
    });
    let counts = world.counts().clone();
    let outcome = match result {
        Ok(summary) => Outcome::Held(Box::new(summary.into())),
        Err(violation) => Outcome::Violated {
            violation,
            tail: world.trace.tail(),
        },
    };
    let (digest, lines) = (world.trace.digest(), world.trace.lines());
    Report {
        seed,
        outcome,
        counts,
        digest,
        lines,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".into())
}

/// Runs a range of seeds on so many threads, and hands each report over as it comes. Stops after
/// the first violation unless `keep_going`.
pub fn run_all(
    seeds: Range<u64>,
    options: Options,
    threads: usize,
    keep_going: bool,
    mut each: impl FnMut(&Report) + Send,
) -> Vec<Report> {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let reports = Mutex::new(Vec::new());
    let each = Mutex::new(&mut each);
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = run(seed, options);
                    if matches!(report.outcome, Outcome::Violated { .. }) && !keep_going {
                        stop.store(true, Ordering::Relaxed);
                    }
                    (each.lock().unwrap_or_else(PoisonError::into_inner))(&report);
                    reports
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|report| report.seed);
    reports
}
