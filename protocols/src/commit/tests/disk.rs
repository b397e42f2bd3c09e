//! What a node of the tests keeps, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use decube_crypto::Digest;

use super::super::io::{ChainSource, FinalBlock, Record, Restored};
use crate::history::HistorySource;
use crate::tree::{Node as TreeNode, NodeSource};
use crate::types::{Certificate, CollectionState, Height};

/// What one node keeps; survives its crashes.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) finals: Vec<FinalBlock>,
    finalizations: BTreeMap<Height, Certificate>,
    nodes: BTreeMap<Digest, TreeNode>,
    history: BTreeMap<u64, Digest>,
    collections: Vec<CollectionState>,
    pub(super) log: Restored,
    broken: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk(pub(super) Rc<RefCell<Kept>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is broken")]
pub(super) struct Broken;

impl Disk {
    fn read<T>(&self, read: impl FnOnce(&Kept) -> T) -> Result<T, Broken> {
        let kept = self.0.borrow();
        if kept.broken {
            Err(Broken)
        } else {
            Ok(read(&kept))
        }
    }

    pub(super) fn break_down(&self) {
        self.0.borrow_mut().broken = true;
    }

    pub(super) fn write(&self, record: Record) {
        let mut kept = self.0.borrow_mut();
        match record {
            Record::Vote(vote) => kept.log.votes.push(vote),
            Record::Proposal(proposal) => kept.log.proposals.push(proposal),
            Record::Certificate(certificate) => kept.log.certificates.push(certificate),
            Record::Prune { view, .. } => {
                kept.log.floor = view;
                kept.log.votes.retain(|vote| vote.view > view);
                kept.log.proposals.retain(|proposal| proposal.view > view);
                kept.log
                    .certificates
                    .retain(|certificate| certificate.view > view);
            }
            Record::Final(record) => {
                let height = record.block.block.header.height;
                assert_eq!(
                    height.0,
                    kept.finals.len() as u64 + 1,
                    "finals come in order, once"
                );
                kept.finals.push(record.block);
                kept.nodes.extend(record.state_nodes);
                kept.history.extend(record.history);
                kept.collections.extend(record.collections);
                if let Some(finalization) = record.finalization {
                    kept.finalizations.insert(height, finalization);
                }
            }
        }
    }
}

impl NodeSource for Disk {
    type Error = Broken;

    fn node(&self, digest: &Digest) -> Result<Option<TreeNode>, Broken> {
        self.read(|kept| kept.nodes.get(digest).cloned())
    }
}

impl HistorySource for Disk {
    type Error = Broken;

    fn history(&self, position: u64) -> Result<Option<Digest>, Broken> {
        self.read(|kept| kept.history.get(&position).copied())
    }
}

impl ChainSource for Disk {
    type Failure = Broken;

    fn final_height(&self) -> Result<Height, Broken> {
        self.read(|kept| Height(kept.finals.len() as u64))
    }

    fn final_block(&self, height: Height) -> Result<Option<FinalBlock>, Broken> {
        let index = usize::try_from(height.0)
            .unwrap_or(usize::MAX)
            .wrapping_sub(1);
        self.read(|kept| kept.finals.get(index).cloned())
    }

    fn finalization_from(&self, height: Height) -> Result<Option<(Height, Certificate)>, Broken> {
        self.read(|kept| {
            kept.finalizations
                .range(height..)
                .next()
                .map(|(at, found)| (*at, found.clone()))
        })
    }

    fn collections(&self) -> Result<Vec<CollectionState>, Broken> {
        self.read(|kept| kept.collections.clone())
    }
}
