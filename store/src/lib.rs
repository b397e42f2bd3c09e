//! What DeCube keeps on disk, table by table, and nothing else about it.
//!
//! A [`Store`] is two redb files of a data directory: the vote log `votes.redb`, one durable write
//! before each vote, and `state.redb` with everything else. It takes the records of the cores and
//! gives back what they read. [`tables`] documents every table; [`keys`] and [`network`] read and
//! write the files of settings beside them; [`faulty`] is a disk that loses, tears and refuses
//! writes, for tests and the simulator.
//!
//! # Invariants
//! - What a returned `persist_*` call wrote is there after any crash, and no write transaction is
//!   there in part (`tests::crash`).
//! - After a failed write nothing more is written until the store is opened again, so a core that
//!   cannot persist cannot sign (`tests::full_disk`).
//! - A file that is damaged, of a newer schema or of another network is reported and left as it is
//!   (`tests::damage`, `tests::opening`).
//! - A validator key whose vote log is missing, foreign or older than the state never signs: it
//!   opens as [`VoteLog::Lost`] (`tests::opening`).
//! - The format changes only together with the schema version (`tests::format`).
//! - No directory is open twice (`tests::opening`).
//!
//! # Limits
//! redb writes in one phase: after a crash it tells an interrupted write transaction from a
//! finished one by checksums. If the pages of the very last write transaction are damaged *and* the
//! node crashed right after it, that transaction therefore looks interrupted and is rolled back. For
//! the vote log this shows, unless no block became final since: the state remembers how often the
//! log was written, and a log that was written less often is lost.

mod chain;
mod codec;
mod directory;
mod documents;
mod error;
mod events;
pub mod faulty;
mod file;
pub mod keys;
pub mod network;
mod peers;
pub mod preshared;
mod preview;
mod schema;
mod signer;
mod store;
mod submission;
pub mod tables;
#[cfg(test)]
mod tests;
mod votes;

pub use chain::ChainReader;
pub use documents::{ContentSize, DocumentReader};
pub use error::StoreError;
pub use events::{EVENTS_KEPT, EventPage, StoredEvent};
pub use peers::{KnownPeer, MAX_ADDRESSES, MAX_BANS, MAX_PEERS};
pub use signer::{SignerLog, SignerLogError};
pub use store::{Identity, Store, TableSize, WriteCounts, Writes};
pub use votes::{LostVoteLog, VoteLog};
