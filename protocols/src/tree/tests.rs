//! The tree against a plain map.

use std::collections::{BTreeMap, BTreeSet};

use decube_crypto::Digest;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

type Nodes = BTreeMap<Digest, Node>;
type Model = BTreeMap<Digest, Vec<u8>>;
type Changes = BTreeMap<Digest, Option<Vec<u8>>>;

/// A key whose nibbles are mostly equal to those of others, so that paths get long and compressed.
fn crowded_key() -> impl Strategy<Value = Digest> {
    let shared = prop_oneof![Just(0usize), Just(1), Just(2), Just(15), Just(30), Just(31)];
    (shared, any::<[bool; 2]>(), prop_oneof![0u8..4, any::<u8>()]).prop_map(
        |(at, [first, last], byte)| {
            let mut bytes = [0x11; 32];
            bytes[0] = if first { 0x11 } else { 0x12 };
            bytes[at] ^= byte;
            bytes[31] ^= u8::from(last);
            Digest::from_bytes(bytes)
        },
    )
}

fn key() -> impl Strategy<Value = Digest> {
    prop_oneof![3 => crowded_key(), 1 => any::<[u8; 32]>().prop_map(Digest::from_bytes)]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![]),
        Just(vec![1]),
        proptest::collection::vec(any::<u8>(), 0..40)
    ]
}

fn model(size: usize) -> impl Strategy<Value = Model> {
    proptest::collection::btree_map(key(), value(), 0..size)
}

fn changes() -> impl Strategy<Value = Changes> {
    proptest::collection::btree_map(key(), proptest::option::of(value()), 0..12)
}

/// A model and a key that it likely has, and another that it likely has not.
fn model_and_keys() -> impl Strategy<Value = (Model, Digest, Digest)> {
    (model(40), any::<prop::sample::Index>(), key()).prop_map(|(model, index, other)| {
        let keys: Vec<_> = model.keys().copied().collect();
        let present = if keys.is_empty() {
            other
        } else {
            *index.get(&keys)
        };
        (model, present, other)
    })
}

fn insertions(model: &Model) -> Changes {
    model
        .iter()
        .map(|(key, value)| (*key, Some(value.clone())))
        .collect()
}

/// A tree with all its nodes.
#[derive(Clone)]
struct Tree {
    root: Digest,
    nodes: Nodes,
}

impl Tree {
    fn empty() -> Self {
        Self {
            root: EMPTY_ROOT,
            nodes: Nodes::new(),
        }
    }

    fn of(model: &Model) -> Self {
        let mut tree = Self::empty();
        tree.change(&insertions(model));
        tree
    }

    fn change(&mut self, changes: &Changes) -> Update {
        let update = update(&self.nodes, &self.root, changes).unwrap();
        self.root = update.root;
        self.nodes
            .retain(|digest, _| !update.removed.contains(digest));
        self.nodes.extend(update.added.clone());
        update
    }

    fn reachable(&self) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut rest: Vec<Digest> = (self.root != EMPTY_ROOT)
            .then_some(self.root)
            .into_iter()
            .collect();
        while let Some(digest) = rest.pop() {
            found.insert(digest);
            if let Node::Inner(inner) = &self.nodes[&digest] {
                rest.extend(inner.children().map(|(_, child)| *child));
            }
        }
        found
    }

    fn subtree(&self, prefix: &Prefix) -> Option<Subtree> {
        subtree(&self.nodes, &self.root, prefix).unwrap()
    }

    fn leaves(&self, prefix: &Prefix, after: Option<&Digest>, limit: usize) -> Vec<Entry> {
        leaves(&self.nodes, &self.root, prefix, after, limit).unwrap()
    }

    fn prove(&self, key: &Digest) -> Proof {
        prove(&self.nodes, &self.root, key).unwrap()
    }
}

