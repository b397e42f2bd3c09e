//! Editing in `$EDITOR`, and turning what was changed into a patch.
//!
//! The patch touches only what differs, and texts by splices, so that what others type meanwhile
//! survives.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::commands::parse_json;
use crate::failure::Failure;

/// What the user wrote, and the file it is in, which goes away unless it is kept.
#[derive(Debug)]
pub(crate) struct Written {
    /// The value.
    pub value: Value,
    file: NamedTempFile,
}

impl Written {
    /// A failure to use what was written, which keeps the file and names it.
    pub(crate) fn kept(self, failure: Failure) -> Failure {
        kept(self.file, failure)
    }
}

fn kept(file: NamedTempFile, mut failure: Failure) -> Failure {
    failure.message += &match file.keep() {
        Ok((_, path)) => format!("; what was written is kept in {}", path.display()),
        Err(error) => format!("; what was written could not be kept: {error}"),
    };
    failure
}

/// Lets the user edit a value; gives what it became, or none when it was left as it was.
pub(crate) fn edit(value: &Value) -> Result<Option<Written>, Failure> {
    let Value::String(before) = value else {
        return edit_json(value);
    };
    let (after, file) = open(before, ".txt")?;
    if after == *before {
        return Ok(None);
    }
    let value = Value::String(same_end(before, after));
    Ok(Some(Written { value, file }))
}

fn edit_json(value: &Value) -> Result<Option<Written>, Failure> {
    let before = serde_json::to_string_pretty(value).map_err(Failure::failed)? + "\n";
    let (after, file) = open(&before, ".json")?;
    if after == before {
        return Ok(None);
    }
    match parse_json("what was written", after.as_bytes()) {
        Ok(value) => Ok(Some(Written { value, file })),
        Err(mut failure) => {
            failure.message += "; nothing was changed";
            Err(kept(file, failure))
        }
    }
}

/// Editors put a line end behind the last line; it is taken off again when there was none before.
fn same_end(before: &str, after: String) -> String {
    match after.strip_suffix('\n') {
        Some(stripped) if !before.ends_with('\n') => stripped.into(),
        Some(_) | None => after,
    }
}

/// Has the user edit a file; gives what is in it then.
fn open(content: &str, suffix: &str) -> Result<(String, NamedTempFile), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("a file to edit: {error}"));
    let mut file = tempfile::Builder::new()
        .prefix("decube-")
        .suffix(suffix)
        .tempfile()
        .map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.flush().map_err(failed)?;
    run(file.path())?;
    match std::fs::read_to_string(file.path()) {
        Ok(after) => Ok((after, file)),
        // An editor that removes the file gives up; one that wrote no text keeps what it wrote.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(failed(error)),
        Err(error) => Err(kept(file, failed(error))),
    }
}

/// Runs the user's editor on a file.
fn run(file: &Path) -> Result<(), Failure> {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    let Some(editor) = variable("VISUAL").or_else(|| variable("EDITOR")) else {
        return Err(Failure::usage(
            "no editor is set; set EDITOR, or give the patch with --patch FILE",
        ));
    };
    // As git and others do it, so that EDITOR may hold arguments.
    let script = format!("{editor} \"$1\"");
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg("sh")
        .arg(file)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::failed(format!(
            "the editor {editor:?} ended with {status}; nothing was changed"
        ))),
        Err(error) => Err(Failure::failed(format!(
            "the editor {editor:?} cannot start: {error}"
        ))),
    }
}

/// The patch that turns `old` at `pointer` into `new`.
pub(crate) fn difference(pointer: &str, old: &Value, new: &Value) -> Vec<Value> {
    let mut edits = Vec::new();
    differ(pointer, old, new, &mut edits);
    edits
}

fn differ(at: &str, old: &Value, new: &Value, edits: &mut Vec<Value>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::String(_), Value::String(text)) => {
            edits.push(json!({ "op": "replace_text", "pointer": at, "text": text }));
        }
        (Value::Object(old), Value::Object(new)) if is_plain(old) && is_plain(new) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                edits.push(json!({ "op": "remove", "pointer": child(at, key) }));
            }
            for (key, value) in new {
                match old.get(key) {
                    Some(before) => differ(&child(at, key), before, value, edits),
                    None => edits.push(set(&child(at, key), value)),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => differ_lists(at, old, new, edits),
        (Value::Object(old), Value::Object(new)) if counters(old, new).is_some() => {
            let by = counters(old, new);
            edits.push(json!({ "op": "increment", "pointer": at, "by": by }));
        }
        (_, new) => edits.push(set(at, new)),
    }
}

