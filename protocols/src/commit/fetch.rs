//! Fetching blocks and certificates that a rule needs and that are missing.
//!
//! # Invariants
//! - At most [`MAX_WANTED`] things are wanted at once, each asked of one peer at a time.
//! - Who has most reason to have it (the leader whose proposal needs it) is asked first, then the
//!   other validators in turn, with a pause after each round.
//! - What is no longer needed is no longer asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::Core;
use super::io::{ChainRequest, ChainSource, Offence};
use crate::types::{BlockId, Certificate, Now, PeerId, Proposal, RequestId, View};

/// The most things wanted at once: a leader that skipped more views than this waits for a second
/// round.
const MAX_WANTED: usize = 64;

/// How long a request may take before another peer is asked; the driver gives up earlier.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Something that a rule needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// What ended a view.
    Certificates(View),
    /// A block that is certified, or an ancestor of one.
    Block(BlockId),
}

#[derive(Clone, Debug)]
struct Fetch {
    /// The view whose leader is asked first.
    hint: View,
    request: Option<(RequestId, PeerId, Duration)>,
    attempts: usize,
    not_before: Duration,
}

/// What is being fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetcher {
    wanted: BTreeMap<Want, View>,
    // Invariant: at most `MAX_WANTED`.
    fetches: BTreeMap<Want, Fetch>,
}

impl Fetcher {
    /// The rules are about to say anew what they need.
    pub(super) fn clear_wanted(&mut self) {
        self.wanted.clear();
    }

    pub(super) fn want(&mut self, want: Want, hint: View) {
        if self.wanted.len() < MAX_WANTED {
            self.wanted.entry(want).or_insert(hint);
        }
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        for fetch in self.fetches.values_mut() {
            if fetch.request.is_some_and(|(_, asked, _)| asked == *peer) {
                fetch.request = None;
            }
        }
    }

    /// When a pause or a request's time is over.
    pub(super) fn next(&self) -> Option<Duration> {
        let due = |fetch: &Fetch| {
            fetch
                .request
                .map_or(fetch.not_before, |(_, _, limit)| limit)
        };
        self.fetches.values().map(due).min()
    }

    /// The want that a response is about, when it was asked.
    pub(super) fn answered(&mut self, id: RequestId, from: &PeerId) -> Option<Want> {
        self.fetches.iter_mut().find_map(|(want, fetch)| {
            let asked = fetch
                .request
                .is_some_and(|(asked, peer, _)| asked == id && peer == *from);
            asked.then(|| {
                fetch.request = None;
                *want
            })
        })
    }
}

impl<S: ChainSource> Core<S> {
    /// A rule needs something; a node that does not vote gets final blocks by its follower alone.
    pub(super) fn want(&mut self, want: Want, hint: View) {
        if self.me.is_some() {
            self.fetcher.want(want, hint);
        }
    }

    /// Asks for what is wanted and not asked for yet.
    pub(super) fn fetch(&mut self, now: Now) {
        let wanted = std::mem::take(&mut self.fetcher.wanted);
        self.fetcher
            .fetches
            .retain(|want, _| wanted.contains_key(want));
        for (want, hint) in &wanted {
            self.fetcher.fetches.entry(*want).or_insert(Fetch {
                hint: *hint,
                request: None,
                attempts: 0,
                not_before: now.monotonic,
            });
        }
        for want in wanted.into_keys() {
            self.ask(now, want);
        }
    }

    fn ask(&mut self, now: Now, want: Want) {
        let Some(fetch) = self.fetcher.fetches.get(&want) else {
            return;
        };
        let waits = match fetch.request {
            Some((_, _, limit)) => now.monotonic < limit,
            None => now.monotonic < fetch.not_before,
        };
        if waits {
            return;
        }
        let (attempt, hint) = (fetch.attempts, fetch.hint);
        let peers = self.sources(hint);
        let pause = self.timers.delay();
        // After everyone was asked once there is a pause, and without peers too.
        let round_over = peers.is_empty() || (attempt + 1) % peers.len() == 0;
        let request = peers
            .get(attempt % peers.len().max(1))
            .copied()
            .map(|peer| {
                let request = match want {
                    Want::Block(block) => ChainRequest::Proposal(block),
                    Want::Certificates(view) => ChainRequest::Certificates {
                        epoch: self.epoch(),
                        view,
                    },
                };
                (
                    self.request(peer, request),
                    peer,
                    now.monotonic.saturating_add(REQUEST_LIMIT),
                )
            });
        if let Some(fetch) = self.fetcher.fetches.get_mut(&want) {
            fetch.attempts = attempt.wrapping_add(1);
            fetch.request = request;
            if round_over {
                fetch.not_before = now.monotonic.saturating_add(pause);
            }
        }
    }

    /// The connected validators, the leader of `hint` first, and then from it on in order.
    fn sources(&self, hint: View) -> Vec<PeerId> {
        let validators = self.views.validators();
        let first = usize::from(validators.leader(hint).0);
        let mut peers = validators.peers().to_vec();
        let turn = first % peers.len().max(1);
        peers.rotate_left(turn);
        peers.retain(|peer| *peer != self.peer && self.connected.contains(peer));
        peers
    }

    pub(super) fn take_fetched_proposal(&mut self, from: PeerId, want: BlockId, new: Proposal) {
        let leader = self.views.validators().leader(new.view);
        let key = self
            .views
            .validators()
            .get(leader)
            .map(|validator| validator.key.clone());
        let fits = new.block.id() == want
            && new.epoch == self.epoch()
            && new.block.header.view == new.view
            && new.parent_view < new.view
            && key.is_some_and(|key| new.verify(&self.network, &key).is_ok());
        if fits {
            self.hold(new);
        } else {
            self.penalize(from, Offence::BadChain);
        }
    }

    pub(super) fn take_fetched_certificates(&mut self, from: PeerId, new: Vec<Certificate>) {
        for certificate in new {
            self.take_certificate(from, certificate);
        }
    }
}
