//! What came of transactions, under stable codes.

use super::super::codec::{Codec, Field, digest, inner, key, optional_digest};
use super::super::generated::types::{self as pb, mod_Outcome::OneOfoutcome};
use super::super::{DecodeError, Message};
use crate::types::{CollectionId, DocumentId, Height, Outcome, Rejection, Version};

impl Message for Outcome {
    const MAX_SIZE: usize = 256;
}

impl Codec for Outcome {
    const NAME: &'static str = "Outcome";
    type Wire<'a> = pb::Outcome<'a>;

    fn to_wire(&self) -> pb::Outcome<'_> {
        let outcome = match self {
            Self::Applied => OneOfoutcome::applied(true),
            Self::Rejected { reason } => to_wire(reason),
        };
        pb::Outcome { outcome }
    }

    fn from_wire(wire: pb::Outcome<'_>) -> Result<Self, DecodeError> {
        if let OneOfoutcome::applied(_) = wire.outcome {
            return Ok(Self::Applied);
        }
        Ok(Self::Rejected {
            reason: from_wire(&wire.outcome)?,
        })
    }
}

fn to_wire(reason: &Rejection) -> OneOfoutcome<'_> {
    match reason {
        Rejection::StaleNonce { nonce, last } => {
            OneOfoutcome::stale_nonce(inner(&pb::StaleNonce {
                nonce: *nonce,
                last: *last,
            }))
        }
        Rejection::Expired { expires, height } => OneOfoutcome::expired(inner(&pb::Expired {
            expires: expires.0,
            height: height.0,
        })),
        Rejection::UnknownCollection { collection } => {
            OneOfoutcome::unknown_collection(digest(&collection.0))
        }
        Rejection::CollectionExists { collection } => {
            OneOfoutcome::collection_exists(digest(&collection.0))
        }
        Rejection::PreviousDiffers {
            document,
            committed,
        } => OneOfoutcome::previous_differs(inner(&pb::PreviousDiffers {
            document: digest(&document.0),
            committed: optional_digest(committed.as_ref().map(|version| &version.0)),
        })),
        Rejection::Unchanged { document } => OneOfoutcome::unchanged(digest(&document.0)),
        Rejection::NotAReplica { replica } => OneOfoutcome::not_a_replica(key(replica)),
        Rejection::TooFewReceipts {
            document,
            found,
            needed,
        } => OneOfoutcome::too_few_receipts(inner(&pb::TooFewReceipts {
            document: digest(&document.0),
            found: u32::from(*found),
            needed: u32::from(*needed),
        })),
        Rejection::BadWriteQuorum { asked, replicas } => {
            OneOfoutcome::bad_write_quorum(inner(&pb::BadWriteQuorum {
                asked: u32::from(*asked),
                replicas: u32::from(*replicas),
            }))
        }
    }
}

fn from_wire(outcome: &OneOfoutcome<'_>) -> Result<Rejection, DecodeError> {
    let at = Outcome::field;
    Ok(match outcome {
        OneOfoutcome::stale_nonce(bytes) => {
            let pb::StaleNonce { nonce, last } = at("stale_nonce").generated(bytes)?;
            Rejection::StaleNonce { nonce, last }
        }
        OneOfoutcome::expired(bytes) => {
            let wire: pb::Expired = at("expired").generated(bytes)?;
            Rejection::Expired {
                expires: Height(wire.expires),
                height: Height(wire.height),
            }
        }
        OneOfoutcome::unknown_collection(bytes) => Rejection::UnknownCollection {
            collection: CollectionId(at("unknown_collection").digest(bytes)?),
        },
        OneOfoutcome::collection_exists(bytes) => Rejection::CollectionExists {
            collection: CollectionId(at("collection_exists").digest(bytes)?),
        },
        OneOfoutcome::previous_differs(bytes) => previous_differs(at("previous_differs"), bytes)?,
        OneOfoutcome::unchanged(bytes) => Rejection::Unchanged {
            document: DocumentId(at("unchanged").digest(bytes)?),
        },
        OneOfoutcome::not_a_replica(bytes) => Rejection::NotAReplica {
            replica: at("not_a_replica").key(bytes)?,
        },
        OneOfoutcome::too_few_receipts(bytes) => {
            let at = at("too_few_receipts");
            let wire: pb::TooFewReceipts<'_> = at.generated(bytes)?;
            Rejection::TooFewReceipts {
                document: DocumentId(at.digest(&wire.document)?),
                found: at.u16(wire.found)?,
                needed: at.u16(wire.needed)?,
            }
        }
        OneOfoutcome::bad_write_quorum(bytes) => {
            let at = at("bad_write_quorum");
            let wire: pb::BadWriteQuorum = at.generated(bytes)?;
            Rejection::BadWriteQuorum {
                asked: at.u16(wire.asked)?,
                replicas: at.u16(wire.replicas)?,
            }
        }
        OneOfoutcome::applied(_) | OneOfoutcome::None => return Err(at("outcome").missing()),
    })
}

fn previous_differs(at: Field, bytes: &[u8]) -> Result<Rejection, DecodeError> {
    let wire: pb::PreviousDiffers<'_> = at.generated(bytes)?;
    Ok(Rejection::PreviousDiffers {
        document: DocumentId(at.digest(&wire.document)?),
        committed: at.optional_digest(&wire.committed)?.map(Version),
    })
}
