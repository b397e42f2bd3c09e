//! Wishes of alice's node, with scripted replicas and validators over a chain in memory.

mod world;

use std::time::Duration;

use decube_crypto::Digest;

use super::transactions::EXPIRY;
use world::*;

use super::{Effect, Input, MAX_WISHES, Progress, Record, SubmissionError, Wish};
use crate::commit::{PoolRefusal, RequestFailure};
use crate::documents::ReceiptRefusal;
use crate::types::{
    Action, CollectionId, CollectionName, Heads, Height, NetworkId, Outcome, PeerId, Rejection,
    RequestId, StateKey, Transaction, TransactionId,
};

const APPLIED: Outcome = Outcome::Applied;

#[test]
fn a_wish_becomes_a_final_transaction() {
    let mut world = World::connected();
    let effects = world.wish(Wish::Commit(vec![request(1)]));
    assert_eq!(
        asked(&world, &effects),
        [0, 1, 2, 3],
        "all at once, this node included"
    );
    // One lacks changes; the third receipt completes the quorum.
    let effects = world.answer(effects, |replica| {
        (replica == 1).then_some(ReceiptRefusal::Missing)
    });
    let transaction = pending(&effects);
    let id = transaction.id(&world.network);
    let expires = Height(1 + EXPIRY);
    assert_eq!((transaction.nonce, transaction.expires), (1, expires));
    assert_eq!(transaction.verify(&world.network), Ok(()));
    let Action::Commit(commit) = &transaction.action else {
        panic!("{transaction:?}")
    };
    assert_eq!(commit.receipts.len(), 3);
    assert!(
        commit
            .receipts
            .is_sorted_by_key(|receipt| (receipt.document, receipt.replica))
    );
    assert!(
        commit
            .receipts
            .iter()
            .all(|it| it.verify(&world.network, &commit.entries[0]).is_ok())
    );
    // Durable before it is reported, and before any validator gets it.
    assert!(matches!(effects[0], Effect::Persist(Record::Pending(_))));
    let submitted = Progress::Submitted {
        transaction: id,
        expires,
    };
    assert_eq!(reports(&effects), [(RequestId(1), submitted)]);
    assert_eq!(numbers(&world, &effects), [0, 1, 2, 3]);
    assert_eq!(world.core.under_way(), 1);

    let effects = world.finalize(&[(&transaction, APPLIED)]);
    assert_eq!(persisted(&effects), [Record::Done(id)]);
    let progress = Progress::Final {
        transaction: id,
        height: Height(2),
        outcome: APPLIED,
    };
    assert_eq!(reports(&effects), [(RequestId(1), progress)]);
    assert_eq!(
        (world.core.under_way(), world.core.poll_timeout()),
        (0, None)
    );
}

#[test]
fn a_rejection_is_the_last_word() {
    let mut world = World::connected();
    let transaction = pending(&world.wish(create("photos")));
    let reason = Rejection::CollectionExists {
        collection: COLLECTION,
    };
    let outcome = Outcome::Rejected { reason };
    let effects = world.finalize(&[(&transaction, outcome.clone())]);
    let transaction = transaction.id(&world.network);
    let progress = Progress::Final {
        transaction,
        height: Height(2),
        outcome,
    };
    assert_eq!(reports(&effects), [(RequestId(1), progress)]);
}

#[test]
fn replicas_that_lag_are_asked_again_until_they_sign() {
    let mut world = World::connected();
    let mut effects = world.wish(Wish::Commit(vec![request(1)]));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        effects = world.answer(effects, |_| Some(ReceiptRefusal::Missing));
        assert_eq!(asked(&world, &effects), [] as [usize; 0]);
        let before = world.now.monotonic;
        effects = world.wait();
        pauses.push((world.now.monotonic - before).as_millis());
        assert_eq!(asked(&world, &effects), [0, 1, 2, 3]);
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 500]);
    let effects = world.answer(effects, |_| None);
    pending(&effects);
}

