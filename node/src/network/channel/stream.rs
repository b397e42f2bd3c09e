//! A byte stream over the frames of a channel.
//!
//! Each frame is preceded by its length, two bytes, the higher first. What is written is gathered
//! until a frame is full or the stream is flushed, as `libp2p-noise` does, so that the header and
//! the body of a multiplexer's frame travel together.
//!
//! # Invariants
//! - No more than one frame is held in each direction.
//! - A frame that does not decrypt ends the stream with an error, for good; so does a stream that
//!   ends inside a frame. An end between two frames is an end without an error: the layer above
//!   says goodbye by itself.
//! - Closing flushes first.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use decube_crypto::noise::{FrameError, MAX_FRAME, MAX_PLAINTEXT, TAG_LENGTH, Transport};
use futures::{AsyncRead, AsyncWrite};

use super::handshake::LENGTH_PREFIX;

/// The buffer for reading grows from this, so that an idle connection holds little.
const FIRST_READ: usize = 4 << 10;

/// The most that is read ahead: a whole frame, and so much that small frames share a read.
const MAX_READ: usize = LENGTH_PREFIX + MAX_FRAME;

/// What is done, once, when a frame does not hold.
type Alarm = Box<dyn FnOnce(FrameError) + Send>;

/// A stream whose bytes travel encrypted in the frames of a channel.
pub struct SecureStream<S> {
    inner: S,
    transport: Transport,
    /// What came: `received[read.start..read.end]` are bytes that were not looked at yet.
    received: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in `received` the decrypted bytes are that the reader has not had yet. They are
    /// before `start`.
    plain_start: usize,
    plain_end: usize,
    /// What was written since the last frame. Invariant: at most [`MAX_PLAINTEXT`] bytes.
    gathered: Vec<u8>,
    /// A frame with its length, of which `sent` bytes are written.
    sealed: Vec<u8>,
    sent: usize,
    alarm: Option<Alarm>,
}

impl<S> SecureStream<S> {
    /// The stream over `inner`, whose handshake made `transport`.
    pub(super) fn new(inner: S, transport: Transport) -> Self {
        Self {
            inner,
            transport,
            received: Vec::new(),
            start: 0,
            end: 0,
            plain_start: 0,
            plain_end: 0,
            gathered: Vec::new(),
            sealed: Vec::new(),
            sent: 0,
            alarm: None,
        }
    }

    /// Has `alarm` told when a frame of the peer does not decrypt or has no frame's length, which
    /// no honest peer or broken line causes.
    pub(super) fn with_alarm(mut self, alarm: impl FnOnce(FrameError) + Send + 'static) -> Self {
        self.alarm = Some(Box::new(alarm));
        self
    }

    /// Ends the reading with an error.
    fn tampered(&mut self, error: FrameError) -> io::Error {
        if let Some(alarm) = self.alarm.take() {
            alarm(error);
        }
        failed(error)
    }

    /// The length of the frame that begins the received bytes, once it is there.
    fn frame_length(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.received[self.start..self.end].first_chunk() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*prefix));
        match length {
            0..TAG_LENGTH => Err(FrameError::Length(length)),
            _ => Ok(Some(length)),
        }
    }

    /// Decrypts the next frame if all of it has come. Says whether it had.
    fn open_frame(&mut self) -> Result<bool, FrameError> {
        let Some(length) = self.frame_length()? else {
            return Ok(false);
        };
        let from = self.start + LENGTH_PREFIX;
        if self.end - from < length {
            return Ok(false);
        }
        let plain = self
            .transport
            .decrypt(&mut self.received[from..from + length])?;
        self.plain_start = from;
        self.plain_end = from + plain.len();
        self.start = from + length;
        Ok(true)
    }

    /// Makes room after the received bytes for the rest of the frame that they begin, at least.
    /// Only for when no decrypted bytes wait.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.received.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.plain_start = 0;
        self.plain_end = 0;
        if self.end == self.received.len() {
            let size = (2 * self.received.len()).clamp(FIRST_READ, MAX_READ);
            self.received.resize(size, 0);
        }
    }

    /// Encrypts what was gathered. Only for when the frame before has been written.
    fn seal(&mut self) -> io::Result<()> {
        self.sealed.clear();
        self.sent = 0;
        let length = u16::try_from(self.gathered.len() + TAG_LENGTH).map_err(io::Error::other)?;
        self.sealed.extend_from_slice(&length.to_be_bytes());
        let result = self.transport.encrypt(&self.gathered, &mut self.sealed);
        self.gathered.clear();
        result.map_err(failed)
    }
}

impl<S: AsyncWrite + Unpin> SecureStream<S> {
    /// Writes the rest of the sealed frame.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.sealed.len() {
            let rest = &self.sealed[self.sent..];
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SecureStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let plain = &this.received[this.plain_start..this.plain_end];
            if !plain.is_empty() {
                let count = plain.len().min(buffer.len());
                buffer[..count].copy_from_slice(&plain[..count]);
                this.plain_start += count;
                return Poll::Ready(Ok(count));
            }
            // A frame may carry nothing, and then the next one counts.
            match this.open_frame() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => return Poll::Ready(Err(this.tampered(error))),
            }
            this.make_room();
            let room = &mut this.received[this.end..];
            match ready!(Pin::new(&mut this.inner).poll_read(context, room))? {
                0 if this.end == 0 => return Poll::Ready(Ok(0)),
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                count => this.end += count,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SecureStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.gathered.len() == MAX_PLAINTEXT {
            ready!(this.poll_drain(context))?;
            this.seal()?;
        }
        let count = bytes.len().min(MAX_PLAINTEXT - this.gathered.len());
        this.gathered.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_drain(context))?;
        if !this.gathered.is_empty() {
            this.seal()?;
            ready!(this.poll_drain(context))?;
        }
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.inner).poll_close(context)
    }
}

impl<S> fmt::Debug for SecureStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureStream").finish_non_exhaustive()
    }
}

fn failed(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
