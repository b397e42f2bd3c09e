//! Tables of the rules: one core, and messages made by hand with everyone's keys.

use std::time::Duration;

use super::super::io::{
    ChainRequest, ChainResponse, ConsensusMessage, Effect, Event, FinalAnnouncement, FinalRange,
    Input, Offence, Record, Restored,
};
use super::super::{Config, Core};
use super::disk::Disk;
use super::net::{DELTA, Faults, Net, genesis, id, transaction, vote_key};
use crate::types::{
    Block, BlockId, Certificate, Epoch, Header, Height, NetworkId, Now, PeerId, Proposal,
    RequestId, Statement, Subject, Timestamp, ValidatorIndex, View, Vote,
};

const START: u64 = 1_700_000_001_000;
const EPOCH: Epoch = Epoch(0);

/// One validator, and the keys of all.
pub(super) struct Bench {
    pub(super) core: Core<Disk>,
    /// Another core at the same point, to build blocks with.
    builder: Core<Disk>,
    pub(super) network: NetworkId,
    pub(super) me: usize,
}

pub(super) fn index(validator: usize) -> ValidatorIndex {
    ValidatorIndex(u16::try_from(validator).unwrap())
}

pub(super) fn at(milliseconds: u64) -> Now {
    let monotonic = Duration::from_millis(milliseconds);
    Now {
        monotonic,
        wall: Timestamp(START + milliseconds),
    }
}

pub(super) fn leader(view: u64) -> usize {
    usize::from(genesis(4).validator_set().leader(View(view)).0)
}

impl Bench {
    /// A validator that does not lead the first view, and has a pending transaction.
    pub(super) fn new() -> Self {
        let me = (leader(1) + 1) % 4;
        let start = |key| {
            let config = Config::new(genesis(4), id(me), key);
            Core::new(config, Disk::default(), Restored::default(), at(0))
                .unwrap()
                .0
        };
        let (core, builder) = (start(Some(vote_key(me))), start(None));
        let network = genesis(4).network_id();
        let mut bench = Self {
            core,
            builder,
            network,
            me,
        };
        let transactions = vec![transaction(&network, 200, 1)];
        let wish = Input::Transactions {
            from: id(me),
            id: RequestId(0),
            transactions,
        };
        bench.core.handle(at(0), wish);
        bench
    }

    /// A valid block on the genesis.
    pub(super) fn block(&mut self, view: u64, time: u64) -> Block {
        let parent = self.builder.final_header().id();
        let time = Timestamp(START + time);
        self.builder
            .chain
            .build(&parent, View(view), time, Vec::new())
            .unwrap()
            .unwrap()
    }

    pub(super) fn proposal(&self, block: Block, signer: usize) -> Proposal {
        let view = block.header.view;
        let subject = Subject {
            parent_view: View(0),
            block: block.id(),
        };
        let signed = Proposal::to_sign(&self.network, EPOCH, view, &subject);
        let signature = vote_key(signer).sign(&signed);
        Proposal {
            epoch: EPOCH,
            view,
            parent_view: View(0),
            block,
            signature,
        }
    }

    pub(super) fn vote(&self, signer: usize, view: u64, statement: Statement) -> Vote {
        let view = View(view);
        let signed = statement.to_sign(&self.network, EPOCH, view);
        let signature = vote_key(signer).sign(&signed);
        Vote {
            epoch: EPOCH,
            view,
            statement,
            signer: index(signer),
            signature,
        }
    }

    /// A certificate by all validators but the one tested.
    pub(super) fn certificate(&self, view: u64, statement: Statement) -> Certificate {
        let others = (0..4).filter(|signer| *signer != self.me);
        let signed = others.map(|signer| self.vote(signer, view, statement));
        let signatures = signed.map(|vote| (vote.signer, vote.signature)).collect();
        Certificate {
            epoch: EPOCH,
            view: View(view),
            statement,
            signatures,
        }
    }

