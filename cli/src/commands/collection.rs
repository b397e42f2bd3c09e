//! `collection`: what documents are grouped in.

use clap::{Args, Subcommand};
use decube_node::api::types;
use decube_protocols::types::CollectionName;

use super::commit::{WaitFor, submission_text};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, short, table};

/// Create and list collections.
#[derive(Debug, Subcommand)]
pub(crate) enum Collection {
    /// Create a collection, by a transaction.
    #[command(after_help = "Example:\n  decube collection create notes")]
    Create(Create),
    /// List the collections.
    #[command(after_help = "Example:\n  decube collection ls")]
    Ls,
    /// Show a collection.
    #[command(after_help = "Example:\n  decube collection show notes")]
    Show {
        /// Its name or id.
        collection: String,
    },
}

/// Create a collection.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name, taken once per network.
    name: CollectionName,
    /// How many replicas must hold a version before it can be committed.
    #[arg(long, value_name = "N")]
    write_quorum: Option<u16>,
    /// How far to wait.
    #[arg(long, value_enum, default_value_t = WaitFor::Final)]
    wait: WaitFor,
}

impl Collection {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        match self {
            Self::Create(create) => {
                let new = types::CreateCollection {
                    name: create.name.clone(),
                    write_quorum: create.write_quorum,
                    wait: create.wait.into(),
                    timeout_ms: context.timeout_ms(),
                };
                let done = context.call(client.create_collection(&new)).await?;
                let what = format!("collection {}", create.name);
                Ok(Report::new(submission_text(&what, "created", &done), &done))
            }
            Self::Ls => {
                let list = context.call(client.collections()).await?;
                let row = |one: &types::Collection| {
                    let quorum = one.write_quorum.to_string();
                    [
                        one.name.to_string(),
                        short(one.id),
                        one.height.to_string(),
                        quorum,
                        short(one.root),
                    ]
                };
                let rows: Vec<_> = list.collections.iter().map(row).collect();
                let text = table(["name", "id", "height", "write quorum", "root"], &rows);
                Ok(Report::new(text, &list))
            }
            Self::Show { collection } => {
                let one = context.call(client.collection(&collection)).await?;
                let text = format!(
                    "name          {}\nid            {}\ncreator       {}\nheight        {}\n\
                     write quorum  {}\nroot          {}\n",
                    one.name, one.id, one.creator, one.height, one.write_quorum, one.root
                );
                Ok(Report::new(text, &one))
            }
        }
    }
}
