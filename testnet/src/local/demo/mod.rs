//! The demonstration: the main job with real processes, from a start to a proof.
//!
//! 1. Validators and a replica start and get ready; a collection and a document are created.
//! 2. Two nodes edit the document concurrently, while a third, cut off through its own control API
//!    (it bans all others), edits it too; it returns, and all converge.
//! 3. The version is committed, and the document is edited further.
//! 4. The committed version is exported and a proof of it written; a process without a node
//!    verifies both.
//! 5. A validator is killed with SIGKILL, commits go on, it restarts and catches up. Or, with
//!    [`FaultKind::TwoValidators`], more are killed than the network tolerates, and nothing is
//!    committed any more.
//!
//! # Invariants
//! - Every figure of the [`Report`] is what a node or the system said.
//! - The nodes end with the demonstration, unless it held and they are to be kept.

mod commits;
mod editing;
mod kills;
mod proof;
mod report;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use decube_node::api::types::{CreateCollection, CreateDocument, Wait};
use decube_protocols::types::{CollectionName, DocumentName};
use serde_json::json;

use super::args::FaultKind;
use super::control;
use super::layout::{Layout, Spec};
use super::process::Program;
use super::progress::Progress;
use super::signals::signalled;
use super::testnet::{Member, Testnet};

pub use report::{CaughtUp, Converged, FaultReport, NodeReport, ProofVerified, Report};

/// The fewest validators of which one may fail.
pub const FEWEST: usize = 4;
/// How long any one step may take: many times what it takes on a slow machine.
const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How often a state is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(20);

/// What to demonstrate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program with `up`, `verify` and the other commands: `decube`.
    pub program: PathBuf,
    /// How many validators.
    pub validators: usize,
    /// An empty directory; a fresh temporary one without it.
    pub directory: Option<PathBuf>,
    /// Whether the nodes go on afterwards.
    pub keep: bool,
    /// A fault to show instead of the last step.
    pub fault: Option<FaultKind>,
}

/// Runs the demonstration. Everything is in the report, also what failed; the code is the one to
/// exit with: 0 only when everything held.
pub async fn run(options: &Options) -> (Report, u8) {
    let mut report = Report::default();
    let progress = Progress::default();
    let (result, code) = tokio::select! {
        result = steps(options, &progress, &mut report) => (result, 1),
        code = signalled() => match code {
            Ok(code) => (Err(anyhow!("interrupted; all nodes were ended")), code),
            Err(error) => (Err(error), 1),
        },
    };
    match result {
        Ok(()) => {
            report.ok = true;
            (report, 0)
        }
        Err(error) => {
            report.problem = Some(super::failure::explain(&error));
            if let Some(directory) = &report.directory {
                let logs = directory.join("*/node.log");
                progress.say(format_args!("failed; the logs are in {}", logs.display()));
            }
            (report, code)
        }
    }
}

/// The running demonstration.
struct Demo<'a> {
    testnet: Testnet,
    report: &'a mut Report,
    progress: &'a Progress,
    /// The document that everything is about.
    document: String,
}

async fn steps(options: &Options, progress: &Progress, report: &mut Report) -> Result<()> {
    check(options)?;
    let mut demo = start(options, progress, report).await?;
    demo.note_nodes().await;
    let outcome = demo.show(options).await;
    if !options.keep || outcome.is_err() {
        demo.note_nodes().await;
        progress.say("ending all nodes");
        let stopped = demo.testnet.stop();
        return outcome.and(stopped);
    }
    demo.note_nodes().await;
    demo.report.kept = true;
    let directory = demo.testnet.layout.directory.clone();
    control::keep(demo.testnet, &directory)
}

/// Refuses what cannot be shown.
fn check(options: &Options) -> Result<()> {
    let count = options.validators;
    if count < FEWEST {
        bail!(
            "with {count} validators none may fail; the demonstration needs --nodes {FEWEST} or more"
        );
    }
    if options.fault == Some(FaultKind::TwoValidators) && count > kills::MOST_WITHOUT_TWO {
        bail!(
            "{count} validators tolerate two faults; show the fault with --nodes {FEWEST} to {}",
            kills::MOST_WITHOUT_TWO
        );
    }
    Ok(())
}

async fn start<'a>(
    options: &Options,
    progress: &'a Progress,
    report: &'a mut Report,
) -> Result<Demo<'a>> {
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => {
            let made = tempfile::Builder::new().prefix("decube-testnet-").tempdir();
            made.context("cannot make a temporary directory")?.keep()
        }
    };
    let spec = Spec {
        name: "local testnet".into(),
        validators: options.validators,
    };
    let layout = Layout::create(&directory, &spec)?;
    progress.say(format_args!(
        "starting {} validators and a replica in {}",
        options.validators,
        layout.directory.display()
    ));
    report.directory = Some(layout.directory.clone());
    report.network = Some(layout.genesis.network_id().to_string());
    let program = Program {
        path: options.program.clone(),
        arguments: vec!["up".into()],
    };
    let started = Instant::now();
    let testnet = Testnet::start(layout, program).await?;
    report.ready_seconds = Some(started.elapsed().as_secs_f64());
    progress.say("all nodes are ready");
    Ok(Demo {
        testnet,
        report,
        progress,
        document: String::new(),
    })
}

