//! The format on disk, checked in as text: a change of it shows in a diff.

use std::fmt::Write;
use std::path::Path;

use redb::{ReadableDatabase, TableHandle};

use crate::faulty::FaultyDisk;
use crate::tables::{Dump, STATE_TABLES, TableInfo, VOTES_TABLES};
use crate::{Store, StoredEvent};

use super::{ALL, history, identity, in_directory, on_disk, rows};

fn describe(text: &mut String, file: &str, tables: &[TableInfo], rows: &Dump) {
    writeln!(text, "# {file}").unwrap();
    assert_eq!(tables.len(), rows.len());
    for (table, (name, rows)) in tables.iter().zip(rows) {
        assert_eq!(table.name, *name);
        let TableInfo {
            name,
            key,
            value,
            about,
        } = table;
        writeln!(text, "\n## {name}: {key} => {value}\n# {about}").unwrap();
        for (key, value) in rows {
            // Long values are shown by their beginning, length and digest.
            let shown = match value.get(..96) {
                Some(start) if value.len() > 128 => {
                    let digest = decube_crypto::Digest::of("decube/test/1", &[value]).short();
                    format!("{}.. {} bytes {digest}", hex::encode(start), value.len())
                }
                Some(_) | None => hex::encode(value),
            };
            writeln!(text, "{} = {shown}", hex::encode(key)).unwrap();
        }
    }
    writeln!(text).unwrap();
}

/// With `DECUBE_WRITE_FIXTURES` set, writes the fixture instead of comparing with it.
#[test]
fn the_format_is_the_one_that_is_checked_in() {
    let store = on_disk(&FaultyDisk::new()).unwrap();
    for step in history::steps() {
        step.persist(&store).unwrap();
    }
    let rows = rows(&store);
    let mut text = String::new();
    describe(&mut text, "votes.redb", VOTES_TABLES, &rows.votes);
    describe(&mut text, "state.redb", STATE_TABLES, &rows.state);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format.txt");
    if std::env::var_os("DECUBE_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let fixture = std::fs::read_to_string(&path).unwrap();
    let difference = fixture
        .lines()
        .zip(text.lines())
        .find(|(before, now)| before != now);
    assert_eq!(
        difference, None,
        "the format changed: it needs a new schema version"
    );
    assert_eq!(fixture.lines().count(), text.lines().count());
}

#[test]
fn every_table_is_documented_and_used() {
    let directory = tempfile::tempdir().unwrap();
    in_directory(directory.path(), ALL);
    let store = Store::open(directory.path(), &identity()).unwrap();
    let sizes = store.table_sizes().unwrap();
    assert!(
        sizes.iter().all(|size| size.rows > 0 && size.bytes > 0),
        "{sizes:?}"
    );
    drop(store);
    for (file, tables) in [("votes.redb", VOTES_TABLES), ("state.redb", STATE_TABLES)] {
        let database = redb::Database::open(directory.path().join(file)).unwrap();
        let read = database.begin_read().unwrap();
        let mut found: Vec<_> = read
            .list_tables()
            .unwrap()
            .map(|table| table.name().to_owned())
            .collect();
        let mut documented: Vec<_> = tables.iter().map(|table| table.name.to_owned()).collect();
        found.sort();
        documented.sort();
        assert_eq!(found, documented);
        assert!(tables.iter().all(|table| table.about.ends_with('.')));
    }
}

#[test]
fn events_have_this_json() {
    let store = on_disk(&FaultyDisk::new()).unwrap();
    for step in history::steps() {
        step.persist(&store).unwrap();
    }
    let page = store.events_after(0, 1000).unwrap();
    let text = |wanted: fn(&StoredEvent) -> bool| {
        let event = page
            .events
            .iter()
            .map(|(_, event)| event)
            .find(|event| wanted(event))
            .unwrap();
        serde_json::to_value(event).unwrap()
    };
    let changed =
        text(|event| matches!(event, StoredEvent::DocumentChanged { removed: false, .. }));
    let version = decube_protocols::types::Version::of(&[history::change("first")]);
    assert_eq!(
        changed,
        serde_json::json!({
            "event": "document_changed",
            "collection": history::collection(),
            "document": history::document(1),
            "version": version,
            "removed": false,
        })
    );
    let removed = text(|event| matches!(event, StoredEvent::DocumentChanged { removed: true, .. }));
    assert_eq!(removed.get("version"), None);
    let last = text(|event| matches!(event, StoredEvent::Final { .. }));
    assert_eq!(
        (&last["event"], &last["height"]),
        (&"final".into(), &1.into())
    );
    assert_eq!(last["transactions"].as_array().unwrap().len(), 2);
    let refused = StoredEvent::ConnectionRefused {
        peer: None,
        address: "/ip4/192.0.2.1/tcp/7".into(),
        outbound: false,
        kind: "downgrade".into(),
        reason: "both could do better".into(),
    };
    let classic = StoredEvent::ClassicConnection {
        peer: "12D3".into(),
        address: "/ip4/192.0.2.1/tcp/7".into(),
        outbound: true,
        channel: "classic noise".into(),
    };
    let before = store.last_cursor().unwrap();
    store
        .record_events(&[refused.clone(), classic.clone()])
        .unwrap();
    let told = store.events_after(before, 10).unwrap().events;
    assert_eq!(told, [(before + 1, refused), (before + 2, classic)]);
    assert_eq!(
        serde_json::to_value(&told[0].1).unwrap(),
        serde_json::json!({
            "event": "connection_refused", "address": "/ip4/192.0.2.1/tcp/7", "outbound": false,
            "kind": "downgrade", "reason": "both could do better",
        })
    );
    let committed = text(|event| matches!(event, StoredEvent::Committed { .. }));
    assert_eq!(
        committed["document"],
        serde_json::json!(history::document(2))
    );
}
