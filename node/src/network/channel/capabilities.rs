//! The signed capabilities that two nodes exchange inside a classic channel.
//!
//! Each side sends a *hello* and, when it has read the other's, a *proof*; each with its length
//! before it, two bytes, the higher first.
//!
//! | message | parts |
//! |---|---|
//! | hello | nonce (32 bytes), length of the identity key (2 bytes), identity key (protobuf of libp2p), the ids of the channels it can do, each with its length (1 byte) |
//! | proof | the identity key's signature over [`DOMAIN`] and, each with its length (2 bytes), the own peer id, the other's peer id, the own hello, the other's hello |
//!
//! # Invariants
//! - What is believed was signed by the identity of the other side, for this node, in this
//!   exchange: the hello that is signed holds a fresh nonce of each side (`tests`).
//! - No message is longer than [`MAX_MESSAGE`]; that is checked before memory is set aside.

use std::io;

use decube_crypto::noise::PROTOCOL_ID;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, future};
use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey},
};

/// The protocol that is proposed before the multiplexer on a classic channel.
pub const CAPABILITIES: &str = "/decube/channel-capabilities/1";

/// What a signature begins with.
const DOMAIN: &[u8] = b"decube/channel-capabilities/1";

/// The most bytes of a message: a key of RSA takes 600, ids of channels 30 each.
const MAX_MESSAGE: usize = 2048;

/// The most channels of a hello; there are two now.
const MAX_CHANNELS: usize = 16;

const NONCE: usize = 32;

/// Why the exchange failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::network) enum CapabilitiesError {
    /// The connection broke.
    #[error("the connection ended while capabilities were exchanged: {0}")]
    Io(#[from] io::Error),
    /// There is no randomness.
    #[error("the random source of the operating system failed: {0}")]
    Random(String),
    /// The own identity cannot sign.
    #[error("the identity key cannot sign: {0}")]
    Signing(String),
    /// A message has a length that none has.
    #[error("capabilities have at most {MAX_MESSAGE} bytes, not {0}")]
    Length(usize),
    /// A hello is not in its form.
    #[error("capabilities are not in their form")]
    Form,
    /// The key is not that of the peer that the handshake proved.
    #[error("the capabilities are of another peer than the channel")]
    Key,
    /// The signature does not hold.
    #[error("the signature of the capabilities does not hold")]
    Signature,
}

/// Exchanges capabilities with `peer` and says whether it can do the post-quantum channel, as this
/// node can.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    identity: &Keypair,
    peer: PeerId,
) -> Result<bool, CapabilitiesError> {
    let own = hello(identity)?;
    let theirs = swap(stream, &own).await?;
    let remote = Hello::decode(&theirs)?;
    if remote.key.to_peer_id() != peer {
        return Err(CapabilitiesError::Key);
    }
    let me = identity.public().to_peer_id();
    let proof = match identity.sign(&signed(&me, &peer, &own, &theirs)) {
        Ok(proof) => proof,
        Err(error) => return Err(CapabilitiesError::Signing(error.to_string())),
    };
    let their_proof = swap(stream, &proof).await?;
    if !remote
        .key
        .verify(&signed(&peer, &me, &theirs, &own), &their_proof)
    {
        return Err(CapabilitiesError::Signature);
    }
    Ok(remote.post_quantum)
}

/// What this side says.
fn hello(identity: &Keypair) -> Result<Vec<u8>, CapabilitiesError> {
    let mut nonce = [0; NONCE];
    if let Err(error) = getrandom::fill(&mut nonce) {
        return Err(CapabilitiesError::Random(error.to_string()));
    }
    encode(&nonce, &identity.public(), &[PROTOCOL_ID, "/noise"])
}

fn encode(
    nonce: &[u8; NONCE],
    key: &PublicKey,
    channels: &[&str],
) -> Result<Vec<u8>, CapabilitiesError> {
    let mut bytes = nonce.to_vec();
    let key = key.encode_protobuf();
    put(&mut bytes, &key);
    for channel in channels {
        let length = u8::try_from(channel.len()).map_err(|_long| CapabilitiesError::Form)?;
        bytes.push(length);
        bytes.extend_from_slice(channel.as_bytes());
    }
    Ok(bytes)
}

/// A hello, checked.
struct Hello {
    key: PublicKey,
    post_quantum: bool,
}

impl Hello {
    fn decode(bytes: &[u8]) -> Result<Self, CapabilitiesError> {
        Self::parts(bytes).ok_or(CapabilitiesError::Form)
    }

    fn parts(bytes: &[u8]) -> Option<Self> {
        let (_nonce, rest) = bytes.split_at_checked(NONCE)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let key = PublicKey::try_decode_protobuf(key).ok()?;
        let mut post_quantum = false;
        for _ in 0..MAX_CHANNELS {
            let Some((length, after)) = rest.split_first() else {
                return Some(Self { key, post_quantum });
            };
            let (channel, after) = after.split_at_checked(usize::from(*length))?;
            post_quantum |= channel == PROTOCOL_ID.as_bytes();
            rest = after;
        }
        rest.is_empty().then_some(Self { key, post_quantum })
    }
}

