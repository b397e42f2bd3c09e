//! The files of a network on this machine: one data directory per node, and what they share.
//!
//! ```text
//! DIRECTORY/network.toml      the genesis and where to start from
//! DIRECTORY/v1 ... vN         the data directories of the validators
//! DIRECTORY/r1                that of the replica that does not vote
//! DIRECTORY/testnet.json      which processes run, while they do
//! ```

use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use decube_node::api::MAX_SOCKET_PATH;
use decube_node::run::socket;
use decube_node::settings::SETTINGS_FILE;
use decube_protocols::types::{
    Genesis, NetworkFile, Parameters, PeerId, Power, Replica, Timestamp, Validator, VoteScheme,
    peer_id,
};
use decube_store::Store;
use decube_store::keys::{self, KeyKind};
use decube_store::network::{self, NETWORK_FILE};
use serde::{Deserialize, Serialize};

use super::ports::free_ports;

/// The expected delay on one machine, as `commit-protocol` names it.
const DELTA_MS: u64 = 30;
/// How long a leader waits before an empty block.
const IDLE_MS: u64 = 10_000;
/// How far apart the clocks of nodes may be: they read the same clock here.
const DRIFT_MS: u64 = 10_000;

/// What network to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// How many validators; one replica that does not vote is added.
    pub validators: usize,
}

/// What a node of the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// It votes, and its receipts count.
    Validator,
    /// It does not vote; its receipts count.
    Replica,
}

impl std::fmt::Display for NodeRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Validator => "validator",
            Self::Replica => "replica",
        })
    }
}

/// A node of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name, which the genesis has too.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Its data directory.
    pub directory: PathBuf,
    /// The socket of its control API.
    pub socket: PathBuf,
    /// Its peer id.
    pub peer: PeerId,
    /// The TCP port that it listens on.
    pub port: u16,
}

impl NodePlan {
    /// Where its log goes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("node.log")
    }

    /// The address at which others reach it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/p2p/{}", self.listen(), self.peer)
    }

    fn listen(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.port)
    }
}

/// A network whose files are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The directory with everything.
    pub directory: PathBuf,
    /// The genesis.
    pub genesis: Genesis,
    /// The nodes: the validators in the order of the genesis, then the replica.
    pub nodes: Vec<NodePlan>,
    /// A directory of short links to the data directories, when their own paths are too long for
    /// the sockets in them. The nodes are started with the links.
    pub links: Option<PathBuf>,
}

