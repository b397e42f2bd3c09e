//! ChaCha20-Poly1305 as Noise uses it (revision 34, section 12.3).

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::TAG_LENGTH;

/// A key of ChaCha20-Poly1305 (RFC 8439). AWS-LC zeroises its memory when it frees it. Its
/// failures say nothing more than that there is one.
pub(super) struct Aead(LessSafeKey);

impl Aead {
    /// Length of a key in bytes.
    pub(super) const KEY_LENGTH: usize = 32;

    /// Takes a key; fails only for want of memory.
    pub(super) fn new(key: &[u8; Self::KEY_LENGTH]) -> Option<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Encrypts in place and returns the tag.
    pub(super) fn seal(
        &self,
        nonce: u64,
        associated: &[u8],
        in_out: &mut [u8],
    ) -> Option<[u8; TAG_LENGTH]> {
        let associated = Aad::from(associated);
        let tag = self
            .0
            .seal_in_place_separate_tag(encoded(nonce), associated, in_out)
            .ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts in place a ciphertext with its tag behind it; returns what it carried.
    pub(super) fn open<'a>(
        &self,
        nonce: u64,
        associated: &[u8],
        in_out: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let associated = Aad::from(associated);
        self.0
            .open_in_place(encoded(nonce), associated, in_out)
            .ok()
    }
}

/// Four bytes of zeros, then the counter with its lowest byte first.
fn encoded(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}
