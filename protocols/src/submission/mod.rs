//! From a user's wish to a final transaction: receipts are collected from replicas, the
//! transaction is signed and handed to the validators, and its outcome is awaited.

mod io;

pub use io::{Effect, Input, Progress, Record, SubmissionError, Wish};
