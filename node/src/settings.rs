//! The settings of a node, and `decube.toml`, which holds them.
//!
//! ```toml
//! listen = ["/ip4/0.0.0.0/tcp/7070"]
//! channel = "require"
//! allowed_peers = ["12D3Koo..."]
//! bootstrap = ["/ip4/192.0.2.7/tcp/7070/p2p/12D3Koo..."]
//! mdns = false
//! log = "info"
//! anti_entropy_interval_ms = 10000
//!
//! [api]
//! tcp = "127.0.0.1:7071"
//! remote = false
//!
//! [limits]
//! connections = 256
//! connections_per_peer = 4
//! pending = 64
//! memory_mib = 2048
//! ```
//!
//! Every setting may be left out. This module and [`crate::run`] are the only ones of the crate
//! that read a file of settings, so that every program that starts a node from a data directory
//! reads it the same way; flags and the environment are the program's own and come in as
//! [`Overrides`].
//!
//! # Invariants
//! - A bad or unknown setting is refused and named with its file and line (`tests`).
//! - A value of type [`Settings`] is within all bounds.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use serde::Deserialize;
use toml::Spanned;

use crate::network::{Limits, channel::Policy};

/// The name of the settings in a data directory.
pub const SETTINGS_FILE: &str = "decube.toml";

/// Where a node listens when nothing is said; by QUIC only where classic connections are taken.
const DEFAULT_LISTEN: [&str; 2] = ["/ip4/0.0.0.0/tcp/7070", "/ip4/0.0.0.0/udp/7070/quic-v1"];
/// What is logged when nothing is said. Gossipsub warns of what is normal here, that another node said the
/// same first; Automerge logs errors for files that a user gave.
const DEFAULT_LOG: &str = "info,libp2p_gossipsub=error,automerge=off";
/// How often documents are compared with peers when nothing is said.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// The shortest and longest such interval: faster would be mostly comparing, slower than an hour
/// would be no repair.
const INTERVALS_MS: Range<u64> = 100..3_600_001;
/// The largest file of settings that is read.
const MAX_FILE: u64 = 1 << 20;
/// The most addresses in one list.
const MAX_ADDRESSES: usize = 64;
/// The most peers in the allow-list: more than a node is ever connected with.
const MAX_ALLOWED: usize = 1024;

/// The settings of a node, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// Peers to start from, besides those of the network file.
    pub bootstrap: Vec<Multiaddr>,
    /// Which channels there are.
    pub channel: Policy,
    /// Who may connect besides the validators and replicas; everyone when nothing is said.
    pub allowed_peers: Option<Vec<PeerId>>,
    /// Whether to look for peers by multicast DNS.
    pub mdns: bool,
    /// Where the control API listens on TCP, if at all.
    pub api_tcp: Option<SocketAddr>,
    /// How often documents are compared with peers.
    pub anti_entropy_interval: Duration,
    /// The socket of the process that keeps the validator key, if one does.
    pub signer: Option<PathBuf>,
    /// What to log, as a filter of `tracing`.
    pub log: String,
    /// How much the network may take.
    pub limits: Limits,
}

/// Settings of which some are said: those of a file, of the environment or of flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<Vec<Multiaddr>>,
    /// Peers to start from, besides those of the network file.
    pub bootstrap: Option<Vec<Multiaddr>>,
    /// Which channels there are.
    pub channel: Option<Policy>,
    /// Who may connect besides the validators and replicas.
    pub allowed_peers: Option<Vec<PeerId>>,
    /// Whether to look for peers by multicast DNS.
    pub mdns: Option<bool>,
    /// Where the control API listens on TCP.
    pub api_tcp: Option<SocketAddr>,
    /// Whether that may be an address that other machines reach.
    pub api_remote: Option<bool>,
    /// How often documents are compared with peers.
    pub anti_entropy_interval: Option<Duration>,
    /// The socket of the process that keeps the validator key.
    pub signer: Option<PathBuf>,
    /// What to log.
    pub log: Option<String>,
    /// Connections in all.
    pub connections: Option<u32>,
    /// Connections to one peer.
    pub connections_per_peer: Option<u32>,
    /// Handshakes in progress, for each direction.
    pub pending: Option<u32>,
    /// Resident memory of the process from which on no new connection is taken.
    pub memory_mib: Option<u32>,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings in {path} cannot be read: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file has something that cannot be used.
    #[error("{path}:{line}: {message}", path = path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// The control API would be reachable from other machines.
    #[error(
        "api.tcp = {0} can be reached from other machines, and the API is not encrypted; use a \
         loopback address such as 127.0.0.1, or set api.remote = true if the network is yours"
    )]
    ApiNotLoopback(SocketAddr),
}

