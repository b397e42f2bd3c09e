//! Files of private keys: `keys/<kind>.key` in the data directory. Their form is told in `format`.
//!
//! A key can be sealed with a passphrase: then its file holds the public half as before, and in
//! place of the secret a box that only the passphrase opens ([`decube_crypto::sealed`]).
//!
//! # Invariants
//! - A file has mode 0600 from its first byte on, and appears whole: it is written by a temporary
//!   file, fsync and rename. One that exists is replaced by [`seal`], [`unseal`] and [`rotate`] only,
//!   by one that was read back before.
//! - [`rotate`] keeps the key and the vote log that it replaces under another name.
//! - A file that others may read, or that is not exactly what was written, is refused with an error
//!   that names it and what to do (`tests::every_damage_is_named`).
//! - A file of format 1 is written as ever (`tests::a_key_file_has_this_format`).
//! - Secrets and passphrases are zeroised in memory, and in no error
//!   (`tests::no_error_shows_the_secret`).
//! - A validator key never exists without its vote log: the log is made first.

mod change;
mod format;
mod passphrase;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use decube_crypto::sealed::SealError;
use decube_crypto::{SecretKey, ValidatorKey, ValidatorSecret, VoteScheme, mldsa};
use zeroize::Zeroizing;

use crate::directory::{self, DirectoryLock};
use crate::error::StoreError;
use crate::votes;

pub use change::{Rotated, export, rotate, seal, unseal};
use format::{Content, Unreadable};
pub use passphrase::{BadPassphrase, MAX_PASSPHRASE, Passphrase};

/// The most bytes of a key file that are read: a sound one has 222 to 386, and one that is sealed
/// and has a second part 4,496.
const MAX_FILE: usize = 8192;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// Proves who is at the other end of a connection, and signs receipts.
    Peer,
    /// Signs changes and transactions.
    Author,
    /// Signs votes.
    Validator,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Peer, Self::Author, Self::Validator];

    /// The kind's name, as in the file and its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Author => "author",
            Self::Validator => "validator",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a key file was refused or not written. A file that exists is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("there is no {kind} key {path}; make one with `decube key new {kind}`, \
        or put the file back", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The kind.
        kind: KeyKind,
    },
    /// There is one already.
    #[error("{path} exists already and was left as it is; move it away first to make a new key",
        path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error("{path} can be read by others (mode {mode:04o}), so the key may be known to them; \
        make a new key, or if you are sure: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what was written.
    #[error("{path} is damaged: {detail}; put a copy of the file back, or move it away and make a \
        new key", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong; never a part of the content.
        detail: &'static str,
    },
    /// It was written by a newer version.
    #[error("{path} has a newer format than this program knows; use a newer program",
        path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// It is a key of another kind.
    #[error("{path} is a key of another kind, not a {kind} key; put the right file there",
        path = path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// The kind that was expected.
        kind: KeyKind,
    },
    /// It is a validator key without the part that hybrid votes need.
    #[error("{path} is a validator key of an earlier format, without the ML-DSA-65 part that the \
        hybrid votes of this network need; move it and its vote log away, make a new one with \
        `decube key new validator`, and have that registered", path = path.display())]
    NoMlDsa {
        /// The file.
        path: PathBuf,
    },
    /// It is sealed, and no passphrase was given.
    #[error("{path} is sealed: give its passphrase at a terminal, or with --passphrase-file FILE or \
        --passphrase-fd NUMBER", path = path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// It is sealed, and not with this passphrase.
    #[error("the passphrase does not open {path}, or its sealed secret was changed; the file was \
        left as it is", path = path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// It is sealed already.
    #[error("{path} is sealed already; to change its passphrase, unseal it and seal it again",
        path = path.display())]
    SealedAlready {
        /// The file.
        path: PathBuf,
    },
    /// It is not sealed.
    #[error("{path} is not sealed", path = path.display())]
    NotSealed {
        /// The file.
        path: PathBuf,
    },
    /// Sealing or opening failed for another reason than the passphrase.
    #[error("{path} cannot be sealed or opened: {reason}; it was left as it is",
        path = path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: SealError,
    },
    /// Whoever was to give the passphrase gave none.
    #[error("{0}")]
    NoPassphrase(String),
    /// Another process changes keys of the data directory.
    #[error("another process changes keys in {folder}; try again when it has ended",
        folder = folder.display())]
    Busy {
        /// The folder of the keys.
        folder: PathBuf,
    },
    /// The system's source of randomness failed.
    #[error("the system gives no randomness for a new key: {0}")]
    NoRandomness(String),
    /// The file, or a validator's vote log, cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a data directory has the key of a kind.
