//! Bad input gets a clear error and changes nothing.

use crate::support::Home;

/// Arguments, the exit code, and words that the error must have.
type Case<'a> = (&'a [&'a str], i32, &'a str);

/// Runs each case against a node with a document, whose id and a file of each content are handed to
/// `cases`, and checks that nothing changed.
fn refuse_all(cases: impl Fn(&Home, &str, &dyn Fn(&[Case<'_>]))) {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let state = || {
        let height = home.json(&["status"])["final_height"].clone();
        (home.content(&id), home.json(&["doc", "ls"]), height)
    };
    let before = state();
    cases(&home, &id, &|cases| {
        for (arguments, code, words) in cases {
            let outcome = home.decube(arguments);
            let said = &outcome.stderr;
            assert_eq!(
                outcome.code,
                *code,
                "{arguments:?}: {}{said}",
                outcome.text()
            );
            assert!(said.contains(words), "{arguments:?}: {said}");
            assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        }
    });
    assert_eq!(state(), before);
}

const HEAD: &str = "abababababababababababababababababababababababababababababababab";

/// An address where nothing listens.
const NOBODY: &str =
    "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";

#[test]
fn bad_names_ids_and_places_are_refused_and_change_nothing() {
    refuse_all(|_, id, run| {
        let many = "{\"n\": {\"$counter\": \"many\"}}";
        run(&[
            (
                &["doc", "create", "notes/x", "--content", "{bad"],
                2,
                "no JSON",
            ),
            (
                &["doc", "create", "notes/x", "--content", "[1]"],
                5,
                "the content of a document is a JSON object",
            ),
            (
                &["doc", "create", "notes/x", "--content", many],
                5,
                "nothing was created",
            ),
            (&["doc", "create", "notes/a b"], 2, "white space"),
            (&["doc", "create", "notes"], 2, "COLLECTION/NAME"),
            (&["doc", "create", "nowhere/x"], 3, "nowhere"),
            (&["doc", "get", "nowhere/x"], 3, "nowhere"),
            (&["doc", "get", "notes/nothing"], 3, "notes/nothing"),
            (&["doc", "get", HEAD], 3, HEAD),
            (&["doc", "get", "xyz"], 2, "xyz"),
            (&["doc", "get", id, "title"], 2, "start with '/'"),
            (&["doc", "get", id, "/none/below"], 3, "/none"),
            (&["doc", "get", id, "/a~2"], 2, "~"),
            (
                &["doc", "get", id, "--at", "beef"],
                2,
                "8 to 64 hexadecimal digits",
            ),
            (&["doc", "get", id, "--at", "beefbeef"], 3, "beefbeef"),
            (
                &["doc", "set", id, "/a", "1", "--at", "beefbeef"],
                3,
                "beefbeef",
            ),
            (&["commit", id, "--at", "beefbeef"], 3, "doc history"),
            (&["commit", id, "--previous", "beefbeef"], 5, "beefbeef"),
            (&["doc", "get", id, "--at", HEAD], 3, HEAD),
            (&["doc", "get", id, "--committed"], 3, "no version"),
            (&["doc", "get", id, "--committed", "999"], 3, "999"),
        ]);
    });
}

#[test]
fn bad_edits_and_files_are_refused_and_change_nothing() {
    refuse_all(|home, id, run| {
        let no_array = home.write("no-array.json", "{\"op\": \"set\"}");
        let unknown = home.write("unknown.json", "[{\"op\": \"explode\", \"pointer\": \"\"}]");
        let half = home.write(
            "half.json",
            r#"[{"op": "set", "pointer": "/a", "value": 1}, {"op": "remove", "pointer": "/no"}]"#,
        );
        let huge = home.write(
            "huge.json",
            r#"[{"op": "set", "pointer": "/n", "value": -123456789012345678901234567890}]"#,
        );
        let garbage = home.write("garbage.automerge", [0xff; 100]);
        let cut = home.write("cut.json", "[{\"op\"");
        run(&[
            (&["doc", "set", id, "/none/below", "1"], 5, "/none"),
            (
                &["doc", "set", id, "/n", "[18446744073709551616]"],
                2,
                "18446744073709551616",
            ),
            (&["doc", "edit", id, "--patch", &huge], 2, "64 bits"),
            (&["doc", "create", "notes/x", "--file", &huge], 2, "64 bits"),
            (
                &["doc", "set", id, "/title", "unquoted"],
                2,
                "double quotes",
            ),
            (
                &["doc", "edit", id, "--splice", "/title", "99", "0", "x"],
                5,
                "99",
            ),
            (
                &["doc", "edit", id, "--splice", "/title", "one", "0", "x"],
                2,
                "INDEX",
            ),
            (
                &["doc", "edit", id, "--splice", "/items", "0", "0", "x"],
                5,
                "text",
            ),
            (&["doc", "edit", id, "--patch", &no_array], 2, "array"),
            (&["doc", "edit", id, "--patch", &unknown], 2, "explode"),
            (
                &["doc", "edit", id, "--patch", &half],
                5,
                "nothing was changed",
            ),
            (&["doc", "edit", id, "--patch", &cut], 2, "no JSON"),
            (&["doc", "edit", id, "--patch", "none.json"], 3, "none.json"),
            (&["doc", "import", "notes/x", &garbage], 5, "Automerge"),
        ]);
    });
}

#[test]
fn bad_commits_heights_and_peers_are_refused_and_change_nothing() {
    refuse_all(|_, id, run| {
        run(&[
            (&["commit", "notes/nothing"], 3, "notes/nothing"),
            (&["commit", id, "--at", HEAD], 3, HEAD),
            (&["chain", "show", "999"], 3, "999"),
            (&["chain", "show", "0"], 3, "height 0"),
            (&["collection", "show", "nowhere"], 3, "nowhere"),
            (&["collection", "create", "a b"], 2, "white space"),
            (&["peer", "add", "somewhere"], 2, "somewhere"),
            (&["peer", "add", NOBODY], 1, "onnection refused"),
            (&["peer", "add", "/ip4/127.0.0.1/tcp/1"], 1, "/p2p/PEER-ID"),
            (&["peer", "ban", "somebody"], 2, "somebody"),
            (&["proof", "notes/readme", "--height", "999"], 3, "999"),
        ]);
    });
}

#[test]
fn a_name_that_two_documents_have_is_ambiguous_and_both_are_shown() {
    let home = Home::solo();
    let (_running, first) = home.with_document();
    let second = home.json(&["doc", "create", "notes/readme"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let listed = home.json(&["doc", "ls"]);
    let ids: Vec<&str> = listed["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.contains(&first.as_str()) && ids.contains(&second.as_str()),
        "{ids:?}"
    );
    let refused = home
        .decube(&["doc", "get", "notes/readme"])
        .refuses(5, &first);
    assert!(refused.stderr.contains(&second));
    home.decube(&["doc", "rm", "notes/readme"]).expect(5);
    assert_eq!(home.content(&first[..16])["title"], "Hello");
    home.decube(&["doc", "rm", &second]).expect(0);
    assert_eq!(home.content("notes/readme")["title"], "Hello");
}

#[test]
fn a_rejected_transaction_is_told_with_its_reason() {
    let home = Home::solo();
    let (_running, _id) = home.with_document();
    let error = home
        .decube(&["collection", "create", "notes", "--json"])
        .expect(5)
        .json();
    assert_eq!(error["error"]["code"], "rejected");
    assert!(error["error"]["problem"]["transaction"].is_string());
    home.decube(&["collection", "create", "more", "--write-quorum", "2"])
        .refuses(5, "write quorum");
    assert_eq!(
        home.json(&["collection", "ls"])["collections"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
