//! Hostile peers of the same network against running nodes. After each attack the node is alive,
//! holds what it held, and serves an honest user; who was blatant is disconnected.

mod chain;
mod consensus;
mod documents;
mod forge;
mod mallory;
mod requests;
mod world;
