//! Frames on a stream: four bytes of length, most significant first, then as many bytes.
//!
//! # Invariants
//! - The length is compared with the maximum of the protocol before anything is set aside for the
//!   frame, and memory grows with the bytes that came, not with the length that was announced.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

/// The most bytes of a sync request or response: 1 MiB of content, and 64 KiB for what is around
/// it.
pub const MAX_SYNC_FRAME: usize = (1 << 20) + (64 << 10);

/// The most bytes of a request or response about transactions; a transaction is far smaller.
pub const MAX_TRANSACTION_FRAME: usize = 1 << 20;

/// The most bytes of a request or response about the chain: a block with its certificate.
pub const MAX_CHAIN_FRAME: usize = 8 << 20;

/// The most bytes of a frame between validators: a proposal with its transactions.
pub const MAX_CONSENSUS_FRAME: usize = 8 << 20;

/// An echo is empty, only its round trip counts.
pub(super) const MAX_ECHO_FRAME: usize = 0;

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// How much is set aside at once for a frame whose bytes have not come yet; most frames fit.
const READ_AHEAD: usize = 16 << 10;

/// A frame whose length is over the maximum of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes where {maximum} are allowed")]
pub(super) struct FrameTooLarge {
    /// Its length.
    pub(super) length: usize,
    /// The most that is allowed.
    pub(super) maximum: usize,
}

/// Reads one frame of at most `maximum` bytes. A frame that is too long is
/// [`io::ErrorKind::InvalidData`]; a stream that ends is [`io::ErrorKind::UnexpectedEof`].
pub(super) async fn read_frame<T>(stream: &mut T, maximum: usize) -> io::Result<Bytes>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length).await?;
    let announced = u32::from_be_bytes(length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > maximum {
        let error = FrameTooLarge { length, maximum };
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let mut frame = Vec::with_capacity(length.min(READ_AHEAD));
    let got = stream
        .take(u64::from(announced))
        .read_to_end(&mut frame)
        .await?;
    if got < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame.into())
}

/// Whether an error of [`read_frame`] is the sender's doing: a frame that is too long.
pub(super) fn too_large(error: &io::Error) -> Option<FrameTooLarge> {
    error.get_ref()?.downcast_ref().copied()
}

/// Appends `frame` with its length to `buffer`.
pub(super) fn encode_frame(
    buffer: &mut Vec<u8>,
    frame: &[u8],
    maximum: usize,
) -> Result<(), FrameTooLarge> {
    let too_large = FrameTooLarge {
        length: frame.len(),
        maximum,
    };
    let length = u32::try_from(frame.len()).map_err(|_overflow| too_large)?;
    if frame.len() > maximum {
        return Err(too_large);
    }
    buffer.reserve(LENGTH_BYTES + frame.len());
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(frame);
    Ok(())
}

/// Requests and responses that are one frame each.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameCodec {
    /// The most bytes of a frame, both ways.
    pub(super) maximum: usize,
}

impl FrameCodec {
    async fn write<T>(&self, stream: &mut T, frame: &[u8]) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let mut buffer = Vec::new();
        encode_frame(&mut buffer, frame, self.maximum)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        stream.write_all(&buffer).await
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    /// A request that is too long is handed on as such, because libp2p does not say from whom a
    /// request came that it could not read.
    type Request = Result<Bytes, FrameTooLarge>;
    type Response = Bytes;

    async fn read_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
    ) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_frame(stream, self.maximum).await {
            Ok(frame) => Ok(Ok(frame)),
            Err(error) => too_large(&error).map_or(Err(error), |too_large| Ok(Err(too_large))),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_frame(stream, self.maximum).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Self::Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Ok(request) => self.write(stream, &request).await,
            Err(too_large) => Err(io::Error::new(io::ErrorKind::InvalidInput, too_large)),
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(stream, &response).await
    }
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    fn read(bytes: &[u8], maximum: usize) -> io::Result<Bytes> {
        block_on(read_frame(&mut Cursor::new(bytes), maximum))
    }

    #[test]
    fn a_frame_comes_back_as_it_was_and_the_next_one_follows() {
        let mut buffer = Vec::new();
        for frame in [&b"first"[..], b"", &[7; 100_000]] {
            encode_frame(&mut buffer, frame, 100_000).unwrap();
        }
        let mut stream = Cursor::new(buffer);
        for frame in [&b"first"[..], b"", &[7; 100_000]] {
            assert_eq!(block_on(read_frame(&mut stream, 100_000)).unwrap(), frame);
        }
    }

    #[test]
    fn the_length_is_refused_before_the_bytes_are_there() {
        // Only the length is on the wire: were it believed, the error would be an early end.
        let error = read(&u32::MAX.to_be_bytes(), MAX_CHAIN_FRAME).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read(&[0, 0, 0, 11], 10).unwrap_err().to_string(),
            "a frame of 11 bytes where 10 are allowed"
        );
        assert_eq!(
            read(&[0, 0, 0, 10], 10).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_frame_that_breaks_off_is_an_error() {
        let mut buffer = Vec::new();
        encode_frame(&mut buffer, b"hello", 10).unwrap();
        for cut in 0..buffer.len() {
            assert_eq!(
                read(&buffer[..cut], 10).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof
            );
        }
    }

    #[test]
    fn nothing_longer_than_the_maximum_is_written() {
        let mut buffer = Vec::new();
        let error = encode_frame(&mut buffer, &[0; 11], 10).unwrap_err();
        assert_eq!(
            error,
            FrameTooLarge {
                length: 11,
                maximum: 10
            }
        );
        assert!(buffer.is_empty());
    }
}
