//! `key`: the keys of a data directory.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use decube_protocols::types::peer_id;
use decube_store::keys::{self, KeyKind, PublicHalf};
use decube_store::network::{self, NETWORK_FILE};
use serde_json::{Value, json};

use crate::context::Context;
use crate::directory;
use crate::failure::Failure;
use crate::output::Report;
use crate::passphrase::PassphraseFlags;

/// Make, show, seal and exchange keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key that is not there yet; a validator key comes with its vote log.
    #[command(after_help = "Example:\n  decube key new validator")]
    New {
        /// What it is for.
        kind: Kind,
        /// Seal it with a passphrase before it is written.
        #[arg(long)]
        sealed: bool,
        /// Where the passphrase comes from.
        #[command(flatten)]
        passphrase: PassphraseFlags,
    },
    /// Show the public halves, for the one who defines the network.
    #[command(after_help = "Example:\n  decube key show")]
    Show,
    /// Seal a key with a passphrase, which the node then asks for when it starts.
    #[command(after_help = "Example:\n  decube key seal author\n\n\
        A forgotten passphrase cannot be replaced. What the disk or a backup kept of the file from \
        before is not sealed: for a key that may be known to others, use `decube key rotate`.")]
    Seal(One),
    /// Take the seal of a key off.
    #[command(after_help = "Example:\n  decube key unseal author --passphrase-file phrase.txt")]
    Unseal(One),
    /// Take a new key in place of one, and keep the old one beside it.
    #[command(after_help = "Example:\n  decube key rotate author\n\n\
        A key that the genesis of the joined network names is exchanged with --force only.")]
    Rotate {
        /// Which key.
        #[command(flatten)]
        one: One,
        /// Also when the genesis of the joined network names the key.
        #[arg(long)]
        force: bool,
    },
    /// Print the public half of a key, or write the whole key to a file.
    #[command(after_help = "Example:\n  decube key export validator\n\n\
        With --secret --output FILE the key file itself is copied, sealed if it is sealed. A \
        validator key belongs together with its vote log: never use it in two places.")]
    Export {
        /// Which key.
        kind: Kind,
        /// The secret half too.
        #[arg(long, requires = "output")]
        secret: bool,
        /// The new file for it.
        #[arg(long, value_name = "FILE", requires = "secret")]
        output: Option<PathBuf>,
    },
}

/// One key, and where its passphrase comes from.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Which key.
    kind: Kind,
    /// Where the passphrase comes from.
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Proves who this node is, and signs receipts.
    Peer,
    /// Signs changes and transactions.
    Author,
    /// Signs votes.
    Validator,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Peer => Self::Peer,
            Kind::Author => Self::Author,
            Kind::Validator => Self::Validator,
        }
    }
}

impl Key {
    /// Works on the files.
    pub(crate) fn run(self, context: &Context) -> Result<Report, Failure> {
        let folder = context.directory()?;
        match self {
            Self::New {
                kind,
                sealed,
                passphrase,
            } => new(folder, kind.into(), sealed, &passphrase),
            Self::Show => show(folder),
            Self::Seal(One { kind, passphrase }) => {
                let kind = KeyKind::from(kind);
                let path = keys::path(folder, kind);
                // Nobody types a passphrase for a key that cannot be sealed.
                if keys::read_public(folder, kind)?.is_sealed {
                    return Err(keys::KeyError::SealedAlready { path }.into());
                }
                keys::seal(folder, kind, &passphrase.ask_new(&path)?)?;
                changed(folder, kind, "is sealed now")
            }
            Self::Unseal(One { kind, passphrase }) => {
                let kind = KeyKind::from(kind);
                let path = keys::path(folder, kind);
                if !keys::read_public(folder, kind)?.is_sealed {
                    return Err(keys::KeyError::NotSealed { path }.into());
                }
                keys::unseal(folder, kind, &passphrase.ask(&path)?)?;
                changed(folder, kind, "is no longer sealed")
            }
            Self::Rotate { one, force } => rotate(folder, one.kind.into(), force, &one.passphrase),
            Self::Export { kind, output, .. } => export(folder, kind.into(), output),
        }
    }
}

fn new(
    folder: &Path,
    kind: KeyKind,
    sealed: bool,
    passphrase: &PassphraseFlags,
) -> Result<Report, Failure> {
    directory::make(folder)?;
    let path = keys::path(folder, kind);
    if keys::exists(folder, kind) {
        return Err(keys::KeyError::Exists { path }.into());
    }
    if sealed {
        keys::make_sealed(folder, kind, &passphrase.ask_new(&path)?)?;
    } else {
        keys::make(folder, kind)?;
    }
    let public = keys::read_public(folder, kind)?.key;
    let text = format!("{kind} key {public} in {}", path.display());
    Ok(Report::new(
        text,
        &json!({ "kind": kind.name(), "public": public, "file": path, "sealed": sealed }),
    ))
}

