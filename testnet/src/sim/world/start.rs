//! Starting and killing nodes.

use std::collections::BTreeSet;

use decube_protocols::commit::{self, ChainSource};
use decube_protocols::types::{Action, CollectionId, CommitEntry, Height, NetworkId, Outcome};
use decube_protocols::{documents, submission};
use decube_store::{Identity, Store, StoreError, VoteLog};

use super::{Event, World};
use crate::sim::byzantine::Signer;
use crate::sim::clock::Clock;
use crate::sim::disk::Disk;
use crate::sim::faults::Fault;
use crate::sim::mutant::Mutant;
use crate::sim::node::{Cores, Doom, Effect, Input, Node, Running, WorkerName};
use crate::sim::oracle::chain::FinalBlock;
use crate::sim::oracle::promises::Held;
use crate::sim::oracle::{Check, Violation};
use crate::sim::plan::{NodeIndex, Plan};

/// How much memory a node's documents may take: so little that most of them are not in memory.
const CACHE_BYTES: u64 = 96 * 1024;

/// A node that was never started.
pub(super) fn new_node(plan: &Plan, index: NodeIndex, mutant: Option<Mutant>) -> Node {
    let behaviour = plan
        .byzantine
        .filter(|(node, _)| *node == index)
        .and_then(|(_, kind)| {
            let key = plan.keys[index].validator.clone()?;
            let (network, epoch) = (plan.network, plan.validators.epoch());
            Some(kind.behaviour(Signer {
                network,
                epoch,
                index: plan.validator(index)?,
                key,
            }))
        });
    Node {
        life: 0,
        clock: Clock::default(),
        disk: Disk::new(plan.disk, mutant),
        behaviour,
        doom: None,
        running: None,
    }
}

fn failed(node: NodeIndex, error: impl std::fmt::Display) -> Violation {
    Violation::new(Check::Failure, format!("node {node}: {error}"))
}

impl World {
    /// A node starts with what its disk holds.
    pub(super) fn start(&mut self, index: NodeIndex) -> Result<(), Violation> {
        if self.nodes[index].running.is_some() {
            return Ok(());
        }
        let (now, keys) = (self.now, &self.plan.keys[index]);
        let node = &mut self.nodes[index];
        node.clock.restart(now);
        node.life += 1;
        let validator = keys.validator.as_ref().map(|key| key.ed25519().public());
        let identity = Identity {
            network: self.plan.network,
            validator,
        };
        let store = node
            .disk
            .open(&identity)
            .map_err(|error| failed(index, error))?;
        if let VoteLog::Lost(lost) = store.vote_log() {
            return Err(Violation::new(Check::Lost, format!("node {index}: {lost}")));
        }
        self.look_at_disk(index, &store)?;
        let (cores, effects, collections) = self.cores(index, &store)?;
        let height = cores.commit.final_height();
        let mut running = Running::new(store, cores);
        running
            .worker(WorkerName::Consensus)
            .effects
            .extend(effects.into_iter().map(Effect::Commit));
        running.topics.extend(&collections);
        let inbox = &mut running.worker(WorkerName::Documents).inbox;
        for collection in collections {
            inbox.push_back(Input::Documents(documents::Input::Collection(collection)));
        }
        inbox.push_back(Input::Documents(documents::Input::Final(height)));
        let life = self.nodes[index].life;
        self.nodes[index].running = Some(running);
        self.log(format_args!(
            "n{index} starts its life {life} at height {height}"
        ));
        for peer in (0..self.nodes.len()).filter(|peer| *peer != index) {
            self.dial_later(index, peer);
        }
        self.advance(index, WorkerName::Consensus)?;
        self.advance(index, WorkerName::Documents)
    }

