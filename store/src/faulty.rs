//! A disk in memory that loses, tears and refuses writes, for tests and the simulator.
//!
//! A [`FaultyDisk`] has files by name; each is a redb backend. What is written can be read at once,
//! and is durable only after the file's next sync. [`FaultyDisk::crash`] gives the disk as it is
//! found after a loss of power: of each file, every write since its last sync is kept, dropped or
//! torn, each on its own, as a seed decides. A torn write keeps some of the sectors that it spans:
//! sectors are what real disks write whole. A change of a file's length is kept or dropped, and what
//! lies behind a dropped one is gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What becomes of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// All are lost.
    Dropped,
    /// All have reached the disk.
    Kept,
    /// Each is kept, lost or torn, as the seed decides.
    Torn {
        /// The seed.
        seed: u64,
    },
}

/// How a disk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no room left: writes and growth fail with `ENOSPC`.
    Full,
    /// It is broken: writes, changes of length and syncs fail with `EIO`.
    Broken,
}

/// A disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<Disk>>);

/// A file of a [`FaultyDisk`], for redb.
#[derive(Clone, Debug)]
pub struct FaultyBackend {
    disk: FaultyDisk,
    name: &'static str,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<&'static str, File>,
    operations: u64,
    refusal: Option<(u64, Refusal)>,
    ignores_syncs: bool,
    // What happened, when it is recorded, so that a crash can be placed in the past.
    history: Option<Vec<(&'static str, Operation)>>,
}

#[derive(Clone, Debug, Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Operation>,
    syncs: u64,
}

#[derive(Clone, Debug)]
enum Operation {
    Write { offset: usize, data: Arc<[u8]> },
    SetLength(usize),
    Sync,
}

impl FaultyDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that remembers every operation, for [`FaultyDisk::crash_after`]. Its memory
    /// grows with each.
    #[must_use]
    pub fn recording() -> Self {
        let disk = Self::new();
        disk.lock().history = Some(Vec::new());
        disk
    }

    /// The file of that name, empty when it is new.
    #[must_use]
    pub fn file(&self, name: &'static str) -> FaultyBackend {
        self.lock().files.entry(name).or_default();
        FaultyBackend {
            disk: self.clone(),
            name,
        }
    }

    /// How many writes, changes of length and syncs there were, of all files.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many syncs there were, of all files.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().files.values().map(|file| file.syncs).sum()
    }

    /// Refuses from the operation on that has this number, counted from 0.
    pub fn refuse_from(&self, operation: u64, refusal: Refusal) {
        self.lock().refusal = Some((operation, refusal));
    }

    /// Refuses nothing any more.
    pub fn repair(&self) {
        self.lock().refusal = None;
    }

    /// Makes syncs do nothing while they report success, like a disk that lies.
    pub fn ignore_syncs(&self) {
        self.lock().ignores_syncs = true;
    }

    /// The disk as it is found after a loss of power now. This one stays as it is.
    #[must_use]
    pub fn crash(&self, unsynced: Unsynced) -> Self {
        let disk = self.lock();
        crashed(disk.files.clone(), unsynced)
    }

    /// The disk as it is found after a loss of power behind the first `operations` operations of a
    /// recording disk.
    #[must_use]
    pub fn crash_after(&self, operations: u64, unsynced: Unsynced) -> Self {
        let disk = self.lock();
        let mut files: BTreeMap<&'static str, File> = disk
            .files
            .keys()
            .map(|name| (*name, File::default()))
            .collect();
        let count = usize::try_from(operations).unwrap_or(usize::MAX);
        for (name, operation) in disk.history.iter().flatten().take(count) {
            files
                .entry(name)
                .or_default()
                .perform(operation.clone(), disk.ignores_syncs);
        }
        crashed(files, unsynced)
    }

    /// Behind which operations a recording disk had just synced a file.
    #[must_use]
    pub fn sync_points(&self) -> Vec<u64> {
        let disk = self.lock();
        let history = disk.history.iter().flatten();
        let syncs = history
            .zip(1..)
            .filter(|((_, operation), _)| match operation {
                Operation::Sync => true,
                Operation::Write { .. } | Operation::SetLength(_) => false,
            });
        syncs.map(|(_, number)| number).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn crashed(files: BTreeMap<&'static str, File>, unsynced: Unsynced) -> FaultyDisk {
    let mut choices = match unsynced {
        Unsynced::Dropped | Unsynced::Kept => Choices(0),
        Unsynced::Torn { seed } => Choices(seed),
    };
    let files = files.into_iter().map(|(name, file)| {
        let content = match unsynced {
            Unsynced::Dropped => file.durable,
            Unsynced::Kept => file.live,
            Unsynced::Torn { .. } => torn(file, &mut choices),
        };
        (
            name,
            File {
                durable: content.clone(),
                live: content,
                ..File::default()
            },
        )
    });
    let disk = Disk {
        files: files.collect(),
        ..Disk::default()
    };
    FaultyDisk(Arc::new(Mutex::new(disk)))
}

fn torn(file: File, choices: &mut Choices) -> Vec<u8> {
    let mut content = file.durable;
    for operation in file.pending {
        match (operation, choices.next() % 3) {
            (_, 0) | (Operation::Sync, _) => {}
            (Operation::SetLength(length), _) => content.resize(length, 0),
            (Operation::Write { offset, data }, 1) => put(&mut content, offset, &data),
            (Operation::Write { offset, data }, _) => {
                let mut done = 0;
                while done < data.len() {
                    let in_sector = SECTOR - (offset + done) % SECTOR;
                    let end = data.len().min(done + in_sector);
                    if choices.next().is_multiple_of(2) {
                        put(&mut content, offset + done, &data[done..end]);
                    }
                    done = end;
                }
            }
        }
    }
    content
}

/// Writes what lies within the content; behind its end there is no file.
fn put(content: &mut [u8], offset: usize, data: &[u8]) {
    let there = content.len().saturating_sub(offset).min(data.len());
    if there > 0 {
        content[offset..offset + there].copy_from_slice(&data[..there]);
    }
}

/// A sequence of choices that a seed repeats (SplitMix64).
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl File {
    fn perform(&mut self, operation: Operation, ignores_syncs: bool) {
        match &operation {
            Operation::Write { offset, data } => put(&mut self.live, *offset, data),
            Operation::SetLength(length) => self.live.resize(*length, 0),
            Operation::Sync => {
                self.syncs += 1;
                if !ignores_syncs {
                    self.settle();
                }
                return;
            }
        }
        self.pending.push(operation);
    }
}

impl File {
    /// Makes all that is pending durable.
    fn settle(&mut self) {
        for operation in self.pending.drain(..) {
            match operation {
                Operation::Write { offset, data } => put(&mut self.durable, offset, &data),
                Operation::SetLength(length) => self.durable.resize(length, 0),
                Operation::Sync => {}
            }
        }
    }
}

impl FaultyBackend {
    fn perform(&self, operation: Operation) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let number = disk.operations;
        disk.operations += 1;
        let file = disk.files.get(self.name);
        let length = file.map(|file| file.live.len()).unwrap_or_default();
        let refusal = disk.refusal.filter(|(from, _)| number >= *from);
        match (refusal, &operation) {
            (None, _) | (Some((_, Refusal::Full)), Operation::Sync) => {}
            (Some((_, Refusal::Full)), Operation::SetLength(new)) if *new <= length => {}
            (Some((_, Refusal::Full)), _) => return Err(io::ErrorKind::StorageFull.into()),
            (Some((_, Refusal::Broken)), _) => return Err(io::Error::other("the disk is broken")),
        }
        if let Operation::Write { offset, data } = &operation
            && offset
                .checked_add(data.len())
                .is_none_or(|end| end > length)
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let ignores_syncs = disk.ignores_syncs;
        if let Some(history) = &mut disk.history {
            history.push((self.name, operation.clone()));
        }
        disk.files
            .entry(self.name)
            .or_default()
            .perform(operation, ignores_syncs);
        Ok(())
    }
}

fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl StorageBackend for FaultyBackend {
    fn len(&self) -> io::Result<u64> {
        let disk = self.disk.lock();
        Ok(disk
            .files
            .get(self.name)
            .map_or(0, |file| file.live.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (disk, start) = (self.disk.lock(), index(offset)?);
        let file = disk.files.get(self.name).ok_or(io::ErrorKind::NotFound)?;
        let end = start
            .checked_add(out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = file
            .live
            .get(start..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.perform(Operation::SetLength(index(length)?))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.perform(Operation::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.perform(Operation::Write {
            offset: index(offset)?,
            data: data.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(disk: &FaultyDisk) -> Vec<u8> {
        let file = disk.file("a");
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read(0, &mut bytes).unwrap();
        bytes
    }

    fn written() -> FaultyDisk {
        let disk = FaultyDisk::recording();
        let file = disk.file("a");
        file.set_len(2048).unwrap();
        file.write(0, &[1; 2048]).unwrap();
        file.sync_data().unwrap();
        file.write(256, &[2; 1024]).unwrap();
        disk
    }

    #[test]
    fn only_what_was_synced_survives_for_sure() {
        let disk = written();
        assert_eq!(content(&disk.crash(Unsynced::Dropped)), [1; 2048]);
        assert_eq!(content(&disk.crash(Unsynced::Kept)), content(&disk));
        assert_eq!(content(&disk.crash_after(3, Unsynced::Dropped)), [1; 2048]);
        assert_eq!(content(&disk.crash_after(2, Unsynced::Dropped)), [0; 0]);
        assert_eq!(disk.sync_points(), [3]);
        assert_eq!((disk.operations(), disk.syncs()), (4, 1));
    }

    #[test]
    fn a_torn_write_keeps_whole_sectors_and_a_seed_repeats_it() {
        let disk = written();
        let torn: std::collections::BTreeSet<_> = (0..64)
            .map(|seed| content(&disk.crash(Unsynced::Torn { seed })))
            .collect();
        assert!(torn.len() > 4, "the seeds decide: {}", torn.len());
        let whole = content(&disk);
        for bytes in &torn {
            for sector in 0..4 {
                let range = sector * SECTOR..(sector + 1) * SECTOR;
                let (found, new) = (&bytes[range.clone()], &whole[range]);
                assert!(
                    found == new || found == [1; SECTOR],
                    "a sector is new or old"
                );
            }
        }
        let again = |seed| content(&disk.crash(Unsynced::Torn { seed }));
        assert_eq!(again(5), again(5));
    }

    #[test]
    fn a_full_disk_takes_no_write_and_a_broken_one_no_sync() {
        let disk = written();
        disk.refuse_from(disk.operations(), Refusal::Full);
        let file = disk.file("a");
        assert_eq!(
            file.write(0, &[9]).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(
            file.set_len(4096).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert!(file.set_len(1024).is_ok() && file.sync_data().is_ok());
        disk.refuse_from(0, Refusal::Broken);
        assert!(file.sync_data().is_err());
        disk.repair();
        assert!(file.write(0, &[9]).is_ok());
    }

    #[test]
    fn a_lying_disk_loses_what_was_synced() {
        let disk = FaultyDisk::new();
        disk.ignore_syncs();
        let file = disk.file("a");
        file.set_len(8).unwrap();
        file.sync_data().unwrap();
        assert_eq!(content(&disk.crash(Unsynced::Dropped)), [0; 0]);
    }
}
