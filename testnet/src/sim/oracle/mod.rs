//! What must hold, checked after every step by a log that is kept outside of the nodes.
//!
//! The oracle sees every message that leaves a node, every event and reply, and what a node finds
//! on its disk when it starts. It shares no code with the cores but the types and the check of a
//! signature.
//!
//! # Invariants
//! - No two nodes ever have two final blocks at one height, also over restarts (`chain`).
//! - No finalization beside a nullification of one view, and no honest key contradicts itself
//!   (`votes`).
//! - Nothing acknowledged is lost (`promises`).

pub(super) mod chain;
pub(super) mod promises;
pub(super) mod votes;

use std::fmt;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check that found it.
    pub check: Check,
    /// What happened.
    pub what: String,
}

impl Violation {
    pub(super) fn new(check: Check, what: impl Into<String>) -> Self {
        Self {
            check,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.name(), self.what)
    }
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Two final blocks at one height, or a chain with a gap.
    Agreement,
    /// A finalization and a nullification of one view, or two notarizations.
    Certificates,
    /// An honest key signed what contradicts what it signed before.
    DoubleVote,
    /// An honest node sent what does not verify.
    Forgery,
    /// Something acknowledged is gone.
    Lost,
    /// A submitted transaction became neither final nor expired, or both.
    Submission,
    /// Nodes did not become equal in time after everything was healed.
    Convergence,
    /// Fewer blocks became final than a living network makes.
    Progress,
    /// An honest node blamed another for what an honest one never does.
    Blame,
    /// A proof does not verify.
    Proof,
    /// A core or the store failed or panicked, or a core spins.
    Failure,
}

impl Check {
    /// The check's name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Certificates => "certificates",
            Self::DoubleVote => "double vote",
            Self::Forgery => "forgery",
            Self::Lost => "lost",
            Self::Submission => "submission",
            Self::Convergence => "convergence",
            Self::Progress => "progress",
            Self::Blame => "blame",
            Self::Proof => "proof",
            Self::Failure => "failure",
        }
    }
}
