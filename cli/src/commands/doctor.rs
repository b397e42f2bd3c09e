//! `doctor`: is everything there that a node needs, and in order?

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use decube_node::api::MAX_SOCKET_PATH;
use decube_node::api::types::Status;
use decube_node::settings::{Overrides, Settings};
use decube_node::{run, signer};
use decube_protocols::types::NetworkFile;
use decube_store::keys::{self, KeyKind};
use decube_store::network::{self, NETWORK_FILE};
use decube_store::{Identity, Store, StoreError, VoteLog};
use serde::Serialize;
use serde_json::json;

use super::status::bytes;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{self, Report};

/// Check the data directory and the machine.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  decube doctor\n\n\
    Changes nothing. While the node runs, its state is not opened but asked for.")]
pub(crate) struct Doctor {}

/// What came of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Good,
    Doubtful,
    Bad,
}

#[derive(Clone, Debug, Serialize)]
struct Finding {
    check: &'static str,
    health: Health,
    detail: String,
}

/// Collects findings.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, health: Health, detail: impl Into<String>) {
        self.0.push(Finding {
            check,
            health,
            detail: detail.into(),
        });
    }

    fn result<T>(
        &mut self,
        check: &'static str,
        result: Result<T, impl std::fmt::Display>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.add(check, Health::Good, good(&value));
                Some(value)
            }
            Err(error) => {
                self.add(check, Health::Bad, error.to_string());
                None
            }
        }
    }
}

/// Less free space than this is doubtful: a busy network fills it in days.
const LOW_SPACE: u64 = 1 << 30;
/// 2026-01-01T00:00:00Z in seconds: no clock that is set shows an earlier time.
const EARLIEST: u64 = 1_767_225_600;

impl Doctor {
    /// Checks everything and prints what was found.
    pub(crate) async fn run(&self, context: &Context) -> Result<ExitCode, Failure> {
        let folder = context.directory()?;
        let mut findings = Findings::default();
        let status = context.client()?.status().await.ok();
        check_folder(&mut findings, folder);
        let settings = check_settings(&mut findings, folder);
        let path = folder.join(NETWORK_FILE);
        let network = findings.result("network", network::read(&path), |file: &NetworkFile| {
            format!("{} ({})", file.genesis.name, file.genesis.network_id())
        });
        let validator = check_keys(&mut findings, folder);
        let socket = settings.as_ref().and_then(|one| one.signer.as_deref());
        if let Some(socket) = socket {
            check_signer(&mut findings, socket, network.as_ref()).await;
        }
        match (&status, &network) {
            (Some(status), _) => check_running(&mut findings, status),
            (None, Some(network)) => check_state(&mut findings, folder, network, validator),
            (None, None) => {}
        }
        check_socket(&mut findings, folder, status.is_some());
        check_clock(&mut findings);
        if let Some(settings) = settings.filter(|_| status.is_none()) {
            check_ports(&mut findings, &settings);
        }
        check_space(&mut findings, folder);
        print(context, &findings.0)
    }
}

fn print(context: &Context, findings: &[Finding]) -> Result<ExitCode, Failure> {
    let word = |health| match health {
        Health::Good => "good",
        Health::Doubtful => "doubtful",
        Health::Bad => "BAD",
    };
    let line = |one: &Finding| format!("{:<9} {:<9} {}\n", word(one.health), one.check, one.detail);
    let bad: Vec<&str> = findings
        .iter()
        .filter(|one| one.health == Health::Bad)
        .map(|one| one.check)
        .collect();
    let text: String = findings.iter().map(line).collect();
    if context.json() {
        // One object, whatever was found; the exit code says the rest.
        let report = json!({ "healthy": bad.is_empty(), "findings": findings });
        output::line(&report.to_string())?;
        let code = if bad.is_empty() {
            0
        } else {
            Exit::Failed.code()
        };
        return Ok(ExitCode::from(code));
    }
    context.print(&Report::new(text, &()))?;
    if bad.is_empty() {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::failed(format!("not in order: {}", bad.join(", "))))
    }
}

