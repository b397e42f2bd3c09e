//! ML-DSA-65 keys and signatures (FIPS 204): pure, not pre-hashed, with the empty context.
//!
//! A context is not needed: what is signed is a [`Statement`], which starts with its own domain.
//! Two implementations stand behind [`Backend`]: [`AwsLc`], which is used, and `Pqcrypto` behind
//! the cargo feature `pqcrypto`, an independent one that the tests compare it with.
//!
//! # Invariants
//! - A public key has exactly 1,952 bytes and a signature 3,309 before a backend sees them. Every
//!   string of 1,952 bytes encodes a key (FIPS 204, algorithm 23: ten bits hold each coefficient),
//!   so its length is all that the standard lets one check. A key whose vector `t1` is zero, the
//!   likeliest accident, is refused besides: anyone can sign for it. That is no guarantee against
//!   a key made on purpose so that others can sign for it; its owner could as well publish the
//!   secret.
//! - The range of a signature's coefficients and the encoding of its hints are checked here, before
//!   a backend sees it (`tests::encodings_are_those_of_another_implementation`).
//! - All implementations verify the same signatures, also at the edges: else two nodes would
//!   disagree about a certificate (`tests::known_answers_verify`).
//! - The same seed gives the same key at every implementation (`tests::known_keys`).
//! - Signatures are hedged, hence different each time: nothing may compare their bytes
//!   (`tests::signatures_are_hedged`).
//! - A secret key is zeroised when dropped and absent from every debug print.

mod awslc;
mod encoding;
#[cfg(feature = "pqcrypto")]
mod pqclean;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use awslc::AwsLc;
#[cfg(feature = "pqcrypto")]
pub use pqclean::Pqcrypto;

use crate::{InvalidSignature, Statement};

/// An implementation of ML-DSA-65 over bytes whose lengths are right.
pub trait Backend {
    /// What signs; zeroised when dropped.
    type Signer: Clone + Send + Sync;

    /// The signer and the public key of a seed (algorithm 6).
    fn expand(seed: &[u8; SecretKey::LENGTH]) -> (Self::Signer, [u8; PublicKey::LENGTH]);

    /// Signs (algorithm 2, hedged, empty context).
    fn sign(signer: &Self::Signer, message: &[u8]) -> [u8; Signature::LENGTH];

    /// Whether a signature holds (algorithm 3, empty context) whose encoding was checked.
    fn verify(
        key: &[u8; PublicKey::LENGTH],
        message: &[u8],
        signature: &[u8; Signature::LENGTH],
    ) -> bool;
}

/// Bytes that are not an acceptable ML-DSA-65 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not 1,952 bytes.
    #[error("an ML-DSA-65 public key is 1952 bytes, not {0}")]
    Length(usize),
    /// Its vector `t1` is zero, so that anyone can sign for it.
    #[error("the ML-DSA-65 key is zero, so anyone can sign for it")]
    Weak,
}

/// A signature that has not the right length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ML-DSA-65 signature is 3309 bytes, not {0}")]
pub struct SignatureLength(pub usize);

/// An ML-DSA-65 public key. Clones share its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Arc<[u8; Self::LENGTH]>);

impl PublicKey {
    /// Length in bytes.
    pub const LENGTH: usize = 1952;
    /// Length of the seed `rho`, with which a key begins; `t1` follows.
    const RHO: usize = 32;

    /// Checks and takes the bytes of a public key.
    ///
    /// # Errors
    /// [`InvalidKey`] says which check failed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let Ok(key) = <[u8; Self::LENGTH]>::try_from(bytes) else {
            return Err(InvalidKey::Length(bytes.len()));
        };
        if key.iter().skip(Self::RHO).all(|byte| *byte == 0) {
            return Err(InvalidKey::Weak);
        }
        Ok(Self(Arc::new(key)))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
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
        self.verify_with::<AwsLc>(statement, signature)
    }

    /// As [`Self::verify`], with a backend of choice.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold.
    pub fn verify_with<B: Backend>(
        &self,
        statement: &Statement,
        signature: &Signature,
    ) -> Result<(), InvalidSignature> {
        if verify::<B>(&self.0, statement.as_bytes(), &signature.0) {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }
}

fn verify<B: Backend>(
    key: &[u8; PublicKey::LENGTH],
    message: &[u8],
    signature: &[u8; Signature::LENGTH],
) -> bool {
    encoding::is_well_formed(signature) && B::verify(key, message, signature)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

/// An ML-DSA-65 signature. Clones share its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(Arc<[u8; Self::LENGTH]>);

impl Signature {
    /// Length in bytes.
    pub const LENGTH: usize = 3309;

    /// Takes the bytes of a signature; only verification can tell whether it holds.
    ///
    /// # Errors
    /// [`SignatureLength`] when they are too few or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureLength> {
        match <[u8; Self::LENGTH]>::try_from(bytes) {
            Ok(bytes) => Ok(Self(Arc::new(bytes))),
            Err(_) => Err(SignatureLength(bytes.len())),
        }
    }

    /// The bytes of the signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

/// An ML-DSA-65 secret key: a seed, and what a backend made of it.
pub struct SecretKey<B: Backend = AwsLc> {
    seed: Zeroizing<[u8; 32]>,
    signer: B::Signer,
    public: PublicKey,
}

impl SecretKey {
    /// Length of the seed in bytes.
    pub const LENGTH: usize = 32;

    /// The key of a 32-byte seed, which the caller draws from the system's random source.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::with_backend(seed)
    }
}

impl<B: Backend> SecretKey<B> {
    /// As [`SecretKey::from_seed`], with a backend of choice.
    #[must_use]
    pub fn with_backend(seed: &[u8; 32]) -> Self {
        let (signer, public) = B::expand(seed);
        Self {
            seed: Zeroizing::new(*seed),
            signer,
            public: PublicKey(Arc::new(public)),
        }
    }

    /// The seed, for storing it; the copy is zeroised when dropped.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// Signs a statement. Hedged: each signature of one statement has other bytes.
    #[must_use]
    pub fn sign(&self, statement: &Statement) -> Signature {
        Signature(Arc::new(B::sign(&self.signer, statement.as_bytes())))
    }
}

impl<B: Backend> Clone for SecretKey<B> {
    fn clone(&self) -> Self {
        Self {
            seed: self.seed.clone(),
            signer: self.signer.clone(),
            public: self.public.clone(),
        }
    }
}

impl<B: Backend> fmt::Debug for SecretKey<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public)
    }
}
