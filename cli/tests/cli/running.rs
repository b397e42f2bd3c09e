//! A running node, asked by the program: from a collection to a proof.

use std::fs;

use decube_node::api::{Code, Token};
use decube_node::client::{Client, ClientError, Endpoint};
use serde_json::Value;

use crate::support::{Home, decube, text};

#[test]
fn from_a_document_to_a_proof_that_needs_no_node() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    home.decube(&[
        "doc",
        "edit",
        "notes/readme",
        "--splice",
        "/title",
        "5",
        "0",
        " there",
    ])
    .expect(0);
    let committed = home.json(&["commit", "notes/readme", "--first", "--wait", "final"]);
    assert_eq!(committed["state"], "final");
    let height = committed["height"].as_u64().unwrap();
    // The document goes on, the committed version stays.
    home.decube(&["doc", "set", "notes/readme", "/title", "\"changed\""])
        .expect(0);
    let read = home.json(&["doc", "get", "notes/readme", "/title", "--committed"]);
    assert_eq!(read["value"], "Hello there");
    assert_eq!(read["committed"]["height"], height);
    assert_eq!(home.content("notes/readme")["title"], "changed");
    home.decube(&["doc", "get", &id, "--committed", "1"])
        .refuses(3, "up to height 1");

    let proof = home.file("readme.proof");
    let document = home.file("readme.automerge");
    let proven = home.decube(&["proof", "notes/readme"]).expect(0);
    fs::write(&proof, &proven.stdout).unwrap();
    home.decube(&[
        "doc",
        "export",
        &id,
        "--committed",
        "--output",
        text(&document),
    ])
    .expect(0);
    let network = home.path().join("network.toml");
    assert_eq!(running.stop(), 0);

    let verify = [
        "verify",
        text(&proof),
        "--network",
        text(&network),
        "--document",
    ];
    let verified = decube(&[&verify[..], &[text(&document), "--json"]].concat())
        .expect(0)
        .json();
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["document"], id);
    assert_eq!(verified["committed"]["height"], height);
    assert_eq!(verified["trusted"]["from"], "network");
    // Without --network the data directory is trusted and named.
    let by_directory = home.decube(&["verify", text(&proof)]).expect(0).text();
    assert!(
        by_directory.contains("from the data directory"),
        "{by_directory}"
    );
    assert!(by_directory.contains(text(&network)), "{by_directory}");
}

#[test]
fn what_is_final_is_marked() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    home.decube(&["doc", "set", "notes/readme", "/a", "1"])
        .expect(0);
    home.decube(&["commit", "notes/readme", "--wait", "final"])
        .expect(0);
    let height = home.json(&["status"])["final_height"].as_u64().unwrap();
    assert_eq!(home.json(&["doc", "ls"])["documents"][0]["is_final"], true);
    home.decube(&["doc", "set", &id[..8], "/a", "2", "--message", "again"])
        .expect(0);
    let listed = home.json(&["doc", "ls", "notes"])["documents"][0].clone();
    assert_eq!(listed["is_final"], false);
    assert_eq!(listed["committed"]["height"], height);
    let history = home.json(&["doc", "history", &id]);
    let marks: Vec<&Value> = history["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["is_final"])
        .collect();
    assert_eq!(marks, [true, true, false]);
    assert_eq!(history["changes"][1]["committed_at"][0], height);
    assert_eq!(history["changes"][2]["message"], "again");
    let block = home.json(&["chain", "show", &height.to_string()]);
    assert_eq!(block["transactions"][0]["action"]["kind"], "commit");
    assert_eq!(block["transactions"][0]["outcome"]["outcome"], "applied");
    assert_eq!(block["finalization"]["signers"][0], "node-1");
    let blocks = home.json(&["chain", "ls", "--limit", "1"]);
    assert_eq!(blocks["blocks"][0]["height"], height);
}

