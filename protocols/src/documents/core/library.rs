//! The documents of this node: those in memory, the rest on disk, and the trees over all.

use std::collections::BTreeMap;
use std::time::Duration;

use decube_crypto::Digest;

use super::super::content::{Content, Decoded, Refused};
use super::super::io::{
    CollectionSummary, DocumentStatus, Effect, LeafVersion, QuarantineEntry, Record, Source,
    StoredDocument,
};
use super::super::reply::{CommandError, DocumentEntry};
use super::super::{StoredContent, leaf};
use super::Config;
use crate::tree::{self, EMPTY_ROOT, Node, Overlay};
use crate::types::{ChangeHash, CollectionId, Descriptor, DocumentId, Tombstone, Version};

/// The most changes that wait in memory for one document, for what they rest on or to be merged
/// with others: a second of fast typing by a hundred people.
const MAX_WAITING: usize = 8192;
/// The most bytes of them.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// The most raw bytes of changes of one document. Beyond it the whole document is put aside, so
/// that it cannot stop others.
pub(super) const MAX_DOCUMENT: u64 = 256 * 1024 * 1024;
/// The most entries in quarantine; beyond it the oldest reasons are kept and new ones dropped.
const MAX_QUARANTINE: usize = 4096;
/// A snapshot is made when at least this many changes came since the last one, and as many bytes
/// as the last one had: so loading a document reads at most about twice its history, and a
/// change is rewritten a logarithmic number of times.
const SNAPSHOT_AFTER: u64 = 512;
/// What Automerge's merge of a batch costs for each operation that the document has, measured
/// (it walks the whole text, however small the batch).
const MERGE_COST: Duration = Duration::from_nanos(250);
/// The next merge waits this many times as long as the last one took: at most a
/// thirteenth of the time goes into merging one document, and what arrives meanwhile is merged together.
const MERGE_PAUSE: u32 = 12;
/// The longest such wait, so that a large document stays live.
const MAX_MERGE_PAUSE: Duration = Duration::from_millis(750);
/// Documents read from disk in one step of a scan.
pub(super) const PAGE: usize = 1024;

/// One document in memory.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) stored: StoredDocument,
    pub(super) content: Content,
    /// Changes that came and are not merged yet.
    waiting: BTreeMap<ChangeHash, Decoded>,
    waiting_bytes: usize,
    /// When the next merge may be.
    pub(super) merge_at: Duration,
    /// When it was last used, in uses of the library.
    used: u64,
    /// Changes and bytes since the last snapshot, and the bytes before.
    loose: (u64, u64),
    compact: u64,
}

/// What is kept of a collection.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    pub(super) root: Digest,
    pub(super) documents: u64,
    pub(super) bytes: u64,
    pub(super) forgotten: u64,
}

/// The documents of this node.
#[derive(Debug)]
pub(super) struct Library<S> {
    pub(super) source: S,
    pub(super) loaded: BTreeMap<DocumentId, Loaded>,
    pub(super) collections: BTreeMap<CollectionId, Collection>,
    pub(super) quarantine: BTreeMap<(DocumentId, ChangeHash), QuarantineEntry>,
    /// Nodes that the effects of the present call add.
    nodes: BTreeMap<Digest, Node>,
    uses: u64,
    cache: u64,
}

/// What came of merging.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// New changes that the document has now.
    pub(super) changes: Vec<Vec<u8>>,
    /// How many changes were refused.
    pub(super) refused: usize,
}

pub(super) fn store<E: std::error::Error>(error: E) -> CommandError {
    CommandError::Store(error.to_string())
}

impl<S: Source> Library<S> {
    pub(super) fn new(source: S, config: &Config) -> Result<Self, CommandError> {
        let entries = source.quarantine().map_err(store)?;
        let quarantine = entries
            .into_iter()
            .map(|entry| ((entry.document, entry.change), entry))
            .collect();
        Ok(Self {
            source,
            loaded: BTreeMap::new(),
            collections: BTreeMap::new(),
            quarantine,
            nodes: BTreeMap::new(),
            uses: 0,
            cache: config.cache_bytes,
        })
    }

