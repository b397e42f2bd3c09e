//! Single stories of a network: the plain cases, and bugs of real engines by their numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::io::{ConsensusMessage, Event};
use super::net::{DELTA, Faults, IDLE, Net, transaction, vote_hybrid};
use crate::types::{Statement, View, VoteScheme};

const GOOD: Faults = Faults {
    loss: 0,
    duplication: 0,
    crash: 0,
    delay: 5,
    byzantine: false,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A network in which everyone is up and connected.
fn started(validators: usize, seed: u64) -> Net {
    let mut net = Net::new(validators, seed, GOOD);
    net.run(Duration::from_millis(100));
    net
}

fn submit(net: &mut Net, to: usize, nonce: u64) {
    let wish = transaction(&net.network, 200, nonce);
    net.submit(to, wish);
}

/// Whether all of `nodes` get to `height` within the time.
fn reach(net: &mut Net, nodes: &[usize], height: u64, time: Duration) -> bool {
    let end = net.now + time;
    let reached = net.run_until(end, |net| {
        nodes.iter().all(|node| net.height(*node) >= height)
    });
    assert_eq!(net.oracle.violations, Vec::<String>::new());
    reached
}

fn leader(view: u64) -> usize {
    let set = super::net::genesis(4).validator_set();
    usize::from(set.leader(View(view)).0)
}

/// The validators other than `except`.
fn others(except: usize) -> Vec<usize> {
    (0..4).filter(|index| *index != except).collect()
}

/// Hybrid signatures differ each time they are made, also after a restart, where the log's are sent.
#[test]
fn hybrid_votes_commit_through_a_crash() {
    vote_hybrid();
    let mut net = started(4, 1);
    submit(&mut net, 2, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3, 4], 1, seconds(1)));
    net.crash(1, Some(Duration::from_millis(200)));
    submit(&mut net, 2, 2);
    assert!(reach(&mut net, &[0, 1, 2, 3, 4], 2, seconds(20)));
    assert_eq!(net.penalties, Vec::new());
    let core = net.core(0);
    let finalization = &core.newest.as_ref().unwrap().finalization;
    let schemes = finalization.signatures.iter().map(|(_, it)| it.scheme());
    assert_eq!(schemes.collect::<Vec<_>>(), vec![VoteScheme::Hybrid; 3]);
    let validators = super::net::genesis(4).validator_set();
    assert_eq!(finalization.verify(&net.network, &validators), Ok(()));
}

#[test]
fn four_validators_commit_and_a_follower_sees_it() {
    let mut net = started(4, 1);
    assert!(
        (0..5).all(|index| net.core(index).is_ready()),
        "nothing to catch up with"
    );
    submit(&mut net, 2, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3, 4], 1, seconds(1)));
    let applied = net.nodes[4].events.iter().any(|event| {
        matches!(event, Event::Final { outcomes, collections, .. }
            if outcomes.len() == 1 && collections.len() == 1)
    });
    assert!(applied);
    assert_eq!(net.penalties, Vec::new());
    let headers: BTreeSet<_> = (0..5)
        .map(|index| net.core(index).final_header().id())
        .collect();
    assert_eq!(headers.len(), 1);
}

#[test]
fn a_single_validator_commits_alone() {
    let mut net = started(1, 1);
    for nonce in 1..=5 {
        submit(&mut net, 0, nonce);
        net.run(Duration::from_millis(20));
        assert_eq!(net.heights(), vec![nonce, nonce]);
    }
    net.crash(0, Some(seconds(1)));
    net.run(seconds(2));
    submit(&mut net, 0, 6);
    net.run(Duration::from_millis(20));
    assert_eq!(net.heights(), vec![6, 6]);
}

#[test]
fn an_idle_network_makes_an_empty_block_per_idle_time_and_wakes_at_once() {
    let mut net = started(4, 3);
    submit(&mut net, 0, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3], 1, seconds(1)));
    let sent = net.sent;
    net.run(Duration::from_millis(IDLE / 2));
    assert_eq!(net.heights(), vec![1; 5], "nothing happens while idle");
    assert!(
        net.sent - sent < 60,
        "an idle network is quiet: {} messages",
        net.sent - sent
    );
    net.run(Duration::from_millis(4 * IDLE));
    let height = net.height(0);
    assert!(
        (4..=6).contains(&height),
        "{height} blocks after four times idling"
    );
    let start = net.now;
    submit(&mut net, 1, 2);
    assert!(reach(&mut net, &[0, 1, 2, 3, 4], height + 1, seconds(1)));
    let took = net.now - start;
    assert!(
        took < Duration::from_millis(2 * DELTA),
        "{took:?} from idle to final"
    );
}

