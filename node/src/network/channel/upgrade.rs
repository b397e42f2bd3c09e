//! The way of one connection over TCP from its first byte to its multiplexer.

use std::{io, sync::Arc};

use decube_crypto::noise::{FrameError, PROTOCOL_ID, Role};
use futures::{AsyncRead, AsyncWrite, FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        ConnectedPoint, Endpoint,
        muxing::StreamMuxerBox,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    noise,
    pnet::{PnetConfig, PnetError},
    yamux,
};
use multistream_select::{
    Negotiated, NegotiationError, Version, dialer_select_proto, listener_select_proto,
};

use super::{
    CAPABILITIES, Channel, HANDSHAKE_TIMEOUT, HandshakeError, Policy,
    capabilities::{self, CapabilitiesError},
    gate::Gate,
    progress::{NoRoom, Permit},
    report::{RefusalKind, Report},
};
use crate::network::book::peer_of;

/// What the classic channel of libp2p is called in a negotiation.
const CLASSIC: &str = "/noise";

/// What the multiplexer is called in a negotiation.
const MULTIPLEXER: &str = "/yamux/1.0.0";

/// A connection that is ready.
pub(in crate::network) struct Upgraded {
    pub(in crate::network) peer: PeerId,
    pub(in crate::network) muxer: StreamMuxerBox,
    pub(in crate::network) channel: Channel,
}

/// Why a connection over TCP was refused. It says to this side which check failed; the other side
/// sees its connection close.
#[derive(Debug, thiserror::Error)]
pub(in crate::network) enum UpgradeError {
    /// The nonces of the pre-shared key were not exchanged.
    #[error("the pre-shared key: {0}")]
    PresharedKey(#[from] PnetError),
    /// There is no channel that both sides offer.
    #[error("{0}")]
    NoCommonChannel(NoCommonChannel),
    /// The post-quantum handshake.
    #[error("the post-quantum handshake: {0}")]
    PostQuantum(HandshakeError),
    /// The classic handshake.
    #[error("the classic handshake: {0}")]
    Classic(#[from] noise::Error),
    /// The exchange of capabilities.
    #[error(transparent)]
    Capabilities(#[from] CapabilitiesError),
    /// The negotiation of the multiplexer.
    #[error("no multiplexer was agreed on: {0}")]
    Multiplexer(io::Error),
    /// The time is over.
    #[error("not ready within {} seconds", HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
    /// There are too many handshakes.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The allow-list does not name the peer.
    #[error("the allow-list does not name {0}")]
    NotAllowed(PeerId),
    /// Another peer answered.
    #[error("dialled {wanted}, but {found} answered")]
    WrongPeer {
        /// Who was dialled.
        wanted: Box<PeerId>,
        /// Who proved to be there.
        found: Box<PeerId>,
    },
    /// A pinned peer on a classic channel.
    #[error("{0} has used the post-quantum channel before and comes by a classic one now")]
    Pinned(PeerId),
    /// Both know better.
    #[error("{0} and this node can both do the post-quantum channel, and were kept from it")]
    Downgrade(PeerId),
}

/// What a failed negotiation comes to.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::network) enum NoCommonChannel {
    /// The other side takes another channel, or what it sent makes no sense here.
    #[error(
        "no channel in common: this node takes {takes}, and the other side may be a plain libp2p \
         peer{psk}"
    )]
    Refused {
        /// What this node takes.
        takes: &'static str,
        /// A hint when there is a pre-shared key.
        psk: &'static str,
    },
    /// The connection broke before a channel was chosen.
    #[error("the connection ended before a channel was chosen: {0}")]
    Ended(String),
}

impl UpgradeError {
    /// How it is counted.
    fn kind(&self) -> RefusalKind {
        match self {
            Self::NoCommonChannel(_) => RefusalKind::NoCommonChannel,
            Self::PresharedKey(_)
            | Self::PostQuantum(_)
            | Self::Classic(_)
            | Self::Capabilities(_)
            | Self::Multiplexer(_) => RefusalKind::Handshake,
            Self::Timeout => RefusalKind::Timeout,
            Self::NoRoom(_) => RefusalKind::Flood,
            Self::NotAllowed(_) => RefusalKind::NotAllowed,
            Self::WrongPeer { .. } => RefusalKind::WrongPeer,
            Self::Pinned(_) => RefusalKind::Pinned,
            Self::Downgrade(_) => RefusalKind::Downgrade,
        }
    }

    /// Who was there, when that is proven.
    fn peer(&self) -> Option<PeerId> {
        match self {
            Self::NotAllowed(peer) | Self::Pinned(peer) | Self::Downgrade(peer) => Some(*peer),
            Self::WrongPeer { found, .. } => Some(**found),
            Self::PresharedKey(_)
            | Self::NoCommonChannel(_)
            | Self::PostQuantum(_)
            | Self::Classic(_)
            | Self::Capabilities(_)
            | Self::Multiplexer(_)
            | Self::Timeout
            | Self::NoRoom(_) => None,
        }
    }
}

