//! The messages by which documents replicate, and what is on disk of a document besides its
//! changes.

use std::borrow::Cow;

use super::codec::{
    Bytes, Codec, Field, digest, hashes, inner, list, nested, optional, optional_digest,
};
use super::generated::documents::{
    self as pb, mod_Announcement::OneOfannouncement, mod_Comparison::OneOfcomparison,
    mod_ReceiptResult::OneOfresult, mod_StoredDocument::OneOfstatus, mod_SyncRequest::OneOfrequest,
    mod_SyncResponse::OneOfresponse,
};
use super::{DecodeError, Message, limits};
use crate::documents::{
    Announcement, CollectionSummary, Comparison, DocumentStatus, LeafVersion, QuarantineEntry,
    ReceiptRefusal, ReceiptRequest, StoredDocument, SyncRequest, SyncResponse,
};
use crate::tree::Prefix;
use crate::types::{ChangeHash, CollectionId, DocumentId, Receipt, Transaction, Version};

fn byte_strings(strings: &[Vec<u8>]) -> Vec<Bytes<'_>> {
    strings
        .iter()
        .map(|bytes| Cow::Borrowed(bytes.as_slice()))
        .collect()
}

impl Message for Announcement {
    const MAX_SIZE: usize = limits::MAX_ANNOUNCEMENT;
}

impl Codec for Announcement {
    const NAME: &'static str = "Announcement";
    type Wire<'a> = pb::Announcement<'a>;

    fn to_wire(&self) -> pb::Announcement<'_> {
        let announcement = match self {
            Self::Changed {
                descriptor,
                heads,
                changes,
            } => OneOfannouncement::changed(inner(&pb::Changed {
                descriptor: nested(descriptor),
                heads: hashes(heads),
                changes: byte_strings(changes),
            })),
            Self::Removed(tombstone) => OneOfannouncement::removed(nested(tombstone)),
        };
        pb::Announcement { announcement }
    }

    fn from_wire(wire: pb::Announcement<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.announcement {
            OneOfannouncement::changed(bytes) => {
                let wire: pb::Changed<'_> = at("changed").generated(&bytes)?;
                Self::Changed {
                    descriptor: at("descriptor").message(&wire.descriptor)?,
                    heads: at("heads").hashes(&wire.heads, limits::MAX_DOCUMENT_HEADS)?,
                    changes: at("changes")
                        .byte_strings(wire.changes, limits::MAX_ANNOUNCED_CHANGES)?,
                }
            }
            OneOfannouncement::removed(bytes) => Self::Removed(at("removed").message(&bytes)?),
            OneOfannouncement::None => return Err(at("announcement").missing()),
        })
    }
}

impl Codec for CollectionSummary {
    const NAME: &'static str = "CollectionSummary";
    type Wire<'a> = pb::CollectionSummary<'a>;

    fn to_wire(&self) -> pb::CollectionSummary<'_> {
        pb::CollectionSummary {
            collection: digest(&self.collection.0),
            root: digest(&self.root),
            documents: self.documents,
            bytes_of_changes: self.bytes,
            excepted: self.excepted,
        }
    }

    fn from_wire(wire: pb::CollectionSummary<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            collection: CollectionId(Self::field("collection").digest(&wire.collection)?),
            root: Self::field("root").digest(&wire.root)?,
            documents: wire.documents,
            bytes: wire.bytes_of_changes,
            excepted: wire.excepted,
        })
    }
}

fn summaries(summaries: &[CollectionSummary]) -> Bytes<'static> {
    inner(&pb::CollectionSummaries {
        summaries: list(summaries),
    })
}

fn read_summaries(at: Field, bytes: &[u8]) -> Result<Vec<CollectionSummary>, DecodeError> {
    let wire: pb::CollectionSummaries<'_> = at.generated(bytes)?;
    at.list(&wire.summaries, limits::MAX_SUMMARIES)
}

impl Codec for ReceiptRequest {
    const NAME: &'static str = "ReceiptRequest";
    type Wire<'a> = pb::ReceiptRequest<'a>;

    fn to_wire(&self) -> pb::ReceiptRequest<'_> {
        pb::ReceiptRequest {
            entry: nested(&self.entry),
            previous: hashes(self.previous.as_slice()),
        }
    }

    fn from_wire(wire: pb::ReceiptRequest<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            entry: Self::field("entry").message(&wire.entry)?,
            previous: Self::field("previous").heads(&wire.previous)?,
        })
    }
}

impl Message for SyncRequest {
    const MAX_SIZE: usize = limits::MAX_SYNC_MESSAGE;
}

