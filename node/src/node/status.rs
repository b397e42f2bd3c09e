//! What a node can say of itself at any moment.

use std::time::Duration;

use decube_protocols::commit;
use decube_protocols::types::{Height, ValidatorIndex, View};
use decube_store::ChainReader;
use serde::Serialize;

/// The commit protocol's part of the status, as its worker last saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ChainStatus {
    pub(super) view: Option<View>,
    pub(super) height: Height,
    pub(super) pool: usize,
    pub(super) caught_up: bool,
    pub(super) halted: Option<String>,
    /// Why the signer of a validator did not sign last, if it did not.
    pub(super) signing_trouble: Option<String>,
}

impl ChainStatus {
    pub(super) fn of(core: &commit::Core<ChainReader>) -> Self {
        Self {
            view: core.is_validator().then(|| core.view()),
            height: core.final_height(),
            pool: core.pool_size(),
            caught_up: core.is_ready(),
            halted: core.failure().map(ToString::to_string),
            signing_trouble: core.signing_trouble().map(str::to_owned),
        }
    }
}

/// What a node does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Role {
    /// Votes, under this index of the epoch's list.
    Validator {
        /// The index.
        index: ValidatorIndex,
    },
    /// A validator of the genesis that must not sign, since its vote log is not there.
    ValidatorWithoutLog {
        /// The index.
        index: ValidatorIndex,
    },
    /// Follows the chain and does not vote.
    Follower,
}

/// A snapshot of a node's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// What the node does.
    pub role: Role,
    /// Whether its peer key is one of the genesis' replicas.
    pub replica: bool,
    /// The view that a validator is in.
    pub view: Option<View>,
    /// The newest final height here.
    pub height: Height,
    /// Transactions that wait for a block.
    pub pool: usize,
    /// Whether the node has caught up: with the chain, and with its peers' documents.
    pub ready: bool,
    /// Why it is not ready.
    pub waiting_for: Option<String>,
    /// At a validator whose key is kept by a signer: why that did not sign last, if it did not.
    pub signer: Option<Option<String>>,
    /// How long the node has been running.
    pub uptime: Duration,
}
