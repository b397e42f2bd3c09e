//! The graph of a document's changes: who made which, and what it rests on.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, ChangeMetadata};

use super::from_automerge;
use crate::types::ChangeHash;

/// A head that the document does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document has no change {0}")]
pub struct UnknownHead(pub ChangeHash);

/// The changes of a document with their dependencies, without their content.
///
/// Kept beside Automerge because admission asks for an actor's last change and for ancestry,
/// which Automerge does not tell.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>, // Invariant: each node stands after those it depends on.
    index: BTreeMap<ChangeHash, u32>,
    tips: BTreeMap<ActorId, u32>,
    heads: BTreeSet<ChangeHash>,
}

/// One change in a [`Graph`].
#[derive(Clone, Debug)]
struct Node {
    hash: ChangeHash,
    dependencies: Box<[u32]>,
    seq: u64,
    max_op: u64,
}

/// What a graph keeps of a change.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) hash: ChangeHash,
    pub(super) dependencies: Vec<ChangeHash>,
    pub(super) actor: ActorId,
    pub(super) seq: u64,
    pub(super) max_op: u64,
}

impl Link {
    pub(super) fn of(change: &automerge::Change) -> Self {
        Self {
            hash: from_automerge(change.hash()),
            dependencies: change
                .deps()
                .iter()
                .map(|hash| from_automerge(*hash))
                .collect(),
            actor: change.actor_id().clone(),
            seq: change.seq(),
            // The number of an empty change's last operation is the one before its first.
            max_op: change.start_op().get() - 1 + change.len() as u64,
        }
    }

    pub(super) fn of_metadata(change: &ChangeMetadata<'_>) -> Self {
        Self {
            hash: from_automerge(change.hash),
            dependencies: change
                .deps
                .iter()
                .map(|hash| from_automerge(*hash))
                .collect(),
            actor: change.actor.clone().into_owned(),
            seq: change.seq,
            max_op: change.max_op,
        }
    }
}

