//! The content of one document: Automerge behind JSON, checked in both directions.
//!
//! Users read JSON at a [`Pointer`] and change it by an ordered patch of [`Edit`]s, which becomes
//! one Automerge change. Changes from elsewhere come in as bytes and pass [`Content::admit`]
//! before Automerge sees them.
//!
//! # Invariants
//! - A failing patch changes nothing (`edit::tests`).
//! - Positions in texts count Unicode scalar values.
//! - Automerge never holds a change whose dependencies are missing, and never sees one that was
//!   not admitted (`admission::tests`).
//! - Bytes from elsewhere never panic: what Automerge would panic on is refused before, and what
//!   is left is caught, the document rebuilt, the change refused (`admission::tests`).
//! - The same history gives the same content everywhere: every admitted change comes out of
//!   Automerge with the bytes it went in with (`Content::admit`).

mod actor;
mod admission;
mod columns;
mod diff;
mod document;
mod edit;
mod file;
mod graph;
mod parts;
mod place;
mod pointer;
mod read;
mod sync;
#[cfg(test)]
mod tests;
mod value;

pub use actor::{Actor, InvalidActor, Session};
pub use admission::{Admitted, Broken, Decoded, MAX_CHANGE, Refusal, Refused};
pub use document::{Content, ContentError, Edited, LoadError};
pub use edit::{Edit, EditCause, EditError, InvalidPatch, parse_patch};
pub use file::{FileError, Imported, MAX_FILE, file_heads, import};
pub use graph::{Graph, UnknownHead};
pub use place::PathError;
pub use pointer::{InvalidPointer, Pointer};
pub use read::{Conflict, ConflictingValue, HistoryEntry};
pub use sync::{InvalidSync, SyncMessage, SyncState};
pub use value::{InvalidValue, ReadError, oversized_integer};

use crate::types::ChangeHash;

/// The hash in Automerge's type.
fn to_automerge(hash: &ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(*hash.0.as_bytes())
}

/// The hash in this project's type.
fn from_automerge(hash: automerge::ChangeHash) -> ChangeHash {
    ChangeHash(decube_crypto::Digest::from_bytes(hash.0))
}