impl Codec for SyncRequest {
    const NAME: &'static str = "SyncRequest";
    type Wire<'a> = pb::SyncRequest<'a>;

    fn to_wire(&self) -> pb::SyncRequest<'_> {
        let request = match self {
            Self::Roots(roots) => OneOfrequest::roots(summaries(roots)),
            Self::Compare {
                collection,
                prefixes,
            } => {
                let prefixes = prefixes.iter().map(|(prefix, below)| {
                    inner(&pb::PrefixDigest {
                        prefix: Cow::Owned(prefix.encode()),
                        digest: digest(below),
                    })
                });
                OneOfrequest::compare(inner(&pb::CompareRequest {
                    collection: digest(&collection.0),
                    prefixes: prefixes.collect(),
                }))
            }
            Self::Document {
                collection,
                document,
                descriptor,
                message,
                first,
            } => OneOfrequest::document(inner(&pb::DocumentRequest {
                collection: digest(&collection.0),
                document: digest(&document.0),
                descriptor: optional(descriptor.as_ref()),
                message: Cow::Borrowed(message),
                first: *first,
            })),
            Self::Removed(tombstone) => OneOfrequest::removed(nested(tombstone)),
            Self::Receipts(requests) => OneOfrequest::receipts(inner(&pb::ReceiptRequests {
                requests: list(requests),
            })),
        };
        pb::SyncRequest { request }
    }

    fn from_wire(wire: pb::SyncRequest<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.request {
            OneOfrequest::roots(bytes) => Self::Roots(read_summaries(at("roots"), &bytes)?),
            OneOfrequest::compare(bytes) => read_compare(&bytes)?,
            OneOfrequest::document(bytes) => {
                let wire: pb::DocumentRequest<'_> = at("document").generated(&bytes)?;
                Self::Document {
                    collection: CollectionId(at("collection").digest(&wire.collection)?),
                    document: DocumentId(at("document").digest(&wire.document)?),
                    descriptor: at("descriptor").optional(&wire.descriptor)?,
                    message: wire.message.into_owned(),
                    first: wire.first,
                }
            }
            OneOfrequest::removed(bytes) => Self::Removed(at("removed").message(&bytes)?),
            OneOfrequest::receipts(bytes) => {
                let wire: pb::ReceiptRequests<'_> = at("receipts").generated(&bytes)?;
                Self::Receipts(at("receipts").list(&wire.requests, Transaction::MAX_ENTRIES)?)
            }
            OneOfrequest::None => return Err(at("request").missing()),
        })
    }
}

fn read_compare(bytes: &[u8]) -> Result<SyncRequest, DecodeError> {
    let at = SyncRequest::field;
    let wire: pb::CompareRequest<'_> = at("compare").generated(bytes)?;
    at("prefixes").at_most(wire.prefixes.len(), limits::MAX_COMPARED)?;
    let prefixes = wire.prefixes.iter().map(|bytes| {
        let wire: pb::PrefixDigest<'_> = at("prefixes").generated(bytes)?;
        Ok((
            prefix(at("prefixes"), &wire.prefix)?,
            at("prefixes").digest(&wire.digest)?,
        ))
    });
    Ok(SyncRequest::Compare {
        collection: CollectionId(at("collection").digest(&wire.collection)?),
        prefixes: prefixes.collect::<Result<_, _>>()?,
    })
}

fn prefix(at: Field, bytes: &[u8]) -> Result<Prefix, DecodeError> {
    Prefix::decode(bytes).map_err(|error| at.invalid(error))
}

impl Codec for Comparison {
    const NAME: &'static str = "Comparison";
    type Wire<'a> = pb::Comparison<'a>;

