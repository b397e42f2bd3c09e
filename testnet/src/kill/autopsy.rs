//! The disk of a node that is dead: what it acknowledged must be there, without any help from others.
//!
//! A copy is examined, so that the node itself recovers from the files as the kill left them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use decube_protocols::commit::ChainSource;
use decube_protocols::documents::{Content, Source};
use decube_protocols::types::{DocumentId, Height, TransactionId};
use decube_store::keys::{self, KeyKind};
use decube_store::{Identity, Store, VoteLog};

use super::log::Acks;
use crate::local::{Layout, NodePlan};

/// The files that hold a node's state.
const FILES: [&str; 2] = ["state.redb", "votes.redb"];

/// Checks the disk of the dead node at `place` against what it acknowledged in this round, whose
/// first block comes after `since`.
pub(super) fn examine(layout: &Layout, place: usize, acks: &Acks, since: Height) -> Result<()> {
    let plan = layout
        .nodes
        .get(place)
        .context("the node is one of the network")?;
    let copy = tempfile::tempdir_in(&layout.directory).context("cannot make a directory")?;
    for file in FILES {
        let from = plan.directory.join(file);
        if from.exists() {
            std::fs::copy(&from, copy.path().join(file))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    let store = open(layout, plan, copy.path())?;
    check_edits(&store, place, acks)?;
    check_transactions(&store, layout, place, acks, since)
}

fn open(layout: &Layout, plan: &NodePlan, directory: &Path) -> Result<Store> {
    let validator = match keys::exists(&plan.directory, KeyKind::Validator) {
        true => Some(keys::read(&plan.directory, KeyKind::Validator)?.public()),
        false => None,
    };
    let votes = validator.is_some();
    let identity = Identity {
        network: layout.genesis.network_id(),
        validator,
    };
    let store = Store::open(directory, &identity).context("its store cannot be opened")?;
    if votes && *store.vote_log() != VoteLog::Held {
        bail!("its vote log was lost: {:?}", store.vote_log());
    }
    Ok(store)
}

fn check_edits(store: &Store, place: usize, acks: &Acks) -> Result<()> {
    let mut documents: BTreeMap<DocumentId, Content> = BTreeMap::new();
    for ack in acks.edits.iter().filter(|ack| ack.node == place) {
        let content = match documents.entry(ack.document) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let stored = store.documents().content(&ack.document)?;
                entry.insert(Content::load(stored.snapshot.as_deref(), &stored.changes)?)
            }
        };
        if content.change(&ack.change).is_none() {
            let (change, document) = (ack.change, ack.document);
            bail!("its disk lacks the acknowledged change {change} of {document}");
        }
    }
    Ok(())
}

fn check_transactions(
    store: &Store,
    layout: &Layout,
    place: usize,
    acks: &Acks,
    since: Height,
) -> Result<()> {
    let network = layout.genesis.network_id();
    let chain = store.chain();
    let newest = chain.final_height()?;
    let mut blocks: BTreeMap<TransactionId, Height> = BTreeMap::new();
    for height in (since.0 + 1..=newest.0).map(Height) {
        let found = chain.final_block(height)?;
        let found = found.ok_or_else(|| anyhow!("its disk lacks block {height} of {newest}"))?;
        let ids = found
            .block
            .transactions
            .iter()
            .map(|transaction| transaction.id(&network));
        blocks.extend(ids.map(|id| (id, height)));
    }
    for ack in acks.finals.iter().filter(|ack| ack.node == place) {
        if blocks.get(&ack.transaction) != Some(&ack.height) {
            let (transaction, height) = (ack.transaction, ack.height);
            bail!("its disk lacks the acknowledged final transaction {transaction} at {height}");
        }
    }
    let pending = store.pending()?;
    let pending: BTreeSet<_> = pending
        .iter()
        .map(|transaction| transaction.id(&network))
        .collect();
    for ack in acks.submitted.iter().filter(|ack| ack.node == place) {
        let known = pending.contains(&ack.transaction) || blocks.contains_key(&ack.transaction);
        if !known && ack.expires >= newest {
            bail!(
                "its disk lacks the acknowledged submitted transaction {}",
                ack.transaction
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kill::log::{EditAck, FinalAck, SubmittedAck};
    use crate::local::Spec;
    use decube_crypto::Digest;
    use decube_protocols::types::ChangeHash;

    /// Everything that a node may acknowledge, acknowledged by the node at `node`.
    fn acks(node: usize) -> [(&'static str, Acks); 3] {
        let nothing = Acks::default();
        let document = DocumentId(Digest::ZERO);
        let change = ChangeHash(Digest::ZERO);
        let transaction = TransactionId(Digest::ZERO);
        let edit = EditAck {
            node,
            document,
            change,
        };
        let commit = FinalAck {
            node,
            transaction,
            height: Height(1),
            applied: true,
        };
        let submitted = SubmittedAck {
            node,
            transaction,
            expires: Height(9),
        };
        [
            (
                "change",
                Acks {
                    edits: vec![edit],
                    ..nothing.clone()
                },
            ),
            (
                "final transaction",
                Acks {
                    finals: vec![commit],
                    ..nothing.clone()
                },
            ),
            (
                "submitted transaction",
                Acks {
                    submitted: vec![submitted],
                    ..nothing
                },
            ),
        ]
    }

    #[test]
    fn what_a_node_acknowledged_and_does_not_have_is_found_on_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec {
            name: "test".into(),
            validators: 1,
        };
        let layout = Layout::create(&folder.path().join("net"), &spec).unwrap();
        for place in 0..2 {
            for (what, acks) in acks(place) {
                let error = examine(&layout, place, &acks, Height(0))
                    .unwrap_err()
                    .to_string();
                assert!(
                    error.contains(&format!("lacks the acknowledged {what}")),
                    "{error}"
                );
            }
            for (_, acks) in acks(1 - place) {
                examine(&layout, place, &acks, Height(0)).unwrap();
            }
        }
    }

    #[test]
    fn a_lost_vote_log_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec {
            name: "test".into(),
            validators: 1,
        };
        let layout = Layout::create(&folder.path().join("net"), &spec).unwrap();
        std::fs::remove_file(layout.nodes[0].directory.join("votes.redb")).unwrap();
        let error = examine(&layout, 0, &Acks::default(), Height(0))
            .unwrap_err()
            .to_string();
        assert!(error.contains("vote log"), "{error}");
    }
}
