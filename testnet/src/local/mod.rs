//! A network on this machine: its directories, its processes, and the demonstration.
//!
//! [`Layout`] makes the files of a network in a fresh directory; [`Testnet`] runs its nodes as child
//! processes; [`demo`] shows the main job with them; [`control`] starts a network that goes on,
//! and finds and ends it later. Used by `decube testnet` and by `decube-testnet`.
//!
//! # Invariants
//! - No node outlives the program that started it, however that ends, unless it was let go on
//!   purpose (`cli/tests/cli/testnet.rs`).
//! - Only processes that the directory's state file proves to be its own are signalled
//!   (`control::tests`, `state::tests`).
//! - Everything that is waited for has a limit, and every failure names the node and its log.

mod args;
pub mod control;
pub mod demo;
mod failure;
mod layout;
mod parent;
mod ports;
mod process;
mod progress;
mod signals;
mod state;
mod table;
mod testnet;

#[cfg(any(feature = "bench", feature = "kill"))]
pub(crate) use args::print;
pub use args::{DemoArgs, DownArgs, FaultKind, StatusArgs, TestnetCommand, UpArgs, run};
pub use failure::{AboutNode, explain};
pub use layout::{Layout, NodePlan, NodeRole, Spec};
pub use parent::parent_gone;
pub use process::{Lifetime, NodeProcess, Program};
pub use progress::Progress;
pub use signals::signalled;
pub use state::{NodeState, STATE_FILE, State};
pub use table::Table;
pub use testnet::{Member, Testnet};
