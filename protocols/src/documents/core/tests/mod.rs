//! Stories of a few nodes that edit, lose messages, go away, come back and agree.

mod random;
mod traces;
mod world;

use std::time::Duration;

use serde_json::json;

use self::world::{Links, World, config, key, network, notes, peer};
use super::*;
use crate::documents::content::Content;
use crate::documents::{
    Announcement, Command, MemorySource, ReceiptRefusal, ReceiptRequest, Reply, SyncState,
};
use crate::types::{CommitEntry, Descriptor, DocumentName, Heads, Timestamp, Tombstone};

const SECOND: Duration = Duration::from_secs(1);

fn type_text(at: usize, text: &str) -> serde_json::Value {
    json!([{"op": "splice", "pointer": "/t", "index": at, "insert": text}])
}

#[test]
fn an_edit_reaches_everyone_at_once() {
    let mut world = World::new(3, 1);
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(Duration::from_millis(1));
    world.edit(1, document, type_text(0, "hello"));
    world.run(Duration::from_millis(1));
    for node in 0..3 {
        assert_eq!(world.read(node, document), json!({"t": "hello"}));
    }
    let roots = world.roots();
    assert!(roots.iter().all(|root| *root == roots[0]));
    world.run(SECOND * 15);
    assert_eq!(world.standing(0), [SyncState::Equal; 2]);
    assert_eq!(world.penalties, Vec::<&str>::new());
}

#[test]
fn fast_typing_goes_together() {
    let mut world = World::new(2, 1);
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(SECOND);
    let before = world.messages;
    for n in 0..100 {
        world.edit(0, document, type_text(n, "x"));
        world.run(Duration::from_micros(50));
    }
    world.run(Duration::from_millis(10));
    assert!(world.messages - before <= 10, "{}", world.messages - before);
    assert_eq!(world.heads(0, document), world.heads(1, document));
}

#[test]
fn a_node_that_was_cut_off_catches_up_in_both_directions() {
    let mut world = World::new(3, 2);
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(SECOND);
    world.cut(2, true);
    for n in 0..20 {
        world.edit(0, document, type_text(n, "a"));
        world.edit(1, document, type_text(0, "b"));
        world.edit(2, document, type_text(0, "c"));
    }
    let alone = world.create(2, "alone", json!({"t": "made while away"}));
    let many: Vec<_> = (0..100)
        .map(|n| world.create(0, &format!("d{n}"), json!({"n": n})))
        .collect();
    world.run(SECOND * 30);
    assert_ne!(world.heads(0, document), world.heads(2, document));
    world.cut(2, false);
    world.run(SECOND * 40);
    for node in 0..3 {
        let text = world.read(node, document)["t"].as_str().unwrap().to_owned();
        assert_eq!(text.len(), 60);
        assert_eq!(world.heads(node, document), world.heads(0, document));
        assert_eq!(world.read(node, alone), json!({"t": "made while away"}));
        assert_eq!(world.read(node, many[57]), json!({"n": 57}));
        assert_eq!(world.standing(node), [SyncState::Equal; 2]);
    }
}

/// A node that restarted among others who never stopped typing compared roots that were never equal,
/// and so was never ready.
#[test]
fn a_node_gets_synced_while_others_never_stop_typing() {
    let mut world = World::new(3, 12);
    world.links = Links { loss: 0, delay: 20 };
    let documents: Vec<_> = (0..3)
        .map(|n| world.create(0, &format!("d{n}"), json!({"t": ""})))
        .collect();
    world.run(SECOND);
    world.cut(2, true);
    for _ in 0..50 {
        world.edit(0, documents[0], type_text(0, "a"));
    }
    world.run(SECOND * 30);
    world.cut(2, false);
    world.restart(2, 1);
    assert!(!world.cores[2].is_synced());
    let mut turns = 0;
    while !world.cores[2].is_synced() {
        for (node, document) in documents.iter().enumerate().take(2) {
            world.edit(node, *document, type_text(0, "b"));
        }
        world.run(Duration::from_millis(1));
        turns += 1;
        assert!(turns < 2000, "not synced after two seconds of typing");
    }
    let text = world.read(2, documents[0])["t"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        text.matches('a').count(),
        50,
        "synced means that it has what was there"
    );
}

