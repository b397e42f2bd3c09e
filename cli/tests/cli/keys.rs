//! Keys that are sealed, exchanged and exported, and a node that asks for a passphrase.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Home, Outcome, finish, text};

const PHRASE: &str = "correct horse battery";

/// A file with a passphrase that only its owner may read.
fn phrase_file(home: &Home, name: &str, phrase: &str) -> String {
    let path = home.write(name, format!("{phrase}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn sealed_keys_show_their_public_half_and_open_with_the_passphrase_only() {
    let home = Home::solo();
    let shown = home.json(&["key", "show"]);
    let id = home.json(&["peer", "id"])["peer_id"].clone();
    let good = phrase_file(&home, "good", PHRASE);
    let wrong = phrase_file(&home, "wrong", "incorrect horse");
    let before = fs::read(home.path().join("keys/validator.key")).unwrap();
    for kind in ["peer", "author", "validator"] {
        let sealed = home.json(&["key", "seal", kind, "--passphrase-file", &good]);
        assert_eq!(sealed["sealed"], true);
        assert_eq!(sealed["public"], shown[kind]);
        home.decube(&["key", "seal", kind, "--passphrase-file", &good])
            .refuses(5, "sealed already");
    }
    let mut now = home.json(&["key", "show"]);
    let sealed = now.as_object_mut().unwrap().remove("sealed").unwrap();
    assert_eq!(sealed.as_array().unwrap().len(), 3);
    assert_eq!(now, shown);
    assert_eq!(home.json(&["peer", "id"])["peer_id"], id);
    home.decube(&["doctor"]).expect(0);

    home.decube(&["up"]).refuses(2, "--passphrase-fd");
    let refused = home.decube(&["up", "--passphrase-file", &wrong]);
    let refused = refused.refuses(5, "peer.key");
    assert!(!refused.stderr.contains("incorrect horse"));
    let running = home.up_with(&["--passphrase-file", &good]);
    assert!(home.json(&["status"])["ready"].as_bool().unwrap());
    assert_eq!(running.stop(), 0);
    let log = fs::read_to_string(home.file("log")).unwrap();
    assert!(!log.contains(PHRASE));

    home.decube(&["key", "unseal", "validator", "--passphrase-file", &wrong])
        .refuses(5, "left as it is");
    home.json(&["key", "unseal", "validator", "--passphrase-file", &good]);
    let after = fs::read(home.path().join("keys/validator.key")).unwrap();
    assert_eq!(after, before);
    home.decube(&["key", "unseal", "validator", "--passphrase-file", &good])
        .refuses(5, "not sealed");
}

#[test]
fn a_passphrase_file_that_others_can_read_or_that_is_no_line_is_refused() {
    let home = Home::empty();
    home.decube(&["init"]).expect(0);
    let path = phrase_file(&home, "phrase", PHRASE);
    let seal = |path: &str| home.decube(&["key", "seal", "author", "--passphrase-file", path]);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let refused = seal(&path).refuses(2, "chmod 600");
    assert!(refused.stderr.contains(&path));
    seal(&phrase_file(&home, "empty", "")).refuses(2, "empty");
    seal(&phrase_file(&home, "lines", "one\ntwo")).refuses(2, "several lines");
    seal(&phrase_file(&home, "long", &"x".repeat(2000))).refuses(2, "more than");
    seal("nowhere").refuses(2, "nowhere");
    assert!(home.json(&["key", "show"]).get("sealed").is_none());
    // An argument is no place for it, nor is the environment.
    home.decube(&["key", "seal", "author", "--passphrase", PHRASE])
        .expect(2);
    let mut command = home.command(&["key", "seal", "author"]);
    command.env("DECUBE_PASSPHRASE_FILE", &path);
    finish(command).refuses(2, "--passphrase-file");
}

#[test]
fn a_passphrase_comes_through_a_file_descriptor() {
    let home = Home::empty();
    home.decube(&["init"]).expect(0);
    let through = |arguments: &[&str], phrase: &str| -> Outcome {
        let mut command = home.command(&[arguments, &["--passphrase-fd", "0"]].concat());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses before it reads leaves a broken pipe.
        let _read = child.stdin.take().unwrap().write_all(phrase.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    through(&["key", "seal", "peer"], PHRASE).expect(0);
    through(&["key", "unseal", "peer"], "another").refuses(5, "peer.key");
    through(&["key", "unseal", "peer"], PHRASE).expect(0);
    home.decube(&["key", "seal", "peer", "--passphrase-fd", "97"])
        .refuses(2, "97");
}

/// Runs the program at a terminal: answers each prompt with the next of `lines`. Gives what became
/// of it, and what the terminal showed.
fn at_a_terminal(home: &Home, arguments: &[&str], lines: &[&str]) -> (Outcome, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    let mut command = home.command(arguments);
    command
        .stdin(slave.try_clone().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut master = File::from(master);
    let mut errors = child.stderr.take().unwrap();
    let mut stderr = Vec::new();
    let mut lines = lines.iter();
    let mut byte = [0];
    // A prompt ends in a colon and a space and no end of the line.
    while errors.read(&mut byte).unwrap() > 0 {
        stderr.push(byte[0]);
        if stderr.ends_with(b": ") && stderr.rsplit(|b| *b == b'\n').next().unwrap().len() < 200 {
            let is_prompt = [b"phrase", b"again:".as_slice()].iter().any(|word| {
                stderr
                    .windows(word.len())
                    .rev()
                    .take(160)
                    .any(|w| w == *word)
            });
            if let (true, Some(line)) = (is_prompt, lines.next()) {
                master.write_all(line.as_bytes()).unwrap();
            }
        }
    }
    let output = child.wait_with_output().unwrap();
    // What the terminal echoed is read while its other side is still open, so that it ends.
    master.write_all(b"end\n").unwrap();
    let mut shown = Vec::new();
    while !shown.ends_with(b"end\r\n") {
        assert!(master.read(&mut byte).unwrap() > 0);
        shown.push(byte[0]);
    }
    drop(slave);
    let outcome = Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    };
    (outcome, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn the_terminal_is_asked_without_echo_and_left_as_it_was() {
    let home = Home::empty();
    home.decube(&["init"]).expect(0);
    let seal = ["key", "seal", "author"];
    let (outcome, _) = at_a_terminal(&home, &seal, &["one\n", "two\n"]);
    outcome.refuses(2, "not the same");
    let (outcome, _) = at_a_terminal(&home, &seal, &["\u{3}"]);
    outcome.refuses(2, "nothing was changed");
    // Erased is what was mistyped: a character, then the whole line.
    let typed = ["wrong\u{15}ab\u{7f}c\n", "ac\n"];
    let (outcome, shown) = at_a_terminal(&home, &seal, &typed);
    let outcome = outcome.expect(0);
    assert_eq!(shown, "end\r\n", "only what came after it is echoed");
    assert!(!outcome.stderr.contains("ac\n"));
    let unseal = ["key", "unseal", "author", "--json"];
    let (outcome, _) = at_a_terminal(&home, &unseal, &["ac\n"]);
    assert_eq!(outcome.expect(0).json()["sealed"], false);
}

#[test]
fn a_new_key_takes_the_place_of_one_that_no_genesis_names() {
    let home = Home::empty();
    home.decube(&["init"]).expect(0);
    let old = home.json(&["key", "show"]);
    for kind in ["peer", "author", "validator"] {
        let path = home.path().join(format!("keys/{kind}.key"));
        let content = fs::read(&path).unwrap();
        let rotated = home.json(&["key", "rotate", kind]);
        assert_eq!(rotated["old_public"], old[kind]);
        assert_ne!(rotated["public"], old[kind]);
        let kept = rotated["old_file"].as_str().unwrap();
        assert_eq!(fs::read(kept).unwrap(), content);
        let mode = fs::metadata(kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(home.path().join("votes.redb.1").exists());
    let solo = Home::solo();
    let named = solo.json(&["key", "show"]);
    for kind in ["peer", "validator"] {
        solo.decube(&["key", "rotate", kind])
            .refuses(5, "epochs come in a later version");
    }
    assert_eq!(solo.json(&["key", "show"]), named);
    let running = solo.up();
    solo.decube(&["key", "rotate", "author"])
        .refuses(1, "in use by process");
    running.stop();
    solo.decube(&["key", "rotate", "author"]).expect(0);
    solo.decube(&["key", "rotate", "peer", "--force"]).expect(0);
    assert_ne!(solo.json(&["key", "show"])["peer"], named["peer"]);
}

#[test]
fn a_secret_goes_to_a_new_private_file_only() {
    let home = Home::empty();
    let phrase = phrase_file(&home, "phrase", PHRASE);
    let made = home.json(&[
        "key",
        "new",
        "validator",
        "--sealed",
        "--passphrase-file",
        &phrase,
    ]);
    assert_eq!(made["sealed"], true);
    let public = home.decube(&["key", "export", "validator"]).expect(0);
    assert_eq!(public.text().trim(), made["public"].as_str().unwrap());
    let shown = home.json(&["key", "export", "validator"]);
    assert_eq!(shown["public"], made["public"]);
    home.decube(&["key", "export", "validator", "--secret"])
        .refuses(2, "--output");
    let export = ["key", "export", "validator", "--secret", "--output"];
    home.decube(&[&export[..], &["-"]].concat())
        .refuses(2, "standard output");
    home.decube(&[&export[..], &["/dev/stdout"]].concat())
        .refuses(5, "exists already");
    let copy = home.file("copy.key");
    home.decube(&[&export[..], &[text(&copy)]].concat())
        .expect(0);
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let original = home.path().join("keys/validator.key");
    assert_eq!(fs::read(&copy).unwrap(), fs::read(original).unwrap());
    home.decube(&[&export[..], &[text(&copy)]].concat())
        .refuses(5, "exists already");
}
