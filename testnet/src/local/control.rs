//! A network that goes on after the program that started it: start, look, end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use decube_node::client::{Client, Endpoint};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::layout::{Layout, NodeRole, Spec};
use super::process::Program;
use super::progress::Progress;
use super::state::{NodeState, STATE_FILE, State, mark};
use super::table::Table;
use super::testnet::Testnet;

/// How long a node may take to end after SIGTERM, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long a killed process may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How often a process that is to end is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long a node may take to say how it is doing.
const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// What is told of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Where it is.
    pub directory: PathBuf,
    /// Its nodes.
    pub nodes: Vec<NodeOverview>,
}

/// What is told of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeOverview {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Its peer id.
    pub peer_id: String,
    /// Its process, when it runs.
    pub process_id: Option<u32>,
    /// The socket of its control API.
    pub api_socket: PathBuf,
    /// Whether it is ready; nothing when it does not answer.
    pub ready: Option<bool>,
    /// Its newest final height; nothing when it does not answer.
    pub height: Option<u64>,
    /// How many peers it is connected with.
    pub peers: Option<usize>,
}

impl std::fmt::Display for Overview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new(["node", "role", "process", "ready", "height", "peers"]);
        for node in &self.nodes {
            table.row([
                node.name.clone(),
                node.role.to_string(),
                node.process_id.map_or("ended".into(), |id| id.to_string()),
                node.ready
                    .map_or("-".into(), |ready| if ready { "yes" } else { "no" }.into()),
                node.height.map_or("-".into(), |height| height.to_string()),
                node.peers.map_or("-".into(), |peers| peers.to_string()),
            ]);
        }
        table.fmt(f)
    }
}

/// Starts the network of `directory`, a new one of `spec` when there is none, and lets it go on.
///
/// # Errors
/// When it runs already or does not start; then nothing is left running.
pub async fn up(
    program: &Program,
    directory: &Path,
    spec: &Spec,
    progress: &Progress,
) -> Result<Overview> {
    let layout = if directory.join(STATE_FILE).exists() {
        let state = State::read(directory)?;
        if let Some(node) = state.nodes.iter().find(|node| node.running().is_some()) {
            bail!(
                "the testnet in {} runs already ({} has process {}); `decube testnet down` ends it",
                directory.display(),
                node.name,
                node.running().unwrap_or_default()
            );
        }
        progress.say(format_args!(
            "starting the network in {} again",
            directory.display()
        ));
        state.layout(directory)?
    } else {
        progress.say(format_args!("making a network in {}", directory.display()));
        Layout::create(directory, spec)?
    };
    layout.make_links()?;
    let directory = layout.directory.clone();
    let testnet = Testnet::start(layout, program.clone()).await?;
    progress.say("all nodes are ready");
    keep(testnet, &directory)?;
    overview(&directory).await
}

/// Writes down which processes a network has, and lets them go on.
pub(super) fn keep(testnet: Testnet, directory: &Path) -> Result<()> {
    State::of(&testnet)?.write(directory)?;
    testnet.let_go()
}

/// How to talk to a network that goes on, and how to end it.
#[must_use]
pub fn hints(program: &Path, directory: &Path, nodes: &[NodeOverview]) -> String {
    let (program, directory) = (program.display(), directory.display());
    let mut text = String::from("talk to a node with, for example:\n");
    for node in nodes {
        let home = node.api_socket.parent().unwrap_or(Path::new("")).display();
        text.push_str(&format!("  {program} --data-dir {home} status\n"));
    }
    text.push_str(&format!(
        "look at all of it:  {program} testnet status --dir {directory}\n"
    ));
    text.push_str(&format!(
        "end it:             {program} testnet down --dir {directory}"
    ));
    text
}

/// Looks at the network in `directory`.
///
/// # Errors
/// When there is none.
pub async fn overview(directory: &Path) -> Result<Overview> {
    let state = State::read(directory)?;
    let mut nodes = Vec::new();
    for node in &state.nodes {
        nodes.push(look(node).await);
    }
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.into());
    Ok(Overview { directory, nodes })
}

