//! What every node must have of what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use decube_node::api::Code;
use decube_node::client::Selection;
use decube_protocols::types::{ChangeHash, DocumentId, Height, TransactionId};

use super::chain::Chain;
use super::log::{Acks, SubmittedAck};
use crate::local::{Member, Testnet};

/// How long documents may take to be the same everywhere, and transactions to be final, once all
/// nodes are ready.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// How often a state is looked at that nobody announces.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until every node has the same heads of every document, then checks that every
/// acknowledged change is in the history at every node.
pub(super) async fn edits(testnet: &Testnet, documents: &[DocumentId], acks: &Acks) -> Result<()> {
    let mut expected: BTreeMap<DocumentId, BTreeSet<ChangeHash>> = BTreeMap::new();
    for ack in &acks.edits {
        expected.entry(ack.document).or_default().insert(ack.change);
    }
    for document in documents {
        let changes = expected.get(document).cloned().unwrap_or_default();
        wait_equal(testnet, *document, &changes).await?;
    }
    Ok(())
}

async fn wait_equal(
    testnet: &Testnet,
    document: DocumentId,
    changes: &BTreeSet<ChangeHash>,
) -> Result<()> {
    let started = Instant::now();
    let reference = document.to_string();
    loop {
        let mut heads = BTreeSet::new();
        let mut problem = None;
        for member in testnet.running() {
            match member.client.history(&reference).await {
                Ok(history) => {
                    let has: BTreeSet<_> =
                        history.changes.iter().map(|change| change.hash).collect();
                    let missing = changes.difference(&has).count();
                    if missing > 0 {
                        let what = format!("{missing} of {} acknowledged changes", changes.len());
                        problem = Some((member, anyhow!("it lacks {what} of document {document}")));
                    }
                    heads.insert(has);
                }
                Err(error) => problem = Some((member, error.into())),
            }
        }
        if problem.is_none() && heads.len() == 1 {
            return Ok(());
        }
        if started.elapsed() > SETTLE_LIMIT {
            let what = format!("waited {SETTLE_LIMIT:?} after all nodes were ready");
            return match problem {
                Some((member, error)) => Err(error.context(member.about(what))),
                None => bail!("the histories of {document} differ between nodes; {what}"),
            };
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the chain was compared up to every height that a node named, then checks that every
/// final transaction is where a node said, with the outcome that it said.
pub(super) async fn finals(
    testnet: &Testnet,
    chain: &mut Chain,
    reader: usize,
    acks: &Acks,
) -> Result<()> {
    let highest = acks
        .finals
        .iter()
        .map(|ack| ack.height)
        .max()
        .unwrap_or_default();
    let started = Instant::now();
    loop {
        chain.compare(testnet, reader).await?;
        if chain.compared() >= highest {
            break;
        }
        if started.elapsed() > SETTLE_LIMIT {
            bail!(
                "a node said that block {highest} is final, but after {SETTLE_LIMIT:?} all nodes \
                 have only {}",
                chain.compared()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    for ack in &acks.finals {
        let found = chain.transaction(&ack.transaction);
        if found != Some((ack.height, ack.applied)) {
            let member = testnet.member(ack.node)?;
            let about = member.about(format!(
                "it acknowledged transaction {} as final at {}, applied: {}",
                ack.transaction, ack.height, ack.applied
            ));
            return Err(anyhow!("the chain has {found:?}").context(about));
        }
    }
    Ok(())
}

/// Checks that every node shows the same committed version of every document as the blocks say.
pub(super) async fn versions(
    testnet: &Testnet,
    chain: &Chain,
    documents: &[DocumentId],
) -> Result<()> {
    let height = chain.compared();
    for document in documents {
        let expected = chain.committed(document, height);
        for member in testnet.running() {
            let shown = committed(member, *document, height).await?;
            if shown != expected {
                let about = member.about(format!(
                    "as of block {height} it shows {shown:?} as the last commit of {document}"
                ));
                return Err(anyhow!("the blocks have {expected:?}").context(about));
            }
        }
    }
    Ok(())
}

/// The transaction that committed a document last, as a node shows it.
async fn committed(
    member: &Member,
    document: DocumentId,
    height: Height,
) -> Result<Option<TransactionId>> {
    let version = Selection::CommittedAt(height);
    match member
        .client
        .read(&document.to_string(), "/text", &version, false)
        .await
    {
        Ok(content) => Ok(content.committed.map(|committed| committed.transaction)),
        Err(error)
            if error
                .problem()
                .is_some_and(|found| found.code == Code::NotCommitted) =>
        {
            Ok(None)
        }
        Err(error) => {
            let what = format!("it did not show the version of {document} as of block {height}");
            Err(error).with_context(|| member.about(what))
        }
    }
}

/// Takes out of `pending` what is final, and what expired; gives the number of the latter.
///
/// What is neither stays: it is final or expired later, or the last call finds it.
pub(super) fn submissions(chain: &Chain, pending: &mut Vec<SubmittedAck>) -> usize {
    pending.retain(|ack| chain.transaction(&ack.transaction).is_none());
    let before = pending.len();
    pending.retain(|ack| ack.expires >= chain.compared());
    before - pending.len()
}

/// Fails when submitted transactions are neither final nor expired in time.
pub(super) async fn last_submissions(
    testnet: &Testnet,
    chain: &mut Chain,
    pending: &mut Vec<SubmittedAck>,
) -> Result<usize> {
    let started = Instant::now();
    let mut expired = 0;
    loop {
        chain.compare(testnet, 0).await?;
        expired += submissions(chain, pending);
        let Some(ack) = pending.first() else {
            return Ok(expired);
        };
        if started.elapsed() > SETTLE_LIMIT {
            let member = testnet.member(ack.node)?;
            let about = member.about(format!(
                "it acknowledged transaction {} as submitted, until block {}",
                ack.transaction, ack.expires
            ));
            let compared = chain.compared();
            return Err(anyhow!("it is not final, and block {compared} is").context(about));
        }
        tokio::time::sleep(LOOK).await;
    }
}
