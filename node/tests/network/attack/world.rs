//! Running nodes, one document in them, and what must not change.

use std::sync::{Mutex, Once, PoisonError};

use decube_crypto::{Digest, SecretKey, ValidatorSecret, mldsa};
use decube_node::{Handle, Node, NodeConfig};
use decube_protocols::commit::ChainSource;
use decube_protocols::documents::{
    Command as DocumentCommand, DocumentEntry, Edit, QuarantineEntry, ReceiptRequest, Reply,
};
use decube_protocols::submission::{Progress, Wish};
use decube_protocols::types::{
    ChangeHash, CollectionId, CollectionName, CommitEntry, DocumentId, DocumentName, Genesis,
    Header, Heads, Height, NetworkId, Outcome, Parameters, Power, Replica, Timestamp, Transaction,
    Validator, VoteScheme,
};
use decube_store::{Identity, Store, keys};
use libp2p::{Multiaddr, PeerId, multiaddr};
use tempfile::TempDir;
use tokio::time::timeout;

use super::super::HANG;

/// The keys of the member `number` of a network.
pub struct Keys {
    pub peer: SecretKey,
    pub author: SecretKey,
    pub validator: ValidatorSecret,
}

impl Keys {
    pub fn of(number: u8) -> Self {
        let key = |kind| SecretKey::from_seed(&[number.wrapping_mul(8).wrapping_add(kind); 32]);
        Self {
            peer: key(1),
            author: key(2),
            validator: ValidatorSecret::hybrid(key(3), mldsa::SecretKey::from_seed(&[number; 32])),
        }
    }
}

/// A running node.
pub struct Member {
    pub handle: Handle,
    pub address: Multiaddr,
    node: Node,
    _directory: TempDir,
}

/// A network; the first `running` of its validators run.
pub struct World {
    pub genesis: Genesis,
    pub network: NetworkId,
    pub members: Vec<Member>,
    pub collection: CollectionId,
    pub document: DocumentId,
    /// The last committed heads of the document.
    committed: Heads,
    edits: u64,
}

/// What no attack may change.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    /// Every document's heads, but not those in `apart`.
    documents: Vec<DocumentEntry>,
    state: Digest,
    committed: u64,
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// Notes each panic, but for those of a failing test itself and of Automerge, which is called with
/// a net below.
fn watch_panics() {
    WATCH.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic
                .location()
                .map_or(String::new(), |place| place.file().to_owned());
            if !place.contains("tests/network") && !place.contains("automerge") {
                PANICS
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(panic.to_string());
            }
            usual(panic);
        }));
    });
}

pub fn genesis(validators: u8) -> Genesis {
    let name = |number: u8| format!("v{number}");
    Genesis {
        name: "attacked".into(),
        created: Timestamp(1_700_000_000_000),
        parameters: Parameters {
            delta_ms: 50,
            idle_ms: 10_000,
            drift_ms: 10_000,
            signature: VoteScheme::Hybrid,
            write_quorum: Parameters::majority(usize::from(validators)),
        },
        validators: (0..validators)
            .map(|number| Validator {
                name: name(number),
                key: Keys::of(number).validator.public(),
                peer: Keys::of(number).peer.public(),
                power: Power(1),
            })
            .collect(),
        replicas: (0..validators)
            .map(|number| Replica {
                name: name(number),
                peer: Keys::of(number).peer.public(),
            })
            .collect(),
    }
}

/// Starts the node with these keys; it knows the peers at `bootstrap`.
pub async fn start(genesis: &Genesis, keys: Keys, votes: bool, bootstrap: &[Multiaddr]) -> Member {
    watch_panics();
    let directory = tempfile::tempdir().unwrap();
    if votes {
        keys::create_validator(directory.path(), &keys.validator).unwrap();
    }
    let network = genesis.network_id();
    Store::create(directory.path(), &network).unwrap();
    let identity = Identity {
        network,
        validator: votes.then(|| keys.validator.ed25519().public()),
    };
    let node = Node::start(NodeConfig {
        signer: None,
        genesis: genesis.clone(),
        store: Store::open(directory.path(), &identity).unwrap(),
        peer: keys.peer,
        author: keys.author,
        validator: votes.then_some(keys.validator),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        bootstrap: bootstrap.to_vec(),
        channel: decube_node::network::channel::Policy::Require,
        preshared_key: None,
        allowed: None,
        mdns: false,
        limits: decube_node::network::Limits::default(),
        anti_entropy_interval: std::time::Duration::from_secs(3600),
    })
    .await
    .unwrap();
    let handle = node.handle();
    let address = until(|| async {
        handle
            .network()
            .listeners()
            .await
            .unwrap()
            .into_iter()
            .next()
    })
    .await;
    let address = address.with(multiaddr::Protocol::P2p(handle.peer_id()));
    Member {
        handle,
        address,
        node,
        _directory: directory,
    }
}

/// Asks until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(HANG, asking).await.expect("it happens")
}

impl Member {
    /// Stops the node, which did not stop by itself before.
    pub async fn stop(self) {
        self.handle.shutdown();
        let reason = self.node.stopped().await;
        assert!(matches!(reason, decube_node::StopReason::Asked), "{reason}");
    }
}