#[test]
fn what_is_acknowledged_survives_a_crash() {
    let mut world = World::new(2, 3);
    let document = world.create(0, "readme", json!({"t": ""}));
    for n in 0..700 {
        world.edit(0, document, type_text(n, "x"));
    }
    world.run(SECOND);
    let heads = world.heads(0, document);
    for life in 1..4 {
        for node in 0..2 {
            world.restart(node, life);
            assert_eq!(
                world.heads(node, document),
                heads,
                "at restart {life} of {node}"
            );
        }
    }
    world.edit(0, document, type_text(0, "y"));
    world.run(SECOND);
    assert_eq!(world.heads(0, document), world.heads(1, document));
    assert_eq!(world.read(1, document)["t"].as_str().unwrap().len(), 701);
}

#[test]
fn a_removed_document_stays_removed() {
    let mut world = World::new(3, 4);
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(SECOND);
    world.cut(2, true);
    assert!(matches!(
        world.command(1, Command::Remove { document }),
        Ok(Reply::Removed)
    ));
    world.edit(2, document, type_text(0, "still here"));
    world.run(SECOND * 15);
    world.cut(2, false);
    world.run(SECOND * 30);
    for node in 0..3 {
        let read = Command::Describe { document };
        let Ok(Reply::Document(entry)) = world.command(node, read) else {
            panic!("unknown")
        };
        assert!(entry.removed);
        let history = world.command(node, Command::History { document });
        assert!(matches!(history, Err(CommandError::Removed(_))));
        assert_eq!(world.standing(node), [SyncState::Equal; 2]);
        // Nothing of it is left but its leaf.
        assert_eq!(world.cores[node].source().nodes(), 1);
        assert!(!world.cores[node].follows(&document));
    }
}

#[test]
fn a_forgotten_document_is_an_exception_and_not_endless_divergence() {
    let mut world = World::new(2, 5);
    let kept = world.create(0, "kept", json!({"t": ""}));
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(SECOND);
    assert!(matches!(
        world.command(1, Command::Forget { document }),
        Ok(Reply::Forgotten)
    ));
    world.edit(0, document, type_text(0, "x"));
    world.edit(0, kept, type_text(0, "y"));
    world.run(SECOND * 30);
    for node in 0..2 {
        assert_eq!(world.standing(node), [SyncState::EqualExcept], "{node}");
        let Ok(Reply::SyncStatus(status)) = world.command(node, Command::SyncStatus) else {
            panic!("no status")
        };
        // Each side says where the exception is.
        let (here, there) = (status[0].excepted, status[0].peers[0].excepted);
        assert_eq!((here, there), (node as u64, 1 - node as u64));
        assert!(world.cores[node].follows(&kept));
        assert_eq!(world.cores[node].follows(&document), node == 0);
    }
    let edit = Command::Edit {
        document,
        at: None,
        edits: Vec::new(),
        message: None,
    };
    assert!(matches!(
        world.command(1, edit),
        Err(CommandError::Forgotten(_))
    ));
    assert_eq!(world.read(1, kept), json!({"t": "y"}));
    let before = world.messages;
    world.run(SECOND * 10);
    assert!(world.messages - before < 40, "{}", world.messages - before);
}

#[test]
fn two_documents_of_one_name_are_both_shown() {
    let mut world = World::new(2, 6);
    world.cut(0, true);
    let one = world.create(0, "readme", json!({"by": 0}));
    let two = world.create(1, "readme", json!({"by": 1}));
    world.cut(0, false);
    world.run(SECOND * 30);
    let name = DocumentName::new("readme").unwrap();
    for node in 0..2 {
        let named = Command::Named {
            collection: notes(),
            name: name.clone(),
        };
        let Ok(Reply::Named(found)) = world.command(node, named) else {
            panic!("none")
        };
        let mut ids: Vec<_> = found.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        let mut expected = vec![one, two];
        expected.sort_unstable();
        assert_eq!(ids, expected);
    }
    // What was removed keeps its name, by which its proofs are found.
    world.command(0, Command::Remove { document: one }).unwrap();
    let named = Command::Named {
        collection: notes(),
        name,
    };
    let Ok(Reply::Named(found)) = world.command(0, named) else {
        panic!("none")
    };
    let removed = |id| found.iter().any(|entry| entry.id == id && entry.removed);
    assert_eq!((found.len(), removed(one), removed(two)), (2, true, false));
}

