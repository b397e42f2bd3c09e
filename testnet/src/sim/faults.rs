//! The kinds of faults, and how often each occurred.

use std::fmt;

/// Something that went wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A message was lost on a link.
    Loss,
    /// A message arrived twice.
    Duplicate,
    /// A message overtook an earlier one of the same link.
    Reorder,
    /// Nodes were cut off from the others in both directions.
    Partition,
    /// Messages passed in one direction only.
    AsymmetricPartition,
    /// A connection closed and both ends were told.
    Disconnect,
    /// A connection broke and an end noticed only later.
    LateDisconnect,
    /// A request had no response in time.
    RequestTimeout,
    /// A gossip message was lost on the way to a neighbour.
    GossipLoss,
    /// A gossip message was delivered twice.
    GossipDuplicate,
    /// A node was killed between two effects of a core, or at any other moment.
    Crash,
    /// A node was killed while a write was on its way to the disk: nothing of it was made.
    CrashBeforeWrite,
    /// A node was killed within a write: unsynced parts of it were dropped or torn.
    CrashInWrite,
    /// A node was killed when a write was durable, but nothing that follows it was done.
    CrashAfterWrite,
    /// All nodes were killed at once.
    AllCrash,
    /// A disk took long for its writes.
    SlowDisk,
    /// A wall clock jumped ahead.
    ClockAhead,
    /// A wall clock jumped back.
    ClockBack,
    /// A Byzantine validator said different things to different validators.
    Equivocation,
    /// A Byzantine validator said nothing.
    Silence,
    /// A Byzantine validator kept votes or proposals from some.
    Withholding,
    /// A Byzantine validator sent well-signed nonsense.
    Babble,
    /// A Byzantine leader built on an older block than the last.
    Skip,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::Loss,
        Self::Duplicate,
        Self::Reorder,
        Self::Partition,
        Self::AsymmetricPartition,
        Self::Disconnect,
        Self::LateDisconnect,
        Self::RequestTimeout,
        Self::GossipLoss,
        Self::GossipDuplicate,
        Self::Crash,
        Self::CrashBeforeWrite,
        Self::CrashInWrite,
        Self::CrashAfterWrite,
        Self::AllCrash,
        Self::SlowDisk,
        Self::ClockAhead,
        Self::ClockBack,
        Self::Equivocation,
        Self::Silence,
        Self::Withholding,
        Self::Babble,
        Self::Skip,
    ];

    /// What it is called in the table of counts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "message lost",
            Self::Duplicate => "message duplicated",
            Self::Reorder => "message reordered",
            Self::Partition => "partition",
            Self::AsymmetricPartition => "asymmetric partition",
            Self::Disconnect => "disconnect",
            Self::LateDisconnect => "disconnect noticed late",
            Self::RequestTimeout => "request timed out",
            Self::GossipLoss => "gossip lost",
            Self::GossipDuplicate => "gossip duplicated",
            Self::Crash => "crash",
            Self::CrashBeforeWrite => "crash before a write",
            Self::CrashInWrite => "crash within a write",
            Self::CrashAfterWrite => "crash after a write",
            Self::AllCrash => "all crash at once",
            Self::SlowDisk => "slow disk",
            Self::ClockAhead => "clock jumped ahead",
            Self::ClockBack => "clock jumped back",
            Self::Equivocation => "equivocation",
            Self::Silence => "silence",
            Self::Withholding => "withholding",
            Self::Babble => "babble",
            Self::Skip => "skipped view",
        }
    }
}

/// How often each fault occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Counts {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        if let Some(count) = self.0.get_mut(fault as usize) {
            *count += 1;
        }
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// How often that fault occurred.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(fault as usize).copied().unwrap_or_default()
    }

    /// Those that never occurred.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        Fault::ALL
            .into_iter()
            .filter(|fault| self.of(*fault) == 0)
            .collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in Fault::ALL {
            writeln!(f, "  {:<26}{:>10}", fault.name(), self.of(fault))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_place_and_name() {
        let mut counts = Counts::default();
        assert_eq!(counts.missing().len(), Fault::ALL.len());
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
            counts.count(fault);
            assert!(counts.to_string().contains(fault.name()));
        }
        assert_eq!(counts.missing(), []);
        let mut twice = counts.clone();
        twice.add(&counts);
        assert_eq!(twice.of(Fault::SlowDisk), 2);
    }
}
