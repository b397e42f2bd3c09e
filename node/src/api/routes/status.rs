//! How the node is doing, and how far it is in sync.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use decube_protocols::documents::{CollectionStatus, Command, PeerStatus, Reply, SyncState};
use decube_protocols::types::{PeerId, Timestamp, View, peer_id};
use decube_store::{VoteLog, WriteCounts};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::extract::Params;
use crate::api::reads;
use crate::api::reference::unexpected;
use crate::api::types::{
    ChannelStatus, CollectionSync, NetworkInfo, PeerSync, Role, Status, SyncReport, TrafficCount,
    WriteCount, state_name,
};
use crate::api::{Api, Code, Problem, wait};
use crate::network::{PeerInfo, channel::Policy};
use crate::node;

/// What to wait for before the answer.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct StatusParams {
    /// `ready`: answer when the node has caught up.
    wait: Option<String>,
    /// How long to wait at most, in milliseconds; 60000 without it.
    timeout_ms: Option<u64>,
}

/// Says how the node is doing; a node that only started is not ready.
#[utoipa::path(get, path = "/v1/status", params(StatusParams), responses(
    (status = 200, body = Status), (status = "4XX", body = Problem), (status = 504, body = Problem)
))]
pub(in crate::api) async fn status(
    State(api): State<Api>,
    Params(params): Params<StatusParams>,
) -> Result<Json<Status>, Problem> {
    match params.wait.as_deref() {
        None => {}
        Some("ready") => wait_ready(&api, wait::time(params.timeout_ms)).await?,
        Some(other) => {
            let detail = format!("wait={other:?} is unknown, `ready` is what can be waited for");
            return Err(Problem::new(Code::Malformed, detail));
        }
    }
    Ok(Json(snapshot(&api).await?))
}

async fn wait_ready(api: &Api, limit: Duration) -> Result<(), Problem> {
    let ready = async {
        while !api.handle.status().ready {
            tokio::time::sleep(wait::LOOK).await;
        }
    };
    if tokio::time::timeout(limit, ready).await.is_ok() {
        return Ok(());
    }
    let mut problem = wait::timed_out("catching up", limit);
    if let Some(reason) = api.handle.status().waiting_for {
        problem.detail.push_str(&format!("; still {reason}"));
    }
    Err(problem)
}

async fn snapshot(api: &Api) -> Result<Status, Problem> {
    let handle = &api.handle;
    let status = handle.status();
    let traffic = handle.network().traffic();
    let (role, validator_index, vote_log) = role(&status, handle.store().vote_log());
    let listen = handle.network().listeners().await?;
    let peers = handle.network().peers().await?;
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        process_id: std::process::id(),
        started_at: ago(status.uptime),
        ready: status.ready,
        waiting_for: status.waiting_for,
        peer_id: handle.peer_id().to_string(),
        network: NetworkInfo {
            id: handle.network_id(),
            name: handle.genesis().name.clone(),
        },
        role,
        validator_index,
        view: status.view.unwrap_or(View(0)),
        final_height: status.height,
        pool: status.pool,
        vote_log,
        peers: peers.len(),
        channel: channel(handle.network().policy(), &peers),
        signer: (status.signer).map(|trouble| trouble.unwrap_or_else(|| String::from("signs"))),
        listen: listen.iter().map(ToString::to_string).collect(),
        traffic: TrafficCount {
            received: traffic.received,
            sent: traffic.sent,
        },
        writes: writes(handle.store().write_counts()),
        newest_event: *handle.events().borrow(),
    })
}

fn channel(policy: Policy, peers: &[PeerInfo]) -> ChannelStatus {
    let classic = peers.iter().filter(|peer| !peer.channel.is_post_quantum());
    let classic_peers = classic.count();
    ChannelStatus {
        policy: policy.as_str().to_owned(),
        all_post_quantum: classic_peers == 0,
        classic_peers,
    }
}

fn writes(counts: WriteCounts) -> WriteCount {
    WriteCount {
        votes: counts.votes.into(),
        state: counts.state.into(),
    }
}

fn role(status: &node::NodeStatus, vote_log: &VoteLog) -> (Role, Option<u16>, Option<String>) {
    let other = if status.replica {
        Role::Replica
    } else {
        Role::Follower
    };
    let log = match vote_log {
        VoteLog::NoValidator => None,
        VoteLog::Held => Some(String::from("held")),
        VoteLog::Lost(reason) => Some(reason.to_string()),
    };
    match status.role {
        node::Role::Validator { index } => (Role::Validator, Some(index.0), log),
        node::Role::ValidatorWithoutLog { index } => (other, Some(index.0), log),
        node::Role::Follower => (other, None, log),
    }
}

/// The wall clock; before 1970 it reads as 1970.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(millis(since))
}

/// The time on the wall clock that was so long ago.
pub(super) fn ago(time: Duration) -> Timestamp {
    Timestamp(now().0.saturating_sub(millis(time)))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What to wait for before the answer.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct SyncParams {
    /// `synced`: compare with all connected replicas and answer when all were found equal.
    wait: Option<String>,
    /// How long to wait at most, in milliseconds; 60000 without it.
    timeout_ms: Option<u64>,
}

/// Says how the collections compare with those of the connected peers.
#[utoipa::path(get, path = "/v1/sync", params(SyncParams), responses(
    (status = 200, body = SyncReport), (status = "4XX", body = Problem),
    (status = 504, body = Problem)
))]
pub(in crate::api) async fn sync(
    State(api): State<Api>,
    Params(params): Params<SyncParams>,
) -> Result<Json<SyncReport>, Problem> {
    match params.wait.as_deref() {
        None => Ok(Json(report(&api, None).await?)),
        Some("synced") => wait_synced(&api, wait::time(params.timeout_ms)).await,
        Some(other) => {
            let detail = format!("wait={other:?} is unknown, `synced` is what can be waited for");
            Err(Problem::new(Code::Malformed, detail))
        }
    }
}

