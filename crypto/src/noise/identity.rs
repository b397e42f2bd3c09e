//! What a handshake payload says: which libp2p identity a static key belongs to.
//!
//! As in the libp2p Noise specification (revision r5, "The libp2p handshake payload"): the payload of
//! messages B and C is the protobuf message
//!
//! ```text
//! message NoiseHandshakePayload {
//!   bytes identity_key = 1;             // a protobuf PublicKey of the libp2p peer id specification
//!   bytes identity_sig = 2;             // over "noise-libp2p-static-key:" and the static key
//!   NoiseExtensions extensions = 4;     // passed through here as bytes
//! }
//! ```
//!
//! # Invariants
//! - An identity is believed only with its signature over the very static key that the handshake
//!   proved (`tests::a_claim_holds_for_its_static_key_only`).
//! - An Ed25519 identity of small order, as which anyone could sign, is refused
//!   (`tests::an_identity_as_which_anyone_can_sign_is_refused`).
//! - Any bytes are either decoded or refused, without panic; of a field that comes twice the last
//!   one counts, and unknown fields are passed over, as protobuf asks
//!   (`tests::fields_are_read_as_protobuf_asks`).
//! - The fields stand in the order of their numbers, as other implementations write them
//!   (`tests::the_bytes_are_those_of_libp2p`).

use libp2p_identity::{Keypair, PublicKey};

use super::X25519Secret;

/// What the signature covers before the static key.
pub const SIGNATURE_PREFIX: &[u8] = b"noise-libp2p-static-key:";

const IDENTITY_KEY: u64 = 1;
const IDENTITY_SIGNATURE: u64 = 2;
const EXTENSIONS: u64 = 4;

/// Who is at the other end of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteIdentity {
    /// The identity key, which signed the static key.
    pub key: PublicKey,
    /// The protobuf message `NoiseExtensions`, if there was one. It is protected by the handshake,
    /// not by the signature.
    pub extensions: Option<Vec<u8>>,
}

/// Why a payload proves no identity.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a protobuf message: what stands at this byte is none of its fields.
    #[error("the handshake payload is no protobuf message at byte {0}")]
    Malformed(usize),
    /// There is no identity key.
    #[error("the handshake payload has no identity key")]
    NoKey,
    /// The identity key is of an unknown kind, not in its form, or an Ed25519 key for which anyone
    /// can sign.
    #[error("the identity key is not one that is accepted here: {0}")]
    Key(String),
    /// The signature is missing or does not hold for the key and this handshake's static key.
    #[error("the identity key did not sign the static key of this handshake")]
    Signature,
}

/// The identity could not sign.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity key cannot sign: {0}")]
pub struct SigningFailed(String);

/// The payload by which `identity` claims its static key, with the bytes of a `NoiseExtensions`
/// message if there are any.
///
/// # Errors
/// [`SigningFailed`] when the identity's kind of key cannot sign here.
pub fn payload(
    identity: &Keypair,
    static_public: &[u8; X25519Secret::LENGTH],
    extensions: &[u8],
) -> Result<Vec<u8>, SigningFailed> {
    let signature = match identity.sign(&signed(static_public)) {
        Ok(signature) => signature,
        Err(error) => return Err(SigningFailed(error.to_string())),
    };
    let mut bytes = Vec::new();
    put(
        &mut bytes,
        IDENTITY_KEY,
        &identity.public().encode_protobuf(),
    );
    put(&mut bytes, IDENTITY_SIGNATURE, &signature);
    if !extensions.is_empty() {
        put(&mut bytes, EXTENSIONS, extensions);
    }
    Ok(bytes)
}

/// Who claims `static_public`, the static key that the handshake proved, by `payload`.
///
/// # Errors
/// [`IdentityError`] says what is missing.
pub fn verify(
    payload: &[u8],
    static_public: &[u8; X25519Secret::LENGTH],
) -> Result<RemoteIdentity, IdentityError> {
    let fields = Fields::decode(payload)?;
    let encoded = fields.key.ok_or(IdentityError::NoKey)?;
    let key = match PublicKey::try_decode_protobuf(encoded) {
        Ok(key) => key,
        Err(error) => return Err(IdentityError::Key(error.to_string())),
    };
    check_strength(&key)?;
    let signature = fields.signature.ok_or(IdentityError::Signature)?;
    if !key.verify(&signed(static_public), signature) {
        return Err(IdentityError::Signature);
    }
    let extensions = fields.extensions.map(<[u8]>::to_vec);
    Ok(RemoteIdentity { key, extensions })
}

