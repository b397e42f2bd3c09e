//! Networks on this machine: what the demonstration says is so, and no process outlives it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Outcome, finish, program};

/// How long processes may take to come or go.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for a network, by its full path.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().canonicalize().unwrap().join("net");
    (folder, directory)
}

fn testnet(directory: &Path, arguments: &[&str]) -> Outcome {
    let mut command = program();
    command
        .arg("testnet")
        .args(arguments)
        .arg("--dir")
        .arg(directory);
    command.arg("--data-dir").arg(directory.join("none"));
    finish(command)
}

fn demo(directory: &Path) -> Child {
    let mut command = program();
    command
        .args(["testnet", "demo", "--json", "--dir"])
        .arg(directory);
    command.arg("--data-dir").arg(directory.join("none"));
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The processes that work on a node's directory below `directory`.
fn nodes(directory: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(id) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0);
        let prefix = [directory.as_os_str().as_bytes(), b"/"].concat();
        if arguments.any(|argument| argument == b"up")
            && line
                .split(|byte| *byte == 0)
                .any(|argument| argument.starts_with(&prefix))
        {
            found.push(id);
        }
    }
    found
}

/// Waits until so many nodes run.
#[track_caller]
fn wait_for_nodes(directory: &Path, count: usize) {
    let started = Instant::now();
    loop {
        let found = nodes(directory);
        if found.len() == count {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{count} nodes expected, these run: {found:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
fn the_demonstration_holds_and_leaves_no_process() {
    let (_folder, directory) = place();
    let report = testnet(&directory, &["demo", "--json"]).expect(0).json();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["nodes"].as_array().unwrap().len(), 5);
    let roles = |role| {
        report["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|node| node["role"] == role)
            .count()
    };
    assert_eq!((roles("validator"), roles("replica")), (4, 1));
    let heads: Vec<&Value> = report["converged"]["heads"]
        .as_object()
        .unwrap()
        .values()
        .collect();
    assert_eq!(heads.len(), 5);
    assert!(heads.iter().all(|found| *found == heads[0]), "{report}");
    assert!(report["committed_height"].as_u64().unwrap() > 0);
    let killed = &report["killed_validator_caught_up"];
    let height = |name: &str| killed[name].as_u64().unwrap();
    assert!(
        killed["commits_meanwhile"].as_array().unwrap().len() >= 8,
        "{killed}"
    );
    assert!(
        height("height_before_restart") >= height("height_at_kill") + 8,
        "{killed}"
    );
    assert!(
        height("height_after_restart") >= height("height_before_restart"),
        "{killed}"
    );
    assert_ne!(killed["process_id"], killed["restarted_process_id"]);
    assert_eq!(nodes(&directory), Vec::<u32>::new());
    let proof = &report["proof_verified"];
    let path = |name: &str| PathBuf::from(proof[name].as_str().unwrap());
    let mut verify = program();
    verify
        .arg("--data-dir")
        .arg(directory.join("none"))
        .arg("verify")
        .arg(path("path"));
    verify.arg("--network").arg(path("network_path"));
    verify.arg("--document").arg(path("exported_path"));
    finish(verify).expect(0);
}

#[test]
fn without_a_quorum_nothing_is_committed_and_the_demonstration_fails() {
    let (_folder, directory) = place();
    let arguments = ["demo", "--json", "--fault", "two-validators"];
    let report = testnet(&directory, &arguments).expect(1).json();
    assert_eq!(report["ok"], false);
    let fault = &report["fault"];
    assert_eq!(fault["killed"].as_object().unwrap().len(), 2, "{report}");
    assert_eq!(fault["nothing_committed_after"], true, "{report}");
    assert_eq!(fault["height_at_kill"], fault["height_at_end"]);
    assert_eq!(fault["edits_still_replicate"], true);
    assert_eq!(nodes(&directory), Vec::<u32>::new());
}

#[test]
fn no_node_outlives_a_demonstration_that_is_killed() {
    let (_folder, directory) = place();
    let mut child = demo(&directory);
    wait_for_nodes(&directory, 5);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    wait_for_nodes(&directory, 0);
}

#[test]
fn no_node_outlives_a_demonstration_that_is_interrupted() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (_folder, directory) = place();
        let child = demo(&directory);
        wait_for_nodes(&directory, 5);
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(nodes(&directory), Vec::<u32>::new());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ok"], false, "{report}");
    }
}

#[test]
fn a_network_goes_on_until_it_is_ended_and_can_be_started_again() {
    let (_folder, directory) = place();
    for _ in 0..2 {
        let report = testnet(&directory, &["up", "--nodes", "1", "--json"])
            .expect(0)
            .json();
        let running: Vec<u32> = report["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["process_id"].as_u64().unwrap().try_into().unwrap())
            .collect();
        assert_eq!(running.len(), 2);
        assert!(nodes(&directory).iter().all(|id| running.contains(id)));
        testnet(&directory, &["up"]).refuses(1, "runs already");
        let status = testnet(&directory, &["status", "--json"]).expect(0).json();
        assert_eq!(status["nodes"], report["nodes"]);
        assert_eq!(
            testnet(&directory, &["down", "--json"]).expect(0).json()["ended"],
            2
        );
        wait_for_nodes(&directory, 0);
    }
    testnet(&directory.join("elsewhere"), &["down"]).refuses(1, "no testnet");
}

#[test]
fn what_cannot_be_shown_is_refused_before_anything_starts() {
    let (folder, directory) = place();
    testnet(&directory, &["demo", "--nodes", "3"]).refuses(1, "--nodes 4");
    testnet(
        &directory,
        &["demo", "--nodes", "7", "--fault", "two-validators"],
    )
    .refuses(1, "tolerate two faults");
    testnet(&directory, &["demo", "--nodes", "0"]).refuses(2, "1 to 64");
    assert!(!directory.exists());
    std::fs::write(folder.path().join("letter"), "precious").unwrap();
    testnet(folder.path(), &["demo"]).refuses(1, "not empty");
}
