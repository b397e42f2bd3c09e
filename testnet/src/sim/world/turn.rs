//! A worker's turn: inputs in, records to the disk, effects out.

use std::time::Duration;

use decube_protocols::types::{Now, PeerId};
use decube_protocols::{commit, documents, submission};

use super::{Event, World};
use crate::sim::faults::Fault;
use crate::sim::message::Gossip;
use crate::sim::node::{Cores, Doom, Effect, Input, WorkerName};
use crate::sim::oracle::{Check, Violation};
use crate::sim::plan::NodeIndex;

/// How many inputs a turn takes at most, as in the node.
const MAX_TURN: usize = 64;

/// How often a core may be woken in one turn: one that is due again at once does not move on.
const MAX_WAKES: u32 = 1_000;

/// Whether a core must see what an effect writes before its next call, so that a turn ends with it.
fn ends_turn(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Commit(commit::Effect::Persist(commit::Record::Final(_)))
            | Effect::Documents(documents::Effect::Persist(_))
    )
}

impl World {
    /// Goes on with what waits at a worker, until it waits for the disk or for something to do.
    pub(super) fn advance(&mut self, index: NodeIndex, name: WorkerName) -> Result<(), Violation> {
        let mut wakes = 0;
        loop {
            let now = self.now;
            let clock = self.nodes[index].clock;
            let Some(running) = self.nodes[index].running.as_mut() else {
                return Ok(());
            };
            let worker = running.worker(name);
            if worker.writing.is_some() {
                return Ok(());
            }
            if !worker.effects.is_empty() {
                let batch = worker.next_batch(self.plan.joined);
                if !batch.is_empty() {
                    worker.writing = Some(batch);
                    self.begin_write(index, name);
                    return Ok(());
                }
                let Some(effect) = worker.effects.pop_front() else {
                    continue;
                };
                self.perform(index, effect)?;
                self.count_down(index);
                continue;
            }
            if !worker.inbox.is_empty() {
                self.feed(index, name);
                self.check_cores(index)?;
                continue;
            }
            let read = clock.read(now);
            let Some(due) = running.cores.poll_timeout(name) else {
                return Ok(());
            };
            if due > read.monotonic {
                self.wake_at(index, name, clock.at(due));
                return Ok(());
            }
            let effects = running.cores.handle_timeout(name, read);
            running.worker(name).effects.extend(effects);
            wakes += 1;
            if wakes > MAX_WAKES {
                let what = format!("a timer of node {index}, {name:?}, does not move on");
                return Err(Violation::new(Check::Failure, what));
            }
        }
    }

    /// Lets the cores handle inputs that wait: one, or as many as share a write. A core finds what
    /// it wrote of blocks and documents on the disk at its next call.
    fn feed(&mut self, index: NodeIndex, name: WorkerName) {
        let inputs = if self.plan.joined { MAX_TURN } else { 1 };
        for _ in 0..inputs {
            let now = self.nodes[index].clock.read(self.now);
            let Some(running) = self.nodes[index].running.as_mut() else {
                return;
            };
            let Some(input) = running.worker(name).inbox.pop_front() else {
                return;
            };
            let cores = &mut running.cores;
            let mut effects: Vec<Effect> = match input {
                Input::Commit(input) => cores
                    .commit
                    .handle(now, input)
                    .into_iter()
                    .map(Effect::Commit)
                    .collect(),
                Input::Submission(input) => {
                    let effects = cores.submission.handle(now, input);
                    effects.into_iter().map(Effect::Submission).collect()
                }
                Input::Documents(input) => {
                    let effects = cores.documents.handle(now, input);
                    effects.into_iter().map(Effect::Documents).collect()
                }
                Input::Gossip {
                    id,
                    from,
                    source,
                    gossip,
                } => {
                    let keys = &self.plan.keys;
                    let peers = (keys[from].id, keys[source].id);
                    let (mut effects, passes) = hear(cores, now, peers, &gossip);
                    if passes {
                        effects.push(Effect::Forward {
                            id,
                            from,
                            source,
                            gossip,
                        });
                    }
                    effects
                }
            };
            let ends = effects.iter().any(ends_turn);
            running.worker(name).effects.extend(effects.drain(..));
            if ends {
                return;
            }
        }
    }

