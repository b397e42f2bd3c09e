//! What the benchmark tells: one JSON object, or a table.

use std::fmt;

use serde::Serialize;

use super::machine::Machine;
use super::replay::{Replayed, largest};
use super::stats::{Figure, Latency};
use crate::local::Table;

/// What to aim for on one machine of two processors with five processes.
mod aim {
    /// From submit to final, median, in milliseconds.
    pub(super) const FINAL_MS: f64 = 20.0;
    /// From an edit to its being visible at another node, median, in milliseconds.
    pub(super) const VISIBLE_MS: f64 = 4.0;
    /// The whole paper at every node, in seconds.
    pub(super) const PAPER_SECONDS: f64 = 40.0;
    /// Resident memory of each node after the paper, in MiB.
    pub(super) const RESIDENT_MIB: f64 = 120.0;
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// How many rounds; each has a fresh network.
    pub rounds: usize,
    /// How many edits of each recorded session were typed; all of them if absent.
    pub prefix: Option<usize>,
    /// Single commits.
    pub commits: Option<Commits>,
    /// Single edits.
    pub edits: Option<Edits>,
    /// Single edits between two nodes that have the machine to themselves.
    pub edits_alone: Option<Edits>,
    /// Memory of the largest node of an idle network in MiB.
    pub idle_resident_mib: Option<Figure>,
    /// `automerge-paper`, by one author.
    pub paper: Option<Session>,
    /// `friendsforever`, by two authors.
    pub friends: Option<Session>,
}

/// Single commits, one after the other, of versions that all replicas have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Commits {
    /// From the request until receipts are collected and the transaction is signed and durable.
    pub submitted: Latency,
    /// From there until the block is final at the submitter.
    pub submitted_to_final: Latency,
    /// From the request until the block is final at the submitter.
    pub final_at_submitter: Latency,
    /// From the request until the block is final at the replica, which does not vote.
    pub final_at_replica: Latency,
    /// How often files were made durable.
    pub syncs: PerBlock,
}

/// Calls that wait for the disk, per block with one transaction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerBlock {
    /// Of a validator's vote log.
    pub validator_votes: Figure,
    /// Of a validator's state.
    pub validator_state: Figure,
    /// Of the replica's state.
    pub replica_state: Figure,
}

/// Single edits at a validator, seen at the replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edits {
    /// From the request until it is durable at the author's node and acknowledged.
    pub acknowledged: Latency,
    /// From the request until the replica tells of the change.
    pub visible: Latency,
    /// From the acknowledgement until then.
    pub visible_after_acknowledged: Latency,
    /// Processor time of all nodes together per edit, in milliseconds.
    pub processor_ms: Figure,
}

impl Edits {
    fn rows(&self, of: &str, rows: &mut Rows) {
        rows.latency(of, "acknowledged durably", &self.acknowledged);
        rows.latency(of, "request to visible at the replica", &self.visible);
        rows.latency(
            of,
            "acknowledged to visible there",
            &self.visible_after_acknowledged,
        );
        let what = "processor time of all nodes per edit";
        rows.figure(of, what, "ms", &self.processor_ms);
    }
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Session {
    /// Until every node had all of it, in seconds.
    pub everywhere_seconds: Figure,
    /// Until the last edit was acknowledged, in seconds.
    pub typed_seconds: Figure,
    /// Edits per second until every node had all of them.
    pub edits_per_second: Figure,
    /// MiB that all nodes together sent.
    pub sent_mib: Figure,
    /// Memory of the largest node at the end in MiB.
    pub resident_mib: Figure,
    /// The same at its most.
    pub peak_mib: Figure,
    /// Processor time of all nodes in seconds.
    pub processor_seconds: Figure,
    /// Each round.
    pub rounds: Vec<Replayed>,
}

impl Session {
    /// Sums rounds up; none when there were none.
    pub(super) fn of(rounds: Vec<Replayed>) -> Option<Self> {
        let figure = |of: fn(&Replayed) -> f64| Figure::of(rounds.iter().map(of).collect());
        Some(Self {
            everywhere_seconds: figure(|round| round.everywhere_seconds)?,
            typed_seconds: figure(|round| round.typed_seconds)?,
            edits_per_second: figure(|round| round.edits_per_second)?,
            sent_mib: figure(|round| round.sent_mib)?,
            resident_mib: figure(|round| largest(&round.nodes, |node| node.usage.resident_mib))?,
            peak_mib: figure(|round| largest(&round.nodes, |node| node.usage.peak_mib))?,
            processor_seconds: figure(|round| {
                round
                    .nodes
                    .iter()
                    .map(|node| node.usage.processor_seconds)
                    .sum()
            })?,
            rounds,
        })
    }

