//! The commit protocol: Simplex (Chan and Pass, TCC 2023) for one epoch.
//!
//! [`Core`] is the value that a driver runs; `io` is its boundary. Inside, `guard` alone signs, with
//! a key or through a [`Signer`] in another process, which runs a [`Keeper`];
//! `views` counts votes, `rules` holds rules 1 to 7 and `relay` rules 8 and 9, `timers` the time,
//! `execution` and `chain` the blocks and their state, `pool` what waits for a block, `fetch`,
//! `follower` and `serve` what goes between nodes besides votes.
//!
//! # Where it departs from the paper
//! - A certificate of a view is a plain list of votes, so that it is attributable.
//! - A validator may notarize and then nullify a view, and finalizes a view that it left, as long as
//!   it has not nullified it: the guard keeps a finalize and a nullify apart, which is what the
//!   paper's argument needs.
//! - Empty blocks are made only after idling, and timers stand still meanwhile.
//!
//! # Invariants
//! - Agreement: no two different blocks are final at one height while less than a third of the power
//!   is faulty (`tests`, and the simulator).
//! - Nothing a peer says is stored or acted on before it is verified.

mod chain;
mod core;
mod execution;
mod fetch;
mod follower;
mod guard;
mod io;
mod pool;
mod relay;
mod rules;
mod serve;
mod signer;
mod submit;
mod timers;
mod views;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "mutants"))]
#[doc(hidden)]
pub use core::Mutant;
pub use core::{Config, Core, Failure, StartError};
pub use execution::{
    ExecutionError, GenesisState, MAX_EXPIRY, Malformed, outcome_leaf, well_formed,
};
pub use guard::{ForeignLog, GuardRefusal};
pub use io::{
    ChainRequest, ChainResponse, ChainSource, ConsensusMessage, Effect, Event, FinalAnnouncement,
    FinalBlock, FinalRange, FinalRecord, Input, Offence, PoolRefusal, Record, RequestFailure,
    Restored,
};
pub use signer::{Draft, Keeper, KeeperError, Kept, NotSigned, SignRequest, Signer};
