//! The heads of a document: the hashes of the changes that nothing depends on yet.

use std::fmt;
use std::str::FromStr;

use decube_crypto::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use super::Version;

/// The SHA-256 hash by which Automerge names a change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeHash(pub Digest);

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ChangeHash {
    type Err = decube_crypto::ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The heads of a document: sorted, without duplicates, at most [`Heads::MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<ChangeHash>", into = "Vec<ChangeHash>")]
pub struct Heads(Vec<ChangeHash>); // Invariant: strictly ascending, at most MAX.

/// More heads than a version may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} heads are more than the {} a version may have; edit the document once to merge them",
    Heads::MAX
)]
pub struct TooManyHeads {
    /// How many there were.
    pub count: usize,
}

impl Heads {
    /// The most heads a version may have: 64 keep a committed entry within a leaf of the tree.
    pub const MAX: usize = 64;

    /// Sorts `heads` and drops duplicates.
    ///
    /// # Errors
    /// [`TooManyHeads`] when more than [`Heads::MAX`] remain.
    pub fn new(mut heads: Vec<ChangeHash>) -> Result<Self, TooManyHeads> {
        heads.sort_unstable();
        heads.dedup();
        if heads.len() > Self::MAX {
            return Err(TooManyHeads { count: heads.len() });
        }
        Ok(Self(heads))
    }

    /// The hashes in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[ChangeHash] {
        &self.0
    }

    /// True for a document without changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version that these heads name.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(&self.0)
    }
}

impl Version {
    /// The version that `heads` name, which must be sorted and without duplicates.
    #[must_use]
    pub fn of(heads: &[ChangeHash]) -> Self {
        let mut hasher = Hasher::new("decube/version/1");
        for head in heads {
            hasher = hasher.digest(&head.0);
        }
        Self(hasher.finish())
    }
}

impl TryFrom<Vec<ChangeHash>> for Heads {
    type Error = TooManyHeads;

    fn try_from(heads: Vec<ChangeHash>) -> Result<Self, TooManyHeads> {
        Self::new(heads)
    }
}

impl From<Heads> for Vec<ChangeHash> {
    fn from(heads: Heads) -> Self {
        heads.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_do_not_change_a_version() {
        let [a, b] = [b"a", b"b"].map(|name| ChangeHash(Digest::of("decube/test/1", &[name])));
        let one = Heads::new(vec![a, b]).unwrap();
        assert_eq!(one, Heads::new(vec![b, a, b]).unwrap());
        assert_ne!(one.version(), Heads::new(vec![a]).unwrap().version());
    }

    #[test]
    fn too_many_heads_are_counted() {
        let many = (0..=Heads::MAX as u64)
            .map(|n| ChangeHash(Hasher::new("decube/test/1").number(n).finish()))
            .collect();
        assert_eq!(
            Heads::new(many),
            Err(TooManyHeads {
                count: Heads::MAX + 1
            })
        );
    }
}