    fn rows(&self, name: &str, rows: &mut Rows) {
        rows.figure(name, "typed by the author", "s", &self.typed_seconds);
        rows.figure(
            name,
            "the same heads and text everywhere",
            "s",
            &self.everywhere_seconds,
        );
        rows.figure(
            name,
            "edits per second end to end",
            "1/s",
            &self.edits_per_second,
        );
        rows.figure(name, "sent by all nodes", "MiB", &self.sent_mib);
        rows.figure(
            name,
            "processor time of all nodes",
            "s",
            &self.processor_seconds,
        );
        rows.figure(
            name,
            "memory of the largest node after it",
            "MiB",
            &self.resident_mib,
        );
        rows.figure(name, "the same at its most", "MiB", &self.peak_mib);
        if let Some(last) = self.rounds.last() {
            let seconds = format!("{:.3}", last.proven.commit_seconds);
            rows.text(
                name,
                "committed, proof verified, in",
                "s",
                seconds,
                String::new(),
            );
        }
    }
}

/// The rows of the table.
struct Rows {
    table: Table,
}

impl Rows {
    fn text(&mut self, of: &str, what: &str, unit: &str, value: String, more: String) {
        self.table
            .row([of.into(), what.into(), unit.into(), value, more]);
    }

    fn latency(&mut self, of: &str, what: &str, latency: &Latency) {
        let more = format!("p99 {:.2}, {} samples", latency.p99_ms, latency.samples);
        self.text(of, what, "ms", format!("{:.2}", latency.p50_ms), more);
    }

    fn figure(&mut self, of: &str, what: &str, unit: &str, figure: &Figure) {
        let more = match figure.rounds.len() {
            1 => String::from("1 round"),
            rounds => format!("{figure} in {rounds} rounds"),
        };
        self.text(of, what, unit, format!("{:.1}", figure.median), more);
    }
}

impl Report {
    fn table(&self) -> Table {
        let mut rows = Rows {
            table: Table::new(["of", "what", "unit", "median", "more"]),
        };
        if let Some(commits) = &self.commits {
            let of = "commit";
            rows.latency(
                of,
                "receipts collected, submitted durably",
                &commits.submitted,
            );
            rows.latency(
                of,
                "submitted to final at the submitter",
                &commits.submitted_to_final,
            );
            rows.latency(
                of,
                "request to final at the submitter",
                &commits.final_at_submitter,
            );
            rows.latency(
                of,
                "request to final at the replica",
                &commits.final_at_replica,
            );
            rows.figure(
                of,
                "fsyncs per block, vote log of a validator",
                "",
                &commits.syncs.validator_votes,
            );
            rows.figure(
                of,
                "fsyncs per block, state of a validator",
                "",
                &commits.syncs.validator_state,
            );
            rows.figure(
                of,
                "fsyncs per block, state of the replica",
                "",
                &commits.syncs.replica_state,
            );
        }
        if let Some(edits) = &self.edits {
            edits.rows("edit", &mut rows);
        }
        if let Some(edits) = &self.edits_alone {
            edits.rows("edit, two nodes alone", &mut rows);
        }
        if let Some(idle) = &self.idle_resident_mib {
            rows.figure("idle", "memory of the largest node", "MiB", idle);
        }
        if let Some(session) = &self.paper {
            session.rows("automerge-paper", &mut rows);
        }
        if let Some(session) = &self.friends {
            session.rows("friendsforever", &mut rows);
        }
        rows.table
    }

    /// What was aimed for, and what came of it.
    fn aims(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, found: Option<f64>, aim: f64, unit: &str| {
            if let Some(found) = found {
                let verdict = if found <= aim { "holds" } else { "is missed" };
                lines.push(format!(
                    "{what}: {found:.1} {unit}, the aim of {aim} {verdict}"
                ));
            }
        };
        let last = self
            .commits
            .as_ref()
            .map(|commits| commits.final_at_submitter.p50_ms);
        compare("submit to final, p50", last, aim::FINAL_MS, "ms");
        let visible = self.edits.as_ref().map(|edits| edits.visible.p50_ms);
        compare("edit to visible, p50", visible, aim::VISIBLE_MS, "ms");
        let alone = self.edits_alone.as_ref().map(|edits| edits.visible.p50_ms);
        let what = "edit to visible, two nodes alone, p50";
        compare(what, alone, aim::VISIBLE_MS, "ms");
        // The last two are about the whole session.
        let paper = self.paper.as_ref().filter(|_| self.prefix.is_none());
        let seconds = paper.map(|paper| paper.everywhere_seconds.median);
        compare(
            "the whole paper everywhere",
            seconds,
            aim::PAPER_SECONDS,
            "s",
        );
        let memory = paper.map(|paper| paper.resident_mib.median);
        compare(
            "memory of a node after it",
            memory,
            aim::RESIDENT_MIB,
            "MiB",
        );
        lines
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            processors,
            processor,
            memory_mib,
            disk_sync_ms,
            build,
        } = &self.machine;
        let name = processor.as_deref().unwrap_or("unknown");
        let memory = memory_mib.unwrap_or_default();
        writeln!(
            f,
            "four validators and a replica on {processors} processors ({name}), {memory} MiB, \
             {disk_sync_ms:.2} ms per fdatasync, {build} build, {} rounds",
            self.rounds
        )?;
        if let Some(prefix) = self.prefix {
            writeln!(f, "only the first {prefix} edits of each recorded session")?;
        }
        writeln!(f, "\n{}", self.table())?;
        self.aims()
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}
