//! Documents, the trees of their collections, and what is put aside.

use std::ops::Bound;
use std::sync::Arc;

use decube_crypto::Digest;
use decube_protocols::documents::{
    DocumentStatus, QuarantineEntry, Record, Source, StoredContent, StoredDocument,
};
use decube_protocols::tree::{EMPTY_ROOT, Node, NodeSource};
use decube_protocols::types::{ChangeHash, CollectionId, DocumentId, DocumentName, Version};
use redb::{ReadableTable, Table, WriteTransaction};

use crate::codec;
use crate::error::{StoreError, Work};
use crate::events::{EventLog, StoredEvent};
use crate::store::Inner;
use crate::tables::{
    Bytes32, CHANGES, COLLECTION_NODES, COLLECTION_ROOTS, DOCUMENT_COLLECTIONS, DOCUMENT_NAMES,
    DOCUMENTS, QUARANTINE, SNAPSHOTS,
};

const LOWEST: &[u8; 32] = &[0; 32];
const HIGHEST: &[u8; 32] = &[u8::MAX; 32];

/// Collection and document.
type Key<'k> = (&'k [u8; 32], &'k [u8; 32]);

/// Read access to documents and the trees of collections; cheap to clone.
#[derive(Clone, Debug)]
pub struct DocumentReader(pub(crate) Arc<Inner>);

/// What a document's changes take on disk, to decide when to compact it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentSize {
    /// Bytes of the snapshot; 0 when there is none.
    pub snapshot_bytes: u64,
    /// How many changes came since.
    pub changes: u64,
    /// Bytes of these changes.
    pub change_bytes: u64,
}

impl NodeSource for DocumentReader {
    type Error = StoreError;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, StoreError> {
        self.0.state.read(|transaction| {
            let nodes = transaction.open_table(COLLECTION_NODES)?;
            let row = nodes.get(digest.as_bytes())?;
            row.map(|row| codec::node("collection_nodes", row.value()))
                .transpose()
        })
    }
}

impl Source for DocumentReader {
    type Failure = StoreError;

    fn document(&self, id: &DocumentId) -> Result<Option<StoredDocument>, StoreError> {
        self.0.state.read(|transaction| {
            let collections = transaction.open_table(DOCUMENT_COLLECTIONS)?;
            let Some(collection) = collections.get(id.0.as_bytes())? else {
                return Ok(None);
            };
            let documents = transaction.open_table(DOCUMENTS)?;
            let row = documents.get((collection.value(), id.0.as_bytes()))?;
            row.map(|row| codec::decode("documents", row.value()))
                .transpose()
        })
    }

    fn content(&self, id: &DocumentId) -> Result<StoredContent, StoreError> {
        self.0.state.read(|transaction| {
            let snapshots = transaction.open_table(SNAPSHOTS)?;
            let snapshot = snapshots
                .get(id.0.as_bytes())?
                .map(|row| row.value().to_vec());
            let changes = transaction.open_table(CHANGES)?;
            let rows = changes.range((id.0.as_bytes(), 0)..=(id.0.as_bytes(), u64::MAX))?;
            let changes = rows
                .map(|row| Ok(row?.1.value().to_vec()))
                .collect::<Work<_>>()?;
            Ok(StoredContent { snapshot, changes })
        })
    }

    fn documents(
        &self,
        collection: Option<&CollectionId>,
        after: Option<(CollectionId, DocumentId)>,
        limit: usize,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let lowest = (
            collection.map_or(LOWEST, |collection| collection.0.as_bytes()),
            LOWEST,
        );
        let highest = (
            collection.map_or(HIGHEST, |collection| collection.0.as_bytes()),
            HIGHEST,
        );
        let after = after
            .as_ref()
            .map(|(collection, id)| (collection.0.as_bytes(), id.0.as_bytes()));
        let start = match after {
            Some(after) if after >= highest => return Ok(Vec::new()),
            Some(after) if after >= lowest => Bound::Excluded(after),
            Some(_) | None => Bound::Included(lowest),
        };
        self.0.state.read(|transaction| {
            let documents = transaction.open_table(DOCUMENTS)?;
            let rows = documents.range::<Key<'_>>((start, Bound::Included(highest)))?;
            rows.take(limit)
                .map(|row| codec::decode("documents", row?.1.value()))
                .collect()
        })
    }

