//! The open store: which file a record goes to, and what happens after a failure.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use decube_crypto::PublicKey;
use decube_protocols::types::{Epoch, NetworkId, PeerId, Timestamp, Transaction};
use decube_protocols::{commit, documents as documents_core, submission as submission_core};
use redb::{ReadTransaction, StorageBackend, WriteTransaction};

use crate::chain::{self, ChainReader};
use crate::directory::DirectoryLock;
use crate::documents::{self, DocumentReader};
use crate::error::{Fault, StoreError, Work};
use crate::events::{self, EventLog, EventPage, StoredEvent};
use crate::file::{Checked, File, Kind};
use crate::peers::{self, KnownPeer};
use crate::schema::Schema;
use crate::tables::{self, STATE_META};
use crate::votes::{self, LostVoteLog, VOTES_FILE, VoteLog};
use crate::{codec, submission};

/// The state's file.
pub(crate) const STATE_FILE: Kind = Kind {
    name: "state.redb",
    // The upper levels of the trees and what was written last, with room to spare below the
    // 120 MiB of a whole node.
    cache: 12 << 20,
    schema: Schema {
        meta: STATE_META,
        migrations: &[],
        create: tables::state::create,
        sizes: tables::state::sizes,
    },
    when_missing: "make the data directory with `decube init` or `decube join`, or put the file back",
    when_damaged: "put a sound copy back, or join again with a new data directory: \
        the node then fetches everything that its peers have",
};

const NETWORK: &str = "network";
const VOTE_LOG_WRITES: &str = "vote_log_writes";

/// Whose data it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The network.
    pub network: NetworkId,
    /// The validator key's public half, for a node that has one.
    pub validator: Option<PublicKey>,
}

/// How often a file was written since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Durable write transactions.
    pub transactions: u64,
    /// Calls that wait for the disk (fsync or fdatasync), those of opening included.
    pub syncs: u64,
}

/// How often each file was written since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCounts {
    /// The vote log.
    pub votes: Writes,
    /// The state.
    pub state: Writes,
}

/// How much is in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// The file's name.
    pub file: &'static str,
    /// The table's name.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The bytes of its keys and values.
    pub bytes: u64,
}

/// What a node keeps on disk. Cheap to clone; all clones are one store, and threads may use it at
/// the same time: readers never wait, writers of one file wait for each other.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    network: NetworkId,
    pub(crate) state: File,
    votes: Option<File>,
    vote_log: VoteLog,
    // How often the vote log was written, durably.
    vote_log_writes: AtomicU64,
    // Once set, nothing is written any more.
    stopped: OnceLock<StoreError>,
    // Declared last, so that it is given back after the files are closed.
    _lock: Option<DirectoryLock>,
}

impl Store {
    /// Makes `state.redb` in a data directory. The vote log comes with the validator key, see
    /// [`crate::keys::create_validator`].
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one, and what the operating system says.
    pub fn create(directory: &Path, network: &NetworkId) -> Result<(), StoreError> {
        let _lock = DirectoryLock::take(directory)?;
        File::create(STATE_FILE, directory, |transaction| {
            fill(transaction, network)
        })
    }

    /// Whether the directory has a state, sound or not.
    #[must_use]
    pub fn exists(directory: &Path) -> bool {
        directory.join(STATE_FILE.name).exists()
    }

    /// Opens the files of a data directory, after checking the whole of each. A lost vote log is no
    /// error but a [`VoteLog`] to look at.
    ///
    /// # Errors
    /// [`StoreError`] names the file and what to do. A file that cannot be opened is left as it is.
    pub fn open(directory: &Path, identity: &Identity) -> Result<Self, StoreError> {
        Self::open_as(directory, identity, false)
    }

