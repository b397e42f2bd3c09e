//! Sealed boxes.

use decube_crypto::sealed::{
    Cost, Fresh, MAX_LANES, MAX_MEMORY_KIB, MAX_PASSES, NONCE, SALT, SealError, open, seal,
};

const PASSPHRASE: &[u8] = b"correct horse";
const CONTEXT: &[u8] = b"kind: peer";
const SECRET: &[u8] = b"secret";

/// The least work that Argon2id can be asked for.
const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// A valid box.
pub(crate) fn sample() -> Vec<u8> {
    let fresh = Fresh {
        salt: [1; SALT],
        nonce: [2; NONCE],
    };
    seal(PASSPHRASE, CONTEXT, SECRET, CHEAP, &fresh).unwrap()
}

/// A sealed box. Costs that are allowed are lowered to the least, as what Argon2id does with them is
/// not looked at here; others stay, and are refused before any work is done.
pub(crate) fn sealed_box(bytes: &[u8]) -> bool {
    let mut cheap = bytes.to_vec();
    let limits = [MAX_MEMORY_KIB, MAX_PASSES, MAX_LANES];
    let least = [CHEAP.memory_kib, CHEAP.passes, CHEAP.lanes];
    let numbers = cheap.get_mut(1..13).unwrap_or_default();
    let mut beyond = false;
    for ((number, limit), least) in numbers
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .zip(limits)
        .zip(least)
    {
        let found = u32::from_le_bytes(*number);
        beyond |= found > limit;
        if (least..=limit).contains(&found) {
            *number = least.to_le_bytes();
        }
    }
    match open(PASSPHRASE, CONTEXT, &cheap) {
        Ok(secret) => {
            assert_eq!(secret.as_slice(), SECRET);
            assert_eq!(cheap, sample_bytes(), "another box opens");
            true
        }
        Err(error) => {
            assert!(
                !beyond || error != SealError::Refused,
                "a box beyond the limits was tried"
            );
            false
        }
    }
}

fn sample_bytes() -> &'static [u8] {
    static SAMPLE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(sample)
}
