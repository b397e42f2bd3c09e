//! Decoders of bytes that are no message of their own: parts of messages, files, and what Automerge
//! reads.

use decube_protocols::documents::content::{Decoded, SyncMessage};
use decube_protocols::light::Proof;
use decube_protocols::types::NetworkFile;
use decube_protocols::{history, tree};

/// A file with a proof.
pub(super) fn proof_file(bytes: &[u8]) -> bool {
    let proof = Proof::from_bytes(bytes);
    proof.is_ok_and(|proof| {
        assert!(proof.to_bytes() == bytes, "another file has the same proof");
        true
    })
}

/// The path of a key through the tree.
pub(super) fn tree_proof(bytes: &[u8]) -> bool {
    tree::Proof::decode(bytes).is_ok_and(|proof| canonical(&proof.encode(), bytes))
}

/// A node of the tree. Its digest is worked out too, as that takes its parts apart.
pub(super) fn tree_node(bytes: &[u8]) -> bool {
    tree::Node::decode(bytes).is_ok_and(|node| {
        assert_eq!(node.digest(), node.clone().digest());
        assert!(bytes.len() <= tree::MAX_NODE);
        canonical(&node.encode(), bytes)
    })
}

/// The beginning of a key.
pub(super) fn tree_prefix(bytes: &[u8]) -> bool {
    tree::Prefix::decode(bytes).is_ok_and(|prefix| {
        assert!(prefix.len() <= tree::NIBBLES);
        canonical(&prefix.encode(), bytes)
    })
}

/// The path of a block to the root of the history.
pub(super) fn history_path(bytes: &[u8]) -> bool {
    history::Path::decode(bytes).is_ok_and(|path| canonical(&path.encode(), bytes))
}

/// The peaks of the history, with which it can grow.
pub(super) fn history_peaks(bytes: &[u8]) -> bool {
    history::Peaks::decode(bytes).is_ok_and(|peaks| {
        assert!(peaks.leaves() <= history::MAX_LEAVES);
        let _ = peaks.root();
        canonical(&peaks.encode(), bytes)
    })
}

fn canonical(encoded: &[u8], bytes: &[u8]) -> bool {
    assert!(encoded == bytes, "not canonical");
    true
}

/// A network file, accepted when its genesis defines a network; then it can be written, and says the
/// same again.
pub(super) fn network_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(file) = toml::from_str::<NetworkFile>(text) else {
        return false;
    };
    if file.genesis.validate().is_err() {
        return false;
    }
    let again = toml::to_string_pretty(&file).unwrap();
    assert_eq!(toml::from_str(&again), Ok(file));
    true
}

/// A message of Automerge's sync protocol. What is wrong with changes inside is told one by one.
pub(super) fn sync_message(bytes: &[u8]) -> bool {
    SyncMessage::decode(bytes).is_ok_and(|message| message.refused.is_empty())
}

/// A change of a document: what is accepted has the bytes that it came with.
pub(super) fn change(bytes: &[u8]) -> bool {
    Decoded::new(bytes).is_ok_and(|change| canonical(change.bytes(), bytes))
}
