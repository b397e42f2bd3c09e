//! The worker that runs the commit core and the submission core, alone on a thread of its own, so
//! that nothing else delays a vote.
//!
//! One turn takes the inputs that are waiting, lets the cores handle them, makes every `Persist`
//! durable in one write, and performs the other effects in order. Making a record durable earlier
//! than its place is what the contract of [`decube_protocols`] allows, and joins the writes of a
//! turn into one. A final block is written before the next call, since the core reads it back.
//!
//! # Invariants
//! - Nothing leaves this worker before the records of its turn are durable.
//! - A write that fails ends the worker, and with it the node: what is in memory is then ahead of
//!   the disk, so nothing of it may be acted upon.

use std::collections::BTreeMap;

use decube_protocols::commit::{
    self, Event as ChainEvent, FinalAnnouncement, Input as CommitInput, Offence, RequestFailure,
};
use decube_protocols::documents::{SyncRequest, SyncResponse};
use decube_protocols::submission::{self, Input as SubmissionInput, Progress, Wish};
use decube_protocols::types::{PeerId, RequestId};
use decube_protocols::wire::{self, TransactionsRequest, TransactionsResponse};
use decube_store::{ChainReader, Store, StoreError};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::clock::Clock;
use super::documents;
use super::requests::{Asker, Open, Origin, failure};
use super::status::ChainStatus;
use super::topics::Topics;
use crate::network::{
    Acceptance, Command, Event, GossipId, NetworkHandle, Penalty, Priority, Protocol, RequestError,
    ResponseToken,
};

/// What other parts of the node hand to this worker.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
#[derive(Debug)]
pub(super) enum Work {
    /// A user's wish, and where its progress goes.
    Wish {
        /// What is wanted.
        wish: Wish,
        /// Gets every report.
        reports: mpsc::Sender<Progress>,
    },
    /// A replica's answer about receipts, which came through the documents' inbox or from this
    /// node's own documents.
    Receipts {
        /// The submission core's number.
        id: RequestId,
        /// The replica.
        from: PeerId,
        /// The response, or why there is none.
        result: Result<SyncResponse, RequestFailure>,
    },
}

/// How many inputs one turn takes at most: enough to share a write, few enough to stay prompt.
const MAX_TURN: usize = 128;

/// How many reports may wait for a user; a wish has three at most.
pub(super) const REPORTS: usize = 4;

/// The state of the worker.
pub(super) struct Worker {
    pub(super) clock: Clock,
    pub(super) me: PeerId,
    pub(super) store: Store,
    pub(super) network: NetworkHandle,
    pub(super) topics: Topics,
    pub(super) commit: commit::Core<ChainReader>,
    pub(super) submission: submission::Core<ChainReader>,
    pub(super) documents: mpsc::Sender<documents::Work>,
    pub(super) status: watch::Sender<ChainStatus>,
    pub(super) events: watch::Sender<u64>,
    pub(super) open: Open,
    pub(super) wishes: BTreeMap<u64, mpsc::Sender<Progress>>,
    pub(super) next_wish: u64,
}

/// An input of either core.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
enum CoreInput {
    Commit(CommitInput),
    Submission(SubmissionInput),
}

/// An effect of either core, or the verdict on a gossip message that its effects showed.
#[allow(
    clippy::large_enum_variant,
    reason = "few live at a time; boxing costs more than space"
)]
enum CoreEffect {
    Commit(commit::Effect),
    Submission(submission::Effect),
    Validate {
        id: GossipId,
        forwarder: PeerId,
        acceptance: Acceptance,
    },
}

