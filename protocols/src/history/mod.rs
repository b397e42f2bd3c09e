//! The history of final blocks as one digest: a Merkle mountain range.
//!
//! Each header has the root over all earlier final blocks, so one certified header proves every
//! older block with a path of logarithmic size. Leaves are only ever appended. They stand under
//! *mountains*, perfect binary trees, one for each bit of the number of leaves, the highest first;
//! the mountains' tops are the [`Peaks`], all that appending needs to know.
//!
//! # Digests and positions
//! ```text
//! leaf    H("decube/history-leaf/1", leaf)
//! inner   H("decube/history-node/1", left, right)
//! root    H("decube/history-root/1", number of leaves, peaks)
//! ```
//! A node's *position* is the number of nodes made before it, where a leaf comes before the inner
//! nodes that it completes. Positions never change, so a store is an append-only table.
//!
//! # Invariants
//! - The root binds the number of leaves, their order and their digests
//!   (`tests::the_root_binds_number_order_and_leaves`).
//! - The peaks of any earlier number of leaves can be read from the store
//!   (`tests::peaks_are_found_again_at_every_number_of_leaves`).
//! - A path is accepted for one root, number of leaves, index, leaf and encoding
//!   (`tests::a_path_shows_its_own_leaf_only`, `tests::no_changed_path_is_accepted`).
//! - No arithmetic overflows: there are at most [`MAX_LEAVES`] leaves.

mod path;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;

use decube_crypto::{Digest, Hasher};

pub use path::{InvalidPath, Path, PathError, prove};

const LEAF_DOMAIN: &str = "decube/history-leaf/1";
const NODE_DOMAIN: &str = "decube/history-node/1";
const ROOT_DOMAIN: &str = "decube/history-root/1";

/// The most leaves of a history: a block each millisecond would take 8,900 years, and positions
/// stay far below 64 bits.
pub const MAX_LEAVES: u64 = 1 << 48;

/// Read access to the nodes of a history by position. `store` implements it over its table.
pub trait HistorySource {
    /// Why nodes could not be read.
    type Error;

    /// The digest at that position, or `None` when there is none.
    ///
    /// # Errors
    /// When the source fails.
    fn history(&self, position: u64) -> Result<Option<Digest>, Self::Error>;
}

impl HistorySource for BTreeMap<u64, Digest> {
    type Error = Infallible;

    fn history(&self, position: u64) -> Result<Option<Digest>, Infallible> {
        Ok(self.get(&position).copied())
    }
}

impl<S: HistorySource + ?Sized> HistorySource for &S {
    type Error = S::Error;

    fn history(&self, position: u64) -> Result<Option<Digest>, S::Error> {
        (**self).history(position)
    }
}

/// Why a history could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError<E> {
    /// The source has no node where the history must have one.
    #[error("the history has no node at position {position}")]
    Missing {
        /// The position.
        position: u64,
    },
    /// There is no such leaf, or there are more leaves than [`MAX_LEAVES`].
    #[error("a history of {leaves} blocks has none at index {index}")]
    OutOfRange {
        /// The number of leaves.
        leaves: u64,
        /// The index asked for.
        index: u64,
    },
    /// The source failed.
    #[error("the history cannot be read")]
    Source(#[source] E),
}

/// The tops of the mountains: a history without what appending does not need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    // Invariant: at most `MAX_LEAVES`.
    leaves: u64,
    // Invariant: one for each bit of `leaves`, the highest mountain's first.
    peaks: Vec<Digest>,
}

/// Bytes that are not the encoding of peaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the peaks of a history in their one encoding ({length} bytes)")]
pub struct InvalidPeaks {
    length: usize,
}

impl Peaks {
    /// Reads the peaks of the first `leaves` leaves.
    ///
    /// # Errors
    /// When the source lacks a node or fails, or `leaves` is above [`MAX_LEAVES`].
    pub fn load<S: HistorySource + ?Sized>(
        source: &S,
        leaves: u64,
    ) -> Result<Self, HistoryError<S::Error>> {
        if leaves > MAX_LEAVES {
            return Err(HistoryError::OutOfRange {
                leaves,
                index: leaves,
            });
        }
        let top = |mountain: Mountain| node(source, mountain.top());
        let peaks = mountains(leaves).map(top).collect::<Result<_, _>>()?;
        Ok(Self { leaves, peaks })
    }