#[must_use]
pub fn path(directory: &Path, kind: KeyKind) -> PathBuf {
    directory.join("keys").join(format!("{}.key", kind.name()))
}

/// Whether a data directory has a key of a kind, sound or not.
#[must_use]
pub fn exists(directory: &Path, kind: KeyKind) -> bool {
    path(directory, kind).exists()
}

/// Draws a new key from the system's randomness.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn generate() -> Result<SecretKey, KeyError> {
    Ok(SecretKey::from_seed(&*seed()?))
}

/// Draws a new validator key of both parts from the system's randomness.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn generate_validator() -> Result<ValidatorSecret, KeyError> {
    let ml_dsa = mldsa::SecretKey::from_seed(&*seed()?);
    Ok(ValidatorSecret::hybrid(generate()?, ml_dsa))
}

fn seed() -> Result<Zeroizing<[u8; SecretKey::LENGTH]>, KeyError> {
    let mut seed = Zeroizing::new([0; SecretKey::LENGTH]);
    getrandom::fill(seed.as_mut()).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
    Ok(seed)
}

/// Draws a new key and writes its file; a validator key has both parts and comes with its vote log.
///
/// # Errors
/// As [`generate`] and [`create`].
pub fn make(directory: &Path, kind: KeyKind) -> Result<(), KeyError> {
    put(directory, kind, &draw(kind)?, None)
}

/// The same, sealed from the first byte on.
///
/// # Errors
/// As [`make`] and [`seal`].
pub fn make_sealed(
    directory: &Path,
    kind: KeyKind,
    passphrase: &Passphrase,
) -> Result<(), KeyError> {
    put(directory, kind, &draw(kind)?, Some(passphrase))
}

/// Writes a new key file. A validator key, here one for Ed25519 votes only, also gets its vote log, as
/// by [`create_validator`].
///
/// # Errors
/// [`KeyError::Exists`] when there is one, and what the operating system says.
pub fn create(directory: &Path, kind: KeyKind, key: &SecretKey) -> Result<(), KeyError> {
    put(directory, kind, &key.clone().into(), None)
}

/// Makes the vote log of a new validator key, then writes the key. The log bears the public half of
/// the key's Ed25519 part; it is bound to a network when it is first opened for one.
///
/// # Errors
/// When either exists, when a node has the directory open, and what the operating system says.
pub fn create_validator(directory: &Path, key: &ValidatorSecret) -> Result<(), KeyError> {
    put(directory, KeyKind::Validator, key, None)
}

/// A new key with all parts that its kind has.
fn draw(kind: KeyKind) -> Result<ValidatorSecret, KeyError> {
    match kind {
        KeyKind::Peer | KeyKind::Author => Ok(generate()?.into()),
        KeyKind::Validator => generate_validator(),
    }
}

fn put(
    directory: &Path,
    kind: KeyKind,
    key: &ValidatorSecret,
    passphrase: Option<&Passphrase>,
) -> Result<(), KeyError> {
    let path = path(directory, kind);
    if path.exists() {
        return Err(KeyError::Exists { path });
    }
    let text = change::text(&path, kind, key, passphrase)?;
    let _lock = match kind {
        KeyKind::Peer | KeyKind::Author => None,
        KeyKind::Validator => {
            let lock = DirectoryLock::take(directory)?;
            votes::create(directory, &key.ed25519().public())?;
            Some(lock)
        }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| File::open(directory)?.sync_all())
            .map_err(|error| StoreError::io(folder, &error))?;
    }
    Ok(directory::write(&path, text.as_bytes(), 0o600)?)
}

/// The public half of a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicHalf {
    /// The key; that of a peer or an author has no second part.
    pub key: ValidatorKey,
    /// Whether the secret half is sealed.
    pub is_sealed: bool,
}

/// Reads the public half of a key, for which no passphrase is needed. Of a key that is not sealed
/// the whole file is checked.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read_public(directory: &Path, kind: KeyKind) -> Result<PublicHalf, KeyError> {
    let path = path(directory, kind);
    Ok(match content(&path, kind)? {
        Content::Open(key) => PublicHalf {
            key: key.public(),
            is_sealed: false,
        },
        Content::Sealed(sealed) => PublicHalf {
            key: sealed.public,
            is_sealed: true,
        },
    })
}

