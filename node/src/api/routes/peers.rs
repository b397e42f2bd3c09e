//! Other nodes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use decube_protocols::types::{Genesis, PeerId, peer_id};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::api::extract::{At, Body, parse};
use crate::api::types::{AddPeer, Added, Addresses, BannedPeer, Peer, PeerList, Ping};
use crate::api::{Api, Code, Problem, failure};
use crate::network::{Command, PeerInfo};

/// Lists the connected peers of this network, and those that are refused.
#[utoipa::path(get, path = "/v1/peers", responses((status = 200, body = PeerList)))]
pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<PeerList>, Problem> {
    let peers = api.handle.network().peers().await?;
    let genesis = api.handle.genesis();
    let peers = peers.into_iter().map(|peer| show(genesis, peer)).collect();
    let banned = api
        .read(|handle| handle.store().banned_peers().map_err(failure::store))
        .await?;
    let banned = banned.into_iter();
    let banned = banned.map(|(peer, since)| BannedPeer {
        peer: peer.to_string(),
        since,
    });
    Ok(Json(PeerList {
        peers,
        banned: banned.collect(),
    }))
}

fn show(genesis: &Genesis, info: PeerInfo) -> Peer {
    Peer {
        peer: info.peer.to_string(),
        addresses: info.addresses.iter().map(ToString::to_string).collect(),
        outbound: info.outbound,
        validator: info.validator,
        name: name(genesis, &info.peer),
        agent: info.agent,
        round_trip_ms: info.round_trip.map(|time| time.as_secs_f64() * 1000.0),
        connected_seconds: info.connected_for.as_secs(),
        channel: info.channel.as_str().to_owned(),
        group: info.channel.group().to_owned(),
        channel_since: super::status::ago(info.channel_for),
    }
}

/// The name that the genesis gives a peer.
fn name(genesis: &Genesis, peer: &PeerId) -> Option<String> {
    let validators = genesis.validators.iter().map(|one| (&one.peer, &one.name));
    let replicas = genesis.replicas.iter().map(|one| (&one.peer, &one.name));
    let mut members = validators.chain(replicas);
    members
        .find(|(key, _)| peer_id(key) == *peer)
        .map(|(_, name)| name.clone())
}

/// Dials an address, waits until the peer there is connected, and keeps it in the address book.
#[utoipa::path(post, path = "/v1/peers", request_body = AddPeer, responses(
    (status = 200, body = Added), (status = "4XX", body = Problem), (status = "5XX", body = Problem)
))]
pub(in crate::api) async fn add(
    State(api): State<Api>,
    Body(body): Body<AddPeer>,
) -> Result<Json<Added>, Problem> {
    let address: Multiaddr = parse("the address", &body.address)?;
    let names_peer = address.iter().any(|part| matches!(part, Protocol::P2p(_)));
    let dialled = api.handle.network().dial(address).await;
    let peer = dialled.map_err(|error| {
        let mut problem = Problem::from(error);
        if !names_peer {
            let hint = "; the address does not say which peer is there: it has no /p2p/PEER-ID";
            problem.detail.push_str(hint);
        }
        problem
    })?;
    Ok(Json(Added {
        peer: peer.to_string(),
    }))
}

/// Forgets a peer's addresses and disconnects it; it may come back by itself.
#[utoipa::path(delete, path = "/v1/peers/{peer}",
    params(("peer" = String, Path, description = "a peer id")),
    responses((status = 204), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    At(peer): At<String>,
) -> Result<StatusCode, Problem> {
    let peer: PeerId = parse("the peer id", &peer)?;
    api.read(move |handle| handle.store().forget_peer(&peer).map_err(failure::store))
        .await?;
    api.handle
        .network()
        .command(Command::RemovePeer(peer))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes the connections of a peer and refuses it in both directions, also after a restart.
#[utoipa::path(post, path = "/v1/peers/{peer}/ban",
    params(("peer" = String, Path, description = "a peer id")),
    responses((status = 204), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn ban(
    State(api): State<Api>,
    At(peer): At<String>,
) -> Result<StatusCode, Problem> {
    let peer: PeerId = parse("the peer id", &peer)?;
    if peer == api.handle.peer_id() {
        let detail = format!("{peer} is this node itself, which cannot be banned");
        return Err(Problem::new(Code::Malformed, detail));
    }
    let when = super::status::now();
    api.read(move |handle| handle.store().ban_peer(&peer, when).map_err(failure::store))
        .await?;
    api.handle.network().command(Command::Ban(peer)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts a ban.
#[utoipa::path(delete, path = "/v1/peers/{peer}/ban",
    params(("peer" = String, Path, description = "a peer id")),
    responses((status = 204), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn unban(
    State(api): State<Api>,
    At(peer): At<String>,
) -> Result<StatusCode, Problem> {
    let peer: PeerId = parse("the peer id", &peer)?;
    api.read(move |handle| handle.store().unban_peer(&peer).map_err(failure::store))
        .await?;
    api.handle.network().command(Command::Unban(peer)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Measures the round trip to a connected peer.
#[utoipa::path(post, path = "/v1/peers/{peer}/ping",
    params(("peer" = String, Path, description = "a peer id")),
    responses((status = 200, body = Ping), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn ping(
    State(api): State<Api>,
    At(peer): At<String>,
) -> Result<Json<Ping>, Problem> {
    let peer: PeerId = parse("the peer id", &peer)?;
    let time = api.handle.network().ping(peer).await?;
    Ok(Json(Ping {
        peer: peer.to_string(),
        round_trip_ms: time.as_secs_f64() * 1000.0,
    }))
}

/// Looks up where a peer is: in the address book, else in the network.
#[utoipa::path(get, path = "/v1/peers/{peer}/addresses",
    params(("peer" = String, Path, description = "a peer id")),
    responses((status = 200, body = Addresses), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn find(
    State(api): State<Api>,
    At(peer): At<String>,
) -> Result<Json<Addresses>, Problem> {
    let peer: PeerId = parse("the peer id", &peer)?;
    let addresses = api.handle.network().find(peer).await?;
    let addresses = addresses.iter().map(ToString::to_string).collect();
    Ok(Json(Addresses {
        peer: peer.to_string(),
        addresses,
    }))
}
