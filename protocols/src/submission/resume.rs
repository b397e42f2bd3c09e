//! What became of transactions that were under way when the node stopped.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::{ChainSource, MAX_EXPIRY};
use crate::state_reader::{CommittedState, StateError};
use crate::types::{Height, NetworkId, Transaction, TransactionId};

/// Which of `pending` stand in a final block.
///
/// Blocks are read only when the committed nonce of an author, or the height, says that one of the
/// transactions may have been included; and of those only the ones that could include it.
pub(super) fn included<S: ChainSource>(
    source: &S,
    network: &NetworkId,
    pending: &[Transaction],
) -> Result<BTreeSet<TransactionId>, StateError<S::Failure>> {
    let state = CommittedState::newest(source)?;
    let tip = state.height();
    let mut sought = BTreeMap::new();
    let mut first = tip.next();
    for transaction in pending {
        let used = state.last_nonce(&transaction.author)?;
        if tip >= transaction.expires || used.is_some_and(|used| used >= transaction.nonce) {
            let place = (transaction.author, transaction.nonce);
            sought.insert(place, transaction.id(network));
            let earliest = transaction.expires.0.saturating_sub(MAX_EXPIRY).max(1);
            first = first.min(Height(earliest));
        }
    }
    first = first.max(Height(tip.0.saturating_sub(MAX_EXPIRY).max(1)));
    let mut found = BTreeSet::new();
    for height in first.0..=tip.0 {
        if sought.len() == found.len() {
            break;
        }
        let height = Height(height);
        let block = source.final_block(height).map_err(StateError::Source)?;
        let block = block.ok_or(StateError::MissingBlock(height))?.block;
        for transaction in &block.transactions {
            // The id is computed only where author and nonce agree, since it hashes everything.
            let id = sought.get(&(transaction.author, transaction.nonce));
            found.extend(id.filter(|id| **id == transaction.id(network)));
        }
    }
    Ok(found)
}
