//! Edits: how a user changes a document.
//!
//! A patch is a list of edits, applied in order as one Automerge change: all of it or nothing. In
//! JSON each edit is an object with `op` and its fields:
//! ```json
//! [
//!   {"op": "set", "pointer": "/title", "value": "Minutes"},
//!   {"op": "set", "pointer": "/votes", "value": {"$counter": 0}},
//!   {"op": "increment", "pointer": "/votes", "by": 1},
//!   {"op": "insert", "pointer": "/items", "index": 0, "value": {"done": false}},
//!   {"op": "splice", "pointer": "/title", "index": 7, "delete": 0, "insert": " of May"},
//!   {"op": "replace_text", "pointer": "/title", "text": "Minutes of June"},
//!   {"op": "remove", "pointer": "/items/0"}
//! ]
//! ```
//! Values are those of [`super::value`].

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value as Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diff::{Splice, splices};
use super::place::{Found, PathError, Slot, Walker, kind};
use super::value::{InvalidValue, Shape, check, shape};
use super::{Pointer, UnknownHead};

/// One step of a patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Puts a value at a place, replacing what was there. The container must exist; `-` appends to
    /// a list; the root takes an object, whose keys replace all that were there.
    Set {
        /// The place.
        pointer: Pointer,
        /// The value.
        value: Value,
    },
    /// Removes what is at a place.
    Remove {
        /// The place, not the root.
        pointer: Pointer,
    },
    /// Deletes and inserts in a text.
    Splice {
        /// The text.
        pointer: Pointer,
        /// Where, in Unicode scalar values.
        index: usize,
        /// How many Unicode scalar values to delete.
        #[serde(default)]
        delete: usize,
        /// What to insert there.
        #[serde(default)]
        insert: String,
    },
    /// Inserts a value into a list.
    Insert {
        /// The list.
        pointer: Pointer,
        /// Before which item; the list's length to append.
        index: usize,
        /// The value.
        value: Value,
    },
    /// Adds to a counter; concurrent increments add up.
    Increment {
        /// The counter.
        pointer: Pointer,
        /// How much; may be negative.
        by: i64,
    },
    /// Turns a text into another by splices of what differs, so that the typing of others
    /// meanwhile survives. A fixed string, which reads like a text, is replaced as a whole.
    ReplaceText {
        /// The text or fixed string.
        pointer: Pointer,
        /// What it becomes.
        text: String,
    },
}

impl Edit {
    /// The most edits in one patch: a request body of several megabytes.
    pub const MAX_PATCH: usize = 65_536;
    /// The longest message of a change in bytes.
    pub const MAX_MESSAGE: usize = 1024;
    /// The most that the encoded change of one patch may weigh, estimated from above; with this
    /// a change fits in a frame of 1 MiB.
    pub const MAX_WEIGHT: usize = 896 * 1024;

    const fn name(&self) -> &'static str {
        match self {
            Self::Set { .. } => "set",
            Self::Remove { .. } => "remove",
            Self::Splice { .. } => "splice",
            Self::Insert { .. } => "insert",
            Self::Increment { .. } => "increment",
            Self::ReplaceText { .. } => "replace_text",
        }
    }
}

/// A patch that was not applied. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// One edit of the patch failed.
    #[error("edit {index} of the patch ({name}) failed: {cause}; nothing was changed")]
    At {
        /// Which, counted from 0.
        index: usize,
        /// Its operation.
        name: &'static str,
        /// Why.
        cause: EditCause,
    },
    /// The content of a new document is no object.
    #[error(
        "the content of a document is a JSON object, such as {{\"title\": \"Hello\"}}; nothing was \
         created"
    )]
    NoObject,
    /// The content of a new document cannot stand in one.
    #[error("the content cannot become a document: {0}; nothing was created")]
    Content(EditCause),
    /// The document lacks one of the heads to edit at.
    #[error(transparent)]
    UnknownHead(#[from] UnknownHead),
    /// Too many edits.
    #[error("the patch has {0} edits, more than {max}; send it in parts", max = Edit::MAX_PATCH)]
    TooMany(usize),
    /// The message is too long.
    #[error("the message has {0} bytes, more than {max}", max = Edit::MAX_MESSAGE)]
    Message(usize),
    /// Too many edits at heads that do not include each other.
    #[error("this session has too many concurrent branches in the document; edit at its heads")]
    TooManyBranches,
    /// The heads to edit at are so old that the edit could not be numbered within the bounds.
    #[error(
        "the document has more than a million operations after these heads; edit at newer ones"
    )]
    TooOld,
}

