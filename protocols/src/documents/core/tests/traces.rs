//! Recorded editing sessions, typed into documents: `testnet/data/editing-traces`.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::World;
use crate::documents::content::{Edit, Pointer};
use crate::documents::{Command, Reply};
use crate::types::{ChangeHash, DocumentId};

/// How many transactions of `friendsforever` are typed here, of 26,078: the merges of the first
/// third of them are among these, and an unoptimised build takes seconds. The whole session is
/// typed on real nodes by the benchmark.
const FRIENDS: usize = 1500;
/// How many transactions of `sveltecomponent` are typed here, of 18,335.
const SVELTE: usize = 3000;

fn trace(name: &str) -> Value {
    let path = format!(
        "{}/../testnet/data/editing-traces/{name}.json.gz",
        env!("CARGO_MANIFEST_DIR")
    );
    let packed = std::fs::read(path).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn splices(transaction: &Value) -> Vec<Edit> {
    let patches = transaction["patches"].as_array().unwrap();
    let splice = |patch: &Value| Edit::Splice {
        pointer: "/text".parse().unwrap(),
        index: number(&patch[0]),
        delete: number(&patch[1]),
        insert: patch[2].as_str().unwrap().to_owned(),
    };
    patches.iter().map(splice).collect()
}

fn text(world: &mut World, node: usize, document: DocumentId) -> String {
    world.read(node, document)["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Reads the version of one change at one node.
fn text_at(world: &mut World, node: usize, document: DocumentId, at: Vec<ChangeHash>) -> Value {
    let pointer: Pointer = "/text".parse().unwrap();
    let read = Command::Read {
        document,
        at: Some(at),
        pointer,
        conflicts: false,
    };
    match world.command(node, read) {
        Ok(Reply::Content { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_friends_type_at_the_heads_they_saw() {
    let session = trace("friendsforever");
    let mut world = World::new(2, 1);
    let document = world.create(0, "friends", json!({ "text": "" }));
    let start = world.heads(0, document);
    world.run(Duration::from_millis(5));
    let mut hashes: Vec<ChangeHash> = Vec::new();
    for transaction in session["txns"].as_array().unwrap().iter().take(FRIENDS) {
        let parents = transaction["parents"].as_array().unwrap();
        let mut at: Vec<ChangeHash> = parents
            .iter()
            .map(|parent| hashes[number(parent)])
            .collect();
        if at.is_empty() {
            at.clone_from(&start);
        }
        let node = number(&transaction["agent"]);
        let edits = splices(transaction);
        let edit = Command::Edit {
            document,
            at: Some(at),
            edits,
            message: None,
        };
        match world.command(node, edit) {
            Ok(Reply::Edited {
                change: Some(change),
                ..
            }) => hashes.push(change),
            other => panic!("transaction {}: {other:?}", hashes.len()),
        }
        world.run(Duration::from_millis(2));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.heads(0, document), world.heads(1, document));
    let typed = text(&mut world, 0, document);
    assert_eq!(typed, text(&mut world, 1, document));
    assert!(typed.len() > 500, "{typed}");
    // The two worked concurrently, so that this is not just one chain.
    let Ok(Reply::History(history)) = world.command(0, Command::History { document }) else {
        panic!()
    };
    assert_eq!(history.len(), FRIENDS + 1);
    assert!(history.iter().any(|entry| entry.dependencies.len() > 1));
    // A version in the past reads the same on both sides.
    let past = vec![hashes[FRIENDS / 2]];
    let there = text_at(&mut world, 1, document, past.clone());
    assert_eq!(text_at(&mut world, 0, document, past), there);
}

#[test]
fn one_author_types_and_another_node_follows() {
    let session = trace("sveltecomponent");
    let mut world = World::new(2, 1);
    let document = world.create(0, "svelte", json!({ "text": "" }));
    let mut model: Vec<char> = Vec::new();
    let transactions = &session["txns"].as_array().unwrap()[..SVELTE];
    for transactions in transactions.chunks(50) {
        let edits: Vec<Edit> = transactions.iter().flat_map(splices).collect();
        for edit in &edits {
            let Edit::Splice {
                index,
                delete,
                insert,
                ..
            } = edit
            else {
                panic!()
            };
            model.splice(*index..index + delete, insert.chars());
        }
        let edit = Command::Edit {
            document,
            at: None,
            edits,
            message: None,
        };
        assert!(world.command(0, edit).is_ok());
        world.run(Duration::from_micros(700));
    }
    world.run(Duration::from_secs(1));
    let expected: String = model.into_iter().collect();
    assert_eq!(text(&mut world, 0, document), expected);
    assert_eq!(text(&mut world, 1, document), expected);
    assert_eq!(world.heads(0, document), world.heads(1, document));
}
