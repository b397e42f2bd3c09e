//! `decube`, the command line of DeCube: flags, settings and output. What it does, it asks of a
//! running node through its control API, or of the files of a data directory.
//!
//! # Output
//! Results go to standard output, everything else to standard error. With `--json` each command
//! prints one JSON object, also when it fails (`{"error": ...}`); `doc watch` prints one per event.
//!
//! # Exit codes
//! 0 done, 1 failed, 2 wrong usage, 3 not found, 4 timed out, 5 refused.

mod args;
mod commands;
mod context;
mod directory;
mod editor;
mod failure;
mod output;
mod passphrase;
mod ticket;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args().any(|word| word == "--json") => {
            let failure = Failure::usage(error.to_string().trim_end());
            output::failure(&failure, true);
            return ExitCode::from(failure.exit.code());
        }
        Err(error) => {
            // When nobody reads the help any more, there is nobody to tell.
            let _printed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let json = cli.global.json;
    let result = runtime().and_then(|runtime| {
        let result = runtime.block_on(commands::run(cli));
        // Nothing is waited for that a command left behind, such as an idle connection.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            output::failure(&failure, json);
            ExitCode::from(failure.exit.code())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the system gives no threads: {error}")))
}
