//! Digests, keys, signatures and the secure channel of DeCube: values, pure functions and state
//! machines, without IO or clock. Randomness comes in as an argument but where the libraries of
//! FIPS 203 and 204 take none: what ML-DSA mixes into its signatures, and the ephemeral keys and
//! secrets of the channel, are drawn from the operating system.
//!
//! # Invariants
//! - Every digest and every signed byte string starts with a domain and binds the length of each
//!   field, so one value can never stand for another (`digest::tests`, `statement::tests`).
//! - Ed25519 signatures (RFC 8032) are verified strictly, one by one, everywhere; keys of small
//!   order are refused when they are decoded (`keys::tests`).
//! - A validator's signature is Ed25519 alone, or Ed25519 and ML-DSA-65 (FIPS 204) of which both
//!   must hold (`hybrid::tests`).
//! - A secret key is zeroised when dropped and absent from every debug print (`keys::tests`).
//! - The channel is secret while either of X25519 and ML-KEM-768 (FIPS 203) holds ([`noise`],
//!   [`kem`]).

// A backend for known answers is shared with an example, which knows the crate by its name.
#[cfg(test)]
extern crate self as decube_crypto;

mod digest;
mod hybrid;
pub mod kem;
mod keys;
pub mod mldsa;
pub mod noise;
pub mod sealed;
mod statement;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use hybrid::{
    InvalidValidatorKey, InvalidVoteSignature, ValidatorKey, ValidatorSecret, VoteScheme,
    VoteSignature, VoteSignatureLength,
};
pub use keys::{InvalidKey, InvalidSignature, PublicKey, SecretKey, Signature};
pub use statement::Statement;
