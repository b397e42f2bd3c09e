//! Editing: patches, heads, and `$EDITOR` while others type.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, finish, program};

#[test]
fn a_patch_is_one_change() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let patch = home.write(
        "patch.json",
        r#"[
            {"op": "set", "pointer": "/a~1b", "value": {"deep": [true, null, 1.5]}},
            {"op": "increment", "pointer": "/votes", "by": 2},
            {"op": "insert", "pointer": "/items", "index": 1, "value": "x"},
            {"op": "remove", "pointer": "/items/0"},
            {"op": "splice", "pointer": "/title", "index": 0, "delete": 1, "insert": "J"},
            {"op": "replace_text", "pointer": "/title", "text": "Jelly"}
        ]"#,
    );
    let edited = home.json(&[
        "doc",
        "edit",
        &id,
        "--patch",
        &patch,
        "--message",
        "all at once",
    ]);
    assert!(edited["change"].is_string());
    let expected = serde_json::json!({
        "a/b": {"deep": [true, null, 1.5]}, "votes": {"$counter": 2}, "items": ["x", 2],
        "title": "Jelly",
    });
    assert_eq!(home.content(&id), expected);
    assert_eq!(
        home.json(&["doc", "history", &id])["changes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let raw = home
        .decube(&["doc", "get", &id, "/title", "--raw"])
        .expect(0);
    assert_eq!(raw.stdout, b"Jelly");
}

#[test]
fn an_edit_at_earlier_heads_merges_with_what_came_since() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let heads = home.json(&["doc", "get", &id])["heads"][0]
        .as_str()
        .unwrap()
        .to_owned();
    home.decube(&["doc", "edit", &id, "--splice", "/title", "5", "0", " world"])
        .expect(0);
    let edited = home.json(&[
        "doc", "edit", &id, "--splice", "/title", "0", "5", "Goodbye", "--at", &heads,
    ]);
    assert_eq!(
        edited["heads"].as_array().unwrap().len(),
        2,
        "both changes stand beside each other"
    );
    assert_eq!(home.content(&id)["title"], "Goodbye world");
    let then = home.json(&["doc", "get", &id, "/title", "--at", &heads]);
    assert_eq!(then["value"], "Hello");
    home.decube(&["doc", "set", &id, "/who", "1", "--at", &heads])
        .expect(0);
    home.decube(&["doc", "set", &id, "/who", "2", "--at", &heads])
        .expect(0);
    let table = home
        .decube(&["doc", "get", &id, "/who", "--conflicts"])
        .expect(0);
    assert_eq!(table.stderr.lines().count(), 3, "{}", table.stderr);
    let shown = home.json(&["doc", "get", &id, "/who", "--conflicts"]);
    assert_eq!(
        shown["conflicts"][0]["values"].as_array().unwrap().len(),
        2,
        "{shown}"
    );
}

/// The digits in a column of the first line of a table that holds `word`.
fn cell(table: &str, word: &str, column: usize) -> String {
    let line = table.lines().find(|line| line.contains(word));
    let cell = line.and_then(|line| line.split_whitespace().nth(column));
    cell.unwrap_or_else(|| panic!("{table}")).to_owned()
}

#[test]
fn the_digits_that_are_shown_can_be_pasted() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let listed = home.decube(&["doc", "ls"]).expect(0).text();
    let first = listed.lines().nth(1).unwrap();
    let first = first.split_whitespace().last().unwrap().to_owned();
    assert_eq!(first.len(), 12, "{listed}");
    home.decube(&["doc", "set", &id, "/title", "\"Later\"", "-m", "later"])
        .expect(0);
    let history = home.decube(&["doc", "history", &id]).expect(0).text();
    let second = cell(&history, "later", 0);
    let read = |at: &str| home.json(&["doc", "get", &id, "/title", "--at", at])["value"].clone();
    assert_eq!(
        (read(&first), read(&second)),
        ("Hello".into(), "Later".into())
    );
    let file = home.file("first.automerge");
    let output = file.to_str().unwrap();
    let export = ["doc", "export", &id, "--at", &first, "--output", output];
    let exported = home.json(&export)["heads"][0].clone();
    assert!(exported.as_str().unwrap().starts_with(&first), "{exported}");

    home.decube(&["commit", &id, "--at", &first, "--wait", "final"])
        .expect(0);
    let note = home.decube(&["doc", "get", &id, "--committed"]).expect(0);
    let version = note.stderr.split("version ").nth(1).unwrap();
    let version = version.split(',').next().unwrap();
    home.decube(&["commit", &id, "--previous", &second])
        .refuses(5, &second);
    home.decube(&["commit", &id, "--previous", version, "--wait", "final"])
        .expect(0);
    home.decube(&["doc", "set", &id, "/a", "1"]).expect(0);
    home.decube(&["commit", &id, "--previous", version])
        .refuses(5, "as expected");
    home.decube(&["commit", &id, "--previous", &second, "--wait", "final"])
        .expect(0);
    let edited = home.json(&["doc", "set", &id, "/b", "2", "--at", &second]);
    assert_eq!(edited["heads"].as_array().unwrap().len(), 2);
}

