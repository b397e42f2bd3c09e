//! Transactions that wait for a block.
//!
//! # Invariants
//! - At most [`MAX_TRANSACTIONS`], [`MAX_PER_AUTHOR`] and [`MAX_BYTES`]
//!   (`tests::the_pool_and_each_authors_share_are_bounded`).
//! - Each transaction was found well formed once, before it was taken in.
//! - None whose nonce is used by a final block, or that can no longer be included
//!   (`tests::finals_remove_what_is_stale`).

use std::collections::{BTreeMap, BTreeSet};

use super::execution::{self, Malformed};
use super::io::PoolRefusal;
use crate::types::{AuthorId, Height, NetworkId, Transaction, TransactionId};

/// The most transactions that wait: several blocks' worth.
pub(super) const MAX_TRANSACTIONS: usize = 4096;
/// One author's share, so that no author crowds out the others.
pub(super) const MAX_PER_AUTHOR: usize = 256;
/// The most bytes that wait.
pub(super) const MAX_BYTES: usize = 32 << 20;
/// The most transactions of a block: with full signatures verified in about 40 ms.
pub(super) const MAX_BLOCK_TRANSACTIONS: usize = 1000;
/// The most bytes of a block's transactions, as [`execution::size`] counts them: a proposal stays
/// well below the limit of a message, and delays votes on a slow link by little.
pub(super) const MAX_BLOCK_BYTES: usize = 1 << 20;

