//! Proofs that a block is in a history.

use decube_crypto::Digest;

use super::{
    HistoryError, HistorySource, MAX_LEAVES, Mountain, digests, join, leaf_digest, mountains, node,
    root_of,
};

/// The path from a leaf to the root of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    // Invariant: fewer than 64; from the leaf upwards.
    siblings: Vec<Digest>,
    // Invariant: fewer than 64; the highest mountain's first, without the leaf's own.
    other_peaks: Vec<Digest>,
}

/// Bytes that are not the encoding of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path of a history in its one encoding ({length} bytes)")]
pub struct InvalidPath {
    length: usize,
}

/// Why a path shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no such leaf, or more leaves than [`MAX_LEAVES`].
    #[error("a history of {leaves} blocks has none at index {index}")]
    OutOfRange {
        /// The number of leaves.
        leaves: u64,
        /// The index asked about.
        index: u64,
    },
    /// The path has not the shape of one from that index in a history of that length.
    #[error("the path is not one from index {index} in a history of {leaves} blocks")]
    OtherShape {
        /// The number of leaves.
        leaves: u64,
        /// The index asked about.
        index: u64,
    },
    /// The path leads to another root.
    #[error("the path leads to the root {computed}, not {root}")]
    OtherRoot {
        /// The root that was asked about.
        root: Digest,
        /// The root that the path leads to.
        computed: Digest,
    },
}

/// The path from the leaf at `index` (the first is 0) to the root over the first `leaves` leaves.
///
/// # Errors
/// When there is no such leaf, or the source lacks a node or fails.
pub fn prove<S: HistorySource + ?Sized>(
    source: &S,
    leaves: u64,
    index: u64,
) -> Result<Path, HistoryError<S::Error>> {
    let home = home(leaves, index).ok_or(HistoryError::OutOfRange { leaves, index })?;
    let beside = |height: u32| Mountain {
        first: (index >> height ^ 1) << height,
        height,
    };
    let top = |mountain: Mountain| node(source, mountain.top());
    let siblings = (0..home.height)
        .map(beside)
        .map(top)
        .collect::<Result<_, _>>()?;
    let others = mountains(leaves).filter(|mountain| *mountain != home);
    Ok(Path {
        siblings,
        other_peaks: others.map(top).collect::<Result<_, _>>()?,
    })
}

impl Path {
    /// Checks that `leaf` is the one at `index` among the `leaves` leaves of `root`.
    ///
    /// # Errors
    /// When it does not show that.
    pub fn verify(
        &self,
        root: &Digest,
        leaves: u64,
        index: u64,
        leaf: &Digest,
    ) -> Result<(), PathError> {
        let home = home(leaves, index).ok_or(PathError::OutOfRange { leaves, index })?;
        let fits = self.siblings.len() == home.height as usize
            && self.other_peaks.len() + 1 == leaves.count_ones() as usize;
        if !fits {
            return Err(PathError::OtherShape { leaves, index });
        }
        let mut top = leaf_digest(leaf);
        for (height, sibling) in self.siblings.iter().enumerate() {
            let is_right = index >> height & 1 == 1;
            top = if is_right {
                join(sibling, &top)
            } else {
                join(&top, sibling)
            };
        }
        let place = mountains(leaves)
            .take_while(|mountain| *mountain != home)
            .count();
        let mut peaks = self.other_peaks.clone();
        peaks.insert(place, top);
        let computed = root_of(leaves, &peaks);
        if computed == *root {
            Ok(())
        } else {
            Err(PathError::OtherRoot {
                root: *root,
                computed,
            })
        }
    }

    /// The path's one encoding: the number of siblings in one byte, the siblings from the leaf
    /// upwards, and the other peaks, the highest mountain's first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let number = u8::try_from(self.siblings.len()).expect("fewer than 64 siblings");
        let mut bytes = vec![number];
        for digest in self.siblings.iter().chain(&self.other_peaks) {
            bytes.extend_from_slice(digest.as_bytes());
        }
        bytes
    }

    /// Reads what [`Path::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidPath> {
        Self::read(bytes).ok_or(InvalidPath {
            length: bytes.len(),
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&number, rest) = bytes.split_first()?;
        let number = usize::from(number);
        let (siblings, peaks) = rest.split_at_checked(number * Digest::LENGTH)?;
        let bound = u64::BITS as usize;
        if number >= bound || peaks.len() >= bound * Digest::LENGTH {
            return None;
        }
        let other_peaks = digests(peaks, peaks.len() / Digest::LENGTH)?;
        Some(Self {
            siblings: digests(siblings, number)?,
            other_peaks,
        })
    }
}

/// The mountain that the leaf at `index` stands in.
fn home(leaves: u64, index: u64) -> Option<Mountain> {
    let mut mountains = mountains(leaves).take_while(|_| leaves <= MAX_LEAVES);
    mountains.find(|mountain| mountain.contains(index))
}
