//! What goes over the signer's socket.
//!
//! ```text
//! frame      length of the rest (u32), then the rest
//! request    version (1 byte), kind (1 byte), and for
//!   0 hello      nothing
//!   1 sign       network (32), epoch, view, floor (8 each), draft (1), and for draft
//!     0 notarize   view of the parent (8), block id (32)
//!     1 nullify    nothing
//!     2 finalize   as notarize
//!     3 propose    view of the parent (8), the block as on the wire
//! response   version (1 byte), kind (1 byte), and for
//!   0 identity     network (32), the public key
//!   1 signature    the signature
//!   2 refused      why, for ever (a text)
//!   3 unavailable  why not now (a text)
//! ```
//! Numbers are little-endian.
//!
//! # Invariants
//! - Every message has one form: what is missing or too much is refused.

use decube_crypto::{Digest, ValidatorKey, VoteSignature};
use decube_protocols::commit::{Draft, SignRequest};
use decube_protocols::types::{Block, BlockId, Epoch, NetworkId, Statement, Subject, View};
use decube_protocols::wire;
use decube_protocols::wire::limits::MAX_BLOCK;

/// The version of the messages.
pub const VERSION: u8 = 1;

/// The most bytes of a request: a block, and the numbers before it.
pub(super) const MAX_REQUEST: usize = MAX_BLOCK + 256;
/// The most bytes of a response: a hybrid signature has 3,373.
pub(super) const MAX_RESPONSE: usize = 8 << 10;
/// The most bytes of a reason.
const MAX_REASON: usize = 1024;

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Of a version that is not spoken here.
    #[error("a message of version {0}; this program speaks version {VERSION}")]
    Version(u8),
    /// Cut short.
    #[error("a message that is cut short")]
    Short,
    /// With more than belongs to it.
    #[error("a message with something after its end")]
    Long,
    /// Of a kind that is not known.
    #[error("a message of unknown kind {0}")]
    Kind(u8),
    /// With a part that cannot be.
    #[error("a message with a part that cannot be: {0}")]
    Part(String),
}

/// A question to the signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Which key, and for which network?
    Hello,
    /// Sign this.
    Sign(Box<OwnedRequest>),
}

/// A [`SignRequest`] that owns its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRequest {
    /// The network.
    pub network: NetworkId,
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// At or below which nothing will be asked again.
    pub floor: View,
    /// What is to be signed.
    pub draft: OwnedDraft,
}

/// What is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedDraft {
    /// A proposal of this block.
    Proposal {
        /// The view of the parent.
        parent_view: View,
        /// The block.
        block: Box<Block>,
    },
    /// A vote.
    Vote(Statement),
}

impl OwnedRequest {
    /// The request as a signer takes it.
    #[must_use]
    pub fn as_request(&self) -> SignRequest<'_> {
        let draft = match &self.draft {
            OwnedDraft::Proposal { parent_view, block } => Draft::Proposal {
                parent_view: *parent_view,
                block,
            },
            OwnedDraft::Vote(statement) => Draft::Vote(*statement),
        };
        SignRequest {
            network: self.network,
            epoch: self.epoch,
            view: self.view,
            floor: self.floor,
            draft,
        }
    }
}

/// What the signer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Its key and its network.
    Identity {
        /// The network.
        network: NetworkId,
        /// The public half of the key.
        key: Box<ValidatorKey>,
    },
    /// The signature.
    Signature(Box<VoteSignature>),
    /// It will never sign this.
    Refused(String),
    /// It does not sign now.
    Unavailable(String),
}

/// The bytes of a question about the identity.
pub(super) fn hello() -> Vec<u8> {
    frame(&[VERSION, 0])
}

/// The bytes of a request, with its length before.
pub(super) fn sign(request: &SignRequest<'_>) -> Vec<u8> {
    let mut body = vec![VERSION, 1];
    body.extend_from_slice(request.network.0.as_bytes());
    for number in [request.epoch.0, request.view.0, request.floor.0] {
        body.extend_from_slice(&number.to_le_bytes());
    }
    let mut subject = |kind: u8, subject: &Subject| {
        body.push(kind);
        body.extend_from_slice(&subject.parent_view.0.to_le_bytes());
        body.extend_from_slice(subject.block.0.as_bytes());
    };
    match &request.draft {
        Draft::Vote(Statement::Notarize(about)) => subject(0, about),
        Draft::Vote(Statement::Nullify) => body.push(1),
        Draft::Vote(Statement::Finalize(about)) => subject(2, about),
        Draft::Proposal { parent_view, block } => {
            body.push(3);
            body.extend_from_slice(&parent_view.0.to_le_bytes());
            body.extend_from_slice(&wire::encode::<Block>(block));
        }
    }
    frame(&body)
}

