//! A chain in memory, signed by validators whose keys are known, for tests.

use std::collections::BTreeMap;
use std::convert::Infallible;

use decube_crypto::{Digest, SecretKey, ValidatorSecret, mldsa};

use crate::commit::{ChainSource, FinalBlock};
use crate::history::{HistorySource, Peaks};
use crate::tree::{self, Node, NodeSource};
use crate::types::{
    Block, BlockId, Certificate, CollectionState, Epoch, Genesis, Header, Height, Outcome,
    Parameters, Power, Replica, StateKey, Statement, Subject, Timestamp, Transaction, Validator,
    ValidatorIndex, View, VoteScheme,
};
use crate::wire::{self, Message};

/// Four validators, which are replicas too.
#[derive(Clone, Debug)]
pub(crate) struct FakeChain {
    pub(crate) genesis: Genesis,
    pub(crate) keys: Vec<ValidatorSecret>,
    pub(crate) peers: Vec<SecretKey>,
    nodes: BTreeMap<Digest, Node>,
    history: BTreeMap<u64, Digest>,
    peaks: Peaks,
    blocks: Vec<FinalBlock>,
    finalizations: BTreeMap<Height, Certificate>,
}

fn key(kind: u8, number: u8) -> SecretKey {
    let mut seed = [kind; 32];
    seed[0] = number;
    SecretKey::from_seed(&seed)
}

impl FakeChain {
    /// A chain without final blocks; another `name` makes another network of other keys.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_votes(name, VoteScheme::Ed25519)
    }

    /// A chain without final blocks whose validators vote under `scheme`.
    pub(crate) fn with_votes(name: &str, scheme: VoteScheme) -> Self {
        let kind = u8::try_from(name.len()).unwrap();
        let vote_key = |number| {
            let ed25519 = key(kind, number);
            let ml_dsa = mldsa::SecretKey::from_seed(&ed25519.to_seed());
            let both = ValidatorSecret::hybrid(ed25519, ml_dsa);
            both.under(scheme).expect("it has both parts")
        };
        let keys: Vec<_> = (0..4).map(vote_key).collect();
        let peers: Vec<_> = (0..4).map(|number| key(kind + 100, number)).collect();
        let genesis = Genesis {
            name: name.to_owned(),
            created: Timestamp(1_000),
            parameters: Parameters {
                delta_ms: 30,
                idle_ms: 1_000,
                drift_ms: 1_000,
                signature: scheme,
                write_quorum: 3,
            },
            validators: keys
                .iter()
                .zip(&peers)
                .map(|(key, peer)| Validator {
                    name: "v".to_owned(),
                    key: key.public(),
                    peer: peer.public(),
                    power: Power(1),
                })
                .collect(),
            replicas: peers
                .iter()
                .map(|peer| Replica {
                    name: "r".to_owned(),
                    peer: peer.public(),
                })
                .collect(),
        };
        let mut peaks = Peaks::default();
        let history = peaks.append(&BlockId(Digest::ZERO).0).into_iter().collect();
        Self {
            genesis,
            keys,
            peers,
            nodes: BTreeMap::new(),
            history,
            peaks,
            blocks: Vec::new(),
            finalizations: BTreeMap::new(),
        }
    }

    fn state_root(&self) -> Digest {
        self.blocks
            .last()
            .map_or(tree::EMPTY_ROOT, |last| last.block.header.state_root)
    }

    /// Appends a final block after which the state has `values`; `certified` ones have a
    /// finalization of their own, signed by the first three validators.
    pub(crate) fn append(
        &mut self,
        values: &[(StateKey, Vec<u8>)],
        transactions: Vec<(Transaction, Outcome)>,
        certified: bool,
    ) -> Height {
        let changes = values
            .iter()
            .map(|(key, value)| (key.digest(), Some(value.clone())))
            .collect();
        let update = tree::update(&self.nodes, &self.state_root(), &changes).unwrap();
        self.nodes.extend(update.added);
        let height = Height(self.blocks.len() as u64 + 1);
        let parent = self
            .blocks
            .last()
            .map_or(BlockId(Digest::ZERO), |last| last.block.id());
        let (transactions, outcomes) = transactions.into_iter().unzip();
        let header = Header {
            network: self.genesis.network_id(),
            epoch: Epoch(0),
            view: View(height.0 * 2),
            height,
            parent,
            transactions_root: Digest::of("decube/test/1", &[]),
            state_root: update.root,
            history_root: self.peaks.root(),
            validators: self.genesis.validator_set().digest(),
            next_validators: None,
            time: Timestamp(1_000 + height.0),
        };
        let id = header.id();
        if certified {
            let subject = Subject {
                parent_view: View(height.0 * 2 - 2),
                block: id,
            };
            let certificate = self.certify(Statement::Finalize(subject), header.view);
            self.finalizations.insert(height, certificate);
        }
        self.history.extend(self.peaks.append(&id.0));
        self.blocks.push(FinalBlock {
            block: Block {
                header,
                transactions,
            },
            outcomes,
        });
        height
    }

    /// A certificate of the first three validators.
    pub(crate) fn certify(&self, statement: Statement, view: View) -> Certificate {
        let signed = statement.to_sign(&self.genesis.network_id(), Epoch(0), view);
        let signatures = (0..)
            .zip(self.keys.iter().take(3))
            .map(|(n, key)| (ValidatorIndex(n), key.sign(&signed)))
            .collect();
        Certificate {
            epoch: Epoch(0),
            view,
            statement,
            signatures,
        }
    }
}

/// A value of the state, by its key.
pub(crate) fn value<T: Message>(key: StateKey, value: &T) -> (StateKey, Vec<u8>) {
    (key, wire::encode(value))
}

impl NodeSource for FakeChain {
    type Error = Infallible;

    fn node(&self, digest: &Digest) -> Result<Option<Node>, Infallible> {
        Ok(self.nodes.get(digest).cloned())
    }
}

impl HistorySource for FakeChain {
    type Error = Infallible;

    fn history(&self, position: u64) -> Result<Option<Digest>, Infallible> {
        Ok(self.history.get(&position).copied())
    }
}

impl ChainSource for FakeChain {
    type Failure = Infallible;

    fn final_height(&self) -> Result<Height, Infallible> {
        Ok(Height(self.blocks.len() as u64))
    }

    fn final_block(&self, height: Height) -> Result<Option<FinalBlock>, Infallible> {
        let index = height
            .previous()
            .and_then(|before| usize::try_from(before.0).ok());
        Ok(index.and_then(|index| self.blocks.get(index)).cloned())
    }

    fn finalization_from(
        &self,
        height: Height,
    ) -> Result<Option<(Height, Certificate)>, Infallible> {
        let found = self.finalizations.range(height..).next();
        Ok(found.map(|(height, certificate)| (*height, certificate.clone())))
    }

    fn collections(&self) -> Result<Vec<CollectionState>, Infallible> {
        Ok(Vec::new())
    }
}
