//! A small history of a network: what a validator's store is given, step by step.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::{Digest, SecretKey};
use decube_protocols::documents::{DocumentStatus, QuarantineEntry, StoredDocument};
use decube_protocols::tree::{Leaf, Node};
use decube_protocols::types::{
    Action, Block, BlockId, Certificate, ChangeHash, CollectionId, CollectionName, CollectionState,
    Commit, CommitEntry, CreateCollection, Descriptor, DocumentId, DocumentName, Epoch, Genesis,
    Header, Heads, Height, NetworkId, Outcome, Parameters, PeerId, Power, Proposal,
    ReceiptStatement, Rejection, Replica, Statement, Subject, Timestamp, Tombstone, Transaction,
    Validator, ValidatorIndex, View, Vote, VoteScheme, VoteSignature, peer_id,
};
use decube_protocols::{commit, documents, submission};

use crate::KnownPeer;

/// One call that makes something durable.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit(Vec<commit::Record>),
    Documents(Vec<documents::Record>),
    Submission(Vec<submission::Record>),
    Peers(Vec<KnownPeer>),
    Ban(PeerId, Timestamp),
}

pub(super) fn digest(name: &str) -> Digest {
    Digest::of("decube/test/1", &[name.as_bytes()])
}

pub(super) fn network() -> NetworkId {
    NetworkId(digest("network"))
}

pub(super) fn validator() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

pub(super) fn author() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

pub(super) fn replica() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

/// A genesis that can be written to a file.
pub(crate) fn genesis() -> Genesis {
    Genesis {
        name: "test".into(),
        created: Timestamp(1_800_000_000_000),
        parameters: Parameters {
            delta_ms: 30,
            idle_ms: 10_000,
            drift_ms: 1000,
            signature: VoteScheme::Ed25519,
            write_quorum: 1,
        },
        validators: vec![Validator {
            name: "alice".into(),
            key: validator().public().into(),
            peer: replica().public(),
            power: Power(1),
        }],
        replicas: vec![Replica {
            name: "alice".into(),
            peer: replica().public(),
        }],
    }
}

pub(super) fn collection() -> CollectionId {
    CollectionId::of(&network(), "notes")
}

fn descriptor(nonce: u64) -> Descriptor {
    let name = DocumentName::new(format!("note-{nonce}")).unwrap();
    Descriptor::sign(&network(), collection(), nonce, name, &author())
}

pub(super) fn document(nonce: u64) -> DocumentId {
    descriptor(nonce).id()
}

pub(super) fn change(name: &str) -> ChangeHash {
    ChangeHash(digest(name))
}

pub(super) fn live(nonce: u64, head: &str) -> StoredDocument {
    StoredDocument {
        id: document(nonce),
        collection: collection(),
        descriptor: Some(descriptor(nonce)),
        status: DocumentStatus::Live(vec![change(head)]),
        bytes: 100,
    }
}

pub(super) fn removed(nonce: u64) -> StoredDocument {
    let tombstone = Tombstone::sign(&network(), collection(), document(nonce), &author());
    StoredDocument {
        status: DocumentStatus::Removed(tombstone),
        ..live(nonce, "")
    }
}

/// Bytes that stand for a change or a node's value, large enough for several pages.
pub(super) fn content(name: &str, length: usize) -> Vec<u8> {
    name.bytes().cycle().take(length).collect()
}

pub(super) fn leaf(name: &str) -> (Digest, Node) {
    let node = Node::Leaf(Leaf::new(digest(name), content(name, 300)).unwrap());
    (node.digest(), node)
}

pub(super) fn transaction(nonce: u64) -> Transaction {
    let action = if nonce == 1 {
        let name = CollectionName::new("notes").unwrap();
        Action::CreateCollection(CreateCollection {
            name,
            write_quorum: None,
        })
    } else {
        let heads = Heads::new(vec![change("a")]).unwrap();
        let entry = CommitEntry {
            collection: collection(),
            document: document(nonce),
            previous: None,
            heads,
        };
        let statement = ReceiptStatement {
            entry: &entry,
            roles_height: Height(0),
        };
        let receipts = vec![statement.sign(&network(), &replica())];
        Action::Commit(Commit {
            entries: vec![entry],
            receipts,
        })
    };
    Transaction::sign(&network(), action, nonce, Height(100), &author())
}

/// The block at a height of a chain in which each block has two transactions.
pub(super) fn block(height: u64) -> Block {
    let parent = height.checked_sub(1).filter(|parent| *parent > 0);
    let header = Header {
        network: network(),
        epoch: Epoch(0),
        view: View(height),
        height: Height(height),
        parent: parent.map_or(BlockId(Digest::ZERO), |parent| block(parent).id()),
        transactions_root: digest("transactions"),
        state_root: digest("state"),
        history_root: digest("history"),
        validators: digest("validators"),
        next_validators: None,
        time: Timestamp(1_800_000_000_000 + height),
    };
    Block {
        header,
        transactions: vec![transaction(2 * height - 1), transaction(2 * height)],
    }
}

fn subject(view: u64) -> Subject {
    Subject {
        parent_view: View(view - 1),
        block: block(view).id(),
    }
}

