//! A hash as people write it.

use std::fmt;
use std::str::FromStr;

use decube_protocols::types::{ChangeHash, Version};
use serde::{Deserialize, Serialize};

/// A change's hash or a version as a user writes it: all 64 hexadecimal digits, or the first of
/// them as far as no other begins so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashPrefix(String); // Invariant: MIN to WHOLE lower-case hexadecimal digits.

/// A text that is neither a hash nor the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {} to {} hexadecimal digits, got {length} characters or one that is none",
    HashPrefix::MIN,
    HashPrefix::WHOLE
)]
pub struct InvalidPrefix {
    /// How many characters the text has.
    pub length: usize,
}

impl HashPrefix {
    /// The fewest digits: with fewer, some histories have two changes that begin so.
    pub const MIN: usize = 8;
    /// The digits of a whole hash.
    pub const WHOLE: usize = 64;

    /// Whether this is all of a hash.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.len() == Self::WHOLE
    }

    /// The hash or version, when this is all of it.
    #[must_use]
    pub fn whole<T: FromStr>(&self) -> Option<T> {
        self.0.parse().ok().filter(|_| self.is_whole())
    }

    /// Whether `hash` begins with this.
    #[must_use]
    pub fn begins(&self, hash: &impl fmt::Display) -> bool {
        hash.to_string().starts_with(&self.0)
    }
}

impl FromStr for HashPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if digits && (Self::MIN..=Self::WHOLE).contains(&text.len()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        let length = text.chars().count();
        Err(InvalidPrefix { length })
    }
}

impl TryFrom<String> for HashPrefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        text.parse()
    }
}

impl From<HashPrefix> for String {
    fn from(prefix: HashPrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for HashPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ChangeHash> for HashPrefix {
    fn from(hash: ChangeHash) -> Self {
        Self(hash.to_string())
    }
}

impl From<Version> for HashPrefix {
    fn from(version: Version) -> Self {
        Self(version.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;

    #[test]
    fn a_prefix_has_8_to_64_digits() {
        let hash = ChangeHash(Digest::from_bytes([0xab; 32]));
        for (text, whole) in [
            ("abababab", false),
            ("ABABABABA", false),
            (hash.to_string().as_str(), true),
        ] {
            let prefix: HashPrefix = text.parse().unwrap();
            assert!(prefix.begins(&hash), "{text}");
            assert_eq!(prefix.whole(), whole.then_some(hash));
        }
        assert_eq!(HashPrefix::from(hash).whole(), Some(hash));
        for text in ["", "abababa", "abababag", &"a".repeat(65), "ﬁﬁﬁﬁﬁﬁﬁﬁ"] {
            let error = text.parse::<HashPrefix>().unwrap_err();
            assert_eq!(error.length, text.chars().count());
        }
        assert!(serde_json::from_str::<HashPrefix>("\"beef\"").is_err());
    }
}
