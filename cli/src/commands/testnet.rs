//! `testnet`: networks on this machine.

use std::process::ExitCode;

use clap::Args;
use decube_testnet::local::{self, TestnetCommand};

use crate::context::Context;
use crate::failure::Failure;

/// Networks on this machine.
#[derive(Debug, Args)]
pub(crate) struct Testnet {
    #[command(subcommand)]
    command: TestnetCommand,
}

impl Testnet {
    /// Carries out a command with nodes of this very program. The code is the one to exit with; what
    /// it says was printed already.
    pub(crate) async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("this program cannot be found: {error}")))?;
        let code = local::run(self.command, &program, context.json()).await;
        code.map(ExitCode::from)
            .map_err(|error| Failure::failed(format!("{error:#}")))
    }
}
