//! `key`: the keys of a data directory.

use clap::{Subcommand, ValueEnum};
use decube_store::keys::{self, KeyKind};
use serde_json::json;

use crate::context::Context;
use crate::directory;
use crate::failure::Failure;
use crate::output::Report;

/// Make and show keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key that is not there yet; a validator key comes with its vote log.
    #[command(after_help = "Example:\n  decube key new validator")]
    New {
        /// What it is for.
        kind: Kind,
    },
    /// Show the public halves, for the one who defines the network.
    #[command(after_help = "Example:\n  decube key show")]
    Show,
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
            Self::New { kind } => {
                let kind = KeyKind::from(kind);
                directory::make(folder)?;
                keys::make(folder, kind)?;
                let public = match kind {
                    KeyKind::Peer | KeyKind::Author => {
                        keys::read(folder, kind)?.public().to_string()
                    }
                    KeyKind::Validator => keys::read_validator(folder)?.public().to_string(),
                };
                let path = keys::path(folder, kind);
                let text = format!("{kind} key {public} in {}", path.display());
                Ok(Report::new(
                    text,
                    &json!({ "kind": kind.name(), "public": public, "file": path }),
                ))
            }
            Self::Show => {
                let found = directory::public_keys(folder)?;
                if found.is_empty() {
                    return Err(Failure::not_found(format!(
                        "there are no keys in {}; make them with `decube init`",
                        folder.display()
                    )));
                }
                let lines = found.iter().map(|(name, value)| {
                    format!(
                        "{:<10} {}\n",
                        name.replace('_', " "),
                        value.as_str().unwrap_or_default()
                    )
                });
                Ok(Report::new(lines.collect::<String>(), &found))
            }
        }
    }
}
