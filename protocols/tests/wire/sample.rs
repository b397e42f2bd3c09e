//! Values of every message, from a seed.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::{Digest, PublicKey, SecretKey, Signature, mldsa};
use decube_protocols::commit::{
    ChainRequest, ChainResponse, ConsensusMessage, FinalAnnouncement, FinalBlock, FinalRange,
    PoolRefusal,
};
use decube_protocols::documents::{
    Announcement, CollectionSummary, Comparison, DocumentStatus, LeafVersion, QuarantineEntry,
    ReceiptRefusal, ReceiptRequest, StoredDocument, SyncRequest, SyncResponse,
};
use decube_protocols::types::*;
use decube_protocols::wire::{TransactionsRequest, TransactionsResponse};
use decube_protocols::{history, light, tree};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Draws values; `rich` ones have every optional part and no empty list.
pub(crate) struct Samples {
    random: ChaCha8Rng,
    rich: bool,
    scheme: VoteScheme,
}

/// A type of which values can be drawn; `kind` chooses among alternatives.
pub(crate) trait Sample: Sized {
    /// How many alternatives there are.
    const KINDS: u64 = 1;

    fn sample(from: &mut Samples, kind: u64) -> Self;
}

impl Samples {
    pub(crate) fn new(seed: u64, rich: bool) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            random: ChaCha8Rng::from_seed(bytes),
            rich,
            scheme: match (rich, seed % 4) {
                (false, 3) => VoteScheme::Hybrid,
                (true | false, _) => VoteScheme::Ed25519,
            },
        }
    }

    /// The same, with the keys and signatures of validators under `scheme`.
    pub(crate) fn voting(self, scheme: VoteScheme) -> Self {
        Self { scheme, ..self }
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// A number of any length in bits.
    pub(crate) fn number(&mut self) -> u64 {
        let bits = self.below(65);
        let number = self.random.next_u64();
        if self.rich {
            number >> 20 | 1
        } else {
            number.checked_shr(bits as u32).unwrap_or(0)
        }
    }

    fn small(&mut self) -> u16 {
        self.number() as u16
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.next_u64() as u8).collect()
    }

    pub(crate) fn any<T: Sample>(&mut self) -> T {
        let kind = self.below(T::KINDS);
        T::sample(self, kind)
    }

    fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.rich || self.below(2) == 0).then(|| draw(self))
    }

    fn many<T>(&mut self, most: u64, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = if self.rich {
            2.min(most)
        } else {
            self.below(most + 1)
        };
        (0..count).map(|_| draw(self)).collect()
    }

    fn list<T: Sample>(&mut self, most: u64) -> Vec<T> {
        self.many(most, Self::any)
    }

    fn digest(&mut self) -> Digest {
        Digest::of("decube/test/1", &[&self.random.next_u64().to_le_bytes()])
    }

    fn secret(&mut self) -> SecretKey {
        SecretKey::from_seed(self.digest().as_bytes())
    }

    fn key(&mut self) -> PublicKey {
        self.secret().public()
    }

    fn signature(&mut self) -> Signature {
        let mut bytes = [0; 64];
        self.random.fill_bytes(&mut bytes);
        Signature::from_bytes(bytes)
    }

    fn vote_signature(&mut self) -> VoteSignature {
        let ed25519 = self.signature();
        match self.scheme {
            VoteScheme::Ed25519 => VoteSignature::Ed25519(ed25519),
            VoteScheme::Hybrid => {
                let bytes = self.bytes(mldsa::Signature::LENGTH);
                VoteSignature::Hybrid(ed25519, mldsa::Signature::from_bytes(&bytes).unwrap())
            }
        }
    }

    fn validator_key(&mut self) -> ValidatorKey {
        let ed25519 = self.key();
        match self.scheme {
            VoteScheme::Ed25519 => ed25519.into(),
            VoteScheme::Hybrid => {
                let ml_dsa = self.bytes(mldsa::PublicKey::LENGTH);
                let both = [ed25519.as_bytes().as_slice(), &ml_dsa].concat();
                ValidatorKey::from_bytes(&both).unwrap()
            }
        }
    }

    fn hashes(&mut self, most: u64) -> Vec<ChangeHash> {
        let mut hashes = self.many(most, |from| ChangeHash(from.digest()));
        hashes.sort_unstable();
        hashes
    }

    fn heads(&mut self) -> Heads {
        Heads::new(self.hashes(4)).unwrap()
    }

    fn name(&mut self) -> String {
        let length = 1 + self.below(12) as usize;
        let letters = ["a", "b", "-", "é", "0", "_"];
        let mut name = String::from("n");
        for _ in 1..length {
            name.push_str(letters[self.below(6) as usize]);
        }
        name
    }

    fn prefix(&mut self) -> tree::Prefix {
        let length = self.below(65) as u8;
        tree::Prefix::of(&self.digest(), length)
    }

    pub(crate) fn tree_proof(&mut self) -> tree::Proof {
        let leaves = if self.rich { 5 } else { self.below(20) };
        let changes: BTreeMap<_, _> = (0..leaves)
            .map(|_| (self.digest(), Some(self.bytes(9))))
            .collect();
        let made = tree::update(&BTreeMap::new(), &tree::EMPTY_ROOT, &changes).unwrap();
        tree::prove(&made.added, &made.root, &self.digest()).unwrap()
    }

    fn path(&mut self) -> history::Path {
        let leaves = if self.rich { 11 } else { 1 + self.below(30) };
        let (mut nodes, mut peaks) = (BTreeMap::new(), history::Peaks::default());
        for _ in 0..leaves {
            nodes.extend(peaks.append(&self.digest()));
        }
        history::prove(&nodes, leaves, self.below(leaves)).unwrap()
    }
}