    /// The same for a node whose validator key is kept by a signer with a vote log of its own. Here
    /// the log only holds what votes rest on: one that is missing is made, and an old copy is no
    /// danger.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_with_signer(directory: &Path, identity: &Identity) -> Result<Self, StoreError> {
        Self::open_as(directory, identity, true)
    }

    fn open_as(
        directory: &Path,
        identity: &Identity,
        has_signer: bool,
    ) -> Result<Self, StoreError> {
        let lock = DirectoryLock::take(directory)?;
        let path = directory.join(VOTES_FILE.name);
        // Both are checked before either is written.
        let state = File::check(STATE_FILE, directory, |transaction| {
            check_network(transaction, &directory.join(STATE_FILE.name), identity)
        })?;
        let votes = match &identity.validator {
            Some(_) if path.exists() => Some(File::check(VOTES_FILE, directory, |_| Ok(()))?),
            Some(_) | None => None,
        };
        let mut votes = votes.map(Checked::open).transpose()?;
        if let (true, None, Some(validator)) = (has_signer, &votes, &identity.validator) {
            votes::create(directory, validator)?;
            votes = Some(File::check(VOTES_FILE, directory, |_| Ok(()))?.open()?);
        }
        let state = state.open()?;
        Self::assemble(state, votes, identity, &path, (Some(lock), has_signer))
    }

    /// Opens a store on two backends; empty ones become a new store. Without a backend for the votes
    /// a validator's log is lost. Making the tables of a new store is not atomic here, unlike in a
    /// directory.
    ///
    /// # Errors
    /// As for [`Store::open`], with the file's name as its path.
    pub fn open_with_backends<B: StorageBackend>(
        state: B,
        votes: Option<B>,
        identity: &Identity,
    ) -> Result<Self, StoreError> {
        let state = File::open_backend(STATE_FILE, state, |transaction| {
            fill(transaction, &identity.network)
        })?;
        let votes = match (&identity.validator, votes) {
            (Some(validator), Some(votes)) => {
                let fill = |transaction: &_| votes::fill(transaction, validator);
                Some(File::open_backend(VOTES_FILE, votes, fill)?)
            }
            (Some(_) | None, _) => None,
        };
        let path = Path::new(VOTES_FILE.name);
        Self::assemble(state, votes, identity, path, (None, false))
    }

    fn assemble(
        state: File,
        votes: Option<File>,
        identity: &Identity,
        votes_path: &Path,
        (lock, has_signer): (Option<DirectoryLock>, bool),
    ) -> Result<Self, StoreError> {
        let network = identity.network;
        let at_least = state.read(|transaction| {
            check_network(transaction, state.path(), identity)?;
            vote_log_writes(transaction)
        })?;
        let vote_log = match (&identity.validator, &votes) {
            (None, _) => VoteLog::NoValidator,
            (Some(validator), None) => {
                let path = votes_path.to_path_buf();
                VoteLog::Lost(LostVoteLog::Missing {
                    path,
                    validator: *validator,
                })
            }
            (Some(validator), Some(file)) => {
                votes::claim(file, validator, &network, at_least, has_signer)?
            }
        };
        let votes = votes.filter(|_| vote_log == VoteLog::Held);
        let writes = votes
            .as_ref()
            .map(|file| file.read(votes::writes))
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            network,
            state,
            votes,
            vote_log,
            vote_log_writes: AtomicU64::new(writes.unwrap_or_default()),
            stopped: OnceLock::new(),
            _lock: lock,
        })))
    }

    /// Whether this node may vote.
    #[must_use]
    pub fn vote_log(&self) -> &VoteLog {
        &self.0.vote_log
    }

    /// Writes records of the commit core: first, in one write transaction, those of the state; then,
    /// in another, those of the vote log. Each is durable before the next begins and before this
    /// returns; one without records is left out.
    ///
    /// # Errors
    /// When a record contradicts what is stored, or the disk fails. Nothing is written afterwards.
    pub fn persist_commit(&self, records: &[commit::Record]) -> Result<(), StoreError> {
        let inner = &self.0;
        if records.iter().any(|record| !votes::belongs(record)) {
            let writes = inner
                .votes
                .is_some()
                .then(|| inner.vote_log_writes.load(Ordering::Acquire));
            inner.write(&inner.state, |transaction| {
                chain::apply(transaction, &inner.network, records)?;
                writes.map_or(Ok(()), |writes| note_vote_log_writes(transaction, writes))
            })?;
        }
        if records.iter().any(votes::belongs) {
            let file = inner.votes.as_ref().ok_or(StoreError::NoVoteLog)?;
            let writes = inner.write(file, |transaction| votes::apply(transaction, records))?;
            inner.vote_log_writes.store(writes, Ordering::Release);
        }
        Ok(())
    }

    /// Writes records of the documents core in one durable write transaction.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn persist_documents(&self, records: &[documents_core::Record]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.0
            .write_state(|transaction| documents::apply(transaction, records))
    }

    /// Writes records of the submission core in one durable write transaction.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn persist_submission(
        &self,
        records: &[submission_core::Record],
    ) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.0
            .write_state(|transaction| submission::apply(transaction, &self.0.network, records))
    }

    /// What the vote log holds of an epoch; nothing for a node without a usable log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn restored(&self, epoch: Epoch) -> Result<commit::Restored, StoreError> {
        match &self.0.votes {
            Some(file) => file.read(|transaction| votes::restored(transaction, epoch)),
            None => Ok(commit::Restored::default()),
        }
    }

    /// Read access to the chain and the committed state.
    #[must_use]
    pub fn chain(&self) -> ChainReader {
        ChainReader(Arc::clone(&self.0))
    }

    /// Read access to documents and the trees of collections.
    #[must_use]
    pub fn documents(&self) -> DocumentReader {
        DocumentReader(Arc::clone(&self.0))
    }

    /// Transactions of this node that are neither final nor expired.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn pending(&self) -> Result<Vec<Transaction>, StoreError> {
        self.0.state.read(submission::pending)
    }

    /// At most `limit` events after `cursor`; 0 starts at the oldest that is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn events_after(&self, cursor: u64, limit: usize) -> Result<EventPage, StoreError> {
        self.0
            .state
            .read(|transaction| events::after(transaction, cursor, limit))
    }

    /// The cursor of the last event, 0 before the first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last_cursor(&self) -> Result<u64, StoreError> {
        self.0.state.read(events::last_cursor)
    }

    /// Notes peers in the address book in one durable write transaction, replacing the addresses that
    /// were known of each.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn remember_peers(&self, peers: &[KnownPeer]) -> Result<(), StoreError> {
        if peers.is_empty() {
            return Ok(());
        }
        self.0
            .write_state(|transaction| peers::remember(transaction, peers))
    }

    /// Notes in the address book, in one durable write transaction, that peers have used the
    /// post-quantum channel.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn pin_peers(&self, peers: &[PeerId], when: Timestamp) -> Result<(), StoreError> {
        if peers.is_empty() {
            return Ok(());
        }
        self.0
            .write_state(|transaction| peers::pin(transaction, peers, when))
    }

    /// Appends events that tell of nothing else in the store, in one durable write transaction.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn record_events(&self, events: &[StoredEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.0.write_state(|transaction| {
            let mut log = EventLog::open(transaction)?;
            events.iter().try_for_each(|event| log.append(event))?;
            log.finish(transaction)
        })
    }

    /// Takes a peer out of the address book.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn forget_peer(&self, peer: &PeerId) -> Result<(), StoreError> {
        self.0
            .write_state(|transaction| peers::forget(transaction, peer))
    }

    /// The address book.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known_peers(&self) -> Result<Vec<KnownPeer>, StoreError> {
        self.0.state.read(peers::known)
    }

    /// Refuses a peer from now on.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] beyond [`crate::MAX_BANS`], which changes nothing; or the disk fails.
    pub fn ban_peer(&self, peer: &PeerId, when: Timestamp) -> Result<(), StoreError> {
        self.0
            .write_state(|transaction| peers::ban(transaction, peer, when))
    }

    /// Refuses a peer no longer.
    ///
    /// # Errors
    /// When the disk fails. Nothing is written afterwards.
    pub fn unban_peer(&self, peer: &PeerId) -> Result<(), StoreError> {
        self.0
            .write_state(|transaction| peers::unban(transaction, peer))
    }

    /// The peers that are refused, with the time of each ban.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn banned_peers(&self) -> Result<Vec<(PeerId, Timestamp)>, StoreError> {
        self.0.state.read(peers::banned)
    }

    /// How often each file was written since it was opened.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        WriteCounts {
            votes: self.0.votes.as_ref().map(File::writes).unwrap_or_default(),
            state: self.0.state.writes(),
        }
    }

    /// How much is in each table.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn table_sizes(&self) -> Result<Vec<TableSize>, StoreError> {
        let mut sizes = Vec::new();
        for (kind, file) in [
            (VOTES_FILE, self.0.votes.as_ref()),
            (STATE_FILE, Some(&self.0.state)),
        ] {
            for (table, rows, bytes) in file.map(File::sizes).transpose()?.unwrap_or_default() {
                sizes.push(TableSize {
                    file: kind.name,
                    table,
                    rows,
                    bytes,
                });
            }
        }
        Ok(sizes)
    }

    /// The error of the write that stopped the store, if one did.
    #[must_use]
    pub fn stopped(&self) -> Option<StoreError> {
        self.0.stopped.get().cloned()
    }

    /// The files, for tests that look at rows.
    #[cfg(test)]
    pub(crate) fn files(&self) -> (&File, Option<&File>) {
        (&self.0.state, self.0.votes.as_ref())
    }

    /// Makes later writes of one file not durable, for the test of the tests.
    #[cfg(test)]
    pub(crate) fn make_volatile(&mut self, votes: bool) {
        let inner = Arc::get_mut(&mut self.0).unwrap();
        if votes {
            inner.votes.as_mut().unwrap()
        } else {
            &mut inner.state
        }
        .make_volatile();
    }
}