pub(super) fn notarize(view: u64) -> Statement {
    Statement::Notarize(subject(view))
}

pub(super) fn finalize(view: u64) -> Statement {
    Statement::Finalize(subject(view))
}

fn sign(view: u64, statement: &Statement) -> VoteSignature {
    let signed = statement.to_sign(&network(), Epoch(0), View(view));
    VoteSignature::Ed25519(validator().sign(&signed))
}

pub(super) fn vote(view: u64, statement: Statement) -> commit::Record {
    commit::Record::Vote(Vote {
        epoch: Epoch(0),
        view: View(view),
        statement,
        signer: ValidatorIndex(0),
        signature: sign(view, &statement),
    })
}

pub(super) fn certificate(view: u64, statement: Statement) -> Certificate {
    let signatures = vec![(ValidatorIndex(0), sign(view, &statement))];
    Certificate {
        epoch: Epoch(0),
        view: View(view),
        statement,
        signatures,
    }
}

pub(super) fn proposal(view: u64) -> Proposal {
    let subject = subject(view);
    let signed = Proposal::to_sign(&network(), Epoch(0), View(view), &subject);
    Proposal {
        epoch: Epoch(0),
        view: View(view),
        parent_view: subject.parent_view,
        block: block(view),
        signature: VoteSignature::Ed25519(validator().sign(&signed)),
    }
}

pub(super) fn prune(view: u64) -> commit::Record {
    commit::Record::Prune {
        epoch: Epoch(0),
        view: View(view),
    }
}

pub(super) fn final_record(height: u64) -> commit::FinalRecord {
    let collections = CollectionState {
        name: CollectionName::new("notes").unwrap(),
        creator: author().public(),
        height: Height(height),
        write_quorum: 1,
    };
    let rejected = Outcome::Rejected {
        reason: Rejection::StaleNonce { nonce: 1, last: 2 },
    };
    let outcomes = if height == 3 {
        vec![Outcome::Applied, rejected]
    } else {
        vec![Outcome::Applied; 2]
    };
    commit::FinalRecord {
        block: commit::FinalBlock {
            block: block(height),
            outcomes,
        },
        finalization: (height != 2).then(|| certificate(height, finalize(height))),
        state_nodes: (0..8)
            .map(|n| leaf(&format!("state {height} {n}")))
            .collect(),
        history: vec![(height, digest(&format!("history {height}")))],
        collections: if height == 1 {
            vec![collections]
        } else {
            Vec::new()
        },
    }
}

pub(super) fn final_step(height: u64) -> commit::Record {
    commit::Record::Final(Box::new(final_record(height)))
}

fn edit(nonce: u64, head: &str) -> Vec<documents::Record> {
    let (digest, node) = leaf(head);
    vec![
        documents::Record::Changes {
            document: document(nonce),
            changes: vec![content(head, 700), content(head, 90)],
        },
        documents::Record::Document(live(nonce, head)),
        documents::Record::Tree {
            collection: collection(),
            root: digest,
            added: BTreeMap::from([(digest, node)]),
            removed: BTreeSet::from([leaf("first").0]),
        },
    ]
}

/// One view from proposal to finality, with documents and transactions between.
fn view(view: u64) -> Vec<Step> {
    use submission::Record::{Done, Pending};
    vec![
        Step::Submission(vec![Pending(transaction(2 * view))]),
        Step::Commit(vec![
            commit::Record::Proposal(proposal(view)),
            vote(view, notarize(view)),
        ]),
        Step::Documents(edit(view, &format!("head {view}"))),
        Step::Commit(vec![
            commit::Record::Certificate(certificate(view, notarize(view))),
            vote(view, finalize(view)),
        ]),
        Step::Commit(vec![final_step(view), prune(view - 1)]),
        Step::Submission(vec![Done(transaction(2 * view).id(&network()))]),
    ]
}

/// The whole history.
pub(super) fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Documents(edit(1, "first"))];
    steps.extend((1..=3).flat_map(view));
    steps.push(Step::Commit(vec![
        vote(4, notarize(4)),
        vote(4, Statement::Nullify),
        commit::Record::Certificate(certificate(4, Statement::Nullify)),
    ]));
    steps.push(Step::Documents(vec![
        documents::Record::Snapshot {
            document: document(1),
            snapshot: content("snapshot", 9000),
        },
        documents::Record::Quarantine(QuarantineEntry {
            document: document(2),
            change: change("bad"),
            bytes: content("bad", 50),
            reason: "its signature does not hold".into(),
        }),
    ]));
    steps.push(Step::Documents(vec![
        documents::Record::Erase(document(3)),
        documents::Record::Document(removed(3)),
        documents::Record::Changes {
            document: document(1),
            changes: vec![content("more", 60)],
        },
    ]));
    let peer = |seed: u8| peer_id(&SecretKey::from_seed(&[seed; 32]).public());
    steps.push(Step::Peers(vec![KnownPeer {
        peer: peer(10),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
        last_seen: Timestamp(1_800_000_000_000),
        post_quantum_since: None,
    }]));
    steps.push(Step::Ban(peer(11), Timestamp(1_800_000_000_001)));
    steps.push(Step::Submission(vec![submission::Record::Pending(
        transaction(9),
    )]));
    steps
}
