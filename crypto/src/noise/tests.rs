//! Honest handshakes, and what a side says of itself.

mod hostile;

use super::*;
use crate::kem::{AwsLc, DecapsulationKey, Kem, KemError, backends};
use crate::kem::{Ciphertext, EncapsulationKey, SharedSecret};

/// AWS-LC with one key for every handshake, so that a handshake can be had again from its start.
struct SameKey(Vec<u8>);

impl SameKey {
    fn generate() -> Self {
        Self(AwsLc.generate().unwrap().as_bytes().to_vec())
    }
}

impl Kem for SameKey {
    fn name(&self) -> &'static str {
        "the same key of AWS-LC"
    }

    fn generate(&self) -> Result<DecapsulationKey, KemError> {
        Ok(DecapsulationKey::from_bytes(&self.0).unwrap())
    }

    fn encapsulate(&self, key: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError> {
        AwsLc.encapsulate(key)
    }

    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError> {
        AwsLc.decapsulate(key, ciphertext)
    }
}

fn key(byte: u8) -> X25519Secret {
    X25519Secret::from_bytes(&[byte; 32])
}

/// Alice, the initiator, who starts the same handshake each time.
fn alice(kem: &SameKey) -> Handshake {
    let kem = Box::new(SameKey(kem.0.clone()));
    Handshake::with(Role::Initiator, &key(1), key(3), kem).unwrap()
}

/// Bob, the responder, with the same X25519 keys each time.
fn bob() -> Handshake {
    Handshake::with(Role::Responder, &key(2), key(4), Box::new(AwsLc)).unwrap()
}

/// Exchanges all three messages, with payloads in B and C.
fn exchange(alice: &mut Handshake, bob: &mut Handshake) {
    let a = alice.write_message(&[]).unwrap();
    assert!(bob.read_message(&a).unwrap().is_empty());
    let b = bob.write_message(b"I am Bob").unwrap();
    assert_eq!(alice.read_message(&b).unwrap(), b"I am Bob");
    let c = alice.write_message(b"I am Alice").unwrap();
    assert_eq!(bob.read_message(&c).unwrap(), b"I am Alice");
}

fn finished() -> (Handshake, Handshake) {
    let (mut alice, mut bob) = (
        Handshake::initiator(&key(1)).unwrap(),
        Handshake::responder(&key(2)).unwrap(),
    );
    exchange(&mut alice, &mut bob);
    (alice, bob)
}

#[test]
fn both_sides_know_each_other_and_share_a_hash_that_is_never_the_same() {
    let (alice, bob) = finished();
    assert_eq!(alice.step(), Step::Finished);
    assert_eq!(bob.step(), Step::Finished);
    assert_eq!(alice.remote_static().as_ref(), Some(key(2).public()));
    assert_eq!(bob.remote_static().as_ref(), Some(key(1).public()));
    assert!(alice.handshake_hash().is_some());
    assert_eq!(alice.handshake_hash(), bob.handshake_hash());
    let (again, _) = finished();
    assert_ne!(alice.handshake_hash(), again.handshake_hash());
}

#[test]
fn the_keys_agree_and_differ_by_direction_and_by_handshake() {
    let (alice, bob) = finished();
    let (alice, bob) = (alice.into_keys().unwrap(), bob.into_keys().unwrap());
    assert_eq!(alice.initiator_to_responder(), bob.initiator_to_responder());
    assert_eq!(alice.responder_to_initiator(), bob.responder_to_initiator());
    assert_ne!(
        alice.initiator_to_responder(),
        alice.responder_to_initiator()
    );
    let (again, _) = finished();
    let again = again.into_keys().unwrap();
    assert_ne!(
        alice.initiator_to_responder(),
        again.initiator_to_responder()
    );
}

#[test]
fn messages_have_the_sizes_of_the_draft() {
    let (mut alice, mut bob) = (alice(&SameKey::generate()), bob());
    let a = alice.write_message(&[]).unwrap();
    bob.read_message(&a).unwrap();
    let b = bob.write_message(&[]).unwrap();
    alice.read_message(&b).unwrap();
    let c = alice.write_message(&[]).unwrap();
    assert_eq!([a.len(), b.len(), c.len()], [1216, 1200, 64]);
    let shortest = [
        HandshakeMessage::A,
        HandshakeMessage::B,
        HandshakeMessage::C,
    ]
    .map(|message| *message.lengths().start());
    assert_eq!(shortest, [1216, 1200, 64]);
    assert_eq!(*HandshakeMessage::A.lengths().end(), 1216);
    assert_eq!(*HandshakeMessage::B.lengths().end(), 1200 + MAX_PAYLOAD);
}

