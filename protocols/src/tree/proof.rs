//! Proofs that a key has a value, or has none, under a root.

use decube_crypto::Digest;

use super::node::{digests, nibbles_of};
use super::prefix::nibble_of;
use super::source::load;
use super::{EMPTY_ROOT, Inner, MAX_NODE, NIBBLES, Node, NodeSource, Prefix, TreeError};

/// The most bytes an encoded proof takes: a step for each nibble of a key, all with 15 siblings,
/// and the longest leaf. A proof in a tree of a million leaves takes about 3 KiB.
pub const MAX_PROOF: usize = 1 + NIBBLES as usize * MAX_STEP + MAX_NODE;
const STEP_HEAD: usize = 1 + 2 + 8;
const MAX_STEP: usize = STEP_HEAD + 15 * Digest::LENGTH;

/// The path from a root to the node that settles whether a key has a value.
///
/// That last node is the key's own leaf (inclusion); or the leaf of another key in the place where
/// the key's would stand, an inner node whose prefix diverges from the key, or one whose slot for
/// the key is empty (absence). The empty tree has no node at all.
///
/// For one key and root there is one proof and one encoding of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    // Invariant: ordered by length, strictly.
    steps: Vec<Step>,
    // Invariant: when absent, there are no steps.
    end: Option<Node>,
}

/// An inner node on the way, without what the key and the steps below it tell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    /// Its prefix is this many nibbles of the key.
    // Invariant: below 64.
    length: u8,
    /// Where the children are that the path does not go through.
    // Invariant: between 1 and 15 bits, as many as `siblings`.
    bitmap: u16,
    /// The leaves below.
    count: u64,
    /// The digests of those children.
    siblings: Vec<Digest>,
}

/// Bytes that are not the encoding of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a tree proof in its one encoding ({length} bytes)")]
pub struct InvalidProof {
    length: usize,
}

/// Why a proof shows nothing about a key under a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof leads to another root.
    #[error("the proof leads to the root {computed}, not {root}")]
    OtherRoot {
        /// The root that was asked about.
        root: Digest,
        /// The root that the proof leads to.
        computed: Digest,
    },
    /// The proof's path is not one towards the key, or it ends before the key is settled.
    #[error("the proof is not one about the key {key}")]
    OtherKey {
        /// The key that was asked about.
        key: Digest,
    },
}

/// Proves the value of `key`, or its absence, under `root`.
///
/// # Errors
/// When a node is missing, damaged or cannot be read.
pub fn prove<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    key: &Digest,
) -> Result<Proof, TreeError<S::Error>> {
    let mut steps = Vec::new();
    if *root == EMPTY_ROOT {
        return Ok(Proof { steps, end: None });
    }
    let mut node = load(source, root, &Prefix::ROOT)?;
    while let Node::Inner(inner) = &node
        && let Some((nibble, child)) = inner.towards(key)
    {
        steps.push(Step::beside(inner, nibble));
        node = load(source, child, &inner.path(nibble))?;
    }
    Ok(Proof {
        steps,
        end: Some(node),
    })
}

impl Proof {
    /// Whether the tree of `root` has a leaf for `key`: its value, or `None` for absence.
    ///
    /// # Errors
    /// When the proof is about another key or another root.
    pub fn verify(&self, root: &Digest, key: &Digest) -> Result<Option<Vec<u8>>, ProofError> {
        let other_key = ProofError::OtherKey { key: *key };
        let (computed, value) = match &self.end {
            None => (EMPTY_ROOT, None),
            Some(end) => {
                let value = settle(end, key).ok_or(other_key)?;
                (self.lead_up(end, key).ok_or(other_key)?, value)
            }
        };
        if computed == *root {
            Ok(value)
        } else {
            Err(ProofError::OtherRoot {
                root: *root,
                computed,
            })
        }
    }

    /// The root to which the steps lead from `end`; `None` when they do not lie towards `key`.
    fn lead_up(&self, end: &Node, key: &Digest) -> Option<Digest> {
        let (mut digest, mut below) = (end.digest(), end.prefix());
        for step in self.steps.iter().rev() {
            let inner = step.restore(key, &digest)?;
            if !below.starts_with(&inner.path(nibble_of(key.as_bytes(), step.length))) {
                return None;
            }
            (digest, below) = (Node::Inner(inner).digest(), Prefix::of(key, step.length));
        }
        Some(digest)
    }

    /// The proof's one encoding: the number of steps; each step's length, bitmap and count
    /// (little-endian) and siblings; then the last node as [`Node::encode`] writes it, or nothing.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let steps = u8::try_from(self.steps.len()).expect("lengths rise strictly and are below 64");
        let mut bytes = vec![steps];
        for Step {
            length,
            bitmap,
            count,
            siblings,
        } in &self.steps
        {
            bytes.push(*length);
            bytes.extend_from_slice(&bitmap.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
            for sibling in siblings {
                bytes.extend_from_slice(sibling.as_bytes());
            }
        }
        if let Some(end) = &self.end {
            bytes.extend_from_slice(&end.encode());
        }
        bytes
    }

    /// Reads what [`Proof::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidProof> {
        Self::read(bytes).ok_or(InvalidProof {
            length: bytes.len(),
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&count, mut rest) = bytes.split_first()?;
        // Lengths that rise strictly and stay below 64 bound the number of steps.
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..count {
            let (step, behind) = Step::split_from(rest)?;
            if steps
                .last()
                .is_some_and(|above| above.length >= step.length)
            {
                return None;
            }
            steps.push(step);
            rest = behind;
        }
        let end = if rest.is_empty() {
            None
        } else {
            Some(Node::decode(rest).ok()?)
        };
        (end.is_some() || steps.is_empty()).then_some(Self { steps, end })
    }
}