#[test]
fn load_is_pipelined_and_the_last_block_becomes_final_without_a_chain_of_empty_ones() {
    let mut net = started(4, 4);
    for nonce in 1..=100 {
        submit(&mut net, usize::try_from(nonce % 4).unwrap(), nonce);
        net.run(Duration::from_millis(3));
    }
    net.run(Duration::from_millis(500));
    assert!((0..4).all(|index| net.core(index).pool_size() == 0));
    let height = net.height(0);
    assert!(height > 10, "{height}");
    net.run(Duration::from_millis(IDLE / 2));
    assert_eq!(net.height(0), height, "no empty blocks follow");
}

#[test]
fn one_of_four_may_be_away_and_catches_up() {
    let mut net = started(4, 5);
    net.crash(3, None);
    for nonce in 1..=30 {
        submit(&mut net, 0, nonce);
        assert!(
            reach(&mut net, &[0, 1, 2, 4], nonce, seconds(3)),
            "block {nonce}"
        );
    }
    net.restart(3);
    assert!(reach(&mut net, &[3], 30, seconds(5)));
    net.run(seconds(1));
    assert!(net.core(3).is_ready());
    let told = |wanted: fn(&Event) -> bool| net.nodes[3].events.iter().rposition(wanted);
    let behind = told(|event| matches!(event, Event::Behind { .. }));
    let caught_up = told(|event| matches!(event, Event::CaughtUp { .. }));
    assert!(behind < caught_up && behind.is_some());
}

#[test]
fn two_of_four_commit_nothing_and_four_go_on() {
    let mut net = started(4, 6);
    submit(&mut net, 0, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3], 1, seconds(1)));
    net.crash(1, None);
    net.crash(2, None);
    submit(&mut net, 0, 2);
    net.run(seconds(20));
    assert_eq!((net.height(0), net.height(3)), (1, 1));
    net.restart(1);
    net.restart(2);
    assert!(reach(&mut net, &[0, 1, 2, 3], 2, seconds(20)));
}

#[test]
fn a_validator_without_its_vote_log_follows_and_never_votes() {
    let mut net = started(4, 7);
    net.crash(2, None);
    net.lose_key(2);
    net.restart(2);
    net.run(Duration::from_millis(100));
    for nonce in 1..=5 {
        submit(&mut net, 0, nonce);
        assert!(reach(&mut net, &[0, 1, 2, 3], nonce, seconds(3)));
    }
    assert!(!net.core(2).is_validator());
    assert!(net.nodes[2].disk.0.borrow().log.votes.is_empty());
}

#[test]
fn a_broken_store_stops_signing_and_nothing_else() {
    let mut net = started(4, 8);
    submit(&mut net, 0, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3], 1, seconds(1)));
    net.nodes[1].disk.break_down();
    submit(&mut net, 1, 2);
    net.run(Duration::from_millis(1));
    assert!(net.core(1).failure().is_some());
    assert_eq!(net.core(1).poll_timeout(), None);
    submit(&mut net, 0, 3);
    assert!(reach(&mut net, &[0, 2, 3], 2, seconds(5)));
    assert_eq!(net.height(1), 1);
}

/// A held only the notarization of a view, and the others only its nullification. Each side asked
/// for what the other could not give, and the network halted.
#[test]
fn bug_6_notarized_here_and_nullified_there() {
    for seed in 0..4 {
        let mut net = started(4, 60 + seed);
        net.filter = Some(|_, to, message| match message {
            ConsensusMessage::Vote { vote, .. } if vote.view == View(1) => match vote.statement {
                Statement::Notarize(_) => to == 0,
                Statement::Nullify => to != 0,
                Statement::Finalize(_) => true,
            },
            ConsensusMessage::Certificate(_) => false,
            _ => true,
        });
        submit(&mut net, 0, 1);
        let end = net.now + seconds(5);
        let moved = |net: &Net| (0..4).all(|index| net.core(index).view() >= View(2));
        assert!(net.run_until(end, moved), "all left the view, in two ways");
        net.filter = None;
        assert!(
            reach(&mut net, &[0, 1, 2, 3], 1, seconds(10)),
            "seed {seed}"
        );
    }
}

