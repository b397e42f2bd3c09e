//! The wire format: checked types to bytes and back.
//!
//! Protobuf, by `protocols/proto/*.proto`; the code in `generated` is written by pb-rs
//! (`tests/wire/generate.rs` says how, and fails when it is out of date). Bytes of a peer or of a
//! file are hostile until [`decode`] made a checked type of them.
//!
//! # Invariants
//! - [`decode`] is canonical: it accepts exactly the bytes that [`encode`] gives for the value it
//!   returns. Trailing bytes, unknown fields, fields twice or out of order, integers longer than
//!   needed and explicit defaults are refused (`tests/wire/hostile.rs`).
//! - It never panics, and allocates at most the input's size times a constant: the size is compared
//!   with [`Message::MAX_SIZE`] first, and a list's count with its constant in [`limits`] before
//!   room is made for the elements (`tests/wire/hostile.rs`).
//! - The bytes of one rich example of each message are checked in, so that a change of the format
//!   shows (`tests/wire/fixtures.rs`).

mod codec;
mod commit;
mod documents;
mod error;
mod light;
pub mod limits;
mod types;

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "written by pb-rs, in its own style"
)]
#[rustfmt::skip]
mod generated;

pub use codec::Codec;
pub use commit::{TransactionsRequest, TransactionsResponse};
pub use error::{DecodeError, Problem};

/// A message that stands alone: in a frame, on disk, in a leaf or in a file.
pub trait Message: Codec {
    /// The most bytes that are decoded.
    const MAX_SIZE: usize;
}

/// The canonical bytes of a message.
#[must_use]
pub fn encode<T: Message>(message: &T) -> Vec<u8> {
    codec::write(message)
}

/// How many bytes [`encode`] would give; a sender compares it with [`Message::MAX_SIZE`].
#[must_use]
pub fn encoded_size<T: Message>(message: &T) -> usize {
    codec::size(message)
}

/// Checks the bytes of a message; see the invariants of this module.
///
/// # Errors
/// [`DecodeError`] names the message, the field and what is wrong with it.
pub fn decode<T: Message>(bytes: &[u8]) -> Result<T, DecodeError> {
    let at = T::field("whole");
    if bytes.len() > T::MAX_SIZE {
        return Err(at.error(Problem::TooLarge {
            size: bytes.len(),
            max: T::MAX_SIZE,
        }));
    }
    let message = codec::read::<T>(bytes)?;
    if codec::write(&message) == bytes {
        Ok(message)
    } else {
        Err(at.error(Problem::NotCanonical))
    }
}