#[test]
fn what_others_type_while_an_editor_is_open_survives() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    // An editor that, while it is open, lets someone else type, then changes another word.
    let script = home.write(
        "editor.sh",
        format!(
            "#!/bin/sh\n\"$DECUBE\" --data-dir \"$DECUBE_HOME\" doc edit {id} --splice /title 5 0 ' dear world'\n\
             sed -i.bak 's/Hello/Good morning/' \"$1\"\n"
        ),
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for pointer in ["/title", ""] {
        let mut command = home.command(&["doc", "set", &id, "/title", "\"Hello\""]);
        assert_eq!(finish(std::mem::replace(&mut command, program())).code, 0);
        let mut command = home.command(&["doc", "edit", &id, pointer]);
        command
            .env("EDITOR", &script)
            .env("DECUBE", env!("CARGO_BIN_EXE_decube"));
        finish(command).expect(0);
        assert_eq!(
            home.content(&id)["title"],
            "Good morning dear world",
            "at {pointer:?}"
        );
    }
    assert_eq!(home.content(&id)["items"], serde_json::json!([1, 2]));
}

#[test]
fn an_editor_that_fails_or_writes_no_json_changes_nothing() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let before = home.json(&["doc", "get", &id]);
    for (editor, code, words) in [
        ("false", 1, "nothing was changed"),
        ("printf '{' >", 2, "no JSON"),
        ("true", 0, ""),
        ("/no/such/editor", 1, "/no/such/editor"),
    ] {
        let mut command = home.command(&["doc", "edit", &id]);
        command.env("EDITOR", editor);
        finish(command).refuses(code, words);
    }
    home.decube(&["doc", "edit", &id]).refuses(2, "EDITOR");
    assert_eq!(home.json(&["doc", "get", &id]), before);
}

/// The file that an error says was kept.
fn kept(error: &str) -> String {
    let (_, path) = error.rsplit_once(" is kept in ").unwrap();
    std::fs::read_to_string(path.trim()).unwrap()
}

#[test]
fn what_was_typed_is_kept_when_it_cannot_be_used() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let before = home.json(&["doc", "get", &id]);
    let invalid = "{\"title\": \"a long text";
    // A whole document stays an object, and a place of a document may be gone meanwhile.
    for (pointer, written, code) in [("", invalid, 2), ("", "[1]", 5), ("/items", invalid, 2)] {
        let source = home.write("typed", written);
        let folder = home.file("");
        let mut command = home.command(&["doc", "edit", &id, pointer]);
        command
            .env("EDITOR", format!("cp {source}"))
            .env("TMPDIR", &folder);
        let refused = finish(command).refuses(code, "nothing was changed");
        assert_eq!(kept(&refused.stderr), written);
        assert_eq!(home.json(&["doc", "get", &id]), before);
    }
}

#[test]
fn fixed_strings_are_edited_around_and_themselves() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    home.decube(&["doc", "set", &id, "/kind", "{\"$string\": \"draft\"}"])
        .expect(0);
    let edit = |script: &str, pointer: &str| {
        let mut command = home.command(&["doc", "edit", &id, pointer]);
        command.env("EDITOR", format!("sed -i.bak '{script}'"));
        finish(command).expect(0);
    };
    edit("s/Hello/Good morning/", "");
    assert_eq!(home.content(&id)["title"], "Good morning");
    edit("s/draft/final/; s/Good/Fine/", "");
    let value = home.content(&id);
    assert_eq!(
        (&value["kind"], &value["title"]),
        (&"final".into(), &"Fine morning".into())
    );
    edit("s/final/old/", "/kind");
    edit("s/\"old\"/{\"$string\": \"new\"}/", "");
    assert_eq!(home.content(&id)["kind"], "new");
    // It is still a fixed string, which nobody types into.
    home.decube(&["doc", "edit", &id, "--splice", "/kind", "0", "0", "x"])
        .refuses(5, "fixed string");
}
