//! What the kill rounds tell.

use std::path::PathBuf;

use serde::Serialize;

use super::KillArgs;
use super::load::random_seed;
use crate::local::Table;

/// What happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing was violated.
    pub ok: bool,
    /// What was.
    pub problem: Option<String>,
    /// What the choices followed from.
    pub seed: u64,
    /// How many rounds were asked for.
    pub rounds: u32,
    /// How many were completed and checked.
    pub rounds_checked: u32,
    /// Processes killed.
    pub kills: usize,
    /// Rounds in which all nodes were killed at once.
    pub rounds_of_all: u32,
    /// Edits that a node acknowledged as durable.
    pub edits_acknowledged: usize,
    /// Commits that a node acknowledged as final.
    pub commits_acknowledged: usize,
    /// Transactions that a node acknowledged as final without effect.
    pub rejections_acknowledged: usize,
    /// Transactions that a node acknowledged as submitted.
    pub submissions_acknowledged: usize,
    /// Of these, those that expired before they were final.
    pub submissions_expired: usize,
    /// The fewest edits of a round.
    pub fewest_edits: usize,
    /// The fewest commits of a round.
    pub fewest_commits: usize,
    /// Disks of dead nodes that were examined.
    pub autopsies: usize,
    /// The final height at the end.
    pub height: u64,
    /// The longest time from a restart until all nodes were ready.
    pub longest_ready_seconds: f64,
    /// How long it all took.
    pub seconds: f64,
    /// Where all files are.
    pub directory: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(args: &KillArgs) -> Self {
        let seed = args.seed.unwrap_or_else(random_seed);
        Self {
            seed,
            rounds: args.rounds,
            ..Self::default()
        }
    }

    /// Takes in the counts of a round.
    pub(super) fn add(&mut self, edits: usize, commits: usize) {
        let first = self.rounds_checked == 0;
        self.rounds_checked += 1;
        self.edits_acknowledged += edits;
        self.commits_acknowledged += commits;
        self.fewest_edits = if first {
            edits
        } else {
            self.fewest_edits.min(edits)
        };
        self.fewest_commits = if first {
            commits
        } else {
            self.fewest_commits.min(commits)
        };
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new(["what", "how many"]);
        let mut row = |what: &str, value: String| table.row([what.into(), value]);
        row(
            "rounds checked",
            format!("{} of {}", self.rounds_checked, self.rounds),
        );
        row(
            "rounds that killed all at once",
            self.rounds_of_all.to_string(),
        );
        row("processes killed", self.kills.to_string());
        row("disks of the dead examined", self.autopsies.to_string());
        row("edits acknowledged", self.edits_acknowledged.to_string());
        row("  fewest in a round", self.fewest_edits.to_string());
        row(
            "commits acknowledged",
            self.commits_acknowledged.to_string(),
        );
        row("  fewest in a round", self.fewest_commits.to_string());
        row(
            "final without effect",
            self.rejections_acknowledged.to_string(),
        );
        row(
            "submissions acknowledged",
            self.submissions_acknowledged.to_string(),
        );
        row("  of these expired", self.submissions_expired.to_string());
        row("final blocks", self.height.to_string());
        row(
            "longest until ready again",
            format!("{:.2} s", self.longest_ready_seconds),
        );
        row("time", format!("{:.0} s", self.seconds));
        row("seed", self.seed.to_string());
        write!(f, "{table}")?;
        match &self.problem {
            Some(problem) => write!(f, "\nviolated: {problem}"),
            None => write!(
                f,
                "\nnothing acknowledged was lost, and no node contradicted another"
            ),
        }
    }
}
