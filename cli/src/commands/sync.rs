//! `sync`: how the collections compare with those of peers.

use clap::{Args, Subcommand, ValueEnum};
use decube_node::api::types::{CollectionSync, PeerSync, SyncReport};

use super::status::bytes;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, short, table, time};

/// See how the collections compare with those of peers.
#[derive(Debug, Subcommand)]
pub(crate) enum Sync {
    /// Show what is equal and what is apart.
    #[command(after_help = "Example:\n  decube sync status --wait synced --timeout 30")]
    Status(Status),
    /// Compare with all connected peers now.
    #[command(after_help = "Example:\n  decube sync now")]
    Now,
}

/// Show what is equal and what is apart.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Wait until all connected replicas were compared and found equal.
    #[arg(long, value_name = "STATE")]
    wait: Option<State>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// All connected replicas are equal.
    Synced,
}

impl Sync {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        match self {
            Self::Status(Status { wait: None }) => {
                let report = context.call(client.sync_status()).await?;
                Ok(Report::new(text(&report), &report))
            }
            Self::Status(Status {
                wait: Some(State::Synced),
            }) => {
                let report = context.call(client.wait_synced(context.timeout())).await?;
                Ok(Report::new(text(&report), &report))
            }
            Self::Now => {
                context.call(client.sync_now()).await?;
                Ok(Report::new(
                    "the comparison began",
                    &serde_json::json!({ "started": true }),
                ))
            }
        }
    }
}

fn text(report: &SyncReport) -> String {
    let mut rows = Vec::new();
    for collection in &report.collections {
        let name = collection
            .name
            .as_ref()
            .map_or_else(|| short(collection.collection), ToString::to_string);
        if collection.peers.is_empty() {
            rows.push([
                name,
                "-".into(),
                "no peer".into(),
                String::new(),
                String::new(),
            ]);
            continue;
        }
        for peer in &collection.peers {
            rows.push(row(&name, collection, peer));
        }
    }
    let head = if report.synced {
        "in sync with all connected replicas"
    } else {
        "not in sync"
    };
    format!(
        "{head}\n{}",
        table(
            ["collection", "peer", "state", "to go", "last equal"],
            &rows
        )
    )
}

fn row(name: &str, collection: &CollectionSync, peer: &PeerSync) -> [String; 5] {
    let state = match peer.state.as_str() {
        "equal_except" => equal_except(collection.excepted, peer.excepted),
        "apart" => format!("{} documents apart", peer.apart),
        other => other.replace('_', " "),
    };
    let proven = peer.proven.map_or("never".into(), |proven| time(proven.0));
    [
        name.into(),
        peer.peer.clone(),
        state,
        bytes(peer.bytes_to_go),
        proven,
    ]
}

/// Which side does not follow some documents, and how many.
fn equal_except(here: u64, there: u64) -> String {
    match (here, there) {
        (0, 0) => "equal with exceptions".into(),
        (here, 0) => format!("equal except {here} here"),
        (0, there) => format!("equal except {there} there"),
        (here, there) => format!("equal except {here} here, {there} there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_has_exceptions_is_named() {
        assert_eq!(equal_except(2, 0), "equal except 2 here");
        assert_eq!(equal_except(0, 1), "equal except 1 there");
        assert_eq!(equal_except(2, 1), "equal except 2 here, 1 there");
    }
}
