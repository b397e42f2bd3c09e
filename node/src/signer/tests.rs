//! A signer and what asks it, over a real socket.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use decube_crypto::{Digest, SecretKey, ValidatorSecret, mldsa};
use decube_protocols::commit::{Draft, NotSigned, SignRequest, Signer};
use decube_protocols::types::{
    Block, BlockId, Epoch, Genesis, Header, Height, NetworkId, Parameters, Power, Replica,
    Statement, Subject, Timestamp, Validator, View, VoteScheme,
};
use decube_store::keys;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

fn secret(seed: u8) -> ValidatorSecret {
    let ml_dsa = mldsa::SecretKey::from_seed(&[seed; 32]);
    ValidatorSecret::hybrid(SecretKey::from_seed(&[seed; 32]), ml_dsa)
}

fn genesis() -> Genesis {
    let peer = SecretKey::from_seed(&[9; 32]).public();
    let name = String::from("alice");
    Genesis {
        name: "test".into(),
        created: Timestamp(1_700_000_000_000),
        parameters: Parameters {
            delta_ms: 30,
            idle_ms: 10_000,
            drift_ms: 5_000,
            signature: VoteScheme::Hybrid,
            write_quorum: 1,
        },
        validators: vec![Validator {
            name: name.clone(),
            key: secret(1).public(),
            peer,
            power: Power(1),
        }],
        replicas: vec![Replica { name, peer }],
    }
}

/// A signing process that is none, and ends with the test.
struct Process {
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), SignerError>>,
}

impl Process {
    /// Runs on the key and the log of the folder.
    async fn start(folder: &Path) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (up, is_up) = oneshot::channel();
        let folder = folder.to_path_buf();
        let ended = tokio::spawn(async move {
            let started = |_: &_| up.send(()).unwrap();
            let stop = async {
                let _dropped = stopped.await;
            };
            let socket = socket(&folder);
            run(&folder, &genesis(), &secret(1), &socket, started, stop).await
        });
        is_up.await.unwrap();
        let stop = Some(stop);
        Self { stop, ended }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    keys::create_validator(folder.path(), &secret(1)).unwrap();
    folder
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("signer.sock")
}

fn client(folder: &Path) -> RemoteSigner {
    let (network, key) = (genesis().network_id(), secret(1).public());
    RemoteSigner::new(socket(folder), network, key, Duration::from_secs(20))
}

fn subject(name: &'static [u8]) -> Subject {
    Subject {
        parent_view: View(0),
        block: BlockId(Digest::of("decube/test/1", &[name])),
    }
}

fn block(view: u64, name: &'static [u8]) -> Block {
    let zero = Digest::ZERO;
    let header = Header {
        network: genesis().network_id(),
        epoch: Epoch(0),
        view: View(view),
        height: Height(1),
        parent: subject(name).block,
        transactions_root: zero,
        state_root: zero,
        history_root: zero,
        validators: zero,
        next_validators: None,
        time: Timestamp(1),
    };
    let transactions = Vec::new();
    Block {
        header,
        transactions,
    }
}

