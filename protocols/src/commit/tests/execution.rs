//! Executing transactions: what applies, what is rejected and why, and what a rejection leaves.

use std::collections::BTreeMap;

use decube_crypto::{Digest, SecretKey};

use super::super::execution::{
    Context, Execution, GenesisState, MAX_EXPIRY, Malformed, execute, last_nonce, well_formed,
};
use super::super::outcome_leaf;
use super::net::{genesis, peer_key};
use crate::history::Peaks;
use crate::tree::{self, Node};
use crate::types::{
    Action, ChangeHash, CollectionId, CollectionName, Commit, CommitEntry, CommittedDocument,
    CreateCollection, DocumentId, Genesis, Heads, Height, NetworkId, Outcome, Receipt,
    ReceiptStatement, Rejection, Replica, StateKey, Transaction, Version,
};

/// A state that blocks are executed on, one after the other.
struct Ledger {
    network: NetworkId,
    nodes: BTreeMap<Digest, Node>,
    root: Digest,
    height: Height,
}

fn alice() -> SecretKey {
    SecretKey::from_seed(&[200; 32])
}

/// Three replicas; commits need two of them unless a collection says otherwise.
fn three_replicas() -> Genesis {
    let mut genesis = genesis(4);
    let replica = |index| Replica {
        name: format!("r{index}"),
        peer: peer_key(index).public(),
    };
    genesis.replicas = (0..3).map(replica).collect();
    genesis.parameters.write_quorum = 2;
    genesis
}

impl Ledger {
    /// A state with the collection `records`.
    fn new() -> Self {
        let genesis = three_replicas();
        let state = GenesisState::of(&genesis);
        let root = state.header.state_root;
        let network = genesis.network_id();
        let mut ledger = Self {
            network,
            nodes: state.nodes,
            root,
            height: Height(0),
        };
        let create = ledger.create("records", None, 1);
        assert_eq!(ledger.block(&[create]).outcomes, vec![Outcome::Applied]);
        ledger
    }

    fn block(&mut self, transactions: &[Transaction]) -> Execution {
        self.height = self.height.next();
        let context = Context {
            network: self.network,
            height: self.height,
            write_quorum: 2,
        };
        let execution = execute(&self.nodes, &self.root, context, transactions).unwrap();
        self.root = execution.state_root;
        self.nodes.extend(execution.nodes.clone());
        execution
    }

    fn sign(&self, action: Action, nonce: u64) -> Transaction {
        Transaction::sign(&self.network, action, nonce, Height(100), &alice())
    }

    fn create(&self, name: &str, write_quorum: Option<u16>, nonce: u64) -> Transaction {
        let name = CollectionName::new(name).unwrap();
        self.sign(
            Action::CreateCollection(CreateCollection { name, write_quorum }),
            nonce,
        )
    }

    fn collection(&self) -> CollectionId {
        CollectionId::of(&self.network, "records")
    }

    fn document(&self, number: u64) -> DocumentId {
        DocumentId::of(&self.collection(), &alice().public(), number)
    }

    fn entry(&self, document: u64, previous: Option<u8>, heads: u8) -> CommitEntry {
        CommitEntry {
            collection: self.collection(),
            document: self.document(document),
            previous: previous.map(version),
            heads: self::heads(heads),
        }
    }

    fn commit(&self, mut entries: Vec<CommitEntry>, replicas: &[usize], nonce: u64) -> Transaction {
        entries.sort_by_key(|entry| (entry.collection, entry.document));
        let mut receipts = Vec::new();
        for entry in &entries {
            receipts.extend(replicas.iter().map(|index| self.receipt(entry, *index)));
        }
        receipts.sort_by_key(|receipt| (receipt.document, receipt.replica));
        self.sign(Action::Commit(Commit { entries, receipts }), nonce)
    }

    fn receipt(&self, entry: &CommitEntry, replica: usize) -> Receipt {
        let statement = ReceiptStatement {
            entry,
            roles_height: Height(1),
        };
        statement.sign(&self.network, &peer_key(replica))
    }

    fn committed(&self, document: u64) -> Option<CommittedDocument> {
        let key = StateKey::Document(self.collection(), self.document(document));
        let value = tree::get(&self.nodes, &self.root, &key.digest()).unwrap();
        value.map(|bytes| crate::wire::decode(&bytes).unwrap())
    }

    fn nonce(&self) -> Option<u64> {
        last_nonce(&self.nodes, &self.root, &alice().public()).unwrap()
    }
}

fn heads(number: u8) -> Heads {
    Heads::new(vec![ChangeHash(Digest::of("decube/test/1", &[&[number]]))]).unwrap()
}

fn version(number: u8) -> Version {
    heads(number).version()
}

fn rejected(reason: Rejection) -> Vec<Outcome> {
    vec![Outcome::Rejected { reason }]
}

