//! `doc export` and `doc import`.

use std::path::PathBuf;

use clap::Args;
use decube_protocols::documents::content::MAX_FILE;
use serde_json::json;

use super::{Version, split, title};
use crate::commands::proof::{check_destination, write_bytes};
use crate::commands::read_input;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;

/// Write a document as an Automerge file.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The document.
    document: String,
    /// Which version.
    #[command(flatten)]
    version: Version,
    /// The file to write; standard output without it.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    /// Asks the node and writes the file.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let output = self.output.as_deref();
        check_destination(context, output)?;
        let version = self.version.selection();
        let exported = context
            .call(context.client()?.export(&self.document, &version))
            .await?;
        let size = exported.bytes.len();
        let report = json!({ "file": output, "bytes": size, "heads": exported.heads });
        write_bytes(context, output, &exported.bytes, "Automerge file", &report)
    }
}

/// Create a document from an Automerge file.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Where, and under which name.
    #[arg(value_name = "COLLECTION/NAME")]
    place: String,
    /// The Automerge file, or - for standard input.
    file: PathBuf,
}

impl Import {
    /// Reads the file and asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (collection, name) = split(&self.place)?;
        let bytes = read_input(&self.file, MAX_FILE)?;
        let imported = context
            .call(context.client()?.import(collection, name, bytes))
            .await?;
        let document = &imported.document;
        let mut text = format!("imported {} {}", title(document), document.id);
        if !imported.history_kept {
            text += "\nthe file has changes of actors that are no authors of this network, so its \
                content was taken without its history";
        }
        Ok(Report::new(text, &imported))
    }
}
