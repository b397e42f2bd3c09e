//! What follows the handshake: frames in two directions, each under its own key.

use std::fmt;

use super::aead::Aead;
use super::handshake::{Role, SessionKeys};
use super::{MAX_FRAME, MAX_PLAINTEXT, TAG_LENGTH};

/// The nonce that Noise reserves (section 5.1); no frame has it.
const RESERVED_NONCE: u64 = u64::MAX;

/// Why a frame was not made or not taken. After [`FrameError::Exhausted`], [`FrameError::Decrypt`]
/// and [`FrameError::Failed`] the direction is over; the others leave it as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than fits into one frame; nothing was encrypted.
    #[error("{0} bytes do not fit into a frame, which carries {MAX_PLAINTEXT}")]
    TooLong(usize),
    /// Shorter than a tag or longer than a frame; nothing was decrypted.
    #[error("a frame has {TAG_LENGTH} to {MAX_FRAME} bytes, not {0}")]
    Length(usize),
    /// The frame was not made by the other side as the next one: changed, repeated, left out,
    /// out of order or under another key.
    #[error("the frame does not decrypt: it was changed, repeated, left out or moved")]
    Decrypt,
    /// All nonces of this direction are used up, after 2^64 - 1 frames.
    #[error("this direction has used all its nonces; connect anew")]
    Exhausted,
    /// The direction ended with an earlier error.
    #[error("this direction ended with an earlier error")]
    Ended,
    /// The cipher could not work: no memory.
    #[error("the cipher failed for want of memory")]
    Failed,
}

/// Both directions of a channel.
#[derive(Debug)]
pub struct Transport {
    sending: SendingHalf,
    receiving: ReceivingHalf,
}

impl Transport {
    /// The channel of one side, or nothing for want of memory.
    pub(super) fn new(role: Role, keys: &SessionKeys) -> Option<Self> {
        let from_initiator = Aead::new(keys.initiator_to_responder())?;
        let from_responder = Aead::new(keys.responder_to_initiator())?;
        let (sending, receiving) = match role {
            Role::Initiator => (from_initiator, from_responder),
            Role::Responder => (from_responder, from_initiator),
        };
        Some(Self {
            sending: SendingHalf(Direction::new(sending)),
            receiving: ReceivingHalf(Direction::new(receiving)),
        })
    }

    /// Appends the next frame to `out`; see [`SendingHalf::encrypt`].
    ///
    /// # Errors
    /// [`FrameError`] says why not, and `out` is as it was.
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.sending.encrypt(plaintext, out)
    }

    /// Takes the next frame; see [`ReceivingHalf::decrypt`].
    ///
    /// # Errors
    /// [`FrameError`] says why not.
    pub fn decrypt<'a>(&mut self, frame: &'a mut [u8]) -> Result<&'a [u8], FrameError> {
        self.receiving.decrypt(frame)
    }

    /// The two directions apart.
    #[must_use]
    pub fn split(self) -> (SendingHalf, ReceivingHalf) {
        (self.sending, self.receiving)
    }
}

/// The direction to the other side.
#[derive(Debug)]
pub struct SendingHalf(Direction);

impl SendingHalf {
    /// Encrypts up to [`MAX_PLAINTEXT`] bytes and appends the frame, which is [`TAG_LENGTH`] bytes
    /// longer, to `out`.
    ///
    /// # Errors
    /// [`FrameError`] says why not, and `out` is as it was.
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(FrameError::TooLong(plaintext.len()));
        }
        let (aead, nonce) = self.0.next()?;
        let start = out.len();
        out.reserve(plaintext.len() + TAG_LENGTH);
        out.extend_from_slice(plaintext);
        match aead.seal(nonce, &[], &mut out[start..]) {
            Some(tag) => {
                out.extend_from_slice(&tag);
                self.0.advance();
                Ok(())
            }
            None => {
                out.truncate(start);
                self.0.end();
                Err(FrameError::Failed)
            }
        }
    }
}

/// The direction from the other side.
#[derive(Debug)]
pub struct ReceivingHalf(Direction);

impl ReceivingHalf {
    /// Decrypts a frame in place and returns what it carried, which may be nothing.
    ///
    /// # Errors
    /// [`FrameError`] says why not. What `frame` then contains is of no use.
    pub fn decrypt<'a>(&mut self, frame: &'a mut [u8]) -> Result<&'a [u8], FrameError> {
        if !(TAG_LENGTH..=MAX_FRAME).contains(&frame.len()) {
            return Err(FrameError::Length(frame.len()));
        }
        let (aead, nonce) = self.0.next()?;
        match aead.open(nonce, &[], frame) {
            Some(plaintext) => {
                self.0.advance();
                Ok(plaintext)
            }
            None => {
                self.0.end();
                Err(FrameError::Decrypt)
            }
        }
    }
}

/// A key with its counter (the `CipherState` of Noise, section 5.1).
struct Direction {
    /// Nothing once the direction has ended.
    aead: Option<Aead>,
    // Invariant: no frame was made or taken with this nonce or a later one.
    nonce: u64,
}

impl Direction {
    fn new(aead: Aead) -> Self {
        let aead = Some(aead);
        Self { aead, nonce: 0 }
    }

    fn next(&mut self) -> Result<(&Aead, u64), FrameError> {
        match &self.aead {
            None => Err(FrameError::Ended),
            Some(_) if self.nonce == RESERVED_NONCE => Err(FrameError::Exhausted),
            Some(aead) => Ok((aead, self.nonce)),
        }
    }

    /// Never overflows: [`Self::next`] gives out nothing at the reserved nonce, the last one.
    fn advance(&mut self) {
        self.nonce = self.nonce.saturating_add(1);
    }

    fn end(&mut self) {
        self.aead = None;
    }
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aead, nonce } = self;
        f.debug_struct("Direction")
            .field("ended", &aead.is_none())
            .field("frames", nonce)
            .finish()
    }
}