impl EditError {
    /// The same about the content of a new document, whose author wrote no patch.
    pub(super) fn of_content(self) -> Self {
        match self {
            Self::At {
                cause: EditCause::Root,
                ..
            } => Self::NoObject,
            Self::At { cause, .. } => Self::Content(cause),
            other @ (Self::NoObject
            | Self::Content(_)
            | Self::UnknownHead(_)
            | Self::TooMany(_)
            | Self::Message(_)
            | Self::TooManyBranches
            | Self::TooOld) => other,
        }
    }
}

/// Why an edit failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditCause {
    /// The pointer names no fitting place.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The value cannot stand in a document.
    #[error(transparent)]
    Value(#[from] InvalidValue),
    /// The place holds something else than the edit is for.
    #[error("{at:?} is a {found}, not a {wanted}")]
    Kind {
        /// The place.
        at: Pointer,
        /// What it holds.
        found: &'static str,
        /// What the edit is for.
        wanted: &'static str,
    },
    /// The root is an object and stays one.
    #[error("the whole document is an object: it can be set to an object only, and not removed")]
    Root,
    /// A splice or insertion goes beyond the end.
    #[error("{index} plus {delete} to delete is beyond the length {length} of {at:?}")]
    Bounds {
        /// The text or list.
        at: Pointer,
        /// Where.
        index: usize,
        /// How many to delete.
        delete: usize,
        /// The length.
        length: usize,
    },
    /// The patch grew too large for one change.
    #[error("the patch up to here is too large for one change; send it in parts")]
    TooLarge,
    /// The sum of a counter would not fit.
    #[error("the counter at {at:?} would leave the range of 64-bit integers")]
    Overflow {
        /// The counter.
        at: Pointer,
    },
    /// Automerge refused.
    #[error("Automerge refused it: {0}")]
    Automerge(String),
}

impl From<AutomergeError> for EditCause {
    fn from(error: AutomergeError) -> Self {
        Self::Automerge(error.to_string())
    }
}

