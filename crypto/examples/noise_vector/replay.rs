//! A known answer of the handshake: its file, and replaying it.

use decube_crypto::kem::{Kem, KemError, backends};
use decube_crypto::noise::{
    Handshake, HandshakeMessage, NoiseError, PROTOCOL_NAME, Role, SessionKeys, X25519Secret,
};
use serde_json::Value;

use crate::seeded::Seeded;

/// What a file of a known answer says. All that is secret in it is known to everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vector {
    static_i: [u8; 32],
    static_r: [u8; 32],
    ephemeral_i: [u8; 32],
    ephemeral_r: [u8; 32],
    keygen_seed: [u8; 64],
    encapsulation_seed: [u8; 32],
    /// The values that the file says a replay gives, by their names there.
    expected: Vec<(&'static str, String)>,
}

/// Why a file is no known answer, or not the answer that this handshake gives.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VectorError {
    /// Not JSON, or a field is missing or of another kind.
    #[error("the file is not of the form of a known answer: {0}")]
    Form(String),
    /// A known answer of something else.
    #[error("`{field}` is {got:?}, but only {known:?} is known here")]
    Unknown {
        /// The field of the file.
        field: &'static str,
        /// What it says.
        got: String,
        /// What it may say.
        known: &'static str,
    },
    /// The replay gave something else.
    #[error("`{field}` differs: the file says {expected}, the replay gives {got}")]
    Mismatch {
        /// The field of the file.
        field: &'static str,
        /// What the file says.
        expected: String,
        /// What the replay gives.
        got: String,
    },
    /// A production backend gives another secret for the same key and ciphertext.
    #[error("{0} does not decapsulate the ciphertext to the same secret")]
    Backend(&'static str),
    /// The handshake failed.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] NoiseError),
    /// The KEM failed.
    #[error("the KEM failed: {0}")]
    Kem(#[from] KemError),
}

/// What a replay gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Each value, by its name in the file. Both sides of the handshake agree on it.
    pub(crate) values: Vec<(&'static str, String)>,
    /// The production backends that decapsulate to the same secret.
    pub(crate) backends: Vec<&'static str>,
}

impl Vector {
    /// Reads a file.
    ///
    /// # Errors
    /// [`VectorError::Form`] and [`VectorError::Unknown`].
    pub(crate) fn parse(json: &str) -> Result<Self, VectorError> {
        let value: Value =
            serde_json::from_str(json).map_err(|error| VectorError::Form(error.to_string()))?;
        known(&value, "protocol", PROTOCOL_NAME)?;
        known(&value, "prologue", "")?;
        known(&value, "payloads", "all empty")?;
        let mut expected = Vec::new();
        if value.get("message_bytes").is_some() {
            expected.push(("message_bytes", sizes(&value)?));
        }
        for field in EXPECTED {
            if value.get(field).is_some() {
                expected.push((field, text(&value, field)?.to_lowercase()));
            }
        }
        Ok(Self {
            static_i: bytes(&value, "static_i_private")?,
            static_r: bytes(&value, "static_r_private")?,
            ephemeral_i: bytes(&value, "ephemeral_i_private")?,
            ephemeral_r: bytes(&value, "ephemeral_r_private")?,
            keygen_seed: bytes(&value, "kem_keygen_seed")?,
            encapsulation_seed: bytes(&value, "kem_encapsulation_seed")?,
            expected,
        })
    }

    /// Runs the handshake from the seeds of the file.
    ///
    /// # Errors
    /// [`VectorError`] when the handshake fails, its sides disagree, or a backend does.
    pub(crate) fn replay(&self) -> Result<Replayed, VectorError> {
        let kem = Seeded {
            keygen: self.keygen_seed,
            encapsulation: self.encapsulation_seed,
        };
        let key = X25519Secret::from_bytes;
        let (static_i, static_r) = (key(&self.static_i), key(&self.static_r));
        let (ephemeral_i, ephemeral_r) = (key(&self.ephemeral_i), key(&self.ephemeral_r));
        let publics =
            [&static_i, &static_r, &ephemeral_i, &ephemeral_r].map(|key| hex::encode(key.public()));

        let initiator = Role::Initiator;
        let mut alice = Handshake::with(initiator, &static_i, ephemeral_i, Box::new(kem))?;
        let responder = Role::Responder;
        let mut bob = Handshake::with(responder, &static_r, ephemeral_r, Box::new(kem))?;
        let a = alice.write_message(&[])?;
        bob.read_message(&a)?;
        let b = bob.write_message(&[])?;
        alice.read_message(&b)?;
        let c = alice.write_message(&[])?;
        bob.read_message(&c)?;

        let hashes = [&alice, &bob].map(|side| side.handshake_hash().map(hex::encode));
        let keys = [alice.into_keys()?, bob.into_keys()?].map(|keys| shown(&keys));
        let sizes = [a.len(), b.len(), c.len()].map(|length| length.to_string());
        let mut values = vec![("message_bytes", sizes.join(" "))];
        let [hash, hash_of_bob] = hashes.map(Option::unwrap_or_default);
        let [keys, keys_of_bob] = keys;
        let given = publics
            .into_iter()
            .chain([hex::encode(&c), hash])
            .chain(keys);
        values.extend(EXPECTED.into_iter().zip(given));
        let of_bob = [hash_of_bob].into_iter().chain(keys_of_bob);
        let of_bob: Vec<_> = EXPECTED[5..].iter().copied().zip(of_bob).collect();
        compare(&values[6..], &of_bob)?;
        let backends = same_secret(&kem)?;
        Ok(Replayed { values, backends })
    }

    /// Compares what a replay gave with all that the file says.
    ///
    /// # Errors
    /// [`VectorError::Mismatch`] at the first value that differs.
    pub(crate) fn check(&self, replayed: &Replayed) -> Result<(), VectorError> {
        compare(&self.expected, &replayed.values)
    }
}

/// The values that a replay gives, besides the sizes, in its order.
const EXPECTED: [&str; 8] = [
    "static_i_public",
    "static_r_public",
    "ephemeral_i_public",
    "ephemeral_r_public",
    "message_c",
    "handshake_hash",
    "initiator_to_responder_key",
    "responder_to_initiator_key",
];

/// Lets every production backend import the seeded key and decapsulate the seeded ciphertext.
fn same_secret(kem: &Seeded) -> Result<Vec<&'static str>, VectorError> {
    let key = kem.generate()?;
    let (ciphertext, secret) = kem.encapsulate(key.encapsulation_key())?;
    let mut agreeing = Vec::new();
    for backend in backends() {
        if backend.decapsulate(&key, &ciphertext)? != secret {
            return Err(VectorError::Backend(backend.name()));
        }
        agreeing.push(backend.name());
    }
    Ok(agreeing)
}

