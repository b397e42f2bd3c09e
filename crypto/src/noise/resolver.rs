//! The primitives that `snow` asks for: X25519 that refuses zeros, ML-KEM-768, ChaCha20-Poly1305
//! and SHA-256.
//!
//! `snow` knows neither the name of the suite nor ML-KEM, and does not need to: it hashes the name
//! that it is given, and takes a KEM of any size from the resolver. Two of its habits shape this
//! module. Its KEM is asked for a key without being able to fail, so that the key is made before
//! the handshake starts. And its X25519 is given the static key as bytes and makes the ephemeral one
//! of random bytes, so that what stands for both is a key with its public half, and the random source
//! is the ephemeral key, once.

use std::cell::RefCell;

use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice, KemChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types;
use zeroize::Zeroizing;

use super::aead::Aead;
use super::x25519::X25519Secret;
use super::{MAX_FRAME, TAG_LENGTH};
use crate::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, Kem, SharedSecret};

/// Gives each primitive of one handshake.
pub(super) struct Resolver {
    ephemeral: RefCell<Option<X25519Secret>>,
    kem: RefCell<Option<HybridKem>>,
}

impl Resolver {
    pub(super) fn new(ephemeral: X25519Secret, kem: HybridKem) -> Self {
        Self {
            ephemeral: RefCell::new(Some(ephemeral)),
            kem: RefCell::new(Some(kem)),
        }
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn types::Random>> {
        Some(Box::new(OneKey(self.ephemeral.take())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn types::Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(X25519(None))),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn types::Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn types::Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::new(ChaChaPoly(None))),
            CipherChoice::AESGCM => None,
        }
    }

    fn resolve_kem(&self, _: &KemChoice) -> Option<Box<dyn types::Kem>> {
        let kem = self.kem.take()?;
        Some(Box::new(kem))
    }
}

/// A random source that gives both halves of the ephemeral key, once.
struct OneKey(Option<X25519Secret>);

impl types::Random for OneKey {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        match self.0.take() {
            Some(key) if bytes.len() == X25519Secret::PAIR_LENGTH => {
                bytes.copy_from_slice(&*key.to_pair());
                Ok(())
            }
            Some(_) | None => Err(Error::Rng),
        }
    }
}

/// Nothing until `snow` has set or made the key.
struct X25519(Option<X25519Secret>);

impl types::Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        X25519Secret::LENGTH
    }

    fn priv_len(&self) -> usize {
        X25519Secret::LENGTH
    }

    fn set(&mut self, pair: &[u8]) {
        self.0 = X25519Secret::from_pair(pair);
    }

    fn generate(&mut self, random: &mut dyn types::Random) -> Result<(), Error> {
        let mut pair = Zeroizing::new([0; X25519Secret::PAIR_LENGTH]);
        random.try_fill_bytes(&mut *pair)?;
        self.0 = X25519Secret::from_pair(&*pair);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        match &self.0 {
            Some(key) => key.public(),
            None => &[],
        }
    }

    fn privkey(&self) -> &[u8] {
        match &self.0 {
            Some(key) => key.as_bytes(),
            None => &[],
        }
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        // `snow` keeps public keys in a longer buffer.
        let public = public.first_chunk().ok_or(Error::Dh)?;
        let key = self.0.as_ref().ok_or(Error::Input)?;
        let shared = key.shared_with(*public).ok_or(Error::Dh)?;
        let out = out.get_mut(..shared.len()).ok_or(Error::Dh)?;
        out.copy_from_slice(&*shared);
        Ok(())
    }
}

/// The cipher of the handshake's payloads and static keys.
struct ChaChaPoly(Option<Aead>);

impl types::Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; Aead::KEY_LENGTH]) {
        self.0 = Aead::new(key);
    }

    /// Returns nought on failure, since `snow` takes no error: the message is then too short, which
    /// `Handshake` sees and ends.
    fn encrypt(&self, nonce: u64, associated: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let length = plaintext.len();
        let (Some(aead), Some(out)) = (&self.0, out.get_mut(..length + TAG_LENGTH)) else {
            return 0;
        };
        let (body, tag) = out.split_at_mut(length);
        body.copy_from_slice(plaintext);
        match aead.seal(nonce, associated, body) {
            Some(made) => {
                tag.copy_from_slice(&made);
                length + TAG_LENGTH
            }
            None => {
                body.fill(0);
                0
            }
        }
    }

    fn decrypt(
        &self,
        nonce: u64,
        associated: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let aead = self.0.as_ref().ok_or(Error::Decrypt)?;
        if ciphertext.len() > MAX_FRAME {
            return Err(Error::Input);
        }
        // The plaintext's buffer may lack room for the tag.
        let mut copy = Zeroizing::new(ciphertext.to_vec());
        let plaintext = aead
            .open(nonce, associated, &mut copy)
            .ok_or(Error::Decrypt)?;
        let out = out.get_mut(..plaintext.len()).ok_or(Error::Input)?;
        out.copy_from_slice(plaintext);
        Ok(out.len())
    }
}

/// ML-KEM-768 in the place that hybrid forward secrecy has for a KEM.
pub(super) struct HybridKem {
    backend: Box<dyn Kem>,
    /// The initiator's ephemeral key; the responder needs none.
    key: Option<DecapsulationKey>,
}

impl HybridKem {
    pub(super) fn new(backend: Box<dyn Kem>, key: Option<DecapsulationKey>) -> Self {
        Self { backend, key }
    }
}

impl types::Kem for HybridKem {
    fn name(&self) -> &'static str {
        "MLKEM768"
    }

    fn pub_len(&self) -> usize {
        EncapsulationKey::LENGTH
    }

    fn ciphertext_len(&self) -> usize {
        Ciphertext::LENGTH
    }

    fn shared_secret_len(&self) -> usize {
        SharedSecret::LENGTH
    }

    /// The key was made before the handshake started, where failure has a way out.
    fn generate(&mut self, _: &mut dyn types::Random) {}

    fn pubkey(&self) -> &[u8] {
        match &self.key {
            Some(key) => key.encapsulation_key().as_bytes(),
            None => &[],
        }
    }

    fn encapsulate(
        &self,
        public: &[u8],
        secret_out: &mut [u8],
        ciphertext_out: &mut [u8],
    ) -> Result<(usize, usize), Error> {
        let Ok(key) = EncapsulationKey::from_bytes(public) else {
            return Err(Error::Kem);
        };
        let Ok((ciphertext, secret)) = self.backend.encapsulate(&key) else {
            return Err(Error::Kem);
        };
        copy(secret.as_bytes(), secret_out)?;
        copy(ciphertext.as_bytes(), ciphertext_out)?;
        Ok((SharedSecret::LENGTH, Ciphertext::LENGTH))
    }

    fn decapsulate(&self, ciphertext: &[u8], secret_out: &mut [u8]) -> Result<usize, Error> {
        let (Some(key), Ok(ciphertext)) = (&self.key, Ciphertext::from_bytes(ciphertext)) else {
            return Err(Error::Kem);
        };
        let Ok(secret) = self.backend.decapsulate(key, &ciphertext) else {
            return Err(Error::Kem);
        };
        copy(secret.as_bytes(), secret_out)?;
        Ok(SharedSecret::LENGTH)
    }
}

/// Copies into a buffer of `snow`, which is exactly as long or longer.
fn copy(bytes: &[u8], out: &mut [u8]) -> Result<(), Error> {
    out.get_mut(..bytes.len())
        .ok_or(Error::Input)?
        .copy_from_slice(bytes);
    Ok(())
}
