//! Making a data directory.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use decube_node::settings::{Overrides, SETTINGS_FILE, Settings};
use decube_protocols::types::{NetworkFile, peer_id};
use decube_store::Store;
use decube_store::keys::{self, KeyKind};
use decube_store::network::{self, NETWORK_FILE};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// Where data belongs on this platform.
pub(crate) fn platform() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = variable("HOME").map(PathBuf::from);
    let folder = if cfg!(target_os = "macos") {
        home.map(|home| home.join("Library/Application Support"))
    } else {
        variable("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| home.map(|home| home.join(".local/share")))
    };
    folder.map(|folder| folder.join("decube"))
}

/// Makes the directory, for its owner only, unless it is there.
pub(crate) fn make(directory: &Path) -> Result<(), Failure> {
    let failed = |error| {
        Failure::failed(format!(
            "the data directory {} cannot be made: {error}",
            directory.display()
        ))
    };
    match fs::metadata(directory) {
        Ok(found) if !found.is_dir() => Err(Failure::refused(format!(
            "{} is no directory; choose another one with --data-dir",
            directory.display()
        ))),
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            if mode & 0o077 != 0 && is_empty(directory) {
                let private = fs::Permissions::from_mode(0o700);
                fs::set_permissions(directory, private).map_err(failed)?;
            }
            Ok(())
        }
        Err(_absent) => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed),
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Makes the keys of the kinds that are not there yet; says which were made.
pub(crate) fn make_keys(directory: &Path, kinds: &[KeyKind]) -> Result<Vec<KeyKind>, Failure> {
    let mut made = Vec::new();
    for kind in kinds {
        if !keys::exists(directory, *kind) {
            keys::make(directory, *kind)?;
            made.push(*kind);
        }
    }
    Ok(made)
}

/// The public halves of the keys that a data directory has, as an object; and which are sealed, if
/// any are.
pub(crate) fn public_keys(directory: &Path) -> Result<Map<String, Value>, Failure> {
    let mut found = Map::new();
    let mut sealed = Vec::new();
    for kind in KeyKind::ALL {
        if keys::exists(directory, kind) {
            let half = keys::read_public(directory, kind)?;
            if kind == KeyKind::Peer {
                let id = peer_id(half.key.ed25519()).to_string();
                found.insert("peer_id".into(), json!(id));
            }
            found.insert(kind.name().into(), json!(half.key));
            if half.is_sealed {
                sealed.push(kind.name());
            }
        }
    }
    if !sealed.is_empty() {
        found.insert("sealed".into(), json!(sealed));
    }
    Ok(found)
}

/// Puts a network into a data directory, and makes the state for it. The same network again only
/// renews the addresses to start from.
pub(crate) fn set_network(directory: &Path, file: &NetworkFile) -> Result<(), Failure> {
    let path = directory.join(NETWORK_FILE);
    let id = file.genesis.network_id();
    if path.exists() {
        let present = network::read(&path)?.genesis.network_id();
        if present != id {
            return Err(Failure::refused(format!(
                "{} belongs to network {present}, not {id}; choose another directory with \
                 --data-dir",
                directory.display()
            )));
        }
    }
    network::write(&path, file)?;
    if !Store::exists(directory) {
        Store::create(directory, &id)?;
    }
    Ok(())
}

/// Writes `decube.toml` with what was said and the rest as comments, unless there is one.
pub(crate) fn write_settings(directory: &Path, said: &Overrides) -> Result<bool, Failure> {
    let path = directory.join(SETTINGS_FILE);
    if path.exists() {
        return Ok(false);
    }
    let text = settings_text(said)?;
    // What is written must be what a later start reads.
    Settings::resolve(&[Overrides::parse(&path, &text)?])?;
    fs::write(&path, text).map_err(|error| {
        Failure::failed(format!("{} cannot be written: {error}", path.display()))
    })?;
    Ok(true)
}

