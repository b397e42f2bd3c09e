//! The post-quantum channel: Noise XX with hybrid forward secrecy, without IO.
//!
//! The suite is [`PROTOCOL_NAME`]: the pattern XX of the Noise Protocol Framework (revision 34) with
//! its extension *hybrid forward secrecy* (revision 1draft), X25519 (RFC 7748), ML-KEM-768
//! (FIPS 203), ChaCha20-Poly1305 (RFC 8439) and SHA-256. It is what the draft of libp2p
//! (libp2p/specs, pull request 727) calls [`PROTOCOL_ID`]. What is said stays secret while either of
//! X25519 and ML-KEM-768 holds; who says it is proven by X25519 static keys, to which a libp2p
//! identity is bound by a signature ([`identity`]), and that is not post-quantum.
//!
//! # Messages
//! The prologue is empty. The sizes are those without a payload; a payload of B or C adds its
//! length. Message A has none, as it would not be encrypted.
//!
//! | message | direction | tokens | parts | bytes |
//! |---|---|---|---|---|
//! | A | to the responder | `e, e1` | 32 + 1184 | 1216 |
//! | B | to the initiator | `e, ee, ekem1, s, es` | 32 + (1088 + 16) + (32 + 16) + 16 | 1200 |
//! | C | to the responder | `s, se` | (32 + 16) + 16 | 64 |
//!
//! Then each direction is a sequence of frames of at most [`MAX_FRAME`] bytes, encrypted under its
//! own key with a counter as the nonce and no associated data. On a stream, libp2p puts the length
//! of every message and frame before it as two bytes, the higher first; the driver does that.
//!
//! # Invariants
//! - The known answer is reproduced byte for byte (`tests/noise_vector.rs`).
//! - The length of a message is checked before anything is done with it
//!   (`tests::hostile::every_other_length_is_refused`); [`HandshakeMessage::lengths`] lets a driver
//!   check it before it allocates.
//! - A message that was changed in any bit, or comes twice, out of turn or from another handshake
//!   ends the handshake, which then does nothing more (`tests::hostile`).
//! - An X25519 shared secret of zeros is refused, and with it every key of low order. Noise (section
//!   12.1) leaves the choice, and libp2p's classic channel does not check. Nothing honest is lost by
//!   it, and no peer can make its contribution to the keys void
//!   (`tests::hostile::keys_of_low_order_are_refused`).
//! - An encapsulation key out of range is refused before a backend sees it
//!   (`tests::hostile::an_encapsulation_key_out_of_range_is_refused`).
//! - No nonce is used twice, and the last one never: a direction ends first
//!   (`transport::tests::a_direction_ends_before_its_nonces_do`).
//! - A frame that does not decrypt ends its direction (`transport::tests`).
//! - Private keys, session keys and the secrets of the KEM that this module holds are zeroised when
//!   dropped, and absent from every debug print. `snow` does not zeroise its own state and its
//!   copies on the stack (chaining key, shared secrets, derived keys) of the time of the handshake.

mod aead;
mod handshake;
pub mod identity;
mod resolver;
mod transport;
mod x25519;

#[cfg(test)]
mod tests;

pub use handshake::{Handshake, HandshakeMessage, NoiseError, Role, SessionKeys, Step};
pub use transport::{FrameError, ReceivingHalf, SendingHalf, Transport};
pub use x25519::{RandomFailed, X25519Secret};

/// The name that both sides hash into the handshake (Noise section 8).
pub const PROTOCOL_NAME: &str = "Noise_XXhfs_25519+MLKEM768_ChaChaPoly_SHA256";

/// What peers negotiate on a stream before the handshake (multistream-select).
pub const PROTOCOL_ID: &str = "/noise-mlkem768-hfs/0.2.0";

/// The most bytes of one frame, and of any Noise message (Noise section 3).
pub const MAX_FRAME: usize = 65_535;

/// The bytes by which a frame is longer than what it carries: the tag of ChaCha20-Poly1305.
pub const TAG_LENGTH: usize = 16;

/// The most bytes that a frame carries.
pub const MAX_PLAINTEXT: usize = MAX_FRAME - TAG_LENGTH;

/// The most bytes of a handshake payload. An identity with an Ed25519 signature takes about 110, one
/// with an RSA key about 600; the rest is room for extensions. It bounds what a stranger can make
/// this side allocate.
pub const MAX_PAYLOAD: usize = 4096;