#[test]
fn a_version_with_enough_receipts_is_committed_and_remembered() {
    let mut ledger = Ledger::new();
    let first = ledger.commit(vec![ledger.entry(1, None, 1)], &[0, 2], 2);
    let execution = ledger.block(std::slice::from_ref(&first));
    assert_eq!(execution.outcomes, vec![Outcome::Applied]);
    assert_eq!(execution.committed, vec![ledger.entry(1, None, 1)]);
    let state = ledger.committed(1).unwrap();
    assert_eq!((state.height, state.previous), (Height(2), None));
    assert_eq!(state.transaction, first.id(&ledger.network));
    let second = ledger.commit(vec![ledger.entry(1, Some(1), 2)], &[0, 1, 2], 9);
    assert_eq!(ledger.block(&[second]).outcomes, vec![Outcome::Applied]);
    let state = ledger.committed(1).unwrap();
    assert_eq!((state.heads, state.previous), (heads(2), Some(Height(2))));
    assert_eq!(ledger.nonce(), Some(9), "nonces may have gaps");
}

#[test]
fn the_transactions_root_binds_ids_and_outcomes() {
    let mut ledger = Ledger::new();
    let both = [
        ledger.create("a", None, 2),
        ledger.create("records", None, 3),
    ];
    let execution = ledger.block(&both);
    let mut peaks = Peaks::default();
    for (transaction, outcome) in both.iter().zip(&execution.outcomes) {
        let _ = peaks.append(&outcome_leaf(&transaction.id(&ledger.network), outcome));
    }
    assert_eq!(execution.transactions_root, peaks.root());
    let id = both[0].id(&ledger.network);
    let reasons = [
        Rejection::StaleNonce { nonce: 1, last: 2 },
        Rejection::Expired {
            expires: Height(1),
            height: Height(2),
        },
        Rejection::Unchanged {
            document: ledger.document(1),
        },
        Rejection::PreviousDiffers {
            document: ledger.document(1),
            committed: None,
        },
    ];
    let leaves: std::collections::BTreeSet<_> = reasons
        .into_iter()
        .map(|reason| outcome_leaf(&id, &Outcome::Rejected { reason }))
        .chain([outcome_leaf(&id, &Outcome::Applied)])
        .collect();
    assert_eq!(leaves.len(), 5);
}

#[test]
fn each_rejection_has_its_reason_and_changes_the_nonce_only() {
    let ledger = Ledger::new();
    let document = ledger.document(1);
    let unknown = CollectionId::of(&ledger.network, "nowhere");
    let elsewhere = CommitEntry {
        collection: unknown,
        ..ledger.entry(1, None, 1)
    };
    let few = Rejection::TooFewReceipts {
        document,
        found: 1,
        needed: 2,
    };
    let differs = Rejection::PreviousDiffers {
        document,
        committed: None,
    };
    let stranger = Rejection::NotAReplica {
        replica: peer_key(3).public(),
    };
    let table = [
        (ledger.commit(vec![ledger.entry(1, None, 1)], &[0], 5), few),
        (
            ledger.commit(vec![ledger.entry(1, Some(7), 1)], &[0, 1], 5),
            differs,
        ),
        (
            ledger.commit(vec![ledger.entry(1, None, 1)], &[0, 1, 3], 5),
            stranger,
        ),
        (
            ledger.commit(vec![elsewhere], &[0, 1], 5),
            Rejection::UnknownCollection {
                collection: unknown,
            },
        ),
        (
            ledger.create("records", None, 5),
            Rejection::CollectionExists {
                collection: ledger.collection(),
            },
        ),
        (
            ledger.create("big", Some(4), 5),
            Rejection::BadWriteQuorum {
                asked: 4,
                replicas: 3,
            },
        ),
        (
            ledger.create("none", Some(0), 5),
            Rejection::BadWriteQuorum {
                asked: 0,
                replicas: 3,
            },
        ),
    ];
    for (transaction, reason) in table {
        let mut ledger = Ledger::new();
        let execution = ledger.block(&[transaction]);
        assert_eq!(execution.outcomes, rejected(reason));
        assert!(execution.committed.is_empty() && execution.collections.is_empty());
        assert_eq!((ledger.committed(1), ledger.nonce()), (None, Some(5)));
    }
}

#[test]
fn a_used_nonce_and_an_expired_transaction_change_nothing() {
    let mut ledger = Ledger::new();
    let root = ledger.root;
    let again = ledger.create("again", None, 1);
    let execution = ledger.block(&[again]);
    assert_eq!(
        execution.outcomes,
        rejected(Rejection::StaleNonce { nonce: 1, last: 1 })
    );
    assert_eq!(ledger.root, root);
    let late = Transaction::sign(
        &ledger.network,
        ledger.create("late", None, 2).action,
        2,
        Height(2),
        &alice(),
    );
    let execution = ledger.block(&[late]);
    let reason = Rejection::Expired {
        expires: Height(2),
        height: Height(3),
    };
    assert_eq!(execution.outcomes, rejected(reason));
    assert_eq!((ledger.root, ledger.nonce()), (root, Some(1)));
}