/// Takes a place among the handshakes in progress for an arrival, or refuses and reports it.
pub(super) fn begin(gate: &Gate, address: &Multiaddr) -> Result<Permit, UpgradeError> {
    let begun = gate.progress.begin(address).map_err(UpgradeError::from);
    let way = Way {
        role: Role::Responder,
        address: address.clone(),
        wanted: None,
    };
    reported(gate, way, begun)
}

/// Whether the peer of a QUIC connection may come by QUIC; refuses and reports it otherwise.
pub(in crate::network) fn judge_quic(
    gate: &Gate,
    peer: PeerId,
    endpoint: &ConnectedPoint,
) -> Result<(), UpgradeError> {
    let way = Way::new(endpoint);
    let judged = admit(gate, &way, peer).and_then(|()| match gate.takes(&peer, Channel::Quic) {
        true => Ok(()),
        false => Err(UpgradeError::Pinned(peer)),
    });
    reported(gate, way, judged)
}

/// Makes a channel of a stream, or refuses and reports it.
pub(in crate::network) async fn upgrade<S>(
    gate: Arc<Gate>,
    stream: S,
    endpoint: ConnectedPoint,
) -> Result<Upgraded, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let way = Way::new(&endpoint);
    let result = timed(Arc::clone(&gate), stream, way.clone()).await;
    reported(&gate, way, result)
}

/// Reports a refusal.
fn reported<T>(gate: &Gate, way: Way, result: Result<T, UpgradeError>) -> Result<T, UpgradeError> {
    if let Err(error) = &result {
        gate.reports.refuse(Report {
            peer: error.peer(),
            address: way.address,
            outbound: way.role == Role::Initiator,
            kind: error.kind(),
            reason: error.to_string(),
        });
    }
    result
}

/// Which end of which connection this is.
#[derive(Clone)]
struct Way {
    role: Role,
    address: Multiaddr,
    /// Who was dialled, if that was said.
    wanted: Option<PeerId>,
}

impl Way {
    fn new(endpoint: &ConnectedPoint) -> Self {
        let role = match endpoint.to_endpoint() {
            Endpoint::Dialer => Role::Initiator,
            Endpoint::Listener => Role::Responder,
        };
        let address = endpoint.get_remote_address().clone();
        let wanted = match role {
            Role::Initiator => peer_of(&address),
            Role::Responder => None,
        };
        Self {
            role,
            address,
            wanted,
        }
    }
}

async fn timed<S>(gate: Arc<Gate>, stream: S, way: Way) -> Result<Upgraded, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let open = async {
        match gate.rules.preshared_key {
            None => secure(gate, Box::new(stream), way).await,
            Some(key) => {
                let stream = PnetConfig::new(key).handshake(stream).await?;
                secure(gate, Box::new(stream), way).await
            }
        }
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, open).await {
        Ok(result) => result,
        Err(_elapsed) => Err(UpgradeError::Timeout),
    }
}

/// What stands below the channel: a socket, or a socket with a pre-shared key.
type Raw = Box<dyn Bytes>;

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

async fn secure(gate: Arc<Gate>, stream: Raw, way: Way) -> Result<Upgraded, UpgradeError> {
    let offer: &'static [&'static str] = match gate.rules.policy {
        Policy::Require => &[PROTOCOL_ID],
        Policy::Prefer => &[PROTOCOL_ID, CLASSIC],
    };
    let chosen = select(stream, way.role, offer).await;
    let (name, stream) = chosen.map_err(|error| no_common_channel(&gate, &error))?;
    match (&gate.classic, name) {
        (Some(classic), CLASSIC) => {
            let classic = classic.0.clone();
            let (peer, stream) = match way.role {
                Role::Initiator => classic.upgrade_outbound(stream, CLASSIC).await?,
                Role::Responder => classic.upgrade_inbound(stream, CLASSIC).await?,
            };
            admit(&gate, &way, peer)?;
            if !gate.takes(&peer, Channel::ClassicNoise) {
                return Err(UpgradeError::Pinned(peer));
            }
            let muxer = multiplex_classic(&gate, stream, way.role, peer).await?;
            let channel = Channel::ClassicNoise;
            Ok(Upgraded {
                peer,
                muxer,
                channel,
            })
        }
        _ => {
            let made = gate.post_quantum.handshake(way.role, stream).await;
            let (peer, stream) = made.map_err(|error| post_quantum_error(&gate, error))?;
            admit(&gate, &way, peer)?;
            let stream = stream.with_alarm(alarm(&gate, way.clone(), peer));
            let muxer = multiplex(stream, way.role).await?;
            let channel = Channel::PostQuantum;
            Ok(Upgraded {
                peer,
                muxer,
                channel,
            })
        }
    }
}

