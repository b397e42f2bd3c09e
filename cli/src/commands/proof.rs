//! `proof` and `verify`: certified versions as files that need no node.

use std::path::PathBuf;

use clap::Args;
use decube_protocols::documents::content::{MAX_FILE, file_heads};
use decube_protocols::light::{Presence, Proof as Certified, Verified};
use decube_protocols::types::{CommittedDocument, Genesis, Height};
use decube_store::network;
use serde_json::{Value, json};

use super::network::network_file;
use super::read_input;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{self, Report, time};

/// Write a proof.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  decube proof notes/readme > readme.proof\n\n\
    The proof says which version was the last committed one at a height, or that there was none."
)]
pub(crate) struct Proof {
    /// The document: collection/name, an id, or a unique prefix of one.
    document: String,
    /// The height whose state is meant; the newest final one without it.
    #[arg(long)]
    height: Option<u64>,
    /// The file to write; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Proof {
    /// Asks the node and writes the file.
    pub(crate) async fn run(&self, context: &Context) -> Result<(), Failure> {
        check_destination(context, self.output.as_deref())?;
        let height = self.height.map(Height);
        let bytes = context
            .call(context.client()?.proof(&self.document, height))
            .await?;
        let written = json!({ "file": self.output, "bytes": bytes.len() });
        write_bytes(context, self.output.as_deref(), &bytes, "proof", &written)
    }
}

/// Refuses to fill a terminal with bytes, or to mix them with JSON.
pub(crate) fn check_destination(
    context: &Context,
    file: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let to_stdout = file.is_none_or(|file| file == std::path::Path::new("-"));
    if to_stdout && context.json() {
        return Err(Failure::usage(
            "with --json say which file to write with --output FILE",
        ));
    }
    if to_stdout && output::is_terminal() {
        return Err(Failure::usage(
            "this would fill the terminal with bytes; write to a file with `> FILE` or --output FILE",
        ));
    }
    Ok(())
}

/// Writes bytes to the file, or to standard output.
pub(crate) fn write_bytes(
    context: &Context,
    file: Option<&std::path::Path>,
    bytes: &[u8],
    what: &str,
    report: &Value,
) -> Result<(), Failure> {
    match file.filter(|file| *file != std::path::Path::new("-")) {
        None => output::bytes(bytes),
        Some(file) => {
            std::fs::write(file, bytes).map_err(|error| {
                Failure::failed(format!("{} cannot be written: {error}", file.display()))
            })?;
            let text = format!("{what} with {} bytes in {}", bytes.len(), file.display());
            context.print(&Report::new(text, report))
        }
    }
}

/// Verify a proof offline.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  decube verify readme.proof --network network.toml --document readme.automerge\n\n\
    No node is needed or asked. Trust comes from the network file alone: from --network, else from \
    that of the data directory, which the output then names."
)]
pub(crate) struct Verify {
    /// The proof, or - for standard input.
    file: PathBuf,
    /// The network that is trusted.
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// Also check that this exported Automerge file has exactly the certified heads.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

impl Verify {
    /// Works on files.
    pub(crate) fn run(&self, context: &Context) -> Result<Report, Failure> {
        let trusted = network_file(context, self.network.clone())?;
        let genesis = network::read(&trusted)?.genesis;
        let bytes = read_input(&self.file, Certified::MAX_FILE)?;
        let refused = |error: &dyn std::fmt::Display| {
            Failure::refused(format!(
                "the proof {} is refused: {error} (trusted was {})",
                self.file.display(),
                trusted.display()
            ))
        };
        let proof = Certified::from_bytes(&bytes).map_err(|error| refused(&error))?;
        let verified = proof.verify(&genesis).map_err(|error| refused(&error))?;
        let committed = match &verified.presence {
            Presence::Committed { committed, .. } => Some(committed),
            Presence::Absent => None,
        };
        if self.document.is_some() {
            self.check_document(committed)?;
        }
        let source = if self.network.is_some() {
            "--network"
        } else {
            "the data directory"
        };
        let mut report = report(&genesis, &verified, committed);
        report.text += &format!("trusted        {} (from {source})\n", trusted.display());
        if let Some(document) = &self.document {
            report.text += &format!(
                "document       {} has exactly these heads\n",
                document.display()
            );
        }
        if let Some(members) = report.json.as_object_mut() {
            let from = if self.network.is_some() {
                "network"
            } else {
                "data_dir"
            };
            members.insert("trusted".into(), json!({ "file": trusted, "from": from }));
            members.insert("document_file".into(), json!(self.document));
        }
        Ok(report)
    }

    /// Checks that the Automerge file has exactly the certified heads.
    fn check_document(&self, committed: Option<&CommittedDocument>) -> Result<(), Failure> {
        let path = self.document.clone().unwrap_or_default();
        let refused = |why: String| Failure::refused(format!("the file {} {why}", path.display()));
        let Some(committed) = committed else {
            return Err(refused(
                "cannot be what is certified: no version is committed".into(),
            ));
        };
        let bytes = read_input(&path, MAX_FILE)?;
        let mut heads =
            file_heads(&bytes).map_err(|error| refused(format!("is refused: {error}")))?;
        heads.sort_unstable();
        if heads == committed.heads.as_slice() {
            return Ok(());
        }
        let show = |heads: &[decube_protocols::types::ChangeHash]| {
            heads
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        Err(refused(format!(
            "is another version: its heads are {}, certified are {}; export with --committed",
            show(&heads),
            show(committed.heads.as_slice())
        )))
    }
}

fn report(genesis: &Genesis, verified: &Verified, committed: Option<&CommittedDocument>) -> Report {
    let name = |index: usize| genesis.validators.get(index).map(|one| one.name.clone());
    let signers: Vec<String> = verified
        .signers
        .iter()
        .filter_map(|index| name(usize::from(index.0)))
        .collect();
    let mut text = format!(
        "verified       the proof holds\nnetwork        {} ({})\ncollection     {}\n\
         document       {}\n",
        genesis.name, verified.network, verified.collection, verified.document
    );
    match committed {
        Some(committed) => {
            let heads: Vec<String> = committed
                .heads
                .as_slice()
                .iter()
                .map(ToString::to_string)
                .collect();
            text += &format!(
                "version        {}\nheads          {}\ncommitted at   height {}\ntransaction    {}\n",
                committed.heads.version(),
                heads.join(" "),
                committed.height,
                committed.transaction
            );
        }
        None => text += "version        none was committed up to this height\n",
    }
    text += &format!(
        "as of          height {} ({})\ncertified by   {} at height {}\n",
        verified.height,
        time(verified.time.0),
        signers.join(", "),
        verified.certified_height
    );
    let committed = committed.map(|committed| {
        json!({
            "version": committed.heads.version(), "heads": committed.heads,
            "height": committed.height, "transaction": committed.transaction,
        })
    });
    Report::new(
        text,
        &json!({
            "verified": true, "network": verified.network, "collection": verified.collection,
            "document": verified.document, "height": verified.height, "time": verified.time,
            "certified_height": verified.certified_height, "signers": signers,
            "committed": committed,
        }),
    )
}