    pub(super) fn hear(&mut self, now: u64, from: usize, message: ConsensusMessage) -> Vec<Effect> {
        self.core.handle(
            at(now),
            Input::Message {
                from: id(from),
                message,
            },
        )
    }

    pub(super) fn propose(&mut self, now: u64, proposal: &Proposal) -> Vec<Effect> {
        let from = leader(proposal.view.0);
        self.hear(now, from, ConsensusMessage::Proposal(proposal.clone()))
    }

    pub(super) fn certify(&mut self, now: u64, certificate: &Certificate) -> Vec<Effect> {
        let from = (self.me + 1) % 4;
        self.hear(
            now,
            from,
            ConsensusMessage::Certificate(certificate.clone()),
        )
    }
}

/// What was voted, in order.
pub(super) fn votes(effects: &[Effect]) -> Vec<(View, Statement)> {
    let voted = |effect: &Effect| match effect {
        Effect::Broadcast(ConsensusMessage::Vote {
            vote,
            repeated: false,
        }) => Some((vote.view, vote.statement)),
        _ => None,
    };
    effects.iter().filter_map(voted).collect()
}

pub(super) fn offences(effects: &[Effect]) -> Vec<(PeerId, Offence)> {
    let offence = |effect: &Effect| match effect {
        Effect::Penalize { peer, offence } => Some((*peer, *offence)),
        _ => None,
    };
    effects.iter().filter_map(offence).collect()
}

pub(super) fn requests(effects: &[Effect]) -> Vec<(PeerId, RequestId, ChainRequest)> {
    let request = |effect: &Effect| match effect {
        Effect::Request { to, id, request } => Some((*to, *id, request.clone())),
        _ => None,
    };
    effects.iter().filter_map(request).collect()
}

pub(super) fn finals(effects: &[Effect]) -> Vec<BlockId> {
    let block = |effect: &Effect| match effect {
        Effect::Persist(Record::Final(record)) => Some(record.block.block.id()),
        _ => None,
    };
    effects.iter().filter_map(block).collect()
}

#[test]
fn a_valid_proposal_is_notarized_once_and_a_notarization_finalized() {
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let proposal = bench.proposal(block, leader(1));
    let subject = proposal.subject();
    let effects = bench.propose(10, &proposal);
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Notarize(subject))]
    );
    assert_eq!(votes(&bench.propose(11, &proposal)), vec![], "heard again");
    let notarization = bench.certificate(1, Statement::Notarize(subject));
    let effects = bench.certify(20, &notarization);
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Finalize(subject))]
    );
    assert_eq!(bench.core.view(), View(2));
    let finalization = bench.certificate(1, Statement::Finalize(subject));
    assert_eq!(
        finals(&bench.certify(30, &finalization)),
        vec![subject.block]
    );
    assert_eq!(bench.core.final_height(), Height(1));
}

#[test]
fn after_nullifying_nothing_of_the_view_is_notarized_or_finalized() {
    let mut bench = Bench::new();
    let effects = bench.core.handle_timeout(at(2 * DELTA));
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Nullify)],
        "no proposal came"
    );
    let block = bench.block(1, 5);
    let proposal = bench.proposal(block, leader(1));
    let subject = proposal.subject();
    assert_eq!(votes(&bench.propose(2 * DELTA + 1, &proposal)), vec![]);
    let notarization = bench.certificate(1, Statement::Notarize(subject));
    let voted = votes(&bench.certify(2 * DELTA + 2, &notarization));
    assert!(
        !voted.contains(&(View(1), Statement::Finalize(subject))),
        "{voted:?}"
    );
    assert_eq!(bench.core.view(), View(2));
}

