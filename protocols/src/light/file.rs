//! Proofs as files.
//!
//! ```text
//! "dcbproof"  version (1 byte)  digest of the rest (32 bytes)  the proof's canonical encoding
//! ```
//! The digest binds bytes that the signatures leave free: the proof that one document is absent may
//! also be one for another document, whose place in the tree is empty for the same reason. Such a
//! proof is true, but it is not the file that was made.

use decube_crypto::Digest;

use super::Proof;
use crate::wire::{self, DecodeError, limits::MAX_PROOF};

/// What a proof's file starts with.
const MAGIC: [u8; 8] = *b"dcbproof";
/// The version of the format, after the magic.
const VERSION: u8 = 1;
const HEAD: usize = MAGIC.len() + 1 + Digest::LENGTH;

/// Why bytes are not a proof's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// More bytes than a proof can have.
    #[error("{size} bytes are more than the {max} that a proof can have", max = Proof::MAX_FILE)]
    TooLarge {
        /// How many there are.
        size: usize,
    },
    /// It does not start like a proof.
    #[error("this is not a proof of a committed version: it does not start with \"dcbproof\"")]
    NotAProof,
    /// It is of a version that this program does not know.
    #[error("the proof has format version {found}, this program knows version {known}")]
    OtherVersion {
        /// The version in the file.
        found: u8,
        /// The version known here.
        known: u8,
    },
    /// It ends before the proof begins.
    #[error("the file ends after {size} bytes, before the proof begins")]
    Cut {
        /// How many bytes there are.
        size: usize,
    },
    /// The bytes are not those that the file was made of.
    #[error("the file was changed: its content has the digest {found}, not {expected}")]
    Changed {
        /// The digest of what is there.
        found: Digest,
        /// The digest that the file names.
        expected: Digest,
    },
    /// The proof in it is damaged.
    #[error("the proof is damaged: {0}")]
    Damaged(#[from] DecodeError),
}

impl Proof {
    /// The largest file in bytes; a reader stops there.
    pub const MAX_FILE: usize = HEAD + MAX_PROOF;

    /// The file: magic, version, digest, and the canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let proof = wire::encode(self);
        [&MAGIC[..], &[VERSION], digest(&proof).as_bytes(), &proof].concat()
    }

    /// Reads what [`Proof::to_bytes`] wrote; no signature is verified yet.
    ///
    /// # Errors
    /// [`FileError`] says what is wrong with the file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let size = bytes.len();
        if size > Self::MAX_FILE {
            return Err(FileError::TooLarge { size });
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(FileError::NotAProof)?;
        let (&found, rest) = rest.split_first().ok_or(FileError::Cut { size })?;
        if found != VERSION {
            return Err(FileError::OtherVersion {
                found,
                known: VERSION,
            });
        }
        let (expected, proof) = rest.split_first_chunk().ok_or(FileError::Cut { size })?;
        let (found, expected) = (digest(proof), Digest::from_bytes(*expected));
        if found != expected {
            return Err(FileError::Changed { found, expected });
        }
        Ok(wire::decode(proof)?)
    }
}

fn digest(proof: &[u8]) -> Digest {
    Digest::of("decube/proof-file/1", &[proof])
}
