//! Following the final chain: what every node does, validator or not.
//!
//! There are no modes: a finalization that is newer than the tip moves the chain, whether it came
//! as an announcement, as the answer to a question for the tip, or at the end of a range.
//!
//! # Invariants
//! - **Verify, then store**: a block becomes final here only after the finalization's signatures,
//!   the chain of headers up to it, and its execution were checked; it is stored under its own
//!   header's height, never under one that a sender declared
//!   (`commit::tests::rules::bug_5_a_range_counts_by_its_verified_headers`).
//! - The signatures of one finalization per block are verified, however many sets of them come, and
//!   one announcement of each final block is passed on
//!   (`commit::tests::costs::one_announcement_of_a_block_is_verified_and_passed_on`).
//! - Transactions in an announcement that is passed on are the block's
//!   (`commit::tests::costs::an_announcement_is_passed_on_with_the_blocks_transactions_only`).
//! - One range is being fetched at a time; a peer that failed is asked again after a growing pause,
//!   and others before it.
//! - Ready means: all connected peers that were asked answered (or failed once) and none has a newer
//!   final block; among them were enough validators that one of them is honest, or, on a node that
//!   does not vote, at least one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::{Core, Failure};
use super::fetch::{REQUEST_LIMIT, Want};
use super::io::{
    ChainRequest, ChainResponse, ChainSource, Event, FinalAnnouncement, FinalRange, Offence,
    RequestFailure,
};
use super::pool::Pool;
use super::serve::{Comparison, MAX_SERVED_BLOCKS};
use crate::types::{Block, BlockId, Height, Now, PeerId, Power, RequestId};

/// The most peers whose tips are known: connections are limited far below.
const MAX_PEERS: usize = 4096;

/// How often some peer is asked for its tip, in case gossip lost an announcement.
const POLL: Duration = Duration::from_secs(5);

/// The pause after a peer's first failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The most doublings of [`FIRST_PAUSE`]: 16 seconds, so that a peer that recovers is noticed.
const MAX_DOUBLINGS: u32 = 6;

/// A node that was ready says that it is behind only when it is so by this many blocks: a block or
/// two are on their way all the time.
const BEHIND_BLOCKS: u64 = 8;

/// What is known of a connected peer.
#[derive(Clone, Debug, Default)]
struct Peer {
    /// Its newest final height, once it answered.
    tip: Option<Height>,
    asked: Option<(RequestId, Duration)>,
    failures: u32,
    not_before: Duration,
}

impl Peer {
    fn failed(&mut self, now: Duration) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause);
    }
}

/// A range that was asked for.
#[derive(Clone, Copy, Debug)]
struct Fetching {
    peer: PeerId,
    request: RequestId,
    limit: Duration,
}

/// The follower's bookkeeping.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    // Invariant: at most `MAX_PEERS`.
    peers: BTreeMap<PeerId, Peer>,
    fetching: Option<Fetching>,
    /// Who was asked last, so that peers take turns.
    last_asked: Option<PeerId>,
    poll_at: Duration,
    ready: bool,
    /// Whether [`Event::Behind`] was told and not [`Event::CaughtUp`] since.
    behind: bool,
}

impl Follower {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            peers: BTreeMap::new(),
            fetching: None,
            last_asked: None,
            poll_at: now.saturating_add(POLL),
            ready: false,
            behind: false,
        }
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn connected(&mut self, peer: PeerId) {
        if self.peers.len() < MAX_PEERS {
            self.peers.entry(peer).or_default();
        }
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
        self.fetching = self.fetching.filter(|fetching| fetching.peer != *peer);
    }

    /// The next moment at which something is due.
    pub(super) fn next(&self) -> Option<Duration> {
        let fetching = self.fetching.map(|fetching| fetching.limit);
        let peers = self.peers.values().filter_map(|peer| match peer.asked {
            Some((_, limit)) => Some(limit),
            // A known tip is looked at again when it fails or at the next poll.
            None => {
                (peer.failures > 0 && peer.not_before > Duration::ZERO).then_some(peer.not_before)
            }
        });
        peers.chain(fetching).chain([self.poll_at]).min()
    }

    /// The next peer in turn among those for which `fits` holds.
    fn turn(&self, fits: impl Fn(&Peer) -> bool) -> Option<PeerId> {
        let after = |peer: &PeerId| self.last_asked.is_none_or(|last| *peer > last);
        let candidates = || {
            self.peers
                .iter()
                .filter(|(_, peer)| fits(peer))
                .map(|(id, _)| *id)
        };
        candidates().find(after).or_else(|| candidates().next())
    }

    fn highest(&self) -> Option<Height> {
        self.peers.values().filter_map(|peer| peer.tip).max()
    }
}

