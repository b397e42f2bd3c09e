//! How long single edits and commits take on a network that has nothing else to do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use decube_node::api::types::{CommitRequest, CommitTarget, EventKind, Wait};
use decube_protocols::types::{ChangeHash, TransactionId, Version};

use super::network::{Counters, Network, STEP_LIMIT, Writes, millis, type_at};
use super::report::{Commits, Edits, PerBlock};
use super::stats::{Figure, Latency, Times};
use super::trace::Splice;
use super::watch::Watch;

/// How many edits are measured in a round.
const EDITS: usize = 200;
/// How many commits are measured in a round.
const COMMITS: usize = 100;
/// The pause between two measurements, so that one does not wait for what the other left behind.
const PAUSE: Duration = Duration::from_millis(20);

/// What is measured in several rounds.
#[derive(Debug, Default)]
pub(super) struct EditTimes {
    acknowledged: Vec<Times>,
    visible: Vec<Times>,
    visible_after: Vec<Times>,
    processor_ms: Vec<f64>,
}

impl EditTimes {
    /// Measures single edits at a validator, as seen at the replica.
    pub(super) async fn round(&mut self, network: &Network) -> Result<()> {
        let (document, _) = network.create_document("single-edits").await?;
        let author = network.member(0)?;
        let mut watch = Watch::start(network.replica()?).await?;
        let mut round = (Times::default(), Times::default(), Times::default());
        let before = network.processor_seconds()?;
        for index in 0..EDITS {
            let splice = [letter(index)];
            let sent = Instant::now();
            let edited = type_at(author, &document, &splice).await?;
            let acknowledged = sent.elapsed();
            let wanted = Version::of(&edited.heads);
            let visible = watch.wait(|event| shows(event, &wanted)).await?;
            round.0.push(acknowledged);
            round.1.push(visible.duration_since(sent));
            // It may be visible there before the answer is here.
            round
                .2
                .push(visible.saturating_duration_since(sent + acknowledged));
            tokio::time::sleep(PAUSE).await;
        }
        let used = network.processor_seconds()? - before;
        self.processor_ms.push(used * 1000.0 / number(EDITS as u64));
        self.acknowledged.push(round.0);
        self.visible.push(round.1);
        self.visible_after.push(round.2);
        Ok(())
    }

    pub(super) fn sum_up(&self) -> Option<Edits> {
        Some(Edits {
            acknowledged: Latency::of(&self.acknowledged)?,
            visible: Latency::of(&self.visible)?,
            visible_after_acknowledged: Latency::of(&self.visible_after)?,
            processor_ms: Figure::of(self.processor_ms.clone())?,
        })
    }
}

/// What is measured in several rounds.
#[derive(Debug, Default)]
pub(super) struct CommitTimes {
    submitted: Vec<Times>,
    to_final: Vec<Times>,
    at_submitter: Vec<Times>,
    at_replica: Vec<Times>,
    blocks: Vec<(Counters, Counters)>,
}

impl CommitTimes {
    /// Measures commits of versions that every replica has already, one after the other.
    pub(super) async fn round(&mut self, network: &Network) -> Result<()> {
        let (document, _) = network.create_document("single-commits").await?;
        let author = network.member(0)?;
        let mut versions = Vec::with_capacity(COMMITS);
        for index in 0..COMMITS {
            versions.push(type_at(author, &document, &[letter(index)]).await?.heads);
        }
        let last = versions.last().context("there are versions")?;
        network.wait_for_heads(&document, last).await?;
        let mut watches = (
            Watch::start(author).await?,
            Watch::start(network.replica()?).await?,
        );
        let mut round = [const { Vec::new() }; 4].map(|_: Vec<f64>| Times::default());
        let before = network.counters().await?;
        for heads in versions {
            let [submitted, to_final, at_submitter, at_replica] = &mut round;
            let sent = Instant::now();
            let transaction = submit(network, &document, heads).await?;
            let accepted = Instant::now();
            let here = watches.0.wait(|event| holds(event, &transaction)).await?;
            let there = watches.1.wait(|event| holds(event, &transaction)).await?;
            submitted.push(accepted.duration_since(sent));
            // The block may be final before the answer to the submission is here.
            to_final.push(here.saturating_duration_since(accepted));
            at_submitter.push(here.duration_since(sent));
            at_replica.push(there.duration_since(sent));
            tokio::time::sleep(PAUSE).await;
        }
        self.blocks.push((before, network.counters().await?));
        let [submitted, to_final, at_submitter, at_replica] = round;
        self.submitted.push(submitted);
        self.to_final.push(to_final);
        self.at_submitter.push(at_submitter);
        self.at_replica.push(at_replica);
        Ok(())
    }

    pub(super) fn sum_up(&self) -> Option<Commits> {
        Some(Commits {
            submitted: Latency::of(&self.submitted)?,
            submitted_to_final: Latency::of(&self.to_final)?,
            final_at_submitter: Latency::of(&self.at_submitter)?,
            final_at_replica: Latency::of(&self.at_replica)?,
            syncs: self.per_block()?,
        })
    }

    /// How often each file was made durable for a block, at a validator and at the replica.
    fn per_block(&self) -> Option<PerBlock> {
        let figure = |nodes: f64, count: fn(&Counters) -> u64| {
            let round = |(before, after): &(Counters, Counters)| {
                let blocks = after.height.saturating_sub(before.height).max(1);
                number(count(after).saturating_sub(count(before))) / number(blocks) / nodes
            };
            Figure::of(self.blocks.iter().map(round).collect())
        };
        let validators = 4.0;
        Some(PerBlock {
            validator_votes: figure(validators, |c| c.validators.votes)?,
            validator_state: figure(validators, |c| c.validators.state)?,
            replica_state: figure(
                1.0,
                |Counters {
                     replicas: Writes { state, .. },
                     ..
                 }| *state,
            )?,
        })
    }
}

/// A count as a number to divide: far below where `f64` becomes inexact.
pub(super) fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn letter(index: usize) -> Splice {
    Splice {
        index,
        delete: 0,
        insert: "x".into(),
    }
}

async fn submit(
    network: &Network,
    document: &str,
    heads: Vec<ChangeHash>,
) -> Result<TransactionId> {
    let member = network.member(0)?;
    let target = CommitTarget {
        document: document.into(),
        heads: Some(heads),
        previous: None,
        first: false,
    };
    let request = CommitRequest {
        documents: vec![target],
        wait: Wait::Submitted,
        timeout_ms: Some(millis(STEP_LIMIT)),
    };
    let submitted = member.client.commit(&request).await;
    let submitted = submitted.with_context(|| member.about("it did not commit"))?;
    submitted.transaction.context("what is submitted has an id")
}

fn shows(event: &EventKind, wanted: &Version) -> bool {
    matches!(event, EventKind::DocumentChanged { version, .. } if *version == Some(*wanted))
}

fn holds(event: &EventKind, wanted: &TransactionId) -> bool {
    matches!(event, EventKind::Final { transactions, .. } if transactions.contains(wanted))
}