    /// Starts to replicate a collection; its totals are counted once.
    pub(super) fn add_collection(&mut self, id: CollectionId) -> Result<bool, CommandError> {
        if self.collections.contains_key(&id) {
            return Ok(false);
        }
        let root = self.source.collection_root(&id).map_err(store)?;
        let mut collection = Collection {
            root,
            ..Collection::default()
        };
        collection.documents = tree::count(&self.source, &root).map_err(store)?;
        let mut after = None;
        loop {
            let page = self
                .source
                .documents(Some(&id), after, PAGE)
                .map_err(store)?;
            for document in &page {
                collection.bytes += document.bytes;
                collection.forgotten += u64::from(document.status == DocumentStatus::Forgotten);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some((id, last.id)),
                Some(_) | None => break,
            }
        }
        self.collections.insert(id, collection);
        Ok(true)
    }

    /// The collection's root, or that of an empty one.
    pub(super) fn root(&self, id: &CollectionId) -> Digest {
        self.collections
            .get(id)
            .map_or(EMPTY_ROOT, |collection| collection.root)
    }

    /// What peers are told of a collection.
    pub(super) fn summary(&self, id: CollectionId) -> Option<CollectionSummary> {
        let Collection {
            root,
            documents,
            bytes,
            ..
        } = *self.collections.get(&id)?;
        Some(CollectionSummary {
            collection: id,
            root,
            documents,
            bytes,
            excepted: self.excepted(&id),
        })
    }

    /// How many documents of a collection are forgotten, or have something in quarantine.
    pub(super) fn excepted(&self, id: &CollectionId) -> u64 {
        let forgotten = self
            .collections
            .get(id)
            .map_or(0, |collection| collection.forgotten);
        let mut documents: Vec<&DocumentId> = self.quarantine.keys().map(|(id, _)| id).collect();
        documents.dedup();
        let here = |document: &&DocumentId| matches!(self.stored(document), Ok(Some(stored)) if stored.collection == *id);
        forgotten + documents.into_iter().filter(here).count() as u64
    }

    /// Whether a document is put aside whole.
    pub(super) fn put_aside(&self, id: &DocumentId) -> bool {
        self.quarantine
            .contains_key(&(*id, ChangeHash(Digest::ZERO)))
    }

    /// What is known of a document.
    pub(super) fn stored(&self, id: &DocumentId) -> Result<Option<StoredDocument>, CommandError> {
        match self.loaded.get(id) {
            Some(loaded) => Ok(Some(loaded.stored.clone())),
            None => self.source.document(id).map_err(store),
        }
    }

    /// A live document in memory, loaded if need be.
    pub(super) fn open(&mut self, id: &DocumentId) -> Result<&mut Loaded, CommandError> {
        self.uses += 1;
        if !self.loaded.contains_key(id) {
            let stored = self.source.document(id).map_err(store)?;
            let stored = stored.ok_or(CommandError::UnknownDocument(*id))?;
            match stored.status {
                DocumentStatus::Live(_) => {}
                DocumentStatus::Removed(_) => return Err(CommandError::Removed(*id)),
                DocumentStatus::Forgotten => return Err(CommandError::Forgotten(*id)),
            }
            let loaded = self.load(stored)?;
            self.loaded.insert(*id, loaded);
        }
        let uses = self.uses;
        match self.loaded.get_mut(id) {
            Some(loaded) => {
                loaded.used = uses;
                Ok(loaded)
            }
            None => Err(CommandError::UnknownDocument(*id)),
        }
    }

    fn load(&self, stored: StoredDocument) -> Result<Loaded, CommandError> {
        let StoredContent { snapshot, changes } = self.source.content(&stored.id).map_err(store)?;
        let damaged = |reason: String| CommandError::Damaged {
            document: stored.id,
            reason,
        };
        let content = match Content::load(snapshot.as_deref(), &changes) {
            Ok(content) => content,
            Err(error) => return Err(damaged(error.to_string())),
        };
        if stored.status != DocumentStatus::Live(content.heads()) {
            return Err(damaged(
                "its changes lead to other heads than it should have".into(),
            ));
        }
        let bytes: usize = changes.iter().map(Vec::len).sum();
        let mut loaded = Loaded::new(stored, content);
        loaded.loose = (changes.len() as u64, bytes as u64);
        loaded.compact = loaded.stored.bytes.saturating_sub(bytes as u64);
        Ok(loaded)
    }

