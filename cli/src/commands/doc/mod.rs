//! `doc`: documents.

mod edit;
mod files;
mod read;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use decube_node::api::types::{CreateDocument, Document, HashPrefix};
use decube_node::client::Selection;
use decube_protocols::types::{ChangeHash, Height};

use super::{parse_json, read_input};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, short};

/// Create, read, edit and remove documents.
///
/// A document is named by collection/name, by its id, or by a unique prefix of its id.
#[derive(Debug, Subcommand)]
pub(crate) enum Doc {
    /// Create a document.
    #[command(
        after_help = "Example:\n  decube doc create notes/readme --content '{\"title\": \"Hello\"}'"
    )]
    Create(Create),
    /// Read a document or a part of it.
    #[command(after_help = "Example:\n  decube doc get notes/readme /title\n\n\
        With --committed the last committed version is read, with --committed 12 the one that was \
        the last at height 12.")]
    Get(read::Get),
    /// Put a value at a place, replacing what was there.
    #[command(
        after_help = "Example:\n  decube doc set notes/readme /title '\"Good morning\"'\n\n\
        Special values: {\"$counter\": 0}, {\"$timestamp\": 0}, {\"$bytes\": \"00ff\"}, \
        {\"$string\": \"fixed\"}."
    )]
    Set(edit::Set),
    /// Apply a patch as one change, or edit in $EDITOR.
    #[command(
        after_help = "Example:\n  decube doc edit notes/readme --splice /title 5 0 ' there'\n\n\
        A patch is a JSON array of edits, in order, all applied or none:\n  \
        [{\"op\": \"set\", \"pointer\": \"/a\", \"value\": 1},\n   \
        {\"op\": \"remove\", \"pointer\": \"/b\"},\n   \
        {\"op\": \"splice\", \"pointer\": \"/text\", \"index\": 0, \"delete\": 1, \"insert\": \"x\"},\n   \
        {\"op\": \"insert\", \"pointer\": \"/list\", \"index\": 0, \"value\": {}},\n   \
        {\"op\": \"increment\", \"pointer\": \"/count\", \"by\": 1},\n   \
        {\"op\": \"replace_text\", \"pointer\": \"/text\", \"text\": \"new\"}]\n\
        Without --patch and --splice the document is opened in $EDITOR, and what differs \
        becomes splices, so that what others type meanwhile survives."
    )]
    Edit(edit::Edit),
    /// List documents; * marks those whose present version is final.
    #[command(after_help = "Example:\n  decube doc ls notes")]
    Ls {
        /// Only those of this collection.
        collection: Option<String>,
    },
    /// List the changes of a document; * marks those that are final.
    #[command(after_help = "Example:\n  decube doc history notes/readme")]
    History {
        /// The document.
        document: String,
    },
    /// Print events as they happen.
    #[command(after_help = "Example:\n  decube doc watch notes/readme --count 1\n\n\
        Each event has a cursor; --after CURSOR goes on behind it, so nothing is missed.")]
    Watch(watch::Watch),
    /// Write a document as a standard Automerge file.
    #[command(
        after_help = "Example:\n  decube doc export notes/readme --committed --output readme.automerge"
    )]
    Export(files::Export),
    /// Create a document from an Automerge file.
    #[command(after_help = "Example:\n  decube doc import notes/copy readme.automerge")]
    Import(files::Import),
    /// Remove a document for everyone, or this node's copy.
    #[command(after_help = "Example:\n  decube doc rm notes/readme --local\n\n\
        The content is dropped, also that of committed versions: export first what shall be kept. \
        `decube proof` goes on proving which version was committed.")]
    Rm {
        /// The document.
        document: String,
        /// Only forget this node's copy and stop following the document.
        #[arg(long)]
        local: bool,
    },
    /// List what waits outside of documents, with the reasons.
    #[command(after_help = "Example:\n  decube doc quarantine")]
    Quarantine,
}