    /// The number of leaves.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The digests, the highest mountain's first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Appends a leaf, and returns the nodes that this makes, with their positions. A history
    /// that has [`MAX_LEAVES`] stays as it is and makes none.
    #[must_use = "a node that is not stored can't be proven"]
    pub fn append(&mut self, leaf: &Digest) -> Vec<(u64, Digest)> {
        if self.leaves >= MAX_LEAVES {
            return Vec::new();
        }
        let first = position_of(self.leaves);
        let mut digest = leaf_digest(leaf);
        let mut made = vec![digest];
        // Each mountain as high as the one being completed is a bit that the addition carries.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                digest = join(&left, &digest);
                made.push(digest);
            }
        }
        self.peaks.push(digest);
        self.leaves += 1;
        (first..).zip(made).collect()
    }

    /// The root of the history.
    #[must_use]
    pub fn root(&self) -> Digest {
        root_of(self.leaves, &self.peaks)
    }

    /// The peaks' one encoding: the number of leaves, little-endian, and the digests.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.leaves.to_le_bytes().to_vec();
        for peak in &self.peaks {
            bytes.extend_from_slice(peak.as_bytes());
        }
        bytes
    }

    /// Reads what [`Peaks::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidPeaks> {
        let read = || {
            let (leaves, rest) = bytes.split_first_chunk()?;
            let leaves = u64::from_le_bytes(*leaves);
            let peaks = digests(rest, leaves.count_ones() as usize)?;
            (leaves <= MAX_LEAVES).then_some(Self { leaves, peaks })
        };
        read().ok_or(InvalidPeaks {
            length: bytes.len(),
        })
    }
}

/// A perfect binary tree over the leaves from `first` on, `1 << height` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mountain {
    // Invariant: a multiple of `1 << height`, so that no mountain before it is lower.
    first: u64,
    height: u32,
}

impl Mountain {
    /// The position of its top, the last of its nodes to be made.
    fn top(self) -> u64 {
        position_of(self.first) + (2 << self.height) - 2
    }

    fn contains(self, index: u64) -> bool {
        index >= self.first && index - self.first < 1 << self.height
    }
}

/// The mountains of a history of so many leaves, the highest first.
fn mountains(leaves: u64) -> impl Iterator<Item = Mountain> {
    let heights = (0..u64::BITS)
        .rev()
        .filter(move |height| leaves & (1 << height) != 0);
    // The leaves before a mountain are the higher bits of the number of leaves.
    heights.map(move |height| Mountain {
        first: (leaves >> height >> 1) << height << 1,
        height,
    })
}

/// The position of the leaf at `index`: the number of nodes that so many leaves make.
fn position_of(index: u64) -> u64 {
    2 * index - u64::from(index.count_ones())
}

fn node<S: HistorySource + ?Sized>(
    source: &S,
    position: u64,
) -> Result<Digest, HistoryError<S::Error>> {
    let found = source.history(position).map_err(HistoryError::Source)?;
    found.ok_or(HistoryError::Missing { position })
}

fn leaf_digest(leaf: &Digest) -> Digest {
    Hasher::new(LEAF_DOMAIN).digest(leaf).finish()
}

fn join(left: &Digest, right: &Digest) -> Digest {
    Hasher::new(NODE_DOMAIN).digest(left).digest(right).finish()
}

fn root_of(leaves: u64, peaks: &[Digest]) -> Digest {
    peaks
        .iter()
        .fold(Hasher::new(ROOT_DOMAIN).number(leaves), Hasher::digest)
        .finish()
}

/// So many digests, one after the other, and nothing else.
fn digests(bytes: &[u8], number: usize) -> Option<Vec<Digest>> {
    let (chunks, rest) = bytes.as_chunks();
    let fits = rest.is_empty() && chunks.len() == number;
    fits.then(|| {
        chunks
            .iter()
            .map(|bytes| Digest::from_bytes(*bytes))
            .collect()
    })
}
