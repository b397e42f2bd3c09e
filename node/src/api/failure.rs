//! Which problem each error of the node is.

use decube_protocols::documents::{CommandError, DocumentEntry};
use decube_protocols::submission::SubmissionError;
use decube_protocols::types::{DocumentId, Outcome, Rejection};

use super::{Code, Problem};
use crate::network::{DialError, PingError, RequestError as PeerError, Stopped};
use crate::node::RequestError;

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Command(error) => error.into(),
            RequestError::Stopping => Self::new(
                Code::Stopping,
                "the node is stopping; whether the request took effect shows after its next start",
            ),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        use decube_protocols::documents::content::EditError;
        let code = match &error {
            CommandError::UnknownCollection(_) => Code::UnknownCollection,
            CommandError::UnknownDocument(_) => Code::UnknownDocument,
            CommandError::Removed(_) => Code::Removed,
            CommandError::Forgotten(_) => Code::Forgotten,
            CommandError::UnknownHead(_) | CommandError::Edit(EditError::UnknownHead(_)) => {
                Code::UnknownHead
            }
            CommandError::Edit(_) => Code::EditRefused,
            CommandError::Path(_) => Code::UnknownPath,
            CommandError::File(_) => Code::InvalidFile,
            CommandError::Unreadable(_) | CommandError::Damaged { .. } => Code::Damaged,
            CommandError::Store(_) => Code::Store,
        };
        if let CommandError::Removed(id) | CommandError::Forgotten(id) = &error {
            return gone(code, *id);
        }
        Self::new(code, error)
    }
}

/// The problem of a document whose content is not here any more, with what there still is of it.
fn gone(code: Code, id: DocumentId) -> Problem {
    let what = if code == Code::Forgotten {
        format!("this node forgot its copy of {id} and does not follow it")
    } else {
        format!("the document {id} was removed")
    };
    Problem::new(
        code,
        format!("{what}; what was committed of it is proven by `decube proof {id}`"),
    )
}

/// Refuses a document whose content is not here any more.
pub(super) fn present(entry: &DocumentEntry) -> Result<(), Problem> {
    match (entry.removed, entry.forgotten) {
        (true, _) => Err(gone(Code::Removed, entry.id)),
        (false, true) => Err(gone(Code::Forgotten, entry.id)),
        (false, false) => Ok(()),
    }
}

impl From<SubmissionError> for Problem {
    fn from(error: SubmissionError) -> Self {
        match &error {
            SubmissionError::TooFewReceipts { .. } => Self::new(Code::TooFewReceipts, error),
            SubmissionError::Malformed(_) => Self::new(Code::Unsubmittable, error),
            SubmissionError::Busy => Self::new(Code::Busy, error),
            SubmissionError::Expired { transaction, .. } => {
                let transaction = *transaction;
                Self::new(Code::Expired, error).about(Some(transaction))
            }
            SubmissionError::Store(_) => Self::new(Code::Store, error),
        }
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        RequestError::Stopping.into()
    }
}

impl From<DialError> for Problem {
    fn from(error: DialError) -> Self {
        let code = match &error {
            DialError::Busy => Code::Busy,
            DialError::Own | DialError::Banned | DialError::OtherNetwork => Code::Unreachable,
            DialError::Failed(_) => Code::Unreachable,
        };
        Self::new(code, format!("the peer cannot be connected with: {error}"))
    }
}

impl From<PingError> for Problem {
    fn from(error: PingError) -> Self {
        let code = match &error.0 {
            PeerError::NotConnected => Code::UnknownPeer,
            PeerError::Timeout => Code::TimedOut,
            PeerError::Busy => Code::Busy,
            PeerError::TooLarge { .. }
            | PeerError::Closed(_)
            | PeerError::Unsupported
            | PeerError::BadFrame(_) => Code::Unreachable,
        };
        Self::new(code, error)
    }
}

/// The problem of an outcome, when it is one.
pub(super) fn rejected(outcome: &Outcome) -> Option<Problem> {
    match outcome {
        Outcome::Applied => None,
        Outcome::Rejected { reason } => {
            let next = match reason {
                Rejection::PreviousDiffers { .. } => "; look at the new version and commit again",
                Rejection::StaleNonce { .. } | Rejection::Expired { .. } => "; commit again",
                Rejection::UnknownCollection { .. } => "; create it first",
                Rejection::CollectionExists { .. }
                | Rejection::Unchanged { .. }
                | Rejection::NotAReplica { .. }
                | Rejection::TooFewReceipts { .. }
                | Rejection::BadWriteQuorum { .. } => "",
            };
            let detail = format!("the transaction is final and had no effect: {reason}{next}");
            Some(Problem::new(Code::Rejected, detail))
        }
    }
}

/// The problem of a store that cannot be read.
pub(super) fn store(error: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::Store,
        format!("the store cannot be read: {error}; `decube doctor` may say more"),
    )
}
