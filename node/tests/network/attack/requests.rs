//! Garbage on every protocol of requests, and on the topics.

use decube_node::network::{Lane, Protocol, RequestError};
use decube_protocols::commit::ChainRequest;
use decube_protocols::documents::{CollectionSummary, SyncRequest};
use decube_protocols::types::{Epoch, Height, View};
use decube_protocols::wire::{self, TransactionsRequest};

use super::forge::{garbage, mangled};
use super::mallory::Mallory;
use super::world::World;

fn other(lane: Lane) -> Lane {
    match lane {
        Lane::Consensus => Lane::Documents,
        Lane::Documents => Lane::Consensus,
    }
}

/// A valid question of each kind.
fn questions(world: &World) -> Vec<(Protocol, Vec<u8>)> {
    let summary = CollectionSummary {
        collection: world.collection,
        root: world.network.0,
        documents: 7,
        bytes: 7,
        excepted: 0,
    };
    let sync = SyncRequest::Roots(vec![summary]);
    let chain = [
        ChainRequest::Tip,
        ChainRequest::Final {
            from: Height(1),
            max: 3,
        },
        ChainRequest::Proposal(world.tip().id()),
        ChainRequest::Certificates {
            epoch: Epoch(0),
            view: View(1),
        },
    ];
    let transactions = TransactionsRequest(vec![world.last_transaction()]);
    let mut all = vec![
        (Protocol::Sync, wire::encode(&sync)),
        (Protocol::Transactions, wire::encode(&transactions)),
    ];
    all.extend(
        chain
            .iter()
            .map(|request| (Protocol::Chain, wire::encode(request))),
    );
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_requests_throws_its_sender_out_and_changes_nothing() {
    let mut world = World::new(1, 1).await;
    for protocol in [Protocol::Sync, Protocol::Transactions, Protocol::Chain] {
        let before = world.snapshot().await;
        let mut mallory = Mallory::stranger(&world).await;
        for body in garbage().into_iter().take(2) {
            let answer = mallory.ask(protocol, body).await;
            assert!(
                matches!(answer, Err(RequestError::Closed(_))),
                "{protocol:?}: {answer:?}"
            );
        }
        mallory.is_thrown_out(other(protocol.lane())).await;
        assert_eq!(world.snapshot().await, before);
        mallory.end().await;
        world.serves().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mangled_requests_are_refused_or_answered_and_change_nothing() {
    let mut world = World::new(1, 1).await;
    let before = world.snapshot().await;
    let mut refused = 0;
    for (protocol, valid) in questions(&world) {
        for body in mangled(&valid) {
            // A stranger each time, so that none is thrown out before it was heard.
            let mut mallory = Mallory::stranger(&world).await;
            match mallory.ask(protocol, body).await {
                Ok(_) => {}
                Err(RequestError::Closed(_)) => refused += 1,
                Err(error) => panic!("{protocol:?}: {error}"),
            }
            mallory.end().await;
        }
    }
    assert!(refused > 30, "only {refused} were refused");
    assert_eq!(world.snapshot().await, before);
    world.serves().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_topics_throws_its_sender_out_and_changes_nothing() {
    let mut world = World::new(1, 1).await;
    let network = world.network.short();
    let finals = format!("/decube/{network}/final/1");
    let collection = format!("/decube/{network}/collection/{}/1", world.collection);
    for topic in [&finals, &collection] {
        let before = world.snapshot().await;
        let mut mallory = Mallory::stranger(&world).await;
        mallory.join(topic).await;
        for body in garbage() {
            mallory.publish(topic, body).await;
        }
        mallory.is_thrown_out(Lane::Consensus).await;
        assert_eq!(world.snapshot().await, before);
        mallory.end().await;
        world.serves().await;
    }
    world.end().await;
}
