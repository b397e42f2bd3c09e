//! A fresh network for one round, and what its nodes are asked between measurements.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use decube_node::api::types::{
    CreateCollection, CreateDocument, EditDocument, Edited, FileWrites, Wait,
};
use decube_node::client::Selection;
use decube_protocols::types::{ChangeHash, Height};
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use super::machine::{Usage, usage};
use super::trace::Splice;
use crate::local::{Layout, Member, Program, Spec, Testnet};

/// How many validators; the replica comes on top.
pub const VALIDATORS: usize = 4;
/// How many validators there are beside the replica when two nodes are alone.
pub(super) const ALONE: usize = 1;
/// How long one step, such as a commit, may take before the run is given up.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How long nodes may take to have the same heads after the last edit of a session.
const CONVERGENCE_LIMIT: Duration = Duration::from_secs(600);
/// How often nodes are asked for their heads meanwhile.
const LOOK: Duration = Duration::from_millis(10);
/// The collection of all measurements.
const COLLECTION: &str = "bench";
/// The text in the document.
const TEXT: &str = "/text";

/// A network of this program's own nodes in a directory that goes away with it.
#[derive(Debug)]
pub struct Network {
    testnet: Testnet,
    // Declared after the nodes: removed when they are gone.
    _directory: TempDir,
}

/// What all nodes have sent, and how often they wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) sent: u64,
    pub(super) validators: Writes,
    pub(super) replicas: Writes,
    pub(super) height: u64,
}

/// Calls that wait for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Writes {
    pub(super) votes: u64,
    pub(super) state: u64,
}

impl Writes {
    fn add(&mut self, votes: FileWrites, state: FileWrites) {
        self.votes += votes.syncs;
        self.state += state.syncs;
    }
}

