//! Why a command did not do what was asked, and the exit code that says so.

use std::fmt::Display;

use decube_node::api::{Code, Problem};
use decube_node::client::ClientError;
use decube_node::run::RunError;
use decube_node::settings::SettingsError;
use decube_store::StoreError;
use decube_store::keys::KeyError;
use decube_store::network::NetworkError;

/// The exit code of a command that did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It went wrong.
    Failed,
    /// The command was given wrongly.
    Usage,
    /// What was named is not there.
    NotFound,
    /// It did not happen in time.
    TimedOut,
    /// It was understood and is refused: it would break a rule, or it does not hold.
    Refused,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::TimedOut => 4,
            Self::Refused => 5,
        }
    }

    /// The word in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
        }
    }
}

/// Why a command did not do what was asked. The message says what failed, why, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, why, and what to do next.
    pub message: String,
    /// What the node answered, when it was asked.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    /// A failure with an exit code.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
            problem: None,
        }
    }

    /// It went wrong.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command was given wrongly.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// What was named is not there.
    pub(crate) fn not_found(message: impl Display) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// It is refused.
    pub(crate) fn refused(message: impl Display) -> Self {
        Self::new(Exit::Refused, message)
    }
}

/// The exit code that goes with a problem of the control API.
const fn exit_of(code: Code) -> Exit {
    match code {
        Code::Malformed => Exit::Usage,
        Code::UnknownDocument
        | Code::UnknownCollection
        | Code::UnknownHead
        | Code::UnknownPath
        | Code::UnknownBlock
        | Code::UnknownPeer
        | Code::NotCommitted
        | Code::Removed
        | Code::Forgotten => Exit::NotFound,
        Code::Unauthorized
        | Code::TooLarge
        | Code::Ambiguous
        | Code::EditRefused
        | Code::InvalidFile
        | Code::PreviousDiffers
        | Code::Unsubmittable
        | Code::Rejected => Exit::Refused,
        Code::TimedOut => Exit::TimedOut,
        Code::UnknownRoute
        | Code::MethodNotAllowed
        | Code::Expired
        | Code::TooFewReceipts
        | Code::Unreachable
        | Code::Busy
        | Code::Stopping
        | Code::Damaged
        | Code::Store
        | Code::Unknown => Exit::Failed,
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Problem(problem) => Self {
                exit: exit_of(problem.code),
                message,
                problem: Some(problem),
            },
            ClientError::NotRunning { .. }
            | ClientError::Connect { .. }
            | ClientError::NotAProblem { .. }
            | ClientError::Broken(_)
            | ClientError::Decode(_)
            | ClientError::Encode(_)
            | ClientError::BadRequest(_)
            | ClientError::BadToken => Self::failed(message),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::usage(format!("a setting cannot be used: {error}"))
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let exit = match &error {
            KeyError::Missing { .. } => Exit::NotFound,
            KeyError::Exists { .. }
            | KeyError::NoMlDsa { .. }
            | KeyError::Passphrase { .. }
            | KeyError::SealedAlready { .. }
            | KeyError::NotSealed { .. } => Exit::Refused,
            KeyError::Sealed { .. } | KeyError::NoPassphrase(_) => Exit::Usage,
            KeyError::Exposed { .. }
            | KeyError::Damaged { .. }
            | KeyError::Newer { .. }
            | KeyError::OtherKind { .. }
            | KeyError::Seal { .. }
            | KeyError::Busy { .. }
            | KeyError::NoRandomness(_)
            | KeyError::Store(_) => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        let exit = match &error {
            NetworkError::Missing { .. } => Exit::NotFound,
            NetworkError::Invalid { .. } => Exit::Refused,
            NetworkError::Malformed { .. } | NetworkError::Store(_) => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Network(error) => error.into(),
            RunError::Key(error) => error.into(),
            other @ (RunError::Bootstrap { .. }
            | RunError::Store(_)
            | RunError::KeyBesideSigner { .. }
            | RunError::Start(_)
            | RunError::Token(_)
            | RunError::Listen(_)
            | RunError::Signals(_)
            | RunError::Stopped(_)) => Self::failed(format!("the node does not run: {other}")),
        }
    }
}
