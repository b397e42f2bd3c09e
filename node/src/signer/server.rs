//! The signing process.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use decube_crypto::{ValidatorKey, ValidatorSecret};
use decube_protocols::commit::{GuardRefusal, Keeper, KeeperError, Kept, NotSigned, Restored};
use decube_protocols::types::{Epoch, Genesis};
use decube_store::{Identity, SignerLog, SignerLogError, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::message::{self, MAX_REQUEST, OwnedRequest, Request, Response};
use crate::api::{ListenError, listen_unix};

/// The most connections at a time: one node has one, `decube doctor` one more, and more wait.
const MAX_CONNECTIONS: usize = 16;

/// How long a message may take that has begun, so that nobody holds a connection by half of one.
const MESSAGE_TIME: Duration = Duration::from_secs(5);

/// Why a signing process does not run.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The vote log.
    #[error(transparent)]
    Log(#[from] SignerLogError),
    /// The key and the network do not fit each other or the log.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A write failed, so nothing more is signed.
    #[error("the signer cannot write its vote log and stops: {0}")]
    Store(#[from] StoreError),
}

/// The guard, and the log behind it.
#[derive(Debug)]
struct Desk {
    keeper: Keeper,
    /// Absent when the process ends.
    log: Option<SignerLog>,
    /// The first failed write.
    failed: Option<StoreError>,
}

impl Desk {
    /// Signs and makes durable, in this order and before the answer: the guard signs only what the
    /// log allows, and a signature that is not durable does not leave.
    fn sign(&mut self, request: &OwnedRequest) -> Response {
        if let Some(error) = &self.failed {
            return Response::Unavailable(error.to_string());
        }
        let Some(log) = &self.log else {
            return Response::Unavailable("the signer is stopping".into());
        };
        match self.keeper.sign(&request.as_request()) {
            Ok(Kept { records, signature }) => match log.persist(&records) {
                Ok(()) => Response::Signature(Box::new(signature)),
                Err(error) => {
                    let reason = error.to_string();
                    self.failed = Some(error);
                    Response::Unavailable(reason)
                }
            },
            Err(GuardRefusal::Signer(NotSigned::Unavailable(reason))) => {
                Response::Unavailable(reason)
            }
            Err(refusal) => {
                let (epoch, view) = (request.epoch.0, request.view.0);
                warn!(epoch, view, %refusal, "refused to sign");
                Response::Refused(refusal.to_string())
            }
        }
    }
}

/// Signs for the validator `key` of `genesis`, with the vote log of `directory`, until `stop` is
/// done or a write fails. `started` is told the public half of the key when the socket is there.
///
/// # Errors
/// [`SignerError`] says what is missing or wrong.
pub async fn run(
    directory: &Path,
    genesis: &Genesis,
    key: &ValidatorSecret,
    socket: &Path,
    started: impl FnOnce(&ValidatorKey),
    stop: impl Future<Output = ()>,
) -> Result<(), SignerError> {
    let identity = Identity {
        network: genesis.network_id(),
        validator: Some(key.ed25519().public()),
    };
    // A log is bound to the first network that it is opened for, so the key must be one of it.
    Keeper::new(genesis, key, &Restored::default())?;
    let log = SignerLog::open(directory, &identity)?;
    let restored = log.restored(Epoch(0))?;
    let keeper = Keeper::new(genesis, key, &restored)?;
    let listener = listen_unix(socket)?;
    info!(validator = %keeper.public().ed25519(), socket = %socket.display(), "the signer answers");
    started(keeper.public());
    let desk = Arc::new(Mutex::new(Desk {
        keeper,
        log: Some(log),
        failed: None,
    }));
    let result = accept(listener, &desk, stop).await;
    // Waits for the request that is being decided. Then the directory is free for the next process.
    drop(
        desk.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .log
            .take(),
    );
    // Nothing answers there any more. When the file is gone, that is as well.
    let _gone = std::fs::remove_file(socket);
    result
}

async fn accept(
    listener: UnixListener,
    desk: &Arc<Mutex<Desk>>,
    stop: impl Future<Output = ()>,
) -> Result<(), SignerError> {
    let (failed, mut failure) = mpsc::channel(1);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            Some(error) = failure.recv() => return Err(SignerError::Store(error)),
            Some(_ended) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let (desk, failed) = (Arc::clone(desk), failed.clone());
                    connections.spawn(async move {
                        if let Err(error) = answer(stream, desk, failed).await {
                            debug!(%error, "a connection ended");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "no connection can be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Answers the questions of one connection until it closes.
async fn answer(
    mut stream: UnixStream,
    desk: Arc<Mutex<Desk>>,
    failed: mpsc::Sender<StoreError>,
) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        // A node that does not vote asks nothing for long.
        stream.read_exact(&mut length[..1]).await?;
        let body = tokio::time::timeout(MESSAGE_TIME, async {
            stream.read_exact(&mut length[1..]).await?;
            let length = u32::from_le_bytes(length) as usize;
            if length > MAX_REQUEST {
                return Err(io::Error::other("a request that is too long"));
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            Ok(body)
        });
        let body = body.await??;
        let response = match message::read_request(&body) {
            Ok(request) => decide(&desk, &failed, request).await?,
            Err(error) => {
                warn!(%error, "a question that is none");
                Response::Unavailable(error.to_string())
            }
        };
        let bytes = message::response(&response);
        tokio::time::timeout(MESSAGE_TIME, stream.write_all(&bytes)).await??;
    }
}

/// Waits for the disk on a thread that may wait.
async fn decide(
    desk: &Arc<Mutex<Desk>>,
    failed: &mpsc::Sender<StoreError>,
    request: Request,
) -> io::Result<Response> {
    let desk = Arc::clone(desk);
    let decided = tokio::task::spawn_blocking(move || {
        let Ok(mut desk) = desk.lock() else {
            // A thread panicked between signing and writing: the guard may be ahead of the log.
            return (Response::Unavailable("the signer failed".into()), None);
        };
        let response = match request {
            Request::Hello => Response::Identity {
                network: *desk.keeper.network(),
                key: Box::new(desk.keeper.public().clone()),
            },
            Request::Sign(request) => desk.sign(&request),
        };
        (response, desk.failed.clone())
    });
    let (response, failure) = decided.await.map_err(io::Error::other)?;
    if let Some(failure) = failure {
        // The first one ends the process; there is no need for a second.
        let _told = failed.try_send(failure);
    }
    Ok(response)
}
