//! The program `decube-testnet`: what stands networks up, without being a part of `decube`.

#[cfg(feature = "local")]
mod node;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Stands DeCube networks up: simulated ones, and real ones on this machine")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run networks in virtual time, repeated from seeds, and check everything that must hold.
    #[cfg(feature = "sim")]
    Sim(decube_testnet::sim::SimArgs),
    /// Measure a network of real processes, or the cores alone.
    #[cfg(feature = "bench")]
    Bench(decube_testnet::bench::BenchArgs),
    /// Kill nodes under load, and hold them to what they acknowledged.
    #[cfg(feature = "kill")]
    Kill(decube_testnet::kill::KillArgs),
    /// Run one node of a data directory.
    #[cfg(feature = "local")]
    #[command(hide = true)]
    Node(node::NodeArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse_from(arguments(std::env::args())).command {
        #[cfg(feature = "sim")]
        Command::Sim(args) => args.run(),
        #[cfg(feature = "bench")]
        Command::Bench(args) => args.run(),
        #[cfg(feature = "kill")]
        Command::Kill(args) => args.run(),
        #[cfg(feature = "local")]
        Command::Node(args) => args.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments without the `--` that `cargo sim -- --seed 7` leaves behind the subcommand: the
/// alias has one of its own already.
fn arguments(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut arguments: Vec<String> = arguments.collect();
    if arguments.get(2).is_some_and(|argument| argument == "--") {
        arguments.remove(2);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_of_the_alias_is_dropped() {
        let of = |text: &str| arguments(text.split(' ').map(str::to_owned));
        assert_eq!(of("x sim -- --seed 7"), ["x", "sim", "--seed", "7"]);
        assert_eq!(of("x sim --seed 7"), ["x", "sim", "--seed", "7"]);
    }
}
