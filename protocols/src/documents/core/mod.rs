//! The documents core: one value that holds this node's documents and replicates them.
//!
//! # What the driver owes beside the contract of the crate
//! A [`Source`] shows every record that earlier calls of this core returned, durable or not: the
//! core reads back what it wrote, and keeps in memory only what it has use for.

mod commands;
mod library;
mod live;
mod receipts;
mod repair;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use decube_crypto::SecretKey;

use self::library::Library;
use self::live::Outgoing;
use self::repair::Peer;
use self::session::{Answering, Asking};
use super::content::Session;
use super::io::{DocumentStatus, Effect, Input, Source, SyncRequest, SyncResponse};
use super::random::Random;
use super::reply::CommandError;
use crate::commit::RequestFailure;
use crate::types::{CollectionId, DocumentId, Height, NetworkId, Now, PeerId, RequestId};

/// How long a peer may take to answer before the request counts as lost; a driver usually says so
/// earlier.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a documents core is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The network.
    pub network: NetworkId,
    /// Signs descriptors and tombstones; its public half is the author of this node's changes.
    pub author: SecretKey,
    /// Signs receipts.
    pub peer_key: SecretKey,
    /// Drawn anew at every start of the process; see [`Session`].
    pub nonce: [u8; 8],
    /// Seeds the choice of peers and the jitter.
    pub seed: u64,
    /// How often to compare with a few random peers.
    pub anti_entropy_interval: Duration,
    /// How much memory the loaded documents may take, about; one document is always kept.
    pub cache_bytes: u64,
}

impl Config {
    /// The usual time between comparisons with peers.
    pub const ANTI_ENTROPY_INTERVAL: Duration = Duration::from_secs(10);
    /// The usual memory for documents: a few large ones, or a thousand small ones; what else a node
    /// has in memory is several times as much.
    pub const CACHE_BYTES: u64 = 32 * 1024 * 1024;
}

/// The documents core; see the module's documentation.
#[derive(Debug)]
pub struct Core<S> {
    config: Config,
    session: Session,
    library: Library<S>,
    peers: BTreeMap<PeerId, Peer>,
    asked: BTreeMap<RequestId, Asked>,
    asking: BTreeMap<(PeerId, DocumentId), Asking>,
    answering: BTreeMap<(PeerId, DocumentId), Answering>,
    outgoing: BTreeMap<DocumentId, Outgoing>,
    /// Documents with changes that wait to be merged.
    merging: BTreeSet<DocumentId>,
    next_comparison: Duration,
    random: Random,
    requests: u64,
    created: u64,
    height: Height,
}

/// A request that was not answered yet.
#[derive(Clone, Debug)]
struct Asked {
    to: PeerId,
    what: Question,
    deadline: Duration,
}

/// What a request was about.
#[derive(Clone, Debug)]
enum Question {
    /// Roots of all collections.
    Roots,
    /// Subtrees of a collection.
    Compare(
        CollectionId,
        Vec<(crate::tree::Prefix, decube_crypto::Digest)>,
    ),
    /// A step of a document's sync.
    Document(DocumentId),
    /// A tombstone was sent.
    Removed,
}

impl<S: Source> Core<S> {
    /// A core over what is on disk. Collections are told to it by [`Input::Collection`].
    ///
    /// # Errors
    /// [`CommandError::Store`] when the store cannot be read.
    pub fn new(config: Config, source: S) -> Result<Self, CommandError> {
        let library = Library::new(source, &config)?;
        let session = Session {
            author: config.author.public(),
            nonce: config.nonce,
        };
        Ok(Self {
            session,
            library,
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            asking: BTreeMap::new(),
            answering: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            merging: BTreeSet::new(),
            next_comparison: Duration::ZERO,
            random: Random::new(config.seed),
            requests: 0,
            created: 0,
            height: Height(0),
            config,
        })
    }

    /// The store that was given to [`Core::new`].
    #[must_use]
    pub const fn source(&self) -> &S {
        &self.library.source
    }

    /// The same, for a driver whose store is a value.
    pub const fn source_mut(&mut self) -> &mut S {
        &mut self.library.source
    }

