//! `peer`: other nodes.

use clap::Subcommand;
use decube_node::api::types::{Peer as Info, PeerList};
use decube_protocols::types::{PeerId, peer_id};
use decube_store::keys::{self, KeyKind};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, table, time};

/// Look at and choose peers.
#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// Show this node's peer id and where it listens.
    #[command(after_help = "Example:\n  decube peer id")]
    Id,
    /// List connected and banned peers.
    #[command(after_help = "Example:\n  decube peer ls")]
    Ls,
    /// Connect with a peer and keep it in the address book.
    #[command(
        after_help = "Example:\n  decube peer add /ip4/192.0.2.7/tcp/7070/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Add {
        /// Where it is.
        address: String,
    },
    /// Forget a peer's addresses and disconnect it.
    #[command(
        after_help = "Example:\n  decube peer rm 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Rm {
        /// Its peer id.
        peer: PeerId,
    },
    /// Refuse a peer in both directions.
    #[command(
        after_help = "Example:\n  decube peer ban 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Ban {
        /// Its peer id.
        peer: PeerId,
    },
    /// Lift a ban.
    #[command(
        after_help = "Example:\n  decube peer unban 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Unban {
        /// Its peer id.
        peer: PeerId,
    },
    /// Measure the round trip to a connected peer.
    #[command(
        after_help = "Example:\n  decube peer ping 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Ping {
        /// Its peer id.
        peer: PeerId,
    },
    /// Look up where a peer is.
    #[command(
        after_help = "Example:\n  decube peer find 12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf"
    )]
    Find {
        /// Its peer id.
        peer: PeerId,
    },
}

impl Peer {
    /// Asks the node.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let client = context.client()?;
        match self {
            Self::Id => id(context).await,
            Self::Ls => {
                let list = context.call(client.peers()).await?;
                Ok(Report::new(list_text(&list), &list))
            }
            Self::Add { address } => {
                let added = context.call(client.add_peer(&address)).await?;
                Ok(Report::new(
                    format!("connected with {}", added.peer),
                    &added,
                ))
            }
            Self::Rm { peer } => {
                let peer = peer.to_string();
                context.call(client.remove_peer(&peer)).await?;
                Ok(Report::new(
                    format!("forgot {peer}"),
                    &json!({ "peer": peer, "removed": true }),
                ))
            }
            Self::Ban { peer } => {
                let peer = peer.to_string();
                context.call(client.ban_peer(&peer)).await?;
                Ok(Report::new(
                    format!("banned {peer}"),
                    &json!({ "peer": peer, "banned": true }),
                ))
            }
            Self::Unban { peer } => {
                let peer = peer.to_string();
                context.call(client.unban_peer(&peer)).await?;
                Ok(Report::new(
                    format!("{peer} may come back"),
                    &json!({ "peer": peer, "banned": false }),
                ))
            }
            Self::Ping { peer } => {
                let ping = context.call(client.ping(&peer.to_string())).await?;
                Ok(Report::new(format!("{:.2} ms", ping.round_trip_ms), &ping))
            }
            Self::Find { peer } => {
                let found = context.call(client.find_peer(&peer.to_string())).await?;
                if found.addresses.is_empty() {
                    return Err(Failure::not_found(format!("nobody knows where {peer} is")));
                }
                Ok(Report::new(found.addresses.join("\n"), &found))
            }
        }
    }
}

/// The peer id, from the key; the addresses when the node runs.
async fn id(context: &Context) -> Result<Report, Failure> {
    let key = keys::read_public(context.directory()?, KeyKind::Peer)?.key;
    let key = *key.ed25519();
    let peer = peer_id(&key).to_string();
    let client = context.client()?;
    let listen = match context.call(async { Ok(client.status().await) }).await? {
        Ok(status) => status.listen,
        Err(_not_running) => Vec::new(),
    };
    let addresses: Vec<String> = listen
        .iter()
        .map(|one| format!("{one}/p2p/{peer}"))
        .collect();
    let mut text = format!("{peer}\n");
    for address in &addresses {
        text += &format!("{address}\n");
    }
    Ok(Report::new(
        text,
        &json!({ "peer_id": peer, "key": key, "addresses": addresses }),
    ))
}

fn list_text(list: &PeerList) -> String {
    let row = |info: &Info| {
        let kind = if info.validator { "validator" } else { "peer" };
        let direction = if info.outbound { "out" } else { "in" };
        let round_trip = info
            .round_trip_ms
            .map_or("-".into(), |ms| format!("{ms:.1} ms"));
        [
            info.name.clone().unwrap_or_default(),
            info.peer.clone(),
            kind.into(),
            direction.into(),
            round_trip,
            info.channel.clone(),
            info.group.clone(),
            time(info.channel_since.0),
            info.addresses.join(" "),
        ]
    };
    let rows: Vec<_> = list.peers.iter().map(row).collect();
    let mut text = table(
        [
            "name",
            "peer",
            "kind",
            "way",
            "round trip",
            "channel",
            "group",
            "since",
            "address",
        ],
        &rows,
    );
    for banned in &list.banned {
        text += &format!("banned since {}: {}\n", time(banned.since.0), banned.peer);
    }
    text
}
