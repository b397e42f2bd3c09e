//! The flags that every command takes, and the list of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    chain, collection, commit, completions, doc, doctor, key, network, node, peer, proof, signer,
    status, sync, testnet, validator,
};

/// Documents that people and organisations share without one of them being in charge.
#[derive(Debug, Parser)]
#[command(
    name = "decube",
    version,
    propagate_version = false,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 timed out, 5 refused.\n\n\
        Example:\n  decube join network.toml\n  decube up &\n  decube status --wait ready\n  \
        decube doc create notes/readme --content '{\"title\": \"Hello\"}'"
)]
pub(crate) struct Cli {
    /// The flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The data directory; the platform's data folder without it.
    #[arg(long, global = true, env = "DECUBE_HOME", value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
    /// How long to wait at most; 60 without it.
    #[arg(long, global = true, env = "DECUBE_TIMEOUT", value_name = "SECONDS")]
    pub timeout: Option<f64>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data directory with keys, a vote log and settings.
    Init(node::Init),
    /// Join a network by its file or a ticket.
    Join(node::Join),
    /// Run the node until Ctrl-C.
    Up(node::Up),
    /// Say how the node is doing.
    Status(status::Status),
    /// Check the data directory and the machine.
    Doctor(doctor::Doctor),
    /// Create, read, edit and remove documents.
    #[command(subcommand)]
    Doc(doc::Doc),
    /// Create and list collections.
    #[command(subcommand)]
    Collection(collection::Collection),
    /// Look at final blocks.
    #[command(subcommand)]
    Chain(chain::Chain),
    /// Make versions of documents final.
    Commit(commit::Commit),
    /// Write a proof of a document's committed version.
    Proof(proof::Proof),
    /// Verify a proof offline.
    Verify(proof::Verify),
    /// Look at and choose peers.
    #[command(subcommand)]
    Peer(peer::Peer),
    /// Look at the validators.
    #[command(subcommand)]
    Validator(validator::Validator),
    /// Define a network, show it, or make a ticket for it.
    #[command(subcommand)]
    Network(network::Network),
    /// Make, show, seal and exchange keys.
    #[command(subcommand)]
    Key(key::Key),
    /// Keep a validator's key apart from its node, and sign its votes.
    Signer(signer::Signer),
    /// See how the collections compare with those of peers.
    #[command(subcommand)]
    Sync(sync::Sync),
    /// Run networks on this machine, for trying things out.
    Testnet(testnet::Testnet),
    /// Print completions for a shell.
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn walk(command: &clap::Command, check: &mut impl FnMut(&clap::Command)) {
        let leaves: Vec<_> = command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .collect();
        if leaves.is_empty() {
            check(command);
        }
        for sub in leaves {
            walk(sub, check);
        }
    }

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        let mut count = 0;
        walk(&Cli::command(), &mut |command| {
            let name = command.get_name().to_owned();
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let Some((_, example)) = help.split_once("Example:\n  ") else {
                panic!("`{name}` has no example: {help}");
            };
            let first = example.lines().next().unwrap_or_default();
            let words = words(first.split(" > ").next().unwrap_or_default());
            assert!(words.contains(&name), "the example of `{name}` is {first}");
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("the example of `{name}` is wrong: {error}");
            }
            count += 1;
        });
        assert!(count > 35, "only {count} commands were seen");
    }

    /// Splits a line as a shell does, with single quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for character in line.chars() {
            match character {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}
