//! Proofs are made, verified, damaged and forged.

use decube_crypto::{
    Digest, Hasher, InvalidVoteSignature, Signature, ValidatorSecret, VoteScheme, VoteSignature,
    mldsa,
};

use super::fake_chain::{FakeChain, value};
use super::{FileError, Presence, Proof, ProofError, ProveError, prove};
use crate::types::{
    ChangeHash, CollectionId, CommittedDocument, DocumentId, Heads, Height, InvalidCertificate,
    NetworkId, Power, StateKey, Statement, Subject, TransactionId, ValidatorIndex, View,
};

fn digest(number: u64) -> Digest {
    Hasher::new("decube/test/1").number(number).finish()
}

const COLLECTION: CollectionId = CollectionId(Digest::from_bytes([7; 32]));

fn document(number: u64) -> DocumentId {
    DocumentId(digest(number))
}

fn committed(number: u64, height: u64) -> CommittedDocument {
    CommittedDocument {
        heads: Heads::new(vec![ChangeHash(digest(number)), ChangeHash(digest(height))]).unwrap(),
        height: Height(height),
        transaction: TransactionId(digest(number + 1_000)),
        previous: None,
    }
}

fn entry(number: u64, height: u64) -> (StateKey, Vec<u8>) {
    value(
        StateKey::Document(COLLECTION, document(number)),
        &committed(number, height),
    )
}

/// Twelve blocks that commit a document each; every third has a finalization of its own, and the
/// last. Document 1 is committed again at height 10.
fn chain(name: &str) -> FakeChain {
    filled(FakeChain::new(name))
}

fn filled(mut chain: FakeChain) -> FakeChain {
    for height in 1..=12 {
        let mut values = vec![entry(height, height)];
        if height == 10 {
            values.push(entry(1, height));
        }
        chain.append(&values, Vec::new(), height % 3 == 0);
    }
    chain
}

fn presence(proof: &Proof, chain: &FakeChain) -> Presence {
    proof.verify(&chain.genesis).unwrap().presence
}

fn version(number: u64, height: u64) -> Presence {
    let committed = committed(number, height);
    Presence::Committed {
        version: committed.heads.version(),
        committed,
    }
}

#[test]
fn a_committed_version_and_an_absence_are_proven() {
    let chain = chain("alice");
    let proof = prove(&chain, COLLECTION, document(1), None).unwrap();
    let verified = proof.verify(&chain.genesis).unwrap();
    assert_eq!(verified.presence, version(1, 10));
    assert_eq!(
        (verified.height, verified.certified_height),
        (Height(12), Height(12))
    );
    assert_eq!(verified.signers, [0, 1, 2].map(ValidatorIndex));
    let absent = prove(&chain, COLLECTION, document(99), None).unwrap();
    assert_eq!(presence(&absent, &chain), Presence::Absent);
}

#[test]
fn a_proof_of_hybrid_votes_needs_both_parts() {
    let chain = filled(FakeChain::with_votes("alice", VoteScheme::Hybrid));
    let proof = prove(&chain, COLLECTION, document(1), None).unwrap();
    let proof = Proof::from_bytes(&proof.to_bytes()).unwrap();
    assert_eq!(presence(&proof, &chain), version(1, 10));
    let signer = ValidatorIndex(1);
    let refused = |change: &dyn Fn(Signature, mldsa::Signature) -> VoteSignature| {
        let mut proof = proof.clone();
        let signatures = &mut proof.finalization.signatures;
        let VoteSignature::Hybrid(first, second) = signatures[1].1.clone() else {
            panic!("the votes are hybrid")
        };
        signatures[1].1 = change(first, second);
        let refusal = proof.verify(&chain.genesis).unwrap_err();
        let ProofError::Certificate(InvalidCertificate::BadSignature { signer: at, error }) =
            refusal
        else {
            panic!("{refusal}")
        };
        assert_eq!(at, signer);
        error
    };
    let VoteSignature::Hybrid(other, other_ml_dsa) = proof.finalization.signatures[0].1.clone()
    else {
        panic!("the votes are hybrid")
    };
    assert_eq!(
        refused(&|first, _| VoteSignature::Ed25519(first)),
        InvalidVoteSignature::Scheme {
            found: VoteScheme::Ed25519,
            expected: VoteScheme::Hybrid
        }
    );
    assert_eq!(
        refused(&|_, second| VoteSignature::Hybrid(other, second)),
        InvalidVoteSignature::Ed25519
    );
    assert_eq!(
        refused(&|first, _| VoteSignature::Hybrid(first, other_ml_dsa.clone())),
        InvalidVoteSignature::MlDsa
    );
}

