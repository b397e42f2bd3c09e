//! The handshake as a state machine: bytes in, bytes out.

use std::fmt;
use std::ops::RangeInclusive;

use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
    HandshakePattern, HashChoice, KemChoice, NoiseParams,
};
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::aead::Aead;
use super::resolver::{HybridKem, Resolver};
use super::{
    MAX_FRAME, MAX_PAYLOAD, PROTOCOL_NAME, RandomFailed, TAG_LENGTH, Transport, X25519Secret,
};
use crate::kem::{AwsLc, Ciphertext, EncapsulationKey, InvalidKemKey, Kem, KemError};

/// Length of a handshake hash in bytes: that of SHA-256.
const HASH_LENGTH: usize = 32;

/// Who speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends messages A and C; on a connection, who dialled.
    Initiator,
    /// Sends message B; on a connection, who listened.
    Responder,
}

/// One of the three messages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HandshakeMessage {
    /// `e, e1`: the initiator's ephemeral keys.
    A,
    /// `e, ee, ekem1, s, es`: the responder's keys, and its payload.
    B,
    /// `s, se`: the initiator's static key, and its payload.
    C,
}

impl HandshakeMessage {
    /// The lengths that the message can have, from that without a payload to that with the longest.
    #[must_use]
    pub const fn lengths(self) -> RangeInclusive<usize> {
        let shortest = self.overhead();
        shortest..=shortest + self.max_payload()
    }

    /// The bytes of the message besides its payload.
    const fn overhead(self) -> usize {
        let encrypted_static = X25519Secret::LENGTH + TAG_LENGTH;
        match self {
            Self::A => X25519Secret::LENGTH + EncapsulationKey::LENGTH,
            Self::B => {
                let encrypted_ciphertext = Ciphertext::LENGTH + TAG_LENGTH;
                X25519Secret::LENGTH + encrypted_ciphertext + encrypted_static + TAG_LENGTH
            }
            Self::C => encrypted_static + TAG_LENGTH,
        }
    }

    /// Message A takes none: nothing is encrypted yet.
    const fn max_payload(self) -> usize {
        match self {
            Self::A => 0,
            Self::B | Self::C => MAX_PAYLOAD,
        }
    }

    const fn sender(self) -> Role {
        match self {
            Self::A | Self::C => Role::Initiator,
            Self::B => Role::Responder,
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::A => Some(Self::B),
            Self::B => Some(Self::C),
            Self::C => None,
        }
    }
}

/// What a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This side writes the message.
    Write(HandshakeMessage),
    /// The other side's message is read; [`HandshakeMessage::lengths`] bounds it.
    Read(HandshakeMessage),
    /// All messages are exchanged: [`Handshake::into_transport`].
    Finished,
    /// An error ended the handshake; it is of no more use.
    Failed,
}

/// Why a handshake did not go on. Only [`NoiseError::Turn`] and [`NoiseError::Payload`] leave it as
/// it was; every other ends it. The peer is told nothing: the driver closes the connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    /// The call is for another step; nothing was done.
    #[error("the handshake is at {0:?}")]
    Turn(Step),
    /// More payload than the message takes; nothing was done.
    #[error("message {message:?} takes a payload of {} bytes, not {got}", message.max_payload())]
    Payload {
        /// The message to be written.
        message: HandshakeMessage,
        /// The length of the payload.
        got: usize,
    },
    /// The message has a length that it cannot have; nothing of it was looked at.
    #[error("message {message:?} has {:?} bytes, not {got}", message.lengths())]
    Length {
        /// The message that was expected.
        message: HandshakeMessage,
        /// The length of what came.
        got: usize,
    },
    /// The peer's encapsulation key fails the checks of FIPS 203 section 7.2.
    #[error("the peer's encapsulation key: {0}")]
    EncapsulationKey(InvalidKemKey),
    /// The X25519 shared secret is zero: the peer's key has low order.
    #[error("the peer's X25519 key in message {0:?} or before has low order")]
    LowOrder(HandshakeMessage),
    /// The message was not made for this handshake, or was changed on the way.
    #[error("message {0:?} does not decrypt: it was changed or belongs to another handshake")]
    Decrypt(HandshakeMessage),
    /// The KEM could not work.
    #[error(transparent)]
    Kem(#[from] KemError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomFailed),
    /// What no input can cause: no memory, or a fault of a library.
    #[error("message {message:?}: {cause}")]
    Library {
        /// The message that was being made or read.
        message: HandshakeMessage,
        /// What the library said.
        cause: String,
    },
}