fn show(folder: &Path) -> Result<Report, Failure> {
    let found = directory::public_keys(folder)?;
    if found.is_empty() {
        return Err(Failure::not_found(format!(
            "there are no keys in {}; make them with `decube init`",
            folder.display()
        )));
    }
    let text = |value: &Value| match value.as_array() {
        Some(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(", ")
        }
        None => value.as_str().unwrap_or_default().to_owned(),
    };
    let lines = found
        .iter()
        .map(|(name, value)| format!("{:<10} {}\n", name.replace('_', " "), text(value)));
    Ok(Report::new(lines.collect::<String>(), &found))
}

fn changed(folder: &Path, kind: KeyKind, what: &str) -> Result<Report, Failure> {
    let PublicHalf { key, is_sealed } = keys::read_public(folder, kind)?;
    let path = keys::path(folder, kind);
    Ok(Report::new(
        format!("{kind} key {} {what}: {}", key.ed25519(), path.display()),
        &json!({ "kind": kind.name(), "public": key, "file": path, "sealed": is_sealed }),
    ))
}

fn rotate(
    folder: &Path,
    kind: KeyKind,
    force: bool,
    passphrase: &PassphraseFlags,
) -> Result<Report, Failure> {
    let old = keys::read_public(folder, kind)?;
    if !force {
        check_unnamed(folder, kind, &old)?;
    }
    let path = keys::path(folder, kind);
    let passphrase = match old.is_sealed {
        true => Some(passphrase.ask(&path)?),
        false => None,
    };
    let kept = keys::rotate(folder, kind, passphrase.as_ref())?;
    let new = keys::read_public(folder, kind)?.key;
    let next = match kind {
        KeyKind::Peer => format!(
            "This node is peer {} from its next start on. Addresses and allow-lists that name {} no \
             longer mean it, and its receipts bear the new key.",
            peer_id(new.ed25519()),
            peer_id(old.key.ed25519()),
        ),
        KeyKind::Author => String::from(
            "Changes and transactions are of the new author from the next start on; earlier ones \
             stay those of the old author.",
        ),
        KeyKind::Validator => String::from(
            "It votes where a genesis names it: hand over what `decube key export validator` \
             prints. The old vote log is kept with the old key; never use one without the other.",
        ),
    };
    let log = kept.vote_log.as_ref();
    let log_text = log.map_or_else(String::new, |log| {
        format!("old vote log {}\n", log.display())
    });
    let name = new.ed25519();
    let text = format!(
        "new {kind} key {name} in {}\nold key {}\n{log_text}{next}",
        path.display(),
        kept.key.display()
    );
    Ok(Report::new(
        text,
        &json!({
            "kind": kind.name(), "public": new, "file": path, "old_public": old.key,
            "old_file": kept.key, "old_vote_log": log, "next": next,
        }),
    ))
}

/// Refuses to exchange a key that the genesis of the joined network names.
fn check_unnamed(folder: &Path, kind: KeyKind, old: &PublicHalf) -> Result<(), Failure> {
    let path = folder.join(NETWORK_FILE);
    if !path.exists() {
        return Ok(());
    }
    let genesis = network::read(&path)?.genesis;
    let key = old.key.ed25519();
    let role = match kind {
        KeyKind::Author => None,
        KeyKind::Peer => {
            let validator = genesis.validators.iter().find(|one| one.peer == *key);
            let replica = genesis.replicas.iter().find(|one| one.peer == *key);
            let validator = validator.map(|one| ("validator", &one.name));
            validator.or_else(|| replica.map(|one| ("replica", &one.name)))
        }
        KeyKind::Validator => {
            let found = genesis.validators.iter();
            let mut found = found.filter(|one| one.key.ed25519() == key);
            found.next().map(|one| ("validator", &one.name))
        }
    };
    let Some((role, name)) = role else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "the genesis of network {} names this {kind} key for the {role} {name}, and who takes part \
         cannot be changed yet (epochs come in a later version): with another key this node is no \
         {role} there; --force makes a new one all the same",
        genesis.name
    )))
}

fn export(folder: &Path, kind: KeyKind, output: Option<PathBuf>) -> Result<Report, Failure> {
    let PublicHalf { key, is_sealed } = keys::read_public(folder, kind)?;
    let mut report = json!({ "kind": kind.name(), "public": key, "sealed": is_sealed });
    let mut text = key.to_string();
    if let (KeyKind::Peer, Some(members)) = (kind, report.as_object_mut()) {
        let id = peer_id(key.ed25519()).to_string();
        members.insert("peer_id".into(), json!(id));
    }
    if let (Some(path), Some(members)) = (output, report.as_object_mut()) {
        if path == Path::new("-") {
            let message = "a secret key is not written to standard output; name a file";
            return Err(Failure::usage(message));
        }
        keys::export(folder, kind, &path)?;
        text = format!("the whole {kind} key is in {}", path.display());
        members.insert("file".into(), json!(path));
    }
    Ok(Report::new(text, &report))
}
