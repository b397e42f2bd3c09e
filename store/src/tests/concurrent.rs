//! Several threads use one store at the same time.

use decube_protocols::commit::ChainSource;
use decube_protocols::documents::Source;
use decube_protocols::types::Height;

use crate::faulty::FaultyDisk;

use super::history::{self, Step};
use super::{on_disk, rows};

#[test]
fn the_chain_and_documents_are_written_side_by_side() {
    let disk = FaultyDisk::new();
    let store = on_disk(&disk).unwrap();
    let is_chain = |step: &Step| matches!(step, Step::Commit(_));
    let (chain, others): (Vec<_>, Vec<_>) = history::steps().into_iter().partition(is_chain);
    std::thread::scope(|scope| {
        for steps in [&chain, &others] {
            let store = store.clone();
            scope.spawn(move || {
                for step in steps {
                    step.persist(&store).unwrap();
                }
            });
        }
        let reader = store.clone();
        scope.spawn(move || {
            let mut last = Height(0);
            for _ in 0..200 {
                let height = reader.chain().final_height().unwrap();
                assert!(height >= last, "a reader never sees the chain go back");
                assert!(
                    height == Height(0) || reader.chain().final_block(height).unwrap().is_some()
                );
                last = height;
            }
        });
    });
    assert_eq!(store.chain().final_height().unwrap(), Height(3));
    assert_eq!(
        store.documents().documents(None, None, 10).unwrap().len(),
        3
    );
    let expected = rows(&store);
    drop(store);
    assert!(rows(&on_disk(&disk).unwrap()) == expected);
}
