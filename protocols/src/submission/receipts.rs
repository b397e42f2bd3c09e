//! Collecting receipts for one wish.
//!
//! All replicas are asked at once; those that lack changes, do not answer or are away are asked
//! again with growing pauses until enough signed, too few can sign any more, or time is up.

use std::collections::BTreeMap;
use std::time::Duration;

use decube_crypto::PublicKey;

use super::SubmissionError;
use crate::commit::RequestFailure;
use crate::documents::{ReceiptRefusal, ReceiptRequest};
use crate::types::{Commit, DocumentId, NetworkId, PeerId, Receipt, Transaction};

/// How long receipts are collected: a replica that is connected catches up in less.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// The first pause before a replica is asked again: about the time an edit takes to get there.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause: short enough to be tried often before [`DEADLINE`].
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The receipts of one wish so far.
#[derive(Clone, Debug)]
pub(super) struct Collecting {
    requests: Vec<ReceiptRequest>,
    /// The write quorum of each entry's collection.
    // Invariant: as many as `requests`.
    needed: Vec<u16>,
    deadline: Duration,
    replicas: BTreeMap<PeerId, Replica>,
    last: String,
}

#[derive(Clone, Debug)]
struct Replica {
    name: String,
    key: PublicKey,
    // Invariant: as many as there are requests.
    entries: Vec<Entry>,
    asked: bool,
    next: Duration,
    pause: Duration,
}

/// What a replica said of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Open,
    Signed(Receipt),
    /// It will never sign.
    Refused,
}

impl Replica {
    /// Whether asking again can bring anything.
    fn is_open(&self) -> bool {
        self.entries.contains(&Entry::Open)
    }
}

/// How far collecting is.
pub(super) enum Outcome {
    /// Go on.
    Waiting,
    /// These make a valid commit.
    Complete(Commit),
    /// Too few can sign.
    Failed(SubmissionError),
}

impl Collecting {
    /// Starts for `requests`, each needing so many receipts of `replicas` (name and key).
    pub(super) fn new(
        now: Duration,
        requests: Vec<ReceiptRequest>,
        needed: Vec<u16>,
        replicas: &BTreeMap<PeerId, (String, PublicKey)>,
    ) -> Self {
        let replica = |(name, key): &(String, PublicKey)| Replica {
            name: name.clone(),
            key: *key,
            entries: vec![Entry::Open; requests.len()],
            asked: false,
            next: now,
            pause: FIRST_PAUSE,
        };
        let replicas = replicas
            .iter()
            .map(|(peer, it)| (*peer, replica(it)))
            .collect();
        let last = "none answered".to_owned();
        Self {
            requests,
            needed,
            deadline: now.saturating_add(DEADLINE),
            replicas,
            last,
        }
    }

    /// The entries to sign.
    pub(super) fn requests(&self) -> &[ReceiptRequest] {
        &self.requests
    }

