//! What connects the sender of a frame with the stream to its validator.
//!
//! A frame goes into the queue of its validator on the sender's own thread; the loop that owns the
//! stream is woken and takes what is most urgent. No other task is in between.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use tokio::sync::{Notify, mpsc};

use super::queue::{Bound, Queue};
use crate::network::{
    codec::{FrameTooLarge, MAX_CONSENSUS_FRAME, encode_frame, read_frame},
    message::{Event, Priority},
};

/// What may wait for a validator whose stream is open: two of the largest frames, and votes of
/// many views.
const OPEN: Bound = Bound {
    frames: 4096,
    bytes: 2 * MAX_CONSENSUS_FRAME,
};

/// What may wait for a validator that is not connected: what it needs right after a start;
/// whatever it missed for longer it catches up with in other ways.
const CLOSED: Bound = Bound {
    frames: 64,
    bytes: 1 << 20,
};

/// How many bytes are written at once when many frames wait. More would make an urgent frame that
/// comes meanwhile wait longer.
const WRITE_AT_ONCE: usize = 64 << 10;

/// A validator that takes nothing for this long is gone, though its connection still stands.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The queues of all validators but this node.
#[derive(Clone, Debug)]
pub(in crate::network) struct Links {
    by_peer: Arc<BTreeMap<PeerId, Arc<Link>>>,
}

impl Links {
    /// Queues for these validators, without `own`.
    pub(in crate::network) fn new(own: PeerId, validators: &[PeerId]) -> Self {
        let others = validators
            .iter()
            .filter(|peer| **peer != own && validators.contains(&own));
        Self {
            by_peer: Arc::new(others.map(|peer| (*peer, Arc::default())).collect()),
        }
    }

    /// The queue of a validator.
    pub(in crate::network) fn get(&self, peer: &PeerId) -> Option<&Arc<Link>> {
        self.by_peer.get(peer)
    }

    /// Queues a frame for one validator; says whether it has a queue.
    pub(in crate::network) fn send(&self, to: &PeerId, priority: Priority, frame: Bytes) -> bool {
        let link = self.by_peer.get(to);
        link.inspect(|link| link.push(priority, frame)).is_some()
    }

    /// Queues a frame for every validator.
    pub(in crate::network) fn broadcast(&self, priority: Priority, frame: &Bytes) {
        for link in self.by_peer.values() {
            link.push(priority, frame.clone());
        }
    }
}

/// The queue of one validator.
#[derive(Debug, Default)]
pub(in crate::network) struct Link {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// How many loops write from the queue: one, or two for the moment in which one replaces
    /// another.
    writers: usize,
}

impl Link {
    fn push(&self, priority: Priority, frame: Bytes) {
        let mut state = self.lock();
        let bound = if state.writers > 0 { OPEN } else { CLOSED };
        let dropped = state.queue.push(priority, frame, bound);
        drop(state);
        if dropped > 0 {
            tracing::debug!(
                dropped,
                "frames for a validator were dropped, its queue is full"
            );
        }
        self.wake.notify_one();
    }

    /// Moves frames into `buffer` until it is worth a write.
    fn fill(&self, buffer: &mut Vec<u8>) -> Result<(), FrameTooLarge> {
        let mut state = self.lock();
        while buffer.len() < WRITE_AT_ONCE
            && let Some(frame) = state.queue.pop()
        {
            encode_frame(buffer, &frame, MAX_CONSENSUS_FRAME)?;
        }
        Ok(())
    }

    fn open(&self) -> OpenLink<'_> {
        self.lock().writers += 1;
        OpenLink(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside the few lines that hold the lock leaves the queue usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the link as closed whenever the loop ends, also when its task is stopped.
struct OpenLink<'a>(&'a Link);

impl Drop for OpenLink<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.writers -= 1;
        if state.writers == 0 {
            state.queue.shrink(CLOSED);
        }
    }
}

/// How a loop over a stream ended.
#[derive(Debug)]
pub(in crate::network) enum LinkEnd {
    /// The outbound stream broke.
    Writer {
        /// The validator.
        peer: PeerId,
        /// Why.
        error: io::Error,
    },
    /// The inbound stream broke, or carried something that is no frame.
    Reader {
        /// The validator.
        peer: PeerId,
        /// Why.
        error: io::Error,
    },
}

/// Writes the frames of a queue to a stream until the stream breaks.
pub(in crate::network) async fn write_loop(
    peer: PeerId,
    link: Arc<Link>,
    stream: Stream,
) -> LinkEnd {
    let _open = link.open();
    let (mut reader, mut writer) = stream.split();
    let mut buffer = Vec::new();
    let error = loop {
        buffer.clear();
        if let Err(error) = link.fill(&mut buffer) {
            tracing::warn!(%error, "a frame for a validator is too large and was dropped");
        }
        if buffer.is_empty() {
            // Nothing ever comes back on this stream, so reading only tells that it has closed.
            let mut nothing = [0];
            tokio::select! {
                () = link.wake.notified() => {}
                closed = reader.read(&mut nothing) => {
                    break closed.err().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
                }
            }
            continue;
        }
        let write = async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        };
        match tokio::time::timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break error,
            Err(_elapsed) => break io::ErrorKind::TimedOut.into(),
        }
    };
    LinkEnd::Writer { peer, error }
}

/// Reads frames from a stream into the inbox until the stream breaks. When the inbox is full the
/// stream waits, and with it its sender.
pub(in crate::network) async fn read_loop(
    peer: PeerId,
    mut stream: Stream,
    inbox: mpsc::Sender<Event>,
) -> LinkEnd {
    let error = loop {
        match read_frame(&mut stream, MAX_CONSENSUS_FRAME).await {
            Ok(bytes) => {
                if inbox
                    .send(Event::Frame { from: peer, bytes })
                    .await
                    .is_err()
                {
                    break io::ErrorKind::BrokenPipe.into();
                }
            }
            Err(error) => break error,
        }
    };
    LinkEnd::Reader { peer, error }
}
