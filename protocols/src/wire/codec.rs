//! How one message and its fields are written and read.

use std::borrow::Cow;

use decube_crypto::{Digest, PublicKey, Signature, ValidatorKey, VoteSignature};
use quick_protobuf::{BytesReader, MessageRead, MessageWrite, Writer};

use super::{DecodeError, Problem};
use crate::types::{ChangeHash, Heads};

/// A checked type that has a generated message.
pub trait Codec: Sized {
    /// The message's name in errors.
    const NAME: &'static str;

    /// The generated message.
    type Wire<'a>: MessageRead<'a> + MessageWrite;

    /// The generated message of a value.
    fn to_wire(&self) -> Self::Wire<'_>;

    /// Checks a generated message.
    ///
    /// # Errors
    /// [`DecodeError`] names the first field that is wrong.
    fn from_wire(wire: Self::Wire<'_>) -> Result<Self, DecodeError>;

    /// Names a field of this message in errors.
    #[must_use]
    fn field(field: &'static str) -> Field {
        Field {
            message: Self::NAME,
            field,
        }
    }
}

/// Bytes of a generated message.
pub(super) type Bytes<'a> = Cow<'a, [u8]>;

pub(super) fn write<T: Codec>(value: &T) -> Vec<u8> {
    write_generated(&value.to_wire())
}

fn write_generated(wire: &impl MessageWrite) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(wire.get_size());
    wire.write_message(&mut Writer::new(&mut bytes))
        .expect("memory takes all that is written");
    bytes
}

pub(super) fn size<T: Codec>(value: &T) -> usize {
    value.to_wire().get_size()
}

/// Reads a message that fills `bytes`, without asking whether the bytes are canonical.
pub(super) fn read<T: Codec>(bytes: &[u8]) -> Result<T, DecodeError> {
    T::from_wire(T::field("whole").generated(bytes)?)
}

/// The bytes of a generated message inside another.
pub(super) fn inner(wire: &impl MessageWrite) -> Bytes<'static> {
    Cow::Owned(write_generated(wire))
}

/// The bytes of a message inside another.
pub(super) fn nested<T: Codec>(value: &T) -> Bytes<'static> {
    Cow::Owned(write(value))
}

/// The bytes of a message inside another, empty when it is absent.
pub(super) fn optional<T: Codec>(value: Option<&T>) -> Bytes<'static> {
    value.map_or(Cow::Borrowed(&[]), nested)
}

pub(super) fn list<T: Codec>(values: &[T]) -> Vec<Bytes<'static>> {
    values.iter().map(nested).collect()
}

pub(super) fn digest(digest: &Digest) -> Bytes<'_> {
    Cow::Borrowed(digest.as_bytes())
}

/// A digest's bytes, empty when it is absent.
pub(super) fn optional_digest(digest: Option<&Digest>) -> Bytes<'_> {
    digest.map_or(Cow::Borrowed(&[]), |digest| {
        Cow::Borrowed(digest.as_bytes())
    })
}

pub(super) fn key(key: &PublicKey) -> Bytes<'_> {
    Cow::Borrowed(key.as_bytes())
}

pub(super) fn signature(signature: &Signature) -> Bytes<'_> {
    Cow::Borrowed(signature.as_bytes())
}

pub(super) fn vote_signature(signature: &VoteSignature) -> Bytes<'_> {
    match signature {
        VoteSignature::Ed25519(signature) => Cow::Borrowed(signature.as_bytes()),
        VoteSignature::Hybrid(..) => Cow::Owned(signature.to_bytes()),
    }
}

pub(super) fn hashes(hashes: &[ChangeHash]) -> Vec<Bytes<'_>> {
    hashes.iter().map(|hash| digest(&hash.0)).collect()
}

/// A field of a message, for checks and their errors.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    message: &'static str,
    field: &'static str,
}

impl Field {
    pub(super) fn error(self, problem: Problem) -> DecodeError {
        DecodeError {
            message: self.message,
            field: self.field,
            problem,
        }
    }

    pub(super) fn missing(self) -> DecodeError {
        self.error(Problem::Missing)
    }

    pub(super) fn invalid(self, error: impl std::fmt::Display) -> DecodeError {
        self.error(Problem::Invalid(error.to_string()))
    }

    fn array<const N: usize>(self, bytes: &[u8]) -> Result<[u8; N], DecodeError> {
        let found = bytes.len();
        bytes
            .try_into()
            .or(Err(self.error(Problem::Length { found, expected: N })))
    }

    pub(super) fn digest(self, bytes: &[u8]) -> Result<Digest, DecodeError> {
        self.array(bytes).map(Digest::from_bytes)
    }

    pub(super) fn optional_digest(self, bytes: &[u8]) -> Result<Option<Digest>, DecodeError> {
        if bytes.is_empty() {
            Ok(None)
        } else {
            self.digest(bytes).map(Some)
        }
    }

