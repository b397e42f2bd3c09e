//! Lies about documents: valid encodings of what is not so.

use decube_crypto::{Digest, SecretKey};
use decube_node::network::{Lane, Protocol};
use decube_protocols::documents::content::{Content, MAX_CHANGE, Session};
use decube_protocols::documents::{
    Announcement, Comparison, ReceiptRefusal, ReceiptRequest, SyncRequest, SyncResponse,
};
use decube_protocols::tree::Prefix;
use decube_protocols::types::{
    ChangeHash, CollectionId, CommitEntry, Descriptor, DocumentId, DocumentName, Heads, Tombstone,
};
use decube_protocols::wire;

use super::forge::{RawChange, actor, garbage, sync_message};
use super::mallory::Mallory;
use super::world::{World, until};

fn topic(world: &World) -> String {
    format!(
        "/decube/{}/collection/{}/1",
        world.network.short(),
        world.collection
    )
}

fn author() -> SecretKey {
    SecretKey::from_seed(&[0xa7; 32])
}

/// A document of mallory's own, which he may well create.
fn descriptor(world: &World, nonce: u64) -> Descriptor {
    let name = DocumentName::new("mine").unwrap();
    Descriptor::sign(&world.network, world.collection, nonce, name, &author())
}

fn changed(descriptor: Descriptor, heads: &[ChangeHash], changes: &[&[u8]]) -> Vec<u8> {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    let changes = changes.iter().map(|change| change.to_vec()).collect();
    wire::encode(&Announcement::Changed {
        descriptor,
        heads,
        changes,
    })
}

