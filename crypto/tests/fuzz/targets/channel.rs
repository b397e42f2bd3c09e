//! Handshake messages, frames, and the identity in a payload.
//!
//! Both sides have the same keys each time, the ephemeral ones too, so that a message that was made
//! once fits whenever it is read. Only the bytes of that message are ever accepted: whoever can make
//! others get through has broken the channel.

use std::sync::OnceLock;

use decube_crypto::kem::{
    AwsLc, Ciphertext, DecapsulationKey, EncapsulationKey, Kem, KemError, SharedSecret,
};
use decube_crypto::noise::{
    FrameError, Handshake, HandshakeMessage, NoiseError, Role, Step, Transport, X25519Secret,
    identity as claims,
};
use libp2p_identity::Keypair;
use zeroize::Zeroizing;

#[path = "../../../examples/noise_vector/seeded.rs"]
mod seeded;

/// What Bob's message B carries, and Alice's message C.
const PAYLOADS: [&[u8]; 2] = [b"I am Bob", b"I am Alice"];

/// The lengths of what Alice sends in frames: none, little, and more than one block of the cipher.
const FRAMES: [usize; 5] = [0, 1, 20, 300, 64];

/// The handshake of Alice with Bob, once made.
pub(crate) struct World {
    kem: Fixed,
    pub(crate) a: Vec<u8>,
    pub(crate) b: Vec<u8>,
    pub(crate) c: Vec<u8>,
    /// Frames from Alice, in their order.
    frames: Vec<Vec<u8>>,
}

/// A KEM that always makes the same key and the same secret, and decapsulates as AWS-LC does.
#[derive(Clone)]
struct Fixed {
    key: [u8; DecapsulationKey::LENGTH],
    ciphertext: [u8; Ciphertext::LENGTH],
    secret: [u8; 32],
}

impl Fixed {
    fn new() -> Self {
        let seeded = seeded::Seeded {
            keygen: [5; 64],
            encapsulation: [6; 32],
        };
        let key = seeded.generate().unwrap();
        let (ciphertext, secret) = seeded.encapsulate(key.encapsulation_key()).unwrap();
        Self {
            key: *key.as_bytes(),
            ciphertext: *ciphertext.as_bytes(),
            secret: *secret.as_bytes(),
        }
    }
}

impl Kem for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn generate(&self) -> Result<DecapsulationKey, KemError> {
        Ok(DecapsulationKey::from_bytes(&self.key).unwrap())
    }

    fn encapsulate(&self, _: &EncapsulationKey) -> Result<(Ciphertext, SharedSecret), KemError> {
        let ciphertext = Ciphertext::from_bytes(&self.ciphertext).unwrap();
        Ok((
            ciphertext,
            SharedSecret::from_bytes(Zeroizing::new(self.secret)),
        ))
    }

    fn decapsulate(
        &self,
        key: &DecapsulationKey,
        ciphertext: &Ciphertext,
    ) -> Result<SharedSecret, KemError> {
        AwsLc.decapsulate(key, ciphertext)
    }
}

/// The handshake that all targets share.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let kem = Fixed::new();
        let (mut alice, mut bob) = (side(Role::Initiator, &kem), side(Role::Responder, &kem));
        let a = alice.write_message(&[]).unwrap();
        bob.read_message(&a).unwrap();
        let b = bob.write_message(PAYLOADS[0]).unwrap();
        alice.read_message(&b).unwrap();
        let c = alice.write_message(PAYLOADS[1]).unwrap();
        let mut alice = alice.into_transport().unwrap();
        let frames = FRAMES.iter().map(|length| {
            let mut frame = Vec::new();
            alice.encrypt(&vec![7; *length], &mut frame).unwrap();
            frame
        });
        let frames = frames.collect();
        World {
            kem,
            a,
            b,
            c,
            frames,
        }
    })
}

impl World {
    /// The frames as they lie on a stream, each behind its length.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let behind_length = |frame: &Vec<u8>| {
            let length = u16::try_from(frame.len()).unwrap();
            [&length.to_be_bytes()[..], frame].concat()
        };
        self.frames.iter().flat_map(behind_length).collect()
    }
}

