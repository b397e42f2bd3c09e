//! Changing many leaves of a tree at once.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::Digest;

use super::prefix::nibble_of;
use super::source::load;
use super::{EMPTY_ROOT, Inner, Leaf, MAX_VALUE, Node, NodeSource, Prefix, TreeError};

/// What an update makes of a tree.
///
/// `added` and `removed` are disjoint. `added` are the nodes of the new tree that the old one has
/// not, `removed` the nodes of the old tree that the new one has not: a collection deletes those;
/// the committed state keeps them, so that old roots stay readable. A digest occurs at one place
/// of one tree only, since keys and whole prefixes are hashed, so removing needs no counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The root of the new tree.
    pub root: Digest,
    /// The nodes to store.
    pub added: BTreeMap<Digest, Node>,
    /// The nodes that the new tree no longer has.
    pub removed: BTreeSet<Digest>,
}

/// The tree in which each key of `changes` has the given value, or no leaf for `None`.
///
/// Reads and makes a number of nodes that grows with the changes times the depth.
///
/// # Errors
/// When a value is too long, or a node is missing, damaged or cannot be read.
pub fn update<S: NodeSource + ?Sized>(
    source: &S,
    root: &Digest,
    changes: &BTreeMap<Digest, Option<Vec<u8>>>,
) -> Result<Update, TreeError<S::Error>> {
    let too_long = changes
        .iter()
        .find_map(|(key, value)| Some((key, value.as_ref()?.len())).filter(|v| v.1 > MAX_VALUE));
    if let Some((key, length)) = too_long {
        return Err(TreeError::ValueTooLong { key: *key, length });
    }
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|(key, value)| Change {
            key,
            value: value.as_deref(),
        })
        .collect();
    let mut editor = Editor {
        source,
        added: BTreeMap::new(),
        removed: BTreeSet::new(),
    };
    let part = if *root == EMPTY_ROOT {
        let items = editor.insert(&changes);
        editor.join(&items)
    } else {
        editor.apply(root, &Prefix::ROOT, &changes)?.now
    };
    let Editor {
        mut added,
        mut removed,
        ..
    } = editor;
    // A node that was replaced by an equal one has neither come nor gone.
    removed.retain(|digest| added.remove(digest).is_none());
    Ok(Update {
        root: part.map_or(EMPTY_ROOT, |part| part.digest),
        added,
        removed,
    })
}

/// A change of one key.
#[derive(Clone, Copy)]
struct Change<'a> {
    key: &'a Digest,
    value: Option<&'a [u8]>,
}

/// A node that is to become part of the new tree.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    /// A path that all its leaves share and no other leaf of the new tree has.
    path: Prefix,
    digest: Digest,
    count: u64,
}

/// What became of a node.
struct Applied {
    /// How many leaves it had.
    count_before: u64,
    /// What stands in its place.
    now: Option<Part>,
}

struct Editor<'a, S: ?Sized> {
    source: &'a S,
    added: BTreeMap<Digest, Node>,
    removed: BTreeSet<Digest>,
}