async fn look(node: &NodeState) -> NodeOverview {
    let process_id = node.running();
    let client = Client::new(Endpoint::Unix(node.socket.clone()));
    let status = match process_id {
        Some(_) => tokio::time::timeout(STATUS_LIMIT, client.status())
            .await
            .ok(),
        None => None,
    };
    // A node that does not answer shows as such.
    let status = status.and_then(Result::ok);
    NodeOverview {
        name: node.name.clone(),
        role: node.role,
        peer_id: node.peer_id.clone(),
        process_id,
        api_socket: node.socket.clone(),
        ready: status.as_ref().map(|status| status.ready),
        height: status.as_ref().map(|status| status.final_height.0),
        peers: status.as_ref().map(|status| status.peers),
    }
}

/// Ends the network in `directory`. Says how many nodes ran.
///
/// # Errors
/// When there is none, or a process does not end.
pub fn down(directory: &Path, progress: &Progress) -> Result<usize> {
    let mut state = State::read(directory)?;
    let running: Vec<u32> = state.nodes.iter().filter_map(NodeState::running).collect();
    for node in &state.nodes {
        if let Some(id) = node.running() {
            progress.say(format_args!("ending {} (process {id})", node.name));
            signal(id, Signal::TERM)?;
        }
    }
    if !wait_gone(&state, STOP_LIMIT) {
        for node in &state.nodes {
            if let Some(id) = node.running() {
                progress.say(format_args!(
                    "killing {}, which did not end (process {id})",
                    node.name
                ));
                signal(id, Signal::KILL)?;
            }
        }
        if !wait_gone(&state, KILL_LIMIT) {
            bail!("a process did not end within {KILL_LIMIT:?} after SIGKILL");
        }
    }
    for node in &mut state.nodes {
        node.process = None;
    }
    state.write(directory)?;
    if let Some(links) = &state.links {
        // Nothing is lost when they stay.
        let _stay = std::fs::remove_dir_all(links);
    }
    Ok(running.len())
}

fn signal(id: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.with_context(|| format!("{id} is no process id"))?;
    match kill_process(pid, signal) {
        Ok(()) => Ok(()),
        // It ended between looking and signalling.
        Err(_) if mark(id).is_none() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {id}")),
    }
}

fn wait_gone(state: &State, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        if state.nodes.iter().all(|node| node.running().is_none()) {
            return true;
        }
        if started.elapsed() > limit {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::NodeState;
    use std::process::{Command, Stdio};

    fn state(directory: &Path, id: u32) -> State {
        let node = NodeState {
            name: "v1".into(),
            role: NodeRole::Validator,
            directory: directory.into(),
            socket: directory.join("decube.sock"),
            peer_id: decube_protocols::types::PeerId::random().to_string(),
            port: 1,
            process: mark(id),
        };
        State {
            links: None,
            nodes: vec![node],
        }
    }

    #[test]
    fn down_ends_what_the_state_names_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let follow = |argument: &Path| {
            let mut command = Command::new("tail");
            command.args(["-f", "/dev/null", "--"]).arg(argument);
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let (mut ours, mut foreign) = (follow(path), follow(Path::new("/dev/null")));
        let ours_state = state(path, ours.id());
        while ours_state.nodes[0].running().is_none() {
            std::thread::yield_now();
        }
        state(path, foreign.id()).write(path).unwrap();
        assert_eq!(down(path, &Progress::default()).unwrap(), 0);
        assert!(
            foreign.try_wait().unwrap().is_none(),
            "a foreign process was signalled"
        );
        ours_state.write(path).unwrap();
        assert_eq!(down(path, &Progress::default()).unwrap(), 1);
        ours.wait().unwrap();
        foreign.kill().unwrap();
        foreign.wait().unwrap();
    }
}
