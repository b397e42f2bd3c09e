//! `doc get`, `ls`, `history` and `quarantine`.

use clap::Args;
use decube_node::api::types::{Content, Document, DocumentList, HistoryItem};
use serde_json::Value;

use super::{Version, heads, title};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{self, Report, short, table, time};

/// Read a document.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The document.
    document: String,
    /// The place to read, a JSON pointer such as /title or /items/0; all of it without it.
    #[arg(default_value = "", hide_default_value = true)]
    pointer: String,
    /// Which version.
    #[command(flatten)]
    version: Version,
    /// Also show places with several concurrent values.
    #[arg(long)]
    conflicts: bool,
    /// Print a text as it is, without quotes.
    #[arg(long)]
    raw: bool,
}

impl Get {
    /// Asks the node and prints the value.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let version = self.version.selection();
        let client = context.client()?;
        let call = client.read(&self.document, &self.pointer, &version, self.conflicts);
        let content = context.call(call).await?;
        if context.json() {
            return context.print(&Report::new("", &content));
        }
        self.notes(&content);
        if let (true, Value::String(text)) = (self.raw, &content.value) {
            return output::bytes(text.as_bytes());
        }
        output::line(&serde_json::to_string_pretty(&content.value).map_err(Failure::failed)?)
    }

    /// What is worth knowing beside the value, apart from it.
    fn notes(&self, content: &Content) {
        if self.version.committed.is_some()
            && let Some(committed) = &content.committed
        {
            output::note(&format!(
                "final: version {}, committed at height {}",
                short(committed.version),
                committed.height
            ));
        }
        for conflict in &content.conflicts {
            output::note(&format!("conflict: {conflict}"));
        }
    }
}

/// How many pages of a list are asked for at most: a million documents.
const MAX_PAGES: usize = 1000;

/// Lists documents.
pub(crate) async fn list(context: &Context, collection: Option<&str>) -> Result<Report, Failure> {
    let client = context.client()?;
    let mut all = DocumentList {
        documents: Vec::new(),
        next: None,
    };
    for _ in 0..MAX_PAGES {
        let page = context
            .call(client.documents(collection, all.next.as_deref()))
            .await?;
        all.documents.extend(page.documents);
        all.next = page.next;
        if all.next.is_none() {
            break;
        }
    }
    let rows: Vec<_> = all.documents.iter().map(row).collect();
    let head = ["document", "id", "final", "committed at", "heads"];
    Ok(Report::new(table(head, &rows), &all))
}

fn row(document: &Document) -> [String; 5] {
    let state = if document.removed {
        "removed".into()
    } else if document.forgotten {
        "forgotten".into()
    } else {
        heads(&document.heads)
    };
    let committed = document.committed.as_ref();
    [
        title(document),
        short(document.id),
        if document.is_final {
            "*".into()
        } else {
            String::new()
        },
        committed.map_or("-".into(), |version| format!("height {}", version.height)),
        state,
    ]
}

/// Lists the changes of a document.
pub(crate) async fn history(context: &Context, reference: &str) -> Result<Report, Failure> {
    let history = context.call(context.client()?.history(reference)).await?;
    let row = |item: &HistoryItem| {
        let mark = if item.is_final { "*" } else { "" };
        let committed: Vec<String> = item.committed_at.iter().map(ToString::to_string).collect();
        let when = u64::try_from(item.time)
            .unwrap_or_default()
            .saturating_mul(1000);
        [
            short(item.hash),
            mark.into(),
            committed.join(" "),
            item.author.map_or("-".into(), short),
            time(when),
            item.operations.to_string(),
            item.message.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = history.changes.iter().map(row).collect();
    let head = [
        "change",
        "final",
        "committed at",
        "author",
        "time",
        "operations",
        "message",
    ];
    Ok(Report::new(table(head, &rows), &history))
}

/// Lists what waits outside of documents.
pub(crate) async fn quarantine(context: &Context) -> Result<Report, Failure> {
    let list = context.call(context.client()?.quarantine()).await?;
    let rows: Vec<_> = list
        .entries
        .iter()
        .map(|entry| {
            let change = entry.change.map_or("whole document".into(), short);
            [short(entry.document), change, entry.reason.clone()]
        })
        .collect();
    let text = if rows.is_empty() {
        "nothing is in quarantine".into()
    } else {
        table(["document", "change", "reason"], &rows)
    };
    Ok(Report::new(text, &list))
}