    pub(super) fn key(self, bytes: &[u8]) -> Result<PublicKey, DecodeError> {
        PublicKey::from_bytes(bytes).map_err(|error| self.invalid(error))
    }

    pub(super) fn validator_key(self, bytes: &[u8]) -> Result<ValidatorKey, DecodeError> {
        ValidatorKey::from_bytes(bytes).map_err(|error| self.invalid(error))
    }

    pub(super) fn signature(self, bytes: &[u8]) -> Result<Signature, DecodeError> {
        self.array(bytes).map(Signature::from_bytes)
    }

    pub(super) fn vote_signature(self, bytes: &[u8]) -> Result<VoteSignature, DecodeError> {
        VoteSignature::from_bytes(bytes).map_err(|error| self.invalid(error))
    }

    pub(super) fn u16(self, number: u32) -> Result<u16, DecodeError> {
        let problem = Problem::Range {
            found: number.into(),
            max: u16::MAX.into(),
        };
        u16::try_from(number).or(Err(self.error(problem)))
    }

    /// A list of at most one number.
    pub(super) fn optional_number<T: Copy>(self, list: &[T]) -> Result<Option<T>, DecodeError> {
        self.at_most(list.len(), 1)?;
        Ok(list.first().copied())
    }

    pub(super) fn text(self, text: &str, max: usize) -> Result<String, DecodeError> {
        if text.len() > max {
            return Err(self.error(Problem::TooLarge {
                size: text.len(),
                max,
            }));
        }
        Ok(text.to_owned())
    }

    /// A generated message that fills `bytes`.
    ///
    /// The reader starts with a slice of its own: one that was made for an inner message can be led
    /// past its end, where quick-protobuf subtracts below zero.
    pub(super) fn generated<'a, W: MessageRead<'a>>(
        self,
        bytes: &'a [u8],
    ) -> Result<W, DecodeError> {
        W::from_reader(&mut BytesReader::from_bytes(bytes), bytes)
            .map_err(|error| self.error(Problem::NotProtobuf(error.to_string())))
    }

    /// A message that is there; one that is missing lacks its own fields.
    pub(super) fn message<T: Codec>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        read(bytes)
    }

    /// A message that may be absent, which none is whose encoding can be empty.
    pub(super) fn optional<T: Codec>(self, bytes: &[u8]) -> Result<Option<T>, DecodeError> {
        if bytes.is_empty() {
            Ok(None)
        } else {
            read(bytes).map(Some)
        }
    }

    pub(super) fn at_most(self, count: usize, max: usize) -> Result<(), DecodeError> {
        if count > max {
            Err(self.error(Problem::TooMany { count, max }))
        } else {
            Ok(())
        }
    }

    /// At most `max` messages.
    pub(super) fn list<T: Codec>(
        self,
        elements: &[Bytes<'_>],
        max: usize,
    ) -> Result<Vec<T>, DecodeError> {
        self.at_most(elements.len(), max)?;
        elements.iter().map(|bytes| read(bytes)).collect()
    }

    pub(super) fn as_many(self, found: usize, expected: usize) -> Result<(), DecodeError> {
        if found == expected {
            Ok(())
        } else {
            Err(self.error(Problem::Disagree { found, expected }))
        }
    }

    pub(super) fn ascending<T: Ord>(
        self,
        keys: impl Iterator<Item = T>,
    ) -> Result<(), DecodeError> {
        let mut last: Option<T> = None;
        for key in keys {
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(self.error(Problem::Unsorted));
            }
            last = Some(key);
        }
        Ok(())
    }

    /// At most `max` hashes, strictly ascending.
    pub(super) fn hashes(
        self,
        elements: &[Bytes<'_>],
        max: usize,
    ) -> Result<Vec<ChangeHash>, DecodeError> {
        self.at_most(elements.len(), max)?;
        let hashes: Vec<_> = elements
            .iter()
            .map(|bytes| self.digest(bytes).map(ChangeHash))
            .collect::<Result<_, _>>()?;
        self.ascending(hashes.iter())?;
        Ok(hashes)
    }

    /// The heads of a version.
    pub(super) fn heads(self, elements: &[Bytes<'_>]) -> Result<Heads, DecodeError> {
        let hashes = self.hashes(elements, Heads::MAX)?;
        Heads::new(hashes).map_err(|error| self.invalid(error))
    }

    /// At most `max` byte strings.
    pub(super) fn byte_strings(
        self,
        elements: Vec<Bytes<'_>>,
        max: usize,
    ) -> Result<Vec<Vec<u8>>, DecodeError> {
        self.at_most(elements.len(), max)?;
        Ok(elements.into_iter().map(Cow::into_owned).collect())
    }
}
