//! The nodes of the tree, their digests and their encoding.

use decube_crypto::{Digest, Hasher};

use super::prefix::nibble_of;
use super::{MAX_VALUE, NIBBLES, Prefix};

const LEAF_DOMAIN: &str = "decube/leaf/1";
const INNER_DOMAIN: &str = "decube/node/1";
const LEAF_TAG: u8 = 0;
const INNER_TAG: u8 = 1;

/// The most bytes an encoded node takes: a leaf with the longest value. (An inner node with the
/// longest prefix and 16 children takes 556.)
pub const MAX_NODE: usize = 1 + Digest::LENGTH + MAX_VALUE;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A key and its value.
    Leaf(Leaf),
    /// A point where keys part.
    Inner(Inner),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    key: Digest,
    // Invariant: at most `MAX_VALUE` bytes.
    value: Vec<u8>,
}

/// A point where keys part: they share `prefix` and differ in the nibble behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner {
    // Invariant: shorter than a key.
    prefix: Prefix,
    // Invariant: bit `n` is set when there is a child at nibble `n`; at least two are.
    bitmap: u16,
    // Invariant: at least the number of children.
    count: u64,
    // Invariant: as many as the bitmap has bits, in the order of their nibbles.
    children: Vec<Digest>,
}

/// Bytes that are not the encoding of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a node of the tree in its one encoding ({length} bytes)")]
pub struct InvalidNode {
    length: usize,
}

impl Node {
    /// The digest under which the node's parent, or a root, names it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Leaf(leaf) => leaf.digest(),
            Self::Inner(inner) => inner.digest(),
        }
    }

    /// The path that all leaves of the node share: a leaf's whole key.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        match self {
            Self::Leaf(leaf) => Prefix::from(leaf.key),
            Self::Inner(inner) => inner.prefix,
        }
    }

    /// How many leaves the node holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Leaf(_) => 1,
            Self::Inner(inner) => inner.count,
        }
    }

    /// The node's one encoding: a tag, then for a leaf the key and the value, and for an inner
    /// node the prefix, the bitmap and the count (both little-endian) and the child digests.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Leaf(Leaf { key, value }) => {
                let mut bytes = Vec::with_capacity(1 + Digest::LENGTH + value.len());
                bytes.push(LEAF_TAG);
                bytes.extend_from_slice(key.as_bytes());
                bytes.extend_from_slice(value);
                bytes
            }
            Self::Inner(Inner {
                prefix,
                bitmap,
                count,
                children,
            }) => {
                let mut bytes = vec![INNER_TAG];
                bytes.extend_from_slice(&prefix.encode());
                bytes.extend_from_slice(&bitmap.to_le_bytes());
                bytes.extend_from_slice(&count.to_le_bytes());
                for child in children {
                    bytes.extend_from_slice(child.as_bytes());
                }
                bytes
            }
        }
    }

    /// Reads what [`Node::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidNode> {
        let node = match bytes.split_first() {
            Some((&LEAF_TAG, rest)) => Leaf::decode(rest).map(Self::Leaf),
            Some((&INNER_TAG, rest)) => Inner::decode(rest).map(Self::Inner),
            Some(_) | None => None,
        };
        node.ok_or(InvalidNode {
            length: bytes.len(),
        })
    }
}

impl Leaf {
    /// A leaf; `None` when the value is longer than [`MAX_VALUE`].
    #[must_use]
    pub fn new(key: Digest, value: Vec<u8>) -> Option<Self> {
        (value.len() <= MAX_VALUE).then_some(Self { key, value })
    }

    /// The whole key.
    #[must_use]
    pub fn key(&self) -> &Digest {
        &self.key
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The key and the value.
    #[must_use]
    pub fn into_parts(self) -> (Digest, Vec<u8>) {
        (self.key, self.value)
    }

    fn digest(&self) -> Digest {
        Digest::of(LEAF_DOMAIN, &[self.key.as_bytes(), &self.value])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, value) = bytes.split_first_chunk()?;
        // Measured before the copy.
        let fits = value.len() <= MAX_VALUE;
        fits.then(|| Self {
            key: Digest::from_bytes(*key),
            value: value.to_vec(),
        })
    }
}

impl Inner {
    /// An inner node; `None` when an invariant of the fields does not hold.
    pub(super) fn new(
        prefix: Prefix,
        bitmap: u16,
        count: u64,
        children: Vec<Digest>,
    ) -> Option<Self> {
        let fits = prefix.len() < NIBBLES
            && children.len() >= 2
            && u64::from(bitmap.count_ones()) == children.len() as u64
            && count >= children.len() as u64;
        fits.then_some(Self {
            prefix,
            bitmap,
            count,
            children,
        })
    }