    fn to_wire(&self) -> pb::Comparison<'_> {
        let comparison = match self {
            Self::Equal => OneOfcomparison::equal(true),
            Self::Children(children) => {
                let children = children.iter().map(|(prefix, below, count)| {
                    inner(&pb::Child {
                        prefix: Cow::Owned(prefix.encode()),
                        digest: digest(below),
                        count: *count,
                    })
                });
                OneOfcomparison::children(inner(&pb::Children {
                    children: children.collect(),
                }))
            }
            Self::Leaves(leaves) => {
                let leaves = leaves.iter().map(|(document, version)| {
                    let version = match version {
                        LeafVersion::Live(version) => Some(&version.0),
                        LeafVersion::Removed => None,
                    };
                    let (document, version) = (digest(&document.0), optional_digest(version));
                    inner(&pb::LeafEntry { document, version })
                });
                OneOfcomparison::leaves(inner(&pb::Leaves {
                    leaves: leaves.collect(),
                }))
            }
        };
        pb::Comparison { comparison }
    }

    fn from_wire(wire: pb::Comparison<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        match wire.comparison {
            OneOfcomparison::equal(_) => Ok(Self::Equal),
            OneOfcomparison::children(bytes) => {
                let at = at("children");
                let wire: pb::Children<'_> = at.generated(&bytes)?;
                at.at_most(wire.children.len(), limits::MAX_CHILDREN)?;
                let children = wire.children.iter().map(|bytes| {
                    let wire: pb::Child<'_> = at.generated(bytes)?;
                    Ok((
                        prefix(at, &wire.prefix)?,
                        at.digest(&wire.digest)?,
                        wire.count,
                    ))
                });
                children.collect::<Result<_, _>>().map(Self::Children)
            }
            OneOfcomparison::leaves(bytes) => {
                let at = at("leaves");
                let wire: pb::Leaves<'_> = at.generated(&bytes)?;
                at.at_most(wire.leaves.len(), limits::MAX_LEAVES)?;
                let leaves = wire.leaves.iter().map(|bytes| {
                    let wire: pb::LeafEntry<'_> = at.generated(bytes)?;
                    let version = at.optional_digest(&wire.version)?.map(Version);
                    let document = DocumentId(at.digest(&wire.document)?);
                    Ok((
                        document,
                        version.map_or(LeafVersion::Removed, LeafVersion::Live),
                    ))
                });
                leaves.collect::<Result<_, _>>().map(Self::Leaves)
            }
            OneOfcomparison::None => Err(at("comparison").missing()),
        }
    }
}

/// What a replica answers to one request for a receipt.
struct ReceiptResult(Result<Receipt, ReceiptRefusal>);

impl Codec for ReceiptResult {
    const NAME: &'static str = "ReceiptResult";
    type Wire<'a> = pb::ReceiptResult<'a>;

    fn to_wire(&self) -> pb::ReceiptResult<'_> {
        receipt_result(&self.0)
    }

    fn from_wire(wire: pb::ReceiptResult<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        let refusal = match wire.result {
            OneOfresult::receipt(bytes) => {
                return Ok(Self(Ok(at("receipt").message(&bytes)?)));
            }
            OneOfresult::refusal(1) => ReceiptRefusal::Missing,
            OneOfresult::refusal(2) => ReceiptRefusal::NotADescendant,
            OneOfresult::refusal(3) => ReceiptRefusal::Removed,
            OneOfresult::refusal(4) => ReceiptRefusal::NotFollowed,
            OneOfresult::refusal(_) => return Err(at("refusal").missing()),
            OneOfresult::None => return Err(at("result").missing()),
        };
        Ok(Self(Err(refusal)))
    }
}

fn receipt_result(result: &Result<Receipt, ReceiptRefusal>) -> pb::ReceiptResult<'static> {
    let result = match result {
        Ok(receipt) => OneOfresult::receipt(nested(receipt)),
        Err(ReceiptRefusal::Missing) => OneOfresult::refusal(1),
        Err(ReceiptRefusal::NotADescendant) => OneOfresult::refusal(2),
        Err(ReceiptRefusal::Removed) => OneOfresult::refusal(3),
        Err(ReceiptRefusal::NotFollowed) => OneOfresult::refusal(4),
    };
    pb::ReceiptResult { result }
}

impl Message for SyncResponse {
    const MAX_SIZE: usize = limits::MAX_SYNC_MESSAGE;
}

impl Codec for SyncResponse {
    const NAME: &'static str = "SyncResponse";
    type Wire<'a> = pb::SyncResponse<'a>;

