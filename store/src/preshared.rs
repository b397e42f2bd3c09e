//! The pre-shared key of a private network: `keys/swarm.key` in the data directory, in the text form
//! that other libp2p programs have for it.
//!
//! ```text
//! /key/swarm/psk/1.0.0/
//! /base16/
//! <64 hexadecimal digits>
//! ```
//!
//! # Invariants
//! - A file has mode 0600 from its first byte on, and appears whole. One that exists is never
//!   replaced by another key.
//! - A file that others may read, or that is not in this form, is refused with an error that names
//!   it (`tests`).
//! - The key is zeroised in memory, and in no error.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::directory;
use crate::error::StoreError;
use crate::keys::KeyError;

/// Length of a pre-shared key in bytes.
pub const LENGTH: usize = 32;

const HEADER: &str = "/key/swarm/psk/1.0.0/\n/base16/\n";

/// The most bytes that are read: a sound file has 95 or 96.
const MAX_FILE: u64 = 256;

/// Room for all of a file at once, so that no copy of a shorter string stays in memory.
const MAX_LENGTH: usize = 512;

/// A pre-shared key.
pub type Key = Zeroizing<[u8; LENGTH]>;

/// Where a data directory has the key.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join("keys").join("swarm.key")
}

/// Draws a new key from the system's randomness.
///
/// # Errors
/// [`KeyError::NoRandomness`].
pub fn generate() -> Result<Key, KeyError> {
    let mut key = Key::default();
    getrandom::fill(key.as_mut()).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
    Ok(key)
}

/// Reads the key of a data directory, if there is one.
///
/// # Errors
/// [`KeyError`] names the file and what to do.
pub fn read(directory: &Path) -> Result<Option<Key>, KeyError> {
    let path = path(directory);
    let io = |error: &io::Error| KeyError::from(StoreError::io(&path, error));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(&error)),
    };
    let metadata = file.metadata().map_err(|error| io(&error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path, mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    if file.take(MAX_FILE).read_to_string(&mut text).is_err() {
        let detail = "it is no text";
        return Err(KeyError::Damaged { path, detail });
    }
    match parse(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(KeyError::Damaged {
            path,
            detail: "it is no pre-shared key in hexadecimal digits",
        }),
    }
}

fn parse(text: &str) -> Option<Key> {
    let digits = text.strip_prefix(HEADER)?.trim_end();
    let mut key = Key::default();
    hex::decode_to_slice(digits, key.as_mut()).ok()?;
    Some(key)
}

/// Writes the key of a data directory. The same key again changes nothing.
///
/// # Errors
/// [`KeyError::Exists`] when there is another, and what the operating system says.
pub fn write(directory: &Path, key: &Key) -> Result<(), KeyError> {
    let path = path(directory);
    match read(directory)? {
        Some(present) if present == *key => return Ok(()),
        Some(_) => return Err(KeyError::Exists { path }),
        None => {}
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.and_then(|()| File::open(directory)?.sync_all())
            .map_err(|error| StoreError::io(folder, &error))?;
    }
    let digits = Zeroizing::new(hex::encode(key.as_slice()));
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH));
    for part in [HEADER, &digits, "\n"] {
        text.push_str(part);
    }
    Ok(directory::write(&path, text.as_bytes(), 0o600)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_key_comes_back_and_no_other_takes_its_place() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()), Ok(None));
        let key = generate().unwrap();
        write(directory.path(), &key).unwrap();
        write(directory.path(), &key).unwrap();
        assert_eq!(read(directory.path()), Ok(Some(key.clone())));
        let other = generate().unwrap();
        let refused = write(directory.path(), &other).unwrap_err();
        assert!(matches!(refused, KeyError::Exists { .. }));
        assert_eq!(read(directory.path()), Ok(Some(key)));
        let mode = fs::metadata(path(directory.path())).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_others_may_read_or_is_no_key_is_refused_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &Zeroizing::new([0xab; LENGTH])).unwrap();
        let path = path(directory.path());
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let exposed = read(directory.path()).unwrap_err();
        assert!(matches!(exposed, KeyError::Exposed { mode: 0o640, .. }));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        for text in [
            &whole[..whole.len() - 3],
            &whole[1..],
            "",
            &whole.replace("16", "64"),
        ] {
            fs::write(&path, text).unwrap();
            let damaged = read(directory.path()).unwrap_err();
            assert!(matches!(damaged, KeyError::Damaged { .. }));
            assert!(!format!("{damaged} {damaged:?}").contains("abab"));
        }
    }
}