/// One side of a handshake.
pub struct Handshake {
    role: Role,
    /// The message to come, or nothing when all were exchanged.
    next: Option<HandshakeMessage>,
    /// Nothing once an error has ended the handshake.
    state: Option<Box<HandshakeState>>,
}

impl Handshake {
    /// The side that dialled.
    ///
    /// # Errors
    /// [`NoiseError::Random`] or [`NoiseError::Kem`] when the ephemeral keys cannot be made.
    pub fn initiator(static_key: &X25519Secret) -> Result<Self, NoiseError> {
        let ephemeral = X25519Secret::generate()?;
        Self::with(Role::Initiator, static_key, ephemeral, Box::new(AwsLc))
    }

    /// The side that listened.
    ///
    /// # Errors
    /// [`NoiseError::Random`] when the ephemeral key cannot be made.
    pub fn responder(static_key: &X25519Secret) -> Result<Self, NoiseError> {
        let ephemeral = X25519Secret::generate()?;
        Self::with(Role::Responder, static_key, ephemeral, Box::new(AwsLc))
    }

    /// A side with an ephemeral key and a KEM of the caller's choice, for known answers and
    /// comparisons. Two handshakes with the same ephemeral key have no forward secrecy.
    ///
    /// # Errors
    /// [`NoiseError::Kem`] when the initiator's encapsulation key cannot be made.
    pub fn with(
        role: Role,
        static_key: &X25519Secret,
        ephemeral: X25519Secret,
        kem: Box<dyn Kem>,
    ) -> Result<Self, NoiseError> {
        let key = match role {
            Role::Initiator => Some(kem.generate()?),
            Role::Responder => None,
        };
        let resolver = Resolver::new(ephemeral, HybridKem::new(kem, key));
        let static_pair = static_key.to_pair();
        let builder = Builder::with_resolver(parameters(PROTOCOL_NAME), Box::new(resolver))
            .local_private_key(&*static_pair);
        let state = builder.and_then(|builder| match role {
            Role::Initiator => builder.build_initiator(),
            Role::Responder => builder.build_responder(),
        });
        let message = HandshakeMessage::A;
        let state = state.map_err(|error| library(message, &error))?;
        Ok(Self {
            role,
            next: Some(message),
            state: Some(Box::new(state)),
        })
    }

    /// What the handshake waits for.
    #[must_use]
    pub fn step(&self) -> Step {
        match (&self.state, self.next) {
            (None, _) => Step::Failed,
            (Some(_), None) => Step::Finished,
            (Some(_), Some(message)) if message.sender() == self.role => Step::Write(message),
            (Some(_), Some(message)) => Step::Read(message),
        }
    }

