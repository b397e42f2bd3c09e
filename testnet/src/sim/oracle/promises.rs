//! Everything that a node acknowledged to its user.
//!
//! # Invariants
//! - A document whose creation was acknowledged, and every edit acknowledged at a node, is there
//!   after any restart of that node, and everywhere after healing.
//! - A removal that was acknowledged stays.
//! - A transaction that was reported as submitted becomes final or expires, not both; one reported
//!   as final stands at the height that was said, with the outcome that was said.

use std::collections::{BTreeMap, BTreeSet};

use decube_protocols::submission::{Progress, SubmissionError};
use decube_protocols::types::{
    Action, ChangeHash, CollectionId, CollectionName, CommitEntry, DocumentId, Height, Outcome,
    Transaction, TransactionId,
};

use super::chain::Chain;
use super::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// What is promised of one document.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Document {
    pub(in crate::sim) collection: CollectionId,
    /// Where each change was acknowledged.
    changes: BTreeMap<ChangeHash, NodeIndex>,
    creator: NodeIndex,
    /// Some user asked for its removal, so it may be gone anywhere from now on.
    removing: bool,
    /// Where its removal was acknowledged.
    removed: BTreeSet<NodeIndex>,
}

/// What a node holds of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Held {
    /// Nothing at all.
    Nothing,
    /// That it is removed.
    Removed,
    /// These of the changes that were asked for.
    Live(BTreeSet<ChangeHash>),
}

/// What is promised of one transaction.
#[derive(Clone, Debug)]
struct Submitted {
    by: NodeIndex,
    expires: Height,
    reported: Option<Reported>,
}

/// What a node signed and made durable, so that it is handed over also after a restart.
#[derive(Clone, Debug)]
struct Signed {
    by: NodeIndex,
    nonce: u64,
    expires: Height,
    wanted: Wanted,
}

/// What a transaction is meant to do, whatever receipts it has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Commit(Vec<CommitEntry>),
    Collection(CollectionName),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reported {
    Final(Height, Outcome),
    Expired,
}

/// The log of acknowledgements.
#[derive(Debug, Default)]
pub(in crate::sim) struct Promises {
    documents: BTreeMap<DocumentId, Document>,
    transactions: BTreeMap<TransactionId, Submitted>,
    signed: BTreeMap<TransactionId, Signed>,
    edits: u64,
}

impl Promises {
    /// A node acknowledged that it created a document.
    pub(in crate::sim) fn created(
        &mut self,
        node: NodeIndex,
        document: DocumentId,
        collection: CollectionId,
        heads: &[ChangeHash],
    ) {
        let changes = heads.iter().map(|head| (*head, node)).collect();
        let promise = Document {
            collection,
            changes,
            creator: node,
            removing: false,
            removed: BTreeSet::new(),
        };
        self.documents.insert(document, promise);
    }

    /// A node acknowledged an edit.
    pub(in crate::sim) fn edited(
        &mut self,
        node: NodeIndex,
        document: DocumentId,
        change: ChangeHash,
    ) {
        if let Some(promise) = self.documents.get_mut(&document) {
            promise.changes.insert(change, node);
            self.edits += 1;
        }
    }

    /// A user asks for the removal of a document.
    pub(in crate::sim) fn removing(&mut self, document: DocumentId) {
        if let Some(promise) = self.documents.get_mut(&document) {
            promise.removing = true;
        }
    }

    /// A node acknowledged that it removed a document.
    pub(in crate::sim) fn removed(&mut self, node: NodeIndex, document: DocumentId) {
        if let Some(promise) = self.documents.get_mut(&document) {
            promise.removed.insert(node);
        }
    }

    /// A node makes a transaction of its own durable.
    pub(in crate::sim) fn signed(
        &mut self,
        node: NodeIndex,
        id: TransactionId,
        transaction: &Transaction,
    ) {
        let wanted = match &transaction.action {
            Action::Commit(commit) => Wanted::Commit(commit.entries.clone()),
            Action::CreateCollection(create) => Wanted::Collection(create.name.clone()),
        };
        let Transaction { nonce, expires, .. } = *transaction;
        self.signed.insert(
            id,
            Signed {
                by: node,
                nonce,
                expires,
                wanted,
            },
        );
    }

