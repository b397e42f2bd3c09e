//! The stream of events, read frame by frame.

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::query::Target;
use super::{Client, ClientError};
use crate::api::types::Event;

/// The most bytes of one frame: the largest is a final block's with an id per transaction.
pub const MAX_FRAME: usize = 4 << 20;

/// Which events to follow.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only events after this cursor; 0 for all that are kept. Only new ones without it.
    pub after: Option<u64>,
    /// Only events about this document.
    pub document: Option<String>,
    /// Only events about documents of this collection.
    pub collection: Option<String>,
}

/// Events as they become durable at a node.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    buffer: BytesMut, // Invariant: at most MAX_FRAME and one frame of the body.
}

impl Client {
    /// Follows events.
    ///
    /// # Errors
    /// When no node answers, or the filter names what does not exist.
    pub async fn events(&self, filter: &EventFilter) -> Result<EventStream, ClientError> {
        let target = Target::new("/v1/events")
            .parameter("after", filter.after)
            .parameter("document", filter.document.as_deref())
            .parameter("collection", filter.collection.as_deref());
        let response = self.stream(target.as_str()).await?;
        Ok(EventStream {
            body: response.into_body(),
            buffer: BytesMut::new(),
        })
    }
}

impl EventStream {
    /// The next event; none when the node ended the stream because it stops.
    ///
    /// # Errors
    /// When the connection breaks. Follow again after the last event's cursor.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            while let Some(frame) = take_frame(&mut self.buffer) {
                if let Some(event) = parse(&frame)? {
                    return Ok(Some(event));
                }
            }
            if self.buffer.len() > MAX_FRAME {
                return Err(ClientError::Broken("an event is too large".into()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Broken(error.to_string())),
            }
        }
    }
}

/// Takes the bytes up to an empty line.
fn take_frame(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    let frame = buffer.split_to(end);
    buffer.advance(2);
    Some(frame)
}

/// The event of a frame; none for a sign of life.
fn parse(frame: &[u8]) -> Result<Option<Event>, ClientError> {
    let text = String::from_utf8_lossy(frame);
    let data: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
        .collect();
    if data.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&data.join("\n"))
        .map(Some)
        .map_err(ClientError::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::EventKind;

    #[test]
    fn frames_arrive_in_pieces_and_signs_of_life_are_no_events() {
        let mut buffer = BytesMut::from(&b": alive\n\nid: 7\nevent: skipped\ndata: "[..]);
        assert_eq!(parse(&take_frame(&mut buffer).unwrap()).unwrap(), None);
        assert!(
            take_frame(&mut buffer).is_none(),
            "the second frame is not complete"
        );
        buffer.extend_from_slice(b"{\"cursor\":7,\"event\":\"skipped\",\"events\":2}\n\n");
        let event = parse(&take_frame(&mut buffer).unwrap()).unwrap();
        assert_eq!(
            event,
            Some(Event {
                cursor: 7,
                kind: EventKind::Skipped { events: 2 }
            })
        );
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_frame_that_is_no_event_is_an_error() {
        assert!(matches!(parse(b"data: {}"), Err(ClientError::Decode(_))));
    }
}
