//! What a peer, or an attacker on the path, can send instead of the right message.

use proptest::prelude::*;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types;

use super::super::handshake::parameters;
use super::super::resolver::HybridKem;
use super::*;
use crate::kem::InvalidKemKey;

/// Every X25519 public key of low order: the u coordinates of order 1, 2, 4 and 8, and those of them
/// that have a second encoding (RFC 7748 takes both).
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// A handshake of Alice with Bob, all its messages, and how to have it again at any point.
struct Recorded {
    kem: SameKey,
    a: Vec<u8>,
    b: Vec<u8>,
    c: Vec<u8>,
}

impl Recorded {
    fn new() -> (Self, Handshake, Handshake) {
        let kem = SameKey::generate();
        let (mut alice, mut bob) = (alice(&kem), bob());
        let a = alice.write_message(&[]).unwrap();
        bob.read_message(&a).unwrap();
        let b = bob.write_message(b"I am Bob").unwrap();
        alice.read_message(&b).unwrap();
        let c = alice.write_message(b"I am Alice").unwrap();
        (Self { kem, a, b, c }, alice, bob)
    }

    /// Alice when she waits for message B.
    fn alice(&self) -> Handshake {
        let mut alice = alice(&self.kem);
        assert_eq!(alice.write_message(&[]).unwrap(), self.a);
        alice
    }
}

/// An error has ended the handshake: nothing works any more, and nothing is told.
fn assert_ended(side: &mut Handshake) {
    assert_eq!(side.step(), Step::Failed);
    let ended = || NoiseError::Turn(Step::Failed);
    assert_eq!(side.read_message(&[0; 1200]), Err(ended()));
    assert_eq!(side.write_message(&[]), Err(ended()));
    assert_eq!(side.remote_static(), None);
    assert_eq!(side.handshake_hash(), None);
}

#[test]
fn every_other_length_is_refused() {
    let (recorded, _, _) = Recorded::new();
    let refuse = |side: &mut Handshake, message, got| {
        let bytes = vec![0; got];
        let error = NoiseError::Length { message, got };
        assert_eq!(side.read_message(&bytes), Err(error));
        assert_ended(side);
    };
    for got in (0..1216).chain([1217, 65_535, 65_536, 100_000]) {
        refuse(&mut bob(), HandshakeMessage::A, got);
    }
    for got in (0..1200)
        .step_by(3)
        .chain([1199, 1201 + MAX_PAYLOAD, 70_000])
    {
        refuse(&mut recorded.alice(), HandshakeMessage::B, got);
    }
    for got in (0..64).chain([65 + MAX_PAYLOAD, 65_536]) {
        let mut bob = bob();
        bob.read_message(&recorded.a).unwrap();
        bob.write_message(&[]).unwrap();
        refuse(&mut bob, HandshakeMessage::C, got);
    }
}

#[test]
fn a_truncated_message_of_a_possible_length_is_refused() {
    let (recorded, _, mut bob) = Recorded::new();
    for missing in 1..=8 {
        let short = &recorded.b[..recorded.b.len() - missing];
        let error = recorded.alice().read_message(short).unwrap_err();
        assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B));
    }
    let short = &recorded.c[..recorded.c.len() - 1];
    let error = bob.read_message(short).unwrap_err();
    assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::C));
    assert_ended(&mut bob);
}

#[test]
fn a_bit_changed_anywhere_in_message_a_is_noticed() {
    let (recorded, _, _) = Recorded::new();
    for at in 0..recorded.a.len() {
        let mut changed = recorded.a.clone();
        changed[at] ^= 1 << (at % 8);
        let mut bob = bob();
        match bob.read_message(&changed) {
            // The change is seen at once where it takes a coefficient out of range.
            Err(error) => {
                assert!(matches!(error, NoiseError::EncapsulationKey(_)), "{at}");
                assert_ended(&mut bob);
            }
            // The highest bit of an X25519 key means nothing, but is hashed like all others.
            Ok(_) => {
                let b = bob.write_message(&[]).unwrap();
                let mut alice = recorded.alice();
                let error = alice.read_message(&b).unwrap_err();
                assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B), "{at}");
                assert_ended(&mut alice);
            }
        }
    }
}

#[test]
fn a_bit_changed_anywhere_in_message_b_is_noticed() {
    let (recorded, _, _) = Recorded::new();
    for at in 0..recorded.b.len() {
        let mut changed = recorded.b.clone();
        changed[at] ^= 1 << (at % 8);
        let mut alice = recorded.alice();
        let error = alice.read_message(&changed).unwrap_err();
        assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B), "{at}");
        assert_ended(&mut alice);
    }
}

