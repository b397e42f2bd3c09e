//! Documents: create, list, read, edit, history, import, export, remove.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use decube_protocols::documents::content::{HistoryEntry, MAX_FILE, parse_patch};
use decube_protocols::documents::{Command, DocumentEntry, Pointer, Reply, Source};
use decube_protocols::types::{ChangeHash, CollectionId, DocumentId, DocumentName, Version};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::extract::{At, Body, Params, Raw, parse};
use crate::api::reads::{self, Finals};
use crate::api::reference::{unexpected, unknown_collection};
use crate::api::types::{
    Content, CreateDocument, Document, DocumentList, EditDocument, Edited, FinalVersion, History,
    HistoryItem, Imported, NamedVersion, QuarantineList, Quarantined,
};
use crate::api::{Api, Code, Problem, failure};

/// The largest Automerge file that is imported.
pub(in crate::api) const MAX_IMPORT: usize = MAX_FILE;
/// How many documents a page has at most.
const MAX_PAGE: usize = 1000;
/// The header that names the heads of an exported file.
pub(crate) const HEADS_HEADER: &str = "decube-heads";

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ListParams {
    /// Only those of this collection, a name or an id.
    collection: Option<String>,
    /// What the page before gave as `next`.
    after: Option<String>,
    /// How many at most, 1000 without it.
    limit: Option<usize>,
}

/// Lists documents with what is final of them.
#[utoipa::path(get, path = "/v1/documents", params(ListParams), responses(
    (status = 200, body = DocumentList), (status = "4XX", body = Problem)
))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Params(params): Params<ListParams>,
) -> Result<Json<DocumentList>, Problem> {
    let collection = match &params.collection {
        Some(reference) => Some(api.collection_id(reference)?),
        None => None,
    };
    let after = params.after.as_deref().map(parse_cursor).transpose()?;
    let limit = params.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let page = api.read(move |handle| {
        if let Some(collection) = collection
            && !reads::collection_names(handle)?.contains_key(&collection)
        {
            return Err(unknown_collection(
                params.collection.as_deref().unwrap_or_default(),
            ));
        }
        let documents = handle.store().documents();
        let page = documents
            .documents(collection.as_ref(), after, limit)
            .map_err(failure::store)?;
        let full = page.len() == limit;
        let last = page.last().filter(|_| full);
        let next = last.map(|last| format!("{}/{}", last.collection, last.id));
        let entries = page.into_iter().map(reads::entry).collect();
        Ok(DocumentList {
            documents: reads::describe(handle, entries)?,
            next,
        })
    });
    Ok(Json(page.await?))
}

fn parse_cursor(text: &str) -> Result<(CollectionId, DocumentId), Problem> {
    let Some((collection, document)) = text.split_once('/') else {
        return Err(Problem::new(
            Code::Malformed,
            format!("after={text:?} is no page's `next`"),
        ));
    };
    Ok((
        parse("the collection in `after`", collection)?,
        parse("the document in `after`", document)?,
    ))
}

/// Creates a document. It is durable at this node when the answer comes.
#[utoipa::path(post, path = "/v1/documents", request_body = CreateDocument, responses(
    (status = 201, body = Document), (status = "4XX", body = Problem)
))]
pub(in crate::api) async fn create(
    State(api): State<Api>,
    Body(body): Body<CreateDocument>,
) -> Result<(StatusCode, Json<Document>), Problem> {
    let collection = api.collection_id(&body.collection)?;
    api.known_collection(collection, &body.collection).await?;
    let command = Command::Create {
        collection,
        name: body.name,
        content: body.content,
    };
    let Reply::Created(entry) = api.command(command).await? else {
        return Err(unexpected());
    };
    Ok((StatusCode::CREATED, Json(describe_one(&api, entry).await?)))
}

async fn describe_one(api: &Api, entry: DocumentEntry) -> Result<Document, Problem> {
    let described = api
        .read(|handle| reads::describe(handle, vec![entry]))
        .await?;
    described.into_iter().next().ok_or_else(unexpected)
}

