//! Documents and their replication.
//!
//! [`content`] is one document over Automerge; [`Core`] holds all documents of a node, edits them
//! for its user and keeps them equal with those of its peers, without ever waiting for consensus.
//!
//! # Messages
//! [`Announcement`]s tell of what was just edited. [`SyncRequest`]s and [`SyncResponse`]s repair:
//! roots of collections are compared, then subtrees where they differ, then each differing
//! document is synced with Automerge's protocol in both directions, then the roots are compared
//! again.
//!
//! # Invariants
//! - What is acknowledged, announced or signed is durable before (`core::tests`).
//! - A sync counts as a success only when the roots are equal afterwards.
//! - A tombstone wins over every version and is not undone by any sync.
//! - What a peer says is checked before it is used; a document that is too large, or that Automerge
//!   fails on, is put aside and stops no other.
//! - All that is kept in memory for peers is bounded.

pub mod content;
mod core;
pub mod io;
mod leaf;
mod memory;
mod random;
mod reply;

pub use self::core::{Config, Core};
pub use content::{Content, Edit, Pointer};
pub use io::*;
pub use memory::MemorySource;
pub use reply::{CollectionStatus, CommandError, DocumentEntry, PeerStatus, Reply, SyncState};
