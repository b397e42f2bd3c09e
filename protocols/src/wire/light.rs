//! Proofs of committed versions.

use std::borrow::Cow;

use super::codec::{Codec, digest, inner, nested};
use super::{DecodeError, Message, generated::light as pb, limits};
use crate::history;
use crate::light::Proof;
use crate::tree;
use crate::types::{CollectionId, DocumentId, Header, NetworkId};

impl Message for Proof {
    const MAX_SIZE: usize = limits::MAX_PROOF;
}

impl Codec for Proof {
    const NAME: &'static str = "Proof";
    type Wire<'a> = pb::Proof<'a>;

    fn to_wire(&self) -> pb::Proof<'_> {
        let earlier = self.earlier.as_ref().map(|(header, path)| {
            inner(&pb::Earlier {
                header: nested(header),
                path: Cow::Owned(path.encode()),
            })
        });
        pb::Proof {
            network: digest(&self.network.0),
            collection: digest(&self.collection.0),
            document: digest(&self.document.0),
            certified: nested(&self.certified),
            finalization: nested(&self.finalization),
            earlier: earlier.unwrap_or_default(),
            state: Cow::Owned(self.state.encode()),
        }
    }

    fn from_wire(wire: pb::Proof<'_>) -> Result<Self, DecodeError> {
        let state = tree::Proof::decode(&wire.state)
            .map_err(|error| Self::field("state").invalid(error))?;
        Ok(Self {
            network: NetworkId(Self::field("network").digest(&wire.network)?),
            collection: CollectionId(Self::field("collection").digest(&wire.collection)?),
            document: DocumentId(Self::field("document").digest(&wire.document)?),
            certified: Self::field("certified").message(&wire.certified)?,
            finalization: Self::field("finalization").message(&wire.finalization)?,
            earlier: earlier(&wire.earlier)?,
            state,
        })
    }
}

fn earlier(bytes: &[u8]) -> Result<Option<(Header, history::Path)>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let at = Proof::field("earlier");
    let wire: pb::Earlier<'_> = at.generated(bytes)?;
    let path = history::Path::decode(&wire.path).map_err(|error| at.invalid(error))?;
    Ok(Some((at.message(&wire.header)?, path)))
}
