//! Committing a version and verifying its proof, in this process, which has no node.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use decube_node::api::types::{CommitRequest, CommitTarget, Wait};
use decube_node::client::Selection;
use decube_protocols::light::{Presence, Proof};
use decube_protocols::types::{ChangeHash, Heads};
use serde::Serialize;

use super::network::{Network, STEP_LIMIT, millis};

/// A committed version whose proof was verified.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proven {
    /// The height of its block.
    pub height: u64,
    /// How long the commit took until it was final, in seconds.
    pub commit_seconds: f64,
    /// How many bytes the proof's file has.
    pub proof_bytes: usize,
    /// How many validators signed, all of them checked.
    pub signers: usize,
}

/// Commits the present version at the first node, gets its proof from the replica and verifies it
/// against the genesis; the heads certified must be exactly these.
pub(super) async fn commit(
    network: &Network,
    document: &str,
    heads: &[ChangeHash],
) -> Result<Proven> {
    let started = Instant::now();
    let member = network.member(0)?;
    let target = CommitTarget {
        document: document.into(),
        heads: None,
        previous: None,
        first: true,
    };
    let request = CommitRequest {
        documents: vec![target],
        wait: Wait::Final,
        timeout_ms: Some(millis(STEP_LIMIT)),
    };
    let committed = member.client.commit(&request).await;
    let committed = committed.with_context(|| member.about("it did not commit"))?;
    let commit_seconds = started.elapsed().as_secs_f64();
    let height = committed
        .height
        .context("a final transaction has a height")?;
    let replica = network.replica()?;
    network.wait_for_height(replica, height).await?;
    let file = replica.client.proof(document, Some(height)).await;
    let file = file.with_context(|| replica.about("it gave no proof"))?;
    let verified = Proof::from_bytes(&file)?.verify(&network.layout().genesis)?;
    let Presence::Committed { committed, .. } = verified.presence else {
        bail!("the proof says that no version of the document is committed");
    };
    ensure!(
        verified.document.to_string() == document && committed.heads == Heads::new(heads.to_vec())?,
        "the proof is of another version"
    );
    let exported = replica.client.export(document, &Selection::Committed).await;
    let exported = exported.with_context(|| replica.about("it exported nothing"))?;
    let found = decube_protocols::documents::content::file_heads(&exported.bytes)?;
    ensure!(
        found == heads,
        "the exported file has other heads than the committed version"
    );
    Ok(Proven {
        height: height.0,
        commit_seconds,
        proof_bytes: file.len(),
        signers: verified.signers.len(),
    })
}