    #[allow(
        clippy::type_complexity,
        reason = "the parts of a node, taken apart by its one caller"
    )]
    fn cores(
        &mut self,
        index: NodeIndex,
        store: &Store,
    ) -> Result<(Cores, Vec<commit::Effect>, Vec<CollectionId>), Violation> {
        let now = self.nodes[index].clock.read(self.now);
        let (keys, genesis) = (&self.plan.keys[index], self.plan.genesis.clone());
        let restored = store
            .restored(self.plan.validators.epoch())
            .map_err(|error| failed(index, error))?;
        let settings = commit::Config::new(genesis.clone(), keys.id, keys.validator.clone());
        let settings = match self.mutant {
            Some(Mutant::FinalizeOrNullify) => {
                settings.with_mutant(commit::Mutant::FinalizeAndNullify)
            }
            Some(Mutant::SkippedNullifications) => {
                settings.with_mutant(commit::Mutant::SkippedNullifications)
            }
            Some(Mutant::VoteFsync | Mutant::StateFsync) | None => settings,
        };
        let (commit, effects) = commit::Core::new(settings, store.chain(), restored, now)
            .map_err(|error| failed(index, error))?;
        let collections =
            collections(store, &self.plan.network).map_err(|error| failed(index, error))?;
        let settings = documents::Config {
            network: self.plan.network,
            author: keys.author.clone(),
            peer_key: keys.peer.clone(),
            nonce: self.random.number().to_le_bytes(),
            seed: self.random.number(),
            anti_entropy_interval: documents::Config::ANTI_ENTROPY_INTERVAL,
            cache_bytes: CACHE_BYTES,
        };
        let documents = documents::Core::new(settings, store.documents())
            .map_err(|error| failed(index, error))?;
        let pending = store.pending().map_err(|error| failed(index, error))?;
        let settings = submission::Config::new(genesis, keys.id, keys.author.clone());
        let submission = submission::Core::new(settings, store.chain(), pending, now);
        Ok((
            Cores {
                commit,
                submission,
                documents,
            },
            effects,
            collections,
        ))
    }

    /// Lets the oracle compare what a node finds on its disk with what it promised.
    fn look_at_disk(&mut self, index: NodeIndex, store: &Store) -> Result<(), Violation> {
        if !self.plan.is_honest(index) {
            return Ok(());
        }
        let chain = store.chain();
        let height = chain.final_height().map_err(|error| failed(index, error))?;
        let mut newest = None;
        let mut next = self.chain.reported(index).next();
        while next <= height {
            let Some(block) = final_block(&self.plan.network, &chain, index, next)? else {
                let what = format!("node {index} has no block at {next} below its {height}");
                return Err(Violation::new(Check::Lost, what));
            };
            newest = Some(block.header.id());
            // It was durable and never reported, since the node was killed in between.
            self.collections_created(&chain, next)?;
            self.chain.report(index, block)?;
            next = next.next();
        }
        self.chain.restart(index, height, newest)?;
        for (document, wanted) in self.promises.of_node(index) {
            let held = held(store, &document, &wanted).map_err(|error| failed(index, error))?;
            self.promises
                .check(index, &document, &wanted, &held, false)?;
        }
        Ok(())
    }

    fn collections_created(
        &mut self,
        chain: &decube_store::ChainReader,
        height: Height,
    ) -> Result<(), Violation> {
        let all = chain.collections().map_err(|error| failed(0, error))?;
        for collection in all.iter().filter(|collection| collection.height == height) {
            let id = CollectionId::of(&self.plan.network, collection.name.as_str());
            self.collections.entry(id).or_insert(height);
        }
        Ok(())
    }

    /// A node is killed: what was not durable is gone.
    pub(super) fn kill(&mut self, index: NodeIndex, fault: Fault) {
        self.counts.count(fault);
        let node = &mut self.nodes[index];
        node.running = None;
        node.life += 1;
        node.doom = None;
        let torn = node.disk.crash(&mut self.random);
        self.log(format_args!(
            "n{index} is killed ({}), torn {torn}",
            fault.name()
        ));
        self.intents.retain(|(node, _, _), _| *node != index);
        for peer in (0..self.nodes.len()).filter(|peer| *peer != index) {
            self.links.close(index, peer);
            // The other end's system may say so at once, or only silence does.
            let delay = if self.random.chance(0.5) {
                self.random.millis(0, 5)
            } else {
                self.random.millis(100, 2_000)
            };
            let generation = self.links.generation(index, peer);
            self.after(
                delay,
                Event::Notice {
                    node: peer,
                    peer: index,
                    generation,
                },
            );
        }
        let delay = if self.random.chance(0.4) {
            self.random.millis(1, 60)
        } else {
            self.random.millis(60, 3_000)
        };
        self.after(delay, Event::Start(index));
    }

    /// Arms the next crash of a node.
    pub(super) fn doom(&mut self, index: NodeIndex, doom: Doom) {
        if let Doom::InWrite(operations) = doom {
            self.nodes[index].disk.break_after(operations);
        }
        self.nodes[index].doom = Some(doom);
    }
}

fn collections(store: &Store, network: &NetworkId) -> Result<Vec<CollectionId>, StoreError> {
    let all = store.chain().collections()?;
    Ok(all
        .iter()
        .map(|collection| CollectionId::of(network, collection.name.as_str()))
        .collect())
}

/// A final block as it is stored, in the oracle's form.
pub(super) fn final_block(
    network: &NetworkId,
    chain: &decube_store::ChainReader,
    by: NodeIndex,
    height: Height,
) -> Result<Option<FinalBlock>, Violation> {
    let stored = chain
        .final_block(height)
        .map_err(|error| failed(by, error))?;
    let Some(commit::FinalBlock { block, outcomes }) = stored else {
        return Ok(None);
    };
    let ids = block
        .transactions
        .iter()
        .map(|transaction| transaction.id(network));
    let committed: Vec<CommitEntry> = block
        .transactions
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::Applied)
        .flat_map(|(transaction, _)| match &transaction.action {
            Action::Commit(commit) => commit.entries.clone(),
            Action::CreateCollection(_) => Vec::new(),
        })
        .collect();
    let outcomes = ids.zip(outcomes).collect();
    Ok(Some(FinalBlock {
        header: block.header,
        outcomes,
        committed,
        by,
    }))
}

/// What a store holds of a document, of the changes that are asked for.
pub(super) fn held(
    store: &Store,
    document: &decube_protocols::types::DocumentId,
    wanted: &[decube_protocols::types::ChangeHash],
) -> Result<Held, String> {
    use documents::Source as _;
    let reader = store.documents();
    let Some(stored) = reader
        .document(document)
        .map_err(|error| error.to_string())?
    else {
        return Ok(Held::Nothing);
    };
    match stored.status {
        documents::DocumentStatus::Removed(_) => Ok(Held::Removed),
        documents::DocumentStatus::Forgotten => Ok(Held::Nothing),
        documents::DocumentStatus::Live(_) => {
            let content = reader
                .content(document)
                .map_err(|error| error.to_string())?;
            let content = documents::Content::load(content.snapshot.as_deref(), &content.changes)
                .map_err(|error| error.to_string())?;
            let found = wanted
                .iter()
                .filter(|change| content.change(change).is_some());
            Ok(Held::Live(found.copied().collect::<BTreeSet<_>>()))
        }
    }
}
