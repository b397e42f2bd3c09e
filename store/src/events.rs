//! Events with a cursor, for those who follow what happens and come back after a pause.
//!
//! # Invariants
//! - Cursors rise by one from 1 on and are never given twice, also when older events are dropped.
//! - An event is there exactly when the write transaction of what it tells of is.

use decube_protocols::types::{BlockId, CollectionId, DocumentId, Height, TransactionId, Version};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::{Fault, Work};
use crate::tables::{EVENTS, STATE_META};

/// How many of the newest events are kept: some megabytes, an hour of steady editing. Who was away
/// longer is told how many are gone and reads the present state instead.
pub const EVENTS_KEPT: u64 = 10_000;

const CURSOR: &str = "cursor";

/// Something that happened and is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StoredEvent {
    /// What is known of a document changed.
    DocumentChanged {
        /// Its collection.
        collection: CollectionId,
        /// The document.
        document: DocumentId,
        /// Its version; absent when it is removed, or forgotten at this node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
        /// Whether it is removed for everyone.
        removed: bool,
    },
    /// A block is final.
    Final {
        /// Its height.
        height: Height,
        /// Its id.
        block: BlockId,
        /// Its transactions in order.
        transactions: Vec<TransactionId>,
    },
    /// A version is committed; comes after the `Final` of its block.
    Committed {
        /// The block's height.
        height: Height,
        /// The transaction.
        transaction: TransactionId,
        /// The document's collection.
        collection: CollectionId,
        /// The document.
        document: DocumentId,
        /// The version.
        version: Version,
    },
    /// A connection was refused before it could carry anything.
    ConnectionRefused {
        /// Who it was, when the handshake came so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
        /// The remote address.
        address: String,
        /// Whether this node dialled.
        outbound: bool,
        /// The kind of reason, as in the metrics.
        kind: String,
        /// Which check failed.
        reason: String,
    },
    /// A peer has connected by a channel that is not post-quantum.
    ClassicConnection {
        /// The peer.
        peer: String,
        /// The remote address.
        address: String,
        /// Whether this node dialled.
        outbound: bool,
        /// The channel.
        channel: String,
    },
}

/// Events after a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// How many events after the cursor are not kept any more.
    pub skipped: u64,
    /// The events with their cursors, in order.
    pub events: Vec<(u64, StoredEvent)>,
}

/// The table of events inside a write transaction.
pub(crate) struct EventLog<'t> {
    events: Table<'t, u64, &'static str>,
    before: u64,
    last: u64,
}

impl<'t> EventLog<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Work<Self> {
        let meta = transaction.open_table(STATE_META)?;
        let last = meta
            .get(CURSOR)?
            .map(|row| codec::number(CURSOR, row.value()));
        let last = last.transpose()?.unwrap_or_default();
        Ok(Self {
            events: transaction.open_table(EVENTS)?,
            before: last,
            last,
        })
    }

    pub(crate) fn append(&mut self, event: &StoredEvent) -> Work<()> {
        let text = serde_json::to_string(event)
            .map_err(|error| Fault::Damaged(format!("an event is no JSON: {error}")))?;
        self.last = self.last.saturating_add(1);
        self.events.insert(self.last, text.as_str())?;
        Ok(())
    }

    /// Drops events that are too old and notes the last cursor.
    pub(crate) fn finish(mut self, transaction: &WriteTransaction) -> Work<()> {
        if self.last == self.before {
            return Ok(());
        }
        let dropped = self.last.saturating_sub(EVENTS_KEPT);
        while self
            .events
            .first()?
            .is_some_and(|(cursor, _)| cursor.value() <= dropped)
        {
            self.events.pop_first()?;
        }
        let mut meta = transaction.open_table(STATE_META)?;
        meta.insert(CURSOR, self.last.to_le_bytes().as_slice())?;
        Ok(())
    }
}

/// The cursor of the last event, 0 before the first.
pub(crate) fn last_cursor(transaction: &ReadTransaction) -> Work<u64> {
    let meta = transaction.open_table(STATE_META)?;
    let last = meta
        .get(CURSOR)?
        .map(|row| codec::number(CURSOR, row.value()));
    Ok(last.transpose()?.unwrap_or_default())
}

/// At most `limit` events after `cursor`.
pub(crate) fn after(transaction: &ReadTransaction, cursor: u64, limit: usize) -> Work<EventPage> {
    let events = transaction.open_table(EVENTS)?;
    let next = cursor.saturating_add(1);
    let mut page = EventPage::default();
    for row in events.range(next..)?.take(limit) {
        let (at, text) = row?;
        let event = serde_json::from_str(text.value())
            .map_err(|error| Fault::Damaged(format!("a row of table events: {error}")))?;
        page.events.push((at.value(), event));
    }
    if let Some((first, _)) = page.events.first() {
        page.skipped = first.saturating_sub(next);
    }
    Ok(page)
}
