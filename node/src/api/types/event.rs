//! What happens at a node, durably.

use decube_protocols::types::{BlockId, CollectionId, DocumentId, Height, TransactionId, Version};
use decube_store::StoredEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An event with its cursor: asked for what is after it, a node repeats nothing and leaves nothing
/// out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The cursor, rising from event to event.
    pub cursor: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A document has changed here.
    DocumentChanged {
        /// Its collection.
        #[schema(value_type = String)]
        collection: CollectionId,
        /// The document.
        #[schema(value_type = String)]
        document: DocumentId,
        /// Its version; absent when it is removed or forgotten.
        #[schema(value_type = Option<String>)]
        version: Option<Version>,
        /// Whether it is removed for everyone.
        removed: bool,
    },
    /// A block is final.
    Final {
        /// Its height.
        #[schema(value_type = u64)]
        height: Height,
        /// Its id.
        #[schema(value_type = String)]
        block: BlockId,
        /// Its transactions in order.
        #[schema(value_type = Vec<String>)]
        transactions: Vec<TransactionId>,
    },
    /// A version of a document is committed; comes after the block's own event.
    Committed {
        /// The block's height.
        #[schema(value_type = u64)]
        height: Height,
        /// The transaction.
        #[schema(value_type = String)]
        transaction: TransactionId,
        /// The document's collection.
        #[schema(value_type = String)]
        collection: CollectionId,
        /// The document.
        #[schema(value_type = String)]
        document: DocumentId,
        /// The version.
        #[schema(value_type = String)]
        version: Version,
    },
    /// A connection was refused before it could carry anything. The metrics count all refusals; the
    /// first of each minute and kind are told.
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
    /// Events before this cursor are no longer kept: read the present state instead.
    Skipped {
        /// How many.
        events: u64,
    },
}

impl EventKind {
    /// The name that the stream gives events of this kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DocumentChanged { .. } => "document_changed",
            Self::Final { .. } => "final",
            Self::Committed { .. } => "committed",
            Self::ConnectionRefused { .. } => "connection_refused",
            Self::ClassicConnection { .. } => "classic_connection",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// The collection and document that it is about.
    #[must_use]
    pub const fn document(&self) -> Option<(CollectionId, DocumentId)> {
        match self {
            Self::DocumentChanged {
                collection,
                document,
                ..
            }
            | Self::Committed {
                collection,
                document,
                ..
            } => Some((*collection, *document)),
            Self::Final { .. }
            | Self::ConnectionRefused { .. }
            | Self::ClassicConnection { .. }
            | Self::Skipped { .. } => None,
        }
    }
}

impl From<StoredEvent> for EventKind {
    fn from(event: StoredEvent) -> Self {
        match event {
            StoredEvent::DocumentChanged {
                collection,
                document,
                version,
                removed,
            } => Self::DocumentChanged {
                collection,
                document,
                version,
                removed,
            },
            StoredEvent::Final {
                height,
                block,
                transactions,
            } => Self::Final {
                height,
                block,
                transactions,
            },
            StoredEvent::ConnectionRefused {
                peer,
                address,
                outbound,
                kind,
                reason,
            } => Self::ConnectionRefused {
                peer,
                address,
                outbound,
                kind,
                reason,
            },
            StoredEvent::ClassicConnection {
                peer,
                address,
                outbound,
                channel,
            } => Self::ClassicConnection {
                peer,
                address,
                outbound,
                channel,
            },
            StoredEvent::Committed {
                height,
                transaction,
                collection,
                document,
                version,
            } => Self::Committed {
                height,
                transaction,
                collection,
                document,
                version,
            },
        }
    }
}