impl<S: NodeSource + ?Sized> Editor<'_, S> {
    /// Applies changes whose keys lie under `at` to the node that stands there.
    fn apply(
        &mut self,
        digest: &Digest,
        at: &Prefix,
        changes: &[Change<'_>],
    ) -> Result<Applied, TreeError<S::Error>> {
        let node = load(self.source, digest, at)?;
        let path = node.prefix();
        let (inside, outside): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| path.covers(change.key));
        let count_before = node.count();
        let kept = match node {
            _ if inside.is_empty() => Some(Part {
                path,
                digest: *digest,
                count: count_before,
            }),
            Node::Inner(inner) => self.apply_inside(digest, &inner, &inside)?,
            Node::Leaf(_) => {
                self.removed.insert(*digest);
                self.insert(&inside).pop()
            }
        };
        let mut parts = self.insert(&outside);
        parts.extend(kept);
        parts.sort_unstable_by_key(|part| part.path);
        Ok(Applied {
            count_before,
            now: self.join(&parts),
        })
    }

    /// Applies changes whose keys all lie under the prefix of an inner node.
    fn apply_inside(
        &mut self,
        digest: &Digest,
        inner: &Inner,
        changes: &[Change<'_>],
    ) -> Result<Option<Part>, TreeError<S::Error>> {
        let damaged = || TreeError::Damaged { digest: *digest };
        let depth = inner.prefix().len();
        let mut children: BTreeMap<u8, Digest> = inner
            .children()
            .map(|(nibble, child)| (nibble, *child))
            .collect();
        let mut count = inner.count();
        let same_slot = |a: &Change<'_>, b: &Change<'_>| slot(a, depth) == slot(b, depth);
        for group in changes.chunk_by(same_slot) {
            let nibble = slot(&group[0], depth);
            let Applied { count_before, now } = match children.get(&nibble) {
                Some(child) => self.apply(&child.clone(), &inner.path(nibble), group)?,
                None => {
                    let items = self.insert(group);
                    Applied {
                        count_before: 0,
                        now: self.join(&items),
                    }
                }
            };
            let count_now = now.map_or(0, |part| part.count);
            count = count
                .checked_sub(count_before)
                .and_then(|count| count.checked_add(count_now))
                .ok_or_else(damaged)?;
            match now {
                Some(part) => children.insert(nibble, part.digest),
                None => children.remove(&nibble),
            };
        }
        let path = *inner.prefix();
        if children
            .iter()
            .map(|(nibble, child)| (*nibble, child))
            .eq(inner.children())
        {
            return Ok(Some(Part {
                path,
                digest: *digest,
                count,
            }));
        }
        self.removed.insert(*digest);
        match children.first_key_value() {
            None => Ok(None),
            Some((&nibble, &only)) if children.len() == 1 && count > 0 => Ok(Some(Part {
                path: inner.path(nibble),
                digest: only,
                count,
            })),
            Some(_) => self
                .add_inner(path, &children, count)
                .map(Some)
                .ok_or_else(damaged),
        }
    }

    /// New leaves for the changes that give a value, in key order.
    fn insert(&mut self, changes: &[Change<'_>]) -> Vec<Part> {
        let with_value = changes
            .iter()
            .filter_map(|change| Some((change.key, change.value?)));
        with_value
            .map(|(key, value)| {
                let leaf = Leaf::new(*key, value.to_vec()).expect("lengths were checked");
                self.add(Node::Leaf(leaf))
            })
            .collect()
    }

    /// One node over all parts, which come in key order; `None` when there are none.
    fn join(&mut self, parts: &[Part]) -> Option<Part> {
        let (first, last) = match parts {
            [] => return None,
            [only] => return Some(*only),
            [first, .., last] => (first, last),
        };
        let prefix = first.path.common(&last.path);
        let slot = |part: &Part| part.path.nibble(prefix.len());
        let mut children = BTreeMap::new();
        let mut count = 0;
        for group in parts.chunk_by(|a, b| slot(a) == slot(b)) {
            let child = self.join(group)?;
            count += child.count;
            children.insert(slot(&group[0])?, child.digest);
        }
        self.add_inner(prefix, &children, count)
    }

    fn add_inner(
        &mut self,
        prefix: Prefix,
        children: &BTreeMap<u8, Digest>,
        count: u64,
    ) -> Option<Part> {
        let bitmap = children
            .keys()
            .fold(0, |bitmap, nibble| bitmap | 1 << nibble);
        let inner = Inner::new(prefix, bitmap, count, children.values().copied().collect())?;
        Some(self.add(Node::Inner(inner)))
    }

    fn add(&mut self, node: Node) -> Part {
        let part = Part {
            path: node.prefix(),
            digest: node.digest(),
            count: node.count(),
        };
        self.added.insert(part.digest, node);
        part
    }
}

/// The nibble of a change's key at `depth`, which is below 64.
fn slot(change: &Change<'_>, depth: u8) -> u8 {
    nibble_of(change.key.as_bytes(), depth)
}