    /// The transaction that took the place of another one, whose nonce was used meanwhile: of the
    /// same node, with a larger nonce, and meant to do the same.
    fn successor(&self, transaction: &TransactionId) -> Option<(TransactionId, Height)> {
        let old = self.signed.get(transaction)?;
        let later = self.signed.iter().filter(|(_, new)| {
            new.by == old.by && new.nonce > old.nonce && new.wanted == old.wanted
        });
        let (id, new) = later.min_by_key(|(_, new)| new.nonce)?;
        Some((*id, new.expires))
    }

    /// Whether a transaction, or one that took its place, is final or expired.
    fn is_settled(&self, transaction: &TransactionId, expires: Height, chain: &Chain) -> bool {
        let (mut transaction, mut expires) = (*transaction, expires);
        loop {
            if chain.outcome(&transaction).is_some() || chain.height() > expires {
                return true;
            }
            // Nonces rise from one to the next, so this ends.
            match self.successor(&transaction) {
                Some(next) => (transaction, expires) = next,
                None => return false,
            }
        }
    }

    /// A node reported how far a wish is.
    pub(in crate::sim) fn progress(
        &mut self,
        node: NodeIndex,
        progress: &Progress,
    ) -> Result<(), Violation> {
        let (transaction, reported) = match progress {
            Progress::Submitted {
                transaction,
                expires,
            } => {
                let submitted = Submitted {
                    by: node,
                    expires: *expires,
                    reported: None,
                };
                self.transactions.entry(*transaction).or_insert(submitted);
                return Ok(());
            }
            Progress::Final {
                transaction,
                height,
                outcome,
            } => (*transaction, Reported::Final(*height, outcome.clone())),
            Progress::Failed(SubmissionError::Expired { transaction, .. }) => {
                (*transaction, Reported::Expired)
            }
            Progress::Failed(
                SubmissionError::TooFewReceipts { .. }
                | SubmissionError::Malformed(_)
                | SubmissionError::Busy
                | SubmissionError::Store(_),
            ) => return Ok(()),
        };
        let Some(submitted) = self.transactions.get_mut(&transaction) else {
            let what = format!("node {node} ends {transaction}, which was never submitted");
            return Err(Violation::new(Check::Submission, what));
        };
        submitted.reported = Some(reported);
        Ok(())
    }

    /// What `node` alone promised, for a look at its disk when it starts: each document with the
    /// changes.
    pub(in crate::sim) fn of_node(&self, node: NodeIndex) -> Vec<(DocumentId, Vec<ChangeHash>)> {
        let of = |(id, promise): (&DocumentId, &Document)| {
            let changes = promise.changes.iter().filter(|(_, by)| **by == node);
            let changes: Vec<_> = changes.map(|(change, _)| *change).collect();
            let concerned =
                promise.creator == node || !changes.is_empty() || promise.removed.contains(&node);
            concerned.then_some((*id, changes))
        };
        self.documents.iter().filter_map(of).collect()
    }

    /// All that was promised anywhere.
    pub(in crate::sim) fn of_all(&self) -> Vec<(DocumentId, Vec<ChangeHash>)> {
        let of = |(id, promise): (&DocumentId, &Document)| {
            (*id, promise.changes.keys().copied().collect())
        };
        self.documents.iter().map(of).collect()
    }

    /// Checks what `node` holds of a document against the changes that it must have of it, and
    /// against the removal that it, or after healing anyone, acknowledged.
    pub(in crate::sim) fn check(
        &self,
        node: NodeIndex,
        document: &DocumentId,
        wanted: &[ChangeHash],
        held: &Held,
        healed: bool,
    ) -> Result<(), Violation> {
        let Some(promise) = self.documents.get(document) else {
            return Ok(());
        };
        let lost = |what: String| {
            let what = format!("node {node}, document {document}: {what}");
            Err(Violation::new(Check::Lost, what))
        };
        let must_be_removed =
            promise.removed.contains(&node) || (healed && !promise.removed.is_empty());
        match held {
            Held::Removed if promise.removing => Ok(()),
            Held::Removed => lost("removed, though nobody asked for it".into()),
            _ if must_be_removed => lost("an acknowledged removal is gone".into()),
            Held::Nothing => lost("the acknowledged document is gone".into()),
            Held::Live(found) => match wanted.iter().find(|change| !found.contains(change)) {
                Some(missing) => lost(format!("the acknowledged change {missing} is gone")),
                None => Ok(()),
            },
        }
    }

