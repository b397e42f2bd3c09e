//! Proofs of committed versions, and their verification without a node.
//!
//! A [`Proof`] leads from a document to the genesis alone: the document's leaf lies in the state
//! tree of a header; that header is certified by a finalization, or lies in the history of one that
//! is; and the finalization is signed by a quorum of the genesis's validators. [`prove`] makes it
//! from what a node holds, [`Proof::verify`] checks it offline, [`Proof::to_bytes`] makes a file of
//! it.
//!
//! # Invariants
//! - Trust comes from the genesis handed to [`Proof::verify`], never from the proof.
//! - Every byte of a proof's file is bound: a file that is changed at one byte, cut or lengthened
//!   is refused (`tests::no_changed_file_is_accepted`). Under a digest made anew it shows nothing
//!   false (`tests::a_changed_proof_under_a_fresh_digest_shows_nothing_false`).
//! - Every listed signature is checked, also those beyond the quorum.

#[cfg(test)]
pub(crate) mod fake_chain;
mod file;
mod proof;
mod prove;
#[cfg(test)]
mod tests;
mod verify;

pub use file::FileError;
pub use proof::Proof;
pub use prove::{ProveError, prove};
pub use verify::{Presence, ProofError, Verified};
