//! Executing transactions over the tree of the committed state.
//!
//! A pure function of the state before, the height and the transactions. The tree is versioned:
//! what it adds is returned as nodes, so that blocks which are not final yet lie as overlays over
//! the final state.
//!
//! # Invariants
//! - A rejected transaction changes nothing but its author's nonce; one rejected for its nonce or
//!   its expiry changes nothing at all (`tests`).
//! - A commit takes effect for all of its entries or for none.
//! - `transactions_root` is the root of a history whose leaves are [`outcome_leaf`]s, so each
//!   transaction's outcome can be proven against a header.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::{Digest, Hasher, PublicKey};

use crate::history::Peaks;
use crate::tree::{self, Node, NodeSource, TreeError};
use crate::types::{
    Action, AuthorId, BlockId, CollectionId, CollectionState, Commit, CommitEntry,
    CommittedDocument, CreateCollection, Genesis, Header, Height, NetworkId, Outcome, Rejection,
    StateKey, Transaction, TransactionId, View,
};
use crate::wire;

/// How many blocks ahead a transaction may expire. It bounds how long a signed wish can lie in
/// wait: at the idle pace of a block in ten seconds about a day.
pub const MAX_EXPIRY: u64 = 10_000;

/// Why a transaction may not stand in a block at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The author's signature does not hold.
    #[error("the author's signature does not hold")]
    Signature,
    /// A receipt's signature does not hold, or it is about no entry of the commit.
    #[error("a receipt's signature does not hold, or it is about no entry of the commit")]
    Receipt,
    /// Entries or receipts are missing, too many, unsorted or listed twice.
    #[error("entries or receipts are missing, too many, unsorted or listed twice")]
    List,
    /// It expires more than [`MAX_EXPIRY`] blocks ahead.
    #[error("it may expire at most {MAX_EXPIRY} blocks ahead")]
    Expiry,
}

/// Why a block could not be executed: the state cannot be read. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError<E> {
    /// The tree of the state cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError<E>),
    /// A value of the state is not what belongs there.
    #[error("the state's value at {key} is damaged")]
    Damaged {
        /// Where it stands.
        key: Digest,
    },
}

/// What holds for a whole block's execution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) network: NetworkId,
    pub(super) height: Height,
    /// The write quorum of collections that name none.
    pub(super) write_quorum: u16,
}

/// What came of a block's transactions.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) ids: Vec<TransactionId>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) transactions_root: Digest,
    pub(super) state_root: Digest,
    pub(super) nodes: BTreeMap<Digest, Node>,
    pub(super) committed: Vec<CommitEntry>,
    pub(super) collections: Vec<CollectionState>,
}

/// Executes transactions in order over the state of `root`.
pub(super) fn execute<S: NodeSource>(
    source: &S,
    root: &Digest,
    context: Context,
    transactions: &[Transaction],
) -> Result<Execution, ExecutionError<S::Error>> {
    let mut state = Staged {
        source,
        root: *root,
        changes: BTreeMap::new(),
    };
    let (mut ids, mut outcomes) = (Vec::new(), Vec::new());
    let (mut committed, mut collections) = (Vec::new(), Vec::new());
    let mut tree = Peaks::default();
    for transaction in transactions {
        let id = transaction.id(&context.network);
        let outcome = match state.apply(context, id, transaction)? {
            Ok(()) => {
                match &transaction.action {
                    Action::Commit(commit) => committed.extend(commit.entries.iter().cloned()),
                    Action::CreateCollection(create) => {
                        let collection = CollectionId::of(&context.network, create.name.as_str());
                        collections.extend(state.collection(&collection)?);
                    }
                }
                Outcome::Applied
            }
            Err(reason) => Outcome::Rejected { reason },
        };
        // The nodes are needed by proofs only, which make them again from the block.
        let _ = tree.append(&outcome_leaf(&id, &outcome));
        ids.push(id);
        outcomes.push(outcome);
    }
    let update = tree::update(source, root, &state.changes)?;
    Ok(Execution {
        ids,
        outcomes,
        transactions_root: tree.root(),
        state_root: update.root,
        nodes: update.added,
        committed,
        collections,
    })
}

