//! Transactions: what authors ask the validators to order and execute.

use decube_crypto::{InvalidSignature, PublicKey, SecretKey, Signature, Statement};
use serde::{Deserialize, Serialize};

use super::{
    AuthorId, CollectionId, CollectionName, DocumentId, Heads, Height, NetworkId, TransactionId,
    Version,
};

/// A signed request to change the committed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// What to do.
    pub action: Action,
    /// Who asks; the key that signed.
    pub author: AuthorId,
    /// Larger than any nonce of an earlier transaction of this author.
    pub nonce: u64,
    /// The last height at which the transaction may be included.
    pub expires: Height,
    /// The author's signature over all of the above.
    pub signature: Signature,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes versions of documents final, all of them or none.
    Commit(Commit),
    /// Creates a collection.
    CreateCollection(CreateCollection),
}

/// Versions to make final together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The versions, by strictly ascending collection and document.
    pub entries: Vec<CommitEntry>,
    /// Statements of replicas that they hold the versions, by strictly ascending document and
    /// replica.
    pub receipts: Vec<Receipt>,
}

/// One version to make final, on the condition that `previous` is the last one so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitEntry {
    /// The document's collection.
    pub collection: CollectionId,
    /// The document.
    pub document: DocumentId,
    /// The last committed version; absent when there was none yet.
    pub previous: Option<Version>,
    /// The heads of the version to commit.
    pub heads: Heads,
}

/// Creates the collection called `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCollection {
    /// Its name, taken once per network.
    pub name: CollectionName,
    /// How many replicas must have signed a receipt for each commit; the network's default if
    /// absent.
    pub write_quorum: Option<u16>,
}

/// A replica's signed statement: "I hold, durably, every change of this document up to these
/// heads, and they descend from `previous`."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The document it is about, one of the commit's entries.
    pub document: DocumentId,
    /// The replica's peer key.
    pub replica: PublicKey,
    /// The height whose roles were applied when the changes were admitted.
    pub roles_height: Height,
    /// The replica's signature over the [`ReceiptStatement`].
    pub signature: Signature,
}

/// What a replica signs in a [`Receipt`].
#[derive(Clone, Copy, Debug)]
pub struct ReceiptStatement<'a> {
    /// The entry that is held.
    pub entry: &'a CommitEntry,
    /// The height whose roles were applied.
    pub roles_height: Height,
}

impl ReceiptStatement<'_> {
    /// The byte string that is signed.
    #[must_use]
    pub fn to_sign(&self, network: &NetworkId) -> Statement {
        let CommitEntry {
            collection,
            document,
            previous,
            heads,
        } = self.entry;
        Statement::new("decube/receipt/1", &network.0)
            .digest(&collection.0)
            .digest(&document.0)
            .field(
                previous
                    .as_ref()
                    .map_or(&[], |version| version.0.as_bytes().as_slice()),
            )
            .digest(&heads.version().0)
            .number(self.roles_height.0)
    }

    /// Signs the statement as the replica whose peer key `key` is.
    #[must_use]
    pub fn sign(&self, network: &NetworkId, key: &SecretKey) -> Receipt {
        Receipt {
            document: self.entry.document,
            replica: key.public(),
            roles_height: self.roles_height,
            signature: key.sign(&self.to_sign(network)),
        }
    }
}

impl Receipt {
    /// Checks the replica's signature for `entry`.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold, or the receipt is about another document.
    pub fn verify(&self, network: &NetworkId, entry: &CommitEntry) -> Result<(), InvalidSignature> {
        if self.document != entry.document {
            return Err(InvalidSignature);
        }
        let signed = ReceiptStatement {
            entry,
            roles_height: self.roles_height,
        }
        .to_sign(network);
        self.replica.verify(&signed, &self.signature)
    }
}

impl Transaction {
    /// The most entries in one commit: with receipts it stays far below a block's size.
    pub const MAX_ENTRIES: usize = 64;
    /// The most receipts in one commit: [`Self::MAX_ENTRIES`] times a quorum of 16 replicas.
    pub const MAX_RECEIPTS: usize = 1024;

