//! The core under test with scripted replicas, validators and blocks around it.

use std::time::Duration;

use decube_crypto::{Digest, SecretKey};

use super::super::{Config, Core, Effect, Input, Progress, Record, SubmissionError, Wish};
use crate::commit::Event;
use crate::documents::{ReceiptRefusal, ReceiptRequest};
use crate::light::fake_chain::{FakeChain, value};
use crate::types::{
    ChangeHash, CollectionId, CollectionName, CollectionState, CommitEntry, DocumentId, Heads,
    Height, NetworkId, Now, Outcome, PeerId, Receipt, ReceiptStatement, RequestId, StateKey,
    Timestamp, Transaction, peer_id,
};

pub(super) const COLLECTION: CollectionId = CollectionId(Digest::from_bytes([7; 32]));

pub(super) fn digest(number: u64) -> Digest {
    Digest::of("decube/test/1", &[&number.to_le_bytes()])
}

pub(super) fn request(number: u64) -> ReceiptRequest {
    let entry = CommitEntry {
        collection: COLLECTION,
        document: DocumentId(digest(number)),
        previous: None,
        heads: Heads::new(vec![ChangeHash(digest(number + 1_000))]).unwrap(),
    };
    ReceiptRequest {
        entry,
        previous: Heads::default(),
    }
}

pub(super) fn create(name: &str) -> Wish {
    Wish::CreateCollection {
        name: CollectionName::new(name).unwrap(),
        write_quorum: None,
    }
}

/// The core under test, with what is around it.
pub(super) struct World {
    pub(super) core: Core<FakeChain>,
    pub(super) author: SecretKey,
    pub(super) network: NetworkId,
    pub(super) now: Now,
    pub(super) next_wish: u64,
}

pub(super) type Reports = Vec<(RequestId, Progress)>;

impl World {
    /// Node 0 of four, with one collection in the state at height 1; nobody else is connected.
    pub(super) fn alone() -> Self {
        let mut chain = FakeChain::new("alice");
        let collection = CollectionState {
            name: CollectionName::new("notes").unwrap(),
            creator: chain.peers[0].public(),
            height: Height(1),
            write_quorum: 3,
        };
        chain.append(
            &[value(StateKey::Collection(COLLECTION), &collection)],
            vec![],
            true,
        );
        Self::start(chain, Vec::new())
    }

    pub(super) fn start(chain: FakeChain, pending: Vec<Transaction>) -> Self {
        let now = Now {
            monotonic: Duration::ZERO,
            wall: Timestamp(0),
        };
        let author = SecretKey::from_seed(&[99; 32]);
        let network = chain.genesis.network_id();
        let me = peer_id(&chain.peers[0].public());
        let config = Config::new(chain.genesis.clone(), me, author.clone());
        let core = Core::new(config, chain, pending, now);
        Self {
            core,
            author,
            network,
            now,
            next_wish: 0,
        }
    }

    pub(super) fn connected() -> Self {
        let mut world = Self::alone();
        for number in 1..4 {
            world.handle(Input::Connected(world.peer(number)));
        }
        world
    }

    pub(super) fn peer(&self, number: usize) -> PeerId {
        peer_id(&self.core.source.peers[number].public())
    }

    pub(super) fn number(&self, peer: &PeerId) -> usize {
        (0..4).find(|number| self.peer(*number) == *peer).unwrap()
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Effect> {
        self.core.handle(self.now, input)
    }

    pub(super) fn wish(&mut self, wish: Wish) -> Vec<Effect> {
        self.next_wish += 1;
        self.handle(Input::Wish {
            id: RequestId(self.next_wish),
            wish,
        })
    }

    /// Lets time pass up to what the core waits for.
    pub(super) fn wait(&mut self) -> Vec<Effect> {
        let at = self.core.poll_timeout().unwrap();
        self.now.monotonic = self.now.monotonic.max(at);
        self.core.handle_timeout(self.now)
    }

    pub(super) fn receipt(&self, replica: usize, request: &ReceiptRequest) -> Receipt {
        let statement = ReceiptStatement {
            entry: &request.entry,
            roles_height: Height(1),
        };
        statement.sign(&self.network, &self.core.source.peers[replica])
    }

    /// Answers every request for receipts as `says` does for the replica.
    pub(super) fn answer(
        &mut self,
        effects: Vec<Effect>,
        says: impl Fn(usize) -> Option<ReceiptRefusal>,
    ) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in effects {
            let Effect::RequestReceipts { to, id, requests } = effect else {
                rest.push(effect);
                continue;
            };
            let replica = self.number(&to);
            let answer = |request| match says(replica) {
                None => Ok(self.receipt(replica, request)),
                Some(refusal) => Err(refusal),
            };
            let result = Ok(requests.iter().map(answer).collect());
            rest.extend(self.handle(Input::Receipts {
                id,
                from: to,
                result,
            }));
        }
        rest
    }

