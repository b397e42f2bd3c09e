//! What a peer may cause: work and bytes that it does not pay for itself.

use super::super::io::{
    ChainRequest, ChainResponse, ConsensusMessage, Effect, FinalAnnouncement, FinalRange, Input,
    Offence, Restored,
};
use super::super::{Config, Core};
use super::disk::Disk;
use super::net::{genesis, id, transaction, vote_key};
use super::rules::{Bench, at, index, joiner, leader, offences, requests, served};
use crate::types::{Block, CHECKED, Certificate, Height, Statement, Subject, View, Vote};

#[test]
fn a_proposal_that_contradicts_itself_is_refused_before_its_signature_is_checked() {
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let mut proposal = bench.proposal(block, leader(1));
    proposal.view = View(5);
    let effects = bench.hear(10, leader(5), ConsensusMessage::Proposal(proposal));
    assert_eq!(offences(&effects), vec![(id(leader(5)), Offence::BadChain)]);
}

#[test]
fn a_range_is_linked_before_its_signatures_are_checked() {
    type Change = fn(&mut FinalRange);
    let wrong: [Change; 2] = [
        |range| drop(range.blocks.remove(1)),
        |range| range.blocks.swap(0, 1),
    ];
    let (_, good) = served();
    for change in wrong {
        let (mut core, request, from) = joiner(&good);
        let mut range = good.clone();
        change(&mut range);
        let checked = CHECKED.get();
        let response = Input::Response {
            id: request,
            from,
            result: Ok(ChainResponse::Final(range)),
        };
        let effects = core.handle(at(2), response);
        assert_eq!(offences(&effects), vec![(from, Offence::BadChain)]);
        assert_eq!(CHECKED.get(), checked);
    }
}

fn answers(effects: &[Effect]) -> usize {
    let answers = |effect: &&Effect| {
        matches!(
            effect,
            Effect::Send {
                message: ConsensusMessage::Certificate(_),
                ..
            }
        )
    };
    effects.iter().filter(answers).count()
}

/// Who repeats a vote in the name of `from`.
fn repeat(bench: &mut Bench, now: u64, from: usize, vote: Vote) -> Vec<Effect> {
    let repeated = true;
    bench.hear(now, from, ConsensusMessage::Vote { vote, repeated })
}

/// A validator in view 41, whose block of view 30 is final; one whose votes no certificate lists.
fn ahead() -> (Bench, usize) {
    let mut bench = Bench::new();
    let silent = (bench.me + 2) % 4;
    let block = bench.block(30, 5);
    let proposal = bench.proposal(block, leader(30));
    let subject = proposal.subject();
    for view in 1..41 {
        let statement = match view {
            30 => Statement::Notarize(subject),
            _ => Statement::Nullify,
        };
        let votes: Vec<_> = (0..4)
            .filter(|signer| *signer != silent)
            .map(|signer| bench.vote(signer, view, statement))
            .collect();
        let certificate = Certificate {
            epoch: votes[0].epoch,
            view: View(view),
            statement,
            signatures: votes
                .into_iter()
                .map(|it| (it.signer, it.signature))
                .collect(),
        };
        if view == 30 {
            bench.propose(10, &proposal);
        }
        bench.certify(10, &certificate);
    }
    bench.certify(12, &bench.certificate(30, Statement::Finalize(subject)));
    assert_eq!(bench.core.final_header().view, View(30));
    assert_eq!(bench.core.view(), View(41));
    (bench, silent)
}

/// Any bytes in place of a signature were answered with certificates, once for each number of a
/// view: 150 bytes in, and hundreds of kilobytes out.
#[test]
fn a_forged_repeated_vote_is_not_answered() {
    // Below the final view, in it, and above it, where the certificate is held.
    for view in [3, 30, 35] {
        let (mut bench, from) = ahead();
        let mut vote = bench.vote(from, view, Statement::Nullify);
        let good = vote.signature.clone();
        vote.signature = bench.vote(bench.me, view, Statement::Nullify).signature;
        let forged = repeat(&mut bench, 100, from, vote.clone());
        assert_eq!(answers(&forged), 0, "view {view}");
        assert_eq!(offences(&forged), vec![(id(from), Offence::BadSignature)]);
        vote.signature = good;
        let early = repeat(&mut bench, 101, from, vote.clone());
        assert_eq!((answers(&early), offences(&early)), (0, vec![]));
        let in_time = repeat(&mut bench, 1000, from, vote);
        assert_eq!((answers(&in_time), offences(&in_time)), (1, vec![]));
    }
}

