//! Keeping one signed transaction before the validators' eyes until it is final or expired.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::commit::{PoolRefusal, RequestFailure};
use crate::types::{PeerId, RequestId, Transaction};

/// The first pause before validators get the transaction again: several times what a block takes,
/// so that a healthy network gets it once.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: a validator that restarted has lost its pool and gets it soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// When a request without an answer counts as lost; drivers give up earlier.
const PATIENCE: Duration = Duration::from_secs(30);

/// A transaction on its way.
#[derive(Clone, Debug)]
pub(super) struct Submitted {
    pub(super) transaction: Transaction,
    /// The wish it comes from, when its user may still wait.
    pub(super) wish: Option<RequestId>,
    /// How often it was signed here.
    pub(super) signatures: u32,
    validators: BTreeMap<PeerId, State>,
    next: Duration,
    pause: Duration,
}

/// Where a validator stands with the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was sent at that time and is not answered.
    Asked(Duration),
    /// It was answered, or could not be sent; it is sent again at the next turn.
    Answered,
    /// The validator finds it malformed, and would count it as an offence if it came again.
    Never,
}

impl Submitted {
    pub(super) fn new(
        now: Duration,
        transaction: Transaction,
        wish: Option<RequestId>,
        signatures: u32,
    ) -> Self {
        let validators = BTreeMap::new();
        Self {
            transaction,
            wish,
            signatures,
            validators,
            next: now,
            pause: FIRST_PAUSE,
        }
    }

    /// The validators to send it to now, among those `reachable`; they count as asked.
    pub(super) fn send<'a>(
        &mut self,
        now: Duration,
        reachable: impl Iterator<Item = &'a PeerId>,
    ) -> Vec<PeerId> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        let due: Vec<_> = reachable
            .filter(|peer| self.wants(now, peer))
            .copied()
            .collect();
        self.validators
            .extend(due.iter().map(|peer| (*peer, State::Asked(now))));
        due
    }

    /// A validator connected: whether to send it at once.
    pub(super) fn connected(&mut self, now: Duration, peer: &PeerId) -> bool {
        let is_due = self.wants(now, peer);
        if is_due {
            self.validators.insert(*peer, State::Asked(now));
        }
        is_due
    }

    fn wants(&self, now: Duration, peer: &PeerId) -> bool {
        match self.validators.get(peer) {
            Some(State::Asked(at)) => now >= at.saturating_add(PATIENCE),
            Some(State::Never) => false,
            Some(State::Answered) | None => true,
        }
    }

    /// A validator answered.
    pub(super) fn answered(
        &mut self,
        from: &PeerId,
        result: Result<Result<(), PoolRefusal>, RequestFailure>,
    ) {
        let state = match result {
            Ok(Err(PoolRefusal::Malformed)) => State::Never,
            Ok(
                Ok(()) | Err(PoolRefusal::Stale | PoolRefusal::Full | PoolRefusal::NotAValidator),
            )
            | Err(_) => State::Answered,
        };
        self.validators.insert(*from, state);
    }

    /// When it is to be sent again.
    pub(super) const fn next(&self) -> Duration {
        self.next
    }
}