/// What is equal at both ends of two lists stays, items in between become each other, and the rest
/// is removed or inserted.
fn differ_lists(at: &str, old: &[Value], new: &[Value], edits: &mut Vec<Value>) {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.split_at(start).1, new.split_at(start).1);
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (
        old.split_at(old.len() - end).0,
        new.split_at(new.len() - end).0,
    );
    let common = old.len().min(new.len());
    for (index, (before, after)) in old.iter().zip(new).enumerate() {
        differ(
            &child(at, &(start + index).to_string()),
            before,
            after,
            edits,
        );
    }
    for _ in common..old.len() {
        let pointer = child(at, &(start + common).to_string());
        edits.push(json!({ "op": "remove", "pointer": pointer }));
    }
    for (index, value) in new.iter().enumerate().skip(common) {
        let index = start + index;
        edits.push(json!({ "op": "insert", "pointer": at, "index": index, "value": value }));
    }
}

fn set(at: &str, value: &Value) -> Value {
    json!({ "op": "set", "pointer": at, "value": value })
}

/// Whether an object is one in the document too, and not a form such as `{"$counter": 1}`.
fn is_plain(object: &Map<String, Value>) -> bool {
    !(object.len() == 1 && object.keys().all(|key| key.starts_with('$')))
}

/// How much a counter rose, when both are counters.
fn counters(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<i64> {
    let value = |object: &Map<String, Value>| object.get("$counter")?.as_i64();
    if is_plain(old) || is_plain(new) {
        return None;
    }
    value(new)?.checked_sub(value(old)?)
}

/// The pointer of a member (RFC 6901, section 4).
fn child(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies a patch to plain JSON, as the node does to a document.
    fn apply(mut value: Value, edits: &[Value]) -> Value {
        for edit in edits {
            let pointer = edit["pointer"].as_str().unwrap();
            let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", ""));
            let key = key.replace("~1", "/").replace("~0", "~");
            match edit["op"].as_str().unwrap() {
                "set" | "replace_text" => {
                    let new = edit.get("value").or(edit.get("text")).unwrap().clone();
                    let container = value.pointer_mut(parent).unwrap();
                    match container.as_array_mut() {
                        Some(items) => items[key.parse::<usize>().unwrap()] = new,
                        None => container[key] = new,
                    }
                }
                "remove" => {
                    let container = value.pointer_mut(parent).unwrap();
                    match container.as_array_mut() {
                        Some(items) => drop(items.remove(key.parse().unwrap())),
                        None => drop(container.as_object_mut().unwrap().remove(&key)),
                    }
                }
                "insert" => {
                    let index = usize::try_from(edit["index"].as_u64().unwrap()).unwrap();
                    let list = value.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
                    list.insert(index, edit["value"].clone());
                }
                other => panic!("{other}"),
            }
        }
        value
    }

    #[test]
    fn a_patch_turns_the_old_value_into_the_new() {
        let old = json!({
            "title": "Minutes", "a/b": {"x~": 1}, "gone": true,
            "list": [1, {"t": "old"}, 3, 4], "short": [1, 2, 3],
        });
        for new in [
            json!({}),
            json!({"title": "Minutes of May", "a/b": {"x~": 2, "y": null}, "list": [], "short": [3]}),
            json!({"list": [0, 1, {"t": "new"}, 3, 4], "short": [1, 9, 9, 9, 3], "gone": {"not": 1}}),
            json!({"list": [1, {"t": "old", "u": [[]]}, 4], "title": 7, "short": "text"}),
        ] {
            let edits = difference("", &old, &new);
            assert_eq!(apply(old.clone(), &edits), new, "{edits:?}");
        }
        assert!(difference("", &old, &old).is_empty());
    }

    #[test]
    fn texts_are_spliced_and_counters_incremented_in_their_place() {
        let old = json!({"t": "one", "n": {"$counter": 3}, "b": {"$bytes": "00"}});
        let new = json!({"t": "two", "n": {"$counter": 5}, "b": {"$bytes": "01"}});
        let edits = difference("/in", &old, &new);
        assert_eq!(
            edits,
            [
                json!({"op": "set", "pointer": "/in/b", "value": {"$bytes": "01"}}),
                json!({"op": "increment", "pointer": "/in/n", "by": 2}),
                json!({"op": "replace_text", "pointer": "/in/t", "text": "two"}),
            ]
        );
    }

    #[test]
    fn the_line_end_that_an_editor_adds_is_taken_off() {
        assert_eq!(same_end("a", "b\n".into()), "b");
        assert_eq!(same_end("a\n", "b\n".into()), "b\n");
    }
}
