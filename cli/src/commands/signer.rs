//! `signer`: a validator's key in a process of its own.

use std::path::PathBuf;

use clap::Args;
use decube_crypto::ValidatorKey;
use decube_node::{run, signer};
use decube_store::keys::{self, KeyKind};
use decube_store::network::{self, NETWORK_FILE};
use serde_json::json;

use crate::commands::node::log_to_stderr;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::passphrase::{PassphraseFlags, Unlocker};

/// Keep a validator's key and its vote log, and sign what does not contradict it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  decube signer --data-dir signer --socket /run/decube/signer.sock\n\n\
    The data directory needs the validator key with its vote log, and the network's file:\n  \
    decube key new validator --data-dir signer\n\n\
    A validator that exists already moves keys/validator.key and votes.redb there together, while \
    its node is stopped. The node, which then has neither, names the socket in decube.toml:\n  \
    signer = \"/run/decube/signer.sock\""
)]
pub(crate) struct Signer {
    /// Where to answer: a Unix socket that is made, for its owner alone.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The network's file; that of the data directory without it.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug, trace, or parts like decube_node=debug.
    #[arg(
        long,
        env = "DECUBE_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
    /// Where the passphrase of a sealed key comes from.
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

impl Signer {
    /// Signs until it is told to stop.
    pub(crate) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let folder = context.directory()?;
        log_to_stderr(&self.log)?;
        let file = self.network.clone();
        let genesis = network::read(&file.unwrap_or_else(|| folder.join(NETWORK_FILE)))?.genesis;
        let key = Unlocker::new(&self.passphrase).open(folder, KeyKind::Validator)?;
        let key = keys::voter(folder, &key, genesis.parameters.signature)?;
        let stop = run::stop_signal()?;
        let started = |public: &ValidatorKey| {
            if context.json() {
                let report = json!({
                    "validator": public, "network": genesis.network_id(), "socket": self.socket,
                    "process_id": std::process::id(),
                });
                // A signer goes on when nobody reads this any more.
                let _printed = output::line(&report.to_string());
            }
        };
        let signed = signer::run(folder, &genesis, &key, &self.socket, started, stop).await;
        signed.map_err(|error| Failure::failed(format!("the signer does not run: {error}")))
    }
}
