//! Stories of a few nodes, each from a seed.

mod evil;
mod faults;
mod net;
mod stories;
