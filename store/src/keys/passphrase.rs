//! The passphrase of sealed keys.

use std::fmt;

use zeroize::Zeroizing;

/// The longest passphrase in bytes: more than anyone types, and than a program makes.
pub const MAX_PASSPHRASE: usize = 1024;

/// Why a text is no passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassphrase {
    /// It is empty.
    #[error("the passphrase is empty, which protects nothing")]
    Empty,
    /// It is longer than [`MAX_PASSPHRASE`].
    #[error("the passphrase has more than {MAX_PASSPHRASE} bytes")]
    TooLong,
    /// It has several lines.
    #[error("the passphrase has several lines; write it in one")]
    Lines,
}

/// A passphrase, zeroised when dropped and never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes a line; the end of the line does not belong to the passphrase.
    ///
    /// # Errors
    /// [`BadPassphrase`].
    pub fn new(line: Zeroizing<Vec<u8>>) -> Result<Self, BadPassphrase> {
        let mut line = line;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        if line.is_empty() {
            return Err(BadPassphrase::Empty);
        }
        if line.contains(&b'\n') {
            return Err(BadPassphrase::Lines);
        }
        if line.len() > MAX_PASSPHRASE {
            return Err(BadPassphrase::TooLong);
        }
        Ok(Self(line))
    }

    /// Whether another one is the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}