#[test]
fn a_replica_that_connects_is_asked_at_once() {
    let mut world = World::alone();
    let effects = world.wish(Wish::Commit(vec![request(1)]));
    assert_eq!(asked(&world, &effects), [0]);
    world.answer(effects, |_| None);
    for number in [3, 1] {
        let effects = world.handle(Input::Connected(world.peer(number)));
        assert_eq!(asked(&world, &effects), [number]);
        let effects = world.answer(effects, |_| None);
        // With the third receipt, the validators that are there get the transaction.
        if number == 1 {
            assert_eq!(numbers(&world, &effects), [0, 1, 3]);
            pending(&effects);
        }
    }
    let effects = world.handle(Input::Connected(world.peer(2)));
    assert_eq!(
        numbers(&world, &effects),
        [2],
        "a validator that connects gets it too"
    );
}

#[test]
fn too_few_receipts_are_told_with_the_last_reason() {
    let mut world = World::connected();
    let mut effects = world.wish(Wish::Commit(vec![request(1)]));
    let late = Duration::from_secs(10);
    while reports(&effects).is_empty() {
        assert!(world.now.monotonic < late);
        world.answer(effects, |replica| {
            (replica > 1).then_some(ReceiptRefusal::NotFollowed)
        });
        effects = world.wait();
    }
    assert_eq!(world.now.monotonic, late);
    let last = "r: the replica does not follow this document".to_owned();
    let document = request(1).entry.document;
    let expected = SubmissionError::TooFewReceipts {
        document,
        found: 2,
        needed: 3,
        last,
    };
    assert_eq!(failure(&effects), expected);
    assert_eq!(
        (world.core.under_way(), world.core.poll_timeout()),
        (0, None)
    );
}

#[test]
fn replicas_that_will_never_sign_end_a_wish_at_once() {
    let mut world = World::connected();
    let effects = world.wish(Wish::Commit(vec![request(1)]));
    let refusal = ReceiptRefusal::NotADescendant;
    let effects = world.answer(effects, |replica| (replica > 1).then_some(refusal));
    let SubmissionError::TooFewReceipts {
        found: 2,
        needed: 3,
        last,
        ..
    } = failure(&effects)
    else {
        panic!("{effects:?}");
    };
    assert!(last.contains("does not descend"), "{last}");
}

#[test]
fn forged_receipts_and_answers_do_not_count() {
    let mut world = World::connected();
    let effects = world.wish(Wish::Commit(vec![request(1)]));
    let forged = [
        Ok(vec![Ok(world.receipt(2, &request(1)))]), // another replica's
        Ok(vec![Ok(world.receipt(1, &request(2)))]), // of another document
        Ok(vec![]),
        Err(RequestFailure::Garbage),
    ];
    for (effect, result) in effects.iter().zip(forged) {
        let Effect::RequestReceipts { id, .. } = effect else {
            panic!("{effect:?}")
        };
        // The answer of one who was not asked under this id is dropped.
        let from = PeerId::from(libp2p_identity::PublicKey::from(
            libp2p_identity::ed25519::PublicKey::try_from_bytes(world.author.public().as_bytes())
                .unwrap(),
        ));
        let dropped = Input::Receipts {
            id: *id,
            from,
            result: Ok(vec![]),
        };
        assert!(world.handle(dropped).is_empty());
        let Effect::RequestReceipts { to, id, .. } = effect else {
            panic!("{effect:?}")
        };
        let input = Input::Receipts {
            id: *id,
            from: *to,
            result,
        };
        assert!(world.handle(input.clone()).is_empty());
        assert!(world.handle(input).is_empty(), "an answer counts once");
    }
    let effects = world.wait();
    let effects = world.answer(effects, |_| None);
    pending(&effects);
}

#[test]
fn several_documents_need_a_quorum_each() {
    let mut world = World::connected();
    let mut requests = vec![request(1), request(2), request(3)];
    requests.sort_by_key(|request| request.entry.document);
    let effects = world.wish(Wish::Commit(requests.clone()));
    let mut last = Vec::new();
    for effect in effects {
        let Effect::RequestReceipts { to, id, requests } = effect else {
            continue;
        };
        let replica = world.number(&to);
        // Each replica lacks another one of the documents.
        let answer = |(place, request)| match place == replica {
            true => Err(ReceiptRefusal::Missing),
            false => Ok(world.receipt(replica, request)),
        };
        let result = Ok(requests.iter().enumerate().map(answer).collect());
        last = world.handle(Input::Receipts {
            id,
            from: to,
            result,
        });
    }
    let Action::Commit(commit) = pending(&last).action else {
        panic!("{last:?}")
    };
    let entries: Vec<_> = requests
        .iter()
        .map(|request| request.entry.clone())
        .collect();
    assert_eq!(commit.entries, entries);
    for entry in entries {
        let of_it = commit
            .receipts
            .iter()
            .filter(|it| it.document == entry.document);
        assert_eq!(
            of_it
                .filter(|it| it.verify(&world.network, &entry).is_ok())
                .count(),
            3
        );
    }
}

