//! Child processes that run nodes.
//!
//! # Invariants
//! - A node that is tied to its parent ends with it, however the parent ends: its standard input is
//!   a pipe, and it stops when that closes, which the kernel does also after SIGKILL.
//! - It can be let go: then it reads a word that tells it to stay (see [`super::parent_gone`]).
//! - Nodes run in process groups of their own, so that Ctrl-C reaches only the program that started
//!   them, which then ends them in order.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::parent::STAY;

/// How a node is started: a program, and the arguments before `--data-dir DIR`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments, for example `up`.
    pub arguments: Vec<String>,
}

/// Whether a node ends with the process that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends with its parent.
    Tied,
    /// It goes on until it is stopped.
    Kept,
}

/// A running node.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    lifetime: Lifetime,
}

/// How long a node may take to end after it was asked to, before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often a process that is to end is looked at.
const LOOK: Duration = Duration::from_millis(5);

impl NodeProcess {
    /// Starts a node in `directory`; its log is appended to `node.log` there.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened.
    pub fn start(program: &Program, directory: &Path, lifetime: Lifetime) -> Result<Self> {
        let log_path = directory.join("node.log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .with_context(|| format!("cannot open {}", log_path.display()))?;
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .arg("--data-dir")
            .arg(directory);
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        match lifetime {
            Lifetime::Tied => command.arg("--until-stdin-closes").stdin(Stdio::piped()),
            Lifetime::Kept => command.stdin(Stdio::null()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.path.display()))?;
        Ok(Self { child, lifetime })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the node ended, when it has.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .context("cannot ask after a child process")
    }

    /// Sends SIGKILL and does not wait.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn send_kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill a node")
    }

    /// Kills the node with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.send_kill()?;
        self.child.wait().context("cannot wait for a killed node")?;
        Ok(())
    }

    /// Lets a tied node go on after this program ends.
    ///
    /// # Errors
    /// When the node is gone.
    pub fn let_go(&mut self) -> Result<()> {
        if let Some(mut input) = self.child.stdin.take() {
            writeln!(input, "{STAY}").context("cannot tell a node to go on")?;
        }
        self.lifetime = Lifetime::Kept;
        Ok(())
    }

    /// Asks a tied node to end, by closing its standard input. Does not wait.
    pub fn ask_to_end(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Asks a tied node to end and waits for it; kills it when it takes too long.
    ///
    /// # Errors
    /// When it had to be killed, or ended with an error.
    pub fn stop(&mut self) -> Result<()> {
        self.ask_to_end();
        let started = Instant::now();
        while started.elapsed() < STOP_LIMIT {
            if let Some(status) = self.ended()? {
                if status.success() {
                    return Ok(());
                }
                bail!("it ended with {status}");
            }
            std::thread::sleep(LOOK);
        }
        self.kill()?;
        bail!("it did not stop within {STOP_LIMIT:?} and was killed")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Tied {
            // It may have ended already; then there is nothing to kill.
            let _ended = self.kill();
        }
    }
}
