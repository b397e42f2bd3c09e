//! How validators sign: Ed25519 alone, or Ed25519 and ML-DSA-65 together, valid only if both hold.
//!
//! ```text
//! scheme    public key                             signature
//! Ed25519   32 bytes                               64 bytes
//! Hybrid    32 bytes, then 1,952 of ML-DSA-65      64 bytes, then 3,309 of ML-DSA-65
//! ```
//!
//! Both parts sign the same [`Statement`]. So a hybrid vote cannot be forged while either of the two
//! algorithms is sound.
//!
//! # Invariants
//! - The length of a key or a signature tells its scheme, and no other length is one
//!   (`tests::a_missing_or_mixed_part_is_named`).
//! - A hybrid signature holds only if both parts do, under a key of the same scheme
//!   (`tests::both_parts_must_hold`); the error says which does not.
//! - Hybrid signatures are hedged: two of one statement have different bytes.
//! - A secret key is zeroised when dropped and absent from every debug print.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{InvalidKey, InvalidSignature, PublicKey, SecretKey, Signature, Statement, mldsa};

/// How validators sign.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum VoteScheme {
    /// Ed25519 alone.
    Ed25519,
    /// Ed25519 and ML-DSA-65 over the same bytes.
    #[default]
    Hybrid,
}

impl VoteScheme {
    /// The name, as in a network's file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Hybrid => "hybrid",
        }
    }

    /// Length of a public key in bytes.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Ed25519 => PublicKey::LENGTH,
            Self::Hybrid => PublicKey::LENGTH + mldsa::PublicKey::LENGTH,
        }
    }

    /// Length of a signature in bytes.
    #[must_use]
    pub const fn signature_length(self) -> usize {
        match self {
            Self::Ed25519 => Signature::LENGTH,
            Self::Hybrid => Signature::LENGTH + mldsa::Signature::LENGTH,
        }
    }
}

impl fmt::Display for VoteScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes or a text that are not an acceptable public key of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValidatorKey {
    /// Neither the length of an Ed25519 key nor that of a hybrid one.
    #[error(
        "a validator's key is {ed25519} bytes (ed25519) or {hybrid} (hybrid: Ed25519, then \
         ML-DSA-65), or twice as many hexadecimal digits, not {0} bytes",
        ed25519 = VoteScheme::Ed25519.key_length(), hybrid = VoteScheme::Hybrid.key_length()
    )]
    Length(usize),
    /// A text with characters that are no hexadecimal digits, or an odd number of them.
    #[error("a validator's key is a text of hexadecimal digits")]
    Digits,
    /// The Ed25519 part.
    #[error(transparent)]
    Ed25519(#[from] InvalidKey),
    /// The ML-DSA-65 part.
    #[error(transparent)]
    MlDsa(#[from] mldsa::InvalidKey),
}

/// The public key of a validator. Ordered by the bytes of its Ed25519 part first.
///
/// Shown, parsed and serialised as hexadecimal digits of its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValidatorKey {
    ed25519: PublicKey,
    ml_dsa: Option<mldsa::PublicKey>,
}

