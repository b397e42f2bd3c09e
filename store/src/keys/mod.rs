//! Files of private keys: `keys/<kind>.key` in the data directory.
//!
//! ```text
//! decube-key 1
//! kind: validator
//! public: <64 hexadecimal digits>
//! secret: <64 hexadecimal digits, the Ed25519 seed>
//! checksum: <16 hexadecimal digits, of the BLAKE3 digest of the lines above>
//! ```
//!
//! A validator key has a second part since hybrid votes. Its file is of format 2, with these lines
//! before the checksum:
//! ```text
//! ml-dsa-public: <64 hexadecimal digits, the BLAKE3 digest of the ML-DSA-65 public key>
//! ml-dsa-secret: <64 hexadecimal digits, the ML-DSA-65 seed>
//! ```
//! The two seeds are drawn independently, so that whoever learns one learns nothing of the other. A
//! validator key of format 1 still votes in networks with Ed25519 votes; where votes are hybrid it
//! is refused with an error that says so.
//!
//! # Invariants
//! - A file has mode 0600 from its first byte on, and appears whole: it is written by a temporary
//!   file, fsync and rename. One that exists is never replaced.
//! - A file that others may read, or that is not exactly what was written, is refused with an error
//!   that names it and what to do (`tests::every_damage_is_named`).
//! - A file of format 1 is written as ever (`tests::a_key_file_has_this_format`).
//! - Secrets are zeroised in memory, and in no error (`tests::no_error_shows_the_secret`).
//! - A validator key never exists without its vote log: the log is made first.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use decube_crypto::{Digest, PublicKey, SecretKey, ValidatorSecret, VoteScheme, mldsa};
use zeroize::{Zeroize, Zeroizing};

use crate::directory::{self, DirectoryLock};
use crate::error::StoreError;
use crate::votes;

/// A key of one part.
const FIRST_LINE: &str = "decube-key 1";
/// A validator key of two parts.
const FIRST_LINE_HYBRID: &str = "decube-key 2";
const NEWEST_FORMAT: u32 = 2;
const CHECKSUM_DOMAIN: &str = "decube/key-file/1";
const ML_DSA_DOMAIN: &str = "decube/ml-dsa-key/1";

/// The most bytes of a key file that are read: a sound one has 222 to 226, and with a second part
/// 386.
const MAX_FILE: u64 = 1024;

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
    match kind {
        KeyKind::Peer | KeyKind::Author => create(directory, kind, &generate()?),
        KeyKind::Validator => create_validator(directory, &generate_validator()?),
    }
}

/// Writes a new key file. A validator key, here one for Ed25519 votes only, also gets its vote log, as
/// by [`create_validator`].
///
/// # Errors
/// [`KeyError::Exists`] when there is one, and what the operating system says.
pub fn create(directory: &Path, kind: KeyKind, key: &SecretKey) -> Result<(), KeyError> {
    match kind {
        KeyKind::Peer | KeyKind::Author => write(directory, kind, &key.clone().into()),
        KeyKind::Validator => create_validator(directory, &key.clone().into()),
    }
}

/// Makes the vote log of a new validator key, then writes the key. The log bears the public half of
/// the key's Ed25519 part; it is bound to a network when it is first opened for one.
///
/// # Errors
/// When either exists, when a node has the directory open, and what the operating system says.
pub fn create_validator(directory: &Path, key: &ValidatorSecret) -> Result<(), KeyError> {
    let path = path(directory, KeyKind::Validator);
    if path.exists() {
        return Err(KeyError::Exists { path });
    }
    let _lock = DirectoryLock::take(directory)?;
    votes::create(directory, &key.ed25519().public())?;
    write(directory, KeyKind::Validator, key)
}

fn write(directory: &Path, kind: KeyKind, key: &ValidatorSecret) -> Result<(), KeyError> {
    let path = path(directory, kind);
    if path.exists() {
        return Err(KeyError::Exists { path });
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| File::open(directory)?.sync_all())
            .map_err(|error| StoreError::io(folder, &error))?;
    }
    Ok(directory::write(
        &path,
        format(kind, key).as_bytes(),
        0o600,
    )?)
}

