//! Lies to those who keep the chain: transactions, announcements of final blocks, and ranges.

use decube_crypto::{Digest, SecretKey};
use decube_node::network::{DialError, Event, Lane, Protocol};
use decube_protocols::commit::{
    ChainRequest, ChainResponse, ChainSource, FinalAnnouncement, FinalRange, PoolRefusal,
};
use decube_protocols::submission::Wish;
use decube_protocols::types::{
    Action, Block, Certificate, ChangeHash, CollectionName, Commit, CommitEntry, CreateCollection,
    Epoch, Heads, Height, Outcome, Receipt, ReceiptStatement, Rejection, Statement, Subject,
    Transaction, ValidatorIndex, View,
};
use decube_protocols::wire::{self, TransactionsRequest, TransactionsResponse};

use super::super::wait;
use super::mallory::Mallory;
use super::world::{Keys, World, start, submit, until};

fn author() -> SecretKey {
    SecretKey::from_seed(&[0xa7; 32])
}

/// Hands a transaction to the victim, over the network.
///
/// There is no answer to one that cannot be decoded.
async fn hand_over(
    mallory: &mut Mallory,
    transaction: Transaction,
) -> Option<Result<(), PoolRefusal>> {
    let request = wire::encode(&TransactionsRequest(vec![transaction]));
    let answer = mallory.ask(Protocol::Transactions, request).await.ok()?;
    Some(wire::decode::<TransactionsResponse>(&answer).unwrap().0[0])
}

fn create(name: &str) -> Action {
    let name = CollectionName::new(name).unwrap();
    Action::CreateCollection(CreateCollection {
        name,
        write_quorum: None,
    })
}