    /// Puts a new document into memory. It is written with its first changes.
    pub(super) fn insert(&mut self, descriptor: Descriptor, content: Content) {
        let stored = StoredDocument {
            id: descriptor.id(),
            collection: descriptor.collection,
            descriptor: Some(descriptor),
            status: DocumentStatus::Live(Vec::new()),
            bytes: 0,
        };
        self.uses += 1;
        let mut loaded = Loaded::new(stored, content);
        loaded.used = self.uses;
        self.loaded.insert(loaded.stored.id, loaded);
    }

    /// Keeps changes for the next merge; passes over what the document has or once refused.
    pub(super) fn wait(
        &mut self,
        id: &DocumentId,
        changes: Vec<Decoded>,
    ) -> Result<(), CommandError> {
        for change in changes {
            if self.quarantine.contains_key(&(*id, change.hash())) {
                continue;
            }
            self.open(id)?.wait(change);
        }
        Ok(())
    }

    /// Merges the changes that wait and rest on what the document has, and emits what must be
    /// kept.
    pub(super) fn merge(
        &mut self,
        id: &DocumentId,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Result<Merged, CommandError> {
        let loaded = self.open(id)?;
        let batch = loaded.take_waiting();
        if batch.is_empty() {
            return Ok(Merged::default());
        }
        let collection = loaded.stored.collection;
        let admitted = match loaded.content.admit(batch.clone()) {
            Ok(admitted) => admitted,
            Err(broken) => {
                tracing::warn!(document = %id, %broken, "a change is looked for that breaks others");
                let stored = loaded.stored.clone();
                self.loaded.remove(id);
                // A document that was never written is still without changes.
                let fresh = stored.status == DocumentStatus::Live(Vec::new());
                let content = Loaded::new(stored.clone(), Content::new());
                let loaded = if fresh { content } else { self.load(stored)? };
                self.loaded
                    .entry(*id)
                    .or_insert(loaded)
                    .content
                    .admit_carefully(batch)
            }
        };
        let loaded = self.open(id)?;
        for change in admitted.waiting {
            loaded.wait(change);
        }
        let pause = (MERGE_COST * u32::try_from(loaded.content.operations()).unwrap_or(u32::MAX))
            .saturating_mul(MERGE_PAUSE);
        loaded.merge_at = now + pause.min(MAX_MERGE_PAUSE);
        let changes: Vec<Vec<u8>> = admitted
            .changes
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect();
        let refused = admitted.refused.len();
        for refusal in admitted.refused {
            self.set_aside(*id, refusal, out);
        }
        if !changes.is_empty() {
            self.record(id, changes.clone(), out)?;
        }
        self.limit(id, collection, out);
        Ok(Merged { changes, refused })
    }

    /// Puts a document aside that has grown beyond the limit.
    fn limit(&mut self, id: &DocumentId, collection: CollectionId, out: &mut Vec<Effect>) {
        let bytes = self.loaded.get(id).map_or(0, |loaded| loaded.stored.bytes);
        if bytes > MAX_DOCUMENT && !self.put_aside(id) {
            tracing::warn!(document = %id, %collection, bytes, "the document is too large to follow");
            let reason = format!("the document has {bytes} bytes, more than {MAX_DOCUMENT}");
            let whole = ChangeHash(Digest::ZERO);
            self.note(
                QuarantineEntry {
                    document: *id,
                    change: whole,
                    bytes: Vec::new(),
                    reason,
                },
                out,
            );
        }
    }

    /// Puts a change aside with its reason.
    pub(super) fn set_aside(&mut self, id: DocumentId, refused: Refused, out: &mut Vec<Effect>) {
        if refused.hash == ChangeHash(Digest::ZERO) {
            // What could not be decoded has no name; the sender is told apart by the caller.
            return;
        }
        let Refused {
            hash,
            bytes,
            reason,
        } = refused;
        let reason = reason.to_string();
        self.note(
            QuarantineEntry {
                document: id,
                change: hash,
                bytes,
                reason,
            },
            out,
        );
    }

    fn note(&mut self, entry: QuarantineEntry, out: &mut Vec<Effect>) {
        let key = (entry.document, entry.change);
        if self.quarantine.len() < MAX_QUARANTINE && !self.quarantine.contains_key(&key) {
            self.quarantine.insert(key, entry.clone());
            out.push(Effect::Persist(Record::Quarantine(entry)));
        }
    }

    /// Emits what must be kept after `changes` were added to a document's content.
    pub(super) fn record(
        &mut self,
        id: &DocumentId,
        changes: Vec<Vec<u8>>,
        out: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let bytes: u64 = changes.iter().map(|change| change.len() as u64).sum();
        let loaded = self.open(id)?;
        let heads = loaded.content.heads();
        let version = LeafVersion::Live(Version::of(&heads));
        loaded.stored.status = DocumentStatus::Live(heads);
        loaded.stored.bytes += bytes;
        loaded.loose = (
            loaded.loose.0 + changes.len() as u64,
            loaded.loose.1 + bytes,
        );
        let collection = loaded.stored.collection;
        out.push(Effect::Persist(Record::Changes {
            document: *id,
            changes,
        }));
        out.push(Effect::Persist(Record::Document(loaded.stored.clone())));
        if let Some(snapshot) = loaded.compact() {
            out.push(Effect::Persist(Record::Snapshot {
                document: *id,
                snapshot,
            }));
        }
        if let Some(collection) = self.collections.get_mut(&collection) {
            collection.bytes += bytes;
        }
        self.set_leaf(collection, id, Some(version), out)
    }

    /// Puts a document's leaf into its collection's tree, or takes it out.
    fn set_leaf(
        &mut self,
        id: CollectionId,
        document: &DocumentId,
        version: Option<LeafVersion>,
        out: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let value = version.map(|version| leaf::value(document, version));
        let changes = BTreeMap::from([(leaf::key(&id, document), value)]);
        let root = self.root(&id);
        let source = Overlay::new(&self.source).with(&self.nodes);
        let update = tree::update(&source, &root, &changes).map_err(store)?;
        let documents =
            tree::count(&Overlay::new(&source).with(&update.added), &update.root).map_err(store)?;
        self.nodes.extend(
            update
                .added
                .iter()
                .map(|(digest, node)| (*digest, node.clone())),
        );
        if let Some(collection) = self.collections.get_mut(&id) {
            collection.root = update.root;
            collection.documents = documents;
        }
        let tree::Update {
            root,
            added,
            removed,
        } = update;
        out.push(Effect::Persist(Record::Tree {
            collection: id,
            root,
            added,
            removed,
        }));
        Ok(())
    }

    /// Reads the tree of a collection, with what the present call added.
    pub(super) fn tree(&self) -> Overlay<'_, &S> {
        Overlay::new(&self.source).with(&self.nodes)
    }

