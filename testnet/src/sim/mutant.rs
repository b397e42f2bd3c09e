//! Rules that are broken on purpose, to show that the checks notice.

use clap::ValueEnum;

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mutant {
    /// The safety guard lets a validator finalize and nullify one view. Found by the check
    /// *failure*: the vote log refuses the second vote.
    FinalizeOrNullify,
    /// A proposal may skip views that have no nullification. Found when a Byzantine leader
    /// does: by the check *agreement*, or by *progress* when the nodes are split and go on no more.
    SkippedNullifications,
    /// A vote is sent before the write that records it was synced. Found by the check *double
    /// vote*, after a crash.
    VoteFsync,
    /// The disk of the state reports syncs that it never did. Found after a crash: by the
    /// check *failure* when the file is damaged, else by the check *lost*.
    StateFsync,
}
