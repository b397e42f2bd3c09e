//! Proofs of committed versions, and their verification without a node.

mod proof;

pub use proof::Proof;