fn commit(entries: Vec<CommitEntry>, receipts: Vec<Receipt>) -> Action {
    Action::Commit(Commit { entries, receipts })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_do_not_hold_are_refused_before_they_reach_a_block() {
    let mut world = World::new(1, 1).await;
    let network = world.network;
    let soon = Height(world.tip().height.0 + 50);
    let sign = |action, nonce| Transaction::sign(&network, action, nonce, soon, &author());
    let heads = Heads::new(world.heads().await).unwrap();
    let entry = world.entry(heads);
    let receipt = |key: &SecretKey| {
        ReceiptStatement {
            entry: &entry,
            roles_height: Height(1),
        }
        .sign(&network, key)
    };
    let (replica, stranger) = (Keys::of(0).peer, SecretKey::from_seed(&[0xb2; 32]));
    let forged = Receipt {
        replica: replica.public(),
        ..receipt(&stranger)
    };
    let mut other = entry.clone();
    other.document.0 = Digest::of("decube/test/1", &[]);
    let (mut low, mut high) = (entry.clone(), other);
    if low.document > high.document {
        std::mem::swap(&mut low, &mut high);
    }
    let wrong_signature = Transaction {
        nonce: 2,
        ..sign(create("a"), 1)
    };
    let used = world.last_transaction();
    let (malformed, stale) = (Some(PoolRefusal::Malformed), Some(PoolRefusal::Stale));
    let far = Transaction::sign(&network, create("c"), 7, Height(u64::MAX), &author());
    let cases = [
        (wrong_signature, malformed),
        (
            sign(commit(vec![entry.clone()], vec![forged]), 3),
            malformed,
        ),
        // Entries out of order, and one twice, are no transaction.
        (
            sign(commit(vec![high.clone(), low.clone()], Vec::new()), 4),
            None,
        ),
        (sign(commit(vec![low.clone(), low], Vec::new()), 5), None),
        (
            Transaction::sign(&network, create("b"), 6, Height(0), &author()),
            stale,
        ),
        (far, stale),
        (used, stale),
    ];
    for (transaction, expected) in cases {
        let before = world.snapshot().await;
        let mut mallory = Mallory::stranger(&world).await;
        let answer = hand_over(&mut mallory, transaction.clone()).await;
        assert_eq!(answer, expected.map(Err));
        if expected != stale {
            let _answer = hand_over(&mut mallory, transaction).await;
            mallory.is_thrown_out(Lane::Documents).await;
        }
        assert_eq!(world.snapshot().await, before);
        mallory.end().await;
        world.serves().await;
    }
    world.end().await;
}

/// What came of a transaction.
async fn outcome(world: &World, transaction: &Transaction) -> Outcome {
    let chain = world.alice().store().chain();
    until(|| async {
        let height = chain.final_height().unwrap().0;
        (1..=height).find_map(|height| {
            let stored = chain.final_block(Height(height)).unwrap().unwrap();
            let at = stored
                .block
                .transactions
                .iter()
                .position(|one| one == transaction)?;
            Some(stored.outcomes[at].clone())
        })
    })
    .await
}

/// What is tried, and whether it was rejected for the right reason.
type Case = (Action, fn(&Rejection) -> bool);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_break_a_rule_of_the_state_have_no_effect() {
    let mut world = World::new(1, 1).await;
    let network = world.network;
    let soon = Height(world.tip().height.0 + 50);
    let before = world.snapshot_of_documents().await;
    let heads = Heads::new(world.heads().await).unwrap();
    let stranger = SecretKey::from_seed(&[0xb2; 32]);
    let unknown = Heads::new(vec![ChangeHash(Digest::of("decube/test/1", &[]))]).unwrap();
    let committed = world.entry(heads);
    let stale = CommitEntry {
        previous: None,
        heads: unknown.clone(),
        ..committed.clone()
    };
    let next = CommitEntry {
        heads: unknown,
        ..committed
    };
    let receipt = |entry: &CommitEntry, key: &SecretKey| {
        ReceiptStatement {
            entry,
            roles_height: Height(1),
        }
        .sign(&network, key)
    };
    // Even a replica that signs for mallory does not help against compare-and-set.
    let replica = Keys::of(0).peer;
    let cases: [Case; 3] = [
        (
            commit(vec![stale.clone()], vec![receipt(&stale, &replica)]),
            |reason| matches!(reason, Rejection::PreviousDiffers { .. }),
        ),
        (
            commit(vec![next.clone()], vec![receipt(&next, &stranger)]),
            |reason| matches!(reason, Rejection::NotAReplica { .. }),
        ),
        (commit(vec![next], Vec::new()), |reason| {
            matches!(reason, Rejection::TooFewReceipts { .. })
        }),
    ];
    let mut mallory = Mallory::stranger(&world).await;
    for ((action, is_expected), nonce) in cases.into_iter().zip(1..) {
        let transaction = Transaction::sign(&network, action, nonce, soon, &author());
        assert_eq!(
            hand_over(&mut mallory, transaction.clone()).await,
            Some(Ok(()))
        );
        match outcome(&world, &transaction).await {
            Outcome::Rejected { reason } => assert!(is_expected(&reason), "{reason:?}"),
            Outcome::Applied => panic!("it was applied"),
        }
        assert_eq!(world.snapshot_of_documents().await, before);
    }
    mallory.end().await;
    world.serves().await;
    world.end().await;
}

/// The newest announcement, as the victim itself gives it.
async fn tip(mallory: &mut Mallory) -> FinalAnnouncement {
    let answer = mallory
        .ask(Protocol::Chain, wire::encode(&ChainRequest::Tip))
        .await
        .unwrap();
    match wire::decode(&answer).unwrap() {
        ChainResponse::Tip(Some(tip)) => tip,
        other => panic!("{other:?}"),
    }
}

/// A certificate signed with the keys that stand beside the indices.
fn certificate(world: &World, view: View, subject: Subject, signers: &[(u16, u8)]) -> Certificate {
    let statement = Statement::Finalize(subject);
    let signed = statement.to_sign(&world.network, Epoch(0), view);
    let sign = |(index, number): &(u16, u8)| {
        let signature = Keys::of(*number).validator.sign(&signed);
        (ValidatorIndex(*index), signature)
    };
    Certificate {
        epoch: Epoch(0),
        view,
        statement,
        signatures: signers.iter().map(sign).collect(),
    }
}

/// Lies about the block after the tip.
fn forged_finals(world: &World, tip: &FinalAnnouncement, nonce: u64) -> Vec<FinalAnnouncement> {
    let mut next = tip.header.clone();
    next.height = Height(tip.header.height.0 + 1);
    next.view = View(tip.header.view.0 + 1);
    next.parent = tip.header.id();
    next.time.0 += nonce;
    let subject = Subject {
        parent_view: tip.header.view,
        block: next.id(),
    };
    let of_next = |signers: &[(u16, u8)]| FinalAnnouncement {
        header: next.clone(),
        finalization: certificate(world, next.view, subject, signers),
        transactions: Some(Vec::new()),
    };
    let mut other_epoch = of_next(&[(0, 0), (1, 1), (2, 2)]);
    other_epoch.finalization.epoch = Epoch(1);
    let mut of_tip = tip.clone();
    of_tip.header = next.clone();
    vec![
        // By keys of others, by too few, by one twice, of another epoch, of another block.
        of_next(&[(0, 7), (1, 7), (2, 7), (3, 7)]),
        of_next(&[(3, 3)]),
        of_next(&[(3, 3), (3, 3), (3, 3)]),
        other_epoch,
        of_tip,
    ]
}

/// A finalization of the tip that is not one.
fn weak_tip(world: &World, tip: &FinalAnnouncement, nonce: u64) -> FinalAnnouncement {
    let own = Subject {
        parent_view: View(nonce),
        block: tip.header.id(),
    };
    FinalAnnouncement {
        finalization: certificate(world, tip.header.view, own, &[(3, 3)]),
        ..tip.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_finals_throw_their_sender_out_and_are_not_passed_on() {
    // A forged finalization of the block at hand was passed on unchecked; who lacked that block
    // would have blamed the honest forwarder.
    let mut world = World::new(4, 3).await;
    let topic = format!("/decube/{}/final/1", world.network.short());
    let mut carol = Mallory::stranger(&world).await;
    carol.join(&topic).await;
    let count = {
        let mut mallory = Mallory::stranger(&world).await;
        let tip = tip(&mut mallory).await;
        mallory.end().await;
        forged_finals(&world, &tip, 0).len()
    };
    let mut forged = Vec::new();
    for kind in 0..count {
        let before = world.snapshot().await;
        let mut mallory = Mallory::stranger(&world).await;
        mallory.join(&topic).await;
        let tip = tip(&mut mallory).await;
        for nonce in 1..=2 {
            let lie = forged_finals(&world, &tip, nonce)[kind].clone();
            mallory.publish(&topic, wire::encode(&lie)).await;
            forged.push(lie);
        }
        println!("lie {kind}");
        mallory.is_thrown_out(Lane::Documents).await;
        assert_eq!(world.snapshot().await, before);
        mallory.end().await;
        world.serves().await;
    }
    // What is said of a block at hand again is not even looked at, and not passed on.
    let mut mallory = Mallory::stranger(&world).await;
    mallory.join(&topic).await;
    let tip = tip(&mut mallory).await;
    for nonce in 1..=2 {
        let lie = weak_tip(&world, &tip, nonce);
        mallory.publish(&topic, wire::encode(&lie)).await;
        forged.push(lie);
    }
    // By then they have arrived; whether it is answered is not the matter.
    drop(
        mallory
            .ask(Protocol::Chain, wire::encode(&ChainRequest::Tip))
            .await,
    );
    mallory.end().await;
    world.serves().await;
    // Carol takes part in the topic and gets what is true, but none of the lies.
    let newest = world.tip().height;
    wait(&mut carol.inboxes.documents, |event| match event {
        Event::Gossip {
            data,
            source,
            forwarder,
            ..
        } => {
            let announced: FinalAnnouncement = wire::decode(&data).unwrap();
            // A liar that found carol through Kademlia may have told her itself.
            let passed_on = forwarder != source;
            assert!(!passed_on || !forged.contains(&announced), "{announced:?}");
            (announced.header.height >= newest).then_some(())
        }
        _ => None,
    })
    .await;
    carol.end().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_takes_no_chain_from_a_liar() {
    let world = World::new(1, 1).await;
    let chain = world.alice().store().chain();
    let mut mallory = Mallory::stranger(&world).await;
    let truth = tip(&mut mallory).await;
    mallory.end().await;
    let blocks: Vec<Block> = (1..=truth.header.height.0)
        .map(|height| chain.final_block(Height(height)).unwrap().unwrap().block)
        .collect();
    let finalization = Some(truth.finalization.clone());
    let mut without_transactions = blocks.clone();
    for block in &mut without_transactions {
        block.transactions.clear();
    }
    let mut with_gap = blocks.clone();
    with_gap.remove(0);
    let ranges = [
        without_transactions,
        with_gap,
        blocks.iter().rev().cloned().collect(),
    ];
    for blocks in ranges {
        // The joining node knows only the liar, who tells the true tip.
        let key = super::super::key();
        let mut liar = Mallory::alone_listening(&world, &key).await;
        let joining = start(&world.genesis, Keys::of(9), false, &[liar.address()]).await;
        liar.victim = joining.handle.peer_id();
        let (truth, lie) = (
            truth.clone(),
            FinalRange {
                blocks,
                finalization: finalization.clone(),
            },
        );
        for _ in 0..2 {
            liar.answer_until(Lane::Consensus, |body| match wire::decode(body).unwrap() {
                ChainRequest::Tip => (
                    wire::encode(&ChainResponse::Tip(Some(truth.clone()))),
                    false,
                ),
                _ => (wire::encode(&ChainResponse::Final(lie.clone())), true),
            })
            .await;
        }
        let chain = joining.handle.store().chain();
        liar.is_thrown_out(Lane::Documents).await;
        assert_eq!(chain.final_height().unwrap(), Height(0));
        liar.end().await;
        // An honest peer is all that it takes.
        joining
            .handle
            .network()
            .dial(world.members[0].address.clone())
            .await
            .unwrap();
        until(|| async { (chain.final_height().unwrap() >= truth.header.height).then_some(()) })
            .await;
        joining.stop().await;
    }
    let name = CollectionName::new("after").unwrap();
    submit(
        world.alice(),
        Wish::CreateCollection {
            name,
            write_quorum: None,
        },
    )
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_never_mix_even_when_they_dial_each_other() {
    let mut ours = World::new(1, 1).await;
    let mut genesis = super::world::genesis(1);
    genesis.name = "another".into();
    let (before, theirs) = (ours.snapshot().await, Keys::of(9));
    genesis.validators[0].peer = theirs.peer.public();
    genesis.validators[0].key = theirs.validator.public();
    genesis.replicas[0].peer = theirs.peer.public();
    let other = start(&genesis, theirs, true, &[ours.members[0].address.clone()]).await;
    for (from, to) in [(ours.alice(), &other), (&other.handle, &ours.members[0])] {
        let refused = from.network().dial(to.address.clone()).await;
        // Whoever is first to see it hangs up.
        assert!(
            matches!(refused, Err(DialError::OtherNetwork | DialError::Failed(_))),
            "{refused:?}"
        );
    }
    let name = CollectionName::new("theirs").unwrap();
    submit(
        &other.handle,
        Wish::CreateCollection {
            name,
            write_quorum: None,
        },
    )
    .await;
    assert_eq!(ours.snapshot().await, before);
    ours.serves().await;
    for handle in [ours.alice(), &other.handle] {
        assert!(handle.network().peers().await.unwrap().is_empty());
    }
    other.stop().await;
    ours.end().await;
}
