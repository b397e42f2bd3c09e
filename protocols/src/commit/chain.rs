//! The final chain, and the tree of executed blocks above it.
//!
//! # Invariants
//! - Every executed block's ancestors down to the final tip are executed too, so its state can be
//!   read: as overlays over the final state.
//! - A block is executed at most once, and only when its header follows its parent's.
//! - By the next call of the core, the source shows what the calls before it persisted; what the
//!   current call made final is read from `fresh`.

use std::collections::BTreeMap;

use decube_crypto::Digest;

use super::core::Failure;
use super::execution::{self, Context, Execution, GenesisState};
use super::io::{ChainSource, FinalBlock, FinalRecord};
use super::pool::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, Pool};
use crate::history::Peaks;
use crate::tree::{Node, Overlay};
use crate::types::{
    AuthorId, Block, BlockId, Certificate, Genesis, Header, Height, Timestamp, Transaction, View,
};

/// The newest final block.
#[derive(Clone, Debug)]
pub(super) struct Tip {
    pub(super) header: Header,
    pub(super) id: BlockId,
    /// The history up to and with this block.
    peaks: Peaks,
}

/// A block that is executed and not final.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) block: Block,
    pub(super) execution: Execution,
    /// The history up to and with this block.
    peaks: Peaks,
    /// The history's nodes that this block adds.
    history: Vec<(u64, Digest)>,
}

/// Why a block cannot be one of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockFault {
    #[error("the header does not follow its parent's")]
    Header,
    #[error("the block is too large")]
    Size,
    #[error("a transaction is malformed")]
    Transaction,
    #[error("executing the block gives other roots")]
    Roots,
}

/// The final chain with the blocks above it.
#[derive(Clone, Debug)]
pub(super) struct Chain<S> {
    source: S,
    genesis: GenesisState,
    write_quorum: u16,
    tip: Tip,
    executed: BTreeMap<BlockId, Executed>,
    fresh: Vec<BTreeMap<Digest, Node>>,
}

impl<S: ChainSource> Chain<S> {
    /// Reads where the final chain ends.
    pub(super) fn load(genesis: &Genesis, source: S) -> Result<Self, Failure<S::Failure>> {
        let state = GenesisState::of(genesis);
        let height = source.final_height().map_err(Failure::Source)?;
        let mut peaks = Peaks::default();
        let header = if height == Height(0) {
            let _ = peaks.append(&state.header.id().0);
            state.header.clone()
        } else {
            peaks = Peaks::load(&source, height.next().0)?;
            let found = source.final_block(height).map_err(Failure::Source)?;
            found.ok_or(Failure::MissingBlock(height))?.block.header
        };
        let tip = Tip {
            id: header.id(),
            header,
            peaks,
        };
        let write_quorum = genesis.parameters.write_quorum;
        let (executed, fresh) = (BTreeMap::new(), Vec::new());
        Ok(Self {
            source,
            genesis: state,
            write_quorum,
            tip,
            executed,
            fresh,
        })
    }

    pub(super) const fn source(&self) -> &S {
        &self.source
    }

    pub(super) const fn tip(&self) -> &Tip {
        &self.tip
    }

    pub(super) const fn genesis(&self) -> &Header {
        &self.genesis.header
    }

    /// A new call of the core begins.
    pub(super) fn begin(&mut self) {
        self.fresh.clear();
    }

    /// Whether a block can be built on: it is the final tip, or executed above it.
    pub(super) fn is_executed(&self, id: &BlockId) -> bool {
        *id == self.tip.id || self.executed.contains_key(id)
    }

    /// The header of the final tip or of an executed block.
    pub(super) fn header(&self, id: &BlockId) -> Option<&Header> {
        if *id == self.tip.id {
            return Some(&self.tip.header);
        }
        self.executed.get(id).map(|executed| &executed.block.header)
    }

