//! The mountain range against a list of leaves.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

type Store = BTreeMap<u64, Digest>;

fn leaf(number: u64) -> Digest {
    Digest::of("decube/test/1", &[&number.to_le_bytes()])
}

fn numbered(count: u64) -> Vec<Digest> {
    (0..count).map(leaf).collect()
}

/// Appends all leaves, keeping the nodes as a store does.
fn history(leaves: &[Digest]) -> (Peaks, Store) {
    let (mut peaks, mut store) = (Peaks::default(), Store::new());
    for leaf in leaves {
        for (position, digest) in peaks.append(leaf) {
            assert_eq!(position, store.len() as u64, "positions follow one another");
            store.insert(position, digest);
        }
    }
    (peaks, store)
}

/// The root as the definition has it, over all leaves at once.
fn defined_root(leaves: &[Digest]) -> Digest {
    fn top(leaves: &[Digest]) -> Digest {
        match leaves {
            [leaf] => Digest::of("decube/history-leaf/1", &[leaf.as_bytes()]),
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                let (left, right) = (top(left), top(right));
                Digest::of(
                    "decube/history-node/1",
                    &[left.as_bytes(), right.as_bytes()],
                )
            }
        }
    }
    let mut rest = leaves;
    let mut fields = vec![(leaves.len() as u64).to_le_bytes().to_vec()];
    while !rest.is_empty() {
        let (mountain, behind) = rest.split_at(1 << rest.len().ilog2());
        fields.push(top(mountain).as_bytes().to_vec());
        rest = behind;
    }
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    Digest::of("decube/history-root/1", &fields)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_root_binds_number_order_and_leaves(
        seeds in proptest::collection::vec(0u64..6, 0..70),
        other in proptest::collection::vec(0u64..6, 0..70),
    ) {
        let (leaves, others): (Vec<_>, Vec<_>) =
            (seeds.iter().map(|n| leaf(*n)).collect(), other.iter().map(|n| leaf(*n)).collect());
        let (peaks, _) = history(&leaves);
        prop_assert_eq!(peaks.leaves(), leaves.len() as u64);
        prop_assert_eq!(peaks.root(), defined_root(&leaves));
        prop_assert_eq!(peaks.root() == history(&others).0.root(), leaves == others);
        for at in 0..leaves.len() {
            let mut changed = leaves.clone();
            changed.swap(at, 0);
            prop_assert_eq!(history(&changed).0.root() == peaks.root(), changed == leaves);
        }
    }

    #[test]
    fn peaks_are_found_again_at_every_number_of_leaves(count in 0u64..200) {
        let leaves = numbered(200);
        let (_, store) = history(&leaves);
        let found = Peaks::load(&store, count).unwrap();
        let (made, nodes) = history(&numbered(count));
        prop_assert_eq!(&found, &made);
        prop_assert!(nodes.iter().all(|(position, digest)| store.get(position) == Some(digest)));
        let bytes = found.encode();
        prop_assert_eq!(Peaks::decode(&bytes), Ok(found));
        prop_assert!(Peaks::decode(&[&bytes[..], &[0]].concat()).is_err());
        prop_assert!((0..bytes.len()).all(|end| Peaks::decode(&bytes[..end]).is_err()));
    }

    #[test]
    fn a_path_shows_its_own_leaf_only(count in 1u64..150, index in any::<prop::sample::Index>()) {
        let index = index.index(usize::try_from(count).unwrap()) as u64;
        // Proven from a store that has gone on since.
        let (_, store) = history(&numbered(count + 9));
        let root = history(&numbered(count)).0.root();
        let path = prove(&store, count, index).unwrap();
        prop_assert_eq!(path.verify(&root, count, index, &leaf(index)), Ok(()));
        for other in (0..count).filter(|other| *other != index) {
            prop_assert!(path.verify(&root, count, other, &leaf(index)).is_err());
            prop_assert!(path.verify(&root, count, index, &leaf(other)).is_err());
            prop_assert!(path.verify(&root, count, other, &leaf(other)).is_err());
        }
        for other in (0..count + 9).filter(|other| *other != count) {
            prop_assert!(path.verify(&root, other, index, &leaf(index)).is_err());
        }
        let later = history(&numbered(count + 1)).0.root();
        let refused = Err(PathError::OtherRoot { root: later, computed: root });
        prop_assert_eq!(path.verify(&later, count, index, &leaf(index)), refused);
    }

    #[test]
    fn no_changed_path_is_accepted(count in 1u64..60, index in any::<prop::sample::Index>(), bit in 0u8..8) {
        let index = index.index(usize::try_from(count).unwrap()) as u64;
        let (peaks, store) = history(&numbered(count));
        let bytes = prove(&store, count, index).unwrap().encode();
        let accepted = |bytes: &[u8]| Path::decode(bytes)
            .is_ok_and(|path| path.verify(&peaks.root(), count, index, &leaf(index)).is_ok());
        prop_assert!(accepted(&bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(!accepted(&changed), "byte {}", at);
            prop_assert!(!accepted(&bytes[..at]), "cut at {}", at);
        }
        prop_assert!(!accepted(&[&bytes[..], &[bit]].concat()));
        prop_assert!(!accepted(&[&bytes[..], &[bit; 32]].concat()));
    }
}

