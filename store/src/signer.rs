//! The vote log of a signing process: it has a data directory with a validator key and this log, and
//! no state.
//!
//! # Invariants
//! - What a returned [`SignerLog::persist`] wrote is there after any crash.
//! - A log that is missing, of another key or of another network is not opened.

use std::path::Path;

use decube_protocols::commit::{Record, Restored};
use decube_protocols::types::Epoch;

use crate::directory::DirectoryLock;
use crate::error::StoreError;
use crate::file::File;
use crate::store::Identity;
use crate::votes::{self, LostVoteLog, VOTES_FILE, VoteLog};

/// Why the log of a signing process cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerLogError {
    /// The file cannot be read, or another process has the directory open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not the log of this key: what was signed is unknown.
    #[error("nothing may be signed: {0}")]
    Lost(LostVoteLog),
    /// The identity names no key.
    #[error("there is no validator key")]
    NoValidator,
}

/// The open vote log of a signing process.
#[derive(Debug)]
pub struct SignerLog {
    file: File,
    // Declared last, so that it is given back after the file is closed.
    _lock: DirectoryLock,
}

impl SignerLog {
    /// Opens the log of a data directory and binds it to the network.
    ///
    /// # Errors
    /// [`SignerLogError`]; the log is left as it was.
    pub fn open(directory: &Path, identity: &Identity) -> Result<Self, SignerLogError> {
        let Some(validator) = &identity.validator else {
            return Err(SignerLogError::NoValidator);
        };
        let lock = DirectoryLock::take(directory)?;
        let path = directory.join(VOTES_FILE.name);
        if !path.exists() {
            let validator = *validator;
            return Err(SignerLogError::Lost(LostVoteLog::Missing {
                path,
                validator,
            }));
        }
        let file = File::check(VOTES_FILE, directory, |_| Ok(()))?.open()?;
        match votes::claim(&file, validator, &identity.network, 0, false)? {
            VoteLog::Held => Ok(Self { file, _lock: lock }),
            VoteLog::Lost(lost) => Err(SignerLogError::Lost(lost)),
            VoteLog::NoValidator => Err(SignerLogError::NoValidator),
        }
    }

    /// What the log holds of an epoch.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn restored(&self, epoch: Epoch) -> Result<Restored, StoreError> {
        self.file
            .read(|transaction| votes::restored(transaction, epoch))
    }

    /// Writes records in one durable write transaction. After an error the process must end: what it
    /// has in memory is ahead of the disk.
    ///
    /// # Errors
    /// When a record contradicts what is stored, or the disk fails.
    pub fn persist(&self, records: &[Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write(|transaction| votes::apply(transaction, records));
        written.map(drop)
    }
}
