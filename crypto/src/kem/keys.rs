//! The values of ML-KEM-768, checked when they are made from bytes.

use std::fmt;

use sha3::{Digest as _, Sha3_256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that are not an acceptable key or ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKemKey {
    /// The type check: another length than the parameter set gives.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// The length that ML-KEM-768 gives the value.
        expected: usize,
        /// The length that there was.
        got: usize,
    },
    /// The modulus check of section 7.2: decoding and encoding again gives other bytes.
    #[error("coefficient {index} of the encapsulation key is {value}, not below 3329")]
    Modulus {
        /// Which of the 768 coefficients is the first to fail.
        index: usize,
        /// Its value.
        value: u16,
    },
    /// The hash check of section 7.3: the key contains another encapsulation key than it hashes.
    #[error("the decapsulation key does not contain the hash of its encapsulation key")]
    Hash,
}

/// The modulus of the coefficients (FIPS 203 section 2.4.1).
const Q: u16 = 3329;

/// Three polynomials (k = 3) of 256 coefficients of twelve bits: 1,152 bytes.
const VECTOR_LENGTH: usize = 384 * 3;

/// An ML-KEM-768 encapsulation key: the vector `t` and the seed of the matrix.
#[derive(Clone, PartialEq, Eq)]
pub struct EncapsulationKey(
    // Invariant: every coefficient of `t` is below q.
    [u8; Self::LENGTH],
);

impl EncapsulationKey {
    /// Length in bytes.
    pub const LENGTH: usize = VECTOR_LENGTH + 32;

    /// Takes the bytes of a key after the checks of FIPS 203 section 7.2.
    ///
    /// # Errors
    /// [`InvalidKemKey::Length`] and [`InvalidKemKey::Modulus`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKemKey> {
        let bytes = array(bytes)?;
        check_modulus(&bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for EncapsulationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncapsulationKey({})", hex::encode(&self.0[..8]))
    }
}

/// Section 7.2: `ByteEncode12(ByteDecode12(t))` is `t` exactly when every coefficient is below q.
fn check_modulus(key: &[u8; EncapsulationKey::LENGTH]) -> Result<(), InvalidKemKey> {
    // Two coefficients of twelve bits lie in three bytes, the lower bits first (algorithm 5).
    for (pair, bytes) in key[..VECTOR_LENGTH].as_chunks::<3>().0.iter().enumerate() {
        let [low, middle, high] = bytes.map(u16::from);
        let values = [low | (middle & 0x0f) << 8, middle >> 4 | high << 4];
        for (offset, value) in values.into_iter().enumerate() {
            if value >= Q {
                let index = 2 * pair + offset;
                return Err(InvalidKemKey::Modulus { index, value });
            }
        }
    }
    Ok(())
}

/// An ML-KEM-768 decapsulation key in expanded form: the vector `s`, the encapsulation key, its
/// hash and the secret of implicit rejection. Zeroised when dropped, never printed.
pub struct DecapsulationKey {
    bytes: Zeroizing<[u8; Self::LENGTH]>,
    // Invariant: the copy of the one inside `bytes`.
    encapsulation_key: EncapsulationKey,
}

impl DecapsulationKey {
    /// Length in bytes.
    pub const LENGTH: usize = VECTOR_LENGTH + EncapsulationKey::LENGTH + 64;

    /// Takes the bytes of an expanded key after the checks of FIPS 203 section 7.3, and those of
    /// section 7.2 for the encapsulation key inside.
    ///
    /// # Errors
    /// [`InvalidKemKey`] says which check failed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKemKey> {
        let bytes = Zeroizing::new(array(bytes)?);
        let public_end = VECTOR_LENGTH + EncapsulationKey::LENGTH;
        let encapsulation_key = EncapsulationKey::from_bytes(&bytes[VECTOR_LENGTH..public_end])?;
        let hash = Sha3_256::digest(encapsulation_key.as_bytes());
        if hash[..].ct_eq(&bytes[public_end..public_end + 32]).into() {
            Ok(Self {
                bytes,
                encapsulation_key,
            })
        } else {
            Err(InvalidKemKey::Hash)
        }
    }

    /// The bytes of the key, which are secret.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.bytes
    }

    /// The public half.
    #[must_use]
    pub const fn encapsulation_key(&self) -> &EncapsulationKey {
        &self.encapsulation_key
    }
}

impl fmt::Debug for DecapsulationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecapsulationKey(of {:?})", self.encapsulation_key)
    }
}

/// An ML-KEM-768 ciphertext; only decapsulation can tell what it is worth, and does not say.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext([u8; Self::LENGTH]);

impl Ciphertext {
    /// Length in bytes: three polynomials of ten bits a coefficient and one of four.
    pub const LENGTH: usize = 32 * (10 * 3 + 4);

    /// Takes the bytes of a ciphertext after the type check of section 7.3.
    ///
    /// # Errors
    /// [`InvalidKemKey::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKemKey> {
        Ok(Self(array(bytes)?))
    }

    /// The bytes of the ciphertext.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({})", hex::encode(&self.0[..8]))
    }
}

/// A shared secret: zeroised when dropped, compared in constant time, never printed.
pub struct SharedSecret(Zeroizing<[u8; Self::LENGTH]>);

impl SharedSecret {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// Takes the bytes that a backend made.
    #[must_use]
    pub const fn from_bytes(bytes: Zeroizing<[u8; Self::LENGTH]>) -> Self {
        Self(bytes)
    }

    /// The bytes of the secret.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for SharedSecret {}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret")
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], InvalidKemKey> {
    match <[u8; N]>::try_from(bytes) {
        Ok(array) => Ok(array),
        Err(_) => Err(InvalidKemKey::Length {
            expected: N,
            got: bytes.len(),
        }),
    }
}
