//! The node's side of the signer's socket. It blocks: it runs on the consensus worker's own thread,
//! which waits for the disk before each vote just the same.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use decube_crypto::{ValidatorKey, VoteSignature};
use decube_protocols::commit::{NotSigned, SignRequest, Signer};
use decube_protocols::types::NetworkId;
use socket2::{Domain, SockAddr, Socket, Type};

use super::message::{self, MAX_RESPONSE, Response};

/// How long one question may take in all. A signer answers after one write of its disk; a view
/// waits longer than this only where messages take very long.
pub const TIME_OUT: Duration = Duration::from_secs(2);

/// Asks the process that keeps the key of this validator.
#[derive(Debug)]
pub struct RemoteSigner {
    path: PathBuf,
    network: NetworkId,
    key: ValidatorKey,
    time_out: Duration,
    // Absent before the first question and after one without an answer.
    connection: Mutex<Option<UnixStream>>,
}

impl RemoteSigner {
    /// For the signer at `path`, which must keep the secret half of `key` for `network`; it is first
    /// asked when something is to be signed.
    #[must_use]
    pub fn new(path: PathBuf, network: NetworkId, key: ValidatorKey, time_out: Duration) -> Self {
        Self {
            path,
            network,
            key,
            time_out,
            connection: Mutex::new(None),
        }
    }

    /// Asks over the connection that is open, and once over a new one, since the signer may have
    /// been started again.
    fn ask(&self, question: &[u8]) -> Result<Response, String> {
        let deadline = Instant::now() + self.time_out;
        let held = self.connection.lock();
        let mut connection = held.unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = connection.take()
            && let Ok((response, open)) = exchange(open, question, deadline)
        {
            *connection = Some(open);
            return Ok(response);
        }
        let open = self.connect(deadline)?;
        let asked = exchange(open, question, deadline);
        let (response, open) = asked.map_err(|error| self.silent(&error))?;
        *connection = Some(open);
        Ok(response)
    }

    fn connect(&self, deadline: Instant) -> Result<UnixStream, String> {
        let opened = connect(&self.path, deadline)
            .and_then(|open| exchange(open, &message::hello(), deadline));
        let (response, open) = opened.map_err(|error| self.silent(&error))?;
        let at = self.path.display();
        match response {
            Response::Identity { network, .. } if network != self.network => {
                Err(format!("it signs at {at} for another network, {network}"))
            }
            Response::Identity { key, .. } if *key != self.key => Err(format!(
                "it keeps at {at} the key of another validator, {}",
                key.ed25519()
            )),
            Response::Identity { .. } => Ok(open),
            Response::Refused(reason) | Response::Unavailable(reason) => Err(reason),
            Response::Signature(_) => Err(format!("it answers at {at} what was not asked")),
        }
    }

    fn silent(&self, error: &io::Error) -> String {
        format!("no answer at {}: {error}", self.path.display())
    }
}

impl Signer for RemoteSigner {
    fn public(&self) -> ValidatorKey {
        self.key.clone()
    }

    fn sign(&self, request: &SignRequest<'_>) -> Result<VoteSignature, NotSigned> {
        let asked = self.ask(&message::sign(request));
        match asked.map_err(NotSigned::Unavailable)? {
            Response::Signature(signature) => {
                match self.key.verify(&request.statement(), &signature) {
                    Ok(()) => Ok(*signature),
                    Err(error) => Err(NotSigned::Unavailable(error.to_string())),
                }
            }
            Response::Refused(reason) => Err(NotSigned::Refused(reason)),
            Response::Unavailable(reason) => Err(NotSigned::Unavailable(reason)),
            Response::Identity { .. } => {
                let reason = "it answers what was not asked";
                Err(NotSigned::Unavailable(reason.into()))
            }
        }
    }
}

/// Asks whoever answers at `path` for its network and its key.
///
/// # Errors
/// What went wrong, for people.
pub fn probe(path: &Path, time_out: Duration) -> Result<(NetworkId, ValidatorKey), String> {
    let deadline = Instant::now() + time_out;
    let asked =
        connect(path, deadline).and_then(|open| exchange(open, &message::hello(), deadline));
    match asked {
        Ok((Response::Identity { network, key }, _)) => Ok((network, *key)),
        Ok((Response::Refused(reason) | Response::Unavailable(reason), _)) => Err(reason),
        Ok((Response::Signature(_), _)) => Err("it answers what was not asked".into()),
        Err(error) => Err(format!("no answer at {}: {error}", path.display())),
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Connects without waiting for a process that does not accept: the system's own connect waits for
/// ever when the queue of connections is full.
fn connect(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.connect_timeout(&SockAddr::unix(path)?, left(deadline)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// One question and its answer. The connection comes back only with an answer, since otherwise one
/// could arrive later and be taken for that to another question.
fn exchange(
    mut open: UnixStream,
    question: &[u8],
    deadline: Instant,
) -> io::Result<(Response, UnixStream)> {
    let mut unsent = question;
    while !unsent.is_empty() {
        open.set_write_timeout(Some(left(deadline)?))?;
        let count = open.write(unsent)?;
        unsent = unsent.get(count..).unwrap_or_default();
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    let mut length = [0; 4];
    fill(&mut open, &mut length, deadline)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_RESPONSE {
        return Err(io::Error::other("an answer that is too long"));
    }
    let mut body = vec![0; length];
    fill(&mut open, &mut body, deadline)?;
    match message::read_response(&body) {
        Ok(response) => Ok((response, open)),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn fill(open: &mut UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        open.set_read_timeout(Some(left(deadline)?))?;
        let room = buffer.get_mut(filled..).unwrap_or_default();
        match open.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What a time-out of a socket looks like.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
