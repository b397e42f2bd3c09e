//! Messages, requests, gossip and connections between nodes.

use std::time::Duration;

use decube_protocols::commit::{self, ConsensusMessage, RequestFailure};
use decube_protocols::types::{PeerId, RequestId};
use decube_protocols::{documents, submission};

use super::{Event, World};
use crate::sim::faults::Fault;
use crate::sim::message::{Answer, Encoded, Gossip, Question};
use crate::sim::node::{Asked, Asker, Input, Origin, Outstanding, Running, WorkerName};
use crate::sim::oracle::Violation;
use crate::sim::plan::NodeIndex;

/// How long a request waits for its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

type Done = Result<(), Violation>;

impl World {
    /// Hands an input to a worker behind all that happens at this moment already.
    pub(super) fn hand_later(&mut self, index: NodeIndex, worker: WorkerName, input: Input) {
        let life = self.nodes[index].life;
        let Some(running) = self.nodes[index].running.as_mut() else {
            return;
        };
        running.worker(worker).inbox.push_back(input);
        self.queue.push(
            self.now,
            Event::Wake {
                node: index,
                life,
                worker,
            },
        );
    }

    fn encoded<T: Encoded>(&self, message: T) -> Result<T, Violation> {
        if self.plan.encoded {
            message.recode()
        } else {
            Ok(message)
        }
    }

    /// Puts a consensus message on the stream to `to`.
    pub(super) fn transmit(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        message: ConsensusMessage,
    ) -> Done {
        if !self.links.is_up(from, to) {
            return Ok(());
        }
        let message = self.encoded(message)?;
        let generation = self.links.generation(from, to);
        let (random, counts) = (&mut self.random, &mut self.counts);
        for at in self.links.stream(from, to, self.now, random, counts) {
            let message = message.clone();
            self.queue.push(
                at,
                Event::Message {
                    from,
                    to,
                    generation,
                    message,
                },
            );
        }
        Ok(())
    }

    pub(super) fn message_arrives(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        generation: u64,
        message: ConsensusMessage,
    ) -> Done {
        if !self.links.arrives(from, to, generation) {
            return Ok(());
        }
        self.log(format_args!("n{from} -> n{to} {}", Short(&message)));
        if let Some(behaviour) = &mut self.nodes[to].behaviour {
            behaviour.hear(&message);
        }
        let from = self.plan.keys[from].id;
        let input = Input::Commit(commit::Input::Message { from, message });
        self.hand(to, WorkerName::Consensus, input)
    }

    /// Sends a request; its failure comes back when it cannot be sent.
    pub(super) fn ask(
        &mut self,
        from: NodeIndex,
        worker: WorkerName,
        to: PeerId,
        origin: Origin,
        id: RequestId,
        question: Question,
    ) -> Done {
        let to_node = self
            .plan
            .node(&to)
            .filter(|peer| self.links.is_up(from, *peer));
        let life = self.nodes[from].life;
        let Some(running) = self.nodes[from].running.as_mut() else {
            return Ok(());
        };
        let Some(peer) = to_node else {
            let outstanding = Outstanding {
                to: from,
                origin,
                id,
            };
            let failure = Err(RequestFailure::NotConnected);
            let (_, input) = Running::response(&outstanding, to, failure);
            self.hand_later(from, worker, input);
            return Ok(());
        };
        let token = running.number();
        running.outstanding.insert(
            token,
            Outstanding {
                to: peer,
                origin,
                id,
            },
        );
        self.after(
            REQUEST_TIMEOUT,
            Event::RequestDue {
                node: from,
                life,
                token,
            },
        );
        let question = self.encoded(question)?;
        let generation = self.links.generation(from, peer);
        let (random, counts) = (&mut self.random, &mut self.counts);
        if let Some(at) = self.links.single(from, peer, self.now, random, counts) {
            let asked = Asked {
                from,
                life,
                token,
                question,
            };
            self.queue.push(
                at,
                Event::Request {
                    to: peer,
                    generation,
                    asked,
                },
            );
        }
        Ok(())
    }