fn check_folder(findings: &mut Findings, folder: &Path) {
    let name = folder.display();
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            findings.add("folder", Health::Bad, format!("{name} is no directory"));
        }
        Ok(found) => match found.permissions().mode() & 0o777 {
            mode if mode & 0o077 == 0 => findings.add("folder", Health::Good, format!("{name}")),
            mode => {
                let detail =
                    format!("{name} can be entered by others (mode {mode:o}): chmod 700 {name}");
                findings.add("folder", Health::Doubtful, detail);
            }
        },
        Err(error) => {
            let detail = format!("{name}: {error}; make it with `decube init` or `decube join`");
            findings.add("folder", Health::Bad, detail);
        }
    }
}

fn check_settings(findings: &mut Findings, folder: &Path) -> Option<Settings> {
    let read = Overrides::of_directory(folder).and_then(|file| Settings::resolve(&[file]));
    let show = |settings: &Settings| {
        let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
        format!("listening on {}", listen.join(" "))
    };
    findings.result("settings", read, show)
}

/// Checks the keys, of sealed ones what can be checked without a passphrase; gives the validator
/// key's public half.
fn check_keys(findings: &mut Findings, folder: &Path) -> Option<decube_crypto::PublicKey> {
    let sealed = |half: &keys::PublicHalf| if half.is_sealed { ", sealed" } else { "" };
    for (check, kind) in [("peer key", KeyKind::Peer), ("author key", KeyKind::Author)] {
        findings.result(check, keys::read_public(folder, kind), |half| {
            format!("{}{}", half.key, sealed(half))
        });
    }
    if !keys::exists(folder, KeyKind::Validator) {
        return None;
    }
    let half = keys::read_public(folder, KeyKind::Validator);
    findings
        .result("vote key", half, |half| {
            let (name, scheme) = (half.key.ed25519(), half.key.scheme());
            format!("{name}, for {scheme} votes{}", sealed(half))
        })
        .map(|half| *half.key.ed25519())
}

/// Asks the signer for whom it signs.
async fn check_signer(findings: &mut Findings, socket: &Path, network: Option<&NetworkFile>) {
    let path = socket.to_path_buf();
    let asked = tokio::task::spawn_blocking(move || signer::probe(&path, signer::TIME_OUT)).await;
    let (found, key) = match asked.map_err(|error| error.to_string()) {
        Ok(Ok(found)) => found,
        Ok(Err(reason)) | Err(reason) => return findings.add("signer", Health::Bad, reason),
    };
    let name = key.ed25519();
    let expected = network.map(|file| file.genesis.network_id());
    let is_named =
        network.is_none_or(|file| file.genesis.validators.iter().any(|one| one.key == key));
    if expected.is_some_and(|expected| expected != found) || !is_named {
        let detail = format!(
            "it keeps validator {name} of network {found}, which is not one of this network"
        );
        return findings.add("signer", Health::Bad, detail);
    }
    findings.add("signer", Health::Good, format!("keeps validator {name}"));
}

fn check_running(findings: &mut Findings, status: &Status) {
    let state = if status.ready {
        "ready"
    } else {
        "started, not ready"
    };
    let detail = format!(
        "process {}, {state}, at height {}, {} peers",
        status.process_id, status.final_height, status.peers
    );
    findings.add("node", Health::Good, detail);
    match status.vote_log.as_deref() {
        None => {}
        Some("held") => findings.add("vote log", Health::Good, "held by the node"),
        Some(lost) => findings.add("vote log", Health::Bad, lost),
    }
}

