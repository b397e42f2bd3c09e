//! ML-KEM-768, the key-encapsulation mechanism of FIPS 203, over interchangeable backends.
//!
//! [`Kem`] is the whole of what the channel needs of a backend: make a key, encapsulate to a key,
//! decapsulate a ciphertext. [`AwsLc`] does the work. `Pqcrypto`, behind the cargo feature
//! `pqcrypto`, is a second, independent implementation (PQClean) that the tests compare it with.
//! Both draw their randomness from the operating system inside: neither offers seeded functions in
//! its safe interface.
//!
//! | value | type | bytes |
//! |---|---|---|
//! | encapsulation key | [`EncapsulationKey`] | 1,184 |
//! | decapsulation key, expanded | [`DecapsulationKey`] | 2,400 |
//! | ciphertext | [`Ciphertext`] | 1,088 |
//! | shared secret | [`SharedSecret`] | 32 |
//!
//! # Invariants
//! - No backend sees an encapsulation key that fails the checks of FIPS 203 section 7.2: its length
//!   and every coefficient below q = 3329 (`keys::tests`, `known_answers::wycheproof_encapsulation`).
//! - No backend sees a decapsulation key that fails those of section 7.3: its length and the hash
//!   of the encapsulation key inside (`keys::tests`, `known_answers::wycheproof_decapsulation`).
//! - A ciphertext has 1,088 bytes; any such bytes decapsulate to some secret, those that fit no
//!   encapsulation to one that only the key's holder can compute (implicit rejection,
//!   `known_answers::a_wrong_ciphertext_gives_the_secret_of_implicit_rejection`).
//! - Every backend agrees with every other and with the seeded functions of an implementation that
//!   shares no code with them, in every direction (`tests::every_pair_of_backends_agrees`).
//! - Secrets are zeroised when dropped, compared in constant time and absent from every debug print
//!   (`keys::tests::secrets_are_not_printed`).

mod aws_lc;
mod keys;
#[cfg(test)]
mod known_answers;
#[cfg(any(test, feature = "pqcrypto"))]
mod pqcrypto;
#[cfg(test)]
#[path = "../../examples/noise_vector/seeded.rs"]
mod seeded;
#[cfg(test)]
mod tests;

pub use aws_lc::AwsLc;
pub use keys::{Ciphertext, DecapsulationKey, EncapsulationKey, InvalidKemKey, SharedSecret};
#[cfg(any(test, feature = "pqcrypto"))]
pub use pqcrypto::Pqcrypto;

/// An implementation of ML-KEM-768 (FIPS 203).
pub trait Kem: Send + Sync {
    /// The name of the implementation, for people.
    fn name(&self) -> &'static str;

    /// Makes a key (algorithm 19, ML-KEM.KeyGen).
    ///
    /// # Errors
    /// [`KemError`] when the random source or the allocation fails.
    fn generate(&self) -> Result<DecapsulationKey, KemError>;

    /// Makes a secret and encapsulates it to `key` (algorithm 20, ML-KEM.Encaps).
    ///
    /// # Errors
    /// [`KemError`] when the random source or the allocation fails.
    fn encapsulate(&self, key: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError>;

    /// The secret in `ciphertext` (algorithm 21, ML-KEM.Decaps). Bytes that are no encapsulation
    /// to this key give a pseudo-random secret instead of an error.
    ///
    /// # Errors
    /// [`KemError`] when the allocation fails.
    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError>;
}

/// An operation that the backend could not do; never caused by what a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KemError {
    /// The random source or the allocation failed.
    #[error("{0} could not do the operation: no randomness or no memory")]
    Failed(&'static str),
    /// The backend made a key that fails the checks of FIPS 203.
    #[error("{0} made a key that is none: {1}")]
    BadKey(&'static str, InvalidKemKey),
    /// The backend made a value of another length than FIPS 203 gives it.
    #[error("{0} made {1} bytes where FIPS 203 asks for {2}")]
    BadLength(&'static str, usize, usize),
}

/// Every backend that is compiled in; the first is the one that the channel uses.
#[must_use]
pub fn backends() -> Vec<Box<dyn Kem>> {
    vec![
        Box::new(AwsLc),
        #[cfg(any(test, feature = "pqcrypto"))]
        Box::new(Pqcrypto),
    ]
}

/// Copies what a backend made into an array of the length that FIPS 203 gives it.
fn sized<const N: usize>(backend: &'static str, bytes: &[u8]) -> Result<[u8; N], KemError> {
    match <[u8; N]>::try_from(bytes) {
        Ok(array) => Ok(array),
        Err(_) => Err(KemError::BadLength(backend, bytes.len(), N)),
    }
}
