//! One module per command or group of commands.

pub(crate) mod chain;
pub(crate) mod collection;
pub(crate) mod commit;
pub(crate) mod completions;
pub(crate) mod doc;
pub(crate) mod doctor;
pub(crate) mod key;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod proof;
pub(crate) mod signer;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod testnet;
pub(crate) mod validator;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use decube_protocols::documents::content::oversized_integer;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let context = Context::new(cli.global)?;
    let report = match cli.command {
        Command::Up(up) => return done(up.run(&context).await),
        Command::Signer(signer) => return done(signer.run(&context).await),
        Command::Completions(completions) => return done(completions.run()),
        Command::Doc(doc) => return done(doc.run(&context).await),
        Command::Proof(proof) => return done(proof.run(&context).await),
        Command::Init(init) => init.run(&context)?,
        Command::Join(join) => join.run(&context)?,
        Command::Status(status) => status.run(&context).await?,
        Command::Doctor(doctor) => return doctor.run(&context).await,
        Command::Collection(collection) => collection.run(&context).await?,
        Command::Chain(chain) => chain.run(&context).await?,
        Command::Commit(commit) => commit.run(&context).await?,
        Command::Verify(verify) => verify.run(&context)?,
        Command::Peer(peer) => peer.run(&context).await?,
        Command::Network(network) => network.run(&context)?,
        Command::Key(key) => key.run(&context)?,
        Command::Sync(sync) => sync.run(&context).await?,
        Command::Validator(validator) => validator.run(&context).await?,
        Command::Testnet(testnet) => return testnet.run(&context).await,
    };
    done(context.print(&report))
}

/// Success, for a command that has no exit code of its own.
fn done(result: Result<(), Failure>) -> Result<ExitCode, Failure> {
    result.map(|()| ExitCode::SUCCESS)
}

/// Reads a file, or standard input for `-`, up to `max` bytes.
pub(crate) fn read_input(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let limit = max as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Ok(length) if length > max => Err(Failure::refused(format!(
            "{} has more than {max} bytes",
            path.display()
        ))),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Failure::not_found(
            format!("there is no file {}", path.display()),
        )),
        Err(error) => Err(Failure::failed(format!(
            "{} cannot be read: {error}",
            path.display()
        ))),
    }
}

/// Reads JSON that a user wrote; `from` says where.
pub(crate) fn parse_json(from: &str, text: &[u8]) -> Result<serde_json::Value, Failure> {
    let value = serde_json::from_slice(text).map_err(|error| {
        Failure::usage(format!(
            "{from} is no JSON: {error}; texts stand in double quotes, as in '\"text\"'"
        ))
    })?;
    match oversized_integer(text) {
        None => Ok(value),
        Some(number) => Err(Failure::usage(format!(
            "{from} has the integer {number}, which does not fit in 64 bits; write it as a text, or \
             with a point or an exponent to have it rounded"
        ))),
    }
}