    pub(super) fn request_arrives(&mut self, to: NodeIndex, generation: u64, asked: Asked) -> Done {
        let Asked {
            from,
            life,
            token,
            question,
        } = asked;
        if !self.links.arrives(from, to, generation) {
            return Ok(());
        }
        self.log(format_args!("n{from} -> n{to} asks {token} {question}"));
        let peer = self.plan.keys[from].id;
        let Some(running) = self.nodes[to].running.as_mut() else {
            return Ok(());
        };
        let id = running.open(Asker::Peer {
            node: from,
            life,
            token,
            generation,
        });
        let (worker, input) = match question {
            Question::Chain(request) => {
                let input = commit::Input::Request {
                    from: peer,
                    id,
                    request,
                };
                (WorkerName::Consensus, Input::Commit(input))
            }
            Question::Transactions(transactions) => {
                let input = commit::Input::Transactions {
                    from: peer,
                    id,
                    transactions,
                };
                (WorkerName::Consensus, Input::Commit(input))
            }
            Question::Sync(request) => {
                let input = documents::Input::Request {
                    from: peer,
                    id,
                    request,
                };
                (WorkerName::Documents, Input::Documents(input))
            }
        };
        self.hand(to, worker, input)
    }

    /// Sends the answer to a request of another node.
    pub(super) fn respond(&mut self, from: NodeIndex, asker: Asker, answer: Answer) -> Done {
        let Asker::Peer {
            node: to,
            life,
            token,
            generation,
        } = asker
        else {
            return Ok(());
        };
        if !self.links.arrives(to, from, generation) {
            return Ok(());
        }
        let answer = self.encoded(answer)?;
        let (random, counts) = (&mut self.random, &mut self.counts);
        if let Some(at) = self.links.single(from, to, self.now, random, counts) {
            let event = Event::Response {
                from,
                to,
                life,
                token,
                generation,
                answer,
            };
            self.queue.push(at, event);
        }
        Ok(())
    }

    pub(super) fn response_arrives(
        &mut self,
        to: NodeIndex,
        life: u64,
        token: u64,
        result: Result<Answer, RequestFailure>,
    ) -> Done {
        let node = &mut self.nodes[to];
        let Some(running) = node.running.as_mut().filter(|_| node.life == life) else {
            return Ok(());
        };
        let Some(outstanding) = running.outstanding.remove(&token) else {
            return Ok(());
        };
        match &result {
            Ok(answer) => {
                self.log(format_args!(
                    "n{} -> n{to} answers {token} {answer}",
                    outstanding.to
                ));
            }
            Err(failure) => self.log(format_args!("n{to} has no answer to {token}: {failure}")),
        }
        let from = self.plan.keys[outstanding.to].id;
        let (worker, input) = Running::response(&outstanding, from, result);
        self.hand(to, worker, input)
    }

    pub(super) fn request_due(&mut self, node: NodeIndex, life: u64, token: u64) -> Done {
        let waiting = self.nodes[node]
            .running
            .as_ref()
            .filter(|_| self.nodes[node].life == life);
        if waiting.is_some_and(|running| running.outstanding.contains_key(&token)) {
            self.counts.count(Fault::RequestTimeout);
        }
        self.response_arrives(node, life, token, Err(RequestFailure::TimedOut))
    }

    /// Publishes a message of this node.
    pub(super) fn publish(&mut self, from: NodeIndex, gossip: Gossip) -> Done {
        let gossip = self.encoded(gossip)?;
        self.next_gossip += 1;
        let id = self.next_gossip;
        if let Some(running) = self.nodes[from].running.as_mut() {
            running.seen.insert(id);
        }
        self.spread(from, None, from, id, &gossip)
    }

    /// Passes a gossip message to all neighbours but the one that it came from.
    pub(super) fn spread(
        &mut self,
        from: NodeIndex,
        back: Option<NodeIndex>,
        source: NodeIndex,
        id: u64,
        gossip: &Gossip,
    ) -> Done {
        for to in (0..self.nodes.len()).filter(|to| *to != from && Some(*to) != back) {
            if to == source || !self.links.is_up(from, to) {
                continue;
            }
            let (random, counts) = (&mut self.random, &mut self.counts);
            let arrivals = self.links.gossip(from, to, self.now, random, counts);
            for (copy, at) in arrivals.into_iter().enumerate() {
                let (again, gossip) = (copy > 0, gossip.clone());
                self.queue.push(
                    at,
                    Event::Gossip {
                        from,
                        to,
                        source,
                        id,
                        again,
                        gossip,
                    },
                );
            }
        }
        Ok(())
    }

    pub(super) fn gossip_arrives(
        &mut self,
        from: NodeIndex,
        to: NodeIndex,
        source: NodeIndex,
        id: u64,
        again: bool,
        gossip: Gossip,
    ) -> Done {
        if !self.links.is_up(to, from) {
            return Ok(());
        }
        let Some(running) = self.nodes[to].running.as_mut() else {
            return Ok(());
        };
        let worker = match &gossip {
            Gossip::Final(_) => WorkerName::Consensus,
            // Only who knows the collection listens to its topic.
            Gossip::Documents(collection, _) if !running.topics.contains(collection) => {
                return Ok(());
            }
            Gossip::Documents(..) => WorkerName::Documents,
        };
        let known = !running.seen.insert(id);
        if known && !again {
            return Ok(());
        }
        self.log(format_args!("n{source} => n{to} by n{from} {id} {gossip}"));
        self.hand(
            to,
            worker,
            Input::Gossip {
                id,
                from,
                source,
                gossip,
            },
        )
    }

