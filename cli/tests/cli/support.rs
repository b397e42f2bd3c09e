//! Running the program, and a node of a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take; a test that waits longer fails.
pub(crate) const PATIENCE: &str = "60";

/// What became of one run of the program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as one JSON object.
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON object: {error}: {self:?}"));
        assert!(value.is_object(), "{value}");
        value
    }

    /// Checks the exit code and that nothing panicked.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.text(), self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Checks the exit code and that the error has these words.
    #[track_caller]
    pub(crate) fn refuses(self, code: i32, words: &str) -> Self {
        let outcome = self.expect(code);
        assert!(
            outcome.stderr.contains(words),
            "{words:?} is not in: {}",
            outcome.stderr
        );
        outcome
    }
}

/// The program with nothing of the environment of the tests.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_decube"));
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

pub(crate) fn finish(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program without a data directory.
pub(crate) fn decube(arguments: &[&str]) -> Outcome {
    let mut command = program();
    command.args(arguments);
    finish(command)
}

/// A data directory, and the folder it is in.
pub(crate) struct Home {
    folder: TempDir,
    name: &'static str,
}

impl Home {
    /// An empty place.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            name: "home",
        }
    }

    /// The only validator of a network, on any free port.
    pub(crate) fn solo() -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            name: "node-1",
        };
        let folder = home.folder.path().to_str().unwrap().to_owned();
        let create = [
            "network",
            "create",
            "--name",
            "solo",
            "--local",
            "1",
            "--base-port",
            "0",
        ];
        decube(&[&create[..], &["--directory", &folder]].concat()).expect(0);
        home
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    /// A file beside the data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data directory; gives its path as an argument.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .env("DECUBE_HOME", self.path())
            .env("DECUBE_TIMEOUT", PATIENCE)
            .args(arguments);
        command
    }

    pub(crate) fn decube(&self, arguments: &[&str]) -> Outcome {
        finish(self.command(arguments))
    }

    /// The same with `--json`, successful, as an object.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.decube(&[arguments, &["--json"]].concat())
            .expect(0)
            .json()
    }

    /// Starts the node and waits until it is ready.
    pub(crate) fn up(&self) -> Running {
        self.up_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn up_with(&self, arguments: &[&str]) -> Running {
        let log = fs::File::create(self.file("log")).unwrap();
        let mut command = self.command(&[&["up"], arguments].concat());
        command.stdout(Stdio::null()).stderr(log);
        let running = Running {
            child: command.spawn().unwrap(),
        };
        let waited = self.decube(&["status", "--wait", "ready"]);
        if waited.code != 0 {
            panic!(
                "{}\n{}",
                waited.stderr,
                fs::read_to_string(self.file("log")).unwrap()
            );
        }
        running
    }

    /// A running node with a collection `notes` and a document `notes/readme`, and its id.
    pub(crate) fn with_document(&self) -> (Running, String) {
        let running = self.up();
        self.decube(&["collection", "create", "notes"]).expect(0);
        let content = r#"{"title": "Hello", "votes": {"$counter": 0}, "items": [1, 2]}"#;
        let made = self.json(&["doc", "create", "notes/readme", "--content", content]);
        (running, made["id"].as_str().unwrap().to_owned())
    }

    /// The content of a document.
    #[track_caller]
    pub(crate) fn content(&self, document: &str) -> Value {
        self.json(&["doc", "get", document])["value"].clone()
    }
}

/// A node's process, which ends with the test.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts what runs until it is told to stop.
    pub(crate) fn start(mut command: Command) -> Self {
        Self {
            child: command.spawn().unwrap(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, waits, and gives the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Kills it at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
