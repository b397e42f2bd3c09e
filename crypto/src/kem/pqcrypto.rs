//! ML-KEM-768 by PQClean.

use pqcrypto_mlkem::mlkem768;
use pqcrypto_traits::kem::{Ciphertext as _, PublicKey as _, SecretKey as _, SharedSecret as _};
use zeroize::Zeroizing;

use super::{Ciphertext, DecapsulationKey, EncapsulationKey, Kem, KemError, SharedSecret, sized};

/// PQClean through `pqcrypto-mlkem`.
///
/// It is not the backend that is used: it is no longer maintained, it takes encapsulation keys
/// with coefficients out of range (which [`EncapsulationKey`] refuses before), and its own copies
/// of secrets on the stack are not zeroised.
#[derive(Clone, Copy, Debug)]
pub struct Pqcrypto;

const NAME: &str = "pqcrypto-mlkem";

impl Kem for Pqcrypto {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self) -> Result<DecapsulationKey, KemError> {
        let (_, key) = mlkem768::keypair();
        DecapsulationKey::from_bytes(key.as_bytes()).map_err(|e| KemError::BadKey(NAME, e))
    }

    fn encapsulate(&self, key: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError> {
        let key = mlkem768::PublicKey::from_bytes(key.as_bytes()).map_err(failed)?;
        let (secret, ciphertext) = mlkem768::encapsulate(&key);
        let ciphertext =
            Ciphertext::from_bytes(ciphertext.as_bytes()).map_err(|e| KemError::BadKey(NAME, e))?;
        Ok((ciphertext, shared(&secret)?))
    }

    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError> {
        let key = mlkem768::SecretKey::from_bytes(key.as_bytes()).map_err(failed)?;
        let ciphertext = mlkem768::Ciphertext::from_bytes(ciphertext.as_bytes()).map_err(failed)?;
        shared(&mlkem768::decapsulate(&ciphertext, &key))
    }
}

/// Its only errors are of lengths, which the types of this module have right.
fn failed<E>(_: E) -> KemError {
    KemError::Failed(NAME)
}

fn shared(secret: &mlkem768::SharedSecret) -> Result<SharedSecret, KemError> {
    let bytes = Zeroizing::new(sized(NAME, secret.as_bytes())?);
    Ok(SharedSecret::from_bytes(bytes))
}