#[test]
fn a_wish_that_cannot_be_a_transaction_is_refused() {
    let mut world = World::connected();
    let mut unsorted = vec![request(1), request(2)];
    unsorted.sort_by_key(|request| std::cmp::Reverse(request.entry.document));
    let mut elsewhere = request(1);
    elsewhere.entry.collection = CollectionId(digest(5));
    let mut headless = request(1);
    headless.entry.heads = Heads::default();
    let mut other_previous = request(1);
    other_previous.previous = request(2).entry.heads;
    let mut both = [request(1), elsewhere.clone()];
    both.sort_by_key(|request| request.entry.collection);
    for (requests, reason) in [
        (vec![], "at least one document"),
        (vec![request(1); 65], "more than the 64"),
        (unsorted, "ascending"),
        (vec![request(1), request(1)], "ascending"),
        (both.to_vec(), "two collections"),
        (vec![elsewhere], "there is no collection"),
        (vec![headless], "no change to commit"),
        (vec![other_previous], "previous heads"),
    ] {
        let error = failure(&world.wish(Wish::Commit(requests)));
        assert!(
            matches!(&error, SubmissionError::Malformed(text) if text.contains(reason)),
            "{error}"
        );
    }
    assert_eq!(world.core.under_way(), 0);
}

#[test]
fn nonces_rise_above_the_committed_and_the_used_ones() {
    let mut world = World::connected();
    let elsewhere = foreign(&world, 41, Height(50));
    world.finalize(&[(&elsewhere, APPLIED)]);
    let first = pending(&world.wish(create("a")));
    let second = pending(&world.wish(create("b")));
    assert_eq!((first.nonce, second.nonce), (42, 43));
}

/// A transaction that alice's key signed somewhere else.
fn foreign(world: &World, nonce: u64, expires: Height) -> Transaction {
    let name = CollectionName::new(format!("elsewhere-{nonce}")).unwrap();
    let action = Action::CreateCollection(crate::types::CreateCollection {
        name,
        write_quorum: None,
    });
    Transaction::sign(&world.network, action, nonce, expires, &world.author)
}

#[test]
fn a_used_nonce_makes_a_new_signature() {
    let mut world = World::connected();
    let first = pending(&world.wish(create("a")));
    // Elsewhere the same key uses the nonce. In one case the block has both transactions, in the
    // other the validators drop the one that can no longer take effect.
    let mut used = first.clone();
    for silent in [false, true] {
        let elsewhere = foreign(&world, used.nonce, Height(50));
        let reason = Rejection::StaleNonce {
            nonce: used.nonce,
            last: used.nonce,
        };
        let rejected = (&used, Outcome::Rejected { reason });
        let block = [(&elsewhere, APPLIED), rejected];
        let effects = world.finalize(if silent { &block[..1] } else { &block });
        let again = pending(&effects);
        assert_eq!((again.nonce, &again.action), (used.nonce + 1, &used.action));
        let (id, done) = (again.id(&world.network), used.id(&world.network));
        let records = [Record::Pending(again.clone()), Record::Done(done)];
        assert_eq!(persisted(&effects), records, "the new one first");
        let progress = Progress::Submitted {
            transaction: id,
            expires: again.expires,
        };
        assert_eq!(reports(&effects), [(RequestId(1), progress)]);
        assert_eq!(numbers(&world, &effects), [0, 1, 2, 3]);
        used = again;
    }
    let effects = world.finalize(&[(&used, APPLIED)]);
    assert!(matches!(
        reports(&effects)[..],
        [(RequestId(1), Progress::Final { .. })]
    ));
}

#[test]
fn signing_again_is_bounded() {
    let mut world = World::connected();
    let mut transaction = pending(&world.wish(create("a")));
    let mut signatures = 1;
    loop {
        let elsewhere = foreign(&world, transaction.nonce, Height(50));
        let effects = world.finalize(&[(&elsewhere, APPLIED)]);
        if let [(_, Progress::Failed(error))] = &reports(&effects)[..] {
            assert!(error.to_string().contains("was used by another"), "{error}");
            assert_eq!(
                persisted(&effects),
                [Record::Done(transaction.id(&world.network))]
            );
            break;
        }
        transaction = pending(&effects);
        signatures += 1;
    }
    assert_eq!((signatures, world.core.under_way()), (8, 0));
}

