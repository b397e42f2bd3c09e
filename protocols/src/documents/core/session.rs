//! The sync of one document with one peer: Automerge's protocol in requests and responses.
//!
//! Whoever asks drives: it sends its message and gets the peer's next one back, until it has
//! nothing more to say. Both directions are repaired on the way.

use std::time::Duration;

use super::super::content::{Content, SyncMessage, SyncState};
use super::super::io::{DocumentStatus, Effect, Source, SyncRequest, SyncResponse};
use super::super::reply::CommandError;
use super::live::Follow;
use super::{Core, Question};
use crate::types::{ChangeHash, CollectionId, Descriptor, DocumentId, Now, PeerId, Tombstone};

/// The most documents that are synced with one peer at a time: enough to hide the round trips,
/// few enough that no document waits for a large one.
pub(super) const MAX_SESSIONS: usize = 8;
/// The most steps of one sync; each moves up to half a megabyte.
const MAX_STEPS: u32 = 4096;
/// The most steps in a row in which nothing moved: what is missing was refused here or there.
const MAX_IDLE: u32 = 3;
/// The most syncs that peers drive at a time; an older one simply starts again.
const MAX_ANSWERING: usize = 1024;

/// A sync that this node drives.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) collection: CollectionId,
    state: SyncState,
    steps: u32,
    idle: u32,
    /// Whether something new was announced meanwhile.
    again: bool,
    /// The heads that the peer had when the sync began, once it named them.
    goal: Option<Vec<ChangeHash>>,
    /// Whether this node has all of them. Under constant edits a sync may go on for long after.
    pub(super) reached: bool,
}

/// A sync that a peer drives.
#[derive(Clone, Debug)]
pub(super) struct Answering {
    state: SyncState,
    used: Duration,
}

/// One step of a sync, as it came from a peer.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) collection: CollectionId,
    pub(super) document: DocumentId,
    pub(super) descriptor: Option<Descriptor>,
    pub(super) message: Vec<u8>,
}

impl<S: Source> Core<S> {
    /// Syncs a document with a peer, or with another when that one is not connected, as soon as
    /// there is room.
    pub(super) fn sync_document(
        &mut self,
        now: Now,
        peer: PeerId,
        collection: CollectionId,
        document: DocumentId,
        out: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.connected_peer(peer) else {
            return;
        };
        if let Some(asking) = self.asking.get_mut(&(peer, document)) {
            asking.again = true;
        } else if self.want(peer, collection, document) {
            self.pump(now, peer, out);
        }
    }

    /// The peer if it is connected, else any other.
    fn connected_peer(&mut self, peer: PeerId) -> Option<PeerId> {
        if self.peers.contains_key(&peer) {
            return Some(peer);
        }
        let index = self.random.below(self.peers.len() as u64);
        self.peers
            .keys()
            .nth(usize::try_from(index).unwrap_or(0))
            .copied()
    }

    /// Starts a sync. False when there is nothing to sync.
    pub(super) fn start_session(
        &mut self,
        now: Now,
        peer: PeerId,
        collection: CollectionId,
        document: DocumentId,
        out: &mut Vec<Effect>,
    ) -> bool {
        let mut state = SyncState::default();
        let first = match self.first_message(now, &document, &mut state, out) {
            Ok(First::Message(descriptor, message)) => (descriptor, message),
            Ok(First::Removed(tombstone)) => {
                self.send_removal(now, peer, tombstone, out);
                return false;
            }
            Ok(First::Nothing) => return false,
            Err(error) => {
                tracing::error!(document = %document, %error, "a document cannot be synced");
                return false;
            }
        };
        let (descriptor, message) = first;
        let asking = Asking {
            collection,
            state,
            steps: 0,
            idle: 0,
            again: false,
            goal: None,
            reached: false,
        };
        self.asking.insert((peer, document), asking);
        let request = SyncRequest::Document {
            collection,
            document,
            descriptor,
            message,
            first: true,
        };
        self.ask(now, peer, Question::Document(document), request, out);
        true
    }

    fn first_message(
        &mut self,
        now: Now,
        document: &DocumentId,
        state: &mut SyncState,
        out: &mut Vec<Effect>,
    ) -> Result<First, CommandError> {
        let stored = match self.library.stored(document)? {
            None => {
                let message = Content::new().sync_message(state).unwrap_or_default().0;
                return Ok(First::Message(None, message));
            }
            Some(stored) => stored,
        };
        match stored.status {
            DocumentStatus::Removed(tombstone) => Ok(First::Removed(tombstone)),
            DocumentStatus::Forgotten => Ok(First::Nothing),
            DocumentStatus::Live(_) => {
                self.merge(now, document, out)?;
                let content = &self.library.open(document)?.content;
                let message = content.sync_message(state).unwrap_or_default().0;
                Ok(First::Message(stored.descriptor, message))
            }
        }
    }