#[test]
fn a_notarized_block_that_gets_no_certificate_is_given_up_but_a_finalized_one_is_not() {
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let proposal = bench.proposal(block, leader(1));
    bench.propose(10, &proposal);
    assert_eq!(
        votes(&bench.core.handle_timeout(at(2 * DELTA))),
        vec![],
        "the proposal came"
    );
    let effects = bench.core.handle_timeout(at(3 * DELTA));
    assert_eq!(votes(&effects), vec![(View(1), Statement::Nullify)]);

    let mut bench = Bench::new();
    bench.propose(10, &proposal);
    let notarization = bench.certificate(1, Statement::Notarize(proposal.subject()));
    bench.certify(20, &notarization);
    let late = votes(&bench.core.handle_timeout(at(3 * DELTA)));
    assert!(!late.contains(&(View(1), Statement::Nullify)), "{late:?}");
}

#[test]
fn others_giving_up_is_no_reason_but_the_leader_giving_up_is() {
    let mut bench = Bench::new();
    let followers: Vec<_> = (0..4)
        .filter(|it| *it != bench.me && *it != leader(1))
        .collect();
    for from in followers {
        let vote = bench.vote(from, 1, Statement::Nullify);
        let effects = bench.hear(
            10,
            from,
            ConsensusMessage::Vote {
                vote,
                repeated: false,
            },
        );
        assert_eq!(votes(&effects), vec![]);
    }
    let vote = bench.vote(leader(1), 1, Statement::Nullify);
    let effects = bench.hear(
        11,
        leader(1),
        ConsensusMessage::Vote {
            vote,
            repeated: false,
        },
    );
    assert_eq!(bench.core.view(), View(2), "three nullify it");
    assert_eq!(votes(&effects), vec![]);
    let mut bench = Bench::new();
    let vote = bench.vote(leader(1), 1, Statement::Nullify);
    let effects = bench.hear(
        11,
        leader(1),
        ConsensusMessage::Vote {
            vote,
            repeated: false,
        },
    );
    assert_eq!(votes(&effects), vec![(View(1), Statement::Nullify)]);
}

#[test]
fn what_is_wrong_is_given_up_at_once_and_what_is_missing_is_fetched() {
    type Change = fn(&mut Header);
    let wrong: [(&str, Change); 6] = [
        ("height", |header| header.height = Height(2)),
        ("state", |header| header.state_root = header.history_root),
        ("transactions", |header| {
            header.transactions_root = header.state_root
        }),
        ("history", |header| header.history_root = header.state_root),
        ("parent", |header| {
            header.parent = BlockId(header.state_root)
        }),
        ("validators", |header| header.validators = header.state_root),
    ];
    for (name, change) in wrong {
        let mut bench = Bench::new();
        let mut block = bench.block(1, 5);
        change(&mut block.header);
        let proposal = bench.proposal(block, leader(1));
        let effects = bench.propose(10, &proposal);
        assert_eq!(
            votes(&effects),
            vec![(View(1), Statement::Nullify)],
            "{name}"
        );
    }
    // In view 2 a block on the genesis needs the nullification of view 1.
    let mut bench = Bench::new();
    bench.core.handle(at(1), Input::Connected(id(leader(2))));
    let block = bench.block(1, 5);
    let subject = bench.proposal(block, leader(1)).subject();
    bench.certify(10, &bench.certificate(1, Statement::Notarize(subject)));
    let second = bench.block(2, 6);
    let proposal = bench.proposal(second, leader(2));
    let effects = bench.propose(20, &proposal);
    assert_eq!(votes(&effects), vec![]);
    let wanted = ChainRequest::Certificates {
        epoch: EPOCH,
        view: View(1),
    };
    let asked = requests(&effects);
    let (to, id, _) = asked
        .iter()
        .find(|(_, _, request)| *request == wanted)
        .unwrap();
    let nullification = bench.certificate(1, Statement::Nullify);
    let result = Ok(ChainResponse::Certificates(vec![nullification]));
    let effects = bench.core.handle(
        at(30),
        Input::Response {
            id: *id,
            from: *to,
            result,
        },
    );
    assert_eq!(
        votes(&effects),
        vec![(View(2), Statement::Notarize(proposal.subject()))]
    );
}