macro_rules! sample {
    ($type:ty, |$from:ident| [$($value:expr),+ $(,)?]) => {
        impl Sample for $type {
            const KINDS: u64 = [$(stringify!($value)),+].len() as u64;

            fn sample($from: &mut Samples, kind: u64) -> Self {
                let draws: &[fn(&mut Samples) -> $type] = &[$(|$from| $value),+];
                draws[kind as usize]($from)
            }
        }
    };
    ($type:ty, |$from:ident| $value:expr) => {
        impl Sample for $type {
            fn sample($from: &mut Samples, _: u64) -> Self {
                $value
            }
        }
    };
}

sample!(Genesis, |from| {
    let replicas = from.many(3, |from| Replica {
        name: from.name(),
        peer: from.key(),
    });
    let replicas = match replicas.is_empty() {
        true => vec![Replica {
            name: String::new(),
            peer: from.key(),
        }],
        false => replicas,
    };
    let validator = |from: &mut Samples| Validator {
        name: from.name(),
        key: from.validator_key(),
        peer: from.key(),
        power: Power(1 + from.below(1000)),
    };
    let mut validators = from.many(3, validator);
    validators.push(validator(from));
    Genesis {
        name: from.name(),
        created: Timestamp(from.number()),
        parameters: Parameters {
            delta_ms: 1 + from.below(60_000),
            idle_ms: 10 + from.below(10_000),
            drift_ms: 1 + from.below(10_000),
            signature: from.scheme,
            write_quorum: Parameters::majority(replicas.len()),
        },
        validators,
        replicas,
    }
});

sample!(Header, |from| Header {
    network: NetworkId(from.digest()),
    epoch: Epoch(from.number()),
    view: View(from.number()),
    height: Height(from.number()),
    parent: BlockId(from.digest()),
    transactions_root: from.digest(),
    state_root: from.digest(),
    history_root: from.digest(),
    validators: from.digest(),
    next_validators: from.maybe(Samples::digest),
    time: Timestamp(from.number()),
});

sample!(Block, |from| Block {
    header: from.any(),
    transactions: from.list(3)
});

sample!(Proposal, |from| Proposal {
    epoch: Epoch(from.number()),
    view: View(from.number()),
    parent_view: View(from.number()),
    block: from.any(),
    signature: from.vote_signature(),
});

sample!(Subject, |from| Subject {
    parent_view: View(from.number()),
    block: BlockId(from.digest()),
});

sample!(Statement, |from| [
    Statement::Notarize(from.any()),
    {
        let _ = from;
        Statement::Nullify
    },
    Statement::Finalize(from.any()),
]);

impl Sample for Vote {
    const KINDS: u64 = Statement::KINDS;

    fn sample(from: &mut Samples, kind: u64) -> Self {
        Self {
            epoch: Epoch(from.number()),
            view: View(from.number()),
            statement: Statement::sample(from, kind),
            signer: ValidatorIndex(from.small()),
            signature: from.vote_signature(),
        }
    }
}

impl Sample for Certificate {
    const KINDS: u64 = Statement::KINDS;

    fn sample(from: &mut Samples, kind: u64) -> Self {
        let signers: BTreeSet<u16> = from
            .many(9, |from| from.below(1024) as u16)
            .into_iter()
            .collect();
        Self {
            epoch: Epoch(from.number()),
            view: View(from.number()),
            statement: Statement::sample(from, kind),
            signatures: signers
                .into_iter()
                .map(|signer| (ValidatorIndex(signer), from.vote_signature()))
                .collect(),
        }
    }
}

