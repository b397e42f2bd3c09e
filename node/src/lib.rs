//! The DeCube node: the driver that joins the cores of `decube-protocols` with the store and the
//! network, the control API, and its client.
//!
//! To embed a node, open a [`decube_store::Store`], fill a [`NodeConfig`], and call [`Node::start`];
//! the [`Handle`] does the rest.

pub mod api;
pub mod client;
pub mod network;
mod node;
pub mod run;
pub mod settings;
pub mod signer;

pub use node::{Handle, Node, NodeConfig, NodeStatus, RequestError, Role, StartError, StopReason};
