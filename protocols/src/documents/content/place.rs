//! From a pointer to a place in an Automerge document.

use automerge::{AutomergeError, ObjId, ObjType, Prop, ROOT, ReadDoc, Value};

use super::Pointer;
use super::pointer::list_index;

/// A pointer that names no place in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing is there.
    #[error("there is nothing at {at:?}")]
    Missing {
        /// The shortest part of the pointer that names nothing.
        at: Pointer,
    },
    /// A value on the way has no parts.
    #[error("{at:?} is a {found}, which has no parts that a pointer could name")]
    NotAContainer {
        /// The part of the pointer that names it.
        at: Pointer,
        /// What it is.
        found: &'static str,
    },
    /// A list's token is no index.
    #[error(
        "{token:?} is no index of the list at {at:?}: an index is a number without leading zeros"
    )]
    BadIndex {
        /// The list.
        at: Pointer,
        /// The token.
        token: String,
    },
    /// `-` names the place after a list's last item, where nothing is yet.
    #[error("'-' is the place after the last item of the list at {at:?}; only a set can use it")]
    AfterLast {
        /// The list.
        at: Pointer,
    },
    /// The index is beyond the list.
    #[error("index {index} is beyond the list at {at:?}, which has {length} items")]
    BeyondList {
        /// The list.
        at: Pointer,
        /// The index.
        index: usize,
        /// The list's length.
        length: usize,
    },
    /// Automerge could not follow the pointer.
    #[error("the document is inconsistent at {at:?}: {reason}")]
    Inconsistent {
        /// Where.
        at: Pointer,
        /// Automerge's words.
        reason: String,
    },
}

/// What is at a pointer.
pub(super) struct Found {
    /// The value, scalar or kind of object.
    pub(super) value: Value<'static>,
    /// The object's id.
    pub(super) id: ObjId,
}

/// A place within a container, where something may be or not.
pub(super) struct Slot {
    /// The container.
    pub(super) parent: ObjId,
    /// Which part of it.
    pub(super) prop: Prop,
    /// What is there now.
    pub(super) found: Option<Found>,
    /// True for the place after a list's last item.
    pub(super) append: bool,
}

/// What an object or scalar is called in errors.
pub(super) fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Object(ObjType::Map | ObjType::Table) => "object",
        Value::Object(ObjType::List) => "list",
        Value::Object(ObjType::Text) => "text",
        Value::Scalar(scalar) if scalar.is_counter() => "counter",
        Value::Scalar(scalar) if scalar.is_str() => "fixed string",
        Value::Scalar(scalar) if scalar.is_null() => "null",
        Value::Scalar(scalar) if scalar.is_boolean() => "boolean",
        Value::Scalar(scalar) if scalar.is_bytes() => "byte string",
        Value::Scalar(scalar) if scalar.is_timestamp() => "timestamp",
        Value::Scalar(_) => "number",
    }
}

/// Follows pointers in `document`, at `heads` when there are some.
pub(super) struct Walker<'a, D> {
    /// Where to look.
    pub(super) document: &'a D,
    /// The version to look at; none for the present one.
    pub(super) heads: Option<&'a [automerge::ChangeHash]>,
}

impl<D: ReadDoc> Walker<'_, D> {
    /// What is at `pointer`.
    pub(super) fn find(&self, pointer: &Pointer) -> Result<Found, PathError> {
        if pointer.tokens().is_empty() {
            return Ok(Found {
                value: Value::Object(ObjType::Map),
                id: ROOT,
            });
        }
        let slot = self.slot(pointer)?;
        match slot.found {
            Some(found) => Ok(found),
            None if slot.append => Err(PathError::AfterLast {
                at: pointer.prefix(pointer.tokens().len() - 1),
            }),
            None => Err(PathError::Missing {
                at: pointer.clone(),
            }),
        }
    }

    /// The place that `pointer`, which is not the root, names in its container.
    pub(super) fn slot(&self, pointer: &Pointer) -> Result<Slot, PathError> {
        let mut container = Found {
            value: Value::Object(ObjType::Map),
            id: ROOT,
        };
        let last = pointer.tokens().len().saturating_sub(1);
        for (depth, token) in pointer.tokens().iter().enumerate() {
            let slot = self.step(&container, token, || pointer.prefix(depth))?;
            if depth == last {
                return Ok(slot);
            }
            container = match slot.found {
                Some(found) => found,
                None if slot.append => {
                    return Err(PathError::AfterLast {
                        at: pointer.prefix(depth),
                    });
                }
                None => {
                    return Err(PathError::Missing {
                        at: pointer.prefix(depth + 1),
                    });
                }
            };
        }
        Err(PathError::Missing {
            at: Pointer::root(),
        })
    }

    /// One token down from `container`, which is at `at`.
    fn step(
        &self,
        container: &Found,
        token: &str,
        at: impl Fn() -> Pointer,
    ) -> Result<Slot, PathError> {
        let parent = container.id.clone();
        match &container.value {
            Value::Object(ObjType::Map | ObjType::Table) => {
                let found = self.get(&parent, Prop::from(token), &at)?;
                Ok(Slot {
                    parent,
                    prop: token.into(),
                    found,
                    append: false,
                })
            }
            Value::Object(ObjType::List) => {
                let length = self.length(&parent);
                if token == "-" {
                    return Ok(Slot {
                        parent,
                        prop: length.into(),
                        found: None,
                        append: true,
                    });
                }
                let Some(index) = list_index(token) else {
                    return Err(PathError::BadIndex {
                        at: at(),
                        token: token.into(),
                    });
                };
                if index >= length {
                    return Err(PathError::BeyondList {
                        at: at(),
                        index,
                        length,
                    });
                }
                let found = self.get(&parent, index.into(), &at)?;
                Ok(Slot {
                    parent,
                    prop: index.into(),
                    found,
                    append: false,
                })
            }
            value @ (Value::Object(ObjType::Text) | Value::Scalar(_)) => {
                Err(PathError::NotAContainer {
                    at: at(),
                    found: kind(value),
                })
            }
        }
    }

    fn get(
        &self,
        parent: &ObjId,
        prop: Prop,
        at: impl Fn() -> Pointer,
    ) -> Result<Option<Found>, PathError> {
        let result = match self.heads {
            Some(heads) => self.document.get_at(parent, prop, heads),
            None => self.document.get(parent, prop),
        };
        let inconsistent = |error: AutomergeError| PathError::Inconsistent {
            at: at(),
            reason: error.to_string(),
        };
        let found = result.map_err(inconsistent)?;
        Ok(found.map(|(value, id)| Found {
            value: value.into_owned(),
            id,
        }))
    }

    /// The number of items of a list, or of scalar values of a text.
    pub(super) fn length(&self, id: &ObjId) -> usize {
        match self.heads {
            Some(heads) => self.document.length_at(id, heads),
            None => self.document.length(id),
        }
    }
}