/// What the side `of` signs.
fn signed(of: &PeerId, other: &PeerId, own: &[u8], others: &[u8]) -> Vec<u8> {
    let mut bytes = DOMAIN.to_vec();
    for part in [&of.to_bytes()[..], &other.to_bytes(), own, others] {
        put(&mut bytes, part);
    }
    bytes
}

/// Appends bytes with their length before them. What is longer than a message is cut, and then no
/// signature over it holds; nothing here is that long.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&bytes[..usize::from(length)]);
}

/// Sends a message and reads one, at once.
async fn swap<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    message: &[u8],
) -> Result<Vec<u8>, CapabilitiesError> {
    let (mut reader, mut writer) = stream.split();
    let send = async {
        let mut bytes = Vec::new();
        put(&mut bytes, message);
        writer.write_all(&bytes).await?;
        Ok(writer.flush().await?)
    };
    let receive = async {
        let mut prefix = [0; 2];
        reader.read_exact(&mut prefix).await?;
        let length = usize::from(u16::from_be_bytes(prefix));
        if length > MAX_MESSAGE {
            return Err(CapabilitiesError::Length(length));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).await?;
        Ok(bytes)
    };
    let ((), received) = future::try_join(send, receive).await?;
    Ok(received)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    fn key(seed: u8) -> Keypair {
        Keypair::ed25519_from_bytes([seed; 32]).unwrap()
    }

    fn id(key: &Keypair) -> PeerId {
        key.public().to_peer_id()
    }

    #[tokio::test]
    async fn two_nodes_learn_that_both_can_do_it() {
        let (alice, bob) = (key(1), key(2));
        let (one, two) = duplex(1 << 10);
        let (mut one, mut two) = (one.compat(), two.compat());
        let (by_alice, by_bob) = tokio::join!(
            exchange(&mut one, &alice, id(&bob)),
            exchange(&mut two, &bob, id(&alice))
        );
        assert!(by_alice.unwrap() && by_bob.unwrap());
    }

    #[tokio::test]
    async fn another_identity_than_that_of_the_channel_is_refused() {
        let (alice, bob, mallory) = (key(1), key(2), key(3));
        let (one, two) = duplex(1 << 10);
        let (mut one, mut two) = (one.compat(), two.compat());
        let by_alice = tokio::select! {
            by_alice = exchange(&mut one, &alice, id(&bob)) => by_alice,
            by_mallory = exchange(&mut two, &mallory, id(&alice)) => {
                panic!("mallory waits for a proof that alice does not give: {by_mallory:?}")
            }
        };
        assert!(matches!(by_alice, Err(CapabilitiesError::Key)));
    }

    /// Mallory sits inside a broken channel and repeats what bob, before he was upgraded, said to
    /// alice: the nonce of alice is another one now.
    #[tokio::test]
    async fn capabilities_of_an_earlier_exchange_do_not_hold() {
        let (alice, bob) = (key(1), key(2));
        let old = encode(&[7; NONCE], &bob.public(), &["/noise"]).unwrap();
        let then = encode(&[8; NONCE], &alice.public(), &[PROTOCOL_ID]).unwrap();
        let proof = bob
            .sign(&signed(&id(&bob), &id(&alice), &old, &then))
            .unwrap();
        let (one, two) = duplex(1 << 10);
        let (mut one, mut two) = (one.compat(), two.compat());
        let replay = async {
            swap(&mut two, &old).await?;
            swap(&mut two, &proof).await
        };
        let (by_alice, _) = tokio::join!(exchange(&mut one, &alice, id(&bob)), replay);
        assert!(matches!(by_alice, Err(CapabilitiesError::Signature)));
    }

    #[tokio::test]
    async fn a_long_message_is_refused_before_it_is_read() {
        let (alice, bob) = (key(1), key(2));
        let (one, two) = duplex(1 << 10);
        let (mut one, mut two) = (one.compat(), two.compat());
        two.write_all(&[0xff, 0xff]).await.unwrap();
        let refused = exchange(&mut one, &alice, id(&bob)).await;
        assert!(matches!(refused, Err(CapabilitiesError::Length(0xffff))));
    }

    #[test]
    fn every_cut_of_a_hello_is_refused_or_says_less() {
        let whole = encode(&[1; NONCE], &key(1).public(), &["/noise", PROTOCOL_ID]).unwrap();
        assert!(Hello::decode(&whole).unwrap().post_quantum);
        for length in 0..whole.len() {
            let says_so = Hello::decode(&whole[..length]).is_ok_and(|hello| hello.post_quantum);
            assert!(!says_so, "{length}");
        }
        let many = ["/a"; MAX_CHANNELS + 1];
        let many = encode(&[1; NONCE], &key(1).public(), &many).unwrap();
        assert!(Hello::decode(&many).is_err());
    }
}