sample!(CommitEntry, |from| CommitEntry {
    collection: CollectionId(from.digest()),
    document: DocumentId(from.digest()),
    previous: from.maybe(|from| Version(from.digest())),
    heads: from.heads(),
});

sample!(Receipt, |from| Receipt {
    document: DocumentId(from.digest()),
    replica: from.key(),
    roles_height: Height(from.number()),
    signature: from.signature(),
});

sample!(Action, |from| [
    {
        let mut entries: Vec<CommitEntry> = from.list(3);
        entries.sort_by_key(|entry| (entry.collection, entry.document));
        let mut receipts: Vec<Receipt> = from.list(3);
        receipts.sort_by_key(|receipt| (receipt.document, receipt.replica));
        Action::Commit(Commit { entries, receipts })
    },
    Action::CreateCollection(CreateCollection {
        name: CollectionName::new(from.name()).unwrap(),
        write_quorum: from.maybe(Samples::small),
    }),
]);

impl Sample for Transaction {
    const KINDS: u64 = Action::KINDS;

    fn sample(from: &mut Samples, kind: u64) -> Self {
        let network = NetworkId(from.digest());
        let action = Action::sample(from, kind);
        let (nonce, expires) = (from.number(), Height(from.number()));
        Self::sign(&network, action, nonce, expires, &from.secret())
    }
}

sample!(Outcome, |from| [
    {
        let _ = from;
        Outcome::Applied
    },
    rejected(Rejection::StaleNonce {
        nonce: from.number(),
        last: from.number()
    }),
    rejected(Rejection::Expired {
        expires: Height(from.number()),
        height: Height(from.number()),
    }),
    rejected(Rejection::UnknownCollection {
        collection: CollectionId(from.digest())
    }),
    rejected(Rejection::CollectionExists {
        collection: CollectionId(from.digest())
    }),
    rejected(Rejection::PreviousDiffers {
        document: DocumentId(from.digest()),
        committed: from.maybe(|from| Version(from.digest())),
    }),
    rejected(Rejection::Unchanged {
        document: DocumentId(from.digest())
    }),
    rejected(Rejection::NotAReplica {
        replica: from.key()
    }),
    rejected(Rejection::TooFewReceipts {
        document: DocumentId(from.digest()),
        found: from.small(),
        needed: from.small(),
    }),
    rejected(Rejection::BadWriteQuorum {
        asked: from.small(),
        replicas: from.small()
    }),
]);

fn rejected(reason: Rejection) -> Outcome {
    Outcome::Rejected { reason }
}

sample!(CommittedDocument, |from| CommittedDocument {
    heads: from.heads(),
    height: Height(from.number()),
    transaction: TransactionId(from.digest()),
    previous: from.maybe(|from| Height(from.number())),
});

sample!(CollectionState, |from| CollectionState {
    name: CollectionName::new(from.name()).unwrap(),
    creator: from.key(),
    height: Height(from.number()),
    write_quorum: from.small(),
});

sample!(Descriptor, |from| Descriptor {
    collection: CollectionId(from.digest()),
    author: from.key(),
    nonce: from.number(),
    name: DocumentName::new(format!("folder/{}", from.name())).unwrap(),
    signature: from.signature(),
});

sample!(Tombstone, |from| Tombstone {
    collection: CollectionId(from.digest()),
    document: DocumentId(from.digest()),
    author: from.key(),
    signature: from.signature(),
});

sample!(ConsensusMessage, |from| [
    ConsensusMessage::Proposal(from.any()),
    ConsensusMessage::Vote {
        vote: from.any(),
        repeated: from.maybe(|_| ()).is_some()
    },
    ConsensusMessage::Certificate(from.any()),
    ConsensusMessage::Transactions(from.list(3)),
]);

sample!(ChainRequest, |from| [
    {
        let _ = from;
        ChainRequest::Tip
    },
    ChainRequest::Final {
        from: Height(from.number()),
        max: from.small()
    },
    ChainRequest::Proposal(BlockId(from.digest())),
    ChainRequest::Certificates {
        epoch: Epoch(from.number()),
        view: View(from.number())
    },
]);

sample!(ChainResponse, |from| [
    ChainResponse::Tip(from.maybe(Samples::any)),
    ChainResponse::Final(from.any()),
    ChainResponse::Proposal(from.maybe(Samples::any)),
    ChainResponse::Certificates(from.list(4)),
]);

sample!(FinalRange, |from| {
    let blocks: Vec<_> = from.list(3);
    let finalization = (!blocks.is_empty()).then(|| from.any());
    FinalRange {
        blocks,
        finalization,
    }
});

