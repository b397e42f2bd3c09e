//! Random values survive the round trip; whatever else is decoded was canonical.

use decube_crypto::SecretKey;
use decube_protocols::commit::{ChainResponse, FinalAnnouncement};
use decube_protocols::light::Proof;
use decube_protocols::types::{
    Action, Certificate, CollectionId, Commit, CommitEntry, DocumentId, Genesis, Header, Heads,
    Height, Receipt, Transaction, ValidatorIndex, Version, Vote, VoteScheme,
};
use decube_protocols::wire::limits::MAX_VIEW_CERTIFICATES;
use decube_protocols::wire::{Message, Problem, TransactionsResponse, decode, encode};

use crate::messages::{EveryMessage, for_every_message};
use crate::sample::{Sample, Samples};

/// Values of each message and kind; each is then damaged in [`DAMAGES`] ways.
const VALUES: u64 = 12;
/// Damages to each value.
const DAMAGES: u64 = 120;

struct RoundTrips;

impl EveryMessage for RoundTrips {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self) {
        for seed in 0..VALUES {
            for kind in 0..T::KINDS {
                let value = T::sample(&mut Samples::new(seed, false), kind);
                let bytes = encode(&value);
                assert_eq!(
                    decode::<T>(&bytes),
                    Ok(value),
                    "{}, seed {seed}, {kind}",
                    T::NAME
                );
            }
        }
    }
}

#[test]
fn every_value_survives_the_round_trip() {
    for_every_message(&mut RoundTrips);
}

