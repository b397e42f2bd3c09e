//! The network of a node over real sockets of the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a test that is surprised fails"
)]

mod attack;
mod channel;

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use decube_crypto::Digest;
use decube_node::network::{
    Acceptance, Audience, Command, Config, DialError, Event, Inboxes, Lane, Limits,
    MAX_CONSENSUS_FRAME, MAX_SYNC_FRAME, Misbehaviour, NetworkHandle, NetworkName, Penalty,
    Priority, Protocol, Refusal, RequestError, StartError,
    channel::{Policy, PostQuantum},
    spawn,
};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, SwarmBuilder, identity::Keypair, multiaddr, tcp, yamux,
};
use tokio::{sync::mpsc, time::timeout};

/// Only ends a test that hangs.
const HANG: Duration = Duration::from_secs(120);

const NETWORK: [u8; 8] = [0xd3; 8];

struct Node {
    handle: NetworkHandle,
    inboxes: Inboxes,
    /// The first address it listens on, with its peer id.
    address: Multiaddr,
}

fn settings(key: &Keypair) -> Config {
    Config {
        network: NetworkName::new(NETWORK),
        keypair: key.clone(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        bootstrap: Vec::new(),
        known: Vec::new(),
        banned: Vec::new(),
        validators: Vec::new(),
        replicas: Vec::new(),
        channel: Policy::Require,
        preshared_key: None,
        allowed: None,
        pinned: Vec::new(),
        mdns: false,
        limits: Limits::default(),
    }
}

fn key() -> Keypair {
    Keypair::generate_ed25519()
}

fn id(key: &Keypair) -> PeerId {
    key.public().to_peer_id()
}

async fn start(config: Config) -> Node {
    let (handle, mut inboxes) = spawn(config).unwrap();
    let address = wait(&mut inboxes.bookkeeping, |event| match event {
        Event::Listening(address) => Some(address),
        _ => None,
    })
    .await
    .with(multiaddr::Protocol::P2p(handle.own_peer()));
    Node {
        handle,
        inboxes,
        address,
    }
}

/// Skips events until one is wanted.
async fn wait<T>(
    inbox: &mut mpsc::Receiver<Event>,
    mut wanted: impl FnMut(Event) -> Option<T>,
) -> T {
    timeout(HANG, async {
        loop {
            let event = inbox.recv().await.expect("the network runs");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
    .expect("the event comes")
}

async fn connected(inbox: &mut mpsc::Receiver<Event>, wanted: PeerId) {
    wait(inbox, |event| match event {
        Event::PeerConnected { peer, .. } => (peer == wanted).then_some(()),
        _ => None,
    })
    .await;
}

async fn disconnected(inbox: &mut mpsc::Receiver<Event>, wanted: PeerId) {
    wait(inbox, |event| match event {
        Event::PeerDisconnected(peer) => (peer == wanted).then_some(()),
        _ => None,
    })
    .await;
}

/// Two nodes of one network; bob has alice as his bootstrap peer. Both lanes of both have said so.
async fn pair(change: impl Fn(&mut Config)) -> (Node, Node) {
    let keys = [key(), key()];
    let validators: Vec<_> = keys.iter().map(id).collect();
    let config = |key: &Keypair| {
        let mut config = settings(key);
        config.validators = validators.clone();
        change(&mut config);
        config
    };
    let mut alice = start(config(&keys[0])).await;
    let mut config = config(&keys[1]);
    config.bootstrap = vec![alice.address.clone()];
    let mut bob = start(config).await;
    for (node, other) in [(&mut alice, validators[1]), (&mut bob, validators[0])] {
        connected(&mut node.inboxes.consensus, other).await;
        connected(&mut node.inboxes.documents, other).await;
    }
    (alice, bob)
}

fn inbox(node: &mut Node, protocol: Protocol) -> &mut mpsc::Receiver<Event> {
    match protocol.lane() {
        Lane::Consensus => &mut node.inboxes.consensus,
        Lane::Documents => &mut node.inboxes.documents,
    }
}

async fn ask(node: &Node, to: PeerId, protocol: Protocol, number: u64, body: Bytes) {
    node.handle
        .command(Command::Request {
            to,
            protocol,
            id: number,
            body,
        })
        .await
        .unwrap();
}

async fn outcome(node: &mut Node, protocol: Protocol, number: u64) -> Result<Bytes, RequestError> {
    wait(inbox(node, protocol), |event| match event {
        Event::Response { id, result, .. } => (id == number).then_some(result),
        _ => None,
    })
    .await
}

/// Asks bob once on each protocol; bob answers with what he got, twice.
async fn ask_on_each_protocol(alice: &mut Node, bob: &mut Node) {
    let (from, to) = (alice.handle.own_peer(), bob.handle.own_peer());
    for (number, protocol) in (0..).zip([Protocol::Sync, Protocol::Transactions, Protocol::Chain]) {
        let question = Bytes::from(format!("question {number}"));
        ask(alice, to, protocol, number, question.clone()).await;
        let (asker, token, body) = wait(inbox(bob, protocol), |event| match event {
            Event::Request {
                from,
                protocol: over,
                token,
                body,
            } => {
                assert_eq!(over, protocol);
                Some((from, token, body))
            }
            _ => None,
        })
        .await;
        assert_eq!((asker, &body), (from, &question));
        let answer = Bytes::from(body.repeat(2));
        bob.handle
            .command(Command::Respond {
                token,
                body: answer.clone(),
            })
            .await
            .unwrap();
        assert_eq!(outcome(alice, protocol, number).await, Ok(answer));
    }
}

#[tokio::test]
async fn requests_are_answered_under_either_policy() {
    for policy in [Policy::Require, Policy::Prefer] {
        let (mut alice, mut bob) = pair(|config| config.channel = policy).await;
        ask_on_each_protocol(&mut alice, &mut bob).await;
        ask_on_each_protocol(&mut bob, &mut alice).await;
        alice.handle.ping(bob.handle.own_peer()).await.unwrap();
        let peers = alice.handle.peers().await.unwrap();
        assert_eq!(peers.len(), 1);
        assert_eq!(
            (peers[0].peer, peers[0].outbound),
            (bob.handle.own_peer(), false)
        );
        assert!(peers[0].validator);
        assert!(alice.handle.traffic().sent > 0 && alice.handle.traffic().received > 0);
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_fails_at_once_and_a_dropped_one_fails_too() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    let to = bob.handle.own_peer();
    ask(&alice, PeerId::random(), Protocol::Sync, 1, Bytes::new()).await;
    assert_eq!(
        outcome(&mut alice, Protocol::Sync, 1).await,
        Err(RequestError::NotConnected)
    );

    let (length, maximum) = (MAX_SYNC_FRAME + 1, MAX_SYNC_FRAME);
    ask(&alice, to, Protocol::Sync, 2, vec![0; length].into()).await;
    assert_eq!(
        outcome(&mut alice, Protocol::Sync, 2).await,
        Err(RequestError::TooLarge { length, maximum })
    );

    ask(
        &alice,
        to,
        Protocol::Sync,
        3,
        vec![0; MAX_SYNC_FRAME].into(),
    )
    .await;
    wait(&mut bob.inboxes.documents, |event| match event {
        Event::Request { token, .. } => {
            drop(token);
            Some(())
        }
        _ => None,
    })
    .await;
    let result = outcome(&mut alice, Protocol::Sync, 3).await;
    assert!(matches!(result, Err(RequestError::Closed(_))), "{result:?}");
}

async fn subscribe(node: &Node, topic: &str) {
    let command = Command::Subscribe {
        topic: topic.to_owned(),
        lane: Lane::Documents,
        audience: Audience::Nodes,
    };
    node.handle.command(command).await.unwrap();
}

async fn publish(node: &Node, topic: &str, data: &str) {
    let command = Command::Publish {
        topic: topic.to_owned(),
        data: data.to_owned().into(),
    };
    node.handle.command(command).await.unwrap();
}

async fn subscribed(node: &mut Node, peer: PeerId) {
    wait(&mut node.inboxes.documents, |event| match event {
        Event::Subscribed { peer: who, .. } => (who == peer).then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn gossip_is_delivered_once_under_the_id_of_its_content() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    subscribe(&alice, "topic").await;
    subscribe(&bob, "topic").await;
    subscribed(&mut alice, bob.handle.own_peer()).await;
    for data in ["first", "first", "second", "first", "third"] {
        publish(&alice, "topic", data).await;
    }
    for wanted in ["first", "second", "third"] {
        let id = wait(&mut bob.inboxes.documents, |event| match event {
            Event::Gossip {
                topic,
                source,
                forwarder,
                id,
                data,
            } => {
                assert_eq!((topic.as_str(), data), ("topic", Bytes::from(wanted)));
                assert_eq!([source, forwarder], [alice.handle.own_peer(); 2]);
                Some(id)
            }
            _ => None,
        })
        .await;
        let content = Digest::of("decube/gossip-message/1", &[b"topic", wanted.as_bytes()]);
        assert_eq!(id.as_bytes(), content.as_bytes());
        let forwarder = alice.handle.own_peer();
        let acceptance = Acceptance::Accept;
        bob.handle
            .command(Command::Validate {
                id,
                forwarder,
                acceptance,
            })
            .await
            .unwrap();
    }
}

async fn frame(node: &mut Node) -> (PeerId, Bytes) {
    wait(&mut node.inboxes.consensus, |event| match event {
        Event::Frame { from, bytes } => Some((from, bytes)),
        _ => None,
    })
    .await
}

fn numbered(number: u32) -> Bytes {
    // Lengths from nothing but the number to some that need several reads.
    let mut frame = number.to_be_bytes().to_vec();
    frame.resize(4 + usize::try_from(number * 37 % 5000).unwrap(), 7);
    frame.into()
}

#[tokio::test]
async fn frames_reach_the_other_validator_in_order_both_ways() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    let ids = [alice.handle.own_peer(), bob.handle.own_peer()];
    for number in 0..40 {
        assert!(alice.handle.send(&ids[1], Priority::Vote, numbered(number)));
        bob.handle.broadcast(Priority::Proposal, &numbered(number));
    }
    for number in 0..40 {
        assert_eq!(frame(&mut bob).await, (ids[0], numbered(number)));
        assert_eq!(frame(&mut alice).await, (ids[1], numbered(number)));
    }
    let large = Bytes::from(vec![9; MAX_CONSENSUS_FRAME]);
    alice.handle.broadcast(Priority::CatchUp, &large);
    assert_eq!(frame(&mut bob).await, (ids[0], large));
    assert!(
        !alice
            .handle
            .send(&PeerId::random(), Priority::Vote, Bytes::new())
    );
}

#[tokio::test]
async fn a_flood_of_gossip_that_nobody_reads_delays_no_frame_and_loses_no_disconnection() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    subscribe(&alice, "topic").await;
    subscribe(&bob, "topic").await;
    subscribed(&mut alice, bob.handle.own_peer()).await;
    // More than the inbox for documents holds, and bob does not read it.
    for number in 0..600 {
        publish(&alice, "topic", &format!("message {number}")).await;
        alice.handle.broadcast(Priority::Vote, &numbered(number));
    }
    for number in 0..600 {
        assert_eq!(frame(&mut bob).await.1, numbered(number));
    }
    let own = alice.handle.own_peer();
    alice.handle.shutdown().await;
    disconnected(&mut bob.inboxes.consensus, own).await;
    disconnected(&mut bob.inboxes.documents, own).await;
}

/// A program that speaks libp2p with the key of a validator, but sends what it wants.
fn hostile(key: &Keypair, target: &Multiaddr) -> libp2p_stream::Control {
    let mut swarm = SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            PostQuantum::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build();
    swarm.dial(target.clone()).unwrap();
    let control = swarm.behaviour().new_control();
    tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    control
}

fn protocol(name: &str) -> StreamProtocol {
    let name = format!("/decube/{}/{name}/1", NetworkName::new(NETWORK));
    StreamProtocol::try_from_owned(name).unwrap()
}

/// Opens a stream as soon as the connection stands.
async fn open(
    control: &mut libp2p_stream::Control,
    target: PeerId,
    protocol: &StreamProtocol,
) -> libp2p::Stream {
    timeout(HANG, async {
        loop {
            if let Ok(stream) = control.open_stream(target, protocol.clone()).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap()
}

async fn misbehaviour(node: &mut Node) -> (PeerId, Misbehaviour) {
    wait(&mut node.inboxes.bookkeeping, |event| match event {
        Event::Misbehaved { peer, reason } => Some((peer, reason)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn oversized_frames_close_their_stream_and_are_reported_until_the_peer_is_disconnected() {
    let (own, mallory) = (key(), key());
    let mut config = settings(&own);
    config.validators = vec![id(&own), id(&mallory)];
    let mut alice = start(config).await;
    let mut control = hostile(&mallory, &alice.address);

    let mut stream = open(&mut control, id(&own), &protocol("consensus")).await;
    stream.write_all(&[0, 0, 0, 2, b'o', b'k']).await.unwrap();
    stream.write_all(b"GARBAGE").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(frame(&mut alice).await, (id(&mallory), Bytes::from("ok")));
    let (peer, reason) = misbehaviour(&mut alice).await;
    assert_eq!(peer, id(&mallory));
    // "GARB" as a length.
    let wanted = format!("a frame of 1195463234 bytes where {MAX_CONSENSUS_FRAME} are allowed");
    assert_eq!(reason, Misbehaviour::Frame(wanted));
    let mut rest = [0];
    assert!(!matches!(
        timeout(HANG, stream.read(&mut rest)).await.unwrap(),
        Ok(1..)
    ));

    let mut stream = open(&mut control, id(&own), &protocol("sync")).await;
    stream.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (peer, reason) = misbehaviour(&mut alice).await;
    assert_eq!(peer, id(&mallory));
    assert!(matches!(reason, Misbehaviour::Frame(_)));
    assert_eq!(
        misbehaviour(&mut alice).await,
        (id(&mallory), Misbehaviour::Penalties)
    );
    disconnected(&mut alice.inboxes.consensus, id(&mallory)).await;
}

#[tokio::test]
async fn nobody_but_a_validator_can_open_a_consensus_stream() {
    let (own, mallory) = (key(), key());
    let mut config = settings(&own);
    config.validators = vec![id(&own), PeerId::random()];
    let alice = start(config).await;
    let mut control = hostile(&mallory, &alice.address);
    // The connection stands: another protocol is there.
    open(&mut control, id(&own), &protocol("sync")).await;
    let refused = control.open_stream(id(&own), protocol("consensus")).await;
    let Err(libp2p_stream::OpenStreamError::UnsupportedProtocol(_)) = refused else {
        panic!("{refused:?}");
    };
}

#[tokio::test]
async fn penalties_of_the_node_disconnect_a_peer_too() {
    let (mut alice, bob) = pair(|_| {}).await;
    let peer = bob.handle.own_peer();
    for _ in 0..2 {
        let penalty = Penalty::Major;
        alice
            .handle
            .command(Command::Penalize { peer, penalty })
            .await
            .unwrap();
    }
    assert_eq!(
        misbehaviour(&mut alice).await,
        (peer, Misbehaviour::Penalties)
    );
    disconnected(&mut alice.inboxes.documents, peer).await;
}

fn assert_nobody_came(node: &mut Node) {
    for inbox in [&mut node.inboxes.consensus, &mut node.inboxes.documents] {
        while let Ok(event) = inbox.try_recv() {
            assert!(!matches!(event, Event::PeerConnected { .. }), "{event:?}");
        }
    }
}

#[tokio::test]
async fn two_networks_never_mix_even_when_they_dial_each_other() {
    let keys = [key(), key()];
    let mut alice = start(settings(&keys[0])).await;
    let mut config = settings(&keys[1]);
    config.network = NetworkName::new([0xee; 8]);
    config.bootstrap = vec![alice.address.clone()];
    // Bob even believes alice to be a validator of his network.
    config.validators = keys.iter().map(id).collect();
    let mut bob = start(config).await;
    let dialled = timeout(HANG, alice.handle.dial(bob.address.clone()))
        .await
        .unwrap();
    assert!(dialled.is_err(), "{dialled:?}");
    let refused = |event| match event {
        Event::Refused { peer, reason } => Some((peer, reason)),
        _ => None,
    };
    let (by, version, (peer, reason)) = tokio::select! {
        refused = wait(&mut alice.inboxes.bookkeeping, refused) => (0, "ee".repeat(8), refused),
        refused = wait(&mut bob.inboxes.bookkeeping, refused) => (1, "d3".repeat(8), refused),
    };
    assert_eq!(peer, id(&keys[1 - by]));
    assert_eq!(
        reason,
        Refusal::OtherNetwork {
            shown: format!("/decube/{version}/1")
        }
    );
    let dialled = timeout(HANG, bob.handle.dial(alice.address.clone()))
        .await
        .unwrap();
    assert!(dialled.is_err(), "{dialled:?}");
    for node in [&mut alice, &mut bob] {
        assert!(node.handle.peers().await.unwrap().is_empty());
        assert_nobody_came(node);
    }
}

#[tokio::test]
async fn a_ban_closes_and_refuses_in_both_directions_until_it_is_lifted() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    let ids = [alice.handle.own_peer(), bob.handle.own_peer()];
    alice.handle.command(Command::Ban(ids[1])).await.unwrap();
    disconnected(&mut alice.inboxes.consensus, ids[1]).await;
    disconnected(&mut bob.inboxes.consensus, ids[0]).await;

    assert_eq!(
        alice.handle.dial(bob.address.clone()).await,
        Err(DialError::Banned)
    );
    let dialled = timeout(HANG, bob.handle.dial(alice.address.clone()))
        .await
        .unwrap();
    assert!(matches!(dialled, Err(DialError::Failed(_))), "{dialled:?}");
    assert!(alice.handle.peers().await.unwrap().is_empty());

    alice.handle.command(Command::Unban(ids[1])).await.unwrap();
    connected(&mut alice.inboxes.consensus, ids[1]).await;
    connected(&mut bob.inboxes.consensus, ids[0]).await;
    ask_on_each_protocol(&mut bob, &mut alice).await;
}

#[tokio::test]
async fn a_peer_that_restarts_is_dialled_again_and_its_stream_reopened() {
    let keys = [key(), key()];
    let validators: Vec<_> = keys.iter().map(id).collect();
    let config = |key: &Keypair| {
        let mut config = settings(key);
        config.validators = validators.clone();
        config
    };
    let bob = start(config(&keys[1])).await;
    let mut alice = config(&keys[0]);
    alice.known = vec![(id(&keys[1]), bob.address.clone())];
    let mut alice = start(alice).await;
    connected(&mut alice.inboxes.consensus, id(&keys[1])).await;

    bob.handle.shutdown().await;
    disconnected(&mut alice.inboxes.consensus, id(&keys[1])).await;
    let mut again = config(&keys[1]);
    let mut listen = bob.address.clone();
    listen.pop();
    again.listen = vec![listen];
    let mut bob = start(again).await;
    connected(&mut alice.inboxes.consensus, id(&keys[1])).await;
    connected(&mut bob.inboxes.consensus, id(&keys[0])).await;
    alice
        .handle
        .broadcast(Priority::Vote, &Bytes::from("still there"));
    assert_eq!(frame(&mut bob).await.1, "still there");
}

#[tokio::test]
async fn addresses_that_worked_are_reported_to_both_sides() {
    let (mut alice, mut bob) = pair(|_| {}).await;
    let learned = |event| match event {
        Event::AddressLearned { peer, address } => {
            Some(address.with(multiaddr::Protocol::P2p(peer)))
        }
        _ => None,
    };
    assert_eq!(
        wait(&mut bob.inboxes.bookkeeping, learned).await,
        alice.address
    );
    assert_eq!(
        wait(&mut alice.inboxes.bookkeeping, learned).await,
        bob.address
    );
    assert_eq!(
        alice
            .handle
            .find(bob.handle.own_peer())
            .await
            .unwrap()
            .len(),
        1,
        "and are found in the book"
    );
}

#[tokio::test]
async fn a_peer_that_only_others_know_is_found_through_them() {
    let keys = [key(), key(), key()];
    let hub = start(settings(&keys[0])).await;
    let mut nodes = Vec::new();
    for key in &keys[1..] {
        let mut config = settings(key);
        config.bootstrap = vec![hub.address.clone()];
        let mut node = start(config).await;
        connected(&mut node.inboxes.consensus, id(&keys[0])).await;
        nodes.push(node);
    }
    let (alice, bob) = (&nodes[0], &nodes[1]);
    let found = timeout(HANG, async {
        loop {
            let found = bob.handle.find(alice.handle.own_peer()).await.unwrap();
            if !found.is_empty() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    });
    let found: BTreeSet<_> = found.await.unwrap().into_iter().collect();
    let mut wanted = alice.address.clone();
    wanted.pop();
    assert!(found.contains(&wanted), "{found:?}");
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_the_address() {
    let alice = start(settings(&key())).await;
    let mut listen = alice.address.clone();
    listen.pop();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let udp: Multiaddr = format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
        .parse()
        .unwrap();
    for busy in [listen, udp] {
        let mut config = settings(&key());
        config.listen = vec![busy.clone()];
        config.channel = Policy::Prefer;
        let Err(error @ StartError::PortInUse { .. }) = spawn(config) else {
            panic!("two listen on {busy}");
        };
        assert!(error.to_string().contains(&busy.to_string()), "{error}");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let mut config = settings(&key());
    config.bootstrap = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    assert!(matches!(
        spawn(config),
        Err(StartError::BootstrapWithoutPeer { .. })
    ));
    let mut config = settings(&key());
    config.listen = vec!["/unix/socket".parse().unwrap()];
    assert!(matches!(spawn(config), Err(StartError::Listen { .. })));
    let alice = start(settings(&key())).await;
    assert_eq!(
        alice.handle.dial(alice.address.clone()).await,
        Err(DialError::Own)
    );
}
