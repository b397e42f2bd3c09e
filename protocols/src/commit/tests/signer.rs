//! A validator whose key is kept elsewhere: it goes on without votes when the signer is silent or
//! refuses, asks again later, and never in a busy loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::disk::Disk;
use super::net::{START, genesis, id, transaction, vote_key};
use crate::commit::io::{ConsensusMessage, Effect, Input, Record, Restored};
use crate::commit::signer::{Draft, Local};
use crate::commit::{Config, Core, Keeper, Kept, NotSigned, SignRequest, Signer};
use crate::types::{Now, RequestId, Statement, Timestamp, ValidatorKey, View, VoteSignature};

/// A key behind a line that can be cut, and which refuses some votes.
#[derive(Debug)]
struct Line {
    key: Local,
    cut: AtomicBool,
    refuses_notarize: AtomicBool,
    refuses_nullify: AtomicBool,
    asked: AtomicUsize,
}

impl Signer for Line {
    fn public(&self) -> ValidatorKey {
        self.key.public()
    }

    fn sign(&self, request: &SignRequest<'_>) -> Result<VoteSignature, NotSigned> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.cut.load(Ordering::Relaxed) {
            return Err(NotSigned::Unavailable("the line is cut".into()));
        }
        let refuses = match request.draft {
            Draft::Vote(Statement::Notarize(_)) => &self.refuses_notarize,
            Draft::Vote(Statement::Nullify) => &self.refuses_nullify,
            Draft::Vote(Statement::Finalize(_)) | Draft::Proposal { .. } => {
                return self.key.sign(request);
            }
        };
        if refuses.load(Ordering::Relaxed) {
            return Err(NotSigned::Refused("another node voted".into()));
        }
        self.key.sign(request)
    }
}

/// The only validator of a network, with its clock and its disk.
struct Solo {
    core: Core<Disk>,
    disk: Disk,
    line: Arc<Line>,
    now: Duration,
    votes: usize,
}

impl Solo {
    fn new() -> Self {
        let line = Arc::new(Line {
            key: Local(vote_key(0)),
            cut: AtomicBool::new(false),
            refuses_notarize: AtomicBool::new(false),
            refuses_nullify: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        let signer: Arc<dyn Signer> = Arc::clone(&line) as _;
        let config = Config::with_signer(genesis(1), id(0), signer);
        let disk = Disk::default();
        let now = at(Duration::ZERO);
        let (core, first) = Core::new(config, disk.clone(), Restored::default(), now).unwrap();
        let mut solo = Self {
            core,
            disk,
            line,
            now: Duration::ZERO,
            votes: 0,
        };
        solo.perform(first);
        solo.wish(1);
        solo
    }

    /// Hands a transaction over.
    fn wish(&mut self, nonce: u64) {
        let network = genesis(1).network_id();
        let wish = Input::Transactions {
            from: id(0),
            id: RequestId(nonce),
            transactions: vec![transaction(&network, 200, nonce)],
        };
        let effects = self.core.handle(at(self.now), wish);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist(record) => {
                    self.votes += usize::from(matches!(record, Record::Vote(_)));
                    self.disk.write(record);
                }
                Effect::Broadcast(ConsensusMessage::Vote { vote, .. }) => {
                    let kept = &self.disk.0.borrow().log.votes;
                    assert!(vote.view <= self.core.final_header().view || kept.contains(&vote));
                }
                _ => {}
            }
        }
    }

    /// Lets time pass; gives how often the core was called.
    fn run(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut calls = 0;
        while let Some(next) = self.core.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let effects = self.core.handle_timeout(at(self.now));
            self.perform(effects);
            calls += 1;
            assert!(calls < 5000, "a busy loop at {:?}", self.now);
        }
        self.now = end;
        calls
    }

    fn set(&self, flag: fn(&Line) -> &AtomicBool, value: bool) {
        flag(&self.line).store(value, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.line.asked.load(Ordering::Relaxed)
    }
}

fn at(now: Duration) -> Now {
    let since = u64::try_from(now.as_millis()).unwrap();
    Now {
        monotonic: now,
        wall: Timestamp(START + since),
    }
}