impl ValidatorKey {
    /// Checks and takes the bytes of a key.
    ///
    /// # Errors
    /// [`InvalidValidatorKey`] says which check failed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidValidatorKey> {
        let of = |scheme: VoteScheme| bytes.len() == scheme.key_length();
        if !of(VoteScheme::Ed25519) && !of(VoteScheme::Hybrid) {
            return Err(InvalidValidatorKey::Length(bytes.len()));
        }
        let (ed25519, ml_dsa) = bytes.split_at(PublicKey::LENGTH);
        Ok(Self {
            ed25519: PublicKey::from_bytes(ed25519)?,
            ml_dsa: if ml_dsa.is_empty() {
                None
            } else {
                Some(mldsa::PublicKey::from_bytes(ml_dsa)?)
            },
        })
    }

    /// The bytes of the key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.scheme().key_length());
        bytes.extend_from_slice(self.ed25519.as_bytes());
        if let Some(ml_dsa) = &self.ml_dsa {
            bytes.extend_from_slice(ml_dsa.as_bytes());
        }
        bytes
    }

    /// The scheme of the key.
    #[must_use]
    pub const fn scheme(&self) -> VoteScheme {
        match self.ml_dsa {
            None => VoteScheme::Ed25519,
            Some(_) => VoteScheme::Hybrid,
        }
    }

    /// The Ed25519 part, which names the validator where 32 bytes must do.
    #[must_use]
    pub const fn ed25519(&self) -> &PublicKey {
        &self.ed25519
    }

    /// The ML-DSA-65 part of a hybrid key.
    #[must_use]
    pub const fn ml_dsa(&self) -> Option<&mldsa::PublicKey> {
        self.ml_dsa.as_ref()
    }

    /// Checks that `signature` is this key's over `statement`, the cheaper part first.
    ///
    /// # Errors
    /// [`InvalidVoteSignature`] names the first check that failed.
    pub fn verify(
        &self,
        statement: &Statement,
        signature: &VoteSignature,
    ) -> Result<(), InvalidVoteSignature> {
        let ed25519 = |signature| {
            let holds = self.ed25519.verify(statement, signature);
            holds.map_err(|InvalidSignature| InvalidVoteSignature::Ed25519)
        };
        match (&self.ml_dsa, signature) {
            (None, VoteSignature::Ed25519(signature)) => ed25519(signature),
            (Some(ml_dsa), VoteSignature::Hybrid(first, second)) => {
                ed25519(first)?;
                let holds = ml_dsa.verify(statement, second);
                holds.map_err(|InvalidSignature| InvalidVoteSignature::MlDsa)
            }
            (None, VoteSignature::Hybrid(..)) | (Some(_), VoteSignature::Ed25519(_)) => {
                Err(InvalidVoteSignature::Scheme {
                    found: signature.scheme(),
                    expected: self.scheme(),
                })
            }
        }
    }
}

impl From<PublicKey> for ValidatorKey {
    /// A key of [`VoteScheme::Ed25519`].
    fn from(ed25519: PublicKey) -> Self {
        Self {
            ed25519,
            ml_dsa: None,
        }
    }
}

impl fmt::Display for ValidatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for ValidatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:?}", self.scheme(), self.ed25519)
    }
}

impl FromStr for ValidatorKey {
    type Err = InvalidValidatorKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match hex::decode(text) {
            Ok(bytes) => Self::from_bytes(&bytes),
            Err(_) => Err(InvalidValidatorKey::Digits),
        }
    }
}

impl Serialize for ValidatorKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ValidatorKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why a validator's signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVoteSignature {
    /// It is of another scheme than the key: a part is missing, or one too many is there.
    #[error("the signature is of the scheme {found}, the validator's key of {expected}")]
    Scheme {
        /// The signature's scheme.
        found: VoteScheme,
        /// The key's scheme.
        expected: VoteScheme,
    },
    /// The Ed25519 part does not match the key and the statement.
    #[error("the Ed25519 signature does not match the key and the signed statement")]
    Ed25519,
    /// The ML-DSA-65 part does not match the key and the statement.
    #[error("the ML-DSA-65 signature does not match the key and the signed statement")]
    MlDsa,
}

/// Bytes that have not the length of a validator's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a validator's signature is {ed25519} bytes (ed25519) or {hybrid} (hybrid: Ed25519, then \
     ML-DSA-65), not {0}",
    ed25519 = VoteScheme::Ed25519.signature_length(),
    hybrid = VoteScheme::Hybrid.signature_length()
)]
pub struct VoteSignatureLength(pub usize);

/// A validator's signature under the scheme of its network. Clones share the long part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoteSignature {
    /// Ed25519 alone.
    Ed25519(Signature),
    /// Ed25519 and ML-DSA-65 over the same bytes.
    Hybrid(Signature, mldsa::Signature),
}

impl VoteSignature {
    /// Takes the bytes of a signature; only verification can tell whether it holds.
    ///
    /// # Errors
    /// [`VoteSignatureLength`] when they have the length of no scheme.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VoteSignatureLength> {
        let wrong = VoteSignatureLength(bytes.len());
        let Some((ed25519, ml_dsa)) = bytes.split_first_chunk() else {
            return Err(wrong);
        };
        let ed25519 = Signature::from_bytes(*ed25519);
        if ml_dsa.is_empty() {
            return Ok(Self::Ed25519(ed25519));
        }
        match mldsa::Signature::from_bytes(ml_dsa) {
            Ok(ml_dsa) => Ok(Self::Hybrid(ed25519, ml_dsa)),
            Err(_) => Err(wrong),
        }
    }

    /// The bytes of the signature.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(signature) => signature.as_bytes().to_vec(),
            Self::Hybrid(first, second) => [&first.as_bytes()[..], second.as_bytes()].concat(),
        }
    }

    /// The scheme of the signature.
    #[must_use]
    pub const fn scheme(&self) -> VoteScheme {
        match self {
            Self::Ed25519(_) => VoteScheme::Ed25519,
            Self::Hybrid(..) => VoteScheme::Hybrid,
        }
    }
}