#[test]
fn a_bit_changed_anywhere_in_message_c_is_noticed() {
    for bit in 0..(64 + "I am Alice".len()) * 8 {
        let (recorded, _, mut bob) = Recorded::new();
        let mut changed = recorded.c.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = bob.read_message(&changed).unwrap_err();
        assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::C), "{bit}");
        assert_ended(&mut bob);
    }
}

#[test]
fn messages_of_another_handshake_do_not_fit() {
    let (old, _, _) = Recorded::new();
    let (new, _, mut bob) = Recorded::new();
    let error = new.alice().read_message(&old.b).unwrap_err();
    assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B));
    let error = bob.read_message(&old.c).unwrap_err();
    assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::C));
    assert_ended(&mut bob);
}

#[test]
fn a_message_that_comes_twice_or_out_of_order_is_not_taken() {
    let (recorded, mut alice, mut bob) = Recorded::new();
    bob.read_message(&recorded.c).unwrap();
    for side in [&mut alice, &mut bob] {
        for message in [&recorded.a, &recorded.b, &recorded.c] {
            let error = side.read_message(message).unwrap_err();
            assert_eq!(error, NoiseError::Turn(Step::Finished));
        }
    }
    // Message C before A is too short for it, and B too.
    for early in [&recorded.b, &recorded.c] {
        let error = super::bob().read_message(early).unwrap_err();
        assert!(matches!(error, NoiseError::Length { .. }));
    }
    let error = recorded.alice().read_message(&recorded.c).unwrap_err();
    assert!(matches!(error, NoiseError::Length { .. }));
}

#[test]
fn a_message_reflected_to_its_sender_is_refused() {
    let (recorded, _, _) = Recorded::new();
    let error = recorded.alice().read_message(&recorded.a).unwrap_err();
    assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B));
}

#[test]
fn an_encapsulation_key_out_of_range_is_refused() {
    let (recorded, _, _) = Recorded::new();
    // The first two coefficients stand behind the X25519 key; 3329 is the first that is none.
    let mut changed = recorded.a.clone();
    changed[32..35].copy_from_slice(&[0x01, 0x0d, 0x00]);
    let mut bob = bob();
    let (index, value) = (0, 3329);
    assert_eq!(
        bob.read_message(&changed),
        Err(NoiseError::EncapsulationKey(InvalidKemKey::Modulus {
            index,
            value
        }))
    );
    assert_ended(&mut bob);
}

#[test]
fn keys_of_low_order_are_refused() {
    let (recorded, _, _) = Recorded::new();
    for low in LOW_ORDER {
        let low = hex::decode(low).unwrap();
        let mut a = recorded.a.clone();
        a[..32].copy_from_slice(&low);
        let mut bob = bob();
        bob.read_message(&a).unwrap();
        let error = bob.write_message(&[]).unwrap_err();
        assert_eq!(error, NoiseError::LowOrder(HandshakeMessage::B));
        assert_ended(&mut bob);

        let mut b = recorded.b.clone();
        b[..32].copy_from_slice(&low);
        let mut alice = recorded.alice();
        let error = alice.read_message(&b).unwrap_err();
        assert_eq!(error, NoiseError::LowOrder(HandshakeMessage::B));
        assert_ended(&mut alice);
    }
}

/// Mallory, who follows the protocol but for the static key that it claims: one of low order, with
/// which every shared secret is zero.
struct Mallory;

impl Mallory {
    fn start(initiator: bool) -> snow::HandshakeState {
        let static_key = [0; 32];
        let builder = snow::Builder::with_resolver(parameters(PROTOCOL_NAME), Box::new(Self))
            .local_private_key(&static_key)
            .unwrap();
        let state = if initiator {
            builder.build_initiator()
        } else {
            builder.build_responder()
        };
        state.unwrap()
    }
}

impl CryptoResolver for Mallory {
    fn resolve_rng(&self) -> Option<Box<dyn types::Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, _: &snow::params::DHChoice) -> Option<Box<dyn types::Dh>> {
        Some(Box::new(VoidDh(None)))
    }

    fn resolve_hash(&self, choice: &snow::params::HashChoice) -> Option<Box<dyn types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(
        &self,
        choice: &snow::params::CipherChoice,
    ) -> Option<Box<dyn types::Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }

    fn resolve_kem(&self, _: &snow::params::KemChoice) -> Option<Box<dyn types::Kem>> {
        let key = AwsLc.generate().unwrap();
        Some(Box::new(HybridKem::new(Box::new(AwsLc), Some(key))))
    }
}

