//! The post-quantum channel beside the classic one, in memory, and the backends of its KEM.
//!
//! Classic is what `libp2p-noise` does with `snow`: the pattern XX with X25519 from `x25519-dalek`,
//! and ChaCha20-Poly1305 and SHA-256 from *ring*. Run with `cargo bench -p decube-crypto --bench
//! channel --features pqcrypto`; the medians are what to compare.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that fails has nothing to measure"
)]

mod classic;

use decube_crypto::kem::{Ciphertext, DecapsulationKey, Kem, backends};
use decube_crypto::noise::{Handshake, MAX_FRAME, MAX_PLAINTEXT, Role, Transport, X25519Secret};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// About what the payload with an identity takes.
const PAYLOAD: [u8; 104] = [7; 104];

fn keys() -> (X25519Secret, X25519Secret) {
    let key = |byte| X25519Secret::from_bytes(&[byte; X25519Secret::LENGTH]);
    (key(1), key(2))
}

fn hybrid(alice: &X25519Secret, bob: &X25519Secret, backend: &str) -> (Handshake, Handshake) {
    let start = |role, key| {
        let ephemeral = X25519Secret::generate().unwrap();
        let kem = named(backend);
        Handshake::with(role, key, ephemeral, kem).unwrap()
    };
    let (mut alice, mut bob) = (start(Role::Initiator, alice), start(Role::Responder, bob));
    let a = alice.write_message(&[]).unwrap();
    bob.read_message(&a).unwrap();
    let b = bob.write_message(&PAYLOAD).unwrap();
    alice.read_message(&b).unwrap();
    let c = alice.write_message(&PAYLOAD).unwrap();
    bob.read_message(&c).unwrap();
    (alice, bob)
}

/// The names of the backends, which the figures are listed by.
fn every_backend() -> Vec<&'static str> {
    backends().iter().map(|kem| kem.name()).collect()
}

fn named(name: &str) -> Box<dyn Kem> {
    let found = backends().into_iter().find(|kem| kem.name() == name);
    found.expect("the name comes from the list")
}

/// Both sides of a handshake, their work added up.
#[divan::bench_group(sample_count = 500)]
mod handshake {
    use super::*;

    #[divan::bench]
    fn classic(bencher: Bencher<'_, '_>) {
        bencher.bench_local(|| classic::handshake(&[1; 32], &[2; 32], &PAYLOAD));
    }

    #[divan::bench(args = every_backend())]
    fn hybrid(bencher: Bencher<'_, '_>, backend: &str) {
        let (alice, bob) = keys();
        bencher.bench_local(|| super::hybrid(&alice, &bob, backend));
    }
}

/// Encrypting and decrypting one full frame.
#[divan::bench_group(sample_count = 500)]
mod bulk {
    use super::*;

    #[divan::bench]
    fn classic(bencher: Bencher<'_, '_>) {
        let (alice, bob) = classic::handshake(&[1; 32], &[2; 32], &PAYLOAD);
        let mut alice = alice.into_transport_mode().unwrap();
        let mut bob = bob.into_transport_mode().unwrap();
        let (plaintext, mut frame) = (vec![7; MAX_PLAINTEXT], vec![0; MAX_FRAME]);
        let mut received = vec![0; MAX_FRAME];
        let bencher = bencher.counter(BytesCount::new(MAX_PLAINTEXT));
        bencher.bench_local(|| {
            let length = alice.write_message(&plaintext, &mut frame).unwrap();
            let length = bob.read_message(&frame[..length], &mut received).unwrap();
            black_box(&received[..length]);
        });
    }

    #[divan::bench]
    fn hybrid(bencher: Bencher<'_, '_>) {
        let (alice, bob) = keys();
        let (alice, bob) = super::hybrid(&alice, &bob, every_backend()[0]);
        let channel = |side: Handshake| -> Transport { side.into_transport().unwrap() };
        let (mut alice, mut bob) = (channel(alice), channel(bob));
        let (plaintext, mut frame) = (vec![7; MAX_PLAINTEXT], Vec::with_capacity(MAX_FRAME));
        let bencher = bencher.counter(BytesCount::new(MAX_PLAINTEXT));
        bencher.bench_local(|| {
            frame.clear();
            alice.encrypt(&plaintext, &mut frame).unwrap();
            black_box(bob.decrypt(&mut frame).unwrap());
        });
    }
}

/// ML-KEM-768, by backend, with the checks of FIPS 203 that come before it.
#[divan::bench_group(sample_count = 500)]
mod kem {
    use super::*;

    fn backend(name: &str) -> (Box<dyn Kem>, DecapsulationKey, Ciphertext) {
        let kem = named(name);
        let key = kem.generate().unwrap();
        let (ciphertext, _) = kem.encapsulate(key.encapsulation_key()).unwrap();
        (kem, key, ciphertext)
    }

    #[divan::bench(args = every_backend())]
    fn generate(bencher: Bencher<'_, '_>, name: &str) {
        let (kem, ..) = backend(name);
        bencher.bench_local(|| kem.generate().unwrap());
    }

    #[divan::bench(args = every_backend())]
    fn encapsulate(bencher: Bencher<'_, '_>, name: &str) {
        let (kem, key, _) = backend(name);
        let public = key.encapsulation_key();
        bencher.bench_local(|| kem.encapsulate(public).unwrap());
    }

    #[divan::bench(args = every_backend())]
    fn decapsulate(bencher: Bencher<'_, '_>, name: &str) {
        let (kem, key, ciphertext) = backend(name);
        bencher.bench_local(|| kem.decapsulate(&key, &ciphertext).unwrap());
    }
}
