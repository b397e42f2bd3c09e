//! What all commands need: where the data is, how to reach the node, how long to wait.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use decube_node::client::{Client, ClientError, Endpoint};
use decube_node::run;

use crate::args::Global;
use crate::directory;
use crate::failure::{Exit, Failure};
use crate::output::Report;

/// How long a command waits when nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How much longer the command line waits than it tells the node to, so that the node's answer,
/// which says more, comes first.
const GRACE: Duration = Duration::from_secs(2);

/// The longest wait, a year: beyond it nobody waits, and the sums of times might overflow.
const MAX_TIMEOUT: Duration = Duration::from_hours(365 * 24);

/// The time that the user wants to wait.
fn timeout(seconds: f64) -> Result<Duration, Failure> {
    let time = Duration::try_from_secs_f64(seconds);
    let time = time.ok().filter(|time| *time <= MAX_TIMEOUT);
    time.filter(|time| !time.is_zero()).ok_or_else(|| {
        let max = MAX_TIMEOUT.as_secs();
        Failure::usage(format!(
            "--timeout {seconds:?} is not between 0 and a year: give seconds above 0, up to {max}"
        ))
    })
}

/// What all commands need.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    // Absent when none was said and the platform has none: some commands need none.
    directory: Option<PathBuf>,
    json: bool,
    timeout: Option<Duration>,
}

impl Context {
    /// Takes the global flags and the environment.
    pub(crate) fn new(global: Global) -> Result<Self, Failure> {
        let timeout = global.timeout.map(timeout).transpose()?;
        let directory = global.data_dir.or_else(directory::platform);
        Ok(Self {
            directory,
            json: global.json,
            timeout,
        })
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> Result<&Path, Failure> {
        self.directory.as_deref().ok_or_else(|| {
            Failure::usage(
                "there is no home folder; say where the data is with --data-dir DIRECTORY",
            )
        })
    }

    /// Whether the output is for programs.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// How long to wait.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// How long to wait, when the user said it.
    pub(crate) fn chosen_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The timeout in milliseconds, as the node is told.
    pub(crate) fn timeout_ms(&self) -> Option<u64> {
        u64::try_from(self.timeout().as_millis()).ok()
    }

    /// A client of the node of the data directory.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(Endpoint::Unix(run::socket(self.directory()?))))
    }

    /// Waits for a call to the node, as long as the user wants to.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout() + GRACE, call).await {
            Ok(result) => Ok(result?),
            Err(_elapsed) => Err(Failure::new(
                Exit::TimedOut,
                format!(
                    "the node did not answer within {:?}; `decube status` says how it is doing",
                    self.timeout()
                ),
            )),
        }
    }

    /// Prints a report in the form that was asked for.
    pub(crate) fn print(&self, report: &Report) -> Result<(), Failure> {
        report.print(self.json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_above_nothing_and_up_to_a_year() {
        assert_eq!(timeout(0.5).ok(), Some(Duration::from_millis(500)));
        assert_eq!(timeout(31_536_000.0).ok(), Some(MAX_TIMEOUT));
        for bad in [0.0, -1.0, 31_536_001.0, 1e300, f64::NAN, f64::INFINITY] {
            let message = timeout(bad).unwrap_err().message;
            assert!(message.contains("up to 31536000"), "{message}");
        }
    }
}
