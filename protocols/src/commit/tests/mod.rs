//! Stories of a few nodes, each from a seed.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a story looks at the few effects it is about; new ones do not concern it"
)]

mod costs;
mod disk;
mod evil;
mod execution;
mod faults;
mod net;
mod oracle;
mod rules;
mod signer;
mod stories;
