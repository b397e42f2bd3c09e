//! A validator whose key is kept by a process of its own: what happens when either is stopped or
//! killed, and when two nodes have one signer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use decube_crypto::Digest;
use decube_node::signer::{RemoteSigner, probe};
use decube_protocols::commit::{Draft, NotSigned, SignRequest, Signer};
use decube_protocols::types::{BlockId, Epoch, Genesis, Statement, Subject, View};
use decube_store::network;
use serde_json::Value;

use crate::support::{Home, Running, text};

const PATIENCE: Duration = Duration::from_secs(60);

/// The only validator of a network, its key and vote log moved into a folder of the signer.
struct Apart {
    home: Home,
}

impl Apart {
    fn new() -> Self {
        let home = Home::solo();
        let (node, signer) = (home.path(), home.file("signer"));
        fs::create_dir_all(signer.join("keys")).unwrap();
        fs::set_permissions(&signer, fs::Permissions::from_mode(0o700)).unwrap();
        for file in ["keys/validator.key", "votes.redb"] {
            fs::rename(node.join(file), signer.join(file)).unwrap();
        }
        fs::copy(node.join("network.toml"), signer.join("network.toml")).unwrap();
        let settings = node.join("decube.toml");
        let before = fs::read_to_string(&settings).unwrap();
        // A relative path is meant from the data directory.
        fs::write(&settings, format!("signer = \"../sock\"\n{before}")).unwrap();
        Self { home }
    }

    fn socket(&self) -> PathBuf {
        self.home.file("sock")
    }