/// Says what is known of a document.
#[utoipa::path(get, path = "/v1/documents/{document}",
    params(("document" = String, Path, description = "an id, a unique prefix, or collection/name")),
    responses((status = 200, body = Document), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn describe(
    State(api): State<Api>,
    At(reference): At<String>,
) -> Result<Json<Document>, Problem> {
    let document = api.resolve(&reference).await?;
    let entry = api.entry(document).await?;
    Ok(Json(describe_one(&api, entry).await?))
}

/// Which version to read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ReadParams {
    /// The place to read, an RFC 6901 pointer; the whole document without it.
    #[serde(default)]
    pointer: String,
    /// The heads to read at, or unique prefixes of them of at least 8 digits, separated by commas;
    /// the current ones without it.
    at: Option<String>,
    /// `latest` for the last committed version, or a height for the one that was the last there.
    committed: Option<String>,
    /// Whether to list the concurrent values of each place that has several.
    #[serde(default)]
    conflicts: bool,
}

/// Reads a document as JSON.
#[utoipa::path(get, path = "/v1/documents/{document}/content", params(
    ("document" = String, Path, description = "an id, a unique prefix, or collection/name"),
    ReadParams
), responses((status = 200, body = Content), (status = "4XX", body = Problem)))]
pub(in crate::api) async fn read(
    State(api): State<Api>,
    At(reference): At<String>,
    Params(params): Params<ReadParams>,
) -> Result<Json<Content>, Problem> {
    let document = api.resolve(&reference).await?;
    let pointer: Pointer = parse("the pointer", &params.pointer)?;
    let (at, wanted) = api.version(document, params.at, params.committed).await?;
    let command = Command::Read {
        document,
        at,
        pointer,
        conflicts: params.conflicts,
    };
    let Reply::Content {
        heads,
        value,
        conflicts,
    } = api.command(command).await?
    else {
        return Err(unexpected());
    };
    let version = Version::of(&heads);
    let committed = match wanted {
        Some(committed) => Some(committed),
        None => api
            .last_committed(document)
            .await?
            .filter(|last| last.version == version),
    };
    let conflicts = conflicts
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>();
    let conflicts = conflicts.map_err(failure::store)?;
    Ok(Json(Content {
        document,
        heads,
        version,
        value,
        conflicts,
        committed,
    }))
}

/// Says which version `at` or `committed` names, or the present one: its heads in full.
#[utoipa::path(get, path = "/v1/documents/{document}/version", params(
    ("document" = String, Path, description = "an id, a unique prefix, or collection/name"),
    VersionParams
), responses((status = 200, body = NamedVersion), (status = "4XX", body = Problem)))]
pub(in crate::api) async fn version(
    State(api): State<Api>,
    At(reference): At<String>,
    Params(params): Params<VersionParams>,
) -> Result<Json<NamedVersion>, Problem> {
    let document = api.resolve(&reference).await?;
    let (at, _) = api.version(document, params.at, params.committed).await?;
    let heads = match at {
        Some(heads) => heads,
        None => {
            let entry = api.entry(document).await?;
            failure::present(&entry)?;
            entry.heads
        }
    };
    Ok(Json(NamedVersion {
        document,
        version: Version::of(&heads),
        heads,
    }))
}

