//! A file opened for looking only: what is written stays in memory.
//!
//! redb repairs a file while it opens it, and makes a new database of an empty one. Both happen here
//! first, so that a file is written only when it is known to be sound.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// The unit in which written bytes are kept, redb's page size.
const BLOCK: u64 = 4096;
const BLOCK_LENGTH: usize = 4096;

/// The content of a file, with changes on top that are never written to it.
#[derive(Debug)]
pub(crate) struct Preview {
    file: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    length: u64,
    // What the file holds from here on is cut off, also when the length grows again.
    file_length: u64,
    // Invariant: each is BLOCK_LENGTH long.
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Preview {
    /// Opens the file at `path` for reading.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let changes = Changes {
            length,
            file_length: length,
            blocks: BTreeMap::new(),
        };
        Ok(Self {
            file,
            changes: Mutex::new(changes),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one block as the file has it, with zeros behind its end.
    fn original(&self, block: u64, file_length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; BLOCK_LENGTH];
        let start = block * BLOCK;
        let there = file_length.saturating_sub(start).min(BLOCK);
        let there = usize::try_from(there).unwrap_or(BLOCK_LENGTH);
        self.file.read_exact_at(&mut bytes[..there], start)?;
        Ok(bytes)
    }
}

/// The parts of `offset..offset + length` by block: the block, where in it, and how many bytes.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let start = usize::try_from(at % BLOCK).unwrap_or_default();
        let count = (BLOCK_LENGTH - start).min(length - done);
        done += count;
        (count > 0).then_some((at / BLOCK, start, count))
    })
}

impl StorageBackend for Preview {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        if offset
            .checked_add(out.len() as u64)
            .is_none_or(|end| end > changes.length)
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (block, start, count) in parts(offset, out.len()) {
            let target = &mut out[done..done + count];
            match changes.blocks.get(&block) {
                Some(bytes) => target.copy_from_slice(&bytes[start..start + count]),
                None => {
                    let bytes = self.original(block, changes.file_length)?;
                    target.copy_from_slice(&bytes[start..start + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes();
        if length < changes.length {
            changes.blocks.retain(|block, _| block * BLOCK < length);
            if let Some(last) = changes.blocks.get_mut(&(length / BLOCK)) {
                last[usize::try_from(length % BLOCK).unwrap_or_default()..].fill(0);
            }
        }
        changes.file_length = changes.file_length.min(length);
        changes.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        if offset
            .checked_add(data.len() as u64)
            .is_none_or(|end| end > changes.length)
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        for (block, start, count) in parts(offset, data.len()) {
            if !changes.blocks.contains_key(&block) {
                let bytes = self.original(block, changes.file_length)?;
                changes.blocks.insert(block, bytes);
            }
            if let Some(bytes) = changes.blocks.get_mut(&block) {
                bytes[start..start + count].copy_from_slice(&data[done..done + count]);
            }
            done += count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_back_and_never_reach_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let content: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        std::fs::write(&path, &content).unwrap();
        let preview = Preview::open(&path).unwrap();
        let mut expected = content.clone();
        expected.resize(20_000, 0);
        preview.set_len(20_000).unwrap();
        for (offset, length) in [(0, 10), (4090, 20), (9_990, 5_000), (19_999, 1)] {
            preview.write(offset as u64, &vec![0xee; length]).unwrap();
            expected[offset..offset + length].fill(0xee);
        }
        let read = |length| {
            let mut bytes = vec![0; length];
            preview.read(0, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(read(20_000), expected);
        preview.set_len(4_100).unwrap();
        preview.set_len(8_000).unwrap();
        expected.truncate(4_100);
        expected.resize(8_000, 0);
        assert_eq!(read(8_000), expected);
        assert!(preview.read(7_999, &mut [0; 2]).is_err());
        assert!(preview.write(u64::MAX, &[0; 2]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}
