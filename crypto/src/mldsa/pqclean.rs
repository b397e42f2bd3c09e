//! ML-DSA-65 by PQClean.

use std::sync::Arc;

use aws_lc_rs::encoding::AsRawBytes;
use pqcrypto_mldsa::mldsa65;
use pqcrypto_traits::sign::{DetachedSignature, PublicKey as _, SecretKey as _};
use zeroize::Zeroizing;

use super::{AwsLc, Backend, PublicKey, SecretKey, Signature};

/// PQClean through `pqcrypto-mldsa`: independent code for signing and verifying, in portable C. Its
/// code for AVX2 is left out: it takes signatures with coefficients out of range and refuses valid
/// ones at the edge of a rounding, as Wycheproof's answers show.
///
/// It makes no keys of seeds, so that AWS-LC expands them; its own copy of the expanded key, made
/// for each signature, is not zeroised. Both are reasons why it is not the backend that is used.
#[derive(Clone, Copy, Debug)]
pub struct Pqcrypto;

impl Backend for Pqcrypto {
    /// The expanded key.
    type Signer = Arc<Zeroizing<Vec<u8>>>;

    fn expand(seed: &[u8; SecretKey::LENGTH]) -> (Self::Signer, [u8; PublicKey::LENGTH]) {
        let (pair, public) = AwsLc::expand(seed);
        let expanded = pair
            .private_key()
            .as_raw_bytes()
            .expect("a key has an expanded form");
        (Arc::new(Zeroizing::new(expanded.as_ref().to_vec())), public)
    }

    fn sign(signer: &Self::Signer, message: &[u8]) -> [u8; Signature::LENGTH] {
        let key = mldsa65::SecretKey::from_bytes(signer)
            .expect("an expanded key has the length of its algorithm");
        mldsa65::detached_sign(message, &key)
            .as_bytes()
            .try_into()
            .expect("a signature has the length of its algorithm")
    }

    fn verify(
        key: &[u8; PublicKey::LENGTH],
        message: &[u8],
        signature: &[u8; Signature::LENGTH],
    ) -> bool {
        let (Ok(key), Ok(signature)) = (
            mldsa65::PublicKey::from_bytes(key),
            mldsa65::DetachedSignature::from_bytes(signature),
        ) else {
            return false;
        };
        mldsa65::verify_detached_signature(&signature, message, &key).is_ok()
    }
}
