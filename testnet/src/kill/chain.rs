//! What the checker knows of the chain: the first id that any node showed for each height, and what
//! the blocks did.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use decube_node::api::types::{ActionInfo, BlockSummary};
use decube_protocols::types::{BlockId, DocumentId, Height, Outcome, TransactionId};

use crate::local::{Member, Testnet};

/// How many blocks are listed at a time.
const PAGE: u64 = 500;

/// The chain as nodes showed it.
#[derive(Debug, Default)]
pub(super) struct Chain {
    ids: BTreeMap<Height, BlockId>,
    transactions: BTreeMap<TransactionId, (Height, bool)>,
    /// Per document, the transactions that committed it, by height.
    committed: BTreeMap<DocumentId, BTreeMap<Height, TransactionId>>,
    /// Up to here every node was compared.
    compared: Height,
}

impl Chain {
    /// Up to which height every node has been compared.
    pub(super) fn compared(&self) -> Height {
        self.compared
    }

    /// The block of a transaction and whether it took effect.
    pub(super) fn transaction(&self, id: &TransactionId) -> Option<(Height, bool)> {
        self.transactions.get(id).copied()
    }

    /// The transaction that committed a document last, as of `height`.
    pub(super) fn committed(&self, document: &DocumentId, height: Height) -> Option<TransactionId> {
        let versions = self.committed.get(document)?;
        versions
            .range(..=height)
            .next_back()
            .map(|(_, transaction)| *transaction)
    }

    /// Compares the blocks of all nodes up to the lowest height among them, and reads what is in
    /// them from the node at `reader`.
    pub(super) async fn compare(&mut self, testnet: &Testnet, reader: usize) -> Result<()> {
        let heights = testnet.statuses().await?;
        let lowest = heights.iter().map(|(_, status)| status.final_height).min();
        let top = lowest.context("no node runs")?;
        for member in testnet.running() {
            let mut before = top;
            while before > self.compared {
                let page = member.client.blocks(Some(before), Some(PAGE)).await;
                let page = page.with_context(|| member.about("it did not list its blocks"))?;
                let compared = self.compared;
                for block in page.blocks.iter().filter(|block| block.height > compared) {
                    self.compare_block(member, block)?;
                }
                before = Height(before.0.saturating_sub(PAGE));
            }
        }
        self.read_blocks(testnet.member(reader)?, top).await?;
        self.compared = top;
        Ok(())
    }

    fn compare_block(&mut self, member: &Member, block: &BlockSummary) -> Result<()> {
        let known = *self.ids.entry(block.height).or_insert(block.id);
        if known != block.id {
            let about = member.about(format!("its block {} is {}", block.height, block.id));
            return Err(anyhow::anyhow!("another node has {known}").context(about));
        }
        Ok(())
    }

    async fn read_blocks(&mut self, member: &Member, top: Height) -> Result<()> {
        for height in (self.compared.0 + 1..=top.0).map(Height) {
            let block = member.client.block(height).await;
            let block = block.with_context(|| member.about(format!("it has no block {height}")))?;
            if self.ids.get(&height) != Some(&block.id) {
                bail!(
                    "{} shows another block {height} than it listed",
                    member.plan.name
                );
            }
            for transaction in block.transactions {
                let applied = transaction.outcome == Outcome::Applied;
                let place = (height, applied);
                if let Some((earlier, _)) = self.transactions.insert(transaction.id, place) {
                    bail!(
                        "transaction {} is in block {earlier} and {height}",
                        transaction.id
                    );
                }
                if let (true, ActionInfo::Commit { entries, .. }) = (applied, transaction.action) {
                    for entry in entries {
                        let versions = self.committed.entry(entry.document).or_default();
                        versions.insert(height, transaction.id);
                    }
                }
            }
        }
        Ok(())
    }
}