#[test]
fn every_earlier_height_is_proven_through_the_history() {
    let chain = chain("alice");
    for height in 1..=12 {
        let at = Some(Height(height));
        for number in [1, 5, 12] {
            let proof = prove(&chain, COLLECTION, document(number), at).unwrap();
            let proof = Proof::from_bytes(&proof.to_bytes()).unwrap();
            assert_eq!(proof.earlier.is_none(), height % 3 == 0, "height {height}");
            let expected = match (number, height) {
                (1, 10..) => version(1, 10),
                (number, height) if height >= number => version(number, number),
                _ => Presence::Absent,
            };
            let verified = proof.verify(&chain.genesis).unwrap();
            assert_eq!(
                (verified.presence, verified.height),
                (expected, Height(height))
            );
        }
    }
    for asked in [Height(0), Height(13)] {
        let error = prove(&chain, COLLECTION, document(1), Some(asked)).unwrap_err();
        assert_eq!(
            error,
            ProveError::NotFinal {
                asked,
                newest: Height(12)
            }
        );
    }
}

#[test]
fn no_changed_file_is_accepted() {
    let chain = chain("alice");
    let proof = prove(&chain, COLLECTION, document(5), Some(Height(10))).unwrap();
    let file = proof.to_bytes();
    let reason = |bytes: &[u8]| match Proof::from_bytes(bytes) {
        Ok(proof) => proof
            .verify(&chain.genesis)
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    assert_eq!(reason(&file), None);
    for at in 0..file.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] ^= mask;
            assert!(reason(&changed).is_some(), "byte {at} changed by {mask:#x}");
        }
        assert!(reason(&file[..at]).is_some(), "cut at {at}");
        let mut cut_inside = file.clone();
        cut_inside.remove(at);
        assert!(reason(&cut_inside).is_some(), "byte {at} taken out");
    }
    for at in 0..=file.len() {
        for byte in [0, file.get(at).copied().unwrap_or(1)] {
            let mut longer = file.clone();
            longer.insert(at, byte);
            assert!(reason(&longer).is_some(), "byte {byte} put in at {at}");
        }
    }
}

#[test]
fn a_changed_proof_under_a_fresh_digest_shows_nothing_false() {
    let chain = chain("alice");
    let proof = prove(&chain, COLLECTION, document(5), Some(Height(10))).unwrap();
    let bytes = crate::wire::encode(&proof);
    let mut accepted = 0;
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(other) = crate::wire::decode::<Proof>(&changed) else {
            continue;
        };
        let Ok(verified) = other.verify(&chain.genesis) else {
            continue;
        };
        // Only the question can be another one, and then the answer to it is the true one.
        accepted += 1;
        assert_ne!(
            (other.collection, other.document),
            (COLLECTION, document(5)),
            "bit {bit}"
        );
        assert_eq!(verified.presence, Presence::Absent, "bit {bit}");
    }
    assert!(accepted < 512, "only ids may be changed");
}

#[test]
fn other_files_are_named_for_what_they_are() {
    let file = prove(&chain("alice"), COLLECTION, document(5), None)
        .unwrap()
        .to_bytes();
    assert_eq!(Proof::from_bytes(b""), Err(FileError::NotAProof));
    assert_eq!(
        Proof::from_bytes(b"dcbproof"),
        Err(FileError::Cut { size: 8 })
    );
    assert_eq!(
        Proof::from_bytes(&file[..40]),
        Err(FileError::Cut { size: 40 })
    );
    assert_eq!(
        Proof::from_bytes(b"{\"proof\": 1}"),
        Err(FileError::NotAProof)
    );
    let mut newer = file.clone();
    newer[8] = 2;
    assert_eq!(
        Proof::from_bytes(&newer),
        Err(FileError::OtherVersion { found: 2, known: 1 })
    );
    let huge = vec![0; Proof::MAX_FILE + 1];
    assert_eq!(
        Proof::from_bytes(&huge),
        Err(FileError::TooLarge { size: huge.len() })
    );
    let shorter = &file[..file.len() - 1];
    assert!(matches!(
        Proof::from_bytes(shorter),
        Err(FileError::Changed { .. })
    ));
}

