//! Final blocks, the committed state's tree and the history.
//!
//! # Invariants
//! - Heights are without gaps from 1 on, and each block's parent is the one before it.
//! - A final block that is stored is never replaced; storing it again changes nothing.

use std::sync::Arc;

use decube_crypto::Digest;
use decube_protocols::commit::{ChainSource, FinalBlock, FinalRecord, Record};
use decube_protocols::history::HistorySource;
use decube_protocols::tree::{Node, NodeSource};
use decube_protocols::types::{
    Action, BlockId, Certificate, CollectionId, CollectionState, Height, NetworkId, Outcome,
};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

use crate::codec;
use crate::error::{Fault, StoreError, Work};
use crate::events::{EventLog, StoredEvent};
use crate::store::Inner;
use crate::tables::{
    BLOCK_IDS, Bytes32, COLLECTIONS, FINAL_BLOCKS, FINALIZATIONS, HISTORY, STATE_NODES,
};

/// Read access to final blocks and the committed state; cheap to clone.
#[derive(Clone, Debug)]
pub struct ChainReader(pub(crate) Arc<Inner>);

impl NodeSource for ChainReader {
    type Error = StoreError;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, StoreError> {
        self.0.state.read(|transaction| {
            let nodes = transaction.open_table(STATE_NODES)?;
            nodes
                .get(digest.as_bytes())?
                .map(|row| codec::node("state_nodes", row.value()))
                .transpose()
        })
    }
}

impl HistorySource for ChainReader {
    type Error = StoreError;

    fn history(&self, position: u64) -> Result<Option<Digest>, StoreError> {
        self.0.state.read(|transaction| {
            let history = transaction.open_table(HISTORY)?;
            Ok(history.get(position)?.map(|row| codec::digest(row.value())))
        })
    }
}

impl ChainSource for ChainReader {
    type Failure = StoreError;

    fn final_height(&self) -> Result<Height, StoreError> {
        self.0.state.read(final_height)
    }

    fn final_block(&self, height: Height) -> Result<Option<FinalBlock>, StoreError> {
        self.0.state.read(|transaction| {
            let blocks = transaction.open_table(FINAL_BLOCKS)?;
            blocks
                .get(height.0)?
                .map(|row| codec::decode("final_blocks", row.value()))
                .transpose()
        })
    }

    fn finalization_from(
        &self,
        height: Height,
    ) -> Result<Option<(Height, Certificate)>, StoreError> {
        self.0.state.read(|transaction| {
            let finalizations = transaction.open_table(FINALIZATIONS)?;
            let Some(row) = finalizations.range(height.0..)?.next() else {
                return Ok(None);
            };
            let (height, certificate) = row?;
            let certificate = codec::decode("finalizations", certificate.value())?;
            Ok(Some((Height(height.value()), certificate)))
        })
    }

    fn collections(&self) -> Result<Vec<CollectionState>, StoreError> {
        self.0.state.read(|transaction| {
            let collections = transaction.open_table(COLLECTIONS)?;
            let rows = collections.iter()?;
            rows.map(|row| codec::decode("collections", row?.1.value()))
                .collect()
        })
    }
}

impl ChainReader {
    /// The id of the final block at `height`, without reading the block.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn block_id(&self, height: Height) -> Result<Option<BlockId>, StoreError> {
        self.0.state.read(|transaction| {
            let ids = transaction.open_table(BLOCK_IDS)?;
            Ok(ids
                .get(height.0)?
                .map(|row| BlockId(codec::digest(row.value()))))
        })
    }

    /// A collection of the committed state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn collection(&self, id: &CollectionId) -> Result<Option<CollectionState>, StoreError> {
        self.0.state.read(|transaction| {
            let collections = transaction.open_table(COLLECTIONS)?;
            let row = collections.get(id.0.as_bytes())?;
            row.map(|row| codec::decode("collections", row.value()))
                .transpose()
        })
    }
}

fn final_height(transaction: &ReadTransaction) -> Work<Height> {
    let ids = transaction.open_table(BLOCK_IDS)?;
    Ok(Height(ids.last()?.map_or(0, |(height, _)| height.value())))
}