/// A validator that missed a nullification could not accept any later proposal, since nobody served
/// the nullifications of views long gone.
#[test]
fn bug_7_skipped_views_are_proven_to_who_missed_them() {
    let (first, mut net) = (leader(1), started(4, 70));
    let missed = others(first)[0];
    // Three nullify the first view for want of a proposal; the fourth hears nothing of it.
    for from in 0..4 {
        net.cut.insert((from, missed));
    }
    net.filter = Some(
        |_, _, message| !matches!(message, ConsensusMessage::Proposal(proposal) if proposal.view == View(1)),
    );
    submit(&mut net, first, 1);
    let end = net.now + seconds(2);
    let moved = move |net: &Net| {
        others(missed)
            .iter()
            .all(|i| net.core(*i).view() >= View(2))
    };
    assert!(net.run_until(end, moved));
    // From now on nothing goes without it.
    net.crash(first, None);
    net.cut.clear();
    assert!(reach(&mut net, &others(first), 1, seconds(10)));
}

/// A flood of transactions filled the pool and the links, and votes waited behind it.
#[test]
fn bug_11_a_flood_of_transactions_stops_nothing() {
    let mut net = started(4, 110);
    let mut expected = 0;
    for author in 0..4 {
        let flood: Vec<_> = (1..=300)
            .map(|n| transaction(&net.network, 220 + author, n))
            .collect();
        for wish in flood {
            net.submit(0, wish);
        }
        expected += super::super::pool::MAX_PER_AUTHOR;
    }
    net.run(Duration::from_millis(1));
    assert!(
        net.core(0).pool_size() <= expected,
        "each author has a share"
    );
    assert!(reach(&mut net, &[0, 1, 2, 3], 1, seconds(2)));
    net.run(seconds(1));
    assert_eq!(net.core(0).pool_size(), 0);
    assert_eq!(net.penalties, Vec::new());
}

/// A leader sent its block to just enough validators, and the others could never vote again.
#[test]
fn bug_12_a_block_that_not_everyone_got_is_fetched() {
    let mut net = started(4, 120);
    net.filter =
        Some(|_, to, message| to != 2 || !matches!(message, ConsensusMessage::Proposal(_)));
    for nonce in 1..=10 {
        submit(&mut net, 0, nonce);
        assert!(reach(&mut net, &[0, 1, 2, 3], nonce, seconds(5)));
    }
    // Only two get the block: it is given up, and the next leader's is not.
    let mut net = started(4, 121);
    net.filter = Some(|from, to, message| {
        let first = matches!(message, ConsensusMessage::Proposal(it) if it.view == View(1));
        !first || to == (from + 1) % 4
    });
    submit(&mut net, 0, 1);
    assert!(reach(&mut net, &[0, 1, 2, 3], 1, seconds(5)));
}

/// One validator's clock was behind, it called all blocks invalid, and gave up every view.
#[test]
fn bug_14_a_slow_clock_waits_and_a_fast_one_is_outvoted() {
    let mut net = Net::new(4, 140, GOOD);
    net.nodes[1].clock_error = -5_000;
    net.run(Duration::from_millis(100));
    for nonce in 1..=8 {
        submit(&mut net, 0, nonce);
        assert!(
            reach(&mut net, &[0, 1, 2, 3], nonce, seconds(5)),
            "block {nonce}"
        );
    }
    assert_eq!(net.penalties, Vec::new(), "a bad clock offends nobody");

    let mut net = Net::new(4, 141, GOOD);
    net.nodes[1].clock_error = 3_600_000;
    net.run(Duration::from_millis(100));
    for nonce in 1..=8 {
        submit(&mut net, 0, nonce);
        assert!(
            reach(&mut net, &[0, 2, 3], nonce, seconds(5)),
            "block {nonce}"
        );
    }
    let time = net.core(0).final_header().time;
    assert!(
        time < net.clock(0).wall,
        "an hour ahead does not get into the chain"
    );
}

/// After a power cut everyone started at once, waited for everyone else, and nobody began.
#[test]
fn bug_19_all_restart_at_once() {
    for moment in 0..12 {
        let mut net = started(4, 190);
        for nonce in 1..=4 {
            submit(&mut net, 0, nonce);
            net.run(Duration::from_millis(4));
        }
        net.run(Duration::from_millis(moment));
        for index in 0..5 {
            net.crash(index, Some(Duration::from_millis(300)));
        }
        net.run(seconds(1));
        assert!(
            (0..5).all(|index| net.core(index).is_ready()),
            "moment {moment}"
        );
        let height = net.oracle.final_height().0;
        submit(&mut net, 3, 10);
        assert!(
            reach(&mut net, &[0, 1, 2, 3, 4], height + 1, seconds(10)),
            "moment {moment}"
        );
    }
}