fn shown(keys: &SessionKeys) -> [String; 2] {
    [keys.initiator_to_responder(), keys.responder_to_initiator()].map(hex::encode)
}

fn compare(
    expected: &[(&'static str, String)],
    got: &[(&'static str, String)],
) -> Result<(), VectorError> {
    for (field, expected) in expected {
        let found = got.iter().find(|(name, _)| name == field);
        let got = found.map_or("", |(_, got)| got.as_str());
        if expected != got {
            return Err(VectorError::Mismatch {
                field,
                expected: expected.clone(),
                got: got.to_owned(),
            });
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, VectorError> {
    let found = value.get(field).and_then(Value::as_str);
    found.ok_or_else(|| VectorError::Form(format!("`{field}` is missing or no text")))
}

fn known(value: &Value, field: &'static str, known: &'static str) -> Result<(), VectorError> {
    let got = text(value, field)?;
    if got == known {
        return Ok(());
    }
    let got = got.to_owned();
    Err(VectorError::Unknown { field, got, known })
}

fn bytes<const N: usize>(value: &Value, field: &'static str) -> Result<[u8; N], VectorError> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text(value, field)?, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let length = 2 * N;
            let cause = format!("`{field}` is not {length} hexadecimal digits: {error}");
            Err(VectorError::Form(cause))
        }
    }
}

/// The sizes of the three messages as a text.
fn sizes(value: &Value) -> Result<String, VectorError> {
    let sizes = value.get("message_bytes").and_then(Value::as_array);
    let numbers: Option<Vec<u64>> = sizes.and_then(|all| all.iter().map(Value::as_u64).collect());
    match numbers {
        Some(numbers) if numbers.len() == MESSAGES.len() => {
            let texts: Vec<_> = numbers.iter().map(u64::to_string).collect();
            Ok(texts.join(" "))
        }
        Some(_) | None => {
            let cause = format!("`message_bytes` is not {} numbers", MESSAGES.len());
            Err(VectorError::Form(cause))
        }
    }
}

const MESSAGES: [HandshakeMessage; 3] = [
    HandshakeMessage::A,
    HandshakeMessage::B,
    HandshakeMessage::C,
];
