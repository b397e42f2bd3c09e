//! The live path: announcements of what was just edited.

use std::time::Duration;

use super::super::content::{Content, Decoded};
use super::super::io::{Announcement, DocumentStatus, Effect, Source, StoredDocument};
use super::super::reply::CommandError;
use super::Core;
use super::library::Merged;
use crate::types::{CollectionId, Descriptor, DocumentId, Now, PeerId, Tombstone};

/// Edits made within this time after an announcement go together in the next, so that typing does
/// not make a message per keystroke. A single edit goes out at once.
const COALESCE: Duration = Duration::from_millis(1);
/// The most bytes of changes inline in an announcement: gossip copies it several times, and a
/// receiver that wants more asks for it.
const MAX_INLINE: usize = 64 * 1024;
/// The most changes inline, so that checking them is short.
const MAX_INLINE_CHANGES: usize = 1024;
/// The most documents whose last announcement is remembered; beyond it their edits go at once.
const MAX_OUTGOING: usize = 4096;

/// What was lately announced of a document, and what is to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    last: Duration,
    /// Changes to announce; those that do not fit inline are only counted as present.
    changes: Vec<Vec<u8>>,
    size: usize,
    pending: bool,
}

impl Outgoing {
    pub(super) fn due(&self) -> Option<Duration> {
        self.pending.then(|| self.last + COALESCE)
    }

    fn add(&mut self, changes: Vec<Vec<u8>>) {
        self.pending = true;
        self.size += changes.iter().map(Vec::len).sum::<usize>();
        if self.size <= MAX_INLINE && self.changes.len() + changes.len() <= MAX_INLINE_CHANGES {
            self.changes.extend(changes);
        } else {
            // Half of a sequence is of no use: the heads alone make receivers ask.
            self.size = usize::MAX / 2;
            self.changes.clear();
        }
    }
}

impl<S: Source> Core<S> {
    /// Announces changes now, or shortly together with those that follow.
    pub(super) fn announce(
        &mut self,
        now: Now,
        id: DocumentId,
        changes: Vec<Vec<u8>>,
        out: &mut Vec<Effect>,
    ) {
        if self.outgoing.len() >= MAX_OUTGOING {
            let quiet = |outgoing: &mut Outgoing| outgoing.pending;
            self.outgoing.retain(|_, outgoing| quiet(outgoing));
        }
        let first = !self.outgoing.contains_key(&id);
        let outgoing = self.outgoing.entry(id).or_default();
        outgoing.add(changes);
        if first || now.monotonic >= outgoing.last + COALESCE {
            self.publish(now, id, out);
        }
    }

    fn publish(&mut self, now: Now, id: DocumentId, out: &mut Vec<Effect>) {
        let Some(outgoing) = self.outgoing.get_mut(&id) else {
            return;
        };
        let changes = std::mem::take(&mut outgoing.changes);
        *outgoing = Outgoing {
            last: now.monotonic,
            ..Outgoing::default()
        };
        let Ok(Some(stored)) = self.library.stored(&id) else {
            return;
        };
        let (Some(descriptor), DocumentStatus::Live(heads)) = (stored.descriptor, stored.status)
        else {
            return;
        };
        let announcement = Announcement::Changed {
            descriptor,
            heads,
            changes,
        };
        out.push(Effect::Publish {
            collection: stored.collection,
            announcement,
        });
    }

