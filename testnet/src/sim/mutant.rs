//! Rules that are broken on purpose, to show that the checks notice.

use clap::ValueEnum;

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// The safety guard lets a validator finalize and nullify one view. Found by the check
    /// *failure*: the vote log refuses the second vote.
    FinalizeOrNullify,
    /// A proposal may skip views that have no nullification. Found by the check *agreement*, when
    /// a Byzantine leader skips a view.
    SkippedNullifications,
    /// A vote is sent before the write that records it was synced. Found by the check *double
    /// vote*, after a crash.
    VoteFsync,
}
