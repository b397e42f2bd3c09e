//! The wire format: fixtures, round trips, hostile bytes, and the generated code.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests: a failure is a failing test, and samples are drawn from numbers"
)]

mod fixtures;
mod generate;
mod hostile;
mod messages;
mod sample;