/// The secret key of a validator, zeroised when dropped and never printed.
#[derive(Clone)]
pub struct ValidatorSecret {
    ed25519: SecretKey,
    ml_dsa: Option<mldsa::SecretKey>,
}

impl ValidatorSecret {
    /// The key of two seeds, which the caller draws from the system's random source. They must be
    /// independent, so that one does not fall with the other.
    #[must_use]
    pub fn hybrid(ed25519: SecretKey, ml_dsa: mldsa::SecretKey) -> Self {
        Self {
            ed25519,
            ml_dsa: Some(ml_dsa),
        }
    }

    /// The part of a key that signs under `scheme`; none when that part is missing.
    #[must_use]
    pub fn under(&self, scheme: VoteScheme) -> Option<Self> {
        let ml_dsa = match scheme {
            VoteScheme::Ed25519 => None,
            VoteScheme::Hybrid => Some(self.ml_dsa.clone()?),
        };
        Some(Self {
            ed25519: self.ed25519.clone(),
            ml_dsa,
        })
    }

    /// The scheme that the key signs under.
    #[must_use]
    pub const fn scheme(&self) -> VoteScheme {
        match self.ml_dsa {
            None => VoteScheme::Ed25519,
            Some(_) => VoteScheme::Hybrid,
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> ValidatorKey {
        ValidatorKey {
            ed25519: self.ed25519.public(),
            ml_dsa: self.ml_dsa.as_ref().map(mldsa::SecretKey::public),
        }
    }

    /// The Ed25519 part, for storing it.
    #[must_use]
    pub const fn ed25519(&self) -> &SecretKey {
        &self.ed25519
    }

    /// The ML-DSA-65 part of a hybrid key, for storing it.
    #[must_use]
    pub const fn ml_dsa(&self) -> Option<&mldsa::SecretKey> {
        self.ml_dsa.as_ref()
    }

    /// Signs a statement with every part of the key.
    #[must_use]
    pub fn sign(&self, statement: &Statement) -> VoteSignature {
        let ed25519 = self.ed25519.sign(statement);
        match &self.ml_dsa {
            None => VoteSignature::Ed25519(ed25519),
            Some(ml_dsa) => VoteSignature::Hybrid(ed25519, ml_dsa.sign(statement)),
        }
    }
}

impl From<SecretKey> for ValidatorSecret {
    /// A key of [`VoteScheme::Ed25519`].
    fn from(ed25519: SecretKey) -> Self {
        Self {
            ed25519,
            ml_dsa: None,
        }
    }
}

impl fmt::Debug for ValidatorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValidatorSecret(of {:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn statement(text: &str) -> Statement {
        Statement::new("decube/test/1", &Digest::ZERO).field(text.as_bytes())
    }

    fn hybrid(seed: u8) -> ValidatorSecret {
        ValidatorSecret::hybrid(
            SecretKey::from_seed(&[seed; 32]),
            mldsa::SecretKey::from_seed(&[seed + 100; 32]),
        )
    }

    fn parts(signature: &VoteSignature) -> (Signature, mldsa::Signature) {
        match signature {
            VoteSignature::Hybrid(first, second) => (*first, second.clone()),
            VoteSignature::Ed25519(_) => panic!("not hybrid"),
        }
    }

    #[test]
    fn both_parts_must_hold() {
        let (alice, bob) = (hybrid(1), hybrid(2));
        let (yes, no) = (statement("yes"), statement("no"));
        let key = alice.public();
        let (first, second) = parts(&alice.sign(&yes));
        let verify = |first: &Signature, second: &mldsa::Signature| {
            key.verify(&yes, &VoteSignature::Hybrid(*first, second.clone()))
        };
        assert_eq!(verify(&first, &second), Ok(()));
        for (other_first, other_second) in [parts(&alice.sign(&no)), parts(&bob.sign(&yes))] {
            let forged = verify(&other_first, &second);
            assert_eq!(forged, Err(InvalidVoteSignature::Ed25519));
            let forged = verify(&first, &other_second);
            assert_eq!(forged, Err(InvalidVoteSignature::MlDsa));
        }
    }

    #[test]
    fn a_missing_or_mixed_part_is_named() {
        let both = hybrid(1);
        let one = both.under(VoteScheme::Ed25519).unwrap();
        let yes = statement("yes");
        assert_eq!(one.public().verify(&yes, &one.sign(&yes)), Ok(()));
        let refused = |found, expected| Err(InvalidVoteSignature::Scheme { found, expected });
        assert_eq!(
            both.public().verify(&yes, &one.sign(&yes)),
            refused(VoteScheme::Ed25519, VoteScheme::Hybrid)
        );
        assert_eq!(
            one.public().verify(&yes, &both.sign(&yes)),
            refused(VoteScheme::Hybrid, VoteScheme::Ed25519)
        );
        assert!(one.under(VoteScheme::Hybrid).is_none());
        let (key, signature) = (both.public().to_bytes(), both.sign(&yes).to_bytes());
        for length in [0, 31, 33, 64, 1952, key.len() - 1] {
            let refused = ValidatorKey::from_bytes(&key[..length]);
            assert_eq!(refused, Err(InvalidValidatorKey::Length(length)));
        }
        for length in [0, 63, 65, 3309, signature.len() - 1] {
            let refused = VoteSignature::from_bytes(&signature[..length]);
            assert_eq!(refused, Err(VoteSignatureLength(length)));
        }
        assert!(VoteSignature::from_bytes(&[&signature[..], &[0]].concat()).is_err());
    }

    #[test]
    fn bytes_and_texts_round_trip() {
        let yes = statement("yes");
        for scheme in [VoteScheme::Ed25519, VoteScheme::Hybrid] {
            let secret = hybrid(3).under(scheme).unwrap();
            let (key, signature) = (secret.public(), secret.sign(&yes));
            assert_eq!(secret.scheme(), scheme);
            assert_eq!((key.scheme(), signature.scheme()), (scheme, scheme));
            let bytes = key.to_bytes();
            assert_eq!(bytes.len(), scheme.key_length());
            assert_eq!(ValidatorKey::from_bytes(&bytes), Ok(key.clone()));
            assert_eq!(key.to_string().parse(), Ok(key.clone()));
            let bytes = signature.to_bytes();
            assert_eq!(bytes.len(), scheme.signature_length());
            assert_eq!(VoteSignature::from_bytes(&bytes), Ok(signature));
        }
        let digits = "zz".repeat(32).parse::<ValidatorKey>();
        assert_eq!(digits, Err(InvalidValidatorKey::Digits));
    }

    /// Networks of before hybrid votes keep their keys, their signatures and their bytes.
    #[test]
    fn ed25519_alone_is_what_it_was() {
        let (plain, yes) = (SecretKey::from_seed(&[1; 32]), statement("yes"));
        let secret = ValidatorSecret::from(plain.clone());
        assert_eq!(secret.public().to_bytes(), plain.public().as_bytes());
        assert_eq!(secret.public().to_string(), plain.public().to_string());
        assert_eq!(secret.sign(&yes).to_bytes(), plain.sign(&yes).as_bytes());
    }

    #[test]
    fn parts_of_a_key_are_checked() {
        let good = hybrid(1).public().to_bytes();
        let mut weak = good.clone();
        weak[32 + 32..].fill(0);
        let refused = ValidatorKey::from_bytes(&weak);
        assert_eq!(refused, Err(mldsa::InvalidKey::Weak.into()));
        let mut weak = good;
        weak[..32].fill(0);
        weak[0] = 1;
        let refused = ValidatorKey::from_bytes(&weak);
        assert_eq!(refused, Err(InvalidKey::Weak.into()));
    }

    #[test]
    fn a_secret_key_is_not_printed() {
        let printed = format!("{:?}", hybrid(7));
        for seed in [[7; 32], [107; 32]] {
            assert!(!printed.contains(&hex::encode(seed)));
        }
        assert!(!printed.contains("07, 07") && !printed.contains("107, 107"));
    }
}
