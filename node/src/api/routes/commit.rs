//! Commits, new collections and transactions that were signed elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use decube_protocols::documents::{Command, DocumentEntry, Pointer, ReceiptRequest};
use decube_protocols::submission::{Progress, Wish};
use decube_protocols::types::{
    CollectionId, CommitEntry, CommittedDocument, DocumentId, Heads, Outcome, Transaction,
    TransactionId, Version,
};
use decube_protocols::wire;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use crate::api::extract::{Body, Params, Raw};
use crate::api::reads::Finals;
use crate::api::types::{
    CommitRequest, CommitTarget, CreateCollection, Submission, SubmissionState, Wait,
};
use crate::api::{Api, Code, Problem, failure, wait};

/// Commits versions of documents, all of them or none.
#[utoipa::path(post, path = "/v1/commits", request_body = CommitRequest, responses(
    (status = 200, body = Submission, description = "final"),
    (status = 202, body = Submission, description = "submitted, not final yet"),
    (status = "4XX", body = Problem), (status = "5XX", body = Problem)
))]
pub(in crate::api) async fn commit(
    State(api): State<Api>,
    Body(body): Body<CommitRequest>,
) -> Result<(StatusCode, Json<Submission>), Problem> {
    let count = body.documents.len();
    if count == 0 || count > Transaction::MAX_ENTRIES {
        let max = Transaction::MAX_ENTRIES;
        let detail = format!("a commit is about 1 to {max} documents, not {count}");
        return Err(Problem::new(Code::Malformed, detail));
    }
    let mut targets = BTreeMap::new();
    for target in body.documents {
        let document = api.resolve(&target.document).await?;
        if targets.insert(document, target).is_some() {
            let detail = format!("the document {document} is listed twice");
            return Err(Problem::new(Code::Malformed, detail));
        }
    }
    let mut requests = Vec::with_capacity(count);
    for (document, target) in targets {
        requests.push(target_request(&api, document, target).await?);
    }
    requests.sort_by_key(|request| (request.entry.collection, request.entry.document));
    submit_wish(&api, Wish::Commit(requests), body.wait, body.timeout_ms).await
}

/// What to ask replicas for, for one version.
async fn target_request(
    api: &Api,
    document: DocumentId,
    target: CommitTarget,
) -> Result<ReceiptRequest, Problem> {
    let entry = api.entry(document).await?;
    let collection = entry.collection;
    let heads = heads(&entry, target.heads.clone())?;
    if target.heads.is_some() {
        let (at, pointer) = (Some(heads.clone().into()), Pointer::root());
        // Only to be told of heads that the document does not have.
        api.command(Command::Read {
            document,
            at,
            pointer,
            conflicts: false,
        })
        .await?;
    }
    let last = api.read(move |handle| {
        Finals::at(handle.store().chain(), None)?.version(collection, document)
    });
    let last = last.await?;
    let expected = match (target.first, &target.previous) {
        (true, Some(_)) => {
            let detail = "give either `first` or `previous`, not both";
            return Err(Problem::new(Code::Malformed, detail));
        }
        (true, None) => Expected::Nothing,
        (false, Some(prefix)) => Expected::Version(api.committed_version(document, prefix).await?),
        (false, None) => Expected::Any,
    };
    compare(expected, document, last.as_ref())?;
    let previous = last.map(|last| last.heads);
    if previous.as_ref() == Some(&heads) {
        let detail = format!("the version of {document} is committed already");
        return Err(Problem::new(Code::Unsubmittable, detail));
    }
    Ok(request(collection, document, heads, previous))
}

fn request(
    collection: CollectionId,
    document: DocumentId,
    heads: Heads,
    previous: Option<Heads>,
) -> ReceiptRequest {
    let version = previous.as_ref().map(Heads::version);
    let entry = CommitEntry {
        collection,
        document,
        previous: version,
        heads,
    };
    ReceiptRequest {
        entry,
        previous: previous.unwrap_or_default(),
    }
}

/// The heads to commit: those asked for, or the present ones.
fn heads(
    entry: &DocumentEntry,
    asked: Option<Vec<decube_protocols::types::ChangeHash>>,
) -> Result<Heads, Problem> {
    let id = entry.id;
    failure::present(entry)?;
    let heads = Heads::new(asked.unwrap_or_else(|| entry.heads.clone()));
    let heads = heads.map_err(|error| Problem::new(Code::Unsubmittable, error))?;
    if heads.is_empty() {
        let detail = format!("the document {id} has no changes yet, there is nothing to commit");
        return Err(Problem::new(Code::Unsubmittable, detail));
    }
    Ok(heads)
}

