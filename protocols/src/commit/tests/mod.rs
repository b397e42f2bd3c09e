//! Stories of a few nodes, each from a seed.

mod evil;
mod execution;
mod faults;
mod net;
mod rules;
mod stories;
