//! The comparison of trees with a peer, level by level, down to the documents that differ.

use std::collections::BTreeMap;

use decube_crypto::Digest;

use super::MAX_PREFIXES;
use crate::documents::core::Core;
use crate::documents::io::{Comparison, DocumentStatus, Effect, LeafVersion, Source, SyncResponse};
use crate::documents::leaf;
use crate::tree::{self, EMPTY_ROOT, Prefix, SubtreeContent};
use crate::types::{CollectionId, DocumentId, Now, PeerId};

/// The most subtrees that wait to be asked about; what finds no room is found again by the next
/// descent.
const MAX_DESCENT: usize = 16 * 1024;
/// Fewer leaves than this are listed instead of compared one level further down.
const INLINE_LEAVES: u64 = 32;
/// The most leaves of this node's own that one answer makes it look at; the rest is found by the
/// next descent.
const MAX_LEAVES: usize = 1024;

/// What an answer showed to differ.
#[derive(Debug, Default)]
struct Differences {
    /// Subtrees to compare further.
    deeper: Vec<(Prefix, Digest)>,
    /// Documents, each with this node's and the peer's version.
    documents: BTreeMap<DocumentId, (Option<LeafVersion>, Option<LeafVersion>)>,
}

impl<S: Source> Core<S> {
    /// Answers how subtrees of this node compare.
    pub(in crate::documents::core) fn answer_compare(
        &self,
        id: &CollectionId,
        prefixes: &[(Prefix, Digest)],
    ) -> SyncResponse {
        if !self.library.collections.contains_key(id) || prefixes.len() > MAX_PREFIXES {
            return SyncResponse::NotFollowed;
        }
        let answer = |(prefix, digest): &(Prefix, Digest)| self.comparison(id, prefix, digest);
        match prefixes.iter().map(answer).collect() {
            Some(answers) => SyncResponse::Compare(answers),
            None => SyncResponse::NotFollowed,
        }
    }

    fn comparison(&self, id: &CollectionId, at: &Prefix, theirs: &Digest) -> Option<Comparison> {
        let (source, root) = (self.library.tree(), self.library.root(id));
        let subtree = tree::subtree(&source, &root, at).ok()?;
        let digest = subtree
            .as_ref()
            .map_or(EMPTY_ROOT, |subtree| subtree.digest);
        if digest == *theirs {
            return Some(Comparison::Equal);
        }
        match subtree.map(|subtree| (subtree.count, subtree.content)) {
            Some((count, SubtreeContent::Children(children))) if count >= INLINE_LEAVES => {
                Some(Comparison::Children(children))
            }
            Some(_) | None => {
                let limit = usize::try_from(INLINE_LEAVES).ok()?;
                let leaves = tree::leaves(&source, &root, at, None, limit).ok()?;
                let parsed = leaves.iter().filter_map(|(_, value)| leaf::parse(value));
                Some(Comparison::Leaves(parsed.collect()))
            }
        }
    }

    /// The peer's answers about subtrees.
    pub(in crate::documents::core) fn compared(
        &mut self,
        now: Now,
        from: PeerId,
        id: CollectionId,
        asked: &[(Prefix, Digest)],
        answers: Vec<Comparison>,
        out: &mut Vec<Effect>,
    ) {
        let standing = self
            .peers
            .get_mut(&from)
            .and_then(|peer| peer.standings.get_mut(&id));
        let Some(descent) = standing.and_then(|standing| standing.descent.as_mut()) else {
            return;
        };
        descent.asked = false;
        if answers.len() != asked.len() {
            out.push(Effect::Penalize {
                peer: from,
                reason: "answers to other subtrees",
            });
            self.descent_failed(&from, &id);
            return;
        }
        let mut differences = Differences::default();
        for ((prefix, _), answer) in asked.iter().zip(answers) {
            let seen = match answer {
                Comparison::Equal => Some(()),
                Comparison::Children(children) => {
                    self.children(&id, prefix, &children, &mut differences)
                }
                Comparison::Leaves(leaves) => self.listed(&id, prefix, &leaves, &mut differences),
            };
            if seen.is_none() {
                out.push(Effect::Penalize {
                    peer: from,
                    reason: "leaves outside of a subtree",
                });
            }
        }
        let Differences { deeper, documents } = differences;
        for (document, (ours, theirs)) in documents {
            self.difference(now, from, id, document, ours, theirs, out);
        }
        let standing = self
            .peers
            .get_mut(&from)
            .and_then(|peer| peer.standings.get_mut(&id));
        if let Some(descent) = standing.and_then(|standing| standing.descent.as_mut()) {
            let room = MAX_DESCENT.saturating_sub(descent.waiting.len());
            descent.waiting.extend(deeper.into_iter().take(room));
        }
        self.pump(now, from, out);
        self.descend(now, from, id, out);
    }

