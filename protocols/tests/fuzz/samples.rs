//! Valid inputs: the fixtures of the wire format, and what is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use decube_crypto::{Digest, SecretKey};
use decube_protocols::documents::content::{Content, Session, SyncState};
use decube_protocols::light::Proof;
use decube_protocols::types::NetworkFile;
use decube_protocols::wire::decode;
use decube_protocols::{history, tree};
use serde_json::json;

use crate::targets::MESSAGES;

/// The most samples of a message; the fixtures have one for each alternative.
const MAX_SAMPLES: usize = 12;

/// The valid inputs of a target.
pub(crate) fn samples(folder: &str, target: &str) -> Vec<Vec<u8>> {
    if MESSAGES.contains(&target) {
        let plain = fixture(folder, &format!("{target}.hex"));
        let hybrid = fixture(folder, &format!("{target}.hybrid.hex"));
        return plain.into_iter().chain(hybrid).take(MAX_SAMPLES).collect();
    }
    let proofs = || {
        fixture(folder, "Proof.hex")
            .into_iter()
            .map(|bytes| decode(&bytes).unwrap())
    };
    match target {
        "proof_file" => proofs().map(|proof: Proof| proof.to_bytes()).collect(),
        "network_file" => ["Genesis.hex", "Genesis.hybrid.hex"]
            .into_iter()
            .flat_map(|name| fixture(folder, name))
            .map(|bytes| network_file(&bytes))
            .collect(),
        "tree_proof" => tree_samples().0,
        "tree_node" => tree_samples().1,
        "tree_prefix" => [0, 1, 9, 64]
            .map(|length| tree::Prefix::of(&digest(1), length).encode())
            .to_vec(),
        "history_path" => history_samples().0,
        "history_peaks" => history_samples().1,
        "sync_message" => document_samples().0,
        "change" => document_samples().1,
        _ => Vec::new(),
    }
}

fn fixture(folder: &str, name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(folder).join("tests/fixtures/wire").join(name);
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| hex::decode(line).unwrap())
        .collect()
}

fn digest(number: u64) -> Digest {
    Digest::of("decube/fuzz/1", &[&number.to_le_bytes()])
}

/// The genesis of the fixture defines no network that is complete, so what is lacking is put right.
fn network_file(genesis: &[u8]) -> Vec<u8> {
    let file = NetworkFile {
        bootstrap: vec!["/ip4/192.0.2.1/tcp/7070/p2p/x".to_owned()],
        genesis: decode(genesis).unwrap(),
    };
    toml::to_string_pretty(&file).unwrap().into_bytes()
}

/// Proofs of keys that are there and that are not, and nodes.
fn tree_samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let leaves: BTreeMap<_, _> = (0..20)
        .map(|n| (digest(n), Some(vec![n as u8; 9])))
        .collect();
    let made = tree::update(&BTreeMap::new(), &tree::EMPTY_ROOT, &leaves).unwrap();
    let prove = |key| {
        tree::prove(&made.added, &made.root, &digest(key))
            .unwrap()
            .encode()
    };
    let nodes = made.added.values().map(tree::Node::encode);
    (vec![prove(3), prove(100)], nodes.take(8).collect())
}

fn history_samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut nodes, mut peaks) = (BTreeMap::new(), history::Peaks::default());
    for leaf in 0..11 {
        nodes.extend(peaks.append(&digest(leaf)));
    }
    let paths = [0, 9, 10].map(|leaf| history::prove(&nodes, 11, leaf).unwrap().encode());
    (
        paths.to_vec(),
        vec![history::Peaks::default().encode(), peaks.encode()],
    )
}

/// A sync message without changes and one with them, and changes.
fn document_samples() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let author = SecretKey::from_seed(&[1; 32]).public();
    let session = Session {
        author,
        nonce: [1; 8],
    };
    let content = json!({ "title": "a", "tags": ["x", 1, true, null], "sizes": { "b": 2.5 } });
    let (document, edited) = Content::create(&session, Some(&content), 1).unwrap();
    let (empty, _) = Content::create(&session, None, 1).unwrap();
    let mut state = SyncState::default();
    let (first, _) = empty.sync_message(&mut state).unwrap();
    let (greeting, _) = document.sync_message(&mut SyncState::default()).unwrap();
    (vec![first, greeting], vec![edited.bytes])
}
