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
//! # Invariants
//! - A file has mode 0600 from its first byte on, and appears whole: it is written by a temporary
//!   file, fsync and rename. One that exists is never replaced.
//! - A file that others may read, or that is not exactly what was written, is refused with an error
//!   that names it and what to do (`tests::every_damage_is_named`).
//! - Secrets are zeroised in memory, and in no error (`tests::no_error_shows_the_secret`).
//! - A validator key never exists without its vote log: the log is made first.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use decube_crypto::{Digest, PublicKey, SecretKey};
use zeroize::{Zeroize, Zeroizing};

use crate::directory::{self, DirectoryLock};
use crate::error::StoreError;
use crate::votes;

const FIRST_LINE: &str = "decube-key 1";
const CHECKSUM_DOMAIN: &str = "decube/key-file/1";

/// The most bytes of a key file that are read: a sound one has 222 to 226.
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
    let mut seed = Zeroizing::new([0; SecretKey::LENGTH]);
    getrandom::fill(seed.as_mut()).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
    Ok(SecretKey::from_seed(&seed))
}

/// Writes a new key file. A validator key also gets its vote log, as by [`create_validator`].
///
/// # Errors
/// [`KeyError::Exists`] when there is one, and what the operating system says.
pub fn create(directory: &Path, kind: KeyKind, key: &SecretKey) -> Result<(), KeyError> {
    match kind {
        KeyKind::Peer | KeyKind::Author => write(directory, kind, key),
        KeyKind::Validator => create_validator(directory, key),
    }
}

/// Makes the vote log of a new validator key, then writes the key. The log bears the key's public
/// half; it is bound to a network when it is first opened for one.
///
/// # Errors
/// When either exists, when a node has the directory open, and what the operating system says.
pub fn create_validator(directory: &Path, key: &SecretKey) -> Result<(), KeyError> {
    let path = path(directory, KeyKind::Validator);
    if path.exists() {
        return Err(KeyError::Exists { path });
    }
    let _lock = DirectoryLock::take(directory)?;
    votes::create(directory, &key.public())?;
    write(directory, KeyKind::Validator, key)
}

fn write(directory: &Path, kind: KeyKind, key: &SecretKey) -> Result<(), KeyError> {
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

fn format(kind: KeyKind, key: &SecretKey) -> Zeroizing<String> {
    // Room for all of it at once, so that no copy of a shorter string stays in memory.
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    let seed = key.to_seed();
    let secret = Zeroizing::new(hex::encode(seed.as_slice()));
    for part in [FIRST_LINE, "\nkind: ", kind.name(), "\npublic: "] {
        text.push_str(part);
    }
    text.push_str(&key.public().to_string());
    text.push_str("\nsecret: ");
    text.push_str(&secret);
    text.push('\n');
    let checksum = checksum(&text);
    text.push_str("checksum: ");
    text.push_str(&checksum);
    text.push('\n');
    text
}

/// More than a key file has.
const MAX_LENGTH: usize = 512;

fn checksum(lines: &str) -> String {
    Digest::of(CHECKSUM_DOMAIN, &[lines.as_bytes()]).short()
}

/// Reads the key of a kind from a data directory.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read(directory: &Path, kind: KeyKind) -> Result<SecretKey, KeyError> {
    read_file(&path(directory, kind), kind)
}

