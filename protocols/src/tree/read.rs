//! Reading a tree: a value, a range of leaves, a subtree to compare.

use decube_crypto::Digest;

use super::source::load;
use super::{EMPTY_ROOT, Inner, Node, NodeSource, Prefix, TreeError};

/// What lies under a prefix, in the form in which two peers compare it.
///
/// Two trees have equal digests under a prefix exactly when they have equal leaves under it,
/// whatever their other leaves are and wherever the prefix cuts a compressed edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// The digest of exactly the leaves under the prefix.
    pub digest: Digest,
    /// How many leaves there are, at least 1.
    pub count: u64,
    /// The leaves, one step finer.
    pub content: SubtreeContent,
}

/// What a [`Subtree`] consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubtreeContent {
    /// One leaf.
    Leaf {
        /// The whole key.
        key: Digest,
        /// The value.
        value: Vec<u8>,
    },
    /// Two to sixteen subtrees in key order: each leaf lies under exactly one of their prefixes,
    /// which may be more than one nibble longer than the prefix asked for. Each comes with the
    /// digest that [`subtree`] gives for its prefix.
    Children(Vec<Child>),
}

/// A part of a [`Subtree`]: its prefix, its digest and how many leaves it has.
pub type Child = (Prefix, Digest, u64);

/// A leaf: its key and its value.
pub type Entry = (Digest, Vec<u8>);

/// The value of `key`, or `None` when the tree has no such leaf.
///
/// # Errors
/// When a node is missing, damaged or cannot be read.
pub fn get<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    key: &Digest,
) -> Result<Option<Vec<u8>>, TreeError<S::Error>> {
    match locate(source, root, &Prefix::from(*key))? {
        Some(Node::Leaf(leaf)) => Ok(Some(leaf.into_parts().1)),
        Some(Node::Inner(_)) | None => Ok(None),
    }
}

/// The number of leaves.
///
/// # Errors
/// When the root's node is missing, damaged or cannot be read.
pub fn count<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
) -> Result<u64, TreeError<S::Error>> {
    Ok(locate(source, root, &Prefix::ROOT)?.map_or(0, |node| node.count()))
}

/// What lies under `prefix`, or `None` when no leaf does.
///
/// # Errors
/// When a node is missing, damaged or cannot be read.
pub fn subtree<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    prefix: &Prefix,
) -> Result<Option<Subtree>, TreeError<S::Error>> {
    let Some(node) = locate(source, root, prefix)? else {
        return Ok(None);
    };
    let (digest, count) = (node.digest(), node.count());
    let content = match node {
        Node::Leaf(leaf) => {
            let (key, value) = leaf.into_parts();
            SubtreeContent::Leaf { key, value }
        }
        Node::Inner(inner) => SubtreeContent::Children(children(source, &inner)?),
    };
    Ok(Some(Subtree {
        digest,
        count,
        content,
    }))
}

/// At most `limit` leaves under `prefix` in key order, those behind the key `after` when given.
///
/// # Errors
/// When a node is missing, damaged or cannot be read.
pub fn leaves<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    prefix: &Prefix,
    after: Option<&Digest>,
    limit: usize,
) -> Result<Vec<Entry>, TreeError<S::Error>> {
    let mut found = Vec::new();
    // The nodes still to visit, the next one last: at most 15 siblings for each nibble of a path.
    let mut rest: Vec<Node> = locate(source, root, prefix)?.into_iter().collect();
    while found.len() < limit
        && let Some(node) = rest.pop()
    {
        match node {
            Node::Leaf(leaf) => {
                if after.is_none_or(|after| leaf.key() > after) {
                    found.push(leaf.into_parts());
                }
            }
            Node::Inner(inner) => {
                // Loaded are only as many siblings as could still be wanted: each has a leaf.
                let wanted = inner
                    .children()
                    .map(|(nibble, child)| (inner.path(nibble), child))
                    .filter(|(path, _)| !lies_before(path, after))
                    .take((limit - found.len()).saturating_add(1));
                let loaded: Result<Vec<_>, _> = wanted
                    .map(|(path, child)| load(source, child, &path))
                    .collect();
                rest.extend(loaded?.into_iter().rev());
            }
        }
    }
    Ok(found)
}

/// Whether all keys under `path` come before `after`.
fn lies_before(path: &Prefix, after: Option<&Digest>) -> bool {
    after.is_some_and(|after| *path < Prefix::of(after, path.len()))
}

/// The node that holds exactly the leaves under `prefix`.
fn locate<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    prefix: &Prefix,
) -> Result<Option<Node>, TreeError<S::Error>> {
    let mut next = (*root != EMPTY_ROOT).then_some((*root, Prefix::ROOT));
    while let Some((digest, at)) = next {
        let node = load(source, &digest, &at)?;
        if node.prefix().starts_with(prefix) {
            return Ok(Some(node));
        }
        next = match &node {
            Node::Inner(inner) if prefix.starts_with(inner.prefix()) => prefix
                .nibble(inner.prefix().len())
                .and_then(|nibble| Some((*inner.child(nibble)?, inner.path(nibble)))),
            Node::Inner(_) | Node::Leaf(_) => None,
        };
    }
    Ok(None)
}

fn children<S: NodeSource + ?Sized>(
    source: &S,
    inner: &Inner,
) -> Result<Vec<Child>, TreeError<S::Error>> {
    let with_count = |(nibble, child): (u8, &Digest)| {
        let path = inner.path(nibble);
        let count = load(source, child, &path)?.count();
        Ok((path, *child, count))
    };
    inner.children().map(with_count).collect()
}
