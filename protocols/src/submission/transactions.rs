//! Signing transactions, keeping them before the validators, and ending them.

use std::collections::BTreeMap;

use super::core::{Asked, Core, unreadable};
use super::handover::Submitted;
use super::{Effect, Progress, Record, SubmissionError, resume};
use crate::commit::{ChainSource, MAX_EXPIRY};
use crate::types::{
    Action, Height, Outcome, PeerId, Rejection, RequestId, Transaction, TransactionId,
};

/// How many blocks ahead a transaction expires: half of what validators accept, so that one who is
/// behind takes it too, and long enough for a node that is cut off for a while.
pub(super) const EXPIRY: u64 = MAX_EXPIRY / 2;
/// How often a transaction is signed: each time again says that the author's key is used elsewhere
/// at the same moment, or that two of its transactions overtook each other.
const MAX_SIGNATURES: u32 = 8;

impl<S: ChainSource> Core<S> {
    /// Signs with the next nonce, and submits.
    pub(super) fn sign(
        &mut self,
        wish: Option<RequestId>,
        action: Action,
        signatures: u32,
        replaces: Option<TransactionId>,
    ) {
        let (nonce, expires) = match self.next_nonce() {
            Ok(next) => next,
            Err(error) => {
                self.forget(replaces);
                return self.end(wish, Progress::Failed(error));
            }
        };
        self.last_nonce = nonce;
        let signed = Transaction::sign(&self.network, action, nonce, expires, &self.author);
        self.submit(wish, signed, signatures, replaces);
    }

    fn next_nonce(&self) -> Result<(u64, Height), SubmissionError> {
        let state = self.state().map_err(unreadable)?;
        let used = state
            .last_nonce(&self.author.public())
            .map_err(unreadable)?;
        let nonce = used
            .unwrap_or(0)
            .max(self.last_nonce)
            .checked_add(1)
            .ok_or_else(|| {
                SubmissionError::Malformed("the author's key has used its last nonce".to_owned())
            })?;
        Ok((nonce, Height(state.height().0.saturating_add(EXPIRY))))
    }

    /// Keeps a signed transaction, and hands it to the validators.
    pub(super) fn submit(
        &mut self,
        wish: Option<RequestId>,
        transaction: Transaction,
        signatures: u32,
        replaces: Option<TransactionId>,
    ) {
        let id = transaction.id(&self.network);
        let progress = Progress::Submitted {
            transaction: id,
            expires: transaction.expires,
        };
        self.out
            .push(Effect::Persist(Record::Pending(transaction.clone())));
        // The new one is there before the one that it replaces is gone.
        self.forget(replaces);
        if let Some(id) = wish {
            self.out.push(Effect::Report { id, progress });
        }
        self.submitted
            .insert(id, Submitted::new(self.now, transaction, wish, signatures));
        self.hand_over(id);
    }

    pub(super) fn hand_over(&mut self, id: TransactionId) {
        let Some(submitted) = self.submitted.get_mut(&id) else {
            return;
        };
        let reachable = self.validators.intersection(&self.reachable);
        for to in submitted.send(self.now, reachable) {
            self.send(id, to);
        }
    }

    pub(super) fn send(&mut self, transaction: TransactionId, to: PeerId) {
        // A request that counts as lost makes room for the one that replaces it.
        self.requests
            .retain(|_, asked| *asked != (Asked::Transaction(transaction), to));
        let id = self.request(Asked::Transaction(transaction), to);
        if let Some(submitted) = self.submitted.get(&transaction) {
            let transaction = Box::new(submitted.transaction.clone());
            self.out.push(Effect::RequestTransaction {
                to,
                id,
                transaction,
            });
        }
    }