/// The last nonce of an author in the state of `root`.
pub(super) fn last_nonce<S: NodeSource>(
    source: &S,
    root: &Digest,
    author: &AuthorId,
) -> Result<Option<u64>, ExecutionError<S::Error>> {
    Staged {
        source,
        root: *root,
        changes: BTreeMap::new(),
    }
    .number(&StateKey::Nonce(*author))
}

/// The state as the transactions so far have left it.
struct Staged<'a, S> {
    source: &'a S,
    root: Digest,
    changes: BTreeMap<Digest, Option<Vec<u8>>>,
}

type Verdict<E> = Result<Result<(), Rejection>, ExecutionError<E>>;

impl<S: NodeSource> Staged<'_, S> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ExecutionError<S::Error>> {
        let key = key.digest();
        match self.changes.get(&key) {
            Some(value) => Ok(value.clone()),
            None => Ok(tree::get(self.source, &self.root, &key)?),
        }
    }

    fn set(&mut self, key: &StateKey, value: Vec<u8>) {
        self.changes.insert(key.digest(), Some(value));
    }

    fn number(&self, key: &StateKey) -> Result<Option<u64>, ExecutionError<S::Error>> {
        let Some(bytes) = self.get(key)? else {
            return Ok(None);
        };
        match <[u8; 8]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(_) => Err(ExecutionError::Damaged { key: key.digest() }),
        }
    }

    fn collection(
        &self,
        id: &CollectionId,
    ) -> Result<Option<CollectionState>, ExecutionError<S::Error>> {
        let key = StateKey::Collection(*id);
        let Some(bytes) = self.get(&key)? else {
            return Ok(None);
        };
        match wire::decode(&bytes) {
            Ok(state) => Ok(Some(state)),
            Err(_) => Err(ExecutionError::Damaged { key: key.digest() }),
        }
    }

    fn document(
        &self,
        entry: &CommitEntry,
    ) -> Result<Option<CommittedDocument>, ExecutionError<S::Error>> {
        let key = StateKey::Document(entry.collection, entry.document);
        let Some(bytes) = self.get(&key)? else {
            return Ok(None);
        };
        match wire::decode(&bytes) {
            Ok(state) => Ok(Some(state)),
            Err(_) => Err(ExecutionError::Damaged { key: key.digest() }),
        }
    }

    fn apply(
        &mut self,
        context: Context,
        id: TransactionId,
        transaction: &Transaction,
    ) -> Verdict<S::Error> {
        let Transaction {
            author,
            nonce,
            expires,
            ..
        } = transaction;
        let key = StateKey::Nonce(*author);
        if let Some(last) = self.number(&key)?
            && *nonce <= last
        {
            return Ok(Err(Rejection::StaleNonce {
                nonce: *nonce,
                last,
            }));
        }
        if context.height > *expires {
            let (expires, height) = (*expires, context.height);
            return Ok(Err(Rejection::Expired { expires, height }));
        }
        // From here on the nonce is used, so that a rejected transaction can't come back.
        self.set(&key, nonce.to_le_bytes().to_vec());
        match &transaction.action {
            Action::Commit(commit) => self.commit(context, id, commit),
            Action::CreateCollection(create) => self.create(context, *author, create),
        }
    }

    fn create(
        &mut self,
        context: Context,
        creator: AuthorId,
        create: &CreateCollection,
    ) -> Verdict<S::Error> {
        let collection = CollectionId::of(&context.network, create.name.as_str());
        let key = StateKey::Collection(collection);
        if self.get(&key)?.is_some() {
            return Ok(Err(Rejection::CollectionExists { collection }));
        }
        let replicas = self.number(&StateKey::ReplicaCount)?.unwrap_or(0);
        let replicas = u16::try_from(replicas).unwrap_or(u16::MAX);
        let write_quorum = create.write_quorum.unwrap_or(context.write_quorum);
        if write_quorum == 0 || write_quorum > replicas {
            return Ok(Err(Rejection::BadWriteQuorum {
                asked: write_quorum,
                replicas,
            }));
        }
        let name = create.name.clone();
        let state = CollectionState {
            name,
            creator,
            height: context.height,
            write_quorum,
        };
        self.set(&key, wire::encode(&state));
        Ok(Ok(()))
    }

    fn commit(
        &mut self,
        context: Context,
        id: TransactionId,
        commit: &Commit,
    ) -> Verdict<S::Error> {
        for receipt in &commit.receipts {
            if self.get(&StateKey::Replica(receipt.replica))?.is_none() {
                return Ok(Err(Rejection::NotAReplica {
                    replica: receipt.replica,
                }));
            }
        }
        let mut changes = Vec::new();
        for entry in &commit.entries {
            let Some(collection) = self.collection(&entry.collection)? else {
                return Ok(Err(Rejection::UnknownCollection {
                    collection: entry.collection,
                }));
            };
            let before = self.document(entry)?;
            if let Err(reason) = check_entry(entry, before.as_ref(), &collection, commit) {
                return Ok(Err(reason));
            }
            let state = CommittedDocument {
                heads: entry.heads.clone(),
                height: context.height,
                transaction: id,
                previous: before.map(|before| before.height),
            };
            let key = StateKey::Document(entry.collection, entry.document);
            changes.push((key, wire::encode(&state)));
        }
        for (key, value) in changes {
            self.set(&key, value);
        }
        Ok(Ok(()))
    }
}

