//! The way into an inbox: what may be dropped when it is full, and what waits in a backlog.
//!
//! # Invariants
//! - Events of the backlog leave in the order in which they came.
//! - The backlog is bounded: answers by the number of open requests, connections by the limit on
//!   connections, for a connection and its disconnection that both wait cancel each other out; the
//!   owner takes no command while [`Outlet::is_behind`].

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::message::Event;

/// From this length of the backlog on, no further commands are taken: the node does not read its
/// inbox, so it must not cause more events for it.
const BEHIND: usize = 256;

/// The sending half of one inbox.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
}

impl Outlet {
    /// An inbox with room for `capacity` events, and the way into it.
    pub(super) fn new(capacity: usize) -> (Self, mpsc::Receiver<Event>) {
        let (sender, inbox) = mpsc::channel(capacity);
        (
            Self {
                sender,
                backlog: VecDeque::new(),
            },
            inbox,
        )
    }

    /// The inbox itself, for one who waits for room instead of dropping.
    pub(super) fn sender(&self) -> mpsc::Sender<Event> {
        self.sender.clone()
    }

    /// Hands over an event, or drops it when the inbox is full or events wait before it. Says
    /// whether it was handed over.
    pub(super) fn offer(&mut self, event: Event) -> bool {
        self.backlog.is_empty() && self.sender.try_send(event).is_ok()
    }

    /// Hands over an event that must not be lost, at once or from the backlog.
    pub(super) fn deliver(&mut self, event: Event) {
        if self.backlog.is_empty() {
            match self.sender.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
            }
        } else if !self.cancels_out(&event) {
            self.backlog.push_back(event);
        }
    }

    /// Whether events wait in the backlog.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether so many events wait that nothing should be done that makes more of them.
    pub(super) fn is_behind(&self) -> bool {
        self.backlog.len() >= BEHIND
    }

    /// Waits for room and hands over the first event of the backlog. Nothing is lost when the
    /// future is dropped before its end.
    pub(super) async fn flush_one(&mut self) {
        match self.sender.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.backlog.pop_front() {
                    permit.send(event);
                }
            }
            Err(_closed) => self.backlog.clear(),
        }
    }

    /// When `event` ends a connection whose begin still waits, removes that begin.
    fn cancels_out(&mut self, event: &Event) -> bool {
        let Event::PeerDisconnected(gone) = event else {
            return false;
        };
        let begin = self
            .backlog
            .iter()
            .position(|event| matches!(event, Event::PeerConnected { peer, .. } if peer == gone));
        begin.is_some_and(|index| self.backlog.remove(index).is_some())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use libp2p::{Multiaddr, PeerId};

    use super::*;

    fn connected(peer: PeerId) -> Event {
        Event::PeerConnected {
            peer,
            address: Multiaddr::empty(),
            outbound: true,
        }
    }

    fn drain(outlet: &mut Outlet, inbox: &mut mpsc::Receiver<Event>) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            while let Ok(event) = inbox.try_recv() {
                if let Event::PeerConnected { peer, .. } = event {
                    all.push(format!("+{peer}"));
                } else if let Event::PeerDisconnected(peer) = event {
                    all.push(format!("-{peer}"));
                } else {
                    panic!("{event:?}");
                }
            }
            if !outlet.has_backlog() {
                return all;
            }
            outlet.flush_one().now_or_never().unwrap();
        }
    }

    #[test]
    fn a_full_inbox_drops_offers_and_keeps_deliveries_in_order() {
        let (mut outlet, mut inbox) = Outlet::new(2);
        let peers: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        assert!(outlet.offer(connected(peers[0])));
        assert!(outlet.offer(connected(peers[1])));
        assert!(!outlet.offer(connected(peers[2])));
        outlet.deliver(connected(peers[3]));
        outlet.deliver(Event::PeerDisconnected(peers[0]));
        inbox.try_recv().unwrap();
        // There is room, but an event that came earlier still waits.
        assert!(!outlet.offer(connected(peers[2])));
        let rest = drain(&mut outlet, &mut inbox);
        let wanted = [
            format!("+{}", peers[1]),
            format!("+{}", peers[3]),
            format!("-{}", peers[0]),
        ];
        assert_eq!(rest, wanted);
    }

    #[test]
    fn one_who_comes_and_goes_while_the_inbox_is_full_leaves_no_trace() {
        let (mut outlet, mut inbox) = Outlet::new(1);
        let (alice, bob) = (PeerId::random(), PeerId::random());
        outlet.deliver(connected(alice));
        for _ in 0..10 * BEHIND {
            outlet.deliver(Event::PeerDisconnected(alice));
            outlet.deliver(connected(bob));
            outlet.deliver(Event::PeerDisconnected(bob));
            outlet.deliver(connected(alice));
        }
        assert!(!outlet.is_behind());
        let all = drain(&mut outlet, &mut inbox);
        assert_eq!(all.first(), Some(&format!("+{alice}")));
        assert_eq!(all.last(), Some(&format!("+{alice}")));
        assert!(all.iter().all(|event| event.contains(&alice.to_string())));
    }

    #[test]
    fn a_closed_inbox_lets_the_backlog_go() {
        let (mut outlet, inbox) = Outlet::new(1);
        outlet.deliver(connected(PeerId::random()));
        outlet.deliver(connected(PeerId::random()));
        drop(inbox);
        outlet.flush_one().now_or_never().unwrap();
        assert!(!outlet.has_backlog());
    }
}