impl Worker {
    /// Runs until the inbox closes or a write fails. `effects` are those of starting the core.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Event>,
        mut work: mpsc::Receiver<Work>,
        start: Vec<commit::Effect>,
    ) -> Result<(), StoreError> {
        self.settle(start.into_iter().map(CoreEffect::Commit).collect())?;
        loop {
            let deadline = earliest(self.commit.poll_timeout(), self.submission.poll_timeout());
            let wake = deadline.map(|at| self.clock.at(at));
            let mut effects = Vec::new();
            tokio::select! {
                biased;
                event = inbox.recv() => match event {
                    Some(event) => self.on_event(event, &mut effects)?,
                    None => return Ok(()),
                },
                work = work.recv() => match work {
                    Some(work) => self.on_work(work, &mut effects)?,
                    None => return Ok(()),
                },
                () = super::sleep_until(wake) => {}
            }
            for _ in 1..MAX_TURN {
                if let Ok(event) = inbox.try_recv() {
                    self.on_event(event, &mut effects)?;
                } else if let Ok(work) = work.try_recv() {
                    self.on_work(work, &mut effects)?;
                } else {
                    break;
                }
            }
            self.on_time(&mut effects)?;
            self.settle(effects)?;
        }
    }

    fn on_time(&mut self, effects: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self
            .submission
            .poll_timeout()
            .is_some_and(|at| at <= now.monotonic)
        {
            let due = self.submission.handle_timeout(now);
            effects.extend(due.into_iter().map(CoreEffect::Submission));
        }
        if self
            .commit
            .poll_timeout()
            .is_some_and(|at| at <= now.monotonic)
        {
            let due = self.commit.handle_timeout(now);
            return self.take_commit(due, effects);
        }
        Ok(())
    }

    fn feed(&mut self, input: CoreInput, effects: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        let now = self.clock.now();
        match input {
            CoreInput::Commit(input) => {
                let new = self.commit.handle(now, input);
                self.take_commit(new, effects)
            }
            CoreInput::Submission(input) => {
                let new = self.submission.handle(now, input);
                effects.extend(new.into_iter().map(CoreEffect::Submission));
                Ok(())
            }
        }
    }

    /// Takes what a call of the commit core wants, and writes at once when a block became final.
    fn take_commit(
        &mut self,
        new: Vec<commit::Effect>,
        effects: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        let is_final = new
            .iter()
            .any(|effect| matches!(effect, commit::Effect::Persist(commit::Record::Final(_))));
        effects.extend(new.into_iter().map(CoreEffect::Commit));
        if is_final {
            self.persist(effects)
        } else {
            Ok(())
        }
    }

    fn on_work(&mut self, work: Work, effects: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        let input = match work {
            Work::Wish { wish, reports } => {
                self.next_wish += 1;
                self.wishes.insert(self.next_wish, reports);
                SubmissionInput::Wish {
                    id: RequestId(self.next_wish),
                    wish,
                }
            }
            Work::Receipts { id, from, result } => {
                let result = match result {
                    Ok(SyncResponse::Receipts(receipts)) => Ok(receipts),
                    Ok(_) => Err(RequestFailure::Garbage),
                    Err(failure) => Err(failure),
                };
                SubmissionInput::Receipts { id, from, result }
            }
        };
        self.feed(CoreInput::Submission(input), effects)
    }

    fn on_event(&mut self, event: Event, effects: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        match event {
            Event::PeerConnected { peer, .. } => {
                self.feed(CoreInput::Commit(CommitInput::Connected(peer)), effects)?;
                self.feed(
                    CoreInput::Submission(SubmissionInput::Connected(peer)),
                    effects,
                )
            }
            Event::PeerDisconnected(peer) => {
                self.feed(CoreInput::Commit(CommitInput::Disconnected(peer)), effects)?;
                self.feed(
                    CoreInput::Submission(SubmissionInput::Disconnected(peer)),
                    effects,
                )
            }
            Event::Frame { from, bytes } => match wire::decode(&bytes) {
                Ok(message) => self.feed(
                    CoreInput::Commit(CommitInput::Message { from, message }),
                    effects,
                ),
                Err(error) => self.garbage(from, &error),
            },
            Event::Request {
                from,
                protocol,
                token,
                body,
            } => self.on_request(from, protocol, token, &body, effects),
            Event::Response { id, from, result } => self.on_response(id, from, result, effects),
            Event::Gossip {
                source: _,
                forwarder,
                id,
                data,
                ..
            } => self.on_gossip(forwarder, id, &data, effects),
            Event::Listening(_)
            | Event::AddressLearned { .. }
            | Event::Refused { .. }
            | Event::Misbehaved { .. }
            | Event::ConnectionRefused { .. }
            | Event::ClassicConnection { .. }
            | Event::Pinned(_)
            | Event::Subscribed { .. } => Ok(()),
        }
    }

    fn on_request(
        &mut self,
        from: PeerId,
        protocol: Protocol,
        token: ResponseToken,
        body: &[u8],
        effects: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        let input = match protocol {
            Protocol::Chain => wire::decode(body).map(|request| {
                let id = self.open.insert(Asker::Peer(token));
                CommitInput::Request { from, id, request }
            }),
            Protocol::Transactions => wire::decode(body).map(|request: TransactionsRequest| {
                let id = self.open.insert(Asker::Peer(token));
                CommitInput::Transactions {
                    from,
                    id,
                    transactions: request.0,
                }
            }),
            // The documents' inbox gets these.
            Protocol::Sync => return Ok(()),
        };
        match input {
            Ok(input) => self.feed(CoreInput::Commit(input), effects),
            Err(error) => self.garbage(from, &error),
        }
    }

    fn on_response(
        &mut self,
        number: u64,
        from: PeerId,
        result: Result<bytes::Bytes, RequestError>,
        effects: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        let (origin, id) = Origin::of(number);
        let result = result.map_err(|error| failure(&error));
        match origin {
            Origin::Commit => {
                let result = result.and_then(|body| self.decoded(from, &body));
                self.feed(
                    CoreInput::Commit(CommitInput::Response { id, from, result }),
                    effects,
                )
            }
            Origin::Transaction => {
                let result = result
                    .and_then(|body| self.decoded::<TransactionsResponse>(from, &body))
                    .and_then(|response| {
                        response.0.into_iter().next().ok_or(RequestFailure::Garbage)
                    });
                let input = SubmissionInput::Transaction { id, from, result };
                self.feed(CoreInput::Submission(input), effects)
            }
            // Asked over the sync protocol, whose responses come to the documents' inbox.
            Origin::Documents | Origin::Receipts => Ok(()),
        }
    }

    fn decoded<T: wire::Message>(&self, from: PeerId, body: &[u8]) -> Result<T, RequestFailure> {
        wire::decode(body).map_err(|error| {
            self.blame(from, &error);
            RequestFailure::Garbage
        })
    }

    fn on_gossip(
        &mut self,
        forwarder: PeerId,
        id: GossipId,
        data: &[u8],
        effects: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        let acceptance = match wire::decode(data) {
            Ok(announcement) => {
                let before = effects.len();
                let announcement: Box<FinalAnnouncement> = Box::new(announcement);
                let input = CommitInput::Announced {
                    from: forwarder,
                    announcement,
                };
                self.feed(CoreInput::Commit(input), effects)?;
                let new = effects.get(before..).unwrap_or_default();
                let blamed = new.iter().any(|effect| {
                    matches!(effect, CoreEffect::Commit(commit::Effect::Penalize { .. }))
                });
                match (blamed, self.commit.passes_on()) {
                    (true, _) => Acceptance::Reject,
                    (false, true) => Acceptance::Accept,
                    // It tells nobody anything, or what it says was not checked wholly: forwarding
                    // it would put this node's name to it.
                    (false, false) => Acceptance::Ignore,
                }
            }
            Err(error) => {
                self.blame(forwarder, &error);
                Acceptance::Reject
            }
        };
        effects.push(CoreEffect::Validate {
            id,
            forwarder,
            acceptance,
        });
        Ok(())
    }

    fn garbage(&self, peer: PeerId, error: &wire::DecodeError) -> Result<(), StoreError> {
        self.blame(peer, error);
        Ok(())
    }

    fn blame(&self, peer: PeerId, error: &wire::DecodeError) {
        warn!(%peer, %error, "a peer sent what cannot be decoded");
        self.network.penalize(peer, Penalty::Major);
    }

    /// Makes records durable and performs effects, until neither core has more to say.
    fn settle(&mut self, mut effects: Vec<CoreEffect>) -> Result<(), StoreError> {
        while !effects.is_empty() {
            self.persist(&mut effects)?;
            let mut more = Vec::new();
            for effect in effects {
                match effect {
                    CoreEffect::Commit(effect) => self.perform_commit(effect, &mut more)?,
                    CoreEffect::Submission(effect) => {
                        self.perform_submission(effect, &mut more)?;
                    }
                    CoreEffect::Validate {
                        id,
                        forwarder,
                        acceptance,
                    } => {
                        self.network.try_command(Command::Validate {
                            id,
                            forwarder,
                            acceptance,
                        });
                    }
                }
            }
            effects = more;
        }
        let status = ChainStatus::of(&self.commit);
        self.tell_of_signing(status.signing_trouble.as_deref());
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
        Ok(())
    }

    /// Says once when the signer stops signing, and once when it signs again.
    fn tell_of_signing(&self, trouble: Option<&str>) {
        let before = self.status.borrow().signing_trouble.is_some();
        match trouble {
            Some(reason) if !before => warn!(%reason, "this validator does not vote"),
            None if before => info!("this validator votes again"),
            Some(_) | None => {}
        }
    }

    /// Makes every record among `effects` durable and leaves the rest.
    fn persist(&mut self, effects: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        let (mut commit, mut submission) = (Vec::new(), Vec::new());
        let mut rest = Vec::with_capacity(effects.len());
        for effect in effects.drain(..) {
            if let CoreEffect::Commit(commit::Effect::Persist(record)) = effect {
                commit.push(record);
            } else if let CoreEffect::Submission(submission::Effect::Persist(record)) = effect {
                submission.push(record);
            } else {
                rest.push(effect);
            }
        }
        *effects = rest;
        if !commit.is_empty() {
            self.store.persist_commit(&commit)?;
        }
        if !submission.is_empty() {
            self.store.persist_submission(&submission)?;
        }
        super::publish_cursor(&self.events, &self.store);
        Ok(())
    }

    fn perform_commit(
        &mut self,
        effect: commit::Effect,
        more: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        match effect {
            // Taken out by `persist`.
            commit::Effect::Persist(_) => {}
            commit::Effect::Send { to, message } => {
                self.network
                    .send(&to, priority(&message), wire::encode(&message).into());
            }
            commit::Effect::Broadcast(message) => {
                self.network
                    .broadcast(priority(&message), &wire::encode(&message).into());
            }
            commit::Effect::Request { to, id, request } => {
                return self.request(
                    to,
                    Protocol::Chain,
                    Origin::Commit.tag(id),
                    wire::encode(&request),
                    more,
                );
            }
            commit::Effect::Respond { id, response } => {
                if let Some(Asker::Peer(token)) = self.open.take(id) {
                    let body = wire::encode(&response).into();
                    self.network.try_command(Command::Respond { token, body });
                }
            }
            commit::Effect::RespondTransactions { id, results } => match self.open.take(id) {
                Some(Asker::Peer(token)) => {
                    let body = wire::encode(&TransactionsResponse(results)).into();
                    self.network.try_command(Command::Respond { token, body });
                }
                Some(Asker::Own(id)) => {
                    let result = results.into_iter().next().ok_or(RequestFailure::Garbage);
                    let input = SubmissionInput::Transaction {
                        id,
                        from: self.me,
                        result,
                    };
                    return self.feed(CoreInput::Submission(input), more);
                }
                None => {}
            },
            commit::Effect::Publish(announcement) => {
                let height = announcement.header.height;
                let Some(announcement) = announcement.fitting() else {
                    warn!(%height, "a final block's announcement is too large to be published");
                    return Ok(());
                };
                let data = wire::encode(&announcement).into();
                let topic = self.topics.finals();
                self.network.try_command(Command::Publish { topic, data });
            }
            commit::Effect::Notify(event) => return self.notify(event, more),
            commit::Effect::Penalize { peer, offence } => {
                warn!(%peer, ?offence, "a peer broke the commit protocol");
                self.network.penalize(peer, penalty(offence));
            }
        }
        Ok(())
    }

    fn notify(&mut self, event: ChainEvent, more: &mut Vec<CoreEffect>) -> Result<(), StoreError> {
        match &event {
            ChainEvent::Final {
                header,
                outcomes,
                collections,
                ..
            } => {
                debug!(
                    height = header.height.0,
                    transactions = outcomes.len(),
                    "final"
                );
                let mut news = vec![documents::Work::Final(header.height)];
                let network = header.network;
                news.extend(collections.iter().map(|collection| {
                    documents::Work::Collection(decube_protocols::types::CollectionId::of(
                        &network,
                        collection.name.as_str(),
                    ))
                }));
                for work in news {
                    documents::hand_over(&self.documents, work);
                }
            }
            ChainEvent::CaughtUp { height } => info!(height = height.0, "caught up with the chain"),
            ChainEvent::Behind { height, target } => {
                info!(
                    height = height.0,
                    target = target.0,
                    "catching up with the chain"
                );
            }
            ChainEvent::Entered { view } => tracing::trace!(view = view.0, "entered a view"),
            ChainEvent::Evidence { first, second } => {
                warn!(
                    ?first,
                    ?second,
                    "a validator signed two votes that contradict each other"
                );
            }
        }
        self.feed(CoreInput::Submission(SubmissionInput::Chain(event)), more)
    }

    fn perform_submission(
        &mut self,
        effect: submission::Effect,
        more: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        match effect {
            // Taken out by `persist`.
            submission::Effect::Persist(_) => {}
            submission::Effect::RequestReceipts { to, id, requests } => {
                let request = SyncRequest::Receipts(requests);
                if to == self.me {
                    documents::hand_over(&self.documents, documents::Work::Own { id, request });
                } else {
                    let number = Origin::Receipts.tag(id);
                    return self.request(to, Protocol::Sync, number, wire::encode(&request), more);
                }
            }
            submission::Effect::RequestTransaction {
                to,
                id,
                transaction,
            } => {
                if to == self.me {
                    let id = self.open.insert(Asker::Own(id));
                    let transactions = vec![*transaction];
                    let input = CommitInput::Transactions {
                        from: self.me,
                        id,
                        transactions,
                    };
                    return self.feed(CoreInput::Commit(input), more);
                }
                let body = wire::encode(&TransactionsRequest(vec![*transaction]));
                let number = Origin::Transaction.tag(id);
                return self.request(to, Protocol::Transactions, number, body, more);
            }
            submission::Effect::Report { id, progress } => {
                let last = matches!(progress, Progress::Final { .. } | Progress::Failed(_));
                if let Some(reports) = self.wishes.get(&id.0) {
                    // A user who no longer waits has dropped the receiver.
                    let _gone = reports.try_send(progress);
                }
                if last {
                    self.wishes.remove(&id.0);
                }
            }
        }
        Ok(())
    }

    /// Asks a peer; a network too busy to take the request is told to the core as a failure.
    fn request(
        &mut self,
        to: PeerId,
        protocol: Protocol,
        id: u64,
        body: Vec<u8>,
        more: &mut Vec<CoreEffect>,
    ) -> Result<(), StoreError> {
        if self.network.try_command(Command::Request {
            to,
            protocol,
            id,
            body: body.into(),
        }) {
            return Ok(());
        }
        let (origin, id) = Origin::of(id);
        let (from, failed) = (to, RequestFailure::Broken);
        let input = match origin {
            Origin::Commit => CoreInput::Commit(CommitInput::Response {
                id,
                from,
                result: Err(failed),
            }),
            Origin::Receipts => {
                let result = Err(failed);
                CoreInput::Submission(SubmissionInput::Receipts { id, from, result })
            }
            Origin::Transaction | Origin::Documents => {
                let result = Err(failed);
                CoreInput::Submission(SubmissionInput::Transaction { id, from, result })
            }
        };
        self.feed(input, more)
    }
}

fn earliest(
    a: Option<std::time::Duration>,
    b: Option<std::time::Duration>,
) -> Option<std::time::Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

const fn priority(message: &commit::ConsensusMessage) -> Priority {
    match message {
        commit::ConsensusMessage::Vote { .. } => Priority::Vote,
        commit::ConsensusMessage::Proposal(_) => Priority::Proposal,
        commit::ConsensusMessage::Transactions(_) => Priority::Transaction,
        commit::ConsensusMessage::Certificate(_) => Priority::CatchUp,
    }
}

const fn penalty(offence: Offence) -> Penalty {
    match offence {
        Offence::BadSignature | Offence::BadChain | Offence::Equivocation => Penalty::Major,
        Offence::Unexpected => Penalty::Minor,
    }
}