sample!(FinalAnnouncement, |from| FinalAnnouncement {
    header: from.any(),
    finalization: from.any(),
    transactions: from.maybe(|from| from.list(2)),
});

sample!(FinalBlock, |from| {
    let block: Block = from.any();
    let outcomes = block.transactions.iter().map(|_| from.any()).collect();
    FinalBlock { block, outcomes }
});

sample!(TransactionsRequest, |from| TransactionsRequest(
    from.list(3)
));

sample!(TransactionsResponse, |from| {
    let all = [
        Ok(()),
        Err(PoolRefusal::Malformed),
        Err(PoolRefusal::Stale),
        Err(PoolRefusal::Full),
        Err(PoolRefusal::NotAValidator),
    ];
    let drawn = from.many(9, |from| all[from.below(5) as usize]);
    TransactionsResponse(if from.rich { all.to_vec() } else { drawn })
});

sample!(Announcement, |from| [
    Announcement::Changed {
        descriptor: from.any(),
        heads: from.hashes(4),
        changes: from.many(3, |from| {
            let n = from.below(40) as usize;
            from.bytes(n)
        }),
    },
    Announcement::Removed(from.any()),
]);

sample!(CollectionSummary, |from| CollectionSummary {
    collection: CollectionId(from.digest()),
    root: from.digest(),
    documents: from.number(),
    bytes: from.number(),
    excepted: from.number(),
});

sample!(ReceiptRequest, |from| ReceiptRequest {
    entry: from.any(),
    previous: from.heads()
});

sample!(SyncRequest, |from| [
    SyncRequest::Roots(from.list(3)),
    SyncRequest::Compare {
        collection: CollectionId(from.digest()),
        prefixes: from.many(4, |from| (from.prefix(), from.digest())),
    },
    SyncRequest::Document {
        collection: CollectionId(from.digest()),
        document: DocumentId(from.digest()),
        descriptor: from.maybe(Samples::any),
        message: from.bytes(33),
        first: from.maybe(|_| ()).is_some(),
    },
    SyncRequest::Removed(from.any()),
    SyncRequest::Receipts(from.list(3)),
]);

sample!(Comparison, |from| [
    {
        let _ = from;
        Comparison::Equal
    },
    Comparison::Children(from.many(5, |from| (from.prefix(), from.digest(), from.number()))),
    Comparison::Leaves(from.many(5, |from| {
        let version = match from.below(2) {
            0 => LeafVersion::Live(Version(from.digest())),
            _ => LeafVersion::Removed,
        };
        (DocumentId(from.digest()), version)
    })),
]);

sample!(SyncResponse, |from| [
    SyncResponse::Roots(from.list(3)),
    SyncResponse::Compare(match from.rich {
        true => (0..Comparison::KINDS)
            .map(|kind| Comparison::sample(from, kind))
            .collect(),
        false => from.list(4),
    }),
    SyncResponse::Document {
        descriptor: from.maybe(Samples::any),
        message: from.bytes(21)
    },
    SyncResponse::Removed(from.any()),
    {
        let _ = from;
        SyncResponse::NotFollowed
    },
    {
        let _ = from;
        SyncResponse::Acknowledged
    },
    SyncResponse::Receipts({
        let mut results: Vec<_> = from.many(3, |from| Ok(from.any()));
        results.extend([
            Err(ReceiptRefusal::Missing),
            Err(ReceiptRefusal::NotADescendant),
            Err(ReceiptRefusal::Removed),
            Err(ReceiptRefusal::NotFollowed),
        ]);
        results
    }),
]);

sample!(DocumentStatus, |from| [
    DocumentStatus::Live(from.hashes(4)),
    DocumentStatus::Removed(from.any()),
    {
        let _ = from;
        DocumentStatus::Forgotten
    },
]);

impl Sample for StoredDocument {
    const KINDS: u64 = DocumentStatus::KINDS;

    fn sample(from: &mut Samples, kind: u64) -> Self {
        Self {
            id: DocumentId(from.digest()),
            collection: CollectionId(from.digest()),
            descriptor: from.maybe(Samples::any),
            status: DocumentStatus::sample(from, kind),
            bytes: from.number(),
        }
    }
}

sample!(QuarantineEntry, |from| QuarantineEntry {
    document: DocumentId(from.digest()),
    change: ChangeHash(from.digest()),
    bytes: from.bytes(50),
    reason: from.name(),
});

sample!(light::Proof, |from| light::Proof {
    network: NetworkId(from.digest()),
    collection: CollectionId(from.digest()),
    document: DocumentId(from.digest()),
    certified: from.any(),
    finalization: from.any(),
    earlier: from.maybe(|from| (from.any(), from.path())),
    state: from.tree_proof(),
});
