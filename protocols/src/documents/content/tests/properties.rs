//! Random edits against plain models, and random bytes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_edits_follow_a_plain_model(edits in prop::collection::vec((0_usize..100, 0_usize..4, "[a\u{e4}\u{1f600}]{0,3}"), 1..40)) {
        let (mut content, _) = started(json!({"t": ""}));
        let mut model: Vec<char> = Vec::new();
        for (index, delete, insert) in edits {
            let splice = Edit::Splice { pointer: pointer("/t"), index, delete, insert: insert.clone() };
            let result = content.edit(&alice(), None, &[splice], None, 0);
            if index + delete <= model.len() {
                prop_assert!(result.is_ok());
                model.splice(index..index + delete, insert.chars());
            } else {
                prop_assert!(result.is_err());
            }
            prop_assert_eq!(read(&content, "/t"), json!(model.iter().collect::<String>()));
        }
    }

    #[test]
    fn list_and_map_edits_follow_a_plain_model(edits in prop::collection::vec((0_u8..5, 0_usize..6, 0_i64..100), 1..40)) {
        let (mut content, _) = started(json!({"l": [], "c": {"$counter": 0}}));
        let mut model = json!({"l": [], "c": {"$counter": 0}});
        for (kind, index, value) in edits {
            let list = model["l"].as_array_mut().unwrap();
            let key = format!("/k{index}");
            let (edit, fits) = match kind {
                0 => (json!({"op": "insert", "pointer": "/l", "index": index, "value": value}), index <= list.len()),
                1 => (json!({"op": "remove", "pointer": format!("/l/{index}")}), index < list.len()),
                2 => (json!({"op": "set", "pointer": format!("/l/{index}"), "value": value}), index < list.len()),
                3 => (json!({"op": "set", "pointer": key, "value": {"v": [value]}}), true),
                _ => (json!({"op": "increment", "pointer": "/c", "by": value}), true),
            };
            prop_assert_eq!(content.edit(&alice(), None, &patch(json!([edit])), None, 0).is_ok(), fits);
            match kind {
                0 if fits => list.insert(index, json!(value)),
                1 if fits => drop(list.remove(index)),
                2 if fits => list[index] = json!(value),
                3 => model[format!("k{index}")] = json!({"v": [value]}),
                4 => model["c"]["$counter"] = json!(model["c"]["$counter"].as_i64().unwrap() + value),
                _ => {}
            }
            prop_assert_eq!(read(&content, ""), model.clone());
        }
    }

    #[test]
    fn hostile_bytes_are_refused_or_harmless(at in 0_usize..400, flip in 1_u8.., cut in 0_usize..400) {
        let (mut content, first) = started(json!({"t": "abc", "l": [1, {"x": 2}]}));
        let second = edit(&mut content, &bob(), json!([{"op": "splice", "pointer": "/t", "index": 1, "delete": 1, "insert": "xyz"}]));
        let mut there = Content::new();
        admit(&mut there, &[&first]);
        let mut bytes = second.bytes.clone();
        let place = at % bytes.len();
        bytes[place] ^= flip;
        let file = content.save();
        for bytes in [bytes.clone(), second.bytes[..cut % second.bytes.len()].to_vec()] {
            if let Ok(decoded) = Decoded::new(&bytes)
                && let Ok(admitted) = there.clone().admit(vec![decoded])
            {
                prop_assert!(admitted.changes.is_empty());
            }
        }
        let mut changed = file.clone();
        let place = at % changed.len();
        changed[place] ^= flip;
        prop_assert!(file_heads(&changed).is_err());
        prop_assert!(file_heads(&file[..cut % file.len()]).is_err());
    }
}