#[test]
fn receipts_are_signed_for_what_is_held_and_descends() {
    let mut world = World::new(2, 7);
    let document = world.create(0, "readme", json!({"t": ""}));
    let first = Heads::new(world.heads(0, document)).unwrap();
    world.edit(0, document, type_text(0, "x"));
    world.run(SECOND);
    let second = Heads::new(world.heads(0, document)).unwrap();
    world.cut(1, true);
    world.edit(0, document, type_text(0, "y"));
    let third = Heads::new(world.heads(0, document)).unwrap();
    let request = |previous: &Heads, heads: &Heads| {
        let absent = previous.is_empty();
        let version = (!absent).then(|| previous.version());
        let entry = CommitEntry {
            collection: notes(),
            document,
            previous: version,
            heads: heads.clone(),
        };
        ReceiptRequest {
            entry,
            previous: previous.clone(),
        }
    };
    let none = Heads::default();
    let wanted = vec![
        request(&none, &first),
        request(&first, &second),
        request(&second, &first),
        request(&second, &third),
        ReceiptRequest {
            previous: none,
            ..request(&first, &second)
        },
    ];
    let now = Now {
        monotonic: world.now,
        wall: Timestamp(0),
    };
    let ask = Input::Request {
        from: peer(0),
        id: RequestId(9),
        request: SyncRequest::Receipts(wanted.clone()),
    };
    let effects = world.cores[1].handle(now, ask);
    let Some(Effect::Respond {
        response: SyncResponse::Receipts(receipts),
        ..
    }) = effects.last()
    else {
        panic!("{effects:?}")
    };
    for place in [0, 1] {
        let receipt = receipts[place].as_ref().unwrap();
        assert_eq!(receipt.replica, key(1).public());
        assert_eq!(receipt.verify(&network(), &wanted[place].entry), Ok(()));
    }
    assert_eq!(receipts[2], Err(ReceiptRefusal::NotADescendant));
    assert_eq!(receipts[3], Err(ReceiptRefusal::Missing));
    assert_eq!(receipts[4], Err(ReceiptRefusal::NotADescendant));
}