fn check_entry(
    entry: &CommitEntry,
    before: Option<&CommittedDocument>,
    collection: &CollectionState,
    commit: &Commit,
) -> Result<(), Rejection> {
    let document = entry.document;
    let committed = before.map(|before| before.heads.version());
    if committed == Some(entry.heads.version()) {
        return Err(Rejection::Unchanged { document });
    }
    if committed != entry.previous {
        return Err(Rejection::PreviousDiffers {
            document,
            committed,
        });
    }
    // Receipts are sorted by document and replica, so no replica is counted twice.
    let found = commit
        .receipts
        .iter()
        .filter(|receipt| receipt.document == document)
        .count();
    let found = u16::try_from(found).unwrap_or(u16::MAX);
    let needed = collection.write_quorum;
    if found < needed {
        return Err(Rejection::TooFewReceipts {
            document,
            found,
            needed,
        });
    }
    Ok(())
}

/// The checks of a transaction that need no state, for a block of `height`.
///
/// # Errors
/// [`Malformed`] names the first that failed.
pub fn well_formed(
    network: &NetworkId,
    transaction: &Transaction,
    height: Height,
) -> Result<(), Malformed> {
    if transaction.expires.0 > height.0.saturating_add(MAX_EXPIRY) {
        return Err(Malformed::Expiry);
    }
    let lists = match &transaction.action {
        Action::Commit(commit) => Some((commit, lists(commit)?)),
        Action::CreateCollection(_) => None,
    };
    if transaction.verify(network).is_err() {
        return Err(Malformed::Signature);
    }
    let Some((commit, entries)) = lists else {
        return Ok(());
    };
    for receipt in &commit.receipts {
        let entry = entries.get(&receipt.document).ok_or(Malformed::Receipt)?;
        if receipt.verify(network, entry).is_err() {
            return Err(Malformed::Receipt);
        }
    }
    Ok(())
}

/// The entries by document, when entries and receipts are sorted, few enough and each there once.
fn lists(commit: &Commit) -> Result<BTreeMap<crate::types::DocumentId, &CommitEntry>, Malformed> {
    let Commit { entries, receipts } = commit;
    let fits = (1..=Transaction::MAX_ENTRIES).contains(&entries.len())
        && receipts.len() <= Transaction::MAX_RECEIPTS
        && entries.iter().all(|entry| !entry.heads.is_empty())
        && entries.is_sorted_by(|a, b| (a.collection, a.document) < (b.collection, b.document))
        && receipts.is_sorted_by(|a, b| (a.document, a.replica) < (b.document, b.replica));
    let by_document: BTreeMap<_, _> = entries
        .iter()
        .map(|entry| (entry.document, entry))
        .collect();
    if fits && by_document.len() == entries.len() {
        Ok(by_document)
    } else {
        Err(Malformed::List)
    }
}

