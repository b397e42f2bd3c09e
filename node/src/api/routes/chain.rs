//! What is final: blocks, collections, proofs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use decube_protocols::commit::{ChainSource, FinalBlock};
use decube_protocols::documents::Source;
use decube_protocols::light::{self, ProveError};
use decube_protocols::types::{
    Action, Certificate, CollectionId, CollectionState, Genesis, Height, NetworkId, Outcome,
    Transaction,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::extract::{At, Params};
use crate::api::reads::{self, unknown_block};
use crate::api::reference::unknown_collection;
use crate::api::types::{
    ActionInfo, Block, BlockList, BlockSummary, Collection, CollectionList, Finalization,
    ReceiptInfo, TransactionInfo,
};
use crate::api::{Api, Problem, failure};
use crate::node::Handle;

/// How many blocks a page has at most.
const MAX_PAGE: u64 = 1000;
/// How many blocks a page has when nothing is said.
const DEFAULT_PAGE: u64 = 20;

/// Which blocks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct BlockParams {
    /// The highest block to list; the newest without it.
    before: Option<u64>,
    /// How many at most: 20 without it, 1000 at most.
    limit: Option<u64>,
}

/// Lists final blocks, newest first.
#[utoipa::path(get, path = "/v1/chain/blocks", params(BlockParams), responses(
    (status = 200, body = BlockList), (status = "4XX", body = Problem)
))]
pub(in crate::api) async fn blocks(
    State(api): State<Api>,
    Params(params): Params<BlockParams>,
) -> Result<Json<BlockList>, Problem> {
    let list = api.read(move |handle| {
        let chain = handle.store().chain();
        let newest = chain.final_height().map_err(failure::store)?;
        let top = params.before.unwrap_or(newest.0).min(newest.0);
        let count = params.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
        let bottom = top.saturating_sub(count - 1).max(1);
        let mut blocks = Vec::new();
        for height in (bottom..=top).rev() {
            let found = chain.final_block(Height(height)).map_err(failure::store)?;
            blocks.extend(found.map(summary));
        }
        Ok(BlockList {
            final_height: newest,
            blocks,
        })
    });
    Ok(Json(list.await?))
}

fn summary(found: FinalBlock) -> BlockSummary {
    let header = &found.block.header;
    BlockSummary {
        height: header.height,
        id: header.id(),
        view: header.view,
        time: header.time,
        transactions: found.block.transactions.len(),
        applied: found
            .outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Applied)
            .count(),
    }
}

