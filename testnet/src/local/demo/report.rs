//! What a demonstration tells, each figure taken from what happened.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::local::layout::NodeRole;
use crate::local::table::Table;

/// What happened. What was not reached is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether everything held.
    pub ok: bool,
    /// What did not.
    pub problem: Option<String>,
    /// The network's id.
    pub network: Option<String>,
    /// Where all files are.
    pub directory: Option<PathBuf>,
    /// The nodes as they were at the end.
    pub nodes: Vec<NodeReport>,
    /// From the start of the first process until the last node was ready.
    pub ready_seconds: Option<f64>,
    /// The edits, and where they went.
    pub converged: Option<Converged>,
    /// The height of the block that committed the version.
    pub committed_height: Option<u64>,
    /// The proof, checked in a process of its own.
    pub proof_verified: Option<ProofVerified>,
    /// The validator that was killed and came back.
    pub killed_validator_caught_up: Option<CaughtUp>,
    /// The fault that was asked for.
    pub fault: Option<FaultReport>,
    /// Whether the nodes go on.
    pub kept: bool,
}

/// A node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Its peer id.
    pub peer_id: String,
    /// Its last process.
    pub process_id: Option<u32>,
    /// The socket of its control API.
    pub api_socket: PathBuf,
    /// Its newest final height; absent when it does not run.
    pub height: Option<u64>,
}

/// Concurrent edits, one node of them cut off, and the same heads everywhere afterwards.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Converged {
    /// Whether all nodes had the same heads, with every acknowledged change.
    pub value: bool,
    /// The document.
    pub document: String,
    /// The heads at each node, by name.
    pub heads: BTreeMap<String, Vec<String>>,
    /// How many changes each editor was told are durable.
    pub changes: BTreeMap<String, usize>,
    /// The node that was cut off.
    pub cut_off: String,
    /// How many peers it had meanwhile.
    pub peers_while_cut_off: usize,
    /// From its return until all nodes had the same heads.
    pub seconds: f64,
}

/// A proof and an exported document, verified without a node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProofVerified {
    /// Whether both were verified, and the present document was refused in place of the committed.
    pub value: bool,
    /// The proof.
    pub path: PathBuf,
    /// The committed version as an Automerge file.
    pub exported_path: PathBuf,
    /// The network file that was trusted.
    pub network_path: PathBuf,
    /// The process that verified.
    pub process_id: u32,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Its exit code for the present document in place of the committed version.
    pub exit_code_for_another_version: Option<i32>,
}

/// A validator that was killed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CaughtUp {
    /// Whether it caught up with what was committed meanwhile.
    pub value: bool,
    /// Its name.
    pub name: String,
    /// The process that was killed.
    pub process_id: u32,
    /// The process that runs since.
    pub restarted_process_id: Option<u32>,
    /// Its height when it was killed.
    pub height_at_kill: u64,
    /// The heights of the commits that went on without it.
    pub commits_meanwhile: Vec<u64>,
    /// The network's height before it was started again.
    pub height_before_restart: Option<u64>,
    /// Its height when it was ready again.
    pub height_after_restart: Option<u64>,
}

/// More faults than the network tolerates.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FaultReport {
    /// The fault.
    pub kind: String,
    /// The processes that were killed, by the nodes' names.
    pub killed: BTreeMap<String, u32>,
    /// The network's height when they were gone.
    pub height_at_kill: u64,
    /// Its height at the end.
    pub height_at_end: u64,
    /// How long a commit was waited for.
    pub waited_seconds: f64,
    /// What became of the commit.
    pub commit: String,
    /// Whether nothing was committed after the kill.
    pub nothing_committed_after: bool,
    /// Whether an edit still reached every node that was left.
    pub edits_still_replicate: bool,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut nodes = Table::new(["node", "role", "process", "height", "peer id", "socket"]);
        for node in &self.nodes {
            nodes.row([
                node.name.clone(),
                node.role.to_string(),
                node.process_id.map_or("ended".into(), |id| id.to_string()),
                node.height.map_or("-".into(), |height| height.to_string()),
                node.peer_id.clone(),
                node.api_socket.display().to_string(),
            ]);
        }
        writeln!(f, "{nodes}")?;
        let mut steps = Table::new(["what", "held", "how"]);
        for (what, held, how) in self.steps() {
            steps.row([what.into(), held.into(), how]);
        }
        write!(f, "{steps}")?;
        match &self.problem {
            Some(problem) => {
                let first = problem.lines().next().unwrap_or_default();
                write!(f, "\nfailed: {first}")
            }
            None => write!(f, "\neverything held"),
        }
    }
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn shown(height: Option<u64>) -> String {
    height.map_or("-".into(), |height| height.to_string())
}

impl Report {
    /// The rows of the second table, as far as the demonstration came.
    fn steps(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut rows = Vec::new();
        if let Some(seconds) = self.ready_seconds {
            rows.push(("ready", "yes", format!("after {seconds:.2} s")));
        }
        if let Some(converged) = &self.converged {
            rows.push(("converged", yes(converged.value), converged.line()));
        }
        if let Some(height) = self.committed_height {
            rows.push(("committed", "yes", format!("in block {height}")));
        }
        if let Some(proof) = &self.proof_verified {
            rows.push((
                "proof verified",
                yes(proof.value),
                proof.path.display().to_string(),
            ));
        }
        if let Some(killed) = &self.killed_validator_caught_up {
            rows.push((
                "killed validator caught up",
                yes(killed.value),
                killed.line(),
            ));
        }
        if let Some(fault) = &self.fault {
            let held = yes(fault.nothing_committed_after);
            rows.push(("nothing committed without a quorum", held, fault.line()));
        }
        rows
    }
}

impl Converged {
    fn line(&self) -> String {
        let changes: usize = self.changes.values().sum();
        let heads = self.heads.values().next().map(|heads| {
            let short = heads.iter().map(|head| head.get(..8).unwrap_or(head));
            short.collect::<Vec<_>>().join(" ")
        });
        format!(
            "{changes} changes of {} nodes, {} cut off; heads {} at {} nodes {:.2} s after its return",
            self.changes.len(),
            self.cut_off,
            heads.unwrap_or_default(),
            self.heads.len(),
            self.seconds
        )
    }
}

impl CaughtUp {
    fn line(&self) -> String {
        format!(
            "{} (process {}) at {}, {} commits meanwhile to {}, again (process {}) at {}",
            self.name,
            self.process_id,
            self.height_at_kill,
            self.commits_meanwhile.len(),
            shown(self.height_before_restart),
            self.restarted_process_id
                .map_or("-".into(), |id| id.to_string()),
            shown(self.height_after_restart)
        )
    }
}

impl FaultReport {
    fn line(&self) -> String {
        let names: Vec<&str> = self.killed.keys().map(String::as_str).collect();
        format!(
            "{} killed at {}, still {} after {:.0} s with a commit pending ({}); edits still \
             replicate: {}",
            names.join(" and "),
            self.height_at_kill,
            self.height_at_end,
            self.waited_seconds,
            self.commit,
            yes(self.edits_still_replicate)
        )
    }
}