    /// Writes this side's next message, which carries `payload`.
    ///
    /// # Errors
    /// [`NoiseError::Turn`] and [`NoiseError::Payload`] change nothing; every other ends the
    /// handshake.
    pub fn write_message(&mut self, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let Step::Write(message) = self.step() else {
            return Err(NoiseError::Turn(self.step()));
        };
        if payload.len() > message.max_payload() {
            let got = payload.len();
            return Err(NoiseError::Payload { message, got });
        }
        // Shorter buffers make `snow` panic: its checks forget what it wrote before.
        let mut bytes = vec![0; MAX_FRAME];
        let length = self.advance(message, |state| state.write_message(payload, &mut bytes))?;
        if length != message.overhead() + payload.len() {
            self.state = None;
            let cause = format!("{length} bytes were written");
            return Err(NoiseError::Library { message, cause });
        }
        bytes.truncate(length);
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// Reads the other side's next message and returns its payload. Only what message B and C carry
    /// is from the owner of [`Self::remote_static`].
    ///
    /// # Errors
    /// [`NoiseError::Turn`] changes nothing; every other ends the handshake.
    pub fn read_message(&mut self, bytes: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let Step::Read(message) = self.step() else {
            return Err(NoiseError::Turn(self.step()));
        };
        if let Err(error) = check(message, bytes) {
            self.state = None;
            return Err(error);
        }
        let mut payload = vec![0; bytes.len()];
        let length = self.advance(message, |state| state.read_message(bytes, &mut payload))?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The other side's static key, once a message with it was read: B by the initiator, C by the
    /// responder.
    #[must_use]
    pub fn remote_static(&self) -> Option<[u8; X25519Secret::LENGTH]> {
        self.state.as_ref()?.get_remote_static()?.try_into().ok()
    }

    /// The hash of all that was exchanged (Noise section 11.2), once that is all: equal on both
    /// sides, and different in every handshake.
    #[must_use]
    pub fn handshake_hash(&self) -> Option<[u8; HASH_LENGTH]> {
        match self.next {
            None => self.state.as_ref()?.get_handshake_hash().try_into().ok(),
            Some(_) => None,
        }
    }

    /// The keys of both directions, for known answers; [`Self::into_transport`] is for everything
    /// else.
    ///
    /// # Errors
    /// [`NoiseError::Turn`] when the handshake is not finished.
    pub fn into_keys(mut self) -> Result<SessionKeys, NoiseError> {
        let step = self.step();
        match (step, &mut self.state) {
            (Step::Finished, Some(state)) => {
                let (initiator, responder) = state.dangerously_get_raw_split();
                Ok(SessionKeys {
                    initiator_to_responder: Zeroizing::new(initiator),
                    responder_to_initiator: Zeroizing::new(responder),
                })
            }
            _ => Err(NoiseError::Turn(step)),
        }
    }

    /// The channel that the handshake made.
    ///
    /// # Errors
    /// [`NoiseError::Turn`] when the handshake is not finished.
    pub fn into_transport(self) -> Result<Transport, NoiseError> {
        let role = self.role;
        let keys = self.into_keys()?;
        Transport::new(role, &keys).ok_or(NoiseError::Library {
            message: HandshakeMessage::C,
            cause: "no memory for a cipher".to_owned(),
        })
    }

    /// Lets `snow` make or read a message; an error ends the handshake.
    fn advance(
        &mut self,
        message: HandshakeMessage,
        act: impl FnOnce(&mut HandshakeState) -> Result<usize, snow::Error>,
    ) -> Result<usize, NoiseError> {
        let Some(mut state) = self.state.take() else {
            return Err(NoiseError::Turn(Step::Failed));
        };
        let length = act(&mut state).map_err(|error| cause(message, &error))?;
        self.state = Some(state);
        self.next = message.next();
        Ok(length)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("role", &self.role)
            .field("step", &self.step())
            .finish_non_exhaustive()
    }
}

/// The keys of both directions: zeroised when dropped, never printed.
pub struct SessionKeys {
    initiator_to_responder: Zeroizing<[u8; Aead::KEY_LENGTH]>,
    responder_to_initiator: Zeroizing<[u8; Aead::KEY_LENGTH]>,
}

impl SessionKeys {
    /// What the initiator encrypts with.
    #[must_use]
    pub fn initiator_to_responder(&self) -> &[u8; Aead::KEY_LENGTH] {
        &self.initiator_to_responder
    }

    /// What the responder encrypts with.
    #[must_use]
    pub fn responder_to_initiator(&self) -> &[u8; Aead::KEY_LENGTH] {
        &self.responder_to_initiator
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

/// The parameters of the suite. `snow` cannot parse its name, which is only hashed; the choice of a
/// KEM only says that there is one, and the resolver gives ML-KEM-768 for it.
pub(super) fn parameters(name: &str) -> NoiseParams {
    let handshake = HandshakeChoice {
        pattern: HandshakePattern::XX,
        modifiers: HandshakeModifierList {
            list: vec![HandshakeModifier::Hfs],
        },
    };
    NoiseParams::new(
        name.to_owned(),
        BaseChoice::Noise,
        handshake,
        DHChoice::Curve25519,
        Some(KemChoice::Kyber1024),
        CipherChoice::ChaChaPoly,
        HashChoice::SHA256,
    )
}

/// What can be told of a message before any key is used.
fn check(message: HandshakeMessage, bytes: &[u8]) -> Result<(), NoiseError> {
    if !message.lengths().contains(&bytes.len()) {
        let got = bytes.len();
        return Err(NoiseError::Length { message, got });
    }
    match message {
        HandshakeMessage::A => match EncapsulationKey::from_bytes(&bytes[X25519Secret::LENGTH..]) {
            Ok(_) => Ok(()),
            Err(error) => Err(NoiseError::EncapsulationKey(error)),
        },
        HandshakeMessage::B | HandshakeMessage::C => Ok(()),
    }
}

fn cause(message: HandshakeMessage, error: &snow::Error) -> NoiseError {
    if *error == snow::Error::Dh {
        NoiseError::LowOrder(message)
    } else if *error == snow::Error::Decrypt {
        NoiseError::Decrypt(message)
    } else {
        library(message, error)
    }
}

fn library(message: HandshakeMessage, error: &snow::Error) -> NoiseError {
    let cause = error.to_string();
    NoiseError::Library { message, cause }
}