#[test]
fn a_forged_genesis_makes_no_proof() {
    let (honest, mut forged) = (chain("alice"), chain("mallory"));
    let expected = honest.genesis.network_id();
    let proof = prove(&forged, COLLECTION, document(5), None).unwrap();
    assert_eq!(presence(&proof, &forged), version(5, 5));
    let found = forged.genesis.network_id();
    assert_eq!(
        proof.verify(&honest.genesis),
        Err(ProofError::OtherNetwork { found, expected })
    );
    // The same members under another parameter are another network too.
    forged.genesis = honest.genesis.clone();
    forged.genesis.parameters.write_quorum = 1;
    let honest_proof = prove(&honest, COLLECTION, document(5), None).unwrap();
    assert_eq!(
        honest_proof.verify(&forged.genesis),
        Err(ProofError::OtherNetwork {
            found: expected,
            expected: forged.genesis.network_id()
        })
    );
    // Mallory writes the honest network's id into everything, and signs again with her own keys.
    let mut lie = proof;
    (lie.network, lie.certified.network) = (expected, expected);
    let other = ProofError::OtherValidators {
        found: lie.certified.validators,
        expected: honest.genesis.validator_set().digest(),
    };
    assert_eq!(lie.verify(&honest.genesis), Err(other));
    lie.certified.validators = honest.genesis.validator_set().digest();
    resign(&mut lie, expected, &forged.keys);
    let bad = InvalidCertificate::BadSignature {
        signer: ValidatorIndex(0),
        error: InvalidVoteSignature::Ed25519,
    };
    assert_eq!(
        lie.verify(&honest.genesis),
        Err(ProofError::Certificate(bad))
    );
}

/// Makes the finalization one of the header in the proof, signed by `keys`.
fn resign(proof: &mut Proof, network: NetworkId, keys: &[ValidatorSecret]) {
    let subject = Subject {
        parent_view: View(0),
        block: proof.certified.id(),
    };
    proof.finalization.statement = Statement::Finalize(subject);
    let signed = proof.finalization.statement.to_sign(
        &network,
        proof.finalization.epoch,
        proof.finalization.view,
    );
    proof.finalization.signatures = (0..)
        .zip(keys)
        .map(|(n, key)| (ValidatorIndex(n), key.sign(&signed)))
        .collect();
}

#[test]
fn each_check_names_what_disagrees() {
    let chain = chain("alice");
    let proof = prove(&chain, COLLECTION, document(5), Some(Height(10))).unwrap();
    let refused = |change: &dyn Fn(&mut Proof)| {
        let mut proof = proof.clone();
        change(&mut proof);
        proof.verify(&chain.genesis).unwrap_err()
    };
    let (view, subject) = (
        proof.finalization.view,
        proof.finalization.statement.subject(),
    );
    let notarize = Statement::Notarize(subject.unwrap());
    assert_eq!(
        refused(&|proof| proof.finalization = chain.certify(notarize, view)),
        ProofError::NotAFinalization
    );
    assert!(matches!(
        refused(&|proof| proof.certified.state_root = Digest::ZERO),
        ProofError::OtherBlock { .. }
    ));
    assert!(matches!(
        refused(&|proof| proof.certified.epoch = proof.certified.epoch.next()),
        ProofError::OtherEpoch { .. }
    ));
    assert_eq!(
        refused(&|proof| proof.finalization.signatures.truncate(2)),
        InvalidCertificate::NoQuorum {
            found: Power(2),
            needed: Power(3)
        }
        .into()
    );
    let extra = proof.finalization.signatures[0].1.clone();
    assert_eq!(
        refused(&|proof| proof
            .finalization
            .signatures
            .push((ValidatorIndex(3), extra.clone()))),
        InvalidCertificate::BadSignature {
            signer: ValidatorIndex(3),
            error: InvalidVoteSignature::Ed25519,
        }
        .into(),
        "a signature beyond the quorum is checked too"
    );
    let other = prove(&chain, COLLECTION, document(6), Some(Height(8))).unwrap();
    assert!(matches!(
        refused(&|proof| proof.earlier.clone_from(&other.earlier)),
        ProofError::History(_)
    ));
    assert!(matches!(
        refused(&|proof| proof.earlier = None),
        ProofError::State(_)
    ));
    assert!(matches!(
        refused(&|proof| proof.document = document(6)),
        ProofError::State(_)
    ));
}

#[test]
fn a_leaf_that_is_no_committed_document_is_refused() {
    let mut chain = FakeChain::new("alice");
    let key = StateKey::Document(COLLECTION, document(1));
    chain.append(&[(key, vec![1, 2, 3])], Vec::new(), true);
    let proof = prove(&chain, COLLECTION, document(1), None).unwrap();
    assert!(matches!(
        proof.verify(&chain.genesis),
        Err(ProofError::Value(_))
    ));
}
