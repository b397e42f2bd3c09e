//! The JSON of the control API: what requests and responses hold. Shared with the client.
//!
//! Ids, digests and keys are hexadecimal digits; peer ids and addresses are libp2p's text forms;
//! times are milliseconds since 1970-01-01T00:00:00Z.

mod chain;
mod commit;
mod document;
mod event;
mod peer;
mod prefix;
mod status;

pub use chain::{
    ActionInfo, Block, BlockList, BlockSummary, Collection, CollectionList, Finalization,
    ReceiptInfo, TransactionInfo,
};
pub use commit::{
    CommitRequest, CommitTarget, CreateCollection, Submission, SubmissionState, Wait,
};
pub use document::{
    Content, CreateDocument, Document, DocumentList, EditDocument, Edited, FinalVersion, History,
    HistoryItem, Imported, NamedVersion, QuarantineList, Quarantined,
};
pub use event::{Event, EventKind};
pub use peer::{AddPeer, Added, Addresses, BannedPeer, Peer, PeerList, Ping};
pub use prefix::{HashPrefix, InvalidPrefix};
pub(in crate::api) use status::state_name;
pub use status::{
    ChannelStatus, CollectionSync, FileWrites, NetworkInfo, PeerSync, Role, Status, SyncReport,
    TrafficCount, WriteCount,
};
