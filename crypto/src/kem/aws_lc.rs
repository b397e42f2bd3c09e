//! ML-KEM-768 by AWS-LC (mlkem-native).

use aws_lc_rs::kem::{self, ML_KEM_768};
use zeroize::Zeroizing;

use super::{Ciphertext, DecapsulationKey, EncapsulationKey, Kem, KemError, SharedSecret, sized};

/// AWS-LC through `aws-lc-rs`. Its copies of secrets are zeroised when it frees them.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

const NAME: &str = "aws-lc-rs";

impl Kem for AwsLc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self) -> Result<DecapsulationKey, KemError> {
        let key = kem::DecapsulationKey::generate(&ML_KEM_768).map_err(failed)?;
        let bytes = key.key_bytes().map_err(failed)?;
        DecapsulationKey::from_bytes(bytes.as_ref()).map_err(|e| KemError::BadKey(NAME, e))
    }

    fn encapsulate(&self, key: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError> {
        let key = kem::EncapsulationKey::new(&ML_KEM_768, key.as_bytes()).map_err(failed)?;
        let (ciphertext, secret) = key.encapsulate().map_err(failed)?;
        let ciphertext =
            Ciphertext::from_bytes(ciphertext.as_ref()).map_err(|e| KemError::BadKey(NAME, e))?;
        Ok((ciphertext, shared(&secret)?))
    }

    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError> {
        let key = kem::DecapsulationKey::new(&ML_KEM_768, key.as_bytes()).map_err(failed)?;
        let ciphertext = kem::Ciphertext::from(&ciphertext.as_bytes()[..]);
        shared(&key.decapsulate(ciphertext).map_err(failed)?)
    }
}

/// The errors of `aws-lc-rs` say nothing more than that there is one.
fn failed<E>(_: E) -> KemError {
    KemError::Failed(NAME)
}

fn shared(secret: &kem::SharedSecret) -> Result<SharedSecret, KemError> {
    let bytes = Zeroizing::new(sized(NAME, secret.as_ref())?);
    Ok(SharedSecret::from_bytes(bytes))
}
