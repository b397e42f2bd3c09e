//! Repair: finding out what differs from a peer by comparing trees, and syncing it.

mod compare;

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::Digest;

use super::super::io::{CollectionSummary, Effect, Source, SyncRequest, SyncResponse};
use super::super::reply::{CollectionStatus, PeerStatus, SyncState};
use super::session::{Asking, MAX_SESSIONS};
use super::{Core, Question};
use crate::tree::{EMPTY_ROOT, Prefix};
use crate::types::{CollectionId, DocumentId, Now, PeerId, Timestamp};

/// How many random peers to compare with at each interval.
const FANOUT: usize = 3;
/// The most subtrees in one request, and the most that are answered.
const MAX_PREFIXES: usize = 64;
/// The most documents that wait to be synced with one peer; likewise.
const MAX_WANTED: usize = 8192;
/// How often in a row to descend again at once when documents still differ after a repair.
const MAX_REPEATS: u8 = 8;

/// What is known of a connected peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    standings: BTreeMap<CollectionId, Standing>,
    wanted: BTreeSet<(CollectionId, DocumentId)>,
    /// Whether roots were asked and not answered, and whether to ask again then.
    roots_asked: bool,
    roots_again: bool,
}

/// How a collection compares with a peer.
#[derive(Clone, Debug)]
struct Standing {
    state: SyncState,
    /// This node's root when the two were found equal.
    equal_at: Option<Digest>,
    proven: Option<Timestamp>,
    summary: CollectionSummary,
    /// Documents found to differ by the present or last descent.
    found: u64,
    /// Those of them that are forgotten, or refused, here or there.
    excepted: u64,
    repeats: u8,
    descent: Option<Descent>,
    /// Whether a descent was carried through: then this node has all that the peer had when it
    /// began, though under constant edits neither roots nor heads may ever be equal.
    repaired: bool,
    /// Whether a sync failed since the present or last descent began.
    failed: bool,
}

/// A descent that is under way.
#[derive(Clone, Debug, Default)]
struct Descent {
    waiting: Vec<(Prefix, Digest)>,
    asked: bool,
}

impl<S: Source> Core<S> {
    pub(super) fn connected(&mut self, now: Now, peer: PeerId, out: &mut Vec<Effect>) {
        if self.peers.is_empty() {
            self.schedule_comparison(now);
        }
        self.peers.entry(peer).or_default();
        self.ask_roots(now, peer, out);
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
        self.asked.retain(|_, asked| asked.to != *peer);
        self.asking.retain(|(to, _), _| to != peer);
        self.answering.retain(|(from, _), _| from != peer);
    }

    fn schedule_comparison(&mut self, now: Now) {
        // From three quarters to five quarters of the interval, so that nodes do not march in step.
        let interval = self.config.anti_entropy_interval;
        let quarters = 768 + u32::try_from(self.random.below(512)).unwrap_or(0);
        self.next_comparison = now.monotonic + interval.saturating_mul(quarters) / 1024;
    }

    pub(super) fn compare_with_some(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.schedule_comparison(now);
        let mut peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for _ in 0..FANOUT.min(peers.len()) {
            let index = usize::try_from(self.random.below(peers.len() as u64)).unwrap_or(0);
            let peer = peers.swap_remove(index);
            self.begin_anew(now, peer, out);
        }
    }