impl Demo<'_> {
    async fn show(&mut self, options: &Options) -> Result<()> {
        self.create().await?;
        self.edit_and_converge().await?;
        self.commit_and_go_on().await?;
        self.prove(&options.program).await?;
        match options.fault {
            None => self.kill_one().await?,
            Some(FaultKind::TwoValidators) => self.kill_two().await?,
        }
        self.compare_blocks().await
    }

    /// Creates the collection and the document, and waits until every node has both.
    async fn create(&mut self) -> Result<()> {
        let member = self.testnet.member(0)?;
        let name: CollectionName = "minutes".parse()?;
        let new = CreateCollection {
            name,
            write_quorum: None,
            wait: Wait::Final,
            timeout_ms: Some(millis(STEP_LIMIT)),
        };
        let created = member.client.create_collection(&new).await;
        let created = created.with_context(|| member.about("it did not create a collection"))?;
        let height = created.height.context("a final transaction has a height")?;
        self.progress.say(format_args!(
            "the collection minutes is final in block {height}"
        ));
        let new = CreateDocument {
            collection: "minutes".into(),
            name: "meeting".parse::<DocumentName>()?,
            content: Some(json!({ "title": "Minutes", "text": "" })),
        };
        let created = member.client.create_document(&new).await;
        let created = created.with_context(|| member.about("it did not create a document"))?;
        self.document = created.id.to_string();
        let heads: Vec<String> = created.heads.iter().map(ToString::to_string).collect();
        self.wait_for_heads("the new document", |_, found| *found == heads)
            .await?;
        self.progress
            .say(format_args!("document {} is at every node", self.document));
        Ok(())
    }

    /// The heads of the document at a node; none while it has none.
    async fn heads(&self, member: &Member) -> Result<Vec<String>> {
        match member.client.document(&self.document).await {
            Ok(document) => Ok(document.heads.iter().map(ToString::to_string).collect()),
            Err(error) if error.problem().is_some() => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| member.about("it did not show the document")),
        }
    }

    /// Waits until the heads at every node that runs are as `wanted` says; returns them by node.
    async fn wait_for_heads(
        &self,
        what: &str,
        wanted: impl Fn(&str, &Vec<String>) -> bool,
    ) -> Result<Vec<(String, Vec<String>)>> {
        let started = Instant::now();
        loop {
            let mut all = Vec::new();
            let mut missing = None;
            for member in self.testnet.running() {
                let heads = self.heads(member).await?;
                if !wanted(&member.plan.name, &heads) {
                    missing = Some((member, heads.clone()));
                }
                all.push((member.plan.name.clone(), heads));
            }
            let Some((member, heads)) = missing else {
                return Ok(all);
            };
            if started.elapsed() > STEP_LIMIT {
                let about = member.about(format!("{what} did not come within {STEP_LIMIT:?}"));
                return Err(anyhow!("its heads are {heads:?}").context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Fails unless all nodes that run have the same blocks at the heights that all have.
    async fn compare_blocks(&self) -> Result<()> {
        let mut first: Option<(&Member, Vec<_>)> = None;
        for member in self.testnet.running() {
            let list = member.client.blocks(None, Some(1000)).await;
            let list = list.with_context(|| member.about("it did not list its blocks"))?;
            let blocks: Vec<_> = list
                .blocks
                .iter()
                .map(|block| (block.height, block.id))
                .collect();
            let Some((other, known)) = &first else {
                first = Some((member, blocks));
                continue;
            };
            let differs = blocks.iter().find(|(height, id)| {
                known
                    .iter()
                    .any(|(other, found)| other == height && found != id)
            });
            if let Some((height, id)) = differs {
                let about = member.about(format!("its block {height} is {id}"));
                return Err(anyhow!("{} has another", other.plan.name).context(about));
            }
        }
        self.progress.say("all nodes have the same blocks");
        Ok(())
    }

    /// Puts the nodes as they are now into the report; those that do not answer without a height.
    async fn note_nodes(&mut self) {
        let mut nodes = Vec::new();
        for member in &self.testnet.members {
            let status = match member.process_id() {
                Some(_) => within("a status", member.client.status()).await.ok(),
                None => None,
            };
            let height = status
                .and_then(Result::ok)
                .map(|status| status.final_height.0);
            nodes.push(NodeReport {
                name: member.plan.name.clone(),
                role: member.plan.role,
                peer_id: member.plan.peer.to_string(),
                process_id: member.process_id(),
                api_socket: member.plan.socket.clone(),
                height,
            });
        }
        self.report.nodes = nodes;
    }
}

/// What a future gives, within the limit of a step.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    let limited = tokio::time::timeout(STEP_LIMIT, future).await;
    limited
        .ok()
        .with_context(|| format!("{what} did not come within {STEP_LIMIT:?}"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
