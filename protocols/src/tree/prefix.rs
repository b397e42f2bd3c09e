//! Paths of nibbles from the root of the tree.

use std::fmt;

use decube_crypto::Digest;

use super::NIBBLES;

/// A path of 0 to 64 nibbles from the root: the keys that start with it lie under it.
///
/// Prefixes are ordered like the keys: by nibbles, a shorter one before those that extend it.
/// Shown as its nibbles in hexadecimal, so the whole tree's prefix is the empty text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    // Invariant: the nibbles from `length` on are zero. The order of the fields makes the order.
    bytes: [u8; 32],
    // Invariant: at most `NIBBLES`.
    length: u8,
}

/// Bytes that are not the encoding of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a prefix: a length of at most 64 and then the nibbles, packed, padded with zero")]
pub struct InvalidPrefix;

impl Prefix {
    /// The empty prefix, under which the whole tree lies.
    pub const ROOT: Self = Self {
        bytes: [0; 32],
        length: 0,
    };

    /// The first `length` nibbles of a key; the whole key when `length` is above 64.
    #[must_use]
    pub fn of(key: &Digest, length: u8) -> Self {
        let length = length.min(NIBBLES);
        let mut bytes = *key.as_bytes();
        let whole = usize::from(length / 2);
        if let Some((half, rest)) = bytes[whole..].split_first_mut() {
            *half = if length % 2 == 1 { *half & 0xf0 } else { 0 };
            rest.fill(0);
        }
        Self { bytes, length }
    }

    /// How many nibbles the prefix has.
    #[must_use]
    pub fn len(&self) -> u8 {
        self.length
    }

    /// Whether this is the prefix of the whole tree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The nibble at `index`, which is 0 to 15; `None` behind the end.
    #[must_use]
    pub fn nibble(&self, index: u8) -> Option<u8> {
        (index < self.length).then(|| nibble_of(&self.bytes, index))
    }

    /// The prefix that goes on with `nibble`; `None` when this is a whole key or `nibble` is
    /// above 15.
    #[must_use]
    pub fn child(&self, nibble: u8) -> Option<Self> {
        if self.length >= NIBBLES || nibble > 15 {
            return None;
        }
        let mut bytes = self.bytes;
        let shift = if self.length.is_multiple_of(2) { 4 } else { 0 };
        bytes[usize::from(self.length / 2)] |= nibble << shift;
        Some(Self {
            bytes,
            length: self.length + 1,
        })
    }

    /// Whether `key` lies under this prefix.
    #[must_use]
    pub fn covers(&self, key: &Digest) -> bool {
        Self::of(key, self.length) == *self
    }

    /// Whether this prefix is `other` or extends it.
    #[must_use]
    pub fn starts_with(&self, other: &Self) -> bool {
        self.length >= other.length && self.truncated(other.length) == *other
    }

    /// The longest prefix that both start with.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let shorter = self.length.min(other.length);
        let differs = |index: &u8| self.nibble(*index) != other.nibble(*index);
        self.truncated((0..shorter).find(differs).unwrap_or(shorter))
    }

    /// The length in one byte, then the nibbles, two to a byte, padded with zero.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.length];
        bytes.extend_from_slice(&self.bytes[..packed(self.length)]);
        bytes
    }

    /// Reads what [`Prefix::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidPrefix> {
        match Self::split_from(bytes)? {
            (prefix, []) => Ok(prefix),
            _ => Err(InvalidPrefix),
        }
    }

    /// Reads a prefix at the start of `bytes`, and returns it with what follows.
    pub(super) fn split_from(bytes: &[u8]) -> Result<(Self, &[u8]), InvalidPrefix> {
        let (&length, rest) = bytes.split_first().ok_or(InvalidPrefix)?;
        if length > NIBBLES {
            return Err(InvalidPrefix);
        }
        let (nibbles, rest) = rest.split_at_checked(packed(length)).ok_or(InvalidPrefix)?;
        let mut bytes = [0; 32];
        bytes[..nibbles.len()].copy_from_slice(nibbles);
        let prefix = Self { bytes, length };
        if prefix.truncated(length) == prefix {
            Ok((prefix, rest))
        } else {
            Err(InvalidPrefix)
        }
    }

    fn truncated(&self, length: u8) -> Self {
        Self::of(&Digest::from_bytes(self.bytes), length.min(self.length))
    }
}

impl From<Digest> for Prefix {
    /// The prefix under which only `key` can lie.
    fn from(key: Digest) -> Self {
        Self {
            bytes: *key.as_bytes(),
            length: NIBBLES,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.length).try_for_each(|index| write!(f, "{:x}", nibble_of(&self.bytes, index)))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}*")
    }
}

/// The nibble of a key at `index`, which is below 64.
pub(super) fn nibble_of(bytes: &[u8; 32], index: u8) -> u8 {
    let byte = bytes[usize::from(index / 2)];
    if index.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0x0f
    }
}

/// The bytes that `length` nibbles take.
fn packed(length: u8) -> usize {
    usize::from(length).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(nibbles: &[u8]) -> Prefix {
        nibbles
            .iter()
            .fold(Prefix::ROOT, |path, &nibble| path.child(nibble).unwrap())
    }

    #[test]
    fn nibbles_go_in_and_come_out() {
        let path = prefix(&[0xa, 0x0, 0x7]);
        assert_eq!(path.to_string(), "a07");
        assert_eq!(
            (path.nibble(0), path.nibble(2), path.nibble(3)),
            (Some(0xa), Some(7), None)
        );
        assert_eq!(path.child(16), None);
        let key = Digest::of("decube/test/1", &[]);
        assert_eq!(Prefix::from(key).to_string(), key.to_string());
        assert_eq!(Prefix::from(key).child(0), None);
        assert_eq!(Prefix::of(&key, 200), Prefix::from(key));
        assert!((0..=64).all(|length| Prefix::of(&key, length).covers(&key)));
    }

    #[test]
    fn a_shorter_prefix_covers_and_precedes_what_extends_it() {
        let (short, long, other) = (prefix(&[1]), prefix(&[1, 0]), prefix(&[1, 2]));
        assert!(short < long && long < other && prefix(&[0, 15]) < short);
        assert!(long.starts_with(&short) && long.starts_with(&long) && !short.starts_with(&long));
        assert!(!other.starts_with(&long));
        assert_eq!(long.common(&other), short);
        assert_eq!(long.common(&short), short);
        assert_eq!(long.common(&prefix(&[2])), Prefix::ROOT);
    }

    #[test]
    fn only_the_canonical_encoding_is_read() {
        for path in [
            Prefix::ROOT,
            prefix(&[3]),
            prefix(&[3, 4]),
            Prefix::from(Digest::ZERO),
        ] {
            assert_eq!(Prefix::decode(&path.encode()), Ok(path));
        }
        let refused: [&[u8]; 6] = [&[], &[1], &[1, 0x3f], &[0, 0], &[3, 0x12], &[65; 40]];
        assert!(
            refused
                .iter()
                .all(|bytes| Prefix::decode(bytes) == Err(InvalidPrefix))
        );
    }
}
