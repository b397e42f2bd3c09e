//! Reads of what is final, and of documents as they are on disk.

use std::collections::BTreeMap;

use decube_crypto::Digest;
use decube_protocols::commit::ChainSource;
use decube_protocols::documents::{DocumentEntry, DocumentStatus, Reply, StoredDocument};
use decube_protocols::tree;
use decube_protocols::types::{
    CollectionId, CollectionName, CollectionState, CommittedDocument, DocumentId, Height,
    NetworkId, StateKey, Version,
};
use decube_protocols::wire;

use super::types::{Document, FinalVersion};
use super::{Api, Code, Problem, failure};
use crate::node::Handle;

/// The most earlier committed versions of a document that are looked up for its history.
const MAX_VERSIONS: usize = 1000;

impl Api {
    /// Runs reads of the store on a thread that may wait for the disk.
    pub(super) async fn read<T, F>(&self, reads: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Handle) -> Result<T, Problem> + Send + 'static,
    {
        let handle = self.handle.clone();
        match tokio::task::spawn_blocking(move || reads(&handle)).await {
            Ok(result) => result,
            Err(error) => Err(failure::store(error)),
        }
    }

    /// Has the documents core carry out a command.
    pub(super) async fn command(
        &self,
        command: decube_protocols::documents::Command,
    ) -> Result<Reply, Problem> {
        Ok(self.handle.documents(command).await?)
    }
}

/// All collections that this node knows from final blocks, by id.
pub(super) fn collection_names(
    handle: &Handle,
) -> Result<BTreeMap<CollectionId, CollectionState>, Problem> {
    let network = handle.network_id();
    let all = handle
        .store()
        .chain()
        .collections()
        .map_err(failure::store)?;
    let with_id = |state: CollectionState| (id_of(&network, &state.name), state);
    Ok(all.into_iter().map(with_id).collect())
}

fn id_of(network: &NetworkId, name: &CollectionName) -> CollectionId {
    CollectionId::of(network, name.as_str())
}

/// The committed state as of one height.
pub(super) struct Finals<S> {
    chain: S,
    height: Height,
    root: Digest,
}

impl<S: ChainSource> Finals<S> {
    /// The state after the block at `height`, or the newest one.
    pub(super) fn at(chain: S, height: Option<Height>) -> Result<Self, Problem> {
        let newest = chain.final_height().map_err(failure::store)?;
        let height = height.unwrap_or(newest);
        let root = match height {
            // The genesis commits no version.
            Height(0) => tree::EMPTY_ROOT,
            height => match chain.final_block(height).map_err(failure::store)? {
                Some(found) => found.block.header.state_root,
                None => return Err(unknown_block(height, newest)),
            },
        };
        Ok(Self {
            chain,
            height,
            root,
        })
    }

    /// The last version of a document that is committed at this height or below.
    pub(super) fn version(
        &self,
        collection: CollectionId,
        document: DocumentId,
    ) -> Result<Option<CommittedDocument>, Problem> {
        let key = StateKey::Document(collection, document).digest();
        let value = tree::get(&self.chain, &self.root, &key).map_err(failure::store)?;
        value
            .map(|bytes| wire::decode(&bytes).map_err(failure::store))
            .transpose()
    }

    /// The same as a problem when there is none.
    pub(super) fn committed(
        &self,
        collection: CollectionId,
        document: DocumentId,
    ) -> Result<CommittedDocument, Problem> {
        self.version(collection, document)?.ok_or_else(|| {
            Problem::new(
                Code::NotCommitted,
                format!(
                    "no version of {document} is committed up to height {}; `decube commit` \
                     commits one",
                    self.height
                ),
            )
        })
    }

    /// All committed versions up to this height, newest first, bounded by a constant.
    pub(super) fn versions(
        self,
        collection: CollectionId,
        document: DocumentId,
    ) -> Result<Vec<CommittedDocument>, Problem> {
        let mut versions: Vec<CommittedDocument> = Vec::new();
        let mut finals = self;
        while versions.len() < MAX_VERSIONS
            && let Some(version) = finals.version(collection, document)?
        {
            let earlier = version.previous;
            versions.push(version);
            let Some(earlier) = earlier else { break };
            finals = Finals::at(finals.chain, Some(earlier))?;
        }
        Ok(versions)
    }
}

/// The problem of a height without a final block.
pub(super) fn unknown_block(height: Height, newest: Height) -> Problem {
    Problem::new(
        Code::UnknownBlock,
        format!("there is no final block at height {height} here, the newest is {newest}"),
    )
}

/// A committed version for the user.
pub(super) fn final_version(committed: CommittedDocument) -> FinalVersion {
    FinalVersion {
        version: committed.heads.version(),
        height: committed.height,
        transaction: committed.transaction,
        previous: committed.previous,
        heads: committed.heads.into(),
    }
}

/// Adds to entries of documents what is final of them.
pub(super) fn describe(
    handle: &Handle,
    entries: Vec<DocumentEntry>,
) -> Result<Vec<Document>, Problem> {
    let names = collection_names(handle)?;
    let finals = Finals::at(handle.store().chain(), None)?;
    let document = |entry: DocumentEntry| {
        let committed = finals
            .version(entry.collection, entry.id)?
            .map(final_version);
        Ok(Document {
            id: entry.id,
            collection: entry.collection,
            collection_name: names.get(&entry.collection).map(|state| state.name.clone()),
            name: entry.name,
            author: entry.author,
            is_final: committed
                .as_ref()
                .is_some_and(|last| Some(last.version) == entry.version),
            version: entry.version,
            heads: entry.heads,
            removed: entry.removed,
            forgotten: entry.forgotten,
            bytes: entry.bytes,
            committed,
        })
    };
    entries.into_iter().map(document).collect()
}

/// What is on disk of a document, as the documents core would say it.
pub(super) fn entry(stored: StoredDocument) -> DocumentEntry {
    let (heads, removed, forgotten) = match stored.status {
        DocumentStatus::Live(heads) => (heads, false, false),
        DocumentStatus::Removed(_) => (Vec::new(), true, false),
        DocumentStatus::Forgotten => (Vec::new(), false, true),
    };
    let live = !removed && !forgotten;
    DocumentEntry {
        id: stored.id,
        collection: stored.collection,
        author: stored
            .descriptor
            .as_ref()
            .map(|descriptor| descriptor.author),
        name: stored.descriptor.map(|descriptor| descriptor.name),
        version: live.then(|| Version::of(&heads)),
        heads,
        removed,
        forgotten,
        bytes: stored.bytes,
    }
}