/// Refused, or exactly the encoding of the value it gives.
fn check<T: Message>(bytes: &[u8], told: &str) -> bool {
    match decode::<T>(bytes) {
        Ok(value) => {
            assert_eq!(encode(&value), bytes, "{} {told}", T::NAME);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// A damage that a seed chooses: flipped bits, a cut, garbage in the middle, at the end or twice.
fn damage(bytes: &mut Vec<u8>, seed: u64) {
    let mut from = Samples::new(seed, false);
    for _ in 0..=from.below(3) {
        let at = from.below(bytes.len() as u64 + 1) as usize;
        match from.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << from.below(8),
            1 => bytes.truncate(at),
            2 => bytes.extend(from.bytes(3)),
            3 => {
                let garbage = from.bytes(4);
                bytes.splice(at..at, garbage);
            }
            4 if at < bytes.len() => bytes[at] = [0, 0x7f, 0x80, 0xff][from.below(4) as usize],
            _ => {
                let again = bytes[at..].to_vec();
                bytes.extend(again);
            }
        }
    }
}

struct Hostile {
    refused: u64,
    accepted: u64,
}

impl EveryMessage for Hostile {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self) {
        for seed in 0..VALUES {
            for kind in 0..T::KINDS {
                let valid = encode(&T::sample(&mut Samples::new(seed, false), kind));
                for number in 0..DAMAGES {
                    let mut bytes = valid.clone();
                    damage(&mut bytes, seed << 32 | kind << 16 | number);
                    let told = format!("seed {seed}, kind {kind}, damage {number}");
                    match check::<T>(&bytes, &told) {
                        true => self.accepted += 1,
                        false => self.refused += 1,
                    }
                }
            }
        }
        for seed in 0..500 {
            let mut from = Samples::new(seed, false);
            let length = from.below(200) as usize;
            check::<T>(&from.bytes(length), &format!("random bytes of seed {seed}"));
        }
        let too_large = vec![0; T::MAX_SIZE + 1];
        let problem = Problem::TooLarge {
            size: too_large.len(),
            max: T::MAX_SIZE,
        };
        assert_eq!(
            decode::<T>(&too_large).map_err(|error| error.problem),
            Err(problem)
        );
    }
}

#[test]
fn hostile_bytes_are_refused_or_canonical() {
    let mut hostile = Hostile {
        refused: 0,
        accepted: 0,
    };
    for_every_message(&mut hostile);
    assert!(
        hostile.refused > 10_000 && hostile.accepted > 100,
        "the damages are one-sided"
    );
}

/// Every bit and every cut of one value, which the random damages may miss.
struct Exhaustive;

impl EveryMessage for Exhaustive {
    fn run<T: Message + Sample + PartialEq + std::fmt::Debug>(&mut self) {
        let valid = encode(&T::sample(&mut Samples::new(0, true), 0));
        for end in 0..valid.len() {
            check::<T>(&valid[..end], &format!("cut at {end}"));
        }
        for bit in 0..(valid.len() * 8).min(4096) {
            let mut bytes = valid.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            check::<T>(&bytes, &format!("bit {bit} flipped"));
        }
        for extra in [&[0][..], &[8, 0], &[0xff; 11], &[0xfa, 0x3f, 0]] {
            let longer = [&valid, extra].concat();
            assert!(
                !check::<T>(&longer, "lengthened"),
                "{} with {extra:?}",
                T::NAME
            );
        }
    }
}

#[test]
fn every_cut_and_bit_of_a_value_is_checked() {
    for_every_message(&mut Exhaustive);
}

#[test]
fn a_length_that_leads_backwards_is_refused() {
    // A reader that was led past the end of an inner message and skips an unknown field of nearly
    // 2^64 bytes would subtract below zero, or go back and never end.
    let mut bytes = vec![0x1a, 0x02, 0x0a, 0x08];
    bytes.extend([
        0x7a, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
    ]);
    bytes.extend([0; 32]);
    assert!(decode::<Vote>(&bytes).is_err());
    assert!(decode::<Certificate>(&bytes).is_err());
}

fn problem<T: Message + std::fmt::Debug>(bytes: &[u8]) -> (&'static str, Problem) {
    let error = decode::<T>(bytes).unwrap_err();
    (error.field, error.problem)
}

#[test]
fn other_encodings_of_a_value_are_refused() {
    let vote: Vote = Samples::new(1, true).any();
    let valid = encode(&vote);
    assert_eq!(decode(&valid), Ok(vote));
    // An unknown field, a field twice, an explicit default, and an integer longer than needed.
    let unknown = [&valid[..], &[0x78, 1]].concat();
    assert_eq!(problem::<Vote>(&unknown), ("whole", Problem::NotCanonical));
    let twice = [&valid[..], &valid[..]].concat();
    assert!(matches!(
        problem::<Vote>(&twice).1,
        Problem::NotCanonical | Problem::TooLarge { .. }
    ));
    for results in [
        &[0x0a, 2, 0x81, 0][..],
        &[0x0a, 0],
        &[0x0a, 1, 1, 0x0a, 1, 2],
        &[8, 1],
    ] {
        assert_eq!(
            problem::<TransactionsResponse>(results),
            ("whole", Problem::NotCanonical),
            "{results:?}"
        );
    }
    assert!(decode::<TransactionsResponse>(&[0x0a, 1, 1]).is_ok());
}

#[test]
fn lists_are_bounded_and_sorted() {
    let many = vec![1_u8; 1025];
    let bytes = [&[0x0a, 0x81, 0x08][..], &many].concat();
    assert_eq!(
        problem::<TransactionsResponse>(&bytes),
        (
            "results",
            Problem::TooMany {
                count: 1025,
                max: 1024
            }
        )
    );
    let entry = |document: u8| CommitEntry {
        collection: CollectionId(decube_crypto::Digest::ZERO),
        document: DocumentId(decube_crypto::Digest::from_bytes([document; 32])),
        previous: None,
        heads: Heads::default(),
    };
    let commit = |documents: &[u8]| {
        let entries = documents.iter().map(|document| entry(*document)).collect();
        let action = Action::Commit(Commit {
            entries,
            receipts: Vec::new(),
        });
        let mut transaction: Transaction = Samples::new(1, true).any();
        transaction.action = action;
        encode(&transaction)
    };
    assert!(decode::<Transaction>(&commit(&[1, 2, 3])).is_ok());
    assert_eq!(
        problem::<Transaction>(&commit(&[1, 3, 2])),
        ("entries", Problem::Unsorted)
    );
    assert_eq!(
        problem::<Transaction>(&commit(&[2, 2])),
        ("entries", Problem::Unsorted)
    );
}

#[test]
fn a_bitmap_fits_its_signatures() {
    let certificate: Certificate = Samples::new(5, true).any();
    let bytes = encode(&certificate);
    assert_eq!(decode(&bytes), Ok(certificate.clone()));
    // Field 4, the bitmap, ends with a byte that is not zero; one more byte names nobody.
    let highest = certificate.signatures.last().unwrap().0;
    let ValidatorIndex(highest) = highest;
    let length = usize::from(highest / 8) + 1;
    let at = bytes
        .windows(2)
        .position(|pair| pair == [0x22, length as u8])
        .unwrap();
    let mut longer = bytes.clone();
    longer[at + 1] += 1;
    longer.insert(at + 2 + length, 0);
    assert_eq!(
        problem::<Certificate>(&longer),
        ("whole", Problem::NotCanonical)
    );
    let mut fewer = bytes;
    fewer[at + 1 + length] = 0;
    assert_eq!(
        problem::<Certificate>(&fewer),
        (
            "signatures",
            Problem::Disagree {
                found: 2,
                expected: 1
            }
        )
    );
}

#[test]
fn the_largest_values_fit_their_bounds() {
    let mut from = Samples::new(9, true);
    let keys: Vec<_> = (0..16_u8).map(|n| SecretKey::from_seed(&[n; 32])).collect();
    let hash = |number: u64| decube_crypto::Digest::of("decube/test/1", &[&number.to_le_bytes()]);
    let heads: Vec<_> = (0..64)
        .map(|n| decube_protocols::types::ChangeHash(hash(n)))
        .collect();
    let mut entries: Vec<_> = (0..64)
        .map(|n| CommitEntry {
            collection: CollectionId(hash(n)),
            document: DocumentId(hash(n + 100)),
            previous: Some(Version(hash(n))),
            heads: Heads::new(heads.clone()).unwrap(),
        })
        .collect();
    entries.sort_by_key(|entry| (entry.collection, entry.document));
    let sample: Receipt = from.any();
    let mut receipts: Vec<_> = (0..1024)
        .map(|n| Receipt {
            document: entries[n / 16].document,
            replica: keys[n % 16].public(),
            roles_height: Height(u64::MAX),
            ..sample.clone()
        })
        .collect();
    receipts.sort_by_key(|receipt| (receipt.document, receipt.replica));
    let mut transaction: Transaction = from.any();
    (transaction.nonce, transaction.expires) = (u64::MAX, Height(u64::MAX));
    transaction.action = Action::Commit(Commit { entries, receipts });
    assert_eq!(decode(&encode(&transaction)), Ok(transaction));
    let mut certificate: Certificate = from.any();
    let signature = certificate.signatures[0].1.clone();
    certificate.signatures = (0..1024)
        .map(|n| (ValidatorIndex(n), signature.clone()))
        .collect();
    assert_eq!(decode(&encode(&certificate)), Ok(certificate));
    let mut certificate: Certificate = Samples::new(9, true).voting(VoteScheme::Hybrid).any();
    let signature = certificate.signatures[0].1.clone();
    certificate.signatures = (0..Genesis::MAX_HYBRID_VALIDATORS as u16)
        .map(|n| (ValidatorIndex(n), signature.clone()))
        .collect();
    let view = ChainResponse::Certificates(vec![certificate.clone(); MAX_VIEW_CERTIFICATES]);
    assert_eq!(decode(&encode(&view)), Ok(view));
    let mut announcement: FinalAnnouncement = from.any();
    announcement.finalization = certificate.clone();
    assert_eq!(decode(&encode(&announcement)), Ok(announcement));
    let mut proof: Proof = from.any();
    proof.finalization = certificate.clone();
    assert_eq!(decode(&encode(&proof)), Ok(proof));
    assert_eq!(decode(&encode(&certificate)), Ok(certificate));
    let header: Header = from.any();
    assert!(encode(&header).len() <= Header::MAX_SIZE - 100);
}

/// An honest node sent what its peers refuse, and they blamed it.
#[test]
fn an_announcement_is_published_as_far_as_others_take_it() {
    let mut from = Samples::new(5, true).voting(VoteScheme::Hybrid);
    let sample: FinalAnnouncement = from.any();
    let signature = sample.finalization.signatures[0].1.clone();
    let transaction: Transaction = from.any();
    let announcement = |signers: u16, bytes: usize| {
        let mut announcement = sample.clone();
        let signers = (0..signers).map(ValidatorIndex);
        announcement.finalization.signatures = signers.map(|it| (it, signature.clone())).collect();
        let count = bytes / encode(&transaction).len();
        announcement.transactions = Some(vec![transaction.clone(); count]);
        announcement
    };
    // The quorum of 116 validators, and all of the most that may vote hybrid.
    for signers in [78, Genesis::MAX_HYBRID_VALIDATORS as u16] {
        let whole = announcement(signers, 64 << 10);
        assert_eq!(decode(&encode(&whole)).as_ref(), Ok(&whole));
        assert_eq!(whole.clone().fitting(), Some(whole));
    }
    let long = announcement(256, 256 << 10);
    let refused = decode::<FinalAnnouncement>(&encode(&long)).unwrap_err();
    assert!(
        matches!(refused.problem, Problem::TooLarge { .. }),
        "{refused}"
    );
    let fitting = long.clone().fitting().unwrap();
    assert_eq!(decode(&encode(&fitting)).as_ref(), Ok(&fitting));
    let without = FinalAnnouncement {
        transactions: None,
        ..long
    };
    assert_eq!(fitting, without);
    assert_eq!(announcement(400, 0).fitting(), None);
}