/// Reports a frame that does not hold.
fn alarm(gate: &Gate, way: Way, peer: PeerId) -> impl FnOnce(FrameError) + Send + 'static {
    let reports = gate.reports.clone();
    move |error| {
        reports.refuse(Report {
            peer: Some(peer),
            address: way.address,
            outbound: way.role == Role::Initiator,
            kind: RefusalKind::Tampered,
            reason: error.to_string(),
        });
    }
}

/// Whether the peer is the one that was meant, and may come.
fn admit(gate: &Gate, way: &Way, found: PeerId) -> Result<(), UpgradeError> {
    match way.wanted {
        Some(wanted) if wanted != found => Err(UpgradeError::WrongPeer {
            wanted: Box::new(wanted),
            found: Box::new(found),
        }),
        _ if gate.allows(&found) => Ok(()),
        _ => Err(UpgradeError::NotAllowed(found)),
    }
}

/// The name of the protocol that was agreed on, and the stream to speak it on.
type Selected<S> = Result<(&'static str, Negotiated<S>), NegotiationError>;

/// Negotiates a protocol of `offer`, the first being preferred.
fn select<S>(
    stream: S,
    role: Role,
    offer: &'static [&'static str],
) -> BoxFuture<'static, Selected<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let offer = offer.iter().copied();
    match role {
        // With one protocol to offer, what follows is sent along with the offer.
        Role::Initiator => dialer_select_proto(stream, offer, Version::V1Lazy).boxed(),
        Role::Responder => listener_select_proto(stream, offer).boxed(),
    }
}

async fn multiplex<S>(stream: S, role: Role) -> Result<StreamMuxerBox, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let chosen = select(stream, role, &[MULTIPLEXER]).await;
    let (_, stream) = chosen.map_err(multiplexer_error)?;
    start_multiplexer(stream, role).await
}

/// Before the multiplexer, both sides say what they can, if both know how to.
async fn multiplex_classic<S>(
    gate: &Gate,
    stream: S,
    role: Role,
    peer: PeerId,
) -> Result<StreamMuxerBox, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let chosen = select(stream, role, &[CAPABILITIES, MULTIPLEXER]).await;
    let (name, mut stream) = chosen.map_err(multiplexer_error)?;
    if name != CAPABILITIES {
        return start_multiplexer(stream, role).await;
    }
    if capabilities::exchange(&mut stream, &gate.identity, peer).await? {
        return Err(UpgradeError::Downgrade(peer));
    }
    multiplex(stream, role).await
}

async fn start_multiplexer<S>(stream: S, role: Role) -> Result<StreamMuxerBox, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let yamux = yamux::Config::default();
    let muxer = match role {
        Role::Initiator => yamux.upgrade_outbound(stream, MULTIPLEXER).await,
        Role::Responder => yamux.upgrade_inbound(stream, MULTIPLEXER).await,
    };
    muxer
        .map(StreamMuxerBox::new)
        .map_err(UpgradeError::Multiplexer)
}

fn multiplexer_error(error: NegotiationError) -> UpgradeError {
    UpgradeError::Multiplexer(error.into())
}

/// What a failed negotiation of the channel means. A peer that proposes another channel sends on at
/// once, and what it sends then is no negotiation; with another pre-shared key nothing is.
fn no_common_channel(gate: &Gate, error: &NegotiationError) -> UpgradeError {
    let text = error.to_string();
    let ended = matches!(error, NegotiationError::ProtocolError(_))
        && io_kind(error) != Some(io::ErrorKind::InvalidData);
    UpgradeError::NoCommonChannel(match ended {
        true => NoCommonChannel::Ended(text),
        false => refused(gate),
    })
}

fn refused(gate: &Gate) -> NoCommonChannel {
    NoCommonChannel::Refused {
        takes: match gate.rules.policy {
            Policy::Require => "the post-quantum channel only",
            Policy::Prefer => "the post-quantum channel and Noise",
        },
        psk: match gate.rules.preshared_key {
            Some(_) => " or have another pre-shared key",
            None => "",
        },
    }
}

/// The kind of the error below a failed negotiation.
fn io_kind(error: &NegotiationError) -> Option<io::ErrorKind> {
    use std::error::Error;
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// With a single channel to offer, that it is refused shows when the first answer is read.
fn post_quantum_error(gate: &Gate, error: HandshakeError) -> UpgradeError {
    if let HandshakeError::Io { error: inner, .. } = &error {
        let inner = inner.get_ref();
        if inner.is_some_and(|inner| inner.is::<NegotiationError>()) {
            return UpgradeError::NoCommonChannel(refused(gate));
        }
    }
    UpgradeError::PostQuantum(error)
}
