//! Failures that name the node they are about, with the end of its log.

use std::fmt::Write;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many lines of a log are shown.
const LINES: usize = 20;
/// How many bytes at the end of a log are looked at: more than the lines that are shown.
const TAIL: u64 = 16 << 10;

/// Context of an error: the node that it is about.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{name}: {what}")]
pub struct AboutNode {
    /// The node's name.
    pub name: String,
    /// Its log.
    pub log: PathBuf,
    /// What was done with it.
    pub what: String,
}

/// The error as it is told: causes on one line, then the end of the node's log.
#[must_use]
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}");
    if let Some(about) = error.downcast_ref::<AboutNode>() {
        let log = about.log.display();
        let tail = tail(&about.log);
        let told = if tail.is_empty() {
            write!(text, "\nthe log of {} is empty: {log}", about.name)
        } else {
            write!(
                text,
                "\nthe end of the log of {} ({log}):\n{tail}",
                about.name
            )
        };
        debug_assert!(told.is_ok(), "writing into a text does not fail");
    }
    text
}

/// The last lines of a file; nothing when it cannot be read.
pub(super) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_shows_the_end_of_the_log_of_its_node() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("node.log");
        let lines: Vec<String> = (0..5000).map(|line| format!("line {line}")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let about = AboutNode {
            name: "v2".into(),
            log,
            what: "was not ready".into(),
        };
        let error = Err::<(), _>(anyhow::anyhow!("the cause")).context(about);
        let error = error.context("the start failed").unwrap_err();
        let text = explain(&error);
        assert!(
            text.starts_with("the start failed: v2: was not ready: the cause\n"),
            "{text}"
        );
        assert!(
            text.contains("line 4980") && text.ends_with("line 4999"),
            "{text}"
        );
        assert!(!text.contains("line 4979\n"), "{text}");
    }
}