    /// A core that stops found what must never happen.
    fn check_cores(&self, index: NodeIndex) -> Result<(), Violation> {
        let running = self.nodes[index].running.as_ref();
        let failure = running.and_then(|running| running.cores.commit.failure());
        match failure {
            Some(failure) if self.plan.is_honest(index) => {
                let check = match failure {
                    commit::Failure::Fork(_) => Check::Agreement,
                    commit::Failure::Source(_)
                    | commit::Failure::State(_)
                    | commit::Failure::History(_)
                    | commit::Failure::MissingBlock(_) => Check::Failure,
                };
                Err(Violation::new(
                    check,
                    format!("node {index} halted: {failure}"),
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn begin_write(&mut self, index: NodeIndex, name: WorkerName) {
        let node = &self.nodes[index];
        let life = node.life;
        let delay = node.disk.latency(self.now, &mut self.random);
        self.after(
            delay,
            Event::Written {
                node: index,
                life,
                worker: name,
            },
        );
    }

    /// A write reaches the disk.
    pub(super) fn written(
        &mut self,
        index: NodeIndex,
        life: u64,
        name: WorkerName,
    ) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let Some(running) = node.running.as_mut().filter(|_| node.life == life) else {
            return Ok(());
        };
        if node.doom == Some(Doom::BeforeWrite) {
            self.kill(index, Fault::CrashBeforeWrite);
            return Ok(());
        }
        let Some(batch) = running.worker(name).writing.take() else {
            return Ok(());
        };
        for record in &batch.submission {
            if let submission::Record::Pending(transaction) = record {
                self.promises
                    .signed(index, transaction.id(&self.plan.network), transaction);
            }
        }
        let now = self.now;
        for record in &batch.documents {
            if let documents::Record::Quarantine(entry) = record {
                let documents::QuarantineEntry {
                    document,
                    change,
                    reason,
                    ..
                } = entry;
                let text = format_args!("n{index} puts {change:?} of {document:?} aside: {reason}");
                self.trace.line(now, text);
            }
        }
        if let Err(error) = node.disk.write(&running.store, &batch) {
            if matches!(node.doom, Some(Doom::InWrite(_))) {
                self.kill(index, Fault::CrashInWrite);
                return Ok(());
            }
            let what = format!("node {index} cannot write: {error}");
            return Err(Violation::new(Check::Failure, what));
        }
        if node.doom == Some(Doom::AfterWrite) {
            self.kill(index, Fault::CrashAfterWrite);
            return Ok(());
        }
        self.advance(index, name)
    }

    fn count_down(&mut self, index: NodeIndex) {
        match self.nodes[index].doom {
            Some(Doom::Effects(0)) => self.kill(index, Fault::Crash),
            Some(Doom::Effects(left)) => self.nodes[index].doom = Some(Doom::Effects(left - 1)),
            Some(Doom::BeforeWrite | Doom::InWrite(_) | Doom::AfterWrite) | None => {}
        }
    }

    fn wake_at(&mut self, index: NodeIndex, name: WorkerName, at: Duration) {
        let life = self.nodes[index].life;
        let Some(running) = self.nodes[index].running.as_mut() else {
            return;
        };
        let worker = running.worker(name);
        if worker.wake.is_none_or(|wake| at < wake) {
            worker.wake = Some(at);
            self.queue.push(
                at,
                Event::Wake {
                    node: index,
                    life,
                    worker: name,
                },
            );
        }
    }

    /// A worker is woken.
    pub(super) fn woken(
        &mut self,
        index: NodeIndex,
        life: u64,
        name: WorkerName,
    ) -> Result<(), Violation> {
        if self.nodes[index].life != life {
            return Ok(());
        }
        if let Some(running) = self.nodes[index].running.as_mut() {
            let worker = running.worker(name);
            if worker.wake.is_some_and(|wake| wake <= self.now) {
                worker.wake = None;
            }
        }
        self.advance(index, name)
    }

    /// Hands an input to a worker.
    pub(super) fn hand(
        &mut self,
        index: NodeIndex,
        name: WorkerName,
        input: Input,
    ) -> Result<(), Violation> {
        let Some(running) = self.nodes[index].running.as_mut() else {
            return Ok(());
        };
        running.worker(name).inbox.push_back(input);
        self.advance(index, name)
    }
}

/// Gives a gossip message, of a forwarder and a publisher, to its core; says whether it is passed
/// on, as the node does.
fn hear(
    cores: &mut Cores,
    now: Now,
    (forwarder, publisher): (PeerId, PeerId),
    gossip: &Gossip,
) -> (Vec<Effect>, bool) {
    let effects: Vec<Effect> = match gossip.clone() {
        Gossip::Final(announcement) => {
            let input = commit::Input::Announced {
                from: forwarder,
                announcement,
            };
            let effects = cores.commit.handle(now, input);
            effects.into_iter().map(Effect::Commit).collect()
        }
        Gossip::Documents(_, announcement) => {
            let input = documents::Input::Announced {
                from: publisher,
                announcement,
            };
            let effects = cores.documents.handle(now, input);
            effects.into_iter().map(Effect::Documents).collect()
        }
    };
    let goes_on = match gossip {
        Gossip::Final(_) => cores.commit.passes_on(),
        Gossip::Documents(..) => true,
    };
    let passes = goes_on && !effects.iter().any(is_blame);
    (effects, passes)
}

/// Whether an effect blames a peer.
fn is_blame(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Commit(commit::Effect::Penalize { .. })
            | Effect::Documents(documents::Effect::Penalize { .. })
    )
}
