//! From a user's wish to a final transaction: receipts are collected from replicas, the
//! transaction is signed and handed to the validators, and its outcome is awaited.
//!
//! [`Core`] is the value that a driver runs; `io` is its boundary. `receipts` collects, `handover`
//! keeps a signed transaction before the validators' eyes, `resume` finds out after a restart what
//! became of the transactions that were under way.
//!
//! # Invariants
//! - A transaction is durable here before any validator gets it and before it is reported as
//!   submitted, and stays so until it is final or can never take effect
//!   (`tests::a_submitted_transaction_survives_a_restart`).
//! - A nonce is chosen at the moment of signing, above the committed one and all that this core
//!   used, so this core's own transactions never share one.
//! - A transaction is signed again only when the committed nonce of its author proves that the one
//!   before took no effect and never will (`tests::a_used_nonce_makes_a_new_signature`). What both
//!   may have done is compare-and-set, so it cannot take effect twice.
//! - Every wish ends with one last report, unless the node restarts meanwhile.
//! - At most [`MAX_WISHES`] wishes are under way.

mod core;
mod foreign;
mod handover;
mod io;
mod receipts;
mod resume;
#[cfg(test)]
mod tests;
mod transactions;

pub use core::{Config, Core, MAX_WISHES};
pub use io::{Effect, Input, Progress, Record, SubmissionError, Wish};