    pub(super) fn send_removal(
        &mut self,
        now: Now,
        peer: PeerId,
        tombstone: Tombstone,
        out: &mut Vec<Effect>,
    ) {
        if self.peers.contains_key(&peer) {
            self.ask(
                now,
                peer,
                Question::Removed,
                SyncRequest::Removed(tombstone),
                out,
            );
        }
    }

    /// The peer's next step of a sync that this node drives.
    pub(super) fn document_response(
        &mut self,
        now: Now,
        from: PeerId,
        document: DocumentId,
        response: SyncResponse,
        out: &mut Vec<Effect>,
    ) {
        let Some(asking) = self.asking.get(&(from, document)) else {
            return;
        };
        let collection = asking.collection;
        match response {
            SyncResponse::Document {
                descriptor,
                message,
            } => {
                let step = Step {
                    collection,
                    document,
                    descriptor,
                    message,
                };
                match self.step(now, from, step, out) {
                    Ok(Some(request)) => {
                        self.ask(now, from, Question::Document(document), request, out);
                    }
                    Ok(None) => self.end_session(now, from, document, true, out),
                    Err(error) => {
                        tracing::warn!(document = %document, peer = %from, %error, "a sync failed");
                        self.end_session(now, from, document, false, out);
                    }
                }
            }
            SyncResponse::Removed(tombstone) if tombstone.document == document => {
                self.tombstone(now, from, tombstone, out);
                self.end_session(now, from, document, true, out);
            }
            SyncResponse::NotFollowed => {
                self.except(&from, &collection);
                self.end_session(now, from, document, false, out);
            }
            SyncResponse::Roots(_)
            | SyncResponse::Compare(_)
            | SyncResponse::Removed(_)
            | SyncResponse::Acknowledged
            | SyncResponse::Receipts(_) => {
                out.push(Effect::Penalize {
                    peer: from,
                    reason: "an answer to another question",
                });
                self.end_session(now, from, document, false, out);
            }
        }
    }

    /// Takes a peer's step and makes the next one, if there is any.
    fn step(
        &mut self,
        now: Now,
        from: PeerId,
        step: Step,
        out: &mut Vec<Effect>,
    ) -> Result<Option<SyncRequest>, CommandError> {
        let Step {
            collection,
            document,
            descriptor,
            message,
        } = step;
        let Some(Asking {
            state, steps, idle, ..
        }) = self.asking.get(&(from, document)).cloned()
        else {
            return Ok(None);
        };
        let unknown = self.library.stored(&document)?.is_none();
        if unknown && !self.introduced(from, collection, document, descriptor, out)? {
            return Ok(None);
        }
        if message.is_empty() || steps >= MAX_STEPS {
            return Ok(None);
        }
        let mut state = state;
        let received = self.receive(now, from, &document, &mut state, &message, out)?;
        self.note_goal(now, from, document, &state, out)?;
        let next = self
            .library
            .open(&document)?
            .content
            .sync_message(&mut state);
        let Some((message, sent)) = next else {
            return Ok(None);
        };
        let idle = if received + sent == 0 { idle + 1 } else { 0 };
        if let Some(asking) = self.asking.get_mut(&(from, document)) {
            *asking = Asking {
                state,
                steps: steps + 1,
                idle,
                ..asking.clone()
            };
        }
        let descriptor = None;
        let request = SyncRequest::Document {
            collection,
            document,
            descriptor,
            message,
            first: false,
        };
        Ok((idle < MAX_IDLE).then_some(request))
    }

    /// Notes whether a sync got what the peer had when it began; the first time is news for the
    /// descent that it belongs to.
    fn note_goal(
        &mut self,
        now: Now,
        from: PeerId,
        document: DocumentId,
        state: &SyncState,
        out: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let graph = self.library.open(&document)?.content.graph();
        let Some(asking) = self.asking.get_mut(&(from, document)) else {
            return Ok(());
        };
        if asking.goal.is_none() {
            asking.goal = state.their_heads();
        }
        let has_all = |goal: &Vec<ChangeHash>| goal.iter().all(|head| graph.contains(head));
        if !asking.reached && asking.goal.as_ref().is_some_and(has_all) {
            asking.reached = true;
            let collection = asking.collection;
            self.finish(now, from, collection, out);
        }
        Ok(())
    }

    /// Whether a document that this node does not know was introduced properly.
    fn introduced(
        &mut self,
        from: PeerId,
        collection: CollectionId,
        document: DocumentId,
        descriptor: Option<Descriptor>,
        out: &mut Vec<Effect>,
    ) -> Result<bool, CommandError> {
        let Some(descriptor) = descriptor else {
            return Ok(false);
        };
        let fits = descriptor.id() == document && descriptor.collection == collection;
        if fits && matches!(self.follow(descriptor)?, Follow::Live) {
            return Ok(true);
        }
        let reason = "a descriptor that does not fit its document";
        out.push(Effect::Penalize { peer: from, reason });
        Ok(false)
    }

