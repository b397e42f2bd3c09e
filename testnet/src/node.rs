//! The hidden subcommand `node`: a node of this very program, so that nothing tests a stale binary.

use std::path::PathBuf;

use anyhow::{Context, Result};
use decube_node::run::{Keys, run, stop_signal};
use decube_node::settings::{Overrides, Settings};
use decube_testnet::local::parent_gone;
use tracing_subscriber::EnvFilter;

/// Which node to run.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeArgs {
    /// Its data directory.
    #[arg(long)]
    data_dir: PathBuf,
    /// Stop when standard input closes, unless the line `stay` came before.
    #[arg(long)]
    until_stdin_closes: bool,
}

impl NodeArgs {
    /// Runs the node until it is told to stop.
    pub(crate) fn run(self) -> Result<()> {
        let settings = Settings::resolve(&[Overrides::of_directory(&self.data_dir)?])?;
        let filter = EnvFilter::try_new(&settings.log).context("the setting `log`")?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .init();
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        runtime.block_on(async {
            let signalled = stop_signal()?;
            let stop = async {
                tokio::select! {
                    () = signalled => {}
                    () = parent_gone(), if self.until_stdin_closes => {}
                }
            };
            let keys = Keys::read(&self.data_dir)?;
            run(&self.data_dir, &settings, keys, |_, _| {}, stop).await
        })?;
        Ok(())
    }
}
