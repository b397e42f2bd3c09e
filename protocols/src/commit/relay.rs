//! Rules 8 and 9: repeating stored votes, and pulling forward a validator that lags.
//!
//! # Invariants
//! - Nothing here signs: what is sent again are stored bytes.
//! - A first vote that comes late gets no answer; a repeated one gets at most one per peer, view
//!   and delay.
//! - Offers after a standstill hold the newest [`OFFERED_VIEWS`] views at most
//!   (`tests::bug_10_offers_are_bounded`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::Core;
use super::io::{ChainSource, ConsensusMessage, Effect};
use crate::types::{Now, PeerId, View};

/// The most views offered after a standstill: after long asynchrony a link would drown in more,
/// and who lags further is pulled forward by any of their certificates.
pub(super) const OFFERED_VIEWS: usize = 64;

/// The most bytes of pending transactions that a stuck validator offers with its votes: its leader
/// may lack them.
const OFFERED_BYTES: usize = 64 << 10;

/// The most answers to repeated votes that are remembered for limiting them; with more, the oldest
/// views are forgotten first.
const MAX_ANSWERS: usize = 4096;

/// When which peer was last answered about which view.
#[derive(Clone, Debug, Default)]
pub(super) struct Relay {
    answered: BTreeMap<(View, PeerId), Duration>,
}

impl Relay {
    /// Whether an answer may be sent now; then the next one must wait for `pause`.
    fn allows(&mut self, now: Duration, peer: PeerId, view: View, pause: Duration) -> bool {
        let last = self.answered.get(&(view, peer));
        if last.is_some_and(|last| now < last.saturating_add(pause)) {
            return false;
        }
        self.answered.insert((view, peer), now);
        if self.answered.len() > MAX_ANSWERS {
            self.answered.pop_first();
        }
        true
    }
}

impl<S: ChainSource> Core<S> {
    /// Rule 9: who repeats a vote of a view that ended gets what ended it.
    pub(super) fn answer_repeated(&mut self, now: Now, peer: PeerId, view: View) {
        let ended = view < self.view || (view == self.view && self.timers.is_idle());
        let pause = self.timers.delay();
        if !ended || !self.relay.allows(now.monotonic, peer, view, pause) {
            return;
        }
        // In an idle view the sender lacks the finalization that everyone else rests on.
        let about = if view == self.view {
            self.chain.tip().header.view
        } else {
            view
        };
        self.send_ending(peer, about);
    }

    /// Sends what ends `view`: its own certificates, or those of a later view.
    fn send_ending(&mut self, peer: PeerId, view: View) {
        for certificate in self.ending(view) {
            let message = ConsensusMessage::Certificate(certificate);
            self.out.push(Effect::Send { to: peer, message });
        }
    }

    /// Rule 8: a validator that gave its view up repeats its votes; one without finals offers all
    /// that is newer.
    pub(super) fn repeat(&mut self, now: Now) {
        if self.guard.is_none() {
            return;
        }
        if self.timers.take_retry(now.monotonic) {
            for message in self.stored(self.view) {
                self.broadcast(message);
            }
            let pending = self.pool.sample(OFFERED_BYTES);
            if !pending.is_empty() {
                self.broadcast(ConsensusMessage::Transactions(pending));
            }
        }
        if self.timers.take_standstill(now.monotonic) {
            let views: Vec<_> = self
                .views
                .rounds_down()
                .take(OFFERED_VIEWS)
                .map(|(view, _)| view)
                .collect();
            for view in views.into_iter().rev() {
                for message in self.stored(view) {
                    self.broadcast(message);
                }
            }
        }
    }

    /// A validator is connected: it gets what brought me into my view, and my votes there, since
    /// what was sent over a broken connection is lost.
    pub(super) fn greet(&mut self, now: Now, peer: PeerId) {
        let pause = self.timers.delay();
        if self.guard.is_none() || !self.relay.allows(now.monotonic, peer, self.view, pause) {
            return;
        }
        let mut messages = self.stored(self.view);
        let proposal = self.views.round(self.view).and_then(|round| round.proposal);
        if let Some(proposal) = proposal.and_then(|id| self.held.get(&id))
            && self
                .guard
                .as_ref()
                .is_some_and(|guard| guard.proposed(self.view))
        {
            messages.push(ConsensusMessage::Proposal(proposal.as_ref().clone()));
        }
        for message in messages {
            self.out.push(Effect::Send { to: peer, message });
        }
    }

    /// The certificates that lead into `view`, and this node's votes in it, as they were signed.
    fn stored(&self, view: View) -> Vec<ConsensusMessage> {
        let entry = view
            .previous()
            .map(|before| self.ending(before))
            .unwrap_or_default();
        let votes = self
            .guard
            .as_ref()
            .map(|guard| guard.votes(view))
            .unwrap_or_default();
        let votes = votes.into_iter().map(|vote| ConsensusMessage::Vote {
            vote,
            repeated: true,
        });
        entry
            .into_iter()
            .map(ConsensusMessage::Certificate)
            .chain(votes)
            .collect()
    }

    /// What ends `view`: the newest finalization when it is not below, all certificates of the view
    /// (one validator may have moved on with its notarization, another with its nullification), or
    /// those that ended a later view.
    pub(super) fn ending(&self, view: View) -> Vec<crate::types::Certificate> {
        if view <= self.chain.tip().header.view {
            return self.finalization().cloned().into_iter().collect();
        }
        let own: Vec<_> = self
            .views
            .round(view)
            .map(|round| round.certificates().cloned().collect())
            .unwrap_or_default();
        if !own.is_empty() || view >= self.view {
            return own;
        }
        let last = self.view.previous().and_then(|last| self.views.round(last));
        last.map(|round| round.certificates().cloned().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After long asynchrony every repeated vote was answered, and the answers drowned the links.
    #[test]
    fn bug_10_offers_are_bounded() {
        let at = Duration::from_millis;
        let mut relay = Relay::default();
        let peer = |seed| {
            crate::types::peer_id(&decube_crypto::SecretKey::from_seed(&[seed; 32]).public())
        };
        let (alice, bob) = (peer(1), peer(2));
        assert!(relay.allows(at(0), alice, View(1), at(100)));
        assert!(!relay.allows(at(99), alice, View(1), at(100)));
        assert!(relay.allows(at(99), bob, View(1), at(100)));
        assert!(relay.allows(at(100), alice, View(1), at(100)));
        for view in 0..2 * MAX_ANSWERS as u64 {
            relay.allows(at(100), alice, View(view), at(100));
        }
        assert!(relay.answered.len() <= MAX_ANSWERS);
    }
}