/// The root as the definition has it, over all leaves at once.
fn defined_root(model: &Model) -> Digest {
    fn node(leaves: &[(&Digest, &Vec<u8>)]) -> Digest {
        let [(first, _), .., (last, _)] = leaves else {
            let (key, value) = leaves[0];
            return Digest::of("decube/leaf/1", &[key.as_bytes(), value]);
        };
        let (first, last) = (first.to_string(), last.to_string());
        let length = first
            .chars()
            .zip(last.chars())
            .take_while(|(a, b)| a == b)
            .count();
        let mut packed = hex(&format!(
            "{:0<1$}",
            &first[..length],
            length.next_multiple_of(2)
        ));
        packed.insert(0, u8::try_from(length).unwrap());
        let groups: Vec<_> = leaves
            .chunk_by(|a, b| a.0.to_string()[length..=length] == b.0.to_string()[length..=length])
            .collect();
        let nibble = |group: &[(&Digest, _)]| {
            u64::from_str_radix(&group[0].0.to_string()[length..=length], 16).unwrap()
        };
        let bitmap = groups
            .iter()
            .fold(0, |bitmap, group| bitmap | 1 << nibble(group));
        let hasher = decube_crypto::Hasher::new("decube/node/1")
            .field(&packed)
            .number(bitmap)
            .number(leaves.len() as u64);
        groups
            .iter()
            .fold(hasher, |hasher, group| hasher.digest(&node(group)))
            .finish()
    }
    let leaves: Vec<_> = model.iter().collect();
    if leaves.is_empty() {
        EMPTY_ROOT
    } else {
        node(&leaves)
    }
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// The keys in which two trees differ, found as two peers find them.
fn differences(alice: &Tree, bob: &Tree, prefix: Prefix, steps: &mut usize) -> BTreeSet<Digest> {
    *steps += 1;
    let (ours, theirs) = (alice.subtree(&prefix), bob.subtree(&prefix));
    if ours.as_ref().map(|s| s.digest) == theirs.as_ref().map(|s| s.digest) {
        return BTreeSet::new();
    }
    let listed = |tree: &Tree| tree.leaves(&prefix, None, usize::MAX).into_iter().collect();
    match (ours.map(|s| s.content), theirs.map(|s| s.content)) {
        (Some(SubtreeContent::Children(ours)), Some(SubtreeContent::Children(theirs))) => {
            // The coarser of the two partitions would miss nothing, but both may skip nibbles:
            // one nibble more is always a partition that both sides share.
            let paths: BTreeSet<Prefix> = ours
                .iter()
                .chain(&theirs)
                .map(|(path, ..)| prefix.child(path.nibble(prefix.len()).unwrap()).unwrap())
                .collect();
            paths
                .into_iter()
                .flat_map(|path| differences(alice, bob, path, steps))
                .collect()
        }
        _ => {
            let (ours, theirs): (Model, Model) = (listed(alice), listed(bob));
            let keys = ours.keys().chain(theirs.keys());
            keys.filter(|key| ours.get(key) != theirs.get(key))
                .copied()
                .collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_root_depends_on_the_leaves_alone(
        model in model(30),
        detours in model(12),
        order in any::<u64>(),
    ) {
        let at_once = Tree::of(&model);
        // One by one in another order, with leaves in between that do not stay.
        let mut order_by: Vec<_> = model.iter().collect();
        order_by.sort_by_key(|(key, _)| Digest::of("decube/test/1", &[key.as_bytes(), &order.to_le_bytes()]));
        let mut tree = Tree::of(&detours);
        for (key, value) in order_by {
            tree.change(&BTreeMap::from([(*key, Some(value.clone()))]));
        }
        for key in detours.keys() {
            tree.change(&BTreeMap::from([(*key, model.get(key).cloned())]));
        }
        prop_assert_eq!(tree.root, at_once.root);
        prop_assert_eq!(tree.root, defined_root(&model));
        prop_assert_eq!(&tree.nodes, &at_once.nodes);
        prop_assert_eq!(count(&at_once.nodes, &at_once.root).unwrap(), model.len() as u64);
    }

    #[test]
    fn an_update_names_exactly_the_nodes_that_came_and_went(
        mut model in model(30),
        rounds in proptest::collection::vec(changes(), 1..6),
    ) {
        let mut tree = Tree::of(&model);
        for changes in rounds {
            let before: BTreeSet<Digest> = tree.nodes.keys().copied().collect();
            let Update { root, added, removed } = tree.change(&changes);
            for (key, value) in changes {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            prop_assert!(added.iter().all(|(digest, node)| node.digest() == *digest));
            prop_assert!(added.keys().all(|digest| !before.contains(digest)));
            prop_assert!(removed.is_subset(&before));
            prop_assert_eq!(tree.reachable(), tree.nodes.keys().copied().collect());
            prop_assert_eq!(root, Tree::of(&model).root);
            for (key, value) in &model {
                prop_assert_eq!(get(&tree.nodes, &root, key).unwrap(), Some(value.clone()));
            }
            for node in added.values() {
                prop_assert_eq!(&Node::decode(&node.encode()).unwrap(), node);
            }
        }
    }

    #[test]
    fn leaves_come_in_key_order_in_pages_of_any_size(
        (model, under, after) in model_and_keys(),
        length in 0u8..=64,
        limit in 0usize..8,
    ) {
        let (tree, prefix) = (Tree::of(&model), Prefix::of(&under, length));
        for after in [None, Some(after), Some(under)] {
            let expected: Vec<Entry> = model
                .iter()
                .filter(|(key, _)| prefix.covers(key) && after.is_none_or(|after| **key > after))
                .map(|(key, value)| (*key, value.clone()))
                .collect();
            let all = tree.leaves(&prefix, after.as_ref(), usize::MAX);
            prop_assert_eq!(&all, &expected);
            let page = tree.leaves(&prefix, after.as_ref(), limit);
            prop_assert_eq!(&page[..], &expected[..limit.min(expected.len())]);
        }
    }

    #[test]
    fn subtree_digests_are_equal_exactly_when_the_leaves_are(
        model in model(30),
        changes in changes(),
        under in key(),
        length in 0u8..=64,
    ) {
        let (alice, prefix) = (Tree::of(&model), Prefix::of(&under, length));
        let mut bob = alice.clone();
        bob.change(&changes);
        let (ours, theirs) = (alice.subtree(&prefix), bob.subtree(&prefix));
        let listed = |tree: &Tree| tree.leaves(&prefix, None, usize::MAX);
        prop_assert_eq!(ours == theirs, listed(&alice) == listed(&bob));
        let digests = (ours.map(|s| s.digest), theirs.as_ref().map(|s| s.digest));
        prop_assert_eq!(digests.0 == digests.1, listed(&alice) == listed(&bob));
        let number = theirs.as_ref().map_or(0, |subtree| subtree.count);
        prop_assert_eq!(number, listed(&bob).len() as u64);
        if let Some(SubtreeContent::Children(children)) = theirs.map(|s| s.content) {
            let mut entries = Vec::new();
            for (path, digest, count) in children {
                let child = bob.subtree(&path).unwrap();
                prop_assert!(path.starts_with(&prefix) && path.len() > prefix.len());
                prop_assert_eq!((child.digest, child.count), (digest, count));
                entries.extend(bob.leaves(&path, None, usize::MAX));
            }
            prop_assert_eq!(entries, listed(&bob));
        }
    }

    #[test]
    fn two_peers_descend_to_exactly_the_keys_in_which_they_differ(
        model in model(40),
        changes in changes(),
    ) {
        let alice = Tree::of(&model);
        let mut bob = alice.clone();
        bob.change(&changes);
        let expected: BTreeSet<Digest> = changes
            .iter()
            .filter(|(key, value)| model.get(key) != value.as_ref())
            .map(|(key, _)| *key)
            .collect();
        prop_assert_eq!(differences(&alice, &bob, Prefix::ROOT, &mut 0), expected);
    }

    #[test]
    fn a_proof_shows_its_own_key_and_root_only(
        (model, present, other) in model_and_keys(),
        changes in changes(),
    ) {
        let tree = Tree::of(&model);
        let mut changed = tree.clone();
        changed.change(&changes);
        for key in [&present, &other] {
            let proof = tree.prove(key);
            prop_assert_eq!(proof.verify(&tree.root, key), Ok(model.get(key).cloned()));
            let bytes = proof.encode();
            prop_assert!(bytes.len() <= MAX_PROOF);
            prop_assert_eq!(Proof::decode(&bytes), Ok(proof.clone()));
            if changed.root != tree.root {
                let other_root = ProofError::OtherRoot { root: changed.root, computed: tree.root };
                prop_assert_eq!(proof.verify(&changed.root, key), Err(other_root));
            }
        }
        // A proof about one key never says anything false about another.
        if let Ok(value) = tree.prove(&present).verify(&tree.root, &other) {
            prop_assert_eq!(value, model.get(&other).cloned());
        }
        let proof = tree.prove(&present);
        if model.contains_key(&present) && present != other {
            let says = proof.verify(&tree.root, &other);
            prop_assert!(!matches!(says, Ok(Some(_))), "{:?}", says);
        }
    }

    #[test]
    fn no_changed_proof_is_accepted((model, present, other) in model_and_keys(), bit in 0u8..8) {
        let tree = Tree::of(&model);
        for key in [present, other] {
            let bytes = tree.prove(&key).encode();
            let accepted = |bytes: &[u8]| {
                Proof::decode(bytes).is_ok_and(|proof| proof.verify(&tree.root, &key).is_ok())
            };
            prop_assert!(accepted(&bytes));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                prop_assert!(!accepted(&changed), "byte {} of {}", at, bytes.len());
                prop_assert!(!accepted(&bytes[..at]), "cut at {} of {}", at, bytes.len());
            }
            prop_assert!(!accepted(&[bytes.as_slice(), &[bit]].concat()));
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for tag in 0..3u8 {
            let bytes = [&[tag], bytes.as_slice()].concat();
            if let Ok(node) = Node::decode(&bytes) {
                prop_assert_eq!(node.encode(), bytes.clone());
            }
            if let Ok(proof) = Proof::decode(&bytes) {
                prop_assert_eq!(proof.encode(), bytes);
                let absent_only_from_empty = proof == Tree::empty().prove(&Digest::ZERO);
                let says = proof.verify(&EMPTY_ROOT, &Digest::ZERO);
                prop_assert_eq!(says.is_ok(), absent_only_from_empty);
            }
        }
    }
}

fn digest(number: u64) -> Digest {
    Digest::of("decube/test/1", &[&number.to_le_bytes()])
}

fn numbered(count: u64) -> Model {
    (0..count)
        .map(|number| (digest(number), number.to_le_bytes().to_vec()))
        .collect()
}

#[test]
fn known_roots() {
    assert_eq!(
        EMPTY_ROOT.to_string(),
        Digest::of("decube/empty-tree/1", &[]).to_string()
    );
    let roots = [1, 2, 17, 1000].map(|count| Tree::of(&numbered(count)).root.to_string());
    assert_eq!(
        roots,
        [
            "4b90bc90a363e8cb3ac5a58f2f0e8130fe9cb48e1d8ca8fc00341044edb18f67",
            "d5d9ddff6c6e23e3650ab951045fe2db61856fe7c476c59a2618f247575a0302",
            "4ed9157eb269962f7283faaa6e4e067916b6a1c054c102568c28764f4cc91ffb",
            "2913be742970d30d6bd6da5ad6c6c4d1510a3175435501c41c5cbde995cdd937",
        ]
    );
}

#[test]
fn the_empty_tree_has_no_nodes_and_proves_absence() {
    let mut tree = Tree::empty();
    let key = digest(0);
    assert_eq!(get(&tree.nodes, &tree.root, &key), Ok(None));
    assert_eq!(tree.subtree(&Prefix::ROOT), None);
    assert_eq!(tree.prove(&key).encode(), [0]);
    assert_eq!(tree.prove(&key).verify(&EMPTY_ROOT, &key), Ok(None));
    assert_eq!(tree.change(&BTreeMap::from([(key, None)])).root, EMPTY_ROOT);
    tree.change(&insertions(&numbered(1)));
    assert!(Tree::empty().prove(&key).verify(&tree.root, &key).is_err());
    let update = tree.change(&BTreeMap::from([(key, None)]));
    assert_eq!(
        (update.root, update.added.len(), update.removed.len()),
        (EMPTY_ROOT, 0, 1)
    );
}

#[test]
fn one_change_among_many_leaves_touches_one_path() {
    let mut tree = Tree::of(&numbered(5000));
    let update = tree.change(&BTreeMap::from([(digest(77), Some(vec![1]))]));
    assert!(update.added.len() <= 7 && update.removed.len() == update.added.len());
    let unchanged = tree.change(&BTreeMap::from([
        (digest(77), Some(vec![1])),
        (digest(9000), None),
    ]));
    assert_eq!((unchanged.added.len(), unchanged.removed.len()), (0, 0));

    let mut bob = tree.clone();
    bob.change(&BTreeMap::from([
        (digest(4), None),
        (digest(9001), Some(vec![])),
    ]));
    let mut steps = 0;
    let found = differences(&tree, &bob, Prefix::ROOT, &mut steps);
    assert_eq!(found, BTreeSet::from([digest(4), digest(9001)]));
    assert!(steps < 200, "{steps} comparisons in trees of 5000 leaves");
}

#[test]
fn a_value_is_bounded() {
    let tree = Tree::of(&numbered(3));
    let set = |length| BTreeMap::from([(digest(1), Some(vec![0; length]))]);
    assert!(update(&tree.nodes, &tree.root, &set(MAX_VALUE)).is_ok());
    let refused = update(&tree.nodes, &tree.root, &set(MAX_VALUE + 1));
    let length = MAX_VALUE + 1;
    assert_eq!(
        refused,
        Err(TreeError::ValueTooLong {
            key: digest(1),
            length
        })
    );
}

#[test]
fn blocks_that_are_not_final_stack_over_the_final_state() {
    let base = Tree::of(&numbered(50));
    let first = update(
        &base.nodes,
        &base.root,
        &BTreeMap::from([(digest(3), Some(vec![3]))]),
    )
    .unwrap();
    let over_first = Overlay::new(&base.nodes).with(&first.added);
    let second = update(
        &over_first,
        &first.root,
        &BTreeMap::from([(digest(4), None)]),
    )
    .unwrap();
    let both = over_first.clone().with(&second.added);
    for (source, root, three, four) in [
        (
            &Overlay::new(&base.nodes),
            &base.root,
            3u64.to_le_bytes().to_vec(),
            true,
        ),
        (&over_first, &first.root, vec![3], true),
        (&both, &second.root, vec![3], false),
        // What was removed above is still readable under the older root.
        (&both, &base.root, 3u64.to_le_bytes().to_vec(), true),
    ] {
        assert_eq!(get(source, root, &digest(3)), Ok(Some(three)));
        assert_eq!(get(source, root, &digest(4)).unwrap().is_some(), four);
    }
}

#[test]
fn missing_and_damaged_nodes_are_errors_and_never_values() {
    let tree = Tree::of(&numbered(40));
    let key = digest(5);
    let leaf = Node::Leaf(Leaf::new(key, 5u64.to_le_bytes().to_vec()).unwrap()).digest();
    let mut nodes = tree.nodes.clone();
    let other = nodes
        .remove(&leaf)
        .and(nodes.get(&tree.root).cloned())
        .unwrap();
    assert_eq!(
        get(&nodes, &tree.root, &key),
        Err(TreeError::Missing { digest: leaf })
    );
    nodes.insert(leaf, other);
    assert_eq!(
        get(&nodes, &tree.root, &key),
        Err(TreeError::Damaged { digest: leaf })
    );
    nodes.insert(leaf, Node::Leaf(Leaf::new(key, vec![6]).unwrap()));
    assert_eq!(
        get(&nodes, &tree.root, &key),
        Err(TreeError::Damaged { digest: leaf })
    );
    assert_eq!(
        prove(&nodes, &tree.root, &key),
        Err(TreeError::Damaged { digest: leaf })
    );
    let remove = BTreeMap::from([(key, None)]);
    let refused = update(&nodes, &tree.root, &remove);
    assert_eq!(refused, Err(TreeError::Damaged { digest: leaf }));
}

/// A tree whose leaves hang in each other's slots: every digest fits, no place does.
#[test]
fn a_node_in_the_wrong_place_is_damage() {
    let model = numbered(2);
    let mut tree = Tree::of(&model);
    let Node::Inner(honest) = &tree.nodes[&tree.root] else {
        unreachable!("two leaves")
    };
    let mut swapped: Vec<Digest> = honest.children().map(|(_, child)| *child).collect();
    swapped.reverse();
    let wrong = Inner::new(
        *honest.prefix(),
        honest.bitmap(),
        honest.count(),
        swapped.clone(),
    );
    let wrong = Node::Inner(wrong.unwrap());
    tree.root = wrong.digest();
    tree.nodes.insert(tree.root, wrong);
    for key in model.keys() {
        let got = get(&tree.nodes, &tree.root, key);
        assert!(matches!(got, Err(TreeError::Damaged { digest }) if swapped.contains(&digest)));
    }
}

/// An absence may be shown by a leaf of another key, a diverging prefix and an empty slot; each is
/// refused for a key that it does not settle.
#[test]
fn every_kind_of_absence_is_shown_and_none_is_borrowed() {
    let key = |start: &[u8]| {
        let mut bytes = [0; 32];
        bytes[..start.len()].copy_from_slice(start);
        Digest::from_bytes(bytes)
    };
    let present = [key(&[0x10]), key(&[0x22, 0x20]), key(&[0x22, 0x21])];
    let tree = Tree::of(&present.iter().map(|key| (*key, vec![1])).collect());
    let (other_leaf, diverging, empty) = (key(&[0x1f]), key(&[0x23]), key(&[0x22, 0x22]));
    for absent in [other_leaf, diverging, empty, key(&[0x33])] {
        assert_eq!(tree.prove(&absent).verify(&tree.root, &absent), Ok(None));
    }
    for (proven, asked) in [
        (other_leaf, diverging),
        (diverging, present[1]),
        (empty, present[2]),
        (empty, present[0]),
        (present[1], present[2]),
        (key(&[0x33]), present[0]),
    ] {
        let says = tree.prove(&proven).verify(&tree.root, &asked);
        assert!(says.is_err(), "{proven} about {asked}: {says:?}");
    }
}
