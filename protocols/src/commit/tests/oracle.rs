//! The oracle: it keeps its own log of votes and final blocks, and notes what must never be.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{BlockId, Header, Height, Statement, ValidatorIndex, View, Vote};

/// All votes ever sent and all blocks ever final.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    finals: BTreeMap<Height, BlockId>,
    blocks: BTreeMap<BlockId, (Height, BlockId)>,
    votes: BTreeMap<View, BTreeMap<Statement, BTreeSet<ValidatorIndex>>>,
    pub(super) violations: Vec<String>,
    quorum: usize,
}

impl Oracle {
    pub(super) fn new(quorum: usize) -> Self {
        Self {
            quorum,
            ..Self::default()
        }
    }

    pub(super) fn saw_final(&mut self, node: usize, height: Height, block: BlockId) {
        let first = *self.finals.entry(height).or_insert(block);
        if first != block {
            self.violations
                .push(format!("node {node} has another final block at {height}"));
        }
    }

    pub(super) fn saw_vote(&mut self, vote: &Vote) {
        let view = self.votes.entry(vote.view).or_default();
        view.entry(vote.statement).or_default().insert(vote.signer);
        let quorums: Vec<_> = view
            .iter()
            .filter(|(_, signers)| signers.len() >= self.quorum)
            .map(|(statement, _)| *statement)
            .collect();
        let notarizations = quorums
            .iter()
            .filter(|it| matches!(it, Statement::Notarize(_)))
            .count();
        let finalized: Vec<_> = quorums
            .iter()
            .filter(|it| matches!(it, Statement::Finalize(_)))
            .filter_map(Statement::subject)
            .collect();
        if notarizations > 1 {
            self.violations
                .push(format!("two notarizations of view {}", vote.view));
        }
        if !finalized.is_empty() && quorums.contains(&Statement::Nullify) {
            let view = vote.view;
            self.violations
                .push(format!("view {view} is both finalized and nullified"));
        }
        for subject in finalized {
            self.saw_finalization(subject.block, vote.view);
        }
    }

    pub(super) fn saw_block(&mut self, header: &Header) {
        self.blocks
            .insert(header.id(), (header.height, header.parent));
    }

    /// A quorum finalized the block, so it and its ancestors are final, whoever knows it.
    pub(super) fn saw_finalization(&mut self, block: BlockId, view: View) {
        let mut next = block;
        while let Some((height, parent)) = self.blocks.get(&next).copied() {
            let first = *self.finals.entry(height).or_insert(next);
            if first != next {
                let text = format!("view {view} finalized another block at height {height}");
                self.violations.push(text);
                return;
            }
            next = parent;
        }
    }

    pub(super) fn final_height(&self) -> Height {
        self.finals
            .last_key_value()
            .map(|(height, _)| *height)
            .unwrap_or_default()
    }
}