/// Opens the state, which checks the whole of it.
fn check_state(
    findings: &mut Findings,
    folder: &Path,
    network: &NetworkFile,
    validator: Option<decube_crypto::PublicKey>,
) {
    let identity = Identity {
        network: network.genesis.network_id(),
        validator,
    };
    let store = match Store::open(folder, &identity) {
        Err(StoreError::InUse { holder, .. }) => {
            let detail = format!("{holder} has the directory open, but does not answer");
            findings.add("state", Health::Bad, detail);
            return;
        }
        opened => findings.result("state", opened, |_| "sound".into()),
    };
    match store.as_ref().map(Store::vote_log) {
        None | Some(VoteLog::NoValidator) => {}
        Some(VoteLog::Held) => findings.add("vote log", Health::Good, "sound"),
        Some(VoteLog::Lost(reason)) => findings.add("vote log", Health::Bad, reason.to_string()),
    }
}

fn check_socket(findings: &mut Findings, folder: &Path, is_running: bool) {
    let path = run::socket(folder);
    let length = path.as_os_str().as_bytes().len();
    let name = path.display();
    if length > MAX_SOCKET_PATH {
        let detail = format!(
            "the path {name} has {length} bytes, the system takes {MAX_SOCKET_PATH}; choose a \
             shorter data directory"
        );
        findings.add("socket", Health::Bad, detail);
    } else if is_running {
        findings.add("socket", Health::Good, format!("a node answers on {name}"));
    } else {
        findings.add(
            "socket",
            Health::Good,
            format!("no node runs; {name} is free"),
        );
    }
}

fn check_clock(findings: &mut Findings) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    if now.as_secs() < EARLIEST {
        let detail = format!("it shows {}, which is past; set it", output::time(millis));
        findings.add("clock", Health::Bad, detail);
    } else {
        findings.add("clock", Health::Good, output::time(millis));
    }
}

/// Tries the ports of the settings, when no node has them.
fn check_ports(findings: &mut Findings, settings: &Settings) {
    let tcp = settings.api_tcp.iter().map(|address| (*address, false));
    let listen = settings
        .listen
        .iter()
        .filter_map(|address| socket_of(&address.to_string()));
    for (address, is_udp) in listen.chain(tcp) {
        let taken = if is_udp {
            UdpSocket::bind(address).err()
        } else {
            TcpListener::bind(address).err()
        };
        let protocol = if is_udp { "UDP" } else { "TCP" };
        match taken {
            None => findings.add(
                "port",
                Health::Good,
                format!("{protocol} {address} is free"),
            ),
            Some(error) => {
                let detail = format!("{protocol} {address}: {error}; choose another one");
                findings.add("port", Health::Bad, detail);
            }
        }
    }
}

/// The socket address of `/ip4/.../tcp/...` or `/ip4/.../udp/...`, and whether it is UDP.
fn socket_of(address: &str) -> Option<(SocketAddr, bool)> {
    let mut parts = address.split('/').skip(1);
    let ip = match (parts.next()?, parts.next()?) {
        ("ip4", ip) => ip.parse::<Ipv4Addr>().ok()?.into(),
        ("ip6", ip) => ip.parse::<std::net::Ipv6Addr>().ok()?.into(),
        _ => return None,
    };
    let is_udp = match parts.next()? {
        "tcp" => false,
        "udp" => true,
        _ => return None,
    };
    Some((SocketAddr::new(ip, parts.next()?.parse().ok()?), is_udp))
}

fn check_space(findings: &mut Findings, folder: &Path) {
    match rustix::fs::statvfs(folder) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let health = if free < LOW_SPACE {
                Health::Doubtful
            } else {
                Health::Good
            };
            findings.add("disk", health, format!("{} free", bytes(free)));
        }
        Err(error) => findings.add("disk", Health::Doubtful, format!("unknown: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_their_ports() {
        let parsed = |text: &str| socket_of(text).map(|(at, udp)| (at.to_string(), udp));
        assert_eq!(
            parsed("/ip4/0.0.0.0/tcp/7070"),
            Some(("0.0.0.0:7070".into(), false))
        );
        assert_eq!(
            parsed("/ip6/::1/udp/9/quic-v1"),
            Some(("[::1]:9".into(), true))
        );
        assert_eq!(parsed("/dns/example.org/tcp/1"), None);
    }
}
