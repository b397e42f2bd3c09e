//! The rounds themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use decube_node::api::types::{CreateCollection, CreateDocument, Wait};
use decube_node::client::Client;
use decube_protocols::types::{CollectionName, DocumentName, Height};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::chain::Chain;
use super::load::{self, DOCUMENTS};
use super::log::{EditAck, Generation, SubmittedAck};
use super::report::Report;
use super::{KillArgs, autopsy, check};
use crate::local::{Layout, Program, Progress, Spec, Testnet};

/// Every so many rounds all nodes are killed at once.
const ALL_EVERY: u32 = 5;
/// How many edits must be acknowledged in a round.
const EDITS: usize = 100;
/// How many commits must be acknowledged as final in a round.
const COMMITS: usize = 10;
/// How many nodes at most are killed in a round that does not kill all.
const MOST_VICTIMS: usize = 2;
/// When the kill comes, after the round began: anywhere in the work of a round.
const MOMENT_MS: std::ops::Range<u64> = 30..900;
/// How long the dead stay dead.
const DEAD_MS: std::ops::Range<u64> = 0..500;
/// How long the load may take to get a round's acknowledgements.
const LOAD_LIMIT: Duration = Duration::from_secs(300);
/// How long those that work on a round's documents may take to notice that it is over; more than
/// the longest request.
const DRAIN_LIMIT: Duration = Duration::from_secs(40);
/// How often a state is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(10);
/// How long the first transaction may take.
const CREATE_LIMIT_MS: u64 = 60_000;
/// How often the creation of a document is tried; all nodes run then.
const CREATE_TRIES: usize = 50;
/// The collection of all documents.
const COLLECTION: &str = "kill";

/// Runs all rounds.
pub(super) async fn rounds(
    args: &KillArgs,
    program: PathBuf,
    progress: &Progress,
    report: &mut Report,
) -> Result<()> {
    let started = Instant::now();
    let directory = match &args.dir {
        Some(directory) => directory.clone(),
        None => {
            let made = tempfile::Builder::new().prefix("decube-kill-").tempdir();
            made.context("cannot make a temporary directory")?.keep()
        }
    };
    let spec = Spec {
        name: "kill rounds".into(),
        validators: args.nodes.try_into()?,
    };
    let layout = Layout::create(&directory, &spec)?;
    report.directory = Some(layout.directory.clone());
    progress.say(format_args!(
        "seed {}, in {}",
        report.seed,
        layout.directory.display()
    ));
    let program = Program {
        path: program,
        arguments: vec!["node".into()],
    };
    let testnet = Testnet::start(layout, program).await?;
    let mut rounds = Rounds::begin(testnet, progress, report).await?;
    for round in 1..=args.rounds {
        rounds.round(round).await?;
    }
    rounds.end().await?;
    report.seconds = started.elapsed().as_secs_f64();
    Ok(())
}

/// The running rounds.
struct Rounds<'a> {
    testnet: Testnet,
    clients: Vec<Client>,
    progress: &'a Progress,
    report: &'a mut Report,
    random: ChaCha8Rng,
    /// What the load works on.
    current: watch::Sender<Option<Arc<Generation>>>,
    load: JoinSet<()>,
    /// The rounds so far, the last of them the one that goes on.
    generations: Vec<Arc<Generation>>,
    chain: Chain,
    /// Submitted transactions that are neither final nor expired yet.
    pending: Vec<SubmittedAck>,
}

impl<'a> Rounds<'a> {
    /// Creates the collection; the load begins with the first round.
    async fn begin(
        testnet: Testnet,
        progress: &'a Progress,
        report: &'a mut Report,
    ) -> Result<Self> {
        let member = testnet.member(0)?;
        let name: CollectionName = COLLECTION.parse()?;
        let (wait, timeout_ms) = (Wait::Final, Some(CREATE_LIMIT_MS));
        let new = CreateCollection {
            name,
            write_quorum: None,
            wait,
            timeout_ms,
        };
        let created = member.client.create_collection(&new).await;
        created.with_context(|| member.about("it did not create a collection"))?;
        let clients = testnet
            .members
            .iter()
            .map(|member| member.client.clone())
            .collect();
        let random = ChaCha8Rng::seed_from_u64(report.seed);
        let current = watch::Sender::new(None);
        Ok(Self {
            testnet,
            clients,
            progress,
            report,
            random,
            current,
            load: JoinSet::new(),
            generations: Vec::new(),
            chain: Chain::default(),
            pending: Vec::new(),
        })
    }

    /// One round: new documents for the load, the check of the round before, the kill.
    async fn round(&mut self, round: u32) -> Result<()> {
        let since = self.chain.compared();
        let generation = self.next_documents(round).await?;
        self.check_previous(round as usize).await?;
        let moment = self.random.random_range(MOMENT_MS);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let victims = self.victims(round);
        self.testnet.check()?;
        let killed = self.testnet.kill_together(&victims)?;
        self.report.kills += killed.len();
        self.report.rounds_of_all += u32::from(victims.len() == self.clients.len());
        for place in &victims {
            self.autopsy(&generation, *place, since)?;
        }
        let dead = self.random.random_range(DEAD_MS);
        tokio::time::sleep(Duration::from_millis(dead)).await;
        let restarted = Instant::now();
        for place in &victims {
            self.testnet.spawn(*place)?;
        }
        self.testnet.wait_ready().await?;
        let ready = restarted.elapsed().as_secs_f64();
        self.report.longest_ready_seconds = self.report.longest_ready_seconds.max(ready);
        let (edits, commits) = self.wait_for_load(&generation).await?;
        let names: Vec<&str> = victims
            .iter()
            .filter_map(|place| Some(self.testnet.members.get(*place)?.plan.name.as_str()))
            .collect();
        self.progress.say(format_args!(
            "round {round}: killed {}, ready after {ready:.2} s; {edits} edits, {commits} commits",
            names.join(" ")
        ));
        Ok(())
    }

