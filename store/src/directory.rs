//! The data directory: only one process has it open, and files appear in it whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The file that is locked while a process has the directory open; it holds the process id.
const LOCK_FILE: &str = "decube.lock";

/// The most bytes read of the lock file: a process id has ten digits.
const MAX_HOLDER: u64 = 32;

/// Whoever holds it is alone with the data directory. The operating system takes it back from a
/// process that dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(LOCK_FILE);
        let io = |error: &io::Error| StoreError::io(&path, error);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options.open(&path).map_err(|error| io(&error))?;
        match file.try_lock() {
            Ok(()) => {
                let pid = format!("{}\n", std::process::id());
                file.set_len(0)
                    .and_then(|()| file.write_all(pid.as_bytes()))
                    .map_err(|error| io(&error))?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file);
                Err(StoreError::InUse {
                    directory: directory.to_path_buf(),
                    holder,
                })
            }
            Err(TryLockError::Error(error)) => Err(io(&error)),
        }
    }
}

/// Who wrote its process id into the lock file; it may be about to.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(MAX_HOLDER).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        (Ok(_) | Err(_), _) => "another process".into(),
    }
}

/// Writes a file by a temporary one, so that it appears with all of its content or not at all.
/// An existing file of that name is replaced.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), StoreError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let written = (|| {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // A new file, so that it has this mode from its first byte on.
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()
    })();
    written.map_err(|error| StoreError::io(&unfinished, &error))?;
    rename(&unfinished, path)
}

/// Gives a finished file its name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let renamed = fs::rename(from, to).and_then(|()| match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    });
    renamed.map_err(|error| StoreError::io(to, &error))
}
