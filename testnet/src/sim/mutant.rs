//! Rules that are broken on purpose, to show that the checks notice.

use clap::ValueEnum;

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// The safety guard lets a validator finalize and nullify one view.
    FinalizeOrNullify,
    /// A proposal may skip views that have no nullification.
    SkippedNullifications,
    /// A vote is sent before the write that records it was synced.
    VoteFsync,
}
