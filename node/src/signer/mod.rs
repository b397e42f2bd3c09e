//! A validator's key in a process of its own, which answers on a Unix socket.
//!
//! The process has a data directory with the key and its vote log, and runs a
//! [`Keeper`](decube_protocols::commit::Keeper): the safety guard lives where the key is, so two
//! nodes with one key cannot both vote. The node's [`RemoteSigner`] asks it. The messages are in
//! `message`; each is preceded by its length and begins with a version.
//!
//! # Invariants
//! - A signature leaves the process after it is durable in the log; after a failed write nothing
//!   more is signed and the process ends.
//! - What contradicts the log is refused with the reason; what was signed before is given again as
//!   it was.
//! - A request names network, epoch, view and all that is signed, and is for one key.
//! - Nothing here makes the node wait longer than the client's time-out, and no silence or refusal
//!   ends it.
//! - The socket is its owner's alone (mode 0600).

mod client;
mod message;
mod server;
#[cfg(test)]
mod tests;

pub use client::{RemoteSigner, TIME_OUT, probe};
pub use message::{Malformed, OwnedDraft, OwnedRequest, Request, Response, VERSION};
pub use server::{SignerError, run};
