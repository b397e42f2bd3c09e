//! Requests, responses, gossip and consensus streams.

use std::{io, sync::Arc, time::Instant};

use bytes::Bytes;
use libp2p::{
    PeerId, gossipsub,
    request_response::{self, Message, OutboundFailure},
};
use tokio::task;

use super::{Network, answer, random};
use crate::network::{
    codec::{FrameTooLarge, too_large},
    connections::Outbound,
    consensus::{LinkEnd, Opened, StreamEvent, read_loop, write_loop},
    message::{Acceptance, Event, GossipId, Protocol, RequestError, ResponseToken},
};

/// An event of a behaviour whose requests and responses are frames.
type RequestEvent = request_response::Event<Result<Bytes, FrameTooLarge>, Bytes>;

impl Network {
    pub(super) fn on_request_event(&mut self, protocol: Protocol, event: RequestEvent) {
        match event {
            RequestEvent::Message {
                peer: from,
                message,
                ..
            } => match message {
                Message::Request {
                    request, channel, ..
                } => {
                    let token = ResponseToken { protocol, channel };
                    self.on_request(from, token, request);
                }
                Message::Response {
                    request_id,
                    response,
                } => {
                    if let Some((id, from)) = self.requests.remove(&(protocol, request_id)) {
                        let event = Event::Response {
                            id,
                            from,
                            result: Ok(response),
                        };
                        self.lane(protocol.lane()).deliver(event);
                    }
                }
            },
            RequestEvent::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                if let Some((id, from)) = self.requests.remove(&(protocol, request_id)) {
                    let result = Err(request_error(&error));
                    self.lane(protocol.lane())
                        .deliver(Event::Response { id, from, result });
                }
                if let OutboundFailure::Io(error) = error {
                    self.on_frame_error(peer, &error);
                }
            }
            RequestEvent::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, ?protocol, %error, "a request of a peer failed");
            }
            RequestEvent::ResponseSent { .. } => {}
        }
    }

    fn on_request(
        &mut self,
        from: PeerId,
        token: ResponseToken,
        request: Result<Bytes, FrameTooLarge>,
    ) {
        self.confirm(from);
        let protocol = token.protocol;
        match request {
            Ok(body) => {
                let event = Event::Request {
                    from,
                    protocol,
                    token,
                    body,
                };
                if !self.lane(protocol.lane()).offer(event) {
                    tracing::debug!(%from, ?protocol, "a request was dropped, too busy");
                }
            }
            Err(error) => self.report_frame(from, error.to_string()),
        }
    }

    /// An echo is answered here, and what comes back is a round trip.
    pub(super) fn on_echo_event(&mut self, event: RequestEvent) {
        match event {
            RequestEvent::Message {
                peer,
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            } => {
                if let Err(error) = request {
                    return self.report_frame(peer, error.to_string());
                }
                let echo = &mut self.swarm.behaviour_mut().echo;
                if echo.send_response(channel, Bytes::new()).is_err() {
                    tracing::debug!("an echo came too late");
                }
            }
            RequestEvent::Message {
                message: Message::Response { request_id, .. },
                ..
            } => {
                if let Some((start, reply)) = self.pings.remove(&request_id) {
                    answer(reply, Ok(start.elapsed()));
                }
            }
            RequestEvent::OutboundFailure {
                request_id, error, ..
            } => {
                if let Some((_, reply)) = self.pings.remove(&request_id) {
                    answer(reply, Err(request_error(&error).into()));
                }
            }
            RequestEvent::InboundFailure { .. } | RequestEvent::ResponseSent { .. } => {}
        }
    }

    /// Blames a peer for a frame that is none; a stream that merely broke is nobody's fault.
    fn on_frame_error(&mut self, peer: PeerId, error: &io::Error) {
        if let Some(error) = too_large(error) {
            self.report_frame(peer, error.to_string());
        }
    }

    pub(super) fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source: forwarder,
                message_id,
                message,
            } => {
                let Ok(id) = <[u8; 32]>::try_from(message_id.0.as_slice()) else {
                    return;
                };
                let (id, topic) = (GossipId(id), message.topic.into_string());
                self.confirm(forwarder);
                let taken = match (self.topics.get(&topic).copied(), message.source) {
                    (Some((lane, _)), Some(source)) => {
                        let data = message.data.into();
                        let event = Event::Gossip {
                            topic,
                            source,
                            forwarder,
                            id,
                            data,
                        };
                        self.lane(lane).offer(event)
                    }
                    _ => false,
                };
                if !taken {
                    self.validate(id, &forwarder, Acceptance::Ignore);
                }
            }
            gossipsub::Event::Subscribed {
                peer_id: peer,
                topic,
            } => {
                self.confirm(peer);
                let topic = topic.into_string();
                if let Some((lane, _)) = self.topics.get(&topic).copied() {
                    self.lane(lane).offer(Event::Subscribed { peer, topic });
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                tracing::debug!(peer = %peer_id, "a peer takes gossip too slowly");
            }
            gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    pub(super) fn on_stream(&mut self, StreamEvent { peer: id, what }: StreamEvent) {
        self.confirm(id);
        let (Some(peer), Some(link)) = (self.peers.get_mut(&id), self.links.get(&id)) else {
            return;
        };
        match what {
            Opened::Inbound(stream) => {
                let reader = read_loop(id, stream, self.consensus.sender());
                let task = self.tasks.spawn(reader);
                if let Some(older) = peer.reader.replace(task) {
                    older.abort();
                }
            }
            Opened::Outbound(stream) => {
                let writer = self.tasks.spawn(write_loop(id, Arc::clone(link), stream));
                let open = Outbound::Open {
                    writer,
                    since: Instant::now(),
                };
                if let Outbound::Open { writer, .. } = std::mem::replace(&mut peer.outbound, open) {
                    writer.abort();
                }
            }
            Opened::Failed(reason) => {
                tracing::debug!(peer = %id, reason, "cannot open a consensus stream");
                peer.stream_failed(Instant::now(), random());
            }
        }
    }

    pub(super) fn on_stream_end(&mut self, task: task::Id, end: LinkEnd) {
        match end {
            LinkEnd::Writer { peer: id, error } => {
                tracing::debug!(peer = %id, %error, "the stream to a validator broke");
                let Some(peer) = self.peers.get_mut(&id) else {
                    return;
                };
                if matches!(&peer.outbound, Outbound::Open { writer, .. } if writer.id() == task) {
                    peer.stream_failed(Instant::now(), random());
                }
            }
            LinkEnd::Reader { peer, error } => {
                tracing::debug!(%peer, %error, "the stream from a validator broke");
                self.on_frame_error(peer, &error);
            }
        }
    }
}

/// What is said about a request that failed.
fn request_error(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => RequestError::NotConnected,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::ConnectionClosed => RequestError::Closed(error.to_string()),
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) if too_large(error).is_some() => {
            RequestError::BadFrame(error.to_string())
        }
        OutboundFailure::Io(error) => RequestError::Closed(error.to_string()),
    }
}