#[test]
fn only_the_leader_proposes_and_only_validators_speak() {
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let other = (0..4)
        .find(|it| *it != leader(1) && *it != bench.me)
        .unwrap();
    let forged = bench.proposal(block.clone(), other);
    let from_other = bench.hear(10, other, ConsensusMessage::Proposal(forged.clone()));
    assert_eq!(
        offences(&from_other),
        vec![(id(other), Offence::Unexpected)]
    );
    let from_leader = bench.propose(10, &forged);
    assert_eq!(
        offences(&from_leader),
        vec![(id(leader(1)), Offence::BadSignature)]
    );
    let stranger = bench.hear(10, 4, ConsensusMessage::Proposal(forged));
    assert_eq!(offences(&stranger), vec![(id(4), Offence::Unexpected)]);
    // A vote that another validator signed is not its sender's.
    let vote = bench.vote(leader(1), 1, Statement::Nullify);
    let relayed = bench.hear(
        10,
        other,
        ConsensusMessage::Vote {
            vote,
            repeated: false,
        },
    );
    assert_eq!(offences(&relayed), vec![(id(other), Offence::Unexpected)]);
    assert!(votes(&relayed).is_empty());
}

/// A leader sent two blocks. Who had notarized one of them could not accept the certificate for the
/// other, and stayed behind for ever.
#[test]
fn bug_13_a_certificate_for_the_other_block_of_an_equivocating_leader() {
    let mut bench = Bench::new();
    bench
        .core
        .handle(at(1), Input::Connected(id((bench.me + 1) % 4)));
    let (mine, theirs) = (bench.block(1, 5), bench.block(1, 6));
    let (mine, theirs) = (
        bench.proposal(mine, leader(1)),
        bench.proposal(theirs, leader(1)),
    );
    let effects = bench.propose(10, &mine);
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Notarize(mine.subject()))]
    );
    let effects = bench.propose(11, &theirs);
    assert_eq!(votes(&effects), vec![], "the first proposal counts");
    assert_eq!(
        offences(&effects),
        vec![(id(leader(1)), Offence::Equivocation)]
    );
    let subject = theirs.subject();
    let effects = bench.certify(20, &bench.certificate(1, Statement::Notarize(subject)));
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Finalize(subject))]
    );
    let effects = bench.certify(30, &bench.certificate(1, Statement::Finalize(subject)));
    assert_eq!(finals(&effects), vec![], "the block is not here");
    let asked = requests(&effects);
    let (to, request, _) = asked
        .iter()
        .find(|it| it.2 == ChainRequest::Proposal(subject.block))
        .unwrap();
    let result = Ok(ChainResponse::Proposal(Some(theirs)));
    let answer = Input::Response {
        id: *request,
        from: *to,
        result,
    };
    assert_eq!(
        finals(&bench.core.handle(at(40), answer)),
        vec![subject.block]
    );
}

/// A header from the future was called invalid, so one fast clock cost every such view.
#[test]
fn bug_14_a_header_from_the_future_is_notarized_when_its_time_comes() {
    let mut bench = Bench::new();
    // The drift is 500 ms; the block is 600 ms ahead of the moment it arrives.
    let block = bench.block(1, 610);
    let proposal = bench.proposal(block, leader(1));
    assert_eq!(votes(&bench.propose(10, &proposal)), vec![]);
    assert_eq!(bench.core.poll_timeout(), Some(Duration::from_millis(110)));
    assert_eq!(votes(&bench.core.handle_timeout(at(109))), vec![]);
    let effects = bench.core.handle_timeout(at(110));
    assert_eq!(
        votes(&effects),
        vec![(View(1), Statement::Notarize(proposal.subject()))]
    );
}

