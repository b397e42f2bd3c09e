//! Protobuf taken apart and put together again, so that a change inside a message leaves the lengths
//! around it right and is read as deep as it lies.

use super::bytes;
use super::random::Random;

/// How deep messages are taken apart: the deepest of the wire format has six levels.
const MAX_DEPTH: usize = 8;

/// A field: its tag, and the bytes behind the tag, without a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) tag: u64,
    pub(crate) content: Vec<u8>,
}

/// The wire type of fields with a length.
const WITH_LENGTH: u64 = 2;

impl Field {
    fn has_length(&self) -> bool {
        self.tag & 7 == WITH_LENGTH
    }
}

/// The fields of a message, or nothing when the bytes are none.
pub(crate) fn take_apart(bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        let before = rest;
        let content = match tag & 7 {
            0 => {
                take_varint(&mut rest)?;
                before.get(..before.len() - rest.len())?
            }
            1 => rest.split_off(..8)?,
            WITH_LENGTH => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest.split_off(..length)?
            }
            5 => rest.split_off(..4)?,
            _ => return None,
        };
        let content = content.to_vec();
        fields.push(Field { tag, content });
    }
    Some(fields)
}

pub(crate) fn put_together(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        put_varint(&mut out, field.tag);
        if field.has_length() {
            put_varint(&mut out, field.content.len() as u64);
        }
        out.extend_from_slice(&field.content);
    }
    out
}

/// Changes one thing in a message, at any depth. `other` gives fields to graft. Nothing when the
/// bytes are no message.
pub(crate) fn change(message: &[u8], other: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut fields = take_apart(message).filter(|fields| !fields.is_empty())?;
    change_one(&mut fields, other, random, 0);
    Some(put_together(&fields))
}

fn change_one(fields: &mut Vec<Field>, other: &[u8], random: &mut Random, depth: usize) {
    let at = random.below(fields.len());
    let Some(field) = fields.get_mut(at) else {
        return;
    };
    let inner = take_apart(&field.content).filter(|inner| field.has_length() && !inner.is_empty());
    if let Some(mut inner) = inner.filter(|_| depth < MAX_DEPTH && !random.one_in(4)) {
        change_one(&mut inner, other, random, depth + 1);
        field.content = put_together(&inner);
        return;
    }
    match random.below(9) {
        0 => drop(fields.remove(at)),
        1 => {
            let again = field.clone();
            fields.insert(at, again);
        }
        2 => {
            let with = random.below(fields.len());
            fields.swap(at, with);
        }
        3 => field.tag = (field.tag & 7) | (random.below(20) as u64) << 3,
        4 => field.tag = (field.tag & !7) | random.below(8) as u64,
        5 => {
            if let Some(grafted) = graft(other, random) {
                fields.insert(at, grafted);
            }
        }
        6 if !field.has_length() => {
            field.content.clear();
            put_varint(&mut field.content, random.number() >> random.below(64));
        }
        7 if field.has_length() => field.content.clear(),
        _ => bytes::change(&mut field.content, other, random),
    }
}

/// A field of a message, from any depth.
fn graft(message: &[u8], random: &mut Random) -> Option<Field> {
    let fields = take_apart(message)?;
    let field = random.pick(&fields)?;
    if random.one_in(2) && field.has_length() {
        graft(&field.content, random).or_else(|| Some(field.clone()))
    } else {
        Some(field.clone())
    }
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = u64::from(*rest.split_off_first()?);
        value |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
