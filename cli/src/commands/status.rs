//! `status`: how the node is doing.

use std::time::Duration;

use clap::{Args, ValueEnum};
use decube_node::api::types;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, time};

/// Say how the node is doing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  decube status --wait ready --timeout 30\n\n\
    A node has *started* when it answers; it is *ready* when it has caught up with its network.")]
pub(crate) struct Status {
    /// Wait until the node is ready, also when it is still starting.
    #[arg(long, value_name = "STATE")]
    wait: Option<State>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// The node has caught up.
    Ready,
}

/// How often a node that is still starting is asked again.
const RETRY: Duration = Duration::from_millis(50);

impl Status {
    /// Asks the node.
    pub(crate) async fn run(&self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        let status = match self.wait {
            None => context.call(client.status()).await?,
            Some(State::Ready) => {
                let start = std::time::Instant::now();
                loop {
                    let left = context.timeout().saturating_sub(start.elapsed());
                    match context
                        .call(async { Ok(client.wait_ready(left).await) })
                        .await?
                    {
                        // It may be about to start.
                        Err(error) if error.is_not_running() && !left.is_zero() => {
                            tokio::time::sleep(RETRY).await;
                        }
                        Err(error) if error.is_not_running() => {
                            let waited = context.timeout();
                            return Err(Failure::new(
                                crate::failure::Exit::TimedOut,
                                format!("no node started within {waited:?}: {error}"),
                            ));
                        }
                        result => break result?,
                    }
                }
            }
        };
        Ok(Report::new(text(&status), &status))
    }
}

fn text(status: &types::Status) -> String {
    let state = match (&status.ready, &status.waiting_for) {
        (true, _) => "ready".into(),
        (false, Some(reason)) => format!("started, not ready: {reason}"),
        (false, None) => "started, not ready".into(),
    };
    let role = match status.validator_index {
        Some(index) => format!("{}, validator {index} of the genesis", status.role),
        None => status.role.to_string(),
    };
    let mut rows = vec![
        ("state", state),
        (
            "network",
            format!("{} ({})", status.network.name, status.network.id),
        ),
        ("peer id", status.peer_id.clone()),
        ("role", role),
        ("final height", status.final_height.to_string()),
        ("view", status.view.to_string()),
        ("pool", format!("{} transactions", status.pool)),
        ("peers", status.peers.to_string()),
        ("channels", channels(&status.channel)),
        ("listening on", status.listen.join(" ")),
        (
            "traffic",
            format!(
                "{} in, {} out",
                bytes(status.traffic.received),
                bytes(status.traffic.sent)
            ),
        ),
        (
            "started",
            format!(
                "{} (process {})",
                time(status.started_at.0),
                status.process_id
            ),
        ),
        ("version", status.version.clone()),
    ];
    if let Some(log) = &status.vote_log {
        rows.insert(4, ("vote log", log.clone()));
    }
    if let Some(signer) = &status.signer {
        rows.insert(4, ("signer", signer.clone()));
    }
    rows.into_iter().fold(String::new(), |text, (name, value)| {
        text + &format!("{name:<13} {value}\n")
    })
}

/// Whether what this node sends and receives is post-quantum.
fn channels(channel: &types::ChannelStatus) -> String {
    let policy = &channel.policy;
    match channel.classic_peers {
        0 => format!("all post-quantum (policy: {policy})"),
        classic => format!("{classic} classic, the others post-quantum (policy: {policy})"),
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!(
        "{}.{} {}",
        tenths / 10,
        tenths % 10,
        units.get(unit).unwrap_or(&"TiB")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_fitting_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }
}
