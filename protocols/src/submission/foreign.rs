//! Transactions that were signed elsewhere.

use super::SubmissionError;
use super::core::{Core, unreadable};
use crate::commit::{ChainSource, well_formed};
use crate::types::Transaction;

impl<S: ChainSource> Core<S> {
    /// A transaction that was signed elsewhere is checked as a validator would, so that no
    /// validator takes this node for an offender.
    pub(super) fn check_foreign(&self, transaction: &Transaction) -> Result<(), SubmissionError> {
        let id = transaction.id(&self.network);
        if self.submitted.contains_key(&id) {
            let reason = "this transaction is under way already";
            return Err(SubmissionError::Malformed(reason.to_owned()));
        }
        let state = self.state().map_err(unreadable)?;
        let (height, expires) = (state.height(), transaction.expires);
        well_formed(&self.network, transaction, height.next())
            .map_err(|error| SubmissionError::Malformed(error.to_string()))?;
        if expires <= height {
            return Err(SubmissionError::Expired {
                transaction: id,
                expires,
            });
        }
        match state.last_nonce(&transaction.author).map_err(unreadable)? {
            Some(last) if transaction.nonce <= last => Err(SubmissionError::Malformed(format!(
                "nonce {} is not above the author's last, {last}",
                transaction.nonce
            ))),
            Some(_) | None => Ok(()),
        }
    }
}
