//! One who sits on the path, floods, or pretends gets nowhere, and the operator sees it.

use decube_node::network::{
    Event,
    channel::{Channel, MAX_INBOUND_PER_ADDRESS, Policy, RefusalKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::{Node, ask_on_each_protocol, connected, id, key, settings, start, wait},
    node, node_at, only_channel,
    proxy::{Attack, negotiation, proxy, socket},
    refusal, through,
};

/// Alice dials bob through the attack; it fails, and nobody is connected.
async fn dial_fails(alice: &Node, bob: &Node, attack: Attack) -> String {
    let address = through(proxy(&bob.address, attack).await, bob);
    let error = alice.handle.dial(address).await.unwrap_err();
    assert!(alice.handle.peers().await.unwrap().is_empty());
    assert!(bob.handle.peers().await.unwrap().is_empty());
    error.to_string()
}

#[tokio::test]
async fn who_strips_the_offer_is_found_out_by_the_capabilities() {
    let (mut alice, mut bob) = (node(Policy::Prefer).await, node(Policy::Prefer).await);
    dial_fails(&alice, &bob, Attack::Strip).await;
    for node in [&mut alice, &mut bob] {
        refusal(node, RefusalKind::Downgrade).await;
        assert_eq!(node.handle.channels().made(Channel::ClassicNoise), 0);
    }
}

#[tokio::test]
async fn who_strips_the_offer_of_a_pinned_peer_is_found_out_by_the_pin() {
    let keys = [key(), key()];
    let mut config = settings(&keys[0]);
    config.channel = Policy::Prefer;
    config.pinned = vec![id(&keys[1])];
    let mut alice = start(config).await;
    let bob = node_at(Policy::Prefer, &keys[1], "/ip4/127.0.0.1/tcp/0").await;
    dial_fails(&alice, &bob, Attack::Strip).await;
    let reason = refusal(&mut alice, RefusalKind::Pinned).await;
    assert!(reason.contains(&id(&keys[1]).to_string()), "{reason}");
}

#[tokio::test]
async fn a_peer_is_pinned_by_its_first_post_quantum_connection_until_it_is_removed() {
    let (bobs_key, quic) = (key(), "/ip4/127.0.0.1/udp/0/quic-v1");
    let bob = node_at(Policy::Prefer, &bobs_key, "/ip4/127.0.0.1/tcp/0").await;
    let mut alice = node_at(Policy::Prefer, &key(), quic).await;
    alice.handle.dial(bob.address.clone()).await.unwrap();
    let pinned = wait(&mut alice.inboxes.bookkeeping, |event| match event {
        Event::Pinned(peer) => Some(peer),
        _ => None,
    })
    .await;
    assert_eq!(pinned, id(&bobs_key));
    bob.handle.shutdown().await;
    // The same identity comes by QUIC now.
    let bob = node_at(Policy::Prefer, &bobs_key, quic).await;
    bob.handle.dial(alice.address.clone()).await.unwrap_err();
    refusal(&mut alice, RefusalKind::Pinned).await;
    let dialled = alice.handle.dial(bob.address.clone()).await;
    assert!(dialled.unwrap_err().to_string().contains("over TCP"));
    let remove = decube_node::network::Command::RemovePeer(id(&bobs_key));
    alice.handle.command(remove).await.unwrap();
    alice.handle.dial(bob.address.clone()).await.unwrap();
    assert_eq!(only_channel(&alice).await, Some(Channel::Quic));
}

#[tokio::test]
async fn who_strips_or_alters_the_offer_of_nodes_that_require_it_gets_no_connection() {
    let (alice, mut bob) = (node(Policy::Require).await, node(Policy::Require).await);
    for attack in [Attack::Strip, Attack::Alter] {
        let error = dial_fails(&alice, &bob, attack).await;
        assert!(error.contains("no channel in common"), "{error}");
        refusal(&mut bob, RefusalKind::NoCommonChannel).await;
    }
    assert!(
        alice
            .handle
            .channels()
            .refused(RefusalKind::NoCommonChannel)
            >= 2
    );
}

#[tokio::test]
async fn who_touches_a_message_of_the_handshake_gets_no_connection() {
    let (alice, mut bob) = (node(Policy::Require).await, node(Policy::Require).await);
    let attacks = [
        Attack::Truncate(0),
        Attack::Truncate(1),
        Attack::Truncate(700),
        Attack::Truncate(1218),
        Attack::Truncate(1230),
        Attack::Flip(0),
        Attack::Flip(1),
        Attack::Repeat(0),
    ];
    for attack in attacks {
        let before = bob.handle.channels().refused(RefusalKind::Handshake);
        dial_fails(&alice, &bob, attack.clone()).await;
        let reason = refusal(&mut bob, RefusalKind::Handshake).await;
        println!("{attack:?}: {reason}");
        assert!(bob.handle.channels().refused(RefusalKind::Handshake) > before);
    }
    alice.handle.dial(bob.address.clone()).await.unwrap();
}

#[tokio::test]
async fn who_touches_a_frame_ends_the_connection_and_is_reported() {
    for attack in [
        Attack::Flip(2),
        Attack::Repeat(2),
        Attack::Swap(2),
        Attack::Drop(2),
        Attack::Flip(4),
        Attack::Repeat(4),
    ] {
        let (alice, mut bob) = (node(Policy::Require).await, node(Policy::Require).await);
        let address = through(proxy(&bob.address, attack.clone()).await, &bob);
        // Alice may be connected for as long as bob has not read the frame.
        let _either = alice.handle.dial(address).await;
        let reason = refusal(&mut bob, RefusalKind::Tampered).await;
        println!("{attack:?}: {reason}");
    }
}

/// Mallory has recorded all that alice sent to bob, and says it again.
#[tokio::test]
async fn a_recorded_connection_cannot_be_played_again() {
    let mut bob = node(Policy::Require).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = through(listener.local_addr().unwrap(), &bob);
    let target = socket(&bob.address);
    let record = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(target).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back =
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut record = Vec::new();
        let mut buffer = [0; 4096];
        // Message C and some frames are among the first bytes.
        while record.len() < 2000 {
            let count = from_client.read(&mut buffer).await.unwrap();
            record.extend_from_slice(&buffer[..count]);
            to_server.write_all(&buffer[..count]).await.unwrap();
        }
        back.abort();
        record
    });
    let alice = node(Policy::Require).await;
    // The recorder hangs up soon.
    let _either = alice.handle.dial(address).await;
    let record = record.await.unwrap();
    alice.handle.shutdown().await;
    let mut again = TcpStream::connect(target).await.unwrap();
    again.write_all(&record).await.unwrap();
    let reason = wait(&mut bob.inboxes.bookkeeping, |event| match event {
        Event::ConnectionRefused { reason, .. } => {
            reason.contains("does not decrypt").then_some(reason)
        }
        _ => None,
    })
    .await;
    assert!(reason.contains("message C"), "{reason}");
}