/// Applies an ordered patch as one change. It is durable at this node when the answer comes.
#[utoipa::path(post, path = "/v1/documents/{document}/edits", request_body = EditDocument,
    params(("document" = String, Path, description = "an id, a unique prefix, or collection/name")),
    responses((status = 200, body = Edited), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn edit(
    State(api): State<Api>,
    At(reference): At<String>,
    Body(body): Body<EditDocument>,
) -> Result<Json<Edited>, Problem> {
    let document = api.resolve(&reference).await?;
    let edits = match parse_patch(body.edits) {
        Ok(edits) => edits,
        Err(error) => return Err(Problem::new(Code::Malformed, error)),
    };
    let command = Command::Edit {
        document,
        at: body.at,
        edits,
        message: body.message,
    };
    let Reply::Edited { heads, change } = api.command(command).await? else {
        return Err(unexpected());
    };
    Ok(Json(Edited {
        document,
        heads,
        change,
    }))
}

/// Lists the changes of a document, oldest first, with what is final.
#[utoipa::path(get, path = "/v1/documents/{document}/history",
    params(("document" = String, Path, description = "an id, a unique prefix, or collection/name")),
    responses((status = 200, body = History), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn history(
    State(api): State<Api>,
    At(reference): At<String>,
) -> Result<Json<History>, Problem> {
    let document = api.resolve(&reference).await?;
    let Reply::History(changes) = api.command(Command::History { document }).await? else {
        return Err(unexpected());
    };
    let collection = api.entry(document).await?.collection;
    let committed = api.read(move |handle| {
        let versions = Finals::at(handle.store().chain(), None)?.versions(collection, document)?;
        Ok(versions
            .into_iter()
            .map(reads::final_version)
            .collect::<Vec<_>>())
    });
    let committed = committed.await?;
    Ok(Json(History {
        document,
        changes: mark(changes, &committed),
        committed,
    }))
}

/// Marks the changes that committed versions have; `committed` is newest first.
fn mark(changes: Vec<HistoryEntry>, committed: &[FinalVersion]) -> Vec<HistoryItem> {
    let mut below: BTreeSet<ChangeHash> = committed
        .first()
        .map(|last| last.heads.iter().copied().collect())
        .unwrap_or_default();
    // Each change stands after those it rests on, so one pass from the end finds all below.
    for change in changes.iter().rev() {
        if below.contains(&change.hash) {
            below.extend(&change.dependencies);
        }
    }
    let item = |change: HistoryEntry| HistoryItem {
        is_final: below.contains(&change.hash),
        committed_at: committed
            .iter()
            .filter(|version| version.heads.contains(&change.hash))
            .map(|version| version.height)
            .collect(),
        hash: change.hash,
        author: change.author,
        actor: change.actor,
        seq: change.seq,
        time: change.time,
        message: change.message,
        operations: change.operations,
        dependencies: change.dependencies,
    };
    changes.into_iter().map(item).collect()
}

/// How to remove a document.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RemoveParams {
    /// Only forget this node's copy and stop following the document.
    #[serde(default)]
    local: bool,
}

/// Removes a document for everyone, or forgets this node's copy.
#[utoipa::path(delete, path = "/v1/documents/{document}", params(
    ("document" = String, Path, description = "an id, a unique prefix, or collection/name"),
    RemoveParams
), responses((status = 200, body = Document), (status = "4XX", body = Problem)))]
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    At(reference): At<String>,
    Params(params): Params<RemoveParams>,
) -> Result<Json<Document>, Problem> {
    let document = api.resolve(&reference).await?;
    let command = if params.local {
        Command::Forget { document }
    } else {
        Command::Remove { document }
    };
    let reply = api.command(command).await?;
    let (Reply::Removed | Reply::Forgotten) = reply else {
        return Err(unexpected());
    };
    let entry = api.entry(document).await?;
    Ok(Json(describe_one(&api, entry).await?))
}

/// Which version is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct VersionParams {
    /// The heads, or unique prefixes of them of at least 8 digits, separated by commas; the current
    /// ones without it.
    at: Option<String>,
    /// `latest` for the last committed version, or a height for the one that was the last there.
    committed: Option<String>,
}

