//! The standing of peers: points for what they did wrong, which fade with time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

use super::message::Penalty;

/// In this time one point fades: a peer that errs now and then keeps its connection, one that does
/// so without pause does not.
const FADE: Duration = Duration::from_secs(6);

/// How many peers are remembered; the one that was penalised longest ago gives way.
const MAX_REMEMBERED: usize = 1024;

/// The points of peers, and when they were last counted.
#[derive(Debug, Default)]
pub(super) struct Standings {
    by_peer: BTreeMap<PeerId, (u32, Instant)>,
}

impl Standings {
    /// Adds a penalty and returns the points the peer has then.
    pub(super) fn penalize(&mut self, peer: PeerId, penalty: Penalty, now: Instant) -> u32 {
        self.make_room(&peer);
        let points = self.points(&peer, now).saturating_add(penalty.points());
        self.by_peer.insert(peer, (points, now));
        points
    }

    /// The points of a peer that have not faded yet.
    pub(super) fn points(&self, peer: &PeerId, now: Instant) -> u32 {
        let Some((points, since)) = self.by_peer.get(peer) else {
            return 0;
        };
        let faded = now.saturating_duration_since(*since).as_secs() / FADE.as_secs();
        points.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }

    /// Forgets what a peer did.
    pub(super) fn forgive(&mut self, peer: &PeerId) {
        self.by_peer.remove(peer);
    }

    fn make_room(&mut self, peer: &PeerId) {
        if self.by_peer.len() < MAX_REMEMBERED || self.by_peer.contains_key(peer) {
            return;
        }
        let oldest = self.by_peer.iter().min_by_key(|(_, (_, since))| *since);
        if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
            self.by_peer.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_add_up_fade_and_are_forgiven() {
        let mut standings = Standings::default();
        let (alice, start) = (PeerId::random(), Instant::now());
        assert_eq!(standings.penalize(alice, Penalty::Major, start), 50);
        assert_eq!(
            standings.penalize(alice, Penalty::Major, start),
            Penalty::LIMIT
        );
        assert_eq!(
            standings.penalize(alice, Penalty::Minor, start + FADE * 10),
            95
        );
        standings.forgive(&alice);
        assert_eq!(standings.penalize(alice, Penalty::Minor, start), 5);
    }

    #[test]
    fn no_more_peers_are_remembered_than_allowed() {
        let mut standings = Standings::default();
        let start = Instant::now();
        let first = PeerId::random();
        standings.penalize(first, Penalty::Major, start);
        for _ in 0..MAX_REMEMBERED {
            standings.penalize(PeerId::random(), Penalty::Minor, start + FADE);
        }
        assert_eq!(standings.by_peer.len(), MAX_REMEMBERED);
        assert!(!standings.by_peer.contains_key(&first));
    }
}
