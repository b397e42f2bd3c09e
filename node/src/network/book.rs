//! The address book: where peers are, and when to dial which of them next. A pure value; time and
//! randomness come in as arguments.
//!
//! # Invariants
//! - This node itself is never in it.
//! - A banned peer is never due.
//! - A peer is due only when it is neither connected nor being dialled.
//! - At most [`MAX_PEERS`] peers with [`MAX_ADDRESSES`] addresses each; pinned peers (bootstrap,
//!   validators, added by hand) stay, others give way, longest unreachable first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use libp2p::{Multiaddr, PeerId, multiaddr};

use super::backoff::Backoff;

/// The most peers in the book: more than a node can be connected with, and a megabyte at most.
pub(super) const MAX_PEERS: usize = 1024;

/// The most addresses of a peer: two transports on a few interfaces.
pub(super) const MAX_ADDRESSES: usize = 8;

/// The most peers that are refused by a ban; a ban is a decision of a person.
pub(super) const MAX_BANS: usize = 4096;

#[derive(Debug)]
enum State {
    /// Not connected; to be dialled at this time.
    Waiting(Instant),
    Dialling,
    Connected,
}

#[derive(Debug)]
struct Entry {
    /// The most recent first.
    addresses: Vec<Multiaddr>,
    /// Those of the addresses that are known to have worked.
    worked: BTreeSet<Multiaddr>,
    pinned: bool,
    backoff: Backoff,
    failures: u32,
    state: State,
}

/// Where peers are, and when to dial which of them next.
#[derive(Debug)]
pub(super) struct Book {
    own: PeerId,
    peers: BTreeMap<PeerId, Entry>,
    banned: BTreeSet<PeerId>,
}

impl Book {
    /// An empty book of the node `own`.
    pub(super) fn new(own: PeerId) -> Self {
        Self {
            own,
            peers: BTreeMap::new(),
            banned: BTreeSet::new(),
        }
    }

    /// Notes a peer, with an address when one is known. Says whether the address is new.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        address: Option<Multiaddr>,
        pinned: bool,
        now: Instant,
    ) -> bool {
        if peer == self.own || !self.has_room(&peer, pinned) {
            return false;
        }
        let entry = self.peers.entry(peer).or_insert_with(|| Entry {
            addresses: Vec::new(),
            worked: BTreeSet::new(),
            pinned,
            backoff: Backoff::default(),
            failures: 0,
            state: State::Waiting(now),
        });
        entry.pinned |= pinned;
        let Some(address) = address.map(without_peer) else {
            return false;
        };
        if let Some(index) = entry.addresses.iter().position(|known| *known == address) {
            entry.addresses[..=index].rotate_right(1);
            return false;
        }
        entry.addresses.insert(0, address);
        entry.addresses.truncate(MAX_ADDRESSES);
        let kept = &entry.addresses;
        entry.worked.retain(|address| kept.contains(address));
        true
    }

    /// Notes that an address of the book has worked. Says whether that is news.
    pub(super) fn worked(&mut self, peer: &PeerId, address: Multiaddr) -> bool {
        let entry = self.peers.get_mut(peer);
        let entry = entry.filter(|entry| entry.addresses.contains(&address));
        entry.is_some_and(|entry| entry.worked.insert(address))
    }

    /// Forgets a peer. Says whether it was there.
    pub(super) fn forget(&mut self, peer: &PeerId) -> bool {
        self.peers.remove(peer).is_some()
    }

    /// The addresses of a peer, the most recent first.
    pub(super) fn addresses(&self, peer: &PeerId) -> &[Multiaddr] {
        self.peers.get(peer).map_or(&[], |entry| &entry.addresses)
    }

    /// A connection to the peer stands.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.state = State::Connected;
        }
    }

    /// The peer has proved to be of this network: its failures are forgotten.
    pub(super) fn confirmed(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.backoff.reset();
            entry.failures = 0;
        }
    }

    /// The last connection has closed, or a dial has failed: the peer is due again after a pause.
    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant, random: u32) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.failures = entry.failures.saturating_add(1);
            entry.state = State::Waiting(now + entry.backoff.fail(random));
        }
    }

    /// Bans a peer. Says whether the ban is kept: there may be too many.
    pub(super) fn ban(&mut self, peer: PeerId) -> bool {
        self.banned.len() < MAX_BANS && { self.banned.insert(peer) || self.is_banned(&peer) }
    }

    /// Lifts a ban; the peer is due at once.
    pub(super) fn unban(&mut self, peer: &PeerId, now: Instant) {
        self.banned.remove(peer);
        if let Some(entry) = self.peers.get_mut(peer)
            && let State::Waiting(due) = &mut entry.state
        {
            entry.backoff.reset();
            *due = now;
        }
    }

    /// Whether a peer is banned.
    pub(super) fn is_banned(&self, peer: &PeerId) -> bool {
        self.banned.contains(peer)
    }

    /// The peers to dial now; they count as being dialled from here on.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, entry) in &mut self.peers {
            let ready = matches!(entry.state, State::Waiting(at) if at <= now);
            if ready && !self.banned.contains(peer) {
                entry.state = State::Dialling;
                due.push((*peer, entry.addresses.clone()));
            }
        }
        due
    }

    /// When the next peer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self
            .peers
            .iter()
            .filter(|(peer, _)| !self.banned.contains(*peer));
        waiting
            .filter_map(|(_, entry)| match entry.state {
                State::Waiting(at) => Some(at),
                State::Dialling | State::Connected => None,
            })
            .min()
    }

    /// Makes room for a peer that is not in the book yet, when that is possible.
    fn has_room(&mut self, peer: &PeerId, pinned: bool) -> bool {
        if self.peers.len() < MAX_PEERS || self.peers.contains_key(peer) {
            return true;
        }
        let worst = self
            .peers
            .iter()
            .filter(|(_, entry)| !entry.pinned && matches!(entry.state, State::Waiting(_)))
            .max_by_key(|(_, entry)| entry.failures)
            .filter(|(_, entry)| pinned || entry.failures > 0)
            .map(|(peer, _)| *peer);
        worst.is_some_and(|worst| self.peers.remove(&worst).is_some())
    }
}