#[test]
fn several_entries_are_committed_together_or_not_at_all() {
    let mut ledger = Ledger::new();
    let entries = vec![ledger.entry(1, None, 1), ledger.entry(2, None, 1)];
    let both = ledger.commit(entries, &[0, 1], 2);
    assert_eq!(ledger.block(&[both]).outcomes, vec![Outcome::Applied]);
    let entries = vec![ledger.entry(1, Some(1), 2), ledger.entry(2, Some(9), 2)];
    let half = ledger.commit(entries, &[0, 1], 3);
    let document = ledger.document(2);
    let committed = Some(version(1));
    let reason = Rejection::PreviousDiffers {
        document,
        committed,
    };
    assert_eq!(ledger.block(&[half]).outcomes, rejected(reason));
    assert_eq!(
        ledger.committed(1).unwrap().heads,
        heads(1),
        "the good half was not applied"
    );
}

#[test]
fn transactions_of_one_block_see_each_other_in_order() {
    let mut ledger = Ledger::new();
    let first = ledger.commit(vec![ledger.entry(1, None, 1)], &[0, 1], 2);
    let second = ledger.commit(vec![ledger.entry(1, Some(1), 2)], &[0, 1], 3);
    let same = ledger.commit(vec![ledger.entry(1, Some(1), 2)], &[1, 2], 4);
    let stale = ledger.commit(vec![ledger.entry(1, Some(1), 3)], &[0, 1], 5);
    let execution = ledger.block(&[first, second, same, stale]);
    let document = ledger.document(1);
    let committed = Some(version(2));
    assert_eq!(
        execution.outcomes[..2],
        [Outcome::Applied, Outcome::Applied]
    );
    assert_eq!(
        execution.outcomes[2..3],
        rejected(Rejection::Unchanged { document })
    );
    let reason = Rejection::PreviousDiffers {
        document,
        committed,
    };
    assert_eq!(execution.outcomes[3..], rejected(reason));
    assert_eq!(ledger.committed(1).unwrap().heads, heads(2));
}

#[test]
fn executing_is_a_function_of_state_and_transactions() {
    let (mut one, mut other) = (Ledger::new(), Ledger::new());
    let transactions = [
        one.create("x", None, 2),
        one.commit(vec![one.entry(1, None, 1)], &[0, 1], 3),
    ];
    let (a, b) = (one.block(&transactions), other.block(&transactions));
    assert_eq!(
        (a.state_root, a.transactions_root),
        (b.state_root, b.transactions_root)
    );
}

#[test]
fn malformed_transactions_are_told_apart() {
    let ledger = Ledger::new();
    let check = |transaction: &Transaction| well_formed(&ledger.network, transaction, Height(1));
    let entries = vec![ledger.entry(1, None, 1), ledger.entry(2, None, 1)];
    let good = ledger.commit(entries, &[0, 1], 2);
    assert_eq!(check(&good), Ok(()));
    let Action::Commit(commit) = good.action.clone() else {
        panic!("a commit")
    };
    let changed = |change: fn(&mut Commit)| {
        let mut commit = commit.clone();
        change(&mut commit);
        ledger.sign(Action::Commit(commit), 2)
    };
    type Change = fn(&mut Commit);
    let table: [(Change, Malformed); 8] = [
        (|it| it.entries.reverse(), Malformed::List),
        (|it| it.entries.clear(), Malformed::List),
        (|it| it.entries.push(it.entries[1].clone()), Malformed::List),
        (|it| it.entries[0].heads = Heads::default(), Malformed::List),
        (|it| it.receipts.reverse(), Malformed::List),
        (
            |it| it.receipts.push(it.receipts[3].clone()),
            Malformed::List,
        ),
        (|it| it.entries[0].heads = heads(9), Malformed::Receipt),
        (|it| drop(it.entries.pop()), Malformed::Receipt),
    ];
    for (index, (change, malformed)) in table.into_iter().enumerate() {
        assert_eq!(check(&changed(change)), Err(malformed), "change {index}");
    }
    assert_eq!(
        check(&Transaction {
            nonce: 3,
            ..good.clone()
        }),
        Err(Malformed::Signature)
    );
    let far = Height(2 + MAX_EXPIRY);
    let far = Transaction::sign(&ledger.network, good.action, 2, far, &alice());
    assert_eq!(check(&far), Err(Malformed::Expiry));
}

/// A receipt or a transaction of one network was accepted in another.
#[test]
fn bug_18_signatures_hold_in_one_network_only() {
    let ledger = Ledger::new();
    let good = ledger.commit(vec![ledger.entry(1, None, 1)], &[0, 1], 2);
    let elsewhere = NetworkId(Digest::of("decube/test/1", &[b"elsewhere"]));
    assert_eq!(
        well_formed(&elsewhere, &good, Height(1)),
        Err(Malformed::Signature)
    );
    let foreign = Transaction::sign(&elsewhere, good.action, 2, Height(100), &alice());
    assert_eq!(
        well_formed(&elsewhere, &foreign, Height(1)),
        Err(Malformed::Receipt)
    );
}
