//! Reading the committed state at the newest final block.
//!
//! # Invariants
//! - A value that cannot be decoded is an error, never absence (`tests`).
//! - At the genesis nothing is committed and no node of the tree is stored, so everything is absent
//!   there, except the replicas, which readers take from the genesis.

use decube_crypto::Digest;

use crate::commit::ChainSource;
use crate::tree::{self, TreeError};
use crate::types::{
    AuthorId, CollectionId, CollectionState, CommittedDocument, DocumentId, Height, StateKey,
};
use crate::wire::{self, Message};

/// Why the committed state could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError<E> {
    /// The store fails.
    #[error("the final blocks cannot be read: {0}")]
    Source(#[source] E),
    /// There is no final block at that height.
    #[error("the store has no final block at height {0}")]
    MissingBlock(Height),
    /// The tree of the state cannot be read.
    #[error("the tree of the committed state cannot be read: {0}")]
    Tree(#[source] TreeError<E>),
    /// A value of the state is not what belongs there.
    #[error("the committed state's value at {key} is damaged")]
    Damaged {
        /// Where it stands.
        key: Digest,
    },
}

/// The committed state after one final block.
#[derive(Clone, Copy, Debug)]
pub struct CommittedState<'a, S> {
    source: &'a S,
    height: Height,
    root: Digest,
}

impl<'a, S: ChainSource> CommittedState<'a, S> {
    /// The state after the newest final block.
    ///
    /// # Errors
    /// When the store fails or lacks that block.
    pub fn newest(source: &'a S) -> Result<Self, StateError<S::Failure>> {
        let height = source.final_height().map_err(StateError::Source)?;
        Self::at(source, height)
    }

    /// The state after the final block at `height`.
    ///
    /// # Errors
    /// When the store fails or lacks that block.
    pub fn at(source: &'a S, height: Height) -> Result<Self, StateError<S::Failure>> {
        if height == Height(0) {
            return Ok(Self {
                source,
                height,
                root: tree::EMPTY_ROOT,
            });
        }
        let found = source.final_block(height).map_err(StateError::Source)?;
        let block = found.ok_or(StateError::MissingBlock(height))?.block;
        Ok(Self::of(source, height, block.header.state_root))
    }

    /// The state with that root, which stands in the header of the final block at `height`.
    #[must_use]
    pub const fn of(source: &'a S, height: Height, root: Digest) -> Self {
        Self {
            source,
            height,
            root,
        }
    }

    /// The height of the block.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The last committed version of a document.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn document(
        &self,
        collection: CollectionId,
        document: DocumentId,
    ) -> Result<Option<CommittedDocument>, StateError<S::Failure>> {
        self.message(&StateKey::Document(collection, document))
    }

    /// A collection.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn collection(
        &self,
        collection: CollectionId,
    ) -> Result<Option<CollectionState>, StateError<S::Failure>> {
        self.message(&StateKey::Collection(collection))
    }

    /// The last nonce of an author.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn last_nonce(&self, author: &AuthorId) -> Result<Option<u64>, StateError<S::Failure>> {
        let key = StateKey::Nonce(*author);
        let Some(bytes) = self.value(&key)? else {
            return Ok(None);
        };
        match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(_) => Err(StateError::Damaged { key: key.digest() }),
        }
    }

    fn value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError<S::Failure>> {
        tree::get(self.source, &self.root, &key.digest()).map_err(StateError::Tree)
    }

    fn message<T: Message>(&self, key: &StateKey) -> Result<Option<T>, StateError<S::Failure>> {
        let Some(bytes) = self.value(key)? else {
            return Ok(None);
        };
        match wire::decode(&bytes) {
            Ok(message) => Ok(Some(message)),
            Err(_) => Err(StateError::Damaged { key: key.digest() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::light::fake_chain::{FakeChain, value};
    use crate::types::CollectionName;

    #[test]
    fn values_are_read_at_their_height_and_damage_is_named() {
        let mut chain = FakeChain::new("alice");
        let author = chain.peers[0].public();
        let id = CollectionId(Digest::ZERO);
        let nothing = CommittedState::newest(&chain).unwrap();
        assert_eq!(nothing.collection(id), Ok(None));
        assert_eq!(nothing.last_nonce(&author), Ok(None));
        let collection = CollectionState {
            name: CollectionName::new("notes").unwrap(),
            creator: author,
            height: Height(1),
            write_quorum: 2,
        };
        let nonce = (StateKey::Nonce(author), 7_u64.to_le_bytes().to_vec());
        let values = [value(StateKey::Collection(id), &collection), nonce];
        chain.append(&values, Vec::new(), true);
        chain.append(&[(StateKey::Nonce(author), vec![1])], Vec::new(), true);
        let first = CommittedState::at(&chain, Height(1)).unwrap();
        assert_eq!(first.collection(id), Ok(Some(collection)));
        assert_eq!(first.last_nonce(&author), Ok(Some(7)));
        assert_eq!(first.document(id, DocumentId(Digest::ZERO)), Ok(None));
        let key = StateKey::Nonce(author).digest();
        let newest = CommittedState::newest(&chain).unwrap();
        assert_eq!(newest.height(), Height(2));
        assert_eq!(newest.last_nonce(&author), Err(StateError::Damaged { key }));
        assert!(matches!(
            CommittedState::at(&chain, Height(3)),
            Err(StateError::MissingBlock(Height(3)))
        ));
    }
}