/// Publishes these on the topic of the collection, after which the victim must hang up.
async fn is_thrown_out_for(world: &mut World, lies: Vec<Vec<u8>>) {
    let before = world.snapshot().await;
    let mut mallory = Mallory::stranger(world).await;
    let topic = topic(world);
    mallory.join(&topic).await;
    for lie in lies {
        mallory.publish(&topic, lie).await;
    }
    mallory.is_thrown_out(Lane::Consensus).await;
    assert_eq!(world.snapshot().await, before);
    mallory.end().await;
    world.serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_announcements_throw_their_sender_out_and_change_nothing() {
    let mut world = World::new(1, 1).await;
    let head = ChangeHash(Digest::of("decube/test/1", &[]));
    // Another name than was signed, for documents that the victim does not know.
    let renamed = |nonce| Descriptor {
        name: DocumentName::new("yours").unwrap(),
        ..descriptor(&world, nonce)
    };
    let lies = (0..3)
        .map(|nonce| changed(renamed(nonce), &[head], &[]))
        .collect();
    is_thrown_out_for(&mut world, lies).await;

    // Removals that their author did not sign.
    let removed = |seed| {
        let (author, forger) = (author(), SecretKey::from_seed(&[seed; 32]));
        let tombstone = Tombstone::sign(&world.network, world.collection, world.document, &forger);
        wire::encode(&Announcement::Removed(Tombstone {
            author: author.public(),
            ..tombstone
        }))
    };
    let lies = (1..4).map(removed).collect();
    is_thrown_out_for(&mut world, lies).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_document_is_not_announced_under_a_name_that_was_not_signed() {
    // The descriptor of a known document was not checked again, and forwarded to nodes that did
    // not know the document; they would have blamed the honest forwarder.
    let mut world = World::new(1, 1).await;
    let mut mallory = Mallory::stranger(&world).await;
    let topic = topic(&world);
    mallory.join(&topic).await;
    let session = Session {
        author: author().public(),
        nonce: [3; 8],
    };
    let (content, first) = Content::create(&session, None, 0).unwrap();
    let own = descriptor(&world, 1);
    mallory
        .publish(
            &topic,
            changed(own.clone(), &content.heads(), &[&first.bytes]),
        )
        .await;
    knows(&world, &own.id(), &content.heads()).await;
    for name in ["yours", "ours", "theirs"] {
        let name = DocumentName::new(name).unwrap();
        let lie = Descriptor {
            name,
            ..own.clone()
        };
        mallory
            .publish(&topic, changed(lie, &content.heads(), &[]))
            .await;
    }
    mallory.is_thrown_out(Lane::Consensus).await;
    mallory.end().await;
    world.serves().await;
    world.end().await;
}

/// Waits until the victim has a document at these heads.
async fn knows(world: &World, document: &DocumentId, heads: &[ChangeHash]) {
    let alice = world.alice();
    let describe = || decube_protocols::documents::Command::Describe {
        document: *document,
    };
    until(|| async {
        match alice.documents(describe()).await {
            Ok(decube_protocols::documents::Reply::Document(entry)) => {
                (entry.heads == heads).then_some(())
            }
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_break_a_chain_are_put_aside_and_the_document_goes_on() {
    let mut world = World::new(1, 1).await;
    let before = world.heads().await;
    let mut mallory = Mallory::stranger(&world).await;
    let topic = topic(&world);
    mallory.join(&topic).await;
    let session = Session {
        author: author().public(),
        nonce: [3; 8],
    };
    let raw = |dependencies: &[ChangeHash], seq, start_op| {
        RawChange {
            dependencies,
            actor: actor(session),
            seq,
            start_op,
        }
        .make()
    };
    let own = descriptor(&world, 1);
    let (first, bytes) = raw(&[], 1, 1);
    mallory
        .publish(&topic, changed(own.clone(), &[first], &[&bytes]))
        .await;
    knows(&world, &own.id(), &[first]).await;
    let lies = [
        ("the same actor and number twice", raw(&[], 1, 2)),
        ("a gap in the numbers", raw(&[first], 3, 1)),
        ("not on the actor's change before it", raw(&[], 2, 1)),
        (
            "numbers of operations without bound",
            raw(&[first], 2, (1 << 31) + 1),
        ),
    ];
    for (lie, (hash, bytes)) in &lies {
        println!("{lie}");
        mallory
            .publish(&topic, changed(own.clone(), &[*hash], &[bytes]))
            .await;
        until(|| async {
            let aside = world.quarantine().await;
            aside
                .iter()
                .any(|entry| entry.change == *hash)
                .then_some(())
        })
        .await;
    }
    // The chain goes on as if the lies had not been told.
    let (second, bytes) = raw(&[first], 2, 1);
    mallory
        .publish(&topic, changed(own.clone(), &[second], &[&bytes]))
        .await;
    knows(&world, &own.id(), &[second]).await;
    assert_eq!(world.heads().await, before, "and no other document changed");
    mallory.end().await;
    world.serves().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_announces_what_he_cannot_give_is_asked_and_thrown_out_for_his_answers() {
    let mut world = World::new(1, 1).await;
    let before = world.snapshot().await;
    let mut mallory = Mallory::stranger(&world).await;
    // The answer to the first question, what collections there are, is of another kind.
    mallory
        .answer(Lane::Documents, |body| {
            let asked = wire::decode::<SyncRequest>(body).unwrap();
            assert!(matches!(asked, SyncRequest::Roots(_)), "{asked:?}");
            Some(wire::encode(&SyncResponse::Acknowledged))
        })
        .await;
    let topic = topic(&world);
    mallory.join(&topic).await;
    let session = Session {
        author: author().public(),
        nonce: [3; 8],
    };
    let missing = ChangeHash(Digest::of("decube/test/1", &[]));
    let (head, bytes) = RawChange {
        dependencies: &[missing],
        actor: actor(session),
        seq: 2,
        start_op: 1,
    }
    .make();
    mallory
        .publish(&topic, changed(descriptor(&world, 1), &[head], &[&bytes]))
        .await;
    mallory
        .answer(Lane::Documents, |body| match wire::decode(body).unwrap() {
            SyncRequest::Document { .. } => Some(wire::encode(&SyncResponse::Receipts(Vec::new()))),
            _ => None,
        })
        .await;
    mallory.is_thrown_out(Lane::Consensus).await;
    assert_eq!(
        world.snapshot().await,
        before,
        "a document without changes is none"
    );
    mallory.end().await;
    world.serves().await;
    world.end().await;
}

fn step(world: &World, descriptor: Option<Descriptor>, message: Vec<u8>) -> Vec<u8> {
    let document = descriptor.as_ref().map_or(world.document, Descriptor::id);
    let collection = world.collection;
    wire::encode(&SyncRequest::Document {
        collection,
        document,
        descriptor,
        message,
        first: true,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_inside_of_sync_messages_throws_its_sender_out() {
    let mut world = World::new(1, 1).await;
    let huge = vec![7; MAX_CHANGE + 1];
    let forged = Descriptor {
        nonce: 9,
        ..descriptor(&world, 1)
    };
    let tombstone = Tombstone::sign(&world.network, world.collection, world.document, &author());
    let forged_tombstone = Tombstone {
        author: SecretKey::from_seed(&[1; 32]).public(),
        ..tombstone
    };
    let kinds: [Vec<Vec<u8>>; 5] = [
        garbage()
            .into_iter()
            .map(|bytes| step(&world, None, bytes))
            .collect(),
        garbage()
            .iter()
            .map(|bytes| step(&world, None, sync_message(&[bytes])))
            .collect(),
        vec![step(&world, None, sync_message(&[&huge])); 2],
        vec![step(&world, Some(forged), Vec::new()); 2],
        vec![wire::encode(&SyncRequest::Removed(forged_tombstone)); 2],
    ];
    for lies in kinds {
        let before = world.snapshot().await;
        let mut mallory = Mallory::stranger(&world).await;
        for lie in lies {
            // Whether an answer comes before the end of the connection is of no interest.
            let _answer = mallory.ask(Protocol::Sync, lie).await;
        }
        mallory.is_thrown_out(Lane::Consensus).await;
        assert_eq!(world.snapshot().await, before);
        mallory.end().await;
        world.serves().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_what_is_not_there_are_answered_and_change_nothing() {
    let mut world = World::new(1, 1).await;
    let before = world.snapshot().await;
    let mut mallory = Mallory::stranger(&world).await;
    let unknown = Digest::of("decube/test/1", &[]);
    let heads = Heads::new(vec![ChangeHash(unknown)]).unwrap();
    let request = |collection, document| ReceiptRequest {
        entry: CommitEntry {
            collection,
            document,
            previous: None,
            heads: heads.clone(),
        },
        previous: Heads::default(),
    };
    let elsewhere = CollectionId(unknown);
    let wanted = SyncRequest::Receipts(vec![
        request(elsewhere, DocumentId(unknown)),
        request(world.collection, DocumentId(unknown)),
        request(world.collection, world.document),
        request(elsewhere, world.document),
    ]);
    let answer = mallory
        .ask(Protocol::Sync, wire::encode(&wanted))
        .await
        .unwrap();
    let refused = [
        ReceiptRefusal::NotFollowed,
        ReceiptRefusal::Missing,
        ReceiptRefusal::Missing,
        ReceiptRefusal::NotFollowed,
    ];
    let expected = SyncResponse::Receipts(refused.into_iter().map(Err).collect());
    assert_eq!(wire::decode::<SyncResponse>(&answer).unwrap(), expected);

    // Prefixes below which the victim has nothing, and of a collection that it does not have.
    for collection in [world.collection, elsewhere] {
        let prefixes = vec![(Prefix::ROOT, unknown)];
        let asked = SyncRequest::Compare {
            collection,
            prefixes,
        };
        let answer = mallory
            .ask(Protocol::Sync, wire::encode(&asked))
            .await
            .unwrap();
        let answer = wire::decode::<SyncResponse>(&answer).unwrap();
        if collection == elsewhere {
            assert_eq!(answer, SyncResponse::NotFollowed);
        } else {
            let SyncResponse::Compare(comparisons) = answer else {
                panic!("{answer:?}")
            };
            let [Comparison::Leaves(leaves)] = comparisons.as_slice() else {
                panic!("{comparisons:?}")
            };
            assert_eq!(leaves.len(), 1);
        }
    }
    assert_eq!(world.snapshot().await, before);
    mallory.end().await;
    world.serves().await;
    world.end().await;
}