/// Reads a key with all parts that it has; `ask` is called for the passphrase when it is sealed.
///
/// # Errors
/// [`KeyError`] names the file and what to do; or what `ask` returned.
pub fn open(
    directory: &Path,
    kind: KeyKind,
    ask: impl FnOnce(&Path) -> Result<Passphrase, KeyError>,
) -> Result<ValidatorSecret, KeyError> {
    let path = path(directory, kind);
    match content(&path, kind)? {
        Content::Open(key) => Ok(key),
        Content::Sealed(sealed) => sealed.open(&path, &ask(&path)?),
    }
}

/// The key for votes under `scheme`, of the validator key of a data directory.
///
/// # Errors
/// [`KeyError::NoMlDsa`] when it lacks a part.
pub fn voter(
    directory: &Path,
    key: &ValidatorSecret,
    scheme: VoteScheme,
) -> Result<ValidatorSecret, KeyError> {
    key.under(scheme).ok_or_else(|| KeyError::NoMlDsa {
        path: path(directory, KeyKind::Validator),
    })
}

/// Reads the key of a kind from a data directory; of a validator key, the Ed25519 part.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read(directory: &Path, kind: KeyKind) -> Result<SecretKey, KeyError> {
    read_file(&path(directory, kind), kind)
}

/// Reads a key file that lies anywhere; of a validator key, the Ed25519 part.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read_file(path: &Path, kind: KeyKind) -> Result<SecretKey, KeyError> {
    Ok(read_parts(path, kind)?.ed25519().clone())
}

/// Reads the validator key of a data directory, with all parts that it has.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read_validator(directory: &Path) -> Result<ValidatorSecret, KeyError> {
    let path = path(directory, KeyKind::Validator);
    read_parts(&path, KeyKind::Validator)
}

/// Reads the validator key of a data directory, for votes under `scheme`.
///
/// # Errors
/// [`KeyError`] names the file and what to do, also when the key lacks a part.
pub fn read_voter(directory: &Path, scheme: VoteScheme) -> Result<ValidatorSecret, KeyError> {
    let path = path(directory, KeyKind::Validator);
    read_parts(&path, KeyKind::Validator)?
        .under(scheme)
        .ok_or(KeyError::NoMlDsa { path })
}

fn read_parts(path: &Path, kind: KeyKind) -> Result<ValidatorSecret, KeyError> {
    match content(path, kind)? {
        Content::Open(key) => Ok(key),
        Content::Sealed(_) => Err(KeyError::Sealed {
            path: path.to_path_buf(),
        }),
    }
}

/// What a file has, checked as far as it can be without a passphrase.
fn content(path: &Path, kind: KeyKind) -> Result<Content, KeyError> {
    parse(path, kind, &bytes(path, kind)?)
}

/// The bytes of a file that only its owner may read.
fn bytes(path: &Path, kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeyError::Missing {
                path: path.to_path_buf(),
                kind,
            });
        }
        Err(error) => return Err(StoreError::io(path, &error).into()),
    };
    let io = |error: &io::Error| KeyError::from(StoreError::io(path, error));
    let mode = file
        .metadata()
        .map_err(|error| io(&error))?
        .permissions()
        .mode()
        & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed {
            path: path.to_path_buf(),
            mode,
        });
    }
    // Room for more than is read, so that no copy of a shorter text stays in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_FILE));
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io(&error))?;
    Ok(bytes)
}

fn parse(path: &Path, kind: KeyKind, bytes: &[u8]) -> Result<Content, KeyError> {
    let damaged = |detail| KeyError::Damaged {
        path: path.to_path_buf(),
        detail,
    };
    if bytes.is_empty() {
        return Err(damaged("it is empty"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(damaged("it is no text"));
    };
    match format::parse(text) {
        Ok((found, content)) if found == kind.name() => Ok(content),
        Ok(_) => Err(KeyError::OtherKind {
            path: path.to_path_buf(),
            kind,
        }),
        Err(Unreadable::Newer) => Err(KeyError::Newer {
            path: path.to_path_buf(),
        }),
        Err(Unreadable::Damaged(detail)) => Err(damaged(detail)),
    }
}