#[test]
fn a_large_change_is_fetched_and_a_large_document_comes_in_parts() {
    let mut world = World::new(2, 8);
    let document = world.create(0, "readme", json!({"t": ""}));
    world.run(SECOND);
    for n in 0..6 {
        let bytes = "5a".repeat(250_000);
        world.edit(
            0,
            document,
            json!([{"op": "set", "pointer": format!("/k{n}"), "value": {"$bytes": bytes}}]),
        );
    }
    world.run(Duration::from_millis(100));
    assert_eq!(world.heads(1, document), world.heads(0, document));
    // Documents beyond the cache leave the memory and come back.
    for n in 0..40 {
        world.create(0, &format!("d{n}"), json!({"t": "x".repeat(1000)}));
    }
    let memory = world.cores[0].library.loaded.len();
    assert!(memory < 41, "{memory}");
    world.edit(0, document, type_text(0, "on"));
    world.run(SECOND);
    assert_eq!(world.read(1, document)["t"], json!("on"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of every way to cheat")]
fn a_hostile_peer_is_named_and_nothing_changes() {
    let mut world = World::new(2, 9);
    let document = world.create(0, "readme", json!({"t": "abc"}));
    world.run(SECOND);
    let heads = world.heads(0, document);
    let stored = world.cores[0].library.stored(&document).unwrap().unwrap();
    let descriptor = stored.descriptor.unwrap();
    let other = DocumentName::new("other").unwrap();
    let forged = Descriptor {
        name: other.clone(),
        nonce: 77,
        ..descriptor.clone()
    };
    let garbage = Announcement::Changed {
        descriptor: descriptor.clone(),
        heads: heads.clone(),
        changes: vec![b"garbage".to_vec()],
    };
    let unsigned = Announcement::Changed {
        descriptor: forged,
        heads: Vec::new(),
        changes: Vec::new(),
    };
    let tombstone = Tombstone::sign(&network(), notes(), document, &key(5));
    let removal = Announcement::Removed(Tombstone {
        author: key(4).public(),
        ..tombstone
    });
    for announcement in [garbage, unsigned, removal] {
        let before = world.penalties.len();
        world.input(
            0,
            Input::Announced {
                from: peer(1),
                announcement,
            },
        );
        assert_eq!(world.penalties.len(), before + 1);
    }
    for message in [b"garbage".to_vec(), vec![0x42; 1000]] {
        let before = world.penalties.len();
        let request = SyncRequest::Document {
            collection: notes(),
            document,
            descriptor: None,
            message,
            first: true,
        };
        world.input(
            0,
            Input::Request {
                from: peer(1),
                id: RequestId(1),
                request,
            },
        );
        assert_eq!(world.penalties.len(), before + 1);
    }
    assert_eq!(world.heads(0, document), heads);
    // A fork of a chain: alice restores a backup of her process, which Automerge would not notice.
    let disk = world.cores[0].source().clone();
    let mut backup = Core::new(config(0, 0), disk).unwrap();
    let now = Now {
        monotonic: world.now,
        wall: Timestamp(0),
    };
    let _ = backup.handle(now, Input::Collection(notes()));
    world.edit(0, document, type_text(0, "first"));
    world.run(SECOND);
    let edits = crate::documents::content::parse_patch(type_text(0, "second")).unwrap();
    let edit = Command::Edit {
        document,
        at: None,
        edits,
        message: None,
    };
    let effects = backup.handle(
        now,
        Input::Command {
            id: RequestId(1),
            command: edit,
        },
    );
    let published = effects.into_iter().find_map(|effect| match effect {
        Effect::Publish { announcement, .. } => Some(announcement),
        Effect::Persist(_)
        | Effect::Request { .. }
        | Effect::Respond { .. }
        | Effect::Reply { .. }
        | Effect::Penalize { .. } => None,
    });
    world.input(
        1,
        Input::Announced {
            from: peer(0),
            announcement: published.unwrap(),
        },
    );
    let Ok(Reply::Quarantine(entries)) = world.command(1, Command::Quarantine) else {
        panic!()
    };
    let fork = entries
        .iter()
        .find(|entry| entry.reason.contains("the actor's next"))
        .unwrap();
    assert_eq!(fork.document, document);
    assert_eq!(world.heads(1, document), world.heads(0, document));
}

#[test]
fn import_and_export_carry_a_document_over() {
    let mut world = World::new(2, 10);
    let document = world.create(0, "readme", json!({"t": "abc"}));
    let first = world.heads(0, document);
    world.edit(0, document, type_text(3, "def"));
    world.run(SECOND);
    let Ok(Reply::Exported { bytes, heads }) = world.command(
        1,
        Command::Export {
            document,
            at: Some(first.clone()),
        },
    ) else {
        panic!()
    };
    assert_eq!(heads, first);
    assert_eq!(
        crate::documents::content::file_heads(&bytes).unwrap(),
        first
    );
    let name = DocumentName::new("copy").unwrap();
    let import = Command::Import {
        collection: notes(),
        name,
        bytes,
    };
    let Ok(Reply::Imported {
        document: copy,
        history_kept,
    }) = world.command(1, import)
    else {
        panic!()
    };
    assert!(history_kept && copy.heads == first);
    world.run(SECOND);
    assert_eq!(world.read(0, copy.id), json!({"t": "abc"}));
}

#[test]
fn a_damaged_document_is_reported_and_others_go_on() {
    let mut world = World::new(1, 11);
    let broken = world.create(0, "broken", json!({"t": ""}));
    let fine = world.create(0, "fine", json!({"t": "x"}));
    let changes = crate::documents::Record::Changes {
        document: broken,
        changes: vec![vec![1; 50]],
    };
    world.cores[0].source_mut().apply(changes);
    world.restart(0, 1);
    let history = world.command(0, Command::History { document: broken });
    assert!(
        matches!(history, Err(CommandError::Damaged { .. })),
        "{history:?}"
    );
    assert_eq!(world.read(0, fine), json!({"t": "x"}));
}

#[test]
fn unknown_things_are_named() {
    let mut world = World::new(1, 12);
    let document = DocumentId(decube_crypto::Digest::ZERO);
    let describe = world.command(0, Command::Describe { document });
    assert_eq!(describe, Err(CommandError::UnknownDocument(document)));
    let collection = CollectionId(decube_crypto::Digest::ZERO);
    let name = DocumentName::new("x").unwrap();
    let create = Command::Create {
        collection,
        name,
        content: None,
    };
    assert_eq!(
        world.command(0, create),
        Err(CommandError::UnknownCollection(collection))
    );
    let name = DocumentName::new("x").unwrap();
    let create = Command::Create {
        collection: notes(),
        name,
        content: Some(json!([1])),
    };
    assert!(matches!(
        world.command(0, create),
        Err(CommandError::Edit(_))
    ));
    assert!(
        Core::new(config(0, 0), MemorySource::default())
            .unwrap()
            .poll_timeout()
            .is_none()
    );
    assert!(Content::new().heads().is_empty());
}
