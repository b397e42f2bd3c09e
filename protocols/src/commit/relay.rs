//! Rules 8 and 9: repeating stored votes, and pulling forward a validator that lags.
//!
//! # Invariants
//! - Nothing here signs: what is sent again are stored bytes.
//! - A first vote that comes late gets no answer, and a forged one neither: certificates are a
//!   hundred times as long. A repeated one gets at most one per view and delay, and a peer at most
//!   [`MAX_ANSWERS`] per delay; all final views count as one
//!   (`commit::tests::costs::a_forged_repeated_vote_is_not_answered`).
//! - Offers after a standstill hold this node's votes of the newest [`OFFERED_VIEWS`] views at most,
//!   and the certificates of the newest [`OFFERED_ENDS`] that ended
//!   (`commit::tests::costs::bug_10_a_standstill_offers_little`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::Core;
use super::io::{ChainSource, ConsensusMessage, Effect, Offence};
use crate::types::{Now, PeerId, View, Vote};

/// The most views whose votes are offered after a standstill: after long asynchrony a link would
/// drown in more, and who lags further is pulled forward by any certificate.
pub(super) const OFFERED_VIEWS: usize = 64;

/// The most views whose certificates are offered after a standstill. The newest brings everyone into
/// the same view; a few more, as one validator may hold it alone. What else a rule needs, a validator
/// asks for; hundreds of hybrid signatures are in each certificate.
const OFFERED_ENDS: usize = 4;

/// The most bytes of pending transactions that a stuck validator offers with its votes: its leader
/// may lack them.
const OFFERED_BYTES: usize = 64 << 10;

/// The most answers that one peer gets within a delay: the one that it needs, and a few for the
/// views that it enters with it.
const MAX_ANSWERS: usize = 4;

/// When which peer was last answered about which views.
#[derive(Clone, Debug, Default)]
pub(super) struct Relay {
    // Invariant: of validators only, and at most `MAX_ANSWERS` views of each.
    answered: BTreeMap<PeerId, BTreeMap<View, Duration>>,
}

impl Relay {
    /// Whether an answer may be sent now; then the next one about this view must wait for `pause`.
    fn allows(&mut self, now: Duration, peer: PeerId, view: View, pause: Duration) -> bool {
        let answered = self.answered.entry(peer).or_default();
        answered.retain(|_, last| now < last.saturating_add(pause));
        if answered.len() >= MAX_ANSWERS || answered.contains_key(&view) {
            return false;
        }
        answered.insert(view, now);
        true
    }
}

impl<S: ChainSource> Core<S> {
    /// Rule 9: who repeats a vote of a view that ended gets what ended it.
    pub(super) fn answer_repeated(&mut self, now: Now, peer: PeerId, vote: &Vote) {
        let last_final = self.chain.tip().header.view;
        let ended = vote.view < self.view || (vote.view == self.view && self.timers.is_idle());
        // In an idle view the sender lacks the finalization that everyone else rests on, and so it
        // does in every view that is final.
        let about = if vote.view == self.view {
            last_final
        } else {
            vote.view.max(last_final)
        };
        let pause = self.timers.delay();
        // The limit comes first: it bounds also what is verified.
        if !ended || !self.relay.allows(now.monotonic, peer, about, pause) {
            return;
        }
        if !self.views.is_genuine(vote) {
            return self.penalize(peer, Offence::BadSignature);
        }
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
            for message in self.offers() {
                self.broadcast(message);
            }
        }
    }

    /// The newest certificates, with the finalization that they follow when they reach down to it, and
    /// the votes of the newest views, oldest first.
    fn offers(&self) -> Vec<ConsensusMessage> {
        let ended = || {
            self.views
                .rounds_down()
                .filter(|(_, round)| round.is_ended())
        };
        let finalization = self
            .finalization()
            .filter(|_| ended().count() < OFFERED_ENDS);
        let mut ends: Vec<_> = ended().take(OFFERED_ENDS).collect();
        ends.reverse();
        let certificates = finalization
            .into_iter()
            .chain(ends.into_iter().flat_map(|(_, round)| round.certificates()));
        let mut views: Vec<_> = self
            .views
            .rounds_down()
            .take(OFFERED_VIEWS)
            .map(|(view, _)| view)
            .collect();
        views.reverse();
        certificates
            .cloned()
            .map(ConsensusMessage::Certificate)
            .chain(views.into_iter().flat_map(|view| self.own_votes(view)))
            .collect()
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
        entry
            .into_iter()
            .map(ConsensusMessage::Certificate)
            .chain(self.own_votes(view))
            .collect()
    }

    fn own_votes(&self, view: View) -> impl Iterator<Item = ConsensusMessage> {
        let votes = self.guard.as_ref().map(|guard| guard.votes(view));
        votes
            .unwrap_or_default()
            .into_iter()
            .map(|vote| ConsensusMessage::Vote {
                vote,
                repeated: true,
            })
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
        let allowed = |relay: &mut Relay, now, views: std::ops::Range<u64>| {
            let mut views = views.map(View);
            views
                .by_ref()
                .filter(|view| relay.allows(now, alice, *view, at(100)))
                .count()
        };
        assert_eq!(allowed(&mut relay, at(199), 0..10_000), MAX_ANSWERS - 1);
        assert_eq!(allowed(&mut relay, at(200), 10_000..20_000), 1);
        assert_eq!(
            allowed(&mut relay, at(299), 20_000..30_000),
            MAX_ANSWERS - 1
        );
        assert!(
            relay
                .answered
                .values()
                .all(|views| views.len() <= MAX_ANSWERS)
        );
    }
}