#[test]
fn several_documents_are_committed_together_and_a_stale_expectation_changes_nothing() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    home.decube(&["doc", "create", "notes/second"]).expect(0);
    home.decube(&["doc", "set", "notes/second", "/a", "1"])
        .expect(0);
    let both = home.json(&["commit", "notes/readme", "notes/second", "--wait", "final"]);
    let height = both["height"].clone();
    for document in ["notes/readme", "notes/second"] {
        let listed = home.json(&["doc", "get", document, "--committed"]);
        assert_eq!(listed["committed"]["height"], height);
    }
    let version = home.json(&["doc", "get", &id, "--committed"])["version"].clone();
    home.decube(&["doc", "set", &id, "/b", "1"]).expect(0);
    home.decube(&["commit", &id, "--first"])
        .refuses(5, "not none as expected");
    let stale = "ab".repeat(32);
    let error = home
        .decube(&["commit", &id, "--previous", &stale, "--json"])
        .expect(5)
        .json();
    assert_eq!(error["error"]["code"], "previous_differs");
    assert_eq!(
        home.json(&["doc", "get", &id, "--committed"])["version"],
        version
    );
    let version = version.as_str().unwrap();
    home.decube(&["commit", &id, "--previous", version, "--wait", "final"])
        .expect(0);
    home.decube(&["commit", &id])
        .refuses(5, "committed already");
    home.decube(&["commit", &id, "notes/readme"])
        .refuses(2, "listed twice");
}

#[test]
fn everything_acknowledged_is_there_after_a_kill() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    let committed = home.json(&["commit", &id, "--wait", "final"]);
    home.decube(&["doc", "set", &id, "/last", "\"words\""])
        .expect(0);
    let before = home.content(&id);
    running.kill();
    let _again = home.up();
    assert_eq!(home.content(&id), before);
    let read = home.json(&["doc", "get", &id, "/title", "--committed"]);
    assert_eq!(read["committed"]["transaction"], committed["transaction"]);
    home.decube(&["commit", &id, "--wait", "final"]).expect(0);
}

#[test]
fn a_second_node_on_the_same_directory_is_refused_and_names_the_first() {
    let home = Home::solo();
    let running = home.up();
    home.decube(&["up"])
        .refuses(1, &format!("process {}", running.id()));
    home.decube(&["status"]).expect(0);
    home.decube(&["doctor"]).expect(0);
}

#[test]
fn watching_from_a_cursor_misses_nothing() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    home.decube(&["commit", &id, "--wait", "final"]).expect(0);
    let watched = home
        .decube(&["doc", "watch", "--after", "0", "--count", "5", "--json"])
        .expect(0)
        .text();
    let events: Vec<Value> = watched
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let cursors: Vec<u64> = events
        .iter()
        .map(|event| event["cursor"].as_u64().unwrap())
        .collect();
    assert_eq!(cursors, [1, 2, 3, 4, 5][..cursors.len()], "{watched}");
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let first = |kind| kinds.iter().position(|found| *found == kind).unwrap();
    assert!(first("final") < first("document_changed"), "{kinds:?}");
    assert!(first("document_changed") < first("committed"), "{kinds:?}");
    home.decube(&["doc", "watch", "--after", "99999999"])
        .refuses(2, "99999999 is beyond the newest event");
    let only = [
        "doc", "watch", &id, "--after", "0", "--count", "2", "--json",
    ];
    for line in home.decube(&only).expect(0).text().lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["document"], id);
    }
}

#[test]
fn a_file_goes_out_and_comes_back() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let file = home.file("copy.automerge");
    let exported = home.json(&["doc", "export", &id, "--output", text(&file)]);
    let imported = home.json(&["doc", "import", "notes/copy", text(&file)]);
    assert_eq!(imported["history_kept"], true);
    assert_eq!(imported["document"]["heads"], exported["heads"]);
    assert_eq!(home.content("notes/copy"), home.content(&id));
    home.decube(&["doc", "export", &id, "--json"]).expect(2);
}

#[test]
fn a_removed_document_stays_removed_and_a_forgotten_one_is_only_forgotten_here() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    home.decube(&["doc", "rm", "notes/readme"]).expect(0);
    home.decube(&["doc", "set", &id, "/a", "1"])
        .refuses(3, "removed");
    home.decube(&["doc", "create", "notes/readme"]).expect(0);
    home.decube(&["doc", "rm", "notes/readme", "--local"])
        .expect(0);
    home.decube(&["doc", "get", "notes/readme"]).expect(3);
    let listed = home.json(&["doc", "ls"]);
    let states: Vec<_> = listed["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|document| (document["removed"] == true, document["forgotten"] == true))
        .collect();
    assert!(
        states.contains(&(true, false)) && states.contains(&(false, true)),
        "{listed}"
    );
}