/// A proper key once it was generated, and void before.
struct VoidDh(Option<X25519Secret>);

impl types::Dh for VoidDh {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, _: &[u8]) {
        self.0 = None;
    }

    fn generate(&mut self, _: &mut dyn types::Random) -> Result<(), snow::Error> {
        self.0 = Some(key(9));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        match &self.0 {
            Some(key) => key.public(),
            None => &[0; 32],
        }
    }

    fn privkey(&self) -> &[u8] {
        &[0; 32]
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        match &self.0 {
            Some(key) => {
                let shared = key.shared_with(*public.first_chunk().unwrap());
                out[..32].copy_from_slice(&*shared.unwrap());
            }
            None => out[..32].fill(0),
        }
        Ok(())
    }
}

#[test]
fn a_static_key_of_low_order_is_refused() {
    let mut buffer = vec![0; MAX_FRAME];
    let mut scratch = vec![0; MAX_FRAME];

    let mut mallory = Mallory::start(false);
    let mut alice = Handshake::initiator(&key(1)).unwrap();
    let a = alice.write_message(&[]).unwrap();
    mallory.read_message(&a, &mut scratch).unwrap();
    let length = mallory.write_message(&[], &mut buffer).unwrap();
    let error = alice.read_message(&buffer[..length]).unwrap_err();
    assert_eq!(error, NoiseError::LowOrder(HandshakeMessage::B));

    let mut mallory = Mallory::start(true);
    let mut bob = Handshake::responder(&key(2)).unwrap();
    let length = mallory.write_message(&[], &mut buffer).unwrap();
    bob.read_message(&buffer[..length]).unwrap();
    let b = bob.write_message(&[]).unwrap();
    mallory.read_message(&b, &mut scratch).unwrap();
    let length = mallory.write_message(&[], &mut buffer).unwrap();
    let error = bob.read_message(&buffer[..length]).unwrap_err();
    assert_eq!(error, NoiseError::LowOrder(HandshakeMessage::C));
}

#[test]
fn a_peer_with_another_name_of_the_suite_does_not_get_through() {
    // The name of version 0.1.0 of the draft, with the same messages.
    let name = "Noise_XXhfs_25519+ML-KEM-768_ChaChaPoly_SHA256";
    let mut old = snow::Builder::with_resolver(parameters(name), Box::new(Mallory))
        .local_private_key(&[0; 32])
        .unwrap()
        .build_responder()
        .unwrap();
    let mut alice = Handshake::initiator(&key(1)).unwrap();
    let a = alice.write_message(&[]).unwrap();
    let (mut buffer, mut scratch) = (vec![0; MAX_FRAME], vec![0; MAX_FRAME]);
    old.read_message(&a, &mut scratch).unwrap();
    let length = old.write_message(&[], &mut buffer).unwrap();
    let error = alice.read_message(&buffer[..length]).unwrap_err();
    assert_eq!(error, NoiseError::Decrypt(HandshakeMessage::B));
}

/// Bytes that are long enough for a message, or not.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2000),
        prop::collection::vec(any::<u8>(), 1216),
        prop::collection::vec(any::<u8>(), 1200..1300),
    ]
}

proptest! {
    #[test]
    fn garbage_never_gets_through(bytes in garbage()) {
        let mut alice = alice(&SameKey::generate());
        alice.write_message(&[]).unwrap();
        prop_assert!(alice.read_message(&bytes).is_err());
        let (mut bob, mut carol) = (bob(), bob());
        prop_assert!(bob.read_message(&bytes).is_err());
        let mut a = bytes;
        a.resize(1216, 0);
        a[32..].fill(0);
        // Any 32 bytes are an X25519 key, and zeros are an encapsulation key in range.
        prop_assert!(carol.read_message(&a).is_ok());
        carol.write_message(&[]).ok();
        prop_assert!(carol.read_message(&a[..64]).is_err());
    }

    #[test]
    fn any_payloads_arrive_as_they_were(
        b in prop::collection::vec(any::<u8>(), 0..MAX_PAYLOAD),
        c in prop::collection::vec(any::<u8>(), 0..MAX_PAYLOAD),
    ) {
        let (mut alice, mut bob) = (alice(&SameKey::generate()), bob());
        let a = alice.write_message(&[]).unwrap();
        bob.read_message(&a).unwrap();
        let message = bob.write_message(&b).unwrap();
        prop_assert_eq!(alice.read_message(&message).unwrap(), b);
        let message = alice.write_message(&c).unwrap();
        prop_assert_eq!(bob.read_message(&message).unwrap(), c);
    }
}