    /// The replicas to ask now, among those for which `reachable` holds; they count as asked.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        reachable: impl Fn(&PeerId) -> bool,
    ) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (peer, replica) in &mut self.replicas {
            let is_due = !replica.asked && replica.next <= now && replica.is_open();
            if is_due && reachable(peer) {
                replica.asked = true;
                due.push(*peer);
            }
        }
        due
    }

    /// A replica came back: it is asked without further pause.
    pub(super) fn connected(&mut self, now: Duration, peer: &PeerId) {
        if let Some(replica) = self.replicas.get_mut(peer) {
            (replica.next, replica.pause) = (now, FIRST_PAUSE);
        }
    }

    /// Takes a replica's answer, whose receipts are checked here.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        network: &NetworkId,
        from: &PeerId,
        result: Result<Vec<Result<Receipt, ReceiptRefusal>>, RequestFailure>,
    ) {
        let Some(replica) = self.replicas.get_mut(from) else {
            return;
        };
        replica.asked = false;
        replica.next = now.saturating_add(replica.pause);
        replica.pause = replica.pause.saturating_mul(2).min(LONGEST_PAUSE);
        let results = match result {
            Ok(results) if results.len() == self.requests.len() => results,
            Ok(_) => {
                self.last = format!("{}: it answered something else", replica.name);
                return;
            }
            Err(failure) => {
                self.last = format!("{}: {failure}", replica.name);
                return;
            }
        };
        let answers = results
            .into_iter()
            .zip(&self.requests)
            .zip(&mut replica.entries);
        for ((result, request), entry) in answers.filter(|(_, entry)| **entry == Entry::Open) {
            match result {
                Ok(receipt)
                    if receipt.replica == replica.key
                        && receipt.verify(network, &request.entry).is_ok() =>
                {
                    *entry = Entry::Signed(receipt);
                }
                Ok(_) => self.last = format!("{}: its receipt does not hold", replica.name),
                Err(refusal) => {
                    self.last = format!("{}: {refusal}", replica.name);
                    match refusal {
                        ReceiptRefusal::NotADescendant | ReceiptRefusal::Removed => {
                            *entry = Entry::Refused;
                        }
                        ReceiptRefusal::Missing | ReceiptRefusal::NotFollowed => {}
                    }
                }
            }
        }
    }

    /// Whether it is complete, or can no longer become so.
    pub(super) fn outcome(&self, now: Duration) -> Outcome {
        let counts = (0..self.requests.len()).map(|place| (place, self.count(place)));
        let lacking = counts.filter(|(place, (signed, _))| *signed < self.needed(*place));
        let mut lacking = lacking.peekable();
        if lacking.peek().is_none() {
            return Outcome::Complete(self.commit());
        }
        let is_over = now >= self.deadline;
        for (place, (signed, open)) in lacking {
            if is_over || signed + open < self.needed(place) {
                return Outcome::Failed(SubmissionError::TooFewReceipts {
                    document: self.document(place),
                    found: u16::try_from(signed).unwrap_or(u16::MAX),
                    needed: self.needed.get(place).copied().unwrap_or(u16::MAX),
                    last: self.last.clone(),
                });
            }
        }
        Outcome::Waiting
    }

    /// When the next replica is to be asked, or time is up. Replicas that are away are asked when
    /// they connect.
    pub(super) fn next(&self, reachable: impl Fn(&PeerId) -> bool) -> Duration {
        let pauses = self
            .replicas
            .iter()
            .filter(|(peer, replica)| !replica.asked && replica.is_open() && reachable(peer))
            .map(|(_, replica)| replica.next);
        pauses.chain([self.deadline]).min().unwrap_or(self.deadline)
    }

    fn needed(&self, place: usize) -> usize {
        self.needed
            .get(place)
            .copied()
            .map_or(usize::MAX, usize::from)
    }

    fn document(&self, place: usize) -> DocumentId {
        self.requests
            .get(place)
            .map_or(DocumentId(decube_crypto::Digest::ZERO), |request| {
                request.entry.document
            })
    }

    /// How many replicas signed an entry, and how many still may.
    fn count(&self, place: usize) -> (usize, usize) {
        let (mut signed, mut open) = (0, 0);
        for entry in self
            .replicas
            .values()
            .filter_map(|replica| replica.entries.get(place))
        {
            match entry {
                Entry::Signed(_) => signed += 1,
                Entry::Open => open += 1,
                Entry::Refused => {}
            }
        }
        (signed, open)
    }

    /// The entries with exactly as many receipts as each needs, in order.
    fn commit(&self) -> Commit {
        let mut receipts = Vec::new();
        for place in 0..self.requests.len() {
            let signed =
                self.replicas
                    .values()
                    .filter_map(|replica| match replica.entries.get(place)? {
                        Entry::Signed(receipt) => Some(receipt.clone()),
                        Entry::Open | Entry::Refused => None,
                    });
            receipts.extend(signed.take(self.needed(place)));
        }
        receipts.sort_by_key(|receipt| (receipt.document, receipt.replica));
        let entries = self
            .requests
            .iter()
            .map(|request| request.entry.clone())
            .collect();
        Commit { entries, receipts }
    }
}

/// Whether the wish can become a transaction.
///
/// # Errors
/// A sentence that says why not.
pub(super) fn check(requests: &[ReceiptRequest]) -> Result<(), String> {
    if requests.is_empty() {
        return Err("a commit needs at least one document".to_owned());
    }
    if requests.len() > Transaction::MAX_ENTRIES {
        let (count, max) = (requests.len(), Transaction::MAX_ENTRIES);
        return Err(format!(
            "{count} documents are more than the {max} of one commit"
        ));
    }
    let places = requests
        .iter()
        .map(|request| (request.entry.collection, request.entry.document));
    if !places.is_sorted_by(|one, next| one < next) {
        return Err("the documents are not in ascending order, or one is named twice".to_owned());
    }
    let mut documents: Vec<_> = requests
        .iter()
        .map(|request| request.entry.document)
        .collect();
    documents.sort_unstable();
    if let Some([twice, _]) = documents.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("document {twice} is named in two collections"));
    }
    for ReceiptRequest { entry, previous } in requests {
        let document = entry.document;
        if entry.heads.is_empty() {
            return Err(format!("document {document} has no change to commit"));
        }
        let named = (!previous.is_empty()).then(|| previous.version());
        if named != entry.previous {
            return Err(format!(
                "the previous heads of document {document} are not those of its previous version"
            ));
        }
    }
    Ok(())
}