    fn named(
        &self,
        collection: &CollectionId,
        name: &DocumentName,
    ) -> Result<Vec<DocumentId>, StoreError> {
        self.0.state.read(|transaction| {
            let names = transaction.open_table(DOCUMENT_NAMES)?;
            let key = |document| (collection.0.as_bytes(), name.as_str(), document);
            let rows = names.range(key(LOWEST)..=key(HIGHEST))?;
            rows.map(|row| Ok(DocumentId(codec::digest(row?.0.value().2))))
                .collect()
        })
    }

    fn collection_root(&self, collection: &CollectionId) -> Result<Digest, StoreError> {
        self.0.state.read(|transaction| {
            let roots = transaction.open_table(COLLECTION_ROOTS)?;
            let root = roots.get(collection.0.as_bytes())?;
            Ok(root.map_or(EMPTY_ROOT, |root| codec::digest(root.value())))
        })
    }

    fn quarantine(&self) -> Result<Vec<QuarantineEntry>, StoreError> {
        self.0.state.read(|transaction| {
            let quarantine = transaction.open_table(QUARANTINE)?;
            let rows = quarantine.iter()?;
            rows.map(|row| codec::decode("quarantine", row?.1.value()))
                .collect()
        })
    }
}

impl DocumentReader {
    /// What a document's changes take on disk.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn content_size(&self, id: &DocumentId) -> Result<ContentSize, StoreError> {
        self.0.state.read(|transaction| {
            let snapshots = transaction.open_table(SNAPSHOTS)?;
            let snapshot = snapshots
                .get(id.0.as_bytes())?
                .map(|row| row.value().len() as u64);
            let mut size = ContentSize {
                snapshot_bytes: snapshot.unwrap_or_default(),
                ..Default::default()
            };
            let changes = transaction.open_table(CHANGES)?;
            for row in changes.range((id.0.as_bytes(), 0)..=(id.0.as_bytes(), u64::MAX))? {
                size.changes += 1;
                size.change_bytes += row?.1.value().len() as u64;
            }
            Ok(size)
        })
    }

    /// The roots of all collections that have documents here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn collection_roots(&self) -> Result<Vec<(CollectionId, Digest)>, StoreError> {
        self.0.state.read(|transaction| {
            let roots = transaction.open_table(COLLECTION_ROOTS)?;
            let rows = roots.iter()?.map(|row| {
                let (collection, root) = row?;
                let collection = CollectionId(codec::digest(collection.value()));
                Ok((collection, codec::digest(root.value())))
            });
            rows.collect()
        })
    }
}

/// Writes records of the documents core.
pub(crate) fn apply(transaction: &WriteTransaction, records: &[Record]) -> Work<()> {
    let mut documents = Documents {
        documents: transaction.open_table(DOCUMENTS)?,
        collections: transaction.open_table(DOCUMENT_COLLECTIONS)?,
        names: transaction.open_table(DOCUMENT_NAMES)?,
        snapshots: transaction.open_table(SNAPSHOTS)?,
        changes: transaction.open_table(CHANGES)?,
        roots: transaction.open_table(COLLECTION_ROOTS)?,
        nodes: transaction.open_table(COLLECTION_NODES)?,
        quarantine: transaction.open_table(QUARANTINE)?,
    };
    let mut events = EventLog::open(transaction)?;
    for record in records {
        documents.apply(record, &mut events)?;
    }
    events.finish(transaction)
}

