//! A short run of the kill rounds.

use std::process::Command;

use serde_json::Value;

#[test]
fn nothing_acknowledged_is_lost_when_nodes_are_killed_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_decube-testnet"));
    command
        .args(["kill", "--rounds", "2", "--seed", "3", "--json", "--dir"])
        .arg(folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rounds_checked"], 2, "{report}");
    let least = |name: &str, least: u64| {
        assert!(
            report[name].as_u64().unwrap() >= least,
            "{name} in {report}"
        );
    };
    least("kills", 2);
    least("autopsies", 2);
    least("fewest_edits", 100);
    least("fewest_commits", 10);
}
