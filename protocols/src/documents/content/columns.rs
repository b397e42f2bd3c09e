//! How many rows the columns of an Automerge change say that they have.
//!
//! Runs make a change small: a few bytes say that a value comes 2^40 times. Automerge goes through
//! all of them, and collects the predecessors of an operation, when it decodes a change and before
//! it can be asked how many there are; and it makes room for a text of the length that is said,
//! before it sees that the text is not there.
//!
//! # Invariants
//! - A change that passes has at most as many rows as asked for, and its texts are there
//!   (`tests::runs_beyond_the_limit_are_refused`).
//! - What Automerge writes passes (`tests::an_honest_change_passes`).
//!
//! The format is that of the Automerge binary document format, "Change chunks" and "Columnar storage
//! format".

/// Bytes before the length of a chunk: four of magic, four of checksum, one for the type.
const HEADER: usize = 9;
/// Length of a change's hash.
const HASH: usize = 32;

/// Whether no column of a change has more than `max` rows, and no text of a column more bytes than
/// there are. What is malformed in another way may pass: Automerge refuses it.
pub(super) fn are_bounded(change: &[u8], max: u64) -> bool {
    columns(change).is_none_or(|columns| {
        let mut columns = columns.into_iter();
        columns.all(|(kind, data)| has_at_most(kind, data, max).unwrap_or(false))
    })
}

/// The kinds of a change's columns with their data, or nothing when the bytes are no change.
fn columns(change: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut rest = change.get(HEADER..)?;
    unsigned(&mut rest)?;
    let dependencies = usize::try_from(unsigned(&mut rest)?).ok()?;
    rest.split_off(..dependencies.checked_mul(HASH)?)?;
    skip_bytes(&mut rest)?;
    // The number in the actor's sequence, the first operation and the time; a signed number is as
    // long as an unsigned one.
    for _ in 0..3 {
        unsigned(&mut rest)?;
    }
    skip_bytes(&mut rest)?;
    for _ in 0..unsigned(&mut rest)? {
        skip_bytes(&mut rest)?;
    }
    let mut kinds = Vec::new();
    for _ in 0..unsigned(&mut rest)? {
        kinds.push((
            unsigned(&mut rest)?,
            usize::try_from(unsigned(&mut rest)?).ok()?,
        ));
    }
    let split = |(kind, length)| Some((kind, rest.split_off(..length)?));
    kinds.into_iter().map(split).collect()
}

/// Nothing when the column ends in the middle of a value.
fn has_at_most(specification: u64, data: &[u8], max: u64) -> Option<bool> {
    const BOOLEAN: u64 = 4;
    const TEXT: u64 = 5;
    const RAW: u64 = 7;
    let (mut rest, mut rows) = (data, 0_u64);
    let kind = specification & 7;
    while !rest.is_empty() && kind != RAW && rows <= max {
        if kind == BOOLEAN {
            rows = rows.saturating_add(unsigned(&mut rest)?);
            continue;
        }
        let run = signed(&mut rest)?;
        rows = rows.saturating_add(match run {
            0 => unsigned(&mut rest)?,
            _ => run.unsigned_abs(),
        });
        // A literal run has its values one by one.
        let values = if run < 0 {
            run.unsigned_abs()
        } else {
            u64::from(run > 0)
        };
        for _ in 0..values {
            match kind {
                TEXT => skip_bytes(&mut rest)?,
                _ => drop(unsigned(&mut rest)?),
            }
        }
    }
    Some(rows <= max)
}

fn skip_bytes(rest: &mut &[u8]) -> Option<()> {
    let length = usize::try_from(unsigned(rest)?).ok()?;
    rest.split_off(..length).map(drop)
}

/// Takes a LEB128 number; nothing when it has more than 64 bits.
fn unsigned(rest: &mut &[u8]) -> Option<u64> {
    leb128(rest).map(|(value, _)| value)
}

fn signed(rest: &mut &[u8]) -> Option<i64> {
    let (value, bits) = leb128(rest)?;
    let unused = 64_u32.saturating_sub(bits);
    Some((value << unused).cast_signed() >> unused)
}

/// A number with how many bits were there.
fn leb128(rest: &mut &[u8]) -> Option<(u64, u32)> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f).unbounded_shl(shift);
        if byte < 0x80 {
            return Some((value, (shift + 7).min(64)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use decube_crypto::SecretKey;
    use serde_json::json;

    use super::*;
    use crate::documents::content::{Content, Decoded, Session};

    const MAX: u64 = 1 << 20;

    fn honest() -> Vec<u8> {
        let author = SecretKey::from_seed(&[1; 32]).public();
        let session = Session {
            author,
            nonce: [1; 8],
        };
        let content = json!({ "title": "a", "tags": ["x", 1, true, null], "sizes": { "b": 2.5 } });
        let (_, edited) = Content::create(&session, Some(&content), 1).unwrap();
        edited.bytes
    }

    /// A LEB128 number below 2^62, which is the same signed and unsigned.
    fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x40 {
            bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        bytes.push(value.to_le_bytes()[0]);
        bytes
    }

    /// A change, but for its checksum, of an actor with these columns and nothing else.
    fn change(columns: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut body = vec![0, 40];
        body.extend([1; 40]);
        // Sequence, first operation, time, no message, no other actors.
        body.extend([1, 1, 0, 0, 0]);
        body.extend(number(columns.len() as u64));
        for (kind, data) in columns {
            body.extend(number(*kind));
            body.extend(number(data.len() as u64));
        }
        body.extend(columns.iter().flat_map(|(_, data)| data.clone()));
        let header = [0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
        [&header[..], &number(body.len() as u64), &body].concat()
    }

    /// `count` operations that set `a` to null, the first with `predecessors`.
    fn runs(count: u64, predecessors: u64) -> Vec<u8> {
        let run = |value: &[u8]| [&number(count), value].concat();
        let all = [&number(predecessors)[..], &[0]].concat();
        let groups = match predecessors {
            0 => run(&[0]),
            _ => [&[0x7f][..], &number(predecessors)].concat(),
        };
        change(&[
            (0x15, run(b"\x01a")),
            (0x34, number(count)),
            (0x42, run(&[1])),
            (0x56, run(&[0])),
            (0x70, groups),
            (0x71, all.clone()),
            (0x73, all),
        ])
    }

    #[test]
    fn an_honest_change_passes() {
        assert!(columns(&honest()).is_some_and(|columns| columns.len() == 10));
        assert!(are_bounded(&honest(), MAX));
        assert!(!are_bounded(&honest(), 3));
    }

    /// A change of 93 bytes kept a node busy for hours, and one of 95 took all memory: both before
    /// their checksum was looked at.
    #[test]
    fn runs_beyond_the_limit_are_refused() {
        assert!(are_bounded(&runs(MAX, 0), MAX));
        assert!(are_bounded(&runs(1, MAX), MAX));
        for (count, predecessors) in [(MAX + 1, 0), (1 << 60, 0), (1, MAX + 1), (1, 1 << 60)] {
            let hostile = runs(count, predecessors);
            assert!(hostile.len() < 150);
            assert!(!are_bounded(&hostile, MAX), "{count} {predecessors}");
            assert!(Decoded::new(&hostile).is_err());
        }
    }

    #[test]
    fn a_text_that_is_not_there_is_refused() {
        let text = |length| change(&[(0x15, [&[0x7f][..], &number(length), b"a"].concat())]);
        assert!(are_bounded(&text(1), MAX));
        assert!(!are_bounded(&text(2), MAX));
        assert!(!are_bounded(&text(1_000_000_000), MAX));
    }
}