#[test]
fn a_transaction_signed_elsewhere_is_checked_and_never_signed_again() {
    let mut world = World::connected();
    let used = foreign(&world, 5, Height(50));
    world.finalize(&[(&used, APPLIED)]);
    let mut forged = foreign(&world, 9, Height(50));
    forged.nonce = 10;
    let other_network = NetworkId(Digest::ZERO);
    let action = forged.action.clone();
    let stray = Transaction::sign(&other_network, action, 9, Height(50), &world.author);
    for (transaction, reason) in [
        (forged, "signature does not hold"),
        (stray, "signature does not hold"),
        (used.clone(), "nonce 5 is not above the author's last, 5"),
        (foreign(&world, 6, Height(20_000)), "blocks ahead"),
        (foreign(&world, 6, Height(2)), "expired after height 2"),
    ] {
        let error = failure(&world.wish(Wish::Submit(Box::new(transaction))));
        assert!(error.to_string().contains(reason), "{error}");
    }
    let good = foreign(&world, 6, Height(50));
    let effects = world.wish(Wish::Submit(Box::new(good.clone())));
    assert_eq!(pending(&effects), good);
    let twice = failure(&world.wish(Wish::Submit(Box::new(good))));
    assert!(twice.to_string().contains("under way already"));
    let effects = world.finalize(&[(&foreign(&world, 7, Height(50)), APPLIED)]);
    assert!(
        failure(&effects)
            .to_string()
            .contains("was used by another")
    );
}

#[test]
fn a_foreign_commit_with_a_bad_receipt_is_refused() {
    let mut world = World::connected();
    let entry = request(1).entry;
    let sign = |receipts| {
        let action = Action::Commit(crate::types::Commit {
            entries: vec![entry.clone()],
            receipts,
        });
        Transaction::sign(&world.network, action, 1, Height(50), &world.author)
    };
    let good = sign(vec![world.receipt(1, &request(1))]);
    let mut other = world.receipt(1, &request(2));
    let unknown = sign(vec![other.clone()]);
    other.document = entry.document;
    let forged = sign(vec![other]);
    for bad in [unknown, forged] {
        let error = failure(&world.wish(Wish::Submit(Box::new(bad))));
        assert!(error.to_string().contains("does not hold"), "{error}");
    }
    assert_eq!(
        pending(&world.wish(Wish::Submit(Box::new(good.clone())))),
        good
    );
}

#[test]
fn validators_get_it_until_it_is_final() {
    let mut world = World::connected();
    let effects = world.wish(create("a"));
    let transaction = pending(&effects);
    let results = [
        Ok(Ok(())),
        Ok(Err(PoolRefusal::Full)),
        Ok(Err(PoolRefusal::Malformed)),
        Err(RequestFailure::TimedOut),
    ];
    for ((number, id), result) in handed(&world, &effects).into_iter().zip(results) {
        let from = world.peer(number);
        assert!(
            world
                .handle(Input::Transaction { id, from, result })
                .is_empty()
        );
    }
    let mut pauses = Vec::new();
    for round in 0..6 {
        let before = world.now.monotonic;
        let effects = world.wait();
        pauses.push((world.now.monotonic - before).as_millis());
        // Validator 2 would count it as an offence; those that owe an answer are left alone.
        let expected = if round == 0 { vec![0, 1, 3] } else { vec![] };
        assert_eq!(numbers(&world, &effects), expected, "round {round}");
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 10_000]);
    // After half a minute a request without an answer counts as lost.
    let effects = world.wait();
    assert_eq!(numbers(&world, &effects), [0, 1, 3]);
    let effects = world.handle(Input::Disconnected(world.peer(3)));
    assert!(effects.is_empty());
    world.handle(Input::Disconnected(world.peer(0)));
    world.now.monotonic += Duration::from_secs(40);
    let effects = world.wait();
    assert_eq!(
        numbers(&world, &effects),
        [0, 1],
        "this node is never away from itself"
    );
    let effects = world.finalize(&[(&transaction, APPLIED)]);
    assert_eq!(reports(&effects).len(), 1);
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn what_is_not_included_expires() {
    let mut world = World::connected();
    let transaction = foreign(&world, 1, Height(4));
    world.wish(Wish::Submit(Box::new(transaction.clone())));
    for _ in 2..4 {
        assert!(world.finalize(&[]).is_empty());
    }
    let effects = world.finalize(&[]);
    let id = transaction.id(&world.network);
    assert_eq!(persisted(&effects), [Record::Done(id)]);
    let expired = SubmissionError::Expired {
        transaction: id,
        expires: Height(4),
    };
    assert_eq!(failure(&effects), expired);
}