/// libp2p verifies Ed25519 without asking whether the key has small order, under which one signature
/// holds for every static key: whoever likes could be that peer.
fn check_strength(key: &PublicKey) -> Result<(), IdentityError> {
    let Ok(ed25519) = key.clone().try_into_ed25519() else {
        return Ok(());
    };
    match crate::PublicKey::from_bytes(&ed25519.to_bytes()) {
        Ok(_) => Ok(()),
        Err(error) => Err(IdentityError::Key(error.to_string())),
    }
}

fn signed(static_public: &[u8; X25519Secret::LENGTH]) -> Vec<u8> {
    [SIGNATURE_PREFIX, static_public].concat()
}

/// The fields of a payload that are known here.
#[derive(Default)]
struct Fields<'a> {
    key: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    extensions: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn decode(payload: &'a [u8]) -> Result<Self, IdentityError> {
        let mut fields = Self::default();
        let mut rest = payload;
        while !rest.is_empty() {
            let at = payload.len() - rest.len();
            let (number, value) = take_field(&mut rest).ok_or(IdentityError::Malformed(at))?;
            match (number, value) {
                (IDENTITY_KEY, Some(bytes)) => fields.key = Some(bytes),
                (IDENTITY_SIGNATURE, Some(bytes)) => fields.signature = Some(bytes),
                (EXTENSIONS, Some(bytes)) => fields.extensions = Some(bytes),
                (IDENTITY_KEY | IDENTITY_SIGNATURE | EXTENSIONS, None) => {
                    return Err(IdentityError::Malformed(at));
                }
                (_, _) => {}
            }
        }
        Ok(fields)
    }
}

/// Takes a field off the front: its number, and its bytes if it is of the kind that has a length.
fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let tag = take_varint(rest)?;
    let number = tag >> 3;
    if number == 0 {
        return None;
    }
    let value = match tag & 7 {
        0 => {
            take_varint(rest)?;
            None
        }
        1 => {
            rest.split_off(..8)?;
            None
        }
        2 => {
            let length = usize::try_from(take_varint(rest)?).ok()?;
            Some(rest.split_off(..length)?)
        }
        5 => {
            rest.split_off(..4)?;
            None
        }
        // Groups are from before protobuf 3.
        _ => return None,
    };
    Some((number, value))
}

