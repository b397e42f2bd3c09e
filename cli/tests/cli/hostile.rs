//! Damaged files, a full disk, bytes that are no requests, and networks that must not mix.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, decube, finish, program, text};

/// Only ends a test that hangs.
const HANG: Duration = Duration::from_secs(120);

fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < HANG, "it does not happen");
        sleep(Duration::from_millis(50));
    }
}

/// A process that ends with the test.
struct Guard(Child);

impl Guard {
    fn up(mut command: Command, log: &Path) -> Self {
        command
            .stdout(Stdio::null())
            .stderr(fs::File::create(log).unwrap());
        Self(command.spawn().unwrap())
    }

    fn end(mut self) -> i32 {
        let id = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_database_that_is_cut_is_refused_and_left_as_it_is() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    running.stop();
    for file in ["state.redb", "votes.redb"] {
        let path = home.path().join(file);
        let good = fs::read(&path).unwrap();
        for length in [0, 100, good.len() / 2] {
            let bad = &good[..length];
            fs::write(&path, bad).unwrap();
            for _ in 0..2 {
                let outcome = home.decube(&["up"]).refuses(1, file);
                assert!(
                    outcome.stderr.contains("left as it is"),
                    "{}",
                    outcome.stderr
                );
                home.decube(&["doctor"]).expect(1);
                assert_eq!(fs::read(&path).unwrap(), bad, "{file} cut to {length}");
            }
        }
        fs::write(&path, good).unwrap();
    }
    let _running = home.up();
    assert_eq!(home.content(&id)["title"], "Hello");
}

#[test]
fn turned_bits_in_a_database_are_noticed_or_harmless() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    running.stop();
    for file in ["state.redb", "votes.redb"] {
        let path = home.path().join(file);
        let good = fs::read(&path).unwrap();
        let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
        let (mut noticed, tried) = (0, 16);
        for at in used.iter().step_by(used.len().div_ceil(tried)) {
            let mut bad = good.clone();
            bad[*at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            let outcome = home.decube(&["doctor"]);
            let said = format!("byte {at} of {file}: {}{}", outcome.text(), outcome.stderr);
            assert!(
                [0, 1].contains(&outcome.code) && !said.contains("panicked"),
                "{said}"
            );
            if outcome.code == 1 {
                assert!(said.contains(file), "{said}");
                noticed += 1;
                assert!(fs::read(&path).unwrap() == bad, "{said}");
                home.decube(&["up"]).refuses(1, file);
                assert!(fs::read(&path).unwrap() == bad, "{said}");
            }
        }
        // Most bytes are of pages no longer in use; the tests of the store show that what is not
        // noticed changes no row.
        assert!(noticed > 0, "{file}: none of {tried}");
        fs::write(&path, good).unwrap();
    }
    let _running = home.up();
    assert_eq!(home.content(&id)["title"], "Hello");
}

#[test]
fn without_its_vote_log_a_validator_follows_and_says_so() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    running.stop();
    fs::remove_file(home.path().join("votes.redb")).unwrap();
    let found = home.decube(&["doctor", "--json"]).expect(1).json();
    assert!(
        found["findings"].to_string().contains("votes.redb"),
        "{found}"
    );
    let running = Guard::up(home.command(&["up"]), &home.file("log"));
    let status = until(|| {
        let outcome = home.decube(&["status", "--json"]);
        (outcome.code == 0).then(|| outcome.json())
    });
    assert!(
        status["vote_log"]
            .as_str()
            .unwrap()
            .contains("without voting"),
        "{status}"
    );
    let height = status["final_height"].clone();
    assert_eq!(home.content(&id)["title"], "Hello");
    home.decube(&["doc", "set", &id, "/still", "1"]).expect(0);
    let found = home.decube(&["doctor", "--json"]).expect(1).json();
    assert!(
        found["findings"].to_string().contains("without voting"),
        "{found}"
    );
    // The only validator does not vote, so nothing becomes final.
    let commit = home.decube(&["commit", &id, "--wait", "final", "--timeout", "2"]);
    assert_ne!(commit.code, 0, "{}", commit.text());
    assert_eq!(home.json(&["status"])["final_height"], height);
    assert_eq!(running.end(), 0);
    assert!(
        !home.path().join("votes.redb").exists(),
        "no log is made in its place"
    );
}

