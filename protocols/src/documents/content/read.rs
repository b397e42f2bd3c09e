//! Reading: conflicts and history.

use automerge::{ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValueRef, Value as Kind, ValueRef};
use serde::Serialize;
use serde_json::Value;

use super::value::{ReadError, Reader, to_ref};
use super::{Actor, Content, Pointer, from_automerge, to_automerge};
use crate::types::{AuthorId, ChangeHash};

/// A place with several concurrent values. Reading shows one of them, the same at every node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conflict {
    /// The place.
    pub pointer: Pointer,
    /// All values, the one that is shown last.
    pub values: Vec<ConflictingValue>,
}

/// One of several concurrent values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictingValue {
    /// The value.
    pub value: Value,
    /// Who wrote it; absent when the actor is not of this network's form.
    pub author: Option<AuthorId>,
    /// The change that wrote it.
    pub change: Option<ChangeHash>,
    /// Whether it is the one that reading shows.
    pub shown: bool,
}

/// One change of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// Its hash.
    pub hash: ChangeHash,
    /// The actor, in hexadecimal digits.
    pub actor: String,
    /// Who made it; absent when the actor is not of this network's form.
    pub author: Option<AuthorId>,
    /// Its number among the actor's changes, from 1.
    pub seq: u64,
    /// When, in seconds since 1970, as the author's clock said.
    pub time: i64,
    /// What the author said about it.
    pub message: Option<String>,
    /// How many operations it has.
    pub operations: u64,
    /// The changes it directly rests on.
    pub dependencies: Vec<ChangeHash>,
}

impl Content {
    /// The changes, each after those it rests on.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryEntry> {
        let entry = |hash: &ChangeHash| {
            let change = self
                .automerge()
                .get_change_meta_by_hash(&to_automerge(hash))?;
            Some(HistoryEntry {
                hash: *hash,
                actor: change.actor.to_hex_string(),
                author: Actor::parse(&change.actor)
                    .ok()
                    .map(|actor| actor.session.author),
                seq: change.seq,
                time: change.timestamp,
                message: change.message.map(|message| message.to_string()),
                operations: (change.max_op + 1).saturating_sub(change.start_op),
                dependencies: change.deps.into_iter().map(from_automerge).collect(),
            })
        };
        self.graph().iter().filter_map(entry).collect()
    }

    /// Every place at or below `pointer` that has several concurrent values, at `heads` if given.
    ///
    /// # Errors
    /// [`ReadError`] as for reading.
    pub(super) fn conflicts_below(
        &self,
        pointer: &Pointer,
        heads: Option<&[automerge::ChangeHash]>,
        value: &ValueRef<'_>,
        id: &ObjId,
    ) -> Result<Vec<Conflict>, ReadError> {
        let reader = Reader {
            document: self.automerge(),
            heads,
        };
        let mut search = Search {
            content: self,
            reader,
            found: Vec::new(),
        };
        if let Some(slot) = self.slot_of(pointer, heads) {
            search.at(&slot.0, slot.1, pointer)?;
        }
        search.below(value, id, pointer)?;
        Ok(search.found)
    }

    fn slot_of(
        &self,
        pointer: &Pointer,
        heads: Option<&[automerge::ChangeHash]>,
    ) -> Option<(ObjId, Prop)> {
        if pointer.tokens().is_empty() {
            return None;
        }
        let walker = super::place::Walker {
            document: self.automerge(),
            heads,
        };
        walker
            .slot(pointer)
            .ok()
            .map(|slot| (slot.parent, slot.prop))
    }
}

/// A walk through a document in search of conflicts.
struct Search<'a> {
    content: &'a Content,
    reader: Reader<'a, automerge::Automerge>,
    found: Vec<Conflict>,
}

impl Search<'_> {
    /// Looks at every place below an object.
    fn below(&mut self, value: &ValueRef<'_>, id: &ObjId, at: &Pointer) -> Result<(), ReadError> {
        if at.tokens().len() > Pointer::MAX_DEPTH {
            return Err(ReadError::Depth { at: at.clone() });
        }
        let parts: Vec<(String, Prop, bool, ValueRef<'static>, ObjId)> = match value {
            ValueRef::Object(ObjType::Map | ObjType::Table) => (self.reader.map(id))
                .map(|item| {
                    let (key, id) = (item.key.to_string(), item.id());
                    (
                        key.clone(),
                        key.into(),
                        item.conflict,
                        outline(&item.value),
                        id,
                    )
                })
                .collect(),
            ValueRef::Object(ObjType::List) => (self.reader.list(id))
                .map(|item| {
                    let (index, id) = (item.index, item.id());
                    let token = index.to_string();
                    (token, index.into(), item.conflict, outline(&item.value), id)
                })
                .collect(),
            ValueRef::Object(ObjType::Text) | ValueRef::Scalar(_) => Vec::new(),
        };
        for (token, prop, conflict, value, part) in parts {
            let place = at.child(token);
            if conflict {
                self.at(id, prop, &place)?;
            }
            self.below(&value, &part, &place)?;
        }
        Ok(())
    }

    /// Notes the values of one place if there are several.
    fn at(&mut self, parent: &ObjId, prop: Prop, at: &Pointer) -> Result<(), ReadError> {
        let document = self.reader.document;
        let all = match self.reader.heads {
            Some(heads) => document.get_all_at(parent, prop, heads)?,
            None => document.get_all(parent, prop)?,
        };
        let last = all.len().saturating_sub(1);
        if last == 0 {
            return Ok(());
        }
        let mut values = Vec::with_capacity(all.len());
        for (place, (value, id)) in all.into_iter().enumerate() {
            values.push(self.value(&value, &id, at, place == last)?);
        }
        self.found.push(Conflict {
            pointer: at.clone(),
            values,
        });
        Ok(())
    }

    fn value(
        &self,
        value: &Kind<'_>,
        id: &ObjId,
        at: &Pointer,
        shown: bool,
    ) -> Result<ConflictingValue, ReadError> {
        let document = self.content.automerge();
        let change = document.hash_for_opid(id);
        let author = change
            .and_then(|hash| document.get_change_meta_by_hash(&hash))
            .and_then(|change| Actor::parse(&change.actor).ok())
            .map(|actor| actor.session.author);
        let value = self.reader.value(&to_ref(value.clone()), id, at)?;
        Ok(ConflictingValue {
            value,
            author,
            change: change.map(from_automerge),
            shown,
        })
    }
}

/// The kind of object at a place, without a scalar's content.
fn outline(value: &ValueRef<'_>) -> ValueRef<'static> {
    match value {
        ValueRef::Object(kind) => ValueRef::Object(*kind),
        ValueRef::Scalar(_) => ValueRef::Scalar(ScalarValueRef::Null),
    }
}

/// The root of every document.
pub(super) const fn root() -> (ValueRef<'static>, ObjId) {
    (ValueRef::Object(ObjType::Map), ROOT)
}