    /// Removes a document for everyone. False when it was removed before.
    pub(super) fn remove(
        &mut self,
        tombstone: Tombstone,
        out: &mut Vec<Effect>,
    ) -> Result<bool, CommandError> {
        let id = tombstone.document;
        let before = self.stored(&id)?;
        if matches!(
            &before,
            Some(StoredDocument {
                status: DocumentStatus::Removed(_),
                ..
            })
        ) {
            return Ok(false);
        }
        let collection = tombstone.collection;
        let descriptor = before.as_ref().and_then(|stored| stored.descriptor.clone());
        self.drop_content(&id, before, out);
        let status = DocumentStatus::Removed(tombstone);
        let stored = StoredDocument {
            id,
            collection,
            descriptor,
            status,
            bytes: 0,
        };
        out.push(Effect::Persist(Record::Document(stored)));
        self.set_leaf(collection, &id, Some(LeafVersion::Removed), out)?;
        Ok(true)
    }

    /// Forgets this node's copy of a document.
    pub(super) fn forget(
        &mut self,
        stored: StoredDocument,
        out: &mut Vec<Effect>,
    ) -> Result<(), CommandError> {
        let (id, collection) = (stored.id, stored.collection);
        self.drop_content(&id, Some(stored.clone()), out);
        let stored = StoredDocument {
            status: DocumentStatus::Forgotten,
            bytes: 0,
            ..stored
        };
        out.push(Effect::Persist(Record::Document(stored)));
        if let Some(collection) = self.collections.get_mut(&collection) {
            collection.forgotten += 1;
        }
        self.set_leaf(collection, &id, None, out)
    }

