//! The messages of the shared types.

mod block;
mod document;
mod genesis;
mod outcome;
mod state;
mod transaction;
mod vote;
