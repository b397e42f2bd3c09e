//! Validators that are killed: one, and the network goes on; two, and it does not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use decube_node::api::Code;
use decube_node::client::ClientError;

use super::{CaughtUp, Demo, FaultReport, LOOK, STEP_LIMIT, within};

/// The most validators that do not tolerate two faults: six need five.
pub(super) const MOST_WITHOUT_TWO: usize = 6;
/// How many commits go on without the validator that was killed.
const COMMITS: usize = 8;
/// How long messages may be under way on one machine.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a commit is waited for that must not become final: hundreds of times what one takes.
const HOPELESS: Duration = Duration::from_secs(8);

impl Demo<'_> {
    /// Kills the last validator, commits without it, and starts it again.
    pub(super) async fn kill_one(&mut self) -> Result<()> {
        let victim = self.testnet.layout.genesis.validators.len() - 1;
        let name = self.testnet.member(victim)?.plan.name.clone();
        let height_at_kill = self.height_of(victim).await?;
        let process_id = self.testnet.kill(victim)?;
        self.progress.say(format_args!(
            "killed {name} (process {process_id}) at {height_at_kill}"
        ));
        let killed = CaughtUp {
            name: name.clone(),
            process_id,
            height_at_kill,
            ..<_>::default()
        };
        self.report.killed_validator_caught_up = Some(killed);
        let commits = self.commits_without(victim).await?;
        let before = self.highest().await?;
        self.progress.say(format_args!(
            "{} commits went on, up to block {before}",
            commits.len()
        ));
        let restarted = self.testnet.spawn(victim)?;
        self.testnet.wait_ready().await?;
        let after = self.wait_caught_up(victim, before).await?;
        self.progress.say(format_args!(
            "{name} is back (process {restarted}) and at {after}"
        ));
        if let Some(killed) = &mut self.report.killed_validator_caught_up {
            killed.value = after >= before && restarted != process_id && before > height_at_kill;
            killed.restarted_process_id = Some(restarted);
            killed.commits_meanwhile = commits;
            killed.height_before_restart = Some(before);
            killed.height_after_restart = Some(after);
            if !killed.value {
                bail!("{name} did not catch up: it is at {after}, the network was at {before}");
            }
        }
        let heads = self.heads(self.testnet.member(0)?).await?;
        self.wait_for_heads("what was edited meanwhile", |_, found| *found == heads)
            .await?;
        Ok(())
    }

    /// Commits again and again, at another node each time; gives the heights.
    async fn commits_without(&self, victim: usize) -> Result<Vec<u64>> {
        let nodes: Vec<_> = self.testnet.running().collect();
        let mut heights: Vec<u64> = Vec::new();
        for (number, member) in (1..=COMMITS).zip(nodes.iter().cycle()) {
            self.edit_at(
                member,
                &format!("edited while v{} is down, {number}", victim + 1),
            )
            .await?;
            let height = self.commit_at(member, STEP_LIMIT).await;
            let height = height.with_context(|| member.about("it did not commit"))?;
            let height = height.context("a final commit has a height")?;
            if heights.last().is_some_and(|last| *last >= height) {
                bail!(
                    "a commit at {} came into block {height} after {heights:?}",
                    member.plan.name
                );
            }
            heights.push(height);
            // The next node can only commit after this one when it knows of it.
            self.wait_heights(height).await?;
        }
        Ok(heights)
    }

    /// Waits until all nodes that run have the block at `height`.
    async fn wait_heights(&self, height: u64) -> Result<()> {
        let waiting = async {
            while self.lowest().await? < height {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        within(&format!("block {height} at every node"), waiting).await?
    }

    async fn wait_caught_up(&self, index: usize, height: u64) -> Result<u64> {
        let waiting = async {
            loop {
                let reached = self.height_of(index).await?;
                if reached >= height {
                    return Ok(reached);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        within(&format!("block {height} at the restarted node"), waiting).await?
    }

    async fn height_of(&self, index: usize) -> Result<u64> {
        let member = self.testnet.member(index)?;
        let status = within("a status", member.client.status()).await?;
        Ok(status
            .with_context(|| member.about("it did not tell its status"))?
            .final_height
            .0)
    }

    async fn heights(&self) -> Result<Vec<u64>> {
        let statuses = within("the statuses", self.testnet.statuses()).await??;
        Ok(statuses
            .iter()
            .map(|(_, status)| status.final_height.0)
            .collect())
    }

    async fn highest(&self) -> Result<u64> {
        self.heights()
            .await?
            .into_iter()
            .max()
            .context("a node runs")
    }

    async fn lowest(&self) -> Result<u64> {
        self.heights()
            .await?
            .into_iter()
            .min()
            .context("a node runs")
    }

    /// Kills two validators and shows that nothing is committed any more, though edits replicate.
    /// Always an error: the network is not what it should be.
    pub(super) async fn kill_two(&mut self) -> Result<()> {
        let count = self.testnet.layout.genesis.validators.len();
        let mut killed = BTreeMap::new();
        for victim in [count - 2, count - 1] {
            let name = self.testnet.member(victim)?.plan.name.clone();
            killed.insert(name, self.testnet.kill(victim)?);
        }
        self.progress
            .say(format_args!("killed two of {count} validators: {killed:?}"));
        // What the two sent before they died may still make a block final.
        tokio::time::sleep(SETTLE).await;
        let height_at_kill = self.highest().await?;
        let mut fault = FaultReport {
            kind: "two-validators".into(),
            killed,
            height_at_kill,
            ..FaultReport::default()
        };
        let member = self.testnet.member(0)?;
        let edited = self
            .edit_at(member, "edited without a quorum of validators")
            .await?;
        let heads: Vec<String> = edited.heads.iter().map(ToString::to_string).collect();
        self.wait_for_heads("an edit without a quorum", |_, found| *found == heads)
            .await?;
        fault.edits_still_replicate = true;
        self.progress
            .say("edits still reach every node; now a commit, which cannot become final");
        let started = Instant::now();
        fault.commit = match self.commit_at(member, HOPELESS).await {
            Ok(height) => format!("final in block {}", height.unwrap_or_default()),
            Err(error) => pending(&error)
                .ok_or(error)
                .with_context(|| member.about("the commit should be pending"))?,
        };
        fault.waited_seconds = started.elapsed().as_secs_f64();
        fault.height_at_end = self.highest().await?;
        fault.nothing_committed_after =
            fault.commit == PENDING && fault.height_at_end == height_at_kill;
        let (held, end) = (fault.nothing_committed_after, fault.height_at_end);
        self.report.fault = Some(fault);
        if !held {
            bail!("blocks became final without a quorum: from {height_at_kill} to {end}");
        }
        Err(anyhow!(
            "two of {count} validators were killed, as asked for: nothing was committed after block \
             {height_at_kill}"
        ))
    }
}

/// What the report says of a commit that was waited for in vain.
const PENDING: &str = "pending";

fn pending(error: &ClientError) -> Option<String> {
    let timed_out = error
        .problem()
        .is_some_and(|problem| problem.code == Code::TimedOut);
    timed_out.then(|| PENDING.to_owned())
}