#[test]
fn a_document_that_is_gone_is_proven_by_its_name() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let second = home.json(&["doc", "create", "notes/second"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    home.decube(&["doc", "set", &second, "/a", "1"]).expect(0);
    home.decube(&["commit", &id, &second, "--wait", "final"])
        .expect(0);
    home.decube(&["doc", "rm", "notes/readme"]).expect(0);
    home.decube(&["doc", "rm", "notes/second", "--local"])
        .expect(0);
    for (name, id, word) in [
        ("notes/readme", &id, "was removed"),
        ("notes/second", &second, "forgot"),
    ] {
        let commands: [&[&str]; 4] = [
            &["doc", "get", name],
            &["doc", "get", name, "--committed"],
            &["doc", "history", name],
            &["commit", name],
        ];
        for command in commands {
            let refused = home.decube(command).refuses(3, word);
            let hint = format!("decube proof {id}");
            assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
        }
        let file = home.file("gone.proof");
        home.decube(&["proof", name, "--output", text(&file)])
            .expect(0);
        let verified = home.json(&["verify", text(&file)]);
        assert!(verified["committed"]["version"].is_string(), "{verified}");
        assert_eq!(verified["document"], **id);
    }
    // A new document takes the name over.
    let new = home.json(&["doc", "create", "notes/readme"])["id"].clone();
    assert_eq!(home.json(&["doc", "get", "notes/readme"])["document"], new);
}

#[tokio::test]
async fn over_tcp_only_the_token_opens_the_api() {
    let home = Home::solo();
    fs::write(
        home.path().join("decube.toml"),
        "listen = [\"/ip4/127.0.0.1/tcp/0\"]\n[api]\ntcp = \"127.0.0.1:0\"",
    )
    .unwrap();
    let _running = home.up();
    let log = fs::read_to_string(home.file("log")).unwrap();
    let address = log
        .split("tcp=Some(")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .unwrap();
    let address = address.parse().unwrap();
    let token = Token::load(&home.path().join("api-token")).unwrap();
    let client = |token| Client::new(Endpoint::Tcp { address, token });
    assert!(client(token).status().await.unwrap().ready);
    for wrong in ["", "guess", &"0".repeat(64)] {
        let error = client(Token::new(wrong)).status().await.unwrap_err();
        assert!(matches!(&error, ClientError::Problem(found) if found.code == Code::Unauthorized));
    }
}

#[test]
fn the_validators_are_listed_with_what_the_node_sees_of_them() {
    let home = Home::solo();
    let offline = home.json(&["validator", "ls"]);
    assert_eq!(offline["validators"][0]["name"], "node-1");
    assert_eq!(offline["validators"][0]["connected"], Value::Null);
    let (_running, _id) = home.with_document();
    let listed = home.json(&["validator", "ls"]);
    let only = &listed["validators"][0];
    assert_eq!(only["peer"], home.json(&["status"])["peer_id"]);
    assert_eq!(
        (&only["own"], &only["signed"]),
        (&true.into(), &true.into())
    );
    assert_eq!(listed["certificate"], 1);
    let text = home.decube(&["validator", "ls"]).expect(0).text();
    assert!(text.contains("this node"), "{text}");
}

#[test]
fn the_state_of_sync_and_peers_is_shown() {
    let home = Home::solo();
    let (_running, _id) = home.with_document();
    let synced = home.json(&["sync", "status", "--wait", "synced"]);
    assert_eq!(synced["synced"], true);
    assert_eq!(synced["collections"][0]["name"], "notes");
    home.decube(&["sync", "now"]).expect(0);
    assert_eq!(home.json(&["peer", "ls"])["peers"], Value::Array(vec![]));
    assert_eq!(
        home.json(&["doc", "quarantine"])["entries"],
        Value::Array(vec![])
    );
    let stranger = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    home.decube(&["peer", "ping", stranger])
        .refuses(3, "not connected");
    home.decube(&["peer", "ban", stranger]).expect(0);
    assert_eq!(home.json(&["peer", "ls"])["banned"][0]["peer"], stranger);
    home.decube(&["peer", "unban", stranger]).expect(0);
    assert_eq!(home.json(&["peer", "ls"])["banned"], Value::Array(vec![]));
    let own = home.json(&["status"])["peer_id"]
        .as_str()
        .unwrap()
        .to_owned();
    home.decube(&["peer", "ban", &own]).refuses(2, "itself");
    assert_eq!(home.json(&["peer", "ls"])["banned"], Value::Array(vec![]));
    let collection = home.json(&["collection", "show", "notes"]);
    assert_eq!(collection["write_quorum"], 1);
    assert_eq!(
        home.json(&["collection", "ls"])["collections"][0],
        collection
    );
}
