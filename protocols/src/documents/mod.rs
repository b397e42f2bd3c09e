//! Documents and their replication.

pub mod content;
pub mod io;
mod reply;

pub use content::{Content, Edit, Pointer};
pub use io::*;
pub use reply::{
    CollectionStatus, CommandError, DocumentEntry, PeerStatus, Reply, SyncState,
};
