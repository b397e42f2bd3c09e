//! Digests, keys and signatures of DeCube: values and pure functions, without IO, clock or
//! randomness of their own.
//!
//! # Invariants
//! - Every digest and every signed byte string starts with a domain and binds the length of each
//!   field, so one value can never stand for another (`digest::tests`, `statement::tests`).
//! - Signatures are Ed25519 (RFC 8032) and are verified strictly, one by one, everywhere; keys of
//!   small order are refused when they are decoded (`keys::tests`).
//! - A secret key is zeroised when dropped and absent from every debug print (`keys::tests`).

mod digest;
mod keys;
mod statement;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use keys::{InvalidKey, InvalidSignature, PublicKey, SecretKey, Signature};
pub use statement::Statement;