    /// Appends a final block with these transactions, and tells the core.
    pub(super) fn finalize(&mut self, transactions: &[(&Transaction, Outcome)]) -> Vec<Effect> {
        let nonces: Vec<_> = transactions
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Applied)
            .map(|(it, _)| (StateKey::Nonce(it.author), it.nonce.to_le_bytes().to_vec()))
            .collect();
        let outcomes: Vec<_> = transactions
            .iter()
            .map(|(it, is)| (it.id(&self.network), is.clone()))
            .collect();
        let included = transactions
            .iter()
            .map(|(it, is)| ((*it).clone(), is.clone()))
            .collect();
        let height = self.core.source.append(&nonces, included, true);
        let block = crate::commit::ChainSource::final_block(&self.core.source, height).unwrap();
        let header = Box::new(block.unwrap().block.header);
        let (committed, collections) = (Vec::new(), Vec::new());
        self.handle(Input::Chain(Event::Final {
            header,
            outcomes,
            committed,
            collections,
        }))
    }
}

pub(super) fn persisted(effects: &[Effect]) -> Vec<Record> {
    let record = |effect: &Effect| match effect {
        Effect::Persist(record) => Some(record.clone()),
        Effect::RequestReceipts { .. }
        | Effect::RequestTransaction { .. }
        | Effect::Report { .. } => None,
    };
    effects.iter().filter_map(record).collect()
}

pub(super) fn reports(effects: &[Effect]) -> Reports {
    let report = |effect: &Effect| match effect {
        Effect::Report { id, progress } => Some((*id, progress.clone())),
        Effect::Persist(_) | Effect::RequestReceipts { .. } | Effect::RequestTransaction { .. } => {
            None
        }
    };
    effects.iter().filter_map(report).collect()
}

pub(super) fn failure(effects: &[Effect]) -> SubmissionError {
    match &reports(effects)[..] {
        [(_, Progress::Failed(error))] => error.clone(),
        other => panic!("not one failure: {other:?}"),
    }
}

/// The one new transaction in the effects.
pub(super) fn pending(effects: &[Effect]) -> Transaction {
    let pending = |record| match record {
        Record::Pending(transaction) => Some(transaction),
        Record::Done(_) => None,
    };
    let found: Vec<_> = persisted(effects).into_iter().filter_map(pending).collect();
    assert_eq!(found.len(), 1, "{effects:?}");
    found[0].clone()
}

/// The validators that get a transaction, by number, with the request's id.
pub(super) fn handed(world: &World, effects: &[Effect]) -> Vec<(usize, RequestId)> {
    let handed = |effect: &Effect| match effect {
        Effect::RequestTransaction { to, id, .. } => Some((world.number(to), *id)),
        Effect::Persist(_) | Effect::RequestReceipts { .. } | Effect::Report { .. } => None,
    };
    let mut handed: Vec<_> = effects.iter().filter_map(handed).collect();
    handed.sort_unstable();
    handed
}

pub(super) fn numbers(world: &World, effects: &[Effect]) -> Vec<usize> {
    handed(world, effects)
        .into_iter()
        .map(|(number, _)| number)
        .collect()
}

pub(super) fn asked(world: &World, effects: &[Effect]) -> Vec<usize> {
    let asked = |effect: &Effect| match effect {
        Effect::RequestReceipts { to, .. } => Some(world.number(to)),
        Effect::Persist(_) | Effect::RequestTransaction { .. } | Effect::Report { .. } => None,
    };
    let mut asked: Vec<_> = effects.iter().filter_map(asked).collect();
    asked.sort_unstable();
    asked
}