impl Inner {
    fn write_state<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Work<T>,
    ) -> Result<T, StoreError> {
        self.write(&self.state, work)
    }

    /// Writes, unless an earlier write failed; a failure is the last write.
    fn write<T>(
        &self,
        file: &File,
        work: impl FnOnce(&WriteTransaction) -> Work<T>,
    ) -> Result<T, StoreError> {
        if let Some(first) = self.stopped.get() {
            return Err(StoreError::Stopped(Box::new(first.clone())));
        }
        let done = file.write(work);
        match &done {
            Ok(_) | Err(StoreError::TooMany { .. }) => {}
            Err(error) => {
                tracing::error!(%error, "the store stops: a write failed");
                self.stopped.get_or_init(|| error.clone());
            }
        }
        done
    }
}

/// Names the network in a new state.
fn fill(transaction: &WriteTransaction, network: &NetworkId) -> Work<()> {
    let mut meta = transaction.open_table(STATE_META)?;
    meta.insert(NETWORK, network.0.as_bytes().as_slice())?;
    Ok(())
}

/// Whether the state belongs to the network of the identity.
fn check_network(transaction: &ReadTransaction, path: &Path, identity: &Identity) -> Work<()> {
    let meta = transaction.open_table(STATE_META)?;
    let network = meta.get(NETWORK)?;
    let network = network.ok_or_else(|| Fault::Damaged("it names no network".into()))?;
    let found = NetworkId(codec::digest(&codec::array(NETWORK, network.value())?));
    if found != identity.network {
        let (path, expected) = (path.to_path_buf(), identity.network);
        return Err(StoreError::OtherNetwork {
            path,
            found,
            expected,
        }
        .into());
    }
    Ok(())
}

fn vote_log_writes(transaction: &ReadTransaction) -> Work<u64> {
    let meta = transaction.open_table(STATE_META)?;
    let writes = meta.get(VOTE_LOG_WRITES)?;
    writes.map_or(Ok(0), |writes| {
        codec::number(VOTE_LOG_WRITES, writes.value())
    })
}

fn note_vote_log_writes(transaction: &WriteTransaction, writes: u64) -> Work<()> {
    let mut meta = transaction.open_table(STATE_META)?;
    meta.insert(VOTE_LOG_WRITES, writes.to_le_bytes().as_slice())?;
    Ok(())
}