/// Rule 9: who repeats a vote of a view that ended is told what ended it; a late first vote is not.
#[test]
fn repeated_votes_of_ended_views_are_answered_once_per_delay() {
    let mut bench = Bench::new();
    let nullification = bench.certificate(1, Statement::Nullify);
    bench.certify(10, &nullification);
    let from = (bench.me + 2) % 4;
    let ask = |bench: &mut Bench, now, repeated| {
        let vote = bench.vote(from, 1, Statement::Nullify);
        let effects = bench.hear(now, from, ConsensusMessage::Vote { vote, repeated });
        effects.into_iter().find_map(|effect| match effect {
            Effect::Send {
                to,
                message: ConsensusMessage::Certificate(it),
            } if to == id(from) => Some(it),
            _ => None,
        })
    };
    assert_eq!(ask(&mut bench, 20, false), None);
    assert_eq!(ask(&mut bench, 20, true), Some(nullification.clone()));
    assert_eq!(ask(&mut bench, 21, true), None);
    assert_eq!(ask(&mut bench, 20 + DELTA, true), Some(nullification));
}

/// A network of a few blocks, and what its first node serves.
pub(super) fn served() -> (Net, FinalRange) {
    let mut net = Net::new(
        4,
        5,
        Faults {
            delay: 5,
            ..Faults::default()
        },
    );
    net.run(Duration::from_millis(100));
    for nonce in 1..=5 {
        let wish = transaction(&net.network, 200, nonce);
        net.submit(0, wish);
        net.run(Duration::from_millis(60));
    }
    let clock = net.clock(0);
    let request = ChainRequest::Final {
        from: Height(1),
        max: 10,
    };
    let ask = Input::Request {
        from: id(4),
        id: RequestId(9),
        request,
    };
    let effects = net.nodes[0].core.as_mut().unwrap().handle(clock, ask);
    let range = effects.into_iter().find_map(|effect| match effect {
        Effect::Respond {
            response: ChainResponse::Final(range),
            ..
        } => Some(range),
        _ => None,
    });
    let range = range.unwrap();
    assert!(range.blocks.len() >= 3, "{} blocks", range.blocks.len());
    (net, range)
}

/// A new node that was told of `range`'s end, and asks the first node for it.
pub(super) fn joiner(range: &FinalRange) -> (Core<Disk>, RequestId, PeerId) {
    let config = Config::new(genesis(4), id(4), None);
    let (mut core, _) = Core::new(config, Disk::default(), Restored::default(), at(0)).unwrap();
    core.handle(at(0), Input::Connected(id(0)));
    let header = range.blocks.last().unwrap().header.clone();
    let finalization = range.finalization.clone().unwrap();
    let announcement = Box::new(FinalAnnouncement {
        header,
        finalization,
        transactions: None,
    });
    let effects = core.handle(
        at(1),
        Input::Announced {
            from: id(0),
            announcement,
        },
    );
    let asked = requests(&effects);
    let range = asked
        .iter()
        .find(|it| matches!(it.2, ChainRequest::Final { .. }))
        .unwrap();
    (core, range.1, range.0)
}