    pub(super) fn compare_with_all(&mut self, now: Now, out: &mut Vec<Effect>) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.begin_anew(now, peer, out);
        }
    }

    fn begin_anew(&mut self, now: Now, peer: PeerId, out: &mut Vec<Effect>) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.standings
                .values_mut()
                .for_each(|standing| standing.repeats = 0);
        }
        self.ask_roots(now, peer, out);
    }

    fn ask_roots(&mut self, now: Now, to: PeerId, out: &mut Vec<Effect>) {
        let ids: Vec<CollectionId> = self.library.collections.keys().copied().collect();
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        if ids.is_empty() {
            return;
        }
        if peer.roots_asked {
            peer.roots_again = true;
            return;
        }
        peer.roots_asked = true;
        let summaries = ids
            .iter()
            .filter_map(|id| self.library.summary(*id))
            .collect();
        self.ask(now, to, Question::Roots, SyncRequest::Roots(summaries), out);
    }

    pub(super) fn roots_failed(&mut self, peer: &PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            (peer.roots_asked, peer.roots_again) = (false, false);
        }
    }

    /// Answers with this node's roots; what the peer said is news as well.
    pub(super) fn answer_roots(
        &mut self,
        now: Now,
        from: PeerId,
        theirs: &[CollectionSummary],
    ) -> SyncResponse {
        let mut ours = Vec::new();
        for summary in theirs {
            if let Some(own) = self.library.summary(summary.collection) {
                if own.root == summary.root {
                    self.note_equal(now, &from, summary, own.root);
                }
                ours.push(own);
            }
        }
        ours.sort_by_key(|own| own.collection);
        ours.dedup_by_key(|own| own.collection);
        SyncResponse::Roots(ours)
    }

    fn note_equal(&mut self, now: Now, peer: &PeerId, summary: &CollectionSummary, root: Digest) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        let standing = Standing::of(&mut peer.standings, summary);
        standing.state = SyncState::Equal;
        standing.equal_at = Some(root);
        standing.proven = Some(now.wall);
        (standing.found, standing.excepted, standing.repeats) = (0, 0, 0);
        standing.descent = None;
    }

    /// The peer's roots: starts a descent where they differ.
    pub(super) fn roots(
        &mut self,
        now: Now,
        from: PeerId,
        theirs: &[CollectionSummary],
        out: &mut Vec<Effect>,
    ) {
        let again = self.peers.get_mut(&from).is_some_and(|peer| {
            peer.roots_asked = false;
            std::mem::take(&mut peer.roots_again)
        });
        let ids: Vec<CollectionId> = self.library.collections.keys().copied().collect();
        for id in ids {
            let root = self.library.root(&id);
            match theirs.iter().find(|summary| summary.collection == id) {
                None => {
                    if let Some(peer) = self.peers.get_mut(&from) {
                        let unknown = CollectionSummary::unknown(id);
                        let standing = Standing::of(&mut peer.standings, &unknown);
                        standing.state = SyncState::NotReplicated;
                    }
                }
                Some(summary) if summary.root == root => {
                    self.note_equal(now, &from, summary, root);
                }
                Some(summary) => self.begin_descent(now, from, summary, root, out),
            }
        }
        if again {
            self.ask_roots(now, from, out);
        }
    }

    fn begin_descent(
        &mut self,
        now: Now,
        from: PeerId,
        summary: &CollectionSummary,
        root: Digest,
        out: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let standing = Standing::of(&mut peer.standings, summary);
        standing.equal_at = None;
        if standing.descent.is_some() {
            return;
        }
        if standing.state != SyncState::EqualExcept {
            standing.state = SyncState::Apart;
            // Until the descent has counted, the difference in numbers is the best guess.
            standing.found = standing.found.max(1);
        }
        if standing.repeats >= MAX_REPEATS {
            return;
        }
        (standing.found, standing.excepted, standing.failed) = (0, 0, false);
        standing.descent = Some(Descent {
            waiting: vec![(Prefix::ROOT, root)],
            asked: false,
        });
        self.descend(now, from, summary.collection, out);
    }

    /// Asks about the next subtrees, or ends the descent.
    fn descend(&mut self, now: Now, to: PeerId, id: CollectionId, out: &mut Vec<Effect>) {
        let Some(standing) = self
            .peers
            .get_mut(&to)
            .and_then(|peer| peer.standings.get_mut(&id))
        else {
            return;
        };
        let Some(descent) = standing.descent.as_mut().filter(|descent| !descent.asked) else {
            return;
        };
        if descent.waiting.is_empty() {
            self.finish(now, to, id, out);
            return;
        }
        let rest = descent.waiting.len().saturating_sub(MAX_PREFIXES);
        let prefixes = descent.waiting.split_off(rest);
        descent.asked = true;
        let request = SyncRequest::Compare {
            collection: id,
            prefixes: prefixes.clone(),
        };
        self.ask(now, to, Question::Compare(id, prefixes), request, out);
    }

    pub(super) fn descent_failed(&mut self, peer: &PeerId, id: &CollectionId) {
        let standing = self
            .peers
            .get_mut(peer)
            .and_then(|peer| peer.standings.get_mut(id));
        if let Some(standing) = standing {
            standing.descent = None;
        }
    }

    /// Ends a descent when all that it found was dealt with, and compares the roots again: a
    /// repair is a success only when they are equal.
    pub(super) fn finish(
        &mut self,
        now: Now,
        with: PeerId,
        id: CollectionId,
        out: &mut Vec<Effect>,
    ) {
        let ours = |(p, _): &(PeerId, DocumentId), a: &Asking| *p == with && a.collection == id;
        let syncing = self.asking.iter().any(|(at, a)| ours(at, a));
        let lacking = self.asking.iter().any(|(at, a)| ours(at, a) && !a.reached);
        let Some(peer) = self.peers.get_mut(&with) else {
            return;
        };
        let wanting = peer.wanted.iter().any(|(collection, _)| *collection == id);
        let Some(standing) = peer.standings.get_mut(&id) else {
            return;
        };
        let resting = |descent: &Descent| descent.waiting.is_empty() && !descent.asked;
        if wanting || !standing.descent.as_ref().is_some_and(resting) {
            return;
        }
        standing.repaired |= !lacking && !standing.failed;
        if syncing {
            return;
        }
        standing.descent = None;
        standing.repeats = standing.repeats.saturating_add(1);
        if standing.found > 0 && standing.found <= standing.excepted {
            standing.state = SyncState::EqualExcept;
            standing.proven = Some(now.wall);
            return;
        }
        standing.state = SyncState::Apart;
        if standing.repeats < MAX_REPEATS {
            self.ask_roots(now, with, out);
        }
    }

    /// Notes that a document differs for good: one of the two does not follow it.
    pub(super) fn except(&mut self, peer: &PeerId, id: &CollectionId) {
        let standing = self
            .peers
            .get_mut(peer)
            .and_then(|peer| peer.standings.get_mut(id));
        if let Some(standing) = standing {
            standing.excepted = standing.excepted.saturating_add(1);
        }
    }

    /// Notes that a sync with a peer failed, so that its present descent repairs nothing.
    pub(super) fn sync_failed(&mut self, peer: &PeerId, id: &CollectionId) {
        let standing = self
            .peers
            .get_mut(peer)
            .and_then(|peer| peer.standings.get_mut(id));
        if let Some(standing) = standing {
            standing.failed = true;
        }
    }

    /// Notes a document to sync with a peer. True when there was room.
    pub(super) fn want(&mut self, with: PeerId, id: CollectionId, document: DocumentId) -> bool {
        let aside = self.library.put_aside(&document);
        match self.peers.get_mut(&with) {
            Some(peer) if !aside && peer.wanted.len() < MAX_WANTED => {
                peer.wanted.insert((id, document));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Starts syncs while there is room, and ends descents that have nothing left to do.
    pub(super) fn pump(&mut self, now: Now, with: PeerId, out: &mut Vec<Effect>) {
        loop {
            let active = self.asking.keys().filter(|(peer, _)| *peer == with).count();
            let Some(peer) = self.peers.get_mut(&with) else {
                return;
            };
            if active >= MAX_SESSIONS {
                return;
            }
            let Some((id, document)) = peer.wanted.pop_first() else {
                break;
            };
            if !self.asking.contains_key(&(with, document)) {
                self.start_session(now, with, id, document, out);
            }
        }
        let ids: Vec<CollectionId> = match self.peers.get(&with) {
            Some(peer) => peer.standings.keys().copied().collect(),
            None => return,
        };
        for id in ids {
            self.finish(now, with, id, out);
        }
    }

    /// Whether every collection was found equal, but for documents put aside, with at least one of
    /// the connected peers, or was repaired from it, which under constant edits may be all there
    /// is; so it is as well when there is no peer or no collection.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let proven = |standing: &Standing| {
            standing.proven.is_some()
                || standing.repaired
                || matches!(
                    standing.state,
                    SyncState::EqualExcept | SyncState::NotReplicated
                )
        };
        let by_any = |id: &CollectionId| {
            self.peers
                .values()
                .any(|peer| peer.standings.get(id).is_some_and(proven))
        };
        self.peers.is_empty() || self.library.collections.keys().all(by_any)
    }

    pub(super) fn sync_status(&self) -> Vec<CollectionStatus> {
        let status = |id: &CollectionId| {
            let own = self.library.summary(*id)?;
            let peers = self
                .peers
                .iter()
                .map(|(peer, known)| match known.standings.get(id) {
                    Some(standing) => standing.status(*peer, &own),
                    None => PeerStatus {
                        peer: *peer,
                        state: SyncState::Unknown,
                        proven: None,
                        apart: 0,
                        excepted: 0,
                        bytes_to_go: 0,
                    },
                });
            let peers = peers.collect();
            let CollectionSummary {
                collection,
                root,
                documents,
                bytes,
                excepted,
            } = own;
            Some(CollectionStatus {
                collection,
                root,
                documents,
                bytes,
                excepted,
                peers,
            })
        };
        self.library.collections.keys().filter_map(status).collect()
    }
}