    /// The transactions of a block that is executed and not final.
    pub(super) fn transactions(&self, id: &BlockId) -> Option<&[Transaction]> {
        let executed = self.executed.get(id);
        executed.map(|executed| executed.block.transactions.as_slice())
    }

    /// How many blocks lie between an executed block and the final tip.
    pub(super) fn depth(&self, id: &BlockId) -> u64 {
        self.header(id).map_or(0, |header| {
            header.height.0.saturating_sub(self.tip.header.height.0)
        })
    }

    /// Builds and executes a block on an executed parent; none when the parent is not executed.
    pub(super) fn build(
        &mut self,
        parent: &BlockId,
        view: View,
        time: Timestamp,
        transactions: Vec<Transaction>,
    ) -> Result<Option<Block>, Failure<S::Failure>> {
        let Some((parent_header, peaks)) = self.state_of(parent) else {
            return Ok(None);
        };
        let (header, peaks) = (parent_header.clone(), peaks.clone());
        let height = header.height.next();
        let execution = self.run(parent, &header, height, &transactions)?;
        let header = Header {
            view,
            height,
            parent: *parent,
            transactions_root: execution.transactions_root,
            state_root: execution.state_root,
            history_root: peaks.root(),
            time: Timestamp(time.0.max(header.time.0.saturating_add(1))),
            ..header
        };
        let block = Block {
            header,
            transactions,
        };
        self.keep(block.clone(), execution, peaks);
        Ok(Some(block))
    }

    /// Checks and executes a block whose parent is executed. Transactions that wait in `pool` were
    /// verified before.
    pub(super) fn execute(
        &mut self,
        block: &Block,
        pool: &Pool,
    ) -> Result<Result<(), BlockFault>, Failure<S::Failure>> {
        let header = &block.header;
        if self.executed.contains_key(&block.id()) {
            return Ok(Ok(()));
        }
        let Some((parent, peaks)) = self.state_of(&header.parent) else {
            return Ok(Err(BlockFault::Header));
        };
        let (parent, peaks) = (parent.clone(), peaks.clone());
        if let Err(fault) = check_header(&parent, &peaks, header) {
            return Ok(Err(fault));
        }
        if let Err(fault) = check_transactions(block, pool) {
            return Ok(Err(fault));
        }
        let execution = self.run(&header.parent, &parent, header.height, &block.transactions)?;
        let same = execution.transactions_root == header.transactions_root
            && execution.state_root == header.state_root;
        if !same {
            return Ok(Err(BlockFault::Roots));
        }
        self.keep(block.clone(), execution, peaks);
        Ok(Ok(()))
    }

    /// Makes an executed block and its ancestors final, and forgets what does not descend from it.
    /// Nothing, when the block is not executed.
    pub(super) fn deliver(&mut self, id: &BlockId) -> Vec<Executed> {
        let mut delivered = Vec::new();
        let mut next = *id;
        while let Some(executed) = self.executed.remove(&next) {
            next = executed.block.header.parent;
            delivered.push(executed);
        }
        delivered.reverse();
        for executed in &delivered {
            self.fresh.push(executed.execution.nodes.clone());
        }
        if let Some(last) = delivered.last() {
            let header = last.block.header.clone();
            self.tip = Tip {
                id: header.id(),
                header,
                peaks: last.peaks.clone(),
            };
            self.forget_others();
        }
        delivered
    }

    /// The record of a block that was delivered. The first one carries the genesis with it.
    pub(super) fn record(
        &self,
        executed: &Executed,
        finalization: Option<Certificate>,
    ) -> FinalRecord {
        let Executed {
            block,
            execution,
            history,
            ..
        } = executed;
        let (mut state_nodes, mut history) = (execution.nodes.clone(), history.clone());
        if block.header.height == Height(1) {
            let first = Peaks::default().append(&self.genesis.header.id().0);
            history.splice(0..0, first);
            state_nodes.extend(
                self.genesis
                    .nodes
                    .iter()
                    .map(|(id, node)| (*id, node.clone())),
            );
        }
        FinalRecord {
            block: FinalBlock {
                block: block.clone(),
                outcomes: execution.outcomes.clone(),
            },
            finalization,
            state_nodes,
            history,
            collections: execution.collections.clone(),
        }
    }

