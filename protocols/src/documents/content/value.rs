//! JSON as Automerge values, and back.
//!
//! | in Automerge | as JSON |
//! |---|---|
//! | map, table | object |
//! | list | array |
//! | text | string: what a JSON string becomes, so that people can type into it together |
//! | string scalar | string when read; `{"$string": "fixed"}` writes one, replaced as a whole |
//! | int, uint, f64 | number, an integer within 64 bits ([`oversized_integer`]); not a number and infinities as `{"$number": "NaN"}` when read |
//! | boolean, null | `true`, `false`, `null` |
//! | counter | `{"$counter": 5}`; increments of several authors add up |
//! | bytes | `{"$bytes": "00ff"}`, hexadecimal |
//! | timestamp | `{"$timestamp": 1700000000000}`, milliseconds since 1970 |
//! | a scalar of a newer Automerge | `{"$unknown": {"type": 12, "bytes": "00ff"}}` when read |
//!
//! An object with exactly one key, which starts with `$`, is such a form; any other object,
//! also one with a `$` key among several, is a plain object.

use automerge::iter::{ListRangeItem, MapRangeItem};
use automerge::{AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue, ScalarValueRef, ValueRef};
use serde_json::{Map, Value, json};

use super::Pointer;

/// A JSON value that cannot stand in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// An object of one `$` key that is none of the forms above, or whose content does not fit.
    #[error(
        "{{{key:?}: ...}} is no value: {reason}; the forms are $counter, $bytes, $timestamp and \
         $string"
    )]
    Form {
        /// The key.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Nested deeper than a document may be.
    #[error("the value is nested deeper than {} levels", Pointer::MAX_DEPTH)]
    Depth,
}

/// Why a document cannot be shown as JSON.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Objects in objects beyond the depth that a pointer may name.
    #[error(
        "the document is nested deeper than {} levels at {at}",
        Pointer::MAX_DEPTH
    )]
    Depth {
        /// The deepest place that was reached.
        at: Pointer,
    },
    /// Automerge could not read an object that it had listed itself.
    #[error("the document is inconsistent: {0}")]
    Automerge(#[from] AutomergeError),
}

/// What a JSON value is in Automerge, one level of it.
pub(super) enum Shape<'a> {
    /// A scalar.
    Scalar(ScalarValue),
    /// A text object.
    Text(&'a str),
    /// A list object.
    List(&'a [Value]),
    /// A map object.
    Map(&'a Map<String, Value>),
}

/// Looks at one level of `json`.
pub(super) fn shape(json: &Value) -> Result<Shape<'_>, InvalidValue> {
    Ok(match json {
        Value::Null => Shape::Scalar(ScalarValue::Null),
        Value::Bool(value) => Shape::Scalar(ScalarValue::Boolean(*value)),
        Value::Number(number) => Shape::Scalar(number_scalar(number)),
        Value::String(text) => Shape::Text(text),
        Value::Array(items) => Shape::List(items),
        Value::Object(members) => match (members.len(), members.iter().next()) {
            (1, Some((key, content))) if key.starts_with('$') => {
                Shape::Scalar(special(key, content)?)
            }
            _ => Shape::Map(members),
        },
    })
}

fn number_scalar(number: &serde_json::Number) -> ScalarValue {
    if let Some(number) = number.as_i64() {
        ScalarValue::Int(number)
    } else if let Some(number) = number.as_u64() {
        ScalarValue::Uint(number)
    } else {
        ScalarValue::F64(number.as_f64().unwrap_or_default())
    }
}

fn special(key: &str, content: &Value) -> Result<ScalarValue, InvalidValue> {
    let invalid = |reason| InvalidValue::Form {
        key: key.into(),
        reason,
    };
    match key {
        "$counter" => content
            .as_i64()
            .map(ScalarValue::counter)
            .ok_or_else(|| invalid("a counter starts at an integer")),
        "$timestamp" => content
            .as_i64()
            .map(ScalarValue::Timestamp)
            .ok_or_else(|| invalid("a timestamp is an integer of milliseconds since 1970")),
        "$string" => content
            .as_str()
            .map(|text| ScalarValue::Str(text.into()))
            .ok_or_else(|| invalid("a fixed string is a string")),
        "$bytes" => content
            .as_str()
            .and_then(|text| hex::decode(text).ok())
            .map(ScalarValue::Bytes)
            .ok_or_else(|| invalid("bytes are a string of hexadecimal digits")),
        _ => Err(invalid("the key is unknown")),
    }
}

/// Refuses what is nested too deeply, and every malformed `$` form.
pub(super) fn check(json: &Value, depth: usize) -> Result<(), InvalidValue> {
    if depth > Pointer::MAX_DEPTH {
        return Err(InvalidValue::Depth);
    }
    match shape(json)? {
        Shape::Scalar(_) | Shape::Text(_) => Ok(()),
        Shape::List(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Shape::Map(members) => members
            .values()
            .try_for_each(|member| check(member, depth + 1)),
    }
}

/// The first integer of a JSON text that 64 bits do not hold. A parser makes the nearest floating
/// point number of it without a word, so whoever reads what a user wrote asks this first.
#[must_use]
pub fn oversized_integer(json: &[u8]) -> Option<&str> {
    let mut rest = json;
    while let Some((first, behind)) = rest.split_first() {
        let length = match first {
            b'"' => 1 + string_length(behind),
            b'-' | b'0'..=b'9' => {
                let in_number = |byte: &u8| b"+-.eE0123456789".contains(byte);
                let length = rest.iter().take_while(|byte| in_number(byte)).count();
                let number = std::str::from_utf8(rest.get(..length)?).ok()?;
                let digits = number.strip_prefix('-').unwrap_or(number);
                let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
                let fits = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
                if is_integer && !digits.is_empty() && !fits {
                    return Some(number);
                }
                length
            }
            _ => 1,
        };
        rest = rest.get(length..)?;
    }
    None
}

/// The bytes up to and with the closing quote of a JSON string, whose opening one stands before.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |end| end + 1)
}

/// A scalar as JSON.
pub(super) fn scalar_json(scalar: &ScalarValueRef<'_>) -> Value {
    match scalar {
        ScalarValueRef::Bytes(bytes) => json!({ "$bytes": hex::encode(bytes) }),
        ScalarValueRef::Str(text) => Value::String(text.to_string()),
        ScalarValueRef::Int(number) => json!(number),
        ScalarValueRef::Uint(number) => json!(number),
        ScalarValueRef::F64(number) if number.is_finite() => json!(number),
        ScalarValueRef::F64(number) => json!({ "$number": number.to_string() }),
        ScalarValueRef::Counter(number) => json!({ "$counter": number }),
        ScalarValueRef::Timestamp(number) => json!({ "$timestamp": number }),
        ScalarValueRef::Boolean(value) => json!(value),
        ScalarValueRef::Unknown { type_code, bytes } => {
            json!({ "$unknown": { "type": type_code, "bytes": hex::encode(bytes) } })
        }
        ScalarValueRef::Null => Value::Null,
    }
}

/// Reads values of `document`, at `heads` when there are some, else as it is now.
pub(super) struct Reader<'a, D> {
    /// What to read.
    pub(super) document: &'a D,
    /// The version to read; none for the present one.
    pub(super) heads: Option<&'a [automerge::ChangeHash]>,
}

