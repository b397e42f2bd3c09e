//! A store in memory, for simulations and tests: what was recorded, and nothing else.

use std::collections::BTreeMap;
use std::convert::Infallible;

use decube_crypto::Digest;

use super::io::{QuarantineEntry, Record, Source, StoredContent, StoredDocument};
use crate::tree::{EMPTY_ROOT, Node, NodeSource};
use crate::types::{ChangeHash, CollectionId, DocumentId, DocumentName};

/// Records in memory. A copy is what a disk holds after a crash.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    documents: BTreeMap<DocumentId, StoredDocument>,
    contents: BTreeMap<DocumentId, StoredContent>,
    nodes: BTreeMap<Digest, Node>,
    roots: BTreeMap<CollectionId, Digest>,
    quarantine: BTreeMap<ChangeHash, QuarantineEntry>,
}

impl MemorySource {
    /// Writes a record.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Document(stored) => {
                self.documents.insert(stored.id, stored);
            }
            Record::Changes { document, changes } => {
                self.contents
                    .entry(document)
                    .or_default()
                    .changes
                    .extend(changes);
            }
            Record::Snapshot { document, snapshot } => {
                let content = StoredContent {
                    snapshot: Some(snapshot),
                    changes: Vec::new(),
                };
                self.contents.insert(document, content);
            }
            Record::Erase(document) => {
                self.contents.remove(&document);
            }
            Record::Tree {
                collection,
                root,
                added,
                removed,
            } => {
                self.nodes.retain(|digest, _| !removed.contains(digest));
                self.nodes.extend(added);
                self.roots.insert(collection, root);
            }
            Record::Quarantine(entry) => {
                self.quarantine.insert(entry.change, entry);
            }
            Record::Release(change) => {
                self.quarantine.remove(&change);
            }
        }
    }

    /// How many nodes the trees have.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }
}

impl NodeSource for MemorySource {
    type Error = Infallible;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, Infallible> {
        Ok(self.nodes.get(digest).cloned())
    }
}

impl Source for MemorySource {
    type Failure = Infallible;

    fn document(&self, id: &DocumentId) -> Result<Option<StoredDocument>, Infallible> {
        Ok(self.documents.get(id).cloned())
    }

    fn content(&self, id: &DocumentId) -> Result<StoredContent, Infallible> {
        Ok(self.contents.get(id).cloned().unwrap_or_default())
    }

    fn documents(
        &self,
        collection: Option<&CollectionId>,
        after: Option<(CollectionId, DocumentId)>,
        limit: usize,
    ) -> Result<Vec<StoredDocument>, Infallible> {
        let wanted = |stored: &&StoredDocument| {
            collection.is_none_or(|collection| stored.collection == *collection)
                && after.is_none_or(|after| (stored.collection, stored.id) > after)
        };
        let mut found: Vec<_> = self.documents.values().filter(wanted).cloned().collect();
        found.sort_by_key(|stored| (stored.collection, stored.id));
        found.truncate(limit);
        Ok(found)
    }

    fn named(
        &self,
        collection: &CollectionId,
        name: &DocumentName,
    ) -> Result<Vec<DocumentId>, Infallible> {
        let named = |stored: &&StoredDocument| {
            let descriptor = stored.descriptor.as_ref();
            stored.collection == *collection
                && descriptor.is_some_and(|descriptor| descriptor.name == *name)
        };
        Ok(self
            .documents
            .values()
            .filter(named)
            .map(|stored| stored.id)
            .collect())
    }

    fn collection_root(&self, collection: &CollectionId) -> Result<Digest, Infallible> {
        Ok(self.roots.get(collection).copied().unwrap_or(EMPTY_ROOT))
    }

    fn quarantine(&self) -> Result<Vec<QuarantineEntry>, Infallible> {
        Ok(self.quarantine.values().cloned().collect())
    }
}