impl Settings {
    /// Settings in order of precedence, the first that says something wins; else the defaults.
    ///
    /// # Errors
    /// [`SettingsError::ApiNotLoopback`].
    pub fn resolve(said: &[Overrides]) -> Result<Self, SettingsError> {
        fn first<T: Clone>(said: &[Overrides], of: impl Fn(&Overrides) -> &Option<T>) -> Option<T> {
            said.iter().find_map(|overrides| of(overrides).clone())
        }
        let api_tcp = first(said, |o| &o.api_tcp);
        if let Some(address) = api_tcp
            && !address.ip().is_loopback()
            && first(said, |o| &o.api_remote) != Some(true)
        {
            return Err(SettingsError::ApiNotLoopback(address));
        }
        let channel = first(said, |o| &o.channel).unwrap_or_default();
        let listen_count = match channel {
            Policy::Require => 1,
            Policy::Prefer => DEFAULT_LISTEN.len(),
        };
        let default_listen = || {
            let texts = DEFAULT_LISTEN.iter().take(listen_count);
            texts.filter_map(|text| text.parse().ok())
        };
        let default = Limits::default();
        let memory = first(said, |o| &o.memory_mib).and_then(|mib| usize::try_from(mib).ok());
        Ok(Self {
            listen: first(said, |o| &o.listen).unwrap_or_else(|| default_listen().collect()),
            bootstrap: first(said, |o| &o.bootstrap).unwrap_or_default(),
            channel,
            allowed_peers: first(said, |o| &o.allowed_peers),
            mdns: first(said, |o| &o.mdns).unwrap_or_default(),
            api_tcp,
            anti_entropy_interval: first(said, |o| &o.anti_entropy_interval)
                .unwrap_or(DEFAULT_INTERVAL),
            signer: first(said, |o| &o.signer),
            log: first(said, |o| &o.log).unwrap_or_else(|| DEFAULT_LOG.into()),
            limits: Limits {
                connections: first(said, |o| &o.connections).unwrap_or(default.connections),
                connections_per_peer: first(said, |o| &o.connections_per_peer)
                    .unwrap_or(default.connections_per_peer),
                pending: first(said, |o| &o.pending).unwrap_or(default.pending),
                memory_bytes: memory
                    .map_or(default.memory_bytes, |mib| mib.saturating_mul(1 << 20)),
            },
        })
    }
}

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Vec<Spanned<String>>>,
    bootstrap: Option<Vec<Spanned<String>>>,
    channel: Option<Spanned<String>>,
    allowed_peers: Option<Vec<Spanned<String>>>,
    mdns: Option<bool>,
    log: Option<Spanned<String>>,
    signer: Option<PathBuf>,
    anti_entropy_interval_ms: Option<Spanned<u64>>,
    #[serde(default)]
    api: FileApi,
    #[serde(default)]
    limits: FileLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileApi {
    tcp: Option<Spanned<String>>,
    remote: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    connections: Option<Spanned<u32>>,
    connections_per_peer: Option<Spanned<u32>>,
    pending: Option<Spanned<u32>>,
    memory_mib: Option<Spanned<u32>>,
}

impl Overrides {
    /// Reads `decube.toml` of a data directory; without one, nothing is said.
    ///
    /// # Errors
    /// [`SettingsError`] names the file, the line and what is wrong.
    pub fn of_directory(directory: &Path) -> Result<Self, SettingsError> {
        use std::io::Read;
        let path = directory.join(SETTINGS_FILE);
        let failed = |error: std::io::Error| SettingsError::File {
            path: path.clone(),
            reason: error.to_string(),
        };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(&path, &text)
    }

