//! Secrets sealed with a passphrase: Argon2id (RFC 9106) makes the key, XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha-03) encrypts.
//!
//! A sealed box is, in order:
//!
//! | part | bytes |
//! |---|---|
//! | version, [`VERSION`] | 1 |
//! | memory of Argon2id in KiB, passes, lanes, each little-endian | 4 + 4 + 4 |
//! | salt | 16 |
//! | nonce | 24 |
//! | the encrypted secret and its tag | length of the secret + 16 |
//!
//! The associated data is what the caller says beside it (such as the lines of a key file) and then
//! the box up to the encrypted secret, so neither can be exchanged.
//!
//! # Invariants
//! - A box opens with its passphrase and its context only (`tests::a_box_opens_with_its_own_only`).
//! - A box asks for at most [`MAX_MEMORY_KIB`] and [`MAX_PASSES`], so that a forged one cannot stop
//!   a machine (`tests::what_a_box_may_cost_is_bounded`).
//! - Keys and opened secrets are zeroised when dropped.

use argon2::{Algorithm, Argon2, Params};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The version that is written.
pub const VERSION: u8 = 1;
/// The length of the salt in bytes.
pub const SALT: usize = 16;
/// The length of the nonce in bytes.
pub const NONCE: usize = 24;
/// The most memory that a box may ask for, in KiB.
pub const MAX_MEMORY_KIB: u32 = 1 << 20;
/// The most passes over it.
pub const MAX_PASSES: u32 = 16;
/// The most lanes.
pub const MAX_LANES: u32 = 16;
/// The most bytes of a secret.
pub const MAX_SECRET: usize = 4096;

const KEY: usize = 32;
const TAG: usize = 16;
const HEADER: usize = 1 + 3 * 4 + SALT + NONCE;

/// How much work a guess at the passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// The second recommended choice of RFC 9106, section 4: 64 MiB, three passes, four lanes.
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 4,
        }
    }
}

/// What makes one box unlike any other; both come from the system's randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The salt of the key.
    pub salt: [u8; SALT],
    /// The nonce of the encryption.
    pub nonce: [u8; NONCE],
}

/// Why a secret was not sealed or a box not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The passphrase is empty.
    #[error("an empty passphrase protects nothing")]
    EmptyPassphrase,
    /// The secret is longer than [`MAX_SECRET`].
    #[error("a secret of more than {MAX_SECRET} bytes is not sealed")]
    TooLong,
    /// The costs are beyond what is allowed.
    #[error("the costs of the passphrase are not between the least of Argon2 and the limits here")]
    Cost,
    /// The bytes are no sealed box.
    #[error("the bytes are no sealed box")]
    Malformed,
    /// The box has a later version.
    #[error("the sealed box has version {0}, which is later than this program knows")]
    Newer(u8),
    /// The passphrase is wrong, or the box or what belongs to it was changed; it cannot be told
    /// which.
    #[error("the passphrase is wrong, or the sealed secret was changed")]
    Refused,
    /// There is not enough memory for the costs.
    #[error("there is not enough memory to work on the passphrase")]
    Memory,
}

/// Seals a secret. `context` is bound to it and must be given again to open it.
///
/// # Errors
/// [`SealError`] for an empty passphrase, a long secret, or costs beyond the limits.
pub fn seal(
    passphrase: &[u8],
    context: &[u8],
    secret: &[u8],
    cost: Cost,
    fresh: &Fresh,
) -> Result<Vec<u8>, SealError> {
    if passphrase.is_empty() {
        return Err(SealError::EmptyPassphrase);
    }
    if secret.len() > MAX_SECRET {
        return Err(SealError::TooLong);
    }
    let mut sealed = Vec::with_capacity(HEADER + secret.len() + TAG);
    sealed.push(VERSION);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        sealed.extend_from_slice(&number.to_le_bytes());
    }
    sealed.extend_from_slice(&fresh.salt);
    sealed.extend_from_slice(&fresh.nonce);
    let associated = associated(context, &sealed);
    let payload = Payload {
        msg: secret,
        aad: &associated,
    };
    let cipher = cipher(passphrase, cost, &fresh.salt)?;
    let Ok(encrypted) = cipher.encrypt(XNonce::from_slice(&fresh.nonce), payload) else {
        return Err(SealError::TooLong);
    };
    sealed.extend_from_slice(&encrypted);
    Ok(sealed)
}

