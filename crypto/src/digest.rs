//! BLAKE3 digests with domain separation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A 32-byte BLAKE3 digest. Shown, parsed and serialised as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, got {length} characters or a character that is none")]
pub struct ParseDigestError {
    length: usize,
}

impl Digest {
    /// Length in bytes.
    pub const LENGTH: usize = 32;
    /// The digest of nothing: all zeros, which no hash produces in practice.
    pub const ZERO: Self = Self([0; 32]);

    /// Takes bytes that are already a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of `fields` under `domain`; see [`Hasher`] for the framing.
    #[must_use]
    pub fn of(domain: &'static str, fields: &[&[u8]]) -> Self {
        let mut hasher = Hasher::new(domain);
        for field in fields {
            hasher = hasher.field(field);
        }
        hasher.finish()
    }

    /// The first 16 hexadecimal digits, for people and protocol ids.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..8])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        // The decoder's error repeats what this one says.
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(ParseDigestError {
                length: text.chars().count(),
            }),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Builds a [`Digest`] field by field.
///
/// Hashed are, in order: the domain and each field, every one preceded by its length as a 64-bit
/// little-endian integer. Two different sequences of fields therefore never hash the same bytes.
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a digest under `domain`, by convention `decube/<kind>/1`.
    #[must_use]
    pub fn new(domain: &'static str) -> Self {
        Self(blake3::Hasher::new()).field(domain.as_bytes())
    }

    /// Adds a field of any length.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        self.0.update(&length.to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds an integer as a field of eight little-endian bytes.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.field(&number.to_le_bytes())
    }

    /// Adds a digest as a field.
    #[must_use]
    pub fn digest(self, digest: &Digest) -> Self {
        self.field(digest.as_bytes())
    }

    /// The digest of all that was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_domains_are_bound() {
        let together = Digest::of("decube/test/1", &[b"ab", b"c"]);
        assert_ne!(together, Digest::of("decube/test/1", &[b"a", b"bc"]));
        assert_ne!(together, Digest::of("decube/test/2", &[b"ab", b"c"]));
        assert_ne!(together, Digest::of("decube/test/1", &[b"ab", b"c", b""]));
    }

    #[test]
    fn text_form_round_trips_and_bad_text_is_named() {
        let digest = Digest::of("decube/test/1", &[]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("ab".parse::<Digest>(), Err(ParseDigestError { length: 2 }));
        assert!("zz".repeat(32).parse::<Digest>().is_err());
    }
}
