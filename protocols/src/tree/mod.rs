//! One Merkle radix tree for every set that DeCube compares, proves or names by a root.
//!
//! Keys are 32-byte digests, read as 64 nibbles from the most significant one; values are byte
//! strings of at most [`MAX_VALUE`] bytes that sit inside the leaf. The tree is a function of the
//! set of its leaves alone: 16-way, path-compressed, content-addressed. A collection's tree serves
//! anti-entropy ([`subtree`], [`leaves`]), the check that a sync converged (equal roots) and
//! snapshot identity; the committed state's tree also serves proofs ([`prove`], [`Proof`]).
//!
//! # Digests
//! ```text
//! leaf    H("decube/leaf/1", key, value)
//! inner   H("decube/node/1", prefix, bitmap of children, count of leaves below, child digests)
//! empty   EMPTY_ROOT = H("decube/empty-tree/1")
//! ```
//! An inner node's prefix is the whole path from the root that its leaves share, not just the
//! nibbles of its own edge. So a node's digest depends on its leaves and on nothing else, wherever
//! the edges above it are cut: a sibling that comes or goes does not rewrite it, and two trees can
//! be compared under any prefix, also one that ends inside a compressed edge.
//!
//! # Invariants
//! - Any order of insertions and removals of the same leaves gives the same root
//!   (`tests::the_root_depends_on_the_leaves_alone`).
//! - An [`Update`] is exact: the old tree's nodes without `removed` and with `added` are the new
//!   tree's nodes (`tests::an_update_names_exactly_the_nodes_that_came_and_went`).
//! - Under every prefix, equal [`Subtree`] digests mean equal sets of leaves, and the reverse
//!   (`tests::subtree_digests_are_equal_exactly_when_the_leaves_are`).
//! - A proof is accepted for one key, one value or absence, one root and one encoding
//!   (`tests::a_proof_shows_its_own_key_and_root_only`, `tests::no_changed_proof_is_accepted`).
//! - Every node that comes from a [`NodeSource`] is hashed again and must fit where it stands, so
//!   a damaged store is an error and never a wrong value.
//! - Walks end: each step down makes the path longer, and a path has at most 64 nibbles.

mod node;
mod prefix;
mod proof;
mod read;
mod source;
#[cfg(test)]
mod tests;
mod update;

pub use node::{Inner, InvalidNode, Leaf, MAX_NODE, Node};
pub use prefix::{InvalidPrefix, Prefix};
pub use proof::{InvalidProof, MAX_PROOF, Proof, ProofError, prove};
pub use read::{Child, Entry, Subtree, SubtreeContent, count, get, leaves, subtree};
pub use source::{NodeSource, Overlay, TreeError};
pub use update::{Update, update};

use decube_crypto::Digest;

/// The root of the tree without leaves: `H("decube/empty-tree/1")`.
pub const EMPTY_ROOT: Digest = Digest::from_bytes([
    0x0d, 0xb6, 0xb8, 0xa8, 0x81, 0x42, 0x70, 0xa4, 0xc8, 0x90, 0x2a, 0x7c, 0xc8, 0x26, 0x56, 0x31,
    0x48, 0x50, 0x7b, 0xd7, 0x69, 0xa8, 0xe0, 0xa2, 0xe5, 0x14, 0xce, 0x5b, 0x7c, 0x43, 0x5b, 0x13,
]);

/// The most bytes a value may have. A leaf holds a version, a descriptor or a record of the
/// committed state, all far smaller; the bound keeps nodes, proofs and frames small.
pub const MAX_VALUE: usize = 4096;

/// The nibbles of a key, hence the longest path.
pub const NIBBLES: u8 = 64;
