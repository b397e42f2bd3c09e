//! Who connects with whom, and what a plain peer gets.

use bytes::Bytes;
use decube_node::network::{
    Audience, Command, Event, Lane,
    channel::{Channel, Policy, RefusalKind},
};
use libp2p::Multiaddr;

use super::{
    super::{HANG, Node, ask_on_each_protocol, connected, protocol, wait},
    node, node_at, only_channel,
    plain::{Plain, Seen, prefix},
    refusal,
};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Node(Policy),
    Plain,
}

impl Kind {
    const ALL: [Self; 3] = [
        Self::Node(Policy::Require),
        Self::Node(Policy::Prefer),
        Self::Plain,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Node(policy) => policy.as_str(),
            Self::Plain => "plain libp2p",
        }
    }
}

enum Party {
    Node(Box<Node>),
    Plain(Plain),
}

impl Party {
    async fn start(kind: Kind, listen: &str) -> Self {
        match kind {
            Kind::Node(policy) => {
                Self::Node(Box::new(node_at(policy, &super::key(), listen).await))
            }
            Kind::Plain => Self::Plain(Plain::start(listen, "topic").await),
        }
    }

    fn address(&self) -> &Multiaddr {
        match self {
            Self::Node(node) => &node.address,
            Self::Plain(plain) => &plain.address,
        }
    }

    /// The only connection, as a node sees it.
    async fn channel(&self) -> Option<Channel> {
        match self {
            Self::Node(node) => only_channel(node).await,
            Self::Plain(_) => None,
        }
    }
}

/// What came of a dial: the channel, as every node among the two sees it, or the reason why not.
async fn outcome(dialler: Kind, listener: Kind, listen: &str) -> Result<Channel, String> {
    let (mut from, mut to) = (
        Party::start(dialler, listen).await,
        Party::start(listener, listen).await,
    );
    let address = to.address().clone();
    let reached = match &mut from {
        Party::Node(node) => node.handle.dial(address).await.map(drop),
        Party::Plain(plain) => {
            plain.dial(&address).await;
            let reached = plain
                .wait(|seen| match seen {
                    Seen::Connected => Some(true),
                    Seen::Failed => Some(false),
                    _ => None,
                })
                .await;
            match reached {
                true => Ok(()),
                false => Err(decube_node::network::DialError::Busy),
            }
        }
    };
    match reached {
        Ok(()) => Ok(agreed(&from, &to, listen).await),
        Err(said) => Err(match (&mut from, &mut to) {
            (Party::Node(node), _) if listen == TCP => {
                refusal(node, RefusalKind::NoCommonChannel).await
            }
            (_, Party::Node(node)) => refusal(node, RefusalKind::NoCommonChannel).await,
            _ => said.to_string(),
        }),
    }
}

/// Waits until both nodes list the connection, and compares what they say.
async fn agreed(from: &Party, to: &Party, listen: &str) -> Channel {
    let mut found = Vec::new();
    for party in [from, to] {
        if matches!(party, Party::Plain(_)) {
            continue;
        }
        let listed = async {
            loop {
                if let Some(channel) = party.channel().await {
                    return channel;
                }
                tokio::task::yield_now().await;
            }
        };
        found.push(tokio::time::timeout(HANG, listed).await.unwrap());
    }
    found.dedup();
    match found[..] {
        [channel] => channel,
        // Two plain peers have what libp2p has.
        [] if listen == TCP => Channel::ClassicNoise,
        [] => Channel::Quic,
        _ => panic!("they disagree: {found:?}"),
    }
}

