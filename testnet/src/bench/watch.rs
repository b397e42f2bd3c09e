//! Following a node's events, each with the time at which it came.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use decube_node::api::types::EventKind;
use decube_node::client::EventFilter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::network::STEP_LIMIT;
use crate::local::Member;

/// How many events may wait to be looked at; the reader takes them as they come, and stands still
/// when nobody looks.
const WAITING: usize = 4096;

/// The events of one node from now on.
#[derive(Debug)]
pub(super) struct Watch {
    events: mpsc::Receiver<(Instant, EventKind)>,
    reader: JoinHandle<Result<()>>,
    name: String,
}

impl Watch {
    /// Follows a node's events.
    pub(super) async fn start(member: &Member) -> Result<Self> {
        let stream = member.client.events(&EventFilter::default()).await;
        let mut stream = stream.with_context(|| member.about("it did not show events"))?;
        let (sender, events) = mpsc::channel(WAITING);
        let reader = tokio::spawn(async move {
            while let Some(event) = stream.next().await? {
                if sender.send((Instant::now(), event.kind)).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self {
            events,
            reader,
            name: member.plan.name.clone(),
        })
    }

    /// When the next event came that is `wanted`; those before it are passed over.
    pub(super) async fn wait(&mut self, wanted: impl Fn(&EventKind) -> bool) -> Result<Instant> {
        let found = async {
            while let Some((at, event)) = self.events.recv().await {
                if matches!(event, EventKind::Skipped { .. }) {
                    bail!("events of {} were lost", self.name);
                }
                if wanted(&event) {
                    return Ok(at);
                }
            }
            bail!("{} ended its events", self.name)
        };
        match tokio::time::timeout(STEP_LIMIT, found).await {
            Ok(found) => found,
            Err(_elapsed) => bail!("{} showed no such event within {STEP_LIMIT:?}", self.name),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
