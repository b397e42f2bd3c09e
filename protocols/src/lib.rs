//! The protocols of DeCube as values without IO.
//!
//! Each protocol is a *core*: a value with `handle(now, input) -> effects`,
//! `handle_timeout(now) -> effects` and `poll_timeout() -> Option<time>`. Time, randomness and ids
//! come in as arguments; maps iterate in key order; so a run can be repeated from its seed.
//!
//! # The contract between a core and its driver
//! - Effects are performed in order.
//! - A `Persist` is durable before the next effect of that core begins. A driver may make a
//!   `Persist` durable *earlier* than its place in the order, never later, and may join several
//!   into one write transaction.
//! - "Ready" and every acknowledgement are effects that stand after their `Persist`.
//! - Inputs are checked types: what came from a peer was decoded by [`wire`] before.
//!
//! # Invariants
//! - No clock, thread, file, socket, hash-map order or randomness in this crate
//!   (`tests/layering.rs`, and the bans of `clippy.toml`).

pub mod commit;
pub mod documents;
pub mod history;
pub mod light;
pub mod state_reader;
pub mod submission;
pub mod tree;
pub mod types;
pub mod wire;