impl<S: ChainSource> Core<S> {
    /// Asks for tips and for ranges, and says when the chain is caught up.
    pub(super) fn follow(&mut self, now: Now) {
        self.expire(now.monotonic);
        let unanswered: Vec<_> = self
            .follower
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.tip.is_none() && peer.asked.is_none() && now.monotonic >= peer.not_before
            })
            .map(|(id, _)| *id)
            .collect();
        for peer in unanswered {
            self.ask_tip(now.monotonic, peer);
        }
        if now.monotonic >= self.follower.poll_at {
            self.follower.poll_at = now.monotonic.saturating_add(POLL);
            let free = |peer: &Peer| peer.asked.is_none() && now.monotonic >= peer.not_before;
            if let Some(peer) = self.follower.turn(free) {
                self.follower.last_asked = Some(peer);
                self.ask_tip(now.monotonic, peer);
            }
        }
        self.ask_range(now.monotonic);
        self.report();
    }

    /// A peer seems to have what is missing here: its tip is looked at.
    pub(super) fn suspect(&mut self, now: Duration, peer: PeerId) {
        let free = |peer: &Peer| peer.asked.is_none() && now >= peer.not_before;
        if self.follower.peers.get(&peer).is_some_and(free) {
            self.ask_tip(now, peer);
        }
    }

    pub(super) fn take_response(
        &mut self,
        now: Now,
        id: RequestId,
        from: PeerId,
        result: Result<ChainResponse, RequestFailure>,
    ) -> Result<(), Failure<S::Failure>> {
        if let Some(want) = self.fetcher.answered(id, &from) {
            self.take_wanted(now, from, want, result);
            return Ok(());
        }
        if self
            .follower
            .fetching
            .is_some_and(|it| it.request == id && it.peer == from)
        {
            self.follower.fetching = None;
            return match result {
                Ok(ChainResponse::Final(range)) => self.take_range(now, from, range),
                Ok(_) => self.failed(now, from, Some(Offence::BadChain)),
                Err(_) => self.failed(now, from, None),
            };
        }
        let Some(peer) = self.follower.peers.get_mut(&from) else {
            return Ok(());
        };
        if peer.asked.is_none_or(|(asked, _)| asked != id) {
            return Ok(());
        }
        peer.asked = None;
        match result {
            Ok(ChainResponse::Tip(None)) => {
                peer.tip = peer.tip.max(Some(Height(0)));
                peer.failures = 0;
                Ok(())
            }
            Ok(ChainResponse::Tip(Some(announced))) => {
                let taken = self.take_tip(now, from, announced);
                // An answer is nobody else's; gossip of the block is still passed on.
                self.heard = None;
                taken
            }
            Ok(_) => self.failed(now, from, Some(Offence::BadChain)),
            Err(_) => self.failed(now, from, None),
        }
    }

    /// An announcement of a final block from gossip.
    pub(super) fn take_announced(
        &mut self,
        now: Now,
        from: PeerId,
        announced: FinalAnnouncement,
    ) -> Result<(), Failure<S::Failure>> {
        if self.holds(&announced) {
            self.take_again(now, from, &announced)
        } else {
            self.take_tip(now, from, announced)
        }
    }

    /// Another announcement of the newest block. The first is passed on, for those who lack the block;
    /// the others tell nobody anything, and any number of them can be made, with other sets of
    /// signatures, so they are not even verified.
    fn take_again(
        &mut self,
        now: Now,
        from: PeerId,
        announced: &FinalAnnouncement,
    ) -> Result<(), Failure<S::Failure>> {
        self.note_tip(from, announced.header.height);
        if self.passed_on == Some(self.chain.tip().id) {
            return Ok(());
        }
        let newest = self.newest.as_ref();
        let own = newest.and_then(|newest| newest.transactions.as_deref());
        match self.compare(own, announced.transactions.as_deref()) {
            Comparison::Same => {}
            Comparison::Unknown => return Ok(()),
            Comparison::Other => return self.failed(now, from, Some(Offence::BadChain)),
        }
        if !self.is_newest(announced) && !self.is_certified(announced) {
            return self.failed(now, from, Some(Offence::BadSignature));
        }
        self.pass_on_later(&announced.header);
        Ok(())
    }

    /// The newest final block of a peer, by gossip or as an answer.
    fn take_tip(
        &mut self,
        now: Now,
        from: PeerId,
        announced: FinalAnnouncement,
    ) -> Result<(), Failure<S::Failure>> {
        let (tip_id, tip_height) = (self.chain.tip().id, self.chain.tip().header.height);
        let (height, id) = (announced.header.height, announced.header.id());
        if height < tip_height || self.holds(&announced) {
            self.note_tip(from, height);
            return Ok(());
        }
        let known = self
            .views
            .finalization_of(announced.finalization.view, &id)
            .cloned();
        if known.is_none() && !self.is_certified(&announced) {
            return self.failed(now, from, Some(Offence::BadSignature));
        }
        if height == tip_height && id != tip_id {
            return Err(Failure::Fork(height));
        }
        self.note_tip(from, height);
        let FinalAnnouncement {
            header,
            finalization,
            transactions,
        } = announced;
        let verified = known.as_ref().is_none_or(|known| *known == finalization);
        // It is kept whatever comes of the transactions, so that no other is verified for this block;
        // when the blocks up to it are held, the rules deliver it.
        let finalization = known.unwrap_or(finalization);
        self.views.insert(finalization.clone());
        let Some(transactions) = transactions else {
            if verified {
                self.pass_on_later(&header);
            }
            return Ok(());
        };
        let is_next = header.parent == tip_id;
        let comparison = match self.chain.transactions(&id) {
            None if is_next => {
                let block = Block {
                    header: header.clone(),
                    transactions,
                };
                if self.chain.execute(&block, &self.pool)?.is_ok() {
                    Comparison::Same
                } else {
                    Comparison::Other
                }
            }
            own => self.compare(own, Some(&transactions)),
        };
        if verified && comparison == Comparison::Same {
            self.pass_on_later(&header);
        }
        if comparison == Comparison::Other {
            return self.failed(now, from, Some(Offence::BadChain));
        }
        if is_next {
            self.finalize_chain(now, &id, finalization);
        }
        Ok(())
    }

    /// Final blocks, verified before any of them is kept.
    fn take_range(
        &mut self,
        now: Now,
        from: PeerId,
        range: FinalRange,
    ) -> Result<(), Failure<S::Failure>> {
        let FinalRange {
            blocks,
            finalization,
        } = range;
        let (Some(last), Some(finalization)) = (blocks.last(), finalization) else {
            // It had a newer tip and sends nothing: others are asked first.
            return self.failed(now, from, None);
        };
        let last = last.header.clone();
        let tip = self.chain.tip().clone();
        if last.height <= tip.header.height {
            return Ok(());
        }
        let new: Vec<_> = blocks
            .into_iter()
            .filter(|block| block.header.height > tip.header.height)
            .collect();
        // The signatures come last: they cost most.
        let certified = is_linked(&new)
            && self.finalizes(&finalization, &last)
            && finalization
                .verify(&self.network, self.views.validators())
                .is_ok();
        if !certified {
            return self.failed(now, from, Some(Offence::BadChain));
        }
        if let Some(first) = new.first()
            && first.header.height == tip.header.height.next()
            && first.header.parent != tip.id
        {
            return Err(Failure::Fork(tip.header.height));
        }
        for block in &new {
            if self.chain.execute(block, &Pool::default())?.is_err() {
                return self.failed(now, from, Some(Offence::BadChain));
            }
        }
        self.note_tip(from, last.height);
        self.finalize_chain(now, &last.id(), finalization);
        Ok(())
    }

    fn take_wanted(
        &mut self,
        now: Now,
        from: PeerId,
        want: Want,
        result: Result<ChainResponse, RequestFailure>,
    ) {
        match (want, result) {
            (Want::Block(id), Ok(ChainResponse::Proposal(Some(proposal)))) => {
                self.take_fetched_proposal(from, id, proposal);
            }
            (Want::Certificates(_), Ok(ChainResponse::Certificates(certificates))) => {
                self.take_fetched_certificates(from, certificates);
            }
            // It may be final there already.
            (Want::Block(_), Ok(ChainResponse::Proposal(None))) => {
                self.suspect(now.monotonic, from);
            }
            (Want::Block(_) | Want::Certificates(_), Ok(_)) => {
                self.penalize(from, Offence::BadChain);
            }
            (Want::Block(_) | Want::Certificates(_), Err(_)) => {}
        }
    }

    fn note_tip(&mut self, from: PeerId, height: Height) {
        if let Some(peer) = self.follower.peers.get_mut(&from) {
            peer.tip = peer.tip.max(Some(height));
            peer.failures = 0;
            peer.not_before = Duration::ZERO;
        }
    }

    fn failed(
        &mut self,
        now: Now,
        from: PeerId,
        offence: Option<Offence>,
    ) -> Result<(), Failure<S::Failure>> {
        if let Some(peer) = self.follower.peers.get_mut(&from) {
            peer.failed(now.monotonic);
        }
        if let Some(offence) = offence {
            self.penalize(from, offence);
        }
        Ok(())
    }

    fn ask_tip(&mut self, now: Duration, peer: PeerId) {
        let id = self.request(peer, ChainRequest::Tip);
        if let Some(known) = self.follower.peers.get_mut(&peer) {
            known.asked = Some((id, now.saturating_add(REQUEST_LIMIT)));
        }
    }

    fn ask_range(&mut self, now: Duration) {
        let height = self.chain.tip().header.height;
        if self.follower.fetching.is_some() {
            return;
        }
        let fits = |peer: &Peer| peer.tip.is_some_and(|tip| tip > height) && now >= peer.not_before;
        let Some(peer) = self.follower.turn(fits) else {
            return;
        };
        let from = height.next();
        let request = self.request(
            peer,
            ChainRequest::Final {
                from,
                max: MAX_SERVED_BLOCKS,
            },
        );
        let limit = now.saturating_add(REQUEST_LIMIT);
        self.follower.last_asked = Some(peer);
        self.follower.fetching = Some(Fetching {
            peer,
            request,
            limit,
        });
    }

    /// Requests that the driver never answered count as failed.
    fn expire(&mut self, now: Duration) {
        if let Some(fetching) = self
            .follower
            .fetching
            .filter(|fetching| now >= fetching.limit)
        {
            self.follower.fetching = None;
            if let Some(peer) = self.follower.peers.get_mut(&fetching.peer) {
                peer.failed(now);
            }
        }
        for peer in self.follower.peers.values_mut() {
            if now >= peer.not_before {
                peer.not_before = Duration::ZERO;
            }
            if peer.asked.is_some_and(|(_, limit)| now >= limit) {
                peer.asked = None;
                peer.failed(now);
            }
        }
    }

    fn report(&mut self) {
        let height = self.chain.tip().header.height;
        let target = self.follower.highest().filter(|target| *target > height);
        if let Some(target) = target {
            let far = target.0.saturating_sub(height.0) >= BEHIND_BLOCKS;
            if (far || !self.follower.ready) && !self.follower.behind {
                self.follower.ready = false;
                self.follower.behind = true;
                self.notify(Event::Behind { height, target });
            }
        } else if !self.follower.ready && self.heard_enough() {
            self.follower.ready = true;
            self.follower.behind = false;
            self.notify(Event::CaughtUp { height });
        }
    }

    fn heard_enough(&self) -> bool {
        let pending = |peer: &Peer| peer.tip.is_none() && peer.failures == 0;
        if self.follower.peers.values().any(pending) || self.views.highest_finalization().is_some()
        {
            return false;
        }
        let validators = self.views.validators();
        let answered = self
            .follower
            .peers
            .iter()
            .filter(|(_, peer)| peer.tip.is_some())
            .filter_map(|(id, _)| validators.index_of_peer(id));
        match self.me {
            None => answered.count() > 0,
            Some(me) => {
                let power = self.views.power(answered.chain([me]));
                // More than the faulty power, so that an honest one is among them.
                let faulty = validators.total().0.saturating_sub(validators.quorum().0);
                power > Power(faulty)
            }
        }
    }
}

/// Whether each block names the one before it as its parent, and is one higher.
fn is_linked(blocks: &[Block]) -> bool {
    let follows = |pair: &[Block]| {
        let [before, after] = pair else { return true };
        let parent: BlockId = before.id();
        after.header.parent == parent && after.header.height == before.header.height.next()
    };
    blocks.windows(2).all(follows)
}
