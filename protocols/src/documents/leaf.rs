//! The leaves of a collection's tree: one per document.
//!
//! The key is the digest of the collection and the document's id, so that nobody can choose keys
//! that make the tree deep. The value is the document's id, a byte for its state, and the version
//! of a live document.

use decube_crypto::Digest;

use super::io::LeafVersion;
use crate::types::{CollectionId, DocumentId, Version};

/// The state of a live document.
const LIVE: u8 = 0;
/// The state of a removed document.
const REMOVED: u8 = 1;

/// The key of a document's leaf.
pub(super) fn key(collection: &CollectionId, document: &DocumentId) -> Digest {
    Digest::of(
        "decube/leaf-key/1",
        &[collection.0.as_bytes(), document.0.as_bytes()],
    )
}

/// The value of a document's leaf.
pub(super) fn value(document: &DocumentId, version: LeafVersion) -> Vec<u8> {
    let mut value = document.0.as_bytes().to_vec();
    match version {
        LeafVersion::Live(version) => {
            value.push(LIVE);
            value.extend(version.0.as_bytes());
        }
        LeafVersion::Removed => value.push(REMOVED),
    }
    value
}

/// Reads a leaf's value back; nothing for a value of another form.
pub(super) fn parse(value: &[u8]) -> Option<(DocumentId, LeafVersion)> {
    let (id, rest) = value.split_first_chunk::<{ Digest::LENGTH }>()?;
    let version = match rest.split_first()? {
        (&LIVE, version) => {
            LeafVersion::Live(Version(Digest::from_bytes(version.try_into().ok()?)))
        }
        (&REMOVED, []) => LeafVersion::Removed,
        _ => return None,
    };
    Some((DocumentId(Digest::from_bytes(*id)), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_round_trip_and_other_values_are_none() {
        let document = DocumentId(Digest::of("decube/test/1", &[b"d"]));
        let version = Version(Digest::of("decube/test/1", &[b"v"]));
        for state in [LeafVersion::Live(version), LeafVersion::Removed] {
            let encoded = value(&document, state);
            assert_eq!(parse(&encoded), Some((document, state)));
            assert_eq!(parse(&[encoded.as_slice(), &[0]].concat()), None);
            assert_eq!(parse(&encoded[..encoded.len() - 1]), None);
        }
    }
}