/// A sender declared heights for its blocks and certificates, and they were stored under those.
#[test]
fn bug_5_a_range_counts_by_its_verified_headers() {
    type Change = fn(&mut FinalRange);
    let wrong: [(&str, Change); 7] = [
        ("the first block left out", |range| {
            drop(range.blocks.remove(0))
        }),
        ("one in the middle left out", |range| {
            drop(range.blocks.remove(1))
        }),
        ("two in each other's place", |range| range.blocks.swap(0, 1)),
        ("a height changed", |range| {
            range.blocks[0].header.height = Height(2)
        }),
        ("a transaction left out", |range| {
            drop(range.blocks[0].transactions.pop())
        }),
        ("the end left out", |range| drop(range.blocks.pop())),
        ("a signature changed", |range| {
            let finalization = range.finalization.as_mut().unwrap();
            finalization.signatures[0].1 = finalization.signatures[1].1.clone();
        }),
    ];
    let (_, good) = served();
    for (name, change) in wrong {
        let (mut core, request, from) = joiner(&good);
        let mut range = good.clone();
        change(&mut range);
        let result = Ok(ChainResponse::Final(range));
        let effects = core.handle(
            at(2),
            Input::Response {
                id: request,
                from,
                result,
            },
        );
        assert_eq!(finals(&effects), vec![], "{name}");
        assert_eq!(
            offences(&effects),
            vec![(from, Offence::BadChain)],
            "{name}"
        );
        assert_eq!(core.failure(), None, "{name}");
    }
    let (mut core, request, from) = joiner(&good);
    let ids: Vec<_> = good.blocks.iter().map(Block::id).collect();
    let height = Height(ids.len() as u64);
    let result = Ok(ChainResponse::Final(good));
    let effects = core.handle(
        at(2),
        Input::Response {
            id: request,
            from,
            result,
        },
    );
    assert_eq!(finals(&effects), ids);
    let caught_up = Effect::Notify(Event::CaughtUp { height });
    assert!(
        effects
            .iter()
            .any(|effect| format!("{effect:?}") == format!("{caught_up:?}"))
    );
}

#[test]
fn an_announcement_counts_when_its_finalization_is_about_its_header() {
    let (_, good) = served();
    let (first, last) = (good.blocks[0].clone(), good.blocks.last().unwrap().clone());
    let finalization = good.finalization.unwrap();
    let config = Config::new(genesis(4), id(4), None);
    let (mut core, _) = Core::new(config, Disk::default(), Restored::default(), at(0)).unwrap();
    core.handle(at(0), Input::Connected(id(0)));
    let transactions = Some(first.transactions);
    let forged = Box::new(FinalAnnouncement {
        header: first.header,
        finalization,
        transactions,
    });
    let effects = core.handle(
        at(1),
        Input::Announced {
            from: id(0),
            announcement: forged,
        },
    );
    assert_eq!(offences(&effects), vec![(id(0), Offence::BadSignature)]);
    assert!(core.final_height() == Height(0) && last.header.height > Height(1));
}

#[test]
fn a_restart_resumes_in_the_highest_view_and_contradicts_nothing() {
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let proposal = bench.proposal(block, leader(1));
    let mut restored = Restored::default();
    let keep = |restored: &mut Restored, effects: Vec<Effect>| {
        for effect in effects {
            match effect {
                Effect::Persist(Record::Vote(vote)) => restored.votes.push(vote),
                Effect::Persist(Record::Proposal(it)) => restored.proposals.push(it),
                Effect::Persist(Record::Certificate(it)) => restored.certificates.push(it),
                _ => {}
            }
        }
    };
    let effects = bench.propose(10, &proposal);
    keep(&mut restored, effects);
    let notarization = bench.certificate(1, Statement::Notarize(proposal.subject()));
    let effects = bench.certify(20, &notarization);
    keep(&mut restored, effects);
    let config = Config::new(genesis(4), id(bench.me), Some(vote_key(bench.me)));
    let started = Core::new(config.clone(), Disk::default(), restored.clone(), at(30));
    let (core, effects) = started.unwrap();
    assert_eq!((core.view(), votes(&effects)), (View(2), vec![]));
    // What it rests on is served again, so that others can move on with it.
    let mut core = core;
    let certificates = ChainRequest::Certificates {
        epoch: EPOCH,
        view: View(1),
    };
    let ask = Input::Request {
        from: id(leader(1)),
        id: RequestId(1),
        request: certificates,
    };
    let answer = core.handle(at(31), ask);
    assert!(answer.iter().any(|effect| matches!(effect,
        Effect::Respond { response: ChainResponse::Certificates(it), .. } if it.len() == 1)));
    // The same log under another validator's key signs nothing.
    let other = leader(1);
    let config = Config::new(genesis(4), id(other), Some(vote_key(other)));
    assert!(Core::new(config, Disk::default(), restored, at(30)).is_err());
}