#[test]
fn a_silent_signer_stops_the_votes_only_and_they_go_on_when_it_answers() {
    let mut solo = Solo::new();
    solo.run(Duration::from_secs(1));
    let before = solo.core.final_height();
    assert!(before.0 > 0 && solo.core.signing_trouble().is_none());
    solo.set(|line| &line.cut, true);
    solo.wish(2);
    let (votes, asked) = (solo.votes, solo.asked());
    let calls = solo.run(Duration::from_secs(60));
    assert!(calls < 200, "{calls} calls in a minute");
    let asked = solo.asked() - asked;
    assert!((8..40).contains(&asked), "asked {asked} times in a minute");
    assert_eq!((solo.votes, solo.core.final_height()), (votes, before));
    let trouble = solo.core.signing_trouble().unwrap();
    assert!(trouble.contains("the line is cut"), "{trouble}");
    assert!(solo.core.failure().is_none());
    solo.set(|line| &line.cut, false);
    solo.run(Duration::from_secs(20));
    assert!(solo.core.final_height() > before);
    assert!(solo.core.signing_trouble().is_none());
}

#[test]
fn what_is_refused_is_not_asked_again_and_the_node_goes_on() {
    let mut solo = Solo::new();
    solo.run(Duration::from_secs(1));
    let height = solo.core.final_height();
    solo.set(|line| &line.refuses_notarize, true);
    solo.wish(2);
    solo.run(Duration::from_secs(10));
    // Each view is given up, since its proposal is not notarized.
    assert_eq!(solo.core.final_height(), height);
    assert!(solo.core.view() > View(10), "{:?}", solo.core.view());
    assert!(
        solo.core
            .signing_trouble()
            .is_none_or(|why| why.contains("another node"))
    );
    solo.set(|line| &line.refuses_nullify, true);
    let (asked, view) = (solo.asked(), solo.core.view());
    let calls = solo.run(Duration::from_secs(60));
    assert!(calls < 2000, "{calls} calls in a minute");
    assert!(solo.asked() - asked < 8, "{}", solo.asked() - asked);
    assert!(solo.core.view().0 <= view.0 + 1);
    assert!(solo.core.signing_trouble().is_some() && solo.core.failure().is_none());
}

#[test]
fn a_keeper_signs_what_a_guard_would_and_hands_out_what_must_be_durable() {
    let network = genesis(1).network_id();
    let disk = Disk::default();
    let start = |disk: &Disk| {
        let restored = disk.0.borrow().log.clone();
        Keeper::new(&genesis(1), &vote_key(0), &restored).unwrap()
    };
    let ask = |keeper: &mut Keeper, view, floor, statement| {
        keeper.sign(&SignRequest {
            network,
            epoch: crate::types::Epoch(0),
            view: View(view),
            floor: View(floor),
            draft: Draft::Vote(statement),
        })
    };
    let mut keeper = start(&disk);
    let Kept { records, signature } = ask(&mut keeper, 5, 0, Statement::Nullify).unwrap();
    assert_eq!(records.len(), 1);
    for record in records {
        disk.write(record);
    }
    let mut keeper = start(&disk);
    let again = ask(&mut keeper, 5, 0, Statement::Nullify).unwrap();
    assert!(again.records.is_empty(), "it is durable already");
    assert_eq!(again.signature, signature);
    let subject = crate::types::Subject {
        parent_view: View(0),
        block: crate::types::BlockId(decube_crypto::Digest::ZERO),
    };
    assert!(ask(&mut keeper, 5, 0, Statement::Finalize(subject)).is_err());
    // The floor rises with a signature, and to below its view at most.
    let raised = ask(&mut keeper, 7, 9, Statement::Nullify).unwrap();
    assert!(matches!(
        raised.records[..],
        [Record::Vote(_), Record::Prune { view: View(6), .. }]
    ));
    assert!(ask(&mut keeper, 6, 0, Statement::Nullify).is_err());
    let mut foreign = start(&disk);
    let elsewhere = foreign.sign(&SignRequest {
        network: crate::types::NetworkId(decube_crypto::Digest::ZERO),
        epoch: crate::types::Epoch(0),
        view: View(9),
        floor: View(0),
        draft: Draft::Vote(Statement::Nullify),
    });
    assert!(elsewhere.is_err());
    assert!(Keeper::new(&genesis(1), &vote_key(1), &Restored::default()).is_err());
}