/// What a commit expects to be the last committed version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Whatever it is.
    Any,
    /// That there is none.
    Nothing,
    /// This one.
    Version(Version),
}

/// The compare-and-set, as far as this node can tell; the validators have the last word.
fn compare(
    expected: Expected,
    document: DocumentId,
    last: Option<&CommittedDocument>,
) -> Result<(), Problem> {
    let committed = last.map(|last| last.heads.version());
    let expected = match expected {
        Expected::Any => return Ok(()),
        Expected::Nothing => None,
        Expected::Version(version) => Some(version),
    };
    if expected == committed {
        return Ok(());
    }
    let show = |version: Option<_>| version.map_or("none".into(), |version| format!("{version}"));
    let detail = format!(
        "the last committed version of {document} is {}, not {} as expected; nothing was \
         submitted. Read the committed version, then commit again",
        show(committed),
        show(expected)
    );
    let mut problem = Problem::new(Code::PreviousDiffers, detail);
    problem.about.height = last.map(|last| last.height);
    Err(problem)
}

/// Creates a collection.
#[utoipa::path(post, path = "/v1/collections", request_body = CreateCollection, responses(
    (status = 200, body = Submission, description = "final"),
    (status = 202, body = Submission, description = "submitted, not final yet"),
    (status = "4XX", body = Problem), (status = "5XX", body = Problem)
))]
pub(in crate::api) async fn create_collection(
    State(api): State<Api>,
    Body(body): Body<CreateCollection>,
) -> Result<(StatusCode, Json<Submission>), Problem> {
    let wish = Wish::CreateCollection {
        name: body.name,
        write_quorum: body.write_quorum,
    };
    submit_wish(&api, wish, body.wait, body.timeout_ms).await
}

/// How long to wait for a transaction.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct SubmitParams {
    /// `none`, `submitted` or `final`.
    #[serde(default)]
    #[param(value_type = String)]
    wait: Wait,
    /// How long to wait at most, in milliseconds; 60000 without it.
    timeout_ms: Option<u64>,
}

/// Submits a transaction that was signed elsewhere, in its canonical binary form.
#[utoipa::path(post, path = "/v1/transactions", params(SubmitParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Submission, description = "final"),
        (status = 202, body = Submission, description = "submitted, not final yet"),
        (status = "4XX", body = Problem), (status = "5XX", body = Problem)
    )
)]
pub(in crate::api) async fn submit(
    State(api): State<Api>,
    Params(params): Params<SubmitParams>,
    Raw(bytes): Raw,
) -> Result<(StatusCode, Json<Submission>), Problem> {
    let transaction: Transaction = match wire::decode(&bytes) {
        Ok(transaction) => transaction,
        Err(error) => {
            let detail = format!("the body is no transaction: {error}");
            return Err(Problem::new(Code::Malformed, detail));
        }
    };
    if let Err(error) = transaction.verify(&api.handle.network_id()) {
        let detail = format!("the transaction is refused: {error}; nothing was submitted");
        return Err(Problem::new(Code::Unsubmittable, detail));
    }
    submit_wish(
        &api,
        Wish::Submit(Box::new(transaction)),
        params.wait,
        params.timeout_ms,
    )
    .await
}

async fn submit_wish(
    api: &Api,
    wish: Wish,
    until: Wait,
    timeout_ms: Option<u64>,
) -> Result<(StatusCode, Json<Submission>), Problem> {
    let mut progress = api.handle.submit(wish).await?;
    let mut report = Submission {
        state: SubmissionState::Accepted,
        transaction: None,
        expires: None,
        height: None,
        outcome: None,
    };
    if until != Wait::None {
        let limit = wait::time(timeout_ms);
        let followed = follow(&mut progress, &mut report, until);
        match tokio::time::timeout(limit, followed).await {
            Ok(result) => result?,
            Err(_elapsed) => return Err(too_late(report.transaction, limit)),
        }
    }
    let status = match report.state {
        SubmissionState::Final => StatusCode::OK,
        SubmissionState::Accepted | SubmissionState::Submitted => StatusCode::ACCEPTED,
    };
    Ok((status, Json(report)))
}