/// The pool of one validator.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    // Invariant: no author without transactions.
    authors: BTreeMap<AuthorId, BTreeMap<u64, Waiting>>,
    // Invariant: names exactly the transactions in `authors`.
    ids: BTreeMap<TransactionId, (AuthorId, u64)>,
    // Invariant: the same transactions by their last height.
    expiries: BTreeSet<(Height, TransactionId)>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: TransactionId,
    transaction: Transaction,
    bytes: usize,
}

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Takes a transaction in; true when it is new. `last_nonce` is its author's in the final
    /// state, `next` the next block's height.
    pub(super) fn add(
        &mut self,
        network: &NetworkId,
        transaction: Transaction,
        last_nonce: Option<u64>,
        next: Height,
    ) -> Result<bool, PoolRefusal> {
        let id = transaction.id(network);
        if self.contains(&id, &transaction) {
            return Ok(false);
        }
        let (author, nonce) = (transaction.author, transaction.nonce);
        if last_nonce.is_some_and(|last| nonce <= last) || transaction.expires < next {
            return Err(PoolRefusal::Stale);
        }
        let share = self.authors.get(&author);
        if share.is_some_and(|share| share.contains_key(&nonce)) {
            return Err(PoolRefusal::Stale);
        }
        let bytes = execution::size(&transaction);
        if self.len() >= MAX_TRANSACTIONS
            || self.bytes.saturating_add(bytes) > MAX_BYTES
            || share.is_some_and(|share| share.len() >= MAX_PER_AUTHOR)
        {
            return Err(PoolRefusal::Full);
        }
        // The signatures come last, since they cost most.
        match execution::well_formed(network, &transaction, next) {
            Ok(()) => {}
            // Which blocks are far ahead depends on how far this node is.
            Err(Malformed::Expiry) => return Err(PoolRefusal::Stale),
            Err(Malformed::Signature | Malformed::Receipt | Malformed::List) => {
                return Err(PoolRefusal::Malformed);
            }
        }
        self.ids.insert(id, (author, nonce));
        self.expiries.insert((transaction.expires, id));
        self.bytes += bytes;
        let waiting = Waiting {
            id,
            transaction,
            bytes,
        };
        self.authors
            .entry(author)
            .or_default()
            .insert(nonce, waiting);
        Ok(true)
    }

    /// Whether exactly this transaction waits here, signatures included; then they were verified.
    pub(super) fn contains(&self, id: &TransactionId, transaction: &Transaction) -> bool {
        self.ids
            .get(id)
            .and_then(|(author, nonce)| self.authors.get(author)?.get(nonce))
            .is_some_and(|waiting| waiting.transaction == *transaction)
    }

    /// The authors whose transactions wait, as many as a block can serve, in an order that begins
    /// elsewhere at each height, so that a full pool serves all of them in turn.
    pub(super) fn authors(&self, height: Height) -> Vec<AuthorId> {
        let mut authors: Vec<_> = self.authors.keys().copied().collect();
        let turn = height.0 % (authors.len().max(1) as u64);
        authors.rotate_left(usize::try_from(turn).unwrap_or(0));
        authors.truncate(MAX_BLOCK_TRANSACTIONS);
        authors
    }

    /// Transactions for a block of `height`: those above each author's last nonce in the state
    /// that the block is built on, the oldest of every author first.
    pub(super) fn select(
        &self,
        height: Height,
        last_nonces: &[(AuthorId, Option<u64>)],
    ) -> Vec<Transaction> {
        let mut queues: Vec<_> = last_nonces
            .iter()
            .filter_map(|(author, last)| {
                let from = last.map_or(0, |last| last.saturating_add(1));
                Some(self.authors.get(author)?.range(from..))
            })
            .collect();
        let (mut selected, mut bytes) = (Vec::new(), 0);
        while !queues.is_empty() && selected.len() < MAX_BLOCK_TRANSACTIONS {
            queues.retain_mut(|queue| {
                let Some((_, waiting)) = queue.next() else {
                    return false;
                };
                let fits = selected.len() < MAX_BLOCK_TRANSACTIONS
                    && bytes + waiting.bytes <= MAX_BLOCK_BYTES;
                if fits && waiting.transaction.expires >= height {
                    bytes += waiting.bytes;
                    selected.push(waiting.transaction.clone());
                }
                // An author's later transactions never overtake one that does not fit.
                fits
            });
        }
        selected
    }

    /// Some transactions of at most `limit` bytes, to offer to others.
    pub(super) fn sample(&self, limit: usize) -> Vec<Transaction> {
        let mut bytes = 0;
        self.authors
            .values()
            .flat_map(|share| share.values())
            .take_while(|waiting| {
                bytes += waiting.bytes;
                bytes <= limit
            })
            .map(|waiting| waiting.transaction.clone())
            .collect()
    }

    /// A block of `height` is final: removes what it used up and what can no longer be included.
    pub(super) fn finalized(&mut self, height: Height, transactions: &[Transaction]) {
        for transaction in transactions {
            self.remove_up_to(&transaction.author, transaction.nonce);
        }
        while let Some((expires, id)) = self.expiries.first().copied()
            && expires <= height
        {
            if let Some((author, nonce)) = self.ids.get(&id).copied() {
                self.remove(&author, nonce);
            } else {
                self.expiries.remove(&(expires, id));
            }
        }
    }

    fn remove_up_to(&mut self, author: &AuthorId, nonce: u64) {
        let Some(share) = self.authors.get(author) else {
            return;
        };
        let used: Vec<_> = share.range(..=nonce).map(|(nonce, _)| *nonce).collect();
        for nonce in used {
            self.remove(author, nonce);
        }
    }

    fn remove(&mut self, author: &AuthorId, nonce: u64) {
        let Some(share) = self.authors.get_mut(author) else {
            return;
        };
        let Some(waiting) = share.remove(&nonce) else {
            return;
        };
        if share.is_empty() {
            self.authors.remove(author);
        }
        self.ids.remove(&waiting.id);
        self.expiries
            .remove(&(waiting.transaction.expires, waiting.id));
        self.bytes = self.bytes.saturating_sub(waiting.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Action, CollectionName, CreateCollection};
    use decube_crypto::{Digest, SecretKey};

    const NETWORK: NetworkId = NetworkId(Digest::ZERO);

    fn transaction(author: u8, nonce: u64, expires: u64) -> Transaction {
        let create = CreateCollection {
            name: CollectionName::new(format!("c{nonce}")).unwrap(),
            write_quorum: None,
        };
        let key = SecretKey::from_seed(&[author; 32]);
        let action = Action::CreateCollection(create);
        Transaction::sign(&NETWORK, action, nonce, Height(expires), &key)
    }

    fn add(pool: &mut Pool, transaction: Transaction) -> Result<bool, PoolRefusal> {
        pool.add(&NETWORK, transaction, Some(4), Height(10))
    }

    #[test]
    fn what_cannot_be_included_is_refused() {
        let mut pool = Pool::default();
        assert_eq!(
            add(&mut pool, transaction(1, 4, 20)),
            Err(PoolRefusal::Stale)
        );
        assert_eq!(
            add(&mut pool, transaction(1, 5, 9)),
            Err(PoolRefusal::Stale)
        );
        let far = 10 + execution::MAX_EXPIRY + 1;
        assert_eq!(
            add(&mut pool, transaction(1, 5, far)),
            Err(PoolRefusal::Stale)
        );
        let forged = Transaction {
            nonce: 6,
            ..transaction(1, 5, 20)
        };
        assert_eq!(add(&mut pool, forged), Err(PoolRefusal::Malformed));
        assert_eq!(add(&mut pool, transaction(1, 5, 20)), Ok(true));
        assert_eq!(
            add(&mut pool, transaction(1, 5, 20)),
            Ok(false),
            "held already"
        );
        assert_eq!(
            add(&mut pool, transaction(1, 5, 21)),
            Err(PoolRefusal::Stale),
            "same nonce"
        );
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn the_pool_and_each_authors_share_are_bounded() {
        let mut pool = Pool::default();
        let share = MAX_PER_AUTHOR as u64;
        for nonce in 0..share {
            assert_eq!(add(&mut pool, transaction(1, 5 + nonce, 20)), Ok(true));
        }
        assert_eq!(
            add(&mut pool, transaction(1, 5 + share, 20)),
            Err(PoolRefusal::Full)
        );
        assert_eq!(
            add(&mut pool, transaction(2, 5, 20)),
            Ok(true),
            "another author has room"
        );
        assert_eq!(
            pool.bytes,
            (MAX_PER_AUTHOR + 1) * execution::size(&transaction(1, 5, 20))
        );
    }

    #[test]
    fn authors_take_turns_in_the_order_of_their_nonces() {
        let mut pool = Pool::default();
        for (author, nonce) in [(1, 7), (1, 6), (1, 9), (2, 5), (2, 30)] {
            add(&mut pool, transaction(author, nonce, 20)).unwrap();
        }
        let authors = pool.authors(Height(10));
        let last: Vec<_> = authors.iter().map(|author| (*author, Some(5))).collect();
        let picked: Vec<_> = pool
            .select(Height(10), &last)
            .iter()
            .map(|t| t.nonce)
            .collect();
        let first: BTreeSet<_> = picked[..2].iter().copied().collect();
        assert_eq!(
            first,
            [6, 30].into(),
            "the first of each author, above its last nonce"
        );
        assert_eq!(picked[2..], [7, 9]);
    }

    #[test]
    fn finals_remove_what_is_stale() {
        let mut pool = Pool::default();
        for (author, nonce, expires) in [(1, 5, 20), (1, 6, 20), (1, 8, 20), (2, 5, 12)] {
            add(&mut pool, transaction(author, nonce, expires)).unwrap();
        }
        pool.finalized(Height(11), &[transaction(1, 6, 99)]);
        assert_eq!(pool.len(), 2, "nonces up to the final one are used");
        pool.finalized(Height(12), &[]);
        assert_eq!(
            pool.len(),
            1,
            "what could be included up to 12 only is gone"
        );
        pool.finalized(Height(13), &[transaction(1, 8, 20)]);
        assert!(pool.is_empty() && pool.bytes == 0 && pool.authors.is_empty());
    }
}
