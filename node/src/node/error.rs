//! Why a node does not start, refuses a request, or stops.

use decube_protocols::documents::CommandError;
use decube_protocols::types::InvalidGenesis;
use decube_store::StoreError;

use crate::network;

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The genesis defines no network.
    #[error("the genesis is not valid: {0}")]
    Genesis(#[from] InvalidGenesis),
    /// The network could not be set up.
    #[error(transparent)]
    Network(#[from] network::StartError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is on disk does not fit together.
    #[error("the state on disk cannot be taken up: {0}")]
    State(String),
    /// The system gave no thread or no randomness.
    #[error("the system refused {what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

/// Why a request to a node has no result.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The command was not carried out; nothing was changed.
    #[error(transparent)]
    Command(CommandError),
    /// The node stops. Whether the command was carried out shows after its next start.
    #[error("the node is stopping")]
    Stopping,
}

/// Why a node stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopReason {
    /// It was asked to.
    #[error("the node was asked to stop")]
    Asked,
    /// A write failed, so that memory was ahead of the disk.
    #[error("the node stopped because it cannot write its state: {0}")]
    Store(#[from] StoreError),
    /// A part of it ended by itself, which is a bug.
    #[error("the node's {0} ended unexpectedly")]
    Ended(&'static str),
}