/// Reads a key file that lies anywhere.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read_file(path: &Path, kind: KeyKind) -> Result<SecretKey, KeyError> {
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
fn parse(text: &str) -> Result<(&str, SecretKey), Unreadable> {
    use Unreadable::Damaged;
    let first = text.lines().next().unwrap_or_default();
    if first != FIRST_LINE {
        let version = first.strip_prefix("decube-key ").map(str::parse::<u32>);
        return match version {
            Some(Ok(version)) if version > 1 => Err(Unreadable::Newer),
            Some(_) | None => Err(Damaged("its first line is not that of a key file")),
        };
    }
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
    let mut seed = Zeroizing::new([0; SecretKey::LENGTH]);
    if hex::decode_to_slice(secret, seed.as_mut_slice()).is_err() {
        seed.zeroize();
        return Err(Damaged("its secret is not 64 hexadecimal digits"));
    }
    let key = SecretKey::from_seed(&seed);
    if public.parse::<PublicKey>().ok() != Some(key.public()) {
        return Err(Damaged("its public half does not belong to its secret"));
    }
    Ok((kind, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    fn written(kind: KeyKind) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        create(directory.path(), kind, &key()).unwrap();
        let path = path(directory.path(), kind);
        (directory, path)
    }

    /// Replaces the content, keeping the mode.
    fn refusal(path: &Path, content: &[u8], kind: KeyKind) -> KeyError {
        fs::write(path, content).unwrap();
        let error = read_file(path, kind).unwrap_err();
        assert_eq!(
            fs::read(path).unwrap(),
            content,
            "a refused file is left as it is"
        );
        error
    }

    #[test]
    fn keys_are_written_for_their_owner_alone_and_read_back() {
        for kind in KeyKind::ALL {
            let (directory, path) = written(kind);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let folder = fs::metadata(path.parent().unwrap())
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(folder & 0o777, 0o700);
            assert_eq!(
                read(directory.path(), kind).unwrap().public(),
                key().public()
            );
            let before = fs::read(&path).unwrap();
            let again = create(directory.path(), kind, &SecretKey::from_seed(&[8; 32]));
            assert_eq!(again, Err(KeyError::Exists { path: path.clone() }));
            assert_eq!(fs::read(&path).unwrap(), before);
            let leftovers = fs::read_dir(path.parent().unwrap()).unwrap().count();
            assert_eq!(leftovers, 1, "no temporary file is left");
        }
        assert_ne!(generate().unwrap().public(), generate().unwrap().public());
    }

    #[test]
    fn a_key_file_has_this_format() {
        let (_directory, path) = written(KeyKind::Author);
        let expected = include_str!("../fixtures/author.key");
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn every_damage_is_named() {
        let (_directory, path) = written(KeyKind::Peer);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            let error = refusal(&path, &changed, KeyKind::Peer);
            assert!(
                matches!(error, KeyError::Damaged { .. }),
                "byte {at}: {error}"
            );
        }
        for end in 0..good.len() {
            let error = refusal(&path, &good[..end], KeyKind::Peer);
            assert!(
                matches!(error, KeyError::Damaged { .. }),
                "cut at {end}: {error}"
            );
            assert!(error.to_string().contains(path.to_str().unwrap()));
            assert!(error.to_string().contains("put a copy"));
        }
        let longer = [good.as_slice(), b"\n"].concat();
        for content in [&longer[..], &[0xff; 300], &[b'x'; 5000]] {
            let error = refusal(&path, content, KeyKind::Peer);
            assert!(matches!(error, KeyError::Damaged { .. }), "{error}");
        }
        let newer = refusal(&path, b"decube-key 2\nwhatever\n", KeyKind::Peer);
        assert_eq!(newer, KeyError::Newer { path: path.clone() });
        fs::write(&path, &good).unwrap();
        assert!(
            read_file(&path, KeyKind::Peer).is_ok(),
            "the test damages what was sound"
        );
    }

    #[test]
    fn a_key_that_others_can_read_or_of_another_kind_or_absent_is_refused() {
        let (directory, path) = written(KeyKind::Peer);
        let other = read_file(&path, KeyKind::Author).unwrap_err();
        assert_eq!(
            other,
            KeyError::OtherKind {
                path: path.clone(),
                kind: KeyKind::Author
            }
        );
        for mode in [0o640, 0o604, 0o620, 0o660] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let exposed = read(directory.path(), KeyKind::Peer).unwrap_err();
            assert_eq!(
                exposed,
                KeyError::Exposed {
                    path: path.clone(),
                    mode
                }
            );
            assert!(exposed.to_string().contains("chmod 600"));
        }
        let missing = read(directory.path(), KeyKind::Author).unwrap_err();
        assert!(matches!(missing, KeyError::Missing { .. }));
        assert!(missing.to_string().contains("author.key"));
    }

    #[test]
    fn no_error_shows_the_secret() {
        let (_directory, path) = written(KeyKind::Validator);
        let good = fs::read(&path).unwrap();
        let secret = hex::encode([7; 32]);
        assert!(std::str::from_utf8(&good).unwrap().contains(&secret));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            let error = refusal(&path, &changed, KeyKind::Validator);
            let shown = format!("{error} {error:?}");
            assert!(
                (0..=56).all(|from| !shown.contains(&secret[from..from + 8])),
                "{shown}"
            );
        }
    }
}
