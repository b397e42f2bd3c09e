//! Where the nodes of a tree come from.

use std::collections::BTreeMap;
use std::convert::Infallible;

use decube_crypto::Digest;

use super::{MAX_VALUE, Node, Prefix};

/// Read access to nodes by digest. `store` implements it over its tables.
pub trait NodeSource {
    /// Why nodes could not be read.
    type Error;

    /// The node of that digest, or `None` when the source does not hold it.
    ///
    /// # Errors
    /// When the source fails.
    fn node(&self, digest: &Digest) -> Result<Option<Node>, Self::Error>;
}

impl NodeSource for BTreeMap<Digest, Node> {
    type Error = Infallible;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, Infallible> {
        Ok(self.get(digest).cloned())
    }
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, S::Error> {
        (**self).node(digest)
    }
}

/// Nodes added by blocks that are not final yet, over the nodes of the final state.
#[derive(Clone, Debug)]
pub struct Overlay<'a, S> {
    layers: Vec<&'a BTreeMap<Digest, Node>>,
    below: S,
}

impl<'a, S: NodeSource> Overlay<'a, S> {
    /// An overlay without layers over `below`.
    #[must_use]
    pub fn new(below: S) -> Self {
        Self {
            layers: Vec::new(),
            below,
        }
    }

    /// Puts the nodes that an [`Update`](super::Update) added on top.
    #[must_use]
    pub fn with(mut self, added: &'a BTreeMap<Digest, Node>) -> Self {
        self.layers.push(added);
        self
    }
}

impl<S: NodeSource> NodeSource for Overlay<'_, S> {
    type Error = S::Error;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, S::Error> {
        match self.layers.iter().rev().find_map(|layer| layer.get(digest)) {
            Some(node) => Ok(Some(node.clone())),
            None => self.below.node(digest),
        }
    }
}

/// Why a tree could not be read or changed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError<E> {
    /// The source does not hold a node that the tree refers to.
    #[error("node {digest} of the tree is missing")]
    Missing {
        /// The node that is missing.
        digest: Digest,
    },
    /// The source gave a node that has another digest, or that does not fit where it stands.
    #[error("node {digest} of the tree is damaged")]
    Damaged {
        /// The node that was asked for.
        digest: Digest,
    },
    /// The source failed.
    #[error("the tree's nodes cannot be read")]
    Source(#[source] E),
    /// A value of an update is longer than [`MAX_VALUE`].
    #[error("the value of key {key} has {length} bytes, more than {MAX_VALUE}")]
    ValueTooLong {
        /// The value's key.
        key: Digest,
        /// The value's length in bytes.
        length: usize,
    },
}

/// The node of that digest, which must lie under `at`.
pub(super) fn load<S: NodeSource + ?Sized>(
    source: &S,
    digest: &Digest,
    at: &Prefix,
) -> Result<Node, TreeError<S::Error>> {
    let found = source.node(digest).map_err(TreeError::Source)?;
    let node = found.ok_or(TreeError::Missing { digest: *digest })?;
    if node.prefix().starts_with(at) && node.digest() == *digest {
        Ok(node)
    } else {
        Err(TreeError::Damaged { digest: *digest })
    }
}