fn settings_text(said: &Overrides) -> Result<String, Failure> {
    let defaults = Settings::resolve(&[])?;
    let list = |addresses: Vec<String>| format!("{addresses:?}");
    let listen = said.listen.as_ref().unwrap_or(&defaults.listen);
    let bootstrap = said.bootstrap.as_ref().unwrap_or(&defaults.bootstrap);
    let setting =
        |is_said: bool, text: String| format!("{}{text}\n", if is_said { "" } else { "# " });
    let interval = said
        .anti_entropy_interval
        .unwrap_or(defaults.anti_entropy_interval);
    let mut text = String::from("# Settings of this node. Flags and DECUBE_* come before them.\n");
    text += "\n# Where to listen for peers.\n";
    let texts = |all: &[_]| list(all.iter().map(ToString::to_string).collect());
    text += &setting(said.listen.is_some(), format!("listen = {}", texts(listen)));
    text += "\n# Peers to start from, besides those of network.toml.\n";
    text += &setting(
        said.bootstrap.is_some(),
        format!("bootstrap = {}", texts(bootstrap)),
    );
    text += "\n# Channels: require (post-quantum only) or prefer (classic for light service).\n";
    let channel = said.channel.unwrap_or(defaults.channel);
    text += &setting(said.channel.is_some(), format!("channel = \"{channel}\""));
    text += "\n# Who may connect besides the validators and replicas; everyone without it.\n";
    let allowed = said.allowed_peers.as_deref().unwrap_or_default();
    let peers = list(allowed.iter().map(ToString::to_string).collect());
    text += &setting(
        said.allowed_peers.is_some(),
        format!("allowed_peers = {peers}"),
    );
    text += "\n# Whether to look for peers on the local network.\n";
    let mdns = said.mdns.unwrap_or(defaults.mdns);
    text += &setting(said.mdns.is_some(), format!("mdns = {mdns}"));
    text +=
        "\n# What to log: off, error, warn, info, debug, trace, or parts like a=debug,b=info.\n";
    let log = said.log.as_ref().unwrap_or(&defaults.log);
    text += &setting(said.log.is_some(), format!("log = {log:?}"));
    text += "\n# The socket of `decube signer`, where that keeps the validator key.\n";
    let signer = said.signer.as_deref();
    let example = Path::new("/run/decube/signer.sock");
    let socket = signer.unwrap_or(example).display().to_string();
    text += &setting(signer.is_some(), format!("signer = {socket:?}"));
    text += "\n# How often documents are compared with peers.\n";
    text += &setting(
        said.anti_entropy_interval.is_some(),
        format!("anti_entropy_interval_ms = {}", interval.as_millis()),
    );
    text += "\n[api]\n# Also on TCP, with the token of the file api-token.\n";
    let tcp = said
        .api_tcp
        .map_or("127.0.0.1:7071".into(), |address| address.to_string());
    text += &setting(said.api_tcp.is_some(), format!("tcp = {tcp:?}"));
    if said.api_remote == Some(true) {
        text += "remote = true\n";
    }
    text += "\n[limits]\n";
    let limits = &defaults.limits;
    let connections = said.connections.unwrap_or(limits.connections);
    text += &setting(
        said.connections.is_some(),
        format!("connections = {connections}"),
    );
    let memory = said
        .memory_mib
        .map_or(limits.memory_bytes >> 20, |mib| mib as usize);
    text += &setting(said.memory_mib.is_some(), format!("memory_mib = {memory}"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_settings_say_what_was_said_and_nothing_else() {
        let said = Overrides {
            listen: Some(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()]),
            api_tcp: Some("127.0.0.1:0".parse().unwrap()),
            ..Overrides::default()
        };
        let text = settings_text(&said).unwrap();
        assert_eq!(Overrides::parse(Path::new("t"), &text).unwrap(), said);
    }

    #[test]
    fn the_comments_are_settings_that_can_be_used() {
        let text = settings_text(&Overrides::default()).unwrap();
        let is_setting = |line: &&str| line.contains(" = ");
        let uncommented: String = text
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| is_setting(rest))
                    .unwrap_or(line)
            })
            .fold(String::new(), |all, line| all + line + "\n");
        let read = Overrides::parse(Path::new("t"), &uncommented).unwrap();
        assert!(read.listen.is_some() && read.memory_mib.is_some() && read.api_tcp.is_some());
    }
}
