//! What each record does, and what the readers give back.

use std::collections::BTreeSet;

use decube_crypto::{Digest, SecretKey};
use decube_protocols::commit::{self, ChainSource};
use decube_protocols::documents::{self, DocumentStatus, QuarantineEntry, Source, StoredDocument};
use decube_protocols::history::HistorySource;
use decube_protocols::tree::{EMPTY_ROOT, NodeSource};
use decube_protocols::types::{
    CollectionId, DocumentName, Epoch, Height, Statement, Timestamp, View, peer_id,
};

use crate::faulty::FaultyDisk;
use crate::{
    ContentSize, EVENTS_KEPT, KnownPeer, MAX_ADDRESSES, MAX_BANS, MAX_PEERS, Store, StoreError,
    StoredEvent,
};

use super::history::{
    block, certificate, change, collection, content, document, final_record, final_step, finalize,
    leaf, live, network, notarize, proposal, prune, removed, steps, transaction, vote,
};
use super::on_disk;

fn empty() -> Store {
    on_disk(&FaultyDisk::new()).unwrap()
}

fn full() -> Store {
    let store = empty();
    for step in steps() {
        step.persist(&store).unwrap();
    }
    store
}

#[test]
fn final_blocks_are_read_back() {
    let (store, chain) = (full(), full().chain());
    assert_eq!(empty().chain().final_height(), Ok(Height(0)));
    assert_eq!(chain.final_height(), Ok(Height(3)));
    for height in 1..=3 {
        let record = final_record(height);
        assert_eq!(chain.final_block(Height(height)), Ok(Some(record.block)));
        assert_eq!(chain.block_id(Height(height)), Ok(Some(block(height).id())));
        for (digest, node) in record.state_nodes {
            assert_eq!(chain.node(&digest), Ok(Some(node)));
            assert_eq!(
                store.documents().node(&digest),
                Ok(None),
                "trees are kept apart"
            );
        }
        for (position, digest) in record.history {
            assert_eq!(chain.history(position), Ok(Some(digest)));
        }
    }
    assert_eq!(
        (chain.final_block(Height(0)), chain.final_block(Height(4))),
        (Ok(None), Ok(None))
    );
    // The block at height 2 has no finalization of its own.
    let next = |height| chain.finalization_from(Height(height)).unwrap();
    assert_eq!(next(2), Some((Height(3), certificate(3, finalize(3)))));
    assert_eq!(next(0).map(|(height, _)| height), Some(Height(1)));
    assert_eq!(next(4), None);
    let collections = final_record(1).collections;
    assert_eq!(
        chain.collection(&collection()),
        Ok(collections.first().cloned())
    );
    assert_eq!(chain.collections(), Ok(collections));
}

#[test]
fn a_final_block_is_written_once_and_never_replaced() {
    let store = full();
    let (before, cursor) = (super::rows(&store), store.last_cursor().unwrap());
    store
        .persist_commit(&[final_step(2), final_step(3)])
        .unwrap();
    let late = commit::FinalRecord {
        finalization: Some(certificate(2, finalize(2))),
        ..final_record(2)
    };
    let after = super::rows(&store);
    assert!(
        after.state[1..] == before.state[1..],
        "the same block again changes nothing"
    );
    assert!(after.votes == before.votes);
    store
        .persist_commit(&[commit::Record::Final(Box::new(late))])
        .unwrap();
    assert_eq!(store.last_cursor().unwrap(), cursor);
    let found = store.chain().finalization_from(Height(2)).unwrap();
    assert_eq!(
        found.map(|(height, _)| height),
        Some(Height(2)),
        "a later finalization is kept"
    );

    let mut other = final_record(3);
    other.block.block.header.time = Timestamp(1);
    let conflict = store
        .persist_commit(&[commit::Record::Final(Box::new(other))])
        .unwrap_err();
    assert!(
        matches!(
            conflict,
            StoreError::Conflict {
                height: Height(3),
                ..
            }
        ),
        "{conflict}"
    );
    let stopped = store.persist_commit(&[final_step(4)]).unwrap_err();
    assert_eq!(stopped, StoreError::Stopped(Box::new(conflict.clone())));
    let documents = store.persist_documents(&[documents::Record::Erase(document(1))]);
    assert_eq!(
        documents,
        Err(StoreError::Stopped(Box::new(conflict))),
        "a fork stops everything"
    );
}

