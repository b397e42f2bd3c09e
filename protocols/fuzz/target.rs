//! Every binary of this crate: its name says which target of `tests/fuzz/targets` it gives to
//! libFuzzer.

#![no_main]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    dead_code,
    reason = "the targets are helpers of tests, which also ask them for samples"
)]

#[path = "../tests/fuzz/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(
    init: targets::keep_quiet_about_automerge(),
    |bytes: &[u8]| {
        targets::run(env!("CARGO_BIN_NAME"), bytes);
    }
);
