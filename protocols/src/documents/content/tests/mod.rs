//! Stories of one document: edited, read, merged, refused, saved.

use automerge::{AutoCommit, ROOT, transaction::Transactable};
use decube_crypto::SecretKey;
use serde_json::{Value, json};

use super::*;

mod bounds;
mod properties;

fn session(seed: u8) -> Session {
    Session {
        author: SecretKey::from_seed(&[seed; 32]).public(),
        nonce: [seed; 8],
    }
}

fn alice() -> Session {
    session(1)
}

fn bob() -> Session {
    session(2)
}

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap()
}

fn patch(edits: Value) -> Vec<Edit> {
    parse_patch(edits).unwrap()
}

fn read(content: &Content, at: &str) -> Value {
    content.read(None, &pointer(at)).unwrap()
}

fn started(value: Value) -> (Content, Edited) {
    Content::create(&alice(), Some(&value), 0).unwrap()
}

fn edit(content: &mut Content, who: &Session, edits: Value) -> Edited {
    content
        .edit(who, None, &patch(edits), None, 0)
        .unwrap()
        .unwrap()
}

fn admit(content: &mut Content, changes: &[&Edited]) -> Admitted {
    let batch = changes
        .iter()
        .map(|change| Decoded::new(&change.bytes).unwrap())
        .collect();
    content.admit(batch).unwrap()
}

#[test]
fn every_kind_of_value_is_written_and_read() {
    let value = json!({
        "text": "h\u{e4}llo \u{1f600}", "list": [1, -2, 18_446_744_073_709_551_615_u64, 1.5, null, true],
        "nested": {"a": {"b": [[], {}]}}, "count": {"$counter": 5}, "raw": {"$bytes": "00ff"},
        "when": {"$timestamp": 1_700_000_000_000_i64}, "two": {"$counter": 1, "x": 2},
    });
    let (mut content, _) = started(value.clone());
    assert_eq!(read(&content, ""), value);
    edit(
        &mut content,
        &alice(),
        json!([{"op": "set", "pointer": "/fixed", "value": {"$string": "x"}}]),
    );
    assert_eq!(read(&content, "/fixed"), json!("x"));
    let bad = content.edit(
        &alice(),
        None,
        &patch(json!([{"op": "splice", "pointer": "/fixed", "index": 0}])),
        None,
        0,
    );
    assert!(bad.unwrap_err().to_string().contains("fixed string"));
}

#[test]
fn an_editor_replaces_a_fixed_string_as_a_whole_and_it_stays_one() {
    let fixed = |text: &str| json!({ "$string": text });
    let (mut content, _) = started(json!({"t": "abc", "s": fixed("abc"), "l": [fixed("x"), "y"]}));
    let replace = |at: &str, text: &str| json!({"op": "replace_text", "pointer": at, "text": text});
    edit(
        &mut content,
        &alice(),
        json!([
            replace("/t", "abcd"),
            replace("/s", "abcd"),
            replace("/t", "abcde"),
            replace("/l/0", "z"),
        ]),
    );
    let expected = json!({"t": "abcde", "s": "abcd", "l": ["z", "y"]});
    assert_eq!(read(&content, ""), expected);
    for (at, is_text) in [("/t", true), ("/s", false), ("/l/0", false), ("/l/1", true)] {
        let splice = patch(json!([{"op": "splice", "pointer": at, "index": 0, "insert": "-"}]));
        let spliced = content.edit(&alice(), None, &splice, None, 0);
        assert_eq!(spliced.is_ok(), is_text, "{at}");
    }
}

