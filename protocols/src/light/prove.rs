//! Making a proof from what a node holds.

use super::Proof;
use crate::commit::ChainSource;
use crate::history::{self, HistoryError};
use crate::tree::{self, TreeError};
use crate::types::{CollectionId, DocumentId, Header, Height, StateKey};

/// Why no proof could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// There is no final block at that height yet, or it is the genesis block, which commits
    /// nothing.
    #[error("no block at height {asked} is final and can be proven; the newest is at {newest}")]
    NotFinal {
        /// The height asked for.
        asked: Height,
        /// The newest final height.
        newest: Height,
    },
    /// The store lacks a final block, or the finalization above it.
    #[error("the store lacks the block or the finalization for height {0}")]
    Incomplete(Height),
    /// The state tree cannot be read.
    #[error("the committed state cannot be read: {0}")]
    State(#[source] TreeError<E>),
    /// The history cannot be read.
    #[error("the history of final blocks cannot be read: {0}")]
    History(#[source] HistoryError<E>),
    /// The store cannot be read.
    #[error("the final blocks cannot be read")]
    Source(#[source] E),
}

/// Proves what is committed of `document` at height `at`, or at the newest final height.
///
/// The proof names the lowest certified block from that height on, so it is as short as can be.
///
/// # Errors
/// [`ProveError`] when the height is not final here, or the store fails or lacks something.
pub fn prove<S: ChainSource>(
    source: &S,
    collection: CollectionId,
    document: DocumentId,
    at: Option<Height>,
) -> Result<Proof, ProveError<S::Failure>> {
    let newest = source.final_height().map_err(ProveError::Source)?;
    let asked = at.unwrap_or(newest);
    if asked == Height(0) || asked > newest {
        return Err(ProveError::NotFinal { asked, newest });
    }
    let found = source
        .finalization_from(asked)
        .map_err(ProveError::Source)?;
    let (height, finalization) = found.ok_or(ProveError::Incomplete(asked))?;
    let certified = header(source, height)?;
    let earlier = if height == asked {
        None
    } else {
        let path = history::prove(source, height.0, asked.0).map_err(ProveError::History)?;
        Some((header(source, asked)?, path))
    };
    let meant = earlier.as_ref().map_or(&certified, |(header, _)| header);
    let key = StateKey::Document(collection, document).digest();
    let state = tree::prove(source, &meant.state_root, &key).map_err(ProveError::State)?;
    let network = certified.network;
    Ok(Proof {
        network,
        collection,
        document,
        certified,
        finalization,
        earlier,
        state,
    })
}

fn header<S: ChainSource>(source: &S, height: Height) -> Result<Header, ProveError<S::Failure>> {
    let found = source.final_block(height).map_err(ProveError::Source)?;
    found
        .map(|found| found.block.header)
        .ok_or(ProveError::Incomplete(height))
}
