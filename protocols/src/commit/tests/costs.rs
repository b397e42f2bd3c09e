//! What a peer may cause: work and bytes that it does not pay for itself.

use super::super::io::{ChainResponse, ConsensusMessage, FinalRange, Input, Offence};
use super::net::id;
use super::rules::{Bench, at, joiner, leader, offences, served};
use crate::types::{CHECKED, View};

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