    fn to_wire(&self) -> pb::SyncResponse<'_> {
        let response = match self {
            Self::Roots(roots) => OneOfresponse::roots(summaries(roots)),
            Self::Compare(comparisons) => OneOfresponse::compare(inner(&pb::Comparisons {
                comparisons: list(comparisons),
            })),
            Self::Document {
                descriptor,
                message,
            } => OneOfresponse::document(inner(&pb::DocumentResponse {
                descriptor: optional(descriptor.as_ref()),
                message: Cow::Borrowed(message),
            })),
            Self::Removed(tombstone) => OneOfresponse::removed(nested(tombstone)),
            Self::NotFollowed => OneOfresponse::not_followed(true),
            Self::Acknowledged => OneOfresponse::acknowledged(true),
            Self::Receipts(results) => OneOfresponse::receipts(inner(&pb::ReceiptResults {
                results: results
                    .iter()
                    .map(|result| inner(&receipt_result(result)))
                    .collect(),
            })),
        };
        pb::SyncResponse { response }
    }

    fn from_wire(wire: pb::SyncResponse<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(match wire.response {
            OneOfresponse::roots(bytes) => Self::Roots(read_summaries(at("roots"), &bytes)?),
            OneOfresponse::compare(bytes) => {
                let wire: pb::Comparisons<'_> = at("compare").generated(&bytes)?;
                Self::Compare(at("compare").list(&wire.comparisons, limits::MAX_COMPARED)?)
            }
            OneOfresponse::document(bytes) => {
                let wire: pb::DocumentResponse<'_> = at("document").generated(&bytes)?;
                Self::Document {
                    descriptor: at("descriptor").optional(&wire.descriptor)?,
                    message: wire.message.into_owned(),
                }
            }
            OneOfresponse::removed(bytes) => Self::Removed(at("removed").message(&bytes)?),
            OneOfresponse::not_followed(_) => Self::NotFollowed,
            OneOfresponse::acknowledged(_) => Self::Acknowledged,
            OneOfresponse::receipts(bytes) => {
                let at = at("receipts");
                let wire: pb::ReceiptResults<'_> = at.generated(&bytes)?;
                let results: Vec<ReceiptResult> =
                    at.list(&wire.results, Transaction::MAX_ENTRIES)?;
                Self::Receipts(results.into_iter().map(|result| result.0).collect())
            }
            OneOfresponse::None => return Err(at("response").missing()),
        })
    }
}

impl Message for StoredDocument {
    const MAX_SIZE: usize = limits::MAX_DOCUMENT_HEADS * 34 + 1024;
}

impl Codec for StoredDocument {
    const NAME: &'static str = "StoredDocument";
    type Wire<'a> = pb::StoredDocument<'a>;

    fn to_wire(&self) -> pb::StoredDocument<'_> {
        pb::StoredDocument {
            id: digest(&self.id.0),
            collection: digest(&self.collection.0),
            descriptor: optional(self.descriptor.as_ref()),
            bytes_of_changes: self.bytes,
            status: match &self.status {
                DocumentStatus::Live(heads) => OneOfstatus::live(inner(&pb::HeadList {
                    heads: hashes(heads),
                })),
                DocumentStatus::Removed(tombstone) => OneOfstatus::removed(nested(tombstone)),
                DocumentStatus::Forgotten => OneOfstatus::forgotten(true),
            },
        }
    }

    fn from_wire(wire: pb::StoredDocument<'_>) -> Result<Self, DecodeError> {
        let at = Self::field;
        Ok(Self {
            id: DocumentId(at("id").digest(&wire.id)?),
            collection: CollectionId(at("collection").digest(&wire.collection)?),
            descriptor: at("descriptor").optional(&wire.descriptor)?,
            bytes: wire.bytes_of_changes,
            status: match wire.status {
                OneOfstatus::live(bytes) => {
                    let wire: pb::HeadList<'_> = at("live").generated(&bytes)?;
                    let heads = at("live").hashes(&wire.heads, limits::MAX_DOCUMENT_HEADS)?;
                    DocumentStatus::Live(heads)
                }
                OneOfstatus::removed(bytes) => {
                    DocumentStatus::Removed(at("removed").message(&bytes)?)
                }
                OneOfstatus::forgotten(_) => DocumentStatus::Forgotten,
                OneOfstatus::None => return Err(at("status").missing()),
            },
        })
    }
}

impl Message for QuarantineEntry {
    const MAX_SIZE: usize = limits::MAX_QUARANTINE_ENTRY;
}

impl Codec for QuarantineEntry {
    const NAME: &'static str = "QuarantineEntry";
    type Wire<'a> = pb::QuarantineEntry<'a>;

    fn to_wire(&self) -> pb::QuarantineEntry<'_> {
        pb::QuarantineEntry {
            document: digest(&self.document.0),
            change: digest(&self.change.0),
            content: Cow::Borrowed(&self.bytes),
            reason: Cow::Borrowed(&self.reason),
        }
    }

    fn from_wire(wire: pb::QuarantineEntry<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            document: DocumentId(Self::field("document").digest(&wire.document)?),
            change: ChangeHash(Self::field("change").digest(&wire.change)?),
            bytes: wire.content.into_owned(),
            reason: wire.reason.into_owned(),
        })
    }
}
