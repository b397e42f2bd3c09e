//! Time as the cores see it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// The two clocks at one moment.
///
/// Time-outs use `monotonic` only; `wall` stands in headers and documents and may jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since an origin of the driver's choice; never goes back.
    pub monotonic: Duration,
    /// Wall-clock time; may jump in both directions.
    pub wall: Timestamp,
}
