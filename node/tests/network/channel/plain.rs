//! An ordinary libp2p peer: Noise or QUIC, identify, ping, Kademlia and gossipsub, as libp2p
//! provides them, with the protocol names of the network and nothing else of DeCube.

use std::time::Duration;

use decube_node::network::NetworkName;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify, kad, multiaddr,
    noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::{sync::mpsc, time::timeout};

use super::super::{HANG, NETWORK, protocol};

#[derive(NetworkBehaviour)]
struct Protocols {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    kademlia: kad::Behaviour<kad::store::MemoryStore>,
    headers: gossipsub::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// What a plain peer saw.
#[derive(Debug)]
pub enum Seen {
    Listening(Multiaddr),
    Connected,
    Closed,
    Failed,
    Pinged,
    Offers(Vec<StreamProtocol>),
    Found(Vec<PeerId>),
    Gossip(Vec<u8>),
}

/// A plain peer, run by a task of its own.
pub struct Plain {
    pub id: PeerId,
    pub address: Multiaddr,
    pub streams: libp2p_stream::Control,
    seen: mpsc::Receiver<Seen>,
    dials: mpsc::Sender<Multiaddr>,
}

fn swarm() -> Swarm<Protocols> {
    SwarmBuilder::with_existing_identity(super::key())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_quic()
        .with_behaviour(|key| {
            let own = key.public().to_peer_id();
            let mut kademlia = kad::Behaviour::with_config(
                own,
                kad::store::MemoryStore::new(own),
                kad::Config::new(protocol("kad")),
            );
            kademlia.set_mode(Some(kad::Mode::Server));
            let settings = gossipsub::ConfigBuilder::default()
                .protocol_id(protocol("headers").to_string(), gossipsub::Version::V1_1)
                .heartbeat_interval(Duration::from_millis(100))
                .build()
                .unwrap();
            let signed = gossipsub::MessageAuthenticity::Signed(key.clone());
            Protocols {
                identify: identify::Behaviour::new(identify::Config::new(
                    "plain/1".to_owned(),
                    key.public(),
                )),
                ping: ping::Behaviour::new(
                    ping::Config::new().with_interval(Duration::from_millis(200)),
                ),
                kademlia,
                headers: gossipsub::Behaviour::new(signed, settings).unwrap(),
                streams: libp2p_stream::Behaviour::new(),
            }
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(HANG))
        .build()
}

impl Plain {
    /// Starts a peer that listens, and takes part in `topic`.
    pub async fn start(listen: &str, topic: &str) -> Self {
        let mut swarm = swarm();
        let topic = gossipsub::IdentTopic::new(topic);
        swarm.behaviour_mut().headers.subscribe(&topic).unwrap();
        swarm.listen_on(listen.parse().unwrap()).unwrap();
        let id = *swarm.local_peer_id();
        let streams = swarm.behaviour().streams.new_control();
        let (sender, seen) = mpsc::channel(1024);
        let (dials, requests) = mpsc::channel(16);
        tokio::spawn(run(swarm, sender, requests));
        let mut plain = Self {
            id,
            address: Multiaddr::empty(),
            streams,
            seen,
            dials,
        };
        let address = plain
            .wait(|seen| match seen {
                Seen::Listening(address) => Some(address),
                _ => None,
            })
            .await;
        plain.address = address.with(multiaddr::Protocol::P2p(id));
        plain
    }

    pub async fn dial(&self, address: &Multiaddr) {
        self.dials.send(address.clone()).await.unwrap();
    }

    pub async fn wait<T>(&mut self, mut wanted: impl FnMut(Seen) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(self.seen.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        timeout(HANG, found).await.unwrap()
    }

    /// Whether a stream of a protocol of the network can be opened.
    pub async fn can_open(&mut self, peer: PeerId, name: &str) -> bool {
        use libp2p_stream::OpenStreamError;
        match self.streams.open_stream(peer, protocol(name)).await {
            Ok(_) => true,
            Err(OpenStreamError::UnsupportedProtocol(_)) => false,
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

async fn run(
    mut swarm: Swarm<Protocols>,
    seen: mpsc::Sender<Seen>,
    mut dials: mpsc::Receiver<Multiaddr>,
) {
    loop {
        tokio::select! {
            Some(address) = dials.recv() => swarm.dial(address).unwrap(),
            event = swarm.select_next_some() => {
                let Some(what) = on_event(&mut swarm, event) else { continue };
                if seen.send(what).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn on_event(swarm: &mut Swarm<Protocols>, event: SwarmEvent<ProtocolsEvent>) -> Option<Seen> {
    match event {
        SwarmEvent::NewListenAddr { address, .. } => Some(Seen::Listening(address)),
        SwarmEvent::ConnectionEstablished {
            peer_id, endpoint, ..
        } => {
            let kademlia = &mut swarm.behaviour_mut().kademlia;
            kademlia.add_address(&peer_id, endpoint.get_remote_address().clone());
            kademlia.get_closest_peers(PeerId::random());
            Some(Seen::Connected)
        }
        SwarmEvent::ConnectionClosed { .. } => Some(Seen::Closed),
        SwarmEvent::OutgoingConnectionError { .. } => Some(Seen::Failed),
        SwarmEvent::Behaviour(ProtocolsEvent::Ping(ping::Event { result: Ok(_), .. })) => {
            Some(Seen::Pinged)
        }
        SwarmEvent::Behaviour(ProtocolsEvent::Identify(identify::Event::Received {
            info, ..
        })) => Some(Seen::Offers(info.protocols)),
        SwarmEvent::Behaviour(ProtocolsEvent::Kademlia(kad::Event::OutboundQueryProgressed {
            result: kad::QueryResult::GetClosestPeers(Ok(found)),
            ..
        })) => {
            let peers = found.peers.into_iter().map(|info| info.peer_id);
            Some(Seen::Found(peers.collect()))
        }
        SwarmEvent::Behaviour(ProtocolsEvent::Headers(gossipsub::Event::Message {
            message,
            ..
        })) => Some(Seen::Gossip(message.data)),
        _ => None,
    }
}

/// The prefix of every protocol of the network.
pub fn prefix() -> String {
    format!("/decube/{}/", NetworkName::new(NETWORK))
}