#[test]
fn each_edit_does_what_it_says() {
    let (mut content, _) =
        started(json!({"title": "Minutes", "items": [1, 3], "votes": {"$counter": 0}, "old": 1}));
    edit(
        &mut content,
        &alice(),
        json!([
            {"op": "splice", "pointer": "/title", "index": 7, "insert": " of M\u{e4}y"},
            {"op": "splice", "pointer": "/title", "index": 12, "delete": 1, "insert": "a"},
            {"op": "insert", "pointer": "/items", "index": 1, "value": {"n": 2}},
            {"op": "set", "pointer": "/items/-", "value": "end"},
            {"op": "set", "pointer": "/items/0", "value": 0},
            {"op": "increment", "pointer": "/votes", "by": 3},
            {"op": "remove", "pointer": "/old"},
            {"op": "remove", "pointer": "/items/2"},
            {"op": "replace_text", "pointer": "/title", "text": "Minutes of June"},
        ]),
    );
    let expected = json!({"title": "Minutes of June", "items": [0, {"n": 2}, "end"], "votes": {"$counter": 3}});
    assert_eq!(read(&content, ""), expected);
    edit(
        &mut content,
        &alice(),
        json!([{"op": "set", "pointer": "", "value": {"title": "x"}}]),
    );
    assert_eq!(read(&content, ""), json!({"title": "x"}));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of every way to fail")]
fn a_failing_patch_changes_nothing_and_names_the_edit() {
    let value = json!({"t": "abc", "l": [1], "n": 1, "c": {"$counter": 1}});
    let (mut content, _) = started(value.clone());
    let heads = content.heads();
    for (bad, says) in [
        (json!({"op": "remove", "pointer": "/missing"}), "nothing at"),
        (
            json!({"op": "set", "pointer": "/missing/deep", "value": 1}),
            "nothing at",
        ),
        (
            json!({"op": "set", "pointer": "/n/x", "value": 1}),
            "is a number",
        ),
        (
            json!({"op": "set", "pointer": "/t/0", "value": 1}),
            "is a text",
        ),
        (
            json!({"op": "set", "pointer": "/l/01", "value": 1}),
            "leading zeros",
        ),
        (
            json!({"op": "set", "pointer": "/l/1", "value": 1}),
            "beyond the list",
        ),
        (json!({"op": "remove", "pointer": "/l/-"}), "after the last"),
        (
            json!({"op": "set", "pointer": "", "value": []}),
            "object only",
        ),
        (json!({"op": "remove", "pointer": ""}), "object only"),
        (
            json!({"op": "splice", "pointer": "/t", "index": 4}),
            "beyond the length 3",
        ),
        (
            json!({"op": "splice", "pointer": "/t", "index": 1, "delete": 3}),
            "beyond the length 3",
        ),
        (
            json!({"op": "splice", "pointer": "/l", "index": 0}),
            "is a list, not a text",
        ),
        (
            json!({"op": "insert", "pointer": "/l", "index": 2, "value": 1}),
            "beyond the length 1",
        ),
        (
            json!({"op": "insert", "pointer": "/t", "index": 0, "value": 1}),
            "is a text, not a list",
        ),
        (
            json!({"op": "increment", "pointer": "/n", "by": 1}),
            "is a number, not a counter",
        ),
        (
            json!({"op": "increment", "pointer": "/c", "by": i64::MAX}),
            "64-bit",
        ),
        (
            json!({"op": "set", "pointer": "/x", "value": {"$counter": "a"}}),
            "integer",
        ),
        (
            json!({"op": "set", "pointer": "/x", "value": {"$colour": 1}}),
            "unknown",
        ),
        (
            json!({"op": "splice", "pointer": "/t", "index": 0, "insert": "x".repeat(Edit::MAX_WEIGHT)}),
            "too large",
        ),
    ] {
        let good = json!({"op": "set", "pointer": "/t", "value": "changed"});
        let two = patch(json!([good, bad]));
        // The first edit replaces the text by one of another length.
        let bad_alone = patch(json!([bad]));
        let error = content
            .edit(&alice(), None, &bad_alone, None, 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{bad}: {error}");
        if !matches!(two[1], Edit::Splice { .. }) {
            let error = content
                .edit(&alice(), None, &two, None, 0)
                .unwrap_err()
                .to_string();
            assert!(error.contains("edit 1 of the patch"), "{error}");
        }
        assert_eq!(read(&content, ""), value);
        assert_eq!(content.heads(), heads);
    }
    // The document works on.
    edit(
        &mut content,
        &alice(),
        json!([{"op": "set", "pointer": "/n", "value": 2}]),
    );
    assert_eq!(content.history().len(), 2);
}

#[test]
fn malformed_patches_are_named() {
    for (bad, says) in [
        (json!({}), "array"),
        (
            json!([{"op": "set", "pointer": "/a", "value": 1}, {"op": "move"}]),
            "edit 1",
        ),
        (
            json!([{"op": "set", "pointer": "a", "value": 1}]),
            "must be empty or start with '/'",
        ),
        (
            json!([{"op": "set", "pointer": "/a", "value": 1, "extra": 2}]),
            "extra",
        ),
        (
            json!([{"op": "splice", "pointer": "/a", "index": -1}]),
            "edit 0",
        ),
    ] {
        let error = parse_patch(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn typing_in_an_editor_spares_what_others_typed() {
    let (mut here, first) = started(json!({"t": "one two three"}));
    let mut there = Content::new();
    admit(&mut there, &[&first]);
    let editor = edit(
        &mut here,
        &alice(),
        json!([{"op": "replace_text", "pointer": "/t", "text": "one 2 three four"}]),
    );
    let typed = edit(
        &mut there,
        &bob(),
        json!([{"op": "splice", "pointer": "/t", "index": 0, "insert": "zero "}]),
    );
    admit(&mut here, &[&typed]);
    admit(&mut there, &[&editor]);
    assert_eq!(read(&here, "/t"), json!("zero one 2 three four"));
    assert_eq!(here.heads(), there.heads());
    assert_eq!(read(&there, ""), read(&here, ""));
}

#[test]
fn conflicts_show_all_values_with_their_authors() {
    let (mut here, first) = started(json!({"l": [{"k": 0}], "c": {"$counter": 0}}));
    let mut there = Content::new();
    admit(&mut there, &[&first]);
    let one = edit(
        &mut here,
        &alice(),
        json!([{"op": "set", "pointer": "/l/0/k", "value": "a"}, {"op": "increment", "pointer": "/c", "by": 2}]),
    );
    let two = edit(
        &mut there,
        &bob(),
        json!([{"op": "set", "pointer": "/l/0/k", "value": {"x": 1}}, {"op": "increment", "pointer": "/c", "by": 3}]),
    );
    admit(&mut here, &[&two]);
    admit(&mut there, &[&one]);
    let conflicts = here.conflicts(None, &Pointer::root()).unwrap();
    assert_eq!(
        conflicts,
        there.conflicts(None, &pointer("/l/0/k")).unwrap()
    );
    let [conflict] = conflicts.as_slice() else {
        panic!("{conflicts:?}")
    };
    assert_eq!(conflict.pointer, pointer("/l/0/k"));
    let mut written: Vec<_> = conflict
        .values
        .iter()
        .map(|v| (v.author, v.change, v.value.clone()))
        .collect();
    written.sort_by_key(|(author, ..)| *author);
    let mut expected = vec![
        (Some(alice().author), Some(one.hash), json!("a")),
        (Some(bob().author), Some(two.hash), json!({"x": 1})),
    ];
    expected.sort_by_key(|(author, ..)| *author);
    assert_eq!(written, expected);
    assert_eq!(
        conflict.values.iter().filter(|value| value.shown).count(),
        1
    );
    assert_eq!(read(&here, "/c"), json!({"$counter": 5}));
    assert!(
        here.conflicts(Some(&[one.hash]), &Pointer::root())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_past_can_be_read_edited_and_saved() {
    let (mut content, first) = started(json!({"t": "a"}));
    let second = edit(
        &mut content,
        &alice(),
        json!([{"op": "splice", "pointer": "/t", "index": 1, "insert": "b"}]),
    );
    let at_first = Some(vec![first.hash]);
    assert_eq!(
        content.read(at_first.as_deref(), &pointer("/t")).unwrap(),
        json!("a")
    );
    // Two edits of one author at the same past heads are branches of it, concurrent.
    let mut branches = Vec::new();
    for letter in ["x", "y"] {
        let edits = patch(json!([{"op": "splice", "pointer": "/t", "index": 1, "insert": letter}]));
        branches.push(
            content
                .edit(&alice(), at_first.as_deref(), &edits, None, 0)
                .unwrap()
                .unwrap(),
        );
    }
    assert_eq!(content.heads().len(), 3);
    assert_eq!(read(&content, "/t").as_str().unwrap().len(), 4);
    // An edit at the first branch alone continues it, and is admitted elsewhere.
    let on = patch(json!([{"op": "splice", "pointer": "/t", "index": 2, "insert": "z"}]));
    let continued = content
        .edit(&alice(), Some(&[branches[0].hash]), &on, Some("why"), 7)
        .unwrap()
        .unwrap();
    assert_eq!(
        content
            .read(Some(&[continued.hash]), &pointer("/t"))
            .unwrap(),
        json!("axz")
    );
    let mut there = Content::new();
    let admitted = admit(
        &mut there,
        &[&continued, &branches[1], &branches[0], &second, &first],
    );
    assert_eq!(admitted.changes.len(), 5, "{admitted:?}");
    assert_eq!(there.heads(), content.heads());
    assert_eq!(read(&there, ""), read(&content, ""));
    let history = there.history();
    let last = history
        .iter()
        .find(|entry| entry.hash == continued.hash)
        .unwrap();
    assert_eq!(
        (last.message.as_deref(), last.time, last.author),
        (Some("why"), 7, Some(alice().author))
    );
    let file = content.save_at(&[branches[0].hash]).unwrap();
    assert_eq!(file_heads(&file).unwrap(), [branches[0].hash]);
    let unknown = ChangeHash(decube_crypto::Digest::ZERO);
    assert!(matches!(
        content.read(Some(&[unknown]), &Pointer::root()),
        Err(ContentError::UnknownHead(_))
    ));
    assert!(matches!(
        content.edit(&alice(), Some(&[unknown]), &on, None, 0),
        Err(EditError::UnknownHead(_))
    ));
}

#[test]
fn an_exported_document_comes_back_with_its_history_and_a_foreign_one_as_content() {
    let (mut content, _) = started(json!({"t": "a"}));
    edit(
        &mut content,
        &bob(),
        json!([{"op": "splice", "pointer": "/t", "index": 1, "insert": "b"}]),
    );
    let back = import(&content.save(), &bob(), 0).unwrap();
    assert!(back.history_kept);
    assert_eq!(back.content.heads(), content.heads());
    assert_eq!(
        Content::load(None, &back.changes).unwrap().heads(),
        content.heads()
    );
    let mut foreign = AutoCommit::new();
    foreign.put(ROOT, "k", "v").unwrap();
    let taken = import(&foreign.save(), &bob(), 0).unwrap();
    assert!(!taken.history_kept);
    assert_eq!(read(&taken.content, ""), json!({"k": "v"}));
    assert_eq!(taken.content.history()[0].author, Some(bob().author));
    for bad in [vec![], b"garbage".to_vec(), foreign.save()[..20].to_vec()] {
        assert!(import(&bad, &bob(), 0).is_err());
        assert!(file_heads(&bad).is_err());
    }
}

#[test]
fn snapshot_and_changes_load_to_the_same_document() {
    let (mut content, first) = started(json!({"t": ""}));
    let snapshot = content.save();
    let mut changes = Vec::new();
    for n in 0..5 {
        changes.push(
            edit(
                &mut content,
                &alice(),
                json!([{"op": "splice", "pointer": "/t", "index": n, "insert": "x"}]),
            )
            .bytes,
        );
    }
    let loaded = Content::load(Some(&snapshot), &changes).unwrap();
    assert_eq!(loaded.heads(), content.heads());
    assert_eq!(
        loaded
            .graph()
            .tip(
                &Actor {
                    session: alice(),
                    branch: 0
                }
                .id()
            )
            .unwrap()
            .0,
        6
    );
    assert_eq!(loaded.operations(), content.operations());
    assert_eq!(
        Content::load(None, &changes).map(|c| c.heads()),
        Err(LoadError::Incomplete)
    );
    let _ = first;
}

#[test]
fn changes_wait_for_what_they_rest_on_and_gaps_are_refused() {
    let (mut content, first) = started(json!({"n": 0}));
    let set = |n: u64| json!([{"op": "set", "pointer": "/n", "value": n}]);
    let second = edit(&mut content, &alice(), set(1));
    let third = edit(&mut content, &alice(), set(2));
    let mut there = Content::new();
    let admitted = admit(&mut there, &[&third, &second]);
    assert_eq!(
        (
            admitted.changes.len(),
            admitted.waiting.len(),
            admitted.refused.len()
        ),
        (0, 2, 0)
    );
    let admitted = admit(&mut there, &[&third, &second, &first, &first]);
    let order: Vec<_> = admitted.changes.iter().map(|(hash, _)| *hash).collect();
    assert_eq!(order, [first.hash, second.hash, third.hash]);
    assert!(admit(&mut there, &[&third]).changes.is_empty());
    // The same actor and number a second time: a restored backup, or a cheat.
    let (mut forked, _) = started(json!({"n": 0}));
    let fork = edit(&mut forked, &alice(), set(9));
    let admitted = admit(&mut there, &[&fork]);
    let [Refused { reason, .. }] = admitted.refused.as_slice() else {
        panic!("{admitted:?}")
    };
    assert_eq!(
        reason,
        &Refusal::Sequence {
            expected: 4,
            found: 2
        }
    );
    assert_eq!(there.heads(), content.heads());
}

/// A change by an actor of our form, made by Automerge directly.
fn crafted(
    actor: Actor,
    start: &Content,
    craft: impl Fn(&mut automerge::ExpandedChange),
) -> Vec<u8> {
    let mut document = start.automerge().clone().with_actor(actor.id());
    document.transact(|tx| tx.put(ROOT, "k", 1)).unwrap();
    let mut expanded = document.get_last_local_change().unwrap().decode();
    craft(&mut expanded);
    automerge::Change::from(expanded).raw_bytes().to_vec()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of every way to cheat")]
fn crafted_changes_are_refused_without_harm() {
    use std::num::NonZeroU64;
    let (content, _) = started(json!({"t": "abc"}));
    let actor = Actor {
        session: bob(),
        branch: 0,
    };
    let refusal = |bytes: &[u8]| {
        let mut there = content.clone();
        let decoded = match Decoded::new(bytes) {
            Ok(decoded) => decoded,
            Err(refused) => return refused.reason,
        };
        let admitted = match there.admit(vec![decoded.clone()]) {
            Ok(admitted) => admitted,
            Err(Broken(_)) => {
                let mut again = content.clone();
                let admitted = again.admit_carefully(vec![decoded]);
                assert_eq!(again.heads(), content.heads());
                assert_eq!(read(&again, "/t"), json!("abc"));
                admitted
            }
        };
        let [Refused { reason, .. }] = admitted.refused.as_slice() else {
            panic!("{admitted:?}")
        };
        reason.clone()
    };
    let good = crafted(actor, &content, |_| {});
    assert!(
        content
            .clone()
            .admit(vec![Decoded::new(&good).unwrap()])
            .unwrap()
            .refused
            .is_empty()
    );
    let number = |n| NonZeroU64::new(n).unwrap();
    assert!(matches!(
        refusal(&crafted(actor, &content, |c| c.seq = 5)),
        Refusal::Sequence {
            expected: 1,
            found: 5
        }
    ));
    assert!(matches!(
        refusal(&crafted(actor, &content, |c| c.start_op = number(1))),
        Refusal::Operations { start: 1, .. }
    ));
    assert!(matches!(
        refusal(&crafted(actor, &content, |c| c.start_op = number(1 << 31))),
        Refusal::Operations { .. }
    ));
    let foreign =
        |c: &mut automerge::ExpandedChange| c.actor_id = automerge::ActorId::from(vec![1; 16]);
    assert!(matches!(
        refusal(&crafted(actor, &content, foreign)),
        Refusal::Actor(_)
    ));
    // An operation in an object that does not exist makes Automerge panic.
    let nowhere = |c: &mut automerge::ExpandedChange| {
        c.operations[0].obj =
            automerge::legacy::ObjectId::Id(automerge::legacy::OpId(77, actor.id()));
    };
    assert!(matches!(
        refusal(&crafted(actor, &content, nowhere)),
        Refusal::Automerge(_)
    ));
    // One that overwrites an operation that does not exist comes out of Automerge changed.
    let overwrites = |c: &mut automerge::ExpandedChange| {
        c.operations[0].pred = vec![automerge::legacy::OpId(3, actor.id())].into();
    };
    assert!(matches!(
        refusal(&crafted(actor, &content, overwrites)),
        Refusal::Automerge(_)
    ));
    let mut checksum = good.clone();
    checksum[5] ^= 1;
    assert!(matches!(refusal(&checksum), Refusal::Checksum));
    assert!(matches!(
        refusal(&vec![0; MAX_CHANGE + 1]),
        Refusal::TooLarge { .. }
    ));
    assert!(matches!(refusal(&content.save()), Refusal::Malformed(_)));
}

#[test]
fn an_actor_continues_its_own_chain_only() {
    let (content, _) = started(json!({"t": "abc"}));
    let actor = Actor {
        session: bob(),
        branch: 0,
    };
    // Both are bob's, and rest on alice's change only: the second hides the first.
    let first = crafted(actor, &content, |_| {});
    let second = crafted(actor, &content, |change| {
        change.seq = 2;
        change.start_op = std::num::NonZeroU64::new(50).unwrap();
    });
    let mut there = content.clone();
    let batch = [&first, &second].map(|bytes| Decoded::new(bytes).unwrap());
    let admitted = there.admit(batch.to_vec()).unwrap();
    assert_eq!(admitted.changes.len(), 1);
    let [Refused { reason, hash, .. }] = admitted.refused.as_slice() else {
        panic!("{admitted:?}")
    };
    assert_eq!(reason, &Refusal::NotAChain);
    // What rests on a refused change is refused with it.
    let refused = *hash;
    let third = crafted(
        Actor {
            session: session(3),
            branch: 0,
        },
        &content,
        |change| change.deps = vec![to_automerge(&refused)],
    );
    let batch = [&second, &third].map(|bytes| Decoded::new(bytes).unwrap());
    let admitted = there.admit(batch.to_vec()).unwrap();
    let reasons: Vec<_> = admitted
        .refused
        .iter()
        .map(|refused| &refused.reason)
        .collect();
    assert_eq!(reasons, [&Refusal::NotAChain, &Refusal::RestsOn(refused)]);
}

#[test]
fn one_bad_change_does_not_keep_others_out() {
    let (mut content, first) = started(json!({"t": ""}));
    let base = content.clone();
    let actor = Actor {
        session: bob(),
        branch: 0,
    };
    let bad = crafted(actor, &base, |c| {
        c.operations[0].obj =
            automerge::legacy::ObjectId::Id(automerge::legacy::OpId(77, actor.id()));
    });
    let mut batch = vec![
        Decoded::new(&bad).unwrap(),
        Decoded::new(&first.bytes).unwrap(),
    ];
    for n in 0..10 {
        let typed = edit(
            &mut content,
            &alice(),
            json!([{"op": "splice", "pointer": "/t", "index": n, "insert": "x"}]),
        );
        batch.push(Decoded::new(&typed.bytes).unwrap());
    }
    let mut there = base;
    let admitted = there.admit_carefully(batch);
    assert_eq!(admitted.refused.len(), 1, "{admitted:?}");
    assert_eq!(there.heads(), content.heads());
    assert_eq!(read(&there, "/t"), json!("xxxxxxxxxx"));
}
