//! What is told while something long happens: lines on standard error.

use std::io::Write;
use std::time::Instant;

/// Tells of progress with the seconds since its start.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Progress {
    /// Writes a line. One that nobody can read any more is lost, which harms nothing.
    pub fn say(&self, line: impl std::fmt::Display) {
        let seconds = self.started.elapsed().as_secs_f64();
        let _lost = writeln!(std::io::stderr().lock(), "[{seconds:7.2} s] {line}");
    }
}
