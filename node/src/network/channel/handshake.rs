//! Drives the handshake of [`decube_crypto::noise`] over a byte stream.
//!
//! Every message is preceded by its length, two bytes, the higher first. The length is compared
//! with what the expected message may have before memory is set aside for it, and nothing is read
//! beyond the last message. The initiator checks who the responder is before it shows who it is.

use std::{io, sync::Arc};

use decube_crypto::noise::{
    Handshake, HandshakeMessage, NoiseError, PROTOCOL_ID, Role, Step, X25519Secret,
    identity::{self, IdentityError, SigningFailed},
};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, future::BoxFuture};
use libp2p::{
    PeerId,
    core::{
        UpgradeInfo,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    identity::Keypair,
};

use super::stream::SecureStream;

/// The bytes before each message and frame.
pub(super) const LENGTH_PREFIX: usize = 2;

/// Why a handshake has not made a channel. The peer is told nothing: the connection closes.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke, or the peer closed it, at this step.
    #[error("the connection ended while message {message:?} was exchanged: {error}")]
    Io {
        /// The message.
        message: HandshakeMessage,
        /// What the system said.
        error: io::Error,
    },
    /// A message of the peer, or the making of one, failed a check.
    #[error(transparent)]
    Noise(#[from] NoiseError),
    /// The peer did not prove its identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The own identity cannot sign.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The handshake ended without the peer's static key or its payload, which it cannot.
    #[error("the handshake ended without the peer's identity")]
    NoIdentity,
}

/// The post-quantum channel as a connection upgrade of libp2p: one identity with the static key it
/// uses, as `libp2p_noise::Config` is for the classic channel. Clones share the key.
#[derive(Clone, Debug)]
pub struct PostQuantum {
    own: Arc<Own>,
}

#[derive(Debug)]
struct Own {
    static_key: X25519Secret,
    /// What messages B and C carry.
    payload: Vec<u8>,
}

impl PostQuantum {
    /// Draws a static key and has the identity sign it.
    ///
    /// # Errors
    /// [`HandshakeError::Noise`] without randomness, [`HandshakeError::Signing`] when the identity
    /// cannot sign.
    pub fn new(identity: &Keypair) -> Result<Self, HandshakeError> {
        let static_key = X25519Secret::generate().map_err(NoiseError::from)?;
        let payload = identity::payload(identity, static_key.public(), &[])?;
        Ok(Self {
            own: Arc::new(Own {
                static_key,
                payload,
            }),
        })
    }

    /// Exchanges the messages and returns the proven identity of the peer, with the channel.
    ///
    /// # Errors
    /// [`HandshakeError`] says what failed; the stream is to be closed then.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        role: Role,
        mut stream: S,
    ) -> Result<(PeerId, SecureStream<S>), HandshakeError> {
        let mut handshake = match role {
            Role::Initiator => Handshake::initiator(&self.own.static_key)?,
            Role::Responder => Handshake::responder(&self.own.static_key)?,
        };
        let mut peer = None;
        loop {
            match handshake.step() {
                Step::Write(message) => {
                    let payload = match message {
                        HandshakeMessage::A => &[][..],
                        HandshakeMessage::B | HandshakeMessage::C => &self.own.payload,
                    };
                    let bytes = handshake.write_message(payload)?;
                    let sent = send(&mut stream, &bytes).await;
                    sent.map_err(|error| HandshakeError::Io { message, error })?;
                }
                Step::Read(message) => {
                    let bytes = receive(&mut stream, message).await?;
                    let payload = handshake.read_message(&bytes)?;
                    // Message A says nothing of who sent it.
                    if let Some(static_key) = handshake.remote_static() {
                        let remote = identity::verify(&payload, &static_key)?;
                        peer = Some(remote.key.to_peer_id());
                    }
                }
                Step::Finished | Step::Failed => break,
            }
        }
        let peer = peer.ok_or(HandshakeError::NoIdentity)?;
        Ok((peer, SecureStream::new(stream, handshake.into_transport()?)))
    }
}

impl UpgradeInfo for PostQuantum {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL_ID)
    }
}

impl<S> InboundConnectionUpgrade<S> for PostQuantum
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = (PeerId, SecureStream<S>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: S, _: Self::Info) -> Self::Future {
        Box::pin(async move { self.handshake(Role::Responder, stream).await })
    }
}

impl<S> OutboundConnectionUpgrade<S> for PostQuantum
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Output = (PeerId, SecureStream<S>);
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: S, _: Self::Info) -> Self::Future {
        Box::pin(async move { self.handshake(Role::Initiator, stream).await })
    }
}

/// Sends a message with its length before it.
async fn send<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(LENGTH_PREFIX + message.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads a message whose length is one that `message` may have.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    message: HandshakeMessage,
) -> Result<Vec<u8>, HandshakeError> {
    let broken = |error| HandshakeError::Io { message, error };
    let mut prefix = [0; LENGTH_PREFIX];
    stream.read_exact(&mut prefix).await.map_err(broken)?;
    let got = usize::from(u16::from_be_bytes(prefix));
    if !message.lengths().contains(&got) {
        return Err(NoiseError::Length { message, got }.into());
    }
    let mut bytes = vec![0; got];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    Ok(bytes)
}