#[test]
fn known_roots() {
    let roots = [0, 1, 2, 7, 100].map(|count| history(&numbered(count)).0.root().to_string());
    assert_eq!(
        roots,
        [
            "8c4bed3e49b13e50045f2b14aa2ffe482573c07e9566da80801a17acf2c9765a",
            "fe51f8da83c5fc3f1e21096fad047818b551a378f23bda7b68e8f89a2f82918d",
            "8d7e6d27ec3dfbe1b0af98fbf9e67e1311d217191c8c32b385e7b0abfcd110a9",
            "ac35bea930fd8507a3414640f3bc1611b4b810dc076a617cd94422ee8a6c5380",
            "5039d3e6c99a05d6bd6aa81c679c4d2a648f1da33541b6c81332a7c2619b6ef0",
        ]
    );
}

#[test]
fn what_is_not_there_is_named() {
    let (peaks, mut store) = history(&numbered(7));
    let out_of_range = Err(HistoryError::OutOfRange {
        leaves: 7,
        index: 7,
    });
    assert_eq!(prove(&store, 7, 7), out_of_range);
    assert!(matches!(
        prove(&store, u64::MAX, 1),
        Err(HistoryError::OutOfRange { .. })
    ));
    assert!(matches!(
        Peaks::load(&store, u64::MAX),
        Err(HistoryError::OutOfRange { .. })
    ));
    let path = prove(&store, 7, 2).unwrap();
    for leaves in [0, 2, MAX_LEAVES + 1, u64::MAX] {
        let refused = path.verify(&peaks.root(), leaves, 2, &leaf(2));
        assert_eq!(refused, Err(PathError::OutOfRange { leaves, index: 2 }));
    }
    for (leaves, index) in [(7, 4), (7, 6), (6, 2), (8, 2)] {
        let refused = path.verify(&peaks.root(), leaves, index, &leaf(index));
        assert_eq!(refused, Err(PathError::OtherShape { leaves, index }));
    }
    store.remove(&6);
    assert_eq!(
        Peaks::load(&store, 7),
        Err(HistoryError::Missing { position: 6 })
    );
}

#[test]
fn no_path_has_more_digests_than_a_history_can_have_mountains_or_levels() {
    let path = |siblings: u8, peaks: usize| {
        let digests = vec![0; (usize::from(siblings) + peaks) * Digest::LENGTH];
        Path::decode(&[&[siblings][..], &digests].concat())
    };
    assert!(path(63, 63).is_ok());
    assert!(path(64, 0).is_err());
    assert!(path(0, 64).is_err());
}

#[test]
fn a_full_history_stays_as_it_is() {
    let full = [&MAX_LEAVES.to_le_bytes()[..], leaf(0).as_bytes()].concat();
    let mut peaks = Peaks::decode(&full).unwrap();
    assert_eq!(peaks.append(&leaf(1)), []);
    assert_eq!(peaks.encode(), full);
    let over = (MAX_LEAVES + 1).to_le_bytes();
    let over = [&over[..], &[0; 64]].concat();
    assert_eq!(Peaks::decode(&over), Err(InvalidPeaks { length: 72 }));
}
