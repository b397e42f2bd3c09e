//! One redb file: how it is made, checked and opened, and how its errors name it.

use std::fmt;
use std::fs;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{
    BackendError, Builder, Database, Durability, ReadTransaction, ReadableDatabase, StorageBackend,
    WriteTransaction,
};

use crate::directory;
use crate::error::{Fault, StoreError, Work};
use crate::preview::Preview;
use crate::schema::Schema;
use crate::store::Writes;
use crate::tables::Sizes;

/// What is particular to the vote log or to the state.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// The file's name in the data directory.
    pub(crate) name: &'static str,
    /// Bytes that redb may cache.
    pub(crate) cache: usize,
    /// The tables.
    pub(crate) schema: Schema,
    /// What to do when the file is missing.
    pub(crate) when_missing: &'static str,
    /// What to do when it is damaged.
    pub(crate) when_damaged: &'static str,
}

/// A file that is known to be sound, and not open.
pub(crate) struct Checked {
    kind: Kind,
    path: PathBuf,
}

impl Checked {
    /// Opens the file and brings it up to the newest schema.
    pub(crate) fn open(self) -> Result<File, StoreError> {
        let Self { kind, path } = self;
        let opened = fs::OpenOptions::new().read(true).write(true).open(&path);
        let opened = opened.map_err(|error| StoreError::io(&path, &error))?;
        let backend = FileBackend::new(opened).map_err(|error| kind.error(&path, error))?;
        let file = File::on(kind, &path, backend)?;
        file.migrate()?;
        Ok(file)
    }
}

/// An open file.
pub(crate) struct File {
    kind: Kind,
    path: PathBuf,
    database: Database,
    transactions: AtomicU64,
    syncs: Arc<AtomicU64>,
    /// Durable always, but for a test of the tests.
    durability: Durability,
}

impl File {
    /// Makes a new file with all tables, complete before it gets its name.
    pub(crate) fn create(
        kind: Kind,
        directory: &Path,
        fill: impl FnOnce(&WriteTransaction) -> Work<()>,
    ) -> Result<(), StoreError> {
        let path = directory.join(kind.name);
        if path.exists() {
            return Err(StoreError::Exists {
                path,
                remedy: "open it instead",
            });
        }
        let unfinished = path.with_extension("redb.new");
        let io = |error: &io::Error| StoreError::io(&unfinished, error);
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&error)),
            Ok(()) | Err(_) => {}
        }
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let created = options.open(&unfinished).map_err(|error| io(&error))?;
        let backend = FileBackend::new(created).map_err(|e| kind.error(&unfinished, e))?;
        let file = Self::on(kind, &unfinished, backend)?;
        file.initialize(fill)?;
        let Self { database, .. } = file;
        database.close().map_err(|e| kind.error(&unfinished, e))?;
        directory::rename(&unfinished, &path)
    }

    /// Checks the file of a data directory without changing it: every page's checksum, the schema
    /// version and the tables, and what `also` looks at.
    pub(crate) fn check(
        kind: Kind,
        directory: &Path,
        also: impl FnOnce(&ReadTransaction) -> Work<()>,
    ) -> Result<Checked, StoreError> {
        let path = directory.join(kind.name);
        let io = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                StoreError::Missing {
                    path: path.clone(),
                    remedy: kind.when_missing,
                }
            } else {
                StoreError::io(&path, &error)
            }
        };
        if fs::metadata(&path).map_err(io)?.len() == 0 {
            return Err(kind.damaged(&path, "it is empty".into()));
        }
        let database = kind
            .builder()
            .set_check_integrity_on_open(true)
            .create_with_backend(Preview::open(&path).map_err(io)?)
            .map_err(|error| kind.error(&path, error))?;
        let checked = database
            .begin_read()
            .map_err(Fault::from)
            .and_then(|transaction| {
                let version = kind.known_version(&path, &transaction)?;
                if version == kind.schema.newest() {
                    (kind.schema.sizes)(&transaction)?;
                }
                also(&transaction)
            });
        checked.map_err(|fault| kind.fault(&path, fault))?;
        Ok(Checked { kind, path })
    }

    /// Opens a file on a backend, and makes a new one of an empty backend.
    pub(crate) fn open_backend(
        kind: Kind,
        backend: impl StorageBackend,
        fill: impl FnOnce(&WriteTransaction) -> Work<()>,
    ) -> Result<Self, StoreError> {
        let path = PathBuf::from(kind.name);
        let new = backend
            .len()
            .map_err(|error| StoreError::io(&path, &error))?
            == 0;
        let file = Self::on(kind, &path, backend)?;
        if new {
            file.initialize(fill)?;
        } else {
            file.read(|transaction| file.known_version(transaction).map(drop))?;
            file.migrate()?;
        }
        Ok(file)
    }

    fn initialize(
        &self,
        fill: impl FnOnce(&WriteTransaction) -> Work<()>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            self.kind.schema.initialize(transaction)?;
            fill(transaction)
        })
    }

    fn on(kind: Kind, path: &Path, backend: impl StorageBackend) -> Result<Self, StoreError> {
        let syncs = Arc::new(AtomicU64::new(0));
        let database = kind
            .builder()
            .create_with_backend(Counted {
                backend,
                syncs: Arc::clone(&syncs),
            })
            .map_err(|error| kind.error(path, error))?;
        let (path, transactions) = (path.to_path_buf(), AtomicU64::new(0));
        Ok(Self {
            kind,
            path,
            database,
            transactions,
            syncs,
            durability: Durability::Immediate,
        })
    }

    fn known_version(&self, transaction: &ReadTransaction) -> Work<u32> {
        self.kind.known_version(&self.path, transaction)
    }

    fn migrate(&self) -> Result<(), StoreError> {
        let schema = self.kind.schema;
        let mut version = self.read(|transaction| schema.version(transaction))?;
        while let Some(step) = schema.step(version) {
            tracing::info!(file = %self.path.display(), from = version, "migrating the schema");
            version = version.saturating_add(1);
            self.write(|transaction| {
                step(transaction)?;
                schema.note(transaction, version)
            })?;
        }
        Ok(())
    }

    /// Does `work` in a read transaction: it sees the file as of one moment.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Work<T>,
    ) -> Result<T, StoreError> {
        let done = self
            .database
            .begin_read()
            .map_err(Fault::from)
            .and_then(|t| work(&t));
        done.map_err(|fault| self.kind.fault(&self.path, fault))
    }

    /// Does `work` in a write transaction, which is durable when this returns, or has not happened.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Work<T>,
    ) -> Result<T, StoreError> {
        let done = self
            .try_write(work)
            .map_err(|fault| self.kind.fault(&self.path, fault))?;
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(done)
    }

    fn try_write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Work<T>) -> Work<T> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        match work(&transaction) {
            Ok(done) => {
                transaction.commit()?;
                Ok(done)
            }
            Err(fault) => {
                // What failed is the work; that undoing it failed too would only hide this.
                if let Err(error) = transaction.abort() {
                    tracing::debug!(%error, "a write transaction could not be undone in memory");
                }
                Err(fault)
            }
        }
    }

    /// Rows and bytes of each table.
    pub(crate) fn sizes(&self) -> Result<Sizes, StoreError> {
        self.read(self.kind.schema.sizes)
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How often it was written since it was opened.
    pub(crate) fn writes(&self) -> Writes {
        Writes {
            transactions: self.transactions.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
        }
    }

    /// Makes later writes of this file not durable, for the test that shows that the tests of
    /// durability can fail.
    #[cfg(test)]
    pub(crate) fn make_volatile(&mut self) {
        self.durability = Durability::None;
    }
}