fn request(view: u64, floor: u64, draft: Draft<'_>) -> SignRequest<'_> {
    SignRequest {
        network: genesis().network_id(),
        epoch: Epoch(0),
        view: View(view),
        floor: View(floor),
        draft,
    }
}

/// Asks on a thread that may wait.
async fn ask(
    signer: &Arc<RemoteSigner>,
    view: u64,
    statement: Statement,
) -> Result<decube_crypto::VoteSignature, NotSigned> {
    let signer = Arc::clone(signer);
    let asked =
        tokio::task::spawn_blocking(move || signer.sign(&request(view, 0, Draft::Vote(statement))));
    asked.await.unwrap()
}

async fn propose(
    signer: &Arc<RemoteSigner>,
    view: u64,
    block: Block,
) -> Result<decube_crypto::VoteSignature, NotSigned> {
    let signer = Arc::clone(signer);
    let parent_view = View(0);
    let asked = tokio::task::spawn_blocking(move || {
        let block = &block;
        signer.sign(&request(view, 0, Draft::Proposal { parent_view, block }))
    });
    asked.await.unwrap()
}

fn is_refused<T>(result: &Result<T, NotSigned>) -> bool {
    matches!(result, Err(NotSigned::Refused(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_one_signer_never_get_two_votes_that_contradict() {
    let folder = folder();
    let process = Process::start(folder.path()).await;
    let mode = std::fs::metadata(socket(folder.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (one, two) = (
        Arc::new(client(folder.path())),
        Arc::new(client(folder.path())),
    );
    let (a, b) = (subject(b"a"), subject(b"b"));
    let first = ask(&one, 3, Statement::Notarize(a)).await.unwrap();
    assert!(is_refused(&ask(&two, 3, Statement::Notarize(b)).await));
    let again = ask(&two, 3, Statement::Notarize(a)).await;
    assert_eq!(again, Ok(first), "the same again is given as it was");
    ask(&two, 3, Statement::Finalize(a)).await.unwrap();
    let refused = ask(&one, 3, Statement::Nullify).await;
    assert!(is_refused(&refused) && refused.unwrap_err().to_string().contains("view 3"));
    ask(&one, 4, Statement::Nullify).await.unwrap();
    assert!(is_refused(&ask(&two, 4, Statement::Finalize(a)).await));
    propose(&one, 5, block(5, b"a")).await.unwrap();
    assert!(is_refused(&propose(&two, 5, block(5, b"b")).await));
    process.stop().await;
    assert!(!socket(folder.path()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_that_starts_again_remembers_and_the_node_finds_it_again() {
    let folder = folder();
    let node = Arc::new(client(folder.path()));
    let silent = ask(&node, 1, Statement::Nullify).await;
    assert!(matches!(silent, Err(NotSigned::Unavailable(_))));
    let process = Process::start(folder.path()).await;
    let before = ask(&node, 1, Statement::Nullify).await.unwrap();
    let proposal = propose(&node, 2, block(2, b"a")).await.unwrap();
    process.stop().await;
    let silent = ask(&node, 2, Statement::Nullify).await;
    assert!(matches!(silent, Err(NotSigned::Unavailable(_))));
    let process = Process::start(folder.path()).await;
    assert_eq!(ask(&node, 1, Statement::Nullify).await, Ok(before));
    let refused = ask(&node, 1, Statement::Finalize(subject(b"a"))).await;
    assert!(is_refused(&refused));
    assert_eq!(propose(&node, 2, block(2, b"a")).await, Ok(proposal));
    assert!(is_refused(&propose(&node, 2, block(2, b"b")).await));
    process.stop().await;
}

/// The log was written, and the process ended before its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_never_arrived_counts() {
    let folder = folder();
    let process = Process::start(folder.path()).await;
    let mut wire = UnixStream::connect(socket(folder.path())).unwrap();
    let finalize = Draft::Vote(Statement::Finalize(subject(b"a")));
    wire.write_all(&message::sign(&request(7, 0, finalize)))
        .unwrap();
    // One byte of the answer shows that it was decided; nobody reads the rest.
    wire.read_exact(&mut [0]).unwrap();
    drop(wire);
    process.stop().await;
    let process = Process::start(folder.path()).await;
    let node = Arc::new(client(folder.path()));
    assert!(is_refused(&ask(&node, 7, Statement::Nullify).await));
    let same = ask(&node, 7, Statement::Finalize(subject(b"a"))).await;
    assert!(same.is_ok());
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_pruned_as_the_node_says_and_never_signed_below() {
    let folder = folder();
    let process = Process::start(folder.path()).await;
    let node = Arc::new(client(folder.path()));
    for view in 1..20 {
        let asked = Arc::clone(&node);
        let draft = Draft::Vote(Statement::Nullify);
        let signed = tokio::task::spawn_blocking(move || {
            asked
                .sign(&request(view, view.saturating_sub(2), draft))
                .map(drop)
        });
        assert_eq!(signed.await.unwrap(), Ok(()));
    }
    // A floor that is above the view does not reach beyond it.
    let asked = Arc::clone(&node);
    let far = tokio::task::spawn_blocking(move || {
        asked
            .sign(&request(20, u64::MAX, Draft::Vote(Statement::Nullify)))
            .map(drop)
    });
    assert_eq!(far.await.unwrap(), Ok(()));
    assert!(is_refused(&ask(&node, 5, Statement::Nullify).await));
    assert!(ask(&node, 21, Statement::Nullify).await.is_ok());
    process.stop().await;
    let process = Process::start(folder.path()).await;
    assert!(is_refused(&ask(&node, 5, Statement::Nullify).await));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_this_key_and_network_are_signed_for() {
    let folder = folder();
    let process = Process::start(folder.path()).await;
    let path = socket(folder.path());
    let time = Duration::from_secs(20);
    let network = genesis().network_id();
    let elsewhere = NetworkId(Digest::ZERO);
    let (other_key, other_network) = (
        Arc::new(RemoteSigner::new(
            path.clone(),
            network,
            secret(2).public(),
            time,
        )),
        Arc::new(RemoteSigner::new(
            path.clone(),
            elsewhere,
            secret(1).public(),
            time,
        )),
    );
    for (signer, words) in [
        (other_key, "another validator"),
        (other_network, "another network"),
    ] {
        match ask(&signer, 1, Statement::Nullify).await {
            Err(NotSigned::Unavailable(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    // Whoever leaves the question of identity out gets no further.
    let mut wire = UnixStream::connect(&path).unwrap();
    let mut foreign = request(1, 0, Draft::Vote(Statement::Nullify));
    foreign.network = elsewhere;
    wire.write_all(&message::sign(&foreign)).unwrap();
    assert!(matches!(answer(&mut wire), Response::Refused(_)));
    let found = tokio::task::spawn_blocking(move || probe(&path, time)).await;
    assert_eq!(found.unwrap(), Ok((network, secret(1).public())));
    process.stop().await;
}

fn answer(wire: &mut UnixStream) -> Response {
    let mut length = [0; 4];
    wire.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    wire.read_exact(&mut body).unwrap();
    message::read_response(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_answered_or_dropped_and_others_are_still_served() {
    let folder = folder();
    let process = Process::start(folder.path()).await;
    let path = socket(folder.path());
    for (body, words) in [
        (&[9, 0][..], "version 9"),
        (&[1, 7], "unknown kind"),
        (&[1], "cut short"),
        (&[1, 0, 0], "after its end"),
    ] {
        let mut wire = UnixStream::connect(&path).unwrap();
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        wire.write_all(&[&length, body].concat()).unwrap();
        let Response::Unavailable(reason) = answer(&mut wire) else {
            panic!("{body:?} was understood")
        };
        assert!(reason.contains(words), "{reason}");
    }
    let mut long = UnixStream::connect(&path).unwrap();
    long.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert_eq!(long.read(&mut [0]).unwrap(), 0, "it is closed");
    let half = UnixStream::connect(&path).unwrap();
    (&half).write_all(&[1, 0]).unwrap();
    let node = Arc::new(client(folder.path()));
    assert!(ask(&node, 1, Statement::Nullify).await.is_ok());
    process.stop().await;
}

/// A signer that accepts and says nothing, or whose queue is full, was waited for without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_that_hangs_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket(folder.path());
    let _never_accepts = UnixListener::bind(&path).unwrap();
    let (network, key) = (genesis().network_id(), secret(1).public());
    let time = Duration::from_millis(10);
    let node = Arc::new(RemoteSigner::new(path, network, key, time));
    for _ in 0..300 {
        let asked = ask(&node, 1, Statement::Nullify).await;
        assert!(matches!(asked, Err(NotSigned::Unavailable(_))));
    }
}

#[test]
fn messages_round_trip_and_have_one_form() {
    let block = block(4, b"a");
    let parent_view = View(2);
    for draft in [
        Draft::Vote(Statement::Notarize(subject(b"a"))),
        Draft::Vote(Statement::Nullify),
        Draft::Vote(Statement::Finalize(subject(b"b"))),
        Draft::Proposal {
            parent_view,
            block: &block,
        },
    ] {
        let bytes = message::sign(&request(4, 1, draft));
        let body = &bytes[4..];
        let Ok(Request::Sign(read)) = message::read_request(body) else {
            panic!("{draft:?}")
        };
        assert_eq!(message::sign(&read.as_request()), bytes);
        for end in 0..body.len() {
            assert!(message::read_request(&body[..end]).is_err(), "cut at {end}");
        }
        assert!(message::read_request(&[body, &[0]].concat()).is_err());
    }
    let statement = request(1, 0, Draft::Vote(Statement::Nullify)).statement();
    for response in [
        Response::Refused("no\n".into()),
        Response::Unavailable("x".repeat(5000)),
        Response::Signature(Box::new(secret(1).sign(&statement))),
        Response::Identity {
            network: genesis().network_id(),
            key: Box::new(secret(1).public()),
        },
    ] {
        let bytes = message::response(&response);
        assert!(bytes.len() - 4 <= message::MAX_RESPONSE);
        let read = message::read_response(&bytes[4..]).unwrap();
        match (&response, read) {
            (Response::Refused(_), read) => assert_eq!(read, Response::Refused("no ".into())),
            (Response::Unavailable(_), read) => {
                assert_eq!(read, Response::Unavailable("x".repeat(1024)));
            }
            (same, read) => assert_eq!(*same, read),
        }
    }
}

/// Bytes of a stranger never do harm, and what is read from them has no second form.
#[test]
fn altered_messages_are_refused_or_mean_what_they_say() {
    let block = block(4, b"a");
    let parent_view = View(2);
    let block = &block;
    let drafts = [
        Draft::Vote(Statement::Notarize(subject(b"a"))),
        Draft::Proposal { parent_view, block },
    ];
    // A generator of Marsaglia's ("Xorshift RNGs", 2003), from a fixed seed.
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end as u64).unwrap()
    };
    let mut understood = 0;
    for round in 0..20_000 {
        let mut body = message::sign(&request(4, 1, drafts[round % 2])).split_off(4);
        for _ in 0..=next(3) {
            let at = next(body.len());
            body[at] ^= u8::try_from(1 + next(255)).unwrap();
        }
        if let Ok(Request::Sign(read)) = message::read_request(&body) {
            assert_eq!(message::sign(&read.as_request())[4..], body);
            understood += 1;
        }
        // As an answer it may be text or nothing.
        let _read = message::read_response(&body);
    }
    assert!(understood > 1000, "only {understood} were understood");
}

/// The bytes do not change, so that a node and a signer of different versions understand each other.
#[test]
fn a_request_has_these_bytes() {
    let request = SignRequest {
        network: NetworkId(Digest::ZERO),
        ..request(258, 1, Draft::Vote(Statement::Nullify))
    };
    let expected = [
        "3b000000",
        "0101",
        &"00".repeat(32),
        "0000000000000000",
        "0201000000000000",
        "0100000000000000",
        "01",
    ];
    assert_eq!(hex::encode(message::sign(&request)), expected.concat());
    assert_eq!(hex::encode(message::hello()), "020000000100");
}
