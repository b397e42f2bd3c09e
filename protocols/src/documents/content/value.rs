//! JSON as Automerge values, and back.
//!
//! | in Automerge | as JSON |
//! |---|---|
//! | map, table | object |
//! | list | array |
//! | text | string: what a JSON string becomes, so that people can type into it together |
//! | string scalar | string when read; `{"$string": "fixed"}` writes one, replaced as a whole |
//! | int, uint, f64 | number; not a number and infinities as `{"$number": "NaN"}` when read |
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
