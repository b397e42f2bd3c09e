//! The worker that runs the documents core, on a thread of its own, so that a slow merge never
//! delays a vote.
//!
//! After each call its records are made durable in one write, then the other effects are performed
//! in order: the core reads back from the store what it wrote.
//!
//! # Invariants
//! - A command is answered, a receipt signed and a change announced only after it is durable.
//! - A write that fails ends the worker, and with it the node.

use std::collections::BTreeMap;

use decube_protocols::commit::RequestFailure;
use decube_protocols::documents::{
    Announcement, Command as DocumentCommand, CommandError, Core, Effect, Input, Reply, SyncRequest,
};
use decube_protocols::types::{CollectionId, Height, PeerId, RequestId};
use decube_protocols::wire;
use decube_store::{DocumentReader, Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use super::clock::Clock;
use super::consensus;
use super::requests::{Asker, Open, Origin, failure};
use super::topics::Topics;
use crate::network::{
    Acceptance, Audience, Command, Event, Lane, NetworkHandle, Penalty, Protocol, RequestError,
    ResponseToken,
};

/// What other parts of the node hand to this worker.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
#[derive(Debug)]
pub(super) enum Work {
    /// A user's command, and where its answer goes.
    Command {
        /// What to do.
        command: Box<DocumentCommand>,
        /// Gets the answer.
        reply: oneshot::Sender<Result<Reply, CommandError>>,
    },
    /// A request of this node's own submission core.
    Own {
        /// The submission core's number.
        id: RequestId,
        /// The request.
        request: SyncRequest,
    },
    /// A collection exists in the committed state.
    Collection(CollectionId),
    /// The committed state advanced.
    Final(Height),
}

/// The state of the worker.
pub(super) struct Worker {
    pub(super) clock: Clock,
    pub(super) me: PeerId,
    pub(super) store: Store,
    pub(super) network: NetworkHandle,
    pub(super) topics: Topics,
    pub(super) core: Core<DocumentReader>,
    pub(super) consensus: mpsc::Sender<consensus::Work>,
    pub(super) events: watch::Sender<u64>,
    pub(super) synced: watch::Sender<bool>,
    pub(super) open: Open,
    pub(super) replies: BTreeMap<u64, oneshot::Sender<Result<Reply, CommandError>>>,
    pub(super) next_command: u64,
}

/// What the committed state says to a documents core that starts.
pub(super) fn known(collections: Vec<CollectionId>, height: Height) -> Vec<Input> {
    let collections = collections.into_iter().map(Input::Collection);
    collections.chain([Input::Final(height)]).collect()
}

/// Hands work over without waiting; what does not fit is dropped, since its sender asks again.
pub(super) fn hand_over(documents: &mpsc::Sender<Work>, work: Work) {
    if let Err(error) = documents.try_send(work) {
        warn!(%error, "the documents worker cannot take more work");
    }
}

impl Worker {
    /// Runs until the inbox closes or a write fails, after telling the core what is `known` from
    /// before.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Event>,
        mut work: mpsc::Receiver<Work>,
        known: Vec<Input>,
    ) -> Result<(), StoreError> {
        for input in known {
            let effects = self.core.handle(self.clock.now(), input);
            self.settle(effects)?;
        }
        loop {
            let wake = self.core.poll_timeout().map(|at| self.clock.at(at));
            let mut effects = Vec::new();
            tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => self.on_event(event, &mut effects),
                    None => return Ok(()),
                },
                work = work.recv() => match work {
                    Some(work) => self.on_work(work, &mut effects),
                    None => return Ok(()),
                },
                () = super::sleep_until(wake) => {}
            }
            self.settle(effects)?;
            let now = self.clock.now();
            if self
                .core
                .poll_timeout()
                .is_some_and(|at| at <= now.monotonic)
            {
                let due = self.core.handle_timeout(now);
                self.settle(due)?;
            }
        }
    }

    fn feed(&mut self, input: Input, effects: &mut Vec<Effect>) {
        effects.extend(self.core.handle(self.clock.now(), input));
    }

    fn on_work(&mut self, work: Work, effects: &mut Vec<Effect>) {
        let input = match work {
            Work::Command { command, reply } => {
                self.next_command += 1;
                self.replies.insert(self.next_command, reply);
                Input::Command {
                    id: RequestId(self.next_command),
                    command: *command,
                }
            }
            Work::Own { id, request } => {
                let id = self.open.insert(Asker::Own(id));
                Input::Request {
                    from: self.me,
                    id,
                    request,
                }
            }
            Work::Collection(collection) => {
                let topic = self.topics.collection(&collection);
                let network = self.network.clone();
                // A subscription must not be lost, so it waits while the network is busy.
                tokio::spawn(async move {
                    let subscribe = Command::Subscribe {
                        topic,
                        lane: Lane::Documents,
                        audience: Audience::Nodes,
                    };
                    // The node is ending when this fails.
                    let _stopped = network.command(subscribe).await;
                });
                Input::Collection(collection)
            }
            Work::Final(height) => Input::Final(height),
        };
        self.feed(input, effects);
    }

    fn on_event(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::PeerConnected { peer, .. } => self.feed(Input::Connected(peer), effects),
            Event::PeerDisconnected(peer) => self.feed(Input::Disconnected(peer), effects),
            Event::Request {
                from,
                protocol: Protocol::Sync,
                token,
                body,
            } => {
                self.on_request(from, token, &body, effects);
            }
            Event::Response { id, from, result } => self.on_response(id, from, result, effects),
            Event::Gossip {
                topic,
                source,
                forwarder,
                id,
                data,
            } => {
                let acceptance = self.on_gossip(&topic, source, forwarder, &data, effects);
                self.network.try_command(Command::Validate {
                    id,
                    forwarder,
                    acceptance,
                });
            }
            Event::Request { .. }
            | Event::Frame { .. }
            | Event::Listening(_)
            | Event::AddressLearned { .. }
            | Event::Refused { .. }
            | Event::Misbehaved { .. }
            | Event::ConnectionRefused { .. }
            | Event::ClassicConnection { .. }
            | Event::Pinned(_)
            | Event::Subscribed { .. } => {}
        }
    }

    fn on_request(
        &mut self,
        from: PeerId,
        token: ResponseToken,
        body: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        match wire::decode(body) {
            Ok(request) => {
                let id = self.open.insert(Asker::Peer(token));
                self.feed(Input::Request { from, id, request }, effects);
            }
            Err(error) => self.garbage(from, &error),
        }
    }

    fn on_response(
        &mut self,
        number: u64,
        from: PeerId,
        result: Result<bytes::Bytes, RequestError>,
        effects: &mut Vec<Effect>,
    ) {
        let (origin, id) = Origin::of(number);
        let result = result.map_err(|error| failure(&error)).and_then(|body| {
            wire::decode(&body).map_err(|error| {
                self.garbage(from, &error);
                RequestFailure::Garbage
            })
        });
        match origin {
            Origin::Documents => self.feed(Input::Response { id, from, result }, effects),
            Origin::Receipts => self.to_consensus(consensus::Work::Receipts { id, from, result }),
            Origin::Commit | Origin::Transaction => {}
        }
    }

    /// Takes an announcement; it is forwarded when this node judged it and found nothing wrong. One
    /// of a document that is removed or not followed here could hide garbage, for which its
    /// receivers would blame this node.
    fn on_gossip(
        &mut self,
        topic: &str,
        source: PeerId,
        forwarder: PeerId,
        data: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Acceptance {
        let announcement: Announcement = match wire::decode(data) {
            Ok(announcement) => announcement,
            Err(error) => {
                self.garbage(forwarder, &error);
                return Acceptance::Reject;
            }
        };
        let (collection, changed) = match &announcement {
            Announcement::Changed { descriptor, .. } => {
                (descriptor.collection, Some(descriptor.id()))
            }
            Announcement::Removed(tombstone) => (tombstone.collection, None),
        };
        if self.topics.to_collection(topic) != Some(collection) {
            warn!(%forwarder, topic, "an announcement is of another collection than its topic");
            return Acceptance::Reject;
        }
        let before = effects.len();
        self.feed(
            Input::Announced {
                from: source,
                announcement,
            },
            effects,
        );
        let blamed = effects[before..]
            .iter()
            .any(|effect| matches!(effect, Effect::Penalize { .. }));
        if blamed {
            Acceptance::Reject
        } else if changed.is_none_or(|document| self.core.follows(&document)) {
            Acceptance::Accept
        } else {
            Acceptance::Ignore
        }
    }

    fn garbage(&self, peer: PeerId, error: &wire::DecodeError) {
        warn!(%peer, %error, "a peer sent what cannot be decoded");
        self.network.penalize(peer, Penalty::Major);
    }

    fn to_consensus(&self, work: consensus::Work) {
        if let Err(error) = self.consensus.try_send(work) {
            warn!(%error, "the consensus worker cannot take more work");
        }
    }

    fn settle(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let (mut records, mut rest) = (Vec::new(), Vec::with_capacity(effects.len()));
        for effect in effects {
            if let Effect::Persist(record) = effect {
                records.push(record);
            } else {
                rest.push(effect);
            }
        }
        if !records.is_empty() {
            self.store.persist_documents(&records)?;
            super::publish_cursor(&self.events, &self.store);
        }
        let mut failed = Vec::new();
        for effect in rest {
            self.perform(effect, &mut failed);
        }
        for (id, from) in failed {
            let input = Input::Response {
                id,
                from,
                result: Err(RequestFailure::Broken),
            };
            let effects = self.core.handle(self.clock.now(), input);
            self.settle(effects)?;
        }
        let is_synced = self.core.is_synced();
        self.synced.send_if_modified(|synced| {
            let changed = *synced != is_synced;
            *synced = is_synced;
            changed
        });
        Ok(())
    }

    /// Performs an effect; a request that the network is too busy to take goes to `failed`.
    fn perform(&mut self, effect: Effect, failed: &mut Vec<(RequestId, PeerId)>) {
        match effect {
            // Taken out by `settle`.
            Effect::Persist(_) => {}
            Effect::Publish {
                collection,
                announcement,
            } => {
                let topic = self.topics.collection(&collection);
                let data = wire::encode(&announcement).into();
                self.network.try_command(Command::Publish { topic, data });
            }
            Effect::Request { to, id, request } => {
                let number = Origin::Documents.tag(id);
                let body = wire::encode(&request).into();
                let command = Command::Request {
                    to,
                    protocol: Protocol::Sync,
                    id: number,
                    body,
                };
                if !self.network.try_command(command) {
                    failed.push((id, to));
                }
            }
            Effect::Respond { id, response } => match self.open.take(id) {
                Some(Asker::Peer(token)) => {
                    let body = wire::encode(&response).into();
                    self.network.try_command(Command::Respond { token, body });
                }
                Some(Asker::Own(id)) => {
                    let (from, result) = (self.me, Ok(response));
                    self.to_consensus(consensus::Work::Receipts { id, from, result });
                }
                None => {}
            },
            Effect::Reply { id, result } => {
                if let Some(reply) = self.replies.remove(&id.0) {
                    // A user who no longer waits has dropped the receiver.
                    let _gone = reply.send(result);
                }
            }
            Effect::Penalize { peer, reason } => {
                warn!(%peer, reason, "a peer broke the replication protocol");
                self.network.penalize(peer, Penalty::Major);
            }
        }
    }
}
