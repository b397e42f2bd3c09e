//! Ed25519 keys and signatures (RFC 8032), verified strictly.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::Statement;

/// An Ed25519 public key: a point of the curve, in canonical form and not of small order.
///
/// Ordered and compared by its 32 bytes; shown, parsed and serialised as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Bytes or a text that are not an acceptable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not 32 bytes, or not 64 hexadecimal digits.
    #[error("a public key is 32 bytes, or 64 hexadecimal digits")]
    Length,
    /// The bytes name no point of the curve, or not in canonical form.
    #[error("the bytes are no point of the Ed25519 curve")]
    NotOnCurve,
    /// A point of small order, under which one signature can hold for many messages.
    #[error("the key has small order, so its signatures bind nothing")]
    Weak,
}

/// A signature that does not hold for this key and statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the key and the signed statement")]
pub struct InvalidSignature;

impl PublicKey {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// Checks and takes the 32 bytes of a public key.
    ///
    /// # Errors
    /// [`InvalidKey`] says which check failed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let Ok(bytes) = <[u8; 32]>::try_from(bytes) else {
            return Err(InvalidKey::Length);
        };
        let Ok(key) = VerifyingKey::from_bytes(&bytes) else {
            return Err(InvalidKey::NotOnCurve);
        };
        if key.is_weak() {
            return Err(InvalidKey::Weak);
        }
        // A non-canonical encoding of a point would be a second name for one key.
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(InvalidKey::NotOnCurve);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that `signature` is this key's over `statement`.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it is not.
    pub fn verify(
        &self,
        statement: &Statement,
        signature: &Signature,
    ) -> Result<(), InvalidSignature> {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else {
            return Err(InvalidSignature);
        };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        match key.verify_strict(statement.as_bytes(), &signature) {
            Ok(()) => Ok(()),
            Err(_) => Err(InvalidSignature),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Self::from_bytes(&bytes),
            Err(_) => Err(InvalidKey::Length),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A 64-byte Ed25519 signature. Shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Length in bytes.
    pub const LENGTH: usize = 64;

    /// Takes the bytes of a signature; only verification can tell whether it holds.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes of the signature.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

/// An Ed25519 secret key, zeroised when dropped and never printed.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Length of the seed in bytes.
    pub const LENGTH: usize = 32;

    /// The key of a 32-byte seed, which the caller draws from the system's random source.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for storing it; the copy is zeroised when dropped.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a statement. Deterministic: the same key and statement give the same bytes.
    #[must_use]
    pub fn sign(&self, statement: &Statement) -> Signature {
        Signature(self.0.sign(statement.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn statement(text: &str) -> Statement {
        Statement::new("decube/test/1", &Digest::ZERO).field(text.as_bytes())
    }

    #[test]
    fn a_signature_holds_for_its_key_and_statement_only() {
        let (alice, bob) = (
            SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[2; 32]),
        );
        let signature = alice.sign(&statement("yes"));
        assert_eq!(alice.public().verify(&statement("yes"), &signature), Ok(()));
        assert_eq!(
            alice.public().verify(&statement("no"), &signature),
            Err(InvalidSignature)
        );
        assert_eq!(
            bob.public().verify(&statement("yes"), &signature),
            Err(InvalidSignature)
        );
        let mut bytes = *signature.as_bytes();
        bytes[40] ^= 1;
        let changed = Signature::from_bytes(bytes);
        assert_eq!(
            alice.public().verify(&statement("yes"), &changed),
            Err(InvalidSignature)
        );
    }

    #[test]
    fn weak_malformed_and_non_canonical_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(InvalidKey::Weak));
        assert_eq!(PublicKey::from_bytes(&[0; 31]), Err(InvalidKey::Length));
        assert_eq!(PublicKey::from_bytes(&[2; 32]), Err(InvalidKey::NotOnCurve));
        // y = p + 1 names the identity a second time.
        let mut second_name = [0xff; 32];
        second_name[0] = 0xee;
        second_name[31] = 0x7f;
        assert!(PublicKey::from_bytes(&second_name).is_err());
    }

    #[test]
    fn a_secret_key_is_not_printed() {
        let key = SecretKey::from_seed(&[7; 32]);
        let printed = format!("{key:?}");
        assert!(!printed.contains(&hex::encode([7; 32])));
        assert!(!printed.contains("07, 07"));
    }
}
