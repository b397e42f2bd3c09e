//! Transactions on their way into the pool.
//!
//! # Invariants
//! - A transaction that is handed over and new goes to all other validators once; one that a
//!   validator forwarded is not forwarded again.
//! - Messages stay within the limits of the wire format.

use super::core::{Core, Failure};
use super::execution;
use super::io::{ChainSource, ConsensusMessage, Effect, Offence, PoolRefusal};
use crate::types::{PeerId, RequestId, Transaction};
use crate::wire::limits::{MAX_POOL_TRANSACTIONS, MAX_TRANSACTIONS_MESSAGE};

impl<S: ChainSource> Core<S> {
    pub(super) fn take_transactions(
        &mut self,
        from: PeerId,
        id: RequestId,
        transactions: Vec<Transaction>,
    ) -> Result<(), Failure<S::Failure>> {
        let (mut results, mut new, mut malformed) = (Vec::new(), Vec::new(), false);
        for transaction in transactions {
            let result = self.admit(&transaction)?;
            malformed |= result == Err(PoolRefusal::Malformed);
            if result == Ok(true) {
                new.push(transaction);
            }
            results.push(result.map(|_| ()));
        }
        if malformed && from != self.peer {
            self.penalize(from, Offence::BadSignature);
        }
        self.out.push(Effect::RespondTransactions { id, results });
        self.forward(new);
        Ok(())
    }

    pub(super) fn take_forwarded(
        &mut self,
        from: PeerId,
        transactions: Vec<Transaction>,
    ) -> Result<(), Failure<S::Failure>> {
        for transaction in transactions {
            if self.admit(&transaction)? == Err(PoolRefusal::Malformed) {
                self.penalize(from, Offence::BadSignature);
            }
        }
        Ok(())
    }

    /// Takes a transaction into the pool; true when it is new there.
    fn admit(
        &mut self,
        transaction: &Transaction,
    ) -> Result<Result<bool, PoolRefusal>, Failure<S::Failure>> {
        if self.guard.is_none() {
            return Ok(Err(PoolRefusal::NotAValidator));
        }
        let tip = self.chain.tip();
        let (id, next) = (tip.id, tip.header.height.next());
        let last_nonce = self.chain.last_nonce(&id, &transaction.author)?;
        Ok(self
            .pool
            .add(&self.network, transaction.clone(), last_nonce, next))
    }

    fn forward(&mut self, new: Vec<Transaction>) {
        let (mut message, mut bytes) = (Vec::new(), 0);
        for transaction in new {
            let size = execution::size(&transaction);
            let full = message.len() >= MAX_POOL_TRANSACTIONS
                || bytes + size > MAX_TRANSACTIONS_MESSAGE / 2;
            if full && !message.is_empty() {
                self.broadcast(ConsensusMessage::Transactions(std::mem::take(&mut message)));
                bytes = 0;
            }
            bytes += size;
            message.push(transaction);
        }
        if !message.is_empty() {
            self.broadcast(ConsensusMessage::Transactions(message));
        }
    }
}