impl World {
    /// A network of which the first `running` of `validators` run; it has a collection and a
    /// committed document.
    pub async fn new(validators: u8, running: u8) -> Self {
        let genesis = genesis(validators);
        let mut members: Vec<Member> = Vec::new();
        for number in 0..running {
            let bootstrap: Vec<_> = members
                .iter()
                .map(|member| member.address.clone())
                .collect();
            members.push(start(&genesis, Keys::of(number), true, &bootstrap).await);
        }
        let network = genesis.network_id();
        let collection = CollectionId::of(&network, "notes");
        let alice = members[0].handle.clone();
        let name = CollectionName::new("notes").unwrap();
        submit(
            &alice,
            Wish::CreateCollection {
                name,
                write_quorum: None,
            },
        )
        .await;
        let content = Some(serde_json::json!({ "edits": 0 }));
        let name = DocumentName::new("readme").unwrap();
        let create = || DocumentCommand::Create {
            collection,
            name: name.clone(),
            content: content.clone(),
        };
        // The collection becomes known to the documents shortly after it is final.
        let document = until(|| async {
            match alice.documents(create()).await {
                Ok(Reply::Created(entry)) => Some(entry.id),
                _ => None,
            }
        })
        .await;
        let committed = Heads::default();
        let mut world = Self {
            genesis,
            network,
            members,
            collection,
            document,
            committed,
            edits: 0,
        };
        world.serves().await;
        world
    }

    pub fn alice(&self) -> &Handle {
        &self.members[0].handle
    }

    pub fn victim(&self) -> PeerId {
        self.alice().peer_id()
    }

    pub async fn heads(&self) -> Vec<ChangeHash> {
        let describe = DocumentCommand::Describe {
            document: self.document,
        };
        match self.alice().documents(describe).await.unwrap() {
            Reply::Document(entry) => entry.heads,
            other => panic!("{other:?}"),
        }
    }

    pub fn tip(&self) -> Header {
        let chain = self.alice().store().chain();
        let height = chain.final_height().unwrap();
        chain.final_block(height).unwrap().unwrap().block.header
    }

    pub async fn snapshot(&self) -> Snapshot {
        let list = DocumentCommand::List { collection: None };
        let Reply::Documents(documents) = self.alice().documents(list).await.unwrap() else {
            panic!("a list");
        };
        let tip = self.tip();
        let chain = self.alice().store().chain();
        let transactions = |height| {
            chain
                .final_block(Height(height))
                .unwrap()
                .unwrap()
                .block
                .transactions
                .len() as u64
        };
        let committed = (1..=tip.height.0).map(transactions).sum();
        Snapshot {
            documents,
            state: tip.state_root,
            committed,
        }
    }

    /// The documents and the committed state, without the transactions that had no effect.
    pub async fn snapshot_of_documents(&self) -> Vec<DocumentEntry> {
        self.snapshot().await.documents
    }

    pub async fn quarantine(&self) -> Vec<QuarantineEntry> {
        match self
            .alice()
            .documents(DocumentCommand::Quarantine)
            .await
            .unwrap()
        {
            Reply::Quarantine(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    /// An honest user edits and commits, and both take effect; nothing panicked.
    pub async fn serves(&mut self) {
        self.edits += 1;
        let edit = DocumentCommand::Edit {
            document: self.document,
            at: None,
            edits: vec![Edit::Set {
                pointer: "/edits".parse().unwrap(),
                value: self.edits.into(),
            }],
            message: None,
        };
        let Reply::Edited { heads, .. } = self.alice().documents(edit).await.unwrap() else {
            panic!("an edit");
        };
        let heads = Heads::new(heads).unwrap();
        let entry = self.entry(heads.clone());
        let wish = Wish::Commit(vec![ReceiptRequest {
            entry,
            previous: self.committed.clone(),
        }]);
        submit(self.alice(), wish).await;
        self.committed = heads;
        for member in &self.members {
            assert!(member.handle.store().stopped().is_none());
        }
        let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(panics.is_empty(), "{panics:?}");
    }

    /// An entry that would commit these heads of the document.
    pub fn entry(&self, heads: Heads) -> CommitEntry {
        let previous = (!self.committed.is_empty()).then(|| self.committed.version());
        CommitEntry {
            collection: self.collection,
            document: self.document,
            previous,
            heads,
        }
    }

    /// The last transaction that is final.
    pub fn last_transaction(&self) -> Transaction {
        let chain = self.alice().store().chain();
        let height = chain.final_height().unwrap().0;
        let blocks = (1..=height).rev();
        let mut transactions = blocks.flat_map(|height| {
            chain
                .final_block(Height(height))
                .unwrap()
                .unwrap()
                .block
                .transactions
        });
        transactions.next().unwrap()
    }

    /// Stops all nodes: none of them stopped by itself before.
    pub async fn end(self) {
        for member in self.members {
            member.stop().await;
        }
    }
}

/// Hands over a wish and waits until it is applied.
pub async fn submit(handle: &Handle, wish: Wish) {
    let mut progress = handle.submit(wish).await.unwrap();
    let last = async {
        loop {
            match progress.recv().await.expect("a last report") {
                Progress::Submitted { .. } => {}
                last => return last,
            }
        }
    };
    let last = timeout(HANG, last).await.expect("it becomes final");
    assert!(
        matches!(
            last,
            Progress::Final {
                outcome: Outcome::Applied,
                ..
            }
        ),
        "{last:?}"
    );
}