/// An address without the peer id at its end, which the book keeps apart.
pub(super) fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if matches!(address.iter().last(), Some(multiaddr::Protocol::P2p(_))) {
        address.pop();
    }
    address
}

/// The peer id at the end of an address.
pub(super) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(multiaddr::Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::backoff::{BASE, CAP},
        *,
    };

    fn address(port: usize) -> Option<Multiaddr> {
        Some(format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap())
    }

    fn due(book: &mut Book, now: Instant) -> Vec<PeerId> {
        book.due(now).into_iter().map(|(peer, _)| peer).collect()
    }

    #[test]
    fn a_peer_is_dialled_once_and_again_after_growing_pauses() {
        let (own, alice, start) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut book = Book::new(own);
        assert!(book.add(alice, address(1), true, start));
        assert_eq!(due(&mut book, start), [alice]);
        assert!(
            due(&mut book, start + CAP).is_empty(),
            "it is being dialled"
        );
        book.failed(&alice, start, u32::MAX);
        assert_eq!(book.next_due(), Some(start + BASE));
        assert!(due(&mut book, start + BASE - Duration::from_millis(1)).is_empty());
        assert_eq!(due(&mut book, start + BASE), [alice]);
        book.failed(&alice, start, u32::MAX);
        assert_eq!(book.next_due(), Some(start + BASE * 2));
        assert_eq!(due(&mut book, start + CAP), [alice]);
        book.connected(&alice);
        book.confirmed(&alice);
        assert_eq!(book.next_due(), None);
        book.failed(&alice, start, u32::MAX);
        assert_eq!(
            book.next_due(),
            Some(start + BASE),
            "success starts the pauses over"
        );
    }

    #[test]
    fn a_banned_peer_is_not_due_until_the_ban_is_lifted() {
        let (alice, start) = (PeerId::random(), Instant::now());
        let mut book = Book::new(PeerId::random());
        book.add(alice, address(1), true, start);
        assert!(book.ban(alice));
        assert!(book.ban(alice), "twice is the same");
        book.failed(&alice, start, 0);
        assert_eq!(book.next_due(), None);
        assert!(due(&mut book, start + CAP * 10).is_empty());
        book.unban(&alice, start);
        assert_eq!(due(&mut book, start), [alice]);
    }

    #[test]
    fn the_node_itself_is_never_in_its_book() {
        let (own, start) = (PeerId::random(), Instant::now());
        let mut book = Book::new(own);
        assert!(!book.add(own, address(1), true, start));
        assert!(due(&mut book, start).is_empty());
    }

    #[test]
    fn the_latest_addresses_are_kept_and_come_first() {
        let (alice, start) = (PeerId::random(), Instant::now());
        let mut book = Book::new(PeerId::random());
        for port in 1..=MAX_ADDRESSES + 1 {
            assert!(book.add(alice, address(port), false, start));
        }
        let with_peer = address(3).map(|it| it.with(multiaddr::Protocol::P2p(alice)));
        assert_eq!(with_peer.as_ref().and_then(peer_of), Some(alice));
        assert!(
            !book.add(alice, with_peer, false, start),
            "the same address again"
        );
        let known = book.addresses(&alice);
        assert_eq!(known.len(), MAX_ADDRESSES);
        assert_eq!(Some(&known[0]), address(3).as_ref());
        assert!(!known.contains(&address(1).unwrap()));
    }

    #[test]
    fn that_an_address_works_is_news_once() {
        let (alice, start) = (PeerId::random(), Instant::now());
        let mut book = Book::new(PeerId::random());
        assert!(!book.worked(&alice, address(1).unwrap()), "not in the book");
        book.add(alice, address(1), false, start);
        assert!(book.worked(&alice, address(1).unwrap()));
        assert!(!book.worked(&alice, address(1).unwrap()));
        for port in 2..=MAX_ADDRESSES + 1 {
            book.add(alice, address(port), false, start);
        }
        assert!(
            book.peers[&alice].worked.is_empty(),
            "it has given way to later ones"
        );
    }

    #[test]
    fn a_full_book_lets_go_of_the_unreachable_but_not_of_the_pinned() {
        let (start, bob) = (Instant::now(), PeerId::random());
        let mut book = Book::new(PeerId::random());
        book.add(bob, address(1), true, start);
        let others: Vec<_> = (1..MAX_PEERS).map(|_| PeerId::random()).collect();
        for other in &others {
            assert!(book.add(*other, address(1), false, start));
        }
        book.failed(&bob, start, 0);
        let (alice, carol) = (PeerId::random(), PeerId::random());
        assert!(
            !book.add(alice, address(1), false, start),
            "all are as good as it"
        );
        book.failed(&others[5], start, 0);
        assert!(book.add(alice, address(1), false, start));
        assert!(book.addresses(&others[5]).is_empty());
        assert!(
            book.add(carol, address(1), true, start),
            "a pinned one finds room"
        );
        assert!(!book.addresses(&bob).is_empty());
        assert_eq!(book.peers.len(), MAX_PEERS);
    }
}
