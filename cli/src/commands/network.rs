//! `network`: what defines a network, as a file and as a ticket.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use decube_crypto::{PublicKey, ValidatorKey};
use decube_node::settings::Overrides;
use decube_protocols::types::{
    Genesis, NetworkFile, Parameters, Power, Replica, Timestamp, Validator, VoteScheme, peer_id,
};
use decube_store::keys::{self, KeyError, KeyKind};
use decube_store::network::{self, NETWORK_FILE};
use decube_store::preshared;
use serde_json::json;

use crate::context::Context;
use crate::directory;
use crate::failure::Failure;
use crate::output::{Report, table};
use crate::ticket;

/// Define a network, show it, or make a ticket for it.
#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// Define a network from the keys of its members.
    #[command(
        after_help = "Example:\n  decube network create --name home --local 1 --directory home\n\n\
        Each member runs `decube init` and `decube key show` and hands over the public keys:\n  \
        decube network create --name home --output network.toml \\\n    \
        --validator alice=VALIDATOR-KEY,PEER-KEY --replica bob=PEER-KEY"
    )]
    Create(Box<Create>),
    /// Show a network's id, members and parameters.
    #[command(after_help = "Example:\n  decube network show network.toml")]
    Show {
        /// The network file; that of the data directory without it.
        file: Option<PathBuf>,
    },
    /// Print a network file as a ticket: one word to paste into a message.
    #[command(
        after_help = "Example:\n  decube network ticket --bootstrap /ip4/192.0.2.7/tcp/7070/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Ticket {
        /// The network file; that of the data directory without it.
        file: Option<PathBuf>,
        /// An address to start from, besides those of the file; may be given several times.
        #[arg(long, value_name = "ADDRESS")]
        bootstrap: Vec<String>,
    },
    /// Make a pre-shared key, without which nobody can speak to the nodes that have it.
    ///
    /// It is kept in keys/swarm.key of the data directory and is part of every ticket that is made
    /// there, which is a secret then. Nodes that joined before need it as well.
    #[command(after_help = "Example:\n  decube network preshared-key\n  decube network ticket")]
    PresharedKey,
}

/// Define a network.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// A name for people, not unique.
    #[arg(long)]
    name: String,
    /// A validator, which also stores collections; may be given several times.
    #[arg(
        long,
        value_name = "NAME=KEY,PEER-KEY[,POWER]",
        conflicts_with = "local"
    )]
    validator: Vec<String>,
    /// A replica that does not vote; may be given several times.
    #[arg(long, value_name = "NAME=PEER-KEY", conflicts_with = "local")]
    replica: Vec<String>,
    /// An address to start from, ending in /p2p/PEER-ID; may be given several times.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "local")]
    bootstrap: Vec<String>,
    /// The file to write.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "local",
        conflicts_with = "local"
    )]
    output: Option<PathBuf>,
    /// Make so many validators on this machine, each with its data directory.
    #[arg(long, value_name = "N", requires = "directory", value_parser = clap::value_parser!(u16).range(1..=100))]
    local: Option<u16>,
    /// Where the data directories node-1, node-2, ... are made.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// The first node's port, the others' are the next ones; with 0 any, without addresses to
    /// start from.
    #[arg(long, value_name = "PORT", default_value_t = 7070)]
    base_port: u16,
    /// The parameters.
    #[command(flatten)]
    parameters: ParameterFlags,
}

/// The parameters of a network.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ParameterFlags {
    /// How long a message is expected to take at most, in milliseconds: 300, or 30 with --local.
    #[arg(long, value_name = "MS")]
    delta_ms: Option<u64>,
    /// How long a leader waits before an empty block, in milliseconds; 10000 without it.
    #[arg(long, value_name = "MS")]
    idle_ms: Option<u64>,
    /// How far a block's time may be ahead of a validator's clock, in milliseconds; 5000 without
    /// it.
    #[arg(long, value_name = "MS")]
    drift_ms: Option<u64>,
    /// How many replicas must hold a version before it can be committed; a majority without it.
    #[arg(long, value_name = "N")]
    write_quorum: Option<u16>,
    /// How votes are signed.
    #[arg(long, value_enum, default_value = "hybrid")]
    signature: Option<Signature>,
}

/// How votes are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Signature {
    /// Ed25519 alone: short votes, which a quantum computer could forge.
    Ed25519,
    /// Ed25519 and ML-DSA-65, of which both must hold.
    Hybrid,
}

/// D0 of the commit protocol over the internet.
const DELTA_MS: u64 = 300;
/// The same on one machine.
const LOCAL_DELTA_MS: u64 = 30;
const IDLE_MS: u64 = 10_000;
/// Clocks that are set by NTP differ by far less; a validator that is off by more is noticed.
const DRIFT_MS: u64 = 5_000;

/// Someone who takes part in a network.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// A name for people.
    pub name: String,
    /// The key that signs votes, for a validator.
    pub validator: Option<ValidatorKey>,
    /// The peer key.
    pub peer: PublicKey,
    /// The voting power.
    pub power: u64,
}

