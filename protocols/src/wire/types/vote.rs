//! Votes and certificates.

use std::borrow::Cow;

use super::super::codec::{Bytes, Codec, digest, nested, vote_signature};
use super::super::generated::types::{self as pb, mod_Statement::OneOfstatement};
use super::super::{DecodeError, Message, Problem, limits};
use crate::types::{
    BlockId, Certificate, Epoch, Genesis, Statement, Subject, ValidatorIndex, View, Vote,
    VoteSignature,
};

/// The longest bitmap of signers.
const MAX_BITMAP: usize = Genesis::MAX_MEMBERS / 8;

impl Codec for Subject {
    const NAME: &'static str = "Subject";
    type Wire<'a> = pb::Subject<'a>;

    fn to_wire(&self) -> pb::Subject<'_> {
        pb::Subject {
            parent_view: self.parent_view.0,
            block: digest(&self.block.0),
        }
    }

    fn from_wire(wire: pb::Subject<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            parent_view: View(wire.parent_view),
            block: BlockId(Self::field("block").digest(&wire.block)?),
        })
    }
}

impl Codec for Statement {
    const NAME: &'static str = "Statement";
    type Wire<'a> = pb::Statement<'a>;

    fn to_wire(&self) -> pb::Statement<'_> {
        let statement = match self {
            Self::Notarize(subject) => OneOfstatement::notarize(nested(subject)),
            Self::Nullify => OneOfstatement::nullify(true),
            Self::Finalize(subject) => OneOfstatement::finalize(nested(subject)),
        };
        pb::Statement { statement }
    }

    fn from_wire(wire: pb::Statement<'_>) -> Result<Self, DecodeError> {
        Ok(match wire.statement {
            OneOfstatement::notarize(bytes) => {
                Self::Notarize(Self::field("notarize").message(&bytes)?)
            }
            OneOfstatement::nullify(_) => Self::Nullify,
            OneOfstatement::finalize(bytes) => {
                Self::Finalize(Self::field("finalize").message(&bytes)?)
            }
            OneOfstatement::None => return Err(Self::field("statement").missing()),
        })
    }
}

impl Message for Vote {
    const MAX_SIZE: usize = limits::MAX_VOTE;
}

impl Codec for Vote {
    const NAME: &'static str = "Vote";
    type Wire<'a> = pb::Vote<'a>;

    fn to_wire(&self) -> pb::Vote<'_> {
        pb::Vote {
            epoch: self.epoch.0,
            view: self.view.0,
            statement: nested(&self.statement),
            signer: self.signer.0.into(),
            signature: vote_signature(&self.signature),
        }
    }

    fn from_wire(wire: pb::Vote<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch(wire.epoch),
            view: View(wire.view),
            statement: Self::field("statement").message(&wire.statement)?,
            signer: ValidatorIndex(Self::field("signer").u16(wire.signer)?),
            signature: Self::field("signature").vote_signature(&wire.signature)?,
        })
    }
}

impl Message for Certificate {
    const MAX_SIZE: usize = limits::MAX_CERTIFICATE;
}

impl Codec for Certificate {
    const NAME: &'static str = "Certificate";
    type Wire<'a> = pb::Certificate<'a>;

    fn to_wire(&self) -> pb::Certificate<'_> {
        pb::Certificate {
            epoch: self.epoch.0,
            view: self.view.0,
            statement: nested(&self.statement),
            signers: Cow::Owned(bitmap(&self.signatures)),
            signatures: self
                .signatures
                .iter()
                .map(|(_, s)| vote_signature(s))
                .collect(),
        }
    }

    fn from_wire(wire: pb::Certificate<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch(wire.epoch),
            view: View(wire.view),
            statement: Self::field("statement").message(&wire.statement)?,
            signatures: signatures(&wire.signers, &wire.signatures)?,
        })
    }
}

/// The signers as bits, which keep no order and no duplicates: those of a checked certificate are
/// ascending.
fn bitmap(signatures: &[(ValidatorIndex, VoteSignature)]) -> Vec<u8> {
    let mut bits = Vec::new();
    for (index, _) in signatures {
        let byte = usize::from(index.0 / 8);
        if bits.len() <= byte {
            bits.resize(byte + 1, 0);
        }
        bits[byte] |= 1 << (index.0 % 8);
    }
    bits
}

fn signatures(
    bits: &[u8],
    signatures: &[Bytes<'_>],
) -> Result<Vec<(ValidatorIndex, VoteSignature)>, DecodeError> {
    let field = Certificate::field("signers");
    if bits.len() > MAX_BITMAP {
        return Err(field.error(Problem::TooLarge {
            size: bits.len(),
            max: MAX_BITMAP,
        }));
    }
    let signers: Vec<_> = (0_u16..)
        .zip(bits)
        .flat_map(|(byte, bits)| {
            (0..8)
                .filter(move |bit| bits >> bit & 1 == 1)
                .map(move |bit| byte * 8 + bit)
        })
        .map(ValidatorIndex)
        .collect();
    let field = Certificate::field("signatures");
    field.as_many(signatures.len(), signers.len())?;
    let signatures = signatures.iter().map(|bytes| field.vote_signature(bytes));
    signers
        .into_iter()
        .zip(signatures)
        .map(|(signer, s)| Ok((signer, s?)))
        .collect()
}
