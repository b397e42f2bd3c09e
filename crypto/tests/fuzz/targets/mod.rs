//! What reads bytes of strangers in this crate, as functions that libFuzzer and the seeded runner
//! call alike. Each panics when bytes do what they must not, and otherwise says whether it accepted
//! them.

pub(crate) mod channel;
pub(crate) mod keys;
pub(crate) mod sealing;

/// A decoder with its name.
pub(crate) type Target = (&'static str, fn(&[u8]) -> bool);

/// Every target, in the order in which the table is printed.
pub(crate) const TARGETS: [Target; 14] = [
    ("message_a", channel::message_a),
    ("message_b", channel::message_b),
    ("message_c", channel::message_c),
    ("frames", channel::frames),
    ("identity", channel::identity),
    ("sealed_box", sealing::sealed_box),
    ("kem_encapsulation_key", keys::kem_encapsulation_key),
    ("kem_decapsulation_key", keys::kem_decapsulation_key),
    ("kem_ciphertext", keys::kem_ciphertext),
    ("mldsa_key", keys::mldsa_key),
    ("mldsa_signature", keys::mldsa_signature),
    ("validator_key", keys::validator_key),
    ("validator_key_text", keys::validator_key_text),
    ("vote_signature", keys::vote_signature),
];

/// Runs a target by its name.
pub(crate) fn run(name: &str, bytes: &[u8]) -> bool {
    let named = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = named.expect("the names of binaries and corpora are compared with the list");
    target(bytes)
}
