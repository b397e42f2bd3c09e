//! Why a call to a node failed.

use std::io;
use std::path::PathBuf;

use crate::api::Problem;

/// Why a call to a node failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket: the node is not running, or the data directory is another one.
    #[error("no node answers at {path}: {reason}; start it with `decube up`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The node cannot be connected with over TCP, or the socket may not be opened.
    #[error("cannot connect with the node at {place}: {reason}")]
    Connect {
        /// Where.
        place: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The node did not do what was asked.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The answer is an error, but no problem details.
    #[error("the node answered with HTTP status {status}; is it another program?")]
    NotAProblem {
        /// The HTTP status.
        status: u16,
    },
    /// The connection broke; whether the request was carried out is not known.
    #[error("the connection to the node broke: {0}; whether the request took effect is not known")]
    Broken(String),
    /// The answer is not as expected.
    #[error("the node's answer cannot be understood: {0}; is its version another one?")]
    Decode(#[source] serde_json::Error),
    /// The request cannot be written as JSON.
    #[error("the request cannot be written: {0}")]
    Encode(#[source] serde_json::Error),
    /// The request cannot be made.
    #[error("the request cannot be made: {0}")]
    BadRequest(#[source] hyper::http::Error),
    /// The token cannot stand in a header.
    #[error("the API token has characters that cannot be sent")]
    BadToken,
}

impl ClientError {
    /// The problem that the node answered with, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::NotRunning { .. }
            | Self::Connect { .. }
            | Self::NotAProblem { .. }
            | Self::Broken(_)
            | Self::Decode(_)
            | Self::Encode(_)
            | Self::BadRequest(_)
            | Self::BadToken => None,
        }
    }

    /// Whether no node answers there, or not yet.
    #[must_use]
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning { .. } | Self::Connect { .. })
    }
}