#[tokio::test]
async fn the_matrix_of_policies_over_tcp() {
    use Channel::{ClassicNoise, PostQuantum};
    let wanted = [
        [Some(PostQuantum), Some(PostQuantum), None],
        [Some(PostQuantum), Some(PostQuantum), Some(ClassicNoise)],
        [None, Some(ClassicNoise), Some(ClassicNoise)],
    ];
    println!("over TCP, dialler to listener:");
    for (dialler, row) in Kind::ALL.into_iter().zip(wanted) {
        for (listener, wanted) in Kind::ALL.into_iter().zip(row) {
            let found = outcome(dialler, listener, TCP).await;
            print(dialler, listener, &found);
            assert_eq!(found.as_ref().ok(), wanted.as_ref());
            if let Err(reason) = found {
                assert!(reason.contains("no channel in common"), "{reason}");
            }
        }
    }
}

#[tokio::test]
async fn the_matrix_of_policies_over_quic() {
    println!("over QUIC, dialler to listener (a node that requires cannot listen):");
    for dialler in Kind::ALL {
        for listener in [Kind::Node(Policy::Prefer), Kind::Plain] {
            let found = outcome_over_quic(dialler, listener).await;
            print(dialler, listener, &found);
            let is_excluded = dialler == Kind::Node(Policy::Require);
            assert_eq!(found.ok(), (!is_excluded).then_some(Channel::Quic));
        }
    }
}

async fn outcome_over_quic(dialler: Kind, listener: Kind) -> Result<Channel, String> {
    if dialler != Kind::Node(Policy::Require) {
        return outcome(dialler, listener, QUIC).await;
    }
    let (from, to) = (
        node(Policy::Require).await,
        Party::start(listener, QUIC).await,
    );
    let dialled = from.handle.dial(to.address().clone()).await;
    let error = dialled.map(|_| Channel::Quic);
    error.map_err(|error| error.to_string())
}

#[allow(
    clippy::print_stdout,
    reason = "the matrix is there to be read, with `--nocapture`"
)]
fn print(dialler: Kind, listener: Kind, found: &Result<Channel, String>) {
    let text = match found {
        Ok(channel) => format!("{channel} ({})", channel.group()),
        Err(reason) => format!("refused: {reason}"),
    };
    println!("{:>12} -> {:<12}  {text}", dialler.name(), listener.name());
}

