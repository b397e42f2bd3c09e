//! The commands `testnet up|demo|status|down`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::control;
use super::demo::{self, Options};
use super::failure::explain;
use super::layout::Spec;
use super::process::Program;
use super::progress::Progress;
use super::signals::signalled;

/// Where `testnet up` makes a network when nothing is said.
const DIRECTORY: &str = "decube-testnet";

/// Networks on this machine, for trying things out.
#[derive(Clone, Debug, Subcommand)]
pub enum TestnetCommand {
    /// Start validators and a replica that go on until `testnet down`.
    #[command(after_help = "Example:\n  decube testnet up --nodes 4\n  decube testnet status")]
    Up(UpArgs),
    /// Show the main job with real processes: concurrent edits, a commit, a proof, a kill.
    #[command(after_help = "Example:\n  decube testnet demo --json")]
    Demo(DemoArgs),
    /// Look at a network that `testnet up` or `testnet demo --keep` started.
    #[command(after_help = "Example:\n  decube testnet status --dir decube-testnet")]
    Status(StatusArgs),
    /// End such a network. Its files stay.
    #[command(after_help = "Example:\n  decube testnet down --dir decube-testnet")]
    Down(DownArgs),
}

/// What to start.
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// How many validators; one replica that does not vote is added.
    #[arg(long, default_value_t = 4, value_parser = nodes)]
    pub nodes: usize,
    /// The network's directory: made when it is not there, started again when it is.
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    pub dir: PathBuf,
}

/// What to show.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// How many validators; one replica that does not vote is added.
    #[arg(long, default_value_t = 4, value_parser = nodes)]
    pub nodes: usize,
    /// An empty or new directory; without it a new one for temporary files.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave the network running, and say how to talk to it and how to end it.
    #[arg(long)]
    pub keep: bool,
    /// Show a fault that the network does not tolerate; always ends with code 1.
    #[arg(long, value_enum)]
    pub fault: Option<FaultKind>,
}

/// Where the network is.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    pub dir: PathBuf,
}

/// Where the network is.
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// The network's directory.
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    pub dir: PathBuf,
}

/// A fault that the network does not tolerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultKind {
    /// Kill two validators: nothing is committed after.
    TwoValidators,
}

/// How many validators fit on one machine: each is a process with some 50 MiB.
const MOST_NODES: usize = 64;

fn nodes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST_NODES).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(format!("a number from 1 to {MOST_NODES} is expected")),
    }
}

/// Carries out a command with the nodes of `program` (`decube`), and gives the code to exit with.
///
/// # Errors
/// When it fails; what it started was ended then.
pub async fn run(command: TestnetCommand, program: &Path, json: bool) -> Result<u8> {
    match command {
        TestnetCommand::Up(args) => up(args, program, json).await,
        TestnetCommand::Demo(args) => show(args, program, json).await,
        TestnetCommand::Status(args) => {
            let overview = control::overview(&args.dir).await?;
            print(&overview, json)?;
            Ok(0)
        }
        TestnetCommand::Down(args) => {
            let progress = Progress::default();
            let ended = control::down(&args.dir, &progress)?;
            print(&Ended { ended }, json)?;
            Ok(0)
        }
    }
}

#[derive(Serialize)]
struct Ended {
    ended: usize,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ended {
            0 => f.write_str("no node was running"),
            count => write!(f, "{count} nodes ended"),
        }
    }
}

async fn up(args: UpArgs, program: &Path, json: bool) -> Result<u8> {
    let progress = Progress::default();
    let spec = Spec {
        name: "local testnet".into(),
        validators: args.nodes,
    };
    let start = Program {
        path: program.into(),
        arguments: vec!["up".into()],
    };
    let overview = tokio::select! {
        overview = control::up(&start, &args.dir, &spec, &progress) => overview,
        code = signalled() => {
            progress.say("interrupted; all nodes were ended");
            return code;
        }
    };
    let overview = overview.map_err(|error| anyhow::anyhow!(explain(&error)))?;
    progress.say(control::hints(
        program,
        &overview.directory,
        &overview.nodes,
    ));
    print(&overview, json)?;
    Ok(0)
}

async fn show(args: DemoArgs, program: &Path, json: bool) -> Result<u8> {
    let options = Options {
        program: program.into(),
        validators: args.nodes,
        directory: args.dir,
        keep: args.keep,
        fault: args.fault,
    };
    let (report, code) = demo::run(&options).await;
    if let Some(problem) = &report.problem {
        // One that nobody can read any more is lost; the report and the exit code have it too.
        let _lost = writeln!(std::io::stderr().lock(), "error: {problem}");
    }
    print(&report, json)?;
    if let (true, Some(directory)) = (report.kept, &report.directory) {
        let overview = control::overview(directory).await?;
        Progress::default().say(control::hints(program, directory, &overview.nodes));
    }
    Ok(code)
}

/// Writes a report on standard output: one JSON object, or text for people.
pub(crate) fn print<T: Serialize + std::fmt::Display>(report: &T, json: bool) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let written = match json {
        true => serde_json::to_writer_pretty(&mut output, report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(output)),
        false => writeln!(output, "{}", report.to_string().trim_end()),
    };
    written
        .and_then(|()| output.flush())
        .context("cannot write to standard output")
}