async fn wait_synced(api: &Api, limit: Duration) -> Result<Json<SyncReport>, Problem> {
    let asked = now();
    start(api).await?;
    let synced = async {
        loop {
            let report = report(api, Some(asked)).await?;
            if report.synced {
                return Ok(Json(report));
            }
            tokio::time::sleep(wait::LOOK).await;
        }
    };
    match tokio::time::timeout(limit, synced).await {
        Ok(result) => result,
        Err(_elapsed) => {
            let mut problem = wait::timed_out("being in sync with all connected replicas", limit);
            problem
                .detail
                .push_str("; `decube sync status` shows who differs");
            Err(problem)
        }
    }
}

/// Starts a comparison with all connected peers.
#[utoipa::path(post, path = "/v1/sync", responses(
    (status = 202, description = "the comparison began"), (status = "5XX", body = Problem)
))]
pub(in crate::api) async fn sync_now(State(api): State<Api>) -> Result<StatusCode, Problem> {
    start(&api).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn start(api: &Api) -> Result<(), Problem> {
    let Reply::SyncStarted = api.command(Command::SyncNow).await? else {
        return Err(unexpected());
    };
    Ok(())
}

/// How things stand; with `since`, only comparisons from then on count.
async fn report(api: &Api, since: Option<Timestamp>) -> Result<SyncReport, Problem> {
    let Reply::SyncStatus(collections) = api.command(Command::SyncStatus).await? else {
        return Err(unexpected());
    };
    let names = api.read(reads::collection_names).await?;
    let replicas = connected_replicas(api).await?;
    let synced = replicas
        .as_ref()
        .is_some_and(|replicas| all_synced(&collections, replicas, since));
    let show = |status: CollectionStatus| CollectionSync {
        name: names
            .get(&status.collection)
            .map(|state| state.name.clone()),
        collection: status.collection,
        root: status.root.to_string(),
        documents: status.documents,
        bytes: status.bytes,
        excepted: status.excepted,
        peers: status.peers.iter().map(show_peer).collect(),
    };
    Ok(SyncReport {
        synced,
        collections: collections.into_iter().map(show).collect(),
    })
}

fn show_peer(status: &PeerStatus) -> PeerSync {
    PeerSync {
        peer: status.peer.to_string(),
        state: state_name(status.state).into(),
        proven: status.proven,
        apart: status.apart,
        excepted: status.excepted,
        bytes_to_go: status.bytes_to_go,
    }
}

/// The connected replicas of the genesis; none when there are others and none is connected, since
/// nothing can be said then.
async fn connected_replicas(api: &Api) -> Result<Option<BTreeSet<PeerId>>, Problem> {
    let me = api.handle.peer_id();
    let replicas = api
        .handle
        .genesis()
        .replicas
        .iter()
        .map(|replica| peer_id(&replica.peer));
    let others: BTreeSet<_> = replicas.filter(|replica| *replica != me).collect();
    let peers = api.handle.network().peers().await?;
    let connected: BTreeSet<_> = peers
        .iter()
        .map(|info| info.peer)
        .filter(|peer| others.contains(peer))
        .collect();
    Ok((others.is_empty() || !connected.is_empty()).then_some(connected))
}

/// Whether each collection was compared with each of `replicas` and found equal.
fn all_synced(
    collections: &[CollectionStatus],
    replicas: &BTreeSet<PeerId>,
    since: Option<Timestamp>,
) -> bool {
    let good = |status: &PeerStatus| match status.state {
        SyncState::Equal => since.is_none_or(|since| status.proven >= Some(since)),
        SyncState::EqualExcept => true,
        SyncState::Unknown | SyncState::Apart | SyncState::NotReplicated => false,
    };
    collections.iter().all(|collection| {
        let of = |replica: &PeerId| {
            collection
                .peers
                .iter()
                .find(|status| status.peer == *replica)
        };
        replicas.iter().all(|replica| of(replica).is_some_and(good))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::CollectionId;

    fn collection(peers: Vec<PeerStatus>) -> CollectionStatus {
        CollectionStatus {
            collection: CollectionId(Digest::ZERO),
            root: Digest::ZERO,
            documents: 1,
            bytes: 1,
            excepted: 0,
            peers,
        }
    }

    fn peer(peer: PeerId, state: SyncState, proven: Option<u64>) -> PeerStatus {
        PeerStatus {
            peer,
            state,
            proven: proven.map(Timestamp),
            apart: 0,
            excepted: 0,
            bytes_to_go: 0,
        }
    }

    #[test]
    fn synced_means_compared_with_every_connected_replica() {
        let [bob, carol] = [PeerId::random(), PeerId::random()];
        let both = BTreeSet::from([bob, carol]);
        let equal = peer(bob, SyncState::Equal, Some(50));
        let only_bob = collection(vec![equal.clone()]);
        assert!(all_synced(
            std::slice::from_ref(&only_bob),
            &BTreeSet::from([bob]),
            None
        ));
        assert!(
            !all_synced(&[only_bob], &both, None),
            "carol was not compared"
        );
        let apart = collection(vec![equal.clone(), peer(carol, SyncState::Apart, Some(60))]);
        assert!(!all_synced(&[apart], &both, None));
        let except = collection(vec![equal, peer(carol, SyncState::EqualExcept, None)]);
        assert!(all_synced(
            std::slice::from_ref(&except),
            &both,
            Some(Timestamp(50))
        ));
        assert!(
            !all_synced(&[except], &both, Some(Timestamp(51))),
            "bob's is older"
        );
    }
}