/// The genesis of a network in which every member stores the collections.
pub(crate) fn genesis(
    name: &str,
    members: &[Member],
    flags: &ParameterFlags,
) -> Result<Genesis, Failure> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let scheme = match flags.signature {
        Some(Signature::Ed25519) => VoteScheme::Ed25519,
        Some(Signature::Hybrid) | None => VoteScheme::Hybrid,
    };
    let validator = |member: &Member| {
        let Member {
            name,
            validator,
            peer,
            power,
        } = member;
        let key = validator.as_ref()?;
        Some(Validator {
            name: name.clone(),
            key: under(key, scheme),
            peer: *peer,
            power: Power(*power),
        })
    };
    let replica = |member: &Member| Replica {
        name: member.name.clone(),
        peer: member.peer,
    };
    let genesis = Genesis {
        name: name.into(),
        created: Timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
        parameters: Parameters {
            delta_ms: flags.delta_ms.unwrap_or(DELTA_MS),
            idle_ms: flags.idle_ms.unwrap_or(IDLE_MS),
            drift_ms: flags.drift_ms.unwrap_or(DRIFT_MS),
            signature: scheme,
            write_quorum: flags
                .write_quorum
                .unwrap_or_else(|| Parameters::majority(members.len())),
        },
        validators: members.iter().filter_map(validator).collect(),
        replicas: members.iter().map(replica).collect(),
    };
    genesis
        .validate()
        .map_err(|error| Failure::refused(format!("this defines no network: {error}")))?;
    Ok(genesis)
}

/// The part of a key that a network with such votes needs; a key without it is left as it is, for the
/// genesis to refuse.
fn under(key: &ValidatorKey, scheme: VoteScheme) -> ValidatorKey {
    match scheme {
        VoteScheme::Ed25519 => (*key.ed25519()).into(),
        VoteScheme::Hybrid => key.clone(),
    }
}

/// Reads `NAME=KEY,...` with `counts` parts.
fn parse_member(flag: &str, text: &str, is_validator: bool) -> Result<Member, Failure> {
    let form = if is_validator {
        "NAME=KEY,PEER-KEY[,POWER]"
    } else {
        "NAME=PEER-KEY"
    };
    // Keys are long; the name tells which one is meant.
    let shown: String = text
        .split(',')
        .next()
        .unwrap_or(text)
        .chars()
        .take(80)
        .collect();
    let bad = |why: String| {
        Failure::usage(format!(
            "{flag} {shown:?}: {why}; the form is {form}, keys as `decube key show` prints them"
        ))
    };
    let Some((name, rest)) = text.split_once('=') else {
        return Err(bad("there is no '='".into()));
    };
    let parts: Vec<&str> = rest.split(',').collect();
    let key = |text: &str| {
        text.parse::<PublicKey>()
            .map_err(|error| bad(error.to_string()))
    };
    let vote_key = |text: &str| {
        text.parse::<ValidatorKey>()
            .map_err(|error| bad(error.to_string()))
    };
    let (validator, peer, power) = match (is_validator, parts.as_slice()) {
        (true, [validator, peer]) => (Some(vote_key(validator)?), key(peer)?, 1),
        (true, [validator, peer, power]) => {
            let power = power
                .parse()
                .map_err(|error| bad(format!("the power {power:?}: {error}")))?;
            (Some(vote_key(validator)?), key(peer)?, power)
        }
        (false, [peer]) => (None, key(peer)?, 1),
        (true | false, parts) => return Err(bad(format!("{} parts", parts.len()))),
    };
    Ok(Member {
        name: name.into(),
        validator,
        peer,
        power,
    })
}

/// The network file that was named, or that of the data directory.
pub(crate) fn network_file(context: &Context, file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match file {
        Some(file) => Ok(file),
        None => Ok(context.directory()?.join(NETWORK_FILE)),
    }
}

impl Network {
    /// Works on files.
    pub(crate) fn run(self, context: &Context) -> Result<Report, Failure> {
        let or_own = |file: Option<PathBuf>| network_file(context, file);
        match self {
            Self::Create(create) => match (create.local, &create.directory) {
                (Some(count), Some(directory)) => create.local(count, directory),
                (Some(_) | None, _) => create.of_members(),
            },
            Self::Show { file } => {
                let path = or_own(file)?;
                Ok(show(&path, &network::read(&path)?))
            }
            Self::PresharedKey => {
                let folder = context.directory()?;
                let path = preshared::path(folder);
                if preshared::read(folder)?.is_some() {
                    return Err(KeyError::Exists { path }.into());
                }
                preshared::write(folder, &preshared::generate()?)?;
                let path = path.display();
                Ok(Report::new(
                    format!("made {path}; tickets that are made here carry it"),
                    &json!({ "path": path.to_string() }),
                ))
            }
            Self::Ticket { file, bootstrap } => {
                // Another network's file has nothing to do with this directory's key.
                let key = match file {
                    Some(_) => None,
                    None => preshared::read(context.directory()?)?,
                };
                let mut file = network::read(&or_own(file)?)?;
                file.bootstrap.extend(bootstrap);
                let ticket = ticket::encode(&file, key.as_ref())?;
                let id = file.genesis.network_id();
                Ok(Report::new(
                    ticket.clone(),
                    &json!({ "ticket": ticket, "network": id }),
                ))
            }
        }
    }
}