#[test]
fn gaps_and_blocks_of_another_parent_are_refused() {
    let store = empty();
    let gap = StoreError::Gap {
        found: Height(2),
        expected: Height(1),
    };
    assert_eq!(store.persist_commit(&[final_step(2)]), Err(gap));
    let store = empty();
    store
        .persist_commit(&[final_step(1), final_step(2)])
        .unwrap();
    let mut orphan = final_record(3);
    orphan.block.block.header.parent = block(1).id();
    let refused = store.persist_commit(&[final_step(3), commit::Record::Final(Box::new(orphan))]);
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(
        store.chain().final_height(),
        Ok(Height(2)),
        "all of a call is written, or nothing"
    );
    let store = empty();
    store.persist_commit(&[final_step(1)]).unwrap();
    let mut orphan = final_record(2);
    orphan.block.block.header.parent = decube_protocols::types::BlockId(Digest::ZERO);
    let refused = store.persist_commit(&[commit::Record::Final(Box::new(orphan))]);
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_vote_log_gives_back_what_is_above_the_floor() {
    let store = empty();
    let records: Vec<_> = (1..=4)
        .flat_map(|view| {
            [
                commit::Record::Proposal(proposal(view)),
                vote(view, notarize(view)),
                commit::Record::Certificate(certificate(view, notarize(view))),
            ]
        })
        .collect();
    store.persist_commit(&records).unwrap();
    store.persist_commit(&[prune(2)]).unwrap();
    store.persist_commit(&[prune(1)]).unwrap();
    let restored = store.restored(Epoch(0)).unwrap();
    assert_eq!(restored.floor, View(2), "the floor only rises");
    assert_eq!(restored.proposals, [proposal(3), proposal(4)]);
    assert_eq!(
        restored.certificates,
        [3, 4].map(|view| certificate(view, notarize(view)))
    );
    let views: Vec<_> = restored.votes.iter().map(|vote| vote.view).collect();
    assert_eq!(views, [View(3), View(4)]);
    // What is below the floor is not needed any more, whoever brings it.
    let late = [
        commit::Record::Proposal(proposal(1)),
        commit::Record::Certificate(certificate(2, notarize(2))),
    ];
    store.persist_commit(&late).unwrap();
    assert_eq!(store.restored(Epoch(0)).unwrap(), restored);
    let other = store.restored(Epoch(7)).unwrap();
    assert_eq!(
        other,
        commit::Restored::default(),
        "another epoch has nothing"
    );
}

#[test]
fn a_vote_that_contradicts_the_log_is_refused() {
    let cases: [(&[commit::Record], commit::Record); 4] = [
        (&[vote(2, notarize(2))], vote(2, notarize(3))),
        (&[vote(2, finalize(2))], vote(2, Statement::Nullify)),
        (&[vote(2, Statement::Nullify)], vote(2, finalize(2))),
        (&[prune(2)], vote(2, notarize(2))),
    ];
    for (before, contradiction) in cases {
        let store = empty();
        store.persist_commit(before).unwrap();
        store.persist_commit(before).unwrap();
        let restored = store.restored(Epoch(0)).unwrap();
        let refused = store.persist_commit(&[contradiction]).unwrap_err();
        assert!(
            matches!(refused, StoreError::Equivocation { view: View(2), .. }),
            "{refused}"
        );
        assert_eq!(store.restored(Epoch(0)).unwrap(), restored);
        let stopped = store.persist_commit(&[vote(3, notarize(3))]);
        assert!(
            matches!(stopped, Err(StoreError::Stopped(_))),
            "{stopped:?}"
        );
    }
    // To nullify after having notarized is allowed.
    let store = empty();
    store
        .persist_commit(&[vote(2, notarize(2)), vote(2, Statement::Nullify)])
        .unwrap();
}

#[test]
fn documents_are_found_by_id_collection_and_name() {
    let store = full();
    let documents = store.documents();
    assert_eq!(
        documents.document(&document(1)),
        Ok(Some(live(1, "head 1")))
    );
    assert_eq!(documents.document(&document(3)), Ok(Some(removed(3))));
    assert_eq!(documents.document(&document(77)), Ok(None));
    let all = documents.documents(Some(&collection()), None, 10).unwrap();
    let mut ids = [document(1), document(2), document(3)];
    ids.sort();
    assert_eq!(
        all.iter().map(|document| document.id).collect::<Vec<_>>(),
        ids
    );
    assert_eq!(documents.documents(None, None, 10).unwrap(), all);
    let after = |index: usize| Some((collection(), ids[index]));
    assert_eq!(documents.documents(None, after(0), 1).unwrap(), all[1..2]);
    assert_eq!(
        documents
            .documents(Some(&collection()), after(1), 9)
            .unwrap(),
        all[2..]
    );
    assert_eq!(documents.documents(None, after(2), 9).unwrap(), []);
    let (low, high) = (
        CollectionId(Digest::ZERO),
        CollectionId(Digest::from_bytes([255; 32])),
    );
    assert_eq!(documents.documents(Some(&low), None, 9).unwrap(), []);
    assert_eq!(documents.documents(Some(&low), after(0), 9).unwrap(), []);
    assert_eq!(documents.documents(Some(&high), after(0), 9).unwrap(), []);
    assert_eq!(
        documents
            .documents(Some(&collection()), Some((low, ids[0])), 9)
            .unwrap(),
        all
    );
    let name = |n: u64| DocumentName::new(format!("note-{n}")).unwrap();
    assert_eq!(
        documents.named(&collection(), &name(2)),
        Ok(vec![document(2)])
    );
    assert_eq!(documents.named(&collection(), &name(9)), Ok(vec![]));
}

#[test]
fn a_name_follows_its_descriptor() {
    let store = empty();
    let renamed = |name: &str| {
        let mut document = live(1, "a");
        if let Some(descriptor) = &mut document.descriptor {
            descriptor.name = DocumentName::new(name).unwrap();
        }
        documents::Record::Document(document)
    };
    let named = |name: &str| {
        store
            .documents()
            .named(&collection(), &DocumentName::new(name).unwrap())
            .unwrap()
    };
    store
        .persist_documents(&[renamed("one"), documents::Record::Document(live(2, "a"))])
        .unwrap();
    store.persist_documents(&[renamed("note-2")]).unwrap();
    let mut both = [document(1), document(2)];
    both.sort();
    assert_eq!((named("one"), named("note-2")), (vec![], both.to_vec()));
    let nameless = StoredDocument {
        descriptor: None,
        ..removed(1)
    };
    store
        .persist_documents(&[documents::Record::Document(nameless)])
        .unwrap();
    assert_eq!(named("note-2"), [document(2)]);
}

#[test]
fn changes_keep_their_order_and_a_snapshot_replaces_them() {
    let (store, id) = (empty(), document(1));
    let append = |names: &[&str]| {
        let changes = names.iter().map(|name| content(name, 20)).collect();
        store
            .persist_documents(&[documents::Record::Changes {
                document: id,
                changes,
            }])
            .unwrap();
    };
    append(&["a", "b"]);
    append(&["c"]);
    let changes = |names: &[&str]| {
        names
            .iter()
            .map(|name| content(name, 20))
            .collect::<Vec<_>>()
    };
    let stored = store.documents().content(&id).unwrap();
    assert_eq!(
        (stored.snapshot, stored.changes),
        (None, changes(&["a", "b", "c"]))
    );
    let size = ContentSize {
        snapshot_bytes: 0,
        changes: 3,
        change_bytes: 60,
    };
    assert_eq!(store.documents().content_size(&id), Ok(size));
    let snapshot = documents::Record::Snapshot {
        document: id,
        snapshot: content("s", 50),
    };
    store.persist_documents(&[snapshot]).unwrap();
    append(&["d"]);
    let stored = store.documents().content(&id).unwrap();
    assert_eq!(
        (stored.snapshot, stored.changes),
        (Some(content("s", 50)), changes(&["d"]))
    );
    let size = ContentSize {
        snapshot_bytes: 50,
        changes: 1,
        change_bytes: 20,
    };
    assert_eq!(store.documents().content_size(&id), Ok(size));
    store
        .persist_documents(&[documents::Record::Erase(id)])
        .unwrap();
    assert_eq!(store.documents().content(&id), Ok(Default::default()));
}

#[test]
fn a_collection_tree_keeps_its_present_nodes_only() {
    let store = full();
    let documents = store.documents();
    let (digest, node) = leaf("head 3");
    assert_eq!(documents.collection_root(&collection()), Ok(digest));
    assert_eq!(
        documents.collection_roots(),
        Ok(vec![(collection(), digest)])
    );
    assert_eq!(documents.node(&digest), Ok(Some(node)));
    assert_eq!(documents.node(&leaf("first").0), Ok(None));
    assert_eq!(
        documents.collection_root(&CollectionId(Digest::ZERO)),
        Ok(EMPTY_ROOT)
    );
    // A node that goes and comes in one record stays.
    let again = documents::Record::Tree {
        collection: collection(),
        root: digest,
        added: [leaf("head 3")].into(),
        removed: BTreeSet::from([digest]),
    };
    store.persist_documents(&[again]).unwrap();
    assert!(documents.node(&digest).unwrap().is_some());
}

#[test]
fn quarantine_is_released_by_change() {
    let store = full();
    let entry = |n| QuarantineEntry {
        document: document(n),
        change: change("bad"),
        bytes: Vec::new(),
        reason: "too large".into(),
    };
    let put = [1, 2].map(|n| documents::Record::Quarantine(entry(n)));
    store.persist_documents(&put).unwrap();
    let mut found = store.documents().quarantine().unwrap();
    found.sort_by_key(|entry| entry.document != document(1));
    assert_eq!(
        found,
        [entry(1), entry(2)],
        "an entry replaces the one of the same change"
    );
    store
        .persist_documents(&[documents::Record::Release(change("other"))])
        .unwrap();
    assert_eq!(store.documents().quarantine().unwrap().len(), 2);
    store
        .persist_documents(&[documents::Record::Release(change("bad"))])
        .unwrap();
    assert_eq!(store.documents().quarantine(), Ok(vec![]));
}

#[test]
fn pending_transactions_come_back_in_order() {
    use decube_protocols::submission::Record::{Done, Pending};
    let store = empty();
    let all = [5, 2, 9, 1].map(|nonce| Pending(transaction(nonce)));
    store.persist_submission(&all).unwrap();
    store
        .persist_submission(&[Done(transaction(9).id(&network())), Pending(transaction(2))])
        .unwrap();
    assert_eq!(store.pending(), Ok([1, 2, 5].map(transaction).to_vec()));
}

#[test]
fn events_are_followed_with_a_cursor_and_only_the_newest_are_kept() {
    let store = full();
    let all = store.events_after(0, 1000).unwrap();
    let cursors: Vec<_> = all.events.iter().map(|(cursor, _)| *cursor).collect();
    assert_eq!(cursors, (1..=all.events.len() as u64).collect::<Vec<_>>());
    assert_eq!(store.last_cursor(), Ok(all.events.len() as u64));
    assert_eq!(store.events_after(3, 2).unwrap().events, all.events[3..5]);
    // Heights 1 to 3 commit documents 2, 4 and 6; that of height 3 is rejected.
    let committed = all.events.iter().filter_map(|(_, event)| match event {
        StoredEvent::Committed { document, .. } => Some(*document),
        StoredEvent::DocumentChanged { .. }
        | StoredEvent::Final { .. }
        | StoredEvent::ConnectionRefused { .. }
        | StoredEvent::ClassicConnection { .. } => None,
    });
    let committed: Vec<_> = committed.collect();
    assert_eq!(
        committed,
        [document(2), document(3), document(4), document(5)]
    );

    let many = vec![documents::Record::Document(live(1, "a")); 4000];
    for _ in 0..3 {
        store.persist_documents(&many).unwrap();
    }
    let last = store.last_cursor().unwrap();
    assert_eq!(last, all.events.len() as u64 + 12_000);
    let page = store.events_after(0, 1).unwrap();
    let oldest = last - EVENTS_KEPT + 1;
    assert_eq!((page.events[0].0, page.skipped), (oldest, oldest - 1));
    assert_eq!(store.events_after(oldest, 1).unwrap().skipped, 0);
    assert_eq!(store.events_after(last, 5), Ok(Default::default()));
    assert_eq!(store.events_after(u64::MAX, 5), Ok(Default::default()));
}

#[test]
fn a_pin_outlives_new_addresses_and_goes_with_the_peer() {
    let store = empty();
    let alice = peer_id(&SecretKey::from_seed(&[1; 32]).public());
    let bob = peer_id(&SecretKey::from_seed(&[2; 32]).public());
    let known = KnownPeer {
        peer: alice,
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        last_seen: Timestamp(5),
        post_quantum_since: None,
    };
    store.remember_peers(std::slice::from_ref(&known)).unwrap();
    store.pin_peers(&[alice, bob], Timestamp(6)).unwrap();
    store.pin_peers(&[alice], Timestamp(7)).unwrap();
    store.remember_peers(std::slice::from_ref(&known)).unwrap();
    let found = store.known_peers().unwrap();
    let of = |peer| found.iter().find(|known| known.peer == peer).unwrap();
    assert_eq!(of(alice).addresses, known.addresses);
    assert_eq!(of(alice).post_quantum_since, Some(Timestamp(6)));
    assert_eq!(of(bob).post_quantum_since, Some(Timestamp(6)));
    assert!(of(bob).addresses.is_empty());
    store.forget_peer(&alice).unwrap();
    store.remember_peers(&[known]).unwrap();
    let found = store.known_peers().unwrap();
    let again = found.iter().find(|known| known.peer == alice).unwrap();
    assert_eq!(again.post_quantum_since, None);
}

#[test]
fn the_address_book_and_the_bans_are_bounded() {
    let store = empty();
    let peer = |n: usize| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        peer_id(&SecretKey::from_seed(&seed).public())
    };
    let known = |n: usize| KnownPeer {
        peer: peer(n),
        addresses: (0..MAX_ADDRESSES + 2)
            .map(|at| format!("/ip4/127.0.0.1/tcp/{at}"))
            .collect(),
        last_seen: Timestamp(n as u64),
        post_quantum_since: None,
    };
    let peers: Vec<_> = (0..MAX_PEERS + 5).map(known).collect();
    store.remember_peers(&peers).unwrap();
    let found = store.known_peers().unwrap();
    assert_eq!(found.len(), MAX_PEERS);
    assert!(
        found
            .iter()
            .all(|known| known.addresses.len() == MAX_ADDRESSES)
    );
    assert!(
        found.iter().all(|known| known.last_seen >= Timestamp(5)),
        "the oldest give way"
    );
    store.forget_peer(&peer(100)).unwrap();
    assert!(
        store
            .known_peers()
            .unwrap()
            .iter()
            .all(|known| known.peer != peer(100))
    );

    store.ban_peer(&peer(1), Timestamp(7)).unwrap();
    store.ban_peer(&peer(1), Timestamp(8)).unwrap();
    assert_eq!(store.banned_peers(), Ok(vec![(peer(1), Timestamp(7))]));
    store.unban_peer(&peer(1)).unwrap();
    assert_eq!(store.banned_peers(), Ok(vec![]));
    let (state, _) = store.files();
    let fill = state.write(|transaction| {
        (0..MAX_BANS).try_for_each(|n| crate::peers::ban(transaction, &peer(n), Timestamp(1)))
    });
    fill.unwrap();
    let full = store.ban_peer(&peer(MAX_BANS), Timestamp(1)).unwrap_err();
    assert_eq!(
        full,
        StoreError::TooMany {
            what: "banned peers",
            limit: MAX_BANS
        }
    );
    assert_eq!(store.stopped(), None, "a full list stops nothing");
    store.unban_peer(&peer(0)).unwrap();
    store.ban_peer(&peer(MAX_BANS), Timestamp(1)).unwrap();
}

