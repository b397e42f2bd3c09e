//! One document in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::transaction::{CommitOptions, Transaction};
use automerge::{ActorId, Automerge, PatchLog, ReadDoc, TextEncoding};
use serde_json::Value;

use super::admission::MAX_OPERATIONS;
use super::edit::{apply, fill};
use super::graph::Link;
use super::place::{Found, Walker};
use super::read::root;
use super::value::{ReadError, Reader};
use super::{
    Actor, Conflict, Edit, EditError, Graph, PathError, Pointer, Session, UnknownHead,
    from_automerge, to_automerge,
};
use crate::types::ChangeHash;

/// The content of one document: an Automerge document and the graph of its changes.
#[derive(Clone, Debug)]
pub struct Content {
    automerge: Automerge, // Invariant: no queued changes; text positions are scalar values.
    graph: Graph,         // Invariant: exactly the changes of `automerge`.
    operations: u64,
}

/// A change that an edit made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Its hash.
    pub hash: ChangeHash,
    /// The raw Automerge change, to be stored and sent.
    pub bytes: Vec<u8>,
}

/// Stored bytes that are no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Automerge cannot read them.
    #[error("Automerge cannot read it: {0}")]
    Automerge(String),
    /// Automerge panicked on them.
    #[error("Automerge gave up on it")]
    Panicked,
    /// Changes that it rests on are not in it.
    #[error("it lacks changes that others in it depend on")]
    Incomplete,
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl Content {
    /// A document without changes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            automerge: Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint),
            graph: Graph::default(),
            operations: 0,
        }
    }

    /// The document of a snapshot (an Automerge file) and raw changes after it, which were
    /// admitted before they were stored.
    ///
    /// # Errors
    /// [`LoadError`] when the bytes are damaged.
    pub fn load(snapshot: Option<&[u8]>, changes: &[Vec<u8>]) -> Result<Self, LoadError> {
        let load = || -> Result<Automerge, automerge::AutomergeError> {
            let options = automerge::LoadOptions::new()
                .text_encoding(TextEncoding::UnicodeCodePoint)
                .on_partial_load(automerge::OnPartialLoad::Error);
            let mut document = Automerge::load_with_options(snapshot.unwrap_or_default(), options)?;
            let mut decoded = Vec::with_capacity(changes.len());
            for change in changes {
                decoded.push(automerge::Change::try_from(change.as_slice())?);
            }
            document.apply_changes(decoded)?;
            Ok(document)
        };
        match catch_unwind(AssertUnwindSafe(load)) {
            Ok(Ok(document)) => Self::of(document),
            Ok(Err(error)) => Err(LoadError::Automerge(error.to_string())),
            Err(_) => Err(LoadError::Panicked),
        }
    }

    /// Wraps a loaded Automerge document.
    pub(super) fn of(automerge: Automerge) -> Result<Self, LoadError> {
        let graph = Graph::of(&automerge);
        let stats = automerge.stats();
        let incomplete = !automerge.get_missing_deps(&[]).is_empty();
        if incomplete || stats.num_changes != graph.len() as u64 {
            return Err(LoadError::Incomplete);
        }
        Ok(Self {
            automerge,
            graph,
            operations: stats.num_ops,
        })
    }

    /// The heads, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.graph.heads()
    }

    /// Who made which change, and what it rests on.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Roughly how many operations the document has; what merging costs grows with it.
    #[must_use]
    pub const fn operations(&self) -> u64 {
        self.operations
    }

    /// Roughly how many bytes of memory the document takes, whose raw changes have `bytes` bytes.
    ///
    /// Measured, a small document takes some 21 KiB for the columns and indexes that each has. To that an
    /// operation adds some 32 bytes in columns and indexes, and a change some 300 in Automerge's
    /// and this module's graph together. What raw changes have beside their envelopes of some 100
    /// bytes are mostly values, which take one and a half times as much: blocks are up to half empty.
    #[must_use]
    pub fn memory(&self, bytes: u64) -> u64 {
        const DOCUMENT: u64 = 24 * 1024;
        const OPERATION: u64 = 32;
        const CHANGE: u64 = 300;
        const BYTE: u64 = 2;
        const ENVELOPE: u64 = 100;
        let changes = self.graph.len() as u64;
        let values = bytes.saturating_sub(changes.saturating_mul(ENVELOPE));
        DOCUMENT
            + self.operations.saturating_mul(OPERATION)
            + changes.saturating_mul(CHANGE)
            + values.saturating_mul(BYTE)
    }

    pub(super) const fn automerge(&self) -> &Automerge {
        &self.automerge
    }

    pub(super) const fn automerge_mut(&mut self) -> &mut Automerge {
        &mut self.automerge
    }

    /// Notes a change that `automerge` has.
    pub(super) fn link(&mut self, change: &automerge::Change) {
        if self.graph.add(Link::of(change)) {
            self.operations = self.operations.saturating_add(change.len() as u64);
        }
    }

    /// Applies a patch as one change of `session` at the heads `at` (the present ones if none).
    /// Nothing comes of a patch without effect.
    ///
    /// `time` is in seconds since 1970 and only informs.
    ///
    /// # Errors
    /// [`EditError`] says which edit failed and why; the document is as before.
    pub fn edit(
        &mut self,
        session: &Session,
        at: Option<&[ChangeHash]>,
        edits: &[Edit],
        message: Option<&str>,
        time: i64,
    ) -> Result<Option<Edited>, EditError> {
        if let Some(message) = message.filter(|message| message.len() > Edit::MAX_MESSAGE) {
            return Err(EditError::Message(message.len()));
        }
        let mut transaction = self.transaction(session, at)?;
        if let Err(error) = apply(&mut transaction, edits) {
            transaction.rollback();
            return Err(error);
        }
        let mut options = CommitOptions::default().with_time(time);
        if let Some(message) = message {
            options.set_message(message);
        }
        let (hash, _) = transaction.commit_with(options);
        Ok(self.committed(hash))
    }

    /// Fills an empty document with `content`, an object, as one change of `session`; an absent
    /// content makes a change without operations, so that every document has a head.
    ///
    /// # Errors
    /// [`EditError`] when the content cannot stand in a document.
    pub fn create(
        session: &Session,
        content: Option<&Value>,
        time: i64,
    ) -> Result<(Self, Edited), EditError> {
        let mut created = Self::new();
        let options = || CommitOptions::default().with_time(time);
        let mut transaction = created.transaction(session, None)?;
        if let Some(content) = content {
            fill(&mut transaction, content)?;
        }
        let (hash, _) = transaction.commit_with(options());
        // An object without members makes no operation either.
        let hash = hash.unwrap_or_else(|| created.automerge.empty_commit(options()));
        let edited = created
            .committed(Some(hash))
            .ok_or(EditError::TooManyBranches)?;
        Ok((created, edited))
    }

    fn committed(&mut self, hash: Option<automerge::ChangeHash>) -> Option<Edited> {
        let change = self.automerge.get_change_by_hash(&hash?)?;
        self.link(&change);
        Some(Edited {
            hash: from_automerge(change.hash()),
            bytes: change.raw_bytes().to_vec(),
        })
    }

    /// Opens a transaction as the branch of `session` that continues at `at`.
    fn transaction(
        &mut self,
        session: &Session,
        at: Option<&[ChangeHash]>,
    ) -> Result<Transaction<'_>, EditError> {
        match at.filter(|heads| !self.graph.is_current(heads)) {
            None => {
                self.automerge.set_actor(
                    Actor {
                        session: *session,
                        branch: 0,
                    }
                    .id(),
                );
                Ok(self.automerge.transaction())
            }
            Some(heads) => {
                let (actor, heads) = self.branch(session, heads)?;
                self.automerge.set_actor(actor);
                match self.automerge.transaction_at(PatchLog::inactive(), &heads) {
                    Ok(transaction) => Ok(transaction),
                    // A fresh inactive log belongs to no other document.
                    Err(_) => Err(EditError::TooManyBranches),
                }
            }
        }
    }

    /// The first branch of `session` whose last change the heads include, and the heads with that
    /// change: admission wants it among the direct dependencies.
    fn branch(
        &self,
        session: &Session,
        heads: &[ChangeHash],
    ) -> Result<(ActorId, Vec<automerge::ChangeHash>), EditError> {
        self.graph.check_heads(heads)?;
        let newest = self.graph.last_operation(self.graph.heads());
        let above = self.graph.last_operation(heads.iter().copied());
        if newest.saturating_sub(above) >= MAX_OPERATIONS {
            return Err(EditError::TooOld);
        }
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        heads.dedup();
        for branch in 0..=Actor::MAX_BRANCH {
            let actor = Actor {
                session: *session,
                branch,
            }
            .id();
            match self.graph.tip(&actor) {
                Some((_, tip)) if !self.graph.covers(&heads, &[tip]) => {}
                Some((_, tip)) if !heads.contains(&tip) => {
                    heads.push(tip);
                    return Ok((actor, heads.iter().map(to_automerge).collect()));
                }
                Some(_) | None => return Ok((actor, heads.iter().map(to_automerge).collect())),
            }
        }
        Err(EditError::TooManyBranches)
    }

    /// The JSON at `pointer`, at the heads `at` (the present ones if none).
    ///
    /// # Errors
    /// [`ContentError`] says what is missing.
    pub fn read(
        &self,
        at: Option<&[ChangeHash]>,
        pointer: &Pointer,
    ) -> Result<Value, ContentError> {
        let heads = self.past(at)?;
        let heads = heads.as_deref();
        let (value, id) = self.locate(heads, pointer)?;
        Ok(Reader {
            document: &self.automerge,
            heads,
        }
        .value(&value, &id, pointer)?)
    }

    /// The places at and below `pointer` with several concurrent values.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub fn conflicts(
        &self,
        at: Option<&[ChangeHash]>,
        pointer: &Pointer,
    ) -> Result<Vec<Conflict>, ContentError> {
        let heads = self.past(at)?;
        let (value, id) = self.locate(heads.as_deref(), pointer)?;
        Ok(self.conflicts_below(pointer, heads.as_deref(), &value, &id)?)
    }

    /// `at` in Automerge's terms; none for the present heads, which are faster to read.
    fn past(
        &self,
        at: Option<&[ChangeHash]>,
    ) -> Result<Option<Vec<automerge::ChangeHash>>, UnknownHead> {
        let Some(heads) = at else { return Ok(None) };
        self.graph.check_heads(heads)?;
        let past = !self.graph.is_current(heads);
        Ok(past.then(|| heads.iter().map(to_automerge).collect()))
    }

    fn locate(
        &self,
        heads: Option<&[automerge::ChangeHash]>,
        pointer: &Pointer,
    ) -> Result<(automerge::ValueRef<'static>, automerge::ObjId), PathError> {
        if pointer.tokens().is_empty() {
            return Ok(root());
        }
        let Found { value, id } = Walker {
            document: &self.automerge,
            heads,
        }
        .find(pointer)?;
        Ok((super::value::to_ref(value), id))
    }

    /// The document as an Automerge file.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.automerge.save()
    }

    /// An Automerge file with exactly the history of `heads`.
    ///
    /// # Errors
    /// [`ContentError`] when the document lacks one of the heads.
    pub fn save_at(&self, heads: &[ChangeHash]) -> Result<Vec<u8>, ContentError> {
        match self.past(Some(heads))? {
            None => Ok(self.save()),
            Some(heads) => match self.automerge.fork_at(&heads) {
                Ok(past) => Ok(past.save()),
                Err(error) => Err(ReadError::Automerge(error).into()),
            },
        }
    }

    /// The raw bytes of a change.
    #[must_use]
    pub fn change(&self, hash: &ChangeHash) -> Option<Vec<u8>> {
        let change = self.automerge.get_change_by_hash(&to_automerge(hash))?;
        Some(change.raw_bytes().to_vec())
    }

    /// The raw changes of the document, each after those it rests on.
    #[must_use]
    pub fn changes(&self) -> Vec<Vec<u8>> {
        let changes = self.automerge.get_changes(&[]);
        changes
            .iter()
            .map(|change| change.raw_bytes().to_vec())
            .collect()
    }
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The document lacks a head.
    #[error(transparent)]
    UnknownHead(#[from] UnknownHead),
    /// The pointer names nothing.
    #[error(transparent)]
    Path(#[from] PathError),
    /// What is there cannot be shown.
    #[error(transparent)]
    Read(#[from] ReadError),
}
