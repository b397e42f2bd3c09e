//! What the effects of a node's cores do to the world.

use decube_protocols::commit::{self, ChainResponse, ConsensusMessage};
use decube_protocols::documents::{self, SyncRequest};
use decube_protocols::submission;
use decube_protocols::types::{CollectionId, RequestId};

use super::World;
use crate::sim::byzantine::Context;
use crate::sim::message::{Answer, Gossip, Question};
use crate::sim::node::{Asker, Effect, Input, Origin, WorkerName};
use crate::sim::oracle::chain::FinalBlock;
use crate::sim::oracle::{Check, Violation};
use crate::sim::plan::NodeIndex;

type Done = Result<(), Violation>;

impl World {
    /// Performs one effect of a node; records were taken out before.
    pub(super) fn perform(&mut self, index: NodeIndex, effect: Effect) -> Done {
        match effect {
            Effect::Commit(effect) => self.perform_commit(index, effect),
            Effect::Submission(effect) => self.perform_submission(index, effect),
            Effect::Documents(effect) => self.perform_documents(index, effect),
            Effect::Forward {
                id,
                from,
                source,
                gossip,
            } => self.spread(index, Some(from), source, id, &gossip),
        }
    }

    fn perform_commit(&mut self, index: NodeIndex, effect: commit::Effect) -> Done {
        match effect {
            commit::Effect::Persist(_) => Ok(()),
            commit::Effect::Send { to, message } => match self.plan.node(&to) {
                Some(to) => self.say(index, to, message),
                None => Ok(()),
            },
            commit::Effect::Broadcast(message) => {
                let voters = self.plan.validators.validators().len();
                (0..voters)
                    .filter(|to| *to != index)
                    .try_for_each(|to| self.say(index, to, message.clone()))
            }
            commit::Effect::Request { to, id, request } => {
                let question = Question::Chain(request);
                self.ask(
                    index,
                    WorkerName::Consensus,
                    to,
                    Origin::Commit,
                    id,
                    question,
                )
            }
            commit::Effect::Respond { id, response } => self.respond_chain(index, id, response),
            commit::Effect::RespondTransactions { id, results } => {
                let Some(running) = self.nodes[index].running.as_mut() else {
                    return Ok(());
                };
                match running.answered(id) {
                    Some(Asker::Own(id)) => {
                        let result = Answer::Transactions(results).into_transaction();
                        let from = self.plan.keys[index].id;
                        self.submission_gets(
                            index,
                            submission::Input::Transaction { id, from, result },
                        );
                        Ok(())
                    }
                    Some(asker) => self.respond(index, asker, Answer::Transactions(results)),
                    None => Ok(()),
                }
            }
            commit::Effect::Publish(mut announcement) => {
                let (random, counts) = (&mut self.random, &mut self.counts);
                if let Some(behaviour) = &mut self.nodes[index].behaviour {
                    behaviour.publish(&mut Context { random, counts }, &mut announcement);
                }
                let honest = self.plan.is_honest(index);
                self.votes.announcement(index, honest, &announcement)?;
                self.publish(index, Gossip::Final(announcement))
            }
            commit::Effect::Notify(event) => self.notified(index, event),
            commit::Effect::Penalize { peer, offence } => {
                let blamed = self.plan.node(&peer);
                self.blame(index, blamed, &format!("{offence:?}"))
            }
        }
    }

    /// An honest node never blames another honest one.
    fn blame(&mut self, index: NodeIndex, blamed: Option<NodeIndex>, reason: &str) -> Done {
        self.log(format_args!("n{index} blames {blamed:?}: {reason}"));
        match blamed {
            Some(blamed) if self.plan.is_honest(index) && self.plan.is_honest(blamed) => {
                let what = format!("node {index} blames honest node {blamed}: {reason}");
                Err(Violation::new(Check::Blame, what))
            }
            _ => Ok(()),
        }
    }

    /// A consensus message leaves a node, or what a Byzantine one makes of it.
    fn say(&mut self, index: NodeIndex, to: NodeIndex, message: ConsensusMessage) -> Done {
        let mut context = Context {
            random: &mut self.random,
            counts: &mut self.counts,
        };
        let messages = match &mut self.nodes[index].behaviour {
            Some(behaviour) => behaviour.send(&mut context, to, message),
            None => vec![message],
        };
        let honest = self.plan.is_honest(index);
        for message in messages {
            self.votes.message(index, honest, &message)?;
            self.transmit(index, to, message)?;
        }
        Ok(())
    }

    fn respond_chain(&mut self, index: NodeIndex, id: RequestId, response: ChainResponse) -> Done {
        let Some(running) = self.nodes[index].running.as_mut() else {
            return Ok(());
        };
        let Some(asker) = running.answered(id) else {
            return Ok(());
        };
        let mut context = Context {
            random: &mut self.random,
            counts: &mut self.counts,
        };
        let response = match &mut self.nodes[index].behaviour {
            Some(behaviour) => behaviour.respond(&mut context, response),
            None => Some(response),
        };
        let Some(response) = response else {
            return Ok(());
        };
        self.votes
            .response(index, self.plan.is_honest(index), &response)?;
        self.respond(index, asker, Answer::Chain(response))
    }