    /// Starts the signer and waits until it answers.
    fn signer(&self) -> Running {
        let log = fs::File::create(self.home.file("signer.log")).unwrap();
        let (folder, socket) = (self.home.file("signer"), self.socket());
        let mut command = self.home.command(&[
            "signer",
            "--data-dir",
            text(&folder),
            "--socket",
            text(&socket),
        ]);
        command.stdout(Stdio::null()).stderr(log);
        let running = Running::start(command);
        let start = Instant::now();
        while let Err(reason) = probe(&socket, PATIENCE) {
            let log = fs::read_to_string(self.home.file("signer.log")).unwrap();
            assert!(start.elapsed() < PATIENCE, "{reason}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    fn genesis(&self) -> Genesis {
        let file = network::read(&self.home.path().join("network.toml"));
        file.unwrap().genesis
    }

    /// Makes a collection, which takes a final block.
    #[track_caller]
    fn votes(&self, name: &str) {
        self.home.decube(&["collection", "create", name]).expect(0);
        assert_eq!(self.home.json(&["status"])["signer"], "signs");
    }
}

#[test]
fn a_validator_votes_through_its_signer_and_only_while_that_answers() {
    let apart = Apart::new();
    let home = &apart.home;
    let signer = apart.signer();
    let mode = fs::metadata(apart.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let running = home.up();
    apart.votes("first");
    assert!(!home.path().join("keys/validator.key").exists());
    home.decube(&["doctor"]).expect(0);

    assert_eq!(signer.stop(), 0);
    let mut silent = home.command(&["collection", "create", "second", "--timeout", "2"]);
    silent.stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(silent.status().unwrap().code(), Some(4));
    let status = home.json(&["status"]);
    let trouble = status["signer"].as_str().unwrap();
    assert!(trouble.contains("no answer"), "{trouble}");
    assert_eq!(status["role"], "validator");
    home.decube(&["doctor"]).refuses(1, "signer");

    // What was wished for becomes final when the signer is back.
    let signer = apart.signer();
    apart.votes("third");
    signer.kill();
    let signer = apart.signer();
    apart.votes("fourth");
    running.kill();
    let running = home.up();
    apart.votes("fifth");
    running.kill();
    signer.kill();
    // A node that starts before its signer waits for it.
    let running = home.up();
    let signer = apart.signer();
    apart.votes("sixth");
    let listed = home.json(&["collection", "ls"]);
    for name in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        assert!(listed.to_string().contains(name), "{listed}");
    }
    assert_eq!(running.stop(), 0);
    assert_eq!(signer.stop(), 0);
    // The node's own log only holds what votes rest on, and is made again when it is lost.
    fs::remove_file(home.path().join("votes.redb")).unwrap();
    let _signer = apart.signer();
    let _running = home.up();
    apart.votes("seventh");
}

/// Copies the files of a folder, whose node is stopped.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The ids of final blocks by height.
fn blocks(home: &Home, folder: &Path) -> Vec<(u64, Value)> {
    let listed = home.json(&["chain", "ls", "--limit", "100", "--data-dir", text(folder)]);
    let one = |block: &Value| (block["height"].as_u64().unwrap(), block["id"].clone());
    let mut blocks: Vec<_> = listed["blocks"]
        .as_array()
        .unwrap()
        .iter()
        .map(one)
        .collect();
    blocks.sort_by_key(|(height, _)| *height);
    blocks
}

#[test]
fn two_nodes_with_one_signer_never_make_two_histories() {
    let apart = Apart::new();
    let home = &apart.home;
    let (one, two) = (home.path(), home.file("twin"));
    copy(&one, &two);
    let _signer = apart.signer();
    let up = |folder: &Path, log: &str| {
        let log = fs::File::create(home.file(log)).unwrap();
        let mut command = home.command(&["up", "--data-dir", text(folder)]);
        command.stdout(Stdio::null()).stderr(log);
        Running::start(command)
    };
    let _nodes = [up(&one, "one.log"), up(&two, "two.log")];
    for folder in [&one, &two] {
        home.decube(&["status", "--wait", "ready", "--data-dir", text(folder)])
            .expect(0);
    }
    // Both wish at the same time, for different blocks.
    let wish = |folder: &Path, name: &str| {
        let arguments = ["collection", "create", name, "--timeout", "5", "--data-dir"];
        let mut command = home.command(&[&arguments[..], &[text(folder)]].concat());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    for round in 0..3 {
        let wishes = [
            wish(&one, &format!("one-{round}")),
            wish(&two, &format!("two-{round}")),
        ];
        for mut wish in wishes {
            wish.wait().unwrap();
        }
    }
    let (first, second) = (blocks(home, &one), blocks(home, &two));
    assert!(first.len().max(second.len()) > 1, "one of them goes on");
    for (height, id) in &first {
        let other = second.iter().find(|(at, _)| at == height);
        assert!(
            other.is_none_or(|(_, other)| other == id),
            "height {height}"
        );
    }
    let told = [&one, &two].map(|folder| {
        let status = home.json(&["status", "--data-dir", text(folder)]);
        status["signer"].as_str().unwrap().to_owned()
    });
    assert!(told.iter().any(|one| one.contains("refuses")), "{told:?}");
}

fn request(genesis: &Genesis, view: u64, statement: Statement) -> SignRequest<'static> {
    SignRequest {
        network: genesis.network_id(),
        epoch: Epoch(0),
        view: View(view),
        floor: View(0),
        draft: Draft::Vote(statement),
    }
}

/// Whenever the process is killed: what it signed and somebody may have, it remembers.
#[test]
fn a_signer_that_is_killed_never_signs_the_opposite() {
    let apart = Apart::new();
    let genesis = apart.genesis();
    let key = genesis.validators[0].key.clone();
    let network = genesis.network_id();
    let client = Arc::new(RemoteSigner::new(apart.socket(), network, key, PATIENCE));
    let subject = Subject {
        parent_view: View(0),
        block: BlockId(Digest::ZERO),
    };
    let mut answered = 0;
    for round in 0..12_u64 {
        let signer = apart.signer();
        let view = round + 1;
        let asking = {
            let (client, genesis) = (Arc::clone(&client), genesis.clone());
            std::thread::spawn(move || client.sign(&request(&genesis, view, Statement::Nullify)))
        };
        std::thread::sleep(Duration::from_micros(round * 400));
        signer.kill();
        let before = match asking.join().unwrap() {
            Ok(_) => true,
            Err(NotSigned::Unavailable(_)) => false,
            Err(NotSigned::Refused(reason)) => panic!("{reason}"),
        };
        answered += u64::from(before);
        let signer = apart.signer();
        let finalize = client.sign(&request(&genesis, view, Statement::Finalize(subject)));
        let nullify = client.sign(&request(&genesis, view, Statement::Nullify));
        assert!(!before || finalize.is_err(), "both in view {view}");
        assert_ne!(
            finalize.is_ok(),
            nullify.is_ok(),
            "one of them in view {view}"
        );
        for refused in [finalize, nullify]
            .iter()
            .filter_map(|one| one.as_ref().err())
        {
            assert!(matches!(refused, NotSigned::Refused(_)), "{refused}");
        }
        signer.kill();
    }
    println!("{answered} of 12 were answered before the end");
}

#[test]
fn a_key_is_in_one_place_and_a_signer_needs_its_log() {
    let apart = Apart::new();
    let home = &apart.home;
    let signer = home.file("signer");
    let socket = apart.socket();
    let start = [
        "signer",
        "--data-dir",
        text(&signer),
        "--socket",
        text(&socket),
    ];
    let log = signer.join("votes.redb");
    fs::rename(&log, home.file("aside")).unwrap();
    home.decube(&start).refuses(1, "votes.redb");
    fs::rename(home.file("aside"), &log).unwrap();
    let running = apart.signer();
    home.decube(&start).refuses(1, "in use by process");
    running.stop();
    let other = Home::solo();
    let foreign = other.path().join("network.toml");
    home.decube(&[&start[..], &["--network", text(&foreign)]].concat())
        .refuses(1, "names no validator");
    let key = home.path().join("keys/validator.key");
    fs::copy(signer.join("keys/validator.key"), key).unwrap();
    home.decube(&["up"]).refuses(1, "in one place only");
}
