//! The protocols of a node, put together: which libp2p behaviours there are and how they are set.

use std::time::Duration;

use decube_crypto::Digest;
use libp2p::{
    PeerId, StreamProtocol, allow_block_list, connection_limits, gossipsub, identify, kad, mdns,
    memory_connection_limits, ping,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};

use super::{
    channel::{self, PostQuantumOnly, Registry},
    codec::{FrameCodec, MAX_CHAIN_FRAME, MAX_ECHO_FRAME, MAX_SYNC_FRAME, MAX_TRANSACTION_FRAME},
    config::{Config, Limits, StartError},
    consensus,
    message::{Audience, GossipId, Protocol},
};

/// The most bytes of a gossip message with its envelope.
pub const MAX_GOSSIP_MESSAGE: usize = 1 << 20;

/// How long a request may take, with reading the question and writing the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Requests at once on one connection and protocol. With the largest frame it bounds what one
/// connection can make this node hold.
const MAX_STREAMS: usize = 32;

/// Requests at once on one connection for the chain, whose frames are the largest.
const MAX_CHAIN_STREAMS: usize = 8;

/// How often a connection is measured, and a peer that vanished without a word is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// After this a peer that does not answer a ping counts as gone.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the Kademlia table is refreshed.
const KADEMLIA_REFRESH: Duration = Duration::from_secs(300);

/// How long a gossip message is remembered, so that it is not taken for a new one.
const GOSSIP_MEMORY: Duration = Duration::from_secs(120);

/// The domain of the digest that is a gossip message's id.
const GOSSIP_DOMAIN: &str = "decube/gossip-message/1";

/// All protocols of a node. The order matters: what is kept to post-quantum connections asks
/// `channels`, which therefore stands first; and a connection is refused by the first that objects,
/// so what refuses comes next.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) channels: channel::Behaviour,
    pub(super) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: memory_connection_limits::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) kademlia: kad::Behaviour<kad::store::MemoryStore>,
    pub(super) chain: request_response::Behaviour<FrameCodec>,
    pub(super) echo: request_response::Behaviour<FrameCodec>,
    /// The topics that are for everyone.
    pub(super) headers: gossipsub::Behaviour,
    /// All other topics.
    pub(super) gossip: PostQuantumOnly<gossipsub::Behaviour>,
    pub(super) sync: PostQuantumOnly<request_response::Behaviour<FrameCodec>>,
    pub(super) transactions: PostQuantumOnly<request_response::Behaviour<FrameCodec>>,
    pub(super) consensus: PostQuantumOnly<consensus::Behaviour>,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    /// The protocols of the node that `config` describes.
    pub(super) fn new(config: &Config, registry: &Registry) -> Result<Self, StartError> {
        let own = config.keypair.public().to_peer_id();
        let name = |name| config.network.protocol(name);
        let identify = identify::Config::new(config.network.version(), config.keypair.public())
            .with_agent_version(format!("decube/{}", env!("CARGO_PKG_VERSION")))
            .with_push_listen_addr_updates(true);
        let ping = ping::Config::new()
            .with_interval(PING_INTERVAL)
            .with_timeout(PING_TIMEOUT);
        let mdns = match config.mdns {
            true => Some(
                mdns::tokio::Behaviour::new(mdns::Config::default(), own)
                    .map_err(StartError::Mdns)?,
            ),
            false => None,
        };
        let validators = match config.validators.contains(&own) {
            true => config.validators.clone(),
            false => Vec::new(),
        };
        let sync = requests(name("sync")?, MAX_SYNC_FRAME, MAX_STREAMS);
        let transactions = requests(name("transactions")?, MAX_TRANSACTION_FRAME, MAX_STREAMS);
        let consensus = consensus::Behaviour::new(name("consensus")?, validators);
        Ok(Self {
            channels: channel::Behaviour::new(registry.clone()),
            blocked: allow_block_list::Behaviour::default(),
            limits: connection_limits(&config.limits),
            memory: memory_connection_limits::Behaviour::with_max_bytes(config.limits.memory_bytes),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            kademlia: kademlia(own, name("kad")?),
            chain: requests(name("chain")?, MAX_CHAIN_FRAME, MAX_CHAIN_STREAMS),
            echo: requests(name("echo")?, MAX_ECHO_FRAME, MAX_STREAMS),
            headers: gossip(config, name("headers")?)?,
            gossip: PostQuantumOnly::new(gossip(config, name("gossip")?)?, registry.clone()),
            sync: PostQuantumOnly::new(sync, registry.clone()),
            transactions: PostQuantumOnly::new(transactions, registry.clone()),
            consensus: PostQuantumOnly::new(consensus, registry.clone()),
            mdns: mdns.into(),
        })
    }

    /// The behaviour that carries a protocol.
    pub(super) fn requests(
        &mut self,
        protocol: Protocol,
    ) -> &mut request_response::Behaviour<FrameCodec> {
        match protocol {
            Protocol::Sync => self.sync.inner(),
            Protocol::Transactions => self.transactions.inner(),
            Protocol::Chain => &mut self.chain,
        }
    }

    /// The behaviour that carries the topics for this audience.
    pub(super) fn topics(&mut self, audience: Audience) -> &mut gossipsub::Behaviour {
        match audience {
            Audience::Everyone => &mut self.headers,
            Audience::Nodes => self.gossip.inner(),
        }
    }
}

