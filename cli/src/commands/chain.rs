//! `chain`: final blocks.

use clap::Subcommand;
use decube_node::api::types::{ActionInfo, Block, BlockSummary, TransactionInfo};
use decube_protocols::types::{Height, Outcome};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, short, table, time};

/// Look at final blocks.
#[derive(Debug, Subcommand)]
pub(crate) enum Chain {
    /// List final blocks, newest first.
    #[command(after_help = "Example:\n  decube chain ls --limit 5")]
    Ls {
        /// How many at most, up to 1000.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
        /// The highest block to list.
        #[arg(long, value_name = "HEIGHT")]
        before: Option<u64>,
    },
    /// Show a final block with its transactions.
    #[command(after_help = "Example:\n  decube chain show 12")]
    Show {
        /// Its height.
        height: u64,
    },
}

impl Chain {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        match self {
            Self::Ls { limit, before } => {
                let before = before.map(Height);
                let list = context.call(client.blocks(before, Some(limit))).await?;
                let row = |block: &BlockSummary| {
                    let transactions = format!("{} of {}", block.applied, block.transactions);
                    let (height, view) = (block.height.to_string(), block.view.to_string());
                    [
                        height,
                        short(block.id),
                        view,
                        transactions,
                        time(block.time.0),
                    ]
                };
                let rows: Vec<_> = list.blocks.iter().map(row).collect();
                let text = table(["height", "block", "view", "applied", "time"], &rows);
                Ok(Report::new(text, &list))
            }
            Self::Show { height } => {
                let block = context.call(client.block(Height(height))).await?;
                Ok(Report::new(text(&block), &block))
            }
        }
    }
}

fn text(block: &Block) -> String {
    let mut text = format!(
        "height        {}\nblock         {}\nparent        {}\nepoch, view   {}, {}\n\
         time          {}\nstate root    {}\n",
        block.height,
        block.id,
        block.parent,
        block.epoch,
        block.view,
        time(block.time.0),
        block.state_root,
    );
    match &block.finalization {
        Some(found) if found.height == block.height => {
            text += &format!("finalized by  {}\n", found.signers.join(", "));
        }
        Some(found) => {
            let signers = found.signers.join(", ");
            text += &format!("finalized by  {signers}, with block {}\n", found.height);
        }
        None => text += "finalized by  a block above\n",
    }
    for transaction in &block.transactions {
        text += &transaction_text(transaction);
    }
    text
}

fn transaction_text(transaction: &TransactionInfo) -> String {
    let outcome = match &transaction.outcome {
        Outcome::Applied => "applied".into(),
        Outcome::Rejected { reason } => format!("rejected: {reason}"),
    };
    let mut text = format!(
        "\ntransaction   {}\n  author      {}\n  outcome     {outcome}\n",
        transaction.id, transaction.author
    );
    match &transaction.action {
        ActionInfo::Commit { entries, receipts } => {
            for entry in entries {
                let held = receipts
                    .iter()
                    .filter(|one| one.document == entry.document)
                    .count();
                let version = entry.heads.version();
                text += &format!(
                    "  commits     {} at version {version}, with {held} receipts\n",
                    entry.document
                );
            }
        }
        ActionInfo::CreateCollection { name, .. } => {
            text += &format!("  creates     collection {name}\n");
        }
    }
    text
}
