//! `init`, `join` and `up`: from nothing to a running node.

use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use decube_node::network::channel::Policy;
use decube_node::run::{self, Keys};
use decube_node::settings::{Overrides, Settings};
use decube_protocols::types::NetworkFile;
use decube_store::keys::KeyKind;
use decube_store::network::{self, NETWORK_FILE};
use decube_store::preshared;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::directory;
use crate::failure::Failure;
use crate::output::{self, Report};
use crate::passphrase::{PassphraseFlags, Unlocker};
use crate::ticket;

/// Settings as flags and environment variables; they come before `decube.toml`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Flags {
    /// Where to listen, for example /ip4/0.0.0.0/tcp/7070; may be given several times.
    #[arg(
        long,
        env = "DECUBE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub listen: Option<Vec<String>>,
    /// A peer to start from, ending in /p2p/PEER-ID; may be given several times.
    #[arg(
        long,
        env = "DECUBE_BOOTSTRAP",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub bootstrap: Option<Vec<String>>,
    /// Which channels to take part in: require (post-quantum only) or prefer (classic for light
    /// service).
    #[arg(long, env = "DECUBE_CHANNEL", value_name = "POLICY")]
    pub channel: Option<Policy>,
    /// Look for peers on the local network.
    #[arg(long, env = "DECUBE_MDNS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub mdns: Option<bool>,
    /// Also offer the control API on TCP, for example 127.0.0.1:7071, with a token.
    #[arg(long, env = "DECUBE_API_TCP", value_name = "ADDRESS:PORT")]
    pub api_tcp: Option<std::net::SocketAddr>,
    /// Allow --api-tcp on an address that other machines reach.
    #[arg(long, env = "DECUBE_API_REMOTE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub api_remote: Option<bool>,
    /// How often documents are compared with peers, in milliseconds.
    #[arg(long, env = "DECUBE_ANTI_ENTROPY_INTERVAL_MS", value_name = "MS", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub anti_entropy_interval_ms: Option<u64>,
    /// What to log: off, error, warn, info, debug, trace, or parts like decube_node=debug.
    #[arg(long, env = "DECUBE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// The most connections.
    #[arg(long, env = "DECUBE_CONNECTIONS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..65_536))]
    pub connections: Option<u32>,
    /// The memory of the process from which on no new connection is taken.
    #[arg(long, env = "DECUBE_MEMORY_MIB", value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..))]
    pub memory_mib: Option<u32>,
}

impl Flags {
    /// The settings that were given.
    pub(crate) fn overrides(&self) -> Result<Overrides, Failure> {
        fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
            flag: &str,
            texts: Option<&Vec<String>>,
        ) -> Result<Option<Vec<T>>, Failure> {
            let one = |text: &String| {
                text.parse().map_err(|error| {
                    let what = format!("{flag} {text:?} is no address: {error}");
                    Failure::usage(what + "; write for example /ip4/127.0.0.1/tcp/7070")
                })
            };
            texts
                .map(|texts| texts.iter().map(one).collect())
                .transpose()
        }
        let interval = self
            .anti_entropy_interval_ms
            .map(std::time::Duration::from_millis);
        Ok(Overrides {
            listen: parse("--listen", self.listen.as_ref())?,
            bootstrap: parse("--bootstrap", self.bootstrap.as_ref())?,
            channel: self.channel,
            allowed_peers: None,
            mdns: self.mdns,
            api_tcp: self.api_tcp,
            api_remote: self.api_remote,
            anti_entropy_interval: interval,
            signer: None,
            log: self.log.clone(),
            connections: self.connections,
            connections_per_peer: None,
            pending: None,
            memory_mib: self.memory_mib,
        })
    }
}

/// Make a data directory.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  decube init --listen /ip4/0.0.0.0/tcp/7070\n\n\
    Keys that are there already are kept."
)]
pub(crate) struct Init {
    /// The network's file; it can also be joined later.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// Make no validator key: the node will never vote.
    #[arg(long)]
    no_validator: bool,
    /// Settings to write into decube.toml.
    #[command(flatten)]
    flags: Flags,
}

impl Init {
    /// Makes what is missing.
    pub(crate) fn run(&self, context: &Context) -> Result<Report, Failure> {
        let file = self.network.as_deref().map(network::read).transpose()?;
        let all = [KeyKind::Peer, KeyKind::Author, KeyKind::Validator];
        let kinds = if self.no_validator {
            &all[..2]
        } else {
            &all[..]
        };
        let next = match file {
            Some(_) => "decube up",
            None => "decube join NETWORK-FILE-OR-TICKET",
        };
        prepare(context, kinds, file.as_ref(), &self.flags, next)
    }
}