    fn notified(&mut self, index: NodeIndex, event: commit::Event) -> Done {
        match &event {
            commit::Event::Final {
                header,
                outcomes,
                committed,
                collections,
            } => {
                let height = header.height;
                self.log(format_args!(
                    "n{index} final {height} view {} block {:?} with {} transactions",
                    header.view,
                    header.id(),
                    outcomes.len()
                ));
                if self.plan.is_honest(index) {
                    let block = FinalBlock {
                        header: (**header).clone(),
                        outcomes: outcomes.clone(),
                        committed: committed.clone(),
                        by: index,
                    };
                    self.chain.report(index, block)?;
                }
                self.documents_get(index, documents::Input::Final(height));
                for collection in collections {
                    let id = CollectionId::of(&self.plan.network, collection.name.as_str());
                    if self.plan.is_honest(index) {
                        self.collections.entry(id).or_insert(height);
                    }
                    if let Some(running) = self.nodes[index].running.as_mut() {
                        running.topics.insert(id);
                    }
                    self.documents_get(index, documents::Input::Collection(id));
                }
            }
            commit::Event::Entered { view } => {
                self.log(format_args!("n{index} enters view {view}"));
            }
            commit::Event::CaughtUp { height } => {
                self.log(format_args!("n{index} caught up at {height}"));
            }
            commit::Event::Behind { height, target } => {
                self.log(format_args!("n{index} is at {height}, behind {target}"));
            }
            commit::Event::Evidence { first, second } => {
                self.log(format_args!("n{index} has evidence {first:?} {second:?}"));
                let signer = usize::from(first.signer.0);
                if self.plan.is_honest(index) && self.plan.is_honest(signer) {
                    let what = format!("node {index} has evidence against honest node {signer}");
                    return Err(Violation::new(Check::DoubleVote, what));
                }
            }
        }
        self.submission_gets(index, submission::Input::Chain(event));
        Ok(())
    }

    fn perform_submission(&mut self, index: NodeIndex, effect: submission::Effect) -> Done {
        match effect {
            submission::Effect::Persist(_) => Ok(()),
            submission::Effect::RequestReceipts { to, id, requests } => {
                let request = SyncRequest::Receipts(requests);
                if to == self.plan.keys[index].id {
                    let Some(running) = self.nodes[index].running.as_mut() else {
                        return Ok(());
                    };
                    let id = running.open(Asker::Own(id));
                    let input = documents::Input::Request {
                        from: to,
                        id,
                        request,
                    };
                    self.documents_get(index, input);
                    return Ok(());
                }
                let question = Question::Sync(request);
                self.ask(
                    index,
                    WorkerName::Consensus,
                    to,
                    Origin::Receipts,
                    id,
                    question,
                )
            }
            submission::Effect::RequestTransaction {
                to,
                id,
                transaction,
            } => {
                let transactions = vec![*transaction];
                if to == self.plan.keys[index].id {
                    let now = self.nodes[index].clock.read(self.now);
                    let Some(running) = self.nodes[index].running.as_mut() else {
                        return Ok(());
                    };
                    let id = running.open(Asker::Own(id));
                    let input = commit::Input::Transactions {
                        from: to,
                        id,
                        transactions,
                    };
                    let effects = running.cores.commit.handle(now, input);
                    let worker = running.worker(WorkerName::Consensus);
                    worker
                        .effects
                        .extend(effects.into_iter().map(Effect::Commit));
                    return Ok(());
                }
                let question = Question::Transactions(transactions);
                self.ask(
                    index,
                    WorkerName::Consensus,
                    to,
                    Origin::Transaction,
                    id,
                    question,
                )
            }
            submission::Effect::Report { id, progress } => {
                self.log(format_args!("n{index} reports {id} {progress:?}"));
                if self.plan.is_honest(index) {
                    self.promises.progress(index, &progress)?;
                }
                Ok(())
            }
        }
    }

    fn perform_documents(&mut self, index: NodeIndex, effect: documents::Effect) -> Done {
        match effect {
            documents::Effect::Persist(_) => Ok(()),
            documents::Effect::Publish {
                collection,
                announcement,
            } => self.publish(index, Gossip::Documents(collection, announcement)),
            documents::Effect::Request { to, id, request } => {
                let question = Question::Sync(request);
                self.ask(
                    index,
                    WorkerName::Documents,
                    to,
                    Origin::Documents,
                    id,
                    question,
                )
            }
            documents::Effect::Respond { id, response } => {
                let Some(running) = self.nodes[index].running.as_mut() else {
                    return Ok(());
                };
                match running.answered(id) {
                    Some(Asker::Own(id)) => {
                        let result = Answer::Sync(response).into_receipts();
                        let from = self.plan.keys[index].id;
                        let input = submission::Input::Receipts { id, from, result };
                        let consensus = WorkerName::Consensus;
                        self.hand_later(index, consensus, Input::Submission(input));
                        Ok(())
                    }
                    Some(asker) => self.respond(index, asker, Answer::Sync(response)),
                    None => Ok(()),
                }
            }
            documents::Effect::Reply { id, result } => self.replied(index, id, result),
            documents::Effect::Penalize { peer, reason } => {
                let blamed = self.plan.node(&peer);
                self.blame(index, blamed, reason)
            }
        }
    }

    fn submission_gets(&mut self, index: NodeIndex, input: submission::Input) {
        let now = self.nodes[index].clock.read(self.now);
        let Some(running) = self.nodes[index].running.as_mut() else {
            return;
        };
        let effects = running.cores.submission.handle(now, input);
        let worker = running.worker(WorkerName::Consensus);
        worker
            .effects
            .extend(effects.into_iter().map(Effect::Submission));
    }

    fn documents_get(&mut self, index: NodeIndex, input: documents::Input) {
        self.hand_later(index, WorkerName::Documents, Input::Documents(input));
    }
}
