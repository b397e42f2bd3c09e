//! ML-DSA-65 by AWS-LC.

use std::sync::Arc;

use aws_lc_rs::signature::{
    KeyPair, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair, UnparsedPublicKey,
};

use super::{Backend, PublicKey, SecretKey, Signature};

/// AWS-LC through `aws-lc-rs`. Its memory is zeroised when it is freed.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

impl Backend for AwsLc {
    type Signer = Arc<PqdsaKeyPair>;

    fn expand(seed: &[u8; SecretKey::LENGTH]) -> (Self::Signer, [u8; PublicKey::LENGTH]) {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, seed)
            .expect("every 32 bytes are a seed, and memory suffices");
        let public = <[u8; PublicKey::LENGTH]>::try_from(pair.public_key().as_ref())
            .expect("a public key has the length of its algorithm");
        (Arc::new(pair), public)
    }

    fn sign(signer: &Self::Signer, message: &[u8]) -> [u8; Signature::LENGTH] {
        let mut signature = [0; Signature::LENGTH];
        let length = signer.sign(message, &mut signature);
        assert_eq!(
            length,
            Ok(Signature::LENGTH),
            "a key signs every message, as long as memory suffices"
        );
        signature
    }

    fn verify(
        key: &[u8; PublicKey::LENGTH],
        message: &[u8],
        signature: &[u8; Signature::LENGTH],
    ) -> bool {
        UnparsedPublicKey::new(&ML_DSA_65, key)
            .verify(message, signature)
            .is_ok()
    }
}