/// The tables of documents inside a write transaction.
struct Documents<'t> {
    documents: Table<'t, (Bytes32, Bytes32), &'static [u8]>,
    collections: Table<'t, Bytes32, Bytes32>,
    names: Table<'t, (Bytes32, &'static str, Bytes32), ()>,
    snapshots: Table<'t, Bytes32, &'static [u8]>,
    changes: Table<'t, (Bytes32, u64), &'static [u8]>,
    roots: Table<'t, Bytes32, Bytes32>,
    nodes: Table<'t, Bytes32, &'static [u8]>,
    quarantine: Table<'t, (Bytes32, Bytes32), &'static [u8]>,
}

impl Documents<'_> {
    fn apply(&mut self, record: &Record, events: &mut EventLog<'_>) -> Work<()> {
        match record {
            Record::Document(document) => {
                self.describe(document)?;
                events.append(&changed(document))
            }
            Record::Changes { document, changes } => self.append(document, changes),
            Record::Snapshot { document, snapshot } => {
                self.erase(document)?;
                self.snapshots
                    .insert(document.0.as_bytes(), snapshot.as_slice())?;
                Ok(())
            }
            Record::Erase(document) => self.erase(document),
            Record::Tree {
                collection,
                root,
                added,
                removed,
            } => {
                for digest in removed {
                    self.nodes.remove(digest.as_bytes())?;
                }
                for (digest, node) in added {
                    self.nodes
                        .insert(digest.as_bytes(), node.encode().as_slice())?;
                }
                self.roots
                    .insert(collection.0.as_bytes(), root.as_bytes())?;
                Ok(())
            }
            Record::Quarantine(entry) => {
                let key = (entry.change.0.as_bytes(), entry.document.0.as_bytes());
                self.quarantine
                    .insert(key, codec::encode("quarantine", entry)?.as_slice())?;
                Ok(())
            }
            Record::Release(ChangeHash(change)) => {
                let all = (change.as_bytes(), LOWEST)..=(change.as_bytes(), HIGHEST);
                self.quarantine.retain_in(all, |_, _| false)?;
                Ok(())
            }
        }
    }

    fn describe(&mut self, document: &StoredDocument) -> Work<()> {
        let (collection, id) = (document.collection.0.as_bytes(), document.id.0.as_bytes());
        let before = self.documents.get((collection, id))?;
        let before: Option<StoredDocument> = before
            .map(|row| codec::decode("documents", row.value()))
            .transpose()?;
        let known = before.is_some();
        let name_before = before.and_then(|before| Some(before.descriptor?.name));
        let name = document
            .descriptor
            .as_ref()
            .map(|descriptor| &descriptor.name);
        if name_before.as_ref() != name {
            if let Some(name) = &name_before {
                self.names.remove((collection, name.as_str(), id))?;
            }
            if let Some(name) = name {
                self.names.insert((collection, name.as_str(), id), ())?;
            }
        }
        if !known {
            self.collections.insert(id, collection)?;
        }
        let bytes = codec::encode("documents", document)?;
        self.documents.insert((collection, id), bytes.as_slice())?;
        Ok(())
    }

    fn append(&mut self, document: &DocumentId, changes: &[Vec<u8>]) -> Work<()> {
        let id = document.0.as_bytes();
        let last = self
            .changes
            .range((id, 0)..=(id, u64::MAX))?
            .next_back()
            .transpose()?;
        let next = last.map_or(0, |(key, _)| key.value().1.saturating_add(1));
        for (place, change) in (next..).zip(changes) {
            self.changes.insert((id, place), change.as_slice())?;
        }
        Ok(())
    }

    fn erase(&mut self, document: &DocumentId) -> Work<()> {
        let id = document.0.as_bytes();
        self.snapshots.remove(id)?;
        self.changes
            .retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
        Ok(())
    }
}

fn changed(document: &StoredDocument) -> StoredEvent {
    let (version, removed) = match &document.status {
        DocumentStatus::Live(heads) => (Some(Version::of(heads)), false),
        DocumentStatus::Removed(_) => (None, true),
        DocumentStatus::Forgotten => (None, false),
    };
    let (collection, document) = (document.collection, document.id);
    StoredEvent::DocumentChanged {
        collection,
        document,
        version,
        removed,
    }
}