    /// Lets two nodes dial each other before long.
    pub(super) fn dial_later(&mut self, node: NodeIndex, peer: NodeIndex) {
        if self.links.dial(node, peer) {
            let delay = self.random.millis(5, 400);
            self.after(delay, Event::Dial(node, peer));
        }
    }

    pub(super) fn dialed(&mut self, node: NodeIndex, peer: NodeIndex) -> Done {
        let running = |node: NodeIndex| self.nodes[node].running.is_some();
        let both = running(node) && running(peer);
        if self.links.is_up(node, peer) && self.links.is_up(peer, node) {
            self.links.gave_up(node, peer);
            return Ok(());
        }
        if !both || self.links.is_blocked(node, peer) {
            self.links.gave_up(node, peer);
            if both {
                self.dial_later(node, peer);
            }
            return Ok(());
        }
        // An end that has not noticed yet that the old connection is gone does so now.
        self.disconnected(node, peer)?;
        self.disconnected(peer, node)?;
        self.links.connect(node, peer);
        self.log(format_args!("n{node} - n{peer} connected"));
        self.tell(node, peer, true)?;
        self.tell(peer, node, true)
    }

    fn tell(&mut self, node: NodeIndex, peer: NodeIndex, connected: bool) -> Done {
        let peer = self.plan.keys[peer].id;
        let (commit, submission, documents) = if connected {
            (
                commit::Input::Connected(peer),
                submission::Input::Connected(peer),
                documents::Input::Connected(peer),
            )
        } else {
            (
                commit::Input::Disconnected(peer),
                submission::Input::Disconnected(peer),
                documents::Input::Disconnected(peer),
            )
        };
        self.hand(node, WorkerName::Consensus, Input::Commit(commit))?;
        self.hand(node, WorkerName::Consensus, Input::Submission(submission))?;
        self.hand(node, WorkerName::Documents, Input::Documents(documents))
    }

    /// `node` learns that its connection to `peer` is gone: its requests there have failed.
    pub(super) fn disconnected(&mut self, node: NodeIndex, peer: NodeIndex) -> Done {
        if !self.links.close(node, peer) {
            return Ok(());
        }
        self.log(format_args!("n{node} lost n{peer}"));
        let life = self.nodes[node].life;
        let failed: Vec<u64> = match &self.nodes[node].running {
            Some(running) => {
                let failed = running
                    .outstanding
                    .iter()
                    .filter(|(_, asked)| asked.to == peer);
                failed.map(|(token, _)| *token).collect()
            }
            None => return Ok(()),
        };
        for token in failed {
            self.response_arrives(node, life, token, Err(RequestFailure::Broken))?;
        }
        self.tell(node, peer, false)
    }

    /// A node looks whether a connection still works.
    pub(super) fn notice(&mut self, node: NodeIndex, peer: NodeIndex, generation: u64) -> Done {
        let same = self.links.generation(node, peer) == generation;
        if same && self.links.is_up(node, peer) && self.links.is_broken(node, peer) {
            self.disconnected(node, peer)?;
            let delay = self.random.millis(1, 1_500);
            self.after(
                delay,
                Event::Notice {
                    node: peer,
                    peer: node,
                    generation,
                },
            );
        }
        self.dial_later(node, peer);
        Ok(())
    }
}

/// A consensus message in a line of the trace.
struct Short<'a>(&'a ConsensusMessage);

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ConsensusMessage::Proposal(proposal) => {
                let block = &proposal.block;
                let (view, height) = (proposal.view, block.header.height);
                write!(
                    f,
                    "proposal of view {view} height {height} on view {} {:?} with {}",
                    proposal.parent_view,
                    block.id(),
                    block.transactions.len()
                )
            }
            ConsensusMessage::Vote { vote, repeated } => {
                let again = if *repeated { " again" } else { "" };
                write!(
                    f,
                    "{}: view {} {:?}{again}",
                    vote.signer, vote.view, vote.statement
                )
            }
            ConsensusMessage::Certificate(certificate) => {
                write!(
                    f,
                    "certificate of view {} {:?}",
                    certificate.view, certificate.statement
                )
            }
            ConsensusMessage::Transactions(transactions) => {
                write!(f, "{} transactions", transactions.len())
            }
        }
    }
}