impl Step {
    /// The step through `inner` to its child at `nibble`.
    fn beside(inner: &Inner, nibble: u8) -> Self {
        let others = inner.children().filter(|(at, _)| *at != nibble);
        Self {
            length: inner.prefix().len(),
            bitmap: inner.bitmap() & !(1 << nibble),
            count: inner.count(),
            siblings: others.map(|(_, sibling)| *sibling).collect(),
        }
    }

    /// The node that the step goes through, with `child` on the way to `key`; `None` when a
    /// sibling stands in the child's slot, since then there are more children than bits.
    fn restore(&self, key: &Digest, child: &Digest) -> Option<Inner> {
        let nibble = nibble_of(key.as_bytes(), self.length);
        let mut children = self.siblings.clone();
        let place = nibbles_of(self.bitmap)
            .take_while(|at| *at < nibble)
            .count();
        children.insert(place, *child);
        Inner::new(
            Prefix::of(key, self.length),
            self.bitmap | 1 << nibble,
            self.count,
            children,
        )
    }

    fn split_from(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&length, bytes) = bytes.split_first()?;
        let (bitmap, bytes) = bytes.split_first_chunk()?;
        let (count, bytes) = bytes.split_first_chunk()?;
        let (bitmap, count) = (u16::from_le_bytes(*bitmap), u64::from_le_bytes(*count));
        let number = bitmap.count_ones() as usize;
        let (siblings, rest) = bytes.split_at_checked(number * Digest::LENGTH)?;
        let fits = length < NIBBLES && (1..=15).contains(&number) && count > number as u64;
        let step = Self {
            length,
            bitmap,
            count,
            siblings: digests(siblings)?,
        };
        fits.then_some((step, rest))
    }
}

/// What the last node of a path says about `key`: its value, or its absence (`Some(None)`), or
/// nothing, because the path could go on.
fn settle(end: &Node, key: &Digest) -> Option<Option<Vec<u8>>> {
    match end {
        Node::Leaf(leaf) if leaf.key() == key => Some(Some(leaf.value().to_vec())),
        Node::Leaf(_) => Some(None),
        Node::Inner(inner) => inner.towards(key).is_none().then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Leaf;
    use super::*;

    fn key(first: u8) -> Digest {
        let mut bytes = [7; 32];
        bytes[0] = first;
        Digest::from_bytes(bytes)
    }

    fn leaf(key: Digest) -> Option<Node> {
        Leaf::new(key, vec![1]).map(Node::Leaf)
    }

    fn step(length: u8, bitmap: u16) -> Step {
        let siblings = nibbles_of(bitmap).map(key).collect();
        Step {
            length,
            bitmap,
            count: 100,
            siblings,
        }
    }

    /// A proof that is malformed in itself: no root is the one that it leads to.
    fn refused(steps: Vec<Step>, end: Option<Node>) -> bool {
        let proof = Proof { steps, end };
        let says = proof.verify(&Digest::ZERO, &key(0x12));
        let of_this_form = says == Err(ProofError::OtherKey { key: key(0x12) });
        assert!(of_this_form || matches!(says, Err(ProofError::OtherRoot { .. })));
        of_this_form
    }

    #[test]
    fn a_path_that_is_not_the_keys_is_refused_under_every_root() {
        let towards = || vec![step(0, 0b100), step(1, 0b1000)];
        assert!(!refused(towards(), leaf(key(0x12))));
        // The last node lies in another slot of the last step, or the key's slot is a sibling.
        assert!(refused(towards(), leaf(key(0x13))));
        assert!(refused(vec![step(0, 0b110)], leaf(key(0x12))));
        // The path could go on, since the last node has a child for the key.
        let inner = |nibbles, below: u8| {
            let prefix = Prefix::of(&key(below), 1);
            Inner::new(prefix, nibbles, 2, vec![key(0); 2]).map(Node::Inner)
        };
        assert!(refused(vec![step(0, 0b100)], inner(0b110, 0x12)));
        assert!(!refused(vec![step(0, 0b100)], inner(0b1010, 0x12)));
        assert!(refused(vec![step(0, 0b100)], inner(0b1010, 0x22)));
    }

    #[test]
    fn steps_that_do_not_go_down_are_refused() {
        let decoded = |steps: Vec<Step>, end| {
            let proof = Proof { steps, end };
            Proof::decode(&proof.encode()).is_ok_and(|decoded| decoded == proof)
        };
        let end = || leaf(key(0x12));
        assert!(decoded(vec![step(0, 1), step(1, 1), step(63, 1)], end()));
        for steps in [
            vec![step(1, 1), step(1, 1)],
            vec![step(1, 1), step(0, 1)],
            vec![step(64, 1)],
            vec![step(0, 0)],
            vec![step(0, u16::MAX)],
            vec![Step {
                count: 1,
                ..step(0, 1)
            }],
        ] {
            assert!(!decoded(steps.clone(), end()), "{steps:?}");
        }
        assert!(!decoded(vec![step(0, 1)], None));
    }

    #[test]
    fn the_longest_proof_is_as_long_as_stated() {
        let steps = (0..NIBBLES).map(|length| step(length, 0x7fff)).collect();
        let end = Leaf::new(key(0), vec![0; super::super::MAX_VALUE]).map(Node::Leaf);
        let proof = Proof { steps, end };
        let bytes = proof.encode();
        assert_eq!(bytes.len(), MAX_PROOF);
        assert_eq!(Proof::decode(&bytes), Ok(proof));
    }
}