/// The most bytes of a frame of a protocol.
pub(super) fn max_frame(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Sync => MAX_SYNC_FRAME,
        Protocol::Transactions => MAX_TRANSACTION_FRAME,
        Protocol::Chain => MAX_CHAIN_FRAME,
    }
}

/// The id of a message: what it says and where, not who sent it or when.
pub(super) fn gossip_id(topic: &str, data: &[u8]) -> GossipId {
    GossipId(*Digest::of(GOSSIP_DOMAIN, &[topic.as_bytes(), data]).as_bytes())
}

fn connection_limits(limits: &Limits) -> connection_limits::Behaviour {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_established(Some(limits.connections))
        .with_max_established_per_peer(Some(limits.connections_per_peer))
        .with_max_pending_incoming(Some(limits.pending))
        .with_max_pending_outgoing(Some(limits.pending));
    connection_limits::Behaviour::new(limits)
}

fn requests(
    protocol: StreamProtocol,
    maximum: usize,
    streams: usize,
) -> request_response::Behaviour<FrameCodec> {
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(streams);
    let protocols = [(protocol, ProtocolSupport::Full)];
    request_response::Behaviour::with_codec(FrameCodec { maximum }, protocols, config)
}

fn kademlia(own: PeerId, protocol: StreamProtocol) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(protocol);
    config.set_periodic_bootstrap_interval(Some(KADEMLIA_REFRESH));
    // Nothing is stored in it, it only finds peers; so nothing that others store is taken either.
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let store = kad::store::MemoryStore::new(own);
    let mut kademlia = kad::Behaviour::with_config(own, store, config);
    kademlia.set_mode(Some(kad::Mode::Server));
    kademlia
}

fn gossip(config: &Config, name: StreamProtocol) -> Result<gossipsub::Behaviour, StartError> {
    let settings = gossipsub::ConfigBuilder::default()
        .protocol_id(name.to_string(), gossipsub::Version::V1_1)
        .validation_mode(gossipsub::ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(|message| {
            let id = gossip_id(message.topic.as_str(), &message.data);
            gossipsub::MessageId::new(id.as_bytes())
        })
        .max_transmit_size(MAX_GOSSIP_MESSAGE)
        .duplicate_cache_time(GOSSIP_MEMORY)
        .flood_publish(true)
        .build()
        .map_err(|error| StartError::Setup(error.to_string()))?;
    let signed = gossipsub::MessageAuthenticity::Signed(config.keypair.clone());
    let setup = |error: &str| StartError::Setup(error.to_owned());
    let mut gossip = gossipsub::Behaviour::new(signed, settings).map_err(setup)?;
    gossip
        .with_peer_score(score_params(), gossipsub::PeerScoreThresholds::default())
        .map_err(|error| setup(&error))?;
    Ok(gossip)
}

/// How peers are scored: by the messages they forward that turn out wrong, and by what the node
/// itself holds against them ([`super::Penalty`]).
fn score_params() -> gossipsub::PeerScoreParams {
    gossipsub::PeerScoreParams {
        // One point of a penalty is one point here: a peer that is about to be disconnected is
        // beyond the default thresholds for gossip (-10) and for the grey list (-80).
        app_specific_weight: 1.0,
        // Many nodes of one organisation stand behind one address, and a test network does
        // entirely; the connection limits bound what one address can do.
        ip_colocation_factor_weight: 0.0,
        ..gossipsub::PeerScoreParams::default()
    }
}

/// How a topic counts for the score. A topic may be silent for days, so nobody is blamed for
/// delivering nothing, and a wrong message weighs more than any number of first deliveries.
pub(super) fn topic_score_params() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: 0.9,
        ..gossipsub::TopicScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_settings_are_valid() {
        score_params().validate().unwrap();
        topic_score_params().validate().unwrap();
        gossipsub::PeerScoreThresholds::default()
            .validate()
            .unwrap();
    }

    #[test]
    fn the_id_of_a_message_depends_on_topic_and_content_and_their_border() {
        let id = gossip_id("topic", b"data");
        assert_eq!(id, gossip_id("topic", b"data"));
        assert_ne!(id, gossip_id("topi", b"cdata"));
        assert_ne!(id, gossip_id("other", b"data"));
        assert_ne!(id, gossip_id("topic", b"other"));
    }
}
