//! Kill rounds: nodes are killed with SIGKILL at random moments under a load that never pauses, and a
//! checker outside of them holds them to everything that they acknowledged.
//!
//! The load types at every node and commits at random ones (`load`). What a node acknowledges goes
//! into the checker's own log (`log`). In each round random nodes are killed, every fifth round
//! all at once; the disks of the dead are examined while they are dead (`autopsy`); they start
//! again and must get ready. Then the load moves to new documents, still without a pause, and the
//! round's acknowledgements are compared with what every node now has (`check`).
//!
//! # Invariants
//! - A request counts as acknowledged when its answer arrived, and only then.
//! - The kills, the load's choices and the order of both follow from the seed; the moments at which
//!   they meet are the machine's.
//! - The run fails with the first round in which something acknowledged is missing, two nodes differ
//!   in a block, or a node is not ready again in time.

mod autopsy;
mod chain;
mod check;
mod load;
mod log;
mod report;
mod run;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::local::{Progress, print, signalled};

pub use report::Report;

/// Kill nodes under load, and hold them to what they acknowledged.
#[derive(Clone, Debug, Args)]
pub struct KillArgs {
    /// How many rounds; every fifth kills all nodes at once.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,
    /// What the choices follow from; a random one without it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many validators; one replica that does not vote is added.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub nodes: u32,
    /// An empty or new directory; without it a new one for temporary files.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl KillArgs {
    /// Runs the rounds and prints the report.
    ///
    /// # Errors
    /// When something was violated, or the rounds could not be run.
    pub fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        let program = std::env::current_exe().context("this program cannot be found")?;
        let progress = Progress::default();
        let mut report = Report::new(&self);
        let result = runtime.block_on(async {
            tokio::select! {
                result = run::rounds(&self, program, &progress, &mut report) => result,
                code = signalled() => code.and_then(|code| {
                    let signal = code.saturating_sub(128);
                    anyhow::bail!("interrupted by signal {signal}; all nodes were ended")
                }),
            }
        });
        if let Err(error) = &result {
            report.problem = Some(crate::local::explain(error));
        }
        report.ok = result.is_ok();
        print(&report, self.json)?;
        result.context("the kill rounds failed")
    }
}
