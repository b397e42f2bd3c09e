//! Random edits, losses, cuts and restarts: whatever happens, all agree in the end.

use proptest::prelude::*;
use serde_json::json;

use super::world::{Links, World};
use super::{Command, Duration, Reply, SECOND, SyncState};

/// A node, what it does, and the milliseconds until the next step.
type Step = (usize, u8, u64);

/// A history at whose end a node's Bloom filter takes changes that it lacks for some that it has,
/// at every try: it must get them all the same.
#[rustfmt::skip]
const HIDDEN_BY_A_FILTER: [Step; 32] = [
    (2, 11, 246), (1, 0, 227), (1, 2, 393), (2, 7, 324), (0, 9, 226), (0, 7, 299),
    (0, 11, 219), (2, 5, 181), (2, 3, 342), (1, 3, 279), (0, 11, 310), (0, 6, 236),
    (0, 4, 50), (0, 9, 385), (1, 9, 366), (1, 11, 216), (2, 2, 243), (2, 3, 30),
    (1, 5, 358), (2, 1, 104), (2, 7, 2), (0, 1, 84), (1, 11, 24), (0, 0, 391),
    (1, 7, 273), (2, 3, 214), (1, 8, 69), (2, 8, 238), (1, 2, 323), (0, 8, 138),
    (2, 4, 129), (0, 11, 196),
];

fn agree(seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(3, seed);
    world.links = Links {
        loss: 30,
        delay: 50,
    };
    let mut documents = vec![world.create(0, "first", json!({"t": "", "l": []}))];
    let mut life = 0;
    for &(node, what, pause) in steps {
        let document = documents[usize::from(what) % documents.len()];
        let known = world.command(node, Command::Describe { document });
        let live = matches!(&known, Ok(Reply::Document(entry)) if !entry.removed && !entry.heads.is_empty());
        match what {
            0 => documents.push(world.create(node, "more", json!({"t": "", "l": []}))),
            1 => {
                life += 1;
                world.restart(node, life);
            }
            2 => world.cut(node, true),
            3 => world.cut(node, false),
            4 if live && documents.len() > 3 => {
                drop(world.command(node, Command::Remove { document }));
            }
            _ if live => {
                let patch = json!([{"op": "splice", "pointer": "/t", "index": 0, "insert": "x"},
                                   {"op": "insert", "pointer": "/l", "index": 0, "value": pause}]);
                world.edit(node, document, patch);
            }
            _ => {}
        }
        world.run(Duration::from_millis(pause));
    }
    (0..3).for_each(|node| world.cut(node, false));
    world.links = Links { loss: 0, delay: 20 };
    world.run(SECOND * 60);
    let roots = world.roots();
    prop_assert!(roots.iter().all(|root| *root == roots[0]), "{:?}", roots);
    for node in 0..3 {
        prop_assert_eq!(world.standing(node), vec![SyncState::Equal; 2]);
        for document in &documents {
            prop_assert_eq!(world.heads(node, *document), world.heads(0, *document));
        }
    }
    prop_assert!(world.penalties.is_empty(), "{:?}", world.penalties);
    Ok(())
}

#[test]
fn nodes_agree_although_a_filter_hides_changes() {
    agree(11_620_688_996_337_623_215, &HIDDEN_BY_A_FILTER).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn three_nodes_agree_whatever_is_lost(
        seed in any::<u64>(),
        steps in prop::collection::vec((0_usize..3, 0_u8..12, 0_u64..400), 10..60),
    ) {
        agree(seed, &steps)?;
    }
}
