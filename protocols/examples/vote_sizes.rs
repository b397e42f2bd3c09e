//! Prints how large certificates and proofs are, for networks of several sizes and both schemes of
//! votes. The signatures are real, and each proof is verified before its size is told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Write};

use decube_crypto::{Digest, Hasher, SecretKey, ValidatorSecret, VoteScheme, VoteSignature, mldsa};
use decube_protocols::light::Proof;
use decube_protocols::tree;
use decube_protocols::types::{
    BlockId, Certificate, ChangeHash, CollectionId, CommittedDocument, DocumentId, Epoch, Genesis,
    Header, Heads, Height, Parameters, Power, Replica, StateKey, Statement, Subject, Timestamp,
    TransactionId, Validator, ValidatorIndex, View,
};
use decube_protocols::wire;

const VALIDATORS: [u16; 6] = [4, 7, 16, 50, 100, 200];
/// Documents in the state: so many make a path of usual length.
const DOCUMENTS: u64 = 10_000;
const COLLECTION: CollectionId = CollectionId(Digest::from_bytes([7; 32]));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let state = State::new()?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>10} {:>7} {:>8} {:>12} {:>12}",
        "validators", "quorum", "votes", "certificate", "proof"
    )?;
    for count in VALIDATORS {
        for scheme in [VoteScheme::Ed25519, VoteScheme::Hybrid] {
            let network = Network::new(count, scheme)?;
            let proof = network.proof(&state)?;
            let verified = Proof::from_bytes(&proof.to_bytes())?.verify(&network.genesis)?;
            writeln!(
                out,
                "{count:>10} {:>7} {scheme:>8} {:>12} {:>12}",
                verified.signers.len(),
                wire::encode(&proof.finalization).len(),
                proof.to_bytes().len(),
            )?;
        }
    }
    Ok(())
}

fn digest(number: u64) -> Digest {
    Hasher::new("decube/example/1").number(number).finish()
}

/// The committed state of a network with some documents.
struct State {
    nodes: Nodes,
    root: Digest,
}

struct Nodes(BTreeMap<Digest, tree::Node>);

impl tree::NodeSource for Nodes {
    type Error = Infallible;

    fn node(&self, digest: &Digest) -> Result<Option<tree::Node>, Infallible> {
        Ok(self.0.get(digest).cloned())
    }
}

impl State {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let mut nodes = Nodes(BTreeMap::new());
        let mut changes = BTreeMap::new();
        for number in 0..DOCUMENTS {
            let committed = CommittedDocument {
                heads: Heads::new(vec![ChangeHash(digest(number))])?,
                height: Height(number),
                transaction: TransactionId(digest(number)),
                previous: None,
            };
            let key = StateKey::Document(COLLECTION, DocumentId(digest(number)));
            changes.insert(key.digest(), Some(wire::encode(&committed)));
        }
        let update = tree::update(&nodes, &tree::EMPTY_ROOT, &changes)?;
        nodes.0.extend(update.added);
        let root = update.root;
        Ok(Self { nodes, root })
    }
}

struct Network {
    genesis: Genesis,
    keys: Vec<ValidatorSecret>,
}

impl Network {
    fn new(count: u16, scheme: VoteScheme) -> Result<Self, Box<dyn std::error::Error>> {
        let seed = |kind: u64, number: u16| *digest(kind << 32 | u64::from(number)).as_bytes();
        let key = |number| {
            let ed25519 = SecretKey::from_seed(&seed(1, number));
            match scheme {
                VoteScheme::Ed25519 => ed25519.into(),
                VoteScheme::Hybrid => {
                    ValidatorSecret::hybrid(ed25519, mldsa::SecretKey::from_seed(&seed(2, number)))
                }
            }
        };
        let keys: Vec<ValidatorSecret> = (0..count).map(key).collect();
        let peer = |number| SecretKey::from_seed(&seed(3, number)).public();
        let validators = (0..).zip(&keys).map(|(number, key)| Validator {
            name: format!("v{number}"),
            key: key.public(),
            peer: peer(number),
            power: Power(1),
        });
        let genesis = Genesis {
            name: "sizes".into(),
            created: Timestamp(1),
            parameters: Parameters {
                delta_ms: 300,
                idle_ms: 10_000,
                drift_ms: 5_000,
                signature: scheme,
                write_quorum: 1,
            },
            validators: validators.collect(),
            replicas: vec![Replica {
                name: "r".into(),
                peer: peer(0),
            }],
        };
        genesis.validate()?;
        Ok(Self { genesis, keys })
    }

    /// A proof of a document by the newest header, as `decube proof` writes it right after a commit.
    fn proof(&self, state: &State) -> Result<Proof, tree::TreeError<Infallible>> {
        let document = DocumentId(digest(DOCUMENTS / 2));
        let key = StateKey::Document(COLLECTION, document).digest();
        let certified = Header {
            network: self.genesis.network_id(),
            epoch: Epoch(0),
            view: View(1_000_000),
            height: Height(900_000),
            parent: BlockId(digest(1)),
            transactions_root: digest(2),
            state_root: state.root,
            history_root: digest(3),
            validators: self.genesis.validator_set().digest(),
            next_validators: None,
            time: Timestamp(1_800_000_000_000),
        };
        let path = tree::prove(&state.nodes, &state.root, &key)?;
        Ok(Proof {
            network: self.genesis.network_id(),
            collection: COLLECTION,
            document,
            finalization: self.finalize(&certified),
            certified,
            earlier: None,
            state: path,
        })
    }

    /// A finalization of a header, by just a quorum.
    fn finalize(&self, header: &Header) -> Certificate {
        let statement = Statement::Finalize(Subject {
            parent_view: View(header.view.0 - 1),
            block: header.id(),
        });
        let signed = statement.to_sign(&header.network, header.epoch, header.view);
        let quorum = self.genesis.validator_set().quorum().0;
        let vote = |(number, key): (u16, &ValidatorSecret)| -> (ValidatorIndex, VoteSignature) {
            (ValidatorIndex(number), key.sign(&signed))
        };
        Certificate {
            epoch: header.epoch,
            view: header.view,
            statement,
            signatures: (0..)
                .zip(&self.keys)
                .map(vote)
                .zip(0..quorum)
                .map(|(vote, _)| vote)
                .collect(),
        }
    }
}