/// Takes an integer of seven bits a byte, the lowest first, off the front.
fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = u64::from(*rest.split_off_first()?);
        // The tenth byte has room for one bit.
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a field of bytes.
fn put(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATIC: [u8; 32] = [7; 32];

    fn alice() -> Keypair {
        Keypair::ed25519_from_bytes([1; 32]).unwrap()
    }

    #[test]
    fn a_claim_holds_for_its_static_key_only() {
        let claim = payload(&alice(), &STATIC, &[]).unwrap();
        let remote = verify(&claim, &STATIC).unwrap();
        assert_eq!(remote.key, alice().public());
        assert_eq!(remote.extensions, None);
        assert_eq!(verify(&claim, &[8; 32]), Err(IdentityError::Signature));
    }

    #[test]
    fn another_identity_cannot_take_over_a_signature() {
        let mallory = Keypair::ed25519_from_bytes([2; 32]).unwrap();
        let signature = alice().sign(&signed(&STATIC)).unwrap();
        let mut claim = Vec::new();
        put(
            &mut claim,
            IDENTITY_KEY,
            &mallory.public().encode_protobuf(),
        );
        put(&mut claim, IDENTITY_SIGNATURE, &signature);
        assert_eq!(verify(&claim, &STATIC), Err(IdentityError::Signature));
        // Nor is a signature without the prefix one.
        let mut bare = Vec::new();
        put(&mut bare, IDENTITY_KEY, &alice().public().encode_protobuf());
        put(
            &mut bare,
            IDENTITY_SIGNATURE,
            &alice().sign(&STATIC).unwrap(),
        );
        assert_eq!(verify(&bare, &STATIC), Err(IdentityError::Signature));
    }

    #[test]
    fn an_identity_as_which_anyone_can_sign_is_refused() {
        // The neutral element as the key and as R, and S = 0: [S]B = R + [k]A for every message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let key = libp2p_identity::ed25519::PublicKey::try_from_bytes(&neutral).unwrap();
        let key = PublicKey::from(key);
        let signature = [neutral, [0; 32]].concat();
        assert!(key.verify(&signed(&STATIC), &signature));
        let mut claim = Vec::new();
        put(&mut claim, IDENTITY_KEY, &key.encode_protobuf());
        put(&mut claim, IDENTITY_SIGNATURE, &signature);
        assert!(matches!(
            verify(&claim, &STATIC),
            Err(IdentityError::Key(_))
        ));
    }

    #[test]
    fn the_bytes_are_those_of_libp2p() {
        let claim = payload(&alice(), &STATIC, &[0x12, 1, b'y']).unwrap();
        let key = alice().public().encode_protobuf();
        let message: Vec<u8> = SIGNATURE_PREFIX.iter().chain(&STATIC).copied().collect();
        let signature = alice().sign(&message).unwrap();
        assert_eq!((key.len(), signature.len()), (36, 64));
        let by_hand = [
            &[0x0a, 36][..],
            &key,
            &[0x12, 64],
            &signature,
            &[0x22, 3, 0x12, 1, b'y'],
        ];
        assert_eq!(claim, by_hand.concat());
        let remote = verify(&claim, &STATIC).unwrap();
        assert_eq!(remote.extensions, Some(vec![0x12, 1, b'y']));
    }

    #[test]
    fn fields_are_read_as_protobuf_asks() {
        let claim = payload(&alice(), &STATIC, &[]).unwrap();
        // Fields 100 (varint), 101 (eight bytes), 102 (bytes) and 103 (four bytes) are unknown.
        let unknown = [
            &[0xa0, 6, 0xff, 1][..],
            &[0xa9, 6, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0xb2, 6, 2, 9, 9],
            &[0xbd, 6, 1, 2, 3, 4],
        ]
        .concat();
        assert!(verify(&[&unknown[..], &claim].concat(), &STATIC).is_ok());
        // The last of two keys counts.
        let mut twice = vec![0x0a, 1, 0];
        twice.extend_from_slice(&claim);
        assert!(verify(&twice, &STATIC).is_ok());
        let mut undone = claim.clone();
        undone.extend_from_slice(&[0x0a, 1, 0]);
        assert!(matches!(
            verify(&undone, &STATIC),
            Err(IdentityError::Key(_))
        ));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        assert_eq!(verify(&[], &STATIC), Err(IdentityError::NoKey));
        let mut only_key = Vec::new();
        put(
            &mut only_key,
            IDENTITY_KEY,
            &alice().public().encode_protobuf(),
        );
        assert_eq!(verify(&only_key, &STATIC), Err(IdentityError::Signature));
        let malformed: [&[u8]; 7] = [
            &[0x0a],
            &[0x0a, 5, 1],
            &[0x02, 0],
            &[0x08, 1],
            &[0x0b],
            &[0xff; 11],
            &[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
        ];
        for bytes in malformed {
            assert_eq!(verify(bytes, &STATIC), Err(IdentityError::Malformed(0)));
        }
    }

    #[test]
    fn a_truncated_claim_proves_nothing() {
        let claim = payload(&alice(), &STATIC, &[]).unwrap();
        for length in 0..claim.len() {
            assert!(verify(&claim[..length], &STATIC).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(verify(&bytes, &STATIC).is_err());
        }

        #[test]
        fn a_changed_bit_of_key_or_signature_undoes_the_claim(at in 0usize..104, bit in 0u8..8) {
            let mut claim = payload(&alice(), &STATIC, &[]).unwrap();
            claim[at] ^= 1 << bit;
            prop_assert!(verify(&claim, &STATIC).is_err());
        }
    }
}