impl Graph {
    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True for a document without changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the change is in the graph.
    #[must_use]
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.index.contains_key(hash)
    }

    /// The changes that nothing depends on, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.heads.iter().copied().collect()
    }

    /// Whether `heads` are exactly the present heads, in any order.
    #[must_use]
    pub fn is_current(&self, heads: &[ChangeHash]) -> bool {
        heads.iter().copied().collect::<BTreeSet<_>>() == self.heads
    }

    /// All changes, each after those it depends on.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ChangeHash> {
        self.nodes.iter().map(|node| &node.hash)
    }

    /// The sequence number and hash of the actor's last change.
    #[must_use]
    pub fn tip(&self, actor: &ActorId) -> Option<(u64, ChangeHash)> {
        let node = self.nodes.get(*self.tips.get(actor)? as usize)?;
        Some((node.seq, node.hash))
    }

    /// How many actors there are.
    #[must_use]
    pub fn actors(&self) -> usize {
        self.tips.len()
    }

    /// The number of a change's last operation.
    pub(super) fn max_op(&self, hash: &ChangeHash) -> Option<u64> {
        Some(self.nodes.get(*self.index.get(hash)? as usize)?.max_op)
    }

    /// The number of the last operation up to any of `heads`; zero for none.
    pub(super) fn last_operation(&self, heads: impl IntoIterator<Item = ChangeHash>) -> u64 {
        // Each change is numbered after all that it rests on.
        let numbers = heads.into_iter().filter_map(|hash| self.max_op(&hash));
        numbers.max().unwrap_or(0)
    }

    /// Refuses heads that the document does not have.
    ///
    /// # Errors
    /// [`UnknownHead`] names the first one.
    pub fn check_heads(&self, heads: &[ChangeHash]) -> Result<(), UnknownHead> {
        match heads.iter().find(|head| !self.contains(head)) {
            Some(unknown) => Err(UnknownHead(*unknown)),
            None => Ok(()),
        }
    }

    /// Whether every one of `ancestors` is one of `heads` or below them. Unknown ones are not.
    #[must_use]
    pub fn covers(&self, heads: &[ChangeHash], ancestors: &[ChangeHash]) -> bool {
        let Some(wanted) = ancestors
            .iter()
            .map(|hash| self.index.get(hash).copied())
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        // Dependencies have smaller indexes, so nothing below the smallest wanted one matters.
        let Some(floor) = wanted.iter().min().copied() else {
            return true;
        };
        let below = self.below(heads, floor);
        wanted.iter().all(|index| below.contains(index))
    }

    /// The heads and what is below them, down to index `floor`.
    fn below(&self, heads: &[ChangeHash], floor: u32) -> BTreeSet<u32> {
        let mut seen: BTreeSet<u32> = heads
            .iter()
            .filter_map(|hash| self.index.get(hash).copied())
            .collect();
        let mut stack: Vec<u32> = seen.iter().copied().collect();
        while let Some(index) = stack.pop() {
            let Some(node) = self.nodes.get(index as usize) else {
                continue;
            };
            for dependency in &node.dependencies {
                if *dependency >= floor && seen.insert(*dependency) {
                    stack.push(*dependency);
                }
            }
        }
        seen
    }

    /// The changes up to `heads`, each after those it depends on.
    #[must_use]
    pub fn ancestry(&self, heads: &[ChangeHash]) -> Vec<ChangeHash> {
        let below = self.below(heads, 0);
        below
            .iter()
            .filter_map(|index| self.nodes.get(*index as usize))
            .map(|n| n.hash)
            .collect()
    }

    /// The changes that another lacks, each after those it depends on: of those that are not in
    /// the history of `known`, all in the history of `wanted`, all that it does not have
    /// according to `has`, and all that depend on these.
    pub(super) fn lacking<'a>(
        &'a self,
        known: &[ChangeHash],
        wanted: &[ChangeHash],
        mut has: impl FnMut(&ChangeHash) -> bool + 'a,
    ) -> impl Iterator<Item = ChangeHash> + 'a {
        let (known, mut lacks) = (self.history(known), self.history(wanted));
        let outside = (self.nodes.iter().zip(known).enumerate()).filter(|(_, (_, known))| !known);
        outside.filter_map(move |(index, (node, _))| {
            let marked = |index: usize| lacks.get(index).copied().unwrap_or_default();
            let mut dependencies = node.dependencies.iter();
            let lacking = marked(index)
                || dependencies.any(|dependency| marked(*dependency as usize))
                || !has(&node.hash);
            if let Some(mark) = lacks.get_mut(index) {
                *mark = lacking;
            }
            lacking.then_some(node.hash)
        })
    }

    /// For each change whether it is one of `heads` or below them.
    fn history(&self, heads: &[ChangeHash]) -> Vec<bool> {
        let mut marks = vec![false; self.nodes.len()];
        let found = heads.iter().filter_map(|hash| self.index.get(hash));
        let top = found
            .map(|index| {
                marks[*index as usize] = true;
                *index as usize + 1
            })
            .max();
        // Dependencies stand before what depends on them.
        for (index, node) in self.nodes.iter().enumerate().take(top.unwrap_or(0)).rev() {
            if marks[index] {
                for dependency in &node.dependencies {
                    marks[*dependency as usize] = true;
                }
            }
        }
        marks
    }

    /// Adds a change. True when it is in the graph now, false when a dependency is missing.
    pub(super) fn add(&mut self, link: Link) -> bool {
        if self.contains(&link.hash) {
            return true;
        }
        let dependencies: Option<Box<[u32]>> = link
            .dependencies
            .iter()
            .map(|hash| self.index.get(hash).copied())
            .collect();
        let (Some(dependencies), Ok(index)) = (dependencies, u32::try_from(self.nodes.len()))
        else {
            return false;
        };
        for dependency in &link.dependencies {
            self.heads.remove(dependency);
        }
        self.heads.insert(link.hash);
        self.index.insert(link.hash, index);
        self.tips.insert(link.actor, index);
        self.nodes.push(Node {
            hash: link.hash,
            dependencies,
            seq: link.seq,
            max_op: link.max_op,
        });
        true
    }

    /// The graph of all changes of an Automerge document.
    pub(super) fn of(document: &automerge::Automerge) -> Self {
        let mut links: Vec<Link> = document
            .get_changes_meta(&[])
            .iter()
            .map(Link::of_metadata)
            .collect();
        // The first operation of an admitted change is above the last of all it depends on, so
        // this order is topological; equal numbers are of concurrent or empty changes.
        let mut graph = Self::default();
        links.sort_by_key(|link| link.max_op);
        // Empty changes share their number with a dependency: a few rounds place them.
        while !links.is_empty() {
            let before = links.len();
            links.retain(|link| !graph.add(link.clone()));
            if links.len() == before {
                break;
            }
        }
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;

    fn hash(name: &str) -> ChangeHash {
        ChangeHash(Digest::of("decube/test/1", &[name.as_bytes()]))
    }

    fn add(graph: &mut Graph, name: &str, actor: u8, seq: u64, dependencies: &[&str]) -> bool {
        graph.add(Link {
            hash: hash(name),
            dependencies: dependencies.iter().map(|name| hash(name)).collect(),
            actor: ActorId::from(vec![actor]),
            seq,
            max_op: seq,
        })
    }

    /// a1 <- a2 <- m, a1 <- b1 <- m
    fn diamond() -> Graph {
        let mut graph = Graph::default();
        assert!(add(&mut graph, "a1", 1, 1, &[]));
        assert!(add(&mut graph, "a2", 1, 2, &["a1"]));
        assert!(add(&mut graph, "b1", 2, 1, &["a1"]));
        assert!(add(&mut graph, "m", 1, 3, &["a2", "b1"]));
        graph
    }

    #[test]
    fn heads_tips_and_ancestry_follow_the_changes() {
        let graph = diamond();
        assert_eq!(graph.heads(), [hash("m")]);
        assert_eq!(graph.tip(&ActorId::from(vec![1])), Some((3, hash("m"))));
        assert!(graph.covers(&[hash("m")], &[hash("a2"), hash("b1"), hash("a1")]));
        assert!(graph.covers(&[hash("a2")], &[hash("a2"), hash("a1")]));
        assert!(!graph.covers(&[hash("a2")], &[hash("b1")]));
        assert!(!graph.covers(&[hash("b1")], &[hash("m")]));
        assert!(!graph.covers(&[hash("m")], &[hash("unknown")]));
        assert_eq!(graph.ancestry(&[hash("b1")]), [hash("a1"), hash("b1")]);
    }

    #[test]
    fn a_change_with_a_missing_dependency_is_not_added() {
        let mut graph = diamond();
        assert!(!add(&mut graph, "x", 3, 1, &["unknown"]));
        assert_eq!(graph.len(), 4);
        assert_eq!(graph.check_heads(&[hash("x")]), Err(UnknownHead(hash("x"))));
    }
}
