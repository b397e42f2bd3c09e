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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kem::{AwsLc, Kem};

    #[test]
    fn lengths_are_those_of_the_parameter_set() {
        let lengths = [
            EncapsulationKey::LENGTH,
            DecapsulationKey::LENGTH,
            Ciphertext::LENGTH,
            SharedSecret::LENGTH,
        ];
        assert_eq!(lengths, [1184, 2400, 1088, 32]);
        for got in [0, 1183, 1185, 1087, 1089, 2399, 2401] {
            let refused = |expected| Some(InvalidKemKey::Length { expected, got });
            let bytes = vec![0; got];
            assert_eq!(EncapsulationKey::from_bytes(&bytes).err(), refused(1184));
            assert_eq!(DecapsulationKey::from_bytes(&bytes).err(), refused(2400));
            assert_eq!(Ciphertext::from_bytes(&bytes).err(), refused(1088));
        }
    }

    #[test]
    fn every_coefficient_must_be_below_the_modulus() {
        let key = AwsLc.generate().unwrap();
        let good = *key.encapsulation_key().as_bytes();
        for index in 0..768 {
            for value in [3328, 3329, 4095] {
                let mut bytes = good;
                let three = &mut bytes[index / 2 * 3..][..3];
                let [low, high] = u16::to_le_bytes(value);
                if index % 2 == 0 {
                    (three[0], three[1]) = (low, three[1] & 0xf0 | high);
                } else {
                    (three[1], three[2]) = (three[1] & 0x0f | low << 4, low >> 4 | high << 4);
                }
                let checked = EncapsulationKey::from_bytes(&bytes).map(|_| ());
                let refused = InvalidKemKey::Modulus { index, value };
                let expected = if value < Q { Ok(()) } else { Err(refused) };
                assert_eq!(checked, expected);
            }
        }
    }

    #[test]
    fn the_hash_of_the_encapsulation_key_must_be_right() {
        let key = AwsLc.generate().unwrap();
        // The rest of the key may be anything, as far as section 7.3 goes.
        for (at, checked) in [
            (0, false),
            (1151, false),
            (1152, true),
            (2335, true),
            (2336, true),
            (2367, true),
            (2368, false),
            (2399, false),
        ] {
            let mut bytes = *key.as_bytes();
            bytes[at] ^= 1;
            let refused = DecapsulationKey::from_bytes(&bytes).is_err();
            assert_eq!(refused, checked, "{at}");
        }
        let mut bytes = *key.as_bytes();
        bytes[2336] ^= 1;
        let refused = DecapsulationKey::from_bytes(&bytes).err();
        assert_eq!(refused, Some(InvalidKemKey::Hash));
    }

    #[test]
    fn secrets_are_not_printed() {
        let key = AwsLc.generate().unwrap();
        let (_, secret) = AwsLc.encapsulate(key.encapsulation_key()).unwrap();
        assert_eq!(format!("{secret:?}"), "SharedSecret");
        let printed = format!("{key:?}");
        let public = hex::encode(&key.encapsulation_key().as_bytes()[..8]);
        assert_eq!(
            printed,
            format!("DecapsulationKey(of EncapsulationKey({public}))")
        );
    }

    #[test]
    fn secrets_are_equal_when_all_their_bytes_are() {
        let secret = |byte| SharedSecret::from_bytes(Zeroizing::new([byte; 32]));
        assert_eq!(secret(1), secret(1));
        for at in 0..32 {
            let mut bytes = [1; 32];
            bytes[at] ^= 0x80;
            assert_ne!(SharedSecret::from_bytes(Zeroizing::new(bytes)), secret(1));
        }
    }
}