/// Exports a document as a standard Automerge file with exactly the history of its heads, which
/// the header `decube-heads` names.
#[utoipa::path(get, path = "/v1/documents/{document}/export", params(
    ("document" = String, Path, description = "an id, a unique prefix, or collection/name"),
    VersionParams
), responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream",
        headers(("decube-heads" = String, description = "the heads, separated by commas"))),
    (status = "4XX", body = Problem)
))]
pub(in crate::api) async fn export(
    State(api): State<Api>,
    At(reference): At<String>,
    Params(params): Params<VersionParams>,
) -> Result<Response, Problem> {
    let document = api.resolve(&reference).await?;
    let (at, _) = api.version(document, params.at, params.committed).await?;
    let Reply::Exported { heads, bytes } = api.command(Command::Export { document, at }).await?
    else {
        return Err(unexpected());
    };
    let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
    let heads = HeaderValue::try_from(heads.join(",")).map_err(failure::store)?;
    let name = HeaderName::from_static(HEADS_HEADER);
    let media_type = HeaderValue::from_static("application/octet-stream");
    Ok(([(name, heads), (header::CONTENT_TYPE, media_type)], bytes).into_response())
}

/// Where to import to.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ImportParams {
    /// The collection, by name or id.
    collection: String,
    /// The alias of the new document.
    name: String,
}

/// Creates a document from an Automerge file. It is durable at this node when the answer comes.
#[utoipa::path(post, path = "/v1/documents/import", params(ImportParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Imported), (status = "4XX", body = Problem))
)]
pub(in crate::api) async fn import(
    State(api): State<Api>,
    Params(params): Params<ImportParams>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<Imported>), Problem> {
    let collection = api.collection_id(&params.collection)?;
    api.known_collection(collection, &params.collection).await?;
    let name: DocumentName = parse("the document's name", &params.name)?;
    let command = Command::Import {
        collection,
        name,
        bytes: bytes.into(),
    };
    let Reply::Imported {
        document,
        history_kept,
    } = api.command(command).await?
    else {
        return Err(unexpected());
    };
    let document = describe_one(&api, document).await?;
    Ok((
        StatusCode::CREATED,
        Json(Imported {
            document,
            history_kept,
        }),
    ))
}

/// Lists what waits outside of documents, with the reasons.
#[utoipa::path(get, path = "/v1/quarantine", responses((status = 200, body = QuarantineList)))]
pub(in crate::api) async fn quarantine(
    State(api): State<Api>,
) -> Result<Json<QuarantineList>, Problem> {
    let Reply::Quarantine(entries) = api.command(Command::Quarantine).await? else {
        return Err(unexpected());
    };
    let whole = ChangeHash(decube_crypto::Digest::ZERO);
    let entries = entries.into_iter().map(|entry| Quarantined {
        document: entry.document,
        change: Some(entry.change).filter(|change| *change != whole),
        bytes: entry.bytes.len(),
        reason: entry.reason,
    });
    Ok(Json(QuarantineList {
        entries: entries.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::Height;
    use decube_protocols::types::TransactionId;

    fn hash(n: u8) -> ChangeHash {
        ChangeHash(Digest::from_bytes([n; 32]))
    }

    fn change(n: u8, dependencies: &[u8]) -> HistoryEntry {
        HistoryEntry {
            hash: hash(n),
            actor: String::new(),
            author: None,
            seq: 1,
            time: 0,
            message: None,
            operations: 1,
            dependencies: dependencies.iter().copied().map(hash).collect(),
        }
    }

    fn committed(height: u64, heads: &[u8]) -> FinalVersion {
        let heads: Vec<_> = heads.iter().copied().map(hash).collect();
        FinalVersion {
            version: Version::of(&heads),
            heads,
            height: Height(height),
            transaction: TransactionId(Digest::ZERO),
            previous: None,
        }
    }

    #[test]
    fn changes_below_the_last_committed_heads_are_final_and_concurrent_ones_are_not() {
        // 1 <- 2 <- 4, and 3 beside 2; committed at 2, then at 4.
        let changes = vec![
            change(1, &[]),
            change(2, &[1]),
            change(3, &[1]),
            change(4, &[2]),
        ];
        let marked = mark(changes, &[committed(9, &[4]), committed(5, &[2])]);
        let finals: Vec<bool> = marked.iter().map(|item| item.is_final).collect();
        assert_eq!(finals, [true, true, false, true]);
        assert_eq!(marked[1].committed_at, [Height(5)]);
        assert_eq!(marked[3].committed_at, [Height(9)]);
    }
}