/// Makes keys, settings and, with a network, the state, as far as they are missing.
fn prepare(
    context: &Context,
    kinds: &[KeyKind],
    file: Option<&NetworkFile>,
    flags: &Flags,
    next: &str,
) -> Result<Report, Failure> {
    let folder = context.directory()?;
    directory::make(folder)?;
    let made = directory::make_keys(folder, kinds)?;
    let settings = directory::write_settings(folder, &flags.overrides()?)?;
    if let Some(file) = file {
        directory::set_network(folder, file)?;
    }
    let keys = directory::public_keys(folder)?;
    let mut text = format!("data directory  {}\n", folder.display());
    for (name, value) in &keys {
        let Some(value) = value.as_str() else {
            continue;
        };
        text.push_str(&format!("{:<14}  {value}\n", name.replace('_', " ")));
    }
    if let Some(file) = file {
        let genesis = &file.genesis;
        text.push_str(&format!(
            "network         {} ({})\n",
            genesis.name,
            genesis.network_id()
        ));
    }
    if !settings && flags.overrides()? != Overrides::default() {
        output::note("decube.toml was there already and was left as it is");
    }
    text.push_str(&format!("next            {next}\n"));
    let made: Vec<&str> = made.iter().map(|kind| kind.name()).collect();
    let network = file.map_or(Value::Null, |file| json!(file.genesis.network_id()));
    Ok(Report::new(
        text,
        &json!({ "directory": folder, "keys": keys, "made": made, "network": network }),
    ))
}

/// Join a network.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  decube join network.toml\n\n\
    A ticket is what `decube network ticket` prints. One with a pre-shared key is a secret, and that \
    of a large network is longer than an argument may be: give it in a file, or as - on standard \
    input. Keys and settings are made when they are missing; a validator key is made by \
    `decube init` or `decube key new validator`.")]
pub(crate) struct Join {
    /// The network's file, a ticket, a file with a ticket, or - to read a ticket from standard
    /// input.
    #[arg(value_name = "FILE-OR-TICKET")]
    network: String,
    /// Settings to write into decube.toml.
    #[command(flatten)]
    flags: Flags,
}

impl Join {
    /// Puts the network into the data directory.
    pub(crate) fn run(&self, context: &Context) -> Result<Report, Failure> {
        let (file, preshared) = match self.ticket()? {
            Some(ticket) => ticket::decode(&ticket)?,
            None => (network::read(self.network.as_ref())?, None),
        };
        let kinds = [KeyKind::Peer, KeyKind::Author];
        let report = prepare(context, &kinds, Some(&file), &self.flags, "decube up")?;
        if let Some(key) = preshared {
            preshared::write(context.directory()?, &key)?;
        }
        Ok(report)
    }

    /// The ticket that was given, in whichever way.
    fn ticket(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.network.starts_with(ticket::PREFIX) {
            return Ok(Some(Zeroizing::new(self.network.clone())));
        }
        if self.network == "-" {
            let text = ticket::read(std::io::stdin().lock());
            return text.map(Some).map_err(Failure::failed);
        }
        // That a file is not there or cannot be read is told by who reads it as a network's.
        let text = File::open(&self.network).and_then(ticket::read);
        Ok(text.ok().filter(|text| text.starts_with(ticket::PREFIX)))
    }
}

/// Run the node.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  decube up --log info\n\n\
    The node runs until Ctrl-C or a request to terminate. It logs to standard error. It has \
    started before it is ready: `decube status --wait ready` tells when it has caught up.")]
pub(crate) struct Up {
    /// Settings that come before decube.toml.
    #[command(flatten)]
    flags: Flags,
    /// Where the passphrase of sealed keys comes from.
    #[command(flatten)]
    passphrase: PassphraseFlags,
    /// Stop when standard input closes, unless the line `stay` came before.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

impl Up {
    /// Runs the node until it is told to stop.
    pub(crate) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let folder = context.directory()?;
        if !folder.is_dir() {
            return Err(Failure::not_found(format!(
                "there is no data directory {}; make one with `decube init` or `decube join`",
                folder.display()
            )));
        }
        let settings =
            Settings::resolve(&[self.flags.overrides()?, Overrides::of_directory(folder)?])?;
        log_to_stderr(&settings.log)?;
        // Nobody types a passphrase for a node that has no network. And the keys come before the
        // signals, so that Ctrl-C ends a prompt.
        network::read(&folder.join(NETWORK_FILE))?;
        let mut unlocker = Unlocker::new(&self.passphrase);
        let keys = Keys::open(folder, |kind| unlocker.open(folder, kind))?;
        drop(unlocker);
        let signalled = run::stop_signal()?;
        let stop = async {
            tokio::select! {
                () = signalled => {}
                () = decube_testnet::local::parent_gone(), if self.until_stdin_closes => {}
            }
        };
        let socket = run::socket(folder);
        let as_json = context.json();
        let started = |handle: &decube_node::Handle, tcp: Option<std::net::SocketAddr>| {
            if as_json {
                let report = json!({
                    "peer_id": handle.peer_id().to_string(),
                    "network": handle.network_id(),
                    "socket": socket,
                    "api_tcp": tcp.map(|address| address.to_string()),
                    "process_id": std::process::id(),
                });
                // A node goes on when nobody reads this any more.
                let _printed = output::line(&report.to_string());
            } else {
                tracing::info!(socket = %socket.display(), tcp = ?tcp, "the control API is up");
            }
        };
        run::run(folder, &settings, keys, started, stop).await?;
        Ok(())
    }
}

/// Logs to standard error from now on.
pub(crate) fn log_to_stderr(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("the log filter {filter:?} cannot be used: {error}"))
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    subscriber
        .try_init()
        .map_err(|error| Failure::failed(format!("logging fails: {error}")))
}
