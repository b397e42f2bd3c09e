//! What a peer may cause: work and bytes that it does not pay for itself.

use super::super::io::{ChainResponse, ConsensusMessage, Effect, FinalRange, Input, Offence};
use super::net::id;
use super::rules::{Bench, at, joiner, leader, offences, served};
use crate::types::{CHECKED, Certificate, Statement, View, Vote};

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
