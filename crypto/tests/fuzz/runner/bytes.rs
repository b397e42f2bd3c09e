//! Changes to bytes whose meaning is not known.

use super::random::Random;

/// The most bytes that one change puts in.
const MAX_INSERTED: usize = 64;

/// Values at which decoders go wrong: none, one, the last of a byte, of seven bits, of sixteen.
const EDGES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];

/// Changes one thing. `other` gives bytes to splice in.
pub(crate) fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // Half of the changes keep the length, without which values of a fixed length are seen by
    // nothing but the check of it.
    if random.one_in(2) {
        overwrite(bytes, other, random);
    } else {
        resize(bytes, other, random);
    }
}

fn overwrite(bytes: &mut [u8], other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let (_, rest) = bytes.split_at_mut(at);
    let length = random.below(rest.len().min(MAX_INSERTED) + 1);
    match random.below(6) {
        0 | 1 => {
            if let Some(byte) = rest.first_mut() {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => {
            if let (Some(byte), Some(edge)) = (rest.first_mut(), random.pick(&EDGES)) {
                *byte = *edge;
            }
        }
        3 => {
            let edge = random.pick(&EDGES).copied().unwrap_or_default();
            rest.iter_mut().take(8).for_each(|byte| *byte = edge);
        }
        4 => {
            for byte in rest.iter_mut().take(length) {
                *byte = random.byte();
            }
        }
        _ => {
            let from = random.below(other.len());
            let source = other.iter().skip(from).take(length);
            for (byte, source) in rest.iter_mut().zip(source) {
                *byte = *source;
            }
        }
    }
}

fn resize(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => {
            let end = (at + 1 + random.below(MAX_INSERTED)).min(bytes.len());
            drop(bytes.drain(at..end));
        }
        2 => {
            let length = 1 + random.below(MAX_INSERTED);
            let inserted = random.bytes(length);
            bytes.splice(at..at, inserted);
        }
        3 => {
            let end = (at + 1 + random.below(MAX_INSERTED)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        4 => {
            let edge = random.pick(&EDGES).copied().unwrap_or_default();
            bytes.insert(at, edge);
        }
        // The head of one and the tail of another.
        5 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
        _ => {
            let from = random.below(other.len() + 1);
            let length = random.below((other.len() - from).min(MAX_INSERTED) + 1);
            bytes.splice(at..at, other[from..from + length].iter().copied());
        }
    }
}
