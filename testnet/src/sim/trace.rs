//! What happened in a run, line by line: its digest tells two runs apart, its tail explains a
//! failure.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use decube_crypto::Digest;

/// The lines that a failure shows: several views of a network of six nodes.
const TAIL: usize = 250;

/// The trace of one run.
#[derive(Debug)]
pub(super) struct Trace {
    digest: Digest,
    lines: u64,
    tail: VecDeque<String>,
    print: bool,
}

impl Trace {
    /// An empty trace; one that prints writes every line to the standard error as it comes.
    pub(super) fn new(print: bool) -> Self {
        Self {
            digest: Digest::ZERO,
            lines: 0,
            tail: VecDeque::with_capacity(TAIL),
            print,
        }
    }

    /// Adds a line.
    pub(super) fn line(&mut self, at: Duration, text: fmt::Arguments<'_>) {
        let line = format!("{:>12.6} {text}", at.as_secs_f64());
        self.digest = Digest::of(
            "decube/sim-trace/1",
            &[self.digest.as_bytes(), line.as_bytes()],
        );
        self.lines += 1;
        if self.print {
            // A closed pipe must not end a run that is being checked.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// The digest over all lines.
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many lines there were.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// The newest lines, oldest first.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_give_equal_digests_and_the_tail_is_bounded() {
        let run = |last: usize| {
            let mut trace = Trace::new(false);
            for number in 0..last {
                trace.line(Duration::from_millis(5), format_args!("line {number}"));
            }
            trace
        };
        assert_eq!(run(TAIL + 9).digest(), run(TAIL + 9).digest());
        assert_ne!(run(TAIL + 9).digest(), run(TAIL + 8).digest());
        let tail = run(TAIL + 9).tail();
        assert_eq!(tail.len(), TAIL);
        assert!(
            tail.last()
                .is_some_and(|line| line.ends_with(&format!("line {}", TAIL + 8)))
        );
    }
}
