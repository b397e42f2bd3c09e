//! The load: one who types at every node, and one who commits for every document. None of them
//! waits for a node that is down; they go on with the next request.

use std::sync::Arc;
use std::time::Duration;

use decube_node::api::types::{CommitRequest, CommitTarget, SubmissionState, Wait};
use decube_node::client::{Client, ClientError};
use decube_protocols::types::DocumentId;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::log::{EditAck, FinalAck, Generation, SubmittedAck};

/// How many documents a round has; each has one who commits it.
pub(super) const DOCUMENTS: usize = 3;
/// The pause of one who types, so that five nodes on two cores have time left to be killed in.
const TYPING_PAUSE: Duration = Duration::from_millis(50);
/// The pause of one who commits.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);
/// The pause after a node did not answer.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);
/// How long an answer is waited for; one that comes later is not known to the checker.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long a node waits for a commit to become final before it answers that it did not.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);
/// Of how many commits one only waits until it is submitted.
const SUBMITTED_ONE_IN: u32 = 4;

/// The documents of the moment; none ends the load.
pub(super) type Current = watch::Receiver<Option<Arc<Generation>>>;

/// Starts the load. It ends when `current` turns to none, and is aborted when the set is dropped.
pub(super) fn start(clients: &[Client], current: &Current, seed: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (node, client) in clients.iter().enumerate() {
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1000 + node as u64));
        tasks.spawn(type_at(node, client.clone(), current.clone(), random));
    }
    for document in 0..DOCUMENTS {
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(2000 + document as u64));
        tasks.spawn(commit(document, clients.to_vec(), current.clone(), random));
    }
    tasks
}

/// The documents of the moment. The clone keeps them in use until it is dropped.
fn now(current: &Current) -> Option<Arc<Generation>> {
    current.borrow().clone()
}

async fn type_at(node: usize, client: Client, current: Current, mut random: ChaCha8Rng) {
    let mut number: u64 = 0;
    while let Some(generation) = now(&current) {
        number += 1;
        let chosen = random.random_range(0..generation.documents.len());
        let document = generation.documents[chosen];
        let edits = json!([
            { "op": "splice", "pointer": "/text", "index": 0, "insert": format!("{node}:{number} ") },
            { "op": "set", "pointer": format!("/node{node}"), "value": number },
        ]);
        let answer = timeout(ANSWER_LIMIT, client.patch(&document.to_string(), edits)).await;
        let pause = match answer {
            Ok(Ok(edited)) => {
                let change = edited.change.map(|change| EditAck {
                    node,
                    document,
                    change,
                });
                generation.acks().edits.extend(change);
                TYPING_PAUSE
            }
            // It is down, or has not heard of the document yet.
            Ok(Err(_)) | Err(_) => FAILURE_PAUSE,
        };
        drop(generation);
        sleep(pause).await;
    }
}

async fn commit(place: usize, clients: Vec<Client>, current: Current, mut random: ChaCha8Rng) {
    while let Some(generation) = now(&current) {
        let node = random.random_range(0..clients.len());
        let wait = match random.random_range(0..SUBMITTED_ONE_IN) {
            0 => Wait::Submitted,
            _ => Wait::Final,
        };
        let request = commit_request(generation.documents[place], wait);
        let answer = timeout(ANSWER_LIMIT, clients[node].commit(&request)).await;
        let acknowledged = match answer {
            Ok(answer) => note(&generation, node, answer),
            Err(_) => false,
        };
        drop(generation);
        sleep(if acknowledged {
            COMMIT_PAUSE
        } else {
            FAILURE_PAUSE
        })
        .await;
    }
}

fn commit_request(document: DocumentId, wait: Wait) -> CommitRequest {
    let target = CommitTarget {
        document: document.to_string(),
        heads: None,
        previous: None,
        first: false,
    };
    let timeout_ms = u64::try_from(COMMIT_LIMIT.as_millis()).ok();
    CommitRequest {
        documents: vec![target],
        wait,
        timeout_ms,
    }
}

/// Notes what a node acknowledged of a commit; says whether it acknowledged anything.
fn note(
    generation: &Generation,
    node: usize,
    answer: Result<decube_node::api::types::Submission, ClientError>,
) -> bool {
    match answer {
        Ok(submission) => match (submission.state, submission.transaction) {
            (SubmissionState::Final, Some(transaction)) => {
                let Some(height) = submission.height else {
                    return false;
                };
                let ack = FinalAck {
                    node,
                    transaction,
                    height,
                    applied: true,
                };
                generation.acks().finals.push(ack);
                true
            }
            (SubmissionState::Submitted, Some(transaction)) => {
                let Some(expires) = submission.expires else {
                    return false;
                };
                generation.acks().submitted.push(SubmittedAck {
                    node,
                    transaction,
                    expires,
                });
                true
            }
            (SubmissionState::Accepted, _) | (_, None) => false,
        },
        // A transaction that is final and had no effect is a problem that names its block.
        Err(error) => {
            let rejected = error
                .problem()
                .and_then(|problem| Some((problem.about.transaction?, problem.about.height?)));
            let Some((transaction, height)) = rejected else {
                return false;
            };
            let ack = FinalAck {
                node,
                transaction,
                height,
                applied: false,
            };
            generation.acks().finals.push(ack);
            true
        }
    }
}

/// A number for a seed, when none was given.
pub(super) fn random_seed() -> u64 {
    rand::rng().next_u64() >> 32
}