    /// Reads settings from the text of the file `path`.
    ///
    /// # Errors
    /// [`SettingsError`] names the line and what is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let source = Source { path, text };
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let at = error.span().unwrap_or_default();
                return Err(source.error(at, error.message().replace('\n', "; ")));
            }
        };
        let interval = source.number(
            "anti_entropy_interval_ms",
            file.anti_entropy_interval_ms,
            INTERVALS_MS,
        )?;
        let limits = file.limits;
        Ok(Self {
            listen: source.addresses("listen", file.listen)?,
            bootstrap: source.bootstrap(file.bootstrap)?,
            channel: file
                .channel
                .map(|channel| source.parse("channel", channel, POLICY))
                .transpose()?,
            allowed_peers: source.list("allowed_peers", file.allowed_peers, MAX_ALLOWED, PEER)?,
            mdns: file.mdns,
            api_tcp: file
                .api
                .tcp
                .map(|tcp| source.parse("api.tcp", tcp, SOCKET))
                .transpose()?,
            api_remote: file.api.remote,
            anti_entropy_interval: interval.map(Duration::from_millis),
            // A relative path is meant from the folder of the file, wherever the node is started.
            signer: file
                .signer
                .map(|signer| path.parent().unwrap_or(Path::new("")).join(signer)),
            log: file.log.map(|log| source.log(log)).transpose()?,
            connections: source.number("limits.connections", limits.connections, 1..65_536)?,
            connections_per_peer: source.number(
                "limits.connections_per_peer",
                limits.connections_per_peer,
                1..65_536,
            )?,
            pending: source.number("limits.pending", limits.pending, 1..65_536)?,
            memory_mib: source.number("limits.memory_mib", limits.memory_mib, 64..1 << 24)?,
        })
    }
}

const POLICY: &str = "\"require\" (post-quantum only) or \"prefer\" (classic for light service)";
const PEER: &str = "a peer id such as 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
const SOCKET: &str = "an address and port such as 127.0.0.1:7071";
const MULTIADDR: &str = "an address such as /ip4/0.0.0.0/tcp/7070 or /ip4/0.0.0.0/udp/7070/quic-v1";

