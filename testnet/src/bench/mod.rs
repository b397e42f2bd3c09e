//! Benchmarks: `bench local` over real processes on this machine, `bench core` of the documents
//! core alone.
//!
//! `bench local` measures four validators and a replica that does not vote, with the parameters
//! of a local testnet, each round on a fresh network. All times come from one clock, that of
//! the process which asks and listens.
//!
//! # Invariants
//! - Everything that is waited for has a limit; no node outlives the run.
//! - What is timed is also checked: heads, text and proof of every replay (`replay`).

mod core;
pub mod expected;
mod latency;
mod machine;
mod network;
mod prove;
pub mod replay;
mod report;
mod stats;
pub mod trace;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use network::ALONE;

pub use network::{Network, VALIDATORS};
pub use report::Report;

use crate::local::{Progress, explain, print, signalled};
use latency::{CommitTimes, EditTimes};
use machine::Machine;
use replay::Replayed;
use report::Session;
use stats::Figure;
use trace::{Concurrent, Sequential};

/// How many rounds are run when nothing is said: enough for a median that one slow round does not
/// move.
const ROUNDS: usize = 3;
/// The most rounds: a run of hours.
const MOST_ROUNDS: usize = 100;
/// How long an idle network is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(3);

/// What to measure.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Measure a network of real processes on this machine.
    Local(LocalArgs),
    /// Measure the documents core alone, in this process.
    Core(CoreArgs),
}

/// How to measure a network.
#[derive(Debug, Args)]
struct LocalArgs {
    /// How many rounds, each on a fresh network.
    #[arg(long, default_value_t = ROUNDS, value_parser = rounds)]
    rounds: usize,
    /// Type only the first edits of each recorded session.
    #[arg(long, value_name = "EDITS")]
    prefix: Option<usize>,
    /// Measure only this.
    #[arg(long, value_enum, value_name = "NAME")]
    only: Option<Part>,
    /// Where to make the networks' directories; it says which disk is measured.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// How to measure the core.
#[derive(Debug, Args)]
struct CoreArgs {
    /// Type only the first edits of the recorded session.
    #[arg(long, value_name = "EDITS")]
    prefix: Option<usize>,
    /// The time between two changes that the cores are told of, in milliseconds.
    #[arg(long, default_value_t = 10)]
    step_ms: u64,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Single commits.
    Commits,
    /// Single edits.
    Edits,
    /// Memory of an idle network.
    Idle,
    /// The session of one author.
    Paper,
    /// The session of two authors.
    Friends,
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST_ROUNDS).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(format!("a number from 1 to {MOST_ROUNDS} is expected")),
    }
}

impl BenchArgs {
    /// Measures and prints.
    ///
    /// # Errors
    /// When a node fails or something comes out otherwise than it should.
    pub fn run(self) -> Result<()> {
        match self.command {
            BenchCommand::Local(args) => args.run(),
            BenchCommand::Core(args) => args.run(),
        }
    }
}

impl CoreArgs {
    fn run(&self) -> Result<()> {
        let trace = paper(self.prefix)?;
        let times = core::follow(&trace, Duration::from_millis(self.step_ms))?;
        let text = format!(
            "{} edits in {} changes of {} bytes: edited in {:.2} s, followed in {:.2} s",
            times.edits, times.changes, times.bytes, times.editing_seconds, times.following_seconds
        );
        Progress::default().say(text);
        Ok(())
    }
}

impl LocalArgs {
    fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        let json = self.json;
        let report = runtime.block_on(async {
            tokio::select! {
                report = Bench::new(self)?.run() => {
                    report.map_err(|error| anyhow::anyhow!(explain(&error)))
                }
                code = signalled() => bail!("interrupted ({}); all nodes were ended", code?),
            }
        })?;
        print(&report, json)
    }
}

fn paper(prefix: Option<usize>) -> Result<Sequential> {
    let trace = Sequential::paper()?;
    match prefix {
        Some(edits) => trace.prefix(edits),
        None => Ok(trace),
    }
}

