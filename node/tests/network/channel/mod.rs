//! Which peers connect by which channel, and what one who sits on the path achieves.

mod attacks;
mod matrix;
mod plain;
mod private;
mod proxy;

use decube_node::network::{
    Event, StartError,
    channel::{Channel, Policy, RefusalKind},
    spawn,
};
use libp2p::{Multiaddr, identity::Keypair, multiaddr};

use super::{Node, key, settings, start, wait};

/// A node with this policy that listens on TCP.
async fn node(policy: Policy) -> Node {
    node_at(policy, &key(), "/ip4/127.0.0.1/tcp/0").await
}

async fn node_at(policy: Policy, key: &Keypair, listen: &str) -> Node {
    let mut config = settings(key);
    config.channel = policy;
    config.listen = vec![listen.parse().unwrap()];
    start(config).await
}

/// Waits until the operator is told of a refusal of this kind, and returns what was said.
async fn refusal(node: &mut Node, wanted: RefusalKind) -> String {
    let reason = wait(&mut node.inboxes.bookkeeping, |event| match event {
        Event::ConnectionRefused { kind, reason, .. } => (kind == wanted).then_some(reason),
        _ => None,
    })
    .await;
    assert!(node.handle.channels().refused(wanted) > 0);
    reason
}

/// The channel by which `node` is connected with the only peer it has.
async fn only_channel(node: &Node) -> Option<Channel> {
    let peers = node.handle.peers().await.unwrap();
    assert!(peers.len() <= 1, "{peers:?}");
    peers.first().map(|peer| peer.channel)
}

/// The address of a proxy, as if the node were there.
fn through(proxy: std::net::SocketAddr, node: &Node) -> Multiaddr {
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{}", proxy.port())
        .parse()
        .unwrap();
    address.with(multiaddr::Protocol::P2p(node.handle.own_peer()))
}

#[tokio::test]
async fn quic_is_refused_at_the_start_where_it_cannot_be_judged() {
    let quic: Multiaddr = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
    let mut require = settings(&key());
    require.listen = vec![quic.clone()];
    let mut with_key = require.clone();
    with_key.channel = Policy::Prefer;
    with_key.preshared_key = Some(private::preshared(1));
    for config in [require, with_key] {
        let Err(StartError::QuicExcluded { address }) = spawn(config) else {
            panic!("it started");
        };
        assert_eq!(address, quic);
    }
}
