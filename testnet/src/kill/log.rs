//! The checker's log: what nodes acknowledged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use decube_protocols::types::{ChangeHash, DocumentId, Height, TransactionId};

/// A change that a node said is durable there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EditAck {
    /// The node's place.
    pub(super) node: usize,
    /// The document.
    pub(super) document: DocumentId,
    /// The change.
    pub(super) change: ChangeHash,
}

/// A transaction that a node said is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FinalAck {
    /// The node's place.
    pub(super) node: usize,
    /// The transaction.
    pub(super) transaction: TransactionId,
    /// The height of its block.
    pub(super) height: Height,
    /// Whether it took effect.
    pub(super) applied: bool,
}

/// A transaction that a node said is durable there, to be handed to the validators until it is final
/// or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubmittedAck {
    /// The node's place.
    pub(super) node: usize,
    /// The transaction.
    pub(super) transaction: TransactionId,
    /// The last height at which it can be included.
    pub(super) expires: Height,
}

/// Everything acknowledged in one round.
#[derive(Clone, Debug, Default)]
pub(super) struct Acks {
    pub(super) edits: Vec<EditAck>,
    pub(super) finals: Vec<FinalAck>,
    pub(super) submitted: Vec<SubmittedAck>,
}

/// A round's documents and what was acknowledged about them. Whoever works on them holds a clone of
/// the `Arc`, so that the count tells when nobody does any more.
#[derive(Debug)]
pub(super) struct Generation {
    /// The round, from 1.
    pub(super) round: u32,
    /// The documents.
    pub(super) documents: Vec<DocumentId>,
    acks: Mutex<Acks>,
}

impl Generation {
    pub(super) fn new(round: u32, created: &[EditAck]) -> Arc<Self> {
        let acks = Acks {
            edits: created.to_vec(),
            ..Acks::default()
        };
        let documents = created.iter().map(|created| created.document).collect();
        Arc::new(Self {
            round,
            documents,
            acks: Mutex::new(acks),
        })
    }

    pub(super) fn acks(&self) -> MutexGuard<'_, Acks> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Edits beyond the creations, and commits that took effect.
    pub(super) fn counts(&self) -> (usize, usize) {
        let acks = self.acks();
        let commits = acks.finals.iter().filter(|ack| ack.applied).count();
        (
            acks.edits.len().saturating_sub(self.documents.len()),
            commits,
        )
    }
}