    /// Checks that every submitted transaction is final or expired by now, and that all that was
    /// reported is so. Gives back the ones that are still open.
    pub(in crate::sim) fn settle(&self, chain: &Chain) -> Result<Vec<TransactionId>, Violation> {
        let mut open = Vec::new();
        for (transaction, submitted) in &self.transactions {
            let outcome = chain.outcome(transaction);
            let wrong = |what: String| {
                let what = format!("transaction {transaction} of node {}: {what}", submitted.by);
                Err(Violation::new(Check::Submission, what))
            };
            match (&submitted.reported, outcome) {
                (Some(Reported::Final(height, said)), Some((at, is)))
                    if *height == at && said == is => {}
                (Some(Reported::Final(height, said)), found) => {
                    return wrong(format!(
                        "reported {said:?} at {height}, but it is {found:?}"
                    ));
                }
                (Some(Reported::Expired), Some((at, Outcome::Applied))) => {
                    return wrong(format!("reported as expired, but it took effect at {at}"));
                }
                (Some(Reported::Expired), _) if chain.height() <= submitted.expires => {
                    return wrong(format!("reported as expired before {}", submitted.expires));
                }
                (None, None) if !self.is_settled(transaction, submitted.expires, chain) => {
                    open.push(*transaction);
                }
                (Some(Reported::Expired), _) | (None, _) => {}
            }
        }
        Ok(open)
    }

    /// The documents that may still be edited.
    pub(in crate::sim) fn editable(&self) -> Vec<(DocumentId, CollectionId)> {
        let live = self
            .documents
            .iter()
            .filter(|(_, promise)| !promise.removing);
        live.map(|(id, promise)| (*id, promise.collection))
            .collect()
    }

    /// How many edits were acknowledged.
    pub(in crate::sim) const fn edits(&self) -> u64 {
        self.edits
    }

    /// How many transactions were submitted.
    pub(in crate::sim) fn submitted(&self) -> usize {
        self.transactions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;

    fn digest(name: &'static [u8]) -> Digest {
        Digest::of("decube/test/1", &[name])
    }

    #[test]
    fn a_lost_edit_and_an_undone_removal_are_found() {
        let (document, collection) = (DocumentId(digest(b"d")), CollectionId(digest(b"c")));
        let (first, second) = (ChangeHash(digest(b"1")), ChangeHash(digest(b"2")));
        let mut promises = Promises::default();
        promises.created(0, document, collection, &[first]);
        promises.edited(1, document, second);
        let held = |changes: &[ChangeHash]| Held::Live(changes.iter().copied().collect());
        let check = |promises: &Promises, node, held: Held, healed| {
            let all = if healed {
                promises.of_all()
            } else {
                promises.of_node(node)
            };
            let found = all.iter().try_for_each(|(document, wanted)| {
                promises.check(node, document, wanted, &held, healed)
            });
            found.is_ok()
        };
        // Node 0 promised only the first change until everything is healed.
        assert!(check(&promises, 0, held(&[first]), false));
        assert!(!check(&promises, 0, held(&[first]), true));
        assert!(!check(&promises, 0, Held::Nothing, false));
        assert!(!check(&promises, 1, held(&[first]), false));
        assert!(!check(&promises, 0, Held::Removed, false));
        promises.removing(document);
        assert!(check(&promises, 0, Held::Removed, false));
        promises.removed(1, document);
        assert!(check(&promises, 0, held(&[first, second]), false));
        assert!(!check(&promises, 0, held(&[first, second]), true));
        assert!(!check(&promises, 1, held(&[first, second]), false));
    }

    #[test]
    fn a_submitted_transaction_stays_open_until_it_is_final_or_expired() {
        let transaction = TransactionId(digest(b"t"));
        let mut promises = Promises::default();
        let submitted = Progress::Submitted {
            transaction,
            expires: Height(5),
        };
        assert_eq!(promises.progress(0, &submitted), Ok(()));
        let chain = Chain::default();
        assert_eq!(promises.settle(&chain), Ok(vec![transaction]));
        let outcome = Outcome::Applied;
        let said = Progress::Final {
            transaction,
            height: Height(2),
            outcome,
        };
        assert_eq!(promises.progress(0, &said), Ok(()));
        assert_eq!(
            promises.settle(&chain).map_err(|found| found.check),
            Err(Check::Submission)
        );
    }
}
