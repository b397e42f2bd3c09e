//! `doc watch`: events as they happen.

use clap::Args;
use decube_node::api::types::{Event, EventKind};
use decube_node::client::EventFilter;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, short};

/// Print events as they happen.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only events about this document; all events without it.
    document: Option<String>,
    /// Only events about documents of this collection.
    #[arg(long)]
    collection: Option<String>,
    /// Start behind this cursor, 0 for all that are kept; only new events without it.
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

impl Watch {
    /// Follows events until there were enough, the time is over, or the node stops.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let filter = EventFilter {
            after: self.after,
            document: self.document.clone(),
            collection: self.collection.clone(),
        };
        let client = context.client()?;
        let mut stream = context.call(client.events(&filter)).await?;
        let follow = async {
            let mut seen = 0;
            let mut cursor = None;
            while self.count.is_none_or(|count| seen < count) {
                let Some(event) = stream.next().await? else {
                    let last = cursor.map_or(String::new(), |at| format!(" with --after {at}"));
                    return Err(Failure::failed(format!(
                        "the node stops; watch again{last} when it runs"
                    )));
                };
                cursor = Some(event.cursor);
                seen += 1;
                print(context, &event)?;
            }
            Ok(())
        };
        match context.chosen_timeout() {
            None => follow.await,
            Some(limit) => tokio::time::timeout(limit, follow)
                .await
                .unwrap_or_else(|_elapsed| {
                    Err(Failure::new(
                        Exit::TimedOut,
                        format!("watched for {limit:?}"),
                    ))
                }),
        }
    }
}

fn print(context: &Context, event: &Event) -> Result<(), Failure> {
    if context.json() {
        return output::line(&serde_json::to_string(event).map_err(Failure::failed)?);
    }
    let what = match &event.kind {
        EventKind::DocumentChanged {
            document,
            removed: true,
            ..
        } => {
            format!("removed    {document}")
        }
        EventKind::DocumentChanged {
            document,
            version: Some(version),
            ..
        } => {
            format!("changed    {document} at version {}", short(version))
        }
        EventKind::DocumentChanged {
            document,
            version: None,
            ..
        } => {
            format!("forgotten  {document}")
        }
        EventKind::Final {
            height,
            transactions,
            ..
        } => {
            format!(
                "final      height {height}, {} transactions",
                transactions.len()
            )
        }
        EventKind::Committed {
            document,
            version,
            height,
            ..
        } => {
            format!(
                "committed  {document} at version {}, height {height}",
                short(version)
            )
        }
        EventKind::ConnectionRefused {
            address, reason, ..
        } => {
            format!("refused    a connection with {address}: {reason}")
        }
        EventKind::ClassicConnection {
            peer,
            address,
            channel,
            ..
        } => {
            format!("classic    {peer} at {address} came by {channel}")
        }
        EventKind::Skipped { events } => {
            format!("skipped    {events} older events are not kept; read the present state")
        }
    };
    output::line(&format!("{:>8}  {what}", event.cursor))
}
