//! What the node asks for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId, TransportError,
    gossipsub::{self, IdentTopic},
    swarm::{
        self,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::sync::oneshot;

use super::{DialReply, MAX_REQUESTS, MAX_WAITING, Network, answer, is_quic};
use crate::network::{
    behaviour::{max_frame, topic_score_params},
    book::peer_of,
    message::{
        Acceptance, Audience, Command, DialError, Event, GossipId, Lane, PingError, Protocol,
        RequestError, ResponseToken,
    },
};

impl Network {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Request {
                to,
                protocol,
                id,
                body,
            } => self.request(to, protocol, id, body),
            Command::Respond { token, body } => self.respond(token, body),
            Command::Publish { topic, data } => self.publish(topic, data),
            Command::Subscribe {
                topic,
                lane,
                audience,
            } => self.subscribe(topic, lane, audience),
            Command::Unsubscribe(topic) => self.unsubscribe(&topic),
            Command::Validate {
                id,
                forwarder,
                acceptance,
            } => {
                self.validate(id, &forwarder, acceptance);
            }
            Command::Penalize { peer, penalty } => self.penalize(peer, penalty),
            Command::Dial { address, reply } => self.dial(address, reply),
            Command::AddPeer { peer, addresses } => {
                let now = Instant::now();
                self.book.add(peer, None, true, now);
                for address in addresses {
                    self.book.add(peer, Some(address), true, now);
                }
                self.keep_book_of_connected(&peer);
            }
            Command::RemovePeer(peer) => {
                self.gate.unpin(&peer);
                self.forget(peer);
            }
            Command::Ban(peer) => self.ban(peer),
            Command::Unban(peer) => {
                self.swarm.behaviour_mut().blocked.unblock_peer(peer);
                self.standings.forgive(&peer);
                self.book.unban(&peer, Instant::now());
            }
            Command::Ping(peer, reply) => self.ping(peer, reply),
            Command::Find(peer, reply) => self.find(peer, reply),
            Command::Peers(reply) => {
                let now = Instant::now();
                let confirmed = self.peers.iter().filter(|(_, peer)| peer.confirmed);
                let infos =
                    confirmed.map(|(id, peer)| peer.info(*id, self.validators.contains(id), now));
                answer(reply, infos.collect());
            }
            Command::Listeners(reply) => {
                answer(reply, self.swarm.listeners().cloned().collect());
            }
            // The loop ends at this command before it comes here.
            Command::Shutdown => {}
        }
    }

    fn request(&mut self, to: PeerId, protocol: Protocol, id: u64, body: Bytes) {
        let (length, maximum) = (body.len(), max_frame(protocol));
        let refused = if !self.serves(&to, protocol) {
            Some(RequestError::NotConnected)
        } else if length > maximum {
            Some(RequestError::TooLarge { length, maximum })
        } else if self.requests.len() >= MAX_REQUESTS {
            Some(RequestError::Busy)
        } else {
            None
        };
        if let Some(error) = refused {
            let event = Event::Response {
                id,
                from: to,
                result: Err(error),
            };
            self.lane(protocol.lane()).deliver(event);
            return;
        }
        let request = self
            .swarm
            .behaviour_mut()
            .requests(protocol)
            .send_request(&to, Ok(body));
        self.requests.insert((protocol, request), (id, to));
    }

    fn respond(&mut self, token: ResponseToken, body: Bytes) {
        let behaviour = self.swarm.behaviour_mut().requests(token.protocol);
        if behaviour.send_response(token.channel, body).is_err() {
            tracing::debug!(protocol = ?token.protocol, "an answer came too late");
        }
    }

    fn publish(&mut self, topic: String, data: Bytes) {
        let hash = IdentTopic::new(topic.as_str()).hash();
        let audience = self.audience(&topic);
        let gossip = self.swarm.behaviour_mut().topics(audience);
        match gossip.publish(hash, data) {
            Ok(_id) => {}
            Err(error @ gossipsub::PublishError::MessageTooLarge) => {
                tracing::warn!(topic, %error, "a message was not published");
            }
            // Nobody is there to hear it, or all have heard it; repair brings it to the others.
            Err(error) => tracing::debug!(topic, %error, "a message was not published"),
        }
    }

    /// Whom a topic is for: what was said when it was subscribed to, and else the fewest.
    fn audience(&self, topic: &str) -> Audience {
        let topic = self.topics.get(topic);
        topic.map_or(Audience::Nodes, |(_, audience)| *audience)
    }

    fn subscribe(&mut self, topic: String, lane: Lane, audience: Audience) {
        let ident = IdentTopic::new(topic.as_str());
        let gossip = self.swarm.behaviour_mut().topics(audience);
        if let Err(error) = gossip.subscribe(&ident) {
            tracing::warn!(topic, %error, "cannot subscribe");
            return;
        }
        if let Err(error) = gossip.set_topic_params(ident.clone(), topic_score_params()) {
            tracing::warn!(topic, %error, "cannot set how a topic is scored");
        }
        let hash = ident.hash();
        let there = gossip
            .all_peers()
            .filter(|(_, topics)| topics.contains(&&hash));
        let there: Vec<_> = there.map(|(peer, _)| *peer).collect();
        self.topics.insert(topic.clone(), (lane, audience));
        for peer in there {
            self.lane(lane).offer(Event::Subscribed {
                peer,
                topic: topic.clone(),
            });
        }
    }

    fn unsubscribe(&mut self, topic: &str) {
        let audience = self.audience(topic);
        self.topics.remove(topic);
        let gossip = self.swarm.behaviour_mut().topics(audience);
        gossip.unsubscribe(&IdentTopic::new(topic));
    }

    /// Tells gossipsub the verdict on a message.
    pub(super) fn validate(&mut self, id: GossipId, forwarder: &PeerId, verdict: Acceptance) {
        let verdict = match verdict {
            Acceptance::Accept => gossipsub::MessageAcceptance::Accept,
            Acceptance::Reject => gossipsub::MessageAcceptance::Reject,
            Acceptance::Ignore => gossipsub::MessageAcceptance::Ignore,
        };
        let id = gossipsub::MessageId::new(id.as_bytes());
        // The id says nothing of the audience; only one of the two knows it.
        for audience in Audience::ALL {
            let gossip = self.swarm.behaviour_mut().topics(audience);
            if gossip.report_message_validation_result(&id, forwarder, verdict) {
                return;
            }
        }
    }

    fn dial(&mut self, address: Multiaddr, reply: DialReply) {
        let peer = peer_of(&address);
        if peer == Some(*self.swarm.local_peer_id()) {
            return answer(reply, Err(DialError::Own));
        }
        if peer.is_some_and(|peer| self.book.is_banned(&peer)) {
            return answer(reply, Err(DialError::Banned));
        }
        if is_quic(&address) && !self.gate.has_quic() {
            let why = "QUIC is off where the post-quantum channel is required or a pre-shared key \
                       is set; use the peer's address over TCP";
            return answer(reply, Err(DialError::Failed(why.to_owned())));
        }
        if is_quic(&address) && peer.is_some_and(|peer| self.gate.is_pinned(&peer)) {
            let why = "the peer uses the post-quantum channel, which QUIC is not; use its address \
                       over TCP, or remove the peer first";
            return answer(reply, Err(DialError::Failed(why.to_owned())));
        }
        if self.dials.len() + self.arrivals.len() >= MAX_WAITING {
            return answer(reply, Err(DialError::Busy));
        }
        let options = match peer {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![address])
                .allocate_new_port()
                .build(),
            None => DialOpts::unknown_peer_id()
                .address(address)
                .allocate_new_port()
                .build(),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, reply);
            }
            Err(error) => answer(reply, Err(dial_error(&error))),
        }
    }

    fn ban(&mut self, peer: PeerId) {
        if !self.book.ban(peer) {
            tracing::warn!(%peer, "too many bans; the ban lasts until the node stops");
        }
        let behaviour = self.swarm.behaviour_mut();
        behaviour.kademlia.remove_peer(&peer);
        // This also closes its connections.
        behaviour.blocked.block_peer(peer);
        self.answer_arrivals(&peer, &Err(DialError::Banned));
    }

    fn ping(&mut self, peer: PeerId, reply: oneshot::Sender<Result<Duration, PingError>>) {
        if !self.is_confirmed(&peer) {
            return answer(reply, Err(RequestError::NotConnected.into()));
        }
        if self.pings.len() >= MAX_WAITING {
            return answer(reply, Err(RequestError::Busy.into()));
        }
        let echo = self
            .swarm
            .behaviour_mut()
            .echo
            .send_request(&peer, Ok(Bytes::new()));
        self.pings.insert(echo, (Instant::now(), reply));
    }

    fn find(&mut self, peer: PeerId, reply: oneshot::Sender<Vec<Multiaddr>>) {
        let known = self.book.addresses(&peer);
        if !known.is_empty() || self.searches.len() >= MAX_WAITING {
            return answer(reply, known.to_vec());
        }
        let search = self.swarm.behaviour_mut().kademlia.get_closest_peers(peer);
        self.searches.insert(search, (peer, Some(reply)));
    }
}

/// What is said about a dial that failed.
pub(super) fn dial_error(error: &swarm::DialError) -> DialError {
    match error {
        swarm::DialError::LocalPeerId { .. } => DialError::Own,
        swarm::DialError::Transport(attempts) => {
            let attempts = attempts.iter().map(|(address, error)| match error {
                TransportError::Other(error) => format!("{address}: {error}"),
                TransportError::MultiaddrNotSupported(_) => format!("{address}: {error}"),
            });
            DialError::Failed(attempts.collect::<Vec<_>>().join("; "))
        }
        swarm::DialError::NoAddresses
        | swarm::DialError::DialPeerConditionFalse(_)
        | swarm::DialError::Aborted
        | swarm::DialError::WrongPeerId { .. }
        | swarm::DialError::Denied { .. } => DialError::Failed(error.to_string()),
    }
}
