//! Events as a stream that can be taken up again.
//!
//! The store keeps events with cursors; the stream reads those after the reader's cursor, then
//! waits until the newest cursor changes. A reader that is slow loses nothing as long as the store
//! keeps the events, and is told how many are gone otherwise.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use decube_protocols::types::{CollectionId, DocumentId};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::extract::{Params, parse};
use super::types::{Event, EventKind};
use super::{Api, Code, Problem, failure};

/// How many events are read from the store at a time.
const PAGE: usize = 256;
/// How often a silent stream says that it is alive, so that both sides notice a broken connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events to send.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParams {
    /// Only events after this cursor; 0 for all that are kept. Only new ones without it.
    after: Option<u64>,
    /// Only events about this document.
    document: Option<String>,
    /// Only events about documents of this collection, a name or an id.
    collection: Option<String>,
}

/// Streams events as they become durable. Each frame has the cursor as its `id`, so a standard
/// client that reconnects with `Last-Event-ID` misses nothing.
#[utoipa::path(get, path = "/v1/events", params(EventParams), responses(
    (status = 200, body = Event, content_type = "text/event-stream"),
    (status = "4XX", body = Problem)
))]
pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Sse<impl Stream<Item = Result<Frame, Infallible>>>, Problem> {
    let resumed = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let newest = api.handle.events();
    let cursor = match (resumed, params.after) {
        (Some(cursor), _) => parse("the Last-Event-ID", cursor)?,
        (None, Some(cursor)) => cursor,
        (None, None) => *newest.borrow(),
    };
    refuse_future(&api, cursor).await?;
    let document = match &params.document {
        Some(reference) => Some(api.resolve(reference).await?),
        None => None,
    };
    let collection = match &params.collection {
        Some(reference) => Some(api.collection_id(reference)?),
        None => None,
    };
    let stopping = api.stopping.clone();
    let filter = Filter {
        document,
        collection,
    };
    let reader = Reader {
        api,
        newest,
        stopping,
        cursor,
        filter,
        ready: VecDeque::new(),
    };
    let frames = futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok(frame(&event)), reader))
    });
    Ok(Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Refuses a cursor that no event has yet: it is of another store, or of one that was lost, and who
/// went on from it would miss what comes until then.
async fn refuse_future(api: &Api, cursor: u64) -> Result<(), Problem> {
    // The store knows of an event before those who wait for one are told.
    let last = api.read(|handle| handle.store().last_cursor().map_err(failure::store));
    let last = last.await?;
    if cursor <= last {
        return Ok(());
    }
    let detail = format!(
        "the cursor {cursor} is beyond the newest event's, {last}: it is of another node, or of \
         data that was lost. Read the present state and go on after {last}, or after 0 with all \
         events that are kept"
    );
    Err(Problem::new(Code::Malformed, detail))
}

fn frame(event: &Event) -> Frame {
    let frame = Frame::default()
        .id(event.cursor.to_string())
        .event(event.kind.name());
    match serde_json::to_string(event) {
        Ok(json) => frame.data(json),
        Err(error) => frame.comment(error.to_string().replace('\n', " ")),
    }
}

/// Which events a reader wants.
#[derive(Clone, Copy, Debug)]
struct Filter {
    document: Option<DocumentId>,
    collection: Option<CollectionId>,
}

impl Filter {
    fn wants(&self, kind: &EventKind) -> bool {
        if matches!(kind, EventKind::Skipped { .. }) {
            return true;
        }
        let about = kind.document();
        let is_collection = |id| about.is_some_and(|(collection, _)| collection == id);
        let is_document = |id| about.is_some_and(|(_, document)| document == id);
        self.collection.is_none_or(is_collection) && self.document.is_none_or(is_document)
    }
}

/// One reader of the stream.
struct Reader {
    api: Api,
    newest: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    cursor: u64,
    filter: Filter,
    ready: VecDeque<Event>, // Invariant: at most PAGE and one.
}

impl Reader {
    /// The next event; none when the node stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // Seen before the store is read, so that what comes between is not slept over.
            self.newest.borrow_and_update();
            if self.read().await? {
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                _stopped = self.stopping.wait_for(|stop| *stop) => return None,
            }
        }
    }

    /// Reads on in the store; says whether there was anything.
    async fn read(&mut self) -> Option<bool> {
        let cursor = self.cursor;
        let page = self.api.read(move |handle| {
            handle
                .store()
                .events_after(cursor, PAGE)
                .map_err(failure::store)
        });
        let page = match page.await {
            Ok(page) => page,
            Err(problem) => {
                tracing::error!(%problem, "a stream of events ends");
                return None;
            }
        };
        let Some((last, _)) = page.events.last() else {
            return Some(false);
        };
        self.cursor = *last;
        if page.skipped > 0 {
            let kind = EventKind::Skipped {
                events: page.skipped,
            };
            self.ready.push_back(Event {
                cursor: cursor + page.skipped,
                kind,
            });
        }
        let wanted = page.events.into_iter().map(|(cursor, event)| Event {
            cursor,
            kind: event.into(),
        });
        self.ready
            .extend(wanted.filter(|event| self.filter.wants(&event.kind)));
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::{BlockId, Height};

    #[test]
    fn a_filter_lets_its_document_through_and_always_what_was_skipped() {
        let [one, two] = [1, 2].map(|n| DocumentId(Digest::from_bytes([n; 32])));
        let collection = CollectionId(Digest::from_bytes([9; 32]));
        let changed = |document| EventKind::DocumentChanged {
            collection,
            document,
            version: None,
            removed: false,
        };
        let block = EventKind::Final {
            height: Height(1),
            block: BlockId(Digest::ZERO),
            transactions: vec![],
        };
        let filter = Filter {
            document: Some(one),
            collection: Some(collection),
        };
        assert!(filter.wants(&changed(one)) && !filter.wants(&changed(two)));
        assert!(!filter.wants(&block) && filter.wants(&EventKind::Skipped { events: 3 }));
        assert!(
            Filter {
                document: None,
                collection: None
            }
            .wants(&block)
        );
    }
}