    /// Takes a peer's sync message; returns how many new changes came of it.
    fn receive(
        &mut self,
        now: Now,
        from: PeerId,
        document: &DocumentId,
        state: &mut SyncState,
        message: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<usize, CommandError> {
        let mut message = match SyncMessage::decode(message) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(peer = %from, %error, "a sync message is refused");
                out.push(Effect::Penalize {
                    peer: from,
                    reason: "a malformed sync message",
                });
                return Ok(0);
            }
        };
        for refused in std::mem::take(&mut message.refused) {
            out.push(Effect::Penalize {
                peer: from,
                reason: "a malformed change",
            });
            self.library.set_aside(*document, refused, out);
        }
        self.library
            .wait(document, std::mem::take(&mut message.changes))?;
        let merged = self.merge(now, document, out)?;
        let loaded = self.library.open(document)?;
        if loaded.has_waiting() {
            self.merging.insert(*document);
        }
        if let Err(error) = loaded.content.note_sync(state, message) {
            tracing::debug!(peer = %from, %error, "a sync message is refused");
            out.push(Effect::Penalize {
                peer: from,
                reason: "a malformed sync message",
            });
        }
        Ok(merged.changes.len())
    }

    /// Ends a sync that this node drives; a document that changed meanwhile is synced again.
    pub(super) fn end_session(
        &mut self,
        now: Now,
        peer: PeerId,
        document: DocumentId,
        done: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(ended) = self.asking.remove(&(peer, document)) else {
            return;
        };
        let collection = ended.collection;
        if let Some(loaded) = self.library.loaded.get(&document)
            && done
            && !ended.state.agrees(&loaded.content)
            && ended.idle >= MAX_IDLE
        {
            // One of the two refused what the other has.
            self.except(&peer, &collection);
        }
        if done && ended.again {
            self.want(peer, collection, document);
        }
        if !done {
            self.sync_failed(&peer, &collection);
        }
        self.pump(now, peer, out);
    }

    /// A peer's step of a sync that it drives.
    pub(super) fn answer_document(
        &mut self,
        now: Now,
        from: PeerId,
        step: Step,
        first: bool,
        out: &mut Vec<Effect>,
    ) -> SyncResponse {
        let document = step.document;
        match self.answer_step(now, from, step, first, out) {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(document = %document, %error, "a sync cannot be answered");
                SyncResponse::NotFollowed
            }
        }
    }

    fn answer_step(
        &mut self,
        now: Now,
        from: PeerId,
        step: Step,
        first: bool,
        out: &mut Vec<Effect>,
    ) -> Result<SyncResponse, CommandError> {
        let Step {
            collection,
            document,
            descriptor,
            message,
        } = step;
        let known = self.library.collections.contains_key(&collection);
        if !known || self.library.put_aside(&document) {
            return Ok(SyncResponse::NotFollowed);
        }
        match self.library.stored(&document)? {
            None => {
                let told = descriptor.is_some();
                if !told || !self.introduced(from, collection, document, descriptor, out)? {
                    return Ok(SyncResponse::NotFollowed);
                }
            }
            // The peer names a collection; what is not in it stays unknown to it.
            Some(stored) if stored.collection != collection => {
                return Ok(SyncResponse::NotFollowed);
            }
            Some(stored) => match stored.status {
                DocumentStatus::Removed(tombstone) => return Ok(SyncResponse::Removed(tombstone)),
                DocumentStatus::Forgotten => return Ok(SyncResponse::NotFollowed),
                DocumentStatus::Live(_) => {}
            },
        }
        let earlier = self.answering.remove(&(from, document)).filter(|_| !first);
        let mut state = earlier.map(|answering| answering.state).unwrap_or_default();
        if message.is_empty() {
            self.merge(now, &document, out)?;
        } else {
            self.receive(now, from, &document, &mut state, &message, out)?;
        }
        let loaded = self.library.open(&document)?;
        let message = loaded
            .content
            .sync_message(&mut state)
            .unwrap_or_default()
            .0;
        let descriptor = loaded.stored.descriptor.clone();
        self.remember(
            (from, document),
            Answering {
                state,
                used: now.monotonic,
            },
        );
        Ok(SyncResponse::Document {
            descriptor,
            message,
        })
    }

    fn remember(&mut self, key: (PeerId, DocumentId), answering: Answering) {
        if self.answering.len() >= MAX_ANSWERING {
            let oldest = self
                .answering
                .iter()
                .min_by_key(|(_, answering)| answering.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.answering.remove(&oldest);
            }
        }
        self.answering.insert(key, answering);
    }
}

/// How a sync begins.
enum First {
    /// With the descriptor, if this node has the document, and Automerge's first message.
    Message(Option<Descriptor>, Vec<u8>),
    /// The document is removed.
    Removed(Tombstone),
    /// The document is not followed.
    Nothing,
}
