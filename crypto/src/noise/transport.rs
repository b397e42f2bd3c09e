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
            // The other side makes no such frame, so somebody else is writing.
            self.0.end();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair() -> (SendingHalf, ReceivingHalf) {
        let direction = || Direction::new(Aead::new(&[7; Aead::KEY_LENGTH]).unwrap());
        (SendingHalf(direction()), ReceivingHalf(direction()))
    }

    fn frame(sending: &mut SendingHalf, plaintext: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        sending.encrypt(plaintext, &mut out).unwrap();
        out
    }

    /// The direction is over, and takes not even what would have been right.
    fn assert_ended(receiving: &mut ReceivingHalf) {
        let mut frame = [0; TAG_LENGTH];
        assert_eq!(receiving.decrypt(&mut frame), Err(FrameError::Ended));
    }

    #[test]
    fn frames_are_appended_and_the_largest_fits() {
        let (mut sending, mut receiving) = pair();
        let mut out = vec![1, 2, 3];
        sending.encrypt(&[], &mut out).unwrap();
        assert_eq!((out.len(), &out[..3]), (3 + TAG_LENGTH, &[1, 2, 3][..]));
        assert_eq!(receiving.decrypt(&mut out[3..]).unwrap(), b"");
        let largest = vec![9; MAX_PLAINTEXT];
        let mut made = frame(&mut sending, &largest);
        assert_eq!(made.len(), MAX_FRAME);
        assert_eq!(receiving.decrypt(&mut made).unwrap(), largest);
    }

    #[test]
    fn what_is_too_long_to_send_changes_nothing_and_an_impossible_frame_ends_its_direction() {
        let (mut sending, mut receiving) = pair();
        let mut out = vec![1];
        let long = vec![0; MAX_PLAINTEXT + 1];
        let error = sending.encrypt(&long, &mut out);
        assert_eq!(error, Err(FrameError::TooLong(MAX_PLAINTEXT + 1)));
        assert_eq!(out, [1]);
        let mut first = frame(&mut sending, b"first");
        assert_eq!(receiving.decrypt(&mut first).unwrap(), b"first");
        for length in [0, TAG_LENGTH - 1, MAX_FRAME + 1] {
            let (mut sending, mut receiving) = pair();
            let error = receiving.decrypt(&mut vec![0; length]).unwrap_err();
            assert_eq!(error, FrameError::Length(length));
            let mut good = frame(&mut sending, b"good");
            assert_eq!(receiving.decrypt(&mut good), Err(FrameError::Ended));
        }
    }

    #[test]
    fn a_changed_frame_ends_its_direction() {
        for bit in 0..("first".len() + TAG_LENGTH) * 8 {
            let (mut sending, mut receiving) = pair();
            let mut first = frame(&mut sending, b"first");
            first[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(receiving.decrypt(&mut first), Err(FrameError::Decrypt));
            assert_ended(&mut receiving);
        }
    }

    #[test]
    fn a_repeated_missing_moved_or_truncated_frame_ends_its_direction() {
        let (mut sending, mut receiving) = pair();
        let first = frame(&mut sending, b"first");
        receiving.decrypt(&mut first.clone()).unwrap();
        let mut again = first.clone();
        assert_eq!(receiving.decrypt(&mut again), Err(FrameError::Decrypt));
        assert_ended(&mut receiving);

        let (_, mut receiving) = pair();
        let mut second = frame(&mut sending, b"second");
        assert_eq!(receiving.decrypt(&mut second), Err(FrameError::Decrypt));
        assert_ended(&mut receiving);

        let (_, mut receiving) = pair();
        let mut truncated = first[..first.len() - 1].to_vec();
        assert_eq!(receiving.decrypt(&mut truncated), Err(FrameError::Decrypt));
        assert_ended(&mut receiving);
    }

    #[test]
    fn a_direction_ends_before_its_nonces_do() {
        let (mut sending, mut receiving) = pair();
        sending.0.nonce = RESERVED_NONCE - 1;
        receiving.0.nonce = RESERVED_NONCE - 1;
        let mut last = frame(&mut sending, b"last");
        assert_eq!(receiving.decrypt(&mut last).unwrap(), b"last");
        let mut out = Vec::new();
        let error = sending.encrypt(b"one more", &mut out);
        assert_eq!((error, out.len()), (Err(FrameError::Exhausted), 0));
        assert_eq!(receiving.decrypt(&mut last), Err(FrameError::Exhausted));
        assert_eq!(sending.0.nonce, RESERVED_NONCE);
    }

    proptest! {
        #[test]
        fn any_sequence_of_messages_arrives(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..20)
        ) {
            let (mut sending, mut receiving) = pair();
            for message in messages {
                let mut made = frame(&mut sending, &message);
                prop_assert_eq!(receiving.decrypt(&mut made).unwrap(), message);
            }
        }

        #[test]
        fn any_other_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let (_, mut receiving) = pair();
            prop_assert!(receiving.decrypt(&mut bytes).is_err());
        }
    }
}