/// A JSON value that is no patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPatch {
    /// Not an array.
    #[error(
        "a patch is an array of edits, such as [{{\"op\": \"set\", \"pointer\": \"/a\", \"value\": 1}}]"
    )]
    NotAnArray,
    /// One element is no edit.
    #[error("edit {index} of the patch is malformed: {reason}")]
    At {
        /// Which, counted from 0.
        index: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a patch from JSON.
///
/// # Errors
/// [`InvalidPatch`] names the first malformed edit.
pub fn parse_patch(patch: Value) -> Result<Vec<Edit>, InvalidPatch> {
    let Value::Array(edits) = patch else {
        return Err(InvalidPatch::NotAnArray);
    };
    let parse = |(index, edit)| match serde_json::from_value(edit) {
        Ok(edit) => Ok(edit),
        Err(error) => Err(InvalidPatch::At {
            index,
            reason: error.to_string(),
        }),
    };
    edits.into_iter().enumerate().map(parse).collect()
}

/// Applies `edits` in order within `transaction`, which the caller rolls back on an error.
pub(super) fn apply(transaction: &mut Transaction<'_>, edits: &[Edit]) -> Result<(), EditError> {
    if edits.len() > Edit::MAX_PATCH {
        return Err(EditError::TooMany(edits.len()));
    }
    let mut editor = Editor {
        transaction,
        weight: 0,
        text: None,
    };
    for (index, edit) in edits.iter().enumerate() {
        if let Err(cause) = editor.apply(edit) {
            return Err(EditError::At {
                index,
                name: edit.name(),
                cause,
            });
        }
    }
    Ok(())
}

/// Puts the members of `content`, an object, into an empty document.
pub(super) fn fill(transaction: &mut Transaction<'_>, content: &Value) -> Result<(), EditError> {
    let edit = Edit::Set {
        pointer: Pointer::root(),
        value: content.clone(),
    };
    apply(transaction, &[edit]).map_err(EditError::of_content)
}

/// An open transaction and what its change will weigh.
struct Editor<'a, 'b> {
    transaction: &'a mut Transaction<'b>,
    weight: usize,
    /// The text that the edit before spliced, since typing is many splices of one text.
    text: Option<Text>,
}

/// A text that is being edited.
#[derive(Clone)]
struct Text {
    pointer: Pointer,
    id: ObjId,
    /// In Unicode scalar values.
    length: usize,
}

/// Bytes that an operation other than one character of a text takes at most, beside its content.
pub(super) const OPERATION: usize = 40;
/// Bytes that one deleted item or character takes at most.
const DELETION: usize = 8;
/// Bytes that a character takes at most beside its UTF-8, where one-byte and longer ones mix.
pub(super) const WIDE: usize = 6;

impl Editor<'_, '_> {
    fn apply(&mut self, edit: &Edit) -> Result<(), EditCause> {
        if !matches!(edit, Edit::Splice { .. } | Edit::ReplaceText { .. }) {
            // Anything else may put another object where the text was.
            self.text = None;
        }
        match edit {
            Edit::Set { pointer, value } => self.set(pointer, value),
            Edit::Remove { pointer } => self.remove(pointer),
            Edit::Splice {
                pointer,
                index,
                delete,
                insert,
            } => {
                let text = self.text(pointer)?;
                self.splice(text, *index, *delete, insert)
            }
            Edit::Insert {
                pointer,
                index,
                value,
            } => self.insert(pointer, *index, value),
            Edit::Increment { pointer, by } => self.increment(pointer, *by),
            Edit::ReplaceText { pointer, text } => self.replace_text(pointer, text),
        }
    }

    fn walker(&self) -> Walker<'_, Transaction<'_>> {
        Walker {
            document: &*self.transaction,
            heads: None,
        }
    }

    /// The object at `pointer` if it is of the kind `wanted`.
    fn find(&self, pointer: &Pointer, wanted: &'static str) -> Result<ObjId, EditCause> {
        let Found { value, id } = self.walker().find(pointer)?;
        let found = kind(&value);
        if found == wanted {
            return Ok(id);
        }
        Err(EditCause::Kind {
            at: pointer.clone(),
            found,
            wanted,
        })
    }

    fn weigh(&mut self, bytes: usize) -> Result<(), EditCause> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > Edit::MAX_WEIGHT {
            Err(EditCause::TooLarge)
        } else {
            Ok(())
        }
    }

    fn weigh_text(&mut self, text: &str) -> Result<(), EditCause> {
        let wide = if text.is_ascii() {
            0
        } else {
            text.chars().filter(|c| !c.is_ascii()).count() * WIDE
        };
        self.weigh(text.len() + wide + OPERATION)
    }

    fn set(&mut self, pointer: &Pointer, value: &Value) -> Result<(), EditCause> {
        check(value, pointer.tokens().len())?;
        if pointer.tokens().is_empty() {
            return self.set_root(value);
        }
        let Slot {
            parent,
            prop,
            append,
            ..
        } = self.walker().slot(pointer)?;
        self.put(&parent, prop, value, append)
    }

    fn set_root(&mut self, value: &Value) -> Result<(), EditCause> {
        let Shape::Map(members) = shape(value)? else {
            return Err(EditCause::Root);
        };
        let old: Vec<String> = self.transaction.keys(ROOT).collect();
        for key in old.into_iter().filter(|key| !members.contains_key(key)) {
            self.weigh(OPERATION + key.len())?;
            self.transaction.delete(ROOT, key)?;
        }
        for (key, member) in members {
            self.put(&ROOT, key.as_str().into(), member, false)?;
        }
        Ok(())
    }

    /// Puts a checked value at a place; `insert` makes a new item of a list.
    fn put(
        &mut self,
        parent: &ObjId,
        prop: Prop,
        value: &Value,
        insert: bool,
    ) -> Result<(), EditCause> {
        let key = if let Prop::Map(key) = &prop {
            key.len()
        } else {
            0
        };
        self.weigh(OPERATION + key)?;
        match shape(value)? {
            Shape::Scalar(scalar) => {
                self.weigh(scalar.as_bytes().map_or(16, |bytes| bytes.len() + 16))?;
                self.weigh(scalar.as_str().map_or(0, str::len))?;
                match prop {
                    Prop::Seq(index) if insert => {
                        self.transaction.insert(parent, index, scalar)?;
                    }
                    prop @ (Prop::Map(_) | Prop::Seq(_)) => {
                        self.transaction.put(parent, prop, scalar)?;
                    }
                }
            }
            Shape::Text(text) => {
                let id = self.make(parent, prop, ObjType::Text, insert)?;
                self.weigh_text(text)?;
                self.transaction.splice_text(&id, 0, 0, text)?;
            }
            Shape::List(items) => {
                let id = self.make(parent, prop, ObjType::List, insert)?;
                for (index, item) in items.iter().enumerate() {
                    self.put(&id, index.into(), item, true)?;
                }
            }
            Shape::Map(members) => {
                let id = self.make(parent, prop, ObjType::Map, insert)?;
                for (key, member) in members {
                    self.put(&id, key.as_str().into(), member, false)?;
                }
            }
        }
        Ok(())
    }

    fn make(
        &mut self,
        parent: &ObjId,
        prop: Prop,
        kind: ObjType,
        insert: bool,
    ) -> Result<ObjId, EditCause> {
        Ok(match prop {
            Prop::Seq(index) if insert => self.transaction.insert_object(parent, index, kind)?,
            prop @ (Prop::Map(_) | Prop::Seq(_)) => {
                self.transaction.put_object(parent, prop, kind)?
            }
        })
    }

    fn remove(&mut self, pointer: &Pointer) -> Result<(), EditCause> {
        if pointer.tokens().is_empty() {
            return Err(EditCause::Root);
        }
        let slot = self.walker().slot(pointer)?;
        if slot.found.is_none() {
            // The same words as for reading there.
            self.walker().find(pointer)?;
        }
        self.weigh(OPERATION)?;
        Ok(self.transaction.delete(&slot.parent, slot.prop)?)
    }

    /// The text at `pointer`.
    fn text(&mut self, pointer: &Pointer) -> Result<Text, EditCause> {
        match self.text.take().filter(|text| text.pointer == *pointer) {
            Some(text) => Ok(text),
            None => {
                let id = self.find(pointer, "text")?;
                let length = self.transaction.length(&id);
                let pointer = pointer.clone();
                Ok(Text {
                    pointer,
                    id,
                    length,
                })
            }
        }
    }

    fn splice(
        &mut self,
        mut text: Text,
        index: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), EditCause> {
        let length = text.length;
        let fits = index.checked_add(delete).is_some_and(|end| end <= length);
        let (true, Ok(deleted)) = (fits, isize::try_from(delete)) else {
            let at = text.pointer;
            return Err(EditCause::Bounds {
                at,
                index,
                delete,
                length,
            });
        };
        self.weigh(delete.saturating_mul(DELETION))?;
        self.weigh_text(insert)?;
        self.transaction
            .splice_text(&text.id, index, deleted, insert)?;
        text.length = length - delete + insert.chars().count();
        self.text = Some(text);
        Ok(())
    }

    fn insert(&mut self, at: &Pointer, index: usize, value: &Value) -> Result<(), EditCause> {
        check(value, at.tokens().len() + 1)?;
        let list = self.find(at, "list")?;
        let length = self.transaction.length(&list);
        if index > length {
            return Err(EditCause::Bounds {
                at: at.clone(),
                index,
                delete: 0,
                length,
            });
        }
        self.put(&list, index.into(), value, true)
    }

    fn increment(&mut self, at: &Pointer, by: i64) -> Result<(), EditCause> {
        let slot = match at.tokens() {
            [] => return Err(EditCause::Root),
            _ => self.walker().slot(at)?,
        };
        let value = match &slot.found {
            Some(found) => found.value.clone(),
            None => self.walker().find(at)?.value,
        };
        let counter = match &value {
            Kind::Scalar(scalar) if scalar.is_counter() => scalar.as_i64(),
            Kind::Scalar(_) | Kind::Object(_) => None,
        };
        let Some(counter) = counter else {
            let found = kind(&value);
            return Err(EditCause::Kind {
                at: at.clone(),
                found,
                wanted: "counter",
            });
        };
        if counter.checked_add(by).is_none() {
            return Err(EditCause::Overflow { at: at.clone() });
        }
        self.weigh(OPERATION)?;
        Ok(self.transaction.increment(&slot.parent, slot.prop, by)?)
    }

    /// The place of a fixed string; none when there is something else, or nothing.
    fn fixed_string(&self, at: &Pointer) -> Result<Option<Slot>, EditCause> {
        let is_cached = self.text.as_ref().is_some_and(|text| text.pointer == *at);
        if is_cached || at.tokens().is_empty() {
            return Ok(None);
        }
        let slot = self.walker().slot(at)?;
        let found = slot.found.as_ref().map(|found| &found.value);
        let is_fixed = matches!(found, Some(Kind::Scalar(scalar)) if scalar.is_str());
        Ok(is_fixed.then_some(slot))
    }

    fn replace_text(&mut self, at: &Pointer, new: &str) -> Result<(), EditCause> {
        if let Some(slot) = self.fixed_string(at)? {
            self.text = None;
            self.weigh(OPERATION + new.len())?;
            let fixed = ScalarValue::Str(new.into());
            return Ok(self.transaction.put(&slot.parent, slot.prop, fixed)?);
        }
        let text = self.text(at)?;
        let old = self.transaction.text(&text.id)?;
        self.text = Some(text);
        for Splice {
            index,
            delete,
            insert,
        } in splices(&old, new)
        {
            let text = self.text(at)?;
            self.splice(text, index, delete, &insert)?;
        }
        Ok(())
    }
}
