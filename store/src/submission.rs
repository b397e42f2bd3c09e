//! Transactions of this node that are under way.

use decube_protocols::submission::Record;
use decube_protocols::types::{NetworkId, Transaction};
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::codec;
use crate::error::Work;
use crate::tables::PENDING;

/// Writes records of the submission core.
pub(crate) fn apply(
    transaction: &WriteTransaction,
    network: &NetworkId,
    records: &[Record],
) -> Work<()> {
    let mut pending = transaction.open_table(PENDING)?;
    for record in records {
        match record {
            Record::Pending(submitted) => {
                let id = submitted.id(network);
                pending.insert(
                    id.0.as_bytes(),
                    codec::encode("pending", submitted)?.as_slice(),
                )?;
            }
            Record::Done(id) => {
                pending.remove(id.0.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// The transactions that are under way, each author's in the order of their nonces.
pub(crate) fn pending(transaction: &ReadTransaction) -> Work<Vec<Transaction>> {
    let pending = transaction.open_table(PENDING)?;
    let rows = pending
        .iter()?
        .map(|row| codec::decode("pending", row?.1.value()));
    let mut pending = rows.collect::<Work<Vec<Transaction>>>()?;
    pending.sort_by_key(|transaction| (transaction.author, transaction.nonce));
    Ok(pending)
}
