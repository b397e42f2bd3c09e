//! The transports: TCP with a channel ([`super::channel`]) and yamux, and, where it is not excluded,
//! QUIC. Both count their bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, FutureExt, future::ready};
use libp2p::{
    Transport,
    core::{
        muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent},
        transport::{Boxed, timeout::TransportTimeout},
    },
    quic, tcp,
};

use super::{
    channel::{self, Channel, Gate, Registry, Upgraded, Watched, judge_quic, upgrade},
    message::Traffic,
};

/// Counts the bytes of all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<Totals>);

#[derive(Debug, Default)]
struct Totals {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Counters {
    /// The totals so far.
    pub(super) fn read(&self) -> Traffic {
        Traffic {
            received: self.0.received.load(Ordering::Relaxed),
            sent: self.0.sent.load(Ordering::Relaxed),
        }
    }
}

/// Builds the transport of a node: every connection passes `gate`, and `registry` knows its channel.
pub(super) fn build(gate: &Arc<Gate>, registry: &Registry, counters: &Counters) -> Watched {
    let tcp = tcp(Arc::clone(gate), counters.clone());
    let either = match gate.has_quic() {
        false => tcp,
        true => quic(Arc::clone(gate), counters.clone())
            .or_transport(tcp)
            .map(|either, _| either.into_inner())
            .boxed(),
    };
    Watched::new(either, Arc::clone(gate), registry.clone())
}

fn tcp(gate: Arc<Gate>, counters: Counters) -> Boxed<Upgraded> {
    let sockets =
        tcp::tokio::Transport::new(tcp::Config::new().nodelay(true)).map(move |stream, _| {
            Counted {
                inner: stream,
                counters,
            }
        });
    TransportTimeout::with_outgoing_timeout(sockets, channel::HANDSHAKE_TIMEOUT)
        .and_then(move |stream, endpoint| upgrade(gate, stream, endpoint).boxed())
        .boxed()
}

fn quic(gate: Arc<Gate>, counters: Counters) -> Boxed<Upgraded> {
    let config = quic::Config::new(gate.identity());
    quic::tokio::Transport::new(config)
        .and_then(move |(peer, connection), endpoint| {
            let judged = judge_quic(&gate, peer, &endpoint);
            ready(judged.map(|()| Upgraded {
                peer,
                muxer: StreamMuxerBox::new(CountedMuxer {
                    connection,
                    counters,
                }),
                channel: Channel::Quic,
            }))
        })
        .boxed()
}

/// A byte stream that counts.
struct Counted<S> {
    inner: S,
    counters: Counters,
}

impl<S> Counted<S> {
    fn count(total: &AtomicU64, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = result {
            total.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        Self::count(&self.counters.0.received, result)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_read_vectored(context, buffers);
        Self::count(&self.counters.0.received, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(context, buffer);
        Self::count(&self.counters.0.sent, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        Self::count(&self.counters.0.sent, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(context)
    }
}

/// A QUIC connection whose streams count; its packets are not visible from here.
struct CountedMuxer {
    connection: quic::Connection,
    counters: Counters,
}

impl CountedMuxer {
    fn counted<S>(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            counters: self.counters.clone(),
        }
    }
}

impl StreamMuxer for CountedMuxer {
    type Substream = Counted<quic::Stream>;
    type Error = quic::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = Pin::new(&mut self.connection).poll_inbound(context);
        stream.map_ok(|stream| self.counted(stream))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = Pin::new(&mut self.connection).poll_outbound(context);
        stream.map_ok(|stream| self.counted(stream))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.connection).poll_close(context)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.connection).poll(context)
    }
}
