//! The streams between validators: one outbound stream to each, held open, with a queue that lets
//! the urgent go first.
//!
//! - `queue`: the frames that wait for one validator.
//! - `link`: the queue shared with the sender, and the two loops that write and read a stream.
//! - `streams`: how streams are opened and accepted on a connection.

mod link;
mod queue;
mod streams;

pub(super) use link::{LinkEnd, Links, read_loop, write_loop};
pub(super) use streams::{Behaviour, Event as StreamEvent, Opened};