    /// An author's last nonce in the state after an executed block.
    pub(super) fn last_nonce(
        &self,
        id: &BlockId,
        author: &AuthorId,
    ) -> Result<Option<u64>, Failure<S::Failure>> {
        let Some(header) = self.header(id) else {
            return Ok(None);
        };
        Ok(execution::last_nonce(
            &self.overlay(id),
            &header.state_root,
            author,
        )?)
    }

    fn state_of(&self, id: &BlockId) -> Option<(&Header, &Peaks)> {
        if *id == self.tip.id {
            return Some((&self.tip.header, &self.tip.peaks));
        }
        self.executed
            .get(id)
            .map(|executed| (&executed.block.header, &executed.peaks))
    }

    fn run(
        &self,
        parent: &BlockId,
        parent_header: &Header,
        height: Height,
        transactions: &[Transaction],
    ) -> Result<Execution, Failure<S::Failure>> {
        let network = parent_header.network;
        let context = Context {
            network,
            height,
            write_quorum: self.write_quorum,
        };
        let overlay = self.overlay(parent);
        Ok(execution::execute(
            &overlay,
            &parent_header.state_root,
            context,
            transactions,
        )?)
    }

    fn keep(&mut self, block: Block, execution: Execution, mut peaks: Peaks) {
        let id = block.id();
        let history = peaks.append(&id.0);
        self.executed.insert(
            id,
            Executed {
                block,
                execution,
                peaks,
                history,
            },
        );
    }

    /// The state after an executed block: its nodes, those of its ancestors, the final ones.
    fn overlay(&self, id: &BlockId) -> Overlay<'_, &S> {
        let mut layers = Vec::new();
        let mut next = *id;
        while let Some(executed) = self.executed.get(&next) {
            layers.push(&executed.execution.nodes);
            next = executed.block.header.parent;
        }
        let overlay = Overlay::new(&self.source).with(&self.genesis.nodes);
        let overlay = self.fresh.iter().fold(overlay, Overlay::with);
        layers.into_iter().rev().fold(overlay, Overlay::with)
    }

    fn forget_others(&mut self) {
        let mut by_height: Vec<_> = self
            .executed
            .iter()
            .map(|(id, executed)| {
                (
                    executed.block.header.height,
                    *id,
                    executed.block.header.parent,
                )
            })
            .collect();
        by_height.sort_unstable();
        for (_, id, parent) in by_height {
            if !self.is_executed(&parent) {
                self.executed.remove(&id);
            }
        }
    }
}

fn check_header(parent: &Header, peaks: &Peaks, header: &Header) -> Result<(), BlockFault> {
    let follows = header.network == parent.network
        && header.epoch == parent.epoch
        && header.view > parent.view
        && header.height == parent.height.next()
        && header.height != parent.height
        && header.history_root == peaks.root()
        && header.validators == parent.validators
        && header.next_validators.is_none()
        && header.time > parent.time;
    if follows {
        Ok(())
    } else {
        Err(BlockFault::Header)
    }
}

fn check_transactions(block: &Block, pool: &Pool) -> Result<(), BlockFault> {
    let (network, height) = (block.header.network, block.header.height);
    let bytes: usize = block.transactions.iter().map(execution::size).sum();
    if block.transactions.len() > MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES {
        return Err(BlockFault::Size);
    }
    for transaction in &block.transactions {
        let known = pool.contains(&transaction.id(&network), transaction);
        if !known && execution::well_formed(&network, transaction, height).is_err() {
            return Err(BlockFault::Transaction);
        }
    }
    Ok(())
}
