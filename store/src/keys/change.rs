//! What changes key files: sealing, unsealing, and taking a new key; and copies of them.
//!
//! # Invariants
//! - The new file is read back, opened and compared before it takes the place of the old one.
//! - One process at a time changes the keys of a data directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use decube_crypto::ValidatorSecret;
use decube_crypto::sealed::{Cost, Fresh, NONCE, SALT};
use zeroize::Zeroizing;

use super::{Content, KeyError, KeyKind, Passphrase, bytes, content, draw, format, parse, path};
use crate::directory::{self, DirectoryLock};
use crate::error::StoreError;
use crate::votes::{self, VOTES_FILE};

/// How many keys of one kind were replaced at most: nobody replaces a key so often, and a search
/// for a free name must end.
const MAX_KEPT: u32 = 10_000;

/// Seals a key with a passphrase.
///
/// # Errors
/// [`KeyError`]; the file is then as it was.
pub fn seal(directory: &Path, kind: KeyKind, passphrase: &Passphrase) -> Result<(), KeyError> {
    let path = path(directory, kind);
    let _alone = alone(&path)?;
    match content(&path, kind)? {
        Content::Open(key) => {
            let text = text(&path, kind, &key, Some(passphrase))?;
            Ok(directory::write(&path, text.as_bytes(), 0o600)?)
        }
        Content::Sealed(_) => Err(KeyError::SealedAlready { path }),
    }
}

/// Takes the seal of a key off.
///
/// # Errors
/// [`KeyError`]; the file is then as it was.
pub fn unseal(directory: &Path, kind: KeyKind, passphrase: &Passphrase) -> Result<(), KeyError> {
    let path = path(directory, kind);
    let _alone = alone(&path)?;
    match content(&path, kind)? {
        Content::Open(_) => Err(KeyError::NotSealed { path }),
        Content::Sealed(sealed) => {
            let key = sealed.open(&path, passphrase)?;
            let text = text(&path, kind, &key, None)?;
            Ok(directory::write(&path, text.as_bytes(), 0o600)?)
        }
    }
}

/// Where the old key went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The file of the old key.
    pub key: PathBuf,
    /// The vote log of an old validator key.
    pub vote_log: Option<PathBuf>,
}

/// Takes a new key in place of the old one, sealed with the same passphrase if the old one is. The
/// old file is kept as `keys/<kind>.key.<number>`, the vote log of a validator key as
/// `votes.redb.<number>`.
///
/// A crash leaves the old key or the new one in place, and the old one under its other name as well
/// or not yet; a validator key whose log is already moved away does not sign.
///
/// # Errors
/// [`KeyError`]; also when a node has the directory open.
pub fn rotate(
    directory: &Path,
    kind: KeyKind,
    passphrase: Option<&Passphrase>,
) -> Result<Rotated, KeyError> {
    let path = path(directory, kind);
    let old = bytes(&path, kind)?;
    let (_closed, _alone) = (DirectoryLock::take(directory)?, alone(&path)?);
    let passphrase = match (parse(&path, kind, &old)?, passphrase) {
        (Content::Open(_), _) => None,
        (Content::Sealed(_), None) => return Err(KeyError::Sealed { path }),
        (Content::Sealed(sealed), Some(passphrase)) => {
            sealed.open(&path, passphrase)?;
            Some(passphrase)
        }
    };
    let key = draw(kind)?;
    let text = text(&path, kind, &key, passphrase)?;
    let log = directory.join(VOTES_FILE.name);
    let kept = free(&path, &log)?;
    directory::write(&kept.key, &old, 0o600)?;
    let vote_log = match (kind, kept.vote_log) {
        (KeyKind::Validator, Some(kept)) => {
            let had = log.exists();
            if had {
                directory::rename(&log, &kept)?;
            }
            votes::create(directory, &key.ed25519().public())?;
            had.then_some(kept)
        }
        (KeyKind::Peer | KeyKind::Author | KeyKind::Validator, _) => None,
    };
    directory::write(&path, text.as_bytes(), 0o600)?;
    let key = kept.key;
    Ok(Rotated { key, vote_log })
}

/// Copies a whole key file, sealed or not, to a new file with mode 0600.
///
/// # Errors
/// [`KeyError`]; also when there is something at `to`.
pub fn export(directory: &Path, kind: KeyKind, to: &Path) -> Result<(), KeyError> {
    let path = path(directory, kind);
    let file = bytes(&path, kind)?;
    parse(&path, kind, &file)?;
    if fs::symlink_metadata(to).is_ok() {
        return Err(KeyError::Exists { path: to.into() });
    }
    Ok(directory::write(to, &file, 0o600)?)
}

/// The text of the file of a key, which has been read back and holds that very key.
pub(super) fn text(
    path: &Path,
    kind: KeyKind,
    key: &ValidatorSecret,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, KeyError> {
    let text = match passphrase {
        None => format::open(kind, key),
        Some(passphrase) => {
            let sealed = format::sealed(kind, key, passphrase, cost(), &fresh()?);
            Zeroizing::new(sealed.map_err(|reason| KeyError::Seal {
                path: path.to_path_buf(),
                reason,
            })?)
        }
    };
    let read = match (parse(path, kind, text.as_bytes())?, passphrase) {
        (Content::Open(read), _) => read,
        (Content::Sealed(sealed), Some(passphrase)) => sealed.open(path, passphrase)?,
        (Content::Sealed(_), None) => {
            let path = path.to_path_buf();
            return Err(KeyError::Sealed { path });
        }
    };
    if read.public() == key.public() {
        return Ok(text);
    }
    let detail = "what was about to be written does not hold the key";
    let path = path.to_path_buf();
    Err(KeyError::Damaged { path, detail })
}

#[cfg(not(test))]
fn cost() -> Cost {
    Cost::default()
}

/// Little work, so that tests can seal often.
#[cfg(test)]
fn cost() -> Cost {
    Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    }
}

fn fresh() -> Result<Fresh, KeyError> {
    let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
    for bytes in [salt.as_mut_slice(), nonce.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
    }
    Ok(Fresh { salt, nonce })
}

/// Locks the folder of the keys against other processes that change them.
fn alone(path: &Path) -> Result<File, KeyError> {
    let folder = path.parent().unwrap_or(path);
    let io = |error: &std::io::Error| StoreError::io(folder, error);
    let folder_file = match File::open(folder) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // There is no key either, which is what the error should say.
            File::open(folder.parent().unwrap_or(folder)).map_err(|error| io(&error))?
        }
        Err(error) => return Err(io(&error).into()),
    };
    match folder_file.try_lock() {
        Ok(()) => Ok(folder_file),
        Err(TryLockError::WouldBlock) => Err(KeyError::Busy {
            folder: folder.into(),
        }),
        Err(TryLockError::Error(error)) => Err(io(&error).into()),
    }
}

/// The first names under which nothing is kept yet.
fn free(key: &Path, log: &Path) -> Result<Rotated, KeyError> {
    let numbered = |path: &Path, number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in 1..=MAX_KEPT {
        let (key, log) = (numbered(key, number), numbered(log, number));
        if !key.exists() && !log.exists() {
            let vote_log = Some(log);
            return Ok(Rotated { key, vote_log });
        }
    }
    let (what, limit) = ("replaced keys", MAX_KEPT as usize);
    Err(StoreError::TooMany { what, limit }.into())
}
