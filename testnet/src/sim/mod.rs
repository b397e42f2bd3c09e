//! The simulator: a whole network in virtual time, repeated from a seed.
//!
//! The cores are those of the real node, over the real store on a disk in memory that loses and
//! tears unsynced writes. A seed decides the network, its faults and what its users do. For some
//! seconds of virtual time things break: messages are late, lost, doubled and overtaken; nodes are
//! cut off, killed at every point of a write and restarted; disks are slow, clocks jump, and in a
//! share of the seeds one validator is Byzantine. Then everything is healed, and the network must
//! become equal.
//!
//! # Invariants
//! - What [`oracle`] checks holds after every step, and a violation names the seed.
//! - A seed repeats exactly: two runs have the same trace (`tests::a_seed_repeats`).
//! - Every kind of fault occurs over a range of seeds, or the range fails, as does a run with too
//!   few final blocks: an idle network is not a correct one.
//!
//! # Mutants
//! Each rule that [`Mutant`] breaks is noticed (`--mutant`); each variant names the check that does.

mod byzantine;
mod clock;
mod command;
mod disk;
mod faults;
mod links;
mod message;
mod mutant;
mod node;
pub mod oracle;
mod plan;
mod queue;
mod random;
mod runner;
mod trace;
mod world;

pub use byzantine::Kind;
pub use command::SimArgs;
pub use faults::{Counts, Fault};
pub use mutant::Mutant;
pub use runner::{Options, Outcome, Report, run, run_all};
