//! Large contents: JSON that is too much for one change becomes several changes of one session.

use serde_json::Value;

use super::edit::{OPERATION, WIDE};
use super::value::{Shape, shape};
use super::{Content, Edit, EditCause, EditError, Edited, Pointer, Session};

/// What is heavier than this is put in place empty and filled piece by piece.
const PIECE: usize = 256 * 1024;
/// The characters of a text that are put in at once; with the widest ones they weigh a piece.
const TEXT_PIECE: usize = 16 * 1024;
/// The most changes that one content becomes: over 50 MB, as much as a file may have.
const MAX_PARTS: usize = 64;

/// The patches that build a content, each light enough for one change.
#[derive(Default)]
struct Parts {
    patches: Vec<Vec<Edit>>,
    weight: usize, // Of the last patch.
}

impl Content {
    /// As [`Content::create`], but a large content becomes several changes, each after the one
    /// before.
    ///
    /// # Errors
    /// [`EditError`] when the content cannot stand in a document.
    pub fn create_in_parts(
        session: &Session,
        content: Option<&Value>,
        time: i64,
    ) -> Result<(Self, Vec<Edited>), EditError> {
        let error = match Self::create(session, content, time) {
            Ok((created, edited)) => return Ok((created, vec![edited])),
            Err(error) => error,
        };
        let too_large = error == EditError::Content(EditCause::TooLarge);
        let (Some(Value::Object(members)), true) = (content, too_large) else {
            return Err(error);
        };
        let mut parts = Parts::default();
        for (key, value) in members {
            let pointer = Pointer::root().child(key.clone());
            parts.place(&pointer, value, &|pointer, value| Edit::Set {
                pointer,
                value,
            });
        }
        if parts.patches.len() > MAX_PARTS {
            return Err(error);
        }
        let (mut created, mut changes) = (Self::new(), Vec::new());
        for patch in &parts.patches {
            let edited = created.edit(session, None, patch, None, time);
            changes.extend(edited.map_err(EditError::of_content)?);
        }
        Ok((created, changes))
    }
}

impl Parts {
    /// Adds an edit to the last patch, or begins the next one.
    fn push(&mut self, edit: Edit, weight: usize) {
        let full = |patch: &Vec<Edit>| patch.len() >= Edit::MAX_PATCH;
        let heavy = self.weight.saturating_add(weight) > Edit::MAX_WEIGHT;
        match self
            .patches
            .last_mut()
            .filter(|patch| !heavy && !full(patch))
        {
            Some(patch) => {
                patch.push(edit);
                self.weight += weight;
            }
            None => {
                self.patches.push(vec![edit]);
                self.weight = weight;
            }
        }
    }

    /// Adds what puts `value` at `pointer`, where `put` makes its place.
    fn place(&mut self, pointer: &Pointer, value: &Value, put: &dyn Fn(Pointer, Value) -> Edit) {
        let weight = weight(value) + pointer.tokens().last().map_or(0, String::len);
        let put = |parts: &mut Self, value: Value, weight| {
            parts.push(put(pointer.clone(), value), weight);
        };
        let empty = weight.min(PIECE);
        match shape(value) {
            Ok(Shape::Text(text)) if weight > PIECE => {
                put(self, Value::String(String::new()), empty);
                self.text(pointer, text);
            }
            Ok(Shape::List(items)) if weight > PIECE => {
                put(self, Value::Array(Vec::new()), empty);
                for (index, item) in items.iter().enumerate() {
                    let insert = |_, value| Edit::Insert {
                        pointer: pointer.clone(),
                        index,
                        value,
                    };
                    self.place(&pointer.child(index.to_string()), item, &insert);
                }
            }
            Ok(Shape::Map(members)) if weight > PIECE => {
                put(self, Value::Object(serde_json::Map::new()), empty);
                for (key, member) in members {
                    let set = |pointer, value| Edit::Set { pointer, value };
                    self.place(&pointer.child(key.clone()), member, &set);
                }
            }
            // What is no value is refused when it is put in place.
            Ok(_) | Err(_) => put(self, value.clone(), weight),
        }
    }

    fn text(&mut self, pointer: &Pointer, text: &str) {
        let (mut rest, mut index) = (text, 0);
        while !rest.is_empty() {
            let end = rest.char_indices().nth(TEXT_PIECE);
            let (piece, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            let splice = Edit::Splice {
                pointer: pointer.clone(),
                index,
                delete: 0,
                insert: piece.into(),
            };
            self.push(splice, text_weight(piece) + OPERATION);
            index += TEXT_PIECE;
            rest = after;
        }
    }
}

/// What `value` weighs in a change, estimated from above.
fn weight(value: &Value) -> usize {
    const NODE: usize = 2 * OPERATION + 16;
    NODE + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text_weight(text),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| key.len() + weight(value);
            members.iter().map(member).sum()
        }
    }
}

fn text_weight(text: &str) -> usize {
    text.len() + text.chars().filter(|c| !c.is_ascii()).count() * WIDE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::content::{Decoded, import};
    use automerge::{AutoCommit, ROOT, transaction::Transactable};
    use decube_crypto::SecretKey;
    use serde_json::json;

    fn session() -> Session {
        Session {
            author: SecretKey::from_seed(&[1; 32]).public(),
            nonce: [0; 8],
        }
    }

    fn read(content: &Content) -> Value {
        content.read(None, &Pointer::root()).unwrap()
    }

    #[test]
    fn a_large_content_becomes_several_changes_that_others_take() {
        let row =
            |n: usize| json!({"n": n, "data": {"$bytes": "0f".repeat(10_000)}, "tags": ["a"]});
        // The widest characters: few operations for their weight.
        let large = json!({
            "title": "small",
            "text": "\u{e4}\u{1f600}a".repeat(14_000),
            "rows": (0..30).map(row).collect::<Vec<_>>(),
            "deep": {"er": {"bytes": {"$bytes": "00ff".repeat(200_000)}, "null": null}},
        });
        let (content, changes) = Content::create_in_parts(&session(), Some(&large), 0).unwrap();
        assert!(changes.len() > 2);
        assert_eq!(read(&content), large);
        let mut there = Content::new();
        let batch = changes
            .iter()
            .map(|change| Decoded::new(&change.bytes).unwrap());
        let admitted = there.admit(batch.collect()).unwrap();
        assert_eq!(admitted.changes.len(), changes.len());
        assert_eq!(there.heads(), content.heads());
    }

    #[test]
    fn what_fits_is_one_change_and_one_huge_value_is_refused() {
        let small = json!({"t": "x"});
        let (_, changes) = Content::create_in_parts(&session(), Some(&small), 0).unwrap();
        assert_eq!(changes.len(), 1);
        let huge = json!({"a": 1, "v": {"$bytes": "00".repeat(1024 * 1024)}});
        let refused = Content::create_in_parts(&session(), Some(&huge), 0).unwrap_err();
        assert_eq!(refused, EditError::Content(EditCause::TooLarge));
    }

    #[test]
    fn a_large_foreign_file_is_imported() {
        let mut foreign = AutoCommit::new();
        for key in ["a", "b", "c"] {
            foreign.put(ROOT, key, vec![7; 400_000]).unwrap();
        }
        let imported = import(&foreign.save(), &session(), 0).unwrap();
        assert!(imported.changes.len() > 1 && !imported.history_kept);
        let value = json!({"$bytes": "07".repeat(400_000)});
        assert_eq!(
            read(&imported.content),
            json!({"a": value, "b": value, "c": value})
        );
    }
}