    pub(super) fn publish_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let due: Vec<DocumentId> = (self.outgoing.iter())
            .filter(|(_, outgoing)| outgoing.due().is_some_and(|due| due <= now.monotonic))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.publish(now, id, out);
        }
    }

    pub(super) fn announce_removal(&self, tombstone: Tombstone, out: &mut Vec<Effect>) {
        let collection = tombstone.collection;
        let announcement = Announcement::Removed(tombstone);
        out.push(Effect::Publish {
            collection,
            announcement,
        });
    }

    pub(super) fn announced(
        &mut self,
        now: Now,
        from: PeerId,
        announcement: Announcement,
        out: &mut Vec<Effect>,
    ) {
        match announcement {
            Announcement::Removed(tombstone) => self.tombstone(now, from, tombstone, out),
            Announcement::Changed {
                descriptor,
                heads,
                changes,
            } => {
                let id = descriptor.id();
                if !self
                    .library
                    .collections
                    .contains_key(&descriptor.collection)
                {
                    return;
                }
                match self.follow(descriptor) {
                    Ok(Follow::Live) => {
                        let decoded = self.decode(from, &id, &changes, out);
                        if let Err(error) = self.take(now, from, &id, decoded, &heads, out) {
                            tracing::error!(document = %id, %error, "an announcement was lost");
                        }
                    }
                    Ok(Follow::Removed(tombstone)) => self.send_removal(now, from, tombstone, out),
                    Ok(Follow::No) => {}
                    Ok(Follow::Forged) => out.push(Effect::Penalize {
                        peer: from,
                        reason: "a descriptor whose signature does not hold",
                    }),
                    Err(error) => {
                        tracing::error!(document = %id, %error, "an announcement was lost");
                    }
                }
            }
        }
    }

    /// Takes announced changes: merges them now or shortly, and asks for what is missing.
    fn take(
        &mut self,
        now: Now,
        from: PeerId,
        id: &DocumentId,
        changes: Vec<Decoded>,
        heads: &[crate::types::ChangeHash],
        out: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        self.library.wait(id, changes)?;
        let loaded = self.library.open(id)?;
        let (lacks, collection) = (loaded.lacks(heads), loaded.stored.collection);
        if loaded.has_waiting() {
            self.merging.insert(*id);
        }
        if loaded.can_merge() && now.monotonic >= loaded.merge_at {
            self.merge(now, id, out)?;
        }
        if lacks {
            self.sync_document(now, from, collection, *id, out);
        }
        Ok(())
    }

    /// Merges what waits for a document and reports what it refused.
    pub(super) fn merge(
        &mut self,
        now: Now,
        id: &DocumentId,
        out: &mut Vec<Effect>,
    ) -> Result<Merged, CommandError> {
        let merged = self.library.merge(id, now.monotonic, out)?;
        if merged.refused > 0 {
            tracing::warn!(document = %id, refused = merged.refused, "changes went to quarantine");
        }
        if !self.library.open(id)?.has_waiting() {
            self.merging.remove(id);
        }
        Ok(merged)
    }

    pub(super) fn merge_due(&mut self, now: Now, out: &mut Vec<Effect>) {
        let due: Vec<DocumentId> = self.merging.iter().copied().collect();
        for id in due {
            match self.library.loaded.get(&id) {
                Some(loaded) if loaded.can_merge() && loaded.merge_at <= now.monotonic => {
                    if let Err(error) = self.merge(now, &id, out) {
                        tracing::error!(document = %id, %error, "changes could not be merged");
                        self.merging.remove(&id);
                    }
                }
                Some(_) => {}
                None => {
                    self.merging.remove(&id);
                }
            }
        }
    }

    /// Decodes changes of a peer; what is malformed is put aside and the peer told off.
    pub(super) fn decode(
        &mut self,
        from: PeerId,
        id: &DocumentId,
        changes: &[Vec<u8>],
        out: &mut Vec<Effect>,
    ) -> Vec<Decoded> {
        let mut decoded = Vec::with_capacity(changes.len());
        for change in changes {
            match Decoded::new(change) {
                Ok(change) => decoded.push(change),
                Err(refused) => {
                    out.push(Effect::Penalize {
                        peer: from,
                        reason: "a malformed change",
                    });
                    self.library.set_aside(*id, refused, out);
                }
            }
        }
        decoded
    }

    /// Whether to follow a document that a peer has, and makes room for a new one.
    pub(super) fn follow(&mut self, descriptor: Descriptor) -> Result<Follow, CommandError> {
        let id = descriptor.id();
        let stored = self.library.stored(&id)?;
        // The id binds neither name nor signature, and what is taken here is passed on.
        let known = stored
            .as_ref()
            .and_then(|stored| stored.descriptor.as_ref());
        if known != Some(&descriptor) && descriptor.verify(&self.config.network).is_err() {
            return Ok(Follow::Forged);
        }
        if self.library.put_aside(&id) {
            return Ok(Follow::No);
        }
        match stored {
            None => {
                self.library.insert(descriptor, Content::new());
                Ok(Follow::Live)
            }
            Some(StoredDocument {
                status: DocumentStatus::Removed(tombstone),
                ..
            }) => Ok(Follow::Removed(tombstone)),
            Some(StoredDocument {
                status: DocumentStatus::Forgotten,
                ..
            }) => Ok(Follow::No),
            Some(StoredDocument {
                status: DocumentStatus::Live(_),
                ..
            }) => Ok(Follow::Live),
        }
    }

    /// Removes a document that a peer says is removed.
    pub(super) fn tombstone(
        &mut self,
        now: Now,
        from: PeerId,
        tombstone: Tombstone,
        out: &mut Vec<Effect>,
    ) {
        let id = tombstone.document;
        if !self.library.collections.contains_key(&tombstone.collection) {
            return;
        }
        let elsewhere = |collection: CollectionId| collection != tombstone.collection;
        let known = self.library.stored(&id);
        if matches!(&known, Ok(Some(stored)) if elsewhere(stored.collection))
            || tombstone.verify(&self.config.network).is_err()
        {
            let reason = "a tombstone that does not hold";
            out.push(Effect::Penalize { peer: from, reason });
            return;
        }
        match self.library.remove(tombstone, out) {
            Ok(true) => self.drop_document(now, &id, out),
            Ok(false) => {}
            Err(error) => tracing::error!(document = %id, %error, "a removal was lost"),
        }
    }

    /// Drops what is under way for a document that is gone.
    pub(super) fn drop_document(&mut self, now: Now, id: &DocumentId, out: &mut Vec<Effect>) {
        self.merging.remove(id);
        self.outgoing.remove(id);
        self.answering.retain(|(_, document), _| document != id);
        let peers: Vec<PeerId> = self
            .asking
            .keys()
            .filter(|(_, d)| d == id)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in peers {
            self.end_session(now, peer, *id, false, out);
        }
    }
}

/// What a peer's document is to this node.
#[derive(Debug)]
pub(super) enum Follow {
    /// It is, or becomes, one of this node's documents.
    Live,
    /// It is removed.
    Removed(Tombstone),
    /// It is forgotten or put aside.
    No,
    /// Its descriptor is not signed by its author.
    Forged,
}