fn too_late(transaction: Option<TransactionId>, limit: Duration) -> Problem {
    let mut problem = wait::timed_out("it becoming final", limit);
    match transaction {
        Some(id) => problem.detail.push_str(&format!(
            "; transaction {id} is durable here and may still become final: look at \
             `decube chain ls`"
        )),
        None => problem
            .detail
            .push_str("; replicas or validators may be away: `decube status`"),
    }
    problem.about(transaction)
}

/// Follows a wish until it is as far as `until` says.
async fn follow(
    progress: &mut mpsc::Receiver<Progress>,
    report: &mut Submission,
    until: Wait,
) -> Result<(), Problem> {
    while let Some(step) = progress.recv().await {
        match step {
            Progress::Submitted {
                transaction,
                expires,
            } => {
                report.state = SubmissionState::Submitted;
                report.transaction = Some(transaction);
                report.expires = Some(expires);
                if until == Wait::Submitted {
                    return Ok(());
                }
            }
            Progress::Final {
                transaction,
                height,
                outcome,
            } => {
                if let Some(mut problem) = failure::rejected(&outcome) {
                    problem.about.height = Some(height);
                    return Err(problem.about(Some(transaction)));
                }
                report.state = SubmissionState::Final;
                report.transaction = Some(transaction);
                report.height = Some(height);
                report.outcome = Some(Outcome::Applied);
                return Ok(());
            }
            Progress::Failed(error) => {
                let problem = Problem::from(error);
                let transaction = problem.about.transaction.or(report.transaction);
                return Err(problem.about(transaction));
            }
        }
    }
    let detail = "the node is stopping; a transaction that was submitted goes on after its start";
    Err(Problem::new(Code::Stopping, detail).about(report.transaction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use decube_crypto::Digest;
    use decube_protocols::types::{ChangeHash, Height};

    fn committed() -> CommittedDocument {
        CommittedDocument {
            heads: Heads::new(vec![ChangeHash(Digest::from_bytes([3; 32]))]).unwrap(),
            height: Height(7),
            transaction: TransactionId(Digest::ZERO),
            previous: None,
        }
    }

    #[test]
    fn a_stale_expectation_is_refused_with_the_version_that_is_there() {
        let document = DocumentId(Digest::ZERO);
        let last = committed();
        let version = last.heads.version();
        let other = Version(Digest::ZERO);
        let expects = Expected::Version;
        assert_eq!(compare(expects(version), document, Some(&last)), Ok(()));
        let stale = compare(expects(other), document, Some(&last)).unwrap_err();
        assert_eq!(
            (stale.code, stale.about.height),
            (Code::PreviousDiffers, Some(Height(7)))
        );
        assert!(stale.detail.contains(&version.to_string()));
        assert!(compare(expects(version), document, None).is_err());
    }

    #[test]
    fn first_means_that_nothing_was_committed() {
        let document = DocumentId(Digest::ZERO);
        let first = Expected::Nothing;
        assert_eq!(compare(first, document, None), Ok(()));
        assert!(compare(first, document, Some(&committed())).is_err());
        assert_eq!(compare(Expected::Any, document, Some(&committed())), Ok(()));
    }

    #[tokio::test]
    async fn a_rejected_transaction_is_a_problem_that_names_it() {
        let (send, mut progress) = mpsc::channel(2);
        let transaction = TransactionId(Digest::from_bytes([9; 32]));
        let reason = decube_protocols::types::Rejection::StaleNonce { nonce: 1, last: 2 };
        let outcome = Outcome::Rejected { reason };
        send.send(Progress::Submitted {
            transaction,
            expires: Height(9),
        })
        .await
        .unwrap();
        send.send(Progress::Final {
            transaction,
            height: Height(4),
            outcome,
        })
        .await
        .unwrap();
        let mut report = Submission {
            state: SubmissionState::Accepted,
            transaction: None,
            expires: None,
            height: None,
            outcome: None,
        };
        let problem = follow(&mut progress, &mut report, Wait::Final)
            .await
            .unwrap_err();
        assert_eq!(problem.code, Code::Rejected);
        assert_eq!(
            (problem.about.transaction, problem.about.height),
            (Some(transaction), Some(Height(4)))
        );
    }
}
