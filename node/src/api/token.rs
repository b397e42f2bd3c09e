//! The bearer token of the API on TCP.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use decube_crypto::Digest;

/// What a request over TCP must show. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("the API token in {path} cannot be read or made: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Others can read the file.
    #[error(
        "the API token in {path} can be read by others (mode {mode:o}); run `chmod 600 {path}`, or \
         delete it to get a new one"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else.
    #[error(
        "{path} does not hold an API token of 64 hexadecimal digits; delete it to get a new one"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// More than a token with its line end; a longer file is something else.
const MAX_FILE: u64 = 128;

impl Token {
    /// Reads the token in `path`, or makes a new one there, readable by its owner only.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong with the file, which stays as it is.
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match Self::load(path) {
            Err(TokenError::File { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => {
                Self::create(path)
            }
            loaded => loaded,
        }
    }

    /// Reads the token in `path`.
    ///
    /// # Errors
    /// [`TokenError`] says what is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let failed = |reason| TokenError::File {
            path: path.into(),
            reason,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Exposed {
                path: path.into(),
                mode,
            });
        }
        let mut text = String::new();
        let read = file.take(MAX_FILE).read_to_string(&mut text);
        match (read, text.trim().parse::<Digest>()) {
            (Ok(_), Ok(token)) => Ok(Self(token.to_string())),
            (Err(reason), _) if reason.kind() != io::ErrorKind::InvalidData => Err(failed(reason)),
            (Ok(_) | Err(_), _) => Err(TokenError::Malformed { path: path.into() }),
        }
    }

    fn create(path: &Path) -> Result<Self, TokenError> {
        let failed = |reason| TokenError::File {
            path: path.into(),
            reason,
        };
        let mut bytes = [0; Digest::LENGTH];
        if let Err(error) = getrandom::fill(&mut bytes) {
            return Err(failed(io::Error::other(error.to_string())));
        }
        let token = Self(hex::encode(bytes));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        writeln!(file, "{}", token.0).map_err(failed)?;
        Ok(token)
    }

    /// A token that was handed over by other means.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value of the header that shows it.
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether `shown` is the token. Digests are compared, so that the time it takes says nothing
    /// of how much of the token was right.
    pub(super) fn is(&self, shown: &str) -> bool {
        let digest = |text: &str| Digest::of("decube/api-token/1", &[text.as_bytes()]);
        digest(shown) == digest(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-token");
        let token = Token::load_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(Token::load_or_create(&path).unwrap(), token);
        assert!(token.is(&token.0));
        assert!(!token.is("") && !token.is(&token.0.to_uppercase().replace('0', "1")));
        assert!(!format!("{token:?}").contains(&token.0));
    }

    #[test]
    fn a_token_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-token");
        Token::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Token::load_or_create(&path);
        assert!(
            matches!(refused, Err(TokenError::Exposed { mode: 0o644, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn another_file_is_not_taken_for_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-token");
        for content in ["", "secret", &"a".repeat(1000)] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(
                Token::load_or_create(&path),
                Err(TokenError::Malformed { .. })
            ));
        }
    }
}
