//! Keys, ciphertexts and signatures of ML-KEM-768 and ML-DSA-65, and those of validators.
//!
//! What passes the checks here must be taken by every backend that is compiled in, and all of them
//! must say the same.

use std::sync::OnceLock;

use decube_crypto::kem::{AwsLc, Ciphertext, DecapsulationKey, EncapsulationKey, Kem, backends};
use decube_crypto::mldsa;
use decube_crypto::{
    Digest, SecretKey, Statement, ValidatorKey, ValidatorSecret, VoteScheme, VoteSignature,
};

use super::channel::world;

/// Where the encapsulation key lies in a message A.
const KEY_IN_A: std::ops::RangeFrom<usize> = 32..;

/// A key of each side of the KEM with a ciphertext for it, made anew for each process.
fn pair() -> &'static (DecapsulationKey, Ciphertext) {
    static PAIR: OnceLock<(DecapsulationKey, Ciphertext)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let key = AwsLc.generate().unwrap();
        let (ciphertext, _) = AwsLc.encapsulate(key.encapsulation_key()).unwrap();
        (key, ciphertext)
    })
}

/// What the keys of validators sign.
fn statement() -> Statement {
    Statement::new("decube/fuzz/1", &Digest::ZERO).number(1)
}

fn secret() -> &'static ValidatorSecret {
    static SECRET: OnceLock<ValidatorSecret> = OnceLock::new();
    SECRET.get_or_init(|| {
        let ed25519 = SecretKey::from_seed(&[1; 32]);
        ValidatorSecret::hybrid(ed25519, mldsa::SecretKey::from_seed(&[2; 32]))
    })
}

fn ml_dsa() -> &'static mldsa::PublicKey {
    static KEY: OnceLock<ValidatorKey> = OnceLock::new();
    let key = KEY.get_or_init(|| secret().public());
    key.ml_dsa().expect("the key is hybrid")
}

/// An encapsulation key: with one that passes the checks, every backend encapsulates.
pub(crate) fn kem_encapsulation_key(bytes: &[u8]) -> bool {
    let Ok(key) = EncapsulationKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(key.as_bytes()[..], *bytes);
    for backend in backends() {
        assert!(backend.encapsulate(&key).is_ok(), "{}", backend.name());
    }
    true
}

/// An expanded decapsulation key: with one that passes the checks, every backend decapsulates, to
/// the same secret.
pub(crate) fn kem_decapsulation_key(bytes: &[u8]) -> bool {
    let Ok(key) = DecapsulationKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(key.as_bytes()[..], *bytes);
    assert_backends_agree(&key, &pair().1);
    true
}

/// A ciphertext: any of the right length gives a secret, the same at every backend.
pub(crate) fn kem_ciphertext(bytes: &[u8]) -> bool {
    let Ok(ciphertext) = Ciphertext::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(ciphertext.as_bytes()[..], *bytes);
    assert_backends_agree(&pair().0, &ciphertext);
    true
}

fn assert_backends_agree(key: &DecapsulationKey, ciphertext: &Ciphertext) {
    let expected = AwsLc.decapsulate(key, ciphertext).unwrap();
    for backend in backends().iter().skip(1) {
        let secret = backend.decapsulate(key, ciphertext).unwrap();
        assert_eq!(secret.as_bytes(), expected.as_bytes(), "{}", backend.name());
    }
}

/// An ML-DSA-65 public key, under which no signature of another holds.
pub(crate) fn mldsa_key(bytes: &[u8]) -> bool {
    static SIGNATURE: OnceLock<mldsa::Signature> = OnceLock::new();
    let signature = SIGNATURE.get_or_init(|| {
        let secret = mldsa::SecretKey::from_seed(&[2; 32]);
        secret.sign(&statement())
    });
    let Ok(key) = mldsa::PublicKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(key.as_bytes()[..], *bytes);
    assert_eq!(holds(&key, signature), key == *ml_dsa());
    true
}

/// An ML-DSA-65 signature, accepted when it holds.
pub(crate) fn mldsa_signature(bytes: &[u8]) -> bool {
    let Ok(signature) = mldsa::Signature::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(signature.as_bytes()[..], *bytes);
    holds(ml_dsa(), &signature)
}

fn holds(key: &mldsa::PublicKey, signature: &mldsa::Signature) -> bool {
    let holds = key.verify(&statement(), signature).is_ok();
    #[cfg(feature = "pqcrypto")]
    {
        let other = key.verify_with::<mldsa::Pqcrypto>(&statement(), signature);
        assert_eq!(other.is_ok(), holds, "the backends disagree");
    }
    holds
}

/// A validator's key of either scheme.
pub(crate) fn validator_key(bytes: &[u8]) -> bool {
    let Ok(key) = ValidatorKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(key.to_bytes(), bytes);
    assert_eq!(key.scheme().key_length(), bytes.len());
    assert_eq!(key.ml_dsa().is_some(), key.scheme() == VoteScheme::Hybrid);
    true
}

/// A validator's key as text, of which case is all that is free.
pub(crate) fn validator_key_text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(key) = text.parse::<ValidatorKey>() else {
        return false;
    };
    assert_eq!(key.to_string(), text.to_lowercase());
    true
}

/// A validator's signature of either scheme, accepted when it is well formed. Only what the key
/// signed holds.
pub(crate) fn vote_signature(bytes: &[u8]) -> bool {
    static KEYS: OnceLock<[ValidatorKey; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| SCHEMES.map(|scheme| under(scheme).public()));
    let Ok(signature) = VoteSignature::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(signature.to_bytes(), bytes);
    assert_eq!(signature.scheme().signature_length(), bytes.len());
    for key in keys {
        let holds = key.verify(&statement(), &signature).is_ok();
        assert!(!holds || key.scheme() == signature.scheme());
    }
    true
}

const SCHEMES: [VoteScheme; 2] = [VoteScheme::Ed25519, VoteScheme::Hybrid];

fn under(scheme: VoteScheme) -> ValidatorSecret {
    secret().under(scheme).expect("the key has both parts")
}

/// Valid inputs for the targets of this file.
pub(crate) fn samples(target: &str) -> Vec<Vec<u8>> {
    let (key, ciphertext) = pair();
    let secrets = SCHEMES.map(under);
    match target {
        "kem_encapsulation_key" => vec![world().a[KEY_IN_A].to_vec()],
        "kem_decapsulation_key" => vec![key.as_bytes().to_vec()],
        "kem_ciphertext" => vec![ciphertext.as_bytes().to_vec()],
        "mldsa_key" => vec![ml_dsa().as_bytes().to_vec()],
        "mldsa_signature" => match secrets[1].sign(&statement()) {
            VoteSignature::Hybrid(_, second) => vec![second.as_bytes().to_vec()],
            VoteSignature::Ed25519(_) => Vec::new(),
        },
        "validator_key" => secrets.map(|secret| secret.public().to_bytes()).to_vec(),
        "validator_key_text" => secrets
            .map(|secret| secret.public().to_string().into_bytes())
            .to_vec(),
        "vote_signature" => secrets
            .map(|secret| secret.sign(&statement()).to_bytes())
            .to_vec(),
        _ => Vec::new(),
    }
}
