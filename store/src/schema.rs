//! Schema versions: a newer file is refused, an older one is brought up step by step.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};

use crate::codec;
use crate::error::{Fault, Work};
use crate::tables::Sizes;

/// The key of the version in a file's table `meta`.
pub(crate) const SCHEMA_KEY: &str = "schema";

/// What brings a file up by one version, within the write transaction that also notes the version.
pub(crate) type Migration = fn(&WriteTransaction) -> Work<()>;

/// The schema of a kind of file.
#[derive(Clone, Copy)]
pub(crate) struct Schema {
    /// The file's table of facts, the same in every version.
    pub(crate) meta: TableDefinition<'static, &'static str, &'static [u8]>,
    /// Step `i` brings version `i + 1` up; so the newest version is one more than there are steps.
    pub(crate) migrations: &'static [Migration],
    /// Makes all tables of the newest version.
    pub(crate) create: fn(&WriteTransaction) -> Work<()>,
    /// Sizes of all tables of the newest version; fails when one is missing or of other types.
    pub(crate) sizes: fn(&ReadTransaction) -> Work<Sizes>,
}

impl Schema {
    /// The newest version.
    pub(crate) fn newest(&self) -> u32 {
        u32::try_from(self.migrations.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// Makes the tables of a new file and notes the version.
    pub(crate) fn initialize(&self, transaction: &WriteTransaction) -> Work<()> {
        (self.create)(transaction)?;
        self.note(transaction, self.newest())
    }

    /// The version of an open file.
    pub(crate) fn version(&self, transaction: &ReadTransaction) -> Work<u32> {
        let table = transaction.open_table(self.meta)?;
        let stored = table.get(SCHEMA_KEY)?;
        let stored = stored.ok_or_else(|| Fault::Damaged("it has no schema version".into()))?;
        let version = u32::from_le_bytes(codec::array(SCHEMA_KEY, stored.value())?);
        if version == 0 {
            return Err(Fault::Damaged("its schema version is 0".into()));
        }
        Ok(version)
    }

    /// The step that brings up a file of `version`; none when that is the newest.
    pub(crate) fn step(&self, version: u32) -> Option<Migration> {
        let index = usize::try_from(version.checked_sub(1)?).ok()?;
        self.migrations.get(index).copied()
    }

    /// Notes the version.
    pub(crate) fn note(&self, transaction: &WriteTransaction, version: u32) -> Work<()> {
        let mut table = transaction.open_table(self.meta)?;
        table.insert(SCHEMA_KEY, version.to_le_bytes().as_slice())?;
        Ok(())
    }
}