impl<D: ReadDoc> Reader<'_, D> {
    /// The value of a place: a scalar as it is, an object with all that is in it.
    pub(super) fn value(
        &self,
        value: &ValueRef<'_>,
        id: &ObjId,
        at: &Pointer,
    ) -> Result<Value, ReadError> {
        match value {
            ValueRef::Scalar(scalar) => Ok(scalar_json(scalar)),
            ValueRef::Object(kind) => self.object(*kind, id, at),
        }
    }

    /// An object with all that is in it.
    pub(super) fn object(
        &self,
        kind: ObjType,
        id: &ObjId,
        at: &Pointer,
    ) -> Result<Value, ReadError> {
        if at.tokens().len() > Pointer::MAX_DEPTH {
            return Err(ReadError::Depth { at: at.clone() });
        }
        match kind {
            ObjType::Text => Ok(Value::String(match self.heads {
                Some(heads) => self.document.text_at(id, heads)?,
                None => self.document.text(id)?,
            })),
            ObjType::List => self
                .list(id)
                .map(|item| self.value(&item.value, &item.id(), &at.child(item.index.to_string())))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            ObjType::Map | ObjType::Table => self
                .map(id)
                .map(|item| {
                    let value = self.value(&item.value, &item.id(), &at.child(&*item.key))?;
                    Ok((item.key.to_string(), value))
                })
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    /// The members of a map.
    pub(super) fn map(&self, id: &ObjId) -> impl Iterator<Item = MapRangeItem<'_>> {
        match self.heads {
            Some(heads) => self.document.map_range_at(id, .., heads),
            None => self.document.map_range(id, ..),
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, id: &ObjId) -> impl Iterator<Item = ListRangeItem<'_>> {
        match self.heads {
            Some(heads) => self.document.list_range_at(id, .., heads),
            None => self.document.list_range(id, ..),
        }
    }
}

/// A value of a place in the form that iterators give.
pub(super) fn to_ref(value: automerge::Value<'_>) -> ValueRef<'static> {
    match value {
        automerge::Value::Object(kind) => ValueRef::Object(kind),
        automerge::Value::Scalar(scalar) => ValueRef::Scalar(match scalar.into_owned() {
            ScalarValue::Bytes(bytes) => ScalarValueRef::Bytes(bytes.into()),
            ScalarValue::Str(text) => ScalarValueRef::Str(text.to_string().into()),
            ScalarValue::Int(number) => ScalarValueRef::Int(number),
            ScalarValue::Uint(number) => ScalarValueRef::Uint(number),
            ScalarValue::F64(number) => ScalarValueRef::F64(number),
            ScalarValue::Counter(counter) => ScalarValueRef::Counter(i64::from(&counter)),
            ScalarValue::Timestamp(number) => ScalarValueRef::Timestamp(number),
            ScalarValue::Boolean(value) => ScalarValueRef::Boolean(value),
            ScalarValue::Unknown { type_code, bytes } => ScalarValueRef::Unknown {
                type_code,
                bytes: bytes.into(),
            },
            ScalarValue::Null => ScalarValueRef::Null,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_beyond_64_bits_is_found_before_it_is_rounded() {
        for fits in [
            "[18446744073709551615, -9223372036854775808, 0, -0]",
            r#"{"99999999999999999999": "99999999999999999999 \"99999999999999999999"}"#,
            "[1e300, 123456789012345678901.5, 1E+25]",
            "",
            "\"99999999999999999999",
            "-",
        ] {
            assert_eq!(oversized_integer(fits.as_bytes()), None, "{fits}");
        }
        for (json, number) in [
            ("18446744073709551616", "18446744073709551616"),
            ("[1, -9223372036854775809]", "-9223372036854775809"),
            (
                r#"{"a\\": 123456789012345678901234567890}"#,
                "123456789012345678901234567890",
            ),
        ] {
            assert_eq!(oversized_integer(json.as_bytes()), Some(number));
        }
    }
}
