//! ML-KEM-768 by RustCrypto with fixed seeds: a backend for known answers, never for a channel.

use decube_crypto::kem::{
    Ciphertext, DecapsulationKey, EncapsulationKey, Kem, KemError, SharedSecret,
};
use ml_kem::kem::Decapsulate;
#[allow(
    deprecated,
    reason = "the backends exchange keys in the expanded form of FIPS 203"
)]
use ml_kem::{ExpandedKeyEncoding, Seed, ml_kem_768};
use zeroize::Zeroizing;

const NAME: &str = "RustCrypto ml-kem";

/// RustCrypto's `ml-kem`, every key and encapsulation of which comes from the same seeds.
#[derive(Clone, Copy)]
pub(crate) struct Seeded {
    /// The seeds d and z of FIPS 203 algorithm 16, one after the other.
    pub(crate) keygen: [u8; 64],
    /// The seed m of FIPS 203 algorithm 17.
    pub(crate) encapsulation: [u8; 32],
}

impl Kem for Seeded {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self) -> Result<DecapsulationKey, KemError> {
        let key = ml_kem_768::DecapsulationKey::from_seed(Seed::from(self.keygen));
        #[allow(
            deprecated,
            reason = "the backends exchange keys in the expanded form of FIPS 203"
        )]
        let expanded = key.to_expanded_bytes();
        DecapsulationKey::from_bytes(&expanded).map_err(|e| KemError::BadKey(NAME, e))
    }

    fn encapsulate(&self, key: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError> {
        let Ok(key) = ml_kem_768::EncapsulationKey::new(&(*key.as_bytes()).into()) else {
            return Err(KemError::Failed(NAME));
        };
        let (ciphertext, secret) = key.encapsulate_deterministic(&self.encapsulation.into());
        let ciphertext =
            Ciphertext::from_bytes(&ciphertext).map_err(|e| KemError::BadKey(NAME, e))?;
        let secret = SharedSecret::from_bytes(Zeroizing::new(secret.into()));
        Ok((ciphertext, secret))
    }

    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError> {
        #[allow(
            deprecated,
            reason = "the backends exchange keys in the expanded form of FIPS 203"
        )]
        let key = ml_kem_768::DecapsulationKey::from_expanded(&(*key.as_bytes()).into());
        let Ok(key) = key else {
            return Err(KemError::Failed(NAME));
        };
        let secret = key.decapsulate(&(*ciphertext.as_bytes()).into());
        Ok(SharedSecret::from_bytes(Zeroizing::new(secret.into())))
    }
}