impl Create {
    fn of_members(&self) -> Result<Report, Failure> {
        let validators = self
            .validator
            .iter()
            .map(|text| parse_member("--validator", text, true));
        let replicas = self
            .replica
            .iter()
            .map(|text| parse_member("--replica", text, false));
        let members: Vec<Member> = validators.chain(replicas).collect::<Result<_, _>>()?;
        let genesis = genesis(&self.name, &members, &self.parameters)?;
        let file = NetworkFile {
            bootstrap: self.bootstrap.clone(),
            genesis,
        };
        let path = self.output.clone().unwrap_or_else(|| NETWORK_FILE.into());
        if path.exists() {
            let path = path.display();
            return Err(Failure::refused(format!(
                "{path} exists already and was left as it is"
            )));
        }
        network::write(&path, &file)?;
        Ok(show(&path, &file))
    }

    /// Makes data directories for validators on this machine.
    fn local(&self, count: u16, folder: &Path) -> Result<Report, Failure> {
        if self.base_port.checked_add(count).is_none() {
            return Err(Failure::usage(format!(
                "there are no {count} ports from {}",
                self.base_port
            )));
        }
        let mut parameters = self.parameters.clone();
        parameters.delta_ms.get_or_insert(LOCAL_DELTA_MS);
        let nodes: Vec<PathBuf> = (1..=count)
            .map(|number| folder.join(format!("node-{number}")))
            .collect();
        if let Some(taken) = nodes.iter().find(|node| node.exists()) {
            return Err(Failure::refused(format!(
                "{} exists already; choose another directory",
                taken.display()
            )));
        }
        let mut members = Vec::new();
        let mut bootstrap = Vec::new();
        for (node, number) in nodes.iter().zip(0..) {
            directory::make(node)?;
            directory::make_keys(node, &KeyKind::ALL)?;
            let peer = keys::read(node, KeyKind::Peer)?.public();
            let name = format!("node-{}", number + 1);
            let validator = Some(keys::read_validator(node)?.public());
            members.push(Member {
                name,
                validator,
                peer,
                power: 1,
            });
            let port = if self.base_port == 0 {
                0
            } else {
                self.base_port + number
            };
            let listen = format!("/ip4/{}/tcp/{port}", Ipv4Addr::LOCALHOST);
            if port != 0 {
                bootstrap.push(format!("{listen}/p2p/{}", peer_id(&peer)));
            }
            let listen = vec![listen.parse().map_err(Failure::failed)?];
            let said = Overrides {
                listen: Some(listen),
                ..Overrides::default()
            };
            directory::write_settings(node, &said)?;
        }
        let file = NetworkFile {
            bootstrap,
            genesis: genesis(&self.name, &members, &parameters)?,
        };
        for node in &nodes {
            directory::set_network(node, &file)?;
        }
        let mut report = show(&folder.join("node-1").join(NETWORK_FILE), &file);
        for node in &nodes {
            report.text += &format!("start with  decube up --data-dir {}\n", node.display());
        }
        if let Some(members) = report.json.as_object_mut() {
            members.insert("directories".into(), json!(nodes));
        }
        Ok(report)
    }
}

fn show(path: &Path, file: &NetworkFile) -> Report {
    let genesis = &file.genesis;
    let parameters = &genesis.parameters;
    let mut text = format!(
        "network       {}\nid            {}\nfile          {}\ndelta         {} ms\n\
         idle          {} ms\ndrift         {} ms\nvotes         {}\nwrite quorum  {} of {} replicas\n\n",
        genesis.name,
        genesis.network_id(),
        path.display(),
        parameters.delta_ms,
        parameters.idle_ms,
        parameters.drift_ms,
        parameters.signature,
        parameters.write_quorum,
        genesis.replicas.len(),
    );
    let validator = |peer: &PublicKey| genesis.validators.iter().find(|one| one.peer == *peer);
    let replicas = genesis.replicas.iter().map(|replica| {
        let power = validator(&replica.peer).map_or("-".into(), |one| one.power.to_string());
        [
            replica.name.clone(),
            power,
            "yes".into(),
            peer_id(&replica.peer).to_string(),
        ]
    });
    let is_replica = |one: &Validator| {
        genesis
            .replicas
            .iter()
            .any(|replica| replica.peer == one.peer)
    };
    let others = genesis
        .validators
        .iter()
        .filter(|one| !is_replica(one))
        .map(|one| {
            [
                one.name.clone(),
                one.power.to_string(),
                "no".into(),
                peer_id(&one.peer).to_string(),
            ]
        });
    let rows: Vec<_> = replicas.chain(others).collect();
    text += &table(["member", "power", "replica", "peer id"], &rows);
    for address in &file.bootstrap {
        text += &format!("start from  {address}\n");
    }
    Report::new(
        text,
        &json!({
            "id": genesis.network_id(), "file": path, "genesis": genesis,
            "bootstrap": file.bootstrap,
        }),
    )
}
