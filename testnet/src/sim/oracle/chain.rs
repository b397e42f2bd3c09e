//! Every final block that a node reported.
//!
//! # Invariants
//! - One block per height, for all nodes and for all time.
//! - A node's heights come one after the other, and a restart loses none.
//! - A transaction takes effect once.

use std::collections::BTreeMap;

use decube_protocols::types::{
    BlockId, CommitEntry, DocumentId, Header, Height, Outcome, TransactionId, Version,
};

use super::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// A final block as the first node to have it reported it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct FinalBlock {
    pub(in crate::sim) header: Header,
    pub(in crate::sim) outcomes: Vec<(TransactionId, Outcome)>,
    pub(in crate::sim) committed: Vec<CommitEntry>,
    /// Who reported it first.
    pub(in crate::sim) by: NodeIndex,
}

/// The log of final blocks.
#[derive(Debug, Default)]
pub(in crate::sim) struct Chain {
    blocks: BTreeMap<Height, FinalBlock>,
    /// The highest block that each node ever reported.
    reported: BTreeMap<NodeIndex, Height>,
    applied: BTreeMap<TransactionId, Height>,
}

impl Chain {
    /// `node` reported a final block.
    pub(in crate::sim) fn report(
        &mut self,
        node: NodeIndex,
        block: FinalBlock,
    ) -> Result<(), Violation> {
        let wrong = |what: String| Err(Violation::new(Check::Agreement, what));
        let FinalBlock { header, .. } = &block;
        let (height, id) = (header.height, header.id());
        let last = self.reported.get(&node).copied().unwrap_or_default();
        if height != last.next() {
            return wrong(format!("node {node} reported height {height} after {last}"));
        }
        if let Some(parent) = height
            .previous()
            .and_then(|parent| self.blocks.get(&parent))
            && parent.header.id() != header.parent
        {
            return wrong(format!(
                "the final block {height} of node {node} has another parent"
            ));
        }
        self.reported.insert(node, height);
        let Some(known) = self.blocks.get(&height) else {
            return self.add(height, block);
        };
        if known.header.id() != id {
            let what = format!(
                "at height {height} node {} has block {} and node {node} block {id}",
                known.by,
                known.header.id()
            );
            return wrong(what);
        }
        if known.outcomes != block.outcomes || known.committed != block.committed {
            return wrong(format!(
                "nodes {} and {node} executed {height} differently",
                known.by
            ));
        }
        Ok(())
    }

    fn add(&mut self, height: Height, block: FinalBlock) -> Result<(), Violation> {
        for (transaction, outcome) in &block.outcomes {
            if *outcome != Outcome::Applied {
                continue;
            }
            if let Some(before) = self.applied.insert(*transaction, height) {
                let what =
                    format!("transaction {transaction} took effect at {before} and {height}");
                return Err(Violation::new(Check::Agreement, what));
            }
        }
        self.blocks.insert(height, block);
        Ok(())
    }

    /// `node` starts and finds that as its newest final height. What it made durable before it was
    /// killed and never reported is to be reported first.
    pub(in crate::sim) fn restart(
        &self,
        node: NodeIndex,
        height: Height,
        block: Option<BlockId>,
    ) -> Result<(), Violation> {
        let reported = self.reported(node);
        if height != reported {
            let what = format!("node {node} reported {reported} as final and restarts at {height}");
            return Err(Violation::new(Check::Lost, what));
        }
        if let (Some(known), Some(block)) = (self.blocks.get(&height), block)
            && known.header.id() != block
        {
            let what = format!("node {node} restarts with another block at height {height}");
            return Err(Violation::new(Check::Agreement, what));
        }
        Ok(())
    }

    /// The highest block that a node ever reported.
    pub(in crate::sim) fn reported(&self, node: NodeIndex) -> Height {
        self.reported.get(&node).copied().unwrap_or_default()
    }

    /// The highest final block anywhere.
    pub(in crate::sim) fn height(&self) -> Height {
        self.blocks
            .last_key_value()
            .map_or(Height(0), |(height, _)| *height)
    }

    /// Where a transaction stands, if anywhere, and what came of it.
    pub(in crate::sim) fn outcome(
        &self,
        transaction: &TransactionId,
    ) -> Option<(Height, &Outcome)> {
        self.blocks.iter().rev().find_map(|(height, block)| {
            let (_, outcome) = block.outcomes.iter().find(|(id, _)| id == transaction)?;
            Some((*height, outcome))
        })
    }

    /// The last version of a document that was committed up to `height`.
    pub(in crate::sim) fn committed(
        &self,
        document: &DocumentId,
        height: Height,
    ) -> Option<(&CommitEntry, Version)> {
        self.blocks.range(..=height).rev().find_map(|(_, block)| {
            let entry = block
                .committed
                .iter()
                .rev()
                .find(|entry| entry.document == *document)?;
            Some((entry, entry.heads.version()))
        })
    }

    /// Every document that has a committed version, with the height of its last one.
    pub(in crate::sim) fn documents(&self) -> BTreeMap<DocumentId, (Height, CommitEntry)> {
        let entries = self.blocks.iter().flat_map(|(height, block)| {
            block
                .committed
                .iter()
                .map(|entry| (entry.document, (*height, entry.clone())))
        });
        entries.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::{Epoch, NetworkId, Timestamp, View};

    fn block(height: u64, time: u64, parent: Option<&FinalBlock>) -> FinalBlock {
        let header = Header {
            network: NetworkId(Digest::ZERO),
            epoch: Epoch(0),
            view: View(height),
            height: Height(height),
            parent: parent.map_or(BlockId(Digest::ZERO), |parent| parent.header.id()),
            transactions_root: Digest::ZERO,
            state_root: Digest::ZERO,
            history_root: Digest::ZERO,
            validators: Digest::ZERO,
            next_validators: None,
            time: Timestamp(time),
        };
        FinalBlock {
            header,
            outcomes: Vec::new(),
            committed: Vec::new(),
            by: 0,
        }
    }

    #[test]
    fn a_fork_a_gap_and_a_lost_block_are_found() {
        let first = block(1, 5, None);
        let second = block(2, 6, Some(&first));
        let mut chain = Chain::default();
        assert_eq!(chain.report(0, first.clone()), Ok(()));
        assert_eq!(chain.report(0, second.clone()), Ok(()));
        assert_eq!(chain.report(1, first.clone()), Ok(()));
        let fork = chain.report(1, block(2, 7, Some(&first)));
        assert_eq!(fork.map_err(|found| found.check), Err(Check::Agreement));
        let gap = chain.report(2, block(4, 9, None));
        assert_eq!(gap.map_err(|found| found.check), Err(Check::Agreement));
        assert_eq!(
            chain.restart(0, Height(2), Some(second.header.id())),
            Ok(())
        );
        let lost = chain.restart(0, Height(1), Some(first.header.id()));
        assert_eq!(lost.map_err(|found| found.check), Err(Check::Lost));
        assert_eq!(chain.height(), Height(2));
    }
}