    /// Compares the peer's subtrees one level down with this node's. Nothing when the peer named
    /// what it was not asked for.
    fn children(
        &self,
        id: &CollectionId,
        at: &Prefix,
        theirs: &[(Prefix, Digest, u64)],
        found: &mut Differences,
    ) -> Option<()> {
        let (source, root) = (self.library.tree(), self.library.root(id));
        let below = |child: &Prefix| child.starts_with(at) && child.len() > at.len();
        if theirs.len() > 16 || !theirs.iter().all(|(child, ..)| below(child)) {
            return None;
        }
        for (child, digest, _) in theirs {
            let ours = tree::subtree(&source, &root, child).ok().flatten();
            let ours = ours.map_or(EMPTY_ROOT, |subtree| subtree.digest);
            if ours != *digest {
                found.deeper.push((*child, ours));
            }
        }
        // What this node has outside of the peer's subtrees, the peer has not at all.
        let mut stack = vec![*at];
        while let Some(prefix) = stack.pop() {
            let covered = theirs.iter().any(|(child, ..)| prefix.starts_with(child));
            let parted = theirs.iter().any(|(child, ..)| child.starts_with(&prefix));
            if covered {
                continue;
            }
            if !parted {
                self.ours_alone(id, &prefix, found);
                continue;
            }
            let subtree = tree::subtree(&source, &root, &prefix).ok().flatten();
            match subtree.map(|subtree| subtree.content) {
                Some(SubtreeContent::Children(children)) => {
                    stack.extend(children.iter().map(|(child, ..)| *child));
                }
                Some(SubtreeContent::Leaf { key, value }) => {
                    let theirs = theirs.iter().any(|(child, ..)| child.covers(&key));
                    if let Some((document, ours)) = leaf::parse(&value).filter(|_| !theirs) {
                        found.documents.insert(document, (Some(ours), None));
                    }
                }
                None => {}
            }
        }
        Some(())
    }

    fn ours_alone(&self, id: &CollectionId, at: &Prefix, found: &mut Differences) {
        let (source, root) = (self.library.tree(), self.library.root(id));
        let leaves = tree::leaves(&source, &root, at, None, MAX_LEAVES).unwrap_or_default();
        for (document, ours) in leaves.iter().filter_map(|(_, value)| leaf::parse(value)) {
            found.documents.insert(document, (Some(ours), None));
        }
    }

    /// Compares the peer's leaves with this node's.
    fn listed(
        &self,
        id: &CollectionId,
        at: &Prefix,
        theirs: &[(DocumentId, LeafVersion)],
        found: &mut Differences,
    ) -> Option<()> {
        let inside = |document: &DocumentId| at.covers(&leaf::key(id, document));
        if theirs.len() as u64 > INLINE_LEAVES || !theirs.iter().all(|(id, _)| inside(id)) {
            return None;
        }
        let mut here = Differences::default();
        self.ours_alone(id, at, &mut here);
        for (document, version) in theirs {
            let ours = here.documents.remove(document).and_then(|(ours, _)| ours);
            if ours != Some(*version) {
                found.documents.insert(*document, (ours, Some(*version)));
            }
        }
        found.documents.append(&mut here.documents);
        Some(())
    }

    /// Deals with a document that differs.
    #[expect(
        clippy::too_many_arguments,
        reason = "a difference has two sides, a place and a time"
    )]
    fn difference(
        &mut self,
        now: Now,
        with: PeerId,
        id: CollectionId,
        document: DocumentId,
        ours: Option<LeafVersion>,
        theirs: Option<LeafVersion>,
        out: &mut Vec<Effect>,
    ) {
        let standing = self
            .peers
            .get_mut(&with)
            .and_then(|peer| peer.standings.get_mut(&id));
        if let Some(standing) = standing {
            standing.found = standing.found.saturating_add(1);
        }
        let stored = self.library.stored(&document).ok().flatten();
        let status = stored.map(|stored| stored.status);
        if let (Some(LeafVersion::Removed), Some(DocumentStatus::Removed(tombstone))) =
            (ours, &status)
            && theirs != Some(LeafVersion::Removed)
        {
            self.send_removal(now, with, tombstone.clone(), out);
        } else if status == Some(DocumentStatus::Forgotten) && theirs != Some(LeafVersion::Removed)
            || self.library.put_aside(&document)
        {
            self.except(&with, &id);
        } else {
            self.want(with, id, document);
        }
    }
}