    /// Reacts to `input`.
    #[must_use]
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Command { id, command } => self.command(now, id, command, &mut out),
            Input::Announced { from, announcement } => {
                self.announced(now, from, announcement, &mut out);
            }
            Input::Request { from, id, request } => {
                let response = self.answer(now, from, request, &mut out);
                out.push(Effect::Respond { id, response });
            }
            Input::Response { id, from, result } => {
                self.response(now, id, from, result, &mut out);
            }
            Input::Connected(peer) => self.connected(now, peer, &mut out),
            Input::Disconnected(peer) => self.disconnected(&peer),
            Input::Collection(id) => match self.library.add_collection(id) {
                Ok(true) => self.compare_with_all(now, &mut out),
                Ok(false) => {}
                Err(error) => tracing::error!(collection = %id, %error, "not replicated"),
            },
            Input::Final(height) => self.height = self.height.max(height),
        }
        self.library.settle();
        out
    }

    /// Does what is due.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Effect> {
        let mut out = Vec::new();
        self.merge_due(now, &mut out);
        self.publish_due(now, &mut out);
        self.expire(now, &mut out);
        if now.monotonic >= self.next_comparison {
            self.compare_with_some(now, &mut out);
        }
        self.library.settle();
        out
    }

    /// Whether this node follows a document, and so has judged what was announced of it.
    #[must_use]
    pub fn follows(&self, document: &DocumentId) -> bool {
        let stored = self.library.stored(document);
        matches!(stored, Ok(Some(stored)) if matches!(stored.status, DocumentStatus::Live(_)))
    }

    /// When [`Core::handle_timeout`] has something to do, in monotonic time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let merges = self
            .merging
            .iter()
            .filter_map(|id| self.library.loaded.get(id));
        let merges = merges
            .filter(|loaded| loaded.can_merge())
            .map(|loaded| loaded.merge_at);
        let publications = self.outgoing.values().filter_map(Outgoing::due);
        let deadlines = self.asked.values().map(|asked| asked.deadline);
        let comparison = (!self.peers.is_empty()).then_some(self.next_comparison);
        merges
            .chain(publications)
            .chain(deadlines)
            .chain(comparison)
            .min()
    }

    /// Sends a request and notes it.
    fn ask(
        &mut self,
        now: Now,
        to: PeerId,
        what: Question,
        request: SyncRequest,
        out: &mut Vec<Effect>,
    ) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let deadline = now.monotonic + REQUEST_TIMEOUT;
        self.asked.insert(id, Asked { to, what, deadline });
        out.push(Effect::Request { to, id, request });
    }

    fn answer(
        &mut self,
        now: Now,
        from: PeerId,
        request: SyncRequest,
        out: &mut Vec<Effect>,
    ) -> SyncResponse {
        match request {
            SyncRequest::Roots(theirs) => self.answer_roots(now, from, &theirs),
            SyncRequest::Compare {
                collection,
                prefixes,
            } => self.answer_compare(&collection, &prefixes),
            SyncRequest::Document {
                collection,
                document,
                descriptor,
                message,
                first,
            } => {
                let step = session::Step {
                    collection,
                    document,
                    descriptor,
                    message,
                };
                self.answer_document(now, from, step, first, out)
            }
            SyncRequest::Removed(tombstone) => {
                self.tombstone(now, from, tombstone, out);
                SyncResponse::Acknowledged
            }
            SyncRequest::Receipts(wanted) => self.answer_receipts(now, from, &wanted, out),
        }
    }

    fn response(
        &mut self,
        now: Now,
        id: RequestId,
        from: PeerId,
        result: Result<SyncResponse, RequestFailure>,
        out: &mut Vec<Effect>,
    ) {
        let Some(asked) = self.asked.remove(&id).filter(|asked| asked.to == from) else {
            return;
        };
        match (asked.what, result) {
            (Question::Roots, Ok(SyncResponse::Roots(theirs))) => {
                self.roots(now, from, &theirs, out);
            }
            (Question::Compare(id, prefixes), Ok(SyncResponse::Compare(answers))) => {
                self.compared(now, from, id, &prefixes, answers, out);
            }
            (Question::Document(id), Ok(response)) => {
                self.document_response(now, from, id, response, out);
            }
            (Question::Removed, Ok(_)) => {}
            (what, Ok(_)) => {
                out.push(Effect::Penalize {
                    peer: from,
                    reason: "an answer to another question",
                });
                self.failed(now, from, &what, out);
            }
            (what, Err(failure)) => {
                tracing::debug!(peer = %from, %failure, "a sync request failed");
                self.failed(now, from, &what, out);
            }
        }
    }

    /// Gives up what a request was for; the next comparison begins anew.
    fn failed(&mut self, now: Now, peer: PeerId, what: &Question, out: &mut Vec<Effect>) {
        match what {
            Question::Roots => self.roots_failed(&peer),
            Question::Compare(collection, _) => self.descent_failed(&peer, collection),
            Question::Document(document) => self.end_session(now, peer, *document, false, out),
            Question::Removed => {}
        }
    }

    fn expire(&mut self, now: Now, out: &mut Vec<Effect>) {
        let late: Vec<RequestId> = (self.asked.iter())
            .filter(|(_, asked)| asked.deadline <= now.monotonic)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(asked) = self.asked.remove(&id) {
                self.failed(now, asked.to, &asked.what, out);
            }
        }
    }
}
