//! Recorded sessions, typed into a document of a real network through the public API.
//!
//! The paper has one author at one node. The two authors of the other session type at two nodes
//! at the same time: each transaction is an edit at exactly the heads that its parents made, so a
//! parent of the other author must have come over the network first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use decube_node::api::Code;
use decube_protocols::types::ChangeHash;
use serde::Serialize;
use tokio::sync::watch;

use super::latency::number;
use super::network::{Network, NodeUsage, STEP_LIMIT, type_at, typing};
use super::prove::{self, Proven};
use super::trace::{Concurrent, Sequential};

/// How many edits of the paper go into one request, and so into one change.
const SPLICES_PER_REQUEST: usize = 100;
/// The pause before an edit is tried again whose parent has not come yet.
const RETRY: Duration = Duration::from_millis(1);
/// How many times it is tried: for longer than [`STEP_LIMIT`].
const MOST_RETRIES: usize = 60_000;

/// What one replay of a session gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// Edits of the recording.
    pub edits: usize,
    /// Requests, each of them one change, acknowledged when it was durable.
    pub requests: usize,
    /// Until the last request was acknowledged, in seconds.
    pub typed_seconds: f64,
    /// Until every node had the same heads, in seconds.
    pub everywhere_seconds: f64,
    /// Edits divided by the time until they were everywhere.
    pub edits_per_second: f64,
    /// MiB that all nodes together sent.
    pub sent_mib: f64,
    /// How often an author had to wait for what the other had written.
    pub waits: usize,
    /// How long the authors waited for that in all, in seconds.
    pub waited_seconds: f64,
    /// The heads that every node has.
    pub heads: Vec<ChangeHash>,
    /// What each node used at the end.
    pub nodes: Vec<NodeUsage>,
    /// The commit of what was typed.
    pub proven: Proven,
}

/// What typing gave.
struct Typed {
    heads: Vec<ChangeHash>,
    requests: usize,
    waits: Waits,
}

/// How often, and how long, an author waited for the network.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    count: usize,
    time: Duration,
}

/// Types the session of one author at the first node; checks heads and text everywhere, commits,
/// and verifies the proof.
///
/// # Errors
/// When a node fails, or anything comes out otherwise than recorded.
pub async fn paper(network: &Network, trace: &Sequential) -> Result<Replayed> {
    let replay = Replay::start(network, "automerge-paper").await?;
    let member = network.member(0)?;
    let mut typed = Typed {
        heads: Vec::new(),
        requests: 0,
        waits: Waits::default(),
    };
    for splices in trace.splices.chunks(SPLICES_PER_REQUEST) {
        typed.heads = type_at(member, &replay.document, splices).await?.heads;
        typed.requests += 1;
    }
    replay.finish(trace.splices.len(), typed, &trace.end).await
}

/// Types the session of two authors at the first two nodes; checks heads and text everywhere,
/// commits, and verifies the proof. `end` is the text that it leads to.
///
/// # Errors
/// When a node fails, or anything comes out otherwise than recorded.
pub async fn friends(network: &Network, trace: Concurrent, end: &str) -> Result<Replayed> {
    let replay = Replay::start(network, "friendsforever").await?;
    let edits = trace.transactions.iter().map(|txn| txn.patches.len()).sum();
    let requests = trace.transactions.len();
    let mut typists = Vec::new();
    let trace = Arc::new(trace);
    let (made, _) = watch::channel(vec![None; requests]);
    for agent in 0..trace.authors {
        let typist = Typist {
            client: network.member(agent)?.client.clone(),
            document: replay.document.clone(),
            first: replay.first.clone(),
            trace: Arc::clone(&trace),
            made: made.clone(),
            waits: Waits::default(),
        };
        typists.push(typist.run(agent));
    }
    let waits = futures::future::try_join_all(typists).await?;
    let made = made.borrow().clone();
    let heads = trace
        .tips()
        .into_iter()
        .map(|tip| made.get(tip).copied().flatten());
    let heads: Option<Vec<ChangeHash>> = heads.collect();
    let mut heads = heads.context("every transaction has made a change")?;
    heads.sort_unstable();
    let sum = |sum: Waits, waits: Waits| Waits {
        count: sum.count + waits.count,
        time: sum.time + waits.time,
    };
    let typed = Typed {
        heads,
        requests,
        waits: waits.into_iter().fold(Waits::default(), sum),
    };
    replay.finish(edits, typed, end).await
}

