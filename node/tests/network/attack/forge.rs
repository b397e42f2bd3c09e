//! Bytes that no honest node makes.

use decube_crypto::Digest;
use decube_protocols::documents::content::{Actor, Session};
use decube_protocols::types::ChangeHash;

/// An Automerge change without operations, made by hand, with a right checksum.
pub struct RawChange<'a> {
    pub dependencies: &'a [ChangeHash],
    pub actor: Vec<u8>,
    pub seq: u64,
    pub start_op: u64,
}

impl RawChange<'_> {
    /// Its hash and bytes.
    pub fn make(&self) -> (ChangeHash, Vec<u8>) {
        let mut content = Vec::new();
        number(&mut content, self.dependencies.len() as u64);
        for dependency in self.dependencies {
            content.extend(dependency.0.as_bytes());
        }
        number(&mut content, self.actor.len() as u64);
        content.extend(&self.actor);
        number(&mut content, self.seq);
        number(&mut content, self.start_op);
        // The time, the message, other actors, and columns: none.
        content.extend([0; 4]);
        let mut hashed = vec![1];
        number(&mut hashed, content.len() as u64);
        hashed.extend(content);
        let hash = sha256(&hashed);
        let bytes = [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &hashed].concat();
        (ChangeHash(Digest::from_bytes(hash)), bytes)
    }
}

/// The bytes of an author's actor.
pub fn actor(session: Session) -> Vec<u8> {
    Actor { session, branch: 0 }.id().to_bytes().to_vec()
}

/// An Automerge sync message with these changes and nothing else.
pub fn sync_message(changes: &[&[u8]]) -> Vec<u8> {
    // The kind; no heads, no needs, no filters.
    let mut message = vec![0x42, 0, 0, 0];
    number(&mut message, changes.len() as u64);
    for change in changes {
        number(&mut message, change.len() as u64);
        message.extend(*change);
    }
    message
}

/// Unsigned LEB128.
fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Copies that are cut short at some places and have a bit turned at others.
pub fn mangled(valid: &[u8]) -> Vec<Vec<u8>> {
    let cut = [1, valid.len() / 3, valid.len() / 2, valid.len() - 1];
    let cut = cut
        .into_iter()
        .filter(|end| *end < valid.len())
        .map(|end| valid[..end].to_vec());
    let turned = (0..valid.len())
        .step_by(valid.len().div_ceil(12))
        .map(|at| {
            let mut bytes = valid.to_vec();
            bytes[at] ^= 1 << (at % 8);
            bytes
        });
    cut.chain(turned).collect()
}

/// What stands for garbage.
pub fn garbage() -> Vec<Vec<u8>> {
    vec![
        vec![0xff; 1000],
        vec![0; 64],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

/// FIPS 180-4; Automerge names its changes by it.
fn sha256(message: &[u8]) -> [u8; 32] {
    let primes: Vec<u64> = (2_u64..312)
        .filter(|n| (2..*n).all(|d| n % d != 0))
        .take(64)
        .collect();
    // The first 32 bits of the fractional part of the root, by integers.
    let root = |prime: u64, power: u32| {
        let (mut low, mut high) = (0_u128, 1_u128 << 40);
        let shifted = u128::from(prime) << (32 * power);
        while high - low > 1 {
            let middle = u128::midpoint(low, high);
            let is_below = match power {
                2 => middle * middle <= shifted,
                _ => middle * middle * middle <= shifted,
            };
            if is_below {
                low = middle
            } else {
                high = middle
            }
        }
        (low & 0xffff_ffff) as u32
    };
    let constants: Vec<u32> = primes.iter().map(|prime| root(*prime, 3)).collect();
    let mut state: Vec<u32> = primes[..8].iter().map(|prime| root(*prime, 2)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() < message.len() + 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        for t in 16..64 {
            let (a, b) = (words[t - 15], words[t - 2]);
            let a = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
            let b = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
            words.push(
                words[t - 16]
                    .wrapping_add(a)
                    .wrapping_add(words[t - 7])
                    .wrapping_add(b),
            );
        }
        let mut v = state.clone();
        for (word, constant) in words.iter().zip(&constants) {
            let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
            let first = [s1, choice, *constant, *word]
                .iter()
                .fold(v[7], |a, b| a.wrapping_add(*b));
            let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(first);
            v[0] = first.wrapping_add(s0).wrapping_add(majority);
        }
        for (word, new) in state.iter_mut().zip(v) {
            *word = word.wrapping_add(new);
        }
    }
    let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn a_change_made_by_hand_is_one() {
    let session = Session {
        author: decube_crypto::SecretKey::from_seed(&[1; 32]).public(),
        nonce: [1; 8],
    };
    let change = RawChange {
        dependencies: &[],
        actor: actor(session),
        seq: 1,
        start_op: 1,
    };
    let (hash, bytes) = change.make();
    let decoded = decube_protocols::documents::content::Decoded::new(&bytes).unwrap();
    assert_eq!(decoded.hash(), hash);
}