fn side(role: Role, kem: &(impl Kem + Clone + 'static)) -> Handshake {
    static STATIC: OnceLock<[X25519Secret; 2]> = OnceLock::new();
    let [alice, bob] =
        STATIC.get_or_init(|| [1, 2].map(|byte| X25519Secret::from_bytes(&[byte; 32])));
    let (static_key, ephemeral) = match role {
        Role::Initiator => (alice, [3; 32]),
        Role::Responder => (bob, [4; 32]),
    };
    let ephemeral = X25519Secret::from_bytes(&ephemeral);
    Handshake::with(role, static_key, ephemeral, Box::new(kem.clone())).unwrap()
}

/// Reads a message at a side that waits for it, after the side refused it out of turn. When it is
/// refused, the side is of no more use; when not, it is the one message that fits.
fn read(side: &mut Handshake, message: HandshakeMessage, bytes: &[u8], fits: &[u8]) -> bool {
    assert_eq!(side.step(), Step::Read(message));
    assert_eq!(
        side.write_message(bytes),
        Err(NoiseError::Turn(Step::Read(message)))
    );
    match side.read_message(bytes) {
        Ok(payload) => {
            assert_eq!(bytes, fits, "another message got through");
            assert!(payload.len() < bytes.len());
            true
        }
        Err(error) => {
            assert_ne!(bytes, fits, "what fits was refused: {error}");
            assert_failed(side, bytes);
            false
        }
    }
}

fn assert_failed(side: &mut Handshake, bytes: &[u8]) {
    assert_eq!(side.step(), Step::Failed);
    assert_eq!(
        side.read_message(bytes),
        Err(NoiseError::Turn(Step::Failed))
    );
    assert_eq!(side.handshake_hash(), None);
}

/// Message A at a responder, and its answer. Nothing in A is authenticated: what is well formed is
/// taken, and answered unless the X25519 key has low order.
pub(crate) fn message_a(bytes: &[u8]) -> bool {
    let mut bob = side(Role::Responder, &AwsLc);
    match bob.read_message(bytes) {
        Ok(payload) => {
            assert!(payload.is_empty());
            assert_eq!(bytes.len(), *HandshakeMessage::A.lengths().start());
        }
        Err(error) => {
            assert!(
                matches!(
                    error,
                    NoiseError::Length { .. } | NoiseError::EncapsulationKey(_)
                ),
                "{error}"
            );
            assert_failed(&mut bob, bytes);
            return false;
        }
    }
    match bob.write_message(PAYLOADS[0]) {
        Ok(b) => {
            let shortest = *HandshakeMessage::B.lengths().start();
            assert_eq!(b.len(), shortest + PAYLOADS[0].len());
            true
        }
        Err(error) => {
            assert_eq!(error, NoiseError::LowOrder(HandshakeMessage::B));
            assert_failed(&mut bob, bytes);
            false
        }
    }
}

/// Message B at an initiator.
pub(crate) fn message_b(bytes: &[u8]) -> bool {
    let world = world();
    let mut alice = side(Role::Initiator, &world.kem);
    let too_early = alice.read_message(bytes);
    assert_eq!(
        too_early,
        Err(NoiseError::Turn(Step::Write(HandshakeMessage::A)))
    );
    assert_eq!(alice.write_message(&[]).as_ref(), Ok(&world.a));
    let accepted = read(&mut alice, HandshakeMessage::B, bytes, &world.b);
    if accepted {
        assert_eq!(alice.write_message(PAYLOADS[1]).as_ref(), Ok(&world.c));
    }
    accepted
}

/// Message C at a responder.
pub(crate) fn message_c(bytes: &[u8]) -> bool {
    let world = world();
    let mut bob = bob_before_c(world);
    let accepted = read(&mut bob, HandshakeMessage::C, bytes, &world.c);
    assert_eq!(bob.into_transport().is_ok(), accepted);
    accepted
}

fn bob_before_c(world: &World) -> Handshake {
    let mut bob = side(Role::Responder, &world.kem);
    assert_eq!(bob.read_message(&world.a).as_deref(), Ok(&[][..]));
    assert_eq!(bob.write_message(PAYLOADS[0]).as_ref(), Ok(&world.b));
    bob
}

/// A stream of frames, each behind its length of two bytes, the higher first. Accepted when nothing
/// is refused until its end.
pub(crate) fn frames(bytes: &[u8]) -> bool {
    let world = world();
    let mut bob = bob_before_c(world);
    bob.read_message(&world.c).unwrap();
    let mut bob = bob.into_transport().unwrap();
    let (mut rest, mut taken) = (bytes, 0);
    while let Some(length) = rest.split_off(..2) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let Some(frame) = rest.split_off(..length) else {
            return false;
        };
        match bob.decrypt(&mut frame.to_vec()) {
            Ok(plaintext) => {
                assert_eq!(Some(frame), world.frames.get(taken).map(Vec::as_slice));
                assert_eq!(plaintext, vec![7; FRAMES[taken]]);
                taken += 1;
            }
            // Nothing is decrypted, and the next frame may be the right one.
            Err(FrameError::Length(got)) => assert_eq!(got, length),
            Err(error) => {
                assert_eq!(error, FrameError::Decrypt);
                assert_over(&mut bob, world, taken);
                return false;
            }
        }
    }
    rest.is_empty() && taken == FRAMES.len()
}

/// Not even the frame that would have been right is taken.
fn assert_over(bob: &mut Transport, world: &World, taken: usize) {
    let next = world.frames.get(taken).unwrap_or(&world.frames[0]);
    assert_eq!(bob.decrypt(&mut next.clone()), Err(FrameError::Ended));
}

/// The static key that the identity claims.
const CLAIMED: [u8; 32] = [7; 32];

fn owner() -> &'static Keypair {
    static OWNER: OnceLock<Keypair> = OnceLock::new();
    OWNER.get_or_init(|| Keypair::ed25519_from_bytes([1; 32]).unwrap())
}

/// Valid claims, with and without extensions.
pub(crate) fn valid_claims() -> [Vec<u8>; 2] {
    [&[][..], &[0x12, 1, b'y']].map(|more| claims::payload(owner(), &CLAIMED, more).unwrap())
}

/// The identity in a payload: only that of the one who signed is believed.
pub(crate) fn identity(bytes: &[u8]) -> bool {
    match claims::verify(bytes, &CLAIMED) {
        Ok(remote) => {
            assert_eq!(remote.key, owner().public());
            assert!(
                remote
                    .extensions
                    .is_none_or(|more| more.len() < bytes.len())
            );
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