/// A run.
struct Bench {
    args: LocalArgs,
    program: PathBuf,
    directory: PathBuf,
    progress: Progress,
    commits: CommitTimes,
    edits: EditTimes,
    edits_alone: EditTimes,
    idle: Vec<f64>,
    paper: Vec<Replayed>,
    friends: Vec<Replayed>,
}

impl Bench {
    fn new(args: LocalArgs) -> Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("cannot find this program")?,
            directory: network::directory(args.dir.as_ref()),
            progress: Progress::default(),
            commits: CommitTimes::default(),
            edits: EditTimes::default(),
            edits_alone: EditTimes::default(),
            idle: Vec::new(),
            paper: Vec::new(),
            friends: Vec::new(),
            args,
        })
    }

    fn wants(&self, part: Part) -> bool {
        self.args.only.is_none_or(|only| only == part)
    }

    async fn run(mut self) -> Result<Report> {
        let machine = Machine::look(&self.directory)?;
        for round in 1..=self.args.rounds {
            self.progress
                .say(format_args!("round {round} of {}", self.args.rounds));
            self.singles().await?;
            if self.wants(Part::Paper) {
                self.paper().await?;
            }
            if self.wants(Part::Friends) {
                self.friends().await?;
            }
        }
        Ok(Report {
            machine,
            rounds: self.args.rounds,
            prefix: self.args.prefix,
            commits: self.commits.sum_up(),
            edits: self.edits.sum_up(),
            edits_alone: self.edits_alone.sum_up(),
            idle_resident_mib: Figure::of(self.idle),
            paper: Session::of(self.paper),
            friends: Session::of(self.friends),
        })
    }

    /// What is measured on a network without load.
    async fn singles(&mut self) -> Result<()> {
        let wanted = [Part::Idle, Part::Edits, Part::Commits].map(|part| self.wants(part));
        if wanted == [false; 3] {
            return Ok(());
        }
        let network = self.start(VALIDATORS).await?;
        if self.wants(Part::Idle) {
            tokio::time::sleep(IDLE).await;
            let nodes = network.usage()?;
            self.idle
                .push(replay::largest(&nodes, |node| node.usage.resident_mib));
        }
        network.create_collection().await?;
        if self.wants(Part::Edits) {
            self.edits.round(&network).await?;
        }
        if self.wants(Part::Commits) {
            self.commits.round(&network).await?;
        }
        network.stop()?;
        if self.wants(Part::Edits) {
            let network = self.start(ALONE).await?;
            network.create_collection().await?;
            self.edits_alone.round(&network).await?;
            network.stop()?;
        }
        Ok(())
    }

    async fn start(&self, validators: usize) -> Result<Network> {
        Network::start(&self.program, &self.directory, validators).await
    }

    async fn paper(&mut self) -> Result<()> {
        let trace = paper(self.args.prefix)?;
        let network = self.start(VALIDATORS).await?;
        network.create_collection().await?;
        let replayed = replay::paper(&network, &trace).await?;
        self.say("automerge-paper", &replayed);
        self.paper.push(replayed);
        network.stop()
    }

    async fn friends(&mut self) -> Result<()> {
        let trace = Concurrent::friends()?;
        let trace = trace.prefix(self.args.prefix.unwrap_or(usize::MAX));
        let end = match &trace.end {
            Some(end) => end.clone(),
            None => expected::text(&trace)?,
        };
        let network = self.start(VALIDATORS).await?;
        network.create_collection().await?;
        let replayed = replay::friends(&network, trace, &end).await?;
        self.say("friendsforever", &replayed);
        self.friends.push(replayed);
        network.stop()
    }

    fn say(&self, name: &str, replayed: &Replayed) {
        let Replayed {
            edits,
            typed_seconds,
            everywhere_seconds,
            ..
        } = replayed;
        self.progress.say(format_args!(
            "{name}: {edits} edits typed in {typed_seconds:.1} s, everywhere after \
             {everywhere_seconds:.1} s, committed, proof verified"
        ));
    }
}
