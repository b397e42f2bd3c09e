//! What keeps a hostile change, or a large document, from taking all there is.

use serde_json::json;

use super::super::admission::MAX_OPERATIONS;
use super::*;

/// One whose first operation has the last number but a few would leave none to honest edits.
#[test]
fn a_change_cannot_use_the_numbers_up() {
    let (mut content, first) = started(json!({"t": "abc"}));
    let actor = Actor {
        session: bob(),
        branch: 0,
    };
    let ahead = |n: u64| {
        let craft = |c: &mut automerge::ExpandedChange| {
            c.start_op = std::num::NonZeroU64::new(n).unwrap();
        };
        Decoded::new(&crafted(actor, &content, craft)).unwrap()
    };
    let last = content.graph().max_op(&first.hash).unwrap();
    let greedy = content.clone().admit(vec![ahead((1 << 31) - 2)]).unwrap();
    assert!(matches!(
        greedy.refused[0].reason,
        Refusal::Operations { above, .. } if above == last
    ));
    let farthest = ahead(last + MAX_OPERATIONS);
    let admitted = content.admit(vec![farthest]).unwrap();
    assert_eq!(admitted.changes.len(), 1);
    // Edits go on after it; one that rests on what came before would be out of bounds elsewhere.
    let next = edit(
        &mut content,
        &alice(),
        json!([{"op": "set", "pointer": "/x", "value": 1}]),
    );
    let old = [first.hash];
    let patch = patch(json!([{"op": "set", "pointer": "/x", "value": 2}]));
    let refused = content
        .edit(&alice(), Some(&old), &patch, None, 0)
        .unwrap_err();
    assert_eq!(refused, EditError::TooOld);
    let mut there = Content::new();
    let batch = content.changes();
    let batch = batch
        .iter()
        .map(|bytes| Decoded::new(bytes).unwrap())
        .collect();
    assert_eq!(there.admit(batch).unwrap().refused.len(), 0);
    assert_eq!(there.heads(), [next.hash]);
}

#[test]
fn memory_counts_values_and_what_every_document_takes() {
    let (mut content, first) = started(json!({"v": null}));
    let mut bytes = first.bytes.len() as u64;
    let empty = content.memory(bytes);
    assert!(empty > 24 * 1024);
    let value = json!({"$bytes": "ab".repeat(512 * 1024)});
    let large = edit(
        &mut content,
        &alice(),
        json!([{"op": "set", "pointer": "/v", "value": value}]),
    );
    bytes += large.bytes.len() as u64;
    assert!(content.memory(bytes) > empty + 512 * 1024);
}