/// What one node uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeUsage {
    /// The node's name.
    pub node: String,
    /// What it uses.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Network {
    /// Starts validators and a replica under a new directory in `parent`, and waits until they are
    /// ready.
    ///
    /// # Errors
    /// When they do not start.
    pub async fn start(program: &Path, parent: &Path, validators: usize) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("decube-bench-")
            .tempdir_in(parent);
        let directory = directory.context("cannot make a directory for the network")?;
        let spec = Spec {
            name: "benchmark".into(),
            validators,
        };
        let layout = Layout::create(&directory.path().join("net"), &spec)?;
        let program = Program {
            path: program.to_path_buf(),
            arguments: vec!["node".into()],
        };
        let testnet = Testnet::start(layout, program).await?;
        Ok(Self {
            testnet,
            _directory: directory,
        })
    }

    /// Ends all nodes in order.
    ///
    /// # Errors
    /// When one had to be killed or ended with an error.
    pub fn stop(self) -> Result<()> {
        self.testnet.stop()
    }

    /// The files of the network.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.testnet.layout
    }

    pub(super) fn member(&self, index: usize) -> Result<&Member> {
        self.testnet.member(index)
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.testnet.members
    }

    /// The node that does not vote.
    pub(super) fn replica(&self) -> Result<&Member> {
        self.testnet.members.last().context("a network has nodes")
    }

    /// Creates the collection and waits until every node has the block.
    ///
    /// # Errors
    /// When it does not become final.
    pub async fn create_collection(&self) -> Result<()> {
        let member = self.member(0)?;
        let new = CreateCollection {
            name: COLLECTION.parse()?,
            write_quorum: None,
            wait: Wait::Final,
            timeout_ms: Some(millis(STEP_LIMIT)),
        };
        let created = member.client.create_collection(&new).await;
        let created = created.with_context(|| member.about("it did not create a collection"))?;
        let height = created.height.context("a final transaction has a height")?;
        for member in self.members() {
            self.wait_for_height(member, height).await?;
        }
        Ok(())
    }

    /// Creates a document with an empty text at the first node, and waits until every node has it.
    /// Gives its id and its first heads.
    ///
    /// # Errors
    /// When it does not get everywhere.
    pub async fn create_document(&self, name: &str) -> Result<(String, Vec<ChangeHash>)> {
        let member = self.member(0)?;
        let new = CreateDocument {
            collection: COLLECTION.into(),
            name: name.parse()?,
            content: Some(json!({ "text": "" })),
        };
        let created = member.client.create_document(&new).await;
        let created = created.with_context(|| member.about("it did not create a document"))?;
        let document = created.id.to_string();
        self.wait_for_heads(&document, &created.heads).await?;
        Ok((document, created.heads))
    }

    /// Waits until every node has exactly these heads, which must be sorted.
    pub(super) async fn wait_for_heads(&self, document: &str, wanted: &[ChangeHash]) -> Result<()> {
        let started = Instant::now();
        for member in self.members() {
            while heads(member, document).await? != wanted {
                if started.elapsed() > CONVERGENCE_LIMIT {
                    let what = format!("it lacks heads after {CONVERGENCE_LIMIT:?}");
                    return Err(anyhow!("the nodes do not converge").context(member.about(what)));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Waits until a node has the final block at `height`.
    pub(super) async fn wait_for_height(&self, member: &Member, height: Height) -> Result<()> {
        let started = Instant::now();
        loop {
            let status = member.client.status().await;
            let status = status.with_context(|| member.about("it did not tell its status"))?;
            if status.final_height >= height {
                return Ok(());
            }
            if started.elapsed() > STEP_LIMIT {
                let about = member.about(format!("it did not get to height {height}"));
                return Err(anyhow!("it is at {}", status.final_height).context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Fails unless every node shows exactly this text at exactly these heads.
    pub(super) async fn check_text(
        &self,
        document: &str,
        heads: &[ChangeHash],
        text: &str,
    ) -> Result<()> {
        for member in self.members() {
            let content = member
                .client
                .read(document, TEXT, &Selection::Current, false)
                .await;
            let content = content.with_context(|| member.about("it did not show the text"))?;
            if content.heads != heads || content.value.as_str() != Some(text) {
                let found = content.value.as_str().map(str::len);
                let error = anyhow!("{found:?} bytes at {:?}, not {}", content.heads, text.len());
                return Err(error.context(member.about("its text is another one")));
            }
        }
        Ok(())
    }

    /// What the nodes count.
    pub(super) async fn counters(&self) -> Result<Counters> {
        let mut counters = Counters::default();
        for (member, status) in self.testnet.statuses().await? {
            counters.sent += status.traffic.sent;
            counters.height = counters.height.max(status.final_height.0);
            let writes = match member.plan.role {
                crate::local::NodeRole::Validator => &mut counters.validators,
                crate::local::NodeRole::Replica => &mut counters.replicas,
            };
            writes.add(status.writes.votes, status.writes.state);
        }
        Ok(counters)
    }

    /// What each node uses now.
    pub(super) fn usage(&self) -> Result<Vec<NodeUsage>> {
        let of = |member: &Member| {
            let process = member.process_id();
            let process = process.with_context(|| member.about("it does not run"))?;
            Ok(NodeUsage {
                node: member.plan.name.clone(),
                usage: usage(process)?,
            })
        };
        self.members().iter().map(of).collect()
    }

    /// Processor time that all nodes used so far, in seconds.
    pub(super) fn processor_seconds(&self) -> Result<f64> {
        let nodes = self.usage()?;
        Ok(nodes.iter().map(|node| node.usage.processor_seconds).sum())
    }
}

/// A document's heads at a node; none while it does not know the document.
pub(super) async fn heads(member: &Member, document: &str) -> Result<Vec<ChangeHash>> {
    match member.client.document(document).await {
        Ok(document) => Ok(document.heads),
        Err(error) if error.problem().is_some() => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| member.about("it did not show the document")),
    }
}

/// Types splices into the text of a document as one change at these heads (the present ones if
/// none).
pub(super) fn typing(splices: &[Splice], at: Option<Vec<ChangeHash>>) -> EditDocument {
    let edit = |splice: &Splice| {
        json!({
            "op": "splice", "pointer": TEXT, "index": splice.index,
            "delete": splice.delete, "insert": splice.insert,
        })
    };
    EditDocument {
        edits: splices.iter().map(edit).collect(),
        at,
        message: None,
    }
}

/// Types at a node's present heads.
pub(super) async fn type_at(member: &Member, document: &str, splices: &[Splice]) -> Result<Edited> {
    let edited = member.client.edit(document, &typing(splices, None)).await;
    edited.with_context(|| member.about("it did not take an edit"))
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where networks are made when nothing is said: where temporary files are.
pub(super) fn directory(given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(std::env::temp_dir)
}