/// A node under `prefer` that listens on both, met by QUIC by one that listens on TCP.
#[tokio::test]
async fn two_nodes_that_meet_by_quic_go_over_to_the_post_quantum_channel() {
    let key = super::key();
    let mut config = super::settings(&key);
    config.channel = Policy::Prefer;
    config.listen = vec![QUIC.parse().unwrap(), TCP.parse().unwrap()];
    let mut alice = super::start(config).await;
    let quic = async {
        loop {
            let all = alice.handle.listeners().await.unwrap();
            if let Some(quic) = all.iter().find(|one| one.to_string().contains("quic")) {
                return quic.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let quic = tokio::time::timeout(HANG, quic).await.unwrap();
    let mut bob = node(Policy::Prefer).await;
    let own = alice.handle.own_peer();
    let reached = bob.handle.dial(quic.with_p2p(own).unwrap()).await;
    assert_eq!(reached, Ok(own));
    assert_eq!(bob.handle.channels().made(Channel::Quic), 1);
    connected(&mut bob.inboxes.documents, own).await;
    connected(&mut alice.inboxes.documents, bob.handle.own_peer()).await;
    ask_on_each_protocol(&mut alice, &mut bob).await;
    let only_one = async {
        while only_channel(&alice).await != Some(Channel::PostQuantum) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HANG, only_one).await.unwrap();
}

#[tokio::test]
async fn a_plain_peer_gets_light_service_and_nothing_else() {
    let mut alice = node(Policy::Prefer).await;
    for (topic, audience) in [
        ("headers", Audience::Everyone),
        ("documents", Audience::Nodes),
    ] {
        let subscribe = Command::Subscribe {
            topic: topic.to_owned(),
            lane: Lane::Consensus,
            audience,
        };
        alice.handle.command(subscribe).await.unwrap();
    }
    let own = alice.handle.own_peer();
    let mut plain = Plain::start(TCP, "headers").await;
    plain.dial(&alice.address).await;

    // The operator sees it come.
    let (peer, channel) = wait(&mut alice.inboxes.bookkeeping, |event| match event {
        Event::ClassicConnection { peer, channel, .. } => Some((peer, channel)),
        _ => None,
    })
    .await;
    assert_eq!((peer, channel), (plain.id, Channel::ClassicNoise));

    // Identify, ping and Kademlia work.
    let (mut offers, mut pinged, mut found) = (Vec::new(), false, false);
    plain
        .wait(|seen| {
            match seen {
                Seen::Offers(protocols) => offers = protocols,
                Seen::Pinged => pinged = true,
                Seen::Found(peers) => found |= peers.contains(&own),
                _ => {}
            }
            (pinged && found && !offers.is_empty()).then_some(())
        })
        .await;
    let prefix = prefix();
    let mut offered: Vec<_> = offers
        .iter()
        .filter_map(|name| name.as_ref().strip_prefix(&prefix))
        .collect();
    offered.sort_unstable();
    assert_eq!(offered, ["chain/1", "echo/1", "headers/1", "kad/1"]);
    for name in ["chain", "echo"] {
        assert!(plain.can_open(own, name).await, "{name}");
    }
    for name in ["sync", "transactions", "consensus", "gossip"] {
        assert!(!plain.can_open(own, name).await, "{name}");
        assert!(!offers.contains(&protocol(name)));
    }
    hears_of_headers_only(&alice, &mut plain).await;

    // It is listed, and the rest of the node was not told of it: nothing syncs with it.
    assert_eq!(only_channel(&alice).await, Some(Channel::ClassicNoise));
    let mut bob = node(Policy::Require).await;
    alice.handle.dial(bob.address.clone()).await.unwrap();
    let first = wait(&mut alice.inboxes.documents, |event| match event {
        Event::PeerConnected { peer, .. } => Some(peer),
        _ => None,
    })
    .await;
    assert_eq!(first, bob.handle.own_peer());
    connected(&mut bob.inboxes.consensus, own).await;
    ask_on_each_protocol(&mut alice, &mut bob).await;
}

/// What is published for nodes comes before what is for everyone, and only the latter arrives.
async fn hears_of_headers_only(alice: &Node, plain: &mut Plain) {
    let heard = async {
        for number in 0.. {
            for topic in ["documents", "headers"] {
                let data = Bytes::from(format!("{topic} {number}"));
                let topic = topic.to_owned();
                let publish = Command::Publish { topic, data };
                alice.handle.command(publish).await.unwrap();
            }
            let pause = tokio::time::sleep(std::time::Duration::from_millis(50));
            tokio::select! {
                data = plain.wait(|seen| match seen {
                    Seen::Gossip(data) => Some(data),
                    _ => None,
                }) => return data,
                () = pause => {}
            }
        }
        unreachable!("the numbers do not end")
    };
    let heard = tokio::time::timeout(HANG, heard).await.unwrap();
    assert!(heard.starts_with(b"headers"), "{heard:?}");
}

/// A node asks nothing of a peer on a classic connection.
#[tokio::test]
async fn nothing_is_asked_of_a_classic_peer_but_the_chain() {
    use decube_node::network::{Protocol, RequestError};
    let mut alice = node(Policy::Prefer).await;
    let plain = Plain::start(TCP, "headers").await;
    assert_eq!(alice.handle.dial(plain.address.clone()).await, Ok(plain.id));
    for (number, asked) in (0..).zip([Protocol::Sync, Protocol::Transactions]) {
        super::super::ask(&alice, plain.id, asked, number, Bytes::new()).await;
        assert_eq!(
            super::super::outcome(&mut alice, asked, number).await,
            Err(RequestError::NotConnected)
        );
    }
    super::super::ask(&alice, plain.id, Protocol::Chain, 9, Bytes::new()).await;
    assert_eq!(
        super::super::outcome(&mut alice, Protocol::Chain, 9).await,
        Err(RequestError::Unsupported)
    );
}
