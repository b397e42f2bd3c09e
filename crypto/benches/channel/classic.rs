//! The classic handshake with the primitives of `libp2p-noise`.

use decube_crypto::noise::X25519Secret;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, RingResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

const NAME: &str = "Noise_XX_25519_ChaChaPoly_SHA256";

/// Runs a handshake with `payload` in both encrypted messages.
pub(crate) fn handshake(
    alice: &[u8; X25519Secret::LENGTH],
    bob: &[u8; X25519Secret::LENGTH],
    payload: &[u8],
) -> (HandshakeState, HandshakeState) {
    let builder = || Builder::with_resolver(NAME.parse().unwrap(), Box::new(Resolver));
    let start = |key| builder().local_private_key(key).unwrap();
    let mut alice = start(alice).build_initiator().unwrap();
    let mut bob = start(bob).build_responder().unwrap();
    exchange(&mut alice, &mut bob, &[]);
    exchange(&mut bob, &mut alice, payload);
    exchange(&mut alice, &mut bob, payload);
    (alice, bob)
}

fn exchange(from: &mut HandshakeState, to: &mut HandshakeState, payload: &[u8]) {
    let (mut message, mut received) = ([0; 512], [0; 512]);
    let length = from.write_message(payload, &mut message).unwrap();
    to.read_message(&message[..length], &mut received).unwrap();
}

struct Resolver;

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::<X25519>::default())
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        RingResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        RingResolver.resolve_cipher(choice)
    }
}

#[derive(Default)]
struct X25519 {
    private: [u8; 32],
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        self.private.copy_from_slice(private);
        self.public = x25519(self.private, X25519_BASEPOINT_BYTES);
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        random.try_fill_bytes(&mut self.private)?;
        self.public = x25519(self.private, X25519_BASEPOINT_BYTES);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.private
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = *public.first_chunk().ok_or(Error::Dh)?;
        out[..32].copy_from_slice(&x25519(self.private, public));
        Ok(())
    }
}