    /// Creates a round's documents and turns the load to them.
    async fn next_documents(&mut self, round: u32) -> Result<Arc<Generation>> {
        let mut created = Vec::new();
        for number in 0..DOCUMENTS {
            let node = self.random.random_range(0..self.clients.len());
            created.push(
                self.create(node, &format!("round-{round}-{number}"))
                    .await?,
            );
        }
        let generation = Generation::new(round, &created);
        self.generations.push(Arc::clone(&generation));
        self.current.send_replace(Some(Arc::clone(&generation)));
        if self.load.is_empty() {
            self.load = load::start(&self.clients, &self.current.subscribe(), self.report.seed);
        }
        Ok(generation)
    }

    async fn create(&self, node: usize, name: &str) -> Result<EditAck> {
        let member = self.testnet.member(node)?;
        let new = CreateDocument {
            collection: COLLECTION.into(),
            name: name.parse::<DocumentName>()?,
            content: Some(json!({ "text": "" })),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match member.client.create_document(&new).await {
                Ok(document) => {
                    let change = *document
                        .heads
                        .first()
                        .context("a new document has a head")?;
                    return Ok(EditAck {
                        node,
                        document: document.id,
                        change,
                    });
                }
                // The block with the collection may still be on its way to this node.
                Err(_) if tries < CREATE_TRIES => tokio::time::sleep(LOOK).await,
                Err(error) => {
                    return Err(error).with_context(|| member.about("it created no document"));
                }
            }
        }
    }

    /// Who is killed.
    fn victims(&mut self, round: u32) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.clients.len()).collect();
        if round.is_multiple_of(ALL_EVERY) {
            return all;
        }
        all.shuffle(&mut self.random);
        all.truncate(self.random.random_range(1..=MOST_VICTIMS));
        all
    }

    fn autopsy(&mut self, generation: &Generation, place: usize, since: Height) -> Result<()> {
        let acks = generation.acks().clone();
        let examined = autopsy::examine(&self.testnet.layout, place, &acks, since);
        let member = self.testnet.member(place)?;
        examined.with_context(|| member.about("its disk was examined after SIGKILL"))?;
        self.report.autopsies += 1;
        Ok(())
    }

    /// Waits until a round has its acknowledgements.
    async fn wait_for_load(&mut self, generation: &Generation) -> Result<(usize, usize)> {
        let started = Instant::now();
        loop {
            self.testnet.check()?;
            let (edits, commits) = generation.counts();
            if edits >= EDITS && commits >= COMMITS {
                return Ok((edits, commits));
            }
            if started.elapsed() > LOAD_LIMIT {
                bail!(
                    "after {LOAD_LIMIT:?} with all nodes ready, {edits} edits (of {EDITS}) and \
                     {commits} commits (of {COMMITS}) of round {} were acknowledged",
                    generation.round
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Checks the round before, which the load has left.
    async fn check_previous(&mut self, reader: usize) -> Result<()> {
        let Some(index) = self.generations.len().checked_sub(2) else {
            return Ok(());
        };
        let Some(generation) = self.generations.get(index).map(Arc::clone) else {
            return Ok(());
        };
        self.check_round(&generation, reader).await
    }

    async fn check_round(&mut self, generation: &Arc<Generation>, reader: usize) -> Result<()> {
        // The list of rounds holds one, and so does the caller.
        let started = Instant::now();
        while Arc::strong_count(generation) > 2 {
            if started.elapsed() > DRAIN_LIMIT {
                bail!("the load did not leave round {} in time", generation.round);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.testnet.check()?;
        let acks = generation.acks().clone();
        let reader = reader % self.clients.len();
        check::edits(&self.testnet, &generation.documents, &acks).await?;
        check::finals(&self.testnet, &mut self.chain, reader, &acks).await?;
        check::versions(&self.testnet, &self.chain, &generation.documents).await?;
        self.pending.extend(&acks.submitted);
        self.report.submissions_expired += check::submissions(&self.chain, &mut self.pending);
        let (edits, commits) = generation.counts();
        self.report.add(edits, commits);
        self.report.rejections_acknowledged += acks.finals.len() - commits;
        self.report.submissions_acknowledged += acks.submitted.len();
        self.report.height = self.chain.compared().0;
        Ok(())
    }

    /// Ends the load and checks the last round, then the documents of all rounds once more.
    async fn end(mut self) -> Result<()> {
        self.current.send_replace(None);
        let load = &mut self.load;
        let drained = tokio::time::timeout(DRAIN_LIMIT, async {
            while let Some(ended) = load.join_next().await {
                ended.context("a part of the load failed")?;
            }
            anyhow::Ok(())
        });
        drained.await.context("the load did not end in time")??;
        if let Some(last) = self.generations.last().map(Arc::clone) {
            self.check_round(&last, 0).await?;
        }
        let pending = &mut self.pending;
        let expired = check::last_submissions(&self.testnet, &mut self.chain, pending).await?;
        self.report.submissions_expired += expired;
        self.progress
            .say("checking the documents of all rounds once more");
        for generation in &self.generations {
            let acks = generation.acks().clone();
            check::edits(&self.testnet, &generation.documents, &acks).await?;
            check::finals(&self.testnet, &mut self.chain, 0, &acks).await?;
            check::versions(&self.testnet, &self.chain, &generation.documents).await?;
        }
        self.report.height = self.chain.compared().0;
        self.testnet.stop()
    }
}
