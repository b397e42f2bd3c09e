//! Why something could not be stored or read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use decube_protocols::types::{Height, NetworkId, View};

/// Why the store refused or failed. After an error of a write, nothing of that write transaction is
/// there, and the store takes no more writes until it is opened again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory open.
    #[error("the data directory {directory} is in use by {holder}; stop that node first, or \
        choose another directory", directory = directory.display())]
    InUse {
        /// The data directory.
        directory: PathBuf,
        /// The process that has it open, as far as it is known.
        holder: String,
    },
    /// A file that must exist does not.
    #[error("{path} is missing; {remedy}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A file that is to be created exists.
    #[error("{path} exists already and was left as it is; {remedy}", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A file's content is not what was written.
    #[error("{path} is damaged ({detail}) and was left as it is; {remedy}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file was written by a newer version.
    #[error("{path} has schema version {found}, and this program knows up to {supported}; \
        it was left as it is, use a newer program", path = path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The newest that is known.
        supported: u32,
    },
    /// The data belongs to another network.
    #[error("{path} belongs to network {found}, not to {expected}; \
        choose another data directory or the other network file", path = path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// The network in the file.
        found: NetworkId,
        /// The network of the settings.
        expected: NetworkId,
    },
    /// The disk has no room.
    #[error("no room left on the disk for {path}; make room and start the node again, \
        all that was acknowledged is kept", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The operating system failed to read or write.
    #[error("{path} cannot be read or written: {detail}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// A write failed before, so nothing is written any more.
    #[error("nothing is written since an earlier write failed: {0}")]
    Stopped(Box<StoreError>),
    /// A final block contradicts one that is stored.
    #[error(
        "the final block at height {height} contradicts the stored chain: {detail}; \
        keep the data directory as evidence and stop the node"
    )]
    Conflict {
        /// The height.
        height: Height,
        /// What does not agree.
        detail: String,
    },
    /// A final block does not follow the last stored one.
    #[error("the final block at height {found} does not follow; height {expected} is next")]
    Gap {
        /// The height that was to be stored.
        found: Height,
        /// The height that is next.
        expected: Height,
    },
    /// A vote contradicts the vote log.
    #[error("a vote in view {view} contradicts the vote log ({detail}); the node must not go on")]
    Equivocation {
        /// The view.
        view: View,
        /// What does not agree.
        detail: &'static str,
    },
    /// A vote is to be stored by a node that has no usable vote log.
    #[error("this node has no vote log, so it must not vote")]
    NoVoteLog,
    /// A value has more bytes than are read back.
    #[error("a value of {size} bytes for table {table} is larger than the {limit} allowed")]
    TooLarge {
        /// The table.
        table: &'static str,
        /// The value's size.
        size: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// A bound is reached.
    #[error("there are {limit} {what} already; remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl StoreError {
    /// The error of a failed operation of the operating system on `path`.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = path.to_path_buf();
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            Self::Full { path }
        } else {
            Self::Io {
                path,
                detail: error.to_string(),
            }
        }
    }
}

/// Why work inside a transaction ended; the file makes it a [`StoreError`] that names it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// redb, or the operating system below it, failed.
    Redb(Box<redb::Error>),
    /// A row cannot be what was written.
    Damaged(String),
    /// The content forbids the work.
    Refused(StoreError),
}

/// The result of work inside a transaction.
pub(crate) type Work<T> = Result<T, Fault>;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        })*
    };
}

from_redb!(
    CommitError,
    DatabaseError,
    SetDurabilityError,
    StorageError,
    TableError,
    TransactionError
);