/// Opens a box.
///
/// # Errors
/// [`SealError::Refused`] for a wrong passphrase or context and for changed bytes; the others say
/// what is wrong with the box before any work is done.
pub fn open(
    passphrase: &[u8],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    match sealed.first() {
        Some(&VERSION) => {}
        Some(&version) if version > VERSION => return Err(SealError::Newer(version)),
        Some(_) | None => return Err(SealError::Malformed),
    }
    let Some((header, encrypted)) = sealed.split_at_checked(HEADER) else {
        return Err(SealError::Malformed);
    };
    if !(TAG..=TAG + MAX_SECRET).contains(&encrypted.len()) {
        return Err(SealError::Malformed);
    }
    let mut rest = header.get(1..).unwrap_or_default();
    let cost = Cost {
        memory_kib: u32::from_le_bytes(take(&mut rest)?),
        passes: u32::from_le_bytes(take(&mut rest)?),
        lanes: u32::from_le_bytes(take(&mut rest)?),
    };
    let salt: [u8; SALT] = take(&mut rest)?;
    let nonce: [u8; NONCE] = take(&mut rest)?;
    let associated = associated(context, header);
    let payload = Payload {
        msg: encrypted,
        aad: &associated,
    };
    let opened = cipher(passphrase, cost, &salt)?.decrypt(XNonce::from_slice(&nonce), payload);
    match opened {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(_) => Err(SealError::Refused),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (first, after) = rest.split_first_chunk().ok_or(SealError::Malformed)?;
    *rest = after;
    Ok(*first)
}

/// The length of the context comes first, so that its end and the header's begin are one place.
fn associated(context: &[u8], header: &[u8]) -> Vec<u8> {
    let length = (context.len() as u64).to_le_bytes();
    [&length, context, header].concat()
}

fn cipher(passphrase: &[u8], cost: Cost, salt: &[u8]) -> Result<XChaCha20Poly1305, SealError> {
    let Cost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
        return Err(SealError::Cost);
    }
    let Ok(params) = Params::new(memory_kib, passes, lanes, Some(KEY)) else {
        return Err(SealError::Cost);
    };
    let mut key = Zeroizing::new([0; KEY]);
    let argon = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params);
    match argon.hash_password_into(passphrase, salt, key.as_mut_slice()) {
        Ok(()) => Ok(XChaCha20Poly1305::new(key.as_slice().into())),
        Err(argon2::Error::OutOfMemory) => Err(SealError::Memory),
        Err(_) => Err(SealError::Cost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little work, so that thousands of boxes can be tried.
    const CHEAP: Cost = Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    const FRESH: Fresh = Fresh {
        salt: [1; SALT],
        nonce: [2; NONCE],
    };

    fn sealed() -> Vec<u8> {
        seal(b"correct horse", b"kind: peer", b"secret", CHEAP, &FRESH).unwrap()
    }

    #[test]
    fn a_box_opens_with_its_own_only() {
        let opened = open(b"correct horse", b"kind: peer", &sealed()).unwrap();
        assert_eq!(opened.as_slice(), b"secret");
        for (passphrase, context) in [
            ("correct hors", "kind: peer"),
            ("", "kind: peer"),
            ("correct horse", "kind: author"),
            ("correct horse", ""),
        ] {
            let opened = open(passphrase.as_bytes(), context.as_bytes(), &sealed());
            assert_eq!(opened, Err(SealError::Refused), "{passphrase} {context}");
        }
    }

    #[test]
    fn a_box_that_was_changed_cut_or_lengthened_is_refused() {
        let good = sealed();
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            // Memory and passes are in these bytes; their high ones ask for more than is allowed.
            assert!(
                open(b"correct horse", b"kind: peer", &changed).is_err(),
                "{at}"
            );
        }
        for end in 0..good.len() {
            let cut = open(b"correct horse", b"kind: peer", &good[..end]);
            assert!(
                matches!(cut, Err(SealError::Malformed | SealError::Refused)),
                "{end}"
            );
        }
        let longer = [good.as_slice(), &[0]].concat();
        let longer = open(b"correct horse", b"kind: peer", &longer);
        assert_eq!(longer, Err(SealError::Refused));
        assert_eq!(open(b"x", b"", &[9, 9]), Err(SealError::Newer(9)));
    }

    #[test]
    fn what_a_box_may_cost_is_bounded() {
        for (memory_kib, passes, lanes) in [
            (MAX_MEMORY_KIB + 1, 1, 1),
            (8, MAX_PASSES + 1, 1),
            (1024, 1, MAX_LANES + 1),
            (0, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
        ] {
            let cost = Cost {
                memory_kib,
                passes,
                lanes,
            };
            let sealed = seal(b"x", b"", b"secret", cost, &FRESH);
            assert_eq!(sealed, Err(SealError::Cost));
        }
        let long = vec![0; MAX_SECRET + 1];
        assert_eq!(
            seal(b"x", b"", &long, CHEAP, &FRESH),
            Err(SealError::TooLong)
        );
        let none = seal(b"", b"", b"secret", CHEAP, &FRESH);
        assert_eq!(none, Err(SealError::EmptyPassphrase));
    }

    /// Boxes that were made once must open for ever, so the bytes never change.
    #[test]
    fn a_box_has_these_bytes() {
        let expected = include_str!("../data/sealed-box.hex");
        assert_eq!(hex::encode(sealed()), expected.trim());
    }
}
