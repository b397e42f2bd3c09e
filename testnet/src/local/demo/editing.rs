//! Concurrent edits at three nodes, one of them cut off.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;

use super::{Converged, Demo, LOOK, STEP_LIMIT};
use crate::local::testnet::Member;

/// The nodes that edit; the last is the one that is cut off.
const EDITORS: [usize; 3] = [0, 1, 2];
/// How many patches each of them types.
const PATCHES: usize = 8;

impl Demo<'_> {
    /// Two nodes and a third that is cut off edit the document; it returns; all converge.
    pub(super) async fn edit_and_converge(&mut self) -> Result<()> {
        let [one, two, third] = EDITORS;
        let cut_off = self.testnet.member(third)?.plan.name.clone();
        self.progress.say(format_args!(
            "{cut_off} bans all others: it is cut off, and goes on"
        ));
        self.ban_all(third, true).await?;
        let peers_while_cut_off = self.wait_alone(third).await?;
        self.progress
            .say("three nodes edit the document at the same time");
        let typed = tokio::try_join!(self.type_at(one), self.type_at(two), self.type_at(third))?;
        let (mut connected, alone) = (typed.0.clone(), typed.2.clone());
        connected.extend(typed.1.iter().cloned());
        self.wait_apart(one, third, &connected, &alone).await?;
        let changes = EDITORS.iter().zip([&typed.0, &typed.1, &typed.2]);
        let changes = changes
            .map(|(index, typed)| Ok((self.testnet.member(*index)?.plan.name.clone(), typed.len())))
            .collect::<Result<_>>()?;
        self.progress.say(format_args!("{cut_off} lifts the bans"));
        let returned = Instant::now();
        self.ban_all(third, false).await?;
        let all: BTreeSet<String> = connected.union(&alone).cloned().collect();
        let heads = self.wait_converged(&all).await?;
        let seconds = returned.elapsed().as_secs_f64();
        self.progress.say(format_args!(
            "all nodes have the same heads after {seconds:.2} s"
        ));
        self.report.converged = Some(Converged {
            value: true,
            document: self.document.clone(),
            heads: heads.into_iter().collect(),
            changes,
            cut_off,
            peers_while_cut_off,
            seconds,
        });
        Ok(())
    }

    /// Has a node ban all others, or lift the bans.
    async fn ban_all(&self, index: usize, ban: bool) -> Result<()> {
        let member = self.testnet.member(index)?;
        for other in &self.testnet.members {
            if other.plan.peer == member.plan.peer {
                continue;
            }
            let peer = other.plan.peer.to_string();
            let done = match ban {
                true => member.client.ban_peer(&peer).await,
                false => member.client.unban_peer(&peer).await,
            };
            let name = &other.plan.name;
            done.with_context(|| member.about(format!("it did not ban or unban {name}")))?;
        }
        Ok(())
    }

    /// Waits until a node has no peers and no other node counts it among its own.
    async fn wait_alone(&self, index: usize) -> Result<usize> {
        let alone = self.testnet.member(index)?;
        let started = Instant::now();
        loop {
            let peers = alone
                .client
                .status()
                .await
                .with_context(|| alone.about("no status"))?
                .peers;
            let mut known = 0;
            for other in self.testnet.running() {
                let list = other
                    .client
                    .peers()
                    .await
                    .with_context(|| other.about("no peers"))?;
                let me = alone.plan.peer.to_string();
                known += list.peers.iter().filter(|peer| peer.peer == me).count();
            }
            if peers == 0 && known == 0 {
                return Ok(peers);
            }
            if started.elapsed() > STEP_LIMIT {
                let about = alone.about("it should be cut off");
                return Err(anyhow!("it still has {peers} peers").context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Types at a node; says which changes it acknowledged.
    async fn type_at(&self, index: usize) -> Result<BTreeSet<String>> {
        let member = self.testnet.member(index)?;
        let name = &member.plan.name;
        let mut changes = BTreeSet::new();
        for number in 0..PATCHES {
            let edits = json!([
                { "op": "splice", "pointer": "/text", "index": 0, "insert": format!("{name}:{number} ") },
                { "op": "set", "pointer": format!("/{name}"), "value": number },
            ]);
            let edited = member.client.patch(&self.document, edits).await;
            let edited = edited.with_context(|| member.about("it did not edit"))?;
            let change = edited
                .change
                .context("an edit that changes something has a change")?;
            changes.insert(change.to_string());
        }
        Ok(changes)
    }

    /// Waits until a connected node has all changes of the connected ones, and checks that it has
    /// none of those typed at the one that is cut off, and that one none of the others'.
    async fn wait_apart(
        &self,
        connected: usize,
        third: usize,
        theirs: &BTreeSet<String>,
        its: &BTreeSet<String>,
    ) -> Result<()> {
        let (connected, third) = (self.testnet.member(connected)?, self.testnet.member(third)?);
        let started = Instant::now();
        while !self.changes(connected).await?.is_superset(theirs) {
            if started.elapsed() > STEP_LIMIT {
                let about = connected.about("the other node's edits did not come");
                return Err(anyhow!("waited {STEP_LIMIT:?}").context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
        if !self.changes(connected).await?.is_disjoint(its) {
            bail!(
                "{} has edits of {}, which was cut off",
                connected.plan.name,
                third.plan.name
            );
        }
        if !self.changes(third).await?.is_disjoint(theirs) {
            bail!(
                "{} has edits of others although it was cut off",
                third.plan.name
            );
        }
        self.progress
            .say("the node that is cut off has only its own edits, the others only theirs");
        Ok(())
    }

    /// The changes of the document at a node.
    async fn changes(&self, member: &Member) -> Result<BTreeSet<String>> {
        let history = member.client.history(&self.document).await;
        let history = history.with_context(|| member.about("it did not show the history"))?;
        Ok(history
            .changes
            .iter()
            .map(|change| change.hash.to_string())
            .collect())
    }

    /// Waits until all nodes have the same heads and every one of `changes`.
    async fn wait_converged(
        &self,
        changes: &BTreeSet<String>,
    ) -> Result<Vec<(String, Vec<String>)>> {
        let first = self.testnet.member(0)?;
        let started = Instant::now();
        while !self.changes(first).await?.is_superset(changes) {
            if started.elapsed() > STEP_LIMIT {
                let about = first.about("acknowledged edits did not come");
                return Err(anyhow!("waited {STEP_LIMIT:?}").context(about));
            }
            tokio::time::sleep(LOOK).await;
        }
        let heads = self.heads(first).await?;
        self.wait_for_heads("the same heads as elsewhere", |_, found| *found == heads)
            .await
    }
}