/// Writes those of the records that belong to the state.
pub(crate) fn apply(
    transaction: &WriteTransaction,
    network: &NetworkId,
    records: &[Record],
) -> Work<()> {
    let mut chain = Chain {
        network,
        blocks: transaction.open_table(FINAL_BLOCKS)?,
        ids: transaction.open_table(BLOCK_IDS)?,
        finalizations: transaction.open_table(FINALIZATIONS)?,
        nodes: transaction.open_table(STATE_NODES)?,
        history: transaction.open_table(HISTORY)?,
        collections: transaction.open_table(COLLECTIONS)?,
    };
    let mut events = EventLog::open(transaction)?;
    for record in records {
        match record {
            Record::Final(record) => chain.append(record, &mut events)?,
            Record::Vote(_)
            | Record::Proposal(_)
            | Record::Certificate(_)
            | Record::Prune { .. } => {}
        }
    }
    events.finish(transaction)
}

/// The tables of the chain inside a write transaction.
struct Chain<'t> {
    network: &'t NetworkId,
    blocks: Table<'t, u64, &'static [u8]>,
    ids: Table<'t, u64, Bytes32>,
    finalizations: Table<'t, u64, &'static [u8]>,
    nodes: Table<'t, Bytes32, &'static [u8]>,
    history: Table<'t, u64, Bytes32>,
    collections: Table<'t, Bytes32, &'static [u8]>,
}

impl Chain<'_> {
    fn append(&mut self, record: &FinalRecord, events: &mut EventLog<'_>) -> Work<()> {
        let height = record.block.block.header.height;
        let id = record.block.block.id();
        if !self.is_next(record, height, &id)? {
            return self.finalize(height, record);
        }
        self.blocks.insert(
            height.0,
            codec::encode("final_blocks", &record.block)?.as_slice(),
        )?;
        self.ids.insert(height.0, id.0.as_bytes())?;
        self.finalize(height, record)?;
        for (digest, node) in &record.state_nodes {
            self.nodes
                .insert(digest.as_bytes(), node.encode().as_slice())?;
        }
        for (position, digest) in &record.history {
            self.history.insert(position, digest.as_bytes())?;
        }
        for state in &record.collections {
            let id = CollectionId::of(self.network, state.name.as_str());
            self.collections.insert(
                id.0.as_bytes(),
                codec::encode("collections", state)?.as_slice(),
            )?;
        }
        announce(self.network, &record.block, id, events)
    }

    /// Whether the block comes right after the stored ones; false when it is stored already.
    fn is_next(&self, record: &FinalRecord, height: Height, id: &BlockId) -> Work<bool> {
        let conflict = |detail| Fault::from(StoreError::Conflict { height, detail });
        if let Some(stored) = self.ids.get(height.0)? {
            let stored = BlockId(codec::digest(stored.value()));
            return if stored == *id {
                Ok(false)
            } else {
                Err(conflict(format!(
                    "block {stored} is stored, {id} is to be stored"
                )))
            };
        }
        let last = self.ids.last()?;
        let expected = last
            .as_ref()
            .map_or(1, |(last, _)| last.value().saturating_add(1));
        if height.0 != expected {
            let gap = StoreError::Gap {
                found: height,
                expected: Height(expected),
            };
            return Err(gap.into());
        }
        let parent = record.block.block.header.parent;
        match last.map(|(_, last)| BlockId(codec::digest(last.value()))) {
            Some(last) if last != parent => Err(conflict(format!(
                "its parent is {parent}, the last stored block is {last}"
            ))),
            Some(_) | None => Ok(true),
        }
    }

    fn finalize(&mut self, height: Height, record: &FinalRecord) -> Work<()> {
        if let Some(finalization) = &record.finalization
            && self.finalizations.get(height.0)?.is_none()
        {
            self.finalizations.insert(
                height.0,
                codec::encode("finalizations", finalization)?.as_slice(),
            )?;
        }
        Ok(())
    }
}

/// Appends the events of a final block.
fn announce(
    network: &NetworkId,
    block: &FinalBlock,
    id: BlockId,
    events: &mut EventLog<'_>,
) -> Work<()> {
    let transactions = &block.block.transactions;
    let ids: Vec<_> = transactions
        .iter()
        .map(|transaction| transaction.id(network))
        .collect();
    let height = block.block.header.height;
    events.append(&StoredEvent::Final {
        height,
        block: id,
        transactions: ids.clone(),
    })?;
    for ((transaction, outcome), id) in transactions.iter().zip(&block.outcomes).zip(ids) {
        match (&transaction.action, outcome) {
            (Action::Commit(commit), Outcome::Applied) => {
                for entry in &commit.entries {
                    events.append(&StoredEvent::Committed {
                        height,
                        transaction: id,
                        collection: entry.collection,
                        document: entry.document,
                        version: entry.heads.version(),
                    })?;
                }
            }
            (Action::Commit(_), Outcome::Rejected { .. }) | (Action::CreateCollection(_), _) => {}
        }
    }
    Ok(())
}
