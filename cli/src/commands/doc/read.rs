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
    /// Also show places with several concurrent values, as a table on standard error.
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
        if self.conflicts {
            output::note(conflicts(&content.conflicts).trim_end());
        }
    }
}

/// The most characters of a conflicting value in a table; all of it is in the JSON.
const MAX_VALUE: usize = 48;

/// The concurrent values of each place, one in a row; * marks those that reading shows.
fn conflicts(places: &[Value]) -> String {
    if places.is_empty() {
        return "no place has several concurrent values".into();
    }
    let mut rows = Vec::new();
    for place in places {
        let pointer = place["pointer"].as_str().unwrap_or_default();
        for value in place["values"].as_array().into_iter().flatten() {
            let id = |key: &str| value[key].as_str().map_or("-".into(), short);
            let mark = if value["shown"] == true { "*" } else { "" };
            let shown = abridged(&value["value"].to_string());
            rows.push([
                pointer.into(),
                mark.into(),
                shown,
                id("author"),
                id("change"),
            ]);
        }
    }
    table(["conflict at", "shown", "value", "author", "change"], &rows)
}

fn abridged(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}...", text.split_at(end).0),
        None => text.into(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_are_a_table() {
        let author = "ab".repeat(32);
        let places = json!([{ "pointer": "/who", "values": [
            { "value": "Alice", "author": author, "change": "12".repeat(32), "shown": false },
            { "value": ["x".repeat(99)], "author": null, "change": null, "shown": true },
        ]}]);
        let shown = conflicts(places.as_array().unwrap());
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(cells, ["/who", "\"Alice\"", "abababababab", "121212121212"]);
        assert!(
            lines[2].contains("*") && lines[2].contains("x..."),
            "{shown}"
        );
        assert!(lines[2].len() < 120, "{shown}");
        assert!(conflicts(&[]).starts_with("no place"));
    }
}