#[test]
fn the_longest_payload_fits_and_a_longer_one_changes_nothing() {
    let (mut alice, mut bob) = (alice(&SameKey::generate()), bob());
    let message = HandshakeMessage::A;
    assert_eq!(
        alice.write_message(b"in the clear"),
        Err(NoiseError::Payload { message, got: 12 })
    );
    let a = alice.write_message(&[]).unwrap();
    bob.read_message(&a).unwrap();
    let longest = vec![7; MAX_PAYLOAD];
    let longer = vec![7; MAX_PAYLOAD + 1];
    let (message, got) = (HandshakeMessage::B, longer.len());
    assert_eq!(
        bob.write_message(&longer),
        Err(NoiseError::Payload { message, got })
    );
    let b = bob.write_message(&longest).unwrap();
    assert_eq!(b.len(), *HandshakeMessage::B.lengths().end());
    assert_eq!(alice.read_message(&b).unwrap(), longest);
    let c = alice.write_message(&longest).unwrap();
    assert_eq!(bob.read_message(&c).unwrap(), longest);
}

#[test]
fn every_pair_of_backends_makes_a_channel() {
    for index in 0..backends().len() {
        for other in 0..backends().len() {
            let kem = |index| backends().swap_remove(index);
            let initiator = Role::Initiator;
            let mut alice = Handshake::with(initiator, &key(1), key(3), kem(index)).unwrap();
            let responder = Role::Responder;
            let mut bob = Handshake::with(responder, &key(2), key(4), kem(other)).unwrap();
            exchange(&mut alice, &mut bob);
            assert_eq!(alice.handshake_hash(), bob.handshake_hash());
        }
    }
}

#[test]
fn a_call_out_of_turn_changes_nothing() {
    let (mut alice, mut bob) = (alice(&SameKey::generate()), bob());
    let (write_a, read_a) = (
        Step::Write(HandshakeMessage::A),
        Step::Read(HandshakeMessage::A),
    );
    assert_eq!((alice.step(), bob.step()), (write_a, read_a));
    assert_eq!(alice.read_message(&[]), Err(NoiseError::Turn(write_a)));
    assert_eq!(bob.write_message(&[]), Err(NoiseError::Turn(read_a)));
    assert_eq!(alice.handshake_hash(), None);
    assert_eq!(alice.remote_static(), None);
    exchange(&mut alice, &mut bob);
    assert_eq!(
        alice.write_message(&[]),
        Err(NoiseError::Turn(Step::Finished))
    );
    assert_eq!(bob.read_message(&[]), Err(NoiseError::Turn(Step::Finished)));
}

#[test]
fn an_unfinished_handshake_is_no_channel() {
    let alice = alice(&SameKey::generate());
    let step = Step::Write(HandshakeMessage::A);
    assert_eq!(alice.into_transport().err(), Some(NoiseError::Turn(step)));
}

#[test]
fn the_channel_carries_both_directions_together_and_apart() {
    let (alice, bob) = finished();
    let mut alice = alice.into_transport().unwrap();
    let mut bob = bob.into_transport().unwrap();
    let mut frame = Vec::new();
    alice.encrypt(b"hello", &mut frame).unwrap();
    assert_eq!(frame.len(), 5 + TAG_LENGTH);
    assert_eq!(bob.decrypt(&mut frame).unwrap(), b"hello");
    let (mut sending, _) = bob.split();
    let (_, mut receiving) = alice.split();
    frame.clear();
    sending.encrypt(b"good day", &mut frame).unwrap();
    assert_eq!(receiving.decrypt(&mut frame).unwrap(), b"good day");
}

#[test]
fn a_handshake_and_a_channel_can_move_to_another_task() {
    fn movable<T: Send + 'static>(_: &T) {}
    let (alice, bob) = finished();
    movable(&alice);
    let (sending, receiving) = bob.into_transport().unwrap().split();
    movable(&sending);
    movable(&receiving);
}

#[test]
fn secrets_are_not_printed() {
    let alice = alice(&SameKey::generate());
    let printed = format!("{:?} {alice:?}", key(0x11));
    assert!(!printed.contains("1111") && !printed.contains("17, 17"));
    let (alice, bob) = finished();
    let keys = alice.into_keys().unwrap();
    assert_eq!(format!("{keys:?}"), "SessionKeys");
    let bob = format!("{:?}", bob.into_transport().unwrap());
    let direction = "Direction { ended: false, frames: 0 }";
    assert_eq!(
        bob,
        format!(
            "Transport {{ sending: SendingHalf({direction}), receiving: ReceivingHalf({direction}) }}"
        )
    );
}