/// About how many bytes a transaction takes in a message: enough to bound pools and blocks.
pub(super) fn size(transaction: &Transaction) -> usize {
    /// Author, nonce, expiry, signature and framing.
    const BASE: usize = 256;
    /// Collection, document, previous version and framing.
    const ENTRY: usize = 128;
    const HEAD: usize = 36;
    /// Document, replica, height, signature and framing.
    const RECEIPT: usize = 160;
    match &transaction.action {
        Action::CreateCollection(_) => BASE,
        Action::Commit(Commit { entries, receipts }) => {
            let heads: usize = entries
                .iter()
                .map(|entry| entry.heads.as_slice().len())
                .sum();
            BASE + entries.len() * ENTRY + heads * HEAD + receipts.len() * RECEIPT
        }
    }
}

/// The leaf of `transactions_root` that stands for a transaction and what came of it.
#[must_use]
pub fn outcome_leaf(id: &TransactionId, outcome: &Outcome) -> Digest {
    let leaf = Hasher::new("decube/outcome/1").digest(&id.0);
    let Outcome::Rejected { reason } = outcome else {
        return leaf.number(0).finish();
    };
    let optional = |digest: &Option<crate::types::Version>| {
        digest.map_or_else(Vec::new, |version| version.0.as_bytes().to_vec())
    };
    let leaf = match reason {
        Rejection::StaleNonce { nonce, last } => leaf.number(1).number(*nonce).number(*last),
        Rejection::Expired { expires, height } => leaf.number(2).number(expires.0).number(height.0),
        Rejection::UnknownCollection { collection } => leaf.number(3).digest(&collection.0),
        Rejection::CollectionExists { collection } => leaf.number(4).digest(&collection.0),
        Rejection::PreviousDiffers {
            document,
            committed,
        } => leaf
            .number(5)
            .digest(&document.0)
            .field(&optional(committed)),
        Rejection::Unchanged { document } => leaf.number(6).digest(&document.0),
        Rejection::NotAReplica { replica } => leaf.number(7).field(replica.as_bytes()),
        Rejection::TooFewReceipts {
            document,
            found,
            needed,
        } => leaf
            .number(8)
            .digest(&document.0)
            .number(u64::from(*found))
            .number(u64::from(*needed)),
        Rejection::BadWriteQuorum { asked, replicas } => leaf
            .number(9)
            .number(u64::from(*asked))
            .number(u64::from(*replicas)),
    };
    leaf.finish()
}

/// The block at height 0 and the state after it, which every node computes for itself.
#[derive(Clone, Debug)]
pub struct GenesisState {
    /// The genesis block's header.
    pub header: Header,
    /// All nodes of the first state tree. They are stored with the first final block.
    pub nodes: BTreeMap<Digest, Node>,
}

impl GenesisState {
    /// Registers the replicas of the genesis.
    #[must_use]
    pub fn of(genesis: &Genesis) -> Self {
        let replicas: BTreeSet<PublicKey> = genesis
            .replicas
            .iter()
            .map(|replica| replica.peer)
            .collect();
        let count = (replicas.len() as u64).to_le_bytes().to_vec();
        let mut changes: BTreeMap<_, _> = replicas
            .into_iter()
            .map(|replica| (StateKey::Replica(replica).digest(), Some(Vec::new())))
            .collect();
        changes.insert(StateKey::ReplicaCount.digest(), Some(count));
        let update = tree::update(&BTreeMap::new(), &tree::EMPTY_ROOT, &changes)
            .expect("short values over the empty tree need no node from a source");
        let nothing = Peaks::default().root();
        let header = Header {
            network: genesis.network_id(),
            epoch: genesis.validator_set().epoch(),
            view: View(0),
            height: Height(0),
            parent: BlockId(Digest::ZERO),
            transactions_root: nothing,
            state_root: update.root,
            history_root: nothing,
            validators: genesis.validator_set().digest(),
            next_validators: None,
            time: genesis.created,
        };
        Self {
            header,
            nodes: update.added,
        }
    }
}