#[test]
fn a_peer_gets_few_answers_whatever_views_it_repeats_votes_of() {
    let (mut bench, from) = ahead();
    let mut ask = |now, views: std::ops::Range<u64>| {
        let answered = |view| {
            let vote = bench.vote(from, view, Statement::Nullify);
            answers(&repeat(&mut bench, now, from, vote))
        };
        views.map(answered).sum::<usize>()
    };
    assert_eq!(ask(100, 1..31), 1, "they all end with one finalization");
    assert_eq!(ask(100, 31..41), 3);
    assert_eq!(ask(101, 1..41), 0);
    assert_eq!(ask(1000, 1..41), 4);
}

/// After long asynchrony every view's certificates were offered to everyone at once.
#[test]
fn bug_10_a_standstill_offers_little() {
    let mut bench = Bench::new();
    let mut offered = Vec::new();
    let mut now = 0;
    for view in 1..=40 {
        // Long after the timers, so that the view is given up here too.
        now += 3000;
        bench.core.handle_timeout(at(now));
        bench.certify(now, &bench.certificate(view, Statement::Nullify));
    }
    while offered.len() < 40 {
        now += 1000;
        offered = bench.core.handle_timeout(at(now));
    }
    let said = |wanted: fn(&ConsensusMessage) -> Option<View>| {
        let messages = offered.iter().filter_map(|effect| match effect {
            Effect::Broadcast(message) => wanted(message),
            _ => None,
        });
        messages.collect::<std::collections::BTreeSet<_>>()
    };
    let certified = said(|message| match message {
        ConsensusMessage::Certificate(it) => Some(it.view),
        _ => None,
    });
    assert_eq!(certified, (37..=40).map(View).collect());
    let voted = said(|message| match message {
        ConsensusMessage::Vote { vote, .. } => Some(vote.view),
        _ => None,
    });
    assert_eq!(voted, (1..=41).map(View).collect());
}

/// An announcement of `block` that these validators certify.
fn announcement(block: &Block, signers: &[usize]) -> FinalAnnouncement {
    let (header, view) = (block.header.clone(), block.header.view);
    let statement = Statement::Finalize(Subject {
        parent_view: View(0),
        block: block.id(),
    });
    let signed = statement.to_sign(&header.network, header.epoch, view);
    let signatures = signers
        .iter()
        .map(|signer| (index(*signer), vote_key(*signer).sign(&signed)));
    let finalization = Certificate {
        epoch: header.epoch,
        view,
        statement,
        signatures: signatures.collect(),
    };
    FinalAnnouncement {
        header,
        finalization,
        transactions: Some(block.transactions.clone()),
    }
}

fn follower(disk: Disk) -> Core<Disk> {
    let config = Config::new(genesis(4), id(4), None);
    let (mut core, _) = Core::new(config, disk, Restored::default(), at(0)).unwrap();
    core.handle(at(0), Input::Connected(id(0)));
    core
}

/// What came of an announcement: whether it is passed on, what is blamed, how much was verified.
fn announce(core: &mut Core<Disk>, said: &FinalAnnouncement) -> (bool, Vec<Offence>, u64) {
    let before = CHECKED.get();
    let input = Input::Announced {
        from: id(0),
        announcement: Box::new(said.clone()),
    };
    let effects = core.handle(at(1), input);
    assert_eq!(core.failure(), None);
    let blamed = offences(&effects).into_iter().map(|(_, what)| what);
    (core.passes_on(), blamed.collect(), CHECKED.get() - before)
}