    /// The path from the root that all leaves below share.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// How many leaves lie below.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The children with their nibbles, in order.
    pub fn children(&self) -> impl Iterator<Item = (u8, &Digest)> {
        nibbles_of(self.bitmap).zip(&self.children)
    }

    /// The child at a nibble.
    #[must_use]
    pub fn child(&self, nibble: u8) -> Option<&Digest> {
        self.children()
            .find_map(|(at, child)| (at == nibble).then_some(child))
    }

    /// The child below which `key` must lie, with its path; `None` when the prefix does not cover
    /// the key or the slot is empty.
    pub(super) fn towards(&self, key: &Digest) -> Option<(u8, &Digest)> {
        if !self.prefix.covers(key) {
            return None;
        }
        let nibble = nibble_of(key.as_bytes(), self.prefix.len());
        self.child(nibble).map(|child| (nibble, child))
    }

    /// The path of the child at `nibble`.
    pub(super) fn path(&self, nibble: u8) -> Prefix {
        self.prefix
            .child(nibble)
            .expect("an inner prefix is shorter than a key")
    }

    pub(super) fn bitmap(&self) -> u16 {
        self.bitmap
    }

    fn digest(&self) -> Digest {
        let hasher = Hasher::new(INNER_DOMAIN)
            .field(&self.prefix.encode())
            .number(u64::from(self.bitmap))
            .number(self.count);
        self.children.iter().fold(hasher, Hasher::digest).finish()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (prefix, bytes) = Prefix::split_from(bytes).ok()?;
        let (bitmap, bytes) = bytes.split_first_chunk()?;
        let (count, bytes) = bytes.split_first_chunk()?;
        let children = digests(bytes)?;
        Self::new(
            prefix,
            u16::from_le_bytes(*bitmap),
            u64::from_le_bytes(*count),
            children,
        )
    }
}

/// The nibbles whose bits are set, in order.
pub(super) fn nibbles_of(bitmap: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |nibble| bitmap & (1 << nibble) != 0)
}

/// At most 16 digests, one after the other, and nothing else.
pub(super) fn digests(bytes: &[u8]) -> Option<Vec<Digest>> {
    let (chunks, rest) = bytes.as_chunks();
    let fits = rest.is_empty() && chunks.len() <= 16;
    fits.then(|| {
        chunks
            .iter()
            .map(|bytes| Digest::from_bytes(*bytes))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(seed: u8) -> Digest {
        Digest::of("decube/test/1", &[&[seed]])
    }

    fn inner() -> Node {
        let prefix = Prefix::of(&digest(0), 3);
        Node::Inner(Inner::new(prefix, 0b101, 9, vec![digest(1), digest(2)]).unwrap())
    }

    #[test]
    fn nodes_survive_their_encoding() {
        let leaf = |length| Node::Leaf(Leaf::new(digest(3), vec![7; length]).unwrap());
        for node in [inner(), leaf(0), leaf(1), leaf(MAX_VALUE)] {
            let bytes = node.encode();
            assert!(bytes.len() <= MAX_NODE);
            assert_eq!(Node::decode(&bytes), Ok(node));
        }
        assert_eq!(Leaf::new(digest(3), vec![0; MAX_VALUE + 1]), None);
    }

    #[test]
    fn every_field_is_in_the_digest() {
        let (prefix, children) = (Prefix::of(&digest(0), 3), vec![digest(1), digest(2)]);
        let all = [
            Inner::new(prefix, 0b101, 9, children.clone()),
            Inner::new(Prefix::of(&digest(0), 4), 0b101, 9, children.clone()),
            Inner::new(prefix, 0b110, 9, children.clone()),
            Inner::new(prefix, 0b101, 8, children.clone()),
            Inner::new(prefix, 0b101, 9, vec![digest(2), digest(1)]),
        ];
        let distinct: std::collections::BTreeSet<_> = all
            .iter()
            .map(|inner| inner.as_ref().unwrap().digest())
            .collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let good = inner().encode();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Node::decode(&bytes)
        };
        // Tag, prefix length, padding nibble, one bit too few and too many, count below two.
        for (at, byte) in [
            (0, 2),
            (1, 5),
            (1, 65),
            (3, good[3] | 1),
            (4, 1),
            (4, 0b111),
            (6, 1),
        ] {
            assert!(changed(at, byte).is_err(), "byte {at} as {byte}");
        }
        for end in 0..good.len() {
            assert!(Node::decode(&good[..end]).is_err(), "cut at {end}");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert!(Node::decode(&longer).is_err());
        let leaf = [&[LEAF_TAG; 33][..], &vec![0; MAX_VALUE + 1]].concat();
        assert_eq!(Node::decode(&leaf), Err(InvalidNode { length: leaf.len() }));
        let whole_key = Inner::new(Prefix::from(digest(0)), 0b11, 2, vec![digest(1); 2]);
        assert_eq!(whole_key, None);
    }
}