#[tokio::test]
async fn half_open_handshakes_take_the_place_of_their_own_address_only_and_end() {
    let mut alice = node(Policy::Require).await;
    let target = socket(&alice.address);
    let mut held = Vec::new();
    for _ in 0..2 * MAX_INBOUND_PER_ADDRESS {
        held.push(TcpStream::connect(target).await.unwrap());
    }
    let reason = refusal(&mut alice, RefusalKind::Flood).await;
    println!("{reason}");
    // From another address there is room while the flood stands.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(target).await.unwrap();
    other.write_all(b"\x13/multistream/1.0.0\n").await.unwrap();
    assert_eq!(
        negotiation(&mut other).await.unwrap(),
        b"\x13/multistream/1.0.0\n"
    );
    drop(held);
    let mut bob = node(Policy::Require).await;
    let reached = async {
        while bob.handle.dial(alice.address.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::super::HANG, reached)
        .await
        .unwrap();
    connected(&mut alice.inboxes.consensus, bob.handle.own_peer()).await;
    ask_on_each_protocol(&mut bob, &mut alice).await;
}

#[tokio::test]
async fn who_answers_in_the_place_of_another_is_refused_by_name() {
    let (mut alice, bob, mallory) = (
        node(Policy::Require).await,
        node(Policy::Require).await,
        node(Policy::Require).await,
    );
    let address = through(socket(&mallory.address), &bob);
    alice.handle.dial(address).await.unwrap_err();
    let reason = refusal(&mut alice, RefusalKind::WrongPeer).await;
    assert!(
        reason.contains(&mallory.handle.own_peer().to_string()),
        "{reason}"
    );
    assert!(alice.handle.peers().await.unwrap().is_empty());
}