    pub(super) fn on_final(&mut self, height: Height, outcomes: Vec<(TransactionId, Outcome)>) {
        if self.submitted.is_empty() {
            return;
        }
        for (id, outcome) in outcomes {
            let Some(submitted) = self.remove(&id) else {
                continue;
            };
            let is_stale = matches!(
                outcome,
                Outcome::Rejected {
                    reason: Rejection::StaleNonce { .. }
                }
            );
            if is_stale && self.may_sign_again(&submitted) {
                self.sign_again(id, submitted);
                continue;
            }
            self.forget(Some(id));
            let progress = Progress::Final {
                transaction: id,
                height,
                outcome,
            };
            self.end(submitted.wish, progress);
        }
        self.give_up(height);
    }

    /// Ends what can no longer be included in a block above `height`.
    fn give_up(&mut self, height: Height) {
        for (id, is_used) in self.hopeless(height) {
            let Some(submitted) = self.remove(&id) else {
                continue;
            };
            if is_used && self.may_sign_again(&submitted) {
                self.sign_again(id, submitted);
                continue;
            }
            self.forget(Some(id));
            let Transaction { nonce, expires, .. } = submitted.transaction;
            let error = if is_used {
                SubmissionError::Malformed(format!(
                    "transaction {id} took no effect: its nonce, {nonce}, was used by another \
                     transaction of the same author key; submit it again"
                ))
            } else {
                SubmissionError::Expired {
                    transaction: id,
                    expires,
                }
            };
            self.end(submitted.wish, Progress::Failed(error));
        }
    }

    /// What can no longer be included, and whether because its nonce is used.
    ///
    /// A state that cannot be read now is looked at again with the next final block.
    fn hopeless(&self, height: Height) -> Vec<(TransactionId, bool)> {
        let state = self.state().ok();
        let mut used = BTreeMap::new();
        let mut hopeless = Vec::new();
        for (id, Submitted { transaction, .. }) in &self.submitted {
            let last: &Option<u64> = used.entry(transaction.author).or_insert_with(|| {
                state
                    .as_ref()
                    .and_then(|state| state.last_nonce(&transaction.author).ok()?)
            });
            let is_used = last.is_some_and(|last| last >= transaction.nonce);
            if is_used || transaction.expires <= height {
                hopeless.push((*id, is_used));
            }
        }
        hopeless
    }

    fn may_sign_again(&self, submitted: &Submitted) -> bool {
        let is_own = submitted.transaction.author == self.author.public();
        is_own && (1..MAX_SIGNATURES).contains(&submitted.signatures)
    }

    /// Signs a transaction that took no effect and never will under a new nonce.
    fn sign_again(&mut self, id: TransactionId, submitted: Submitted) {
        let Submitted {
            transaction,
            wish,
            signatures,
            ..
        } = submitted;
        self.sign(
            wish,
            transaction.action,
            signatures.saturating_add(1),
            Some(id),
        );
    }

    fn forget(&mut self, id: Option<TransactionId>) {
        self.out
            .extend(id.map(|id| Effect::Persist(Record::Done(id))));
    }

    fn remove(&mut self, id: &TransactionId) -> Option<Submitted> {
        let submitted = self.submitted.remove(id)?;
        self.requests
            .retain(|_, (asked, _)| *asked != Asked::Transaction(*id));
        Some(submitted)
    }

    /// Takes up what was under way before a restart.
    pub(super) fn resume(&mut self) {
        if self.resuming.is_empty() {
            return;
        }
        // A store that cannot be read now keeps them on disk for the next start.
        let Ok(found) = resume::included(&self.source, &self.network, &self.resuming) else {
            tracing::error!("the final blocks cannot be read: what is under way rests");
            self.resuming.clear();
            return;
        };
        for transaction in std::mem::take(&mut self.resuming) {
            let id = transaction.id(&self.network);
            if found.contains(&id) {
                self.forget(Some(id));
            } else {
                self.submitted
                    .insert(id, Submitted::new(self.now, transaction, None, 1));
            }
        }
        if let Ok(height) = self.source.final_height() {
            self.give_up(height);
        }
        for id in self.submitted.keys().copied().collect::<Vec<_>>() {
            self.hand_over(id);
        }
    }
}
