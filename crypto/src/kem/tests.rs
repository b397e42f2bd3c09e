//! Cross-checks of the backends, with RustCrypto's seeded functions as a third, independent one.

use proptest::prelude::*;

use super::seeded::Seeded;
use super::*;

/// The production backends and the seeded one.
fn all(seed: u8) -> Vec<Box<dyn Kem>> {
    let seeded = Seeded {
        keygen: [seed; 64],
        encapsulation: [seed; 32],
    };
    let mut all = backends();
    all.push(Box::new(seeded));
    all
}

#[test]
fn the_first_backend_is_aws_lc_and_the_second_pqclean() {
    let names: Vec<_> = backends().iter().map(|backend| backend.name()).collect();
    assert_eq!(names, ["aws-lc-rs", "pqcrypto-mlkem"]);
}

#[test]
fn every_pair_of_backends_agrees() {
    for maker in all(1) {
        let key = maker.generate().unwrap();
        for sender in all(2) {
            let (ciphertext, sent) = sender.encapsulate(key.encapsulation_key()).unwrap();
            for receiver in all(3) {
                let received = receiver.decapsulate(&key, &ciphertext).unwrap();
                let names = [maker.name(), sender.name(), receiver.name()];
                assert!(sent == received, "{names:?}");
            }
        }
    }
}

#[test]
fn a_production_backend_never_makes_the_same_twice() {
    for backend in backends() {
        let (key, other) = (backend.generate().unwrap(), backend.generate().unwrap());
        assert_ne!(key.encapsulation_key(), other.encapsulation_key());
        let first = backend.encapsulate(key.encapsulation_key()).unwrap();
        let second = backend.encapsulate(key.encapsulation_key()).unwrap();
        assert_ne!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }
}

#[test]
fn a_key_survives_its_bytes() {
    for backend in backends() {
        let key = backend.generate().unwrap();
        let (ciphertext, sent) = backend.encapsulate(key.encapsulation_key()).unwrap();
        let again = DecapsulationKey::from_bytes(key.as_bytes()).unwrap();
        assert_eq!(again.encapsulation_key(), key.encapsulation_key());
        assert_eq!(backend.decapsulate(&again, &ciphertext).unwrap(), sent);
    }
}

#[test]
fn another_key_does_not_decapsulate_to_the_same_secret() {
    for backend in backends() {
        let (alice, mallory) = (backend.generate().unwrap(), backend.generate().unwrap());
        let (ciphertext, sent) = backend.encapsulate(alice.encapsulation_key()).unwrap();
        assert_ne!(backend.decapsulate(&mallory, &ciphertext).unwrap(), sent);
    }
}

/// What every backend decapsulates, if they agree.
fn agreed(key: &DecapsulationKey, ciphertext: &Ciphertext) -> Option<SharedSecret> {
    let mut secrets = all(0)
        .into_iter()
        .map(|backend| backend.decapsulate(key, ciphertext).unwrap());
    let first = secrets.next()?;
    secrets.all(|secret| secret == first).then_some(first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_seeds_give_the_same_secret_everywhere(
        (d, z) in any::<([u8; 32], [u8; 32])>(),
        encapsulation in any::<[u8; 32]>(),
    ) {
        let mut keygen = [0; 64];
        keygen[..32].copy_from_slice(&d);
        keygen[32..].copy_from_slice(&z);
        let seeded = Seeded { keygen, encapsulation };
        let key = seeded.generate().unwrap();
        let (ciphertext, sent) = seeded.encapsulate(key.encapsulation_key()).unwrap();
        prop_assert_eq!(agreed(&key, &ciphertext), Some(sent));
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret_the_same_everywhere(
        at in 0..Ciphertext::LENGTH,
        bit in 0u8..8,
    ) {
        let key = AwsLc.generate().unwrap();
        let (ciphertext, sent) = Pqcrypto.encapsulate(key.encapsulation_key()).unwrap();
        let mut changed = *ciphertext.as_bytes();
        changed[at] ^= 1 << bit;
        let changed = Ciphertext::from_bytes(&changed).unwrap();
        let received = agreed(&key, &changed);
        prop_assert!(received.is_some_and(|received| received != sent));
    }

    #[test]
    fn any_bytes_decapsulate_to_the_same_secret_everywhere(
        bytes in prop::collection::vec(any::<u8>(), Ciphertext::LENGTH)
    ) {
        let key = Pqcrypto.generate().unwrap();
        let ciphertext = Ciphertext::from_bytes(&bytes).unwrap();
        prop_assert!(agreed(&key, &ciphertext).is_some());
    }

    #[test]
    fn any_bytes_are_a_key_or_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..2500)
    ) {
        let length = bytes.len();
        let public = EncapsulationKey::from_bytes(&bytes);
        prop_assert!(length == EncapsulationKey::LENGTH || public.is_err());
        prop_assert!(DecapsulationKey::from_bytes(&bytes).is_err());
        let ciphertext = Ciphertext::from_bytes(&bytes);
        prop_assert_eq!(ciphertext.is_ok(), length == Ciphertext::LENGTH);
    }
}
