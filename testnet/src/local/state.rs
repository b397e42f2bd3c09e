//! The file that says which processes of a directory's network run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use decube_protocols::types::PeerId;
use decube_store::network;
use serde::{Deserialize, Serialize};

use super::layout::{Layout, NodePlan, NodeRole};
use super::testnet::Testnet;

/// The file's name in the testnet's directory.
pub const STATE_FILE: &str = "testnet.json";
/// The largest file that is read: a thousand nodes with long paths.
const MAX_FILE: u64 = 4 << 20;

/// What is known of a network in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The directory of short links to the data directories, when there is one.
    pub links: Option<PathBuf>,
    /// The nodes.
    pub nodes: Vec<NodeState>,
}

/// A node, and the process that ran it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Its data directory.
    pub directory: PathBuf,
    /// The socket of its control API.
    pub socket: PathBuf,
    /// Its peer id.
    pub peer_id: String,
    /// Its TCP port.
    pub port: u16,
    /// The process.
    pub process: Option<ProcessMark>,
}

/// A process, told from a later one with the same id by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessMark {
    /// The process id.
    pub id: u32,
    /// When it started, in the kernel's ticks since the machine did (`proc_pid_stat(5)`, field 22).
    pub started: u64,
}

impl State {
    /// What is true of a network right now.
    ///
    /// # Errors
    /// When a process cannot be looked at.
    pub fn of(testnet: &Testnet) -> Result<Self> {
        let mut nodes = Vec::new();
        for member in &testnet.members {
            let process = match member.process_id() {
                Some(id) => Some(mark(id).with_context(|| member.about("it is gone"))?),
                None => None,
            };
            let plan = member.plan.clone();
            nodes.push(NodeState {
                name: plan.name,
                role: plan.role,
                directory: plan.directory,
                socket: plan.socket,
                peer_id: plan.peer.to_string(),
                port: plan.port,
                process,
            });
        }
        Ok(Self {
            links: testnet.layout.links.clone(),
            nodes,
        })
    }

    /// Reads the state of the network in `directory`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(STATE_FILE);
        let found = fs::metadata(&path);
        let Ok(found) = found else {
            bail!(
                "there is no testnet in {}; start one with `decube testnet up`, or name its \
                 directory with --dir",
                directory.display()
            );
        };
        if found.len() > MAX_FILE {
            bail!("{} is too large for the state of a testnet", path.display());
        }
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let state = serde_json::from_slice(&text);
        state.with_context(|| format!("{} is not the state of a testnet", path.display()))
    }

    /// Writes the state, all of it or nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(STATE_FILE);
        let failed = || format!("cannot write {}", path.display());
        let mut file = tempfile::NamedTempFile::new_in(directory).with_context(failed)?;
        serde_json::to_writer_pretty(&mut file, self).with_context(failed)?;
        file.persist(&path).with_context(failed)?;
        Ok(())
    }

    /// The layout of the network in `directory`, to start it again.
    ///
    /// # Errors
    /// When its files are not there or damaged.
    pub fn layout(&self, directory: &Path) -> Result<Layout> {
        let directory = directory
            .canonicalize()
            .with_context(|| format!("cannot resolve {}", directory.display()))?;
        let file = network::read(&directory.join(network::NETWORK_FILE))?;
        let mut nodes = Vec::new();
        for node in &self.nodes {
            let peer: PeerId = node
                .peer_id
                .parse()
                .context("the state has a bad peer id")?;
            nodes.push(NodePlan {
                name: node.name.clone(),
                role: node.role,
                directory: node.directory.clone(),
                socket: node.socket.clone(),
                peer,
                port: node.port,
            });
        }
        Ok(Layout {
            directory,
            genesis: file.genesis,
            nodes,
            links: self.links.clone(),
        })
    }
}

impl NodeState {
    /// The process id, when the process that this state names still runs and works on this node's
    /// directory.
    #[must_use]
    pub fn running(&self) -> Option<u32> {
        let process = self.process?;
        let same = mark(process.id).is_some_and(|now| now == process);
        (same && works_on(process.id, &self.directory)).then_some(process.id)
    }
}

/// Identifies a process that runs; none when it ended, also when nobody asked for its status yet.
pub(super) fn mark(id: u32) -> Option<ProcessMark> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field, the program's name, is in parentheses and may have anything in it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // Field 22 of all; the state was field 3.
    let started = fields.nth(18)?.parse().ok()?;
    Some(ProcessMark { id, started })
}

/// Whether one of a process's arguments is `directory`.
fn works_on(id: u32, directory: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(line) = fs::read(format!("/proc/{id}/cmdline")) else {
        return false;
    };
    line.split(|byte| *byte == 0)
        .any(|argument| argument == directory.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn node(process: Option<ProcessMark>, directory: &Path) -> NodeState {
        NodeState {
            name: "v1".into(),
            role: NodeRole::Validator,
            directory: directory.into(),
            socket: directory.join("decube.sock"),
            peer_id: PeerId::random().to_string(),
            port: 1,
            process,
        }
    }

    #[test]
    fn a_process_is_ours_only_with_its_start_and_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null", "--"]).arg(path);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The arguments show once the program was loaded.
        while !works_on(child.id(), path) {
            std::thread::yield_now();
        }
        let found = mark(child.id()).unwrap();
        assert_eq!(node(Some(found), path).running(), Some(child.id()));
        let earlier = ProcessMark {
            started: found.started - 1,
            ..found
        };
        assert_eq!(
            node(Some(earlier), path).running(),
            None,
            "another process had this id"
        );
        assert_eq!(node(Some(found), Path::new("/elsewhere")).running(), None);
        child.kill().unwrap();
        // Nobody asked for its status yet, so it is a zombie once it is dead, and does not run.
        while node(Some(found), path).running().is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(node(Some(found), path).running(), None);
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let state = State {
            links: None,
            nodes: vec![node(None, directory.path())],
        };
        state.write(directory.path()).unwrap();
        assert_eq!(State::read(directory.path()).unwrap(), state);
        fs::write(directory.path().join(STATE_FILE), "{").unwrap();
        let error = State::read(directory.path()).unwrap_err().to_string();
        assert!(error.contains(STATE_FILE), "{error}");
        let error = State::read(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("decube testnet up"), "{error}");
    }
}