/// A replay under way.
struct Replay<'a> {
    network: &'a Network,
    document: String,
    /// The heads of the empty document.
    first: Vec<ChangeHash>,
    sent_before: u64,
    started: Instant,
}

impl<'a> Replay<'a> {
    async fn start(network: &'a Network, name: &str) -> Result<Self> {
        let (document, first) = network.create_document(name).await?;
        let sent_before = network.counters().await?.sent;
        let started = Instant::now();
        Ok(Self {
            network,
            document,
            first,
            sent_before,
            started,
        })
    }

    /// Waits until all have what was typed, then checks it, commits it and verifies the proof.
    async fn finish(self, edits: usize, typed: Typed, end: &str) -> Result<Replayed> {
        let typed_seconds = self.started.elapsed().as_secs_f64();
        let (network, heads) = (self.network, &typed.heads);
        network.wait_for_heads(&self.document, heads).await?;
        let everywhere_seconds = self.started.elapsed().as_secs_f64();
        let sent = network.counters().await?.sent - self.sent_before;
        let nodes = network.usage()?;
        network.check_text(&self.document, heads, end).await?;
        let proven = prove::commit(network, &self.document, heads).await?;
        Ok(Replayed {
            edits,
            requests: typed.requests,
            typed_seconds,
            everywhere_seconds,
            edits_per_second: number(u64::try_from(edits)?) / everywhere_seconds,
            sent_mib: number(sent / 1024) / 1024.0,
            waits: typed.waits.count,
            waited_seconds: typed.waits.time.as_secs_f64(),
            nodes,
            proven,
            heads: typed.heads,
        })
    }
}

/// One author of a concurrent session.
struct Typist {
    client: decube_node::client::Client,
    document: String,
    first: Vec<ChangeHash>,
    trace: Arc<Concurrent>,
    /// The change of each transaction, as its author's node acknowledged it. An author learns the
    /// names of changes here, but the changes themselves over the network.
    made: watch::Sender<Vec<Option<ChangeHash>>>,
    waits: Waits,
}

impl Typist {
    async fn run(mut self, agent: usize) -> Result<Waits> {
        let trace = Arc::clone(&self.trace);
        for (number, txn) in trace.transactions.iter().enumerate() {
            if txn.agent != agent {
                continue;
            }
            let at = self.heads_of(&txn.parents).await?;
            let edit = typing(&txn.patches, Some(at));
            let change = self.edit(&edit).await;
            let change = change.with_context(|| format!("transaction {number}"))?;
            self.made.send_modify(|made| made[number] = Some(change));
        }
        Ok(self.waits)
    }

    /// The heads that transactions made, once all of them are acknowledged.
    async fn heads_of(&self, parents: &[usize]) -> Result<Vec<ChangeHash>> {
        if parents.is_empty() {
            return Ok(self.first.clone());
        }
        let of = |made: &Vec<Option<ChangeHash>>| -> Option<Vec<ChangeHash>> {
            parents.iter().map(|parent| *made.get(*parent)?).collect()
        };
        let mut made = self.made.subscribe();
        let ready = made.wait_for(|made| of(made).is_some());
        match tokio::time::timeout(STEP_LIMIT, ready).await {
            Ok(made) => of(&*made?).context("it was just there"),
            Err(_elapsed) => bail!("the other author made nothing for {STEP_LIMIT:?}"),
        }
    }

    /// Edits at heads, as soon as this author's node has them.
    async fn edit(&mut self, edit: &decube_node::api::types::EditDocument) -> Result<ChangeHash> {
        let started = Instant::now();
        for attempt in 0..MOST_RETRIES {
            let problem = match self.client.edit(&self.document, edit).await {
                Ok(edited) => {
                    if attempt > 0 {
                        self.waits.count += 1;
                        self.waits.time += started.elapsed();
                    }
                    return edited.change.context("a transaction had no effect");
                }
                Err(error) => error,
            };
            let code = problem.problem().map(|problem| problem.code);
            ensure!(
                code == Some(Code::UnknownHead),
                "the edit was refused: {problem}"
            );
            tokio::time::sleep(RETRY).await;
        }
        bail!("a change of the other author did not come over the network")
    }
}

/// The most that a node used.
pub(super) fn largest(nodes: &[NodeUsage], of: fn(&NodeUsage) -> f64) -> f64 {
    nodes.iter().map(of).fold(0.0, f64::max)
}