#[test]
fn a_submitted_transaction_survives_a_restart() {
    let mut world = World::connected();
    let [waits, included, overtaken]: [Transaction; 3] =
        ["waits", "included", "overtaken"].map(|name| pending(&world.wish(create(name))));
    let expired = foreign(&world, 90, Height(3));
    // The node stops before it hears of two more blocks, which are in its store. The second
    // transaction is in the first of them, so the nonce of the first is used.
    let mut chain = world.core.source.clone();
    let nonce = (
        StateKey::Nonce(included.author),
        included.nonce.to_le_bytes().to_vec(),
    );
    chain.append(&[nonce], vec![(included.clone(), APPLIED)], true);
    chain.append(&[], vec![], true);
    let all = vec![
        waits.clone(),
        included.clone(),
        overtaken.clone(),
        expired.clone(),
    ];
    let mut world = World::start(chain, all);
    assert_eq!(world.core.under_way(), 4);
    assert_eq!(world.core.poll_timeout(), Some(Duration::ZERO));
    let effects = world.wait();
    let done: Vec<TransactionId> = persisted(&effects)
        .into_iter()
        .filter_map(|record| match record {
            Record::Done(id) => Some(id),
            Record::Pending(_) => None,
        })
        .collect();
    let ids = [&included, &expired, &waits].map(|it| it.id(&world.network));
    assert_eq!(done[0], ids[0], "found in the chain");
    assert!(done.len() == 3 && ids.iter().all(|id| done.contains(id)));
    // The first is signed again, above every nonce that was used before the restart.
    let again = pending(&effects);
    assert_eq!((&again.action, again.nonce), (&waits.action, 91));
    assert_eq!(reports(&effects), [], "those who waited are gone");
    assert_eq!(
        numbers(&world, &effects),
        [0, 0],
        "two transactions for the one validator here"
    );
    // What comes next gets a nonce above all.
    assert_eq!(pending(&world.wish(create("next"))).nonce, 92);
    let effects = world.finalize(&[(&overtaken, APPLIED), (&again, APPLIED)]);
    assert_eq!(persisted(&effects).len(), 2);
    assert_eq!(world.core.under_way(), 1);
}

#[test]
fn wishes_are_bounded() {
    let mut world = World::alone();
    for number in 0..MAX_WISHES as u64 {
        let wish = match number % 2 {
            0 => Wish::Commit(vec![request(number)]),
            _ => create(&format!("c{number}")),
        };
        assert_eq!(failures(&world.wish(wish)), 0);
    }
    assert_eq!(
        failure(&world.wish(create("one-too-many"))),
        SubmissionError::Busy
    );
    let mut ended = 0;
    while world.core.under_way() == MAX_WISHES {
        ended += failures(&world.wait());
    }
    assert_eq!(
        ended,
        MAX_WISHES / 2,
        "those that wait for receipts give up"
    );
    assert_eq!(failures(&world.wish(create("room-again"))), 0);
}

fn failures(effects: &[Effect]) -> usize {
    let is_failure =
        |(_, progress): &(RequestId, Progress)| matches!(progress, Progress::Failed(_));
    reports(effects)
        .iter()
        .filter(|report| is_failure(report))
        .count()
}

#[test]
fn the_same_inputs_give_the_same_effects() {
    let mut world = World::connected();
    let effects = world.wish(Wish::Commit(vec![request(1)]));
    let mut copy = World {
        core: world.core.clone(),
        author: world.author.clone(),
        network: world.network,
        now: world.now,
        next_wish: world.next_wish,
    };
    let one = world.answer(effects.clone(), |_| None);
    let other = copy.answer(effects, |_| None);
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}