/// Create a document.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Where, and under which name.
    #[arg(value_name = "COLLECTION/NAME")]
    place: String,
    /// The content, a JSON object; empty without it.
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    content: Option<String>,
    /// A file with the content, or - for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Which version is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct Version {
    /// The last committed version, or that of a height.
    #[arg(long, value_name = "HEIGHT", num_args = 0..=1, conflicts_with = "at")]
    committed: Option<Option<u64>>,
    /// The version with these heads, by 8 or more of their digits, separated by commas.
    #[arg(long, value_name = "HEADS", value_delimiter = ',')]
    at: Option<Vec<HashPrefix>>,
}

impl Version {
    fn selection(&self) -> Selection {
        match (&self.committed, &self.at) {
            (Some(Some(height)), _) => Selection::CommittedAt(Height(*height)),
            (Some(None), _) => Selection::Committed,
            (None, Some(heads)) => Selection::At(heads.clone()),
            (None, None) => Selection::Current,
        }
    }
}

/// The largest JSON content or patch that is read from a file.
const MAX_JSON: usize = decube_node::api::MAX_BODY;

/// The heads in full; the node is asked when one of them is only its first digits.
pub(crate) async fn in_full(
    context: &Context,
    reference: &str,
    at: Option<Vec<HashPrefix>>,
) -> Result<Option<Vec<ChangeHash>>, Failure> {
    let Some(at) = at else { return Ok(None) };
    if let Some(heads) = at.iter().map(HashPrefix::whole).collect() {
        return Ok(Some(heads));
    }
    let client = context.client()?;
    let version = Selection::At(at);
    let named = context.call(client.version(reference, &version)).await?;
    Ok(Some(named.heads))
}

/// Splits `collection/name`.
fn split(place: &str) -> Result<(&str, &str), Failure> {
    place.split_once('/').ok_or_else(|| {
        Failure::usage(format!(
            "{place:?} names no document; write COLLECTION/NAME"
        ))
    })
}

impl Doc {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let report = match self {
            Self::Get(get) => return get.run(context).await,
            Self::Watch(watch) => return watch.run(context).await,
            Self::Export(export) => return export.run(context).await,
            Self::Create(create) => create.run(context).await?,
            Self::Set(set) => set.run(context).await?,
            Self::Edit(edit) => edit.run(context).await?,
            Self::Ls { collection } => read::list(context, collection.as_deref()).await?,
            Self::History { document } => read::history(context, &document).await?,
            Self::Import(import) => import.run(context).await?,
            Self::Rm { document, local } => remove(context, &document, local).await?,
            Self::Quarantine => read::quarantine(context).await?,
        };
        context.print(&report)
    }
}

impl Create {
    async fn run(&self, context: &Context) -> Result<Report, Failure> {
        let (collection, name) = split(&self.place)?;
        let content = match (&self.content, &self.file) {
            (Some(text), _) => Some(parse_json("--content", text.as_bytes())?),
            (None, Some(path)) => Some(parse_json(
                &path.display().to_string(),
                &read_input(path, MAX_JSON)?,
            )?),
            (None, None) => None,
        };
        let name = name.parse().map_err(Failure::usage)?;
        let new = CreateDocument {
            collection: collection.into(),
            name,
            content,
        };
        let document = context
            .call(context.client()?.create_document(&new))
            .await?;
        Ok(Report::new(
            format!("created {} {}", title(&document), document.id),
            &document,
        ))
    }
}

async fn remove(context: &Context, reference: &str, local: bool) -> Result<Report, Failure> {
    let client = context.client()?;
    if local {
        let gone = context.call(client.forget(reference)).await?;
        let text = format!(
            "forgot {} {}; this node does not follow it any more",
            title(&gone),
            gone.id
        );
        return Ok(Report::new(text, &gone));
    }
    let gone = context.call(client.remove(reference)).await?;
    Ok(Report::new(
        format!("removed {} {} for everyone", title(&gone), gone.id),
        &gone,
    ))
}

/// `collection/name`, as far as they are known.
fn title(document: &Document) -> String {
    let collection = match &document.collection_name {
        Some(name) => name.to_string(),
        None => short(document.collection),
    };
    match &document.name {
        Some(name) => format!("{collection}/{name}"),
        None => format!("{collection}/?"),
    }
}

/// Heads in short form.
fn heads(heads: &[ChangeHash]) -> String {
    heads.iter().map(short).collect::<Vec<_>>().join(" ")
}