    /// Makes and signs a transaction.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        action: Action,
        nonce: u64,
        expires: Height,
        key: &SecretKey,
    ) -> Self {
        let author = key.public();
        let signature = key.sign(&Self::to_sign(network, &action, &author, nonce, expires));
        Self {
            action,
            author,
            nonce,
            expires,
            signature,
        }
    }

    /// The transaction's id: the digest of what the author signed.
    #[must_use]
    pub fn id(&self, network: &NetworkId) -> TransactionId {
        let signed = self.signed_bytes(network);
        TransactionId(decube_crypto::Digest::of(
            "decube/transaction-id/1",
            &[signed.as_bytes()],
        ))
    }

    /// Checks the author's signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when it does not hold.
    pub fn verify(&self, network: &NetworkId) -> Result<(), InvalidSignature> {
        self.author
            .verify(&self.signed_bytes(network), &self.signature)
    }

    fn signed_bytes(&self, network: &NetworkId) -> Statement {
        Self::to_sign(
            network,
            &self.action,
            &self.author,
            self.nonce,
            self.expires,
        )
    }

    fn to_sign(
        network: &NetworkId,
        action: &Action,
        author: &AuthorId,
        nonce: u64,
        expires: Height,
    ) -> Statement {
        let signed = match action {
            Action::Commit(commit) => {
                let mut signed = Statement::new("decube/commit/1", &network.0)
                    .number(commit.entries.len() as u64);
                for CommitEntry {
                    collection,
                    document,
                    previous,
                    heads,
                } in &commit.entries
                {
                    signed = signed
                        .digest(&collection.0)
                        .digest(&document.0)
                        .field(previous.as_ref().map_or(&[], |v| v.0.as_bytes().as_slice()))
                        .number(heads.as_slice().len() as u64);
                    for head in heads.as_slice() {
                        signed = signed.digest(&head.0);
                    }
                }
                for Receipt {
                    document,
                    replica,
                    roles_height,
                    signature,
                } in &commit.receipts
                {
                    signed = signed
                        .digest(&document.0)
                        .field(replica.as_bytes())
                        .number(roles_height.0)
                        .field(signature.as_bytes());
                }
                signed
            }
            Action::CreateCollection(create) => {
                Statement::new("decube/create-collection/1", &network.0)
                    .field(create.name.as_str().as_bytes())
                    .field(
                        &create
                            .write_quorum
                            .map_or(Vec::new(), |n| n.to_le_bytes().to_vec()),
                    )
            }
        };
        signed
            .field(author.as_bytes())
            .number(nonce)
            .number(expires.0)
    }
}

/// What came of a transaction in its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// It stays in the block without effect.
    Rejected {
        /// Why.
        reason: Rejection,
    },
}

/// Why an included transaction took no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Rejection {
    /// The author already used this nonce or a larger one.
    #[error("nonce {nonce} is not above the author's last, {last}")]
    StaleNonce {
        /// The transaction's nonce.
        nonce: u64,
        /// The author's last nonce.
        last: u64,
    },
    /// The block's height is beyond the transaction's last.
    #[error("expired after height {expires}, included at {height}")]
    Expired {
        /// The last height at which it could be included.
        expires: Height,
        /// The height at which it was.
        height: Height,
    },
    /// The collection was never created.
    #[error("there is no collection {collection}")]
    UnknownCollection {
        /// The missing collection.
        collection: CollectionId,
    },
    /// The name is taken.
    #[error("collection {collection} exists already")]
    CollectionExists {
        /// The existing collection.
        collection: CollectionId,
    },
    /// The compare-and-set failed: another version was committed meanwhile.
    #[error("document {document} was last committed at another version than the transaction says")]
    PreviousDiffers {
        /// The document.
        document: DocumentId,
        /// Its last committed version.
        committed: Option<Version>,
    },
    /// The version is the committed one already.
    #[error("document {document} is committed at this version already")]
    Unchanged {
        /// The document.
        document: DocumentId,
    },
    /// A receipt is of a peer that is no registered replica.
    #[error("{replica} is no registered replica")]
    NotAReplica {
        /// The peer key.
        replica: PublicKey,
    },
    /// Fewer replicas than the write quorum hold the version.
    #[error("document {document} has receipts of {found} replicas, {needed} are needed")]
    TooFewReceipts {
        /// The document.
        document: DocumentId,
        /// How many replicas signed.
        found: u16,
        /// The collection's write quorum.
        needed: u16,
    },
    /// The write quorum of a new collection is zero or above the number of replicas.
    #[error("a write quorum of {asked} is not between 1 and the {replicas} registered replicas")]
    BadWriteQuorum {
        /// What was asked for.
        asked: u16,
        /// How many replicas there are.
        replicas: u16,
    },
}