/// The bytes of a response, with their length before.
pub(super) fn response(response: &Response) -> Vec<u8> {
    let mut body = vec![VERSION];
    let mut text = |kind, reason: &String| {
        body.push(kind);
        let end = reason.floor_char_boundary(MAX_REASON);
        body.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    };
    match response {
        Response::Refused(reason) => text(2, reason),
        Response::Unavailable(reason) => text(3, reason),
        Response::Identity { network, key } => {
            body.push(0);
            body.extend_from_slice(network.0.as_bytes());
            body.extend_from_slice(&key.to_bytes());
        }
        Response::Signature(signature) => {
            body.push(1);
            body.extend_from_slice(&signature.to_bytes());
        }
    }
    frame(&body)
}

fn frame(body: &[u8]) -> Vec<u8> {
    // Bodies are far below the largest length.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes(), body].concat()
}

/// Reads a request from the bytes of a frame.
///
/// # Errors
/// [`Malformed`].
pub(super) fn read_request(bytes: &[u8]) -> Result<Request, Malformed> {
    let mut rest = Rest(bytes);
    rest.version()?;
    let request = match rest.byte()? {
        0 => Request::Hello,
        1 => {
            let network = NetworkId(Digest::from_bytes(rest.array()?));
            let (epoch, view) = (Epoch(rest.number()?), View(rest.number()?));
            let floor = View(rest.number()?);
            let draft = match rest.byte()? {
                0 => OwnedDraft::Vote(Statement::Notarize(rest.subject()?)),
                1 => OwnedDraft::Vote(Statement::Nullify),
                2 => OwnedDraft::Vote(Statement::Finalize(rest.subject()?)),
                3 => {
                    let parent_view = View(rest.number()?);
                    let block = wire::decode::<Block>(rest.all());
                    let block = block.map_err(|error| Malformed::Part(error.to_string()))?;
                    OwnedDraft::Proposal {
                        parent_view,
                        block: Box::new(block),
                    }
                }
                other => return Err(Malformed::Kind(other)),
            };
            Request::Sign(Box::new(OwnedRequest {
                network,
                epoch,
                view,
                floor,
                draft,
            }))
        }
        other => return Err(Malformed::Kind(other)),
    };
    rest.end().map(|()| request)
}

/// Reads a response from the bytes of a frame.
///
/// # Errors
/// [`Malformed`].
pub(super) fn read_response(bytes: &[u8]) -> Result<Response, Malformed> {
    let part = |error: &dyn std::fmt::Display| Malformed::Part(error.to_string());
    let mut rest = Rest(bytes);
    rest.version()?;
    match rest.byte()? {
        0 => {
            let network = NetworkId(Digest::from_bytes(rest.array()?));
            let key = ValidatorKey::from_bytes(rest.all()).map_err(|error| part(&error))?;
            let key = Box::new(key);
            Ok(Response::Identity { network, key })
        }
        1 => {
            let signature = VoteSignature::from_bytes(rest.all()).map_err(|error| part(&error))?;
            Ok(Response::Signature(Box::new(signature)))
        }
        2 => Ok(Response::Refused(rest.text())),
        3 => Ok(Response::Unavailable(rest.text())),
        other => Err(Malformed::Kind(other)),
    }
}

/// What is left of a message.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn version(&mut self) -> Result<(), Malformed> {
        match self.byte()? {
            VERSION => Ok(()),
            other => Err(Malformed::Version(other)),
        }
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn subject(&mut self) -> Result<Subject, Malformed> {
        Ok(Subject {
            parent_view: View(self.number()?),
            block: BlockId(Digest::from_bytes(self.array()?)),
        })
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A text for people, in one line and not too long.
    fn text(&mut self) -> String {
        let bytes = self.all();
        let bytes = bytes.get(..MAX_REASON).unwrap_or(bytes);
        let clean = |one: char| if one.is_control() { ' ' } else { one };
        String::from_utf8_lossy(bytes).chars().map(clean).collect()
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Long)
        }
    }
}