/// Any quorum's signatures make another announcement of the same block, and all of them were
/// verified and passed on.
#[test]
fn one_announcement_of_a_block_is_verified_and_passed_on() {
    let (_, range) = served();
    let (first, last) = (&range.blocks[0], range.blocks.last().unwrap());
    let quorums = [&[0, 1, 2][..], &[0, 1, 3], &[0, 2, 3], &[0, 1, 2, 3], &[]];

    // Of a block that was not here, of the block that was here by other ways, and of one further on.
    let new = follower(Disk::default());
    let mut bench = Bench::new();
    let own = bench.block(1, 5);
    let proposal = bench.proposal(own.clone(), leader(1));
    bench.propose(10, &proposal);
    bench.certify(
        11,
        &bench.certificate(1, Statement::Finalize(proposal.subject())),
    );
    let gap = follower(Disk::default());
    for (mut core, block, height, passes) in [
        (new, first, 1, true),
        (bench.core, &own, 1, true),
        (gap, last, 0, false),
    ] {
        for (at, signers) in quorums.iter().enumerate() {
            let got = announce(&mut core, &announcement(block, signers));
            let is_first = at == 0;
            assert_eq!(
                got,
                (passes && is_first, vec![], u64::from(is_first)),
                "{signers:?}"
            );
            assert_eq!(core.final_height(), Height(height));
        }
    }
}

/// What came with a certified header was passed on although nothing here could tell whether it
/// belongs there; the next node blamed this one.
#[test]
fn an_announcement_is_passed_on_with_the_blocks_transactions_only() {
    let (net, range) = served();
    let first = &range.blocks[0];
    let good = announcement(first, &[0, 1, 2]);
    let with = |good: &FinalAnnouncement, transactions| FinalAnnouncement {
        transactions: Some(transactions),
        ..good.clone()
    };
    let other = vec![transaction(&net.network, 99, 1)];
    // The block's id does not bind the signatures of its transactions.
    let mut resigned = first.transactions.clone();
    resigned[0].signature = other[0].signature;

    // After a restart the transactions are not at hand.
    let disk = net.nodes[0].disk.clone();
    let newest = disk.0.borrow().finals.last().unwrap().block.clone();
    let mut core = follower(disk);
    let tip = announcement(&newest, &[0, 1, 2]);
    assert_eq!(
        announce(&mut core, &with(&tip, other.clone())),
        (false, vec![], 0)
    );
    let bare = FinalAnnouncement {
        transactions: None,
        ..tip
    };
    assert_eq!(announce(&mut core, &bare), (true, vec![], 1));

    // They are, with the block by an answer, which is no gossip.
    let mut core = follower(Disk::default());
    let asked = core.handle(at(20_000), Input::Connected(id(1)));
    let (from, request, _) = requests(&asked)
        .into_iter()
        .find(|(to, _, what)| *to == id(1) && *what == ChainRequest::Tip)
        .unwrap();
    let answer = Input::Response {
        id: request,
        from,
        result: Ok(ChainResponse::Tip(Some(good.clone()))),
    };
    core.handle(at(20_001), answer);
    assert!(core.final_height() == Height(1) && !core.passes_on());
    let blamed = vec![Offence::BadChain];
    assert_eq!(
        announce(&mut core, &with(&good, other.clone())),
        (false, blamed.clone(), 0)
    );
    assert_eq!(
        announce(&mut core, &with(&good, resigned)),
        (false, vec![], 0)
    );
    assert_eq!(announce(&mut core, &good), (true, vec![], 0));

    // Executed here, and final by the announcement.
    let mut bench = Bench::new();
    let block = bench.block(1, 5);
    let proposal = bench.proposal(block.clone(), leader(1));
    bench.propose(10, &proposal);
    let lie = with(&announcement(&block, &[0, 1, 2]), other);
    assert_eq!(announce(&mut bench.core, &lie), (false, blamed, 1));
    assert_eq!(bench.core.final_height(), Height(1), "it was certified");
}