impl Kind {
    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache);
        builder
    }

    /// The schema version, when this program knows it.
    fn known_version(&self, path: &Path, transaction: &ReadTransaction) -> Work<u32> {
        let (found, supported) = (self.schema.version(transaction)?, self.schema.newest());
        if found > supported {
            let path = path.to_path_buf();
            return Err(StoreError::NewerSchema {
                path,
                found,
                supported,
            }
            .into());
        }
        Ok(found)
    }

    /// The error for a file that is not what was written.
    pub(crate) fn damaged(&self, path: &Path, detail: String) -> StoreError {
        StoreError::Damaged {
            path: path.to_path_buf(),
            detail,
            remedy: self.when_damaged,
        }
    }

    fn fault(&self, path: &Path, fault: Fault) -> StoreError {
        match fault {
            Fault::Redb(error) => self.error(path, *error),
            Fault::Damaged(detail) => self.damaged(path, detail),
            Fault::Refused(error) => error,
        }
    }

    fn error(&self, path: &Path, error: impl Into<redb::Error>) -> StoreError {
        use redb::Error;
        let error = error.into();
        let io = |detail| StoreError::Io {
            path: path.to_path_buf(),
            detail,
        };
        if let Error::Io(cause) = &error {
            use io::ErrorKind::{InvalidData, UnexpectedEof};
            return if matches!(cause.kind(), InvalidData | UnexpectedEof) {
                self.damaged(path, cause.to_string())
            } else {
                StoreError::io(path, cause)
            };
        }
        let open_elsewhere = matches!(
            error,
            Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch
        );
        let damaged = matches!(
            error,
            Error::Corrupted(_)
                | Error::UpgradeRequired(_)
                | Error::TableTypeMismatch { .. }
                | Error::TableIsMultimap(_)
                | Error::TableIsNotMultimap(_)
                | Error::TypeDefinitionChanged { .. }
                | Error::TableDoesNotExist(_)
        );
        if open_elsewhere {
            let directory = path.parent().unwrap_or(path).to_path_buf();
            StoreError::InUse {
                directory,
                holder: "another program".into(),
            }
        } else if damaged {
            self.damaged(path, error.to_string())
        } else {
            io(error.to_string())
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("File").field(&self.path).finish()
    }
}

/// A backend that counts its syncs.
#[derive(Debug)]
struct Counted<B> {
    backend: B,
    syncs: Arc<AtomicU64>,
}

impl<B: StorageBackend> StorageBackend for Counted<B> {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.backend.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}