    /// Drops a document's changes and what of it is in quarantine.
    fn drop_content(
        &mut self,
        id: &DocumentId,
        before: Option<StoredDocument>,
        out: &mut Vec<Effect>,
    ) {
        self.loaded.remove(id);
        out.push(Effect::Persist(Record::Erase(*id)));
        let first = (*id, ChangeHash(Digest::ZERO));
        let entries: Vec<_> = (self.quarantine.range(first..))
            .take_while(|((document, _), _)| document == id)
            .map(|(key, _)| *key)
            .collect();
        for key in entries {
            self.quarantine.remove(&key);
            out.push(Effect::Persist(Record::Release(key.1)));
            // A release is by change: what other documents have of the same name stays aside.
            let others = self
                .quarantine
                .values()
                .filter(|entry| entry.change == key.1);
            out.extend(others.cloned().map(Record::Quarantine).map(Effect::Persist));
        }
        let Some(before) = before else { return };
        if let Some(collection) = self.collections.get_mut(&before.collection) {
            collection.bytes = collection.bytes.saturating_sub(before.bytes);
            if before.status == DocumentStatus::Forgotten {
                collection.forgotten = collection.forgotten.saturating_sub(1);
            }
        }
    }

    /// Ends a call: what it added is on disk when the next one begins, and the documents that
    /// were used least leave the memory. What waited for them comes again by a sync.
    pub(super) fn settle(&mut self) {
        self.nodes.clear();
        let mut memory: u64 = self.loaded.values().map(Loaded::memory).sum();
        while memory > self.cache && self.loaded.len() > 1 {
            let Some(oldest) = self.loaded.values().min_by_key(|loaded| loaded.used) else {
                return;
            };
            let (id, size) = (oldest.stored.id, oldest.memory());
            self.loaded.remove(&id);
            memory = memory.saturating_sub(size);
        }
    }
}

impl Loaded {
    const fn new(stored: StoredDocument, content: Content) -> Self {
        Self {
            stored,
            content,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            merge_at: Duration::ZERO,
            used: 0,
            loose: (0, 0),
            compact: 0,
        }
    }

    fn memory(&self) -> u64 {
        self.content.memory(self.stored.bytes) + self.waiting_bytes as u64
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the document has the change, or it waits.
    pub(super) fn knows(&self, hash: &ChangeHash) -> bool {
        self.content.graph().contains(hash) || self.waiting.contains_key(hash)
    }

    /// Whether something that waits could be merged: all it rests on is there.
    pub(super) fn can_merge(&self) -> bool {
        let graph = self.content.graph();
        self.waiting
            .values()
            .any(|change| change.dependencies().all(|d| graph.contains(&d)))
    }

    /// Whether something is missing below `heads` or below a change that waits.
    pub(super) fn lacks(&self, heads: &[ChangeHash]) -> bool {
        !heads.iter().all(|head| self.knows(head))
            || self
                .waiting
                .values()
                .any(|change| !change.dependencies().all(|d| self.knows(&d)))
    }

    fn wait(&mut self, change: Decoded) {
        let size = change.bytes().len();
        let room =
            self.waiting.len() < MAX_WAITING && self.waiting_bytes + size <= MAX_WAITING_BYTES;
        // What finds no room comes again by a sync.
        if room && !self.knows(&change.hash()) {
            self.waiting_bytes += size;
            self.waiting.insert(change.hash(), change);
        }
    }

    fn take_waiting(&mut self) -> Vec<Decoded> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// A snapshot, when the changes since the last one are as many bytes as it stands for.
    fn compact(&mut self) -> Option<Vec<u8>> {
        let (changes, bytes) = self.loose;
        if changes < SNAPSHOT_AFTER || bytes < self.compact {
            return None;
        }
        self.loose = (0, 0);
        self.compact = self.stored.bytes;
        Some(self.content.save())
    }
}

/// A document as it stands in lists.
pub(super) fn entry(stored: &StoredDocument) -> DocumentEntry {
    let (heads, removed, forgotten) = match &stored.status {
        DocumentStatus::Live(heads) => (heads.clone(), false, false),
        DocumentStatus::Removed(_) => (Vec::new(), true, false),
        DocumentStatus::Forgotten => (Vec::new(), false, true),
    };
    DocumentEntry {
        id: stored.id,
        collection: stored.collection,
        name: stored
            .descriptor
            .as_ref()
            .map(|descriptor| descriptor.name.clone()),
        author: stored
            .descriptor
            .as_ref()
            .map(|descriptor| descriptor.author),
        version: (!removed && !forgotten).then(|| Version::of(&heads)),
        heads,
        removed,
        forgotten,
        bytes: stored.bytes,
    }
}
