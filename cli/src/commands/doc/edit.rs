//! `doc set` and `doc edit`.

use std::path::PathBuf;

use clap::Args;
use decube_node::api::types::{EditDocument, Edited, HashPrefix};
use decube_node::client::Selection;
use decube_protocols::types::ChangeHash;
use serde_json::{Value, json};

use super::{MAX_JSON, heads, in_full};
use crate::commands::{parse_json, read_input};
use crate::context::Context;
use crate::editor;
use crate::failure::Failure;
use crate::output::{Report, short};

/// What goes with every edit.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Edit at these heads, by 8 or more of their digits, separated by commas, as if nothing had
    /// come since.
    #[arg(long, value_name = "HEADS", value_delimiter = ',')]
    at: Option<Vec<HashPrefix>>,
    /// A message for the history.
    #[arg(long, short)]
    message: Option<String>,
}

/// Put a value at a place.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The document.
    document: String,
    /// The place, a JSON pointer such as /title or /items/0; /items/- appends.
    pointer: String,
    /// The value as JSON; texts stand in double quotes.
    #[arg(
        value_name = "JSON",
        allow_hyphen_values = true,
        required_unless_present = "text"
    )]
    value: Option<String>,
    /// The value as a text, without quotes.
    #[arg(long, conflicts_with = "value", allow_hyphen_values = true)]
    text: Option<String>,
    /// Heads and message.
    #[command(flatten)]
    common: Common,
}

impl Set {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let value = match (&self.value, self.text) {
            (_, Some(text)) => Value::String(text),
            (Some(json), None) => parse_json("the value", json.as_bytes())?,
            (None, None) => Value::Null,
        };
        let edits = json!([{ "op": "set", "pointer": self.pointer, "value": value }]);
        let at = in_full(context, &self.document, self.common.at).await?;
        send(context, &self.document, edits, at, self.common.message).await
    }
}

/// Apply a patch, or edit in `$EDITOR`.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The document.
    document: String,
    /// The place to open in the editor; the whole document without it.
    #[arg(default_value = "", hide_default_value = true, conflicts_with_all = ["patch", "splice"])]
    pointer: String,
    /// A file with a JSON patch, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "splice")]
    patch: Option<PathBuf>,
    /// Delete and insert in a text, counted in characters (Unicode scalar values).
    #[arg(long, num_args = 4, value_names = ["POINTER", "INDEX", "DELETE", "INSERT"], allow_hyphen_values = true)]
    splice: Option<Vec<String>>,
    /// Heads and message.
    #[command(flatten)]
    common: Common,
}

impl Edit {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let edits = match (&self.patch, self.splice.as_deref()) {
            (Some(path), _) => {
                parse_json(&path.display().to_string(), &read_input(path, MAX_JSON)?)?
            }
            (None, Some([pointer, index, delete, insert])) => {
                json!([splice(pointer, index, delete, insert)?])
            }
            (None, Some(_) | None) => return self.in_editor(context).await,
        };
        let at = in_full(context, &self.document, self.common.at).await?;
        send(context, &self.document, edits, at, self.common.message).await
    }

    /// Opens the present value, and applies what differs at the heads that were read.
    async fn in_editor(self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        let version = match &self.common.at {
            Some(heads) => Selection::At(heads.clone()),
            None => Selection::Current,
        };
        let call = client.read(&self.document, &self.pointer, &version, false);
        let before = context.call(call).await?;
        let unchanged = |why: &str| {
            Report::new(
                why,
                &json!({ "document": before.document, "heads": before.heads, "change": null }),
            )
        };
        let Some(after) = editor::edit(&before.value)? else {
            return Ok(unchanged("nothing was changed"));
        };
        let edits = editor::difference(&self.pointer, &before.value, &after.value);
        if edits.is_empty() {
            return Ok(unchanged("nothing was changed but the layout"));
        }
        let document = before.document.to_string();
        let edits = Value::Array(edits);
        let message = self.common.message;
        let sent = send(context, &document, edits, Some(before.heads), message).await;
        sent.map_err(|failure| after.kept(failure))
    }
}

fn splice(pointer: &str, index: &str, delete: &str, insert: &str) -> Result<Value, Failure> {
    let number = |name: &str, text: &str| {
        text.parse::<u64>().map_err(|error| {
            Failure::usage(format!(
                "--splice: {name} {text:?} is no number of characters: {error}"
            ))
        })
    };
    Ok(json!({
        "op": "splice", "pointer": pointer, "index": number("INDEX", index)?,
        "delete": number("DELETE", delete)?, "insert": insert,
    }))
}

async fn send(
    context: &Context,
    document: &str,
    edits: Value,
    at: Option<Vec<ChangeHash>>,
    message: Option<String>,
) -> Result<Report, Failure> {
    let edit = EditDocument { edits, at, message };
    let edited = context
        .call(context.client()?.edit(document, &edit))
        .await?;
    Ok(Report::new(text(&edited), &edited))
}

fn text(edited: &Edited) -> String {
    match edited.change {
        Some(change) => format!("change {}, heads {}", short(change), heads(&edited.heads)),
        None => format!("nothing was changed, heads {}", heads(&edited.heads)),
    }
}