impl Standing {
    fn of<'a>(
        standings: &'a mut BTreeMap<CollectionId, Self>,
        summary: &CollectionSummary,
    ) -> &'a mut Self {
        let new = || Self {
            state: SyncState::Unknown,
            equal_at: None,
            proven: None,
            summary: summary.clone(),
            found: 0,
            excepted: 0,
            repeats: 0,
            descent: None,
            repaired: false,
            failed: false,
        };
        let standing = standings.entry(summary.collection).or_insert_with(new);
        standing.summary = summary.clone();
        standing
    }

    fn status(&self, peer: PeerId, own: &CollectionSummary) -> PeerStatus {
        let changed = self.state == SyncState::Equal && self.equal_at != Some(own.root);
        let state = if changed {
            SyncState::Unknown
        } else {
            self.state
        };
        let settled = matches!(self.state, SyncState::Equal | SyncState::EqualExcept);
        PeerStatus {
            peer,
            state,
            proven: self.proven,
            apart: if settled {
                0
            } else {
                self.found.saturating_sub(self.excepted)
            },
            excepted: self.summary.excepted,
            bytes_to_go: if settled {
                0
            } else {
                self.summary.bytes.saturating_sub(own.bytes)
            },
        }
    }
}

impl CollectionSummary {
    /// Of a collection that the peer does not replicate.
    const fn unknown(collection: CollectionId) -> Self {
        Self {
            collection,
            root: EMPTY_ROOT,
            documents: 0,
            bytes: 0,
            excepted: 0,
        }
    }
}
