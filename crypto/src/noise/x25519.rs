//! X25519 private keys (RFC 7748).

use std::fmt;

use snow::resolvers::{CryptoResolver, DefaultResolver};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// An X25519 private key, static or ephemeral: zeroised when dropped and never printed.
pub struct X25519Secret {
    secret: StaticSecret,
    // Invariant: of `secret`.
    public: [u8; Self::LENGTH],
}

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random source of the operating system failed")]
pub struct RandomFailed;

impl X25519Secret {
    /// Length in bytes, of a private and of a public key.
    pub const LENGTH: usize = 32;

    /// Length of both halves in bytes.
    pub(super) const PAIR_LENGTH: usize = 2 * Self::LENGTH;

    /// Draws a key from the random source of the operating system.
    ///
    /// # Errors
    /// [`RandomFailed`] when there is none.
    pub fn generate() -> Result<Self, RandomFailed> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        let mut random = DefaultResolver.resolve_rng().ok_or(RandomFailed)?;
        match random.try_fill_bytes(&mut *bytes) {
            Ok(()) => Ok(Self::from_bytes(&bytes)),
            Err(_) => Err(RandomFailed),
        }
    }

    /// The key with these bytes, any of which are one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let secret = StaticSecret::from(*bytes);
        let public = PublicKey::from(&secret).to_bytes();
        Self { secret, public }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &[u8; Self::LENGTH] {
        &self.public
    }

    /// The private and the public bytes, from which [`Self::from_pair`] makes the key again.
    pub(super) fn to_pair(&self) -> Zeroizing<[u8; Self::PAIR_LENGTH]> {
        let mut pair = Zeroizing::new([0; Self::PAIR_LENGTH]);
        let (private, public) = pair.split_at_mut(Self::LENGTH);
        private.copy_from_slice(self.secret.as_bytes());
        public.copy_from_slice(&self.public);
        pair
    }

    /// The key of [`Self::to_pair`], without working out the public half again.
    pub(super) fn from_pair(pair: &[u8]) -> Option<Self> {
        let (private, public) = pair.split_first_chunk()?;
        Some(Self {
            secret: StaticSecret::from(*private),
            public: public.try_into().ok()?,
        })
    }

    /// The private bytes.
    pub(super) fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        self.secret.as_bytes()
    }

    /// The shared secret with a public key (RFC 7748 section 6.1), or nothing when it is zero
    /// because the public key has low order.
    pub(super) fn shared_with(
        &self,
        public: [u8; Self::LENGTH],
    ) -> Option<Zeroizing<[u8; Self::LENGTH]>> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(public));
        shared
            .was_contributory()
            .then(|| Zeroizing::new(shared.to_bytes()))
    }
}

impl fmt::Debug for X25519Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X25519Secret(of {})", hex::encode(&self.public[..8]))
    }
}