/// The text of a file, for errors with lines.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, at: Range<usize>, message: String) -> SettingsError {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        SettingsError::Setting {
            path: self.path.into(),
            line,
            message,
        }
    }

    fn parse<T: FromStr>(
        &self,
        name: &str,
        text: Spanned<String>,
        wanted: &str,
    ) -> Result<T, SettingsError> {
        match text.get_ref().parse() {
            Ok(value) => Ok(value),
            Err(_unsaid) => {
                let message = format!("{name} = {:?} is not {wanted}", text.get_ref());
                Err(self.error(text.span(), message))
            }
        }
    }

    /// A list of at most `most` values, each being what is `wanted`.
    fn list<T: FromStr>(
        &self,
        name: &str,
        texts: Option<Vec<Spanned<String>>>,
        most: usize,
        wanted: &str,
    ) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(texts) = texts else { return Ok(None) };
        if let Some(first_beyond) = texts.get(most) {
            let message = format!("{name} has more than {most} entries");
            return Err(self.error(first_beyond.span(), message));
        }
        texts
            .into_iter()
            .map(|text| self.parse(name, text, wanted))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn addresses(
        &self,
        name: &str,
        texts: Option<Vec<Spanned<String>>>,
    ) -> Result<Option<Vec<Multiaddr>>, SettingsError> {
        self.list(name, texts, MAX_ADDRESSES, MULTIADDR)
    }

    fn bootstrap(
        &self,
        texts: Option<Vec<Spanned<String>>>,
    ) -> Result<Option<Vec<Multiaddr>>, SettingsError> {
        let without_peer = texts
            .iter()
            .flatten()
            .find(|text| !text.get_ref().contains("/p2p/"));
        if let Some(text) = without_peer {
            let message = format!(
                "bootstrap = {:?} does not say which peer is there: end it with /p2p/PEER-ID",
                text.get_ref()
            );
            return Err(self.error(text.span(), message));
        }
        self.addresses("bootstrap", texts)
    }

    fn number<N>(
        &self,
        name: &str,
        number: Option<Spanned<N>>,
        bounds: Range<N>,
    ) -> Result<Option<N>, SettingsError>
    where
        N: Copy + PartialOrd + std::fmt::Display,
    {
        let Some(number) = number else {
            return Ok(None);
        };
        let value = *number.get_ref();
        if bounds.contains(&value) {
            return Ok(Some(value));
        }
        let Range { start, end } = bounds;
        let message = format!("{name} = {value} is not at least {start} and below {end}");
        Err(self.error(number.span(), message))
    }

    /// A filter whose levels are known words; `tracing` itself takes some typing errors silently.
    fn log(&self, text: Spanned<String>) -> Result<String, SettingsError> {
        let level = |word: &str| {
            ["off", "error", "warn", "info", "debug", "trace"]
                .contains(&word.to_ascii_lowercase().as_str())
        };
        let good = |part: &str| match part.rsplit_once('=') {
            Some((target, word)) => !target.is_empty() && level(word),
            None => level(part),
        };
        if text.get_ref().split(',').map(str::trim).all(good) {
            return Ok(text.into_inner());
        }
        let message = format!(
            "log = {:?} is no filter; write a level (off, error, warn, info, debug, trace), or \
             parts like decube_node=debug with commas between",
            text.get_ref()
        );
        Err(self.error(text.span(), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Overrides, SettingsError> {
        Overrides::parse(Path::new("decube.toml"), text)
    }

    #[test]
    fn everything_may_be_left_out() {
        let settings = Settings::resolve(&[parse("").unwrap()]).unwrap();
        assert_eq!(settings.listen, ["/ip4/0.0.0.0/tcp/7070".parse().unwrap()]);
        assert_eq!(
            (settings.channel, settings.allowed_peers),
            (Policy::Require, None)
        );
        assert_eq!(settings.anti_entropy_interval, Duration::from_secs(10));
        assert_eq!(settings.limits, Limits::default());
        assert_eq!((settings.api_tcp, settings.mdns), (None, false));
    }

    #[test]
    fn where_classic_connections_are_taken_quic_is_listened_on() {
        let settings = Settings::resolve(&[parse("channel = \"prefer\"").unwrap()]).unwrap();
        assert_eq!(settings.channel, Policy::Prefer);
        assert_eq!(settings.listen.len(), 2);
    }

    #[test]
    fn the_first_that_says_something_wins() {
        let flags = Overrides {
            mdns: Some(true),
            ..Overrides::default()
        };
        let file = parse("mdns = false\nlog = \"debug\"\n[limits]\nmemory_mib = 512").unwrap();
        let settings = Settings::resolve(&[flags, file]).unwrap();
        assert!(settings.mdns);
        assert_eq!(settings.log, "debug");
        assert_eq!(settings.limits.memory_bytes, 512 << 20);
    }

    #[test]
    fn a_bad_setting_is_named_with_its_line() {
        for (text, line, words) in [
            (
                "mdns = true\nlisten = [\"/ip4/0.0.0.0/tcp/1\",\n\"nonsense\"]",
                3,
                "nonsense",
            ),
            ("\n\nmnds = true", 3, "mnds"),
            ("mdns = 3", 1, "boolean"),
            ("[api]\ntcp = \"localhost\"", 2, "127.0.0.1:7071"),
            ("anti_entropy_interval_ms = 5", 1, "at least 100"),
            ("log = \"loud\"", 1, "info"),
            ("[limits]\n\nmemory_mib = 1", 3, "memory_mib"),
            ("bootstrap = [\"/ip4/192.0.2.7/tcp/7070\"]", 1, "/p2p/"),
            ("listen = [", 1, ""),
            ("mdns = true\nchannel = \"classic\"", 2, "prefer"),
            ("allowed_peers = [\"bob\"]", 1, "12D3Koo"),
        ] {
            let error = parse(text).unwrap_err();
            let SettingsError::Setting {
                line: found,
                message,
                ..
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(*found, line, "{text}: {error}");
            assert!(message.contains(words), "{text}: {error}");
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("decube.toml:{line}: "))
            );
        }
    }

    #[test]
    fn the_api_stays_on_this_machine_unless_told() {
        let open = parse("[api]\ntcp = \"0.0.0.0:7071\"").unwrap();
        assert!(matches!(
            Settings::resolve(std::slice::from_ref(&open)),
            Err(SettingsError::ApiNotLoopback(_))
        ));
        let told = Overrides {
            api_remote: Some(true),
            ..Overrides::default()
        };
        assert!(Settings::resolve(&[told, open]).is_ok());
        assert!(Settings::resolve(&[parse("[api]\ntcp = \"[::1]:0\"").unwrap()]).is_ok());
    }
}