#[test]
fn a_damaged_network_file_is_named_and_another_one_is_refused() {
    let home = Home::solo();
    let path = home.path().join("network.toml");
    let good = fs::read_to_string(&path).unwrap();
    let renamed = good.replacen("name = \"solo\"", "name = \"sold\"", 1);
    assert_ne!(renamed, good);
    for (bad, words) in [
        (good[..good.len() / 2].to_owned(), "network.toml"),
        ("\u{0}\u{1}".to_owned(), "network.toml"),
        (String::new(), "network.toml"),
        (good.replace("delta_ms", "delta"), "delta"),
        (renamed, "belongs to network"),
    ] {
        fs::write(&path, &bad).unwrap();
        let outcome = home.decube(&["up"]);
        assert!([1, 5].contains(&outcome.code), "{outcome:?}");
        assert!(
            outcome.stderr.contains(words),
            "{words}: {}",
            outcome.stderr
        );
        home.decube(&["doctor"]).expect(1);
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
    fs::write(&path, good).unwrap();
    home.decube(&["doctor"]).expect(0);
}

/// Sends bytes to the control API and gives all that comes back; `is_all` closes the sending half,
/// with which a node drops a request that it is still working on.
fn exchange(socket: &Path, request: &[u8], is_all: bool) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    // The node may answer, and close, before it was told everything.
    let _written = stream.write_all(request);
    if is_all {
        let _closed = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _broken = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
fn what_is_no_request_gets_a_problem_and_changes_nothing() {
    let home = Home::solo();
    let (running, id) = home.with_document();
    let socket = home.path().join("decube.sock");
    let before = home.json(&["doc", "ls"]);
    let edits = format!("POST /v1/documents/{id}/edits");
    let json = "content-type: application/json\r\n";
    let huge = vec![b' '; (16 << 20) + 1];
    let deep = "[".repeat(1 << 16);
    let cases: &[(&str, &str, &[u8], u16, &str)] = &[
        (&edits, json, b"{\"edits\": [", 400, "malformed"),
        (&edits, json, deep.as_bytes(), 400, "malformed"),
        (&edits, json, b"\xff\xfe", 400, "malformed"),
        (
            &edits,
            "content-type: image/png\r\n",
            b"\x89PNG",
            400,
            "malformed",
        ),
        (&edits, json, &huge, 413, "too_large"),
        ("GET /v1/nothing", "", b"", 404, "unknown_route"),
        ("GET /../../etc/passwd", "", b"", 404, "unknown_route"),
        ("PATCH /v1/status", "", b"", 405, "method_not_allowed"),
        ("GET /v1/documents/zz", "", b"", 400, "malformed"),
        ("GET /v1/chain/blocks/-1", "", b"", 400, "malformed"),
        (
            "GET /v1/chain/blocks/99999999999999999999",
            "",
            b"",
            400,
            "malformed",
        ),
        ("GET /v1/documents?limit=many", "", b"", 400, "malformed"),
        (
            "POST /v1/transactions",
            json,
            b"{\"transaction\": \"00\"}",
            400,
            "malformed",
        ),
    ];
    for (line, headers, body, status, code) in cases {
        let answer = exchange(&socket, &request(line, headers, body), false);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
        assert!(
            answer.contains("application/problem+json"),
            "{line}: {answer}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], *code, "{line}: {answer}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    let half = request("GET /v1/status", "", b"");
    for garbage in [
        &[0xff; 4096][..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET",
        many.as_bytes(),
        long.as_bytes(),
        &half[..half.len() - 3],
    ] {
        let answer = exchange(&socket, garbage, true);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(home.json(&["doc", "ls"]), before);
    home.decube(&["doc", "set", &id, "/after", "1"]).expect(0);
    assert_eq!(running.stop(), 0);
    assert!(
        !fs::read_to_string(home.file("log"))
            .unwrap()
            .contains("panicked")
    );
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let home = Home::solo();
    let (_running, id) = home.with_document();
    let before = (home.content(&id), home.json(&["doc", "ls"]));
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    let patch = format!(r#"[{{"op": "set", "pointer": "/long", "value": {long}}}]"#);
    let patch = home.write("long.json", patch);
    home.decube(&["doc", "edit", &id, "--patch", &patch])
        .expect(5);
    let many = vec![r#"{"op": "set", "pointer": "/n", "value": 1}"#; 65_537].join(",");
    let many = home.write("many.json", format!("[{many}]"));
    let outcome = home.decube(&["doc", "edit", &id, "--patch", &many]);
    assert!([2, 5].contains(&outcome.code), "{outcome:?}");
    assert!(outcome.stderr.contains("65536"), "{}", outcome.stderr);
    let file = home.file("huge.automerge");
    fs::File::create(&file)
        .unwrap()
        .set_len((64 << 20) + 1)
        .unwrap();
    home.decube(&["doc", "import", "notes/huge", text(&file)])
        .refuses(5, "more than");
    assert_eq!((home.content(&id), home.json(&["doc", "ls"])), before);
    home.decube(&["doc", "set", &id, "/after", "1"]).expect(0);
}

/// A small disk, taken away with the test.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where the system does not let us mount one.
    fn new(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mount = [
            "-t",
            "tmpfs",
            "-o",
            &size,
            "decube-test",
            text(folder.path()),
        ];
        let mounted = Command::new("mount")
            .args(mount)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }

    /// Fills what is left of it but for `left` bytes; gives the file that does.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.0.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        let block = [1; 4096];
        while file.write_all(&block).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(left)).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, since a process that just ended may still count as a user.
        let _status = Command::new("umount")
            .args(["-l", text(self.0.path())])
            .status();
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
fn a_full_disk_stops_the_node_and_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::new(32) else {
        println!(
            "skipped: mounting a small disk takes root; the store's tests of a failing disk cover it"
        );
        return;
    };
    let folder = text(disk.0.path());
    decube(&[
        "network",
        "create",
        "--name",
        "full",
        "--local",
        "1",
        "--base-port",
        "0",
        "--directory",
        folder,
    ])
    .expect(0);
    let home = disk.0.path().join("node-1");
    let log = tempfile::NamedTempFile::new().unwrap();
    let command = |arguments: &[&str]| {
        let mut command = program();
        command
            .env("DECUBE_HOME", &home)
            .env("DECUBE_TIMEOUT", "60")
            .args(arguments);
        command
    };
    let ask = |arguments: &[&str]| finish(command(arguments));
    let start = || {
        let running = Guard::up(command(&["up"]), log.path());
        until(|| (ask(&["status", "--wait", "ready"]).code == 0).then_some(()));
        running
    };
    let mut running = start();
    ask(&["collection", "create", "notes"]).expect(0);
    ask(&["doc", "create", "notes/full"]).expect(0);
    let filler = disk.fill(64 << 10);
    let large = "x".repeat(32 << 10);
    let mut acknowledged = 0;
    let failed = until(|| {
        let next = acknowledged + 1;
        let value = format!("{{\"number\": {next}, \"large\": \"{large}\"}}");
        let outcome = ask(&["doc", "set", "notes/full", "/last", &value]);
        if outcome.code == 0 {
            acknowledged = next;
            return None;
        }
        Some(outcome)
    });
    assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
    assert_eq!(running.0.wait().unwrap().code(), Some(1), "the node stops");
    let said = fs::read_to_string(log.path()).unwrap();
    assert!(said.contains("no room left on the disk"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    // Without room it says so again, and changes nothing.
    let mut again = Guard::up(command(&["up"]), log.path());
    let outcome = until(|| {
        let ended = again.0.try_wait().unwrap().map(|status| status.code());
        ended.or_else(|| (ask(&["status"]).code == 0).then_some(None))
    });
    if outcome.is_some() {
        let said = fs::read_to_string(log.path()).unwrap();
        assert!(said.contains("no room left on the disk"), "{said}");
    }
    drop(again);
    fs::remove_file(filler).unwrap();
    let running = start();
    let read = ask(&["doc", "get", "notes/full", "--json"])
        .expect(0)
        .json();
    let last = read["value"]["last"]["number"].as_u64().unwrap_or(0);
    // The one that failed may be there or not.
    assert!(
        last == acknowledged || last == acknowledged + 1,
        "{last}, not {acknowledged}"
    );
    ask(&["doc", "set", "notes/full", "/after", "1"]).expect(0);
    ask(&["commit", "notes/full", "--wait", "final"]).expect(0);
    assert_eq!(running.end(), 0);
}

#[test]
fn two_networks_on_one_machine_never_mix() {
    let (ours, theirs) = (Home::solo(), Home::solo());
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    for home in [&ours, &theirs] {
        fs::write(
            home.path().join("decube.toml"),
            format!("listen = [{listen:?}]"),
        )
        .unwrap();
    }
    let (_ours, id) = ours.with_document();
    // The same port is refused, and does no harm.
    theirs.decube(&["up"]).refuses(1, &listen);
    theirs.decube(&["doctor"]).expect(1);
    fs::write(
        theirs.path().join("decube.toml"),
        "listen = [\"/ip4/127.0.0.1/tcp/0\"]",
    )
    .unwrap();
    let (_theirs, other) = theirs.with_document();
    assert_ne!(id, other);
    let peer = ours.json(&["peer", "id"])["peer_id"]
        .as_str()
        .unwrap()
        .to_owned();
    theirs
        .decube(&["peer", "add", &format!("{listen}/p2p/{peer}")])
        .refuses(1, "another network");
    for home in [&ours, &theirs] {
        assert_eq!(
            home.json(&["peer", "ls"])["peers"],
            Value::Array(Vec::new())
        );
        assert_eq!(
            home.json(&["doc", "ls"])["documents"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    theirs.decube(&["doc", "get", &id]).expect(3);
    ours.decube(&["doc", "get", &other]).expect(3);
}

#[test]
fn a_kill_while_a_data_directory_is_made_leaves_what_the_next_init_completes() {
    let network = Home::solo().json(&["network", "ticket"])["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    for milliseconds in [1, 3, 6, 10, 15, 22, 30, 45, 60, 90] {
        let home = Home::empty();
        for arguments in [&["init"][..], &["join", &network]] {
            let mut command = home.command(arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = Guard(command.spawn().unwrap());
            sleep(Duration::from_millis(milliseconds));
            drop(child);
            let outcome = home.decube(&["doctor"]);
            let said = format!("{milliseconds} ms: {}{}", outcome.text(), outcome.stderr);
            assert!(
                [0, 1, 3].contains(&outcome.code) && !said.contains("panicked"),
                "{said}"
            );
            let outcome = home.decube(arguments);
            let again = format!("{milliseconds} ms: {}{}", outcome.text(), outcome.stderr);
            assert_eq!(outcome.code, 0, "{again}\nthe doctor said: {said}");
        }
        home.decube(&["network", "show"]).expect(0);
        home.decube(&["doctor"]).expect(0);
    }
}
