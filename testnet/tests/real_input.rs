//! Recorded editing sessions, typed over a real network through its public API.
//!
//! The stated prefix of each session keeps the test short without optimisation; the whole sessions
//! are replayed by `decube-testnet bench local`, with the same checks. A replay fails unless every
//! node ends with the expected heads and text, and the proof of the committed version verifies
//! against the genesis, in this process, which has no node.
#![cfg(feature = "bench")]

use std::path::Path;

use anyhow::Result;
use decube_testnet::bench::replay::{self, Replayed};
use decube_testnet::bench::trace::{Concurrent, Sequential};
use decube_testnet::bench::{Network, VALIDATORS, expected};

/// How many edits of `automerge-paper` are typed.
const PAPER: usize = 10_000;
/// How many transactions of `friendsforever` are typed; some hundred of them merge.
const FRIENDS: usize = 1_000;

/// Three of four validators sign what is final.
const QUORUM: usize = 3;

async fn network() -> Result<Network> {
    let program = Path::new(env!("CARGO_BIN_EXE_decube-testnet"));
    let network = Network::start(program, &std::env::temp_dir(), VALIDATORS).await?;
    network.create_collection().await?;
    Ok(network)
}

fn check(replayed: &Replayed, edits: usize, requests: usize, heads: usize) {
    assert_eq!((replayed.edits, replayed.requests), (edits, requests));
    assert_eq!(replayed.heads.len(), heads);
    assert_eq!(replayed.nodes.len(), 5, "four validators and a replica");
    assert!(replayed.proven.signers >= QUORUM, "{:?}", replayed.proven);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paper_typed_at_one_node_is_the_same_everywhere_and_is_proven() -> Result<()> {
    let trace = Sequential::paper()?.prefix(PAPER)?;
    let network = network().await?;
    let replayed = replay::paper(&network, &trace).await?;
    check(&replayed, PAPER, PAPER / 100, 1);
    network.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_authors_at_two_nodes_give_the_same_text_everywhere_and_it_is_proven() -> Result<()> {
    let trace = Concurrent::friends()?.prefix(FRIENDS);
    let (text, tips) = (expected::text(&trace)?, trace.tips());
    assert_eq!(
        tips.len(),
        2,
        "the prefix ends where both authors were typing"
    );
    let network = network().await?;
    let replayed = replay::friends(&network, trace, &text).await?;
    check(&replayed, FRIENDS, FRIENDS, tips.len());
    network.stop()
}
