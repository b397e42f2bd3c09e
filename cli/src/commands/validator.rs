//! `validator`: who votes in the network.

use clap::Subcommand;
use decube_node::api::types::{PeerList, Status};
use decube_node::client::ClientError;
use decube_protocols::types::{Genesis, Height, Validator as Member, peer_id};
use decube_store::network;
use serde_json::{Value, json};

use super::network::network_file;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, short, table};

/// Look at the validators.
#[derive(Debug, Subcommand)]
pub(crate) enum Validator {
    /// List the validators of the genesis, and what this node sees of them.
    #[command(after_help = "Example:\n  decube validator ls\n\n\
        *connected* says whether this node has a connection with the validator now, *signed* \
        whether its signature is in the newest certificate that this node has: a quorum signs, so \
        some may always be missing. Both are unknown while the node does not run.")]
    Ls,
}

/// What a running node sees of the validators.
struct Seen {
    status: Status,
    peers: PeerList,
    /// The height of the newest certificate and the names of those who signed it.
    signed: Option<(Height, Vec<String>)>,
}

impl Validator {
    /// Reads the network's file and asks the node, if it runs.
    pub(crate) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Self::Ls = self;
        let genesis = network::read(&network_file(context, None)?)?.genesis;
        let seen = match context.call(async { Ok(seen(context).await) }).await? {
            Ok(seen) => Some(seen?),
            Err(_not_running) => None,
        };
        Ok(report(&genesis, seen.as_ref()))
    }
}

/// Asks the node; the outer error says that none runs.
async fn seen(context: &Context) -> Result<Result<Seen, Failure>, ClientError> {
    let client = match context.client() {
        Ok(client) => client,
        Err(failure) => return Ok(Err(failure)),
    };
    let status = match client.status().await {
        Err(error) if error.is_not_running() => return Err(error),
        Err(error) => return Ok(Err(error.into())),
        Ok(status) => status,
    };
    let rest = async {
        let peers = client.peers().await?;
        let mut signed = None;
        if status.final_height > Height(0) {
            let block = client.block(status.final_height).await?;
            signed = block
                .finalization
                .map(|found| (found.height, found.signers));
        }
        Ok::<_, ClientError>((peers, signed))
    };
    Ok(match rest.await {
        Ok((peers, signed)) => Ok(Seen {
            status,
            peers,
            signed,
        }),
        Err(error) => Err(error.into()),
    })
}

fn report(genesis: &Genesis, seen: Option<&Seen>) -> Report {
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for (index, member) in genesis.validators.iter().enumerate() {
        let peer = peer_id(&member.peer).to_string();
        let own = seen.map(|seen| seen.status.peer_id == peer);
        let connected = seen.map(|seen| seen.peers.peers.iter().any(|one| one.peer == peer));
        let signed = seen.and_then(|seen| Some(signed(seen.signed.as_ref()?, member)));
        let connection = match (own, connected) {
            (Some(true), _) => "this node",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "no",
            (_, None) => "-",
        };
        rows.push([
            index.to_string(),
            member.name.clone(),
            member.power.to_string(),
            short(&member.key),
            connection.into(),
            signed
                .map_or("-", |signed| if signed { "yes" } else { "no" })
                .into(),
            peer.clone(),
        ]);
        all.push(json!({
            "index": index, "name": member.name, "power": member.power, "key": member.key,
            "peer": peer, "own": own, "connected": connected, "signed": signed,
        }));
    }
    let head = [
        "index",
        "name",
        "power",
        "key",
        "connected",
        "signed",
        "peer id",
    ];
    let height = seen.and_then(|seen| Some(seen.signed.as_ref()?.0));
    let mut text = table(head, &rows);
    match height {
        Some(height) => text += &format!("signed: in the certificate of height {height}\n"),
        None if seen.is_none() => text += "the node does not run\n",
        None => {}
    }
    let certificate = height.map_or(Value::Null, |height| json!(height));
    Report::new(
        text,
        &json!({ "validators": all, "certificate": certificate }),
    )
}

/// Whether a validator signed a certificate, which names its signers.
fn signed((_, signers): &(Height, Vec<String>), member: &Member) -> bool {
    signers.contains(&member.name)
}