/// Shows a final block.
#[utoipa::path(get, path = "/v1/chain/blocks/{height}",
    params(("height" = u64, Path, description = "the block's height, from 1")),
    responses((status = 200, body = Block), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn block(
    State(api): State<Api>,
    At(height): At<u64>,
) -> Result<Json<Block>, Problem> {
    let shown = api.read(move |handle| {
        let chain = handle.store().chain();
        let height = Height(height);
        let Some(found) = chain.final_block(height).map_err(failure::store)? else {
            let newest = chain.final_height().map_err(failure::store)?;
            return Err(unknown_block(height, newest));
        };
        let certificate = chain.finalization_from(height).map_err(failure::store)?;
        let finalization = certificate.map(|(height, certificate)| Finalization {
            height,
            signers: signers(handle.genesis(), &certificate),
        });
        Ok(show(&handle.network_id(), found, finalization))
    });
    Ok(Json(shown.await?))
}

fn signers(genesis: &Genesis, certificate: &Certificate) -> Vec<String> {
    let name = |index: usize| genesis.validators.get(index).map(|one| one.name.clone());
    let signers = certificate.signatures.iter();
    signers
        .filter_map(|(index, _)| name(usize::from(index.0)))
        .collect()
}

fn show(network: &NetworkId, found: FinalBlock, finalization: Option<Finalization>) -> Block {
    let id = found.block.id();
    let header = found.block.header;
    let transactions = found.block.transactions.into_iter().zip(found.outcomes);
    let transactions = transactions.map(|(transaction, outcome)| TransactionInfo {
        id: transaction.id(network),
        author: transaction.author,
        nonce: transaction.nonce,
        expires: transaction.expires,
        action: action(transaction),
        outcome,
    });
    Block {
        height: header.height,
        id,
        parent: header.parent,
        epoch: header.epoch,
        view: header.view,
        time: header.time,
        transactions_root: header.transactions_root,
        state_root: header.state_root,
        history_root: header.history_root,
        validators: header.validators,
        transactions: transactions.collect(),
        finalization,
    }
}

fn action(transaction: Transaction) -> ActionInfo {
    match transaction.action {
        Action::Commit(commit) => {
            let receipts = commit.receipts.iter();
            let info = receipts.map(|receipt| ReceiptInfo {
                document: receipt.document,
                replica: receipt.replica,
            });
            ActionInfo::Commit {
                receipts: info.collect(),
                entries: commit.entries,
            }
        }
        Action::CreateCollection(create) => ActionInfo::CreateCollection {
            name: create.name,
            write_quorum: create.write_quorum,
        },
    }
}

/// Lists the collections.
#[utoipa::path(get, path = "/v1/collections", responses((status = 200, body = CollectionList)))]
pub(in crate::api) async fn collections(
    State(api): State<Api>,
) -> Result<Json<CollectionList>, Problem> {
    let list = api.read(|handle| {
        let all: BTreeMap<_, _> = reads::collection_names(handle)?;
        all.into_iter()
            .map(|(id, state)| show_collection(handle, id, state))
            .collect()
    });
    Ok(Json(CollectionList {
        collections: list.await?,
    }))
}

/// Shows a collection.
#[utoipa::path(get, path = "/v1/collections/{collection}",
    params(("collection" = String, Path, description = "a name or an id")),
    responses((status = 200, body = Collection), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn collection(
    State(api): State<Api>,
    At(reference): At<String>,
) -> Result<Json<Collection>, Problem> {
    let id = api.collection_id(&reference)?;
    let shown = api.read(move |handle| {
        let found = reads::collection_names(handle)?.remove(&id);
        let state = found.ok_or_else(|| unknown_collection(&reference))?;
        show_collection(handle, id, state)
    });
    Ok(Json(shown.await?))
}

fn show_collection(
    handle: &Handle,
    id: CollectionId,
    state: CollectionState,
) -> Result<Collection, Problem> {
    let root = handle
        .store()
        .documents()
        .collection_root(&id)
        .map_err(failure::store)?;
    Ok(Collection {
        id,
        name: state.name,
        creator: state.creator,
        height: state.height,
        write_quorum: state.write_quorum,
        root,
    })
}

/// Which version to prove.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ProofParams {
    /// The height whose state is meant; the newest final one without it.
    height: Option<u64>,
}

/// Makes a proof of a document's committed version, or that none was committed up to a height.
#[utoipa::path(get, path = "/v1/documents/{document}/proof", params(
    ("document" = String, Path, description = "an id, a unique prefix, or collection/name"),
    ProofParams
), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = Problem)
))]
pub(in crate::api) async fn proof(
    State(api): State<Api>,
    At(reference): At<String>,
    Params(params): Params<ProofParams>,
) -> Result<impl IntoResponse, Problem> {
    let document = api.resolve(&reference).await?;
    let collection = api.entry(document).await?.collection;
    let bytes = api.read(move |handle| {
        let chain = handle.store().chain();
        match light::prove(&chain, collection, document, params.height.map(Height)) {
            Ok(proof) => Ok(proof.to_bytes()),
            Err(ProveError::NotFinal { asked, newest }) => Err(unknown_block(asked, newest)),
            Err(error) => Err(failure::store(error)),
        }
    });
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        bytes.await?,
    ))
}