impl Layout {
    /// Makes a network in `directory`, which must be empty or not there yet.
    ///
    /// # Errors
    /// When it cannot be made; what was made of it stays.
    pub fn create(directory: &Path, spec: &Spec) -> Result<Self> {
        let directory = fresh(directory)?;
        let ports = free_ports(spec.validators + 1)?;
        let links = short_directory(&directory)?;
        let mut validators = Vec::new();
        let mut replicas = Vec::new();
        let mut nodes = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let (name, role) = match index < spec.validators {
                true => (format!("v{}", index + 1), NodeRole::Validator),
                false => (String::from("r1"), NodeRole::Replica),
            };
            let home = directory.join(&name);
            make_directory(&home)?;
            let peer = new_key(&home, KeyKind::Peer)?;
            new_key(&home, KeyKind::Author)?;
            if role == NodeRole::Validator {
                keys::make(&home, KeyKind::Validator)?;
                let key = keys::read_validator(&home)?.public();
                validators.push(Validator {
                    name: name.clone(),
                    key,
                    peer,
                    power: Power(1),
                });
            }
            replicas.push(Replica {
                name: name.clone(),
                peer,
            });
            let home = match &links {
                Some(links) => links.join(&name),
                None => home,
            };
            let (socket, peer) = (socket(&home), peer_id(&peer));
            nodes.push(NodePlan {
                name,
                role,
                directory: home,
                socket,
                peer,
                port,
            });
        }
        let genesis = genesis(&spec.name, validators, replicas)?;
        let layout = Self {
            directory,
            genesis,
            nodes,
            links,
        };
        layout.make_links()?;
        for node in &layout.nodes {
            Store::create(&node.directory, &layout.genesis.network_id())?;
        }
        layout.write_settings()?;
        Ok(layout)
    }

    /// The network file that all nodes share.
    #[must_use]
    pub fn network_path(&self) -> PathBuf {
        self.directory.join(NETWORK_FILE)
    }

    /// Gives every node another port, after one was taken meanwhile by another program.
    ///
    /// # Errors
    /// When there are no free ports or the files cannot be written.
    pub fn change_ports(&mut self) -> Result<()> {
        let ports = free_ports(self.nodes.len())?;
        for (node, port) in self.nodes.iter_mut().zip(ports) {
            node.port = port;
        }
        self.write_settings()
    }

    /// Writes what names ports and sockets.
    fn write_settings(&self) -> Result<()> {
        let bootstrap = self.nodes.iter().map(NodePlan::address).collect();
        let file = NetworkFile {
            bootstrap,
            genesis: self.genesis.clone(),
        };
        network::write(&self.network_path(), &file)?;
        for node in &self.nodes {
            network::write(&node.directory.join(NETWORK_FILE), &file)?;
            let path = node.directory.join(SETTINGS_FILE);
            fs::write(&path, format!("listen = [\"{}\"]\n", node.listen()))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Makes the short links, if they are needed and not there.
    ///
    /// # Errors
    /// When a link cannot be made.
    pub fn make_links(&self) -> Result<()> {
        let Some(links) = &self.links else {
            return Ok(());
        };
        make_directory(links)?;
        for node in &self.nodes {
            let (home, link) = (self.directory.join(&node.name), &node.directory);
            if !link.exists() {
                std::os::unix::fs::symlink(&home, link)
                    .with_context(|| format!("cannot make the link {}", link.display()))?;
            }
        }
        Ok(())
    }

    /// Removes the short links.
    pub fn remove_links(&self) {
        if let Some(links) = &self.links {
            // Nothing is lost when they stay.
            let _stays = fs::remove_dir_all(links);
        }
    }
}

/// The directory by its full path, made if it is not there, and empty.
fn fresh(directory: &Path) -> Result<PathBuf> {
    let shown = directory.display();
    make_directory(directory)?;
    let mut entries = fs::read_dir(directory).with_context(|| format!("cannot read {shown}"))?;
    if entries.next().is_some() {
        bail!("{shown} is not empty; name a directory that is not there yet");
    }
    directory
        .canonicalize()
        .with_context(|| format!("cannot resolve {shown}"))
}

fn make_directory(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

/// A directory with a short path, when the sockets in the data directories would have too long ones.
fn short_directory(directory: &Path) -> Result<Option<PathBuf>> {
    // Names have at most 5 characters: 1,024 members are the most that a genesis takes.
    let longest = socket(&directory.join("v1024"));
    if longest.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH {
        return Ok(None);
    }
    let made = tempfile::Builder::new()
        .prefix("decube-")
        .tempdir_in("/tmp");
    Ok(Some(
        made.context("cannot make a directory for short links in /tmp")?
            .keep(),
    ))
}

fn new_key(directory: &Path, kind: KeyKind) -> Result<decube_crypto::PublicKey> {
    let key = keys::generate()?;
    keys::create(directory, kind, &key)?;
    Ok(key.public())
}

fn genesis(name: &str, validators: Vec<Validator>, replicas: Vec<Replica>) -> Result<Genesis> {
    let created = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let majority = replicas.len() / 2 + 1;
    let genesis = Genesis {
        name: name.into(),
        created: Timestamp(u64::try_from(created)?),
        parameters: Parameters {
            delta_ms: DELTA_MS,
            idle_ms: IDLE_MS,
            drift_ms: DRIFT_MS,
            signature: VoteScheme::Hybrid,
            write_quorum: u16::try_from(majority)?,
        },
        validators,
        replicas,
    };
    genesis.validate()?;
    Ok(genesis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            name: "test".into(),
            validators: 4,
        }
    }

    #[test]
    fn a_layout_has_validators_and_a_replica_that_does_not_vote() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(&directory.path().join("net"), &spec()).unwrap();
        assert_eq!(layout.nodes.len(), 5);
        assert_eq!(layout.genesis.validators.len(), 4);
        assert_eq!(layout.genesis.replicas.len(), 5);
        assert_eq!(layout.genesis.parameters.write_quorum, 3);
        let replica = &layout.nodes[4];
        assert_eq!(
            (replica.name.as_str(), replica.role),
            ("r1", NodeRole::Replica)
        );
        assert!(!keys::exists(&replica.directory, KeyKind::Validator));
        let file = network::read(&layout.network_path()).unwrap();
        assert_eq!(file.genesis, layout.genesis);
        assert_eq!(file.bootstrap.len(), 5);
    }

    #[test]
    fn a_directory_that_is_in_use_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("letter"), "precious").unwrap();
        let error = Layout::create(directory.path(), &spec())
            .unwrap_err()
            .to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn short_links_lead_to_a_directory_with_a_long_path() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(90));
        let layout = Layout::create(&long, &spec()).unwrap();
        for node in &layout.nodes {
            assert!(node.socket.as_os_str().len() <= MAX_SOCKET_PATH);
            assert!(long.join(&node.name).join(SETTINGS_FILE).exists());
            assert!(node.directory.join(SETTINGS_FILE).exists());
        }
        let links = layout.links.clone().unwrap();
        layout.remove_links();
        assert!(!links.exists());
        assert!(
            long.join("v1").join(SETTINGS_FILE).exists(),
            "only the links are removed"
        );
        layout.make_links().unwrap();
        assert!(layout.nodes[4].directory.join(SETTINGS_FILE).exists());
        layout.remove_links();
    }

    #[test]
    fn other_ports_are_written_where_nodes_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut layout = Layout::create(directory.path(), &spec()).unwrap();
        layout.change_ports().unwrap();
        let file = network::read(&layout.nodes[0].directory.join(NETWORK_FILE)).unwrap();
        for node in &layout.nodes {
            let settings = fs::read_to_string(node.directory.join(SETTINGS_FILE)).unwrap();
            assert!(
                settings.contains(&format!("/tcp/{}", node.port)),
                "{settings}"
            );
            assert!(file.bootstrap.contains(&node.address()));
        }
    }
}
