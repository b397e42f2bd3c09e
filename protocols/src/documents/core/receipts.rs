//! Receipts: signed statements that this node holds a version durably.
//!
//! The response stands after every `Persist` of the changes it speaks of, so what is signed is
//! durable when the signature leaves the node.

use super::super::io::{
    DocumentStatus, Effect, ReceiptRefusal, ReceiptRequest, Source, SyncResponse,
};
use super::super::reply::CommandError;
use super::Core;
use crate::types::{Now, PeerId, Receipt, ReceiptStatement};

/// The most receipts in one request: a commit has at most as many entries.
const MAX_RECEIPTS: usize = crate::types::Transaction::MAX_ENTRIES;

impl<S: Source> Core<S> {
    pub(super) fn answer_receipts(
        &mut self,
        now: Now,
        from: PeerId,
        wanted: &[ReceiptRequest],
        out: &mut Vec<Effect>,
    ) -> SyncResponse {
        let mut receipts = Vec::with_capacity(wanted.len().min(MAX_RECEIPTS));
        for (place, request) in wanted.iter().enumerate() {
            if place >= MAX_RECEIPTS {
                receipts.push(Err(ReceiptRefusal::NotFollowed));
                continue;
            }
            let receipt = match self.receipt(now, request, out) {
                Ok(receipt) => receipt,
                Err(error) => {
                    let document = request.entry.document;
                    tracing::error!(%document, %error, "no receipt can be signed");
                    Err(ReceiptRefusal::NotFollowed)
                }
            };
            if receipt == Err(ReceiptRefusal::Missing) {
                let entry = &request.entry;
                self.sync_document(now, from, entry.collection, entry.document, out);
            }
            receipts.push(receipt);
        }
        SyncResponse::Receipts(receipts)
    }

    fn receipt(
        &mut self,
        now: Now,
        request: &ReceiptRequest,
        out: &mut Vec<Effect>,
    ) -> Result<Result<Receipt, ReceiptRefusal>, CommandError> {
        let ReceiptRequest { entry, previous } = request;
        let id = entry.document;
        let Some(stored) = self.library.stored(&id)? else {
            // It may come: the asker has it.
            let known = self.library.collections.contains_key(&entry.collection);
            let reason = if known {
                ReceiptRefusal::Missing
            } else {
                ReceiptRefusal::NotFollowed
            };
            return Ok(Err(reason));
        };
        match stored.status {
            DocumentStatus::Removed(_) => return Ok(Err(ReceiptRefusal::Removed)),
            DocumentStatus::Forgotten => return Ok(Err(ReceiptRefusal::NotFollowed)),
            DocumentStatus::Live(_) => {}
        }
        if stored.collection != entry.collection || self.library.put_aside(&id) {
            return Ok(Err(ReceiptRefusal::NotFollowed));
        }
        self.merge(now, &id, out)?;
        let graph = self.library.open(&id)?.content.graph();
        let heads = entry.heads.as_slice();
        if heads.is_empty() || graph.check_heads(heads).is_err() {
            return Ok(Err(ReceiptRefusal::Missing));
        }
        // The statement names the version before, so its heads must be those of that version.
        let named = entry
            .previous
            .map_or(previous.is_empty(), |v| v == previous.version());
        if !named || !graph.covers(heads, previous.as_slice()) {
            return Ok(Err(ReceiptRefusal::NotADescendant));
        }
        let statement = ReceiptStatement {
            entry,
            roles_height: self.height,
        };
        Ok(Ok(
            statement.sign(&self.config.network, &self.config.peer_key)
        ))
    }
}