#[test]
fn a_write_larger_than_what_is_read_back_is_refused() {
    let store = empty();
    let mut large = live(1, "a");
    let heads = (0..20_000_u32).map(|n| change(&n.to_string())).collect();
    large.status = DocumentStatus::Live(heads);
    let refused = store
        .persist_documents(&[documents::Record::Document(large)])
        .unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::TooLarge {
                table: "documents",
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(store.documents().document(&document(1)), Ok(None));
}

#[test]
fn each_call_is_one_durable_write_of_each_file_that_it_needs() {
    let store = empty();
    let counts = |store: &Store| {
        let counts = store.write_counts();
        (counts.state.transactions, counts.votes.transactions)
    };
    let (state, votes) = counts(&store);
    let syncs = store.write_counts();
    store.persist_commit(&[vote(1, notarize(1))]).unwrap();
    assert_eq!(counts(&store), (state, votes + 1));
    store.persist_commit(&[final_step(1)]).unwrap();
    assert_eq!(counts(&store), (state + 1, votes + 1));
    store
        .persist_commit(&[final_step(2), vote(3, notarize(3)), prune(1)])
        .unwrap();
    assert_eq!(counts(&store), (state + 2, votes + 2));
    store.persist_commit(&[]).unwrap();
    store.persist_documents(&[]).unwrap();
    store.persist_submission(&[]).unwrap();
    store.remember_peers(&[]).unwrap();
    assert_eq!(
        counts(&store),
        (state + 2, votes + 2),
        "nothing to write is not written"
    );
    let after = store.write_counts();
    assert!(
        after.votes.syncs >= syncs.votes.syncs + 2 && after.state.syncs >= syncs.state.syncs + 2
    );
}