fn format(kind: KeyKind, key: &ValidatorSecret) -> Zeroizing<String> {
    // Room for all of it at once, so that no copy of a shorter string stays in memory.
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    let secret = |seed: Zeroizing<[u8; 32]>| Zeroizing::new(hex::encode(seed.as_slice()));
    let first = match key.ml_dsa() {
        None => FIRST_LINE,
        Some(_) => FIRST_LINE_HYBRID,
    };
    for part in [first, "\nkind: ", kind.name(), "\npublic: "] {
        text.push_str(part);
    }
    text.push_str(&key.ed25519().public().to_string());
    text.push_str("\nsecret: ");
    text.push_str(&secret(key.ed25519().to_seed()));
    if let Some(ml_dsa) = key.ml_dsa() {
        text.push_str("\nml-dsa-public: ");
        text.push_str(&digest(ml_dsa).to_string());
        text.push_str("\nml-dsa-secret: ");
        text.push_str(&secret(ml_dsa.to_seed()));
    }
    text.push('\n');
    let checksum = checksum(&text);
    text.push_str("checksum: ");
    text.push_str(&checksum);
    text.push('\n');
    text
}

/// More than a key file has.
const MAX_LENGTH: usize = 512;

/// What the file has of the long public half.
fn digest(key: &mldsa::SecretKey) -> Digest {
    Digest::of(ML_DSA_DOMAIN, &[key.public().as_bytes()])
}

fn checksum(lines: &str) -> String {
    Digest::of(CHECKSUM_DOMAIN, &[lines.as_bytes()]).short()
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
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH * 4));
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| io(&error))?;
    let damaged = |detail| KeyError::Damaged {
        path: path.to_path_buf(),
        detail,
    };
    if bytes.is_empty() {
        return Err(damaged("it is empty"));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(damaged("it is no text"));
    };
    match parse(text) {
        Ok((found, key)) if found == kind.name() => Ok(key),
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

enum Unreadable {
    Newer,
    Damaged(&'static str),
}

/// Reads what [`format`] wrote, and nothing else.
fn parse(text: &str) -> Result<(&str, ValidatorSecret), Unreadable> {
    use Unreadable::Damaged;
    let is_hybrid = match text.lines().next().unwrap_or_default() {
        FIRST_LINE => false,
        FIRST_LINE_HYBRID => true,
        first => {
            let version = first.strip_prefix("decube-key ").map(str::parse::<u32>);
            return match version {
                Some(Ok(version)) if version > NEWEST_FORMAT => Err(Unreadable::Newer),
                Some(_) | None => Err(Damaged("its first line is not that of a key file")),
            };
        }
    };
    let cut = Damaged("it is cut short, or lines are missing");
    let Some((signed, sum)) = text.rsplit_once("checksum: ") else {
        return Err(cut);
    };
    if sum.strip_suffix('\n') != Some(checksum(signed).as_str()) {
        return Err(Damaged("its checksum does not match"));
    }
    let mut lines = signed.lines().skip(1);
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name));
    let (kind, public, secret) = (field("kind: "), field("public: "), field("secret: "));
    let (Some(kind), Some(public), Some(secret)) = (kind, public, secret) else {
        return Err(cut);
    };
    let key = SecretKey::from_seed(&*parse_seed(secret)?);
    let foreign = Damaged("its public half does not belong to its secret");
    if public.parse::<PublicKey>().ok() != Some(key.public()) {
        return Err(foreign);
    }
    if !is_hybrid {
        return Ok((kind, key.into()));
    }
    let (Some(public), Some(secret)) = (field("ml-dsa-public: "), field("ml-dsa-secret: ")) else {
        return Err(cut);
    };
    let ml_dsa = mldsa::SecretKey::from_seed(&*parse_seed(secret)?);
    if public.parse::<Digest>().ok() != Some(digest(&ml_dsa)) {
        return Err(foreign);
    }
    Ok((kind, ValidatorSecret::hybrid(key, ml_dsa)))
}

fn parse_seed(digits: &str) -> Result<Zeroizing<[u8; SecretKey::LENGTH]>, Unreadable> {
    let mut seed = Zeroizing::new([0; SecretKey::LENGTH]);
    match hex::decode_to_slice(digits, seed.as_mut_slice()) {
        Ok(()) => Ok(seed),
        Err(_) => {
            seed.zeroize();
            Err(Unreadable::Damaged(
                "its secret is not 64 hexadecimal digits",
            ))
        }
    }
}

#[cfg(test)]
mod tests;
